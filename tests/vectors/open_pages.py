"""Vectors of pages, and of which pages of a vault each reader opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.digest import sha256
from entrenous.crypto.key_tree import collection_key, day_key, tree_root
from entrenous.crypto.page import decrypt_page, encrypt_page, page_key
from entrenous.protocol.columns import encode_columns
from entrenous.protocol.grant import Bundle
from entrenous.protocol.keyset import Keyset, PathKeys, path_keys
from entrenous.protocol.page import PageEntry
from entrenous.protocol.window import Window
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, hexes, plain
from entrenous.tests.vectors.open_grants import keyset_input
from entrenous.tests.vectors.open_keys import sets_of
from entrenous.tests.vectors.open_vault import Page, pages, sealed, vault
from entrenous.tests.vectors.open_world import (
    AGAIN,
    BANK,
    EPOCH_BEFORE,
    FIRST,
    MONEY,
    PAID,
    PERSON,
    PROCESSOR,
    SEED,
    SUPPLIER,
    T_MS,
    VAULTS,
    YEAR,
    Party,
    bank_bundle,
    bank_keyset,
    paid,
    processor_bundle,
    processor_keyset,
    second_generation,
    supplier_bundle,
    supplier_keysets,
)


def digest_of(value: Value) -> str:
    return sha256(encode(value)).hex()


# --- pages ----------------------------------------------------------------------------------------


def _key(page: PageEntry) -> PathKeys:
    """The key of this page's day, and no other."""
    found = path_keys(
        VAULTS[page.epoch],
        epoch=page.epoch,
        path=page.path,
        gen=page.gen,
        windows=[Window(page.path, page.day, page.day)],
        exp_s=2**33,
    )
    assert found is not None
    return found


def _sets(page: PageEntry) -> list[Json]:
    return sets_of([_key(page)])


def _page_case(name: str, page: Page) -> Case:
    return Case(
        f"page: {name}",
        "page",
        {
            "entry": page.entry.encoded().hex(),
            "page": page.ciphertext.hex(),
            "sets": _sets(page.entry),
        },
        {
            "writer": page.entry.writer,
            "salt_d": None if page.salt is None else page.salt.hex(),
            "count": len(page.batch),
            "rows": [plain(row) for row in page.batch.rows()],
            "cols": digest_of(encode_columns(page.batch)),
        },
    )


def _of_day(commit: int, day: int) -> Page:
    return next(page for page in vault()[commit].pages if page.entry.day == day)


def page_vectors() -> Subject:
    one, empty = _of_day(0, FIRST + 40), _of_day(0, FIRST + 31)
    cases = [
        _page_case("of a day", one),
        _page_case("of a day without a record", empty),
        _page_case("under the second generation", _of_day(1, FIRST + 47)),
        _page_case("of the epoch before, by the tablet", _of_day(3, AGAIN[0])),
        _page_case("of payments", _of_day(2, PAID[0] + 2)),
        _page_case("undated", _of_day(2, 65_535)),
        _page_case("compressed", _compressed()),
    ]
    about = "Pages: from the line that travels with one, and the keys of a day, to its records."
    return Subject("pages.json", about, cases, _page_faults(one))


@cache
def _compressed() -> Page:
    """Payments that fill more than a bucket, and fewer when compressed."""
    day = PAID[0] + 3
    rows: list[Mapping[str, Value]] = [
        {
            "id": f"z{number:03}",
            "time": T_MS + (day - YEAR[1]) * 86_400_000 + number * 60_000,
            "offset_min": 0,
            "amount": [-100 - number, 2],
            "currency": "EUR",
            "label": "the same shop as the day before",
            "counterparty": "the same shop",
            "kind": "debit",
        }
        for number in range(40)
    ]
    batch = type(paid().days[day].batch).from_rows(paid().statement.schema, rows)
    page = sealed(batch, MONEY, day, name="compressed page")
    assert page.entry.codec == 1
    return page


def entry_with(entry: PageEntry, place: int, value: Value) -> str:
    found = entry.value()
    found[place] = value
    return encode(found).hex()


def _again(page: Page, **changed: int) -> Page:
    """The same page, well encrypted, with another number in what is authenticated."""
    entry = page.entry
    root = tree_root(collection_key(VAULTS[entry.epoch], entry.path, entry.gen))
    key = page_key(day_key([root], entry.day), entry.page_id, entry.page_salt)
    packed = decrypt_page(key, entry.header(), page.ciphertext)
    other = replace(entry, **changed)
    ciphertext = encrypt_page(key, other.header(), packed, entropy=SEED.fork("encrypted again"))
    return Page(
        replace(other, length=len(ciphertext), digest=sha256(ciphertext)),
        ciphertext,
        page.batch,
        page.salt,
    )


def _page_faults(page: Page) -> list[Fault]:
    of, entry = "page: of a day", page.entry
    bad = page.ciphertext[:-1] + bytes([page.ciphertext[-1] ^ 1])
    next_day = _sets(_of_day(0, entry.day + 1).entry)
    other_generation = [{**_one(page), "gen": second_generation().hex()}]
    other_epoch = [{**_one(page), "e": EPOCH_BEFORE.hex()}]

    def said(name: str, why: str, place: int, value: Value) -> Fault:
        return Fault(f"page: {name}", of, why, {"entry": entry_with(entry, place, value)})

    def moved(name: str, why: str, other: Page) -> Fault:
        put = {"entry": other.entry.encoded().hex(), "page": other.ciphertext.hex()}
        return Fault(f"page: {name}", of, why, put)

    day: Json = [[16, entry.day + 1, _key(entry).nodes[0].key.secret_bytes().hex()]]
    return [
        Fault("page: bytes altered", of, "digest", {"page": bad.hex()}),
        Fault("page: a byte too few", of, "digest", {"page": page.ciphertext[:-1].hex()}),
        Fault(
            "page: altered, and its digest too",
            of,
            "page",
            {"page": bad.hex(), "entry": entry_with(entry, 8, sha256(bad))},
        ),
        Fault(
            "page: moved to another day",
            of,
            "page",
            {"entry": entry_with(entry, 3, entry.day + 1), "sets": [{**_one(page), "nodes": day}]},
        ),
        Fault(
            "page: moved to another day, with the key of that day",
            of,
            "page",
            {"entry": entry_with(entry, 3, entry.day + 1), "sets": next_day},
        ),
        said("another salt", "page", 1, bytes(32)),
        said("another name", "page", 0, bytes(16)),
        said("another count", "page", 6, entry.count + 1),
        said("another statement", "page", 9, paid().statement.cid),
        said("no statement", "page", 9, None),
        said("another schema", "page", 10, "transaction/1"),
        said("another codec", "page", 12, 1),
        said("another plain_len", "page", 13, entry.plain_len + 1),
        said("a digest of something else", "digest", 8, bytes(32)),
        said("a schema that is none", "form", 10, "meter-reading/2"),
        said("a writer of another spelling", "key", 11, PERSON.device_did[:-1]),
        Fault("page: the key of another day", of, "no-key", {"sets": next_day}),
        Fault("page: the key of another generation", of, "no-key", {"sets": other_generation}),
        Fault("page: the key of another epoch", of, "no-key", {"sets": other_epoch}),
        Fault("page: no key", of, "no-key", {"sets": []}),
        Fault(
            "page: a wrong key",
            of,
            "page",
            {"sets.0.nodes.0.2": bytes(32).hex()},
        ),
        moved(
            "a length before compression that is too short",
            "padding",
            _again(page, plain_len=entry.plain_len - 1),
        ),
        moved(
            "a length before compression that is too long",
            "encoding",
            _again(page, plain_len=entry.plain_len + 1),
        ),
        moved(
            "a count that is too high, authenticated",
            "columns",
            _again(page, count=entry.count + 1),
        ),
        moved("not compressed, as it says", "padding", _again(page, codec=1)),
    ]


def _one(page: Page) -> dict[str, Json]:
    found = _sets(page.entry)[0]
    assert isinstance(found, dict)
    return dict(found)


# --- what a reader opens --------------------------------------------------------------------------


def opened_by(bundle: Bundle) -> list[Page]:
    return [
        page
        for page in pages()
        if any(
            w.collection == page.entry.path and w.first <= page.entry.day <= w.last
            for w in bundle.grant.windows
        )
    ]


def _opens(name: str, bundle: Bundle, reader: Party, keysets: Sequence[Keyset]) -> Case:
    return Case(
        f"opens: {name}",
        "opens",
        {
            **keyset_input(bundle, reader, keysets),
            "pages": {"shared": "pages"},
            "heads": {"shared": "heads"},
        },
        {
            "tried": len(pages()),
            "opened": [
                [page.entry.page_id.hex(), digest_of([page.salt, encode_columns(page.batch)])]
                for page in opened_by(bundle)
            ],
        },
    )


def vault_vectors() -> Subject:
    shared: dict[str, Json] = {
        "pages": [
            {"entry": page.entry.encoded().hex(), "page": page.ciphertext.hex()} for page in pages()
        ],
        "heads": [
            {
                "head": commit.segment.head.raw.hex(),
                "size": len(commit.pages),
                "padding": hexes(commit.segment.padding),
            }
            for commit in vault()
        ],
    }
    of = "opens: the supplier, after its second keyset"
    cases = [
        _opens(
            "the supplier, after its second keyset", supplier_bundle(), SUPPLIER, supplier_keysets()
        ),
        _opens(
            "the supplier, with its newest keyset alone",
            supplier_bundle(),
            SUPPLIER,
            supplier_keysets()[1:],
        ),
        _opens("the processor", processor_bundle(), PROCESSOR, [processor_keyset()]),
        _opens("the bank", bank_bundle(), BANK, [bank_keyset()]),
    ]
    first, second = hexes(one.signed.raw for one in supplier_keysets())
    faults = [
        Fault("opens: the first keyset alone", of, "no-key", {"keysets": [first]}),
        Fault(
            "opens: keysets in reverse, one twice",
            of,
            "replay",
            {"keysets": [second, first, second]},
        ),
        Fault("opens: a keyset twice", of, "replay", {"keysets": [second, second]}),
        Fault(
            "opens: a page exchanged for another",
            of,
            "digest",
            {"pages.3.page": pages()[4].ciphertext.hex()},
        ),
        Fault("opens: two pages exchanged", of, "segment", _exchanged(3, 4)),
        Fault("opens: other padding", of, "segment", {"heads.0.padding.0": bytes(32).hex()}),
    ]
    return Subject(
        "vault.json", "A whole vault: which pages each reader opens.", cases, faults, shared
    )


def _exchanged(i: int, j: int) -> dict[str, Json]:
    found = pages()
    return {
        f"pages.{at}.{name}": value
        for at, page in ((i, found[j]), (j, found[i]))
        for name, value in (("entry", page.entry.encoded().hex()), ("page", page.ciphertext.hex()))
    }

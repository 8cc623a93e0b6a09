"""Vectors of reads: a window as it arrives, receipts and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.labels import Signed
from entrenous.crypto.merkle import (
    tree_hash,
)
from entrenous.protocol.cid import cid_text
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.helped import make_lease
from entrenous.protocol.invocation import Invocation
from entrenous.protocol.offer import Offer
from entrenous.protocol.persona import Certificate
from entrenous.protocol.receipt import (
    Receipt,
    ReceiptBody,
    countersign,
    countersigned,
    make_answer,
    sign_receipt,
)
from entrenous.protocol.segment import runs
from entrenous.protocol.signed import sign
from entrenous.protocol.statement import prove_days
from entrenous.protocol.window import Window
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, hexes
from entrenous.tests.vectors.open_tokens import call, links_of, reads
from entrenous.tests.vectors.open_vault import Page, vault
from entrenous.tests.vectors.open_world import (
    DAY_S,
    FIRST_N,
    PERSON,
    READINGS,
    ROTATED,
    STRANGER,
    SUPPLIER,
    T_MS,
    T_S,
    TABLET,
    TABLET_CERTIFICATE,
    certify,
    supplier_bundle,
    supplier_keysets,
    year,
)

# Two days before the revocation and two after: the read crosses two generations and two segments.
DAYS = (ROTATED - 2, ROTATED + 1)


@cache
def asked() -> Invocation:
    bundle = supplier_bundle()
    return call(SUPPLIER, reads(bundle, Window(READINGS, *DAYS)), links_of(bundle))


@cache
def served() -> tuple[Page, ...]:
    """The pages of these days, segment after segment."""
    return tuple(
        page
        for commit in vault()[:2]
        for page in commit.pages
        if DAYS[0] <= page.entry.day <= DAYS[1]
    )


def body_of(pages: Sequence[Page], days: tuple[int, int] = DAYS) -> ReceiptBody:
    return ReceiptBody(
        inv=asked().cid,
        dlg=supplier_bundle().grant.cid,
        server=PERSON.device_did,
        reader=SUPPLIER.did,
        window=0,
        last=True,
        entries_root=tree_hash([page.entry.leaf() for page in pages]),
        first=days[0],
        last_day=days[1],
        pages=len(pages),
        size=sum(len(page.ciphertext) for page in pages),
        t_ms=T_MS,
        prev=None,
    )


@cache
def one_sided() -> Receipt:
    return sign_receipt(body_of(served()), PERSON.device)


@cache
def two_sided() -> Receipt:
    return countersigned(one_sided(), countersign(one_sided(), SUPPLIER.key))


@cache
def lease() -> Certificate:
    """What lets another device serve reads for the person."""
    return make_lease(PERSON.key, device=did_of(TABLET.public), exp_s=T_S + DAY_S, now_ms=T_MS)


@cache
def helped() -> Receipt:
    """The same window, served by a helper under that lease."""
    body = replace(body_of(served()), server=lease().device)
    signed = sign_receipt(body, TABLET)
    return countersigned(signed, countersign(signed, SUPPLIER.key))


def _call() -> dict[str, Json]:
    return {
        "invocation": asked().raw.hex(),
        "proofs": hexes(link.raw for link in links_of(supplier_bundle())),
        "certificates": hexes([PERSON.certificate.signed.raw]),
    }


# --- receipts and answers -------------------------------------------------------------------------


def receipts() -> Subject:
    entries = hexes(page.entry.encoded() for page in served())
    first = sign_receipt(
        replace(body_of(served()[:2], (DAYS[0], DAYS[0] + 1)), last=False), PERSON.device
    )
    nothing = sign_receipt(body_of(()), PERSON.device)

    def case(name: str, receipt: Receipt, sides: int, entries: Json, window: int = 0) -> Case:
        return Case(
            f"receipt: {name}",
            "receipt",
            {**_call(), "receipt": receipt.signed.raw.hex(), "entries": entries},
            {
                "cid": cid_text(receipt.cid),
                "sides": sides,
                "window": window,
                "pages": receipt.body.pages,
            },
        )

    answer = make_answer(
        PERSON.device,
        inv=asked().cid,
        code=Code.REVOKED,
        out="this grant has been taken back",
        t_ms=T_MS + 60_000,
        prev=one_sided().cid,
    )
    cases = [
        case("of both", two_sided(), 2, entries),
        case("of the server alone", one_sided(), 1, entries),
        case("the first of several windows", first, 1, entries[:2]),
        case("of no page", nothing, 1, []),
        Case(
            "answer: a refusal",
            "answer",
            {
                "answer": answer.signed.raw.hex(),
                "invocation": asked().raw.hex(),
                "certificates": hexes([PERSON.certificate.signed.raw]),
                "persona": PERSON.did,
                "device": PERSON.device_did,
            },
            {"cid": cid_text(answer.cid), "code": "revoked"},
        ),
    ]
    return Subject(
        "receipts.json",
        "Receipts of one side and of both, and answers.",
        cases,
        [*_receipt_faults(), *_answer_faults(dict(answer.signed.body))],
    )


def _receipt_faults() -> list[Fault]:
    of = "receipt: of both"
    body = dict(two_sided().signed.body)
    first, second = two_sided().signed.signatures
    message = ["entrenous/1/receipt", body]

    def raw(name: str, why: str, raw: bytes) -> Fault:
        return Fault(f"receipt: {name}", of, why, {"receipt": raw.hex()})

    def said(name: str, why: str, **changed: Value) -> Fault:
        found = sign(Signed.RECEIPT, {**body, **changed}, PERSON.device, SUPPLIER.key)
        return raw(name, why, found.raw)

    def entries(name: str, pages: Sequence[Page]) -> Fault:
        found = hexes(page.entry.encoded() for page in pages)
        return Fault(f"receipt: {name}", of, "receipt", {"entries": found})

    other = served()
    late = certify(PERSON.key, TABLET)
    return [
        raw("signatures in the other order", "signature", encode([*message, second, first])),
        raw("the server's signature twice", "signature", encode([*message, first, first])),
        raw(
            "countersigned by another",
            "signature",
            sign(Signed.RECEIPT, body, PERSON.device, STRANGER.key).raw,
        ),
        raw(
            "signed by the persona, not the device",
            "signature",
            sign(Signed.RECEIPT, body, PERSON.key, SUPPLIER.key).raw,
        ),
        raw("three signatures", "form", encode([*message, first, second, second])),
        raw("no signature", "form", encode(message)),
        raw(
            "signature altered",
            "signature",
            encode([*message, first, bytes([second[0] ^ 1]) + second[1:]]),
        ),
        said("for other bytes", "receipt", entries_root=bytes(32)),
        said("of fewer pages", "receipt", pages=3),
        said("of more bytes", "receipt", bytes=two_sided().body.size + 1),
        said("of another call", "receipt", inv=supplier_bundle().grant.cid),
        said("of another grant", "receipt", dlg=asked().cid),
        said("of more days than asked", "receipt", to=DAYS[1] + 1),
        said("of fewer days, though the last", "receipt", to=DAYS[1] - 1),
        said("a first window that begins later", "receipt", **{"from": DAYS[0] + 1}),
        said("another version", "version", v=2),
        said("a key more", "form", more=None),
        raw(
            "by another reader",
            "receipt",
            sign(Signed.RECEIPT, {**body, "reader": STRANGER.did}, PERSON.device, STRANGER.key).raw,
        ),
        entries("a page left out", other[:-1]),
        entries("pages in another order", [other[1], other[0], *other[2:]]),
        entries("another page", [vault()[0].pages[0], *other[1:]]),
        Fault(
            "receipt: of a device without a certificate",
            of,
            "certificate",
            {"certificates": hexes([late.signed.raw])},
        ),
        Fault(
            "receipt: a certificate of another command",
            of,
            "certificate",
            {
                "certificates": hexes(
                    [certify(PERSON.key, PERSON.device, cmds=("/grant",)).signed.raw]
                )
            },
        ),
    ]


def _answer_faults(body: Mapping[str, Value]) -> list[Fault]:
    of = "answer: a refusal"

    def said(name: str, why: str, **changed: Value) -> Fault:
        raw = sign(Signed.ANSWER, {**body, **changed}, PERSON.device).raw
        return Fault(f"answer: {name}", of, why, {"answer": raw.hex()})

    other = call(SUPPLIER, {"v": 1}, links_of(supplier_bundle()))
    return [
        said("a code that is none", "form", code="no"),
        said("a refusal without a sentence", "form", out=7),
        said("another version", "version", v=2),
        Fault("answer: to another call", of, "receipt", {"invocation": other.raw.hex()}),
        Fault(
            "answer: by another device",
            of,
            "signature",
            {"answer": sign(Signed.ANSWER, body, TABLET).raw.hex()},
        ),
        Fault("answer: of a device without a certificate", of, "certificate", {"certificates": []}),
    ]


# --- a window as it arrives -----------------------------------------------------------------------


@cache
def offered() -> Offer:
    proof = prove_days(year().leaves, year().statement, *DAYS)
    found: list[Value] = []
    for commit in vault()[:2]:
        days = [page.entry.day for page in commit.pages]
        places = [place for place, day in enumerate(days) if DAYS[0] <= day <= DAYS[1]]
        found += [run.value() for run in runs(commit.segment, places)]
    return Offer(
        receipt=one_sided().body,
        sig=one_sided().signed.signatures[0],
        heads=[commit.segment.head.raw for commit in vault()[:2]],
        entries=[page.entry.encoded() for page in served()],
        proofs=found,
        statements=[[year().statement.raw, *DAYS, list(proof)]],
        keysets=[one.signed.raw for one in supplier_keysets()],
    )


def readings() -> Subject:
    case = Case(
        "reading: two generations, two segments",
        "reading",
        {
            **_call(),
            "offer": encode(offered().value()).hex(),
            "pages": b"".join(page.ciphertext for page in served()).hex(),
            "device": PERSON.device_did,
            "now_ms": T_MS,
            "bundle": supplier_bundle().signed.raw.hex(),
            "reader_secret": SUPPLIER.reader.secret_bytes().hex(),
        },
        {
            "receipt": cid_text(one_sided().cid),
            "last": True,
            "keys": FIRST_N + 1,
            "days": [[READINGS, page.entry.day, len(page.batch)] for page in served()],
            "provenance": [
                {
                    "statement": cid_text(year().statement.cid),
                    "src": SUPPLIER.did,
                    "first": DAYS[0],
                    "last": DAYS[1],
                }
            ],
        },
    )
    about = "A window of a read as it arrives: checks, keys, pages, provenance."
    return Subject("readings.json", about, [case], _reading_faults(case.name))


def _reading_faults(of: str) -> list[Fault]:
    value = offered().value()
    pages = [page.ciphertext for page in served()]
    proofs, entries = list(offered().proofs), list(offered().entries)
    statement, (first, last) = year().statement.raw, DAYS
    hashes: list[Value] = list(prove_days(year().leaves, year().statement, *DAYS))

    def told(name: str, why: str, **changed: Value) -> Fault:
        return Fault(f"reading: {name}", of, why, {"offer": encode({**value, **changed}).hex()})

    def sent(name: str, why: str, found: Sequence[bytes]) -> Fault:
        return Fault(f"reading: {name}", of, why, {"pages": b"".join(found).hex()})

    keysets = list(offered().keysets)
    tablet = vault()[3].segment.head.raw
    return [
        told("a head is missing", "segment", heads=[vault()[0].segment.head.raw]),
        told("a run is missing", "segment", proofs=proofs[:1]),
        told("runs in the other order", "proof", proofs=list(reversed(proofs))),
        told("an entry is missing", "receipt", entries=entries[:-1]),
        told("entries in the other order", "receipt", entries=list(reversed(entries))),
        told("another signature", "signature", sig=bytes(64)),
        told("the second keyset is missing", "no-key", keysets=keysets[:1]),
        told("a keyset twice", "replay", keysets=[keysets[1], keysets[1]]),
        told(
            "a hash of the statement is missing",
            "proof",
            statements=[[statement, first, last, hashes[:-1]]],
        ),
        told(
            "days of the statement left out",
            "proof",
            statements=[[statement, first, DAYS[1] - 1, hashes]],
        ),
        told("a key more", "form", more=1),
        told("a head of another device", "writer", heads=[*offered().heads, tablet]),
        told(
            "a statement of days that were not asked for",
            "receipt",
            statements=[[statement, first - 1, last, hashes]],
        ),
        sent("pages in another order", "digest", [pages[1], pages[0], *pages[2:]]),
        sent("a page is missing", "digest", pages[:-1]),
        sent("bytes after the pages", "digest", [*pages, b"\x00"]),
        Fault(
            "reading: served by another device",
            of,
            "audience",
            {"device": TABLET_CERTIFICATE.device},
        ),
    ]

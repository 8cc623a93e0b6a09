"""Targets: records and what proves and carries them.

Columns, pages, entries, offers, the inside of keysets and of delivery parts, proofs.
"""

from __future__ import annotations

from dataclasses import replace

from entrenous.crypto.canonical import encode
from entrenous.crypto.digest import sha256
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadCiphertext, BadProof, BadSignature
from entrenous.crypto.key_tree import FIRST_GENERATION, collection_key, day_key, tree_root
from entrenous.crypto.keys import DayKey
from entrenous.crypto.labels import Signed
from entrenous.crypto.merkle import (
    Frontier,
    leaf_hash,
    root_of_range,
    verify_consistency,
    verify_inclusion,
)
from entrenous.crypto.page import encrypt_page, page_key
from entrenous.crypto.seal import seal
from entrenous.protocol.columns import decode_columns, encode_columns, read_columns, write_columns
from entrenous.protocol.delivery import announce, open_parts
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import (
    GrantRefused,
    RecordError,
    RemoteProtocolError,
    StatementError,
    WireError,
)
from entrenous.protocol.keyset import Sealing, open_keyset, parse_keyset
from entrenous.protocol.offer import Arriving, parse_offer
from entrenous.protocol.page import open_page, parse_entry
from entrenous.protocol.receipt import receipt_body_from_value
from entrenous.protocol.schema import ACCOUNT, CONTACT, METER_READING, TRANSACTION, schema_named
from entrenous.protocol.segment import RunProof, verify_run
from entrenous.protocol.signed import sign
from entrenous.protocol.statement import RecordProof, read_hashes, verify_days, verify_record
from entrenous.protocol.wire import Value, decode
from entrenous.tests.protocol import spec_words, spec_world

from .examples import example
from .healing import heal
from .target import Form, Tape, Target, same

_SCHEMAS = (METER_READING, TRANSACTION, ACCOUNT, CONTACT)
_COLUMN_ERRORS = (WireError, RecordError)


def _columns(data: bytes) -> object:
    """Byte 0: the schema; 1, 2: the count; then the columns, read both ways."""
    tape = Tape(data)
    schema = _SCHEMAS[tape.upto(len(_SCHEMAS) - 1)]
    count = int.from_bytes(tape.take(2), "big")
    raw = tape.rest()
    batch, end = read_columns(schema, raw, 0, count)
    same(write_columns(batch), raw[:end], "columns that were read are written otherwise")
    slow = decode_columns(schema, decode(raw[:end], bytes_max=1 << 20), count)
    same(list(slow.rows()), list(batch.rows()), "two readers of columns disagree")
    return list(batch.rows())


def _column_values(data: bytes) -> object:
    """`[schema, columns]`, read as a value."""
    match decode(data):
        case [str(name), columns]:
            batch = decode_columns(schema_named(name), columns)
            same(encode_columns(batch), columns, "columns are written otherwise than read")
            batch.check()
            return len(batch)
        case _:
            raise WireError("not a schema and its columns")


def _column_seeds() -> list[bytes]:
    three, one = spec_world.payments(), spec_world.readings()
    return [
        b"\1\0\3" + write_columns(three),
        b"\0\0\4" + write_columns(one.slice(0, 4)),
        b"\0\0\0" + write_columns(one.slice(0, 0)),
        b"\0" + len(one).to_bytes(2, "big") + write_columns(one),
    ]


def _value_seeds() -> list[bytes]:
    three, one = spec_world.payments(), spec_world.readings()
    return [encode([b.schema.name, encode_columns(b)]) for b in (three, one, one.slice(0, 0))]


def _day_key() -> DayKey:
    who = spec_world.cast()
    return day_key(
        [tree_root(collection_key(who.vault, spec_world.PATH, FIRST_GENERATION))], spec_world.DAY
    )


def _page(data: bytes) -> object:
    """Bytes 0 to 3: codec, count, announced length; the rest is what was packed and encrypted."""
    tape = Tape(data)
    codec, count, length = tape.upto(2), tape.upto(255), int.from_bytes(tape.take(3), "big")
    packed = tape.rest()
    packed += bytes(-len(packed) % METER_READING.bucket)
    entry = replace(spec_world.sealed_pages()[0][0], codec=codec, count=count, plain_len=length)
    key = page_key(_day_key(), entry.page_id, entry.page_salt)
    entropy = SeededEntropy(b"fuzz")
    ciphertext = encrypt_page(key, entry.header(), packed, entropy=entropy)
    entry = replace(entry, length=len(ciphertext), digest=sha256(ciphertext))
    return list(open_page(entry, ciphertext, _day_key()).batch.rows())


def _page_seeds() -> list[bytes]:
    import zlib

    plain = example("page", "plaintext, before padding")
    head = (4).to_bytes(1, "big") + len(plain).to_bytes(3, "big")
    return [b"\0" + head + plain, b"\1" + head + zlib.compress(plain)]


def _entry(data: bytes) -> object:
    entry = parse_entry(data)
    same(entry.encoded(), data, "an entry has two forms")
    return entry


def _offer(data: bytes) -> object:
    """`[offer, page…]`: the pages arrive as one run of bytes, in two cuts."""
    match decode(data, bytes_max=1 << 20):
        case [body, list(pages)] if all(isinstance(page, bytes) for page in pages):
            pass
        case _:
            raise WireError("not an offer and its pages")
    offer, spans = parse_offer(body)
    same(encode(offer.value()), encode(body), "an offer does not come back from its value")
    came = b"".join(page for page in pages if isinstance(page, bytes))
    found: list[object] = []
    for cut in (len(came), 7):
        arriving = Arriving(offer, spans)
        for at in range(0, len(came), max(cut, 1)):
            arriving.add(came[at : at + cut])
        found.append(arriving.pages() if arriving.whole else None)
    same(found[0], found[1], "how pages are cut matters")
    return found[0]


def _offer_seeds() -> list[bytes]:
    body = decode(example("reading", "body of the offer frame"))
    pages: list[Value] = [page for _, page in spec_world.sealed_pages()]
    return [encode([body, pages[:2]]), encode([body, []]), encode([body, pages])]


def _run(data: bytes) -> object:
    """`[run, entry…]`: a run of entries against the segment of the examples."""
    match decode(data):
        case [run, list(entries)]:
            encoded = [entry for entry in entries if isinstance(entry, bytes)]
        case _:
            raise WireError("not a run and its entries")
    proof = RunProof.from_value(run)
    same(proof.value(), run, "a run does not come back from its value")
    return verify_run(spec_world.vouched().head, proof, encoded)


def _run_seeds() -> list[bytes]:
    run = decode(example("segment", "run of entries 0 and 1"))
    entries: list[Value] = [entry.encoded() for entry, _ in spec_world.sealed_pages()]
    return [encode([run, entries[:2]]), encode([run, entries])]


def _proof(data: bytes) -> object:
    """`[first, [leaf…], [hash…]]` against a statement by day, `[record, proof]` by record."""
    match decode(data):
        case [int(first), list(days), hashes] if not isinstance(first, bool):
            leaves = read_hashes(days)
            verify_days(spec_world.delivered()[0], first, leaves, read_hashes(hashes))
            return first, leaves
        case [dict(record), proof]:
            found = RecordProof.from_value(proof)
            same(found.value(), proof, "a proof does not come back from its value")
            from entrenous.protocol.statement import parse_statement

            statement = parse_statement(example("statement-by-record", "statement"))
            verify_record(statement, record, found)
            return record
        case _:
            raise WireError("not a proof")


def _proof_seeds() -> list[bytes]:
    leaves: list[Value] = [day.leaf for day in spec_world.delivered()[1]]
    hashes = decode(example("statement-by-day", "range proof of days 46021 to 46022"))
    record = decode(example("statement-by-record", "record 1"))
    proof = decode(example("statement-by-record", "proof of record 1 alone"))
    return [encode([46_021, leaves[:2], hashes]), encode([record, proof])]


def _merkle(data: bytes) -> object:
    """`[size, index, [leaf…], [hash…]]`: trees of RFC 9162 with sizes and proofs of the peer's."""
    match decode(data):
        case bytes(raw):
            frontier = Frontier.from_bytes(raw)
            same(frontier.to_bytes(), raw, "a frontier has two forms")
            return frontier.root()
        case [int(size), int(index), leaves, hashes] if type(size) is int and type(index) is int:
            found, proof = read_hashes(leaves), read_hashes(hashes)
        case _:
            raise WireError("not a tree")
    root = root_of_range(size, index, found, proof)
    if len(found) == 1:
        verify_inclusion(size, index, found[0], proof, root)
    verify_consistency(index, size, found[0] if found else b"", root, proof)
    return root


def _merkle_seeds() -> list[bytes]:
    leaves = [leaf_hash(bytes([n])) for n in range(5)]
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    hashes: list[Value] = list(leaves)
    return [
        encode(frontier.to_bytes()),
        encode([5, 1, hashes[1:2], hashes[2:5]]),
        encode([5, 0, hashes, []]),
        encode([2**63 - 1, 2**40, hashes[:2], hashes * 4]),
    ]


def _keys_inside(data: bytes) -> object:
    """The inside of a keyset, sealed to the reader and signed by the owner."""
    who = spec_world.cast()
    bundle = spec_words.bundle()
    sealing = Sealing(
        bundle.grant.cid,
        bundle.terms.cid,
        did_of(who.person.public),
        did_of(who.supplier.public),
        who.supplier_reader.public,
    )
    sealed = seal(who.supplier_reader.public, sealing.info(7), data, entropy=SeededEntropy(b"fuzz"))
    template = parse_keyset(example("keyset", "keyset"), did_of(who.person.public))
    body: dict[str, Value] = {
        key: (7 if key == "n" else sealed if value == template.sealed else value)
        for key, value in template.signed.body.items()
    }
    keyset = parse_keyset(sign(Signed.KEYSET, body, who.person).raw, did_of(who.person.public))
    keys = open_keyset(keyset, sealing, who.supplier_reader)
    return keys.sets


def _part(data: bytes) -> object:
    """The inside of the one part of a delivery, sealed to the person."""
    who = spec_world.cast()
    try:
        value = decode(data)
    except WireError:
        value = None
    statement = spec_world.delivered()[0].cid
    if isinstance(value, list) and value and isinstance(value[0], bytes):
        value = [heal(value[0]), *value[1:]]
        data = encode(value)
    src, to, nonce = did_of(who.supplier.public), did_of(who.person.public), bytes(16)
    info = encode(["entrenous/1/delivery", src, to, nonce, statement, 0])
    part = seal(who.person_reader.public, info, data, entropy=SeededEntropy(b"fuzz"))
    found = open_parts(
        [part],
        announce([part]),
        secret=who.person_reader,
        src=src,
        to=to,
        nonce=nonce,
        statement=statement,
    )
    same(found.statement.cid, statement, "another statement is taken")
    return [(day.day, list(day.batch.rows())) for day in found.days]


def _receipt_body(data: bytes) -> object:
    value = decode(data)
    body = receipt_body_from_value(value)
    same(body.value(), value, "a receipt's body does not come back from its value")
    return body


def _receipt_seeds() -> list[bytes]:
    return [encode(spec_words.receipt().body.value())]


TARGETS = (
    Target(
        "columns",
        _columns,
        ("protocol.columns", "protocol.record"),
        _column_seeds,
        _COLUMN_ERRORS,
        bytes_max=8192,
        weight=3,
    ),
    Target(
        "column-values",
        _column_values,
        ("protocol.columns", "protocol.record", "protocol.schema"),
        _value_seeds,
        _COLUMN_ERRORS,
        words=(b"transaction/1", b"contact/1", b"account/1"),
        form=Form.VALUE,
        bytes_max=8192,
        weight=2,
    ),
    Target(
        "page",
        _page,
        ("protocol.page", "crypto.page"),
        _page_seeds,
        (*_COLUMN_ERRORS, BadCiphertext),
        bytes_max=8192,
        weight=2,
    ),
    Target(
        "entry",
        _entry,
        ("protocol.page",),
        lambda: [entry.encoded() for entry, _ in spec_world.sealed_pages()],
        _COLUMN_ERRORS,
        form=Form.VALUE,
    ),
    Target(
        "offer",
        _offer,
        ("protocol.offer",),
        _offer_seeds,
        (WireError, RecordError, RemoteProtocolError),
        form=Form.VALUE,
        bytes_max=16_384,
        weight=3,
    ),
    Target(
        "run-of-entries",
        _run,
        ("protocol.segment",),
        _run_seeds,
        (WireError, RecordError, StatementError, BadProof),
        form=Form.VALUE,
    ),
    Target(
        "statement-proof",
        _proof,
        ("protocol.statement",),
        _proof_seeds,
        (WireError, RecordError, StatementError),
        form=Form.VALUE,
    ),
    Target(
        "merkle",
        _merkle,
        ("crypto.merkle",),
        _merkle_seeds,
        (WireError, BadProof),
        form=Form.VALUE,
    ),
    Target(
        "keyset-inside",
        _keys_inside,
        ("protocol.keyset", "crypto.key_tree", "crypto.seal"),
        lambda: [example("keyset", "inside")],
        (WireError, RecordError, BadCiphertext, GrantRefused),
        form=Form.VALUE,
        weight=2,
    ),
    Target(
        "delivery-part",
        _part,
        ("protocol.delivery",),
        lambda: [example("delivery", "part 0, opened")],
        (WireError, RecordError, StatementError, BadSignature),
        form=Form.VALUE,
        bytes_max=8192,
        weight=2,
    ),
    Target(
        "receipt-body",
        _receipt_body,
        ("protocol.receipt",),
        _receipt_seeds,
        (WireError,),
        form=Form.VALUE,
    ),
)

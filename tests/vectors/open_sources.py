"""Vectors of statements, in part and whole, of one record alone, and of deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.digest import sha256
from entrenous.crypto.labels import Signed
from entrenous.protocol.cid import cid_text
from entrenous.protocol.columns import encode_columns
from entrenous.protocol.command import Cmd, DeliverArgs
from entrenous.protocol.delivery import announce, pack_parts
from entrenous.protocol.signed import sign
from entrenous.protocol.statement import prove_days, prove_record
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, hexes, plain
from entrenous.tests.vectors.open_tokens import call
from entrenous.tests.vectors.open_world import (
    BANK,
    GRANTED,
    PAID,
    PERSON,
    SEED,
    STRANGER,
    SUPPLIER,
    T_MS,
    YEAR,
    Party,
    Said,
    paid,
    random,
    year,
)

# --- statements -----------------------------------------------------------------------------------


def _shown(said: Said, first: int, last: int) -> list[Json]:
    return hexes(
        encode([day, said.days[day].salt, encode_columns(said.days[day].batch)])
        for day in range(first, last + 1)
    )


def _about(said: Said) -> dict[str, Json]:
    found = said.statement
    return {
        "cid": cid_text(found.cid),
        "src": found.src,
        "sub": PERSON.did,
        "path": found.path,
        "from": found.first,
        "to": found.last,
    }


def _part(said: Said, first: int, last: int) -> dict[str, Json]:
    return {
        "statement": said.statement.raw.hex(),
        "first": first,
        "last": last,
        "proof": hexes(prove_days(said.leaves, said.statement, first, last)),
        "days": _shown(said, first, last),
        "persona": PERSON.did,
    }


def statements() -> Subject:
    cases = [
        Case("statement: 30 of 365 days", "statement", _part(year(), *GRANTED), _about(year())),
        Case(
            "statement: the first day alone",
            "statement",
            _part(year(), YEAR[0], YEAR[0]),
            _about(year()),
        ),
        Case(
            "statement: days of payments",
            "statement",
            _part(paid(), PAID[0] + 4, PAID[0] + 6),
            _about(paid()),
        ),
        Case("statement: all days", "statement", _part(paid(), *PAID), _about(paid())),
        _record_case(),
    ]
    return Subject(
        "statements.json",
        "What a source signed: days of it, and one record alone.",
        cases,
        [*_statement_faults(), *_record_faults()],
    )


def _record_day() -> int:
    return next(day for day, said in paid().days.items() if len(said.batch) == 3)


def _record_case() -> Case:
    day = _record_day()
    said = paid().days[day]
    proof = prove_record(paid().statement, paid().leaves, said, 1)
    return Case(
        "record: one alone",
        "record",
        {
            "statement": paid().statement.raw.hex(),
            "record": encode(said.batch.row(1)).hex(),
            "proof": encode(proof.value()).hex(),
            "persona": PERSON.did,
        },
        {
            "cid": cid_text(paid().statement.cid),
            "src": BANK.did,
            "d": day,
            "count": 3,
            "i": 1,
            "record": plain(said.batch.row(1)),
        },
    )


def _statement_faults() -> list[Fault]:
    of = "statement: 30 of 365 days"
    first, last = GRANTED
    said = year()
    proof = prove_days(said.leaves, said.statement, first, last)
    body = said.statement.signed.body

    def made(**changed: Value) -> str:
        return sign(Signed.STATEMENT, {**body, **changed}, SUPPLIER.key).raw.hex()

    def day(d: int, salt: bytes, columns: Value) -> str:
        return encode([d, salt, columns]).hex()

    one, two = said.days[first], said.days[first + 2]
    columns, others = encode_columns(one.batch), encode_columns(two.batch)
    raw = said.statement.raw
    return [
        Fault("statement: a hash too few", of, "proof", {"proof": hexes(proof[:-1])}),
        Fault("statement: a hash too many", of, "proof", {"proof": hexes([*proof, bytes(32)])}),
        Fault("statement: a hash altered", of, "proof", {"proof.0": bytes(32).hex()}),
        Fault("statement: hashes in reverse", of, "proof", {"proof": hexes(reversed(proof))}),
        Fault("statement: a day is left out", of, "proof", {"days": _shown(said, first, last - 1)}),
        Fault(
            "statement: a day is left out, and said so",
            of,
            "proof",
            {"days": _shown(said, first, last - 1), "last": last - 1},
        ),
        Fault("statement: a day twice", of, "proof", {"days.1": _shown(said, first, first)[0]}),
        Fault("statement: a day later", of, "proof", {"first": first + 1, "last": last + 1}),
        Fault("statement: another salt", of, "proof", {"days.0": day(first, bytes(32), columns)}),
        Fault(
            "statement: a reading altered",
            of,
            "proof",
            {"days.0": day(first, one.salt, _one_more(columns))},
        ),
        Fault(
            "statement: the rows of another day",
            of,
            "day",
            {"days.0": day(first, one.salt, others)},
        ),
        Fault(
            "statement: rows missing",
            of,
            "proof",
            {"days.0": day(first, one.salt, encode_columns(one.batch.slice(0, 3)))},
        ),
        Fault("statement: of another subject", of, "subject", {"persona": STRANGER.did}),
        Fault(
            "statement: of another subject, signed",
            of,
            "subject",
            {"statement": made(sub=STRANGER.did)},
        ),
        Fault("statement: another root, signed", of, "proof", {"statement": made(root=bytes(32))}),
        Fault(
            "statement: more days than it had, signed",
            of,
            "proof",
            {"statement": made(to=YEAR[1] + 1)},
        ),
        Fault(
            "statement: signed by another",
            of,
            "signature",
            {"statement": sign(Signed.STATEMENT, body, BANK.key).raw.hex()},
        ),
        Fault(
            "statement: signature altered",
            of,
            "signature",
            {"statement": (raw[:-1] + bytes([raw[-1] ^ 1])).hex()},
        ),
        Fault(
            "statement: too many days", of, "form", {"statement": made(**{"from": YEAR[1] - 3_700})}
        ),
        Fault("statement: another version", of, "version", {"statement": made(v=2)}),
        Fault(
            "statement: encoded in another way",
            of,
            "encoding",
            {"statement": (b"\x98\x03" + raw[1:]).hex()},
        ),
        Fault(
            "columns: a bitmap that says more rows",
            of,
            "columns",
            {"days.0": day(first, one.salt, _bitmap(columns))},
        ),
        Fault(
            "columns: another type",
            of,
            "columns",
            {"days.0": day(first, one.salt, _typed(columns))},
        ),
        Fault(
            "columns: a field is missing",
            of,
            "form",
            {"days.0": day(first, one.salt, {k: v for k, v in columns.items() if k != "unit"})},
        ),
    ]


def _column(columns: Mapping[str, Value], name: str) -> tuple[str, bytes]:
    found = columns[name]
    assert isinstance(found, list)
    dtype, data = found
    assert isinstance(dtype, str)
    assert isinstance(data, bytes)
    return dtype, data


def _one_more(columns: Mapping[str, Value]) -> Value:
    dtype, data = _column(columns, "value")
    return {**columns, "value": [dtype, bytes([data[0] ^ 1]) + data[1:]]}


def _bitmap(columns: Mapping[str, Value]) -> Value:
    dtype, data = _column(columns, "quality")
    return {**columns, "quality": [dtype, bytes([data[0] | 0x80]) + data[1:]]}


def _typed(columns: Mapping[str, Value]) -> Value:
    dtype, data = _column(columns, "duration_s")
    assert dtype == "u32"
    return {**columns, "duration_s": ["i32", data]}


def _record_faults() -> list[Fault]:
    of, day = "record: one alone", _record_day()
    said = paid().days[day]
    proof = prove_record(paid().statement, paid().leaves, said, 1).value()
    in_day, in_all = proof[5], proof[6]
    assert isinstance(in_day, list)
    assert isinstance(in_all, list)

    def told(name: str, place: int, value: Value) -> Fault:
        found = list(proof)
        found[place] = value
        return Fault(f"record: {name}", of, "proof", {"proof": encode(found).hex()})

    record = said.batch.row(1)
    return [
        told("another salt", 3, bytes(32)),
        told("another blind of the day", 4, bytes(32)),
        told("at another place", 2, 0),
        told("of more records", 1, 4),
        told("of another day", 0, day + 1),
        told("a hash too few in its day", 5, in_day[:-1]),
        told("a hash too many in its day", 5, [*in_day, bytes(32)]),
        told("a hash too few in the statement", 6, in_all[:-1]),
        told("a hash too many in the statement", 6, [*in_all, bytes(32)]),
        Fault("record: another record", of, "proof", {"record": encode(said.batch.row(0)).hex()}),
        Fault(
            "record: an amount altered",
            of,
            "proof",
            {"record": encode({**record, "amount": [-1, 2]}).hex()},
        ),
        Fault(
            "record: of another statement", of, "proof", {"statement": year().statement.raw.hex()}
        ),
        Fault("record: of another subject", of, "subject", {"persona": BANK.did}),
    ]


# --- deliveries -----------------------------------------------------------------------------------


def deliveries() -> Subject:
    nonce = random("nonce of the delivery", 16)
    statement, days = paid().statement, list(paid().days.values())
    parts = pack_parts(
        statement,
        days,
        reader_key=PERSON.reader.public,
        to=PERSON.did,
        nonce=nonce,
        entropy=SEED.fork("parts of the delivery"),
    )
    announced = tuple((part.digest, part.length) for part in announce(parts))

    def said(cid: bytes, parts: Iterable[tuple[bytes, int]], to: str, by: Party = BANK) -> str:
        args = DeliverArgs(PERSON.did, nonce, cid, tuple(parts)).value()
        return call(by, {**args, "to": to}, [], cmd=Cmd.DELIVER, sub=by.did).raw.hex()

    case = Case(
        "delivery",
        "delivery",
        {
            "reader_secret": PERSON.reader.secret_bytes().hex(),
            "invocation": said(statement.cid, announced, PERSON.did),
            "parts": hexes(parts),
            "device": PERSON.device_did,
            "now_ms": T_MS,
        },
        {"statement": cid_text(statement.cid), "src": BANK.did, "days": len(days)},
    )
    altered = parts[0][:-1] + bytes([parts[0][-1] ^ 1])
    faults = [
        Fault("delivery: a part altered", "delivery", "digest", {"parts.0": altered.hex()}),
        Fault(
            "delivery: a part altered, and announced so",
            "delivery",
            "sealed",
            {
                "parts.0": altered.hex(),
                "invocation": said(statement.cid, [(sha256(altered), len(altered))], PERSON.did),
            },
        ),
        Fault("delivery: no part", "delivery", "digest", {"parts": []}),
        Fault(
            "delivery: to another",
            "delivery",
            "sealed",
            {"invocation": said(statement.cid, announced, SUPPLIER.did)},
        ),
        Fault(
            "delivery: of another statement",
            "delivery",
            "sealed",
            {"invocation": said(year().statement.cid, announced, PERSON.did)},
        ),
        Fault(
            "delivery: by another",
            "delivery",
            "sealed",
            {"invocation": said(statement.cid, announced, PERSON.did, SUPPLIER)},
        ),
        Fault(
            "delivery: another reader's secret",
            "delivery",
            "sealed",
            {"reader_secret": SUPPLIER.reader.secret_bytes().hex()},
        ),
    ]
    return Subject(
        "deliveries.json", "Records on their way from their source, sealed.", [case], faults
    )

"""Statements: just the days shown, all of them, and nothing about the others."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature
from entrenous.crypto.keys import DayKey, PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.crypto.merkle import tree_hash
from entrenous.protocol.columns import encode_columns
from entrenous.protocol.day import UNDATED, start_ms
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import ProtocolError, RecordError, StatementError, WireError
from entrenous.protocol.page import OpenedPage, PageEntry, open_page, seal_page
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, TRANSACTION, Schema
from entrenous.protocol.signed import sign
from entrenous.protocol.statement import (
    RecordProof,
    Statement,
    StatementDay,
    day_leaf,
    make_statement,
    parse_statement,
    prove_days,
    prove_record,
    verify_days,
    verify_pages,
    verify_record,
)

SOURCE = PersonaKey(b"bank" * 8)
SUB = did_of(PersonaKey(b"anna" * 8).public)
FIRST = 46_000


def transfer(day: int, number: int) -> dict[str, Value]:
    return {
        "id": f"{number:03}",
        "time": start_ms(day) + number,
        "offset_min": 0,
        "amount": [-100 * number, 2],
        "currency": "EUR",
        "label": f"label {number}",
        "counterparty": None,
        "kind": "debit",
    }


def reading(day: int, number: int) -> dict[str, Value]:
    return {
        "time": start_ms(day) + number * 1_800_000,
        "offset_min": 0,
        "duration_s": 1800,
        "value": [number, 3],
        "unit": "kWh",
        "quality": None,
    }


@cache
def signed(schema: Schema, days: int) -> tuple[Statement, tuple[StatementDay, ...]]:
    """A statement over `days` days: day i has i mod 4 records, so some have none."""
    make = transfer if schema is TRANSACTION else reading
    rows: list[Mapping[str, Value]] = [
        make(FIRST + d, i) for d in range(days) for i in range(d % 4)
    ]
    statement, found = make_statement(
        Batch.from_rows(schema, rows),
        SeededEntropy(b"salts"),
        key=SOURCE,
        sub=SUB,
        path="finance/accounts/transactions",
        first=FIRST,
        last=FIRST + days - 1,
        nonce=b"n" * 16,
    )
    return statement, tuple(found)


def leaves_of(days: tuple[StatementDay, ...]) -> list[bytes]:
    return [day.leaf for day in days]


def test_the_leaf_of_a_day_of_records_as_formats_writes_it() -> None:
    _, days = signed(TRANSACTION, 4)
    day = days[2]
    salts = [hmac.digest(day.salt, b"leaf" + i.to_bytes(4, "big"), "sha256") for i in range(2)]
    one, two = (
        hashlib.sha256(b"\x00" + salt + encode(row)).digest()
        for salt, row in zip(salts, day.batch.rows(), strict=True)
    )
    root_d = hashlib.sha256(b"\x01" + one + two).digest()
    blind = hmac.digest(day.salt, b"day", "sha256")
    leaf = hashlib.sha256(b"\x00" + blind + encode([FIRST + 2, 2, root_d])).digest()
    assert day.leaf == leaf


def test_the_leaf_of_a_day_of_readings_as_formats_writes_it() -> None:
    for day in signed(METER_READING, 4)[1]:
        salt = hmac.digest(day.salt, b"leaf\0\0\0\0", "sha256")
        root_d = hashlib.sha256(b"\x00" + salt + encode(encode_columns(day.batch))).digest()
        blind = hmac.digest(day.salt, b"day", "sha256")
        body = encode([day.day, len(day.batch), root_d])
        assert day.leaf == hashlib.sha256(b"\x00" + blind + body).digest()


def test_the_root_of_an_empty_day_of_records() -> None:
    day = signed(TRANSACTION, 1)[1][0]
    blind = hmac.digest(day.salt, b"day", "sha256")
    body = encode([FIRST, 0, hashlib.sha256(b"").digest()])
    assert day.leaf == hashlib.sha256(b"\x00" + blind + body).digest()


@pytest.mark.parametrize("days", range(1, 14))
def test_every_range_is_proven_and_no_other_place_is(days: int) -> None:
    statement, found = signed(TRANSACTION, days)
    leaves = leaves_of(found)
    for a in range(days):
        for b in range(a, days):
            proof = prove_days(leaves, statement, FIRST + a, FIRST + b)
            assert len(proof) <= 2 * days.bit_length()
            shown = leaves[a : b + 1]
            verify_days(statement, FIRST + a, shown, proof)
            for shift in (-1, 1):
                with pytest.raises(StatementError):
                    verify_days(statement, FIRST + a + shift, shown, proof)
            with pytest.raises(StatementError):
                verify_days(statement, FIRST + a, shown[1:], proof)
            with pytest.raises(StatementError):
                verify_days(statement, FIRST + a, [*shown, shown[-1]], proof)
            with pytest.raises(StatementError):
                verify_days(statement, FIRST + a, shown, [*proof, bytes(32)])
            if proof:
                with pytest.raises(StatementError):
                    verify_days(statement, FIRST + a, shown, proof[:-1])
                with pytest.raises(StatementError):
                    verify_days(statement, FIRST + a, shown, [*proof[:-1], bytes(31)])


def test_a_range_outside_the_statement_has_no_proof() -> None:
    statement, found = signed(TRANSACTION, 5)
    leaves = leaves_of(found)
    for first, last in ((-1, 2), (0, 5), (3, 2), (-9, -8), (5, 5)):
        with pytest.raises(StatementError):
            prove_days(leaves, statement, FIRST + first, FIRST + last)
    with pytest.raises(StatementError, match="has 5 days, not 4"):
        prove_days(leaves[1:], statement, FIRST, FIRST)


@pytest.mark.parametrize("schema", [TRANSACTION, METER_READING])
def test_a_record_withheld_added_or_altered_is_noticed(schema: Schema) -> None:
    statement, found = signed(schema, 8)
    proof = prove_days(leaves_of(found), statement, FIRST + 3, FIRST + 3)
    day = found[3]
    rows = list(day.batch.rows())
    make = transfer if schema is TRANSACTION else reading
    lies = [
        rows[1:],
        rows[:-1],
        [],
        [*rows, make(FIRST + 3, 9)],
        [*rows[:-1], {**rows[-1], "offset_min": 1}],
    ]
    verify_days(statement, FIRST + 3, [day_leaf(schema, FIRST + 3, day.salt, day.batch)], proof)
    for lie in lies:
        leaf = day_leaf(schema, FIRST + 3, day.salt, Batch.from_rows(schema, lie))
        with pytest.raises(StatementError, match="not what the source signed"):
            verify_days(statement, FIRST + 3, [leaf], proof)


def test_other_days_stay_blind() -> None:
    """Two empty days have nothing in common, and a salt says nothing of its neighbour."""
    found = signed(TRANSACTION, 9)[1]
    empty = [day for day in found if not len(day.batch)]
    assert len(empty) == 3
    assert len({day.leaf for day in empty}) == 3
    guess = day_leaf(TRANSACTION, empty[1].day, empty[0].salt, empty[1].batch)
    assert guess != empty[1].leaf


# --- pages held against a statement ---------------------------------------------------------------


def pages_of(
    statement: Statement, days: tuple[StatementDay, ...]
) -> list[tuple[PageEntry, OpenedPage]]:
    key = DayKey(b"d" * 32)
    pages: list[tuple[PageEntry, OpenedPage]] = []
    for day in days:
        entry, ciphertext = seal_page(
            day.batch,
            day_key=key,
            path=statement.path,
            day=day.day,
            epoch=b"e" * 16,
            gen=bytes(16),
            statement=statement.cid,
            salt_d=day.salt,
            writer=SUB,
            entropy=SeededEntropy(day.salt),
        )
        pages.append((entry, open_page(entry, ciphertext, key)))
    return pages


@pytest.mark.parametrize("schema", [TRANSACTION, METER_READING])
def test_pages_of_some_days_are_everything_the_source_signed_for_them(schema: Schema) -> None:
    statement, found = signed(schema, 11)
    first, pages = FIRST + 2, pages_of(statement, found)[2:7]
    proof = prove_days(leaves_of(found), statement, first, first + 4)
    verify_pages(statement, first, pages, proof)
    entry, page = pages[1]
    other, _ = signed(schema, 3)
    lies: list[list[tuple[PageEntry, OpenedPage]]] = [
        [],
        pages[:-1],
        pages[1:],
        [*pages, pages[-1]],
        [pages[0], *pages],
        [pages[0], *pages[2:]],
        [pages[1], pages[0], *pages[2:]],
        [pages[0], (replace(entry, statement=other.cid), page), *pages[2:]],
        [pages[0], (replace(entry, path="finance/other"), page), *pages[2:]],
        [pages[0], (entry, OpenedPage(page.batch, None)), *pages[2:]],
        [pages[0], (entry, OpenedPage(page.batch, bytes(32))), *pages[2:]],
        [pages[0], (entry, OpenedPage(Batch.empty(schema), page.salt_d)), *pages[2:]],
    ]
    for lie in lies:
        with pytest.raises(StatementError):
            verify_pages(statement, first, lie, proof)


# --- one record alone -----------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, 2, 3, 7, 12])
def test_each_record_is_proven_alone(days: int) -> None:
    statement, found = signed(TRANSACTION, days)
    leaves = leaves_of(found)
    for day in found:
        for index, record in enumerate(day.batch.rows()):
            proof = prove_record(statement, leaves, day, index)
            assert RecordProof.from_value(proof.value()) == proof
            verify_record(statement, record, proof)
            assert day.salt not in encode(proof.value())
            for lie in (
                {**record, "amount": [1, 2]},
                {**record, "id": "zzz"},
            ):
                with pytest.raises(StatementError, match="not what the source signed"):
                    verify_record(statement, lie, proof)
            for change in _changes(proof):
                with pytest.raises(StatementError):
                    verify_record(statement, record, replace(proof, **change))


def _changes(proof: RecordProof) -> list[dict[str, Any]]:
    return [
        {"day": proof.day + 1},
        {"count": proof.count + 1},
        {"index": proof.index + 1},
        {"record_salt": bytes(32)},
        {"day_blind": bytes(32)},
        {"record_path": (*proof.record_path, bytes(32))},
        {"day_path": (*proof.day_path, bytes(32))},
        *([{"record_path": proof.record_path[:-1]}] if proof.record_path else []),
        *([{"day_path": proof.day_path[:-1]}] if proof.day_path else []),
        *([{"day_path": (bytes(32), *proof.day_path[1:])}] if proof.day_path else []),
    ]


def test_a_record_beside_its_proof_is_a_record() -> None:
    statement, found = signed(TRANSACTION, 4)
    proof = prove_record(statement, leaves_of(found), found[3], 1)
    with pytest.raises(RecordError):
        verify_record(statement, {**found[3].batch.row(1), "note": 1}, proof)
    with pytest.raises(RecordError):
        verify_record(statement, {**found[3].batch.row(1), "amount": 5}, proof)


def test_a_source_that_signs_a_record_under_another_day_proves_nothing() -> None:
    statement, _ = signed(TRANSACTION, 1)
    day = StatementDay(
        FIRST, bytes(32), Batch.from_rows(TRANSACTION, [transfer(FIRST + 1, 0)]), b""
    )
    leaf = day_leaf(TRANSACTION, FIRST, day.salt, day.batch)
    lie = parse_statement(
        sign(Signed.STATEMENT, {**statement.signed.body, "root": leaf}, SOURCE).raw
    )
    proof = prove_record(lie, [leaf], day, 0)
    with pytest.raises(StatementError, match="another day"):
        verify_record(lie, day.batch.row(0), proof)


def test_what_has_no_proof_of_its_own() -> None:
    statement, found = signed(TRANSACTION, 4)
    for index in (-1, 3):
        with pytest.raises(StatementError, match="such a record"):
            prove_record(statement, leaves_of(found), found[3], index)
    series, days = signed(METER_READING, 4)
    with pytest.raises(StatementError, match="by the day"):
        prove_record(series, leaves_of(days), days[3], 0)
    proof = prove_record(statement, leaves_of(found), found[3], 0)
    with pytest.raises(StatementError, match="by the day"):
        verify_record(series, days[3].batch.row(0), proof)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, True),
        (0, -1),
        (0, UNDATED + 1),
        (1, 0),
        (1, 1 << 40),
        (2, 2),
        (2, -1),
        (3, b"short"),
        (4, "x" * 32),
        (5, [b"short"]),
        (5, [bytes(32)] * 65),
        (6, None),
        (6, ["x" * 32]),
    ],
)
def test_a_record_proof_has_one_form(place: int, value: Value) -> None:
    good: list[Value] = [FIRST, 2, 1, bytes(32), bytes(32), [bytes(32)], []]
    assert RecordProof.from_value(good).value() == good
    good[place] = value
    with pytest.raises(WireError):
        RecordProof.from_value(good)


# --- making and reading ---------------------------------------------------------------------------


def test_a_statement_reads_back() -> None:
    statement, found = signed(TRANSACTION, 9)
    assert parse_statement(statement.raw) == statement
    assert statement.days == len(found) == 9
    assert statement.root == tree_hash(leaves_of(found))
    assert [day.day for day in found] == list(range(FIRST, FIRST + 9))


def test_salts_can_be_given() -> None:
    salts = {FIRST + i: bytes([i]) * 32 for i in range(3)}
    _, found = make_statement(
        Batch.empty(METER_READING),
        salts,
        key=SOURCE,
        sub=SUB,
        path="energy/gas",
        first=FIRST,
        last=FIRST + 2,
        nonce=bytes(16),
    )
    assert {day.day: day.salt for day in found} == salts


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        (FIRST + 1, FIRST + 9, "covers every day"),
        (FIRST, FIRST + 2, "covers every day"),
        (FIRST + 3, FIRST, "same or a later"),
        (-1, FIRST, "same or a later"),
        (FIRST, UNDATED, "same or a later"),
        (UNDATED, UNDATED, "same or a later"),
        (FIRST - 3_700, FIRST + 5, "at most 3700 days"),
    ],
)
def test_a_statement_covers_its_records_and_no_more_than_days(
    first: int, last: int, sentence: str
) -> None:
    batch = Batch.from_rows(METER_READING, [reading(FIRST + d, 0) for d in (0, 3)])
    with pytest.raises(RecordError, match=sentence):
        make_statement(
            batch,
            SeededEntropy(b""),
            key=SOURCE,
            sub=SUB,
            path="energy/gas",
            first=first,
            last=last,
            nonce=bytes(16),
        )


@pytest.mark.parametrize(
    ("field", "value", "failure"),
    [
        ("src", SUB, BadSignature),
        ("src", "did:web:bank.example", WireError),
        ("sub", "anna", WireError),
        ("path", "A", RecordError),
        ("schema", "transaction/9", RecordError),
        ("nonce", b"", WireError),
        ("from", FIRST + 99, RecordError),
        ("from", 0, RecordError),
        ("from", -1, WireError),
        ("to", UNDATED, RecordError),
        ("to", True, WireError),
        ("root", b"", WireError),
        ("v", 2, WireError),
        ("more", 1, WireError),
    ],
)
def test_a_statement_has_one_form(
    field: str, value: Value, failure: type[ProtocolError] | type[BadSignature]
) -> None:
    body = {**signed(TRANSACTION, 9)[0].signed.body, field: value}
    with pytest.raises(failure):
        parse_statement(sign(Signed.STATEMENT, body, SOURCE).raw)


@settings(max_examples=60)
@given(st.data())
def test_no_byte_of_a_statement_can_be_altered(data: st.DataObject) -> None:
    raw = bytearray(signed(TRANSACTION, 9)[0].raw)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((ProtocolError, BadSignature)):
        parse_statement(bytes(raw))


def test_a_day_shows_neither_salt_nor_records() -> None:
    day = signed(TRANSACTION, 4)[1][3]
    assert repr(day) == f"<day {FIRST + 3}: <3 records of transaction/1>>"

"""Deliveries: whole and signed, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadCiphertext, BadSignature
from entrenous.crypto.keys import PersonaKey, ReaderSecret
from entrenous.crypto.seal import open_sealed, seal
from entrenous.protocol import limits
from entrenous.protocol.cid import cid_of
from entrenous.protocol.columns import encode_columns
from entrenous.protocol.day import start_ms
from entrenous.protocol.delivery import (
    Announced,
    Delivered,
    announce,
    check_announced,
    open_parts,
    pack_parts,
)
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import RecordError, StatementError, WireError
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, TRANSACTION
from entrenous.protocol.statement import Statement, StatementDay, make_statement
from entrenous.protocol.wire import decode

BANK = PersonaKey(b"bank" * 8)
SRC = did_of(BANK.public)
ANNA = did_of(PersonaKey(b"anna" * 8).public)
READER = ReaderSecret(b"r" * 32)
NONCE = b"delivery"
FIRST = 46_000


def transfer(day: int, number: int, label: str) -> dict[str, Value]:
    return {
        "id": f"{number:05}",
        "time": start_ms(day),
        "offset_min": 60,
        "amount": [-number, 2],
        "currency": "EUR",
        "label": label,
        "counterparty": None,
        "kind": "debit",
    }


def statement_on(
    days: int, rows_a_day: int, *, label: str = "rent", sub: str = ANNA, key: PersonaKey = BANK
) -> tuple[Statement, list[StatementDay]]:
    """Every second day is empty."""
    rows = [transfer(FIRST + d, i, label) for d in range(0, days, 2) for i in range(rows_a_day)]
    return make_statement(
        Batch.from_rows(TRANSACTION, rows),
        SeededEntropy(b"salts"),
        key=key,
        sub=sub,
        path="finance/accounts/transactions",
        first=FIRST,
        last=FIRST + days - 1,
        nonce=b"n" * 16,
    )


def packed(statement: Statement, days: Sequence[StatementDay]) -> list[bytes]:
    return pack_parts(
        statement,
        days,
        reader_key=READER.public,
        to=ANNA,
        nonce=NONCE,
        entropy=SeededEntropy(b"parts"),
    )


def opened(parts: Sequence[bytes], signed: Statement, **changes: Any) -> Delivered:
    given: dict[str, Any] = {
        "announced": announce(parts),
        "secret": READER,
        "src": SRC,
        "to": ANNA,
        "nonce": NONCE,
        "statement": signed.cid,
    }
    return open_parts(parts, **(given | changes))


SMALL = statement_on(5, 3)
# days of about 470 KiB each: two fit one part
LARGE = statement_on(7, 450, label="x" * 1_000)


@pytest.mark.parametrize(("made", "parts"), [(SMALL, 1), (LARGE, 2), (statement_on(1, 0), 1)])
def test_a_delivery_arrives_whole(made: tuple[Statement, list[StatementDay]], parts: int) -> None:
    statement, days = made
    sealed = packed(statement, days)
    assert len(sealed) == parts
    assert all(len(part) <= limits.PART_BYTES_MAX for part in sealed)
    assert opened(sealed, statement) == Delivered(statement, tuple(days))


def test_a_part_is_the_list_that_formats_names() -> None:
    statement, days = SMALL
    (part,) = packed(statement, days)
    info = encode(["entrenous/1/delivery", SRC, ANNA, NONCE, statement.cid, 0])
    assert decode(open_sealed(READER, info, part)) == [
        statement.raw,
        *([day.day, day.salt, encode_columns(day.batch)] for day in days),
    ]


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("secret", ReaderSecret(b"x" * 32)),
        ("src", ANNA),
        ("to", SRC),
        ("nonce", b"another"),
        ("statement", cid_of(b"another")),
    ],
)
def test_a_part_opens_only_where_it_belongs(change: str, value: Any) -> None:
    statement, days = SMALL
    with pytest.raises(BadCiphertext):
        opened(packed(statement, days), statement, **{change: value})


def test_parts_missing_more_altered_or_out_of_order() -> None:
    statement, days = LARGE
    sealed = packed(statement, days)
    announced = announce(sealed)
    flipped = sealed[1][:-1] + bytes([sealed[1][-1] ^ 1])
    for parts in (sealed[:-1], [], [*sealed, sealed[-1]], sealed[::-1], [sealed[0], flipped]):
        with pytest.raises(WireError):
            opened(parts, statement, announced=announced)
    # and when the announcement lies along with the parts
    for parts in (sealed[::-1], [sealed[0], flipped], [sealed[0], sealed[0]]):
        with pytest.raises(BadCiphertext):
            opened(parts, statement)
    with pytest.raises(StatementError, match="every day"):
        opened(sealed[:1], statement)


def test_nothing_is_taken_when_too_much_is_announced() -> None:
    statement, _ = SMALL

    def untouched() -> Iterator[bytes]:
        pytest.fail("a part was asked for")
        yield b""

    gigabyte = Announced(bytes(32), 1 << 30)
    whole = Announced(bytes(32), limits.PART_BYTES_MAX)
    for announced in ([gigabyte], [whole] * 65, [whole] * 5_000, [], [Announced(bytes(32), 0)]):
        with pytest.raises(WireError):
            check_announced(announced)
        with pytest.raises(WireError):
            open_parts(
                untouched(),
                announced,
                secret=READER,
                src=SRC,
                to=ANNA,
                nonce=NONCE,
                statement=statement.cid,
            )


def test_a_part_longer_than_announced_is_refused() -> None:
    statement, days = SMALL
    (part,) = packed(statement, days)
    with pytest.raises(WireError, match="part 0 of a delivery is not the one announced"):
        opened([part + b"\x00"], statement, announced=announce([part]))


# --- what a hostile organisation may seal ---------------------------------------------------------


def sealed_by_hand(statement: Statement, value: Value) -> list[bytes]:
    info = encode(["entrenous/1/delivery", SRC, ANNA, NONCE, statement.cid, 0])
    return [seal(READER.public, info, encode(value), entropy=SeededEntropy(b"hand"))]


def elements_of(days: Sequence[StatementDay]) -> list[list[Value]]:
    return [[day.day, day.salt, encode_columns(day.batch)] for day in days]


def test_records_that_were_not_signed_are_refused() -> None:
    statement, days = SMALL
    rows = list(days[2].batch.rows())
    for lie in (
        rows[1:],
        [],
        [*rows, transfer(FIRST + 2, 9, "added")],
        [{**rows[0], "label": "altered"}, *rows[1:]],
    ):
        elements = elements_of(days)
        elements[2][2] = encode_columns(Batch.from_rows(TRANSACTION, lie))
        with pytest.raises(StatementError, match="not what its source signed"):
            opened(sealed_by_hand(statement, [statement.raw, *elements]), statement)
    elements = elements_of(days)
    elements[1][1] = bytes(32)
    with pytest.raises(StatementError, match="not what its source signed"):
        opened(sealed_by_hand(statement, [statement.raw, *elements]), statement)


def test_days_are_dense_and_in_order() -> None:
    statement, days = SMALL
    good = elements_of(days)
    for lie in (good[1:], good[::-1], [good[0], *good], [good[0], *good[2:]]):
        with pytest.raises(WireError, match="dense and in order"):
            opened(sealed_by_hand(statement, [statement.raw, *lie]), statement)
    with pytest.raises(StatementError, match="every day"):
        opened(sealed_by_hand(statement, [statement.raw, *good[:-1]]), statement)


def test_a_day_holds_its_own_records() -> None:
    statement, days = SMALL
    elements = elements_of(days)
    elements[1][2], elements[2][2] = elements[2][2], elements[1][2]
    with pytest.raises(RecordError, match="another day"):
        opened(sealed_by_hand(statement, [statement.raw, *elements]), statement)


@pytest.mark.parametrize(
    "element",
    [
        None,
        [],
        [FIRST, bytes(32)],
        [FIRST, bytes(31), encode_columns(Batch.empty(TRANSACTION))],
        ["46000", bytes(32), encode_columns(Batch.empty(TRANSACTION))],
        [FIRST, bytes(32), encode_columns(Batch.empty(METER_READING))],
        [FIRST, bytes(32), {}],
        [FIRST, bytes(32), None],
        [FIRST, bytes(32), encode_columns(Batch.empty(TRANSACTION)), 0],
    ],
)
def test_a_day_has_one_form(element: Value) -> None:
    statement, days = SMALL
    value = [statement.raw, element, *elements_of(days)[1:]]
    with pytest.raises(WireError):
        opened(sealed_by_hand(statement, value), statement)


@pytest.mark.parametrize("value", [None, [], {}, 5, [[]], [None], [b"statement"]])
def test_part_0_begins_with_a_statement(value: Value) -> None:
    with pytest.raises(WireError):
        opened(sealed_by_hand(SMALL[0], value), SMALL[0])


def test_the_statement_is_the_senders_on_this_person_and_the_one_announced() -> None:
    statement, days = SMALL
    mallory = PersonaKey(b"mall" * 8)
    for other, sentence in (
        (statement_on(5, 2)[0], "another statement than it announced"),
        (statement_on(5, 3, key=mallory)[0], "its sender did not sign"),
        (statement_on(5, 3, sub=SRC)[0], "somebody else"),
    ):
        named = statement if "another" in sentence else other
        parts = sealed_by_hand(named, [other.raw, *elements_of(days)])
        with pytest.raises(StatementError, match=sentence):
            opened(parts, named)
    forged = statement.raw[:-1] + bytes([statement.raw[-1] ^ 1])
    with pytest.raises(BadSignature):
        opened(sealed_by_hand(statement, [forged, *elements_of(days)]), statement)


def test_a_statement_again_in_place_of_a_day_is_refused() -> None:
    statement, days = SMALL
    value = [statement.raw, statement.raw, *elements_of(days)]
    with pytest.raises(WireError, match="is not \\[day, salt, columns\\]"):
        opened(sealed_by_hand(statement, value), statement)


def test_what_is_not_packed() -> None:
    statement, days = SMALL
    for wrong in (days[1:], days[::-1], [*days, days[-1]], []):
        with pytest.raises(RecordError, match="every day of its statement"):
            packed(statement, wrong)
    with pytest.raises(RecordError, match="do not fit one part"):
        packed(*statement_on(1, 1_100, label="x" * 1_000))


def test_a_year_of_empty_days_is_within_the_limits() -> None:
    statement, days = make_statement(
        Batch.empty(METER_READING),
        SeededEntropy(b"salts"),
        key=BANK,
        sub=ANNA,
        path="energy/gas",
        first=FIRST,
        last=FIRST + limits.STATEMENT_DAYS_MAX - 1,
        nonce=b"n" * 16,
    )
    assert opened(packed(statement, days), statement).days == tuple(days)

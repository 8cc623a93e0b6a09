"""Columns and records are in bijection, and every second form is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.canonical import Value, encode
from entrenous.protocol import limits
from entrenous.protocol.columns import (
    decode_columns,
    encode_columns,
    read_columns,
    write_columns,
)
from entrenous.protocol.day import TIME_MAX_MS, TIME_MIN_MS
from entrenous.protocol.errors import ProtocolError, RecordError, WireError
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, TRANSACTION, Schema
from entrenous.protocol.wire import decode

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_TIME = st.integers(TIME_MIN_MS, TIME_MAX_MS)
_DECIMAL = st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 18)).map(list)
_OFFSET = st.integers(-1080, 1080)
TRANSFERS = st.lists(
    st.fixed_dictionaries(
        {
            "id": _NAME,
            "time": _TIME | st.sampled_from([0, 1]),
            "offset_min": _OFFSET,
            "amount": _DECIMAL,
            "currency": _NAME | st.just("EUR"),
            "label": _TEXT,
            "counterparty": st.none() | _TEXT,
            "kind": _TEXT,
        }
    ),
    max_size=20,
    unique_by=lambda row: (row["time"], row["id"]),
)
READINGS = st.lists(
    st.fixed_dictionaries(
        {
            "time": _TIME,
            "offset_min": _OFFSET,
            "duration_s": st.integers(0, limits.INTERVAL_S_MAX),
            "value": _DECIMAL,
            "unit": st.just("kWh") | _NAME,
            "quality": st.none() | st.just("estimated") | _TEXT,
        }
    ),
    max_size=20,
    unique_by=lambda row: str(row["time"]),
)


def batches() -> st.SearchStrategy[Batch]:
    def of(schema: Schema) -> Callable[[Sequence[Mapping[str, Value]]], Batch]:
        return lambda rows: Batch.from_rows(schema, rows).sorted()

    return TRANSFERS.map(of(TRANSACTION)) | READINGS.map(of(METER_READING))


@given(batches())
def test_round_trip_both_ways(batch: Batch) -> None:
    value = encode_columns(batch)
    encoded = encode(value)
    assert write_columns(batch) == encoded, "the direct writer is the general codec"
    assert decode_columns(batch.schema, decode(encoded), len(batch)) == batch
    assert decode_columns(batch.schema, decode(encoded)) == batch
    assert read_columns(batch.schema, b"xx" + encoded + b"yy", 2, len(batch)) == (
        batch,
        2 + len(encoded),
    )


@settings(max_examples=200)
@given(batches(), st.data())
def test_whatever_is_accepted_is_the_one_form(batch: Batch, data: st.DataObject) -> None:
    """Alter bytes at random: either refused, or the bytes of the rows that come out."""
    altered = bytearray(write_columns(batch))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(altered) - 1))
        altered[place] = data.draw(st.integers(0, 255))
    try:
        found, end = read_columns(batch.schema, bytes(altered), 0, len(batch))
    except ProtocolError:
        return
    assert write_columns(found) == altered[:end]
    assert end == len(altered)
    assert decode_columns(batch.schema, decode(bytes(altered))) == found


@given(batches(), st.data())
def test_cut_short_anywhere_is_refused(batch: Batch, data: st.DataObject) -> None:
    encoded = write_columns(batch)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(WireError):
        read_columns(batch.schema, encoded[:cut], 0, len(batch))


@given(batches(), st.integers(-1, 40) | st.sampled_from([2**31, 2**64]))
def test_another_count_is_refused(batch: Batch, count: int) -> None:
    if count != len(batch):
        with pytest.raises(ProtocolError):
            decode_columns(batch.schema, encode_columns(batch), count)


# --- vectors: one bad form each, and the failure class that it must meet --------------------------

HOURS = [0, 3_600_000, 7_200_000]
GOOD = Batch.from_rows(
    METER_READING,
    [
        {
            "time": t,
            "offset_min": 0,
            "duration_s": 3600,
            "value": [5, 1],
            "unit": "kWh",
            "quality": quality,
        }
        for t, quality in zip(HOURS, [None, "é", "ok"], strict=True)
    ],
)


def test_the_worked_example() -> None:
    assert encode_columns(GOOD) == {
        "time": ["d64", pack("<3q", 0, 3_600_000, 3_600_000)],
        "offset_min": ["i16", bytes(6)],
        "duration_s": ["u32", pack("<3I", 3600, 3600, 3600)],
        "value": ["dec", pack("<3q", 5, 5, 5) + b"\x01\x01\x01"],
        "unit": ["str", pack("<4I", 0, 3, 6, 9) + b"kWhkWhkWh"],
        "quality": ["?str", b"\x06" + pack("<3I", 0, 2, 4) + "éok".encode()],
    }


BAD: dict[str, tuple[str, Value, type[ProtocolError]]] = {
    "narrower dtype": ("duration_s", ["u16", pack("<3H", 60, 60, 60)], WireError),
    "signed dtype": ("duration_s", ["i32", pack("<3i", 60, 60, 60)], WireError),
    "not optional here": ("unit", ["?str", b"\x07" + pack("<4I", 0, 1, 2, 3) + b"abc"], WireError),
    "plain times": ("time", ["i64", pack("<3q", *HOURS)], WireError),
    "a third element": ("unit", ["str", b"", b""], WireError),
    "text for bytes": ("unit", ["str", "kWh"], WireError),
    "null for bytes": ("unit", ["str", None], WireError),
    "not a pair": ("unit", b"kWh", WireError),
    "a byte too few": ("offset_min", ["i16", bytes(5)], WireError),
    "a value too many": ("offset_min", ["i16", bytes(8)], WireError),
    "offset out of range": ("offset_min", ["i16", pack("<3h", 0, 0, 1081)], RecordError),
    "times that fall": ("time", ["d64", pack("<3q", 0, 5, -1)], RecordError),
    "times that stand": ("time", ["d64", pack("<3q", 0, 0, 5)], RecordError),
    "times beyond all days": ("time", ["d64", pack("<3q", 0, 1, 2**63 - 1)], RecordError),
    "times that wrap": ("time", ["d64", pack("<3q", 2**63 - 1, 2**63 - 1, 2)], RecordError),
    "scale out of range": ("value", ["dec", pack("<3q", 5, 5, 5) + b"\x01\x01\x13"], RecordError),
    "no scales": ("value", ["dec", pack("<3q", 5, 5, 5)], WireError),
    "bitmap padding": ("quality", ["?str", b"\x0e" + pack("<3I", 0, 2, 4) + b"abok"], WireError),
    "bitmap padding, its text there": (
        "quality",
        ["?str", b"\x0e" + pack("<4I", 0, 2, 4, 5) + b"abokx"],
        WireError,
    ),
    "no bitmap": ("quality", ["?str", b""], WireError),
    "bitmap alone": ("quality", ["?str", b"\x00"], WireError),
    "more present than there": (
        "quality",
        ["?str", b"\x07" + pack("<3I", 0, 1, 2) + b"ab"],
        WireError,
    ),
    "more there than present": (
        "quality",
        ["?str", b"\x01" + pack("<3I", 0, 1, 2) + b"ab"],
        WireError,
    ),
    "offsets not from 0": ("unit", ["str", pack("<4I", 1, 2, 3, 4) + b"abcd"], WireError),
    "offsets that fall": ("unit", ["str", pack("<4I", 0, 2, 1, 3) + b"abc"], WireError),
    "offsets past the end": ("unit", ["str", pack("<4I", 0, 1, 2, 9) + b"abc"], WireError),
    "text left over": ("unit", ["str", pack("<4I", 0, 1, 2, 3) + b"abcd"], WireError),
    "not UTF-8": ("unit", ["str", pack("<4I", 0, 1, 2, 3) + b"ab\xff"], WireError),
    "overlong UTF-8": ("unit", ["str", pack("<4I", 0, 1, 2, 4) + b"ab\xc0\x80"], WireError),
    "a surrogate": ("unit", ["str", pack("<4I", 0, 1, 2, 5) + b"ab\xed\xa0\x80"], WireError),
    "a character cut in two": ("unit", ["str", pack("<4I", 0, 1, 2, 4) + b"a\xc3\xa9b"], WireError),
    "an empty unit": ("unit", ["str", pack("<4I", 0, 0, 3, 6) + b"kWhkWh"], RecordError),
    "a unit of 33 bytes": ("unit", ["str", pack("<4I", 0, 1, 2, 35) + b"a" * 35], RecordError),
}


@pytest.mark.parametrize("name", BAD)
def test_a_second_form_is_refused(name: str) -> None:
    field, column, failure = BAD[name]
    value = {**encode_columns(GOOD), field: column}
    for count in (3, None):
        with pytest.raises(failure):
            decode_columns(METER_READING, value, count)
    with pytest.raises(ProtocolError):
        read_columns(METER_READING, encode(value), 0, 3)


def test_another_set_of_columns_is_refused() -> None:
    value = encode_columns(GOOD)
    bad: list[Value] = [{**value, "more": ["i8", b""]}, {"time": value["time"]}, [], None, 5]
    for other in bad:
        with pytest.raises(WireError):
            decode_columns(METER_READING, other)
    with pytest.raises(WireError):
        decode_columns(TRANSACTION, value)


@pytest.mark.parametrize(
    ("shortest", "longer"),
    [
        (b"\x46" + bytes(6), b"\x58\x06" + bytes(6)),
        (b"\x46" + bytes(6), b"\x5b" + bytes(7) + b"\x06"),
    ],
)
def test_only_the_shortest_head_is_taken(shortest: bytes, longer: bytes) -> None:
    encoded = write_columns(GOOD)
    assert encoded.count(shortest) == 1
    with pytest.raises(WireError, match="shortest head"):
        read_columns(METER_READING, encoded.replace(shortest, longer), 0, 3)


def test_a_length_is_not_believed() -> None:
    encoded = write_columns(GOOD)
    huge = encoded.replace(b"\x46" + bytes(6), b"\x5a\xff\xff\xff\xff" + bytes(6))
    with pytest.raises(WireError, match="ends before its length"):
        read_columns(METER_READING, huge, 0, 3)


def test_rows_out_of_order_have_no_columns() -> None:
    rows = [dict(GOOD.row(1)), dict(GOOD.row(0))]
    with pytest.raises(RecordError, match="not in order"):
        encode_columns(Batch.from_rows(METER_READING, rows))


def test_what_was_not_checked_is_checked_first() -> None:
    columns = {**GOOD.columns, "unit": ["kWh", "", "kWh"]}
    with pytest.raises(RecordError, match="row 1: unit"):
        write_columns(Batch(METER_READING, columns))


def test_a_page_has_a_limit_of_rows() -> None:
    rows = limits.PAGE_ROWS_MAX + 1
    batch = Batch(
        METER_READING,
        {
            "time": range(rows),
            "offset_min": [0] * rows,
            "duration_s": [1] * rows,
            "value": [(1, 0)] * rows,
            "unit": ["W"] * rows,
            "quality": [None] * rows,
        },
    )
    with pytest.raises(RecordError, match="at most 32768 rows"):
        write_columns(batch)
    whole = batch.slice(0, rows - 1)
    assert len(read_columns(METER_READING, write_columns(whole), 0, rows - 1)[0]) == rows - 1

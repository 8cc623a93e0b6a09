"""Batches: what a schema allows, order, days."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.canonical import Value
from entrenous.protocol.day import TIME_MAX_MS, TIME_MIN_MS, day_of
from entrenous.protocol.errors import RecordError
from entrenous.protocol.record import Batch, Cell, concat
from entrenous.protocol.schema import METER_READING, TRANSACTION, schema_named

NOON = 1_767_268_800_000
TRANSFER: Mapping[str, Value] = {
    "id": "a",
    "time": NOON,
    "offset_min": 60,
    "amount": [-1250, 2],
    "currency": "EUR",
    "label": "Café",
    "counterparty": None,
    "kind": "debit",
}
READING: Mapping[str, Value] = {
    "time": NOON,
    "offset_min": 0,
    "duration_s": 1800,
    "value": [312, 3],
    "unit": "kWh",
    "quality": None,
}


def test_rows_come_back_as_they_were() -> None:
    rows = [dict(TRANSFER), {**TRANSFER, "id": "b", "counterparty": "Épicerie"}]
    batch = Batch.from_rows(TRANSACTION, rows)
    assert list(batch.rows()) == rows
    assert batch.row(1) == rows[1]
    assert batch.columns["amount"] == [(-1250, 2), (-1250, 2)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", "x" * 256),
        ("id", None),
        ("id", 5),
        ("time", TIME_MIN_MS - 1),
        ("time", TIME_MAX_MS + 1),
        ("time", True),
        ("time", "2026"),
        ("offset_min", 1_081),
        ("offset_min", None),
        ("amount", [1]),
        ("amount", [1, 2, 3]),
        ("amount", [1, 19]),
        ("amount", [1, -1]),
        ("amount", [2**63, 0]),
        ("amount", [True, 0]),
        ("amount", [1, True]),
        ("amount", ["1", 0]),
        ("amount", 5),
        ("currency", "é" * 17),
        ("label", "x" * 1_025),
        ("label", "\ud800"),
        ("label", b"bytes"),
        ("counterparty", 0),
        ("counterparty", "é" * 513),
    ],
)
def test_a_refusal_names_row_and_field(field: str, value: Value) -> None:
    rows = [TRANSFER, {**TRANSFER, "id": "b", field: value}]
    with pytest.raises(RecordError, match=f"row 1: {field} is not "):
        Batch.from_rows(TRANSACTION, rows)


@pytest.mark.parametrize("change", ["missing", "more"])
def test_a_row_has_exactly_its_fields(change: str) -> None:
    row = dict(TRANSFER)
    if change == "missing":
        del row["counterparty"]
    else:
        row["note"] = "x"
    with pytest.raises(RecordError, match="row 0 has other fields"):
        Batch.from_rows(TRANSACTION, [row])


def test_a_batch_has_whole_columns() -> None:
    columns = dict(Batch.from_rows(METER_READING, [READING]).columns)
    with pytest.raises(RecordError, match="different lengths"):
        Batch(METER_READING, {**columns, "unit": []})
    del columns["unit"]
    with pytest.raises(RecordError, match="other fields"):
        Batch(METER_READING, columns)


def test_a_batch_shows_no_record() -> None:
    batch = Batch.from_rows(TRANSACTION, [TRANSFER])
    assert repr(batch) == str(batch) == "<1 records of transaction/1>"


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcé𝄞")), unique=True, max_size=12))
def test_sorted_is_by_time_then_by_the_bytes_of_the_id(keys: list[tuple[int, str]]) -> None:
    rows = [{**TRANSFER, "time": NOON + t, "id": name} for t, name in keys]
    ordered = Batch.from_rows(TRANSACTION, rows).sorted()
    found = [(row["time"], row["id"]) for row in ordered.rows()]
    assert found == [
        (NOON + t, name) for t, name in sorted(keys, key=lambda k: (k[0], k[1].encode()))
    ]


@pytest.mark.parametrize(("schema", "row"), [(TRANSACTION, TRANSFER), (METER_READING, READING)])
def test_two_records_of_one_time_and_id_have_no_order(
    schema: object, row: Mapping[str, Value]
) -> None:
    batch = Batch.from_rows(schema_named(getattr(schema, "name", "")), [row, row])
    with pytest.raises(RecordError, match="same time and id"):
        batch.sorted()


@given(st.lists(st.integers(-200, 200), unique=True, max_size=30))
def test_days_partition_the_records(hours: list[int]) -> None:
    rows = [{**READING, "time": NOON + hour * 3_600_000} for hour in hours]
    batch = Batch.from_rows(METER_READING, rows).sorted()
    days = list(batch.by_day())
    assert [day for day, _ in days] == sorted({day_of(t) for t in batch.times})
    for day, of_day in days:
        assert of_day.checked
        assert {day_of(t) for t in of_day.times} == {day}
    assert concat(METER_READING, (of_day for _, of_day in days)) == batch


def test_days_of_what_is_out_of_order_are_refused() -> None:
    rows = [READING, {**READING, "time": NOON - 1}]
    with pytest.raises(RecordError, match="row 1 is not in order"):
        list(Batch.from_rows(METER_READING, rows).by_day())


def test_concat_keeps_what_was_not_checked_unchecked() -> None:
    good = Batch.from_rows(METER_READING, [READING])
    bad_columns: dict[str, list[Cell]] = {name: list(col) for name, col in good.columns.items()}
    bad_columns["unit"] = [""]
    both = concat(METER_READING, [good, Batch(METER_READING, bad_columns)])
    assert not both.checked
    with pytest.raises(RecordError, match="row 1: unit"):
        both.check()
    with pytest.raises(RecordError, match="two schemas"):
        concat(TRANSACTION, [good])


def test_an_unknown_schema_is_refused() -> None:
    assert schema_named("meter-reading/1") is METER_READING
    with pytest.raises(RecordError, match="does not know the schema"):
        schema_named("meter-reading/2")

"""Records as people and scripts spell them: exact, or refused with what to write instead."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrenous.node.cli.records import decimal_text, json_rows
from entrenous.node.imports.spelled import read_decimal, read_line, spelled
from entrenous.node.imports.spelled_time import Moment, moment_here, read_moment
from entrenous.protocol.day import TIME_MAX_MS, TIME_MIN_MS
from entrenous.protocol.errors import RecordError
from entrenous.protocol.limits import SCALE_MAX
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, SCHEMAS, TRANSACTION

PARIS = ZoneInfo("Europe/Paris")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
ZONES = st.sampled_from(
    [
        ZoneInfo(name)
        for name in (
            "Europe/Paris", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC",
            "Pacific/Apia", "America/Havana",
        )
    ]
)  # fmt: skip
PAYMENT = {"time": "2026-03-01", "amount": "-12.50", "currency": "EUR", "label": "Market"}


def at(text: str) -> int:
    return (datetime.datetime.fromisoformat(text) - EPOCH) // datetime.timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "utc", "offset"),
    [
        ("2026-03-01", "2026-02-28T23:00+00:00", 60),
        ("2026-07-01", "2026-06-30T22:00+00:00", 120),
        ("2026-03-01T18:30", "2026-03-01T17:30+00:00", 60),
        ("2026-03-01 18:30:15", "2026-03-01T17:30:15+00:00", 60),
        ("2026-03-01T18:30:15.25", "2026-03-01T17:30:15.250+00:00", 60),
        ("2026-03-01T18:30-05:30", "2026-03-02T00:00+00:00", -330),
        ("2026-03-01T18:30Z", "2026-03-01T18:30+00:00", 0),
        ("2026-10-25T02:30+02:00", "2026-10-25T00:30+00:00", 120),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30+00:00", 60),
    ],
)
def test_a_moment_keeps_the_offset_that_was_meant(text: str, utc: str, offset: int) -> None:
    assert read_moment(text, PARIS) == Moment(at(utc), offset)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-03-29T02:30", "was not shown by a clock here.*\\+01:00 or \\+02:00"),
        ("2026-10-25T02:30", "came twice here.*\\+02:00 or \\+01:00"),
        ("2026-02-30", "no such time"),
        ("2026-03-01T24:00", "no such time"),
        ("1899-12-31T12:00Z", "lies from 1900"),
        ("2079-06-07", "lies from 1900"),
        ("9999-12-31", "lies from 1900"),
        ("0001-01-01", "lies from 1900"),
        ("2026-03-01T18:30+19:00", "no offset"),
        ("2026-03-01T18:30+01:60", "no offset"),
        ("01/03/2026", "a time is"),
        ("20260301", "a time is"),
        ("2026-W09-7", "a time is"),
        ("yesterday", "a time is"),
        ("2026-03-01T18", "a time is"),
        ("\u0662026-03-01", "a time is"),
        ("", "a time is"),
    ],
)
def test_a_time_that_nobody_can_be_sure_of_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(RecordError, match=sentence):
        read_moment(text, PARIS)


def test_a_day_that_begins_in_a_gap_begins_at_the_change() -> None:
    """In São Paulo, clocks were put forward at midnight: the day began at one."""
    zone = ZoneInfo("America/Sao_Paulo")
    assert read_moment("2018-11-04", zone) == Moment(at("2018-11-04T03:00+00:00"), -120)


@given(st.integers(TIME_MIN_MS + 86_400_000, TIME_MAX_MS - 86_400_000), ZONES)
@example(at("2026-10-25T00:30+00:00"), PARIS)
@example(at("2026-10-25T01:30+00:00"), PARIS)
@example(at("2026-03-29T01:00+00:00"), PARIS)
def test_what_a_clock_shows_is_read_back_or_asked_about(t_ms: int, zone: ZoneInfo) -> None:
    """For every moment, the local text names it, or is refused because two moments have it."""
    shown = (EPOCH + datetime.timedelta(milliseconds=t_ms)).astimezone(zone)
    text = shown.replace(tzinfo=None).isoformat(timespec="milliseconds")
    if shown.replace(fold=1 - shown.fold).utcoffset() != shown.utcoffset():
        with pytest.raises(RecordError, match="came twice"):
            read_moment(text, zone)
        return
    found = read_moment(text, zone)
    assert found == moment_here(t_ms, zone)
    if (offset := shown.utcoffset()) and not offset.total_seconds() % 60:
        assert read_moment(shown.isoformat(timespec="milliseconds")) == found


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, SCALE_MAX))
def test_decimals_are_read_as_they_are_written(mantissa: int, scale: int) -> None:
    assert read_decimal(decimal_text(mantissa, scale)) == (mantissa, scale)


@pytest.mark.parametrize(
    "text", ["", "-", "1e3", "0x10", "1,5", "1.", ".5", "1 000", "NaN", "inf", "--1", "9" * 20,
             "1." + "0" * 19, "\u0661"],
)  # fmt: skip
def test_a_number_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="number"):
        read_decimal(text)


def test_a_comma_is_explained() -> None:
    with pytest.raises(RecordError, match=r"write -12\.50"):
        read_decimal("-12,50")


@pytest.mark.parametrize("told", ["-12.50", Decimal("-12.50")])
def test_amounts_are_exact_and_keep_their_places(told: object) -> None:
    assert spelled(TRANSACTION, {**PAYMENT, "amount": told})["amount"] == [-1250, 2]
    assert read_line('{"amount": -12.50}')["amount"] == Decimal("-12.50")
    assert str(read_line('{"amount": 0.1}')["amount"]) == "0.1"


def test_the_same_told_twice_has_one_id() -> None:
    first = spelled(TRANSACTION, PAYMENT, zone=PARIS)
    same = {**PAYMENT, "amount": "-12.5", "time": "2026-03-01T00:00+01:00"}
    assert spelled(TRANSACTION, same)["id"] == first["id"]
    ids = {str(spelled(TRANSACTION, PAYMENT, zone=PARIS, nth=nth)["id"]) for nth in (1, 2, 3)}
    ids.add(str(spelled(TRANSACTION, {**PAYMENT, "label": "Bakery"}, zone=PARIS)["id"]))
    ids.add(str(spelled(TRANSACTION, {**PAYMENT, "id": "my own"})["id"]))
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"amout": 1}, "has no 'amout'; it has"),
        ({"amount": None}, "amount is missing"),
        ({"amount": True}, "amount: a number"),
        ({"amount": [1, 2]}, "amount: a number"),
        ({"currency": ""}, "currency: a currency of ISO 4217"),
        ({"currency": 3}, "currency: a currency of ISO 4217"),
        ({"currency": "euros"}, "currency: a currency of ISO 4217"),
        ({"currency": "XXX"}, "currency: a currency of ISO 4217"),
        ({"label": "x" * 1025}, "label: a text of 0 to 1024 bytes"),
        ({"label": "\ud800"}, "no UTF-8 form"),
        ({"time": None}, "time is missing"),
        ({"time": 1767225600}, "time is not text"),
        ({"time": "2026-03-01T10:00+01:00", "offset_min": 120}, "two offsets"),
        ({"offset_min": "60"}, "whole number of minutes"),
        ({"id": 5}, "text is needed"),
    ],
    ids=str,
)
def test_a_record_that_cannot_be_meant_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(RecordError, match=sentence):
        spelled(TRANSACTION, {**PAYMENT, **change}, zone=PARIS)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda schema: schema.name)
def test_every_schema_can_be_spelled_and_is_told_what_is_missing(schema: object) -> None:
    assert schema in SCHEMAS.values()
    for one in SCHEMAS.values():
        told: dict[str, object] = {
            field.name: "1" for field in one.fields if field.low and field.dtype == "str"
        }
        told |= {field.name: "1" for field in one.fields if field.dtype == "dec"}
        if one.dated:
            told["time"] = "2026-03-01T00:00Z"
        if "currency" in told:
            told["currency"] = "EUR"
        assert len(Batch.from_rows(one, [spelled(one, told)])) == 1


def test_a_currency_is_one_that_there_is_or_was() -> None:
    transaction = SCHEMAS["transaction/1"]
    for told, kept in (("eur", "EUR"), (" CHF ", "CHF"), ("FRF", "FRF"), ("XPF", "XPF")):
        assert spelled(transaction, {**PAYMENT, "currency": told})["currency"] == kept


def test_what_was_read_can_be_told_again() -> None:
    record = spelled(
        METER_READING, {"time": "2026-03-01T10:00+05:30", "value": "1.250", "unit": "kWh"}
    )
    batch = Batch.from_rows(METER_READING, [record])
    line = json.dumps(next(json_rows(batch)))
    assert spelled(METER_READING, read_line(line), zone=PARIS) == record


@pytest.mark.parametrize(
    "line", ["", "[]", "1", "null", '{"a":1,"a":2}', "{" * 100_000, '{"a":' + "9" * 5_000 + "}",
             "\xff", '{"a": NaN', b"\xff\xfe", "x" * 200_000],
    ids=lambda line: repr(line[:12]),
)  # fmt: skip
def test_a_line_that_is_no_record_is_refused(line: str | bytes) -> None:
    with pytest.raises(RecordError):
        read_line(line)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(sorted(SCHEMAS)),
    st.dictionaries(
        st.sampled_from([field.name for field in (*TRANSACTION.fields, *METER_READING.fields)]),
        ANYTHING,
    ),
)
def test_anything_is_a_record_or_refused(name: str, told: dict[str, object]) -> None:
    schema = SCHEMAS[name]
    try:
        record = spelled(schema, told, now=Moment(0, 0), zone=PARIS)
    except RecordError:
        return
    Batch.from_rows(schema, [record])


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d([+-]\d\d:\d\d)?"), ZONES)
def test_any_text_is_a_moment_or_refused(text: str, zone: ZoneInfo) -> None:
    try:
        found = read_moment(text, zone)
    except RecordError:
        return
    assert TIME_MIN_MS <= found.t_ms <= TIME_MAX_MS

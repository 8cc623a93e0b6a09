"""Remuneration: a strict map beside the text of before, and as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.node.cli.terms_file import read_terms
from entrenous.node.errors import UsageError
from entrenous.node.shape import from_value, to_value
from entrenous.protocol.currency import MINOR_DIGITS
from entrenous.protocol.errors import WireError
from entrenous.protocol.limits import AMOUNT_MINOR_MAX
from entrenous.protocol.remuneration import (
    Per,
    Remuneration,
    remuneration_from_mapping,
    remuneration_from_value,
)
from entrenous.protocol.terms import Terms, parse_terms, terms_from_mapping
from entrenous.protocol.wire import Value, decode, encode

GIVEN = Remuneration(250, "EUR", Per.MONTH, 3000)
WIRE = {"amount": [250, 2], "currency": "EUR", "per": "month", "cap": [3000, 2]}


@st.composite
def remunerations(draw: st.DrawFn) -> Remuneration:
    amount, per = draw(st.integers(1, AMOUNT_MINOR_MAX)), draw(st.sampled_from(Per))
    cap = None if per is Per.ONCE else draw(st.none() | st.integers(amount, AMOUNT_MINOR_MAX))
    return Remuneration(amount, draw(st.sampled_from(sorted(MINOR_DIGITS))), per, cap)


@given(remunerations())
def test_it_comes_back_from_bytes_in_terms_and_over_the_control_socket(one: Remuneration) -> None:
    assert remuneration_from_value(decode(encode(one.value()))) == one
    terms = Terms("dpv:ServiceProvision", 30, (), one, ())
    assert parse_terms(terms.encode()) == terms
    assert terms_from_mapping({"purpose": terms.purpose, "remuneration": one.value()}) == Terms(
        terms.purpose, 0, (), one, ()
    )
    assert from_value(Terms, to_value(terms)) == terms


def test_its_bytes_are_these() -> None:
    assert GIVEN.value() == WIRE
    # by hand, RFC 8949: a map of 4, keys in order of length, then of bytes
    assert encode(GIVEN.value()).hex() == (
        "a4"
        "63636170" "82" "190bb8" "02"
        "63706572" "65" "6d6f6e7468"
        "66616d6f756e74" "82" "18fa" "02"
        "6863757272656e6379" "63" "455552"
    )  # fmt: skip  # one field a line


@pytest.mark.parametrize("text", [None, "", "a discount", "2.50 EUR a month"])
def test_the_text_of_before_stays_as_it_is(text: str | None) -> None:
    terms = Terms("dpv:ServiceProvision", 30, (), text, ())
    assert parse_terms(terms.encode()) == terms
    assert terms.paid is bool(text)
    assert from_value(Terms, to_value(terms)) == terms


@pytest.mark.parametrize(
    "changed",
    [{"amount": [250, 3]}, {"amount": [0, 2]}, {"amount": "2.50"}, {"currency": "eur"},
     {"currency": "XXX"}, {"currency": "FRF"}, {"per": "week"}, {"per": None}, {"per": []},
     {"cap": [249, 2]}, {"cap": [3000, 0]}, {"cap": "30"}, {"also": 1}, {"per": "once"},
     {"currency": "JPY"}],
)  # fmt: skip  # a table
def test_any_other_map_is_refused(changed: dict[str, Value]) -> None:
    with pytest.raises(WireError):
        remuneration_from_value({**WIRE, **changed})


@pytest.mark.parametrize("key", WIRE)
def test_every_key_is_there_on_the_wire(key: str) -> None:
    with pytest.raises(WireError):
        remuneration_from_value({name: value for name, value in WIRE.items() if name != key})


@pytest.mark.parametrize("value", [5, True, [], [250, 2], b"2.50", "x" * 4097])
def test_what_is_neither_text_nor_map_is_refused(value: Value) -> None:
    terms = Terms("dpv:X", 0, (), None, ()).value()
    assert isinstance(terms, dict)
    with pytest.raises(WireError):
        parse_terms(encode({**terms, "remuneration": value}))


WRITTEN = {
    "terms.yaml": 'remuneration: {amount: "2.50", currency: EUR, per: month, cap: 30}\n',
    "terms.yml": "remuneration:\n  amount: 2.50\n  currency: EUR\n  per: month\n  cap: '30.00'\n",
    "terms.toml": 'remuneration = {amount = "2.5", currency = "EUR", per = "month", cap = 30}\n',
    "terms.json": '{"remuneration": {"amount": "2.50", "currency": "EUR", "per": "month", '
    '"cap": "30"}}',
}


@pytest.mark.parametrize("name", WRITTEN)
def test_people_write_it_in_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(WRITTEN[name])
    assert read_terms(path, "dpv:X").remuneration == GIVEN


def test_a_number_that_was_read_as_binary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "terms.toml"
    path.write_text('remuneration = {amount = 2.5, currency = "EUR", per = "month"}\n')
    with pytest.raises(UsageError, match="in quotes"):
        read_terms(path, "dpv:X")


@pytest.mark.parametrize(
    ("written", "says"),
    [({"amount": "2.50", "currency": "EUR"}, "per is missing"),
     ({"amount": "2.50", "per": "month"}, "currency is missing"),
     ({"currency": "EUR", "per": "month"}, "amount is missing"),
     ({"amount": 2.5, "currency": "EUR", "per": "month"}, "in quotes"),
     ({"amount": "2.50", "currency": "euro", "per": "month"}, "'euro' is not a currency"),
     ({"amount": "2.50", "currency": 5, "per": "month"}, "not a currency"),
     ({"amount": "2.50", "currency": "EUR", "per": "week"}, "once, month, read, window-day"),
     ({"amount": "2.50", "currency": "EUR", "per": "month", "cap": "1"}, "less than one"),
     ({"amount": "2.50", "currency": "EUR", "per": "once", "cap": "9"}, "no cap"),
     ({"amount": "2.50", "currency": "EUR", "per": "month", "vat": "9"}, "'vat' is not known")],
)  # fmt: skip  # a table
def test_what_is_written_wrongly_is_named(written: dict[str, object], says: str) -> None:
    with pytest.raises(WireError, match=says):
        remuneration_from_mapping(written)


def test_it_is_said_in_words() -> None:
    assert GIVEN.words() == "2.50 EUR for each month begun, at most 30.00 EUR in all"
    assert Remuneration(5, "JPY", Per.READ).words() == "5 JPY for each read"

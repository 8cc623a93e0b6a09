"""Currencies: a closed list, and amounts that have one form and come back whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.protocol.currency import (
    MINOR_DIGITS,
    PAST,
    amount_from_text,
    amount_from_value,
    amount_from_written,
    amount_text,
    amount_value,
    check_currency,
    is_currency,
    money,
)
from entrenous.protocol.errors import WireError
from entrenous.protocol.limits import AMOUNT_MINOR_MAX
from entrenous.protocol.wire import decode, encode

CODES = st.sampled_from(sorted(MINOR_DIGITS))
AMOUNTS = st.integers(1, AMOUNT_MINOR_MAX)


def test_the_list_is_closed_and_its_codes_are_three_capital_letters() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in MINOR_DIGITS)
    assert not PAST & MINOR_DIGITS.keys()
    for code in ("EUR", "CHF", "JPY", "KWD", "XCG", "ZWG"):
        assert check_currency(code) == code
    for code in ("", "eur", "EU", "EURO", "euros", "XXX", "XTS", "XAU", "XDR", "CHE", "FRF", "€"):
        with pytest.raises(WireError, match="not a currency of ISO 4217"):
            check_currency(code)
    assert is_currency("FRF", past=True)
    assert not is_currency("FRF")
    assert not is_currency("Mark", past=True)


# ISO 4217 gives 17 active codes no minor unit (16 without UYI, a unit of account) and 7 three.
@pytest.mark.parametrize(("digits", "codes"), [(0, 16), (3, 7)])
def test_how_many_codes_have_which_minor_unit(digits: int, codes: int) -> None:
    assert sum(one == digits for one in MINOR_DIGITS.values()) == codes


@given(AMOUNTS, CODES)
def test_an_amount_comes_back_from_the_wire_and_from_text(amount: int, code: str) -> None:
    value = decode(encode(amount_value(amount, code)))
    assert amount_from_value(value, code, "x") == amount
    assert amount_from_text(amount_text(amount, code), code) == amount


@pytest.mark.parametrize(
    ("amount", "code", "text"),
    [(250, "EUR", "2.50"), (5, "EUR", "0.05"), (5, "JPY", "5"), (1, "KWD", "0.001"),
     (-250, "EUR", "-2.50"), (-5, "EUR", "-0.05"), (0, "EUR", "0.00"), (-7, "JPY", "-7")],
)  # fmt: skip  # a table
def test_an_amount_has_the_digits_of_its_currency(amount: int, code: str, text: str) -> None:
    assert amount_text(amount, code) == text
    assert money(amount, code) == f"{text} {code}"


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [("2.505", "EUR", "2 digits"), ("1.5", "JPY", "0 digits"), ("0", "EUR", "too small"),
     ("0.00", "EUR", "too small"), ("-1", "EUR", "like 2.50"), ("2,50", "EUR", "write 2.50"),
     ("1e3", "EUR", "like 2.50"), ("", "EUR", "like 2.50"), ("1000000000", "EUR", "too large"),
     ("\uff12", "EUR", "like 2.50"), ("2.50 EUR", "EUR", "like 2.50"), ("9" * 999, "EUR", "like")],
)  # fmt: skip  # a table
def test_what_nobody_could_pay_is_refused(text: str, code: str, says: str) -> None:
    with pytest.raises(WireError, match=says):
        amount_from_text(text, code)


def test_zeros_at_the_end_change_nothing() -> None:
    assert amount_from_text("2.5", "EUR") == amount_from_text("2.500", "EUR") == 250
    assert amount_from_text("3", "EUR") == amount_from_text("3.0", "EUR") == 300
    assert amount_from_text("5.000", "JPY") == 5


@pytest.mark.parametrize(
    "value",
    [[250, 1], [250, 3], [25, 1], [0, 2], [-1, 2], [AMOUNT_MINOR_MAX + 1, 2], [True, 2],
     [250, True], ["250", 2], [250], [250, 2, 0], {"amount": 250}, "2.50", 250, None],
)  # fmt: skip  # a table
def test_another_form_on_the_wire_is_refused(value: object) -> None:
    with pytest.raises(WireError):
        amount_from_value(value, "EUR", "x")  # type: ignore[arg-type]  # some are no values


def test_a_written_amount_is_text_or_whole_and_never_a_float() -> None:
    assert amount_from_written("2.50", "EUR", "x") == 250
    assert amount_from_written(2, "EUR", "x") == 200
    assert amount_from_written([250, 2], "EUR", "x") == 250
    with pytest.raises(WireError, match="in quotes"):
        amount_from_written(2.5, "EUR", "x")
    with pytest.raises(WireError):
        amount_from_written(True, "EUR", "x")

"""The payment code, held to EPC069-12 by a parser written from the guideline, and to segno."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st
from segno import helpers

from entrenous.protocol.errors import WireError
from entrenous.protocol.iban import iban_of
from entrenous.protocol.limits import AMOUNT_MINOR_MAX
from entrenous.protocol.sepa import Creditor, check_creditor, transfer_payload

IBAN = "FR7630006000011234567890189"
ANN = Creditor("Ann Example", IBAN)


@dataclass
class Read:
    """What a bank's app takes out of a code."""

    name: str
    iban: str
    amount: Decimal
    remittance: str


def read_epc(text: str) -> Read:
    """EPC069-12 v2.1, "Data elements": each with its place, length and form."""
    assert len(text.encode("utf-8")) <= 331, "maximum payload"
    assert "\r" not in text, "elements are parted by one and the same character"
    assert not text.endswith("\n"), "the last element that is there is not followed by a separator"
    lines = text.split("\n")
    assert 8 <= len(lines) <= 12, "up to the amount at least, twelve at most"
    tag, version, charset, identification, bic, name, iban, amount, *rest = lines
    assert tag == "BCD"
    assert version in ("001", "002")
    assert charset in tuple("12345678")
    assert identification == "SCT"
    assert re.fullmatch(r"|[A-Z0-9]{8}([A-Z0-9]{3})?", bic)
    assert bic or version == "002", "version 001 needs the BIC"
    assert 1 <= len(name) <= 70
    assert 5 <= len(iban) <= 34
    moved = iban[4:] + iban[:4]
    assert (
        int("".join(str("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(c)) for c in moved)) % 97 == 1
    )
    assert re.fullmatch(r"EUR[0-9]{1,9}(\.[0-9]{1,2})?", amount)
    value = Decimal(amount[3:])
    assert Decimal("0.01") <= value <= Decimal("999999999.99")
    purpose, structured, free, note = (*rest, "", "", "", "")[:4]
    assert len(purpose) <= 4
    assert len(structured) <= 35
    assert len(free) <= 140
    assert len(note) <= 70
    assert not (structured and free), "one or the other"
    return Read(name, iban, value, free)


SEEN = st.characters(codec="latin-1", categories=("L", "N", "P", "S"))
LINES = st.text(SEEN, min_size=1, max_size=70)


@given(LINES, st.integers(1, AMOUNT_MINOR_MAX), st.text(SEEN, min_size=1, max_size=50))
def test_every_payload_is_one_that_the_guideline_describes(
    name: str, amount: int, remittance: str
) -> None:
    payload = transfer_payload(Creditor(name, IBAN), amount, remittance)
    assert read_epc(payload) == Read(name, IBAN, Decimal(amount) / 100, remittance)


def test_its_lines_are_these() -> None:
    assert transfer_payload(ANN, 1250, "entrenous 5hr7q2ka").split("\n") == [
        "BCD", "002", "1", "SCT", "", "Ann Example", IBAN, "EUR12.50", "", "", "entrenous 5hr7q2ka",
    ]  # fmt: skip  # twelve lines but the last


# segno leaves a zero at the end of the cents out, as the guideline allows: none of these has one.
@pytest.mark.parametrize(
    ("amount", "text"), [(1, "0.01"), (1234, "12.34"), (99_999_999_999, "999999999.99")]
)
def test_segno_draws_the_same_code(amount: int, text: str) -> None:
    ours = segno.make_qr(
        transfer_payload(ANN, amount, "entrenous 5hr7q2ka"),
        error="m", boost_error=False, encoding="utf-8", mode="byte",
    )  # fmt: skip  # as `accounts qr` draws it
    theirs = helpers.make_epc_qr(
        ANN.name, IBAN, Decimal(text), text="entrenous 5hr7q2ka", encoding="utf-8"
    )
    assert ours.matrix == theirs.matrix
    assert isinstance(ours.version, int)
    assert ours.version <= 13


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MINOR_MAX + 1])
def test_an_amount_that_no_transfer_can_have_is_refused(amount: int) -> None:
    with pytest.raises(WireError, match=r"0\.01 to 999999999\.99"):
        transfer_payload(ANN, amount, "x")


@pytest.mark.parametrize(
    ("name", "remittance"),
    [("", "x"), ("x" * 71, "x"), ("Ann\nBCD", "x"), ("Ann", "x\nEUR9"), ("Ann", "x" * 141),
     ("Ann", ""), (" Ann", "x"), ("Ann", "x\u2028y"), ("Ann", "x\r"), ("\u202eAnn", "x"),
     ("\U0001f3e6" * 70, "\U0001f3e6" * 140)],
)  # fmt: skip  # a table
def test_a_text_that_would_be_another_field_or_too_long_is_refused(
    name: str, remittance: str
) -> None:
    with pytest.raises(WireError):
        transfer_payload(Creditor(name, IBAN), 100, remittance)


@given(st.integers(0, len(IBAN) - 1), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_a_wrong_digit_or_letter_of_an_iban_never_passes(place: int, character: str) -> None:
    wrong = IBAN[:place] + character + IBAN[place + 1 :]
    if wrong != IBAN and IBAN[place].isdigit() is character.isdigit():
        with pytest.raises(WireError, match="no IBAN") as refused:
            check_creditor("Ann", wrong)
        assert wrong not in str(refused.value)


def test_a_creditor_is_kept_in_one_form_and_its_number_is_in_no_repr() -> None:
    assert check_creditor(" Ann  Example ", "fr76 3000 6000 0112 3456 7890 189") == ANN
    assert IBAN not in repr(ANN)
    assert iban_of(IBAN) == IBAN

"""SEPA credit transfers as a QR code that a bank's app reads: the text in it.

Twelve lines, parted by a line feed, the empty ones at the end left out:

    BCD  002  1  SCT  (BIC)  name  IBAN  EURamount  (purpose)  (structured)  remittance  (note)

Version 002 leaves the BIC out; character set 1 is UTF-8; either a structured reference or free text
says what is paid, and it is the text here.  Who pays reads name, IBAN and sum in their own bank's
app before anything happens: a code is a form filled in, not an order.

Source: EPC069-12, "Quick Response Code: Guidelines to enable data capture for the initiation of a
SEPA credit transfer", European Payments Council.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from .currency import amount_text
from .errors import WireError
from .iban import iban_of
from .limits import AMOUNT_MINOR_MAX, CREDITOR_CHARS_MAX, PAYMENT_NOTE_CHARS_MAX

SERVICE_TAG: Final = "BCD"
VERSION: Final = "002"
UTF_8: Final = "1"
IDENTIFICATION: Final = "SCT"
# EPC069-12: the payload fits a QR code of version 13 with error correction M.
PAYLOAD_BYTES_MAX: Final = 331


@dataclass(frozen=True, slots=True)
class Creditor:
    """Who is paid: a name of 1 to 70 characters, and an IBAN in capitals without blanks."""

    name: str
    iban: str

    def __repr__(self) -> str:
        return f"Creditor(…{self.iban[-4:]})"


def check_creditor(name: str, iban: str) -> Creditor:
    """The creditor that a person wrote down.  Raises WireError, without the number in it."""
    found = iban_of(iban)
    if found is None:
        raise WireError("this is no IBAN: its letters and digits do not add up; look for a slip")
    return Creditor(_line(" ".join(name.split()), "the name", CREDITOR_CHARS_MAX), found)


def transfer_payload(creditor: Creditor, amount_minor: int, remittance: str) -> str:
    """What stands in the QR code for a transfer of so many cents.  Raises WireError."""
    if not 1 <= amount_minor <= AMOUNT_MINOR_MAX:
        raise WireError("a SEPA transfer is of 0.01 to 999999999.99 EUR")
    if iban_of(creditor.iban) != creditor.iban:
        raise WireError("this is no IBAN")
    lines = (
        SERVICE_TAG,
        VERSION,
        UTF_8,
        IDENTIFICATION,
        "",
        _line(creditor.name, "the name", CREDITOR_CHARS_MAX),
        creditor.iban,
        f"EUR{amount_text(amount_minor, 'EUR')}",
        "",
        "",
        _line(remittance, "what is paid for", PAYMENT_NOTE_CHARS_MAX),
    )
    payload = "\n".join(lines)
    if len(payload.encode()) > PAYLOAD_BYTES_MAX:
        raise WireError(f"a payment code has at most {PAYLOAD_BYTES_MAX} bytes: say it shorter")
    return payload


def _line(text: str, what: str, chars_max: int) -> str:
    """One line that can be seen: a line feed in it would be another field."""
    if not 1 <= len(text) <= chars_max:
        raise WireError(f"{what} has 1 to {chars_max} characters")
    if text != text.strip() or any(unicodedata.category(c)[0] in "CZ" and c != " " for c in text):
        raise WireError(f"{what} is not one line of text that can be seen")
    return text

"""What the words of a bank's line say: how money moved, and to whom.

A line is read in one spelling: no accents, capitals or signs, single blanks (`plain`).  How money
moved follows from the record's kind, and where a file says no more than debit or credit, from the
words with which banks begin a line.  Who it went to is the counterparty; where the file names none,
it is what is left of the line without those words, dates, numbers and references.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import Final


class Means(StrEnum):
    """How money moved."""

    CARD = "card"
    DEBIT = "debit"
    TRANSFER = "transfer"
    CASH = "cash"
    CHECK = "check"
    FEE = "fee"
    INTEREST = "interest"
    UNKNOWN = "unknown"


_KINDS: Final = {
    "pos": Means.CARD, "atm": Means.CASH, "cash": Means.CASH, "check": Means.CHECK,
    "directdebit": Means.DEBIT, "directdep": Means.TRANSFER, "xfer": Means.TRANSFER,
    "repeatpmt": Means.TRANSFER, "srvchg": Means.FEE, "fee": Means.FEE, "int": Means.INTEREST,
    "div": Means.INTEREST,
}  # fmt: skip  # a table of codes
# With what banks begin a line, in French, English, German; the longer first.
_OPENINGS: Final = (
    (Means.CARD, "avoir carte", "credit carte bancaire", "remboursement cb", "annulation cb",
     "achat cb", "paiement par carte", "paiement carte", "paiement cb", "facture carte", "carte x",
     "carte", "cb", "card payment to", "card payment", "debit card", "card purchase", "purchase",
     "card refund", "kartenzahlung", "girocard", "ec kartenzahlung", "visa debit", "debitkarte"),
    (Means.CASH, "retrait dab", "retrait", "cash withdrawal", "atm withdrawal", "atm",
     "bargeldauszahlung", "geldautomat", "barauszahlung"),
    (Means.DEBIT, "prlv sepa recurrent", "prlv sepa", "prlv", "prelevement europeen",
     "prelevement sepa", "prelevement", "direct debit to", "direct debit", "sepa lastschrift",
     "sepa basislastschrift", "lastschrift", "folgelastschrift", "lastschrifteinzug"),
    (Means.TRANSFER, "vir sepa emis pour", "vir sepa recu de", "vir inst vers", "vir inst de",
     "vir inst", "vir sepa", "vir recu", "vir", "virement sepa en faveur de", "virement emis vers",
     "virement recu de", "virement instantane", "virement de", "virement en faveur de", "virement",
     "standing order to", "standing order", "bank transfer to", "bank transfer from",
     "bank transfer", "faster payment", "transfer to", "transfer from", "transfer",
     "sepa uberweisung", "sepa ueberweisung", "echtzeituberweisung", "uberweisung", "ueberweisung",
     "dauerauftrag", "sepa gutschrift", "gutschrift"),
    (Means.CHECK, "cheque", "chq", "remise cheque", "check", "scheck"),
    (Means.FEE, "frais", "commission", "cotisation carte", "account fee", "bank charge",
     "kontofuhrung", "kontofuehrung", "entgelt"),
    (Means.INTEREST, "interets", "interest", "zinsen"),
)  # fmt: skip  # lists of words
_BY_OPENING: Final = tuple(
    sorted(
        ((opening, means) for means, *openings in _OPENINGS for opening in openings),
        key=lambda pair: -len(pair[0]),
    )
)
# From such a word on, a line names numbers: due date, mandate, reference, reason, card.
_REFERENCE: Final = re.compile(
    r" (?:ech|mdt|motif|ref|reference|rum|ics|id|mandat|mandate|mref|eref|cred|"
    r"carte no|carte|card|verwendungszweck|kundenreferenz) .*"
)
_NUMBERS: Final = re.compile(r"(?<= )\S*[0-9]\S*(?= )")
_ACCENTS: Final = re.compile(r"[\u0300-\u036f]")
_SIGNS: Final = re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """` carte 12 03 lidl paris `: one spelling of a line, a blank at either end."""
    # A letter of mathematics has a capital under it, and a capital's small form an accent.
    folded = unicodedata.normalize("NFKD", text).casefold()
    bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", folded))
    return f" {_SIGNS.sub(' ', bare).strip()} "


@lru_cache(maxsize=4096)
def opening_of(line: str) -> tuple[str, Means]:
    """The words with which a plain line begins that say how money moved; none: "", UNKNOWN."""
    for opening, means in _BY_OPENING:
        if line.startswith(f" {opening} "):
            return opening, means
    return "", Means.UNKNOWN


def means_of(kind: str, line: str) -> Means:
    """How money moved, by the record's kind or else its plain line."""
    means = _KINDS.get(kind)
    return opening_of(line)[1] if means is None else means


def payee_of(counterparty: str | None, label: str) -> str:
    """Who it went to or came from, for the eye; the line itself if nothing else is left."""
    if counterparty:
        return counterparty
    words = _named(label)
    return words.upper() if words else label


def names_somebody(payee: str) -> bool:
    """Whether a payee is more than the word for how money moved: `VIREMENT` is nobody."""
    return bool(_named(payee))


def _named(label: str) -> str:
    line = plain(label)
    opening, _ = opening_of(line)
    rest = line[len(opening) + 1 :] if opening else line
    return " ".join(_NUMBERS.sub("", _REFERENCE.sub(" ", rest)).split())

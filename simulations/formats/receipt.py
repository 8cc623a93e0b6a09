"""Till receipts as JSON: seller, lines, taxes by rate, payment, with amounts as texts.

There is no one standard; what is here is what such files have in common.  An article is named by
its GTIN, with a right check digit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .ofx import amount


@dataclass(frozen=True, slots=True)
class Line:
    """`rate` is the tax in thousandths that `cents`, the price of all pieces, contains."""

    gtin: str
    words: str
    pieces: int
    cents: int
    rate: int


def receipt(
    number: str, seller: Mapping[str, str], when: str, lines: Sequence[Line], card: str
) -> str:
    """One receipt as a line of JSON."""
    total = sum(line.cents for line in lines)
    rates = {
        rate: sum(line.cents for line in lines if line.rate == rate) for rate in (55, 100, 200)
    }
    value = {
        "receiptNumber": number,
        "seller": dict(seller),
        "issued": when,
        "currency": "EUR",
        "lines": [
            {
                "position": position,
                "gtin": line.gtin,
                "description": line.words,
                "quantity": line.pieces,
                "amount": amount(line.cents),
                "vatRate": f"{line.rate // 10}.{line.rate % 10}",
            }
            for position, line in enumerate(lines, start=1)
        ],
        "vat": [
            {
                "rate": f"{rate // 10}.{rate % 10}",
                "gross": amount(cents),
                "vat": amount(cents - (cents * 1000 + (1000 + rate) // 2) // (1000 + rate)),
            }
            for rate, cents in rates.items()
            if cents
        ],
        "total": amount(total),
        "payment": {"method": "card", "last4": card, "amount": amount(total)},
    }
    return json.dumps(value, ensure_ascii=False)


def gtin(digits: int) -> str:
    """A GTIN-13 of twelve digits and the one that checks them (GS1 General Specifications 7.9)."""
    text = f"{digits:012d}"
    weighed = sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(text))
    return f"{text}{-weighed % 10}"

"""What `entrenous budget … --json` prints: its keys, which docs/services.md lists."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ....node.service import Shape


def _one(**keys: str) -> Shape:
    return Shape(False, MappingProxyType(keys))


SHAPES: Final[Mapping[str, Shape]] = {
    "budget": _one(
        by="`category`, `month` or `payee`",
        category="the category or group that was asked for, or null for all",
        first="first day, of your time zone",
        last="last day",
        zone="which time zone that is",
        compared="the months whose median is `usual`; none where there are too few",
        currencies="for each currency: `currency`; `spent`, `paid`, `received`, `payments`, "
        "`usual` (null if not known) of the whole; `income`; `moved` between own accounts; "
        "`rows` and `groups`, each with `name`, `spent`, `paid`, `received`, `payments`, `usual`; "
        "`uncategorised` with the same and `largest` (rows by payee), or null",
        conflicts="payments that several sources told with different amounts",
        damaged="a sentence for each page that did not open",
    ),
    "budget --recurring": _one(
        as_of="the last day of which anything is known",
        series="what recurs: `payee`, `category` (null if not known), `currency`, `every`, `unit` "
        "(`month` or `week`), `count`, `first`, `last`, `amount` (the last one; below zero: paid), "
        "`next` (null: it has ended), `rises` (`date`, `before`, `after`)",
        damaged="a sentence for each page that did not open",
    ),
    "budget --why": _one(
        payments="each payment that was asked for: `id`, `date`, `amount`, `currency`, `label`, "
        "`payee`, `means`, `category` (null if not known), `how`, `words` (that were found, or "
        "empty), `other` (the other end of a transfer, or null), `sources`",
        more="how many others there are",
    ),
    "budget rule": _one(
        words="what has to stand in the label or the payee, in plain spelling",
        category="the category that it is then",
        rules="how many rules of your own there are now",
        replaced="the category that the same words meant before, or null",
    ),
}

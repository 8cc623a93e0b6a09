"""Transfers between one's own accounts: two payments that are one movement.

Money that goes from one's right hand to the left is neither spent nor earned.  Two payments are
taken for its two ends if they are of the same amount and currency with opposite signs, a few days
apart, moved by transfer, and not of one account.  What a rule knows to be something else (a salary,
a rent) is no end.  Of several that would fit, the nearest in time go together, then those whose
accounts are both known, then those with more words in common; each is an end once.

A payment whose line names an IBAN of one's own is an end even where the other is not in the vault.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .categories import OWN
from .payments import Payment
from .rules import Verdict
from .words import Means

DAYS_MAX: Final = 4
# Pairs of one amount that are looked at.  Beyond it somebody made them, and none is taken for a
# transfer.
PAIRS_MAX: Final = 20_000
_MEANS: Final = frozenset((Means.TRANSFER, Means.UNKNOWN, Means.CHECK))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ends of one movement, by their places in a sequence of payments."""

    out: int
    into: int


def own_transfers(
    payments: Sequence[Payment], verdicts: Sequence[Verdict], own_ibans: Iterable[str] = ()
) -> tuple[Mapping[int, int], frozenset[int]]:
    """(each end of a pair → the other end), (ends that name an own IBAN, without another)."""
    candidates = _candidates(payments, verdicts)
    taken: dict[int, int] = {}
    for pair in candidates:
        if pair.out not in taken and pair.into not in taken:
            taken[pair.out], taken[pair.into] = pair.into, pair.out
    lone = frozenset(
        at
        for at, one in enumerate(payments)
        if at not in taken
        and one.means in _MEANS
        and any(iban in one.line.replace(" ", "").upper() for iban in own_ibans)
    )
    return taken, lone


def _candidates(payments: Sequence[Payment], verdicts: Sequence[Verdict]) -> list[Pair]:
    """Every two payments that might be ends of one movement, the likeliest first."""
    incoming: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    outgoing: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for at, one in enumerate(payments):
        if one.amount and _may_be(one, verdicts[at]):
            ends = incoming if one.incoming else outgoing
            ends[one.currency, abs(one.amount)].append(at)
    found: list[tuple[tuple[int, bool, int, str, str], Pair]] = []
    for amount, outs in outgoing.items():
        for at, other in _near(payments, outs, incoming.get(amount, [])):
            one, into = payments[at], payments[other]
            if not _different(one, into):
                continue
            days = abs((into.date - one.date).days)
            known = one.account is not None and into.account is not None
            common = len(set(one.line.split()) & set(into.line.split()))
            found.append(((days, not known, -common, one.id, into.id), Pair(at, other)))
    return [pair for _, pair in sorted(found, key=lambda each: each[0])]


def _near(
    payments: Sequence[Payment], outs: Sequence[int], into: list[int]
) -> Iterator[tuple[int, int]]:
    """Each of `outs` with each of `into` that is a few days apart; none if they are too many."""
    into = sorted(into, key=lambda at: payments[at].date)
    days = [payments[at].date.toordinal() for at in into]
    spans: list[tuple[int, int, int]] = []
    for at in outs:
        day = payments[at].date.toordinal()
        spans.append((at, bisect_left(days, day - DAYS_MAX), bisect_right(days, day + DAYS_MAX)))
    if sum(end - first for _, first, end in spans) <= PAIRS_MAX:
        for at, first, end in spans:
            for other in into[first:end]:
                yield at, other


def _may_be(one: Payment, verdict: Verdict) -> bool:
    """Own rules have the last word; a built-in one that says `income` knows the word for it."""
    if one.means not in _MEANS or verdict.how == "your rule":
        return False
    if verdict.how == "money in, from nobody known":
        return True
    return verdict.category is None or verdict.category in OWN


def _different(one: Payment, other: Payment) -> bool:
    """Whether two payments may be of two accounts: known to be, or never in one file."""
    if one.account is not None and other.account is not None:
        return one.account != other.account
    return one.files.isdisjoint(other.files)

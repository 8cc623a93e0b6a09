"""Sorting: every payment gets its category, and the reason for it.

Own rules, then transfers between own accounts, then built-in rules, then how money moved; and what
comes back from someone whom one pays reduces what one paid them for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .categories import NOT_SPENDING
from .payments import Payment
from .rules import Rules, Verdict
from .transfers import own_transfers
from .words import names_somebody

_SAVED = "savings"


@dataclass(frozen=True, slots=True)
class Sorted:
    """A payment with its category (None: not known) and why; `other` is a transfer's other end."""

    payment: Payment
    verdict: Verdict
    other: str | None = None

    @property
    def category(self) -> str | None:
        return self.verdict.category

    @property
    def spending(self) -> bool:
        """Whether it counts: money out, or money that came back, of a category of spending."""
        return self.category not in NOT_SPENDING


def sort_payments(
    payments: Sequence[Payment], rules: Rules, own_ibans: Iterable[str] = ()
) -> list[Sorted]:
    """Each payment with its category, in the same order."""
    verdicts = [rules.verdict(one.line, one.means, incoming=one.incoming) for one in payments]
    pairs, lone = own_transfers(payments, verdicts, own_ibans)
    paid_for = _paid_for(payments, verdicts)
    found: list[Sorted] = []
    for at, (one, verdict) in enumerate(zip(payments, verdicts, strict=True)):
        other = pairs.get(at)
        if other is not None:
            saved = _SAVED in (verdict.category, verdicts[other].category)
            category = _SAVED if saved else "transfers"
            said = Verdict(category, "the same amount on two of your accounts")
            found.append(Sorted(one, said, payments[other].id))
        elif at in lone and verdict.how != "your rule":
            saved = verdict.category == _SAVED
            said = Verdict(_SAVED if saved else "transfers", "it names an account of yours")
            found.append(Sorted(one, said))
        elif _comes_back(one, verdict) and one.payee.casefold() in paid_for:
            paid = paid_for[one.payee.casefold()]
            found.append(Sorted(one, Verdict(paid, "money back from whom you paid")))
        else:
            found.append(Sorted(one, verdict))
    return found


def _comes_back(one: Payment, verdict: Verdict) -> bool:
    """Whether it may be money back: from somebody, whom no rule knows."""
    return (
        one.incoming
        and names_somebody(one.payee)
        and (verdict.category is None or verdict.how == "money in, from nobody known")
    )


def _paid_for(payments: Sequence[Payment], verdicts: Sequence[Verdict]) -> dict[str, str | None]:
    """payee → the category under which most was paid to them; None where no rule knows them.

    What comes back from somebody unknown is no income either.
    """
    counts: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for one, verdict in zip(payments, verdicts, strict=True):
        if not one.incoming and verdict.category not in NOT_SPENDING:
            counts[one.payee.casefold()][verdict.category] += 1
    return {
        payee: min(found, key=lambda each: (-found[each], each or ""))
        for payee, found in counts.items()
    }

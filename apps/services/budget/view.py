"""The budget's categories as a rule for views: `monthly-categories` tells what it tells.

What a view may tell to others must not hang on more than the records of its month: so only the
built-in rules sort here, not the person's own, and a transfer between own accounts is seen only
where both its ends are in the same collection.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....protocol.record import Batch
from .categories import UNKNOWN
from .payments import payment_of
from .rules import Rules
from .sorting import sort_payments


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """Sorts payments as `entrenous budget` does without rules of one's own.

    `version` goes up when `rules.toml` or the sorting changes what it answers.
    """

    version: str = "1"

    def categories(self, records: Batch) -> Sequence[str | None]:
        """A category for each payment, None for what is neither spent nor came back."""
        nobody: Mapping[str, str] = {}
        payments = [payment_of(row, frozenset(), nobody, datetime.UTC) for row in records.rows()]
        found = sort_payments(payments, Rules())
        return [(one.category or UNKNOWN) if one.spending else None for one in found]


rule = BudgetRule()

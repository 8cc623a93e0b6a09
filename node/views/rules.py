"""Rules by which a view sorts records into categories: brought by services, under an entry point.

    [project.entry-points."entrenous.views"]
    budget = "entrenous.apps.services.budget.view:rule"

A rule is a pure function of the records of one month of one collection, so that every derivation
of the same records is the same.  Its `version` changes whenever its answers may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, cast

from ...protocol.record import Batch
from ..errors import NodeError, NotFound

GROUP = "entrenous.views"


class CategoryRule(Protocol):
    """Sorts payments."""

    @property
    def version(self) -> str:
        """Differs whenever the same records may get other categories."""
        ...

    def categories(self, records: Batch) -> Sequence[str | None]:
        """A category for each record, None for one that does not count as spending."""
        ...


class Rules(Protocol):
    """Where rules are found by name."""

    def named(self, name: str) -> CategoryRule:
        """Raises NotFound, NodeError."""
        ...


@dataclass(frozen=True, slots=True)
class InstalledRules:
    """The rules of the services that are installed."""

    def named(self, name: str) -> CategoryRule:
        """Raises NotFound, NodeError for one that cannot be loaded."""
        for point in entry_points(group=GROUP, name=name):
            try:
                return cast("CategoryRule", point.load())
            except Exception as error:  # whatever a foreign module raises while it is imported
                raise NodeError(f"the rule {name} cannot be loaded: {error}") from error
        known = ", ".join(sorted(point.name for point in entry_points(group=GROUP))) or "none"
        raise NotFound(f"there is no rule {name} to sort by: there are {known}")

"""Categories: the words in which a budget speaks, and which of them are spending."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ...text import quoted

CATEGORIES: Final = (
    "groceries", "restaurants", "housing", "energy", "telecoms", "transport", "health",
    "insurance", "leisure", "clothing", "education", "children", "taxes", "savings", "gifts",
    "fees", "income", "transfers", "other",
)  # fmt: skip  # a list of words
# Several categories under one name.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"food": ("groceries", "restaurants")}
)
# Between one's own accounts: neither spent nor earned.
OWN: Final = frozenset(("savings", "transfers"))
NOT_SPENDING: Final = OWN | {"income"}
# What no rule knows; it counts as spending, for money that went somewhere is gone.
UNKNOWN: Final = "not categorised"


def categories_of(name: str) -> tuple[str, ...]:
    """The categories that a category or a group is.  Raises ValueError for what is neither."""
    if name in GROUPS:
        return GROUPS[name]
    if name in CATEGORIES:
        return (name,)
    known = ", ".join((*GROUPS, *CATEGORIES))
    raise ValueError(f"there is no category {quoted(name)}; there are {known}")

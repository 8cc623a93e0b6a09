"""What a node tells of views."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewWaiting:
    """A period of a view that is not told as it stands: its first day, its name, and why."""

    first: int
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class ViewInfo:
    """A view of this node.  `view` is the word that names its kind.

    `periods` are those that are told, `lent` counts the grants on it that hold; `trouble` says
    why it was not derived when it was last looked at, if it was not.
    """

    path: str
    source: str
    view: str
    schema: str
    records: int
    periods: int
    waiting: tuple[ViewWaiting, ...]
    figure: str | None
    bands: tuple[str, ...]
    fields: tuple[str, ...]
    rule: str | None
    late_days: int
    again_days: int
    made_ms: int
    lent: int
    trouble: str | None


@dataclass(frozen=True, slots=True)
class ViewRemoved:
    """A view that was removed, and how many pages of it."""

    path: str
    pages: int

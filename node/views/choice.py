"""A choice: one way of answering a request, and what it gives away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """One way of answering.  `records`, `days` and `size` (bytes) are what there is now.

    `choice` is `whole`, `days`, `fields` or `view`; `view` the word that names it, `path` where it
    is kept; `example` the columns of one row.  `enough` says why it is enough for the purpose.
    """

    collection: str
    choice: str
    view: str | None
    path: str
    made: bool
    schema: str
    fields: tuple[str, ...]
    first: int
    last: int
    days: int
    records: int
    size: int
    example: bytes | None
    enough: str | None = None

"""The record that is to be erased: found by its name, with every telling of it.

A record told by several is one fact (`vault/facts.py`), so whoever names one telling names them
all; a name that begins several is refused, and nothing is guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from ...protocol.day import UNDATED
from ...protocol.record import Batch
from ...protocol.schema import Schema
from ..errors import NotFound, UsageError
from ..imports.mending import ID_CHARS_MIN
from ..store.database import Tx
from ..vault.facts import TellerKey, facts_on, key_of, opened_first
from ..vault.recognition import MARGIN_DAYS, matched_by_content
from ..vault.stored import Stored, names_of, rows_of
from ..vault.tellers import Teller
from ..vault.vault import Vault


@dataclass(frozen=True, slots=True)
class FoundFact:
    """A record as it was asked for: every telling of it, as rows of pages, and its names by day.

    `record` is the telling that is shown.
    """

    path: str
    record: Batch
    rows: Mapping[int, frozenset[int]]
    names: Mapping[int, frozenset[Hashable]]


@dataclass(frozen=True, slots=True)
class Around:
    """Pages of a collection, and who told each."""

    schema: Schema
    pages: Sequence[tuple[Stored, bytes | None]]
    tellers: Mapping[TellerKey, Teller]


def pages_around(vault: Vault, path: str, tx: Tx) -> Around:
    """Every page of a collection, in one unit of work.  Raises NotFound."""
    schema = vault.collections.get(tx, path).schema
    stored = vault.stored(tx, path, 0, UNDATED)
    tellers = {key: vault.tellers.of(tx, *key) for key in set(map(key_of, stored))}
    return Around(schema, vault.ciphertexts(tx, stored), tellers)


def fact_named(vault: Vault, path: str, around: Around, name: str | int) -> FoundFact:
    """The one fact that `name` names: an id or its beginning, or a time; for a worker thread.

    Raises NotFound, UsageError for several.
    """
    opened = opened_first(around.schema, around.pages, vault.keys_of)
    named = [
        (stored.day, one)
        for stored, batch in opened
        for one in names_of(batch)
        if _is_named(one, name)
    ]
    found = {one for _, one in named}
    if not found:
        raise NotFound(f"{path} has no such record")
    if len(found) > 1:
        raise UsageError(f"{len(found)} records begin like this: give more of the id")
    margin = MARGIN_DAYS if matched_by_content(around.schema) else 0
    low, high = min(day for day, _ in named) - margin, max(day for day, _ in named) + margin
    near = [one for one in opened if low <= one[0].day <= high]
    return _fact_of(path, around, near, found.pop())


def _fact_of(
    path: str, around: Around, near: Sequence[tuple[Stored, Batch]], name: Hashable
) -> FoundFact:
    """The fact of which a telling is called `name`."""
    chosen = facts_on(around.schema, near, around.tellers, (0, UNDATED))
    names = names_of(chosen.whole)
    rows = next(rows for rows in chosen.rows if any(names[row] == name for row in rows))
    of_page: defaultdict[int, set[int]] = defaultdict(set)
    by_day: defaultdict[int, set[Hashable]] = defaultdict(set)
    for row in rows:
        page = chosen.pages_of[row]
        of_page[page.seq].add(chosen.places[row])
        by_day[page.day].add(names[row])
    return FoundFact(
        path,
        rows_of(chosen.whole, rows[:1]) if len(chosen.whole) > 1 else chosen.whole,
        {seq: frozenset(some) for seq, some in of_page.items()},
        {day: frozenset(some) for day, some in by_day.items()},
    )


def _is_named(one: Hashable, name: str | int) -> bool:
    if isinstance(one, str) and isinstance(name, str):
        return one == name or (len(name) >= ID_CHARS_MIN and one.startswith(name))
    return one == name

"""Facts: what a person reads.  Each once, however often it was told, and by whom if they ask.

    stored pages ── tellers ──> open ──> recognise ──> the telling shown first, of each fact

What is shown first is what a source signed; of several, what was told first.  Of what is known of
somebody now (an undated schema) the newest telling stands: the later revision, else the later one
to come.  Every other telling stays in the vault with its page, and is named by `tellings`.

A plain collection, told by one and each name in it once, costs none of this: `Vault.read` sees that
from the catalogue and goes on as if this module were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ...crypto.key_tree import DayKeys
from ...protocol.page import PageEntry
from ...protocol.record import Batch, Cell, concat
from ...protocol.schema import Schema
from .left_out import Noted, record_digest
from .origin import is_declared
from .recognition import VALUES, Told, matched_by_content, recognise
from .stored import Damaged, Found, Reading, Stored, names_of, open_stored, rows_of
from .tellers import Teller, Telling, Tellings

TellerKey = tuple[bytes, bytes | None]
"""(origin, statement) of a page."""


def key_of(stored: Stored) -> TellerKey:
    """What tells the teller of a page."""
    return stored.origin, stored.statement


def file_of(stored: Stored) -> bytes | None:
    """What tells the file of a page: what is declared by hand or pushed is no account's file."""
    return None if is_declared(stored.origin) else stored.origin + (stored.statement or b"")


def shown_first(schema: Schema, found: Found) -> list[tuple[Stored, bytes | None]]:
    """Pages in the order in which their tellings are shown.

    Signed first; then as they came, or the other way round for what holds now.
    """
    turn = 1 if schema.dated else -1
    return sorted(found, key=lambda pair: (pair[0].statement is None, turn * pair[0].seq))


def opened_first(
    schema: Schema, found: Found, keys_of: Callable[[PageEntry], DayKeys]
) -> list[tuple[Stored, Batch]]:
    """As `shown_first`, with what is on the pages; those that will not open are left out."""
    pages = (
        (stored, open_stored(stored, raw, keys_of)) for stored, raw in shown_first(schema, found)
    )
    return [(stored, batch) for stored, batch in pages if not isinstance(batch, Damaged)]


def read_facts(
    schema: Schema,
    found: Found,
    keys_of: Callable[[PageEntry], DayKeys],
    tellers: Mapping[TellerKey, Teller],
    days: tuple[int, int],
    noted: Noted | None = None,
) -> Reading:
    """The facts whose shown telling lies on `days` (first, last), each once.

    `found` may hold pages of days around, by which a fact is recognised across the edge; they are
    not counted.  With `noted`, `Reading.tellings` says who told what.
    """
    opened: list[tuple[Stored, Batch]] = []
    damaged: list[Damaged] = []
    pages = 0
    for stored, ciphertext in shown_first(schema, found):
        within = days[0] <= stored.day <= days[1]
        pages += within
        batch = open_stored(stored, ciphertext, keys_of)
        if not isinstance(batch, Damaged):
            opened.append((stored, batch))
        elif within:
            damaged.append(batch)
    families = {tellers[key_of(stored)].family for stored, _ in opened}
    by_content = matched_by_content(schema) and len(families) > 1
    if noted is None and not by_content:
        whole = concat(schema, [batch for _, batch in opened])
        if _all_different(names_of(whole)):
            return Reading(whole.sorted(), pages, tuple(damaged))
    found_facts = facts_on(schema, opened, tellers, days)
    whole, chosen = found_facts.whole, found_facts.rows
    values = VALUES.get(schema.name, frozenset[str]())
    conflicts = sum(
        any(_differs(whole, rows[0], row, values) for row in rows[1:]) for rows in chosen
    )
    tellings = None
    if noted is not None:
        tellings = _tellings(
            whole, chosen, found_facts.pages_of, tellers, noted, found_facts.ambiguous
        )
    batch = rows_of(whole, [rows[0] for rows in chosen]).sorted()
    return Reading(batch, pages, tuple(damaged), conflicts, tellings)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The facts of some days: each the rows of `whole` that tell it, the one shown first.

    `pages_of` names the page of each row, `places` which row of that it is; `ambiguous` are rows
    that might be the same as others.
    """

    whole: Batch
    pages_of: Sequence[Stored]
    places: Sequence[int]
    rows: Sequence[tuple[int, ...]]
    ambiguous: frozenset[int]


def facts_on(
    schema: Schema,
    opened: Sequence[tuple[Stored, Batch]],
    tellers: Mapping[TellerKey, Teller],
    days: tuple[int, int],
) -> Chosen:
    """The facts whose shown telling lies on `days`, in order of time.

    `opened` is in the order of `shown_first`.
    """
    whole = concat(schema, [batch for _, batch in opened])
    told = [
        Told(tellers[key_of(stored)].family, stored.statement is not None, batch, file_of(stored))
        for stored, batch in opened
    ]
    facts = recognise(schema, told)
    pages_of = [stored for stored, batch in opened for _ in range(len(batch))]
    places = [place for _, batch in opened for place in range(len(batch))]
    chosen: list[tuple[int, ...]] = []
    for rows in facts.rows:
        rows = _newest_first(whole, rows, pages_of)
        if days[0] <= pages_of[rows[0]].day <= days[1]:
            chosen.append(rows)
    chosen.sort(key=lambda rows: _order(whole, rows[0]))
    return Chosen(whole, pages_of, places, chosen, facts.ambiguous)


def _all_different(names: Sequence[Hashable]) -> bool:
    return len(set(names)) == len(names)


def _tellings(
    whole: Batch,
    chosen: Sequence[tuple[int, ...]],
    pages_of: Sequence[Stored],
    tellers: Mapping[TellerKey, Teller],
    noted: Noted,
    ambiguous: frozenset[int],
) -> Tellings:
    numbered: dict[Teller, int] = {}
    fields = frozenset(whole.columns)

    def number(key: TellerKey) -> int:
        return numbered.setdefault(tellers[key], len(numbered))

    of_record: list[tuple[Telling, ...]] = []
    for rows in chosen:
        found: dict[int, Telling] = {}
        for row in rows:
            differs = _differs(whole, rows[0], row, fields)
            one = number(key_of(pages_of[row]))
            found.setdefault(one, Telling(one, differs))
            if noted:
                digest = record_digest(whole, row)
                for origin, days in noted.items():
                    if digest in days.get(pages_of[row].day, ()):
                        one = number((origin, None))
                        found.setdefault(one, Telling(one, differs))
        of_record.append(tuple(found.values()))
    left_apart = sum(not ambiguous.isdisjoint(rows) for rows in chosen)
    return Tellings(tuple(numbered), tuple(of_record), left_apart)


def _newest_first(
    whole: Batch, rows: tuple[int, ...], pages_of: Sequence[Stored]
) -> tuple[int, ...]:
    """Of unsigned tellings of what holds now, the later revision first where each has one."""
    if len(rows) == 1 or "rev" not in whole.columns or pages_of[rows[0]].statement is not None:
        return rows
    revisions = whole.columns["rev"]
    if any(revisions[row] is None for row in rows):
        return rows
    return tuple(sorted(rows, key=lambda row: cast("str", revisions[row]), reverse=True))


def _order(whole: Batch, row: int) -> tuple[int, Cell]:
    return (
        whole.times[row] if whole.schema.dated else 0,
        whole.columns["id"][row] if whole.schema.has_id else "",
    )


def _differs(whole: Batch, shown: int, row: int, fields: frozenset[str]) -> tuple[str, ...]:
    """The fields of these in which two rows do not say the same; -12.50 is -12.5."""
    if shown == row:
        return ()
    return tuple(
        name
        for name, column in whole.columns.items()
        if name in fields and not _same(column[shown], column[row])
    )


def _same(a: Cell, b: Cell) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return bool(a[0] * 10 ** b[1] == b[0] * 10 ** a[1])
    return a == b

"""Who told a record, beside the record: `read --sources`; and what to know before adding up."""

from __future__ import annotations

import json
import sys
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import Exit
from .json_form import Json
from .names import short
from .records import Format, json_rows, print_batch
from .screen import Screen
from .visible import visible
from .words import counted

if TYPE_CHECKING:
    from ..results.imports import Imported, PreviewItem
    from ..results.records import Records, Sourced, ToldBy

HEADING = "told by"
# Sources named in one line.
_WHO_MAX = 3


def show_sources(
    screen: Screen,
    collection: str,
    found: Sourced,
    moments: tuple[int, int] | None,
    format: Format,
    *,
    every: bool,
) -> int:
    """Print the records (from one moment up to another, if these are given) and who told each."""
    if moments is not None:
        found = _between(found, *moments)
    records = found.records
    if screen.json:
        screen.show(
            "read --sources",
            {
                "path": collection,
                "schema": records.batch.schema.name,
                "records": _json_records(found),
                "pages": records.pages,
                "conflicts": records.conflicts,
                "ambiguous": found.ambiguous,
                "damaged": records.damaged,
            },
        )
    elif format is Format.JSON:
        for row in _json_records(found):
            print(json.dumps(row))
    else:
        print_batch(records.batch, format, every=every, beside=(HEADING, _texts(found)))
    if not screen.json:
        tell_conflicts(screen, records, found.ambiguous)
    return tell_records(screen, len(records.batch), records.damaged)


def tell_conflicts(screen: Screen, found: Records, ambiguous: int = 0) -> None:
    """What a person must know before they add these up."""
    if found.conflicts:
        screen.note(
            f"{counted(found.conflicts, 'record')} told with different amounts by different "
            "sources: `--sources` names them"
        )
    if ambiguous:
        screen.note(
            f"{counted(ambiguous, 'record')} might be the same as another one and stand apart, "
            "because it cannot be said which"
        )


def tell_records(screen: Screen, count: int, damaged: tuple[str, ...]) -> int:
    """How many records there were, and what did not open, beside the result."""
    if sys.stderr.isatty() and not screen.json:
        screen.note(counted(count, "record"))
    for sentence in damaged:
        screen.note(f"damaged: {sentence}")
    return Exit.FAILED if damaged else Exit.DONE


def brought(one: PreviewItem | Imported) -> str:
    """What an import would bring, or brought."""
    parts = [counted(one.new, "new record")]
    if one.duplicates:
        parts.append(f"{one.duplicates:,} already there")
    if one.same:
        parts.append(f"{one.same:,} the same as others, kept beside them")
    if one.differing:
        parts.append(f"{one.differing:,} already there with other content, kept beside it")
    if one.ambiguous:
        parts.append(f"{one.ambiguous:,} of the new might be the same as others")
    return ", ".join(parts) + _who(one.same_as)


def told(same: int, differing: int, same_as: Mapping[str, int]) -> str:
    """Of a list's line: what was there before, and from whom; nothing where nothing was."""
    parts = [f"{same:,} told before"] if same else []
    if differing:
        parts.append(f"{differing:,} differing")
    return "".join(f", {part}" for part in parts) + _who(same_as)


def _who(same_as: Mapping[str, int]) -> str:
    most = sorted(same_as.items(), key=lambda item: (-item[1], item[0]))
    said = [f"{count:,} {visible(who)}" for who, count in most[:_WHO_MAX]]
    more = len(most) - _WHO_MAX
    said += [f"{counted(more, 'other source')}"] if more > 0 else []
    return f" ({', '.join(said)})" if said else ""


def _json_records(found: Sourced) -> list[Json]:
    return [
        {**row, "sources": [_json(found.tellers[one], differs) for one, differs in tellings]}
        for row, tellings in zip(json_rows(found.records.batch), found.tellings, strict=True)
    ]


def _json(teller: ToldBy, differs: tuple[str, ...]) -> Json:
    return {
        "how": teller.how,
        "who": teller.who,
        "import": teller.import_id,
        "statement": None if teller.statement is None else short(teller.statement),
        "differs": list(differs),
    }


def _texts(found: Sourced) -> list[str]:
    """For each record who told it; in brackets the fields in which another telling differs."""
    return [
        "; ".join(
            found.tellers[one].sentence + (f" (other {', '.join(differs)})" if differs else "")
            for one, differs in tellings
        )
        for tellings in found.tellings
    ]


def _between(found: Sourced, start: int, end: int) -> Sourced:
    """The records from the moment `start` up to `end` (milliseconds); undated ones all stay."""
    batch = found.records.batch
    if not batch.schema.dated:
        return found
    first, last = bisect_left(batch.times, start), bisect_left(batch.times, end)
    return replace(
        found,
        records=replace(found.records, batch=batch.slice(first, last)),
        tellings=found.tellings[first:last],
    )

"""Choices: what each way of answering a request gives away, side by side.

    the whole collection · its last month of days · its chosen fields · each view

Each is worked out on the records that there are, as they would be read; a view that has not been
made is derived for this and not kept.  An example is one row as its reader would see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.resources import files

from ...protocol.columns import write_columns
from ...protocol.day import UNDATED
from ...protocol.errors import RecordError
from ...protocol.fields_needed import counted
from ...protocol.record import Batch
from ...protocol.schema import Schema
from ...protocol.view import View
from ...protocol.view_figures import derive
from ...protocol.view_path import Every, whole_periods
from ...protocol.view_words import (
    OFFERED,
    Enough,
    ViewsEnough,
    parse_views_enough,
    view_of_words,
    word_of,
)
from ...protocol.window import Window
from ..errors import NodeError, NotFound
from ..grants.vocabulary import fields_needed, purposes
from ..vault.vault import Vault
from .choice import Choice
from .rules import Rules

_PROTOCOL = f"{__name__.split('.')[0]}.protocol"
# The narrower days that are shown beside the whole.
SOME_DAYS = 30


@cache
def views_enough() -> ViewsEnough:
    """Which view is enough for what (`protocol/view_enough.toml`)."""
    text = files(_PROTOCOL).joinpath("view_enough.toml").read_text("utf-8")
    return parse_views_enough(text, purposes())


async def choices(
    vault: Vault, rules: Rules, views: Sequence[View], windows: Iterable[Window], purpose: str
) -> list[Choice]:
    """The choices for each of `windows`, of collections that are here; `views` are those made."""
    found: list[Choice] = []
    for window in windows:
        try:
            reading = await vault.read(window.collection, window.first, window.last)
        except NotFound:
            continue
        made = [view for view in views if view.source == window.collection]
        work = partial(_of_window, rules, made, window, reading.batch, purpose)
        found += await vault.offload.run(work)
    return found


def _of_window(
    rules: Rules, made: Sequence[View], window: Window, records: Batch, purpose: str
) -> list[Choice]:
    schema = records.schema
    enough = views_enough().enough(purpose, schema)
    found = [_as_it_is("whole", window, records)]
    if not window.undated and window.last - window.first >= SOME_DAYS:
        some = replace(window, first=window.last - SOME_DAYS + 1)
        found.append(_as_it_is("days", some, records))
    offered: dict[str, View] = {view.path: view for view in made}
    for view in _offered(window.collection, schema, purpose):
        offered.setdefault(view.path, view)
    for view in offered.values():
        choice = _of_view(rules, view, view in made, window, records, enough)
        if choice is not None:
            found.append(choice)
    return found


def _offered(path: str, schema: Schema, purpose: str) -> list[View]:
    """Views that could be made of a collection: those that need no more words, and the fields that
    the purpose needs."""
    found: list[View] = []
    for word in OFFERED.get(schema.name, ()):
        found += _possible(word, path, schema, ())
    needed = fields_needed().needed(purpose, schema) or ()
    fields = tuple(name for name in needed if name != "time")
    if fields and len(fields) < len(counted(schema)) - schema.dated:
        found += _possible("fields", path, schema, fields)
    return found


def _possible(word: str, path: str, schema: Schema, fields: Sequence[str]) -> list[View]:
    try:
        return [view_of_words(word, path, schema, fields=fields)]
    except RecordError:  # no room below the path, or a series, which has no fields to leave out
        return []


def _as_it_is(choice: str, window: Window, records: Batch) -> Choice:
    first, last = window.first, window.last
    by_day = {day: some for day, some in records.by_day() if first <= day <= last}
    size = sum(map(_page_bytes, by_day.values()))
    return Choice(
        window.collection,
        choice,
        None,
        window.collection,
        True,
        records.schema.name,
        counted(records.schema),
        first,
        last,
        1 if window.undated else last - first + 1,
        sum(map(len, by_day.values())),
        size,
        _example(list(by_day.values())),
    )


def _of_view(
    rules: Rules,
    view: View,
    made: bool,
    window: Window,
    records: Batch,
    enough: Enough | None,
) -> Choice | None:
    """What a view gives of a window, None if no whole period lies in it or it cannot be derived."""
    if window.undated is not (view.every is Every.UNDATED):
        return None
    if not (whole := whole_periods([replace(window, collection=view.path)])):
        return None
    try:
        rule = None if view.rule is None else rules.named(view.rule)
        categories = None if rule is None else rule.categories(records)
        told = derive(view, records, categories)
    except (RecordError, NotFound, NodeError):
        return None
    first, last = whole[0].first, whole[0].last
    some = [one.records for day, one in sorted(told.items()) if first <= day <= last]
    word = word_of(view)
    return Choice(
        window.collection,
        "fields" if view.fields else "view",
        word,
        view.path,
        made,
        view.tells.name,
        counted(view.tells),
        first,
        last,
        1 if first == UNDATED else last - first + 1,
        sum(map(len, some)),
        sum(map(_page_bytes, some)),
        _example(some),
        enough.why if enough is not None and enough.view == word else None,
    )


def _page_bytes(batch: Batch) -> int:
    """As many buckets as the records of a day fill, before they are packed."""
    bucket = batch.schema.bucket
    return -(-len(write_columns(batch)) // bucket) * bucket


def _example(batches: Sequence[Batch]) -> bytes | None:
    """One row, of the latest day: what is remembered best."""
    for batch in reversed(batches):
        if len(batch):
            return write_columns(batch.slice(len(batch) - 1, len(batch)))
    return None

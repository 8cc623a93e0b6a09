"""Shared records in words, side by side, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from ...protocol.record import Batch
from ...protocol.schema import Schema, schema_named
from ...protocol.wire import Value
from .days import moment
from .json_form import Json
from .names import short
from .records import fields_shown, json_rows, utc_text
from .screen import Column, Screen
from .words import counted

if TYPE_CHECKING:
    from ..results.shared import CopyInfo, SharedInfo, SharedStep

Record: TypeAlias = "Mapping[str, Value]"

_WORDS: Final[Mapping[str, str]] = {
    "asks": "{peer} has proposed a change, and waits for your answer",
    "crossed": "you and {peer} have both proposed a change: each can accept the other's",
    "disputed": "you and {peer} differ, and it is said why",
    "asked": "you have proposed a change, and {peer} has not answered",
    "apart": "you and {peer} differ, and nobody asks for anything",
    "left": "{peer} has erased its copies, and takes no word on it",
    "agreed": "you and {peer} hold the same",
}
STATES: Final = tuple(_WORDS)
"""Every state, in the order in which a person should look at them."""

_MARK = "*"
# More are counted: `entrenous shared COLLECTION` lists them.
_SHARED_SHOWN_MAX = 5


def state_words(one: SharedInfo) -> str:
    """How the two copies stand."""
    words = _WORDS[one.state].format(peer=one.peer)
    return f"{words} (from an export)" if one.brought else words


def differing_words(one: SharedInfo) -> str:
    """In what the two copies differ; of a side that holds none, that."""
    mine, theirs = one.mine.record, one.theirs.record
    if (mine is None) != (theirs is None):
        return "you hold none" if mine is None else f"{one.peer} holds none"
    return f"differing in {', '.join(one.differing)}" if one.differing else ""


def is_answerable(one: SharedInfo) -> bool:
    """Whether the other side has proposed what was not accepted."""
    return one.state != "left" and not one.brought and one.theirs.state in ("proposed", "disputed")


def record_name(one: SharedInfo, *, peer: bool = True) -> str:
    """`c1 of identity/contacts, with bank`."""
    name = one.record if one.time_ms is None else utc_text(one.time_ms)
    return f"{name} of {one.path}" + (f", with {one.peer}" if peer else "")


def copies_table(one: SharedInfo) -> tuple[tuple[Column, ...], list[list[str]]]:
    """Both copies, field by field, those that differ marked and first; what neither says is out."""
    return side_by_side(
        schema_named(one.schema),
        ("yours" if one.mine.said or one.mine.record is None else "in your vault", f"{one.peer}'s"),
        (_record(one.mine.record), _record(one.theirs.record)),
    )


def side_by_side(
    schema: Schema, headings: tuple[str, str], records: tuple[Record | None, Record | None]
) -> tuple[tuple[Column, ...], list[list[str]]]:
    """Two records of one schema as the columns and rows of a table."""
    left, right = (_texts(schema, record) for record in records)
    rows: list[list[str]] = []
    for name in [*left, *(name for name in right if name not in left)]:
        texts = [left.get(name, ""), right.get(name, "")]
        if any(texts):
            rows.append(["" if texts[0] == texts[1] else _MARK, name, *texts])
    if None in records:
        none = ["" if record is not None else "(no record)" for record in records]
        rows.insert(0, [_MARK if records[0] is not records[1] else "", "", *none])
    rows.sort(key=lambda row: row[0] != _MARK)
    columns = (Column(""), Column("field", whole=True), Column(headings[0]), Column(headings[1]))
    return columns, rows


def changes_in_words(one: SharedInfo) -> list[str]:
    """What is asked for, a line for each field: `addresses: 2 New Street, was 1 Old Lane`."""
    mine, theirs = _record(one.mine.record), _record(one.theirs.record)
    if mine is None:
        return ["there should be no such record"]
    schema = schema_named(one.schema)
    new, old = _texts(schema, mine), _texts(schema, theirs)
    return [
        f"{name}: {new.get(name) or '(nothing)'}"
        + (f", was {old.get(name) or '(nothing)'}" if theirs is not None else "")
        for name in one.differing
        if new.get(name) or old.get(name)
    ]


def step_words(info: SharedInfo, one: SharedStep) -> list[str]:
    """One version of the history: who, what and when; then what it changed, and why."""
    who = "you" if one.by == "you" else info.peer
    answered = f" {short(one.answers)}" if one.answers is not None else ""
    said = "withdrew" if one.word == "withdrawn" else one.word
    lines = [f"{who} {said}{answered}, {moment(one.t_ms)}"]
    record = _record(one.record)
    if one.word != "disputed" and one.changed:
        texts = _texts(schema_named(info.schema), record)
        if record is None:
            # Who withdraws what was said first has said nothing, not that there is none.
            withdrew = one.word == "withdrawn"
            lines.append("nothing is said" if withdrew else "there should be no such record")
        lines += [f"{name}: {texts.get(name) or '(nothing)'}" for name in one.changed if texts]
    if one.reason:
        lines.append(f"“{one.reason}”")
    if one.state == "said":
        lines.append(f"{info.peer} has not heard of it yet")
    elif one.state == "refused":
        lines.append(f"NOT TAKEN by {info.peer}: {one.refusal}")
    return lines


def beside(found: Sequence[SharedInfo], batch: Batch) -> list[str]:
    """A line for each record of `batch` of which a shared copy says otherwise: who, and how it
    stands.  What is read stays what its source signed."""
    schema = batch.schema
    names = batch.columns["id"] if schema.has_id else batch.times
    rows = {name: row for row, name in enumerate(names)}
    lines: list[str] = []
    for one in found:
        row = rows.get(one.record if one.time_ms is None else one.time_ms)
        copy = one.mine if one.mine.version is not None else one.theirs
        if row is None or one.schema != schema.name or copy.version is None:
            continue
        shown, shared = batch.row(row), _record(copy.record) or {}
        differing = [name for name in schema.by_name if shown[name] != shared.get(name)]
        if differing:
            whose = "the shared copy" if one.agree else ("yours" if copy is one.mine else "theirs")
            lines.append(
                f"{record_name(one, peer=False)}: {whose} says otherwise of {', '.join(differing)}"
                f" ({state_words(one)}): `entrenous shared show {short(one.id)}`"
            )
    return lines


def tell_shared(
    screen: Screen, shared: Sequence[SharedInfo], collection: str, batch: Batch
) -> None:
    """Say of which records here a copy that is shared with a peer says otherwise."""
    of = [one for one in shared if one.kept == collection or one.path == collection]
    lines = beside(of, batch)
    for line in lines[:_SHARED_SHOWN_MAX]:
        screen.note(line)
    if len(lines) > _SHARED_SHOWN_MAX:
        more = counted(len(lines) - _SHARED_SHOWN_MAX, "shared record")
        screen.note(f"… and {more} more: `entrenous shared {collection}`")


def tell_waiting(screen: Screen, shared: Sequence[SharedInfo]) -> None:
    """Say how many changes of shared records wait for an answer."""
    waiting = [one for one in shared if one.state in ("asks", "crossed") and not one.brought]
    if waiting:
        peers = ", ".join(dict.fromkeys(one.peer for one in waiting))
        screen.note(
            f"{counted(len(waiting), 'change')} of shared records proposed by {peers}: "
            "`entrenous shared`"
        )


# --- as JSON --------------------------------------------------------------------------------------


def as_json(one: SharedInfo) -> dict[str, object]:
    """A shared record with its two copies as `read --json` prints records."""
    return {
        "id": one.id,
        "peer": one.peer,
        "path": one.path,
        "kept": one.kept,
        "schema": one.schema,
        "record": one.record if one.time_ms is None else utc_text(one.time_ms),
        "state": one.state,
        "agree": one.agree,
        "differing": list(one.differing),
        "mine": _copy_json(one.schema, one.mine),
        "theirs": _copy_json(one.schema, one.theirs),
        "told": one.told,
        "refused": one.refused or None,
        "versions": one.versions,
        "brought": one.brought,
    }


def _copy_json(schema: str, copy: CopyInfo) -> dict[str, object]:
    return {
        "state": copy.state,
        "said": copy.said,
        "record": record_json(schema, copy.record),
        "version": copy.version,
        "n": copy.n,
        "word": copy.word,
        "reason": copy.reason,
        "t_ms": copy.t_ms,
    }


def step_json(info: SharedInfo, one: SharedStep) -> dict[str, object]:
    """A version of the history, its record as `read --json` prints it."""
    return {
        "id": one.id,
        "by": one.by,
        "n": one.n,
        "word": one.word,
        "answers": one.answers,
        "record": record_json(info.schema, one.record),
        "changed": list(one.changed),
        "reason": one.reason,
        "t_ms": one.t_ms,
        "state": one.state,
        "refusal": one.refusal or None,
    }


def record_json(schema: str, record: Value) -> dict[str, Json] | None:
    """A record as `read --json` prints it; None for none."""
    found = _record(record)
    if found is None:
        return None
    return next(json_rows(Batch.from_rows(schema_named(schema), [found])))


def _record(value: Value) -> Record | None:
    return None if value is None else cast("Mapping[str, Value]", value)


def _texts(schema: Schema, record: Record | None) -> dict[str, str]:
    if record is None:
        return {}
    return dict(fields_shown(Batch.from_rows(schema, [record])))

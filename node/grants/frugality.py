"""Frugality: the fields that a peer asks for, against those that its purposes need.

A figure with its inputs, not a verdict: which collections were asked for what, which fields their
records have, which of them the table of the package calls needed (`protocol/fields_needed.toml`).
A page holds whole records, so who is granted a collection is granted every field of it; a view or
a projection has fewer, and asks for less.  What is not known here, or not reckoned, does not count
and is said.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...protocol.fields_needed import FieldsNeeded, counted
from ...protocol.request import parse_request
from ..household.household import Household
from ..peers.peers import Pair
from ..results.terms import FieldsAsked, Frugality
from ..store.database import Tx
from ..vault.collection import Collections
from .expansion import expanded
from .inbox import Asked, Inbox
from .vocabulary import fields_needed


class Frugalities:
    """How frugal requests and their senders are."""

    def __init__(self, inbox: Inbox, collections: Collections, household: Household) -> None:
        self._inbox = inbox
        self._collections = collections
        self._household = household
        self._needed: FieldsNeeded = fields_needed()

    def of_request(self, tx: Tx, asked: Asked) -> Frugality:
        """Of one request."""
        return reckoned(self._lines(tx, asked))

    def of_peer(self, tx: Tx, pair: Pair) -> Frugality:
        """Of a peer: over everything that it ever asked of us, each (purpose, collection) once."""
        lines: dict[tuple[str, str], FieldsAsked] = {}
        for _, asked in self._inbox.all(tx):
            if (asked.own, asked.their) == (pair.own, pair.their):
                for line in self._lines(tx, asked):
                    lines.setdefault((line.purpose, line.collection), line)
        return reckoned(lines.values())

    def _lines(self, tx: Tx, asked: Asked) -> list[FieldsAsked]:
        request = parse_request(asked.raw)
        items = expanded(tx, self._collections, self._household, asked.own, request.items)
        paths = dict.fromkeys(item.collection for item in items)
        return [self._line(tx, path, request.purpose) for path in paths]

    def _line(self, tx: Tx, path: str, purpose: str) -> FieldsAsked:
        collection = self._collections.find(tx, path)
        if collection is None:
            return FieldsAsked(path, purpose, None, (), None)
        schema = collection.schema
        needed = self._needed.needed(purpose, schema)
        return FieldsAsked(path, purpose, schema.name, counted(schema), needed)


def reckoned(lines: Iterable[FieldsAsked]) -> Frugality:
    """The figure of some lines."""
    found = tuple(lines)
    known = [(line.asked, line.needed) for line in found if line.needed is not None]
    asked = sum(len(fields) for fields, _ in known)
    needed = sum(len(fields) for _, fields in known)
    percent = 100 * needed // asked if asked else None
    return Frugality(asked, needed, percent, len(found) - len(known), found)

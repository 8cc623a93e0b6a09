"""Tellers: who told the records of a page.

A page keeps by its origin what it came with: one import, one delivery, or the person's own word.
From that follows who *told* it, which is more than one page's matter: all deliveries of a peer are
one teller, all imports of one kind of file are one, what is declared by hand is one, and each
program that was allowed to push is one (`recognition.py` says what that means for two records).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ...protocol.cid import CID_BYTES
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .journal import Journal
from .origin import DECLARED, DERIVED, is_declared


class How(StrEnum):
    """How records came to be in the vault."""

    DELIVERED = "delivered"
    IMPORTED = "imported"
    DECLARED = "declared"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class Teller:
    """Who told.  `who` is a peer's name, a file's, or "" for the person's own word.

    `family` is the same for all that one teller told; `origin` names the very import or delivery.
    """

    how: How
    who: str
    family: str
    origin: bytes
    statement: bytes | None

    def sentence(self) -> str:
        """`delivered by bank`, `imported from march.ofx`, `declared`."""
        match self.how:
            case How.DELIVERED:
                return f"delivered by {self.who}"
            case How.IMPORTED:
                return f"imported from {self.who}"
            case How.DECLARED:
                return f"declared by {self.who}" if self.who else "declared"
            case How.DERIVED:
                return "derived here: no source signed it"


@dataclass(frozen=True, slots=True)
class Telling:
    """One teller's word on a fact.  `differs` names the fields in which it is not as shown."""

    teller: int
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tellings:
    """Who told each record of a reading, in its order; what is shown comes first.

    `tellers` are numbered as `Telling.teller` has them.  `ambiguous` counts the records shown that
    might be the same as others and were left apart.
    """

    tellers: tuple[Teller, ...]
    of_record: tuple[tuple[Telling, ...], ...]
    ambiguous: int


def _by_its_did(_tx: Tx, did: str) -> str:
    """Where peers have no names yet."""
    return did


def family_of_peer(did: str) -> str:
    """The teller that all deliveries of one peer are."""
    return f"peer {did}"


def family_of_reader(name: str) -> str:
    """The teller that all imports of one kind of file are."""
    return f"reader {name}"


class Tellers:
    """Tellers by what stands at a page."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._journal = Journal(objects)
        # Set by the node, which knows its peers.
        self.peer_name: Callable[[Tx, str], str] = _by_its_did

    def of(self, tx: Tx, origin: bytes, statement: bytes | None) -> Teller:
        """Who told a page of this origin."""
        if statement is not None:
            src = self._source_of(tx, statement)
            return Teller(
                How.DELIVERED, self.peer_name(tx, src), family_of_peer(src), origin, statement
            )
        if len(origin) == CID_BYTES and not is_declared(origin):
            # What is left of a signed day of which something was erased: told by its source still.
            src = self._source_of(tx, origin)
            return Teller(How.DELIVERED, self.peer_name(tx, src), family_of_peer(src), origin, None)
        if not is_declared(origin) and (row := self._journal.find(tx, origin)) is not None:
            return Teller(How.IMPORTED, row.file, family_of_reader(row.reader), origin, None)
        if origin == DERIVED:
            return Teller(How.DERIVED, "", "derived", origin, None)
        if origin != DECLARED and is_declared(origin):
            return Teller(How.DECLARED, "a program", f"program {origin.hex()}", origin, None)
        return Teller(How.DECLARED, "", "declared", origin, None)

    def _source_of(self, tx: Tx, statement: bytes) -> str:
        value = self._objects.get(tx, Kind.DELIVERY, ["in", statement])
        src = value.get("src") if isinstance(value, dict) else None
        # A statement whose delivery is not in the list tells for itself alone.
        return src if isinstance(src, str) else statement.hex()

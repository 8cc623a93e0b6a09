"""Spaces: what two devices compare, one kind of thing each.

A space is a set of rows that both devices may have some of.  A row is known by an id of 16 bytes
that follows from what it says, so two devices that hold the same hold the same ids, and one that
compares digests, then ids, then fetches what it lacks, has all that the other has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ...crypto.digest import tag128
from ...crypto.labels import Tag
from ...protocol.errors import WireError
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged


@dataclass(frozen=True, slots=True)
class Taking:
    """Under what circumstances rows are taken.  `lagging`: collections of which the device that
    brings them knows less of R than this one."""

    now_ms: int
    lagging: frozenset[str] = frozenset()


class Space(Protocol):
    """One set of rows.  All methods are functions of a transaction."""

    @property
    def name(self) -> str: ...

    @property
    def sets(self) -> tuple[Value, ...]:
        """Of which sets of the store it is made, as `node/store/stamps.py` names them."""
        ...

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        """Every row by its id, as it travels."""
        ...

    def some(self, tx: Tx, ids: Sequence[bytes]) -> Sequence[Value]:
        """Those of these ids that are there, in their order."""
        ...

    def ids(self, tx: Tx) -> Sequence[bytes]:
        """The ids of all, ascending."""
        ...

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        """Make what another device holds part of what this one does; how many rows changed.

        Raises WireError, CryptoError, StoreError for what is no row of this space.
        """
        ...


class WholeSpace(ABC):
    """A space of which all rows are looked at, whichever are asked for."""

    __slots__ = ()

    @abstractmethod
    def rows(self, tx: Tx) -> Mapping[bytes, Value]: ...

    def ids(self, tx: Tx) -> Sequence[bytes]:
        return sorted(self.rows(tx))

    def some(self, tx: Tx, ids: Sequence[bytes]) -> Sequence[Value]:
        rows = self.rows(tx)
        return [rows[one] for one in ids if one in rows]


@contextmanager
def arriving() -> Generator[None]:
    """Read what another device says by what reads the store: whatever is wrong with it is that
    device's fault.  Raises WireError in place of StoreDamaged and ValueError."""
    try:
        yield
    except (StoreDamaged, ValueError) as error:
        raise WireError("a row from another device has not the form of one") from error


def row_id(space: str, name: Value, value: Value) -> bytes:
    """The id of a row that says `value` under `name`."""
    return tag128(b"", Tag.DEVICE_ROWS, space, name, value)


def digest_of(ids: Sequence[bytes]) -> bytes:
    """A digest over everything in a space; of an empty one too."""
    return tag128(b"", Tag.DEVICE_ROWS, b"".join(ids))

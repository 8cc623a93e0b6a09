"""The port through which a node reaches its database.

A **unit of work** is a plain synchronous function of a transaction, `unit(tx) -> T`.  It does all
its statements and returns, so it cannot wait for anything while it holds the database, and it can
be run anywhere: in the database's own thread (`aiosqlite.py`, the daemon) or in place
(`inline.py`, simulations, whose clock a thread would not keep).  One suite holds both.

What a caller may rely on:

- `write(unit)` returns when the unit is on the disk (WAL, `synchronous=FULL`), or raises and
  nothing of the unit is there.  Units that wait at the same moment share one transaction and one
  fsync, each in its own SAVEPOINT: what one raises undoes that one alone.
- If the shared commit fails (disk full, I/O error), every caller in the group gets `StoreError`,
  also one whose unit raised: what it saw of its neighbours never happened.
- A cancelled caller is done or not started: a unit that still waits is withdrawn; one that has
  begun is waited for and its answer returned.
- `read(unit)` sees one consistent state, at least as new as every write answered before it began.
- A unit must not keep its `tx`, nor change anything outside itself that a rollback should undo.
  In the daemon it runs in another thread: what it looks at outside itself must not change.

What it does not do: retry.  A unit that failed has told its caller so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar

T = TypeVar("T")

Cell: TypeAlias = int | str | bytes | None
Params: TypeAlias = Sequence[Cell]
# SQLite gives rows without types; each module of the store gives its own columns theirs.
Row: TypeAlias = tuple[Any, ...]


class Tx(Protocol):
    """One transaction, as a unit of work sees it."""

    def execute(self, sql: str, params: Params = ()) -> list[Row]:
        """Run one statement and return all its rows.  Raises StoreError."""
        ...

    def executemany(self, sql: str, rows: Iterable[Params]) -> int:
        """Run one statement for each of `rows`; the number of rows changed.  Raises StoreError."""
        ...

    def one(self, sql: str, params: Params = ()) -> Row | None:
        """The first row of a statement, or None.  Raises StoreError."""
        ...


Unit: TypeAlias = Callable[[Tx], T]


class Database(Protocol):
    """A store that is open.  An async context manager; leaving it finishes what waits."""

    async def write(self, unit: Callable[[Tx], T]) -> T:
        """Run `unit` and return its value once it is durable.

        Raises what the unit raises, StoreError if the disk refuses, StoreClosed after `aclose`.
        """
        ...

    async def read(self, unit: Callable[[Tx], T]) -> T:
        """Run `unit`, which cannot write, on one consistent state.  Raises as `write`."""
        ...

    async def erase(self, unit: Callable[[Tx], T]) -> T:
        """As `write`, then overwrite what the unit deleted, in the write-ahead log too.

        Raises StoreError also when the rows are deleted but the log could not be emptied.
        """
        ...

    async def copy_to(self, target: Path) -> None:
        """Write one consistent copy of the database to `target`, a file that does not exist yet."""
        ...

    async def aclose(self) -> None:
        """Finish the units that wait, refuse new ones, close the file."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

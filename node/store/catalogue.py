"""Which pages there are, and what is needed to open or to serve them: one sealed list a month.

An entry is whatever the vault wants back, a page's entry and where it is kept.  Entries of one
(owner, path, month) are found together; `owner` is "" for the own vault, else the DID whose pages
were fetched.  Appending adds a row, so that a delivery does not open and seal again what stands
there; `replace` makes them one row again.

Someone with the file sees how many months of how many collections there are, and how large each
row is, not which.  `page_salt` stands here and nowhere else: what is erased here is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ...crypto.canonical import Value
from .database import Tx
from .errors import StoreDamaged
from .sealer import Sealer
from .stamps import Stamps

T = TypeVar("T")

_PLACE = "catalogue"


class Catalogue:
    """The table `catalogue`."""

    __slots__ = ("_sealer", "_stamps")

    def __init__(self, sealer: Sealer, stamps: Stamps | None = None) -> None:
        self._sealer = sealer
        self._stamps = stamps or Stamps(sealer)

    def append(self, tx: Tx, owner: str, path: str, month: int, entries: Sequence[Value]) -> None:
        """Add `entries` after those that stand there.  `month`: months since 1900-01."""
        tag = self._tag(owner, path, month)
        if not owner:
            self._stamps.changed(tx, month_set(path, month))
        sealed = self._sealer.seal(_PLACE, tag, list(entries))
        tx.execute("INSERT INTO catalogue (tag, sealed) VALUES (?, ?)", (tag, sealed))

    def rows(self, tx: Tx, owner: str, path: str, months: Iterable[int]) -> list[Value]:
        """The entries of `months`, month by month, each in the order they were added.

        Raises StoreDamaged.
        """
        entries: list[Value] = []
        for tag, sealed in self._sealed(tx, owner, path, months):
            entries.extend(_entries(self._sealer.open(_PLACE, tag, sealed)))
        return entries

    def read(
        self,
        tx: Tx,
        owner: str,
        path: str,
        months: Iterable[int],
        form: Callable[[str, str, Value], T],
    ) -> list[T]:
        """`form(owner, path, entry)` of each entry that `rows` gives, see `Sealer.read`."""
        read = _Formed(owner, path, form)
        return [
            entry
            for tag, sealed in self._sealed(tx, owner, path, months)
            for entry in self._sealer.read(_PLACE, tag, sealed, read)
        ]

    def _sealed(
        self, tx: Tx, owner: str, path: str, months: Iterable[int]
    ) -> Iterable[tuple[bytes, bytes]]:
        for month in months:
            tag = self._tag(owner, path, month)
            for (sealed,) in tx.execute(
                "SELECT sealed FROM catalogue WHERE tag = ? ORDER BY id", (tag,)
            ):
                yield tag, sealed

    def replace(self, tx: Tx, owner: str, path: str, month: int, entries: Sequence[Value]) -> None:
        """Put `entries` in place of everything of that month; none deletes it."""
        self.delete(tx, owner, path, (month,))
        if entries:
            self.append(tx, owner, path, month, entries)

    def delete(self, tx: Tx, owner: str, path: str, months: Iterable[int]) -> int:
        """Forget `months`; how many rows there were.  Inside `Database.erase` for good."""
        self._sealer.forget()
        months = tuple(months)
        if not owner:
            for month in months:
                self._stamps.changed(tx, month_set(path, month))
        return tx.executemany(
            "DELETE FROM catalogue WHERE tag = ?",
            ((self._tag(owner, path, month),) for month in months),
        )

    def _tag(self, owner: str, path: str, month: int) -> bytes:
        return self._sealer.tag("catalogue", owner, path, month)


def month_set(path: str, month: int) -> Value:
    """How a month of this vault is named as a set: see `stamps.py`."""
    return ["pages", path, month]


@dataclass(frozen=True, slots=True)
class _Formed(Generic[T]):
    """Reads a row of the catalogue, each entry by `form`."""

    owner: str
    path: str
    form: Callable[[str, str, Value], T]

    def __call__(self, row: Value) -> tuple[T, ...]:
        return tuple([self.form(self.owner, self.path, entry) for entry in _entries(row)])


def _entries(row: Value) -> Sequence[Value]:
    if not isinstance(row, list):
        raise StoreDamaged("a row of the catalogue is not a list of entries")
    return row

"""Which pages there are, and what is needed to open or to serve them: one sealed list a month.

An entry is whatever the vault wants back, a page's entry and where it is kept.  Entries of one
(owner, path, month) are found together; `owner` is "" for the own vault, else the DID whose pages
were fetched.  Appending adds a row, so that a delivery does not open and seal again what stands
there; `replace` makes them one row again.

Someone with the file sees how many months of how many collections there are, and how large each
row is, not which.  `page_salt` stands here and nowhere else: what is erased here is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...crypto.canonical import Value
from .database import Tx
from .errors import StoreDamaged
from .sealer import Sealer

_PLACE = "catalogue"


class Catalogue:
    """The table `catalogue`."""

    __slots__ = ("_sealer",)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def append(self, tx: Tx, owner: str, path: str, month: int, entries: Sequence[Value]) -> None:
        """Add `entries` after those that stand there.  `month`: months since 1900-01."""
        tag = self._tag(owner, path, month)
        sealed = self._sealer.seal(_PLACE, tag, list(entries))
        tx.execute("INSERT INTO catalogue (tag, sealed) VALUES (?, ?)", (tag, sealed))

    def rows(self, tx: Tx, owner: str, path: str, months: Iterable[int]) -> list[Value]:
        """The entries of `months`, month by month, each in the order they were added.

        Raises StoreDamaged.
        """
        entries: list[Value] = []
        for month in months:
            tag = self._tag(owner, path, month)
            for (sealed,) in tx.execute(
                "SELECT sealed FROM catalogue WHERE tag = ? ORDER BY id", (tag,)
            ):
                some = self._sealer.open(_PLACE, tag, sealed)
                if not isinstance(some, list):
                    raise StoreDamaged("a row of the catalogue is not a list of entries")
                entries.extend(some)
        return entries

    def replace(self, tx: Tx, owner: str, path: str, month: int, entries: Sequence[Value]) -> None:
        """Put `entries` in place of everything of that month; none deletes it."""
        self.delete(tx, owner, path, (month,))
        if entries:
            self.append(tx, owner, path, month, entries)

    def delete(self, tx: Tx, owner: str, path: str, months: Iterable[int]) -> int:
        """Forget `months`; how many rows there were.  Inside `Database.erase` for good."""
        return tx.executemany(
            "DELETE FROM catalogue WHERE tag = ?",
            ((self._tag(owner, path, month),) for month in months),
        )

    def _tag(self, owner: str, path: str, month: int) -> bytes:
        return self._sealer.tag("catalogue", owner, path, month)

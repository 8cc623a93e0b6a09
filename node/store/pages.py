"""Encrypted pages, exactly as they travel.

A page is found by where it belongs: path, day, the device that wrote it, and a number that this
device chose.  The tag hides all four.  Nothing here can open a page.

Deleting overwrites (`secure_delete=ON`); do it inside `Database.erase`, and the write-ahead log is
emptied too.  What kills a page with all its copies is erasing its salt from the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .database import Tx
from .sealer import Sealer

# One statement asks for this many tags: well below SQLite's limit on parameters, and above it a
# statement costs nothing beside its rows.
TAGS_PER_STATEMENT = 256
# sqlite3 gives up the interpreter's lock for every statement, and one row each means asking for it
# back a thousand times from a thread that encrypts; with many rows the two run side by side.
ROWS_PER_INSERT = 128


class PageAt(NamedTuple):
    """Where a page belongs.  `device`: the 32-byte key of who wrote it; `seq`: its number there."""

    path: str
    day: int
    device: bytes
    seq: int


class Pages:
    """The table `page`."""

    __slots__ = ("_sealer",)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def put_many(self, tx: Tx, rows: Iterable[tuple[str, int, bytes, int, bytes]]) -> int:
        """Keep pages, each `(path, day, device, seq, ciphertext)`; how many.

        A page that is there already is replaced: it was encrypted again.
        """
        tag = self._sealer.tag
        cells = [(tag(path, day, device, seq), ct) for path, day, device, seq, ct in rows]
        for start in range(0, len(cells), ROWS_PER_INSERT):
            some = cells[start : start + ROWS_PER_INSERT]
            marks = ",".join(["(?,?)"] * len(some))
            tx.execute(
                f"INSERT INTO page (tag, ct) VALUES {marks} "
                "ON CONFLICT (tag) DO UPDATE SET ct = excluded.ct",
                [cell for row in some for cell in row],
            )
        return len(cells)

    def get(self, tx: Tx, path: str, day: int, device: bytes, seq: int) -> bytes | None:
        """The ciphertext of one page, or None."""
        row = tx.one("SELECT ct FROM page WHERE tag = ?", (self._tag(path, day, device, seq),))
        return None if row is None else bytes(row[0])

    def get_many(self, tx: Tx, places: Sequence[PageAt]) -> list[bytes | None]:
        """The ciphertexts at `places`, in their order; None where there is no page."""
        tags = [self._tag(*place) for place in places]
        found: dict[bytes, bytes] = {}
        for some in _cut(tags):
            marks = ",".join("?" * len(some))
            for tag, ct in tx.execute(f"SELECT tag, ct FROM page WHERE tag IN ({marks})", some):
                found[tag] = ct
        return [found.get(tag) for tag in tags]

    def delete(self, tx: Tx, places: Iterable[PageAt]) -> int:
        """Remove pages; how many there were."""
        return tx.executemany(
            "DELETE FROM page WHERE tag = ?", ((self._tag(*place),) for place in places)
        )

    def count(self, tx: Tx) -> int:
        row = tx.one("SELECT count(*) FROM page")
        return 0 if row is None else int(row[0])

    def _tag(self, path: str, day: int, device: bytes, seq: int) -> bytes:
        return self._sealer.tag(path, day, device, seq)


def _cut(tags: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(tags), TAGS_PER_STATEMENT):
        yield tags[start : start + TAGS_PER_STATEMENT]

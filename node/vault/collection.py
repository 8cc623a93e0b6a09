"""What is known of each collection: its schema, its months, its generation.

A collection is a whole path.  Its **generation** is a digest of the set of revocations, rotations
and expiries that name it; the set is kept here, and grows in the transaction of what is added.
Months are kept so that a read knows where to look; counts so that a list needs no page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...crypto.key_tree import generation
from ...protocol.collection import check_path
from ...protocol.schema import Schema, schema_named
from ...protocol.wire import Body, Value
from ..errors import NotFound
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects

MONTHS_MAX = 3_000
# Generations with pages: four, and those of earlier epochs until they are encrypted again.
LIVE_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection of one owner.  `interval_s` is that of a regular series, 0 for any other.

    `live` counts the pages of each (epoch, generation) that has some: what a keyset must open.
    They stand in the order in which they were first written under, the oldest first.
    """

    path: str
    schema: Schema
    interval_s: int
    months: tuple[int, ...]
    pages: int
    records: int
    live: Mapping[tuple[bytes, bytes], int]

    def value(self) -> Value:
        return {
            "path": self.path,
            "schema": self.schema.name,
            "interval_s": self.interval_s,
            "months": list(self.months),
            "pages": self.pages,
            "records": self.records,
            "live": [[epoch, gen, pages] for (epoch, gen), pages in self.live.items()],
        }

    @classmethod
    def from_value(cls, value: Value) -> Collection:
        body = Body.open(
            value,
            "a collection",
            ("path", "schema", "interval_s", "months", "pages", "records", "live"),
        )
        months = body.items("months", items_max=MONTHS_MAX)
        return cls(
            check_path(body.text("path")),
            schema_named(body.text("schema")),
            body.integer("interval_s"),
            tuple(month for month in months if isinstance(month, int)),
            body.integer("pages"),
            body.integer("records"),
            dict(_live(item) for item in body.items("live", items_max=LIVE_MAX)),
        )

    @classmethod
    def new(cls, path: str, schema: Schema, interval_s: int) -> Collection:
        return cls(path, schema, interval_s, (), 0, 0, {})

    def grown(
        self, *, months: Iterable[int], records: int, pages: Mapping[tuple[bytes, bytes], int]
    ) -> Collection:
        """This collection with so much more in it (or less: counts may be negative).

        `pages` counts them by (epoch, generation).
        """
        live = dict(self.live)
        for name, count in pages.items():
            live[name] = live.get(name, 0) + count
        return replace(
            self,
            months=tuple(sorted({*self.months, *months})),
            pages=self.pages + sum(pages.values()),
            records=self.records + records,
            live={name: count for name, count in live.items() if count > 0},
        )


class Collections:
    """Collections in the store.  `owner` is "" for the own vault, else the DID that lent pages."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def find(self, tx: Tx, path: str, owner: str = "") -> Collection | None:
        return self._objects.read(tx, Kind.COLLECTION, [owner, path], Collection.from_value)

    def get(self, tx: Tx, path: str, owner: str = "") -> Collection:
        """Raises NotFound."""
        if (found := self.find(tx, path, owner)) is None:
            raise NotFound(f"there is no collection {path}: see `entrenous collections`")
        return found

    def put(self, tx: Tx, collection: Collection, owner: str = "") -> None:
        self._objects.put(tx, Kind.COLLECTION, [owner, collection.path], collection.value())

    def forget(self, tx: Tx, path: str, owner: str = "") -> None:
        """There is no such collection any more.  Its generation stays: grants may name it."""
        self._objects.delete(tx, Kind.COLLECTION, [owner, path])

    def all(self, tx: Tx, owner: str = "") -> list[Collection]:
        found = self._objects.all(tx, Kind.COLLECTION)
        return sorted(
            (Collection.from_value(value) for name, value in found if _owner(name) == owner),
            key=lambda collection: collection.path,
        )

    # generations

    def taken_back(self, tx: Tx, path: str) -> list[bytes]:
        """`R`: the CIDs of the revocations, rotations and expiries that name `path`, sorted."""
        return _cids(self._objects.get(tx, Kind.GENERATION, path))

    def generation(self, tx: Tx, path: str) -> bytes:
        """The generation under which new pages of `path` are encrypted: 16 bytes."""
        found = self._objects.read(tx, Kind.GENERATION, path, _generation)
        return generation(()) if found is None else found

    def take_back(self, tx: Tx, path: str, cid: bytes) -> bool:
        """Add `cid` to `R` of `path`; False if it is there already."""
        cids = self.taken_back(tx, path)
        if cid in cids:
            return False
        self._objects.put(tx, Kind.GENERATION, path, sorted([*cids, cid]))
        return True


def _cids(value: Value) -> list[bytes]:
    return [cid for cid in value if isinstance(cid, bytes)] if isinstance(value, list) else []


def _generation(value: Value) -> bytes:
    return generation(_cids(value))


def _owner(name: Value) -> Value:
    return name[0] if isinstance(name, list) and name else None


def _live(item: Value) -> tuple[tuple[bytes, bytes], int]:
    match item:
        case [bytes(epoch), bytes(gen), int(pages)]:
            return (epoch, gen), pages
        case _:
            raise StoreDamaged("a collection in the store counts its pages in another form")

"""Things that are kept whole and found by their name: personas, pairs, grants, keysets, …

A name is any value of the formats (a CID, a DID, a list of both).  It is stored inside the sealed
row, beside a tag made from it, so a kind can be listed and the table shows no name.  The kind is in
clear: someone with the file sees how many grants there are, not which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum, unique
from functools import lru_cache, partial
from typing import Generic, Protocol, TypeVar

from ...crypto.canonical import Value
from .database import Row, Tx
from .errors import StoreConflict, StoreDamaged
from .links import Links
from .sealer import Sealer
from .stamps import Stamps

T = TypeVar("T")


@unique
class Kind(IntEnum):
    """What an object is.  Numbers stand in the file: never change or reuse one."""

    SETTING = 1
    PERSONA = 2
    PAIR = 3
    INVITE = 4
    CERTIFICATE = 5
    READER_KEY = 6
    REQUEST = 7
    DECISION = 8
    GRANT_GIVEN = 9
    GRANT_HELD = 10
    KEYSET_SENT = 11
    KEYSET_HELD = 12
    REVOCATION = 13
    ROTATION = 14
    TERMS = 15
    STATEMENT = 16
    DELIVERY = 17
    COLLECTION = 18
    IMPORT = 19
    EPOCH = 20
    GENERATION = 21
    NEXT_KEYS = 22
    ANSWER = 23
    CURSOR = 24
    SCAN = 25
    CARD = 26
    CARD_SHOWN = 27
    DOMAIN_LOOK = 28
    VOUCH_GIVEN = 29
    VOUCH_HEARD = 30
    ALLOWANCE = 40
    PARCELS = 50
    READS_BY_FILE = 51
    READ_BY_FILE = 52
    LENT_DAYS = 53
    PROXY = 60
    MANDATE = 61
    LEFT_OUT = 70
    QUOTA = 80
    MANDATE_END = 62
    DECIDED_FOR = 63
    WAITING_FOR = 64
    ASKED_UNDER = 65
    LENT_ON = 66
    READING_PAIR = 67
    READING_CHAINS = 68
    PROCESSES_FOR = 69
    WITNESS = 90
    WITNESSED = 91
    FORK = 92
    CHECKPOINT = 93
    LOG_SUCCESSION = 94
    GRANT_LINE = 110
    RENEWING = 111
    ENCRYPT_AGAIN = 112
    DELETE_DUE = 113
    DELETION = 114
    ERASED_ASKED = 115
    GRANT_OFFERED = 100
    DECLINED = 101
    STANDING_TERMS = 102
    JUDGED = 103
    STANDING_TOLD = 104
    REFUSED_AT = 105
    VIEW = 120
    VIEW_MONTH = 121
    EXPORT_TAKEN = 130
    ERASED = 131
    ERASING = 132
    PAYMENT = 140
    INVOICE = 141
    WAIVER = 142
    CREDITOR = 143
    PAID_READ = 144
    CHARGED = 145
    OWN_DEVICE = 180
    DEVICE_INVITE = 181
    PEER_DEVICE = 182
    PAGE_GONE = 183
    TOMBSTONE = 184
    ROW_GONE = 185
    VAULT_EPOCH = 186
    SPOKE = 187
    SHARED = 150
    SHARED_VERSION = 151
    PERSONA_LEFT = 170
    FOLLOWS = 171
    STEPS_SAID = 172
    STEPS_HEARD = 173
    DEVICE_LEFT = 174
    INCEPTION_LEFT = 175
    HELPER = 190
    LEASED = 191
    HELPING = 192
    SHELF = 193
    HELPED_PATHS = 194
    HELPED_SEGMENT = 195
    HELPED_STATEMENT = 196
    SERVED_BY = 197
    HELPED_OVER = 198


# What changes while nothing happens, and is no part of any set that is compared.
_UNSTAMPED = frozenset(
    (
        Kind.CURSOR,
        Kind.ANSWER,
        Kind.CERTIFICATE,
        Kind.WITNESS,
        Kind.WITNESSED,
        Kind.CHECKPOINT,
        Kind.SPOKE,
        Kind.SHELF,
        Kind.HELPED_PATHS,
        Kind.HELPED_SEGMENT,
        Kind.HELPED_STATEMENT,
        Kind.HELPED_OVER,
    )
)


class Written(Protocol):
    """What is kept: it says the value that it is read back from."""

    def value(self) -> Value: ...


W = TypeVar("W", bound=Written)


class Objects:
    """The table `object`: one value under each (kind, name)."""

    __slots__ = ("_links", "_sealer", "_stamps", "_tag_of")

    def __init__(self, sealer: Sealer, stamps: Stamps | None = None) -> None:
        self._sealer = sealer
        self._stamps = stamps or Stamps(sealer)
        self._links = Links(sealer)
        # One thing is looked for, written and linked in one unit of work, by the same name.
        self._tag_of = lru_cache(maxsize=1024)(partial(sealer.tag, "object"))

    def put(self, tx: Tx, kind: Kind, name: Value, value: Value) -> None:
        """Keep `value` under `name`, in place of what was there."""
        self._put(tx, kind, *self._row(kind, name, value))

    def write(self, tx: Tx, kind: Kind, name: Value, one: W, form: Callable[[Value], W]) -> None:
        """As `put`, of what `form` reads back: who reads it next has it without opening it.

        `form` of `one.value()` is `one`, and neither is ever changed.
        """
        tag, sealed = self._row(kind, name, one.value())
        self._put(tx, kind, tag, sealed)
        self._sealer.wrote(_place(kind), tag, sealed, _Formed(kind, form), (name, one))

    def write_new(
        self, tx: Tx, kind: Kind, name: Value, one: W, form: Callable[[Value], W]
    ) -> None:
        """As `write`, under a `name` that is new.  Raises StoreConflict if it is taken."""
        tag, sealed = self._row(kind, name, one.value())
        if not self._add(tx, kind, tag, sealed):
            raise StoreConflict(f"there is a {_word(kind)} of this name already")
        self._sealer.wrote(_place(kind), tag, sealed, _Formed(kind, form), (name, one))

    def add(self, tx: Tx, kind: Kind, name: Value, value: Value) -> None:
        """Keep `value` under a `name` that is new.  Raises StoreConflict if it is taken."""
        if not self._add(tx, kind, *self._row(kind, name, value)):
            raise StoreConflict(f"there is a {_word(kind)} of this name already")

    def add_if_new(self, tx: Tx, kind: Kind, name: Value, value: Value) -> bool:
        """As `add`; False, and nothing changed, if the name is taken."""
        if self.has(tx, kind, name):
            return False
        return self._add(tx, kind, *self._row(kind, name, value))

    def _changed(self, tx: Tx, kind: Kind) -> None:
        if kind not in _UNSTAMPED:
            self._stamps.changed(tx, kind.value)

    def _put(self, tx: Tx, kind: Kind, tag: bytes, sealed: bytes) -> None:
        self._changed(tx, kind)
        tx.execute(
            "INSERT INTO object (kind, tag, sealed) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, tag) DO UPDATE SET sealed = excluded.sealed",
            (kind.value, tag, sealed),
        )

    def _add(self, tx: Tx, kind: Kind, tag: bytes, sealed: bytes) -> bool:
        self._changed(tx, kind)
        return bool(
            tx.execute(
                "INSERT INTO object (kind, tag, sealed) VALUES (?, ?, ?) "
                "ON CONFLICT DO NOTHING RETURNING 1",
                (kind.value, tag, sealed),
            )
        )

    def get(self, tx: Tx, kind: Kind, name: Value) -> Value:
        """The value under `name`, or None."""
        tag = self._tag(kind, name)
        row = tx.one("SELECT sealed FROM object WHERE kind = ? AND tag = ?", (kind.value, tag))
        return None if row is None else self._opened(kind, tag, row[0])[1]

    def read(self, tx: Tx, kind: Kind, name: Value, form: Callable[[Value], T]) -> T | None:
        """`form` of the value under `name`, or None; for what is read often, see `Sealer.read`."""
        tag = self._tag(kind, name)
        row = tx.one("SELECT sealed FROM object WHERE kind = ? AND tag = ?", (kind.value, tag))
        return None if row is None else self._read(kind, tag, row[0], form)[1]

    def read_all(self, tx: Tx, kind: Kind, form: Callable[[Value], T]) -> list[tuple[Value, T]]:
        """As `all`, each value read by `form`."""
        rows = tx.execute("SELECT tag, sealed FROM object WHERE kind = ? ORDER BY rowid", (kind,))
        return self._read_rows(kind, rows, form)

    def has(self, tx: Tx, kind: Kind, name: Value) -> bool:
        tag = self._tag(kind, name)
        found = tx.one("SELECT 1 FROM object WHERE kind = ? AND tag = ?", (kind.value, tag))
        return found is not None

    def all(self, tx: Tx, kind: Kind) -> list[tuple[Value, Value]]:
        """Every (name, value) of a kind, in the order in which the names were first put."""
        rows = tx.execute("SELECT tag, sealed FROM object WHERE kind = ? ORDER BY rowid", (kind,))
        return [self._opened(kind, tag, sealed) for tag, sealed in rows]

    def count(self, tx: Tx, kind: Kind) -> int:
        row = tx.one("SELECT count(*) FROM object WHERE kind = ?", (kind.value,))
        return 0 if row is None else int(row[0])

    def delete(self, tx: Tx, kind: Kind, name: Value) -> bool:
        """Forget `name`; whether there was one."""
        tag = self._tag(kind, name)
        self._changed(tx, kind)
        return bool(
            tx.execute(
                "DELETE FROM object WHERE kind = ? AND tag = ? RETURNING 1", (kind.value, tag)
            )
        )

    # what they are about

    def link(self, tx: Tx, kind: Kind, name: Value, things: Iterable[Value], end_day: int) -> None:
        """What is kept under `name` is about `things`, and stands until the day `end_day`: see
        `links.py`."""
        self._links.add(tx, kind, self._tag(kind, name), things, end_day)

    def unlink(
        self, tx: Tx, kind: Kind, name: Value, things: Iterable[Value], end_day: int
    ) -> bool:
        """What is kept under `name`, linked until `end_day`, stands no more; False if that was said
        already.  It is still about `things`."""
        return self._links.end(tx, kind, self._tag(kind, name), things, end_day)

    def forget_link(
        self, tx: Tx, kind: Kind, name: Value, things: Iterable[Value], end_day: int
    ) -> None:
        """What was kept under `name`, linked until `end_day`, is forgotten: nothing tells that it
        was about `things`."""
        self._links.remove(tx, kind, self._tag(kind, name), things, end_day)

    def count_about(self, tx: Tx, kind: Kind, thing: Value, more: int) -> None:
        """Count `more` that stand about `thing`, or fewer."""
        self._links.count(tx, kind, thing, more)

    def standing(self, tx: Tx, kind: Kind, thing: Value) -> int:
        """How many that stand about `thing` were counted."""
        return self._links.standing(tx, kind, thing)

    def read_about(
        self, tx: Tx, kind: Kind, thing: Value, form: Callable[[Value], T], *, ended: bool
    ) -> list[T]:
        """`form` of every value about `thing`, in the order in which the names were first put;
        with those that have `ended`, or of those alone that stand."""
        rows = self._links.rows(tx, kind, thing, ended=ended)
        return [one for _, one in self._read_rows(kind, rows, form)]

    def read_ending(
        self, tx: Tx, kind: Kind, thing: Value, form: Callable[[Value], T], day: int
    ) -> list[T]:
        """As `read_about`, of what stands, and no longer than until `day`."""
        rows = self._links.rows_until(tx, kind, thing, day)
        return [one for _, one in self._read_rows(kind, rows, form)]

    def are_linked(self, tx: Tx, kind: Kind) -> bool:
        """Whether everything of a kind has its links: not in a home that an older program wrote."""
        return self._links.complete(tx, kind)

    def now_linked(self, tx: Tx, kind: Kind) -> None:
        """Everything of a kind has its links from now on."""
        self._links.completed(tx, kind)

    def _tag(self, kind: Kind, name: Value) -> bytes:
        if isinstance(name, (bytes, str)):
            return self._tag_of(kind.value, name)
        return self._sealer.tag("object", kind.value, name)

    def _row(self, kind: Kind, name: Value, value: Value) -> tuple[bytes, bytes]:
        tag = self._tag(kind, name)
        return tag, self._sealer.seal(_place(kind), tag, [name, value])

    def _opened(self, kind: Kind, tag: bytes, sealed: bytes) -> tuple[Value, Value]:
        return _pair(self._sealer.open(_place(kind), tag, sealed), kind)

    def _read_rows(
        self, kind: Kind, rows: Iterable[Row], form: Callable[[Value], T]
    ) -> list[tuple[Value, T]]:
        return [self._read(kind, tag, sealed, form) for tag, sealed in rows]

    def _read(
        self, kind: Kind, tag: bytes, sealed: bytes, form: Callable[[Value], T]
    ) -> tuple[Value, T]:
        return self._sealer.read(_place(kind), tag, sealed, _Formed(kind, form))


@dataclass(frozen=True, slots=True)
class _Formed(Generic[T]):
    """Reads the name of an object, and its value by `form`."""

    kind: Kind
    form: Callable[[Value], T]

    def __call__(self, row: Value) -> tuple[Value, T]:
        name, value = _pair(row, self.kind)
        return name, self.form(value)


def _pair(row: Value, kind: Kind) -> tuple[Value, Value]:
    if not isinstance(row, list) or len(row) != 2:
        raise StoreDamaged(f"a {_word(kind)} in the store has not the form of one")
    return row[0], row[1]


def _place(kind: Kind) -> str:
    return f"object/{kind.value}"


def _word(kind: Kind) -> str:
    return kind.name.lower().replace("_", " ")

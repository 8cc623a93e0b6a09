"""Things that are kept whole and found by their name: personas, pairs, grants, keysets, …

A name is any value of the formats (a CID, a DID, a list of both).  It is stored inside the sealed
row, beside a tag made from it, so a kind can be listed and the table shows no name.  The kind is in
clear: someone with the file sees how many grants there are, not which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Generic, TypeVar

from ...crypto.canonical import Value
from .database import Tx
from .errors import StoreConflict, StoreDamaged
from .sealer import Sealer

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
    SHARED = 150
    SHARED_VERSION = 151
    OWN_DEVICE = 180
    DEVICE_INVITE = 181
    PEER_DEVICE = 182
    PAGE_GONE = 183
    PERSONA_LEFT = 170
    FOLLOWS = 171
    STEPS_SAID = 172
    STEPS_HEARD = 173
    DEVICE_LEFT = 174


class Objects:
    """The table `object`: one value under each (kind, name)."""

    __slots__ = ("_sealer",)

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def put(self, tx: Tx, kind: Kind, name: Value, value: Value) -> None:
        """Keep `value` under `name`, in place of what was there."""
        tag, sealed = self._row(kind, name, value)
        tx.execute(
            "INSERT INTO object (kind, tag, sealed) VALUES (?, ?, ?) "
            "ON CONFLICT (kind, tag) DO UPDATE SET sealed = excluded.sealed",
            (kind.value, tag, sealed),
        )

    def add(self, tx: Tx, kind: Kind, name: Value, value: Value) -> None:
        """Keep `value` under a `name` that is new.  Raises StoreConflict if it is taken."""
        if not self.add_if_new(tx, kind, name, value):
            raise StoreConflict(f"there is a {_word(kind)} of this name already")

    def add_if_new(self, tx: Tx, kind: Kind, name: Value, value: Value) -> bool:
        """As `add`; False, and nothing changed, if the name is taken."""
        if self.has(tx, kind, name):
            return False
        tag, sealed = self._row(kind, name, value)
        return bool(
            tx.execute(
                "INSERT INTO object (kind, tag, sealed) VALUES (?, ?, ?) "
                "ON CONFLICT DO NOTHING RETURNING 1",
                (kind.value, tag, sealed),
            )
        )

    def get(self, tx: Tx, kind: Kind, name: Value) -> Value:
        """The value under `name`, or None."""
        tag = self._sealer.tag("object", kind.value, name)
        row = tx.one("SELECT sealed FROM object WHERE kind = ? AND tag = ?", (kind.value, tag))
        return None if row is None else self._opened(kind, tag, row[0])[1]

    def read(self, tx: Tx, kind: Kind, name: Value, form: Callable[[Value], T]) -> T | None:
        """`form` of the value under `name`, or None; for what is read often, see `Sealer.read`."""
        tag = self._sealer.tag("object", kind.value, name)
        row = tx.one("SELECT sealed FROM object WHERE kind = ? AND tag = ?", (kind.value, tag))
        return None if row is None else self._read(kind, tag, row[0], form)[1]

    def read_all(self, tx: Tx, kind: Kind, form: Callable[[Value], T]) -> list[tuple[Value, T]]:
        """As `all`, each value read by `form`."""
        rows = tx.execute("SELECT tag, sealed FROM object WHERE kind = ? ORDER BY rowid", (kind,))
        return [self._read(kind, tag, sealed, form) for tag, sealed in rows]

    def has(self, tx: Tx, kind: Kind, name: Value) -> bool:
        tag = self._sealer.tag("object", kind.value, name)
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
        tag = self._sealer.tag("object", kind.value, name)
        return bool(
            tx.execute(
                "DELETE FROM object WHERE kind = ? AND tag = ? RETURNING 1", (kind.value, tag)
            )
        )

    def _row(self, kind: Kind, name: Value, value: Value) -> tuple[bytes, bytes]:
        tag = self._sealer.tag("object", kind.value, name)
        return tag, self._sealer.seal(_place(kind), tag, [name, value])

    def _opened(self, kind: Kind, tag: bytes, sealed: bytes) -> tuple[Value, Value]:
        return _pair(self._sealer.open(_place(kind), tag, sealed), kind)

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

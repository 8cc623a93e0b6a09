"""Rows as two devices compare them: one space for each kind of thing that a person's devices share.

Each space reads a row of the store into its type, says how it travels, joins it with what the other
device tells (`joins.py`), and keeps the outcome.  What belongs to one device only does not travel:
its certificates, its log, its outbox, the names that it had to give to peers of one name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ...protocol.errors import WireError
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .space import Taking, WholeSpace, arriving, row_id

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """How the rows of one kind are shared.

    `read` and `write` are between a row of the store and its type; `read` raises WireError for what
    is none.  `travels` says how it stands on its way, from which `arrived` makes it again, and
    `says` what of that is to be the same everywhere; `shared` whether a row is everybody's, `told`
    whether it is worth telling; `keep` keeps what `join` gives, in place of `before`.
    """

    read: Callable[[Value, Value], T]
    write: Callable[[T], Value]
    join: Callable[[T, T], T]
    travels: Callable[[T], Value] | None = None
    says: Callable[[T], Value] | None = None
    arrived: Callable[[Value, Value, Taking], T] | None = None
    shared: Callable[[Tx, Value, T], bool] | None = None
    told: Callable[[T], bool] | None = None
    keep: Callable[[Tx, Value, T | None, T, Taking], None] | None = None


@dataclass(frozen=True, slots=True)
class RowSpace(WholeSpace, Generic[T]):
    """The rows of one kind of objects."""

    name: str
    kind: Kind
    objects: Objects
    how: Rows[T]
    also: tuple[Kind, ...] = ()
    """Kinds of which it depends whether a row is shared."""

    @property
    def sets(self) -> tuple[Value, ...]:
        return (self.kind.value, *(kind.value for kind in self.also))

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        found: dict[bytes, Value] = {}
        shared, told = self.how.shared, self.how.told
        for name, value in self.objects.all(tx, self.kind):
            row = self.how.read(name, value)
            if (shared is None or shared(tx, name, row)) and (told is None or told(row)):
                travelling = self._travels(row)
                says = travelling if self.how.says is None else self.how.says(row)
                found[row_id(self.name, name, says)] = [name, travelling]
        return found

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        changed = 0
        for row in rows:
            name, value = name_and_value(row)
            arrived = self._arrived(name, value, taking)
            found = self.objects.get(tx, self.kind, name)
            before = None if found is None else self.how.read(name, found)
            shared = self.how.shared
            if shared is not None and not shared(tx, name, arrived if before is None else before):
                continue
            # Joined to itself too: what joining would change (events out of order, a name twice)
            # would else be news when it comes again.
            joined = self.how.join(arrived if before is None else before, arrived)
            if before is not None and self._tells(joined) == self._tells(before):
                continue
            if before is not None:
                self._check_room(name, joined)
            changed += 1
            if self.how.keep is not None:
                self.how.keep(tx, name, before, joined, taking)
            else:
                self.objects.put(tx, self.kind, name, self.how.write(joined))
        return changed

    def _check_room(self, name: Value, joined: T) -> None:
        """Accept that what two devices know together would be read from the store again.

        A limit of a row holds for what all devices may have said within theirs; what passes it is
        refused, and what is here stays.  Raises WireError.
        """
        try:
            with arriving():
                self.how.read(name, self.how.write(joined))
        except WireError as error:
            raise WireError("with this a row would be more than is kept of one thing") from error

    def _tells(self, row: T) -> Value:
        """What of a row is news if it is another: of what may differ between devices, nothing."""
        return (self.how.says or self.how.write)(row)

    def _travels(self, row: T) -> Value:
        return (self.how.travels or self.how.write)(row)

    def _arrived(self, name: Value, value: Value, taking: Taking) -> T:
        with arriving():
            if self.how.arrived is not None:
                return self.how.arrived(name, value, taking)
            return self.how.read(name, value)


def name_and_value(row: Value) -> tuple[Value, Value]:
    """Read a row on its way.  Raises WireError."""
    match row:
        case [name, value]:
            return name, value
        case _:
            raise WireError("a row from another device is not a name and a value")


class Kept(Protocol):
    """What stands in the store as it says itself."""

    def value(self) -> Value: ...


def as_kept(row: Kept) -> Value:
    """How a row stands in the store that says so itself."""
    return row.value()


def same(row: T) -> T:
    """How a row stands that is kept as it travels."""
    return row


def named(
    what: str, read: Callable[[Value], T], name_of: Callable[[T], Value]
) -> Callable[[Value, Value], T]:
    """Reads rows that say themselves under which name they stand, or WireError is raised."""

    def checked(name: Value, value: Value) -> T:
        row = read(value)
        if name != name_of(row):
            raise WireError(f"{what} stands under another name than its own")
        return row

    return checked


def plain(check: Callable[[Value], Value], join: Callable[[Value, Value], Value]) -> Rows[Value]:
    """Rows that are kept as they travel.  `check` raises WireError for what is none."""
    return Rows(read=lambda _name, value: check(value), write=same, join=join)

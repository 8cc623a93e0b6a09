"""Allowances: which local programs may add records, to which collection, and how fast.

    (none) ── allow ──> live ── disallow ──> ended
                          └──── its last second passes, or another device is made ──> ended

A row keeps the delegation as the owner signed it, under the name that the owner gave.  The name is
free again once the allowance has ended; the row stays until it is, so that `allowed` can say what a
program brought.

`disallow` ends sessions before it returns: what a program had under way is stored or not, and
nothing comes after.  Beside the rows stands what lives no longer than the process: open sessions,
the rate, and counts not written down yet.  The counts are for the eye, and are written now and
then; a crash loses the last seconds of them and no record.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import structlog
import trio

from ...crypto.entropy import Entropy
from ...crypto.keys import DeviceKey
from ...protocol.did import Did, did_of
from ...protocol.errors import CapabilityError, Code
from ...protocol.limits import (
    LINE_CHARS_MAX,
    PUSH_LIFE_S_MAX,
    PUSH_PER_MINUTE_MAX,
    TOKEN_BYTES_MAX,
)
from ...protocol.push import Allowance, issue_allowance, read_allowance
from ...protocol.schema import Schema
from ...protocol.wire import Body, Value
from ..clock import Clock
from ..errors import NodeError, NotFound, UsageError
from ..peers.peers import clean_name
from ..rate import Rate
from ..store.database import Tx
from ..store.errors import StoreError
from ..store.objects import Kind
from ..store.store import Store

log = structlog.get_logger()

NONCE_BYTES = 16
# Programs of one home.  More is a loop that allows.
ALLOWANCES_MAX = 256
# One program has one connection, and a second one while the first has not noticed its end.
SESSIONS_MAX = 4
COUNTS_WRITTEN_S = 5.0
_KEYS = ("v", "name", "delegation", "per_minute", "made_ms", "ended_ms", "last_ms", "pushed")


@dataclass(frozen=True, slots=True)
class Row:
    """One program, as it is kept.  `pushed` counts records that were new."""

    name: str
    delegation: bytes
    per_minute: int
    made_ms: int
    ended_ms: int | None = None
    last_ms: int | None = None
    pushed: int = 0

    def value(self) -> Value:
        return {
            "v": 1,
            "name": self.name,
            "delegation": self.delegation,
            "per_minute": self.per_minute,
            "made_ms": self.made_ms,
            "ended_ms": self.ended_ms,
            "last_ms": self.last_ms,
            "pushed": self.pushed,
        }

    @classmethod
    def from_value(cls, value: Value) -> Row:
        body = Body.open(value, "an allowance", _KEYS)
        return cls(
            body.text("name", chars_max=LINE_CHARS_MAX),
            body.data("delegation", bytes_max=TOKEN_BYTES_MAX),
            body.integer("per_minute", low=1),
            body.integer("made_ms"),
            body.maybe_integer("ended_ms"),
            body.maybe_integer("last_ms"),
            body.integer("pushed"),
        )

    def allowance(self) -> Allowance:
        return read_allowance(self.delegation)


@dataclass(slots=True, eq=False)
class _Live:
    """What of one allowance lives in this process."""

    rate: Rate
    sessions: set[Session] = field(default_factory=set["Session"])
    last_ms: int | None = None
    pushed: int = 0


@dataclass(slots=True, eq=False)
class Session:
    """One connection of a program whose proof was good."""

    root: bytes
    name: str
    per_minute: int
    scope: trio.CancelScope
    ended: trio.Event
    _live: _Live

    def take(self, records: int) -> float:
        """Take `records` from the rate; 0, or seconds to wait and nothing taken."""
        return self._live.rate.take(min(records, self.per_minute), trio.current_time())

    def count(self, new: int, now_ms: int) -> None:
        self._live.last_ms = now_ms
        self._live.pushed += new


class Allowances:
    """The rows, and the sessions under them."""

    def __init__(self, store: Store, device: DeviceKey, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._objects = store.objects
        self._device = device
        self._clock = clock
        self._entropy = entropy
        self._live: dict[bytes, _Live] = {}
        self._ended: set[bytes] = set()

    @property
    def node(self) -> Did:
        """The device, as it is named in delegations and greetings."""
        return did_of(self._device.public)

    # the owner's side

    async def allow(
        self,
        name: str,
        program: Did,
        collection: str,
        schema: Schema,
        *,
        exp_s: int,
        per_minute: int,
    ) -> Row:
        """Let `program` add records of `schema` to `collection` until `exp_s`.

        Raises UsageError, NodeError if there is a live allowance of this name, RecordError.
        """
        now_ms = self._clock.now_ms()
        name = clean_name(name)
        if not now_ms // 1000 < exp_s <= now_ms // 1000 + PUSH_LIFE_S_MAX:
            raise UsageError("an allowance ends in the future, and within ten years")
        if not 1 <= per_minute <= PUSH_PER_MINUTE_MAX:
            raise UsageError(f"a rate is 1 to {PUSH_PER_MINUTE_MAX:,} records a minute")
        allowance = issue_allowance(
            self._device,
            program,
            collection,
            schema,
            exp_s=exp_s,
            nonce=self._entropy.random_bytes(NONCE_BYTES),
        )
        row = Row(name, allowance.delegation.raw, per_minute, now_ms)

        def unit(tx: Tx) -> None:
            rows = self.all(tx)
            if any(one.name == name and self.status(one) == "live" for one in rows):
                raise NodeError(f"{name} may push already: end that with `entrenous disallow`")
            for old in rows:
                if old.name == name:
                    self._objects.delete(tx, Kind.ALLOWANCE, old.allowance().delegation.cid)
            if len(rows) >= ALLOWANCES_MAX:
                raise NodeError(f"at most {ALLOWANCES_MAX} programs may push")
            self._objects.add(tx, Kind.ALLOWANCE, allowance.delegation.cid, row.value())

        await self._store.database.write(unit)
        return row

    async def disallow(self, name: str) -> Row:
        """End an allowance: once this returns, nothing more comes under it.  Raises NotFound."""
        row = await self._store.database.read(lambda tx: self._named(tx, name))
        root = row.allowance().delegation.cid
        self._ended.add(root)  # first: a session that asks meanwhile is refused
        try:
            await self._store.database.write(lambda tx: self._end(tx, root))
        except BaseException:
            self._ended.discard(root)
            raise
        live = self._live.get(root)
        # Its units of work end by themselves, committed or not begun: that is waited for.
        with trio.CancelScope(shield=True):
            for session in list(live.sessions) if live is not None else ():
                session.scope.cancel()
                await session.ended.wait()
        return self.counted(await self._store.database.read(lambda tx: self._row(tx, root)))

    def all(self, tx: Tx) -> list[Row]:
        """Every allowance, the oldest first, as it is kept."""
        return [row for _, row in self._objects.read_all(tx, Kind.ALLOWANCE, Row.from_value)]

    def counted(self, row: Row) -> Row:
        """`row` with the counts that are not written down yet."""
        live = self._live.get(row.allowance().delegation.cid)
        if live is None:
            return row
        last_ms = row.last_ms if live.last_ms is None else live.last_ms
        return replace(row, last_ms=last_ms, pushed=row.pushed + live.pushed)

    def open_sessions(self, row: Row) -> int:
        live = self._live.get(row.allowance().delegation.cid)
        return 0 if live is None else len(live.sessions)

    def status(self, row: Row) -> str:
        """`live`, `disallowed`, `expired`, or `another device` after a restore."""
        allowance = row.allowance()
        if row.ended_ms is not None:
            return "disallowed"
        if allowance.delegation.iss != self.node:
            return "another device"
        return "live" if self._clock.now_ms() // 1000 <= allowance.exp_s else "expired"

    # the program's side

    @contextmanager
    def session(self, row: Row, root: bytes) -> Generator[Session]:
        """One connection under `row`, until the context ends or `disallow` cancels it.

        Raises CapabilityError: `revoked`, `busy`.
        """
        live = self._live.setdefault(root, _Live(Rate(row.per_minute)))
        if root in self._ended:
            raise revoked()
        if len(live.sessions) >= SESSIONS_MAX:
            raise CapabilityError(
                f"{row.name} has {SESSIONS_MAX} connections open already", Code.BUSY
            )
        with trio.CancelScope() as scope:
            session = Session(root, row.name, row.per_minute, scope, trio.Event(), live)
            live.sessions.add(session)
            try:
                yield session
            finally:
                live.sessions.discard(session)
                session.ended.set()

    async def live_row(self, root: bytes) -> Row:
        """The row of a live delegation.  Raises CapabilityError: `unknown-grant`, `revoked`."""
        row = await self._store.database.read(lambda tx: self._find(tx, root))
        if row is None:
            raise CapabilityError("this node knows no such allowance", Code.UNKNOWN_GRANT)
        if row.ended_ms is not None or root in self._ended:
            raise revoked()
        return row

    # counts

    async def keep_counts(self) -> None:
        """Write counts down now and then, until cancelled."""
        while True:
            await trio.sleep(COUNTS_WRITTEN_S)
            try:
                await self.write_counts()
            except StoreError as error:
                # A full disk: they are counted on, and written when there is room.
                log.error("counts_not_written", kind=type(error).__name__)

    async def write_counts(self) -> None:
        waiting = {
            root: (live.last_ms, live.pushed)
            for root, live in self._live.items()
            if live.last_ms is not None
        }
        if not waiting:
            return

        def unit(tx: Tx) -> None:
            for root, (last_ms, pushed) in waiting.items():
                if (row := self._find(tx, root)) is not None:
                    row = replace(row, last_ms=last_ms, pushed=row.pushed + pushed)
                    self._objects.put(tx, Kind.ALLOWANCE, root, row.value())

        await self._store.database.write(unit)
        for root, (last_ms, pushed) in waiting.items():
            live = self._live[root]
            live.pushed -= pushed
            if live.last_ms == last_ms and not live.pushed:
                live.last_ms = None

    # rows

    def _find(self, tx: Tx, root: bytes) -> Row | None:
        return self._objects.read(tx, Kind.ALLOWANCE, root, Row.from_value)

    def _row(self, tx: Tx, root: bytes) -> Row:
        row = self._find(tx, root)
        assert row is not None, "an allowance that is live is not deleted"
        return row

    def _end(self, tx: Tx, root: bytes) -> None:
        row = self._row(tx, root)
        if row.ended_ms is None:
            row = replace(row, ended_ms=self._clock.now_ms())
            self._objects.put(tx, Kind.ALLOWANCE, root, row.value())

    def _named(self, tx: Tx, name: str) -> Row:
        found = [row for row in self.all(tx) if row.name == name]
        if not found:
            raise NotFound(f"no program is called {name} here: see `entrenous allowed`")
        return found[-1]


def revoked() -> CapabilityError:
    return CapabilityError("this program may not push any more", Code.REVOKED)

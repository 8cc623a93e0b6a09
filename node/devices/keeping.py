"""Keeping together: this device fetches from each other one what it lacks.

    have ──▸ which spaces differ ──list──▸ which rows ──get──▸ some rows ──▸ one unit of work
      ▴                                                                             │
      └─────────────── again, until nothing is lacking: then it is in step ─────────┘

Each device fetches for itself, in its own time; a device that is asked changes nothing.  What is
fetched is kept unit by unit, so a fetch that is cut anywhere has brought part, and goes on.

R and the grants are of several spaces, and the other device may take something back while they are
fetched.  So new keys for readers wait until a whole round has found nothing lacking: then no grant
is thought to live of which the other device had taken back the keys.

What this device wrote since it was last in step, under keys that turn out to have been taken back,
is encrypted again then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog
import trio

from ...crypto.errors import CryptoError, EntrenousError
from ...crypto.seal import open_sealed
from ...protocol.command import Cmd, GetArgs, GetOut, HaveArgs, HaveOut, ListArgs, Outcome
from ...protocol.command_device import ids_of
from ...protocol.did import Did
from ...protocol.errors import Code, ProtocolError, RemoteProtocolError, WireError
from ...protocol.joining import rows_info
from ...protocol.limits import (
    DEVICE_CHUNK_BYTES_MAX,
    DEVICE_IDS_MAX,
    DEVICE_ITEM_BYTES_MAX,
    DEVICE_SPACES_MAX,
)
from ...protocol.wire import Value, decode
from ..checkpoint import UNWATCHED, Checkpoint
from ..clock import Clock
from ..errors import Away, NodeError, NotFound, Refused
from ..exchange.exchange import Exchange
from ..grants.given_again import GivenAgain
from ..grants.reencryption import Reencryption
from ..log.head import LogHead
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..steps import DeviceStep
from ..store.database import Tx
from ..store.errors import StoreError
from ..store.objects import Kind
from ..vault.kept_pages import PAGE_COUNTER
from ..vault.stored import Stored, entry_of
from ..vault.vault import Vault
from .epoch_space import EPOCHS, Epochs
from .erased_rows import ERASED, ROWS_GONE
from .handing_over import HandingOver, lacking
from .own_devices import OwnDevices
from .page_spaces import is_removal, path_of_pages
from .shared_rows import TAKEN_BACK, SharedRows
from .space import Space, Taking

log = structlog.get_logger()

# Often enough that a change is elsewhere before one has walked over there.
EVERY_S = 30.0
# A device that is away is asked as seldom as this.
AWAY_S = 120.0
# But at once when it opens a link again; no sooner than this after the last time.
BACK_S = 10.0
# One that serves nothing yet, since it has just started, is asked again after this.
SUSPENDED_S = 5.0
# Rounds of one fetch: the other device may write meanwhile.
ROUNDS_MAX = 8
# Ids of one space that are held at once, 16 bytes each: of whoever says that it has more, none.
ROWS_MAX = 1_500_000
# Ids of one `get`: as many small rows as fit one answer.
ASKED_AT_ONCE = 1_024
# How long a peer is put off that speaks of what another device may know, and how many peers.
UNHEARD_MS = 86_400_000
UNHEARD_MAX = 4_096
_IN_STEP = "own-devices-in-step"


class Keeping:
    """Fetches from the other devices of this person."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        peers: Peers,
        devices: OwnDevices,
        handing_over: HandingOver,
        rows: SharedRows,
        epochs: Epochs,
        vault: Vault,
        lending: GivenAgain,
        reencryption: Reencryption,
        outgoing: Outgoing,
        clock: Clock,
        addresses: Callable[[], Sequence[str]],
        head: LogHead,
        introduce: Callable[[Tx, Pair, int], None],
        checkpoint: Checkpoint = UNWATCHED,
    ) -> None:
        """`introduce` tells a peer where this device listens."""
        self._exchange = exchange
        self._peers = peers
        self._devices = devices
        self._handing_over = handing_over
        self._rows = rows
        self._epochs = epochs
        self._vault = vault
        self._lending = lending
        self._reencryption = reencryption
        self._outgoing = outgoing
        self._clock = clock
        self._addresses = addresses
        self._head = head
        self._introduce = introduce
        self._checkpoint = checkpoint
        self._database = vault.store.database
        self._wake = trio.Event()
        # Is told of each collection of which pages came or went.
        self.settled: Callable[[str], None] = vault.changed
        # What peers spoke of that is not known here, by pair and words: since when (`may_know`).
        self._unheard: dict[tuple[str, str, bytes], int] = {}
        # When the last fetch from all others began.
        self._all_ms = 0
        # What would not be taken, by device and space: a sentence each.
        self.refused: dict[tuple[Did, str], str] = {}
        # Those that were away when they were last asked, and when one of them came back.
        self._away: set[tuple[Did, Did]] = set()
        self._back_s = -math.inf
        # Whether one of them was there, and serves nothing yet.
        self._suspended = False

    def hurry(self) -> None:
        """Fetch now: another device has joined, or the person asks."""
        self._wake.set()
        self._wake = trio.Event()

    def linked(self, pair: Pair) -> None:
        """A link to `pair` has opened: a device that was away is asked now."""
        now_s = trio.current_time()
        if (pair.own, pair.their) in self._away and now_s >= self._back_s + BACK_S:
            self._back_s = now_s
            self.hurry()

    async def run(self) -> None:
        """Keep in step with every other device, until cancelled."""
        while True:
            wake, wait_s = self._wake, EVERY_S
            try:
                if not await self.fetch_all():
                    wait_s = SUSPENDED_S if self._suspended else AWAY_S
            except StoreError as error:
                # A full disk: nothing was half done, and there may be room later.
                log.error("devices_store", kind=type(error).__name__)
            with trio.move_on_after(wait_s):
                await wake.wait()

    async def fetch_all(self) -> int:
        """Fetch from each device that answers; from how many.  Raises StoreError."""

        def begin(tx: Tx) -> list[Pair]:
            now_ms = self._clock.now_ms()
            if self._devices.listens(tx, self._addresses(), now_ms):
                for pair in self._peers.all(tx):
                    self._introduce(tx, pair, now_ms)
            self.note(tx, now_ms)
            return self._peers.siblings(tx)

        done, began_ms = 0, self._clock.now_ms()
        if not await self._database.read(self._peers.device_persona):
            return done
        siblings = await self._database.write(begin)
        # A link that is dialled here is none that opens again.
        self._away, self._suspended = set(), False
        for pair in siblings:
            try:
                await self.fetch(pair)
                done += 1
            except (NodeError, ProtocolError, CryptoError) as error:
                log.info("device_later", reason=type(error).__name__)
                if isinstance(error, Away):
                    self._away.add((pair.own, pair.their))
                elif isinstance(error, Refused) and error.code == Code.SUSPENDED.value:
                    self._suspended = True
        if done == len(siblings):
            self._all_ms = began_ms
        return done

    async def fetch(self, pair: Pair) -> int:
        """Fetch all that another device has and this one has not; how many rows changed.

        Raises Away, Refused, StoreError; RemoteProtocolError if it has not ended after as many
        rounds as it may take.
        """
        device = pair.certificate.device
        self.refused = {name: why for name, why in self.refused.items() if name[0] != device}
        changed = 0
        for _ in range(ROUNDS_MAX):
            began_ms = self._clock.now_ms()
            brought, lacks = await self._round(pair)
            changed += brought
            if not lacks:
                self._checkpoint.reached(DeviceStep.LACKING_NOTHING)
                await self._database.write(partial(self._in_step, device, began_ms))
                self._checkpoint.reached(DeviceStep.IN_STEP)
                self._outgoing.notify()
                return changed
        raise RemoteProtocolError("another device writes faster than this one fetches")

    def note(self, tx: Tx, now_ms: int) -> None:
        """Note when the person chose what they have chosen since this was last done."""
        self._rows.note(tx, now_ms)

    def may_know(self, tx: Tx, pair: Pair, said: bytes) -> bool:
        """Whether another device may know what `pair` speaks of and this one does not: one that
        was not fetched from since `pair` first `said` it (a digest of its words, the same each time
        it tries).  After a day it is as good as unknown."""
        name, now_ms = (pair.own, pair.their, said), self._clock.now_ms()
        since_ms = self._unheard.get(name, now_ms)
        fetched = self._all_ms > since_ms or now_ms > since_ms + UNHEARD_MS
        if fetched or not self._peers.siblings(tx):
            self._unheard.pop(name, None)
            return False
        if len(self._unheard) >= UNHEARD_MAX:
            self._unheard.clear()
        self._unheard[name] = since_ms
        return True

    def to_rekey(self, tx: Tx) -> list[str]:
        """The paths whose readers get new keys as soon as nothing is lacking."""
        return self._rows.to_rekey(tx)

    def look_at_lease(self, tx: Tx) -> None:
        """Until when this device may serve without speaking with another."""
        self._head.serves_until_ms = self._devices.serves_until_ms(tx)

    # one round

    async def _round(self, pair: Pair) -> tuple[int, bool]:
        """Fetch what is lacking now: how many rows changed, and whether anything was lacking."""
        root = await self._database.read(self._handing_over.root)
        theirs = await self._have(pair, root)
        if not theirs:
            return 0, False
        mine = dict(await self._database.read(self._handing_over.digests))
        changed, lacks = 0, False
        lagging: frozenset[str] = frozenset()  # R is fetched before any page
        for name in sorted((one for one in theirs if theirs[one] != mine.get(one)), key=self.turn):
            if (pair.certificate.device, name) in self.refused:
                continue
            try:
                brought, some = await self._fetch_space(pair, name, lagging)
            except EntrenousError as error:
                if isinstance(error, NodeError | StoreError):
                    raise
                # What is wrong with one space does not keep the others apart.
                self.refused[pair.certificate.device, name] = str(error)[:200]
                log.warning("device_rows_refused", kind=type(error).__name__)
                continue
            changed, lacks = changed + brought, lacks or some
            if name == TAKEN_BACK:
                lagging = await self._lagging(pair, theirs, mine)
        return changed, lacks

    def turn(self, name: str) -> tuple[int, str]:
        """Rows in their order, then pages, then what was removed."""
        order = list(self._rows.spaces)
        if name in self._rows.spaces:
            return order.index(name), name
        return len(order) + is_removal(name), name

    async def _have(self, pair: Pair, root: bytes) -> Mapping[str, bytes]:
        """Which spaces the other device has; none if it holds just what this one does."""
        found: dict[str, bytes] = {}
        after = ""
        while True:
            out = await self._ask(pair, Cmd.DEVICE_HAVE, HaveArgs(pair.their, after, root).value())
            assert isinstance(out, HaveOut)
            names = [name for name, _ in out.spaces]
            if names != sorted(set(names)) or (names and names[0] <= after):
                raise WireError("the spaces of another device do not ascend")
            found |= dict(out.spaces)
            if not out.more or not names or len(found) > 16 * DEVICE_SPACES_MAX:
                return found
            after, root = names[-1], b""

    async def _ids(self, pair: Pair, name: str) -> list[bytes]:
        found: list[bytes] = []
        while True:
            after = found[-1] if found else b""
            args = ListArgs(pair.their, name, after)
            out = await self._ask(pair, Cmd.DEVICE_LIST, args.value())
            assert isinstance(out, bytes)
            some = ids_of(out)
            if some and some[0] <= after:
                raise WireError("the ids of another device do not ascend")
            found.extend(some)
            if len(some) < DEVICE_IDS_MAX:
                return found
            if len(found) > ROWS_MAX:
                raise WireError("another device says that it has more rows than there can be")

    async def _lagging(
        self, pair: Pair, theirs: Mapping[str, bytes], mine: Mapping[str, bytes]
    ) -> frozenset[str]:
        """The collections of which the other device knows less of R than this one does.

        Where it knows more, or other things, this one has them before any page is fetched.
        """
        if theirs.get(TAKEN_BACK) == mine.get(TAKEN_BACK):
            return frozenset()
        known = set(await self._ids(pair, TAKEN_BACK))

        def unit(tx: Tx) -> frozenset[str]:
            rows = self._rows.spaces[TAKEN_BACK].rows(tx)
            paths = (_path(row) for id, row in rows.items() if id not in known)
            return frozenset(path for path in paths if path is not None)

        return await self._database.read(unit)

    async def _fetch_space(
        self, pair: Pair, name: str, lagging: frozenset[str]
    ) -> tuple[int, bool]:
        space = self._handing_over.named(name)
        theirs = await self._ids(pair, name)
        wanted = lacking(theirs, await self._database.read(space.ids))
        if not wanted:
            return 0, False
        taking = Taking(self._clock.now_ms(), lagging)
        changed = 0
        while wanted:
            rows, count = await self._get(pair, name, wanted[:ASKED_AT_ONCE])
            wanted = wanted[count:]
            changed += await self._take(space, rows, taking)
        # Rows that differ and change nothing here wait for the other device to fetch them.
        return changed, changed > 0

    async def _take(self, space: Space, rows: Sequence[Value], taking: Taking) -> int:
        def unit(tx: Tx) -> int:
            try:
                return space.take(tx, rows, taking)
            except NotFound as error:
                raise WireError("a row from another device is about what is not here") from error

        path = path_of_pages(space.name)
        removes = is_removal(space.name) or space.name in (ERASED, ROWS_GONE)
        if path is not None:
            # Of pages that come, some may hold what was erased here.
            removes = await self._database.read(lambda tx: self._vault.erased.any(tx, path))
        store = self._database.erase if removes else self._database.write
        changed = await store(unit)
        self._checkpoint.reached(DeviceStep.TAKEN)
        if space.name == EPOCHS:
            # Only now: what was not committed is no epoch of this vault.
            await self._database.read(self._epochs.load)
        if changed and (path is not None or removes):
            self._changed(space, rows, path)
        return changed

    def _changed(self, space: Space, rows: Sequence[Value], path: str | None) -> None:
        """Nothing that was read before of these collections is remembered."""
        named = [str(name[0]) for row in rows for name in _names(row) if name]
        rest = space.name.partition("/")[2].rpartition("/")[0]
        for one in sorted({*named} if space.name in (ERASED, ROWS_GONE) else {path or rest}):
            self.settled(one)

    async def _get(
        self, pair: Pair, name: str, ids: Sequence[bytes]
    ) -> tuple[Sequence[Value], int]:
        """Some rows, and of how many ids."""
        whole = b""
        while True:
            args = GetArgs(pair.their, name, tuple(ids[:1] if whole else ids), len(whole))
            out, inv = await self._exchange.ask_aside(pair, Cmd.DEVICE_GET, args.value())
            assert isinstance(out, GetOut)
            plain = await self._opened(pair, out.sealed, inv)
            if out.count:
                if whole or out.count > len(ids):
                    raise WireError("another device hands over more than was asked for")
                return _rows(plain), out.count
            if not plain or out.size > DEVICE_ITEM_BYTES_MAX:
                raise WireError("another device hands over a piece of nothing, or of too much")
            whole += plain
            if len(whole) >= out.size:
                return _rows(whole), 1

    async def _opened(self, pair: Pair, sealed: bytes, inv: bytes) -> bytes:
        persona = await self._database.read(lambda tx: self._peers.persona(tx, pair.own))
        plain = open_sealed(persona.reader, rows_info(pair.their, pair.own, inv), sealed)
        if len(plain) > 2 * DEVICE_CHUNK_BYTES_MAX:
            raise WireError("another device hands over more at once than it may")
        return plain

    async def _ask(self, pair: Pair, cmd: Cmd, args: Mapping[str, Value]) -> Outcome:
        return (await self._exchange.ask_aside(pair, cmd, args))[0]

    # in step

    def _in_step(self, device: Did, began_ms: int, tx: Tx) -> None:
        """A round has found nothing lacking: at `began_ms` this device had all of the other's."""
        now_ms = self._clock.now_ms()
        self._lending.begin_epoch(tx, now_ms)
        paths = self._rows.to_rekey(tx)
        if paths:
            self._again(tx, paths)
            self._lending.rekey(tx, paths, now_ms)
            self._rows.rekeyed(tx)
        self._devices.synced(tx, device, began_ms)
        self.look_at_lease(tx)
        store = self._vault.store
        store.objects.put(tx, Kind.SPOKE, _IN_STEP, store.ledger.counter(tx, PAGE_COUNTER))

    def _again(self, tx: Tx, paths: Sequence[str]) -> None:
        """What was written here since the devices were last in step, under keys that had been taken
        back elsewhere, comes under the present ones."""
        value = self._vault.store.objects.get(tx, Kind.SPOKE, _IN_STEP)
        since = value if isinstance(value, int) else 0
        for path in paths:
            collection = self._vault.collections.find(tx, path)
            if collection is None:
                continue
            present = self._vault.present(tx, path)

            def late(one: Stored, present: tuple[bytes, bytes] = present) -> bool:
                entry = entry_of(one.raw)
                mine = one.writer == self._vault.device and one.seq >= since
                return mine and (entry.epoch, entry.gen) != present

            for month in collection.months:
                some = [one for one in self._vault.stored_of_month(tx, path, month) if late(one)]
                self._reencryption.at_once(tx, path, some)


def _path(row: Value) -> str | None:
    """Of which collection a row of R is."""
    match row:
        case [str(path), _]:
            return path
        case _:
            return None


def _names(row: Value) -> list[Sequence[Value]]:
    match row:
        case [list(name), _]:
            return [name]
        case _:
            return []


def _rows(plain: bytes) -> Sequence[Value]:
    rows = decode(plain, bytes_max=DEVICE_ITEM_BYTES_MAX)
    if not isinstance(rows, list):
        raise WireError("another device hands over what is no list of rows")
    return rows

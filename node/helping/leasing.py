"""Leasing: while this node is on, its helpers have what they may serve, and a young lease for it.

    look      which grants each may serve, which pages there are of their days: one consistent state
    shelf     for each reader whose lease is old, or whose grants or keys are others than before
    stands    which shelves there are, if that has changed
    have      of each collection that has changed, which pages there are; the helper says which of
              them it lacks
    pages     those, with what vouches for them, a mebibyte at a time

A helper is told nothing twice, and what was erased or encrypted again here goes there with the next
`have`.  It is asked for a digest over what it keeps with each lease, so one that was set back to an
older state gets what it lost.  If it does not answer, it is tried again; its lease runs out.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from ...crypto.digest import sha256
from ...crypto.errors import CryptoError
from ...crypto.merkle import HASH_BYTES
from ...protocol.command import Cmd, HelperHaveArgs, HelperKeepArgs, parse_out
from ...protocol.command_help import split_ids
from ...protocol.day import UNDATED
from ...protocol.did import Did
from ...protocol.errors import Code, ProtocolError
from ...protocol.grant import read_grant
from ...protocol.helped import (
    Kept,
    KeptPage,
    KeptPages,
    KeptSegment,
    KeptStatement,
    Served,
    Shelf,
    Stands,
    parts_of,
)
from ...protocol.limits import HELP_GRANTS_MAX, HELP_IDS_MAX, HELP_SHELVES_MAX
from ...protocol.segment import parse_segment_head
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..errors import NodeError, Refused
from ..exchange.exchange import Exchange, refusal_of
from ..grants.grant_given import GrantGiven
from ..grants.lending import Lending
from ..log.head import LogHead
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..reads.serving import Serving, gone_days, kept_statement
from ..store.database import Tx
from ..store.errors import StoreDamaged, StoreError
from ..store.store import Store
from ..vault.stored import Stored, entry_of
from .helper import Helper
from .helpers import Helpers, unacknowledged
from .shelf_pages import state_of

log = structlog.get_logger()

# How often a node looks whether its helpers have what they should; sooner where it says something.
LOOK_S = 20.0
# And at most so often.
PAUSE_S = 1.0
# A helper that did not answer is tried again after this.
AGAIN_S = 60.0
# Pages of one call, and their bytes with the leaves of what vouches for them.
PUT_PAGES_MAX = 512
PUT_BYTES = 2 * 1024 * 1024
# Days that are gone, of all statements of one call: each is a value to read (HELP_ITEMS_MAX).
PUT_DAYS = 32_768
# Statements of one call that says which of their days are gone.
GONE_STATEMENTS = 16
# Refusals that are of one shelf: another has brought it, or there is no room for it.
_OF_ONE_SHELF = (Code.AUDIENCE, Code.TOO_MUCH)

Name = tuple[Did, Did]


class _TooManyPages(Refused):
    """Of one collection a day has more pages than a helper can be told of."""


@dataclass(frozen=True, slots=True)
class _Range:
    """The ids of all pages of `path` from day `first` to day `last`."""

    path: str
    first: int
    last: int
    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Look:
    """What a helper should have: shelves by reader, the pages of each collection."""

    pair: Pair
    shelves: tuple[tuple[Pair, tuple[GrantGiven, ...]], ...]
    pages: Mapping[str, tuple[Stored, ...]]
    digests: Mapping[str, bytes]
    state: bytes
    # Whether other devices of this person look after it too.
    shared: bool


@dataclass(slots=True)
class _There:
    """What this process knows to be at a helper."""

    stands: tuple[tuple[Did, Did], ...] | None = None
    digests: dict[str, bytes] = field(default_factory=lambda: dict[str, bytes]())
    state: bytes | None = None
    not_before_s: float = 0.0


class Leasing:
    """Keeps helpers in step with this node."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        peers: Peers,
        helpers: Helpers,
        lending: Lending,
        serving: Serving,
        exchange: Exchange,
        outgoing: Outgoing,
        head: LogHead,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._clock = clock
        self._peers = peers
        self._helpers = helpers
        self._lending = lending
        self._serving = serving
        self._exchange = exchange
        self._outgoing = outgoing
        self._head = head
        self._checkpoint = checkpoint
        self._there: dict[Name, _There] = {}
        self._looking = trio.Lock()

    async def run(self) -> None:
        """Keep every helper in step until cancelled."""
        # Who has no helper looks once, and not again until there is one.
        helped = True
        while True:
            changed = self._outgoing.changed
            try:
                if helped:
                    helped = await self.keep_in_step() or self._helpers.touched
            except StoreError as error:
                log.error("helpers_store", kind=type(error).__name__)
            with trio.move_on_after(LOOK_S if helped else math.inf):
                await changed.wait()
                helped = helped or self._helpers.touched
                if helped:
                    # A word that is said is seldom alone; an end is told by the outbox meanwhile.
                    await trio.sleep(PAUSE_S)

    async def keep_in_step(self) -> bool:
        """Look at every helper once; False if there is none.  Raises StoreError."""
        async with self._looking:
            helpers = await self._store.database.read(self._helpers.willing)
            # An old copy would lease what was taken back since.
            if self._head.serves:
                await self._keep_all(await self._shown(helpers))
            return bool(helpers)

    async def _shown(self, helpers: Sequence[Helper]) -> list[Helper]:
        """Those whose device is still one that its owner shows; readers hear of the others."""
        read, write = self._store.database.read, self._store.database.write
        shown = await read(lambda tx: [one for one in helpers if self._helpers.shown(tx, one)])
        for one in helpers:
            if one not in shown and await write(partial(self._left, one)):
                self._outgoing.notify()
        return shown

    def _left(self, helper: Helper, tx: Tx) -> bool:
        """Whether there is a reader that hears only now that a helper serves no more."""
        known = any(one.told is not None for one in self._helpers.leases(tx, helper))
        self._helpers.only(tx, helper, (), self._clock.now_ms())
        return known

    async def _keep_all(self, helpers: Sequence[Helper]) -> None:
        for helper in helpers:
            there = self._there.setdefault((helper.own, helper.their), _There())
            if trio.current_time() < there.not_before_s:
                continue
            try:
                await self._keep(helper, there)
            except (NodeError, ProtocolError, CryptoError, StoreDamaged) as error:
                log.info("helper_later", reason=type(error).__name__)
                there.not_before_s = trio.current_time() + AGAIN_S

    def soon(self) -> None:
        """A helper may be here again, or has something new to do: try each at once."""
        for there in self._there.values():
            there.not_before_s = 0.0

    async def _keep(self, helper: Helper, there: _There) -> None:
        look = await self._store.database.read(partial(self._look, helper))
        refused = await self._shelves(helper, there, look)
        if refused:
            look = await self._store.database.read(partial(self._look, helper, without=refused))
        for path in look.pages:
            if there.digests.get(path) != look.digests[path]:
                try:
                    await self._pages(helper, look, path)
                except _TooManyPages:
                    # Whoever writes so much there keeps no other collection from its readers.
                    log.info("helper_without_a_collection")
                there.digests[path] = look.digests[path]
        for path in set(there.digests) - set(look.pages):
            del there.digests[path]  # its shelves are gone, and its pages with them
        there.state = look.state
        for error in refused.values():
            raise error

    # what it should have

    def _look(self, helper: Helper, tx: Tx, without: Collection[Name] = ()) -> _Look:
        now_ms = self._clock.now_ms()
        pair = self._peers.pair(tx, helper.own, helper.their)
        by_reader: dict[Name, list[GrantGiven]] = {}
        for grant in self._lending.all(tx):
            named = (grant.own, grant.their)
            if named not in without and self._is_served(tx, helper, grant, now_ms):
                by_reader.setdefault(named, []).append(grant)
        shelves = tuple(
            (self._peers.pair(tx, *name), tuple(grants[-HELP_GRANTS_MAX:]))
            for name, grants in list(by_reader.items())[-HELP_SHELVES_MAX:]
        )
        pages = self._stored(tx, [one for _, grants in shelves for one in grants])
        digests = {path: self._digest(tx, some) for path, some in pages.items()}
        ids = (entry_of(one.raw).page_id for some in pages.values() for one in some)
        shared = self._peers.device_persona(tx) is not None
        return _Look(pair, shelves, pages, digests, state_of(ids), shared)

    def _is_served(self, tx: Tx, helper: Helper, grant: GrantGiven, now_ms: int) -> bool:
        """Whether a grant is one that a helper may serve: accepted, live, between who the two are
        now."""
        if grant.keyset is None or grant.status(now_ms) is not GrantStatus.LIVE:
            return False
        if not helper.may_serve(grant.own, grant.their):
            return False
        reader = self._peers.find(tx, grant.own, grant.their)
        root = grant.bundle.root.delegation
        return (
            reader is not None
            and not reader.reads_only
            and (root.iss, root.aud) == (reader.own_now, reader.their_now)
        )

    def _stored(self, tx: Tx, grants: Sequence[GrantGiven]) -> dict[str, tuple[Stored, ...]]:
        """The pages of all days of these grants, by collection, in order of day."""
        windows = {window for grant in grants for window in grant.windows}
        found: dict[str, dict[bytes, Stored]] = {}
        for window in sorted(windows):
            some = found.setdefault(window.collection, {})
            for one in self._serving.stored(tx, window.collection, window.first, window.last):
                some[entry_of(one.raw).page_id] = one
        return {
            path: tuple(sorted(some.values(), key=lambda one: (one.day, one.seq)))
            for path, some in found.items()
        }

    def _digest(self, tx: Tx, some: Sequence[Stored]) -> bytes:
        """What changes when pages come or go, or a day of a statement is not whole any more."""
        ids = state_of(entry_of(one.raw).page_id for one in some)
        named = sorted({one.statement for one in some if one.statement is not None})
        gone = [(cid, sorted(gone_days(self._serving.statement_kept(tx, cid)))) for cid in named]
        return sha256(ids + repr([one for one in gone if one[1]]).encode())

    # shelves

    async def _shelves(self, helper: Helper, there: _There, look: _Look) -> dict[Name, Refused]:
        """Give what is due; the readers whose shelf was refused: that keeps no other from its."""
        now_ms = self._clock.now_ms()
        refused: dict[Name, Refused] = {}
        names = tuple((reader.own_now, reader.their_now) for reader, _ in look.shelves)
        # Another device of this person may have cleared what it did not know of yet.
        again = there.stands != names and look.shared

        def lease(tx: Tx) -> list[Shelf | None]:
            return [self._leased(tx, helper, *one, now_ms, again=again) for one in look.shelves]

        if again or any(await self._due(helper, look)):
            due = await self._store.database.write(lease)
            self._checkpoint.reached("helper leased")
            self._outgoing.notify()
            for (reader, _), shelf in zip(look.shelves, due, strict=True):
                if shelf is None:
                    continue
                try:
                    state = await self._give(helper, look.pair, shelf)
                except Refused as error:
                    if error.code not in _OF_ONE_SHELF:
                        raise
                    refused[reader.own, reader.their] = error
                    continue
                await self._store.database.write(partial(self._kept, helper, reader))
                if state != there.state:
                    # It has lost something, or it is the first that it gets.
                    there.digests.clear()
        if there.stands != names:
            await self._give(helper, look.pair, Stands(names))
            readers = {(reader.own, reader.their) for reader, _ in look.shelves}
            await self._store.database.write(
                lambda tx: self._helpers.only(tx, helper, readers, now_ms)
            )
            self._outgoing.notify()
            there.stands = names
        return refused

    async def _due(self, helper: Helper, look: _Look) -> list[bool]:
        """Of each shelf, whether the helper is to be given it anew."""

        def unit(tx: Tx) -> list[bool]:
            return [not self._is_current(tx, helper, *one) for one in look.shelves]

        return await self._store.database.read(unit)

    def _is_current(
        self,
        tx: Tx,
        helper: Helper,
        reader: Pair,
        grants: Sequence[GrantGiven],
    ) -> bool:
        leased = self._helpers.leased_to(tx, helper, reader)
        if leased is None:
            return False
        persona = self._peers.persona(tx, reader.own)
        if leased.lease.persona != persona.did:
            return False
        now_ms = self._clock.now_ms()
        return self._helpers.is_current(tx, leased, helper, reader, grants, now_ms)

    def _leased(
        self,
        tx: Tx,
        helper: Helper,
        reader: Pair,
        grants: Sequence[GrantGiven],
        now_ms: int,
        *,
        again: bool,
    ) -> Shelf | None:
        """The shelf to give anew, under a lease that is kept first; None if it is there."""
        if not again and self._is_current(tx, helper, reader, grants):
            return None
        # Not what was taken back since the look: no end of it would be told to this helper.
        found = [self._lending.get(tx, one.cid) for one in grants]
        grants = [one for one in found if self._is_served(tx, helper, one, now_ms)]
        if not grants:
            return None
        leased = self._helpers.lease(tx, helper, reader, grants, now_ms)
        served = tuple(
            Served(
                read_grant(one.bundle.root.delegation),
                one.keyset if unacknowledged(one) else None,
            )
            for one in grants
        )
        return Shelf(reader.their_now, leased.lease, served)

    def _kept(self, helper: Helper, reader: Pair, tx: Tx) -> None:
        self._helpers.kept(tx, helper, reader, self._clock.now_ms())

    # pages

    async def _pages(self, helper: Helper, look: _Look, path: str) -> None:
        some = look.pages[path]
        by_id = {entry_of(one.raw).page_id: one for one in some}
        for part in _ranges(path, some):
            args = HelperHaveArgs(look.pair.their, path, part.first, part.last, part.ids)
            out = await self._say(helper, look.pair, Cmd.HELPER_HAVE, args.value())
            lacking = [by_id[one] for one in split_ids(_data(out)) if one in by_id]
            lacking.sort(key=lambda one: (one.segment, one.index))
            while lacking:
                kept, taken = await self._store.database.read(
                    partial(self._gathered, path, lacking)
                )
                if kept.pages:
                    await self._give(helper, look.pair, kept)
                del lacking[:taken]
        for gone in await self._store.database.read(partial(self._gone, path, some)):
            await self._give(helper, look.pair, gone)

    def _gathered(self, path: str, lacking: Sequence[Stored], tx: Tx) -> tuple[KeptPages, int]:
        """The first of these pages with what vouches for them, as many as one call brings, and how
        many those are; without the ones that are gone meanwhile."""
        cids: dict[int, bytes] = {}
        segments: dict[bytes, KeptSegment] = {}
        statements: dict[bytes, KeptStatement] = {}
        pages: list[KeptPage] = []
        size = days = taken = 0
        for one in lacking[:PUT_PAGES_MAX]:
            if taken and (size + one.length > PUT_BYTES or days > PUT_DAYS):
                break
            taken += 1
            (ciphertext,) = self._store.pages.get_many(tx, [one.place()])
            if ciphertext is None or len(ciphertext) != one.length:
                continue
            if one.segment not in cids:
                cid, head, leaves = self._serving.segment(tx, one.segment)
                cids[one.segment] = cid
                segments[cid] = KeptSegment(parse_segment_head(head), tuple(leaves))
                size += len(leaves) * HASH_BYTES
            if one.statement is not None and one.statement not in statements:
                statement = self._statement(tx, one.statement)
                statements[one.statement] = statement
                size += len(statement.leaves) * HASH_BYTES
                days += len(statement.gone)
            cid = cids[one.segment]
            pages.append(KeptPage(entry_of(one.raw), one.raw, cid, one.index, ciphertext))
            size += one.length
        given = tuple(segments.values()), tuple(statements.values()), tuple(pages)
        return KeptPages(path, *given), taken

    def _gone(self, path: str, some: Sequence[Stored], tx: Tx) -> list[KeptPages]:
        """The statements of which a day is not whole any more, as many as one call brings."""
        named = sorted({one.statement for one in some if one.statement is not None})
        found = [one for cid in named if (one := self._statement(tx, cid)).gone]
        starts = range(0, len(found), GONE_STATEMENTS)
        return [KeptPages(path, (), tuple(found[at : at + GONE_STATEMENTS]), ()) for at in starts]

    def _statement(self, tx: Tx, cid: bytes) -> KeptStatement:
        value = self._serving.statement_kept(tx, cid)
        statement, leaves = kept_statement(value)
        return KeptStatement(statement, tuple(leaves), tuple(sorted(gone_days(value))))

    # saying

    async def _give(self, helper: Helper, pair: Pair, kept: Kept) -> bytes:
        """Give something to a helper; the digest over the pages that it keeps now."""
        parts = parts_of(kept)
        args = HelperKeepArgs(pair.their, tuple((sha256(one), len(one)) for one in parts))
        out = await self._say(helper, pair, Cmd.HELPER_KEEP, args.value(), parts)
        return _data(out)

    async def _say(
        self,
        helper: Helper,
        pair: Pair,
        cmd: Cmd,
        args: Mapping[str, Value],
        parts: Sequence[bytes] = (),
    ) -> object:
        """Say something to the device that helps.  Raises Away, Refused."""
        self._checkpoint.reached(f"{cmd} sending")
        said = await self._exchange.say(pair, cmd, args, parts=parts, device=helper.device)
        if said.answer.code is not Code.OK:
            raise refusal_of(said.answer, pair.name)
        return parse_out(cmd, said.answer.out)


def _ranges(path: str, some: Sequence[Stored]) -> Iterator[_Range]:
    """All days, cut between days so that no range has more pages than one call names."""
    first, at = 0, 0
    while True:
        end = min(at + HELP_IDS_MAX, len(some))
        if end < len(some):
            while end > at and some[end - 1].day == some[end].day:
                end -= 1
            if end == at:
                sentence = "a day has more pages than a helper is told of"
                raise _TooManyPages(sentence, Code.TOO_MUCH.value)
        last = UNDATED if end == len(some) else some[end - 1].day
        ids = tuple(sorted(entry_of(one.raw).page_id for one in some[at:end]))
        yield _Range(path, first, last, ids)
        if end == len(some):
            return
        first, at = last + 1, end


def _data(out: object) -> bytes:
    assert isinstance(out, bytes)  # `parse_out` has read it as such
    return out

"""The post: what is still to be said goes out, in order for each peer.

A peer that is away is tried again, later each time, and at once when it opens a link.  An item
leaves the outbox in the unit of work that keeps what its answer changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog
import trio

from ...crypto.errors import CryptoError
from ...protocol.command import (
    Cmd,
    DeliverArgs,
    parse_args,
)
from ...protocol.did import Did
from ...protocol.errors import Code, ProtocolError
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..errors import Away, NodeError, Refused
from ..log.head import LogHead
from ..peers.lines import PersonaLines
from ..peers.outgoing import Message, Outgoing, message_of
from ..peers.peer_devices import PeerDevices
from ..peers.peers import Pair, Peers
from ..steps import said_of
from ..store.database import Tx
from ..store.errors import StoreDamaged, StoreError
from ..store.outbox import Item
from ..store.store import Store
from .deliveries import Deliveries
from .exchange import Exchange, Said
from .follow_up import FollowUp, again
from .links import Links

log = structlog.get_logger()

# A peer that is away is tried after 1, 2, 4 … seconds, at the latest every ten minutes.
RETRY_FIRST_MS = 1_000
RETRY_LAST_MS = 600_000
# Answers that do not verify, until the peer is asked no more: with the pauses, about an hour.  One
# may be an accident on the way or a program that was being replaced; twelve are not.
FAULTS_MAX = 12
# Words about a grant: what one device of a peer's has not heard of, another may have.
_OF_GRANTS = frozenset(
    (
        Cmd.DECIDE,
        Cmd.ACCEPT,
        Cmd.DECLINE,
        Cmd.KEYS,
        Cmd.REVOKE,
        Cmd.RENEW,
        Cmd.DELETE,
        Cmd.DELETED,
        Cmd.ERASED,
        Cmd.LEND,
    )
)
_UNKNOWN_THERE = (Code.UNKNOWN_GRANT, Code.BUSY)


class Post:
    """Empties the outbox."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        peers: Peers,
        follow_up: FollowUp,
        deliveries: Deliveries,
        outgoing: Outgoing,
        exchange: Exchange,
        links: Links,
        head: LogHead,
        lines: PersonaLines,
        peer_devices: PeerDevices,
        say_where: Callable[[Tx, Pair, int], None],
        checkpoint: Checkpoint,
    ) -> None:
        """`say_where` tells a peer which device serves, and at which addresses."""
        self._store = store
        self._clock = clock
        self._peers = peers
        self._follow_up = follow_up
        self._deliveries = deliveries
        self._outgoing = outgoing
        self._exchange = exchange
        self._links = links
        self._head = head
        self._lines = lines
        self._peer_devices = peer_devices
        self._say_where = say_where
        self._checkpoint = checkpoint
        self._posting: set[str] = set()

    async def run(self) -> None:
        """Send until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                changed = self._outgoing.changed
                now_ms = self._clock.now_ms()
                try:
                    peers, due_ms = await self._store.database.read(partial(self._waiting, now_ms))
                except StoreError as error:
                    # What cannot be read cannot be said; serving and reading go on without it.
                    log.error("outbox_unreadable", kind=type(error).__name__)
                    await trio.sleep(RETRY_LAST_MS / 1000)
                    continue
                for peer in sorted(set(peers) - self._posting):
                    self._posting.add(peer)
                    nursery.start_soon(self._post_to, peer)
                # What is due and on its way wakes this loop when it is done.
                wait_s = math.inf
                if due_ms is not None and due_ms > now_ms:
                    wait_s = (due_ms - now_ms) / 1000
                with trio.move_on_after(wait_s):
                    await changed.wait()

    def _waiting(self, now_ms: int, tx: Tx) -> tuple[list[str], int | None]:
        if not self._head.serves:
            return [], None  # an old copy would say what was taken back since: `notify` ends it
        return self._store.outbox.due_peers(tx, now_ms), self._store.outbox.next_due_ms(tx)

    async def _post_to(self, peer: str) -> None:
        """Say all that waits for one peer, in order: what is due, and what waits before it.

        A peer that does not answer ends this try, for all that waits for it.
        """
        try:
            items = await self._store.database.read(
                lambda tx: self._store.outbox.waiting_for(tx, peer)
            )
            # Who we are comes first: everything else is said by who we are now.
            items.sort(key=_is_succession, reverse=True)
            for item in items:
                if item.given_up:
                    continue
                if not self._head.serves or not await self._post_item(item):
                    return
        except StoreError as error:
            # A full disk is no reason to stop the node; neither is it one to hurry.
            log.error("outbox_store", kind=type(error).__name__)
            await trio.sleep(RETRY_FIRST_MS / 1000)
        finally:
            self._posting.discard(peer)
            self._outgoing.notify()

    async def _post_item(self, item: Item) -> bool:
        """Say one item; False if the peer is not there to be told more."""
        try:
            message = message_of(item)
            await self._post_one(item, message)
        except (ProtocolError, CryptoError) as error:
            await self._fault(item, error)
            return False
        except NodeError as error:
            log.info("outbox_later", reason=type(error).__name__)
            due_ms = self._due_ms(item)

            def later(tx: Tx) -> None:
                self._store.outbox.retry_at(tx, item.id, due_ms)
                self._store.outbox.not_before(tx, item.to, due_ms)

            await self._store.database.write(later)
            return False
        except StoreDamaged as error:
            # It can never be said: what waits behind it can.
            log.error("outbox_lost", kind=type(error).__name__)
            await self._store.database.write(lambda tx: self._store.outbox.done(tx, item.id))
        return True

    async def _fault(self, item: Item, error: Exception) -> None:
        """The peer answered with what is no answer.  `FAULTS_MAX` of them, and it is asked no more:
        the item stays in the outbox, is shown as given up, and can be carried by file."""
        given_up = item.faults + 1 >= FAULTS_MAX
        due_ms = self._due_ms(item)

        def unit(tx: Tx) -> None:
            self._store.outbox.fault(tx, item.id, None if given_up else due_ms)
            self._store.outbox.not_before(tx, item.to, due_ms)

        await self._store.database.write(unit)
        kind = type(error).__name__
        if given_up:
            log.warning("outbox_given_up", reason=kind, tries=item.tries + 1)
        else:
            log.info("outbox_later", reason=kind)

    async def _post_one(self, item: Item, message: Message) -> None:
        def look(tx: Tx) -> tuple[Pair | None, bool, Did | None]:
            if self._follow_up.stale(tx, message):
                return None, False, None
            pair = self._peers.find(tx, message.own, message.their)
            device = self._follow_up.device_of(tx, message)
            return pair, pair is not None and self._lines.owed(tx, pair), device

        pair, owed, device = await self._store.database.read(look)
        if message.cmd is Cmd.SUCCEED and pair is not None and owed:
            await self._succeed(item, pair)
            return
        if pair is None or message.cmd is Cmd.SUCCEED:
            await self._store.database.write(lambda tx: self._store.outbox.done(tx, item.id))
            return
        if owed:
            raise Away(f"{pair.name} has not heard yet who this node is now")
        parts: Sequence[bytes] = ()
        if message.cmd is Cmd.DELIVER:
            args = parse_args(message.cmd, message.args)
            assert isinstance(args, DeliverArgs)
            parts = await self._store.database.read(lambda tx: self._deliveries.parts(tx, args))
        steps = said_of(message.cmd)
        self._checkpoint.reached(steps.sending)
        said = await self._say(pair, message, device, parts)
        if message.cmd in _OF_GRANTS and said.answer.code in _UNKNOWN_THERE:
            said = await self._say_to_others(pair, message, said)
        self._checkpoint.reached(steps.answered)
        if again(message.cmd, said.answer.code):
            due_ms = self._due_ms(item)
            await self._store.database.write(
                lambda tx: self._store.outbox.retry_at(tx, item.id, due_ms)
            )
            return

        def unit(tx: Tx) -> None:
            self._store.outbox.done(tx, item.id)
            self._follow_up.answered(tx, pair, message, said.answer)

        await self._store.database.write(unit)
        self._checkpoint.reached(steps.kept)
        if said.answer.code is not Code.OK:
            log.warning("outbox_refused", cmd=message.cmd.value, code=said.answer.code.value)

    async def _say(
        self, pair: Pair, message: Message, device: Did | None, parts: Sequence[bytes] = ()
    ) -> Said:
        return await self._exchange.say(
            pair,
            message.cmd,
            message.args,
            parts=parts,
            mandate=message.mandate,
            device=device,
        )

    async def _say_to_others(self, pair: Pair, message: Message, said: Said) -> Said:
        """One device of the peer does not know what this is about: as long as its devices are out
        of step, another may, if it is there.  What the first said that knows, or the last."""
        now_ms = self._clock.now_ms()
        known = await self._store.database.read(lambda tx: self._peer_devices.of(tx, pair, now_ms))
        asked = {said.invocation.aud}
        for one in known:
            if one.certificate.device in asked:
                continue
            with suppress(Away, Refused):
                said = await self._say(pair, message, one.certificate.device)
                asked.add(said.invocation.aud)
                if said.answer.code not in _UNKNOWN_THERE:
                    break
        return said

    async def _succeed(self, item: Item, pair: Pair) -> None:
        """Say who we are now, as whom the peer knows us; or find that it knows.

        It may know none but an early one (it was restored), or have taken what was said and its
        answer was lost: then it opens a link to who we are now.
        """
        views, args = await self._store.database.read(
            lambda tx: (self._lines.known_as(tx, pair), self._lines.args(tx, pair).value())
        )
        steps = said_of(Cmd.SUCCEED)
        for place, view in enumerate(views):
            try:
                if view.own_now == pair.own_now:
                    await self._links.link_to(view)
                else:
                    self._checkpoint.reached(steps.sending)
                    said = await self._exchange.say(view, Cmd.SUCCEED, args)
                    self._checkpoint.reached(steps.answered)
                    if said.answer.code is not Code.OK:
                        raise Refused(f"{pair.name} refuses", said.answer.code.value)
            except Refused as refused:
                if refused.code != Code.UNPAIRED or place == len(views) - 1:
                    raise
                continue

            def unit(tx: Tx) -> None:
                self._store.outbox.done(tx, item.id)
                self._lines.told(tx, pair)
                self._say_where(tx, pair, self._clock.now_ms())

            await self._store.database.write(unit)
            self._checkpoint.reached(steps.kept)
            if view.own_now != pair.own_now:
                self._links.part(pair, "the peer knows who this node is now")
                # It may have something to say, and not know yet where this device listens.
                with suppress(NodeError):
                    await self._links.link_to(pair)
            return

    def _due_ms(self, item: Item) -> int:
        return self._clock.now_ms() + min(RETRY_FIRST_MS << min(item.tries, 20), RETRY_LAST_MS)


def _is_succession(item: Item) -> bool:
    match item.value:
        case [str(), str(), Cmd.SUCCEED.value, *_]:
            return True
        case _:
            return False

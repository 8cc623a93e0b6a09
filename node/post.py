"""The post: what is still to be said goes out, in order for each peer.

A peer that is away is tried again, later each time, and at once when it opens a link.  An item
leaves the outbox in the unit of work that keeps what its answer changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import structlog
import trio

from ..crypto.errors import CryptoError
from ..protocol.command import (
    AcceptArgs,
    Cmd,
    DeliverArgs,
    KeysArgs,
    RequestArgs,
    parse_args,
    parse_out,
)
from ..protocol.errors import Code, ProtocolError
from ..protocol.keyset import parse_keyset
from ..protocol.receipt import Answer
from .borrowing import Borrowing
from .checkpoint import Checkpoint
from .clock import Clock
from .deliveries import Deliveries
from .errors import Away, Refused
from .exchange import Exchange
from .inbox import Inbox, RequestState
from .lending import Lending
from .outgoing import Message, Outgoing, message_of
from .peers import Pair, Peers
from .store.database import Tx
from .store.outbox import Item
from .store.store import Store

log = structlog.get_logger()

# A peer that is away is tried after 1, 2, 4 … seconds, at the latest every ten minutes.
RETRY_FIRST_MS = 1_000
RETRY_LAST_MS = 600_000


class Post:
    """Empties the outbox."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        peers: Peers,
        asked: Inbox,
        lending: Lending,
        borrowing: Borrowing,
        deliveries: Deliveries,
        outgoing: Outgoing,
        exchange: Exchange,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._clock = clock
        self._peers = peers
        self._asked = asked
        self._lending = lending
        self._borrowing = borrowing
        self._deliveries = deliveries
        self._outgoing = outgoing
        self._exchange = exchange
        self._checkpoint = checkpoint
        self._posting: set[str] = set()

    async def run(self) -> None:
        """Send until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                changed = self._outgoing.changed
                now_ms = self._clock.now_ms()
                items, due_ms = await self._store.database.read(partial(self._waiting, now_ms))
                for peer in sorted({item.to for item in items} - self._posting):
                    self._posting.add(peer)
                    mine = [item for item in items if item.to == peer]
                    nursery.start_soon(self._post_to, peer, mine)
                # What is due and on its way wakes this loop when it is done.
                wait_s = math.inf
                if due_ms is not None and due_ms > now_ms:
                    wait_s = (due_ms - now_ms) / 1000
                with trio.move_on_after(wait_s):
                    await changed.wait()

    def _waiting(self, now_ms: int, tx: Tx) -> tuple[list[Item], int | None]:
        return self._store.outbox.due(tx, now_ms), self._store.outbox.next_due_ms(tx)

    async def _post_to(self, peer: str, items: Sequence[Item]) -> None:
        """Say what waits for one peer, in order; the first that fails ends this try."""
        try:
            for item in items:
                message = message_of(item)
                try:
                    await self._post_one(item, message)
                except (Away, Refused, ProtocolError, CryptoError) as error:
                    await self._later(item)
                    log.info("outbox_later", cmd=message.cmd.value, reason=type(error).__name__)
                    return
        finally:
            self._posting.discard(peer)
            self._outgoing.notify()

    async def _post_one(self, item: Item, message: Message) -> None:
        pair = await self._store.database.read(
            lambda tx: self._peers.find(tx, message.own, message.their)
        )
        if pair is None:
            await self._store.database.write(lambda tx: self._store.outbox.done(tx, item.id))
            return
        parts: Sequence[bytes] = ()
        if message.cmd is Cmd.DELIVER:
            args = parse_args(message.cmd, message.args)
            assert isinstance(args, DeliverArgs)
            parts = await self._store.database.read(lambda tx: self._deliveries.parts(tx, args))
        self._checkpoint.reached("outbox.sending")
        said = await self._exchange.say(pair, message.cmd, message.args, parts=parts)
        self._checkpoint.reached("outbox.answered")
        if said.answer.code in (Code.BUSY, Code.NOT_YET):
            await self._later(item)
            return

        def unit(tx: Tx) -> None:
            self._store.outbox.done(tx, item.id)
            self._follow_up(tx, pair, message, said.answer)

        await self._store.database.write(unit)
        if said.answer.code is not Code.OK:
            log.warning("outbox_refused", cmd=message.cmd.value, code=said.answer.code.value)

    def _follow_up(self, tx: Tx, pair: Pair, message: Message, answer: Answer) -> None:
        """What the answer to one of our own messages changes here."""
        args = parse_args(message.cmd, message.args)
        match args:
            case DeliverArgs():
                refused = None
                if answer.code is not Code.OK:
                    refused = answer.out if isinstance(answer.out, str) else answer.code.value
                self._deliveries.taken(tx, args, refused)
            case AcceptArgs() if answer.code is Code.OK:
                keyset = parse_out(message.cmd, answer.out)
                assert isinstance(keyset, bytes)
                self._borrowing.keyset(tx, pair, keyset)
            case KeysArgs() if answer.code is Code.OK:
                sent = parse_keyset(args.keyset, pair.own)
                self._lending.acknowledged(tx, sent.grant, sent.n)
            case RequestArgs() if answer.code is not Code.OK:
                reason = answer.out if isinstance(answer.out, str) else answer.code.value
                cid = args.request.cid
                self._asked.decided(tx, cid, RequestState.REFUSED, None, reason)
            case _:
                return

    async def _later(self, item: Item) -> None:
        wait_ms = min(RETRY_FIRST_MS << min(item.tries, 20), RETRY_LAST_MS)
        due_ms = self._clock.now_ms() + wait_ms
        await self._store.database.write(
            lambda tx: self._store.outbox.retry_at(tx, item.id, due_ms)
        )

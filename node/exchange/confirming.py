"""Confirming: at a start, every witness is asked whether it knows more of this log than it holds.

One is enough.  They are asked directly and not by way of the outbox: until one has answered,
nothing of the outbox goes out (`log_head.py`).
"""

from __future__ import annotations

import structlog
import trio

from ...crypto.errors import CryptoError
from ...protocol.command import Cmd
from ...protocol.did import Did
from ...protocol.errors import ProtocolError
from ..errors import Away, NodeError
from ..log.head import HeadState, LogHead
from ..log.witnesses import Witness, Witnesses
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.errors import StoreError
from ..store.store import Store
from .exchange import Exchange

log = structlog.get_logger()

RETRY_FIRST_S = 1.0
RETRY_LAST_S = 60.0
# A witness that takes longer is asked again.
ANSWER_S = 30.0


class Confirming:
    """Asks until one has answered, or there is nobody left to ask."""

    def __init__(
        self,
        *,
        store: Store,
        peers: Peers,
        exchange: Exchange,
        witnesses: Witnesses,
        outgoing: Outgoing,
        head: LogHead,
    ) -> None:
        self._store = store
        self._peers = peers
        self._exchange = exchange
        self._witnesses = witnesses
        self._outgoing = outgoing
        self._head = head
        # Those that were away when they were last asked; set when one of them is back.
        self._away: set[tuple[Did, Did]] = set()
        self._back = trio.Event()

    def linked(self, pair: Pair) -> None:
        """A link to `pair` has opened: a witness that was away is asked now."""
        if (pair.own, pair.their) in self._away:
            self._back.set()

    async def run(self) -> None:
        """Return once the head need not be waited for any more, or never will be confirmed."""
        wait_s = RETRY_FIRST_S
        while self._head.state is HeadState.WAITING:
            self._away, self._back = set(), trio.Event()
            try:
                asked = await self._store.database.read(self._to_ask)
                async with trio.open_nursery() as nursery:
                    for pair, witness in asked:
                        nursery.start_soon(self._ask, pair, witness)
            except StoreError as error:
                log.error("witnesses_unreadable", kind=type(error).__name__)
            if self._head.state is not HeadState.WAITING:
                break
            with trio.move_on_after(wait_s):
                await self._back.wait()
            wait_s = min(wait_s * 2, RETRY_LAST_S)
        if self._head.state is HeadState.BEHIND:
            log.error("log_behind")
        # What waited in the outbox goes out now.
        self._outgoing.notify()

    def _to_ask(self, tx: Tx) -> list[tuple[Pair, Witness]]:
        willing = self._witnesses.willing(tx)
        return [(self._peers.pair(tx, one.own, one.their), one) for one in willing]

    async def _ask(self, pair: Pair, witness: Witness) -> None:
        try:
            with trio.fail_after(ANSWER_S):
                args = await self._store.database.read(
                    lambda tx: self._witnesses.question(tx, witness)
                )
                said = await self._exchange.say(pair, Cmd.LOG_WITNESS, args.value())
            await self._store.database.write(
                lambda tx: self._witnesses.answered(tx, pair, args, said.answer)
            )
        except (NodeError, ProtocolError, CryptoError, StoreError, trio.TooSlowError) as error:
            if isinstance(error, Away):
                self._away.add((pair.own, pair.their))
            log.info("witness_later", reason=type(error).__name__)

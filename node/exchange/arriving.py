"""Arriving: a delivery between its call and the answer to it.

    admit     the checks, and what the call announces: refused before a byte of it is kept
    whole     its parts, as they come
    receive   opened, held against the statement, written as our own pages (`deliveries.py`)

What comes out is the outcome to answer with, or the refusal; whoever asked signs and logs it.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from ...crypto.errors import CryptoError
from ...protocol.command import DeliverArgs
from ...protocol.errors import Code, GrantRefused, ProtocolError
from ...protocol.refusal import code_of
from ...protocol.trust import Heard, VerifiedOwn
from ...protocol.wire import Value
from ..checkpoint import Checkpoint
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.store import Store
from .answering import Answering, Done, attempt
from .deliveries import Deliveries, check_delivery
from .link import Link
from .quotas import PAGE_BYTES, Quotas
from .turns import Turns
from .visit import Visit


class Arriving:
    """Takes deliveries in."""

    def __init__(
        self,
        *,
        store: Store,
        answering: Answering,
        deliveries: Deliveries,
        quotas: Quotas,
        turns: Turns,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._quotas = quotas
        self._turns = turns
        self._answering = answering
        self._deliveries = deliveries
        self._checkpoint = checkpoint
        # One delivery at a time is opened: while it is, it takes several times its size.
        self._opening = trio.Lock()

    async def over_link(
        self, link: Link, visit: Visit, pair: Pair, call: int, heard: Heard, now_ms: int
    ) -> Done[Value] | GrantRefused | None:
        """The outcome of a delivery whose parts follow its call; None if the peer gave up."""

        def admit(tx: Tx) -> DeliverArgs | None:
            verified = self._answering.authorised(tx, pair, heard, now_ms)
            return self.admit(tx, pair, verified)

        async with self._turns.of(link.turn):
            admitted = await self._store.database.write(lambda tx: attempt(tx, admit))
        self._checkpoint.reached("deliver.admitted")
        if isinstance(admitted, GrantRefused):
            return admitted
        if admitted.value is None:
            return Done("stored")
        try:
            whole = await self._whole(link, visit, call, admitted.value)
        except GrantRefused as refusal:
            return refusal
        if whole is None:
            return None
        self._checkpoint.reached("deliver.parts")
        return await self.receive(pair, admitted.value, whole, now_ms)

    def admit(self, tx: Tx, pair: Pair, verified: VerifiedOwn) -> DeliverArgs | None:
        """What is to come, or None if it was taken in before.  Raises GrantRefused."""
        args = verified.args
        assert isinstance(args, DeliverArgs)
        check_delivery(args)
        if self._deliveries.has(tx, args.statement, pair):
            return None
        self._quotas.check(tx, pair, _announced(args))
        return args

    async def receive(
        self, pair: Pair, args: DeliverArgs, parts: Sequence[bytes], now_ms: int
    ) -> Done[Value] | GrantRefused:
        """Verify the parts and write their pages, all or nothing."""

        def charge(tx: Tx, pages: int) -> None:
            size = _announced(args) + pages * PAGE_BYTES
            self._quotas.charge(tx, pair, size, args.statement)

        try:
            async with self._opening:
                await self._deliveries.receive(pair, args, parts, now_ms, charge)
        except (ProtocolError, CryptoError) as error:
            return GrantRefused(str(error), code_of(error))
        self._checkpoint.reached("deliver.written")
        return Done("stored")

    @staticmethod
    async def _whole(
        link: Link, visit: Visit, call: int, args: DeliverArgs
    ) -> Sequence[bytes] | None:
        """The parts, once all are here; None if the peer gave up.  Raises GrantRefused."""
        parts = visit.parts.get(call)
        if parts is None:
            return None
        try:
            return await parts.whole([length for _, length in args.parts])
        except trio.TooSlowError:
            link.withdraw(call, Code.BUSY, "the parts of a delivery do not come")
            return None


def _announced(args: DeliverArgs) -> int:
    return sum(length for _, length in args.parts)

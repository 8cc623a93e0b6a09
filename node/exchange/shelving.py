"""Shelving: what a peer gives to this node as its helper, between the call and the answer to it.

    admit     the checks; a peer that this node does not help, or that is beyond its quota, is
              refused before a byte is kept
    whole     the parts, as they come, each held against its digest
    read      decoded, and everything that is signed in it verified, outside the store

What comes out is the act to do in the unit of work that answers.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from ...crypto.digest import equal, sha256
from ...crypto.errors import CryptoError
from ...protocol.command import HelperKeepArgs
from ...protocol.errors import Code, GrantRefused, ProtocolError
from ...protocol.helped import Kept, kept_from_parts
from ...protocol.refusal import code_of
from ...protocol.trust import Heard
from ...protocol.wire import Value
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..helping.shelves import Shelves
from ..offload import Offload
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.store import Store
from .answering import Answering, attempt
from .link import Link
from .quotas import Quotas
from .turns import Turns
from .visit import Visit


class Shelving:
    """Takes in what is to be served for others."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        offload: Offload,
        answering: Answering,
        shelves: Shelves,
        quotas: Quotas,
        turns: Turns,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._clock = clock
        self._offload = offload
        self._answering = answering
        self._shelves = shelves
        self._quotas = quotas
        self._turns = turns
        self._checkpoint = checkpoint
        # One at a time is decoded: while it is, it takes several times its size.
        self._opening = trio.Lock()

    async def over_link(
        self, link: Link, visit: Visit, pair: Pair, call: int, heard: Heard
    ) -> Callable[[Tx], Value] | None:
        """What to do and answer; None if the peer gave up."""

        def admit(tx: Tx) -> HelperKeepArgs:
            verified = self._answering.authorised(tx, pair, heard, self._clock.now_ms())
            args = verified.args
            assert isinstance(args, HelperKeepArgs)
            self._shelves.check_allowed(tx, pair)
            self._quotas.check(tx, pair, 0)
            return args

        async with self._turns.of(link.turn):
            admitted = await self._store.database.write(lambda tx: attempt(tx, admit))
        if isinstance(admitted, GrantRefused):
            return _refusing(admitted)
        try:
            parts = visit.parts.get(call)
            if parts is None:
                return None
            args = admitted.value
            whole = await parts.whole([length for _, length in args.parts])
            if whole is None:
                return None
            for (digest, _), part in zip(args.parts, whole, strict=True):
                if not equal(sha256(part), digest):
                    raise GrantRefused("a part for a helper came altered", Code.MALFORMED)
            self._checkpoint.reached("helper parts")
            async with self._opening:
                kept: Kept = await self._offload.run(lambda: kept_from_parts(whole))
        except trio.TooSlowError:
            link.withdraw(call, Code.BUSY, "the parts for a helper do not come")
            return None
        except GrantRefused as refusal:
            return _refusing(refusal)
        except (ProtocolError, CryptoError) as error:
            return _refusing(GrantRefused(str(error), code_of(error)))
        return lambda tx: self._shelves.keep(tx, pair, kept, self._clock.now_ms())


def _refusing(refusal: GrantRefused) -> Callable[[Tx], Value]:
    def act(_: Tx) -> Value:
        raise refusal

    return act

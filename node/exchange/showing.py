"""Showing: a processor's way to the owner of what it was lent on, and the owner's answer.

    processor   greet ──> not known, or not any more ──> show the chain as a stranger ──> greet
    owner       look whether the root is ours ──> verify the chain ──> let in, answer

The answer is signed by the owner's device and stands in no chain of words, like that to an invite:
nothing was read yet.  A refusal is unsigned, and nothing of it is logged.
"""

from __future__ import annotations

from ...crypto.errors import CryptoError
from ...protocol.command import Cmd, PairReadOut, parse_out
from ...protocol.did import Did
from ...protocol.errors import Code, ProtocolError
from ...protocol.persona import parse_certificate
from ...protocol.showing import authorise_showing, links_claimed
from ...protocol.trust import GrantStatus, Heard
from ...protocol.window import Window
from ...protocol.wire import Value
from ..clock import Clock
from ..errors import NotAllowed, Refused
from ..grants.borrowing import Borrowing
from ..grants.grant_held import GrantHeld
from ..grants.lending import Lending
from ..grants.processors import Processors, Shown
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.store import Store
from .exchange import answer_of, refusal_of
from .link import Link
from .links import Links


class Showing:
    """Chains shown to this node, and by it."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        lending: Lending,
        borrowing: Borrowing,
        processors: Processors,
        links: Links,
        device: Did,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lending = lending
        self._borrowing = borrowing
        self._processors = processors
        self._links = links
        self._device = device

    # the owner of the data

    def shown(self, tx: Tx, heard: Heard, transport: bytes) -> Value:
        """A stranger, whose device key is `transport`, shows a chain: who we are to it.

        Raises GrantRefused, and changes nothing then.
        """
        now_ms = self._clock.now_ms()
        statuses = self._lending.statuses(tx, links_claimed(heard), now_ms)
        verified = authorise_showing(heard, self._device, transport, statuses, now_ms)
        return self._processors.admit(tx, verified, now_ms)

    def lets_in(self, tx: Tx, pair: Pair) -> bool:
        """Whether a processor that greets may read anything here now."""
        return self._processors.lets_in(tx, pair, self._clock.now_ms())

    # the processor

    async def link_to(self, pair: Pair, window: Window, principal: Pair | None) -> Link:
        """The open link to the owner of data, to whom the chain for `window` was shown.

        Raises NotAllowed, Away, Refused with the owner's reason.
        """

        def look(tx: Tx) -> tuple[GrantHeld, bool]:
            now_ms = self._clock.now_ms()
            held = self._borrowing.grant_for(tx, pair, window, now_ms, principal)
            shown = self._processors.was_shown(tx, held)
            if held.kept is GrantStatus.REVOKED:
                # Whoever is asked may be a device that its owner has lost, and does not know.
                raise NotAllowed("this grant has been taken back")
            return held, shown

        held, was_shown = await self._store.database.read(look)
        if was_shown:
            try:
                return await self._links.link_to(pair)
            except Refused as refused:
                # It was restored since, or has never heard of us: it is shown again.
                if refused.code != Code.UNPAIRED:
                    raise
        await self._show(pair, held)
        fresh = await self._store.database.read(lambda tx: self._processors.fresh(tx, pair))
        return await self._links.link_to(fresh)

    async def again(self, pair: Pair, window: Window, principal: Pair | None) -> Link:
        """As `link_to`, where the owner does not know the chain that was shown."""

        def forget(tx: Tx) -> None:
            held = self._borrowing.grant_for(tx, pair, window, self._clock.now_ms(), principal)
            self._processors.forget_shown(tx, held)

        await self._store.database.write(forget)
        return await self.link_to(pair, window, principal)

    async def _show(self, pair: Pair, held: GrantHeld) -> None:
        now_ms = self._clock.now_ms()

        def prepare(tx: Tx) -> tuple[Pair, Shown]:
            fresh = self._processors.fresh(tx, pair)
            return fresh, self._processors.to_show(tx, fresh, held, now_ms)

        fresh, shown = await self._store.database.read(prepare)
        link = await self._links.open_stranger(fresh.device, fresh.addresses, fresh.name)
        try:
            await self._links.until_open(link, fresh.name)
            with await link.ask(shown.invocation.raw, aside=True) as asking:
                answer = answer_of(await asking.reply())
        finally:
            link.close()
        if answer.code is not Code.OK:
            raise refusal_of(answer, fresh.name)
        try:
            out = parse_out(Cmd.PAIR_READ, answer.out)
            assert isinstance(out, PairReadOut)
            answer.verify(parse_certificate(out.cert), shown.invocation.cid)
            await self._store.database.write(
                lambda tx: self._processors.let_in(tx, fresh, shown, out, now_ms)
            )
        except (ProtocolError, CryptoError) as error:
            raise Refused(f"{fresh.name} answers with what is no answer: {error}", "") from error

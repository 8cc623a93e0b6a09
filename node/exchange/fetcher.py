"""Fetching: reading what a peer lends, window by window.

    begin → ask → [ window → check → store → countersign → open ]…

A window is stored before it is countersigned, so what this node has signed for it has.  Opening
comes after that, while the next window is on its way, and may fail on a page without losing the
others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from ...crypto.errors import CryptoError
from ...protocol.command import Cmd
from ...protocol.errors import Code, ProtocolError
from ...protocol.invocation import Invocation
from ...protocol.limits import WINDOW_CLOCK_S_MAX
from ...protocol.offer import Offer
from ...protocol.receipt import check_dated, countersign, with_countersignature
from ...protocol.session_event import WindowReceived
from ...protocol.window import Window
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..errors import Away, Refused
from ..grants.borrowing import Borrowing
from ..grants.grant_held import GrantHeld
from ..log.receipts import Receipts, Way
from ..log.subject import Subject
from ..offload import Offload
from ..peers.outgoing import Outgoing
from ..peers.peer_devices import PeerDevices
from ..peers.peers import Pair, Peers
from ..reads.lent_windows import (
    CheckedWindow,
    Fetching,
    Lent,
    check_window,
    lent,
    open_window,
    shared_key,
    went_by,
)
from ..steps import ReadStep
from ..store.database import Tx
from ..store.store import Store
from .exchange import Exchange, answer_of, refusal_of
from .link import Arrived, Link
from .links import Links
from .showing import Showing

T = TypeVar("T")

# Work on so many bytes of pages takes about as long as handing it to a thread and back.
AT_ONCE_BYTES_MAX = 32 * 1024
WINDOW_MS_OFF = WINDOW_CLOCK_S_MAX * 1000
# Of grants that open the same days, so many are tried.
TRIED_MAX = 8
_OF_ONE_GRANT = (Code.SUSPENDED, Code.REVOKED, Code.EXPIRED, Code.UNKNOWN_GRANT)


class Fetcher:
    """Reads under grants held."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        offload: Offload,
        peers: Peers,
        receipts: Receipts,
        borrowing: Borrowing,
        peer_devices: PeerDevices,
        exchange: Exchange,
        links: Links,
        showing: Showing,
        outgoing: Outgoing,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._clock = clock
        self._offload = offload
        self._peers = peers
        self._receipts = receipts
        self._borrowing = borrowing
        self._peer_devices = peer_devices
        self._exchange = exchange
        self._links = links
        self._showing = showing
        self._outgoing = outgoing
        self._checkpoint = checkpoint

    async def fetch(self, pair: Pair, window: Window, principal: Pair | None = None) -> Lent:
        """Read what a peer lends, for the peer `principal`, window by window: verify, store,
        countersign, open.

        Raises Refused with the owner's reason, NotAllowed, Away, ProtocolError.
        """
        if not pair.reads_only:
            return await self._fetch_as_may_be(pair, window, principal)
        try:
            link = await self._showing.link_to(pair, window, principal)
            return await self._fetch(link, pair, window, principal)
        except Refused as refused:
            if refused.code != Code.UNKNOWN_GRANT:
                raise
        # The owner has forgotten the chain (a restore): once, it is shown again.
        link = await self._showing.again(pair, window, principal)
        return await self._fetch(link, pair, window, principal)

    async def _fetch_as_may_be(self, pair: Pair, window: Window, principal: Pair | None) -> Lent:
        """Under the next grant that opens these days, where the owner refuses one that this node
        takes to hold: an owner that was restored goes on with one, and lets another wait."""
        tried: list[bytes] = []
        while True:
            link = await self._links.link_for_read(pair)
            try:
                return await self._fetch(link, pair, window, principal, tried)
            except Away:
                # The owner has gone away without a word: a helper may serve, or nobody does.
                helper = None if link.leased else await self._links.link_to_helper(pair)
                if helper is None:
                    raise
                return await self._fetch(helper, pair, window, principal, tried[:-1])
            except Refused as refused:
                if refused.code not in _OF_ONE_GRANT or len(tried) >= TRIED_MAX:
                    raise
                more = partial(
                    self._borrowing.others,
                    pair=pair,
                    window=window,
                    now_ms=self._clock.now_ms(),
                    principal=principal,
                    tried=tried,
                )
                if not await self._store.database.read(more):
                    raise

    async def _fetch(
        self,
        link: Link,
        pair: Pair,
        window: Window,
        principal: Pair | None,
        tried: list[bytes] | None = None,
    ) -> Lent:
        """Under a grant that is not among those that were `tried`, of which it becomes one."""
        tried = [] if tried is None else tried
        now_ms = self._clock.now_ms()
        if pair.reads_only and link.pair is not None:
            pair = link.pair  # with the key that the two have since the chain was shown

        def begin(tx: Tx) -> tuple[Fetching, Invocation]:
            device = link.server.device
            began, invocation = self._borrowing.begin(
                tx, pair, window, device, now_ms, principal, tried
            )
            if link.leased:
                began.vouching = self._peer_devices.vouching(tx, pair)
            return began, invocation

        fetching, invocation = await self._store.database.read(begin)
        tried.append(fetching.grant.cid)
        fetching.lenders = pair.theirs
        with await link.ask(invocation.raw, fetching.proofs) as asking:
            last = False
            while not last:
                arrived = await asking.reply()
                if not isinstance(arrived.event, WindowReceived):
                    raise await self._refusal(link, pair, arrived, invocation, fetching.grant)
                self._checkpoint.reached(ReadStep.ARRIVED)
                offer = arrived.event.offer
                try:
                    checked, sig, keys = await self._take(
                        link, pair, fetching, arrived.number, offer, arrived.event.pages
                    )
                except (ProtocolError, CryptoError) as error:
                    link.withdraw(asking.number, Code.MALFORMED, str(error)[:200])
                    raise
                self._checkpoint.reached(ReadStep.STORED)
                last = offer.receipt.last
                if not link.countersign(asking.number, sig, keys) and not last:
                    raise Away(f"{pair.name} went away in the middle of a read")
                self._checkpoint.reached(ReadStep.COUNTERSIGNED)
                # The next window comes in while this one is opened.
                await self._open(fetching, checked)
        return await self._computed(fetching.size, lambda: lent(fetching))

    async def _take(
        self,
        link: Link,
        pair: Pair,
        fetching: Fetching,
        number: int,
        offer: Offer,
        pages: Sequence[bytes],
    ) -> tuple[CheckedWindow, bytes, int | None]:
        """Verify and store one window; our signature and the newest keyset's number."""
        certificate, now_ms = link.server, self._clock.now_ms()
        persona = fetching.persona
        if link.leased:
            # By this node's own clock, whatever the helper's says.
            certificate.check(now_ms)

        def check() -> tuple[CheckedWindow, bytes]:
            checked = check_window(fetching, offer, pages, certificate)
            check_dated(checked.receipt.body, now_ms - WINDOW_MS_OFF, now_ms + WINDOW_MS_OFF)
            return checked, countersign(checked.receipt, persona.key)

        checked, sig = await self._computed(offer.receipt.size, check)
        receipt = with_countersignature(checked.receipt, sig)

        def unit(tx: Tx) -> int | None:
            newest = self._borrowing.keep(tx, fetching, checked)
            self._receipts.add(
                tx,
                Way.TAKEN,
                pair.own,
                pair.their,
                receipt,
                shared_key(fetching),
                certificate,
                Subject(Cmd.READ, None, fetching.window.collection),
            )
            if link.chain.keeps(number):
                self._peers.took(tx, pair, receipt.cid, certificate.device)
            return newest

        newest = await self._store.database.write(unit)
        went_by(fetching, checked)
        return checked, sig, newest

    async def _refusal(
        self, link: Link, pair: Pair, arrived: Arrived, invocation: Invocation, held: GrantHeld
    ) -> Exception:
        """What a reply that is no window means; a signed refusal is logged first."""
        answer = answer_of(arrived)
        await self._exchange.keep_answer(link, pair, arrived.number, invocation, answer)
        if answer.code is Code.REVOKED and held.via is not None and not link.leased:
            # Who lent it on may never pass this on.
            await self._store.database.write(
                lambda tx: self._borrowing.over(tx, pair, held.cid, answer.t_ms, answer.cid)
            )
            self._outgoing.notify()
        return refusal_of(answer, f"{pair.name}'s helper" if link.leased else pair.name)

    async def _open(self, fetching: Fetching, checked: CheckedWindow) -> None:
        opened, damaged = await self._computed(
            checked.receipt.body.size, lambda: open_window(fetching.keys, checked)
        )
        fetching.opened += opened
        fetching.damaged += damaged

    async def _computed(self, size: int, work: Callable[[], T]) -> T:
        """What `work` on `size` bytes of pages gives: of few bytes at once, of many in a thread."""
        return work() if size <= AT_ONCE_BYTES_MAX else await self._offload.run(work)

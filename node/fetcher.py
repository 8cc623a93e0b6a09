"""Fetching: reading what a peer lends, window by window.

    begin → ask → [ window → check → store → countersign ]… → open

A window is stored before it is countersigned, so what this node has signed for it has.  Opening
comes last and may fail on a page without losing the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..crypto.errors import CryptoError
from ..protocol.errors import Code, ProtocolError
from ..protocol.keyset import GrantKeys
from ..protocol.offer import Offer
from ..protocol.page import parse_entry
from ..protocol.receipt import countersign, countersigned
from ..protocol.session_event import WindowReceived
from ..protocol.window import Window
from .borrowing import (
    Borrowing,
    Fetching,
    Lent,
    check_window,
    lent_batch,
    open_lent,
    shared_key,
    went_by,
)
from .checkpoint import Checkpoint
from .clock import Clock
from .errors import Away
from .exchange import Exchange, answer_of, refusal_of
from .link import Arrived, Link
from .offload import Offload
from .peers import OwnPersona, Pair, Peers
from .receipts import Receipts, Way
from .store.database import Tx
from .store.store import Store
from .stored import Stored
from .vault import Vault


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
        vault: Vault,
        exchange: Exchange,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._clock = clock
        self._offload = offload
        self._peers = peers
        self._receipts = receipts
        self._borrowing = borrowing
        self._vault = vault
        self._exchange = exchange
        self._checkpoint = checkpoint

    async def fetch(self, pair: Pair, window: Window) -> Lent:
        """Read what a peer lends, window by window: verify, store, countersign; then open.

        Raises Refused with the owner's reason, NotAllowed, Away, ProtocolError.
        """
        now_ms = self._clock.now_ms()
        link = await self._exchange.link_to(pair)
        fetching = await self._store.database.read(
            lambda tx: self._borrowing.begin(tx, pair, window, now_ms)
        )
        with await link.ask(fetching.invocation.raw, fetching.proofs) as asking:
            last = False
            while not last:
                arrived = await asking.reply()
                if not isinstance(arrived.event, WindowReceived):
                    raise await self._refusal(link, pair, arrived, fetching)
                offer = arrived.event.offer
                try:
                    sig, keys = await self._take(
                        link, pair, fetching, arrived.number, offer, arrived.event.pages
                    )
                except (ProtocolError, CryptoError) as error:
                    link.session.refuse(asking.number, Code.MALFORMED, str(error)[:200])
                    link.wake()
                    raise
                self._checkpoint.reached("fetch.stored")
                last = offer.receipt.last
                if not link.closed.is_set():
                    link.session.countersign(asking.number, sig, keys)
                    link.wake()
                elif not last:
                    raise Away(f"{pair.name} went away in the middle of a read")
        return await self._open_fetched(pair, fetching)

    async def _take(
        self,
        link: Link,
        pair: Pair,
        fetching: Fetching,
        number: int,
        offer: Offer,
        pages: Sequence[bytes],
    ) -> tuple[bytes, int | None]:
        """Verify and store one window; our signature and the newest keyset's number."""
        certificate = link.server
        checked = await self._offload.run(lambda: check_window(fetching, offer, pages, certificate))
        persona = await self._persona(pair)
        sig = countersign(checked.receipt, persona.key)
        receipt = countersigned(checked.receipt, sig)

        def unit(tx: Tx) -> int | None:
            newest = self._borrowing.keep(tx, fetching, checked)
            self._receipts.add(
                tx, Way.TAKEN, pair.own, pair.their, receipt, shared_key(fetching), certificate
            )
            if link.chain.keeps(number):
                self._peers.took(tx, pair, receipt.cid)
            return newest

        newest = await self._store.database.write(unit)
        went_by(fetching, checked)
        return sig, newest if newest is not None else max(fetching.grant.keysets, default=None)

    async def _refusal(
        self, link: Link, pair: Pair, arrived: Arrived, fetching: Fetching
    ) -> Exception:
        """What a reply that is no window means; a signed refusal is logged first."""
        answer = answer_of(arrived)
        await self._exchange.keep_answer(link, pair, arrived.number, fetching.invocation, answer)
        return refusal_of(answer, pair.name)

    async def _open_fetched(self, pair: Pair, fetching: Fetching) -> Lent:
        stored, pages, keys = await self._store.database.read(
            lambda tx: self._fetched(tx, pair, fetching)
        )
        found = list(zip(stored, pages, strict=True))

        def opening() -> Lent:
            opened, provenance, damaged = open_lent(keys, found, fetching.statements)
            batch = lent_batch(opened)
            return Lent(batch, len(found), fetching.size, fetching.windows, provenance, damaged)

        return await self._offload.run(opening)

    def _fetched(
        self, tx: Tx, pair: Pair, fetching: Fetching
    ) -> tuple[list[Stored], list[bytes | None], GrantKeys]:
        """The pages of this read, from the store, and all keys that this grant has by now."""
        window = fetching.window
        stored = [
            one
            for one in self._vault.stored(
                tx, window.collection, window.first, window.last, pair.their
            )
            if parse_entry(one.raw).page_id in fetching.pages
        ]
        pages = self._store.pages.get_many(tx, [one.place() for one in stored])
        held = self._borrowing.get(tx, fetching.grant.cid)
        return stored, pages, self._borrowing.keys(tx, held)

    async def _persona(self, pair: Pair) -> OwnPersona:
        return await self._store.database.read(lambda tx: self._peers.persona(tx, pair.own))

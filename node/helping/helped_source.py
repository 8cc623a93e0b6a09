"""Serving for another: a read of what is kept here, under the lease of its owner.

The checks are those of `protocol/trust.py`, in their order, against the shelf of the reader whose
link it is; a chain has one grant, and that is on the shelf.  Before each window the lease and the
grant are looked at again, so what ends in the middle of a read is served no further.

What is signed is logged here and put into the outbox for the owner in the same unit of work; with
the reader's signature it is put there once more in its place.  This node has none of the owner's
keys: its own log is blinded under the key of the pair with the owner.

A reader that names a word of this device which its log does not have shows that this node was set
back: nothing is served to it (`links.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from ...crypto.keys import DeviceKey
from ...protocol.command import Cmd, HelperReceiptArgs
from ...protocol.did import Did, did_of
from ...protocol.errors import Code, GrantRefused
from ...protocol.helped import check_lease
from ...protocol.receipt import Receipt, ReceiptBody, sign_receipt
from ...protocol.trust import (
    Heard,
    Standing,
    VerifiedRead,
    authorise_read,
    check_still,
)
from ...protocol.trust import Pair as TrustedPair
from ...protocol.wire import Value
from ..exchange.answering import Spent
from ..exchange.link import Link
from ..exchange.link_answers import Ready
from ..log.receipts import Receipts, Way
from ..log.subject import Subject
from ..peers.outgoing import Outgoing
from ..peers.peers import Peers
from ..reads.serving import ReadPlan, Serving
from ..store.database import Tx
from ..store.store import Store
from ..vault.stored import Stored
from ..vault.vault import Vault
from .helped import Helped
from .shelf_pages import ShelfPages
from .shelves import KeptShelf, Shelves

# Owners of whom trees are kept in memory.
SERVINGS_KEPT = 8
# Windows that wait for their reader's signature, each with its item of the outbox.
TOLD_KEPT = 4_096


class HelpedSource:
    """What is kept for others, under their leases."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        device: DeviceKey,
        peers: Peers,
        receipts: Receipts,
        outgoing: Outgoing,
        shelves: Shelves,
        window_pages_max: int,
    ) -> None:
        self._store = store
        self._vault = vault
        self._key = device
        self._device = did_of(device.public)
        self._peers = peers
        self._receipts = receipts
        self._outgoing = outgoing
        self._shelves = shelves
        self._window_pages_max = window_pages_max
        self._servings: dict[Did, HelpedServing] = {}
        self._told: OrderedDict[bytes, int] = OrderedDict()
        self._seen = shelves.changes

    def greeted(self, tx: Tx, owner: str, reader: str, now_ms: int) -> Helped | None:
        """Whether `reader` is let in as one who may read what `owner` has here; None if not."""
        try:
            shelf = self._shelves.serving(tx, owner, reader, now_ms)
        except GrantRefused:
            return None
        return Helped(shelf.owner, shelf.reader, shelf.own, shelf.their, shelf.lease)

    def serving(self, link: Link) -> Serving:
        if self._seen != self._shelves.changes or len(self._servings) > SERVINGS_KEPT:
            self._servings.clear()
            self._seen = self._shelves.changes
        their = _helped(link).their
        found = self._servings.get(their)
        if found is None:
            found = HelpedServing(
                self._store, self._vault, self._shelves.pages, their, self._window_pages_max
            )
            self._servings[their] = found
        return found

    def plan(self, tx: Tx, link: Link, heard: Heard, now_ms: int, *, alone: bool) -> ReadPlan:
        shelf = self._shelf(tx, link, now_ms)
        statuses = self._shelves.statuses(shelf, heard.grants, now_ms)
        standing = Standing(
            self._device,
            TrustedPair(shelf.owner, shelf.reader, frozenset(), reads_only=True),
            statuses,
            Spent(self._store.ledger, tx),
        )
        read = authorise_read(heard, standing, now_ms)
        self._store.ledger.first_time(tx, heard.inv.cid, read.spent_until_s)
        return self.serving(link).plan(tx, read, alone=alone)

    def check_still(
        self, tx: Tx, link: Link, heard: Heard, read: VerifiedRead, now_ms: int
    ) -> None:
        shelf = self._shelf(tx, link, now_ms)
        statuses = self._shelves.statuses(shelf, heard.grants, now_ms)
        # A shelf that was cleared, or given anew without this grant, names it no more.
        if any(cid not in statuses for cid in heard.grants):
            raise GrantRefused("this grant is not served here any more", Code.UNKNOWN_GRANT)
        check_still(read, statuses, now_ms)

    def _shelf(self, tx: Tx, link: Link, now_ms: int) -> KeptShelf:
        helped = _helped(link)
        # The lease that the reader was shown: what is signed after its end proves nothing.
        check_lease(helped.lease, now_ms)
        return self._shelves.serving(tx, helped.owner, helped.reader, now_ms)

    def signed(
        self, tx: Tx, link: Link, heard: Heard, read: VerifiedRead, body: ReceiptBody
    ) -> tuple[Receipt, Sequence[bytes]]:
        helped = _helped(link)
        shelf = self._shelf(tx, link, body.t_ms)
        receipt = sign_receipt(body, self._key)
        pair = self._peers.pair(tx, shelf.own, shelf.their)
        self._receipts.add(
            tx,
            Way.HELPED,
            helped.owner,
            helped.reader,
            receipt,
            pair.key,
            helped.lease,
            Subject(Cmd.READ),
            call=heard.inv.raw,
        )
        told = self._send_back(tx, helped, heard, receipt, body.t_ms)
        self._told[receipt.cid] = told
        if len(self._told) > TOLD_KEPT:
            self._told.popitem(last=False)
        keysets = tuple(
            one.keyset
            for one in shelf.standing
            if one.grant.cid == read.grant.cid and one.keyset is not None
        )
        return receipt, keysets

    def countersigned(
        self,
        tx: Tx,
        link: Link,
        heard: Heard,
        receipt: Receipt,
        keys: int | None,
        now_ms: int,
    ) -> None:
        del keys  # what a reader holds it tells its owner itself
        self._receipts.countersigned(tx, receipt)
        helped = _helped(link)
        told = self._told.pop(receipt.cid, None)
        if told is not None:
            self._outgoing.drop(tx, told)
        self._send_back(tx, helped, heard, receipt, now_ms)

    def _send_back(
        self,
        tx: Tx,
        helped: Helped,
        heard: Heard,
        receipt: Receipt,
        now_ms: int,
    ) -> int:
        """Tell the owner what was served in its name; the item of the outbox."""
        pair = self._peers.pair(tx, helped.own, helped.their)
        args = HelperReceiptArgs(
            pair.their, helped.lease.signed.raw, heard.inv.raw, receipt.signed.raw
        )
        return self._outgoing.put(tx, pair, Cmd.HELPER_RECEIPT, args.value(), now_ms)

    def refused(self, tx: Tx, link: Link, call: int, heard: Heard, refusal: GrantRefused) -> Ready:
        """Refused without a signed word: the owner, who is told of windows alone, would miss it in
        front of the next."""
        del tx, heard
        return Ready(None, lambda: link.withdraw(call, refusal.code, str(refusal)))

    def kept(self) -> None:
        self._outgoing.notify()


class HelpedServing(Serving):
    """Plans and proves reads of what is kept for one owner."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        pages: ShelfPages,
        their: str,
        window_pages_max: int,
    ) -> None:
        super().__init__(store, vault, window_pages_max=window_pages_max)
        self._pages = pages
        self._their = their

    def stored(self, tx: Tx, path: str, first: int, last: int) -> list[Stored]:
        return self._pages.stored(tx, self._their, path, first, last)

    def segment(self, tx: Tx, seq: int) -> tuple[bytes, bytes, Sequence[bytes]]:
        return self._pages.segment(tx, seq)

    def statement_kept(self, tx: Tx, cid: bytes) -> Value:
        return self._pages.statement(tx, self._their, cid)


def _helped(link: Link) -> Helped:
    assert link.helped is not None  # only who has a shelf comes here
    return link.helped

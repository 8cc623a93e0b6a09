"""Fetching by file: the reader's side of a read whose windows travel in parcels.

    ask        which days, under which grant: kept, and nothing is signed yet
    calls      a parcel is planned: every read that has no pages yet is signed anew for it
    take       a window that came is held against everything it claims, stored, signed for
    signatures go into every parcel until one of these has been seen

Days are cut into reads of a year at most: a year of half-hours is one window, and the first windows
of many reads fit one parcel, while two of one read are a journey apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ...crypto.entropy import Entropy
from ...crypto.errors import CryptoError
from ...protocol.command import Cmd
from ...protocol.errors import ProtocolError, RemoteProtocolError, WireError
from ...protocol.limits import OFFER_BYTES_MAX, PARCEL_CLOCK_S_MAX, PARCEL_LIFE_S_MAX
from ...protocol.offer import Arriving, Offer, parse_offer
from ...protocol.parcel_head import READ_ID_BYTES, ParcelCall, ParcelSignature, read_meta
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.receipt import Answer, check_dated, countersign, with_countersignature
from ...protocol.window import Window
from ...protocol.wire import decode
from ..errors import NotFound, UsageError
from ..grants.borrowing import Borrowing
from ..log.receipts import Receipts, Way
from ..log.subject import Subject
from ..offload import Offload
from ..peers.peers import Pair, Peers
from ..reads.lent_windows import CheckedWindow, Fetching, check_window, shared_key
from ..results.parcels import Fate, ParcelItem, ParcelWindow
from ..store.database import Tx
from ..store.store import Store
from .lending import PASSING
from .reads_by_file import (
    PATIENCE_MS,
    READS_MAX,
    TRIES_KEPT_MAX,
    ReadAsked,
    Reads,
    Try,
    WaitingSignature,
)

# Days of one read: a year of pages of 2 KiB is three quarters of a window.
READ_DAYS_MAX = 366


@dataclass(frozen=True, slots=True)
class _Came:
    """A window that came for a read of ours, before it is looked at."""

    read: ReadAsked
    fetching: Fetching
    offer: Offer
    pages: tuple[bytes, ...]
    certificate: Certificate

    @property
    def told(self) -> ParcelWindow:
        body = self.offer.receipt
        return ParcelWindow(
            self.read.window.collection,
            body.first,
            body.last_day,
            body.window,
            body.last,
            body.pages,
        )


class ParcelFetching:
    """Reads what a peer lends, by file."""

    def __init__(
        self,
        *,
        store: Store,
        entropy: Entropy,
        offload: Offload,
        peers: Peers,
        receipts: Receipts,
        borrowing: Borrowing,
        reads: Reads,
    ) -> None:
        self._store = store
        self._entropy = entropy
        self._offload = offload
        self._peers = peers
        self._receipts = receipts
        self._borrowing = borrowing
        self._reads = reads

    def ask(self, tx: Tx, pair: Pair, window: Window, now_ms: int) -> int:
        """Read `window` by file; how many reads were added: none for days that are being read.

        Raises NotAllowed without a grant and its keys, UsageError if too much is under way.
        """
        held = self._borrowing.grant_for(tx, pair, window, now_ms)
        self._borrowing.keys(tx, held)
        reads = self._reads.of(tx, pair)
        known = {one.window for one in reads.asked}
        fresh = [part for part in years(window) if part not in known]
        if len(reads.asked) + len(fresh) > READS_MAX:
            raise UsageError(
                f"at most {READS_MAX} reads of one peer go by file at one time, each of "
                f"{READ_DAYS_MAX} days: ask for fewer days, or wait for those under way"
            )
        for part in fresh:
            id = self._entropy.random_bytes(READ_ID_BYTES)
            reads = reads.with_asked(ReadAsked(id, part, held.cid, now_ms))
        self._reads.save(tx, pair, reads)
        return len(fresh)

    # what goes out

    def calls(
        self, tx: Tx, pair: Pair, n: int, exp_s: int, now_ms: int
    ) -> tuple[list[ParcelCall], list[str]]:
        """The reads that have no pages yet, signed for parcel `n`; a sentence for each that was
        given up."""
        reads = self._reads.of(tx, pair)
        calls: list[ParcelCall] = []
        notes: list[str] = []
        server = pair.certificate.device
        for read in reads.asked:
            fault = self._fault(read, pair, now_ms)
            if fault is not None:
                reads = reads.without_asked(read.id)
                notes.append(f"the read of {read.window.collection} by file is given up: {fault}")
            elif read.inv is None:
                held = self._borrowing.get(tx, read.grant)
                meta = read_meta(n, read.id)
                invocation = self._borrowing.sign_read(tx, held, read.window, server, exp_s, meta)
                proofs = tuple(link.delegation.raw for link in held.bundle.links)
                calls.append(ParcelCall(invocation.raw, proofs, ()))
                tries = (*read.tries[1 - TRIES_KEPT_MAX :], Try(invocation.cid, server))
                reads = reads.with_asked(replace(read, tries=tries))
        self._reads.save(tx, pair, reads)
        return calls, notes

    @staticmethod
    def _fault(read: ReadAsked, pair: Pair, now_ms: int) -> str | None:
        """Why a read does not go on, or None."""
        if now_ms > read.since_ms + PATIENCE_MS:
            return f"nothing came from {pair.name} for two months"
        if read.inv is not None and pair.certificate.device not in _servers(read):
            return f"{pair.name} has another device now; what came is kept, ask for the rest again"
        return None

    def signatures(self, tx: Tx, pair: Pair) -> list[ParcelSignature]:
        """Our word for the windows of which it is not known that it arrived."""
        waiting = self._reads.of(tx, pair).signatures
        return [ParcelSignature(one.receipt, one.sig, one.keys) for one in waiting]

    # what comes

    async def take(
        self,
        pair: Pair,
        certificate: bytes,
        raw: bytes,
        joined: bytes,
        follows: Callable[[Tx, bytes | None, Certificate], bool],
        now_ms: int,
    ) -> ParcelItem:
        """Verify, store and sign for one window; `follows` says whether its `prev` is the last
        word that we took.  What does not pass changes nothing and is told."""
        try:
            shown = parse_certificate(certificate)
            offer, pages = await self._offload.run(lambda: _arrived(raw, joined))
            came = await self._store.database.read(
                lambda tx: self._came(tx, pair, shown, offer, pages)
            )
            if isinstance(came, ParcelItem):
                return came
            key = came.fetching.persona.key

            def check() -> tuple[CheckedWindow, bytes]:
                checked = check_window(came.fetching, offer, pages, shown)
                # It was served after it was asked for, and before it came.
                clock_ms = PARCEL_CLOCK_S_MAX * 1000
                asked_ms = 0 if came.read.previous else came.read.since_ms - clock_ms
                check_dated(checked.receipt.body, asked_ms, now_ms + clock_ms)
                return checked, countersign(checked.receipt, key)

            checked, sig = await self._offload.run(check)

            def keep(tx: Tx) -> ParcelItem:
                return self._keep(tx, pair, came, checked, sig, follows, now_ms)

            return await self._store.database.write(keep)
        except (ProtocolError, CryptoError, NotFound) as error:
            return ParcelItem(Cmd.READ, answer=True, fate=Fate.REFUSED, reason=str(error))

    def _came(
        self, tx: Tx, pair: Pair, shown: Certificate, offer: Offer, pages: tuple[bytes, ...]
    ) -> _Came | ParcelItem:
        """The read that a window is of.  Raises GrantRefused, WireError, NotFound."""
        if shown.persona != pair.their_now:
            raise WireError("a window comes with the certificate of another persona")
        if self._receipts.find(tx, offer.receipt.cid) is not None:
            return ParcelItem(Cmd.READ, answer=True, fate=Fate.BEFORE, reason=None)
        read = self._reads.of(tx, pair).asking(offer.receipt.inv)
        if read is None:
            raise RemoteProtocolError("pages came that nobody here waits for")
        inv = offer.receipt.inv
        server = next(one.device for one in read.tries if one.inv == inv)
        held = self._borrowing.get(tx, read.grant)
        fetching = self._borrowing.fetching(tx, held, read.window, server, inv)
        fetching.previous, fetching.schema = read.previous, read.schema
        return _Came(read, fetching, offer, pages, shown)

    def _keep(
        self,
        tx: Tx,
        pair: Pair,
        came: _Came,
        checked: CheckedWindow,
        sig: bytes,
        follows: Callable[[Tx, bytes | None, Certificate], bool],
        now_ms: int,
    ) -> ParcelItem:
        """Store a window, log its receipt, let our signature wait: one unit of work."""
        body = checked.receipt.body
        reads = self._reads.of(tx, pair)
        if reads.asking(body.inv) != came.read:
            raise RemoteProtocolError("pages came that nobody here waits for")
        keys = self._borrowing.keep(tx, came.fetching, checked)
        receipt = with_countersignature(checked.receipt, sig)
        shared = shared_key(came.fetching)
        subject = Subject(Cmd.READ, None, came.fetching.window.collection)
        self._receipts.add(
            tx, Way.TAKEN, pair.own, pair.their, receipt, shared, came.certificate, subject
        )
        if follows(tx, body.prev, came.certificate):
            self._peers.took(tx, pair, receipt.cid)
        if body.last:
            reads = reads.without_asked(came.read.id)
        else:
            schema = checked.entries[0].schema if checked.entries else came.read.schema
            fresh = replace(came.read, inv=body.inv, previous=body, schema=schema, since_ms=now_ms)
            reads = reads.with_asked(fresh)
        until_s = now_ms // 1000 + 2 * PARCEL_LIFE_S_MAX
        reads = reads.signed(WaitingSignature(receipt.cid, sig, keys, until_s))
        self._reads.save(tx, pair, reads)
        return ParcelItem(Cmd.READ, answer=True, fate=Fate.DONE, reason=None, window=came.told)

    def answered(self, tx: Tx, pair: Pair, answer: Answer) -> ParcelItem:
        """The owner has answered a read without pages: it ends, or is asked for once more."""
        reads = self._reads.of(tx, pair)
        read = reads.asking(answer.inv)
        assert read is not None
        reason = answer.reason
        if answer.code in PASSING:
            again = replace(read, inv=None, previous=None, schema=None)
            self._reads.save(tx, pair, reads.with_asked(again))
            return ParcelItem(Cmd.READ, answer=True, fate=Fate.LATER, reason=reason)
        self._reads.save(tx, pair, reads.without_asked(read.id))
        return ParcelItem(Cmd.READ, answer=True, fate=Fate.REFUSED, reason=reason)

    def waits_for(self, tx: Tx, pair: Pair, inv: bytes) -> bool:
        """Whether an answer to `inv` would be to a read of ours that goes by file."""
        return self._reads.of(tx, pair).asking(inv) is not None


def years(window: Window) -> Iterable[Window]:
    """The days of a window, at most a year at a time."""
    for first in range(window.first, window.last + 1, READ_DAYS_MAX):
        last = min(first + READ_DAYS_MAX - 1, window.last)
        yield Window(window.collection, first, last)


def _servers(read: ReadAsked) -> Iterable[str]:
    return [one.device for one in read.tries if one.inv == read.inv]


def _arrived(raw: bytes, joined: bytes) -> tuple[Offer, tuple[bytes, ...]]:
    """An offer, and its pages, each as its entry says.  Raises WireError, RemoteProtocolError."""
    offer, spans = parse_offer(decode(raw, bytes_max=OFFER_BYTES_MAX))
    if offer.receipt.size != len(joined):
        raise RemoteProtocolError("a window has other pages than its receipt counts")
    arriving = Arriving(offer, spans)
    if joined:
        arriving.add(joined)
    pages, altered = arriving.pages()
    if altered:
        raise RemoteProtocolError(f"{len(altered)} pages of a window came altered")
    return offer, pages

"""Lending by file: the owner's side of a read whose windows travel in parcels.

    heard     the call passes the door; from then on the read is known, and nothing is signed yet
    offers    a parcel is planned: what is due is allowed again, signed, logged, and goes into it
    signed    the reader's word for a window is kept beside ours; then the next one is due

A window is signed only where it goes out, in the unit of work that plans the parcel, so what was
taken back meanwhile is answered with a refusal and no page.  One that was not signed for goes out
again as it is, with the same receipt, until a parcel of the reader has seen it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from ...crypto.keys import DeviceKey
from ...crypto.merkle import tree_hash
from ...protocol.command import Cmd
from ...protocol.counter import CounterWindow
from ...protocol.errors import Code, GrantRefused
from ...protocol.grant import parse_read_args
from ...protocol.limits import PARCEL_LIFE_S_MAX, REPLAY_KEPT_S, SIGNED_BYTES_MAX
from ...protocol.offer import Offer
from ...protocol.page import entry_leaf
from ...protocol.parcel_head import ParcelHead, ParcelOffer, ParcelSignature, read_of
from ...protocol.receipt import Receipt, countersigned, sign_receipt
from ...protocol.trust import Carried, Heard, VerifiedRead, authorise_read, check_still, hear
from ...protocol.wire import encode
from ..checkpoint import Checkpoint
from ..exchange.answering import Answering, attempt
from ..grants.lending import Lending
from ..log.receipts import Receipts, Way
from ..log.subject import Subject
from ..peers.peers import Pair, Peers
from ..reads.serving import Serving, Slice, receipt_body
from ..results.parcels import ParcelWindow
from ..steps import ParcelStep
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind
from ..store.store import Store
from .book import ParcelBook, ParcelBooks, WaitingWord
from .reads_by_file import PATIENCE_MS, READS_MAX, Offered, Reads, ReadsByFile, ReadServed

log = structlog.get_logger()

# An invocation and its proofs, kept for as long as the read goes on; ours have a few KiB.
CALL_BYTES_MAX = SIGNED_BYTES_MAX // 2
# A read that fails with one of these may be asked for again, from its beginning.
PASSING = (Code.BUSY, Code.NOT_YET, Code.SUSPENDED)


@dataclass(frozen=True, slots=True)
class OfferDue:
    """A window for a parcel: its place in the head, the offer as it travels, its pages, joined."""

    receipt: bytes
    head: ParcelOffer
    offer: bytes
    pages: bytes


class ParcelLending:
    """Serves reads that come by file."""

    def __init__(
        self,
        *,
        store: Store,
        device: DeviceKey,
        peers: Peers,
        receipts: Receipts,
        lending: Lending,
        answering: Answering,
        serving: Serving,
        books: ParcelBooks,
        reads: Reads,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._device = device
        self._peers = peers
        self._receipts = receipts
        self._lending = lending
        self._answering = answering
        self._serving = serving
        self._books = books
        self._reads = reads
        self._checkpoint = checkpoint

    # what comes

    def heard(self, tx: Tx, pair: Pair, head: ParcelHead, heard: Heard, now_ms: int) -> bool:
        """Accept a read, its pages to go out with the next parcel; False if it was heard before.

        Raises GrantRefused.
        """
        id, reads = read_of(heard.inv.meta), self._reads.of(tx, pair)
        served = reads.find_served(id)
        if (served or reads.is_over(id)) and self._store.ledger.seen(tx, heard.inv.cid):
            return False  # this parcel is taken again, after a taking that was cut short
        taken = self._books.of(tx, pair).taken_of(head.certificate.device)
        read = self._authorised(tx, pair, heard, Carried(head.n, taken), now_ms)
        self._store.ledger.first_time(tx, heard.inv.cid, read.spent_until_s)
        if served is not None:
            # Its reader has no pages yet, whatever has been seen of our parcels: send them again.
            again = served.offered and replace(served.offered, parcels=(), arrived=False)
            fresh = replace(served, offered=again, since_ms=now_ms)
            self._reads.save(tx, pair, reads.with_served(fresh))
            return False
        if reads.is_over(id):
            return False
        if len(reads.served) >= READS_MAX:
            raise GrantRefused(f"{READS_MAX} reads by file are under way already", Code.TOO_MUCH)
        if len(heard.inv.raw) + sum(map(len, heard.proofs)) > CALL_BYTES_MAX:
            raise GrantRefused("the proofs of a read by file are too long", Code.TOO_MUCH)
        device = self._answering.device
        begun = ReadServed(id, device, heard.inv.raw, heard.proofs, head.n, now_ms, now_ms)
        self._reads.save(tx, pair, reads.with_served(begun))
        return True

    def signed(
        self, tx: Tx, pair: Pair, signature: ParcelSignature, now_ms: int
    ) -> ParcelWindow | None:
        """Keep the reader's word for a window; None if it is kept already.

        Raises GrantRefused for a window that was not offered, BadSignature.
        """
        logged = self._receipts.find(tx, signature.receipt)
        if (
            logged is None
            or not isinstance(logged.word, Receipt)
            or (logged.way, logged.own, logged.their) != (Way.GIVEN, pair.own, pair.their)
        ):
            raise GrantRefused("a signature is for no window that was offered", Code.MALFORMED)
        if logged.two_sided:
            return None
        receipt = countersigned(logged.word, signature.sig)
        self._receipts.countersigned(tx, receipt)
        body = receipt.body
        grant = self._lending.find(tx, body.dlg)
        # One who reads under a sub-delegation has its keys from elsewhere.
        if signature.keys is not None and grant is not None and grant.their == pair.their:
            self._lending.acknowledged(tx, body.dlg, signature.keys)
        path = self._went_on(tx, pair, receipt, now_ms)
        return ParcelWindow(path, body.first, body.last_day, body.window, body.last, body.pages)

    def _went_on(self, tx: Tx, pair: Pair, receipt: Receipt, now_ms: int) -> str:
        """The read of a window that is two-sided now goes on; its path."""
        reads = self._reads.of(tx, pair)
        for read in reads.served:
            offered = read.offered
            if offered is None or offered.receipt != receipt.cid:
                continue
            if receipt.body.last:
                reads = reads.without_served(read.id, _over_until_s(now_ms))
            else:
                fresh = replace(
                    read, next=read.next + 1, after=offered.end, offered=None, since_ms=now_ms
                )
                reads = reads.with_served(fresh)
            self._reads.save(tx, pair, reads)
            return _path(read)
        return ""

    # what goes out

    def offers(self, tx: Tx, pair: Pair, now_ms: int) -> tuple[list[OfferDue], list[str]]:
        """The windows for the next parcel, and a sentence for each read that was given up.

        A read that does not hold any more is answered with its refusal instead.
        """
        reads = self._reads.of(tx, pair)
        due: list[OfferDue] = []
        notes: list[str] = []
        for read in reads.served:
            if read.device != self._answering.device:
                reads = reads.without_served(read.id, None)
            elif now_ms > read.since_ms + PATIENCE_MS:
                reads = reads.without_served(read.id, _over_until_s(now_ms))
                notes.append(
                    f"{pair.name} did not sign for what it reads of {_path(read)} by file: the "
                    "read is given up"
                )
            elif read.due:
                reads, offer = self._offer(tx, pair, reads, read, now_ms)
                due += [] if offer is None else [offer]
        self._reads.save(tx, pair, reads)
        return due, notes

    def _offer(
        self, tx: Tx, pair: Pair, reads: ReadsByFile, read: ReadServed, now_ms: int
    ) -> tuple[ReadsByFile, OfferDue | None]:
        heard = hear(read.inv, read.proofs)
        book = self._books.of(tx, pair)
        made = attempt(tx, lambda tx: self._window(tx, pair, read, heard, book, now_ms))
        if isinstance(made, GrantRefused):
            self.refuse(tx, pair, heard, made, now_ms)
            over = None if made.code in PASSING else _over_until_s(now_ms)
            return reads.without_served(read.id, over), None
        fresh, offer = made.value
        if read.offered is None:
            self._books.save(tx, pair, replace(book, given=offer.receipt))
            self._checkpoint.reached(ParcelStep.OFFERED)
        return reads.with_served(fresh), offer

    def refuse(self, tx: Tx, pair: Pair, heard: Heard, refusal: GrantRefused, now_ms: int) -> None:
        """Answer a read with a refusal: signed, logged, for the next parcel."""
        book = self._books.of(tx, pair)
        answer = self._answering.word(tx, pair, heard, refusal, prev=book.given, now_ms=now_ms)
        assert heard.inv.exp is not None
        until_s = max(heard.inv.exp + REPLAY_KEPT_S, _over_until_s(now_ms))
        word = WaitingWord(heard.inv.cid, answer.cid, until_s)
        self._books.save(tx, pair, book.with_word(word))

    def _window(
        self, tx: Tx, pair: Pair, read: ReadServed, heard: Heard, book: ParcelBook, now_ms: int
    ) -> tuple[ReadServed, OfferDue]:
        """The window of a read that is due: a new one, or the one that is out.

        Raises GrantRefused.
        """
        verified = self._still(tx, pair, read, heard, now_ms)
        try:
            if read.offered is None:
                return self._new(tx, pair, read, verified, book, now_ms)
            return read, self._again(tx, read.offered, verified, pair)
        except StoreDamaged as error:
            log.error("page_damaged", kind=type(error).__name__)
            raise GrantRefused("a page of these days is damaged here", Code.BUSY) from error

    def _still(
        self, tx: Tx, pair: Pair, read: ReadServed, heard: Heard, now_ms: int
    ) -> VerifiedRead:
        """A read that was allowed when it came, allowed by what is known now."""
        before = CounterWindow(read.n - 1, 1 if read.n > 1 else 0)
        verified = self._authorised(
            tx, pair, heard, Carried(read.n, before), read.heard_ms, spent=True
        )
        statuses = self._lending.statuses(tx, heard.grants, now_ms)
        check_still(verified, statuses, now_ms)
        return verified

    def _authorised(
        self,
        tx: Tx,
        pair: Pair,
        heard: Heard,
        carried: Carried,
        at_ms: int,
        *,
        spent: bool = False,
    ) -> VerifiedRead:
        statuses = self._lending.statuses(tx, heard.grants, at_ms)
        standing = self._answering.standing(tx, pair, statuses, carried)
        return authorise_read(heard, replace(standing, spent=()) if spent else standing, at_ms)

    def _new(
        self,
        tx: Tx,
        pair: Pair,
        read: ReadServed,
        verified: VerifiedRead,
        book: ParcelBook,
        now_ms: int,
    ) -> tuple[ReadServed, OfferDue]:
        found = self._serving.window_after(tx, verified.window, read.after)
        if found is None:
            sentence = "what was left of these days is not here any more: read them again"
            raise GrantRefused(sentence, Code.BUSY)
        window, last = found
        # A clock that was set back: a later window is not signed for an earlier time.
        t_ms = max(now_ms, read.t_ms)
        persona = self._peers.persona(tx, pair.own)
        grant = self._lending.get(tx, verified.grant.cid)
        body = receipt_body(verified, read.next, window, last, t_ms, book.given)
        receipt = sign_receipt(body, self._device)
        # Everything that can fail comes before it is logged.
        offer = self._made(tx, pair, verified, receipt, window, persona.certificate.signed.raw)
        self._receipts.add(
            tx,
            Way.GIVEN,
            pair.own,
            pair.their,
            receipt,
            grant.k_grant,
            persona.certificate,
            Subject(Cmd.READ, None, verified.window.collection),
            call=verified.verified.inv.raw,
        )
        end = max(((page.day, page.seq) for page in window.pages), default=None)
        offered = Offered(receipt.cid, tuple(page.seq for page in window.pages), end)
        return replace(read, t_ms=t_ms, offered=offered), offer

    def _again(self, tx: Tx, offered: Offered, verified: VerifiedRead, pair: Pair) -> OfferDue:
        """The window that is out, as it was.  Raises GrantRefused if it cannot be made any more."""
        logged = self._receipts.find(tx, offered.receipt)
        if logged is None or not isinstance(logged.word, Receipt):
            raise StoreDamaged("the receipt of a window is missing")
        certificate = self._store.objects.get(tx, Kind.CERTIFICATE, logged.certificate)
        if not isinstance(certificate, bytes):
            raise StoreDamaged("the certificate of a receipt is missing")
        body = logged.word.body
        window = self._serving.window_of(
            tx, verified.window, body.first, body.last_day, offered.seqs
        )
        if tree_hash([entry_leaf(page.raw) for page in window.pages]) != body.entries_root:
            sentence = "these days have changed since they were offered: read them again"
            raise GrantRefused(sentence, Code.BUSY)
        return self._made(tx, pair, verified, logged.word, window, certificate)

    def _made(
        self,
        tx: Tx,
        pair: Pair,
        verified: VerifiedRead,
        receipt: Receipt,
        window: Slice,
        certificate: bytes,
    ) -> OfferDue:
        pages = b"".join(self._serving.pages(tx, window))
        evidence = self._serving.evidence(tx, verified.window, window)
        grant = self._lending.get(tx, verified.grant.cid)
        own_reader = grant.their == pair.their and len(verified.verified.chain) == 1
        offer = encode(
            Offer(
                receipt=receipt.body,
                sig=receipt.signed.signatures[0],
                heads=evidence.heads,
                entries=[page.raw for page in window.pages],
                proofs=evidence.proofs,
                statements=evidence.statements,
                keysets=self._lending.unacknowledged(grant) if own_reader else (),
            ).value()
        )
        head = ParcelOffer(certificate, len(offer), len(pages))
        return OfferDue(receipt.cid, head, offer, pages)


def _over_until_s(now_ms: int) -> int:
    """Until when nobody can hand in a parcel that was made before now."""
    return now_ms // 1000 + PARCEL_LIFE_S_MAX + REPLAY_KEPT_S


def _path(read: ReadServed) -> str:
    return parse_read_args(hear(read.inv, ()).inv.args).window.collection

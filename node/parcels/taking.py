"""Taking a parcel: what came in a file is let through the same door as what comes over a link.

    open      to which persona of ours it is sealed; then all of it is read once and verified
    resume    from whom, for this device, now, not taken before; how far the peer has come
    words     each answer is verified, logged, and what follows from it done
    signed    each signature for a window that we lent is verified and kept
    calls     each passes the checks, is acted on, answered, logged; the answer waits
    windows   each is verified, stored, signed for; the signature waits
    mark      the number of the parcel is taken

Until all of `open` and `resume` has passed nothing is changed.  Then each word and each call is a
unit of work of its own, as on a link, and what was done in a taking that was cut short is seen to
be done when the parcel is taken again: a word by the log, a call by the answer that waits.  Only
the last step closes the parcel.

A read is heard and not answered here: its pages go out with the next parcel
(`parcel_lending.py`), and what comes of one is taken in `parcel_fetching.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import structlog
import trio

from ...crypto.errors import BadCiphertext, CryptoError
from ...protocol.command import Cmd, DeliverArgs
from ...protocol.errors import Code, GrantRefused, ProtocolError, WireError
from ...protocol.limits import REPLAY_KEPT_S
from ...protocol.parcel_head import (
    ParcelCall,
    ParcelHead,
    ParcelOffer,
    ParcelSignature,
    ParcelWord,
)
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.receipt import Answer, parse_answer
from ...protocol.refusal import code_of
from ...protocol.trust import Carried, Heard, VerifiedOwn, hear
from ...protocol.wire import Value
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..errors import NotAllowed
from ..exchange.acting import Acting
from ..exchange.answering import Answering, Done, attempt
from ..exchange.arriving import Arriving
from ..exchange.follow_up import FollowUp, again
from ..log.receipts import Receipts, Way
from ..log.subject import Subject, subject_of
from ..offload import Offload
from ..peers.outgoing import Outgoing, message_of
from ..peers.peers import Pair, Peers
from ..results.parcels import Fate, ParcelItem, ParcelTaken
from ..steps import ParcelStep
from ..store.database import Tx
from ..store.store import Store
from .book import ParcelBooks, WaitingWord
from .fetching import ParcelFetching
from .lending import ParcelLending
from .opening import OpenedParcel, ParcelRefused, open_parcel, opened_file, unpacking_of
from .reads_by_file import Reads

log = structlog.get_logger()


class _BeforeError(Exception):
    """The parcel was taken before."""


class ParcelTaking:
    """Takes parcels in, one at a time."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        offload: Offload,
        peers: Peers,
        receipts: Receipts,
        outgoing: Outgoing,
        answering: Answering,
        acting: Acting,
        arriving: Arriving,
        follow_up: FollowUp,
        books: ParcelBooks,
        reads: Reads,
        lending: ParcelLending,
        fetching: ParcelFetching,
        contradicted: Callable[[Pair], None],
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._clock = clock
        self._offload = offload
        self._peers = peers
        self._receipts = receipts
        self._outgoing = outgoing
        self._answering = answering
        self._acting = acting
        self._arriving = arriving
        self._follow_up = follow_up
        self._books = books
        self._reads = reads
        self._lending = lending
        self._fetching = fetching
        self._contradicted = contradicted
        self._checkpoint = checkpoint
        self._one_at_a_time = trio.Lock()

    async def take(self, source: Path) -> ParcelTaken:
        """Take the parcel at `source`.

        Raises NotFound, ParcelRefused (no parcel, damaged, too old, of a newer version), NotAllowed
        (not for this home, from nobody it knows); nothing is changed then.  StoreError: take it
        again.
        """
        async with self._one_at_a_time:
            with opened_file(source) as file:
                opened = await self.open(file)
                head = opened.head
                try:
                    pair = await self._store.database.write(lambda tx: self._resume(tx, opened))
                except _BeforeError:
                    pair = await self._store.database.read(lambda tx: self._pair(tx, opened))
                    return ParcelTaken(pair.name, head.n, head.made_ms, before=True, items=())
                self._checkpoint.reached(ParcelStep.RESUMED)
                items = [await self._word(pair, word) for word in head.words]
                items += [await self._signature(pair, one) for one in head.signatures]
                self._outgoing.notify()
                items += await self._parts(file, pair, opened)
                await self._store.database.write(lambda tx: self._mark(tx, pair, head))
                self._checkpoint.reached(ParcelStep.MARKED)
            self._outgoing.notify()
            return ParcelTaken(pair.name, head.n, head.made_ms, before=False, items=tuple(items))

    # open

    async def open(self, file: BinaryIO) -> OpenedParcel:
        """Read and verify all of a parcel; nothing is changed.

        Raises ParcelRefused, NotAllowed if it is not for this home.
        """
        personas = await self._store.database.read(self._peers.personas)
        try:
            opened = await self._offload.run(lambda: open_parcel(file, personas))
            for call in opened.head.calls:
                _heard(call)
        except (ProtocolError, CryptoError) as error:
            raise ParcelRefused(f"{error}; nothing was changed") from error
        return opened

    # resume

    def _pair(self, tx: Tx, opened: OpenedParcel) -> Pair:
        pair = self._peers.find(tx, opened.own.did, opened.sender)
        if pair is None or pair.their_now != opened.sender:
            raise NotAllowed("this parcel is from somebody with whom this home is not paired")
        return pair

    def _resume(self, tx: Tx, opened: OpenedParcel) -> Pair:
        """Accept the parcel as a whole, and go on from how far its sender has come."""
        head, now_ms = opened.head, self._clock.now_ms()
        pair = self._pair(tx, opened)
        book = self._books.of(tx, pair)
        device = head.certificate.device
        try:
            head.check(self._answering.device, now_ms)
            if head.n in book.taken_of(device):
                raise _BeforeError
            book.taken_of(device).check(head.n)
        except ProtocolError as error:
            if code_of(error) is Code.AUDIENCE:
                raise NotAllowed(f"{error}; nothing was changed") from error
            raise ParcelRefused(f"{error}; nothing was changed") from error
        if head.last is not None and not self._receipts.gave(tx, pair.own, pair.their, head.last):
            self._contradicted(pair)
            raise ParcelRefused(
                "the sender holds a word that this node signed and does not know: this node was "
                "set back to an older state; nothing was changed"
            )
        self._books.save(tx, pair, book.resumed(head).tidied(now_ms // 1000))
        reads = self._reads.of(tx, pair)
        self._reads.save(tx, pair, reads.seen(head.seen).tidied(now_ms // 1000))
        if head.certificate.exp_s > pair.certificate.exp_s:
            pair = replace(pair, certificate=head.certificate)
            self._peers.save(tx, pair)
        return pair

    # words

    async def _word(self, pair: Pair, word: ParcelWord) -> ParcelItem:
        """Log one answer and do what follows from it, in one unit of work."""
        item = await self._store.database.write(partial(self._keep_word, pair=pair, word=word))
        self._checkpoint.reached(ParcelStep.WORD_KEPT)
        return item

    def _keep_word(self, tx: Tx, pair: Pair, word: ParcelWord) -> ParcelItem:
        kept = attempt(tx, lambda tx: self._answered(tx, pair, word))
        if isinstance(kept, GrantRefused):
            # As over a link: the answer is not taken, and what it was for waits for another.
            return ParcelItem(None, answer=True, fate=Fate.REFUSED, reason=str(kept))
        return kept.value

    def _answered(self, tx: Tx, pair: Pair, word: ParcelWord) -> ParcelItem:
        answer = parse_answer(word.answer)
        if self._receipts.find(tx, answer.cid) is not None:
            return ParcelItem(None, answer=True, fate=Fate.BEFORE, reason=None)
        book = self._books.of(tx, pair)
        call = book.call(answer.inv)
        if call is None and self._fetching.waits_for(tx, pair, answer.inv):
            self._log_answer(tx, pair, answer, word.certificate, answer.inv, Subject(Cmd.READ))
            return self._fetching.answered(tx, pair, answer)
        if call is None:
            sentence = "an answer is to nothing that this node remembers having said"
            return ParcelItem(None, answer=True, fate=Fate.BEFORE, reason=sentence)
        waiting = self._store.outbox.find(tx, call.item)
        message = None if waiting is None else message_of(waiting)
        subject = None if message is None else subject_of(message.cmd, message.args)
        self._log_answer(tx, pair, answer, word.certificate, call.inv, subject)
        self._books.save(tx, pair, book.without(call.inv))
        if waiting is None or message is None:
            return ParcelItem(None, answer=True, fate=Fate.BEFORE, reason=None)
        reason = None if answer.code is Code.OK else answer.reason
        if again(message.cmd, answer.code):
            return ParcelItem(message.cmd, answer=True, fate=Fate.LATER, reason=reason)
        self._store.outbox.done(tx, waiting.id)
        self._follow_up.answered(tx, pair, message, answer)
        fate = Fate.DONE if answer.code is Code.OK else Fate.REFUSED
        return ParcelItem(message.cmd, answer=True, fate=fate, reason=reason)

    def _log_answer(
        self,
        tx: Tx,
        pair: Pair,
        answer: Answer,
        shown: bytes,
        inv: bytes,
        subject: Subject | None,
    ) -> None:
        """Verify an answer and keep it.  Raises WireError, BadSignature, CapabilityError."""
        certificate = parse_certificate(shown)
        if certificate.persona != pair.their_now:
            raise WireError("an answer comes with the certificate of another persona")
        answer.verify(certificate, inv)
        self._receipts.add(
            tx, Way.TAKEN, pair.own, pair.their, answer, pair.key, certificate, subject
        )
        if self._follows(tx, pair, answer.prev, certificate):
            self._peers.took(tx, pair, answer.cid)

    def _follows(self, tx: Tx, pair: Pair, prev: bytes | None, certificate: Certificate) -> bool:
        """Whether a word that names `prev` is the next of all that this device signed for us.

        One that comes late is kept as well, and only says nothing of how far we have come.
        """
        device = self._peers.pair(tx, pair.own, pair.their).certificate.device
        if certificate.device != device:
            return False
        return prev == self._peers.last_taken(tx, pair, device)

    # signatures

    async def _signature(self, pair: Pair, signature: ParcelSignature) -> ParcelItem:
        """Keep the peer's word for a window that we lent, in one unit of work."""

        def unit(tx: Tx) -> ParcelItem:
            now_ms = self._clock.now_ms()
            kept = attempt(tx, lambda tx: self._lending.signed(tx, pair, signature, now_ms))
            if isinstance(kept, GrantRefused):
                return ParcelItem(Cmd.READ, answer=False, fate=Fate.REFUSED, reason=str(kept))
            fate = Fate.BEFORE if kept.value is None else Fate.DONE
            return ParcelItem(Cmd.READ, answer=False, fate=fate, reason=None, window=kept.value)

        item = await self._store.database.write(unit)
        self._checkpoint.reached(ParcelStep.SIGNATURE_KEPT)
        return item

    # calls and windows

    async def _parts(self, file: BinaryIO, pair: Pair, opened: OpenedParcel) -> list[ParcelItem]:
        """Act on each call, then take each window, in order; the parts of one at a time stand in
        memory."""
        items: list[ParcelItem] = []
        try:
            unpacking = await self._offload.run(lambda: unpacking_of(file, opened.key))
            for call in opened.head.calls:
                heard = _heard(call)
                parts = await self._offload.run(partial(unpacking.parts, call))
                items.append(await self._call(pair, opened.head, heard, parts))
            for offer in opened.head.offers:
                raw, pages = await self._offload.run(partial(unpacking.window, offer))
                items.append(await self._window(pair, offer, raw, pages))
        except (WireError, BadCiphertext) as error:
            sentence = "this file changed while it was read: take it again"
            raise ParcelRefused(sentence) from error
        return items

    async def _window(self, pair: Pair, offer: ParcelOffer, raw: bytes, pages: bytes) -> ParcelItem:
        def follows(tx: Tx, prev: bytes | None, certificate: Certificate) -> bool:
            return self._follows(tx, pair, prev, certificate)

        item = await self._fetching.take(
            pair, offer.certificate, raw, pages, follows, self._clock.now_ms()
        )
        self._checkpoint.reached(ParcelStep.WINDOW_KEPT)
        return item

    async def _call(
        self, pair: Pair, head: ParcelHead, heard: Heard, parts: list[bytes]
    ) -> ParcelItem:
        def own(tx: Tx) -> Value:
            verified = self._checked(tx, pair, head, heard)
            self._answering.spend(tx, verified)
            speaker = self._answering.speaker(tx, verified)
            now_ms = self._clock.now_ms()
            return self._acting.act(tx, speaker, verified.args, now_ms, verified.acted)

        act: Callable[[Tx], Value] = own
        if heard.inv.cmd == Cmd.DELIVER:
            act = await self._delivery(pair, head, heard, parts)

        def unit(tx: Tx) -> ParcelItem:
            if heard.inv.cmd == Cmd.READ:
                return self._read(tx, pair, head, heard)
            return self._act_and_answer(tx, pair, heard, act)

        item = await self._store.database.write(unit)
        self._checkpoint.reached(ParcelStep.ACTED)
        return item

    def _checked(self, tx: Tx, pair: Pair, head: ParcelHead, heard: Heard) -> VerifiedOwn:
        """The checks of a call, against what the store says now.  Raises GrantRefused."""
        taken = self._books.of(tx, pair).taken_of(head.certificate.device)
        now_ms = self._clock.now_ms()
        return self._answering.check(tx, pair, heard, now_ms, Carried(head.n, taken))

    def _read(self, tx: Tx, pair: Pair, head: ParcelHead, heard: Heard) -> ParcelItem:
        """One unit of work: a read is allowed and waits for the next parcel, or is refused."""
        book, now_ms = self._books.of(tx, pair), self._clock.now_ms()
        if book.answered(heard.inv.cid) is not None:
            return ParcelItem(Cmd.READ, answer=False, fate=Fate.BEFORE, reason=None)
        result = attempt(tx, lambda tx: self._lending.heard(tx, pair, head, heard, now_ms))
        if isinstance(result, GrantRefused):
            self._lending.refuse(tx, pair, heard, result, now_ms)
            return ParcelItem(Cmd.READ, answer=False, fate=Fate.REFUSED, reason=str(result))
        fate = Fate.DONE if result.value else Fate.BEFORE
        return ParcelItem(Cmd.READ, answer=False, fate=fate, reason=None)

    def _act_and_answer(
        self, tx: Tx, pair: Pair, heard: Heard, act: Callable[[Tx], Value]
    ) -> ParcelItem:
        """One unit of work: checked, acted, answered, logged; the answer waits."""
        book = self._books.of(tx, pair)
        if book.answered(heard.inv.cid) is not None:
            return ParcelItem(heard.inv.cmd, answer=False, fate=Fate.BEFORE, reason=None)
        result = attempt(tx, act)
        now_ms = self._clock.now_ms()
        answer = self._answering.word(tx, pair, heard, result, prev=book.given, now_ms=now_ms)
        assert heard.inv.exp is not None
        until_s = heard.inv.exp + REPLAY_KEPT_S
        # `act` may have changed nothing of the book: it is this module's alone.
        self._books.save(tx, pair, book.with_word(WaitingWord(heard.inv.cid, answer.cid, until_s)))
        if isinstance(result, GrantRefused):
            return ParcelItem(heard.inv.cmd, answer=False, fate=Fate.REFUSED, reason=str(result))
        return ParcelItem(heard.inv.cmd, answer=False, fate=Fate.DONE, reason=None)

    async def _delivery(
        self, pair: Pair, head: ParcelHead, heard: Heard, parts: list[bytes]
    ) -> Callable[[Tx], Value]:
        """Write the pages of a delivery; what then says so, and spends its invocation.

        Not before: a taking that is cut short between the two writes nothing twice, since the
        statement is known by then, and still answers.
        """

        def admit(tx: Tx) -> tuple[VerifiedOwn, DeliverArgs | None]:
            verified = self._checked(tx, pair, head, heard)
            return verified, self._arriving.admit(tx, pair, verified)

        def refuse(_: Tx) -> Value:
            assert isinstance(outcome, GrantRefused)
            raise outcome

        outcome: Done[Value] | GrantRefused = Done("stored")
        admitted = await self._store.database.write(lambda tx: attempt(tx, admit))
        if isinstance(admitted, GrantRefused):
            outcome = admitted
            return refuse
        verified, args = admitted.value
        if args is not None:
            now_ms = self._clock.now_ms()
            outcome = await self._arriving.receive(pair, args, parts, now_ms)
        if isinstance(outcome, GrantRefused):
            return refuse

        def stored(tx: Tx) -> Value:
            self._answering.spend(tx, verified)
            return "stored"

        return stored

    def _mark(self, tx: Tx, pair: Pair, head: ParcelHead) -> None:
        book = self._books.of(tx, pair)
        self._books.save(tx, pair, book.with_taken(head.certificate.device, head.n))


def _heard(call: ParcelCall) -> Heard:
    return hear(call.inv, call.proofs)

"""Writing a parcel: what waits for one peer, as a file that is carried to it.

    plan      one unit of work: number it, sign what waits, remember what was signed
    write     beside its place, whole and durable
    place     under its name; nothing is written over

Nothing leaves the outbox by being written: a stick can be lost.  What was not answered goes into
the next parcel again, signed anew, and over a link if the two meet; receivers are idempotent.
So a number that was planned and never written is a gap in the count and no harm.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from ...crypto.entropy import Entropy
from ...crypto.keys import DeviceKey, FileKey
from ...protocol.command import Cmd, DeliverArgs, parse_args
from ...protocol.counter import counter_meta
from ...protocol.did import did_of
from ...protocol.errors import ProtocolError
from ...protocol.limits import (
    OFFER_BYTES_MAX,
    PARCEL_BYTES_MAX,
    PARCEL_CALLS_MAX,
    PARCEL_HEAD_BYTES_MAX,
    PARCEL_LIFE_S_MAX,
    PARCEL_OFFERS_MAX,
    PARCEL_WORDS_MAX,
    WINDOW_BYTES_MAX,
)
from ...protocol.parcel import MAGIC, Packing, seal_envelope
from ...protocol.parcel_head import ParcelCall, ParcelHead, ParcelWord, make_head
from ..checkpoint import Checkpoint
from ..clock import Clock
from ..errors import NodeError, NotFound
from ..exchange.deliveries import Deliveries
from ..exchange.follow_up import FollowUp
from ..exchange.saying import sign_command
from ..household.mandates import Mandates
from ..log.receipts import Receipts
from ..new_file import made_beside, put_in_place
from ..offload import Offload
from ..peers.outgoing import Message, message_of
from ..peers.peers import OwnPersona, Pair, Peers
from ..results.parcels import ParcelWritten
from ..steps import ParcelStep
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind
from ..store.outbox import Item
from ..store.store import Store
from .book import ParcelBook, ParcelBooks, SentCall
from .fetching import ParcelFetching
from .lending import OfferDue, ParcelLending
from .reads_by_file import READS_MAX, Reads

log = structlog.get_logger()

# Room in a head for what stands beside calls, words and offers: signatures, numbers, a certificate.
_FRAME_BYTES = 32 * 1024
# Room in a parcel for as many windows as there may be.
_OFFERS_BYTES_MAX = PARCEL_OFFERS_MAX * (OFFER_BYTES_MAX + WINDOW_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class _Plan:
    pair: Pair
    head: ParcelHead
    deliveries: tuple[DeliverArgs, ...]
    offers: tuple[OfferDue, ...]
    left: int
    notes: tuple[str, ...]


class ParcelWriting:
    """Makes parcels."""

    def __init__(
        self,
        *,
        store: Store,
        device: DeviceKey,
        clock: Clock,
        entropy: Entropy,
        offload: Offload,
        peers: Peers,
        receipts: Receipts,
        deliveries: Deliveries,
        mandates: Mandates,
        follow_up: FollowUp,
        books: ParcelBooks,
        reads: Reads,
        lending: ParcelLending,
        fetching: ParcelFetching,
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._device = device
        self._clock = clock
        self._entropy = entropy
        self._offload = offload
        self._peers = peers
        self._receipts = receipts
        self._deliveries = deliveries
        self._mandates = mandates
        self._follow_up = follow_up
        self._books = books
        self._reads = reads
        self._lending = lending
        self._fetching = fetching
        self._checkpoint = checkpoint

    async def write(self, peer: str, target: Path) -> ParcelWritten:
        """Write what waits for the peer called `peer` to the new file `target`, durably.

        Raises NotFound (no such peer, nothing waits), NodeError (`target` is there, or cannot be
        written), StoreError.
        """
        if await self._offload.run(lambda: os.path.lexists(target)):
            raise NodeError(f"{target} is there already; nothing was written over it")
        plan = await self._store.database.write(lambda tx: self._plan(tx, peer))
        if isinstance(plan, str):
            raise NotFound(plan)
        self._checkpoint.reached(ParcelStep.COMMITTED)
        envelope, key = seal_envelope(
            sender=plan.pair.own_now,
            to=plan.pair.their_now,
            reader_key=plan.pair.inception.reader_key,
            entropy=self._entropy,
        )
        try:
            size = await self._write(plan, envelope, key, target)
        except OSError as error:
            raise NodeError(f"{target} could not be written: {error.strerror}") from error
        head = plan.head
        return ParcelWritten(
            str(target),
            plan.pair.name,
            head.n,
            len(head.calls),
            len(head.words),
            plan.left,
            head.exp_s,
            size,
            len(head.offers),
            len(head.signatures),
            plan.notes,
        )

    async def _write(self, plan: _Plan, envelope: bytes, key: FileKey, target: Path) -> int:
        packing = Packing(plan.head, key, entropy=self._entropy)
        with made_beside(target) as (beside, file):
            file.write(MAGIC + envelope)
            file.write(await self._offload.run(packing.start))
            for args in plan.deliveries:
                # One delivery at a time stands in memory.
                for part in await self._store.database.read(partial(self._parts, args=args)):
                    file.write(await self._offload.run(partial(packing.part, part)))
            for offer in plan.offers:
                file.write(await self._offload.run(partial(packing.part, offer.offer)))
                file.write(await self._offload.run(partial(packing.part, offer.pages)))

            def finish() -> int:
                file.write(packing.end())
                file.flush()
                os.fsync(file.fileno())
                return file.tell()

            size = await self._offload.run(finish)
            self._checkpoint.reached(ParcelStep.WRITTEN)
            await self._offload.run(lambda: put_in_place(beside, target))
            self._checkpoint.reached(ParcelStep.PLACED)
        return size

    def _parts(self, tx: Tx, args: DeliverArgs) -> list[bytes]:
        return self._deliveries.parts(tx, args)

    # the plan

    def _plan(self, tx: Tx, peer: str) -> _Plan | str:
        """What goes into the parcel; a sentence if nothing waits."""
        now_ms = self._clock.now_ms()
        self._peers.renew_certificates(tx, now_ms)
        pair = self._peers.named(tx, peer)
        persona = self._peers.persona(tx, pair.own)
        exp_s = min(now_ms // 1000 + PARCEL_LIFE_S_MAX, persona.certificate.exp_s)
        messages = self._waiting(tx, pair)
        if any(message.cmd is Cmd.SUCCEED for _, message in messages):
            return (
                f"{pair.name} has not heard yet who has followed this node's persona: that is said "
                "over the network, then parcels go on"
            )
        # What is refused now is among the words.
        offers, over = self._lending.offers(tx, pair, now_ms)
        book = self._books.of(tx, pair).tidied(now_ms // 1000)
        words = self._words(tx, book)
        n = self._books.next_number(tx, pair, did_of(self._device.public))
        reads, given_up = self._fetching.calls(tx, pair, n, exp_s, now_ms)
        signatures = self._fetching.signatures(tx, pair)
        if not (messages or words or offers or reads or signatures):
            return "; ".join((f"nothing waits for {pair.name}", *over, *given_up))
        beside = _head_bytes(words.values(), offers, reads)
        calls, sent, deliveries = self._calls(tx, persona, pair, n, exp_s, messages, beside)
        head = make_head(
            self._device,
            to=pair.their_now,
            aud=pair.certificate.device,
            n=n,
            made_ms=now_ms,
            exp_s=exp_s,
            certificate=persona.certificate,
            last=self._peers.last_taken(tx, pair),
            seen=book.taken_of(pair.certificate.device),
            calls=[*calls, *reads],
            words=list(words.values()),
            offers=[offer.head for offer in offers],
            signatures=signatures,
        )
        self._books.save(tx, pair, book.sent(n, frozenset(words), tuple(sent)))
        out = [offer.receipt for offer in offers], [one.receipt for one in signatures]
        self._reads.save(tx, pair, self._reads.of(tx, pair).sent(n, *out))
        self._checkpoint.reached(ParcelStep.PLANNED)
        left = len(messages) - len(calls)
        return _Plan(pair, head, tuple(deliveries), tuple(offers), left, (*over, *given_up))

    def _waiting(self, tx: Tx, pair: Pair) -> list[tuple[Item, Message]]:
        """What waits for the pair, in order; what nobody needs any more is forgotten."""
        found: list[tuple[Item, Message]] = []
        for item in self._store.outbox.waiting_for(tx, pair.their):
            try:
                message = message_of(item)
            except StoreDamaged as error:
                log.error("outbox_damaged", kind=type(error).__name__)
                continue
            if message.own != pair.own:
                continue
            if self._follow_up.stale(tx, message):
                self._store.outbox.done(tx, item.id)
            else:
                found.append((item, message))
        return found

    def _words(self, tx: Tx, book: ParcelBook) -> dict[bytes, ParcelWord]:
        """Our answers that are still to arrive, the oldest first, by CID."""
        found: dict[bytes, ParcelWord] = {}
        room = PARCEL_HEAD_BYTES_MAX // 2
        for word in book.words[:PARCEL_WORDS_MAX]:
            logged = self._receipts.find(tx, word.cid)
            if logged is None:
                continue
            certificate = self._store.objects.get(tx, Kind.CERTIFICATE, logged.certificate)
            if not isinstance(certificate, bytes):
                raise StoreDamaged("the certificate of an answer is missing")
            room -= len(logged.word.signed.raw) + len(certificate)
            if room < 0:
                break
            found[word.cid] = ParcelWord(logged.word.signed.raw, certificate)
        return found

    def _calls(
        self,
        tx: Tx,
        persona: OwnPersona,
        pair: Pair,
        n: int,
        exp_s: int,
        messages: Iterable[tuple[Item, Message]],
        beside: int,
    ) -> tuple[list[ParcelCall], list[SentCall], list[DeliverArgs]]:
        """Sign what waits, in order, as far as there is room; `beside` are the bytes of the head
        that are taken."""
        calls: list[ParcelCall] = []
        sent: list[SentCall] = []
        deliveries: list[DeliverArgs] = []
        head_room = PARCEL_HEAD_BYTES_MAX - _FRAME_BYTES - beside
        room = PARCEL_BYTES_MAX - PARCEL_HEAD_BYTES_MAX - _OFFERS_BYTES_MAX
        for item, message in messages:
            try:
                lengths, args = _parts_of(message)
                held = None
                if message.mandate is not None:
                    held = self._mandates.held(tx, message.mandate)
            except (ProtocolError, NotFound) as error:
                log.error("outbox_damaged", kind=type(error).__name__)
                continue
            invocation, proofs = sign_command(
                persona,
                held,
                message.cmd,
                message.args,
                to=pair.their_now,
                aud=pair.certificate.device,
                exp_s=exp_s,
                entropy=self._entropy,
                meta=counter_meta(n),
            )
            head_room -= len(invocation.raw) + sum(map(len, proofs)) + 8 * len(lengths) + 256
            room -= sum(lengths)
            if min(head_room, room) < 0 or len(calls) == PARCEL_CALLS_MAX - READS_MAX:
                break
            calls.append(ParcelCall(invocation.raw, tuple(proofs), lengths))
            sent.append(SentCall(invocation.cid, item.id, exp_s))
            if args is not None:
                deliveries.append(args)
        return calls, sent, deliveries


def _head_bytes(
    words: Iterable[ParcelWord], offers: Iterable[OfferDue], reads: Iterable[ParcelCall]
) -> int:
    """What answers, offers and reads take of a head."""
    size = sum(len(word.answer) + len(word.certificate) + 16 for word in words)
    size += sum(len(offer.head.certificate) + 32 for offer in offers)
    return size + sum(len(call.inv) + sum(map(len, call.proofs)) + 256 for call in reads)


def _parts_of(message: Message) -> tuple[tuple[int, ...], DeliverArgs | None]:
    """The lengths of the parts that follow a message, and its arguments if it is a delivery."""
    if message.cmd is not Cmd.DELIVER:
        return (), None
    args = parse_args(message.cmd, message.args)
    assert isinstance(args, DeliverArgs)
    return tuple(length for _, length in args.parts), args

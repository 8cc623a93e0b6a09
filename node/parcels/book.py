"""What is remembered of the parcels between two personas.

    given   how far our own words by file have come, from the word that the peer named last
    taken   for each device of the peer, which of its parcels were taken: never one twice
    words   our answers to calls that came by file, and the parcels they went out in, until one of
            these is known to have arrived
    calls   the invocations that went out by file, and the item of the outbox that each was for

An answer is in the log; only its CID is here.  An item stays in the outbox until it is answered,
by whichever way, so nothing is lost with a parcel; what is kept here only ties ends together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...protocol.counter import MASK_BYTES, CounterWindow
from ...protocol.did import Did, check_did
from ...protocol.limits import PARCEL_WORDS_MAX
from ...protocol.parcel_head import ParcelHead
from ...protocol.wire import Body, Value
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.ledger import Ledger
from ..store.objects import Kind, Objects

# Devices of one peer whose counters are kept: a node that was restored has a new one.
DEVICES_KEPT_MAX = 8
# Invocations remembered for one item, and parcels for one word: the newest.
TRIES_KEPT_MAX = 8
_KEYS = ("base", "given", "taken", "words", "calls")


@dataclass(frozen=True, slots=True)
class WaitingWord:
    """An answer of ours, to `inv`: its CID, until when (seconds) anybody may ask for it, and the
    numbers of the parcels that it went out in."""

    inv: bytes
    cid: bytes
    until_s: int
    parcels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SentCall:
    """An invocation of ours, the item of the outbox that it is for, its last second."""

    inv: bytes
    item: int
    until_s: int


@dataclass(frozen=True, slots=True)
class ParcelBook:
    """What is remembered of one pair."""

    base: bytes | None = None
    given: bytes | None = None
    taken: tuple[tuple[Did, CounterWindow], ...] = ()
    words: tuple[WaitingWord, ...] = ()
    calls: tuple[SentCall, ...] = ()

    def taken_of(self, device: Did) -> CounterWindow:
        """Which parcels of a device were taken."""
        return dict(self.taken).get(device, CounterWindow())

    def with_taken(self, device: Did, n: int) -> ParcelBook:
        """Parcel `n` of a device was taken.  Raises GrantRefused."""
        window = self.taken_of(device).taken(n)
        others = tuple(one for one in self.taken if one[0] != device)
        return replace(self, taken=(*others[1 - DEVICES_KEPT_MAX :], (device, window)))

    def resumed(self, head: ParcelHead) -> ParcelBook:
        """Go on from what the head of a parcel says its sender has of ours."""
        words = tuple(word for word in self.words if not any(n in head.seen for n in word.parcels))
        late = head.n < self.taken_of(head.certificate.device).high
        if late or head.last == self.base:
            return replace(self, words=words)
        return replace(self, base=head.last, given=head.last, words=words)

    def answered(self, inv: bytes) -> bytes | None:
        """The CID of our answer to `inv`, if it is still waited for."""
        return next((word.cid for word in self.words if word.inv == inv), None)

    def with_word(self, word: WaitingWord) -> ParcelBook:
        """One more answer; the oldest go where there are too many."""
        return replace(self, given=word.cid, words=(*self.words, word)[-2 * PARCEL_WORDS_MAX :])

    def call(self, inv: bytes) -> SentCall | None:
        return next((call for call in self.calls if call.inv == inv), None)

    def sent(self, n: int, words: frozenset[bytes], calls: tuple[SentCall, ...]) -> ParcelBook:
        """Parcel `n` went out with these words (by CID) and calls."""
        numbered = tuple(
            replace(word, parcels=(*word.parcels[1 - TRIES_KEPT_MAX :], n))
            if word.cid in words
            else word
            for word in self.words
        )
        return replace(self, words=numbered, calls=_newest((*self.calls, *calls)))

    def without(self, inv: bytes) -> ParcelBook:
        """A call of ours was answered: the others for its item say nothing new."""
        return replace(self, calls=tuple(call for call in self.calls if call.inv != inv))

    def tidied(self, now_s: int) -> ParcelBook:
        """Without what nobody can ask for or answer any more."""
        return replace(
            self,
            words=tuple(word for word in self.words if word.until_s >= now_s),
            calls=tuple(call for call in self.calls if call.until_s >= now_s),
        )

    def value(self) -> Value:
        return {
            "base": self.base,
            "given": self.given,
            "taken": [[device, one.high, one.mask_bytes()] for device, one in self.taken],
            "words": [
                [word.inv, word.cid, word.until_s, list(word.parcels)] for word in self.words
            ],
            "calls": [[call.inv, call.item, call.until_s] for call in self.calls],
        }

    @classmethod
    def from_value(cls, value: Value) -> ParcelBook:
        body = Body.open(value, "what is kept of parcels", _KEYS)
        return cls(
            body.maybe_data("base"),
            body.maybe_data("given"),
            tuple(map(_taken, body.items("taken", items_max=DEVICES_KEPT_MAX))),
            tuple(map(_word, body.items("words", items_max=1 << 20))),
            tuple(map(_call, body.items("calls", items_max=1 << 20))),
        )


class ParcelBooks:
    """The books of all pairs, and the counter of what goes out."""

    def __init__(self, objects: Objects, ledger: Ledger) -> None:
        self._objects = objects
        self._ledger = ledger

    def of(self, tx: Tx, pair: Pair) -> ParcelBook:
        found = self._objects.read(tx, Kind.PARCELS, [pair.own, pair.their], ParcelBook.from_value)
        return found or ParcelBook()

    def save(self, tx: Tx, pair: Pair, book: ParcelBook) -> None:
        self._objects.put(tx, Kind.PARCELS, [pair.own, pair.their], book.value())

    def begin_anew(self, tx: Tx, pair: Pair) -> None:
        """This node is another device now: its parcels are numbered from 1 again."""
        book = self.of(tx, pair)
        if book.words:
            words = tuple(replace(word, parcels=()) for word in book.words)
            self.save(tx, pair, replace(book, words=words))

    def next_number(self, tx: Tx, pair: Pair, device: Did) -> int:
        """The number of the next parcel of this device; a device that is new begins at 1."""
        return self._ledger.step(tx, ["parcel", device, pair.own, pair.their])


def _newest(calls: tuple[SentCall, ...]) -> tuple[SentCall, ...]:
    """The last few calls of each item, in their order."""
    count: dict[int, int] = {}
    kept: list[SentCall] = []
    for call in reversed(calls):
        count[call.item] = count.get(call.item, 0) + 1
        if count[call.item] <= TRIES_KEPT_MAX:
            kept.append(call)
    return tuple(reversed(kept))


def _taken(value: Value) -> tuple[Did, CounterWindow]:
    match value:
        case [str(device), int(high), bytes(mask)] if len(mask) == MASK_BYTES:
            return check_did(device), CounterWindow.read(high, mask)
        case _:
            raise _damaged()


def _word(value: Value) -> WaitingWord:
    match value:
        case [bytes(inv), bytes(cid), int(until_s), list(parcels)]:
            numbers = tuple(n for n in parcels if isinstance(n, int))
            return WaitingWord(inv, cid, until_s, numbers)
        case _:
            raise _damaged()


def _call(value: Value) -> SentCall:
    match value:
        case [bytes(inv), int(item), int(until_s)]:
            return SentCall(inv, item, until_s)
        case _:
            raise _damaged()


def _damaged() -> StoreDamaged:
    return StoreDamaged("what is kept of parcels has not the form of it")

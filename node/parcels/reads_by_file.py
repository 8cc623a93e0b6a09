"""Reads that go by file: what both sides remember of them between two parcels.

    reader   asked ──parcel──> … <──offer── stored, signed for ──signature──> … until the last
    owner    heard: allowed ──> offered, logged ──> … <──signature── kept two-sided ──> the next

A read is named by 16 bytes that its reader chose: it is signed anew for every parcel until pages
come, and however many of these arrive, it is read once.  Nothing here is a page: the owner keeps
how far it has come, (day, number of the page), and cuts the next window out of what it then has.

All of it is bounded for each pair, and what hears nothing for two months is given up, and said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ...crypto.entropy import Entropy
from ...protocol.counter import CounterWindow
from ...protocol.did import Did, check_did
from ...protocol.limits import PARCEL_LIFE_S_MAX, PARCEL_OFFERS_MAX, PARCEL_SIGNATURES_MAX
from ...protocol.parcel_head import READ_ID_BYTES
from ...protocol.receipt import ReceiptBody, receipt_body_from_value
from ...protocol.window import Window, window_from_value
from ...protocol.wire import Body, Value
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects

# Reads of one pair that are under way by file, on either side: each may be one window in a parcel.
READS_MAX = PARCEL_OFFERS_MAX
# How long one side waits for the other: a parcel may lie in a drawer for a month, each way.
PATIENCE_MS = 2 * PARCEL_LIFE_S_MAX * 1000
# Invocations that are remembered of one read, and parcels of one window: the newest.
TRIES_KEPT_MAX = 8
# Reads that are over, remembered so that a parcel that comes late does not begin them again.
OVER_KEPT_MAX = 256

_ASKED_KEYS = ("id", "window", "grant", "since_ms", "tries", "inv", "previous", "schema")
_SERVED_KEYS = (
    "id",
    "device",
    "inv",
    "proofs",
    "n",
    "heard_ms",
    "since_ms",
    "next",
    "t_ms",
    "after",
    "offered",
)
_BOOK_KEYS = ("asked", "served", "over", "signatures")


@dataclass(frozen=True, slots=True)
class Try:
    """One invocation of a read: its CID, and the device it is for."""

    inv: bytes
    device: Did

    def value(self) -> Value:
        return [self.inv, self.device]


@dataclass(frozen=True, slots=True)
class ReadAsked:
    """A read of ours.  `inv` is the CID of the try that is being answered, `previous` its last
    window that was kept, `schema` that of its pages."""

    id: bytes
    window: Window
    grant: bytes
    since_ms: int
    tries: tuple[Try, ...] = ()
    inv: bytes | None = None
    previous: ReceiptBody | None = None
    schema: str | None = None

    def value(self) -> Value:
        return {
            "id": self.id,
            "window": self.window.value(),
            "grant": self.grant,
            "since_ms": self.since_ms,
            "tries": [one.value() for one in self.tries],
            "inv": self.inv,
            "previous": None if self.previous is None else self.previous.value(),
            "schema": self.schema,
        }

    @classmethod
    def from_value(cls, value: Value) -> ReadAsked:
        body = Body.open(value, "a read by file", _ASKED_KEYS)
        previous = body.value("previous")
        return cls(
            body.data("id"),
            window_from_value(body.value("window"), "a read by file"),
            body.data("grant"),
            body.integer("since_ms"),
            tuple(map(_try, body.items("tries", items_max=TRIES_KEPT_MAX))),
            body.maybe_data("inv"),
            None if previous is None else receipt_body_from_value(previous),
            body.maybe_text("schema"),
        )


@dataclass(frozen=True, slots=True)
class Offered:
    """The window that is with the reader: its receipt, its pages by their numbers, the last of them
    as (day, number), the parcels it went out in, and whether one of these is known to have
    arrived."""

    receipt: bytes
    seqs: tuple[int, ...]
    end: tuple[int, int] | None
    parcels: tuple[int, ...] = ()
    arrived: bool = False

    def value(self) -> Value:
        end = None if self.end is None else list(self.end)
        return [self.receipt, list(self.seqs), end, list(self.parcels), self.arrived]


@dataclass(frozen=True, slots=True)
class ReadServed:
    """A read of a peer that was allowed when it came, in parcel `n` at `heard_ms`.

    `next` is the number of the window that is due or `offered`, by `device`; `after` names the last
    page before it, as (day, number); `t_ms` is when the last receipt was signed.
    """

    id: bytes
    device: Did
    inv: bytes
    proofs: tuple[bytes, ...]
    n: int
    heard_ms: int
    since_ms: int
    next: int = 0
    t_ms: int = 0
    after: tuple[int, int] | None = None
    offered: Offered | None = None

    @property
    def due(self) -> bool:
        """Whether the next parcel brings a window of it."""
        return self.offered is None or not self.offered.arrived

    def value(self) -> Value:
        return {
            "id": self.id,
            "device": self.device,
            "inv": self.inv,
            "proofs": list(self.proofs),
            "n": self.n,
            "heard_ms": self.heard_ms,
            "since_ms": self.since_ms,
            "next": self.next,
            "t_ms": self.t_ms,
            "after": None if self.after is None else list(self.after),
            "offered": None if self.offered is None else self.offered.value(),
        }

    @classmethod
    def from_value(cls, value: Value) -> ReadServed:
        body = Body.open(value, "a read by file", _SERVED_KEYS)
        return cls(
            body.data("id"),
            check_did(body.text("device")),
            body.data("inv"),
            _byte_strings(body, "proofs"),
            body.integer("n"),
            body.integer("heard_ms"),
            body.integer("since_ms"),
            body.integer("next"),
            body.integer("t_ms"),
            _after(body.value("after")),
            _offered(body.value("offered")),
        )


@dataclass(frozen=True, slots=True)
class WaitingSignature:
    """Our word for a window: the CID of its receipt, the signature, our newest keyset's number,
    until when (seconds) it is sent, and the parcels it went out in."""

    receipt: bytes
    sig: bytes
    keys: int | None
    until_s: int
    parcels: tuple[int, ...] = ()

    def value(self) -> Value:
        return [self.receipt, self.sig, self.keys, self.until_s, list(self.parcels)]


@dataclass(frozen=True, slots=True)
class ReadsByFile:
    """What one pair reads of each other by file, in the order in which it began."""

    asked: tuple[ReadAsked, ...] = ()
    served: tuple[ReadServed, ...] = ()
    # Named by id, until when (seconds) somebody may say it again.
    over: tuple[tuple[bytes, int], ...] = ()
    signatures: tuple[WaitingSignature, ...] = ()
    # What stands in the store, so that only what changed is written.
    kept: ReadsByFile | None = field(default=None, compare=False, repr=False)

    def asking(self, inv: bytes) -> ReadAsked | None:
        """The read that is being answered to `inv`, or may be, for it was not answered yet."""
        for read in self.asked:
            if read.inv in (None, inv) and any(one.inv == inv for one in read.tries):
                return read
        return None

    def with_asked(self, read: ReadAsked) -> ReadsByFile:
        """One more read of ours, or one that went on."""
        return replace(self, asked=_put(self.asked, read))

    def without_asked(self, id: bytes) -> ReadsByFile:
        return replace(self, asked=tuple(one for one in self.asked if one.id != id))

    def find_served(self, id: bytes) -> ReadServed | None:
        return next((one for one in self.served if one.id == id), None)

    def is_over(self, id: bytes) -> bool:
        return any(one == id for one, _ in self.over)

    def with_served(self, read: ReadServed) -> ReadsByFile:
        """One more read of the peer, or one that went on."""
        return replace(self, served=_put(self.served, read))

    def without_served(self, id: bytes, until_s: int | None) -> ReadsByFile:
        """A read of the peer has ended; with `until_s` it is not begun again until then."""
        over = self.over if until_s is None else (*self.over, (id, until_s))[-OVER_KEPT_MAX:]
        served = tuple(one for one in self.served if one.id != id)
        return replace(self, served=served, over=over)

    def signed(self, signature: WaitingSignature) -> ReadsByFile:
        waiting = (*self.signatures, signature)[-PARCEL_SIGNATURES_MAX:]
        return replace(self, signatures=waiting)

    def seen(self, seen: CounterWindow) -> ReadsByFile:
        """The peer has taken these parcels of ours: what went out in them has arrived."""
        served = tuple(
            replace(one, offered=replace(one.offered, arrived=True))
            if one.offered is not None and any(n in seen for n in one.offered.parcels)
            else one
            for one in self.served
        )
        signatures = tuple(
            one for one in self.signatures if not any(n in seen for n in one.parcels)
        )
        return replace(self, served=served, signatures=signatures)

    def sent(self, n: int, offered: Sequence[bytes], signed: Sequence[bytes]) -> ReadsByFile:
        """Parcel `n` went out with the windows of these receipts, and signatures for those."""
        served = tuple(
            replace(one, offered=replace(one.offered, parcels=_with(one.offered.parcels, n)))
            if one.offered is not None and one.offered.receipt in offered
            else one
            for one in self.served
        )
        signatures = tuple(
            replace(one, parcels=_with(one.parcels, n)) if one.receipt in signed else one
            for one in self.signatures
        )
        return replace(self, served=served, signatures=signatures)

    def tidied(self, now_s: int) -> ReadsByFile:
        """Without what nobody can say again or wait for any more."""
        return replace(
            self,
            over=tuple(one for one in self.over if one[1] >= now_s),
            signatures=tuple(one for one in self.signatures if one.until_s >= now_s),
        )


class Reads:
    """What all pairs read of each other by file.

    One object a read, and one that names them: a read that goes on rewrites only its own.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def of(self, tx: Tx, pair: Pair) -> ReadsByFile:
        """Raises StoreDamaged."""
        body = self._objects.get(tx, Kind.READS_BY_FILE, [pair.own, pair.their])
        if body is None:
            return ReadsByFile()
        asked, served, over, signatures = _book(body)
        found = ReadsByFile(
            tuple(ReadAsked.from_value(self._one(tx, pair, "asked", id)) for id in asked),
            tuple(ReadServed.from_value(self._one(tx, pair, "served", id)) for id in served),
            over,
            signatures,
        )
        return replace(found, kept=found)

    def save(self, tx: Tx, pair: Pair, reads: ReadsByFile) -> None:
        before = reads.kept or ReadsByFile()
        self._save(tx, pair, "asked", before.asked, reads.asked)
        self._save(tx, pair, "served", before.served, reads.served)
        value: Value = {
            "asked": [one.id for one in reads.asked],
            "served": [one.id for one in reads.served],
            "over": [[id, until_s] for id, until_s in reads.over],
            "signatures": [one.value() for one in reads.signatures],
        }
        name: list[Value] = [pair.own, pair.their]
        if reads == ReadsByFile():
            self._objects.delete(tx, Kind.READS_BY_FILE, name)
        else:
            self._objects.put(tx, Kind.READS_BY_FILE, name, value)

    def begin_anew(self, tx: Tx, pair: Pair, entropy: Entropy) -> None:
        """This node is another device now: its parcels are numbered from 1 again, and what it knew
        of its reads may be long past."""
        reads = self.of(tx, pair)
        asked = tuple(
            ReadAsked(entropy.random_bytes(READ_ID_BYTES), one.window, one.grant, one.since_ms)
            for one in reads.asked
        )
        signatures = tuple(replace(one, parcels=()) for one in reads.signatures)
        self.save(tx, pair, replace(reads, asked=asked, served=(), signatures=signatures))

    def _save(
        self,
        tx: Tx,
        pair: Pair,
        side: str,
        before: Sequence[ReadAsked | ReadServed],
        now: Sequence[ReadAsked | ReadServed],
    ) -> None:
        kept = {one.id: one for one in before}
        for one in now:
            if kept.pop(one.id, None) != one:
                self._objects.put(tx, Kind.READ_BY_FILE, _name(pair, side, one.id), one.value())
        for id in kept:
            self._objects.delete(tx, Kind.READ_BY_FILE, _name(pair, side, id))

    def _one(self, tx: Tx, pair: Pair, side: str, id: bytes) -> Value:
        value = self._objects.get(tx, Kind.READ_BY_FILE, _name(pair, side, id))
        if value is None:
            raise _damaged()
        return value


_T = TypeVar("_T", bound=ReadAsked | ReadServed)


def _put(reads: tuple[_T, ...], read: _T) -> tuple[_T, ...]:
    """`read` in the place of the one with its id, or after the others."""
    if all(one.id != read.id for one in reads):
        return (*reads, read)
    put = list(reads)
    put[[one.id for one in reads].index(read.id)] = read
    return tuple(put)


def _with(parcels: tuple[int, ...], n: int) -> tuple[int, ...]:
    return (*parcels[1 - TRIES_KEPT_MAX :], n)


def _name(pair: Pair, side: str, id: bytes) -> Value:
    return [pair.own, pair.their, side, id]


def _book(
    value: Value,
) -> tuple[
    tuple[bytes, ...],
    tuple[bytes, ...],
    tuple[tuple[bytes, int], ...],
    tuple[WaitingSignature, ...],
]:
    body = Body.open(value, "what is read by file", _BOOK_KEYS)
    over = tuple(map(_over, body.items("over", items_max=OVER_KEPT_MAX)))
    waiting = body.items("signatures", items_max=PARCEL_SIGNATURES_MAX)
    return (
        _byte_strings(body, "asked"),
        _byte_strings(body, "served"),
        over,
        tuple(map(_signature, waiting)),
    )


def _byte_strings(body: Body, key: str) -> tuple[bytes, ...]:
    return tuple(one for one in body.items(key, items_max=READS_MAX) if isinstance(one, bytes))


def _try(value: Value) -> Try:
    match value:
        case [bytes(inv), str(device)]:
            return Try(inv, check_did(device))
        case _:
            raise _damaged()


def _over(value: Value) -> tuple[bytes, int]:
    match value:
        case [bytes(id), int(until_s)]:
            return id, until_s
        case _:
            raise _damaged()


def _after(value: Value) -> tuple[int, int] | None:
    match value:
        case None:
            return None
        case [int(day), int(seq)]:
            return day, seq
        case _:
            raise _damaged()


def _offered(value: Value) -> Offered | None:
    match value:
        case None:
            return None
        case [bytes(receipt), list(seqs), end, list(parcels), bool(arrived)]:
            return Offered(receipt, _numbers(seqs), _after(end), _numbers(parcels), arrived)
        case _:
            raise _damaged()


def _signature(value: Value) -> WaitingSignature:
    match value:
        case [bytes(receipt), bytes(sig), keys, int(until_s), list(parcels)] if (
            keys is None or isinstance(keys, int)
        ):
            return WaitingSignature(receipt, sig, keys, until_s, _numbers(parcels))
        case _:
            raise _damaged()


def _numbers(values: Sequence[Value]) -> tuple[int, ...]:
    return tuple(one for one in values if isinstance(one, int))


def _damaged() -> StoreDamaged:
    return StoreDamaged("what is kept of reads by file has not the form of it")

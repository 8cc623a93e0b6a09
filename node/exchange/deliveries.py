"""Deliveries: an organisation hands data back, and a person's device takes it in.

The organisation signs a statement over the records, seals records and salts to the person's
reader key, and keeps the sealed parts until they have been taken.  The person's device opens
them, holds every record against the statement, encrypts its own pages and commits; only then it
answers `stored`.  The same delivery again is answered `stored` at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from ...crypto.entropy import Entropy
from ...crypto.errors import BadCiphertext
from ...protocol.cid import CID_BYTES
from ...protocol.command import Cmd, DeliverArgs
from ...protocol.delivery import (
    Announced,
    Delivered,
    announce,
    check_announced,
    open_parts,
    pack_parts,
)
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import DELIVERY_BYTES_MAX, PART_BYTES_MAX, TEXT_CHARS_MAX
from ...protocol.record import Batch
from ...protocol.statement import NONCE_BYTES, Statement, StatementDay, make_statement
from ...protocol.wire import Body, Value
from ..errors import NotFound, UsageError
from ..household.household import Household
from ..imports.told_before import ToldCounts, told_before
from ..offload import Offload
from ..peers.outgoing import Outgoing
from ..peers.peers import OwnPersona, Pair, Peers
from ..reads.serving import mark_gone, statement_value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind
from ..store.store import Store
from ..vault.sealing import Piece, Written
from ..vault.tellers import family_of_peer
from ..vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery that this node made: `records` on days `first … last`, in `parts` sealed parts."""

    statement: bytes
    path: str
    records: int
    first: int
    last: int
    parts: int


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery that this node took in.

    `told` counts what of it the vault had been told before, None where an earlier version of this
    program took it in; `erased` what was left out of it because the person had erased it.
    """

    statement: bytes
    src: str
    path: str
    first: int
    last: int
    records: int
    t_ms: int
    told: ToldCounts | None = None
    erased: int = 0

    def value(self) -> Value:
        return {
            **({} if self.told is None else {"told": self.told.value()}),
            **({"erased": self.erased} if self.erased else {}),
            "statement": self.statement,
            "src": self.src,
            "path": self.path,
            "first": self.first,
            "last": self.last,
            "records": self.records,
            "t_ms": self.t_ms,
        }

    @classmethod
    def from_value(cls, value: Value) -> Received:
        there = value if isinstance(value, dict) else {}
        told = ("told",) if "told" in there else ()
        erased = ("erased",) if "erased" in there else ()
        body = Body.open(
            value,
            "a delivery in the store",
            ("statement", "src", "path", "first", "last", "records", "t_ms", *told, *erased),
        )
        return cls(
            body.data("statement", length=CID_BYTES),
            body.text("src"),
            body.text("path"),
            body.integer("first"),
            body.integer("last"),
            body.integer("records"),
            body.integer("t_ms"),
            ToldCounts.from_value(body.value("told")) if told else None,
            body.integer("erased") if erased else 0,
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A delivery that this node made, and what became of it: queued, stored or refused."""

    statement: bytes
    to: str
    path: str
    first: int
    last: int
    records: int
    t_ms: int
    state: str
    reason: str | None

    def value(self) -> Value:
        return {name: getattr(self, name) for name in _MADE_KEYS}

    @classmethod
    def from_value(cls, value: Value) -> Made:
        body = Body.open(value, "a delivery in the store", _MADE_KEYS)
        return cls(
            body.data("statement", length=CID_BYTES),
            body.text("to"),
            body.text("path"),
            body.integer("first"),
            body.integer("last"),
            body.integer("records"),
            body.integer("t_ms"),
            body.text("state"),
            body.maybe_text("reason", chars_max=TEXT_CHARS_MAX),
        )


_MADE_KEYS = ("statement", "to", "path", "first", "last", "records", "t_ms", "state", "reason")


class Deliveries:
    """Both sides of handing data back."""

    def __init__(
        self,
        store: Store,
        peers: Peers,
        vault: Vault,
        outgoing: Outgoing,
        entropy: Entropy,
        offload: Offload,
    ) -> None:
        self._store = store
        self._peers = peers
        self._household = Household(store.objects)
        self._vault = vault
        self._outgoing = outgoing
        self._entropy = entropy
        self._offload = offload

    # the organisation

    async def deliver(self, peer: str, path: str, batch: Batch, now_ms: int) -> Sent:
        """Sign and seal `batch` for `peer`, and put it in the outbox.

        Every day from the first record to the last is in the statement, empty ones too.
        Raises NotFound, UsageError for no records, RecordError.
        """
        if not len(batch):
            raise UsageError("there are no records to deliver")
        pair, persona = await self._store.database.read(lambda tx: self._both(tx, peer))
        nonce = self._entropy.random_bytes(NONCE_BYTES)
        statement, parts = await self._offload.run(
            lambda: self._pack(persona, pair, path, batch, nonce)
        )
        announced = announce(parts)
        check_announced(announced)
        args = DeliverArgs(
            pair.their,
            nonce,
            statement.cid,
            tuple((part.digest, part.length) for part in announced),
        )

        made = Made(
            statement.cid,
            pair.their,
            path,
            statement.first,
            statement.last,
            len(batch),
            now_ms,
            "queued",
            None,
        )

        def unit(tx: Tx) -> None:
            self._store.objects.add(tx, Kind.DELIVERY, ["out", statement.cid], made.value())
            for number, part in enumerate(parts):
                name: Value = ["part", statement.cid, number]
                self._store.objects.add(tx, Kind.DELIVERY, name, part)
            self._outgoing.put(tx, pair, Cmd.DELIVER, args.value(), now_ms)

        await self._store.database.write(unit)
        self._outgoing.notify()
        return Sent(statement.cid, path, len(batch), statement.first, statement.last, len(parts))

    def parts(self, tx: Tx, args: DeliverArgs) -> list[bytes]:
        """The sealed parts of a delivery that is in the outbox."""
        found: list[bytes] = []
        for number in range(len(args.parts)):
            part = self._store.objects.get(tx, Kind.DELIVERY, ["part", args.statement, number])
            if not isinstance(part, bytes):
                raise StoreDamaged("a part of a delivery is missing from the store")
            found.append(part)
        return found

    def taken(self, tx: Tx, args: DeliverArgs, refused: str | None = None) -> None:
        """The peer has stored it, or said why not: the sealed parts are not needed any more."""
        made = replace(
            self.made_of(tx, args.statement),
            state="stored" if refused is None else "refused",
            reason=refused,
        )
        self._store.objects.put(tx, Kind.DELIVERY, ["out", args.statement], made.value())
        for number in range(len(args.parts)):
            self._store.objects.delete(tx, Kind.DELIVERY, ["part", args.statement, number])

    def made(self, tx: Tx) -> list[Made]:
        """Every delivery that this node made."""
        return [
            Made.from_value(value)
            for name, value in self._store.objects.all(tx, Kind.DELIVERY)
            if isinstance(name, list) and name[:1] == ["out"]
        ]

    def made_of(self, tx: Tx, statement: bytes) -> Made:
        """The delivery of this statement.  Raises NotFound."""
        value = self._store.objects.get(tx, Kind.DELIVERY, ["out", statement])
        if value is None:
            raise NotFound("this node has made no such delivery")
        return Made.from_value(value)

    def _both(self, tx: Tx, peer: str) -> tuple[Pair, OwnPersona]:
        pair = self._peers.named(tx, peer)
        return pair, self._peers.persona(tx, pair.own)

    def _pack(
        self, persona: OwnPersona, pair: Pair, path: str, batch: Batch, nonce: bytes
    ) -> tuple[Statement, list[bytes]]:
        pieces = [day for day, _ in batch.sorted().by_day()]
        statement, days = make_statement(
            batch.sorted(),
            self._entropy,
            key=persona.key,
            sub=pair.their_now,
            path=path,
            first=pieces[0],
            last=pieces[-1],
            nonce=nonce,
        )
        parts = pack_parts(
            statement,
            days,
            reader_key=pair.inception.reader_key,
            to=pair.their_now,
            nonce=nonce,
            entropy=self._entropy,
        )
        return statement, parts

    # the person

    def has(self, tx: Tx, statement: bytes, pair: Pair) -> bool:
        """Whether this statement was taken in already, from this peer (nobody else is told so)."""
        value = self._store.objects.get(tx, Kind.DELIVERY, ["in", statement])
        return value is not None and Received.from_value(value).src in pair.theirs

    async def receive(
        self,
        pair: Pair,
        args: DeliverArgs,
        parts: Sequence[bytes],
        now_ms: int,
        charge: Callable[[Tx, int], None],
    ) -> None:
        """Verify a delivery and write its pages, in one unit of work; `charge` is told in that
        unit how many pages they are, and may refuse them.

        Raises WireError, CryptoError, StatementError, RecordError, GrantRefused: nothing is
        written then.
        """
        personas = await self._store.database.read(
            lambda tx: [self._peers.persona_as(tx, did) for did in reversed(pair.ours)]
        )
        announced = [Announced(digest, length) for digest, length in args.parts]

        def opened(src: Did, persona: OwnPersona) -> Delivered:
            return open_parts(
                parts,
                announced,
                secret=persona.reader,
                src=src,
                to=persona.did,
                nonce=args.nonce,
                statement=args.statement,
            )

        def whole() -> Delivered:
            # Sealed by who the peer is to who we are; or before one of the two was followed.
            for src in reversed(pair.theirs):
                for persona in personas:
                    with suppress(BadCiphertext):
                        return opened(src, persona)
            return opened(pair.their_now, personas[0])

        delivered = await self._offload.run(whole)
        path = await self._store.database.read(
            lambda tx: self._household.kept_under(tx, pair.own, delivered.statement.path)
        )
        await self._write(delivered, path, now_ms, charge)

    async def _write(
        self, delivered: Delivered, path: str, now_ms: int, charge: Callable[[Tx, int], None]
    ) -> None:
        """Keep it under `path`: the statement's own, or that of the person for whom it came."""
        while True:
            with suppress(_AlreadyTakenError):
                try:
                    await self._write_once(delivered, path, now_ms, charge)
                except _ErasedMeanwhileError:
                    continue
            return

    async def _write_once(
        self, delivered: Delivered, path: str, now_ms: int, charge: Callable[[Tx, int], None]
    ) -> None:
        statement = delivered.statement
        leaves = [day.leaf for day in delivered.days]
        days = {day.day for day in delivered.days}
        tombstones = await self._store.database.read(
            lambda tx: self._vault.erased.of(tx, path, days)
        )
        pieces, erased = self._vault.erased.sifted(
            tombstones, path, [_piece(day) for day in delivered.days]
        )
        whole = [piece for piece in pieces if piece.salt is not None]
        # What is left of days of which something was erased: not what was signed.
        rest = [piece for piece in pieces if piece.salt is None]
        # Beforehand: to be told is worth no lock, and what is delivered is kept whatever was told.
        sifted = await told_before(
            self._vault,
            path,
            statement.schema,
            pieces,
            family=family_of_peer(statement.src),
            signed=True,
        )
        received = Received(
            statement.cid,
            statement.src,
            path,
            statement.first,
            statement.last,
            sum(len(piece.batch) for piece in pieces),
            now_ms,
            ToldCounts.of(sifted),
            erased,
        )

        def also(tx: Tx, written: Written) -> None:
            if self._store.objects.has(tx, Kind.DELIVERY, ["in", statement.cid]):
                raise _AlreadyTakenError
            if self._vault.erased.of(tx, path, days) != tombstones:
                raise _ErasedMeanwhileError
            left = [piece for piece in rest if len(piece.batch)]
            charge(tx, written.pages + len(left))
            self._store.objects.add(
                tx, Kind.STATEMENT, statement.cid, statement_value(statement, leaves)
            )
            self._store.objects.add(tx, Kind.DELIVERY, ["in", statement.cid], received.value())
            for piece in rest:
                mark_gone(self._store.objects, tx, statement.cid, piece.day)
            if left:
                self._vault.write_now(tx, path, statement.schema, left, origin=statement.cid)

        await self._vault.write(
            path,
            statement.schema,
            whole,
            origin=statement.cid,
            statement=statement.cid,
            also=also,
            atomic=True,
        )

    def told_again(self, tx: Tx) -> Counter[tuple[str, str]]:
        """How many delivered records were the `same` as, or `differing` from, others; by path."""
        found: Counter[tuple[str, str]] = Counter()
        for one in self.received(tx):
            if one.told is not None:
                found[one.path, "same"] += one.told.same
                found[one.path, "differing"] += one.told.differing
        return found

    def received(self, tx: Tx) -> list[Received]:
        """Every delivery that was taken in."""
        return [
            Received.from_value(value)
            for name, value in self._store.objects.all(tx, Kind.DELIVERY)
            if isinstance(name, list) and name[:1] == ["in"]
        ]


class _AlreadyTakenError(Exception):
    """The same delivery came twice at once."""


class _ErasedMeanwhileError(Exception):
    """Something of the collection was erased while a delivery was encrypted."""


def check_delivery(args: DeliverArgs) -> None:
    """Refuse a delivery by what it announces, before a byte of it is kept."""
    total = 0
    for _, length in args.parts:
        if not 0 < length <= PART_BYTES_MAX:
            raise GrantRefused("a part of a delivery is larger than 1 MiB", Code.TOO_MUCH)
        total += length
    if total > DELIVERY_BYTES_MAX:
        raise GrantRefused(
            f"a delivery of {total} bytes passes the limit of {DELIVERY_BYTES_MAX}",
            Code.TOO_MUCH,
        )


def _piece(day: StatementDay) -> Piece:
    return Piece(day.day, day.batch, day.salt)

"""The witnesses of this node's log: who was asked, what they have cosigned, what they are shown.

    add ─▸ /log/ask ─▸ their owner decides ─▸ /log/decide ─▸ a witness
    once a day: padded, signed, kept, and for each witness /log/witness in the outbox; all in one
                unit of work
    its answer: a cosignature, kept beside the checkpoint; or the head that it keeps, which is then
                held against this log

Only a padded checkpoint leaves the node, so a witness learns the size by 64, and that the node is
there once a day.  Which checkpoint a witness has cosigned last is remembered to make the next proof
from it; if that was wrong (an answer was lost), the witness shows what it keeps.

Source: formats.md, "Reading, receipts, log"; docs/adr/0021-witnessed-log.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ...crypto.digest import equal
from ...crypto.entropy import Entropy
from ...crypto.keys import LogSigningKey
from ...crypto.merkle import EMPTY_ROOT
from ...protocol.checkpoint_note import (
    CheckpointNote,
    TreeHead,
    parse_checkpoint,
    parse_cosignature,
    sign_checkpoint,
)
from ...protocol.command import (
    Cmd,
    LogAskArgs,
    LogDecideArgs,
    LogWitnessArgs,
    WitnessOut,
    parse_out,
)
from ...protocol.did import Did, public_of
from ...protocol.errors import CapabilityError, Code, GrantRefused
from ...protocol.receipt import Answer
from ...protocol.wire import Body, Value
from ...protocol.witness import make_log_succession
from ..errors import NotFound, UsageError
from ..keystore import Keystore
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.errors import LogBroken, StoreDamaged
from ..store.objects import Kind
from ..store.store import Store
from .head import LogHead

# A checkpoint leaves the node once a day (formats.md).
SHOWN_EVERY_MS = 86_400_000
# Each is asked at a start and shown a checkpoint a day: more show nothing that a few do not.
WITNESSES_MAX = 8
# How often a witness that keeps another head is shown a proof from there at once; then tomorrow.
SHOWN_AGAIN_MAX = 3
_BEHIND = "log-behind"
_WITNESS_KEYS = ("state", "asked_ms", "number", "size", "cosigned_ms", "again", "reason")


class WitnessState(StrEnum):
    """Whether a peer that was asked is a witness."""

    ASKED = "asked"
    WITNESS = "witness"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Witness:
    """A peer that was asked.  `size`: of log `number`, what it has cosigned, at `cosigned_ms`.

    `again` counts proofs that it did not take since; `reason` is its own, or why it was let go.
    """

    own: Did
    their: Did
    state: WitnessState
    asked_ms: int
    number: int = 0
    size: int = 0
    cosigned_ms: int | None = None
    again: int = 0
    reason: str | None = None

    def value(self) -> Value:
        return {
            "state": self.state.value,
            "asked_ms": self.asked_ms,
            "number": self.number,
            "size": self.size,
            "cosigned_ms": self.cosigned_ms,
            "again": self.again,
            "reason": self.reason,
        }

    @classmethod
    def from_row(cls, name: Value, value: Value) -> Witness:
        body = Body.open(value, "a witness in the store", _WITNESS_KEYS)
        match name:
            case [str(own), str(their)]:
                return cls(
                    Did(own),
                    Did(their),
                    WitnessState(body.text("state")),
                    body.integer("asked_ms"),
                    body.integer("number"),
                    body.integer("size"),
                    body.maybe_integer("cosigned_ms"),
                    body.integer("again"),
                    body.maybe_text("reason", chars_max=4_096),
                )
            case _:
                raise StoreDamaged("a witness in the store has not the form of one")


class Witnesses:
    """Those of this log, and its checkpoints."""

    def __init__(
        self,
        *,
        store: Store,
        peers: Peers,
        outgoing: Outgoing,
        keystore: Keystore,
        entropy: Entropy,
        head: LogHead,
    ) -> None:
        self._store = store
        self._peers = peers
        self._outgoing = outgoing
        self._key = keystore.log_signing
        self._number = keystore.log_number
        self._entropy = entropy
        self._head = head

    # who

    def all(self, tx: Tx) -> list[Witness]:
        """Everybody that was asked, in that order."""
        found = self._store.objects.all(tx, Kind.WITNESS)
        return [self._of_this_log(Witness.from_row(name, value)) for name, value in found]

    def find(self, tx: Tx, pair: Pair) -> Witness | None:
        name: Value = [pair.own, pair.their]
        value = self._store.objects.get(tx, Kind.WITNESS, name)
        return None if value is None else self._of_this_log(Witness.from_row(name, value))

    def _of_this_log(self, witness: Witness) -> Witness:
        """Of a log that came after the one it saw, it has seen nothing."""
        if witness.number == self._number:
            return witness
        return replace(witness, number=self._number, size=0, cosigned_ms=None, again=0)

    def willing(self, tx: Tx) -> list[Witness]:
        """Those who have said that they witness this log."""
        return [one for one in self.all(tx) if one.state is WitnessState.WITNESS]

    def add(self, tx: Tx, pair: Pair, now_ms: int) -> Witness:
        """Ask a peer to witness this log.  Raises UsageError."""
        found = self.find(tx, pair)
        if found is not None and found.state is WitnessState.WITNESS:
            raise UsageError(f"{pair.name} witnesses your log already")
        if found is None and len(self.all(tx)) >= WITNESSES_MAX:
            raise UsageError(f"{WITNESSES_MAX} witnesses are enough: remove one first")
        witness = Witness(pair.own, pair.their, WitnessState.ASKED, now_ms, self._number)
        self._save(tx, witness)
        self._outgoing.put(
            tx, pair, Cmd.LOG_ASK, LogAskArgs(pair.their, witness=True).value(), now_ms
        )
        return witness

    def add_sibling(self, tx: Tx, pair: Pair, now_ms: int) -> None:
        """Another device of this person witnesses this log, without being asked."""
        willing = Witness(pair.own, pair.their, WitnessState.WITNESS, now_ms, self._number)
        self._save(tx, willing)

    def remove(self, tx: Tx, pair: Pair, now_ms: int) -> None:
        """Show a peer no more checkpoints.  Raises NotFound."""
        if not self._store.objects.delete(tx, Kind.WITNESS, [pair.own, pair.their]):
            raise NotFound(f"{pair.name} was not asked to witness your log")
        self._outgoing.put(
            tx, pair, Cmd.LOG_ASK, LogAskArgs(pair.their, witness=False).value(), now_ms
        )
        self._count(tx)

    def decided(self, tx: Tx, pair: Pair, args: LogDecideArgs, now_ms: int) -> Value:
        """A peer says whether it is a witness.  Raises GrantRefused if it was not asked."""
        witness = self.find(tx, pair)
        if witness is None:
            raise GrantRefused("you were not asked to witness this log", Code.UNKNOWN_GRANT)
        if not args.witness:
            self._let_go(tx, witness, args.reason)
        elif witness.state is not WitnessState.WITNESS:
            willing = replace(witness, state=WitnessState.WITNESS, reason=None)
            self._save(tx, willing)
            note = self.newest(tx) or self.publish(tx, now_ms)
            self._show(tx, willing, note, now_ms)
        return "known"

    def _let_go(self, tx: Tx, witness: Witness, reason: str | None) -> None:
        self._save(tx, replace(witness, state=WitnessState.REFUSED, reason=reason))
        self._count(tx)

    def _count(self, tx: Tx) -> None:
        if not self.willing(tx):
            self._head.left_alone()

    def _save(self, tx: Tx, witness: Witness) -> None:
        self._store.objects.put(tx, Kind.WITNESS, [witness.own, witness.their], witness.value())

    # checkpoints

    def begin(self, tx: Tx) -> None:
        """The node starts: must it wait for somebody?"""
        behind = self.behind(tx)
        self._head.begin(
            witnesses=bool(self.willing(tx)), behind=None if behind is None else behind[0]
        )

    def local(self, tx: Tx) -> CheckpointNote:
        """The log as it stands, signed.  It does not leave the node: its size is not padded."""
        log = self._store.log
        return sign_checkpoint(self._key, log.size(tx), log.root(tx))

    def publish_if_due(self, tx: Tx, now_ms: int) -> bool:
        """Once a day, where somebody is there to be shown it; whether a checkpoint was made."""
        if not self._head.serves or not self.willing(tx):
            return False
        newest = self._newest(tx)
        if newest is not None:
            made_ms, note = newest
            # A clock that was set back must not stop this for as long.
            if 0 <= now_ms - made_ms < SHOWN_EVERY_MS:
                return False
            if note.head.size == self._store.log.size(tx):
                return False
        self.publish(tx, now_ms)
        return True

    def publish(self, tx: Tx, now_ms: int) -> CheckpointNote:
        """Pad the log, sign its head, keep it, and have it shown to every witness."""
        log = self._store.log
        log.fill(tx)
        size = log.pad(tx, self._entropy)
        newest = self.newest(tx)
        if newest is not None and newest.head.size == size:
            return newest
        note = sign_checkpoint(self._key, size, log.root(tx))
        self._keep(tx, now_ms, note)
        for witness in self.willing(tx):
            self._show(tx, replace(witness, again=0), note, now_ms)
        return note

    def newest(self, tx: Tx) -> CheckpointNote | None:
        """The newest checkpoint that has left, or is leaving, the node."""
        found = self._newest(tx)
        return None if found is None else found[1]

    def checkpoints(self, tx: Tx) -> list[tuple[int, CheckpointNote]]:
        """Those of this log that are kept, with when they were made: the newest last."""
        found: list[tuple[int, CheckpointNote]] = []
        for name, value in self._store.objects.all(tx, Kind.CHECKPOINT):
            match name, value:
                case [int(number), int()], [int(made_ms), bytes(raw)]:
                    if number == self._number:
                        found.append((made_ms, parse_checkpoint(raw)))
                case _:
                    raise StoreDamaged("a checkpoint in the store has not the form of one")
        return sorted(found, key=lambda one: one[1].head.size)

    def verify(self, tx: Tx) -> tuple[int, int]:
        """Hold every checkpoint that is kept against the leaves; how many there are, and how many
        leaves the largest that is cosigned has.  Raises LogBroken.
        """
        found = self.checkpoints(tx)
        for _, note in found:
            if note.head.log != self._key.public or not self._holds(tx, note.head):
                raise LogBroken(f"the checkpoint of {note.head.size} leaves is not one of this log")
        return len(found), max((one.head.size for _, one in found if one.cosignatures), default=0)

    def covering(self, tx: Tx, index: int) -> CheckpointNote | None:
        """The checkpoint to prove the leaf at `index` with: cosigned by most, then the newest."""
        found = [note for _, note in self.checkpoints(tx) if note.head.size > index]
        if not found:
            return None
        return max(found, key=lambda note: (len(note.cosignatures), note.head.size))

    def _newest(self, tx: Tx) -> tuple[int, CheckpointNote] | None:
        found = self.checkpoints(tx)
        return found[-1] if found else None

    def _keep(self, tx: Tx, made_ms: int, note: CheckpointNote) -> None:
        """Keep a checkpoint; of those before it, the newest that somebody has cosigned."""
        objects = self._store.objects
        before = [old for _, old in self.checkpoints(tx)]
        kept = max((old.head.size for old in before if old.cosignatures), default=None)
        for old in before:
            if old.head.size != kept:
                objects.delete(tx, Kind.CHECKPOINT, [self._number, old.head.size])
        objects.put(tx, Kind.CHECKPOINT, [self._number, note.head.size], [made_ms, note.raw])

    # showing

    def _show(self, tx: Tx, witness: Witness, note: CheckpointNote, now_ms: int) -> None:
        """Put a checkpoint for one witness into the outbox."""
        self._save(tx, witness)
        pair = self._peers.pair(tx, witness.own, witness.their)
        args = self._args(tx, witness, note.bare)
        self._outgoing.put(tx, pair, Cmd.LOG_WITNESS, args.value(), now_ms)

    def question(self, tx: Tx, witness: Witness) -> LogWitnessArgs:
        """What a witness is asked at a start: is the newest checkpoint the newest for it too?

        A log that has shown none yet is asked about as empty.
        """
        note = self.newest(tx) or sign_checkpoint(self._key, 0, EMPTY_ROOT)
        old = note.head.size
        return LogWitnessArgs(witness.their, old, (), note.bare.raw, self._successions(tx))

    def _args(self, tx: Tx, witness: Witness, note: CheckpointNote) -> LogWitnessArgs:
        old = min(witness.size, note.head.size)
        proof = self._store.log.tree(tx, note.head.size).consistency_proof(old)
        return LogWitnessArgs(witness.their, old, tuple(proof), note.raw, self._successions(tx))

    def stale(self, tx: Tx, own: Did, their: Did, args: LogWitnessArgs) -> bool:
        """Whether a newer checkpoint has taken the place of one that waits, or nobody asked."""
        value = self._store.objects.get(tx, Kind.WITNESS, [own, their])
        if value is None:
            return True
        newest = self.newest(tx)
        return newest is not None and newest.bare.raw != args.checkpoint

    # what they answer

    def answered(self, tx: Tx, pair: Pair, args: LogWitnessArgs, answer: Answer) -> None:
        """What follows from the answer of a witness.

        Raises BadSignature, CapabilityError, WireError for an answer that is none: a cosignature by
        another, or over another head, or the head of another log.
        """
        witness = self.find(tx, pair)
        if witness is None:
            return
        if answer.code is not Code.OK:
            if answer.code in (Code.UNKNOWN_GRANT, Code.COMMAND, Code.AUDIENCE):
                self._let_go(tx, witness, answer.reason[:1_000])
            return
        out = parse_out(Cmd.LOG_WITNESS, answer.out)
        assert isinstance(out, WitnessOut)
        note = parse_checkpoint(args.checkpoint)
        if out.cosignature is not None:
            self._cosigned(tx, pair, witness, note, out.cosignature)
        elif out.kept is None:
            # It was never shown this log, so it knows nothing of it that is not in it.
            self._head.confirmed(pair.name)
            self._again(tx, witness, 0, args.old)
        else:
            self._held_against(tx, pair, witness, parse_checkpoint(out.kept), args)

    def _cosigned(
        self, tx: Tx, pair: Pair, witness: Witness, note: CheckpointNote, line: bytes
    ) -> None:
        cosignature = parse_cosignature(line)
        if cosignature.witness != public_of(pair.their_now):
            raise CapabilityError("a checkpoint is cosigned by another witness", Code.AUDIENCE)
        cosignature.verify(note.head)
        name: Value = [self._number, note.head.size]
        match self._store.objects.get(tx, Kind.CHECKPOINT, name):
            case [int(made_ms), bytes(raw)]:
                kept = parse_checkpoint(raw).cosigned(cosignature)
                self._store.objects.put(tx, Kind.CHECKPOINT, name, [made_ms, kept.raw])
            case _:
                pass  # a newer one has taken its place meanwhile, or it is of nothing
        size, seen_ms = note.head.size, cosignature.time_s * 1000
        self._save(tx, replace(witness, size=size, cosigned_ms=seen_ms, again=0, reason=None))
        self._head.confirmed(pair.name)

    def _held_against(
        self, tx: Tx, pair: Pair, witness: Witness, kept: CheckpointNote, args: LogWitnessArgs
    ) -> None:
        """A witness shows the head that it keeps: is it in this log?"""
        if kept.head.log != self._key.public:
            raise CapabilityError("a witness shows the head of another log", Code.AUDIENCE)
        if self._holds(tx, kept.head):
            self._head.confirmed(pair.name)
            self._again(tx, witness, kept.head.size, args.old)
            return
        value: Value = [pair.name, kept.raw]
        self._store.objects.put(tx, Kind.SETTING, [_BEHIND, self._number], value)
        self._head.contradicted(pair.name)

    def _holds(self, tx: Tx, head: TreeHead) -> bool:
        """Whether the leaves of this log begin with those under `head`."""
        log = self._store.log
        return head.size <= log.size(tx) and equal(log.tree(tx, head.size).root, head.root)

    def _again(self, tx: Tx, witness: Witness, size: int, old: int) -> None:
        """A witness is elsewhere than was thought: show the newest with a proof from there."""
        moved = replace(witness, size=size, again=witness.again + 1)
        newest = self.newest(tx)
        if newest is None or size == old or moved.again > SHOWN_AGAIN_MAX:
            self._save(tx, moved)
        else:
            self._show(tx, moved, newest, 0)

    def behind(self, tx: Tx) -> tuple[str, CheckpointNote] | None:
        """Who has shown that this home is an old copy, and the head that it keeps."""
        match self._store.objects.get(tx, Kind.SETTING, [_BEHIND, self._number]):
            case [str(by), bytes(raw)]:
                return by, parse_checkpoint(raw)
            case _:
                return None

    # a log after another

    def begin_new_log(self, tx: Tx, old: LogSigningKey) -> None:
        """This home was restored, its log follows that of `old`: sign that with both keys."""
        signed = make_log_succession(old, self._key)
        self._store.objects.put(tx, Kind.LOG_SUCCESSION, self._number, signed.signed.raw)

    def _successions(self, tx: Tx) -> tuple[bytes, ...]:
        found = self._store.objects.all(tx, Kind.LOG_SUCCESSION)
        return tuple(value for _, value in found if isinstance(value, bytes))


def cosigners(note: CheckpointNote, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The names of the peers that have cosigned a checkpoint."""
    names = {public_of(did): pair.name for pair in pairs for did in pair.theirs}
    return tuple(sorted(names.get(one.witness, one.name) for one in note.cosignatures))

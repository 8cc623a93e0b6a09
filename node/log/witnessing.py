"""Witnessing the logs of peers: what is kept of each, what is cosigned, what is kept as evidence.

A peer asks; nothing is cosigned until this node's owner has allowed it.  Of each log one head is
kept, and a head is cosigned in the unit of work that keeps it, so no crash can make this node sign
two heads that do not go together.  Restored from a backup, it might: it no longer knows what it has
cosigned since, so it witnesses nothing more until its owner allows it again.

A head that contradicts the one kept is refused, and both signed notes stay as evidence
(`evidence.py`); so does one of a log that was closed, since another has followed it.

Source: protocol/witness.py; docs/adr/0021-witnessed-log.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ...protocol.checkpoint_note import CheckpointNote, cosign, parse_checkpoint
from ...protocol.command import Cmd, LogAskArgs, LogDecideArgs, LogWitnessArgs, WitnessOut
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.wire import Body, Value
from ...protocol.witness import SHOWN_IN, Judgement, closing, follows, judge
from ..errors import NotFound
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from .evidence import Fork, RefusedWithEvidence, forks, keep_fork

# Logs of one peer, one after the other: it was restored as often.
LOGS_OF_ONE_MAX = 16
# Checkpoints of one peer that are cosigned in a day: one is usual, some are asked for by hand.
COSIGNED_A_DAY_MAX = 24
_DAY_MS = 86_400_000
_KEYS = ("consent", "asked_ms", "day", "cosigned", "logs")


class Consent(StrEnum):
    """Whether this node's owner lets it witness a peer's log."""

    ASKED = "asked"
    ALLOWED = "allowed"
    SUSPENDED = "suspended"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class KeptLog:
    """The newest head of one log: `note` was seen at `seen_ms`; `older_ms`: when it came back with
    an older one.  `closing`: the signed succession by which another log follows it."""

    note: CheckpointNote
    seen_ms: int
    older_ms: int | None = None
    closing: bytes | None = None

    def value(self) -> Value:
        value: list[Value] = [self.note.raw, self.seen_ms, self.older_ms]
        return value if self.closing is None else [*value, self.closing]


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What is kept of one peer.  `cosigned` counts those of `day`; the last of `logs` goes on."""

    own: Did
    their: Did
    consent: Consent
    asked_ms: int
    day: int = 0
    cosigned: int = 0
    logs: tuple[KeptLog, ...] = ()

    def value(self) -> Value:
        return {
            "consent": self.consent.value,
            "asked_ms": self.asked_ms,
            "day": self.day,
            "cosigned": self.cosigned,
            "logs": [one.value() for one in self.logs],
        }

    @classmethod
    def from_row(cls, name: Value, value: Value) -> Witnessed:
        body = Body.open(value, "a witnessed log in the store", _KEYS)
        match name:
            case [str(own), str(their)]:
                return cls(
                    Did(own),
                    Did(their),
                    Consent(body.text("consent")),
                    body.integer("asked_ms"),
                    body.integer("day"),
                    body.integer("cosigned"),
                    tuple(map(_kept_log, body.items("logs", items_max=LOGS_OF_ONE_MAX))),
                )
            case _:
                raise StoreDamaged("a witnessed log in the store has not the form of one")


class Witnessing:
    """The logs that this node witnesses."""

    def __init__(self, objects: Objects, peers: Peers, outgoing: Outgoing) -> None:
        self._objects = objects
        self._peers = peers
        self._outgoing = outgoing

    def all(self, tx: Tx) -> list[Witnessed]:
        found = self._objects.all(tx, Kind.WITNESSED)
        return [Witnessed.from_row(name, value) for name, value in found]

    def find(self, tx: Tx, pair: Pair) -> Witnessed | None:
        name: Value = [pair.own, pair.their]
        value = self._objects.get(tx, Kind.WITNESSED, name)
        return None if value is None else Witnessed.from_row(name, value)

    # consent

    def asked(self, tx: Tx, pair: Pair, args: LogAskArgs, now_ms: int) -> Value:
        """A peer asks this node to witness its log, or not to any more."""
        found = self.find(tx, pair)
        if not args.witness:
            if found is not None:
                self._save(tx, replace(found, consent=Consent.ENDED))
            return "ended"
        if found is None:
            self._save(tx, Witnessed(pair.own, pair.their, Consent.ASKED, now_ms))
        elif found.consent is Consent.ALLOWED:
            self._tell(tx, pair, None, now_ms, witness=True)
        elif found.consent is Consent.ENDED:
            self._save(tx, replace(found, consent=Consent.ASKED, asked_ms=now_ms))
        return "queued"

    def allow(self, tx: Tx, pair: Pair, now_ms: int) -> None:
        """The owner lets this node witness the log of a peer that asked.  Raises NotFound."""
        found = self._asked(tx, pair)
        self._save(tx, replace(found, consent=Consent.ALLOWED))
        self._tell(tx, pair, None, now_ms, witness=True)

    def add_sibling(self, tx: Tx, pair: Pair, now_ms: int) -> None:
        """The log of another device of this person is witnessed, without asking."""
        if self.find(tx, pair) is None:
            self._save(tx, Witnessed(pair.own, pair.their, Consent.ALLOWED, now_ms))

    def refuse(self, tx: Tx, pair: Pair, reason: str | None, now_ms: int) -> None:
        """The owner does not, or not any more.  What was kept stays.  Raises NotFound."""
        found = self._asked(tx, pair)
        self._save(tx, replace(found, consent=Consent.ENDED))
        self._tell(tx, pair, reason, now_ms, witness=False)

    def suspend_all(self, tx: Tx) -> int:
        """This home was restored: what it has cosigned since its backup it does not know."""
        allowed = [one for one in self.all(tx) if one.consent is Consent.ALLOWED]
        for one in allowed:
            self._save(tx, replace(one, consent=Consent.SUSPENDED))
        return len(allowed)

    def _asked(self, tx: Tx, pair: Pair) -> Witnessed:
        found = self.find(tx, pair)
        if found is None:
            raise NotFound(f"{pair.name} has not asked this node to witness its log")
        return found

    def _tell(self, tx: Tx, pair: Pair, reason: str | None, now_ms: int, *, witness: bool) -> None:
        args = LogDecideArgs(pair.their, witness, reason)
        self._outgoing.put(tx, pair, Cmd.LOG_DECIDE, args.value(), now_ms)

    # checkpoints

    def shown(self, tx: Tx, pair: Pair, args: LogWitnessArgs, now_ms: int) -> Value:
        """A peer shows a checkpoint: cosign it, or show what is kept.

        Raises GrantRefused, WireError, BadSignature; a contradiction is kept, not raised.
        """
        witnessed = self._allowed(tx, pair)
        note = parse_checkpoint(args.checkpoint).bare
        if note.head.size % SHOWN_IN:
            raise GrantRefused(
                f"a checkpoint leaves its node only when its size is a multiple of {SHOWN_IN}",
                Code.MALFORMED,
            )
        witnessed, kept = self._kept(witnessed, note, args, now_ms)
        old = None if kept is None else kept.note.head
        judgement = judge(old, note.head, args.old, args.proof)
        if judgement.cosigned:
            return self._cosign(tx, pair, witnessed, note, judgement, now_ms)
        if kept is None:
            return WitnessOut(None, None).value()
        if judgement is Judgement.OLDER:
            self._save(tx, _with_log(witnessed, replace(kept, older_ms=now_ms)))
        elif judgement.evidence:
            fork = Fork(pair.own, pair.their, now_ms, judgement, kept.note, note)
            keep_fork(tx, self._objects, fork)
        return WitnessOut(None, kept.note.raw).value()

    def _allowed(self, tx: Tx, pair: Pair) -> Witnessed:
        found = self.find(tx, pair)
        if found is not None and found.consent is Consent.SUSPENDED:
            raise GrantRefused(
                "this witness was restored from a backup: its owner must allow it again",
                Code.SUSPENDED,
            )
        if found is None or found.consent is not Consent.ALLOWED:
            raise GrantRefused("this node does not witness your log", Code.UNKNOWN_GRANT)
        return found

    def _kept(
        self, witnessed: Witnessed, note: CheckpointNote, args: LogWitnessArgs, now_ms: int
    ) -> tuple[Witnessed, KeptLog | None]:
        """What is kept of the log shown, None for one that begins now; and of the one that it
        closes, how.  Raises GrantRefused, RefusedWithEvidence."""
        logs = {one.note.head.log: one for one in witnessed.logs}
        log = note.head.log
        if log in logs:
            if witnessed.logs[-1].note.head.log != log:
                raise self._closed(witnessed, logs[log], note, now_ms)
            return witnessed, logs[log]
        if logs and not follows(log, tuple(logs), args.successions):
            raise GrantRefused(
                "this log does not follow the one that is witnessed here", Code.AUDIENCE
            )
        if len(logs) >= LOGS_OF_ONE_MAX:
            raise GrantRefused("too many logs have followed each other", Code.TOO_MUCH)
        if logs:
            last = witnessed.logs[-1]
            by = closing(last.note.head.log, args.successions)
            closed = replace(last, closing=by)
            witnessed = replace(witnessed, logs=(*witnessed.logs[:-1], closed))
        return witnessed, None

    def _closed(
        self, witnessed: Witnessed, kept: KeptLog, note: CheckpointNote, now_ms: int
    ) -> GrantRefused:
        """The refusal of a head of a log that another has followed.

        A head that goes further, or elsewhere, than what was kept as it was closed is evidence; the
        same one, or an older, is what an old machine shows that somebody has switched on again.
        """
        sentence = "this log is closed: another has followed it, since its home was restored"
        judgement = judge(kept.note.head, note.head, 0, ())
        if judgement in (Judgement.SAME, Judgement.OLDER):
            return GrantRefused(sentence, Code.SUSPENDED)
        word = Judgement.FORK if judgement is Judgement.FORK else Judgement.CLOSED
        own, their = witnessed.own, witnessed.their
        fork = Fork(own, their, now_ms, word, kept.note, note, kept.closing)
        return RefusedWithEvidence(sentence, Code.SUSPENDED, fork, self._objects)

    def _cosign(
        self,
        tx: Tx,
        pair: Pair,
        witnessed: Witnessed,
        note: CheckpointNote,
        judgement: Judgement,
        now_ms: int,
    ) -> Value:
        day = now_ms // _DAY_MS
        cosigned = witnessed.cosigned if witnessed.day == day else 0
        if judgement is Judgement.NEXT:
            cosigned += 1
            if cosigned > COSIGNED_A_DAY_MAX:
                raise GrantRefused(
                    f"this witness cosigns {COSIGNED_A_DAY_MAX} checkpoints a day", Code.TOO_MUCH
                )
        counted = replace(witnessed, day=day, cosigned=cosigned)
        self._save(tx, _with_log(counted, KeptLog(note, now_ms)))
        persona = self._peers.persona(tx, pair.own)
        return WitnessOut(cosign(persona.key, note.head, now_ms // 1000).raw, None).value()

    def _save(self, tx: Tx, witnessed: Witnessed) -> None:
        name: Value = [witnessed.own, witnessed.their]
        self._objects.put(tx, Kind.WITNESSED, name, witnessed.value())

    # evidence

    def forks(self, tx: Tx) -> list[Fork]:
        """Every contradiction that was kept, the oldest first."""
        return forks(tx, self._objects)


def _with_log(witnessed: Witnessed, kept: KeptLog) -> Witnessed:
    others = tuple(one for one in witnessed.logs if one.note.head.log != kept.note.head.log)
    return replace(witnessed, logs=(*others, kept))


def _kept_log(value: Value) -> KeptLog:
    match value:
        case [bytes(raw), int(seen_ms), None | int() as older_ms]:
            return KeptLog(parse_checkpoint(raw), seen_ms, older_ms)
        case [bytes(raw), int(seen_ms), None | int() as older_ms, bytes(closed)]:
            return KeptLog(parse_checkpoint(raw), seen_ms, older_ms, closed)
        case _:
            raise StoreDamaged("the head of a witnessed log has not the form of one")

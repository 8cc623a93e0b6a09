"""Witnesses: what one makes of a checkpoint that a peer shows it, and what the peer makes of that.

A witness keeps one head of each log, the largest that it has cosigned.  Of a new one it learns a
size and a root, and from the proof that the one continues the other; it sees no leaf, since sizes
are multiples of 64 and no hash of such a proof is a leaf's.

    shown              against the head that is kept               judgement
    ---------------------------------------------------------------------------------
    same size          same root                                   SAME: cosigned again
    same size          another root                                FORK: refused, both are kept
    smaller            (it was set back, or the message is late)    OLDER: what is kept is shown
    larger             `old` is not the size that is kept           ELSEWHERE: what is kept is shown
    larger             the proof does not lead from it to this     UNPROVEN: refused, both are kept
    larger             the proof holds                             NEXT: kept, cosigned

Of a log that another has followed, whatever goes further than the head kept as it was closed is
CLOSED: refused, and both are kept, with the succession that it had signed.

Only SAME and NEXT are cosigned.  A FORK is proof by itself: two roots of one size, both signed by
one log.  UNPROVEN is not, since a wrong proof can be made for a right log; it is kept all the same.

The log's own node judges what its witness shows: a head that its own key has signed and that its
leaves do not lead to means that this node was set back to an older state.

A log is followed by another when its home is restored on a new device; the **succession** `{v, old,
new}` is signed by both logs' keys, so that a witness of the one goes on with the other.

Source: formats.md, "Reading, receipts, log", "Revocation"; C2SP tlog-witness;
docs/adr/0021-witnessed-log.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..crypto.digest import equal
from ..crypto.errors import BadProof
from ..crypto.keys import KEY_BYTES, LogSigningKey
from ..crypto.labels import Signed
from ..crypto.merkle import verify_consistency
from .checkpoint_note import TreeHead
from .errors import WireError
from .limits import LOG_SUCCESSION_BYTES_MAX, LOG_SUCCESSIONS_MAX
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value

# Only a size that is a multiple of this leaves a node (formats.md).
SHOWN_IN = 64


class Judgement(StrEnum):
    """What a head is against the one that is kept of its log."""

    SAME = "same"
    NEXT = "next"
    OLDER = "older"
    ELSEWHERE = "elsewhere"
    FORK = "fork"
    UNPROVEN = "unproven"
    CLOSED = "closed"

    @property
    def cosigned(self) -> bool:
        return self in (Judgement.SAME, Judgement.NEXT)

    @property
    def evidence(self) -> bool:
        """Whether both heads are to be kept: one log has signed what does not go together."""
        return self in (Judgement.FORK, Judgement.UNPROVEN, Judgement.CLOSED)


def judge(
    kept: TreeHead | None, shown: TreeHead, old_size: int, proof: Sequence[bytes]
) -> Judgement:
    """What `shown` is, with a proof from its first `old_size` leaves; `kept` None: the first."""
    size = 0 if kept is None else kept.size
    if shown.size < size:
        return Judgement.OLDER
    if kept is not None and shown.size == size:
        return Judgement.SAME if equal(shown.root, kept.root) else Judgement.FORK
    if old_size != size:
        return Judgement.ELSEWHERE
    if kept is None:
        # Of a log that was not seen before, whatever it is now is where it begins.
        return Judgement.NEXT if not proof else Judgement.UNPROVEN
    try:
        verify_consistency(size, shown.size, kept.root, shown.root, proof)
    except BadProof:
        return Judgement.UNPROVEN
    return Judgement.NEXT


# --- from one log to the next ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogSuccession:
    """The log of the 32-byte key `old` is followed by that of `new`."""

    old: bytes
    new: bytes
    signed: SignedObject


def make_log_succession(old: LogSigningKey, new: LogSigningKey) -> LogSuccession:
    """Sign, with both keys, that the log of `new` follows that of `old`."""
    body: dict[str, Value] = {"v": VERSION, "old": old.public, "new": new.public}
    return parse_log_succession(sign(Signed.LOG_SUCCESSION, body, old, new).raw)


def parse_log_succession(raw: bytes) -> LogSuccession:
    """Read a succession of logs and verify both signatures.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.LOG_SUCCESSION, signatures=2, bytes_max=LOG_SUCCESSION_BYTES_MAX)
    body = Body.open(signed.body, "a succession of logs", ("v", "old", "new"))
    found = LogSuccession(
        body.data("old", length=KEY_BYTES), body.data("new", length=KEY_BYTES), signed
    )
    if found.old == found.new:
        raise WireError("a log does not follow itself")
    signed.verify(found.old, found.new)
    return found


def closing(log: bytes, successions: Sequence[bytes]) -> bytes | None:
    """Of these signed successions, the one by which another log follows `log`.

    Raises WireError, BadSignature for one that is none.
    """
    return next((raw for raw in successions if parse_log_succession(raw).old == log), None)


def follows(log: bytes, known: Sequence[bytes], successions: Sequence[bytes]) -> bool:
    """Whether these signed successions lead from one of the `known` logs to `log`.

    Raises WireError, BadSignature for one that is none.
    """
    if len(successions) > LOG_SUCCESSIONS_MAX:
        raise WireError(f"a log names more than {LOG_SUCCESSIONS_MAX} before it")
    after = {one.old: one.new for one in map(parse_log_succession, successions)}
    for begin in known:
        at: bytes | None = begin
        for _ in range(len(after)):
            at = None if at is None else after.get(at)
            if at == log:
                return True
    return False

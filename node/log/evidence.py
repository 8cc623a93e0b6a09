"""Evidence: what the log of a peer has signed that does not go together.

    fork       two roots of one size, both signed: proof by itself
    unproven   a head, and no proof that it continues the one kept: it may be a fault
    closed     a head of a log that had signed that another follows it: whoever still writes there
               is not the device that its home goes on with; the succession lies beside the notes

A peer whose closed log is shown again is refused, and that it was is kept all the same: so a
refusal can carry what is to be kept of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...crypto.digest import sha256
from ...protocol.checkpoint_note import CheckpointNote, parse_checkpoint
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.wire import Value
from ...protocol.witness import Judgement
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects

# Contradictions of one peer that are kept: one is proof enough.
FORKS_OF_ONE_MAX = 16


@dataclass(frozen=True, slots=True)
class Fork:
    """Two heads of one log, both signed by it, that were not shown to go together.

    `succession`: of a closed log, the signed object by which another follows it.
    """

    own: Did
    their: Did
    t_ms: int
    judgement: Judgement
    kept: CheckpointNote
    shown: CheckpointNote
    succession: bytes | None = None


class RefusedWithEvidence(GrantRefused):
    """What was said is refused; of all that it would have changed, `fork` is kept."""

    def __init__(self, message: str, code: Code, fork: Fork, objects: Objects) -> None:
        super().__init__(message, code)
        self._fork = fork
        self._objects = objects

    def keep(self, tx: Tx) -> None:
        """Keep the evidence, once what the refusal undoes is undone."""
        keep_fork(tx, self._objects, self._fork)


def forks(tx: Tx, objects: Objects) -> list[Fork]:
    """Every contradiction that was kept, the oldest first."""
    found = [_fork(name, value) for name, value in objects.all(tx, Kind.FORK)]
    return sorted(found, key=lambda one: one.t_ms)


def keep_fork(tx: Tx, objects: Objects, fork: Fork) -> None:
    """Keep both notes; no more than `FORKS_OF_ONE_MAX` of one peer."""
    of_one = [one for one in forks(tx, objects) if (one.own, one.their) == (fork.own, fork.their)]
    if len(of_one) >= FORKS_OF_ONE_MAX:
        return
    name: Value = [fork.own, fork.their, sha256(fork.kept.raw + fork.shown.raw)]
    value: list[Value] = [fork.t_ms, fork.judgement.value, fork.kept.raw, fork.shown.raw]
    if fork.succession is not None:
        value.append(fork.succession)
    objects.add_if_new(tx, Kind.FORK, name, value)


def _fork(name: Value, value: Value) -> Fork:
    match name, value:
        case [str(own), str(their), bytes()], [int(t_ms), str(word), bytes(kept), bytes(shown)]:
            succession = None
        case (
            [str(own), str(their), bytes()],
            [int(t_ms), str(word), bytes(kept), bytes(shown), bytes(succession)],
        ):
            pass
        case _:
            raise StoreDamaged("a fork in the store has not the form of one")
    return Fork(
        Did(own),
        Did(their),
        t_ms,
        Judgement(word),
        parse_checkpoint(kept),
        parse_checkpoint(shown),
        succession,
    )

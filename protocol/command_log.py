"""Witnessing another's log: what the commands `/log/…` say and answer.

`/log/ask` asks a peer to witness this log, or not to any more; `/log/decide` says whether it does.
`/log/witness` shows a checkpoint with the proof that it continues the first `old` leaves; the
answer is a cosignature, or what the witness has kept of this log, or neither if it keeps nothing.

Source: docs/adr/0021-witnessed-log.md; C2SP tlog-witness.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..crypto.merkle import SIZE_MAX
from .command_parts import digest_from_text, digest_text, recipient
from .did import Did
from .errors import WireError
from .limits import (
    CHECKPOINT_BYTES_MAX,
    LOG_SUCCESSION_BYTES_MAX,
    LOG_SUCCESSIONS_MAX,
    PROOF_HASHES_MAX,
    TEXT_CHARS_MAX,
)
from .wire import VERSION, Body, Value


@dataclass(frozen=True, slots=True)
class LogAskArgs:
    """Whether the recipient is to be a witness of the sender's log."""

    to: Did
    witness: bool

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "witness": self.witness}


@dataclass(frozen=True, slots=True)
class LogDecideArgs:
    """Whether the sender is a witness of the recipient's log."""

    to: Did
    witness: bool
    reason: str | None

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "witness": self.witness, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class LogWitnessArgs:
    """A signed checkpoint, and how the first `old` leaves of its log lead to it.

    `successions` are the signed ones from the logs that this device's log follows, oldest first.
    """

    to: Did
    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    successions: tuple[bytes, ...] = ()

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "old": self.old,
            "proof": [digest_text(one) for one in self.proof],
            "checkpoint": self.checkpoint,
            "successions": list(self.successions),
        }


@dataclass(frozen=True, slots=True)
class WitnessOut:
    """The line of a cosignature; or the newest checkpoint that the witness keeps, or neither."""

    cosignature: bytes | None
    kept: bytes | None

    def value(self) -> Value:
        return {"v": VERSION, "cosignature": self.cosignature, "kept": self.kept}


def ask_args(body: Body) -> LogAskArgs:
    return LogAskArgs(recipient(body), body.flag("witness"))


def decide_args(body: Body) -> LogDecideArgs:
    reason = body.maybe_text("reason", chars_max=TEXT_CHARS_MAX)
    return LogDecideArgs(recipient(body), body.flag("witness"), reason)


def witness_args(body: Body) -> LogWitnessArgs:
    return LogWitnessArgs(
        recipient(body),
        body.integer("old", high=SIZE_MAX),
        tuple(_hash(one) for one in body.items("proof", items_max=PROOF_HASHES_MAX)),
        body.data("checkpoint", bytes_max=CHECKPOINT_BYTES_MAX),
        tuple(_succession(one) for one in body.items("successions", items_max=LOG_SUCCESSIONS_MAX)),
    )


def witness_out(out: Value) -> WitnessOut:
    """Read what a witness answered.  Raises WireError."""
    body = Body.open(out, "what a witness says", ("v", "cosignature", "kept"))
    found = WitnessOut(
        body.maybe_data("cosignature", bytes_max=CHECKPOINT_BYTES_MAX),
        body.maybe_data("kept", bytes_max=CHECKPOINT_BYTES_MAX),
    )
    if found.cosignature is not None and found.kept is not None:
        raise WireError("what a witness says is a cosignature or what it keeps, not both")
    return found


def _hash(value: Value) -> bytes:
    if not isinstance(value, str):
        raise WireError("a hash of a proof is text")
    return digest_from_text(value)


def _succession(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) > LOG_SUCCESSION_BYTES_MAX:
        raise WireError("a succession of logs is a signed object")
    return value

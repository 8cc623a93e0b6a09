"""Shared records: what the commands `/record/propose` and `/record/answer` say and answer.

Each carries one signed version of its author's own copy (`shared_record.py`) and is answered with
its CID, so that both logs name the version that was heard.  What moves the author's copy by itself
(proposed, withdrawn) is proposed; what answers the other side (accepted, disputed) is an answer: an
owner can withdraw one command of a peer and leave it the other.

Source: docs/adr/0026-shared-records.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .command_parts import recipient
from .did import Did
from .limits import SHARED_TOLD_BYTES_MAX, SHARED_VERSION_BYTES_MAX
from .wire import VERSION, Body, Value


@dataclass(frozen=True, slots=True)
class ProposeArgs:
    """`version` is the signed object; `told` shows what the recipient had delivered, as `Told.raw`
    has it, where the record begins with that."""

    to: Did
    version: bytes = field(repr=False)
    told: bytes | None = field(repr=False)

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "version": self.version, "told": self.told}


@dataclass(frozen=True, slots=True)
class AnswerRecordArgs:
    """`version` is the signed object: the answering side's own copy."""

    to: Did
    version: bytes = field(repr=False)

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "version": self.version}


def propose_args(body: Body) -> ProposeArgs:
    return ProposeArgs(
        recipient(body),
        body.data("version", bytes_max=SHARED_VERSION_BYTES_MAX),
        body.maybe_data("told", bytes_max=SHARED_TOLD_BYTES_MAX),
    )


def answer_args(body: Body) -> AnswerRecordArgs:
    return AnswerRecordArgs(
        recipient(body), body.data("version", bytes_max=SHARED_VERSION_BYTES_MAX)
    )

"""Shared records: what the commands that are about them say and answer.

`/record/propose` and `/record/answer` carry one signed version of its author's own copy
(`shared_record.py`) and are answered with its CID, so that both logs name the version that was
heard.  What moves the author's copy by itself (proposed, withdrawn) is proposed; what answers the
other side (accepted, disputed) is an answer: an owner can withdraw one command of a peer and leave
it the other.

`/record/recall` asks for what comes after the newest versions that the asker has of both copies: a
side that was restored from a backup has lost what it signed since.  It is answered with how many
there are; each is then said: the other side's as ever, the asker's own by `/record/return`.

`/record/erased` says that the sender has erased its copies, and takes no more words on them.

Source: docs/adr/0026-shared-records.md, docs/adr/0031-shared-records-whole.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .cid import CID_BYTES, check_cid
from .command_parts import recipient
from .did import Did
from .errors import RecordError, WireError
from .limits import SHARED_TOLD_BYTES_MAX, SHARED_VERSION_BYTES_MAX, SHARED_VERSIONS_MAX
from .shared_record import SharedName, name_from_body
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


@dataclass(frozen=True, slots=True)
class RecallArgs:
    """`mine` and `theirs` are the newest versions of the asker's and of the other copy that the
    asker has; None for none."""

    to: Did
    name: SharedName
    mine: bytes | None
    theirs: bytes | None

    def value(self) -> dict[str, Value]:
        heads: dict[str, Value] = {"mine": self.mine, "theirs": self.theirs}
        return {"v": VERSION, "to": self.to, **self.name.value(), **heads}


@dataclass(frozen=True, slots=True)
class ReturnArgs:
    """`version` is what the recipient itself had signed; `told` what the record began with, as
    `Told.raw` has it, beside a first version that names it."""

    to: Did
    version: bytes = field(repr=False)
    told: bytes | None = field(repr=False)

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "version": self.version, "told": self.told}


@dataclass(frozen=True, slots=True)
class ErasedArgs:
    """The sender has erased its copies of the record `name`."""

    to: Did
    name: SharedName

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, **self.name.value()}


def recall_args(body: Body) -> RecallArgs:
    mine, theirs = (_maybe_cid(body, key) for key in ("mine", "theirs"))
    return RecallArgs(recipient(body), _name(body), mine, theirs)


def return_args(body: Body) -> ReturnArgs:
    args = propose_args(body)
    return ReturnArgs(args.to, args.version, args.told)


def erased_args(body: Body) -> ErasedArgs:
    return ErasedArgs(recipient(body), _name(body))


def recalled_out(out: Value) -> int:
    """How many versions will be said.  Raises WireError."""
    if type(out) is not int or not 0 <= out <= 2 * SHARED_VERSIONS_MAX:
        raise WireError("an answer to /record/recall is a number of versions")
    return out


def _name(body: Body) -> SharedName:
    try:
        return name_from_body(body)
    except RecordError as error:
        raise WireError(str(error)) from error


def _maybe_cid(body: Body, key: str) -> bytes | None:
    found = body.value(key)
    return None if found is None else check_cid(body.data(key, length=CID_BYTES))

"""Two copies of one record: how each stands, what may follow, and whether they agree.

Each copy is a state machine of its own.  What its author signs moves it, and what the other side
answers to it:

    propose      its author asks the other side to hold the same
    withdraw     its author asks no more, and its copy is again what it was
    follow       its author accepts the other's copy
    keep         its author disputes the other's copy: its own stays as it is
    taken        the other side has accepted it
    contested    the other side disputes it

    held         nothing is asked by it: as it was delivered, or as its author last left it
    proposed     the other side is asked, and has not answered
    disputed     the other side will not, and said why; it may still, and the author may withdraw
    settled      the other side has it, or it is what the other side had

A dispute ends nothing: both copies are shown with each side's reason, until one of them accepts,
withdraws or proposes something else.  An acceptance is final for the version that it names.

An answer belongs to the version that it names, so where two things crossed on their way (a second
proposal and the answer to the first, two proposals, two acceptances) both sides find the same
state from the same versions, in whichever order these came.

Source: docs/adr/0026-shared-records.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from .did import Did
from .errors import Code, GrantRefused
from .limits import SHARED_VERSIONS_MAX
from .shared_record import Record, SharedName, SharedVersion, SharedWord, Told, same_record


class CopyState(StrEnum):
    """How one side's copy stands: see the module."""

    HELD = "held"
    PROPOSED = "proposed"
    DISPUTED = "disputed"
    SETTLED = "settled"


class CopyEvent(StrEnum):
    """What moves a copy: see the module."""

    PROPOSE = "propose"
    WITHDRAW = "withdraw"
    FOLLOW = "follow"
    KEEP = "keep"
    TAKEN = "taken"
    CONTESTED = "contested"


TABLE: Final[Mapping[tuple[CopyState, CopyEvent], CopyState]] = {
    (CopyState.HELD, CopyEvent.PROPOSE): CopyState.PROPOSED,
    (CopyState.HELD, CopyEvent.FOLLOW): CopyState.SETTLED,
    (CopyState.HELD, CopyEvent.KEEP): CopyState.HELD,
    (CopyState.HELD, CopyEvent.TAKEN): CopyState.SETTLED,
    (CopyState.PROPOSED, CopyEvent.PROPOSE): CopyState.PROPOSED,
    (CopyState.PROPOSED, CopyEvent.WITHDRAW): CopyState.HELD,
    (CopyState.PROPOSED, CopyEvent.FOLLOW): CopyState.SETTLED,
    (CopyState.PROPOSED, CopyEvent.KEEP): CopyState.PROPOSED,
    (CopyState.PROPOSED, CopyEvent.TAKEN): CopyState.SETTLED,
    (CopyState.PROPOSED, CopyEvent.CONTESTED): CopyState.DISPUTED,
    (CopyState.DISPUTED, CopyEvent.PROPOSE): CopyState.PROPOSED,
    (CopyState.DISPUTED, CopyEvent.WITHDRAW): CopyState.HELD,
    (CopyState.DISPUTED, CopyEvent.FOLLOW): CopyState.SETTLED,
    (CopyState.DISPUTED, CopyEvent.KEEP): CopyState.DISPUTED,
    (CopyState.DISPUTED, CopyEvent.TAKEN): CopyState.SETTLED,
    (CopyState.DISPUTED, CopyEvent.CONTESTED): CopyState.DISPUTED,
    (CopyState.SETTLED, CopyEvent.PROPOSE): CopyState.PROPOSED,
    (CopyState.SETTLED, CopyEvent.FOLLOW): CopyState.SETTLED,
    (CopyState.SETTLED, CopyEvent.KEEP): CopyState.SETTLED,
    (CopyState.SETTLED, CopyEvent.TAKEN): CopyState.SETTLED,
}

EVENT_OF: Final[Mapping[SharedWord, CopyEvent]] = {
    SharedWord.PROPOSED: CopyEvent.PROPOSE,
    SharedWord.WITHDRAWN: CopyEvent.WITHDRAW,
    SharedWord.ACCEPTED: CopyEvent.FOLLOW,
    SharedWord.DISPUTED: CopyEvent.KEEP,
}
"""What a version is to the copy of its author."""

ANSWER_OF: Final[Mapping[SharedWord, CopyEvent]] = {
    SharedWord.ACCEPTED: CopyEvent.TAKEN,
    SharedWord.DISPUTED: CopyEvent.CONTESTED,
}
"""What a version is to the copy that it answers."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One side's copy: how it stands, what it holds, and what it held when nothing was asked by it.

    `said`: whether its side has said anything of it, be it in a version or by what it delivered.
    """

    state: CopyState
    record: Record | None
    ground: Record | None
    said: bool


@dataclass(frozen=True, slots=True)
class Copies:
    """The two copies between `one` and `other`, each with its history.

    `told` is what one of them had delivered; `versions` of either stand in the order of its chain.
    `followed` leads each persona that has followed `one` or `other` back to it: a side is one side
    under whichever of its personas it signed.
    """

    name: SharedName
    one: Did
    other: Did
    told: Told | None = None
    versions: tuple[SharedVersion, ...] = ()
    followed: Mapping[Did, Did] = field(default_factory=dict[Did, Did])

    def side(self, who: Did) -> Did:
        """`one` or `other`, whichever `who` is or has followed."""
        return self.followed.get(who, who)

    def of(self, who: Did) -> tuple[SharedVersion, ...]:
        """The history of one side's copy, the oldest first."""
        side = self.side(who)
        return tuple(version for version in self.versions if self.side(version.by) == side)

    def head(self, who: Did) -> SharedVersion | None:
        """The newest version of one side's copy; None if it has signed none."""
        side = self.side(who)
        return next((one for one in reversed(self.versions) if self.side(one.by) == side), None)

    def answers(self, version: SharedVersion) -> tuple[SharedVersion, ...]:
        """What the other side answered to `version`."""
        return tuple(
            one
            for one in self.versions
            if one.seen == version.cid
            and one.word in ANSWER_OF
            and self.side(one.by) != self.side(version.by)
        )

    def copy(self, who: Did) -> Copy:
        """One side's copy, from both histories."""
        side = self.side(who)
        theirs = self.told is not None and self.side(self.told.src) == side
        told = self.told.record if self.told is not None and theirs else None
        copy = Copy(CopyState.HELD, told, told, told is not None)
        answers: dict[bytes, list[SharedVersion]] = {}
        for one in self.versions:
            if self.side(one.by) != side and one.seen is not None and one.word in ANSWER_OF:
                answers.setdefault(one.seen, []).append(one)
        for version in self.of(who):
            copy = _moved(replace(copy, record=version.record, said=True), EVENT_OF[version.word])
            for answer in answers.get(version.cid, ()):
                copy = _moved(copy, ANSWER_OF[answer.word])
        return copy

    @property
    def agree(self) -> bool:
        """Whether both sides have said what they hold, and it is the same."""
        mine, theirs = self.copy(self.one), self.copy(self.other)
        return mine.said and theirs.said and same_record(mine.record, theirs.record)

    def with_version(self, version: SharedVersion) -> Copies:
        """As they are once `version` is said."""
        return replace(self, versions=(*self.versions, version))


def _moved(copy: Copy, event: CopyEvent) -> Copy:
    # A withdrawal that crossed an acceptance on its way, and will be refused, moves nothing.
    state = TABLE.get((copy.state, event), copy.state)
    at_rest = state in (CopyState.HELD, CopyState.SETTLED)
    return replace(copy, state=state, ground=copy.record if at_rest else copy.ground)


def check_next(copies: Copies, version: SharedVersion) -> None:
    """Accept `version` as what its author may say next of its copy.

    Raises GrantRefused: `not-yet` where something that it builds on has not come, `replay` where
    another version stands at its place or its answer was given, else `malformed` or `too-much`.
    """
    if version.name != copies.name:
        raise GrantRefused("this version is of another record", Code.COLLECTION)
    _check_place(copies, version)
    answered = _seen_by(copies, version)
    match version.word:
        case SharedWord.ACCEPTED | SharedWord.DISPUTED:
            if answered is None:
                raise GrantRefused("an answer names the version that it answers", Code.MALFORMED)
            _check_answer(copies, version, answered)
        case SharedWord.WITHDRAWN:
            _check_withdrawal(copies, version)
        case SharedWord.PROPOSED:
            pass


def _check_place(copies: Copies, version: SharedVersion) -> None:
    chain = copies.of(version.by)
    before = None if not chain else chain[-1].cid
    if version.prev != before:
        known = version.prev is None or any(one.cid == version.prev for one in chain)
        if known:
            sentence = "another version follows the same one already: your copy has two ends"
            raise GrantRefused(sentence, Code.REPLAY)
        sentence = "the version before this one is not known here: send the earlier ones first"
        raise GrantRefused(sentence, Code.NOT_YET)
    if chain and version.n <= chain[-1].n:
        raise GrantRefused("the numbers of versions rise", Code.REPLAY)
    if len(chain) >= SHARED_VERSIONS_MAX:
        sentence = f"{SHARED_VERSIONS_MAX} versions of this record are kept: no more are taken"
        raise GrantRefused(sentence, Code.TOO_MUCH)


def _seen_by(copies: Copies, version: SharedVersion) -> SharedVersion | None:
    """The version of the other side that `version` names, if it names one."""
    if version.seen is None:
        return None
    if copies.told is not None and version.seen == copies.told.statement.cid:
        return None
    for one in copies.versions:
        if one.cid == version.seen and copies.side(one.by) != copies.side(version.by):
            return one
    raise GrantRefused("what this version has seen is not known here", Code.NOT_YET)


def _check_answer(copies: Copies, version: SharedVersion, answered: SharedVersion) -> None:
    given = [one.word for one in copies.answers(answered)]
    if SharedWord.ACCEPTED in given:
        raise GrantRefused("this version was accepted already, and that is final", Code.REPLAY)
    if version.word is SharedWord.ACCEPTED:
        if not same_record(version.record, answered.record):
            raise GrantRefused("it accepts another record than was proposed", Code.MALFORMED)
        return
    if answered.word is not SharedWord.PROPOSED:
        raise GrantRefused("nothing was proposed that it could dispute", Code.REPLAY)
    own = copies.copy(version.by)
    if own.said and not same_record(version.record, own.record):
        raise GrantRefused("a dispute changes nothing: propose another record", Code.MALFORMED)


def _check_withdrawal(copies: Copies, version: SharedVersion) -> None:
    own = copies.copy(version.by)
    if (own.state, CopyEvent.WITHDRAW) not in TABLE:
        raise GrantRefused("nothing is proposed that could be withdrawn", Code.REPLAY)
    if not same_record(version.record, own.ground):
        if _crossed(copies, version):
            sentence = "an earlier version was accepted meanwhile: what was held before is not now"
            raise GrantRefused(sentence, Code.REPLAY)
        raise GrantRefused("a withdrawal brings back what was held before", Code.MALFORMED)


def _crossed(copies: Copies, version: SharedVersion) -> bool:
    """Whether the other side has said something that the author did not know of."""
    side = copies.side(version.by)
    others = [one.cid for one in copies.versions if copies.side(one.by) != side]
    return bool(others) and others[-1] != version.seen

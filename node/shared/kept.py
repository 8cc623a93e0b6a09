"""A shared record in the store: its two copies, and how far what was signed here has come.

    said ──> heard          the other side has it, by its signed answer
      └────> refused        for good; it is no part of a copy, and neither is what followed it

The row of a record names its versions in the order in which they came to be known here; each
version lies beside it as it was signed, under its CID.  A row has more keys where there is more to
say: when the other side erased its copies; from which export the record came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

from ...protocol.cid import CID_BYTES
from ...protocol.day import UNDATED, day_of
from ...protocol.did import Did, check_did
from ...protocol.limits import TEXT_CHARS_MAX
from ...protocol.persona_line import PersonaLine, line_from_value
from ...protocol.schema import schema_named
from ...protocol.shared_copy import Copies, Copy, CopyState
from ...protocol.shared_record import (
    SharedName,
    SharedVersion,
    Told,
    check_name,
    parse_told,
    parse_version,
)
from ...protocol.wire import Body, Value
from ..store.errors import StoreDamaged

# What this node itself stored was verified when it came; a second look costs a lookup only.
version_of = lru_cache(maxsize=1024)(parse_version)
_told_of = lru_cache(maxsize=256)(parse_told)

_KEYS = ("own", "their", "path", "schema", "id", "kept", "told", "versions", "waits")
_MORE = ("left", "brought")


class SaidState(StrEnum):
    """How far a version has come: see the drawing above."""

    SAID = "said"
    HEARD = "heard"
    REFUSED = "refused"


class SharedState(StrEnum):
    """How two copies stand to each other, seen from here.

    agreed    both hold the same
    asks      the other side has proposed something, and waits for an answer from here
    asked     it was proposed from here, and waits for the other side
    crossed   both have proposed, and neither has answered
    disputed  the copies differ, and at least one side has said why
    apart     the copies differ, and nobody asks for anything
    left      the other side has erased its copies, and takes no more words on the record
    """

    AGREED = "agreed"
    ASKS = "asks"
    ASKED = "asked"
    CROSSED = "crossed"
    DISPUTED = "disputed"
    APART = "apart"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class VersionKept:
    """One version; `t_ms` is when it came to be known here, `refusal` why it was not taken."""

    version: SharedVersion
    state: SaidState
    refusal: str
    t_ms: int

    @property
    def cid(self) -> bytes:
        return self.version.cid

    def value(self) -> Value:
        return [self.cid, self.state.value, self.refusal, self.t_ms]


@dataclass(frozen=True, slots=True)
class Brought:
    """Of a record that an export brought: what the other side was called there, and the lines of
    the two sides, so that it can still be proven.  Nobody here holds the keys of either."""

    name: str
    lines: tuple[PersonaLine, ...] = ()

    def value(self) -> Value:
        return {"name": self.name, "lines": [one.value() for one in self.lines]}

    @classmethod
    def from_value(cls, value: Value) -> Brought:
        body = Body.open(value, "a shared record from an export", ("name", "lines"))
        lines = body.items("lines", items_max=2)
        return cls(body.text("name"), tuple(line_from_value(one) for one in lines))

    @property
    def followed(self) -> Mapping[Did, Did]:
        return {later: first for one in self.lines for later, first in one.followed.items()}


@dataclass(frozen=True, slots=True)
class SharedKept:
    """One shared record between `own` and `their`.

    `kept` is the collection of this vault that it belongs to: `name.path`, or that path as
    somebody's of the house.  `own` and `their` are the personas by which the two met; `followed`
    leads those that have followed them back to these.  `left_ms`: when the other side said that it
    has erased its copies.
    """

    own: Did
    their: Did
    name: SharedName
    kept: str
    told: Told | None = field(repr=False)
    versions: tuple[VersionKept, ...] = ()
    followed: Mapping[Did, Did] = field(default_factory=dict[Did, Did])
    left_ms: int | None = None
    brought: Brought | None = None

    @property
    def key(self) -> Value:
        """The name of the row."""
        return shared_key(self.own, self.their, self.name)

    @property
    def copies(self) -> Copies:
        """The two copies: of all that was signed, what was not refused.

        Where two devices of this person have each signed a next version, the one that the other
        side has, or else the one with the lesser CID, and what follows it.
        """
        kept = [one for one in self.versions if one.state is not SaidState.REFUSED]
        ours = [one for one in kept if self.is_ours(one.version)]
        if len({one.version.prev for one in ours}) < len(ours):
            end = _one_end(ours)
            kept = [one for one in kept if one.cid in end or not self.is_ours(one.version)]
        taken = tuple(one.version for one in kept)
        return Copies(self.name, self.own, self.their, self.told, taken, self.followed)

    def is_ours(self, version: SharedVersion) -> bool:
        """Whether this node signed it, as the persona that it is or was to the other side."""
        return self.followed.get(version.by, version.by) == self.own

    @property
    def mine(self) -> Copy:
        return self.copies.copy(self.own)

    @property
    def theirs(self) -> Copy:
        return self.copies.copy(self.their)

    @property
    def is_left(self) -> bool:
        """Whether the other side has erased its copies, and has said nothing since."""
        left_ms = self.left_ms
        return left_ms is not None and all(
            one.t_ms <= left_ms for one in self.versions if not self.is_ours(one.version)
        )

    @property
    def waits(self) -> bool:
        """Whether the other side asks something that was not answered here, and can be."""
        if self.is_left or self.brought is not None:
            return False
        return self.theirs.state is CopyState.PROPOSED

    @property
    def state(self) -> SharedState:
        """How the two copies stand to each other."""
        if self.is_left:
            return SharedState.LEFT
        if self.copies.agree:
            return SharedState.AGREED
        states = {self.mine.state, self.theirs.state}
        if self.theirs.state is CopyState.PROPOSED:
            asked = self.mine.state is CopyState.PROPOSED
            return SharedState.CROSSED if asked else SharedState.ASKS
        if CopyState.PROPOSED in states:
            return SharedState.ASKED
        return SharedState.DISPUTED if CopyState.DISPUTED in states else SharedState.APART

    @property
    def id(self) -> bytes:
        """What the record is called here: its first version.  Any other version names it too."""
        return self.versions[0].cid

    @property
    def day(self) -> int:
        """The day that the record belongs to, by what was said of it last."""
        for one in reversed(self.versions):
            record = one.version.record
            if record is not None and isinstance(time := record.get("time"), int):
                return day_of(time)
        return UNDATED

    def find(self, cid: bytes) -> VersionKept | None:
        return next((one for one in self.versions if one.cid == cid), None)

    def adding(self, version: SharedVersion, state: SaidState, now_ms: int) -> SharedKept:
        """With one version more, which came to be known now."""
        return replace(self, versions=(*self.versions, VersionKept(version, state, "", now_ms)))

    def heard(self, cid: bytes) -> SharedKept:
        """The other side has this version of ours."""
        return self._with(lambda one: one.cid == cid, SaidState.HEARD, "")

    def refused(self, cid: bytes, reason: str) -> SharedKept:
        """The other side does not take this version of ours, nor then what we signed after it."""
        after = {cid}
        for one in self.versions:
            if one.version.prev in after and self.is_ours(one.version):
                after.add(one.cid)
        return self._with(
            lambda one: (
                one.cid in after and self.is_ours(one.version) and one.state is SaidState.SAID
            ),
            SaidState.REFUSED,
            reason,
        )

    def set_aside(self, reason: str) -> SharedKept:
        """Without the words of ours that the other side does not have: they follow what is not the
        newest of ours."""
        return self._with(
            lambda one: self.is_ours(one.version) and one.state is SaidState.SAID,
            SaidState.REFUSED,
            reason,
        )

    def _with(
        self, which: Callable[[VersionKept], bool], state: SaidState, refusal: str
    ) -> SharedKept:
        return replace(
            self,
            versions=tuple(
                replace(one, state=state, refusal=refusal) if which(one) else one
                for one in self.versions
            ),
        )

    def value(self) -> Value:
        """The row; the versions it names lie beside it."""
        more: dict[str, Value] = {}
        if self.left_ms is not None:
            more["left"] = self.left_ms
        if self.brought is not None:
            more["brought"] = self.brought.value()
        return {
            "own": self.own,
            "their": self.their,
            "path": self.name.path,
            "schema": self.name.schema.name,
            "id": self.name.id,
            "kept": self.kept,
            "told": None if self.told is None else self.told.raw,
            "versions": [one.value() for one in self.versions],
            "waits": self.waits,
            **more,
        }

    @classmethod
    def from_value(
        cls, value: Value, raw_of: Callable[[bytes], Value], followed: Mapping[Did, Did]
    ) -> SharedKept:
        """Read a row; `raw_of` gives the bytes of the versions that it names."""
        body = _row(value)
        told = body.maybe_data("told")
        left, brought = (body.fields.get(key) for key in _MORE)
        id = body.value("id")
        if not isinstance(id, (str, int)):
            raise StoreDamaged("a shared record in the store has no name")
        return cls(
            check_did(body.text("own")),
            check_did(body.text("their")),
            check_name(body.text("path"), schema_named(body.text("schema")), id),
            body.text("kept"),
            None if told is None else _told_of(told),
            tuple(_version_kept(one, raw_of) for one in _list(body.value("versions"))),
            followed if brought is None else Brought.from_value(brought).followed,
            left_ms=left if isinstance(left, int) else None,
            brought=None if brought is None else Brought.from_value(brought),
        )


def _one_end(ours: Sequence[VersionKept]) -> frozenset[bytes]:
    """Of versions of one copy that has two ends, the CIDs of those that lead to one of them."""
    found: set[bytes] = set()
    before: bytes | None = None
    while after := [one for one in ours if one.version.prev == before and one.cid not in found]:
        chosen = min(after, key=lambda one: (one.state is not SaidState.HEARD, one.cid))
        found.add(chosen.cid)
        before = chosen.cid
    return frozenset(found)


def _row(value: Value) -> Body:
    more = [key for key in _MORE if isinstance(value, Mapping) and key in value]
    return Body.open(value, "a shared record in the store", (*_KEYS, *more))


def shared_key(own: Did, their: Did, name: SharedName) -> Value:
    """Under which name the row of a record is kept."""
    return [own, their, name.path, name.id]


def of_pair(value: Value) -> tuple[str, str, bool]:
    """Of a row that is not read further: own, their, and whether it waits for an answer here."""
    body = _row(value)
    return body.text("own"), body.text("their"), body.flag("waits")


def _version_kept(value: Value, raw_of: Callable[[bytes], Value]) -> VersionKept:
    match value:
        case [bytes(cid), str(state), str(refusal), int(t_ms)] if (
            len(cid) == CID_BYTES and type(t_ms) is int
        ):
            raw = raw_of(cid)
            if isinstance(raw, bytes):
                version = version_of(raw)
                return VersionKept(version, SaidState(state), refusal[:TEXT_CHARS_MAX], t_ms)
        case _:
            pass
    raise StoreDamaged("a version of a shared record is missing from the store")


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise StoreDamaged("a shared record in the store has no versions")
    return value

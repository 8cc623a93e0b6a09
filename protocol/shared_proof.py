"""Proof files: what two sides have signed of one shared record, for whoever has only the file.

`["entrenous/1/shared-proof", {v, whole, told, versions}]`, not signed itself: everything in it is.
Where one side signed as several personas, one after the other, the body has a fifth key, `lines`.

    whole       whether these are both histories from their beginnings, or the newest of each side
    told        what one side had delivered, as `Told.raw` has it; or null
    versions    of both sides, as they were signed, in an order in which they follow
    lines       of each side that appears as more than one persona, how the last of these followed
                the first (`persona_line.py`): no more of its line than that, and no other

A file holds the newest version of each side, which is enough to show that both signed one record,
or that they do not; or, on its writer's choice, the whole of both histories: then each version is
held against all before it, as the two nodes did.  Reasons travel with the versions.

What such a file cannot show is said where it is checked: that nothing was signed since, that what
both say is true, who the people behind the keys are; and with `lines`, whether what was signed by a
key that has been followed was signed before it was left behind.

Source: docs/adr/0026-shared-records.md, docs/adr/0031-shared-records-whole.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..crypto.canonical import encode
from ..crypto.labels import Signed, label
from .did import Did, check_did
from .errors import CapabilityError, Code, WireError
from .limits import (
    SHARED_PROOF_BYTES_MAX,
    SHARED_TOLD_BYTES_MAX,
    SHARED_VERSION_BYTES_MAX,
    SHARED_VERSIONS_MAX,
)
from .persona_line import PersonaLine, line_from_value
from .shared_copy import Copies, check_next
from .shared_record import (
    SharedVersion,
    SharedWord,
    Told,
    check_told,
    parse_told,
    parse_version,
    same_record,
)
from .wire import VERSION, Body, Value, decode


@dataclass(frozen=True, slots=True)
class SharedProof:
    """What stands in a proof file, verified.  `whole`: both histories, from their beginnings.

    `lines`: of each side that signed as several personas, who followed whom.
    """

    copies: Copies
    whole: bool
    lines: tuple[PersonaLine, ...] = ()

    @property
    def accepted(self) -> SharedVersion | None:
        """The newest version of either side that says that it accepts the other's newest."""
        for who, other in (
            (self.copies.one, self.copies.other),
            (self.copies.other, self.copies.one),
        ):
            mine, theirs = self.copies.head(who), self.copies.head(other)
            if (
                mine is not None
                and theirs is not None
                and mine.word is SharedWord.ACCEPTED
                and mine.seen == theirs.cid
            ):
                return mine
        return None

    @property
    def raw(self) -> bytes:
        """The bytes of the file."""
        told = self.copies.told
        body: dict[str, Value] = {
            "v": VERSION,
            "whole": self.whole,
            "told": None if told is None else told.raw,
            "versions": [one.raw for one in self.copies.versions],
        }
        if self.lines:
            body["lines"] = [one.value() for one in self.lines]
        return encode([label(Signed.SHARED_PROOF), body])


def make_proof(copies: Copies, *, whole: bool, lines: Iterable[PersonaLine] = ()) -> SharedProof:
    """What can be shown of these copies: their newest versions, or all of them.

    `lines` are those of the two sides that have one; of each goes in what the versions need.
    Raises WireError, CapabilityError where a side signed as several personas and no line says so.
    """
    if not whole:
        heads = (copies.head(copies.one), copies.head(copies.other))
        versions = tuple(one for one in heads if one is not None)
        copies = replace(copies, versions=versions)
    used = _named(copies.versions, copies.told)
    needed = (line.between(used) for line in lines)
    said = tuple(line for line in needed if line is not None)
    return parse_proof(SharedProof(copies, whole, said).raw)


def parse_proof(raw: bytes) -> SharedProof:
    """Read a proof file and verify all of it.

    Raises WireError for what is no such file, BadSignature, RecordError, StatementError,
    CapabilityError; GrantRefused for versions that do not follow from each other.
    """
    match decode(raw, bytes_max=SHARED_PROOF_BYTES_MAX):
        case [str(kind), dict(found)] if kind == label(Signed.SHARED_PROOF):
            keys = (*_KEYS, "lines") if "lines" in found else _KEYS
            body = Body.open(found, "a proof", keys)
        case _:
            raise WireError("this is not a proof that `entrenous shared prove` has written")
    versions = [
        parse_version(_data(one))
        for one in body.items("versions", items_min=1, items_max=2 * SHARED_VERSIONS_MAX)
    ]
    raw_told = body.maybe_data("told", bytes_max=SHARED_TOLD_BYTES_MAX)
    told = None if raw_told is None else parse_told(raw_told)
    lines = _lines(body, _named(versions, told)) if "lines" in found else ()
    empty = _begun(versions, told, lines)
    if told is not None:
        both = (empty.one, empty.other)
        src = empty.side(told.src)
        sub = empty.side(Did(told.statement.sub))
        if {src, sub} != set(both):
            raise CapabilityError("this was delivered by or to another persona", Code.AUDIENCE)
        check_told(told, empty.name, src=(told.src,), sub=(told.statement.sub,))
    whole = body.flag("whole")
    return SharedProof((_followed if whole else _heads)(empty, versions, lines), whole, lines)


_KEYS = ("v", "whole", "told", "versions")


def _named(versions: Iterable[SharedVersion], told: Told | None) -> set[Did]:
    """Every persona that appears."""
    found = {one for version in versions for one in (version.by, version.to)}
    return found if told is None else found | {told.src, check_did(told.statement.sub)}


def _lines(body: Body, used: set[Did]) -> tuple[PersonaLine, ...]:
    """The lines of the two sides: no more than is needed, since they name personas."""
    lines = tuple(line_from_value(one) for one in body.items("lines", items_min=1, items_max=2))
    for line in lines:
        if line.dids[0] not in used or line.dids[-1] not in used:
            raise WireError("a proof shows more of a line of personas than it needs")
    if len({did for line in lines for did in line.dids}) != sum(len(one.dids) for one in lines):
        raise WireError("a proof has two lines of one persona")
    return lines


def _begun(
    versions: list[SharedVersion], told: Told | None, lines: tuple[PersonaLine, ...]
) -> Copies:
    """The two sides that everything in a proof is between, with nothing said yet."""
    followed: Mapping[Did, Did] = {
        later: first for line in lines for later, first in line.followed.items()
    }
    first = versions[0]
    one, other = (followed.get(did, did) for did in (first.by, first.to))
    empty = Copies(first.name, one, other, told, (), followed)
    for version in versions:
        between = {empty.side(version.by), empty.side(version.to)}
        if one == other or between != {one, other} or version.name != first.name:
            raise WireError("a proof holds versions of two records, or between other personas")
    return empty


def _heads(empty: Copies, versions: list[SharedVersion], _lines: tuple[PersonaLine, ...]) -> Copies:
    if len({empty.side(one.by) for one in versions}) != len(versions):
        raise WireError("a proof holds two versions of one copy and not the history between")
    copies = empty
    for version in versions:
        copies = copies.with_version(version)
    for version in versions:
        _check_acceptance(copies, version)
    return copies


def _check_acceptance(copies: Copies, version: SharedVersion) -> None:
    other = copies.head(version.to)
    if (
        version.word is SharedWord.ACCEPTED
        and other is not None
        and version.seen == other.cid
        and not same_record(version.record, other.record)
    ):
        raise WireError("a version accepts another record than it names")


def _followed(
    empty: Copies, versions: list[SharedVersion], lines: tuple[PersonaLine, ...]
) -> Copies:
    """Whole histories: each version held against those before it."""
    places = {did: place for line in lines for place, did in enumerate(line.dids)}
    copies = empty
    for version in versions:
        check_next(copies, version)
        before = copies.head(version.by)
        if before is not None and places.get(before.by, 0) > places.get(version.by, 0):
            raise WireError("a version was signed by a persona that another had followed before")
        copies = copies.with_version(version)
    return copies


def _data(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) > SHARED_VERSION_BYTES_MAX:
        raise WireError("a version in a proof is not one")
    return value

"""Proof files: what two sides have signed of one shared record, for whoever has only the file.

`["entrenous/1/shared-proof", {v, whole, told, versions}]`, not signed itself: everything in it is.

    whole       whether these are both histories from their beginnings, or the newest of each side
    told        what one side had delivered, as `Told.raw` has it; or null
    versions    of both sides, as they were signed, in an order in which they follow

A file holds the newest version of each side, which is enough to show that both signed one record,
or that they do not; or, on its writer's choice, the whole of both histories: then each version is
held against all before it, as the two nodes did.  Reasons travel with the versions.

What such a file cannot show is said where it is checked: that nothing was signed since, that what
both say is true, who the people behind the keys are.

Source: docs/adr/0026-shared-records.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..crypto.canonical import encode
from ..crypto.labels import Signed, label
from .errors import WireError
from .limits import (
    SHARED_PROOF_BYTES_MAX,
    SHARED_TOLD_BYTES_MAX,
    SHARED_VERSION_BYTES_MAX,
    SHARED_VERSIONS_MAX,
)
from .shared_copy import Copies, check_next
from .shared_record import (
    SharedVersion,
    SharedWord,
    check_told,
    parse_told,
    parse_version,
    same_record,
)
from .wire import VERSION, Body, Value, decode


@dataclass(frozen=True, slots=True)
class SharedProof:
    """What stands in a proof file, verified.  `whole`: both histories, from their beginnings."""

    copies: Copies
    whole: bool

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
        return encode([label(Signed.SHARED_PROOF), body])


def make_proof(copies: Copies, *, whole: bool) -> SharedProof:
    """What can be shown of these copies: their newest versions, or all of them.

    Raises WireError where they are of more than two personas: one of them has been followed since.
    """
    if not whole:
        heads = (copies.head(copies.one), copies.head(copies.other))
        versions = tuple(one for one in heads if one is not None)
        copies = replace(copies, versions=versions)
    return parse_proof(SharedProof(copies, whole).raw)


def parse_proof(raw: bytes) -> SharedProof:
    """Read a proof file and verify all of it.

    Raises WireError for what is no such file, BadSignature, RecordError, StatementError,
    CapabilityError; GrantRefused for versions that do not follow from each other.
    """
    match decode(raw, bytes_max=SHARED_PROOF_BYTES_MAX):
        case [str(kind), dict(found)] if kind == label(Signed.SHARED_PROOF):
            body = Body.open(found, "a proof", ("v", "whole", "told", "versions"))
        case _:
            raise WireError("this is not a proof that `entrenous shared prove` has written")
    versions = [
        parse_version(_data(one))
        for one in body.items("versions", items_min=1, items_max=2 * SHARED_VERSIONS_MAX)
    ]
    raw_told = body.maybe_data("told", bytes_max=SHARED_TOLD_BYTES_MAX)
    told = None if raw_told is None else parse_told(raw_told)
    first = versions[0]
    empty = Copies(first.name, first.by, first.to, told)
    for version in versions:
        if {version.by, version.to} != {first.by, first.to} or version.name != first.name:
            raise WireError("a proof holds versions of two records, or between other personas")
    if told is not None:
        both = (first.by, first.to)
        check_told(told, first.name, src=both, sub=[one for one in both if one != told.src])
    whole = body.flag("whole")
    return SharedProof((_followed if whole else _heads)(empty, versions), whole)


def _heads(empty: Copies, versions: list[SharedVersion]) -> Copies:
    if len({one.by for one in versions}) != len(versions):
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


def _followed(empty: Copies, versions: list[SharedVersion]) -> Copies:
    """Whole histories: each version held against those before it."""
    copies = empty
    for version in versions:
        check_next(copies, version)
        copies = copies.with_version(version)
    return copies


def _data(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) > SHARED_VERSION_BYTES_MAX:
        raise WireError("a version in a proof is not one")
    return value

"""What a helper is given: a lease, the grants it may serve, and pages as they are encrypted.

A **lease** is a certificate by the persona that a reader knows, for the helper's device, for
`/record/read` and nothing else, for at most 24 hours.  Whoever is greeted by a device under a lease
knows from it alone that the owner wants this device to serve for now; there is no other object to
trust, and it ends by itself.

What is kept comes in parts after a call of `/helper/keep`; joined, they are one of

    ["shelf", {v, reader, lease, grants: [[delegation, keyset|null]…]}]
              all that one reader may read here, in place of what was said of it before
    ["stands", {v, shelves: [[persona, reader]…]}]
              the shelves that there are: others of this owner are cleared
    ["pages", {v, path, segments: [[head, leaves]…], statements: [[statement, leaves, gone]…],
               pages: [[entry, segment, index, ciphertext]…]}]

`leaves` are leaf hashes of 32 bytes, one after the other; `gone` the days of a statement that are
not whole any more; `segment` a CID and `index` the place of the entry in it.  Everything that is
signed is verified here, and each page held against the segment that vouches for it, so a helper
never keeps what no reader would take.

Source: docs/adr/0032-helpers.md; formats.md, "Revocation".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..crypto.digest import equal, sha256
from ..crypto.keys import PersonaKey
from ..crypto.merkle import HASH_BYTES, tree_hash
from .cid import check_cid
from .collection import check_path
from .command import Cmd
from .delegation import parse_delegation
from .did import Did, check_did
from .errors import CapabilityError, Code, LocalProtocolError, WireError
from .grant import ReadGrant, read_grant
from .keyset import parse_keyset
from .limits import (
    CLOCK_SKEW_S_MAX,
    HELP_BYTES_MAX,
    HELP_GRANTS_MAX,
    HELP_ITEMS_MAX,
    HELP_SHELVES_MAX,
    KEYSET_BYTES_MAX,
    LEASE_S_MAX,
    PART_BYTES_MAX,
    SEGMENT_BYTES_MAX,
    STATEMENT_BYTES_MAX,
    STATEMENT_DAYS_MAX,
    TOKEN_BYTES_MAX,
    WINDOW_PAGES_MAX,
)
from .page import PageEntry, entry_leaf, parse_entry
from .persona import Certificate, make_certificate, parse_certificate
from .segment import SegmentHead, parse_segment_head
from .statement import Statement, parse_statement
from .wire import VERSION, Body, Value, decode, encode

_LEASED = (Cmd.READ.value,)


def make_lease(key: PersonaKey, *, device: Did, exp_s: int, now_ms: int) -> Certificate:
    """Let `device` serve reads for the persona `key` until `exp_s`, at most a day from now."""
    if exp_s * 1000 > now_ms + LEASE_S_MAX * 1000:
        raise LocalProtocolError("a lease ends within a day")
    return make_certificate(key, device=device, cmds=_LEASED, exp_s=exp_s, now_ms=now_ms)


def is_lease(certificate: Certificate) -> bool:
    """Whether a certificate lets its device serve reads and nothing else."""
    return certificate.cmds == _LEASED


def check_lease(lease: Certificate, now_ms: int, device: bytes | None = None) -> None:
    """Accept a lease at `now_ms`, for a 32-byte device key.

    Raises CapabilityError (expired, not-yet, audience, command).
    """
    if not is_lease(lease):
        raise CapabilityError("a lease is for reads and nothing else", Code.COMMAND)
    lease.check(now_ms, device, Cmd.READ)
    if lease.exp_s * 1000 - now_ms > (LEASE_S_MAX + CLOCK_SKEW_S_MAX) * 1000:
        raise CapabilityError("a lease runs for more than a day", Code.NOT_YET)


@dataclass(frozen=True, slots=True)
class Served:
    """One grant that a helper may serve, with the newest keyset that its reader may lack."""

    grant: ReadGrant
    keyset: bytes | None

    def value(self) -> Value:
        return [self.grant.delegation.raw, self.keyset]


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that `reader` may read at a helper while the persona of `lease` is away."""

    reader: Did
    lease: Certificate
    grants: tuple[Served, ...]

    @property
    def owner(self) -> Did:
        """The persona by which the reader knows the owner."""
        return self.lease.persona

    def value(self) -> Value:
        return {
            "v": VERSION,
            "reader": self.reader,
            "lease": self.lease.signed.raw,
            "grants": [one.value() for one in self.grants],
        }


@dataclass(frozen=True, slots=True)
class Stands:
    """The shelves that an owner has at a helper, each as (persona, reader)."""

    shelves: tuple[tuple[Did, Did], ...]

    def value(self) -> Value:
        return {"v": VERSION, "shelves": [list(one) for one in self.shelves]}


@dataclass(frozen=True, slots=True)
class KeptSegment:
    """What a device of the owner vouched for: its signed head, and the hash of each leaf."""

    head: SegmentHead
    leaves: tuple[bytes, ...]

    def value(self) -> Value:
        return [self.head.raw, b"".join(self.leaves)]


@dataclass(frozen=True, slots=True)
class KeptStatement:
    """What a source signed, the hash of each of its days, and the days that are `gone`."""

    statement: Statement
    leaves: tuple[bytes, ...]
    gone: tuple[int, ...]

    def value(self) -> Value:
        return [self.statement.raw, b"".join(self.leaves), list(self.gone)]


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A page as it is encrypted; `raw` is `cb(entry)`, at `index` of `segment`."""

    entry: PageEntry
    raw: bytes
    segment: bytes
    index: int
    ciphertext: bytes

    def value(self) -> Value:
        return [self.raw, self.segment, self.index, self.ciphertext]


@dataclass(frozen=True, slots=True)
class KeptPages:
    """Pages of one collection, with what vouches for them."""

    path: str
    segments: tuple[KeptSegment, ...]
    statements: tuple[KeptStatement, ...]
    pages: tuple[KeptPage, ...]

    def value(self) -> Value:
        return {
            "v": VERSION,
            "path": self.path,
            "segments": [one.value() for one in self.segments],
            "statements": [one.value() for one in self.statements],
            "pages": [one.value() for one in self.pages],
        }


Kept: TypeAlias = Shelf | Stands | KeptPages
_WORDS: Mapping[type[Kept], str] = {Shelf: "shelf", Stands: "stands", KeptPages: "pages"}


def parts_of(kept: Kept) -> list[bytes]:
    """`kept` as it is sent: parts of at most 1 MiB.  Raises LocalProtocolError if it is too much
    for one call."""
    data = encode([_WORDS[type(kept)], kept.value()])
    if len(data) > HELP_BYTES_MAX:
        raise LocalProtocolError("this is more than is given to a helper in one call")
    return [data[at : at + PART_BYTES_MAX] for at in range(0, len(data), PART_BYTES_MAX)]


def kept_from_parts(parts: Sequence[bytes]) -> Kept:
    """Read what came for a helper, and verify all that is signed in it.

    Raises WireError, CapabilityError, RecordError, BadSignature.  Whether a lease holds now, and
    for this device, is `check_lease`.
    """
    value = decode(b"".join(parts), bytes_max=HELP_BYTES_MAX, items_max=HELP_ITEMS_MAX)
    match value:
        case ["shelf", body]:
            return _shelf(body)
        case ["stands", body]:
            return _stands(body)
        case ["pages", body]:
            return _pages(body)
        case _:
            raise WireError("what came for a helper is no shelf and no pages")


def _shelf(value: Value) -> Shelf:
    body = Body.open(value, "a shelf", ("v", "reader", "lease", "grants"))
    reader = check_did(body.text("reader"))
    lease = parse_certificate(body.data("lease", bytes_max=TOKEN_BYTES_MAX))
    grants = tuple(
        _served(one, lease.persona, reader)
        for one in body.items("grants", items_max=HELP_GRANTS_MAX, items_min=1)
    )
    if len({one.grant.cid for one in grants}) != len(grants):
        raise WireError("a shelf names one grant twice")
    return Shelf(reader, lease, grants)


def _served(value: Value, owner: Did, reader: Did) -> Served:
    match value:
        case [bytes(raw), bytes() | None as keyset] if len(raw) <= TOKEN_BYTES_MAX and (
            keyset is None or len(keyset) <= KEYSET_BYTES_MAX
        ):
            grant = read_grant(parse_delegation(raw))
            if grant.delegation.iss != owner or grant.delegation.aud != reader:
                raise CapabilityError(
                    "a grant on a shelf is of another owner, or for another reader", Code.AUDIENCE
                )
            if keyset is not None and parse_keyset(keyset, owner).grant != grant.cid:
                raise CapabilityError("a shelf holds the keys of another grant", Code.AUDIENCE)
            return Served(grant, keyset)
        case _:
            raise WireError("a grant on a shelf is not a delegation and a keyset")


def _stands(value: Value) -> Stands:
    body = Body.open(value, "the shelves of an owner", ("v", "shelves"))
    found: list[tuple[Did, Did]] = []
    for item in body.items("shelves", items_max=HELP_SHELVES_MAX):
        match item:
            case [str(owner), str(reader)]:
                found.append((check_did(owner), check_did(reader)))
            case _:
                raise WireError("a shelf is named by two personas")
    return Stands(tuple(found))


def _pages(value: Value) -> KeptPages:
    body = Body.open(value, "pages for a helper", ("v", "path", "segments", "statements", "pages"))
    path = check_path(body.text("path"))
    segments = tuple(map(_segment, body.items("segments", items_max=WINDOW_PAGES_MAX)))
    statements = tuple(map(_statement, body.items("statements", items_max=WINDOW_PAGES_MAX)))
    by_cid = {one.head.cid: one for one in segments}
    items = body.items("pages", items_max=WINDOW_PAGES_MAX)
    pages = tuple(_page(one, path, by_cid) for one in items)
    if len({one.entry.page_id for one in pages}) != len(pages):
        raise WireError("one page comes twice for a helper")
    return KeptPages(path, segments, statements, pages)


def _segment(value: Value) -> KeptSegment:
    match value:
        case [bytes(raw), bytes(joined)] if len(raw) <= SEGMENT_BYTES_MAX:
            head = parse_segment_head(raw)
            leaves = _leaves(joined, head.size)
            if not equal(tree_hash(leaves), head.root):
                raise WireError("the leaves of a segment are not those that were signed")
            return KeptSegment(head, leaves)
        case _:
            raise WireError("a segment for a helper is not a head and its leaves")


def _statement(value: Value) -> KeptStatement:
    match value:
        case [bytes(raw), bytes(joined), list(gone)] if (
            len(raw) <= STATEMENT_BYTES_MAX and len(gone) <= STATEMENT_DAYS_MAX
        ):
            statement = parse_statement(raw)
            leaves = _leaves(joined, statement.days)
            if not equal(tree_hash(leaves), statement.root):
                raise WireError("the days of a statement are not those that were signed")
            first, last = statement.first, statement.last
            days = tuple(day for day in gone if type(day) is int and first <= day <= last)
            if list(days) != sorted(set(days)) or len(days) != len(gone):
                raise WireError("the days that are gone are not the statement's, or do not ascend")
            return KeptStatement(statement, leaves, days)
        case _:
            raise WireError("a statement for a helper is not a statement with its days")


def _leaves(joined: bytes, count: int) -> tuple[bytes, ...]:
    if len(joined) != count * HASH_BYTES:
        raise WireError("there are not as many leaves as were signed for")
    return tuple(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES))


def _page(value: Value, path: str, segments: Mapping[bytes, KeptSegment]) -> KeptPage:
    match value:
        case [bytes(raw), bytes(segment), int(index), bytes(ciphertext)] if type(index) is int:
            entry = parse_entry(raw)
            vouched = segments.get(check_cid(segment))
            if vouched is None or not 0 <= index < len(vouched.leaves):
                raise WireError("a page for a helper names a segment that did not come")
            if not equal(entry_leaf(raw), vouched.leaves[index]):
                raise WireError("a page for a helper is not the one that was vouched for")
            if entry.path != path or entry.writer != vouched.head.dev:
                raise WireError("a page for a helper is of another collection or device")
            if entry.length != len(ciphertext) or not equal(sha256(ciphertext), entry.digest):
                raise WireError("a page for a helper came altered")
            return KeptPage(entry, raw, segment, index, ciphertext)
        case _:
            raise WireError("a page for a helper has not the form of one")

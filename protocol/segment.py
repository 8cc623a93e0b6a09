"""Segments: what a device vouches for.

A device signs the root over the entries of all pages that it wrote in one commit; the list itself
stays with the owner's devices.  A reader gets the head, the entries that were granted, and one
range proof for each contiguous run of them.  So a fellow reader, who holds the same day keys,
cannot make pages that pass as the owner's.

Entries stand in order of (path, day, page_id) and are padded at the end with random leaves to a
power of two: how many pages a person wrote is not in the head, and a run's neighbours say nothing.

    head    signed {v, dev, seq, prev, n, root, supersedes}     n: the padded size
    run     [segment, first, size, [hash…]]                     a range proof, `size` entries long

Whether `dev` serves for the persona is the business of its certificate (`persona.py`).

Source: formats.md, "Statement and segment".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..crypto.digest import equal
from ..crypto.entropy import Entropy
from ..crypto.errors import BadProof
from ..crypto.keys import DeviceKey
from ..crypto.labels import Signed
from ..crypto.merkle import HASH_BYTES, Tree, root_of_range, tree_hash
from . import limits
from .cid import check_cid
from .did import Did, check_did, did_of, public_of
from .errors import LocalProtocolError, StatementError, WireError
from .page import PageEntry, entry_leaf, parse_entry
from .signed import SignedObject, parse, sign
from .statement import read_hashes
from .wire import VERSION, Body, Value

_KEYS = ("v", "dev", "seq", "prev", "n", "root", "supersedes")


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """The signed part.  `size` is padded, a power of two; `prev` the CID of this device's last."""

    dev: Did
    seq: int
    prev: bytes | None
    size: int
    root: bytes
    supersedes: tuple[bytes, ...]
    signed: SignedObject

    @property
    def cid(self) -> bytes:
        return self.signed.cid

    @property
    def raw(self) -> bytes:
        return self.signed.raw


@dataclass(frozen=True, slots=True)
class Segment:
    """A head with its entries, in order, and all its leaves, padding included."""

    head: SegmentHead
    entries: tuple[PageEntry, ...]
    leaves: tuple[bytes, ...]

    @property
    def padding(self) -> tuple[bytes, ...]:
        """The random leaves at the end, which cannot be computed again: the store keeps them."""
        return self.leaves[len(self.entries) :]


@dataclass(frozen=True, slots=True)
class RunProof:
    """`size` entries from place `first` of a segment (its CID) on, and the hashes around them."""

    segment: bytes
    first: int
    size: int
    hashes: tuple[bytes, ...]

    def value(self) -> list[Value]:
        return [self.segment, self.first, self.size, list(self.hashes)]

    @classmethod
    def from_value(cls, value: Value) -> RunProof:
        """Read a run from outside.  Raises WireError."""
        match value:
            case [bytes(segment), int(first), int(size), hashes] if (
                0 <= first < limits.SEGMENT_ENTRIES_MAX
                and 0 < size <= limits.SEGMENT_ENTRIES_MAX
                and bool not in (type(first), type(size))
            ):
                return cls(check_cid(segment), first, size, read_hashes(hashes))
            case _:
                raise WireError("a run is [segment, first, size, [hash…]]")


def make_segment(
    entries: Iterable[PageEntry],
    *,
    device: DeviceKey,
    seq: int,
    prev: bytes | None,
    supersedes: Sequence[bytes] = (),
    encoded: Iterable[bytes] | None = None,
    entropy: Entropy,
) -> Segment:
    """Sign for pages that this device wrote.  `prev` and `supersedes` are CIDs of its segments.

    `encoded`: `cb` of each of `entries`, for a caller that has it already.

    Raises LocalProtocolError for no entries, too many, one twice, or another device's.
    """
    given = list(entries)
    raws = [entry.encoded() for entry in given] if encoded is None else list(encoded)
    if len(raws) != len(given):
        raise LocalProtocolError("a segment has the bytes of each of its entries")
    raw_of = {entry.page_id: raw for entry, raw in zip(given, raws, strict=True)}
    ordered = tuple(sorted(given, key=_place))
    if not 0 < len(ordered) <= limits.SEGMENT_ENTRIES_MAX:
        raise LocalProtocolError(f"a segment has 1 to {limits.SEGMENT_ENTRIES_MAX} entries")
    dev = did_of(device.public)
    if any(entry.writer != dev for entry in ordered):
        raise LocalProtocolError("a device vouches only for pages that it wrote")
    if len(set(map(_place, ordered))) != len(ordered):
        raise LocalProtocolError("a segment has each page once")
    if len(supersedes) > limits.SUPERSEDES_MAX:
        raise LocalProtocolError(f"a segment replaces at most {limits.SUPERSEDES_MAX} others")
    size = 1 << (len(ordered) - 1).bit_length()
    noise = entropy.random_bytes((size - len(ordered)) * HASH_BYTES)
    padding = (noise[at : at + HASH_BYTES] for at in range(0, len(noise), HASH_BYTES))
    leaves = (*(entry_leaf(raw_of[entry.page_id]) for entry in ordered), *padding)
    body: dict[str, Value] = {
        "v": VERSION,
        "dev": dev,
        "seq": seq,
        "prev": prev,
        "n": size,
        "root": tree_hash(leaves),
        "supersedes": list(supersedes),
    }
    head = parse_segment_head(sign(Signed.SEGMENT, body, device).raw)
    return Segment(head, ordered, leaves)


def parse_segment_head(raw: bytes) -> SegmentHead:
    """Read a head from outside and verify its device's signature.

    Raises WireError, BadSignature.
    """
    signed = parse(raw, Signed.SEGMENT, bytes_max=limits.SEGMENT_BYTES_MAX)
    body = Body.open(signed.body, "a segment", _KEYS)
    dev = check_did(body.text("dev"))
    prev = body.maybe_data("prev")
    supersedes: list[bytes] = []
    for cid in body.items("supersedes", items_max=limits.SUPERSEDES_MAX):
        if not isinstance(cid, bytes):
            raise WireError("a segment: supersedes is not a list of CIDs")
        supersedes.append(check_cid(cid))
    size = body.integer("n", low=1, high=limits.SEGMENT_ENTRIES_MAX)
    if size.bit_count() != 1:
        raise WireError("a segment: n is not a power of two")
    signed.verify(public_of(dev))
    return SegmentHead(
        dev,
        body.integer("seq"),
        None if prev is None else check_cid(prev),
        size,
        body.data("root", length=HASH_BYTES),
        tuple(supersedes),
        signed,
    )


def runs(segment: Segment, wanted: Iterable[int]) -> tuple[RunProof, ...]:
    """One proof for each contiguous run of the entries at the places `wanted`, ascending.

    Raises LocalProtocolError for a place where there is no entry.
    """
    places = sorted(set(wanted))
    if places and not 0 <= places[0] <= places[-1] < len(segment.entries):
        raise LocalProtocolError("a segment has no entry at one of these places")
    tree = Tree(segment.leaves)
    found: list[RunProof] = []
    start = 0
    for i, place in enumerate(places):
        if i + 1 < len(places) and places[i + 1] == place + 1:
            continue
        first, size = places[start], i + 1 - start
        hashes = tuple(tree.range_proof(first, place))
        found.append(RunProof(segment.head.cid, first, size, hashes))
        start = i + 1
    return tuple(found)


def verify_run(head: SegmentHead, run: RunProof, encoded: Sequence[bytes]) -> tuple[PageEntry, ...]:
    """The entries of a run (`cb(entry)` each, as they travelled), known to be the device's.

    Raises StatementError if the device did not sign just these at their places; WireError or
    RecordError if one is not an entry.
    """
    if run.segment != head.cid or run.size != len(encoded):
        raise StatementError("these entries are not the run that the proof is for")
    try:
        root = root_of_range(head.size, run.first, list(map(entry_leaf, encoded)), run.hashes)
    except BadProof as bad:
        raise StatementError("the proof of these entries is not one of this segment") from bad
    if not equal(root, head.root):
        raise StatementError("these entries are not those that the device signed")
    return _parse_entries(head, encoded)


def _parse_entries(head: SegmentHead, encoded: Sequence[bytes]) -> tuple[PageEntry, ...]:
    entries = tuple(map(parse_entry, encoded))
    if any(entry.writer != head.dev for entry in entries):
        raise StatementError("a segment names a page that another device wrote")
    places = list(map(_place, entries))
    if places != sorted(set(places)):
        raise StatementError("the entries of a segment are not in their order")
    return entries


def _place(entry: PageEntry) -> tuple[str, int, bytes]:
    return entry.path, entry.day, entry.page_id

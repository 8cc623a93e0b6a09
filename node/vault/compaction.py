"""Compaction: a day that has gathered many small pages is written again as one.

Records that come one at a time (declared by hand, pushed by a meter) make a page for each commit.
Each costs a bucket, a signature's share and an opening.  So small pages of one day are merged: same
origin, so that an undo stays exact; written by this device, which alone may vouch for them;
unsigned, since a statement's day has exactly one page.

The new page, its segment and the end of the old ones are one transaction.  Work is bounded: a call
merges at most PAGES_MAX pages of MERGED_BYTES_MAX plain bytes, and what has grown large is left in
peace, so a record is written again a few times at most while a day fills.  A page that will not
open stays where it is, for a read to name.

The new segment names those segments in `supersedes` of which nothing is left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial

from ...protocol.page import parse_entry
from ...protocol.record import Batch
from ..store.database import Tx
from .kept_pages import head_cid
from .sealing import Piece
from .stored import Damaged, Stored, open_stored, told_once
from .vault import Vault

# Fewer are not worth a rewrite: opening sixteen pages takes two milliseconds.
PAGES_MIN = 16
PAGES_MAX = 64
# A page of this many rows, or of this many plain bytes, is not small any more.
SMALL_ROWS = 1_024
SMALL_BYTES = 64 * 1024
# A quarter of what a page may hold.
MERGED_BYTES_MAX = 256 * 1024


def compact_day(vault: Vault, tx: Tx, path: str, day: int) -> int:
    """Merge small pages of one day, inside the caller's unit; how many went into others.

    The caller says `Vault.changed` once the unit is committed.  Raises NotFound.
    """
    collection = vault.collections.get(tx, path)
    merged = 0
    for origin, small in _small_pages(vault, vault.stored(tx, path, day, day)).items():
        batches: list[Batch] = []
        gone: list[Stored] = []
        for stored, ciphertext in vault.ciphertexts(tx, small):
            opened = open_stored(stored, ciphertext, vault.keys_of)
            if not isinstance(opened, Damaged):
                batches.append(opened)
                gone.append(stored)
        if len(gone) < PAGES_MIN:
            continue
        batch = told_once(collection.schema, batches)
        vault.write_now(
            tx,
            path,
            collection.schema,
            [Piece(day, batch)],
            origin=origin,
            supersedes=emptied(vault, tx, gone),
        )
        numbers = {stored.seq for stored in gone}
        merged += vault.remove_of_day(tx, path, day, partial(_is_numbered, numbers))
    return merged


def _is_numbered(numbers: set[int], stored: Stored) -> bool:
    return stored.seq in numbers


def _small_pages(vault: Vault, stored: Sequence[Stored]) -> dict[bytes, list[Stored]]:
    """The pages of one day that may be merged now, by origin."""
    found: defaultdict[bytes, list[Stored]] = defaultdict(list)
    plain: Counter[bytes] = Counter()
    for one in stored:
        if one.statement is not None or one.writer != vault.device:
            continue
        entry = parse_entry(one.raw)
        some = found[one.origin]
        if (
            entry.count < SMALL_ROWS
            and entry.plain_len < SMALL_BYTES
            and len(some) < PAGES_MAX
            and plain[one.origin] + entry.plain_len <= MERGED_BYTES_MAX
        ):
            some.append(one)
            plain[one.origin] += entry.plain_len
    return {origin: some for origin, some in found.items() if len(some) >= PAGES_MIN}


def emptied(vault: Vault, tx: Tx, gone: Sequence[Stored]) -> list[bytes]:
    """The CIDs of the segments of which `gone` is everything.

    A head gives its size padded to a power of two: only a segment whose pages fill it is known to
    be empty.  One page a segment, which is how records come one at a time, always is.
    """
    segments = vault.store.segments
    cids: list[bytes] = []
    for seq, pages in sorted(Counter(stored.segment for stored in gone).items()):
        if len(segments.leaves(tx, seq)) == pages:
            cids.append(head_cid(segments.head(tx, seq)))
    return cids

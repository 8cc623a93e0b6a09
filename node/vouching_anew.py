"""Vouching anew: a new device signs for the pages that an older one wrote.

A reader takes pages only from the device whose segment names them, and after a restore the old
device is gone.  Neither key nor ciphertext changes: the writer is not part of what a page is bound
to, so each entry gets the new device's name, a place in a new segment, and stays where it is kept.

Pages are not opened: the backup they came from is authentic as a whole (`backup.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ..protocol.did import did_of
from ..protocol.page import parse_entry
from ..protocol.segment import make_segment
from ..protocol.wire import Value
from .keystore import Keystore
from .node import Node
from .store.database import Tx
from .store.store import Store
from .vault.kept_pages import head_cid
from .vault.stored import Stored
from .vault.vault import CHUNK_PAGES


async def vouch_anew(node: Node) -> int:
    """Sign for every page of the vault as this device; how many pages.  Raises StoreError."""
    database = node.store.database
    collections = await database.read(node.vault.collections.all)
    # What the old device signed says nothing any more, and its numbers are used again.
    await database.write(node.store.segments.forget_all)
    pages = 0
    for collection in collections:
        for month in collection.months:
            pages += await database.write(partial(_vouch_month, node, collection.path, month))
    return pages


def _vouch_month(node: Node, path: str, month: int, tx: Tx) -> int:
    stored = node.vault.stored_of_month(tx, path, month)
    fresh: list[Value] = []
    for start in range(0, len(stored), CHUNK_PAGES):
        some = stored[start : start + CHUNK_PAGES]
        fresh += [one.value() for one in _vouched(node, tx, some)]
    node.store.catalogue.replace(tx, "", path, month, fresh)
    return len(stored)


def _vouched(node: Node, tx: Tx, stored: Sequence[Stored]) -> list[Stored]:
    """These pages under one new segment of this device."""
    keystore: Keystore = node.keystore
    store: Store = node.store
    writer = did_of(keystore.device.public)
    entries = [replace(parse_entry(one.raw), writer=writer) for one in stored]
    latest = store.segments.latest(tx)
    seq = 0 if latest is None else latest[0] + 1
    segment = make_segment(
        entries,
        device=keystore.device,
        seq=seq,
        prev=None if latest is None else head_cid(latest[1]),
        entropy=node.entropy,
    )
    store.segments.append(
        tx, seq, segment.head.cid, [segment.head.cid, segment.head.raw], segment.leaves
    )
    places = {entry.page_id: index for index, entry in enumerate(segment.entries)}
    return [
        replace(one, segment=seq, index=places[entry.page_id], raw=entry.encoded())
        for one, entry in zip(stored, entries, strict=True)
    ]

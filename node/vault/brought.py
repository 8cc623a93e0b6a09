"""Pages that another device of this person wrote, taken into this one's vault as they are.

Neither key nor ciphertext changes; the entry gets this device's name, and a place in a segment of
this device's, as after a restore: a reader takes pages only from the device that vouches for them.
Where it was written first stays known (`Stored.writer`), so that small pages are merged by one
device and not by each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ...crypto.digest import equal, sha256
from ...protocol.day import month_of
from ...protocol.did import did_of
from ...protocol.errors import WireError
from ...protocol.page import PageEntry
from ...protocol.schema import schema_named
from ..store.database import Tx
from .sealing import SealedPage
from .stored import Came, Stored
from .vault import Vault


@dataclass(frozen=True, slots=True)
class Brought:
    """A page from another device.  `writer`: the 32-byte key of the device that wrote it first;
    `line` and `depth`: see `Stored`."""

    entry: PageEntry
    origin: bytes
    writer: bytes
    line: bytes
    depth: int
    interval_s: int
    ciphertext: bytes = field(repr=False)

    def check(self, path: str, month: int) -> Brought:
        """Accept that it is a page of this month of `path`, with these bytes.  Raises WireError."""
        entry = self.entry
        if entry.path != path or month_of(entry.day) != month:
            raise WireError("a device brings a page of another collection or month")
        if entry.length != len(self.ciphertext) or not equal(entry.digest, sha256(self.ciphertext)):
            raise WireError("a device brings a page with other bytes than its entry says")
        return self


def bring(vault: Vault, tx: Tx, path: str, brought: Sequence[Brought]) -> list[Stored]:
    """Keep pages that are new here, inside the caller's unit, and vouch for them.

    The caller says `Vault.changed` once the unit is committed.  Raises RecordError where `path`
    holds records of another schema or interval.
    """
    if not brought:
        return []
    writer = did_of(vault.device)
    first = brought[0]
    schema = schema_named(first.entry.schema)
    collection = vault.fitting(tx, path, schema, first.interval_s, first.origin)
    entries = [replace(one.entry, writer=writer) for one in brought]
    pages = [
        SealedPage(entry, entry.encoded(), one.ciphertext)
        for entry, one in zip(entries, brought, strict=True)
    ]
    came = [
        Came(one.origin, one.writer, one.line if one.depth else None, one.depth) for one in brought
    ]
    return vault.keep(tx, collection, pages, came)

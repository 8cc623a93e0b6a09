"""Mending a slip: one record that was told here, by hand or by a program, is taken out again.

A record that a file or a delivery brought is not: an import is undone as a whole, and what a source
signed stays as it was signed.  The page that holds the record is written again without it, and the
old one is overwritten, as an import's undo does.  What somebody was lent and has fetched stays
fetched.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial

from ...protocol.day import UNDATED
from ...protocol.record import Batch
from ..errors import NodeError, NotFound, UsageError
from ..store.database import Tx
from ..vault.compaction import emptied
from ..vault.origin import is_declared
from ..vault.sealing import Piece
from ..vault.stored import Damaged, Stored, names_of, open_stored, rows_of
from ..vault.vault import Vault

# A shorter beginning of an id is a slip, not a choice.
ID_CHARS_MIN = 6


@dataclass(frozen=True, slots=True)
class Found:
    """One record: where it lies, and what names it there (an id, or a time in milliseconds)."""

    path: str
    day: int
    name: Hashable
    declared: bool
    record: Batch


async def find_record(vault: Vault, path: str, name: str | int) -> Found:
    """The declared record of `path` that `name` names: an id or its beginning, or a time.

    Raises NotFound, UsageError for several, NodeError for one that was not declared here.
    """

    def unit(tx: Tx) -> list[tuple[Stored, bytes | None]]:
        vault.collections.get(tx, path)
        return vault.ciphertexts(tx, vault.stored(tx, path, 0, UNDATED))

    pages = await vault.store.database.read(unit)
    found = await vault.offload.run(partial(_matches, vault, path, pages, name))
    declared = {one.name: one for one in found if one.declared}
    if len(declared) > 1:
        raise UsageError(f"{len(declared)} records begin like this: give more of the id")
    if declared:
        return next(iter(declared.values()))
    if found:
        raise NodeError(
            "this record was not told here: what a file brought is taken out by "
            "`entrenous imports undo`, and what a source delivered stays as it was signed"
        )
    raise NotFound(f"{path} has no such record")


async def remove_record(vault: Vault, path: str, name: str | int) -> Found:
    """Take one declared record out, and overwrite the page that held it.  Raises as above."""
    async with vault.alone_on(path):
        found = await find_record(vault, path, name)
        await vault.store.database.erase(lambda tx: _rewrite(vault, tx, found))
        vault.changed(path)
    return found


def _matches(
    vault: Vault, path: str, pages: Sequence[tuple[Stored, bytes | None]], name: str | int
) -> list[Found]:
    found: list[Found] = []
    for stored, ciphertext in pages:
        opened = open_stored(stored, ciphertext, vault.keys_of)
        if isinstance(opened, Damaged):
            continue
        for row, one in enumerate(names_of(opened)):
            if _is_named(one, name):
                declared = is_declared(stored.origin)
                found.append(Found(path, stored.day, one, declared, opened.slice(row, row + 1)))
    return found


def _is_named(one: Hashable, name: str | int) -> bool:
    if isinstance(one, str) and isinstance(name, str):
        return one == name or (len(name) >= ID_CHARS_MIN and one.startswith(name))
    return one == name


def _rewrite(vault: Vault, tx: Tx, found: Found) -> None:
    """The pages that hold the record, again without it."""
    stored = [
        one
        for one in vault.stored(tx, found.path, found.day, found.day)
        if is_declared(one.origin) and one.writer == vault.device
    ]
    for one, ciphertext in vault.ciphertexts(tx, stored):
        opened = open_stored(one, ciphertext, vault.keys_of)
        if isinstance(opened, Damaged):
            continue
        kept = [row for row, name in enumerate(names_of(opened)) if name != found.name]
        if len(kept) == len(opened):
            continue
        if kept:
            vault.write_now(
                tx,
                found.path,
                opened.schema,
                [Piece(found.day, rows_of(opened, kept))],
                origin=one.origin,
                supersedes=emptied(vault, tx, [one]),
            )
        vault.remove_of_day(tx, found.path, found.day, partial(_is_page, one.seq))


def _is_page(seq: int, stored: Stored) -> bool:
    return stored.seq == seq and is_declared(stored.origin)

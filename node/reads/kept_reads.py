"""What was fetched before, shown again: borrowed pages, opened with the keys that came for them.

Nothing is asked of anybody: no invocation, no receipt.  What a source signed is verified anew, on
all the days of the read that brought it, from the statement and proof that were kept with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...crypto.errors import CryptoError
from ...protocol.errors import ProtocolError
from ...protocol.keyset import GrantKeys
from ...protocol.page import OpenedPage, PageEntry, open_page
from ...protocol.window import Window
from ..errors import NotFound
from ..grants.borrowing import Borrowing
from ..grants.lent_proofs import lent_proofs
from ..offload import Offload
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.store import Store
from ..vault.stored import Damaged, Stored, entry_of
from ..vault.vault import Vault
from .lent_windows import Lent, StatementProof, lent_batch, proven


@dataclass(frozen=True, slots=True)
class _Found:
    """Pages of the days asked, and of those that are looked at only to verify a statement."""

    pages: Sequence[tuple[Stored, bytes | None]]
    proofs: Sequence[StatementProof]
    keys: Sequence[GrantKeys]


class KeptReads:
    """Shows what was borrowed."""

    def __init__(self, store: Store, vault: Vault, borrowing: Borrowing, offload: Offload) -> None:
        self._store = store
        self._vault = vault
        self._borrowing = borrowing
        self._offload = offload

    async def read(self, pair: Pair, window: Window) -> Lent:
        """What is kept of `window` as `pair` lent it, as the last read of each day brought it.

        Raises NotFound if nothing of the collection is kept.
        """
        found = await self._store.database.read(lambda tx: self._found(tx, pair, window))
        return await self._offload.run(lambda: _shown(found, window, pair.theirs))

    def _found(self, tx: Tx, pair: Pair, window: Window) -> _Found:
        path, owner = window.collection, pair.their
        if self._vault.collections.find(tx, path, owner) is None:
            raise NotFound(f"nothing of {path} that {pair.name} lends was read here yet")
        within = self._stored(tx, owner, window)
        statements = sorted({one.statement for one in within if one.statement is not None})
        proofs = [
            proof
            for cid in statements
            for proof in lent_proofs(self._store.objects, tx, cid)
            if proof.first <= window.last and window.first <= proof.last
        ]
        first = min([window.first, *(proof.first for proof in proofs)])
        last = max([window.last, *(proof.last for proof in proofs)])
        around = within
        if (first, last) != (window.first, window.last):
            around = [
                one
                for one in self._stored(tx, owner, Window(path, first, last))
                if window.first <= one.day <= window.last or one.statement in statements
            ]
        held = [
            one
            for one in self._borrowing.all(tx)
            if (one.own, one.their) == (pair.own, pair.their) and one.keysets
        ]
        keys = [self._borrowing.keys(tx, one).apart() for one in held]
        return _Found(self._vault.ciphertexts(tx, around), proofs, keys)

    def _stored(self, tx: Tx, owner: str, window: Window) -> list[Stored]:
        stored = self._vault.stored(tx, window.collection, window.first, window.last, owner)
        return self._borrowing.days.current(tx, owner, window.collection, stored)


def _shown(found: _Found, window: Window, lenders: Sequence[str]) -> Lent:
    opened: list[tuple[PageEntry, OpenedPage]] = []
    damaged: list[Damaged] = []
    pages = size = 0
    for stored, ciphertext in found.pages:
        page = _opened(found.keys, entry_of(stored.raw), ciphertext)
        asked = window.first <= stored.day <= window.last
        pages, size = pages + asked, size + stored.length * asked
        if not isinstance(page, Damaged):
            opened.append((entry_of(stored.raw), page))
        elif asked:
            damaged.append(page)
    within = [pair for pair in opened if window.first <= pair[0].day <= window.last]
    provenance = proven(found.proofs, opened, lenders)
    return Lent(lent_batch(within), pages, size, 0, provenance, tuple(damaged))


def _opened(
    keys: Sequence[GrantKeys], entry: PageEntry, ciphertext: bytes | None
) -> OpenedPage | Damaged:
    """A page opened with the first keys that fit, or why with none."""
    reason = "its bytes are gone" if ciphertext is None else "no key: nothing held opens it"
    for one in keys if ciphertext is not None else ():
        try:
            day_key = one.day_key(entry.path, entry.epoch, entry.gen, entry.day)
        except (CryptoError, ProtocolError) as error:
            reason = str(error)
            continue
        try:
            assert ciphertext is not None
            return open_page(entry, ciphertext, day_key)
        except (CryptoError, ProtocolError) as error:
            reason = str(error)
    return Damaged(entry.path, entry.day, entry.page_id, reason)

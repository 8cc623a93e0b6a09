"""Keys held: the keysets that came for each grant, and everything that they open.

A keyset is kept as it came and opened when it is needed; those of one grant add up, and one that
contradicts what is held is refused when it comes, not at a read.  How many are kept is bounded.
"""

from __future__ import annotations

from dataclasses import replace

from ...protocol.errors import Code, GrantRefused, WireError
from ...protocol.keyset import GrantKeys, grant_of, open_keyset, parse_keyset
from ..errors import NotAllowed, NotFound
from ..peers.peers import OwnPersona, Pair, Peers
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind
from ..store.store import Store
from .grant_held import KEYSETS_KEPT_MAX, KEYSETS_UNITED_MAX, GrantHeld
from .grant_lines import GrantLines, Happened, Side
from .grants_held import GrantsHeld
from .lending_on import LendingOn
from .lent_on_again import Reader, lend_on_again, renewed_after

# Grants of which the opened keys are kept at hand.
OPENED_KEPT_MAX = 1024


class KeysHeld:
    """The grants that this node holds, with their keys."""

    def __init__(self, store: Store, peers: Peers, lending_on: LendingOn) -> None:
        self._store = store
        self._peers = peers
        self._lending_on = lending_on
        self._kept = GrantsHeld(store.objects)
        self.lines = GrantLines(store.objects)
        self._keys: dict[tuple[bytes, tuple[int, ...]], GrantKeys] = {}
        self._reader = Reader(self._kept, self.lines, lending_on, peers)

    def get(self, tx: Tx, cid: bytes) -> GrantHeld:
        """Raises NotFound."""
        held = self.find(tx, cid)
        if held is None:
            raise NotFound("this node holds no such grant: see `entrenous grants`")
        return held

    def all(self, tx: Tx) -> list[GrantHeld]:
        return self._kept.all(tx)

    def keyed(self, tx: Tx, own: str, their: str) -> list[GrantHeld]:
        """The grants whose keys come over this pair, the oldest first."""
        return self._kept.keyed(tx, own, their)

    def find(self, tx: Tx, cid: bytes) -> GrantHeld | None:
        return self._kept.find(tx, cid)

    def keyset(self, tx: Tx, pair: Pair, raw: bytes) -> int:
        """Keep a keyset that came; its number.  One that is held already changes nothing.

        Raises GrantRefused, WireError, CryptoError if it is not for a grant of this pair.
        """
        held = self.find(tx, grant_of(raw))
        if held is None or held.keyed != (pair.own, pair.their):
            raise GrantRefused("a keyset is for a grant that is not held", Code.UNKNOWN_GRANT)
        keyset = parse_keyset(raw, held.giver)
        if keyset.n in held.keysets:
            if self._store.objects.get(tx, Kind.KEYSET_HELD, [held.cid, keyset.n]) != raw:
                raise GrantRefused(
                    f"another keyset with the number {keyset.n} was already received", Code.REPLAY
                )
            return keyset.n
        if len(held.keysets) >= KEYSETS_KEPT_MAX:
            raise GrantRefused("this grant has had all the keysets that are kept", Code.TOO_MUCH)
        persona = self._peers.persona(tx, held.keyed[0])
        secret = persona.reader_of(held.bundle.reader_key)
        keys = open_keyset(keyset, held.bundle.sealing(), secret)
        if not held.keysets:
            # By the owner's clock, as the keyset says: the answer to our acceptance.
            self.lines.happened(tx, Side.HELD, held.cid, Happened.ACCEPTED, keyset.n)
        if held.keysets:
            # Refused now if it contradicts what is held, rather than at each read.
            keys = self.keys(tx, held).with_keys(keys)
        self._store.objects.put(tx, Kind.KEYSET_HELD, [held.cid, keyset.n], raw)
        fresh = replace(held, keysets=(*held.keysets, keyset.n))
        self._kept.save(tx, fresh)
        self._remember(fresh, keys)
        # The number of a keyset is the time at which it was made, by the owner's clock.
        self._lending_on.renew(tx, fresh, keys, keyset.n)
        if not held.keysets:
            lend_on_again(self._reader, tx, fresh, keys, keyset.n)
        return keyset.n

    def lent_on_kept(self, tx: Tx, root: bytes, now_ms: int) -> None:
        """What is lent on of the grant `root` waits no more: what that has gone on in meanwhile is
        lent on too."""
        for cid in renewed_after(self.lines, tx, Side.HELD, root):
            held = self.find(tx, cid)
            if held is not None and held.keysets:
                lend_on_again(self._reader, tx, held, self.keys(tx, held), now_ms)

    def shares_keys(self, tx: Tx, cid: bytes) -> bool:
        """Whether other devices of this person are told the keysets of a grant: not once what was
        read under it is to be deleted at its end, and they with it."""
        line = self.lines.find(tx, Side.HELD, cid)
        return line is None or not line.asked_at_end

    def adopt_keyset(self, tx: Tx, cid: bytes, n: int, raw: bytes) -> None:
        """Keep a keyset that another device of this person brought; whoever reads for this one
        gets theirs.  Raises WireError if there are more than all devices together are sent."""
        held = self.find(tx, cid)
        if held is not None and len(held.keysets) >= KEYSETS_UNITED_MAX and n not in held.keysets:
            raise WireError(f"of one grant {KEYSETS_UNITED_MAX:,} keysets are kept, and no more")
        self._store.objects.put(tx, Kind.KEYSET_HELD, [cid, n], raw)
        if held is None or n in held.keysets:
            return  # the grant comes next, and finds its keys
        fresh = replace(held, keysets=tuple(sorted((*held.keysets, n))))
        self._kept.save(tx, fresh)
        self._lending_on.renew(tx, fresh, self.keys(tx, fresh), max(fresh.keysets))

    def keys(self, tx: Tx, held: GrantHeld) -> GrantKeys:
        """Everything that the keysets of a grant open.  Raises NotAllowed if none came yet."""
        keys = self._keys.get((held.cid, held.keysets))
        if keys is None:
            persona = self._peers.persona(tx, held.keyed[0])
            for n in held.keysets:
                raw = self._store.objects.get(tx, Kind.KEYSET_HELD, [held.cid, n])
                if not isinstance(raw, bytes):
                    raise StoreDamaged("a keyset is missing from the store")
                opened = _opened_keyset(raw, held, persona)
                keys = opened if keys is None else keys.with_keys(opened)
            if keys is None:
                raise NotAllowed("the keys of this grant have not come yet: try again shortly")
            self._remember(held, keys)
        return keys

    def _remember(self, held: GrantHeld, keys: GrantKeys) -> None:
        if len(self._keys) >= OPENED_KEPT_MAX:
            self._keys.clear()
        self._keys[held.cid, held.keysets] = keys

    def forget_keys(self, tx: Tx, held: GrantHeld) -> None:
        """Remove the keysets of a grant that has ended, of which nothing is kept."""
        for n in held.keysets:
            self._store.objects.delete(tx, Kind.KEYSET_HELD, [held.cid, n])
        self._keys.pop((held.cid, held.keysets), None)
        self._kept.save(tx, replace(held, keysets=()))


def _opened_keyset(raw: bytes, held: GrantHeld, persona: OwnPersona) -> GrantKeys:
    keyset = parse_keyset(raw, held.giver)
    return open_keyset(keyset, held.bundle.sealing(), persona.reader_of(held.bundle.reader_key))

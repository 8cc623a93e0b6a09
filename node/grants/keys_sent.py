"""Keys sent: the keyset of each grant that this node gave, and which one its reader holds.

A grant has one keyset at a time that counts, the newest: each is complete and opens every live
generation of the granted days.  It is made when the reader accepts, and again after each rotation.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ...crypto.entropy import Entropy
from ...protocol.command import AcceptArgs, Cmd, KeysArgs
from ...protocol.errors import Code, GrantRefused
from ...protocol.keyset import PathKeys, make_keyset, next_n, path_keys
from ...protocol.trust import GrantStatus, check_standing
from ...protocol.wire import Value
from ..keystore import Keystore
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from ..vault.collection import Collections
from .grant_given import GrantGiven, opened_name
from .grant_lines import Happened, Side
from .grants_given import GrantsGiven


class KeysSent(GrantsGiven):
    """The grants that this node gave, with their keys."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        collections: Collections,
        outgoing: Outgoing,
        keystore: Keystore,
        entropy: Entropy,
    ) -> None:
        super().__init__(objects)
        self._peers = peers
        self._collections = collections
        self._outgoing = outgoing
        self._keystore = keystore
        self._entropy = entropy

    def accepted(self, tx: Tx, pair: Pair, args: AcceptArgs, now_ms: int) -> bytes:
        """The reader accepts a grant and its terms: the keyset, as signed.

        Said again, it gets the keyset that is current.  Raises GrantRefused.
        """
        grant = self.find(tx, args.grant)
        if grant is None or (grant.own, grant.their) != (pair.own, pair.their):
            raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
        check_standing(grant.status(now_ms))
        if args.terms != grant.bundle.terms.cid:
            raise GrantRefused("these are not the terms of this grant", Code.TERMS)
        if grant.keyset is None:
            self.lines.happened(tx, Side.GIVEN, grant.cid, Happened.ACCEPTED, now_ms)
        fresh = self._with_keyset(tx, grant, now_ms)
        assert fresh.keyset is not None
        return fresh.keyset

    def acknowledged(self, tx: Tx, cid: bytes, n: int) -> None:
        """The reader says that it holds keyset `n` of a grant.  Anything else changes nothing."""
        grant = self.find(tx, cid)
        if grant is None or n <= grant.acknowledged or n > grant.n:
            return
        if not self._objects.has(tx, Kind.KEYSET_SENT, [cid, n]):
            return
        self._save(tx, replace(grant, acknowledged=n, opens=self._opens(tx, grant, n)))

    def unacknowledged(self, grant: GrantGiven) -> tuple[bytes, ...]:
        """The keysets that a read answer must carry, so that the reader has no gap."""
        if grant.keyset is None or grant.n == grant.acknowledged:
            return ()
        return (grant.keyset,)

    def rekey(self, tx: Tx, paths: Iterable[str], now_ms: int) -> int:
        """New keys for whoever reads `paths` and does not open their present generations; how many
        readers.  A grant of which a revocation is known gets none, however it stands."""
        sent = 0
        for path in sorted(set(paths)):
            for grant in self.live_on(tx, path, now_ms):
                if (
                    grant.kept is GrantStatus.LIVE
                    and grant.keyset is not None
                    and not self._objects.has(tx, Kind.REVOCATION, grant.cid)
                    and self._with_keyset(tx, grant, now_ms) != grant
                ):
                    self._send_keys(tx, self.get(tx, grant.cid), now_ms)
                    sent += 1
        return sent

    def _send_keys(self, tx: Tx, grant: GrantGiven, now_ms: int) -> None:
        fresh = self._with_keyset(tx, grant, now_ms)
        assert fresh.keyset is not None
        pair = self._peers.pair(tx, grant.own, grant.their)
        args = KeysArgs(grant.their, fresh.keyset)
        self._outgoing.put(tx, pair, Cmd.KEYS, args.value(), now_ms)

    def _with_keyset(self, tx: Tx, grant: GrantGiven, now_ms: int) -> GrantGiven:
        """`grant` with a keyset that opens every live generation of its days."""
        sets = self._sets(tx, grant)
        names: list[Value] = [[one.path, one.epoch, one.gen] for one in sets]
        if (
            grant.keyset is not None
            and self._objects.get(tx, Kind.KEYSET_SENT, [grant.cid, grant.n]) == names
        ):
            return grant
        n = next_n(grant.n or None, now_ms)
        persona = self._peers.persona(tx, grant.own)
        keyset = make_keyset(
            persona.key,
            grant.bundle.sealing(),
            n=n,
            k_grant=grant.k_grant,
            sets=sets,
            entropy=self._entropy,
        )
        self._objects.add(tx, Kind.KEYSET_SENT, [grant.cid, n], names)
        fresh = replace(grant, keyset=keyset.signed.raw, n=n)
        self._save(tx, fresh)
        return fresh

    def _sets(self, tx: Tx, grant: GrantGiven) -> list[PathKeys]:
        sets: list[PathKeys] = []
        for path in grant.bundle.grant.paths:
            collection = self._collections.find(tx, path)
            live: set[tuple[bytes, bytes]] = set()
            if collection is not None:
                live.update(collection.live)
            live.add((self._keystore.epoch.name, self._collections.generation(tx, path)))
            for epoch, gen in sorted(live):
                found = path_keys(
                    self._keystore.vault_secret(epoch),
                    epoch=epoch,
                    path=path,
                    gen=gen,
                    windows=grant.windows,
                    exp_s=grant.exp_s,
                )
                if found is not None:
                    sets.append(found)
        return sets

    def _opens(self, tx: Tx, grant: GrantGiven, n: int) -> tuple[tuple[str, bytes, bytes], ...]:
        names = self._objects.get(tx, Kind.KEYSET_SENT, [grant.cid, n])
        fresh = [opened_name(name) for name in names] if isinstance(names, list) else []
        return tuple(sorted({*grant.opens, *fresh}))

"""Reading under grants held: which grant opens what is wanted, the call, and what comes of it.

    which grant ──> invocation ──> windows, held against what they claim ──> kept, countersigned
                                   `lent_windows.py`

A window that comes is held against everything it claims, stored, and only then countersigned;
opening the pages may come later.  What was fetched stays readable after the grant has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ...crypto.entropy import Entropy
from ...protocol.command import Cmd
from ...protocol.did import Did
from ...protocol.errors import RemoteProtocolError
from ...protocol.invocation import Invocation, issue_invocation
from ...protocol.keyset import parse_keyset
from ...protocol.limits import INVOCATION_LIFE_S
from ...protocol.receipt import Asked as AskedRead
from ...protocol.trust import GrantStatus
from ...protocol.window import Window
from ...protocol.wire import Value
from ..errors import NotAllowed
from ..money.paid_terms import check_paid_terms, paid_terms_on
from ..peers.peers import Pair, Peers
from ..reads.lent_windows import CheckedWindow, Fetching
from ..store.database import Tx
from ..store.store import Store
from ..vault.collection import Collections
from .grant_held import GrantHeld
from .keys_held import KeysHeld
from .lending_on import LendingOn
from .lent_days import LentDays
from .lent_pages import LentPages
from .lent_proofs import keep_proof

NONCE_BYTES = 16


class ReadingHeld(KeysHeld):
    """Reads under the grants that this node holds."""

    def __init__(
        self,
        store: Store,
        peers: Peers,
        collections: Collections,
        lending_on: LendingOn,
        device: bytes,
        entropy: Entropy,
    ) -> None:
        super().__init__(store, peers, lending_on)
        self._entropy = entropy
        self.days = LentDays(store.objects)
        self.pages = LentPages(store, collections, self.days, device)
        # Is told of each grant that was taken back, in the same unit of work.
        self.ended: Callable[[Tx, GrantHeld, int], None] = _no_duty

    def begin(
        self,
        tx: Tx,
        pair: Pair,
        window: Window,
        server: Did,
        now_ms: int,
        principal: Pair | None = None,
        tried: Sequence[bytes] = (),
    ) -> tuple[Fetching, Invocation]:
        """A read that begins, for the peer `principal` if it is not our own, and its invocation,
        signed for the device `server`.

        The grant is the one that opens `window`, but one of those that were `tried`; failing that,
        any on this collection, so that the owner says why not.  Raises NotAllowed if there is none.
        """
        others = self.others(tx, pair, window, now_ms, principal, tried) if tried else []
        held = others[0] if others else self.grant_for(tx, pair, window, now_ms, principal)
        exp_s = now_ms // 1000 + INVOCATION_LIFE_S
        invocation = self.sign_read(tx, held, window, server, exp_s)
        return self.fetching(tx, held, window, server, invocation.cid), invocation

    def sign_read(
        self,
        tx: Tx,
        held: GrantHeld,
        window: Window,
        server: Did,
        exp_s: int,
        meta: Mapping[str, Value] | None = None,
    ) -> Invocation:
        """The invocation of a read under a grant that is held, for the device `server`.

        Raises PaidTermsOff for one on paid terms.
        """
        check_paid_terms(self._store.objects, tx, held.bundle.terms)
        return issue_invocation(
            self._peers.persona(tx, held.own).key,
            sub=held.bundle.root.delegation.iss,
            cmd=Cmd.READ,
            args=held.bundle.args(window).value(),
            prf=[link.cid for link in held.bundle.links],
            exp=exp_s,
            nonce=self._entropy.random_bytes(NONCE_BYTES),
            aud=server,
            meta=meta,
        )

    def fetching(
        self, tx: Tx, held: GrantHeld, window: Window, server: Did, inv: bytes
    ) -> Fetching:
        """What the windows of a read are held against.  Raises NotAllowed if no keys came yet."""
        keys = self.keys(tx, held).apart()
        persona = self._peers.persona(tx, held.own)
        root = held.bundle.root.cid
        asked = AskedRead(inv, root, server, persona.did, window.first, window.last)
        return Fetching(held, persona, keys, window, asked)

    def grant_for(
        self,
        tx: Tx,
        pair: Pair,
        window: Window,
        now_ms: int,
        principal: Pair | None = None,
    ) -> GrantHeld:
        """The grant under which to read `window`: see `begin`.  Raises NotAllowed."""
        via = None if principal is None else (principal.own, principal.their)
        on_path = self._kept.on(tx, pair.own, pair.their, via, window.collection)
        same = self._best_first(tx, on_path, now_ms)
        for held in same:
            if any(window in granted for granted in held.windows):
                return held
        if same:
            return same[0]
        keyed = self._kept.keyed(tx, *(via or (pair.own, pair.their)))
        granted = [
            one for one in keyed if (one.own, one.their, one.via) == (pair.own, pair.their, via)
        ]
        for held in self._best_first(tx, granted, now_ms):
            return held
        if granted:
            raise NotAllowed("the keys of this grant have not come yet: try again shortly")
        if principal is not None:
            raise NotAllowed(f"{principal.name} lets this node read nothing of {pair.name}")
        raise NotAllowed(f"{pair.name} has granted nothing to this node: ask first")

    def others(
        self,
        tx: Tx,
        pair: Pair,
        window: Window,
        now_ms: int,
        principal: Pair | None,
        tried: Sequence[bytes],
    ) -> list[GrantHeld]:
        """The grants that hold and open `window` for nothing, but those that were `tried`."""
        via = None if principal is None else (principal.own, principal.their)
        on_path = self._kept.on(tx, pair.own, pair.their, via, window.collection)
        return [
            held
            for held in self._best_first(tx, on_path, now_ms)
            if held.cid not in tried and held.status(now_ms) is GrantStatus.LIVE
            if not held.bundle.terms.paid_by_read
            if any(window in granted for granted in held.windows)
        ]

    def _best_first(self, tx: Tx, granted: Iterable[GrantHeld], now_ms: int) -> list[GrantHeld]:
        """Those with keys; of several that open the same, the one under which reading costs
        nothing; of those lent on, the newest: the one before it may have ended where this node
        has not heard."""
        keyed = [held for held in granted if held.keysets]
        if all(held.via is not None for held in keyed):
            keyed.reverse()
        return sorted(
            keyed,
            key=lambda held: (
                held.status(now_ms) is not GrantStatus.LIVE,
                held.bundle.terms.paid and not paid_terms_on(self._store.objects, tx),
                held.bundle.terms.paid_by_read,
            ),
        )

    def keep(self, tx: Tx, fetching: Fetching, checked: CheckedWindow) -> int | None:
        """Store a window's pages and keysets; the newest keyset's number, if there is one."""
        if checked.keysets:
            pair = self._peers.pair(tx, fetching.grant.own, fetching.grant.their)
            for raw in checked.keysets:
                if parse_keyset(raw, fetching.grant.giver).grant != fetching.grant.cid:
                    raise RemoteProtocolError("a window brings the keys of another grant")
                self.keyset(tx, pair, raw)
            fetching.grant = self.get(tx, fetching.grant.cid)
            fetching.keys = self.keys(tx, fetching.grant).apart()
        newest = max(fetching.grant.keysets, default=None)
        self.pages.keep(tx, fetching, checked)
        for proof in checked.statements:
            keep_proof(self._store.objects, tx, proof)
        # A window that was on its way when the grant was taken back: what follows from the end
        # follows for it too.
        now = self.get(tx, fetching.grant.cid)
        if now.kept is GrantStatus.REVOKED:
            self.ended(tx, now, checked.receipt.body.t_ms)
        return newest


def _no_duty(_tx: Tx, _held: GrantHeld, _now_ms: int) -> None:
    """Nothing follows from the end of a grant."""

"""Proving: one word of this node's log, as a file that a stranger can check.

A proof leaves the node, so it stands on a checkpoint that leaves it too: a padded one.  Where none
covers the word yet, one is made now, and shown to the witnesses; their cosignatures are in the
files that are written after they have answered.
"""

from __future__ import annotations

from collections.abc import Callable

from ...protocol.checkpoint_note import CheckpointNote
from ...protocol.delegation import Delegation
from ...protocol.invocation import Invocation
from ...protocol.log_proof import LogProof, check_log_proof, make_log_owner
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.read_call import parse_call_of
from ...protocol.receipt import Receipt
from ..errors import NotAllowed
from ..keystore import Keystore
from ..peers.peers import Peers
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind
from ..store.store import Store
from .head import HeadState, LogHead
from .receipts import Logged, Way, Word
from .witnesses import Witnesses


class LogProving:
    """Makes proofs of what stands in the log."""

    def __init__(
        self,
        *,
        store: Store,
        peers: Peers,
        witnesses: Witnesses,
        keystore: Keystore,
        head: LogHead,
    ) -> None:
        self._store = store
        self._peers = peers
        self._witnesses = witnesses
        self._keystore = keystore
        self._head = head
        # The root of the grant that a read was under, if it is kept.
        self.grant_of: Callable[[Tx, Receipt], Delegation | None] = _nowhere

    def prove(self, tx: Tx, logged: Logged, now_ms: int) -> LogProof:
        """The proof of one word, verified as a stranger would.

        Raises NotAllowed on an old copy of a home, StoreDamaged, BadProof.
        """
        note = self._witnesses.covering(tx, logged.index) or self.publish(tx, now_ms)
        tree = self._store.log.tree(tx, note.head.size)
        certificate = self._certificate(tx, logged.certificate)
        proof = LogProof(
            index=logged.index,
            leaf_key=self._store.log.leaf_key(logged.index),
            k_r=logged.k_r,
            word=logged.word,
            certificate=certificate,
            owner=self._owner(tx, logged),
            log=make_log_owner(self._keystore.device, self._keystore.log_signing),
            path=tuple(tree.inclusion_proof(logged.index)),
            checkpoint=note,
            call=_call(logged),
            delegation=self._grant(tx, logged.word, certificate),
        )
        check_log_proof(proof)
        return proof

    def publish(self, tx: Tx, now_ms: int) -> CheckpointNote:
        """A padded checkpoint of the log as it is now, on its way to the witnesses.

        Raises NotAllowed on an old copy: it would contradict what the newer one has shown.
        """
        if self._head.state is HeadState.BEHIND or self._witnesses.behind(tx) is not None:
            raise NotAllowed("this home is an old copy: its log is not shown to anybody")
        return self._witnesses.publish(tx, now_ms)

    def _owner(self, tx: Tx, logged: Logged) -> Certificate:
        """The certificate of this device for the persona that acted."""
        # A helper acts as the owner of the data, under the lease that it signed the word with.
        if logged.way in (Way.GIVEN, Way.HELPED):
            return self._certificate(tx, logged.certificate)
        return self._peers.persona(tx, logged.own).certificate

    def _grant(self, tx: Tx, word: Word, certificate: Certificate) -> Delegation | None:
        """What shows that the device served for the persona that certified it."""
        found = self.grant_of(tx, word) if isinstance(word, Receipt) else None
        return found if found is not None and found.iss == certificate.persona else None

    def _certificate(self, tx: Tx, cid: bytes) -> Certificate:
        raw = self._store.objects.get(tx, Kind.CERTIFICATE, cid)
        if not isinstance(raw, bytes):
            raise StoreDamaged("the certificate of a receipt is missing")
        return parse_certificate(raw)


def _call(logged: Logged) -> Invocation | None:
    """What the reader signed, where it never signed for what it got."""
    word = logged.word
    if logged.call is None or not isinstance(word, Receipt) or not word.one_sided:
        return None
    return parse_call_of(logged.call, word.body)


def _nowhere(_tx: Tx, _word: Receipt) -> Delegation | None:
    return None

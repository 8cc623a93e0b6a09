"""Answering: what every word to a peer passes through, by whichever way its call came.

    authorised   the checks of `protocol/trust.py`, against what the store says now; spent
    attempt      act; a refusal undoes what it did
    word         sign the answer, log it

All three are functions of a transaction, so a caller joins them into one unit of work: what is
decided, done, signed and logged for one call is there as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import structlog

from ...crypto.errors import CryptoError
from ...crypto.keys import DeviceKey
from ...protocol.command import OWN_DEVICES, Cmd
from ...protocol.did import did_of
from ...protocol.errors import Code, GrantRefused, ProtocolError
from ...protocol.receipt import Answer, make_answer
from ...protocol.refusal import code_of
from ...protocol.trust import Carried, GrantStatus, Heard, Standing, VerifiedOwn, authorise_own
from ...protocol.trust import Pair as TrustedPair
from ...protocol.wire import Value
from ..errors import NodeError
from ..household.mandate_notices import Notices
from ..household.mandates import Mandates
from ..log.evidence import RefusedWithEvidence
from ..log.receipts import Receipts, Way
from ..log.subject import subject_of
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.ledger import Ledger
from ..store.store import Store

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    value: T


class Spent(Container[bytes]):
    """The invocations that the ledger remembers, as the trust checks look at them."""

    def __init__(self, ledger: Ledger, tx: Tx) -> None:
        self._ledger = ledger
        self._tx = tx

    def __contains__(self, cid: object) -> bool:
        return isinstance(cid, bytes) and self._ledger.seen(self._tx, cid)


class Answering:
    """The checks before an act, and the signed word after it."""

    def __init__(
        self,
        *,
        store: Store,
        device: DeviceKey,
        peers: Peers,
        receipts: Receipts,
        mandates: Mandates,
        notices: Notices,
    ) -> None:
        self._store = store
        self._device = device
        self.device = did_of(device.public)
        self._peers = peers
        self._receipts = receipts
        self._mandates = mandates
        self._notices = notices

    def standing(
        self,
        tx: Tx,
        pair: Pair,
        grants: Mapping[bytes, GrantStatus] | None = None,
        carried: Carried | None = None,
    ) -> Standing:
        """What this node knows about a call of `pair`; `grants` and `carried` as in `Standing`."""
        spent = Spent(self._store.ledger, tx)
        trusted = self._trusted(tx, pair)
        return Standing(self.device, trusted, grants or {}, spent, carried=carried)

    def check(
        self, tx: Tx, pair: Pair, heard: Heard, now_ms: int, carried: Carried | None = None
    ) -> VerifiedOwn:
        """The checks of a command in one's own name; nothing is spent.  Raises GrantRefused."""
        standing = self.standing(tx, pair, carried=carried)
        if heard.inv.sub != heard.inv.iss:
            standing = self._with_mandates(tx, pair, heard, standing)
        return authorise_own(heard, standing, now_ms)

    def spend(self, tx: Tx, verified: VerifiedOwn) -> None:
        """Remember an invocation for as long as it could be said again."""
        self._store.ledger.first_time(tx, verified.verified.inv.cid, verified.spent_until_s)

    def authorised(self, tx: Tx, pair: Pair, heard: Heard, now_ms: int) -> VerifiedOwn:
        """As `check`; the invocation is spent."""
        verified = self.check(tx, pair, heard, now_ms)
        self.spend(tx, verified)
        return verified

    def _with_mandates(self, tx: Tx, pair: Pair, heard: Heard, standing: Standing) -> Standing:
        """What this node knows of the one in whose name `pair` speaks."""
        principal = self._peers.find(tx, pair.own, heard.inv.sub)
        return replace(
            standing,
            principal=None if principal is None else self._trusted(tx, principal),
            mandates=self._mandates.lodged(tx, pair.own, heard.grants),
        )

    def speaker(self, tx: Tx, verified: VerifiedOwn) -> Pair:
        """The pair in whose name a command was said: the sender's, or its principal's."""
        return self._peers.pair(tx, verified.pair.ours, verified.pair.theirs)

    def word(
        self,
        tx: Tx,
        pair: Pair,
        heard: Heard,
        result: Done[Value] | GrantRefused,
        *,
        prev: bytes | None,
        now_ms: int,
    ) -> Answer:
        """Sign and log the answer that `result` gives; `prev`: our last word to this peer."""
        done = isinstance(result, Done)
        code = Code.OK if isinstance(result, Done) else result.code
        out = result.value if isinstance(result, Done) else str(result)
        acted = self._mandates.acted(tx, pair, heard.inv)
        answer = make_answer(
            self._device,
            inv=heard.inv.cid,
            code=code,
            out=out,
            t_ms=now_ms,
            prev=prev,
            acted=acted,
        )
        if acted is not None and heard.inv.sub not in (heard.inv.iss, pair.own_now) and done:
            self._notices.tell(tx, pair.own, heard.inv, answer, now_ms)
        persona = self._peers.persona_in(tx, pair)
        self._receipts.add(
            tx,
            Way.GIVEN,
            pair.own,
            pair.their,
            answer,
            pair.key,
            persona.certificate,
            subject_of(heard.inv.cmd, heard.inv.args),
        )
        return answer

    def _trusted(self, tx: Tx, pair: Pair) -> TrustedPair | None:
        """The pair as it stands now: the owner may have withdrawn a command meanwhile."""
        fresh = self._peers.find(tx, pair.own, pair.their)
        if fresh is None:
            return None
        # As the two are now: whom another has followed is refused, with all that it signs.
        now = TrustedPair(fresh.own_now, fresh.their_now)
        if pair.own_now != fresh.own_now:
            # It knows this node as an earlier persona, and may say who it is now itself.
            return replace(now, ours=pair.own_now, permits=frozenset((Cmd.SUCCEED,)))
        if fresh.reads_only:
            return replace(now, permits=frozenset(), reads_only=True)
        if self._peers.is_sibling(tx, fresh):
            return replace(now, permits=OWN_DEVICES)
        # Who somebody is now is not for the other to forbid.
        withdrawn = fresh.withdrawn - {Cmd.SUCCEED}
        return TrustedPair(now.ours, now.theirs, now.permits - withdrawn)


def attempt(tx: Tx, act: Callable[[Tx], T]) -> Done[T] | GrantRefused:
    """Do `act`; a refusal undoes what it did, but for the evidence that it carries, and is
    returned, not raised."""
    tx.execute("SAVEPOINT act")
    try:
        value = act(tx)
    except NodeError as error:
        # Not the peer's doing, and not for the peer to know.
        tx.execute("ROLLBACK TO act")
        tx.execute("RELEASE act")
        log.error("door_act", kind=type(error).__name__)
        return GrantRefused("this node cannot do that now", Code.BUSY)
    except (ProtocolError, CryptoError) as error:
        tx.execute("ROLLBACK TO act")
        tx.execute("RELEASE act")
        if isinstance(error, RefusedWithEvidence):
            error.keep(tx)
        if isinstance(error, GrantRefused):
            return error
        return GrantRefused(str(error), code_of(error))
    tx.execute("RELEASE act")
    return Done(value)

"""Acting: what each command that a peer says in its own name changes here.

One row a command, the type of its arguments to a function of the unit of work.  A row is reached
only through the checks (`answering.py`); it gives the outcome that the answer carries, and raises
GrantRefused or another protocol error for what it will not do, which undoes it.

A delivery is not among them: its parts come after the call (`arriving.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from ...protocol.command import (
    AcceptArgs,
    AcknowledgeArgs,
    AnswerRecordArgs,
    CardPutArgs,
    DecideArgs,
    DeclineArgs,
    DeleteArgs,
    DeletedArgs,
    ErasedArgs,
    HelperAskArgs,
    HelperDecideArgs,
    HelperHaveArgs,
    HelperOverArgs,
    HelperReceiptArgs,
    HelperServesArgs,
    InvoiceArgs,
    KeysArgs,
    LendArgs,
    LogAskArgs,
    LogDecideArgs,
    LogWitnessArgs,
    MandateAskArgs,
    MandateDecideArgs,
    MandateEndArgs,
    MandateInboxArgs,
    MandateLendArgs,
    MandateNoticeArgs,
    MandateOutcomeArgs,
    MandatePutArgs,
    OwnArgs,
    PaidArgs,
    PairDeviceArgs,
    ProposeArgs,
    RecallArgs,
    RenewArgs,
    RequestArgs,
    ReturnArgs,
    RevokeArgs,
    StandingArgs,
    SucceedArgs,
    VouchAskArgs,
    WaiveArgs,
)
from ...protocol.errors import Code, GrantRefused
from ...protocol.grant import parse_bundle
from ...protocol.mandate import Acted
from ...protocol.wire import Value
from ..grants.borrowing import Borrowing
from ..grants.deletion_duty import DeletionDuty
from ..grants.inbox import Asked, Inbox, RequestState
from ..grants.lending import Lending
from ..grants.lending_on import LendingOn
from ..grants.offered import Offers
from ..grants.processors import Processors
from ..grants.renewal import Renewals
from ..grants.standing_terms import StandingRules
from ..helping.helpers import Helpers
from ..helping.returned import Returned
from ..helping.served_by import ServedBys
from ..helping.shelves import Shelves
from ..household.deciding_for import DecidingFor
from ..household.mandate_notices import Notices
from ..household.mandate_outcome import Outcomes
from ..household.mandates import Mandates
from ..household.proxies import Proxies
from ..log.witnesses import Witnesses
from ..log.witnessing import Witnessing
from ..money.invoices import Invoices
from ..money.paid_terms import PaidTerms
from ..money.payments import Payments
from ..peers.cards import Cards
from ..peers.peer_devices import PeerDevices
from ..peers.peers import Pair
from ..peers.vouches import Vouches
from ..shared.erased_copies import ErasedCopies
from ..shared.lost_versions import LostVersions
from ..shared.shared_records import SharedRecords
from ..store.database import Tx
from ..succession import Succession

# Requests of one peer that wait for a decision: beyond that it is pestering.
REQUESTS_WAITING_MAX = 100

A = TypeVar("A", bound=OwnArgs)
Handler: TypeAlias = "Callable[[Tx, Pair, OwnArgs, int], Value]"


def _row(args: type[A], act: Callable[[Tx, Pair, A, int], Value]) -> tuple[type[object], Handler]:
    """A row of the table: `act` is handed arguments of the type that it is for."""

    def handler(tx: Tx, pair: Pair, said: OwnArgs, now_ms: int) -> Value:
        assert isinstance(said, args)
        return act(tx, pair, said, now_ms)

    return args, handler


class Acting:
    """The table of commands said in one's own name."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        lending: Lending,
        lending_on: LendingOn,
        borrowing: Borrowing,
        cards: Cards,
        vouches: Vouches,
        proxies: Proxies,
        processors: Processors,
        mandates: Mandates,
        notices: Notices,
        outcomes: Outcomes,
        deciding_for: DecidingFor,
        paid_terms: PaidTerms,
        payments: Payments,
        invoices: Invoices,
        witnesses: Witnesses,
        witnessing: Witnessing,
        offers: Offers,
        standing_rules: StandingRules,
        renewals: Renewals,
        deletion_duty: DeletionDuty,
        peer_devices: PeerDevices,
        succession: Succession,
        shared: SharedRecords,
        lost_versions: LostVersions,
        erased_copies: ErasedCopies,
        helpers: Helpers,
        shelves: Shelves,
        returned: Returned,
        served_by: ServedBys,
    ) -> None:
        self._offers = offers
        self._standing_rules = standing_rules
        self._inbox = inbox
        self._lending = lending
        self._lending_on = lending_on
        self._renewals = renewals
        self._borrowing = borrowing
        self._outcomes = outcomes
        self._deciding_for = deciding_for
        self._paid_terms = paid_terms
        self._table: Mapping[type[object], Handler] = dict(
            (
                _row(RequestArgs, self._requested),
                _row(DecideArgs, self._decided),
                _row(AcceptArgs, self._accepted),
                _row(DeclineArgs, offers.declined),
                _row(StandingArgs, standing_rules.told),
                _row(KeysArgs, self._keyset),
                _row(RevokeArgs, self._revoked),
                _row(RenewArgs, renewals.renewed),
                _row(DeleteArgs, deletion_duty.asked),
                _row(DeletedArgs, deletion_duty.heard),
                _row(SucceedArgs, succession.heard),
                _row(PairDeviceArgs, peer_devices.told),
                _row(CardPutArgs, cards.put),
                _row(VouchAskArgs, vouches.answer),
                _row(MandateAskArgs, proxies.asked),
                _row(MandatePutArgs, mandates.put),
                _row(MandateEndArgs, mandates.ended),
                _row(MandateNoticeArgs, notices.told),
                _row(MandateOutcomeArgs, outcomes.heard),
                _row(MandateLendArgs, self._lent_on),
                _row(LendArgs, processors.lent),
                _row(PaidArgs, payments.heard),
                _row(AcknowledgeArgs, payments.acknowledged),
                _row(InvoiceArgs, invoices.invoiced),
                _row(WaiveArgs, paid_terms.waived),
                _row(ProposeArgs, shared.proposed),
                _row(AnswerRecordArgs, shared.answered),
                _row(RecallArgs, lost_versions.recalled),
                _row(ReturnArgs, lost_versions.returned),
                _row(ErasedArgs, erased_copies.heard),
                _row(LogAskArgs, witnessing.asked),
                _row(LogDecideArgs, witnesses.decided),
                _row(LogWitnessArgs, witnessing.shown),
                _row(HelperAskArgs, shelves.asked),
                _row(HelperHaveArgs, shelves.have),
                _row(HelperOverArgs, shelves.over),
                _row(HelperDecideArgs, helpers.decided),
                _row(HelperReceiptArgs, returned.told),
                _row(HelperServesArgs, served_by.told),
            )
        )

    def act(
        self, tx: Tx, pair: Pair, args: OwnArgs, now_ms: int, acted: Acted | None = None
    ) -> Value:
        """Do what was said, for another if `acted`; the outcome.

        Raises GrantRefused, ProtocolError, CryptoError.
        """
        if acted is not None:
            match args:
                case MandateInboxArgs():
                    return self._deciding_for.inbox(tx, pair, args, acted)
                case MandateDecideArgs():
                    return self._deciding_for.decide(tx, pair, args, acted, now_ms)
                case RequestArgs() if self._inbox.find(tx, args.request.cid) is None:
                    self._outcomes.asked_under(tx, args.request.cid, acted)
                case _:
                    pass
        handler = self._table.get(type(args))
        if handler is None:
            raise GrantRefused("this command is not taken this way", Code.COMMAND)
        return handler(tx, pair, args, now_ms)

    def _decided(self, tx: Tx, pair: Pair, args: DecideArgs, now_ms: int) -> Value:
        self._borrowing.decided(tx, pair, args, now_ms)
        return "kept"

    def _keyset(self, tx: Tx, pair: Pair, args: KeysArgs, _now_ms: int) -> Value:
        return self._borrowing.keyset(tx, pair, args.keyset)

    def _accepted(self, tx: Tx, pair: Pair, args: AcceptArgs, now_ms: int) -> Value:
        if self._lending_on.given(tx, args.grant) is not None:
            return self._lending_on.accepted(tx, pair, args, now_ms)
        return self._lending.accepted(tx, pair, args, now_ms)

    def _lent_on(self, tx: Tx, pair: Pair, args: MandateLendArgs, now_ms: int) -> Value:
        bundle = parse_bundle(args.bundle)
        if bundle.root.delegation.iss in pair.ours:
            if bundle.grant.delegation.iss != pair.their_now:
                raise GrantRefused("a bundle is signed by another persona", Code.AUDIENCE)
            self._lending_on.lodge(tx, pair, bundle, now_ms)
        else:
            self._borrowing.lent(tx, pair, bundle, now_ms)
        return "kept"

    def _revoked(self, tx: Tx, pair: Pair, args: RevokeArgs, now_ms: int) -> Value:
        if self._lending_on.revoked(tx, pair, args.revocation, now_ms):
            return "known"
        if self._offers.taken_back(tx, pair, args.revocation):
            return "known"
        self._borrowing.revoked(tx, pair, args.revocation, now_ms)
        return "known"

    def _requested(self, tx: Tx, pair: Pair, args: RequestArgs, now_ms: int) -> Value:
        request = args.request
        if request.from_did not in pair.theirs:
            raise GrantRefused("a request names another persona than its sender", Code.AUDIENCE)
        if now_ms >= request.exp_s * 1000:
            raise GrantRefused("this request ended before it came", Code.EXPIRED)
        if self._inbox.find(tx, request.cid) is not None:
            return "queued"
        self._paid_terms.refuse(tx, request.terms)
        waiting = self._inbox.waiting_of(tx, pair.own, pair.their)
        if waiting >= REQUESTS_WAITING_MAX:
            raise GrantRefused(f"{waiting} requests wait for a decision already", Code.TOO_MUCH)
        asked = Asked(
            pair.own, pair.their, request.encode(), RequestState.WAITING, now_ms, None, None
        )
        self._inbox.add(tx, request.cid, asked)
        if not self._renewals.answered_before(tx, pair, request.cid, now_ms):
            self._standing_rules.arrived(tx, request.cid, now_ms)
        return "queued"

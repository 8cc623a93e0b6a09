"""What follows from an answer: the other half of everything that was said by way of the outbox.

The answer may have come over a link or in a parcel; what it changes here is the same, and is done
in the unit of work that takes the item out of the outbox.
"""

from __future__ import annotations

from ...protocol.command import (
    AcceptArgs,
    AnswerRecordArgs,
    Cmd,
    DeliverArgs,
    HelperAskArgs,
    InvoiceArgs,
    KeysArgs,
    LendArgs,
    LogWitnessArgs,
    MandateDecideArgs,
    MandateLendArgs,
    PaidArgs,
    ProposeArgs,
    RequestArgs,
    parse_args,
    parse_out,
)
from ...protocol.did import Did
from ...protocol.errors import Code
from ...protocol.keyset import grant_of, parse_keyset
from ...protocol.limits import TEXT_CHARS_MAX
from ...protocol.receipt import Answer
from ...protocol.trust import GrantStatus
from ..grants.borrowing import Borrowing
from ..grants.inbox import Inbox, RequestState
from ..grants.lending import Lending
from ..grants.lending_on import LendingOn
from ..helping.helpers import Helpers
from ..household.waiting_for import WaitingElsewhere
from ..log.witnesses import Witnesses
from ..money.invoices import Invoices
from ..money.payments import Payments, refusal_of
from ..peers.cards import Cards
from ..peers.outgoing import Message
from ..peers.peers import Pair
from ..shared.lost_versions import LostVersions
from ..shared.shared_records import SharedRecords
from ..store.database import Tx
from .deliveries import Deliveries


class FollowUp:
    """Knows what each command of ours leads to."""

    def __init__(
        self,
        *,
        asked: Inbox,
        lending: Lending,
        lending_on: LendingOn,
        borrowing: Borrowing,
        deliveries: Deliveries,
        cards: Cards,
        waiting: WaitingElsewhere,
        payments: Payments,
        invoices: Invoices,
        witnesses: Witnesses,
        shared: SharedRecords,
        lost_versions: LostVersions,
        helpers: Helpers,
    ) -> None:
        self._asked = asked
        self._lending = lending
        self._lending_on = lending_on
        self._borrowing = borrowing
        self._deliveries = deliveries
        self._cards = cards
        self._waiting = waiting
        self._payments = payments
        self._invoices = invoices
        self._witnesses = witnesses
        self._shared = shared
        self._lost_versions = lost_versions
        self._helpers = helpers

    def device_of(self, tx: Tx, message: Message) -> Did | None:
        """The device that a message is for, where only one of a peer's is meant."""
        return self._helpers.device_of(tx, message)

    def answered(self, tx: Tx, pair: Pair, message: Message, answer: Answer) -> None:
        """What the answer to one of our own messages changes here."""
        args = parse_args(message.cmd, message.args)
        match args:
            case HelperAskArgs() if answer.code is Code.OK:
                self._helpers.answered(tx, pair, args, answer.t_ms)
            case DeliverArgs():
                refused = None if answer.code is Code.OK else answer.reason[:TEXT_CHARS_MAX]
                self._deliveries.taken(tx, args, refused)
            case AcceptArgs() if answer.code is Code.OK:
                keyset = parse_out(message.cmd, answer.out)
                assert isinstance(keyset, bytes)
                self._borrowing.keyset(tx, pair, keyset)
            case AcceptArgs() if answer.code is Code.REVOKED:
                self._borrowing.over(tx, pair, args.grant, answer.t_ms, answer.cid)
            case LendArgs() | MandateLendArgs() if answer.code is not Code.OK:
                reason = answer.reason[:TEXT_CHARS_MAX]
                self._lending_on.turned_away(tx, pair, args.bundle, reason)
            case KeysArgs() if answer.code is Code.OK:
                grant = grant_of(args.keyset)
                if (on := self._lending_on.given(tx, grant)) is not None:
                    sent = parse_keyset(args.keyset, on.giver)
                    self._lending_on.acknowledged(tx, grant, sent.n)
                else:
                    sent = parse_keyset(args.keyset, self._giver(tx, grant, pair.own_now))
                    self._lending.acknowledged(tx, grant, sent.n)
            case RequestArgs() if answer.code is not Code.OK:
                cid = args.request.cid
                self._asked.decided(
                    tx, cid, RequestState.REFUSED, None, answer.reason[:TEXT_CHARS_MAX]
                )
            case LogWitnessArgs():
                self._witnesses.answered(tx, pair, args, answer)
            case PaidArgs():
                self._payments.answered(tx, args, refusal_of(answer))
            case InvoiceArgs():
                self._invoices.answered(tx, pair, args, answer)
            case ProposeArgs() | AnswerRecordArgs():
                self._lost_versions.settled(tx, pair, args, answer)
            case MandateDecideArgs():
                self._waiting.answered(tx, pair, args, answer)
            case _:
                return

    def stale(self, tx: Tx, message: Message) -> bool:
        """Whether a card, checkpoint, keyset or acceptance waits that a newer one, or the end of
        its grant, has made useless; or a version of a shared record that is none any more."""
        if message.cmd is Cmd.CARD_PUT:
            return self._cards.stale(tx, message)
        if message.cmd is Cmd.LOG_WITNESS:
            shown = parse_args(message.cmd, message.args)
            assert isinstance(shown, LogWitnessArgs)
            return self._witnesses.stale(tx, message.own, message.their, shown)
        if message.cmd in (Cmd.PROPOSE, Cmd.ANSWER_RECORD):
            said = parse_args(message.cmd, message.args)
            assert isinstance(said, ProposeArgs | AnswerRecordArgs)
            return self._shared.stale(tx, message.own, message.their, said.version)
        if message.cmd is Cmd.ACCEPT:
            accepted = parse_args(message.cmd, message.args)
            assert isinstance(accepted, AcceptArgs)
            held = self._borrowing.find(tx, accepted.grant)
            return held is not None and held.kept is GrantStatus.REVOKED
        if message.cmd is not Cmd.KEYS:
            return False
        args = parse_args(message.cmd, message.args)
        assert isinstance(args, KeysArgs)
        overtaken = self._lending_on.stale(tx, grant_of(args.keyset), args.keyset)
        if overtaken is not None:
            return overtaken
        grant = self._lending.find(tx, grant_of(args.keyset))
        if grant is None or grant.ended_ms is not None:
            return True
        return grant.n != parse_keyset(args.keyset, grant.giver).n

    def _giver(self, tx: Tx, cid: bytes, own: Did) -> Did:
        """Who gave a grant of ours: who we were then."""
        grant = self._lending.find(tx, cid)
        return own if grant is None else grant.giver


def again(cmd: Cmd, code: Code) -> bool:
    """Whether the same command may be answered otherwise later.

    `expired` and `not-yet` are about our invocation, so about the two clocks; only an acceptance
    can come too late for its grant.
    """
    if cmd in (Cmd.PROPOSE, Cmd.ANSWER_RECORD, Cmd.RETURN) and code is Code.NOT_YET:
        return False  # the peer lacks what came before: that is told again with it
    if code is Code.EXPIRED:
        return cmd not in (Cmd.ACCEPT, Cmd.REQUEST, Cmd.DECIDE)
    return code in (Code.BUSY, Code.NOT_YET, Code.SUSPENDED)

"""Payments in the store: what this node said that it paid, and what peers said that they did.

    debtor    said ──> heard ──> confirmed        creditor    heard ──> confirmed
               │         └─────> disputed ──> confirmed           └───> disputed ──> confirmed
               └──> refused

`said` waits in the outbox; `heard` is with the other node and waits for its person; a node that has
lent nothing for money refuses.  Only `confirmed` counts as paid, and it is final.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from ...crypto.entropy import Entropy
from ...protocol.command import AcknowledgeArgs, Cmd, PaidArgs
from ...protocol.did import Did, check_did
from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import TEXT_CHARS_MAX
from ...protocol.payment import (
    Payment,
    PaymentWord,
    check_between,
    make_acknowledgement,
    make_payment,
    parse_acknowledgement,
    parse_payment,
)
from ...protocol.receipt import Answer
from ...protocol.remuneration import Remuneration
from ...protocol.terms import Terms
from ...protocol.wire import Body, Value
from ..errors import NotFound, UsageError
from ..grants.borrowing import Borrowing
from ..grants.lending import Lending
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects

# Payments of one peer that wait for an answer: beyond that it is pestering.
PAYMENTS_WAITING_MAX = 64
# All that are kept with one peer: one a week, for forty years.
PAYMENTS_OF_ONE_MAX = 2_048

# What this node itself stored was verified when it came; a second look costs a lookup only.
_payment = lru_cache(maxsize=4096)(parse_payment)


class PaymentState(StrEnum):
    """How a payment stands: see the drawing above."""

    SAID = "said"
    HEARD = "heard"
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    REFUSED = "refused"


_OPEN = (PaymentState.SAID, PaymentState.HEARD)


@dataclass(frozen=True, slots=True)
class PaymentKept:
    """One payment; `ours` if this node said it.  `word` is what the creditor signed, as signed.

    `said`: by whom we were then, where `own`, by which the pair is named, was followed by another.
    """

    own: Did
    their: Did
    payment: Payment
    state: PaymentState
    reason: str
    word: bytes | None
    said: bool = False

    @property
    def cid(self) -> bytes:
        return self.payment.cid

    @property
    def ours(self) -> bool:
        return self.said or self.payment.by == self.own

    @property
    def waits(self) -> bool:
        return self.state in _OPEN

    def value(self) -> Value:
        return {
            "own": self.own,
            "their": self.their,
            "payment": self.payment.signed.raw,
            "state": self.state.value,
            "reason": self.reason,
            "word": self.word,
            **({"said": True} if self.said else {}),
        }

    @classmethod
    def from_value(cls, value: Value) -> PaymentKept:
        said = ("said",) if isinstance(value, Mapping) and "said" in value else ()
        keys = ("own", "their", "payment", "state", "reason", "word", *said)
        body = Body.open(value, "a payment in the store", keys)
        return cls(
            check_did(body.text("own")),
            check_did(body.text("their")),
            _payment(body.data("payment")),
            PaymentState(body.text("state")),
            body.text("reason", chars_max=TEXT_CHARS_MAX),
            body.maybe_data("word"),
            bool(said) and body.flag("said"),
        )


class Payments:
    """Both sides of every payment."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        lending: Lending,
        borrowing: Borrowing,
        outgoing: Outgoing,
        entropy: Entropy,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._lending = lending
        self._borrowing = borrowing
        self._outgoing = outgoing
        self._entropy = entropy

    def all(self, tx: Tx) -> list[PaymentKept]:
        """Every payment, in the order in which they came to be known here."""
        found = self._objects.read_all(tx, Kind.PAYMENT, PaymentKept.from_value)
        return [kept for _, kept in found]

    def between(self, tx: Tx, own: Did, their: Did) -> list[PaymentKept]:
        return [one for one in self.all(tx) if (one.own, one.their) == (own, their)]

    def _find(self, tx: Tx, cid: bytes) -> PaymentKept | None:
        return self._objects.read(tx, Kind.PAYMENT, cid, PaymentKept.from_value)

    def _save(self, tx: Tx, kept: PaymentKept) -> PaymentKept:
        self._objects.put(tx, Kind.PAYMENT, kept.cid, kept.value())
        return kept

    # the debtor

    def say(
        self, tx: Tx, pair: Pair, amount_minor: int, currency: str, note: str, now_ms: int
    ) -> PaymentKept:
        """Say to `pair` that it was paid; the word goes to the outbox.  Raises UsageError,
        WireError."""
        if not any(
            held.via is None and _is_in(held.bundle.terms, currency)
            for held in self._borrowing.keyed(tx, pair.own, pair.their)
        ):
            raise UsageError(
                f"you hold no grant of {pair.name} on terms in {currency}: there is nothing to pay"
            )
        if len(self.between(tx, Did(pair.own), pair.their)) >= PAYMENTS_OF_ONE_MAX:
            raise UsageError(f"{PAYMENTS_OF_ONE_MAX} payments with {pair.name} are kept already")
        payment = make_payment(
            self._peers.persona(tx, pair.own).key,
            to=pair.their_now,
            amount_minor=amount_minor,
            currency=currency,
            note=note,
            t_ms=now_ms,
            entropy=self._entropy,
        )
        kept = PaymentKept(Did(pair.own), pair.their, payment, PaymentState.SAID, "", None)
        kept = replace(kept, said=pair.own_now != pair.own)
        self._save(tx, kept)
        args = PaidArgs(pair.their, payment.signed.raw)
        self._outgoing.put(tx, pair, Cmd.PAID, args.value(), now_ms)
        return kept

    def answered(self, tx: Tx, args: PaidArgs, refused: str | None) -> None:
        """The creditor's node has heard of a payment, or refused to."""
        kept = self._find(tx, parse_payment(args.payment).cid)
        if kept is None or kept.state is not PaymentState.SAID:
            return
        if refused is None:
            self._save(tx, replace(kept, state=PaymentState.HEARD))
        else:
            self._save(tx, replace(kept, state=PaymentState.REFUSED, reason=refused))

    def acknowledged(self, tx: Tx, pair: Pair, args: AcknowledgeArgs, _now_ms: int) -> Value:
        """What the creditor says of a payment of ours: the CID of its word.

        Raises WireError, BadSignature, CapabilityError, GrantRefused.
        """
        said = parse_acknowledgement(args.word)
        # To whom we were when it was said, maybe; by nobody but who the creditor is now.
        to = said.to if said.to in pair.ours else pair.own_now
        check_between(said, by=pair.their_now, to=to)
        kept = self._find(tx, said.payment)
        if kept is None or not kept.ours or (kept.own, kept.their) != (pair.own, pair.their):
            raise GrantRefused("this is about a payment that was not made", Code.UNKNOWN_GRANT)
        if kept.word != said.signed.raw:
            if kept.state is PaymentState.CONFIRMED:
                raise GrantRefused("this payment was confirmed already", Code.REPLAY)
            state = PaymentState(said.word.value)
            self._save(tx, replace(kept, state=state, reason=said.reason, word=said.signed.raw))
        return said.signed.cid

    # the creditor

    def heard(self, tx: Tx, pair: Pair, args: PaidArgs, _now_ms: int) -> Value:
        """A peer says that it has paid: the CID of its word.  The person answers it.

        Raises WireError, BadSignature, CapabilityError, GrantRefused.
        """
        payment = parse_payment(args.payment)
        # It may have been said before one of the two was followed; nobody pays by it alone.
        by = payment.by if payment.by in pair.theirs else pair.their_now
        to = payment.to if payment.to in pair.ours else pair.own_now
        check_between(payment, by=by, to=to)
        if self._find(tx, payment.cid) is not None:
            return payment.cid
        if not any(
            _is_in(given.bundle.terms, payment.currency)
            for given in self._lending.ever_of(tx, pair.own, pair.their)
        ):
            sentence = f"nothing was lent here for {payment.currency}: there is nothing to pay"
            raise GrantRefused(sentence, Code.UNKNOWN_GRANT)
        known = self.between(tx, Did(pair.own), pair.their)
        if sum(one.waits and not one.ours for one in known) >= PAYMENTS_WAITING_MAX:
            raise GrantRefused("too many payments wait for an answer already", Code.TOO_MUCH)
        if len(known) >= PAYMENTS_OF_ONE_MAX:
            raise GrantRefused("no more payments of this peer are kept", Code.TOO_MUCH)
        kept = PaymentKept(Did(pair.own), pair.their, payment, PaymentState.HEARD, "", None)
        self._save(tx, kept)
        return payment.cid

    def acknowledge(
        self, tx: Tx, cid: bytes, word: PaymentWord, reason: str, now_ms: int
    ) -> PaymentKept:
        """Confirm or dispute a payment that a peer said; the word goes to the outbox.

        Said again, it changes nothing, unless a dispute has another reason: then that is told.
        Raises NotFound, UsageError, WireError.
        """
        kept = self._find(tx, cid)
        if kept is None or kept.ours:
            raise NotFound("no peer said this payment to you: see `entrenous accounts`")
        state = PaymentState(word.value)
        told_anew = state is PaymentState.DISPUTED and reason not in ("", kept.reason)
        if kept.state is state and not told_anew:
            return kept
        if kept.state is PaymentState.CONFIRMED:
            raise UsageError("you confirmed this payment already, and that is final")
        key = self._peers.persona(tx, kept.own).key
        said = make_acknowledgement(key, kept.payment, word=word, reason=reason, t_ms=now_ms)
        raw = said.signed.raw
        pair = self._peers.pair(tx, kept.own, kept.their)
        args = AcknowledgeArgs(kept.their, raw)
        self._outgoing.put(tx, pair, Cmd.ACKNOWLEDGE, args.value(), now_ms)
        return self._save(tx, replace(kept, state=state, reason=reason, word=raw))


def refusal_of(answer: Answer) -> str | None:
    """Why a peer refused what was said; None if it did not."""
    if answer.code is Code.OK:
        return None
    return answer.reason[:TEXT_CHARS_MAX]


def _is_in(terms: Terms, currency: str) -> bool:
    given = terms.remuneration
    return isinstance(given, Remuneration) and given.currency == currency

"""Accounts: what is owed between this node and each peer, derived anew whenever it is asked for.

Nothing is added up in the store.  What is owed follows from the grants on paid terms and from the
log, by the counting that both sides share (`protocol/accrual.py`); what was paid, from the payments
that their creditor confirmed.  So a crash cannot lose a cent nor count one twice, and a node that
was restored counts from what it has.

A grant that was given again, because one of the two is somebody else now, is in the account of the
one that it goes on from: nothing that was agreed once is owed twice, and a cap goes on.

    owed to me    grants that this node gave, reads that it served
    owed by me    grants that it holds, reads that it made; not those that it makes for another

A window that its reader never signed for is not counted, and is said.  Reads that a reader lets
others make under its grant are counted as its own, by the owner, who alone has all the receipts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ...protocol.accrual import Entry, SignedWindow, accrued
from ...protocol.day import DAY_MS
from ...protocol.did import Did
from ...protocol.payment import Counted
from ...protocol.receipt import Receipt
from ...protocol.remuneration import Remuneration
from ..grants.borrowing import Borrowing
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..grants.grant_lines import Happened, Side
from ..grants.lending import Lending
from ..peers.peers import Peers
from ..store.database import Tx
from ..store.store import Store
from .paid_reads import PaidReads
from .paid_terms import PaidTerms
from .payments import PaymentKept, Payments, PaymentState


class Owed(StrEnum):
    """To whom."""

    TO_ME = "to-me"
    BY_ME = "by-me"


@dataclass(frozen=True, slots=True)
class GrantAccount:
    """One grant on paid terms; `unsigned` windows were served and never signed for.

    `waived_ms`: since when nothing more becomes owed, by the owner's own word.
    """

    own: Did
    their: Did
    owed: Owed
    grant: bytes
    terms: Remuneration
    entries: tuple[Entry, ...]
    unsigned: int
    waived_ms: int | None

    @property
    def amount_minor(self) -> int:
        return sum(entry.amount_minor for entry in self.entries)

    @property
    def count(self) -> int:
        return sum(entry.count for entry in self.entries)

    @property
    def counted(self) -> Counted:
        return Counted(self.grant, self.count, self.amount_minor)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything in one currency, one way, with one peer.  Amounts in minor units."""

    own: Did
    their: Did
    owed: Owed
    currency: str
    grants: tuple[GrantAccount, ...]
    payments: tuple[PaymentKept, ...]

    @property
    def accrued_minor(self) -> int:
        return sum(one.amount_minor for one in self.grants)

    @property
    def paid_minor(self) -> int:
        """What was confirmed."""
        return self._sum(PaymentState.CONFIRMED)

    @property
    def said_minor(self) -> int:
        """What was said to be paid, and waits for a word."""
        return self._sum(PaymentState.SAID, PaymentState.HEARD)

    @property
    def open_minor(self) -> int:
        """What is left to pay; below zero where more was paid."""
        return self.accrued_minor - self.paid_minor

    def _sum(self, *states: PaymentState) -> int:
        return sum(one.payment.amount_minor for one in self.payments if one.state in states)


@dataclass(slots=True)
class _Read:
    """What the log holds of one grant."""

    signed: list[SignedWindow] = field(default_factory=list[SignedWindow])
    unsigned: int = 0

    def take(self, word: Receipt) -> None:
        body = word.body
        if not body.pages:
            return
        if word.one_sided:
            self.unsigned += 1
        else:
            one = SignedWindow(word.cid, body.inv, body.t_ms, body.first, body.last_day)
            self.signed.append(one)

    def add(self, other: _Read) -> None:
        self.signed += other.signed
        self.unsigned += other.unsigned


class Accounts:
    """What is owed, both ways."""

    def __init__(
        self,
        store: Store,
        lending: Lending,
        borrowing: Borrowing,
        payments: Payments,
        paid_terms: PaidTerms,
        paid_reads: PaidReads,
        peers: Peers,
    ) -> None:
        self._store = store
        self._peers = peers
        self._lending = lending
        self._borrowing = borrowing
        self._payments = payments
        self._paid_terms = paid_terms
        self._paid_reads = paid_reads

    def sheets(
        self, tx: Tx, until_ms: int, between: tuple[str, str] | None = None
    ) -> tuple[Sheet, ...]:
        """One for each peer, way and currency in which there are paid terms, as of `until_ms`.

        `between` (own, their): with this peer only.
        """
        found: dict[tuple[Did, Did, Owed, str], list[GrantAccount]] = {}
        for one in self._grants(tx, until_ms, between):
            found.setdefault((one.own, one.their, one.owed, one.terms.currency), []).append(one)
        payments = self._payments.all(tx) if found else []
        return tuple(
            Sheet(
                own,
                their,
                owed,
                currency,
                tuple(grants),
                tuple(
                    one
                    for one in payments
                    if (one.own, one.their, one.payment.currency) == (own, their, currency)
                    and one.ours is (owed is Owed.BY_ME)
                ),
            )
            for (own, their, owed, currency), grants in found.items()
        )

    def sheet(
        self, tx: Tx, until_ms: int, own: Did, their: Did, owed: Owed, currency: str
    ) -> Sheet:
        """The one of these; empty if there are no such terms."""
        for one in self.sheets(tx, until_ms, (own, their)):
            if (one.owed, one.currency) == (owed, currency):
                return one
        return Sheet(own, their, owed, currency, (), ())

    def _grants(
        self, tx: Tx, until_ms: int, between: tuple[str, str] | None
    ) -> Iterator[GrantAccount]:
        # An offer that its reader never agreed to is no account.
        given, held = (
            (self._lending.all(tx), self._borrowing.all(tx))
            if between is None
            else (self._lending.ever_of(tx, *between), self._borrowing.keyed(tx, *between))
        )
        grants: list[GrantGiven | GrantHeld] = [
            *(one for one in given if one.keyset is not None),
            *(one for one in held if one.via is None),
        ]
        paid = [
            (one, terms)
            for one in grants
            if isinstance(terms := one.bundle.terms.remuneration, Remuneration)
        ]
        by_read = {one.cid for one, _ in paid if one.bundle.terms.paid_by_read}
        reads = self._reads(tx, by_read, until_ms)
        for line, terms in self._lines(tx, paid):
            first, last = line[0], line[-1]
            served = isinstance(first, GrantGiven)
            read = _Read()
            for one in line:
                read.add(reads.get((served, one.cid), _Read()))
            waived_ms = _first(self._paid_terms.waived_ms(tx, one.cid) for one in line)
            entries = accrued(
                terms,
                read.signed,
                accepted_ms=_first(self._accepted_ms(tx, one) for one in line),
                end_ms=_end_ms(last, waived_ms),
                now_ms=until_ms,
            )
            owed = Owed.TO_ME if served else Owed.BY_ME
            yield GrantAccount(
                first.own, first.their, owed, first.cid, terms, entries, read.unsigned, waived_ms
            )

    def _lines(
        self, tx: Tx, paid: Iterable[tuple[GrantGiven | GrantHeld, Remuneration]]
    ) -> list[tuple[list[GrantGiven | GrantHeld], Remuneration]]:
        """Grants that were given again because one of the two was followed by another persona,
        after the one that they go on from: what was agreed once is owed once."""
        found: dict[tuple[bool, bytes], tuple[list[GrantGiven | GrantHeld], Remuneration]] = {}
        lines: list[tuple[list[GrantGiven | GrantHeld], Remuneration]] = []
        for one, terms in paid:
            served = isinstance(one, GrantGiven)
            told = self._lending.lines.find(tx, Side.GIVEN if served else Side.HELD, one.cid)
            before = None if told is None or told.renews is None else told.renews
            line = None if before is None else found.get((served, before))
            # A renewal ends later, and was asked for on these terms anew.
            if line is not None and _exp_s(line[0][-1]) == _exp_s(one):
                line[0].append(one)
            else:
                line = ([one], terms)
                lines.append(line)
            found[served, one.cid] = line
        return lines

    def _accepted_ms(self, tx: Tx, one: GrantGiven | GrantHeld) -> int | None:
        """When the first keys of a grant were made, which is the number of its first keyset.

        The owner chose that number.  So its reader takes none that is a day or more before it held
        the grant: months that never were would be owed.
        """
        if isinstance(one, GrantGiven):
            line = self._lending.lines.find(tx, Side.GIVEN, one.cid)
            moments = () if line is None else line.events
            return min((e.t_ms for e in moments if e.what is Happened.ACCEPTED), default=None)
        line = self._borrowing.lines.find(tx, Side.HELD, one.cid)
        moments = () if line is None else line.events
        # Once what was read is deleted, the keys are too; when they came is told still.
        made_ms = one.keysets or tuple(e.t_ms for e in moments if e.what is Happened.ACCEPTED)
        if not made_ms:
            return None
        came_ms = 0 if line is None else line.begins_ms
        return max(min(made_ms), came_ms - DAY_MS)

    def _reads(
        self, tx: Tx, grants: Collection[bytes], until_ms: int
    ) -> Mapping[tuple[bool, bytes], _Read]:
        """What the logs of this person's devices hold of these grants, by (served, grant)."""
        found: dict[tuple[bool, bytes], _Read] = {}
        for one in self._paid_reads.of_grants(tx, grants) if grants else ():
            word = one.word
            if word.body.t_ms > until_ms:
                continue
            # What this node read for another is that one's to pay.
            if one.given or self._peers.first_of(tx, word.body.reader) == one.own:
                found.setdefault((one.given, word.body.dlg), _Read()).take(word)
        return found


def _exp_s(one: GrantGiven | GrantHeld) -> int:
    return one.bundle.grant.exp_s


def _first(moments: Iterable[int | None]) -> int | None:
    return min((one for one in moments if one is not None), default=None)


def _end_ms(one: GrantGiven | GrantHeld, waived_ms: int | None) -> int:
    ends = [one.bundle.grant.exp_s * 1000]
    ends += [end for end in (one.ended_ms, waived_ms) if end is not None]
    return min(ends)

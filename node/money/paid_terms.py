"""Paid terms, switched off and on: whether anything may be given in return for a licence here.

Off means, from that moment on and until the person says otherwise:

- a request with paid terms is refused at the door, in one sentence; this node makes none;
- one that waits already stays in the inbox and cannot be granted; a bundle with paid terms that
  comes for what this node once asked is refused;
- under the paid grants that this node gave nothing more becomes owed: it signs a **waiver** for
  each reader and tells it.  The licences stand as signed, until they end or are taken back: to
  end them is another decision, and the person's own;
- under the paid grants that this node holds it reads no more, so nothing more is counted by reads
  or days.  What it signed for by months goes on: only who is owed can waive.

What was owed by then stays owed, and can be paid.  Switched on again, new terms may be paid; what
was waived stays waived, since its reader was told so.

Source: docs/adr/0019-paid-terms.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.command import Cmd, WaiveArgs
from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import ACCOUNT_GRANTS_MAX
from ...protocol.payment import check_between, make_waiver, parse_waiver
from ...protocol.terms import Terms
from ...protocol.trust import GrantStatus
from ...protocol.wire import Body, Value
from ..errors import Exit, UsageError
from ..grants.grant_given import GrantGiven
from ..grants.grant_held import GrantHeld
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects

_OFF: Value = "paid-terms-off"
_REFUSED = "paid terms are switched off here: ask without anything in return"
_STANDING = (GrantStatus.LIVE, GrantStatus.NOT_YET, GrantStatus.SUSPENDED)


class PaidTermsOff(UsageError):
    """The person switched paid terms off."""

    exit = Exit.NOT_ALLOWED

    def __init__(self) -> None:
        super().__init__("paid terms are switched off: `entrenous accounts on` allows them again")


def paid_terms_on(objects: Objects, tx: Tx) -> bool:
    return not objects.has(tx, Kind.SETTING, _OFF)


def check_paid_terms(objects: Objects, tx: Tx, terms: Terms) -> None:
    """What this node would do itself with `terms`.  Raises PaidTermsOff."""
    if terms.paid and not paid_terms_on(objects, tx):
        raise PaidTermsOff


def refuse_paid_terms(objects: Objects, tx: Tx, terms: Terms) -> None:
    """What a peer would do here with `terms`.  Raises GrantRefused(terms)."""
    if terms.paid and not paid_terms_on(objects, tx):
        raise GrantRefused(_REFUSED, Code.TERMS)


@dataclass(frozen=True, slots=True)
class WaiverKept:
    """From `t_ms` on nothing becomes owed under a grant; `raw` is the waiver as signed."""

    t_ms: int
    raw: bytes

    @classmethod
    def from_value(cls, value: Value) -> WaiverKept:
        body = Body.open(value, "a waiver in the store", ("t_ms", "raw"))
        return cls(body.integer("t_ms"), body.data("raw"))

    def value(self) -> Value:
        return {"t_ms": self.t_ms, "raw": self.raw}


class PaidTerms:
    """The switch, and the waivers that it made or heard."""

    def __init__(self, objects: Objects, peers: Peers, outgoing: Outgoing) -> None:
        self._objects = objects
        self._peers = peers
        self._outgoing = outgoing

    def on(self, tx: Tx) -> bool:
        return paid_terms_on(self._objects, tx)

    def refuse(self, tx: Tx, terms: Terms) -> None:
        """As `refuse_paid_terms`."""
        refuse_paid_terms(self._objects, tx, terms)

    def switch_on(self, tx: Tx) -> None:
        """Allow paid terms again."""
        self._objects.delete(tx, Kind.SETTING, _OFF)

    def switch_off(self, tx: Tx, given: list[GrantGiven], now_ms: int) -> int:
        """Allow none; of the grants `given`, waive what would become owed, and tell their readers.

        How many grants.  Off already, it waives what was missed: nothing is waived twice.
        """
        self._objects.add_if_new(tx, Kind.SETTING, _OFF, now_ms)
        of_pair: dict[tuple[str, str], list[GrantGiven]] = {}
        for grant in given:
            if (
                grant.bundle.terms.paid
                and grant.status(now_ms) in _STANDING
                and self.waived_ms(tx, grant.cid) is None
            ):
                of_pair.setdefault((grant.own, grant.their), []).append(grant)
        for some in of_pair.values():
            for at in range(0, len(some), ACCOUNT_GRANTS_MAX):
                self._waive(tx, some[at : at + ACCOUNT_GRANTS_MAX], now_ms)
        return sum(map(len, of_pair.values()))

    def _waive(self, tx: Tx, grants: list[GrantGiven], now_ms: int) -> None:
        own, their = grants[0].own, grants[0].their
        key = self._peers.persona(tx, own).key
        pair = self._peers.pair(tx, own, their)
        waiver = make_waiver(
            key, to=pair.their_now, grants=[one.cid for one in grants], t_ms=now_ms
        )
        kept = WaiverKept(now_ms, waiver.signed.raw)
        for grant in grants:
            self._objects.put(tx, Kind.WAIVER, grant.cid, kept.value())
        args = WaiveArgs(their, waiver.signed.raw)
        self._outgoing.put(tx, pair, Cmd.WAIVE, args.value(), now_ms)

    def waived_ms(self, tx: Tx, grant: bytes) -> int | None:
        """Since when nothing becomes owed under a grant; None while something does."""
        value = self._objects.get(tx, Kind.WAIVER, grant)
        return None if value is None else WaiverKept.from_value(value).t_ms

    def waived(self, tx: Tx, pair: Pair, args: WaiveArgs, _now_ms: int) -> Value:
        """An owner waives what this node would owe it: the CID of its word.

        Of each grant the first counts; one that is not held here changes nothing.
        Raises WireError, BadSignature, CapabilityError.
        """
        waiver = parse_waiver(args.waiver)
        check_between(waiver, by=pair.their_now, to=pair.own_now)
        kept = WaiverKept(waiver.t_ms, waiver.signed.raw)
        for grant in waiver.grants:
            held = self._objects.read(tx, Kind.GRANT_HELD, grant, GrantHeld.from_value)
            if held is not None and (held.own, held.their) == (pair.own, pair.their):
                self._objects.add_if_new(tx, Kind.WAIVER, grant, kept.value())
        return waiver.signed.cid

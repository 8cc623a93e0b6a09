"""Mandates: acting for another, at the three nodes that it takes.

    proxy ──/mandate/ask──> principal ──/mandate/put──> proxy
                                └──────/mandate/put──> organisation
    proxy ── /grant/…, under the mandate ──> organisation ──/mandate/notice──> principal
    anyone of them ──/mandate/end──> the others

The organisation takes a mandate only from someone whom it names, and acts under none that was not
handed in; so a principal always can, and a proxy whose principal's node is away can too.  What is
said under it counts as said by the principal: its permits, its requests, its grants.  Each act is
told to the principal (`mandate_notices`); what a proxy says before there is a mandate is `proxies`.

Within one vault (a child and a parent whom one school knows) nobody asks and nothing travels but
what goes to the organisation: both personas are here.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ...crypto.entropy import Entropy
from ...protocol.command import Cmd, MandateEndArgs, MandatePutArgs
from ...protocol.did import Did
from ...protocol.errors import CapabilityError, Code, GrantRefused
from ...protocol.invocation import Invocation
from ...protocol.limits import MANDATES_OF_ONE_MAX
from ...protocol.mandate import (
    AT_HOME,
    Acted,
    End,
    Lodged,
    Mandate,
    Office,
    check_end,
    check_life,
    make_end,
    make_mandate,
    parse_chain,
    parse_end,
)
from ...protocol.mandate_limits import Limits
from ...protocol.receipt import parse_answer
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..errors import NotAllowed, NotFound, UsageError
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .mandate_kept import MandateKept, Side
from .mandate_left import end_left
from .proxies import Proxies


class Mandates:
    """Mandates given, held and handed in; one table, because one vault may have two sides."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        outgoing: Outgoing,
        proxies: Proxies,
        entropy: Entropy,
    ) -> None:
        # Is told of each mandate that this node held and that has ended.
        self.held_ended: Callable[[Tx, MandateKept], None] = lambda _tx, _kept: None
        self._objects = objects
        self._peers = peers
        self._outgoing = outgoing
        self._proxies = proxies
        self._entropy = entropy

    # looking

    def all(self, tx: Tx) -> list[MandateKept]:
        found = self._objects.read_all(tx, Kind.MANDATE, MandateKept.from_value)
        return [kept for _, kept in found]

    def find(self, tx: Tx, side: Side, cid: bytes) -> MandateKept | None:
        return self._objects.read(tx, Kind.MANDATE, [side.value, cid], MandateKept.from_value)

    def held(self, tx: Tx, cid: bytes) -> MandateKept:
        """A mandate under which this node acts.  Raises NotFound."""
        if (kept := self.find(tx, Side.HELD, cid)) is None:
            raise NotFound("this node holds no such mandate: see `entrenous mandates`")
        return kept

    def acting(
        self, tx: Tx, own: Did, at: Did, cmd: Cmd, now_ms: int, principals: Iterable[str]
    ) -> MandateKept:
        """The mandate under which `own` says `cmd` to `at` for one of `principals` (their personas
        there).  Raises NotAllowed."""
        wanted = set(principals)
        fit = [
            kept
            for kept in self.all(tx)
            if kept.side is Side.HELD
            and self._peers.first_of(tx, kept.mandate.proxy) == own
            and self._peers.first_of(tx, kept.mandate.to) == at
            and kept.mandate.principal in wanted
            and cmd in kept.mandate.commands
        ]
        live = [kept for kept in fit if kept.status(now_ms) is GrantStatus.LIVE]
        if live:
            return max(live, key=lambda kept: kept.mandate.exp_s)
        if fit:
            raise NotAllowed(f"that mandate is {fit[-1].status(now_ms).value}: ask for another")
        raise NotAllowed(f"no mandate lets this node say {cmd.value} there for them")

    # giving one

    def give(
        self,
        tx: Tx,
        to: Pair,
        at: Pair,
        *,
        office: Office,
        commands: Iterable[str],
        exp_s: int,
        now_ms: int,
        onward: bool = False,
        under: MandateKept | None = None,
    ) -> MandateKept:
        """Let the one that `to` names act at `at`; told to both, and kept.

        `to` is the pair with the proxy, or within one vault the proxy's own pair with the same
        organisation.  With `under`, a mandate that is held is passed on.
        Raises UsageError, NotAllowed, NotFound, and CapabilityError for what it would not be.
        """
        within = to.their == at.their
        if within and to.own == at.own:
            raise UsageError("nobody needs a mandate to act as themselves")
        commands = tuple(commands)
        if not within and Cmd.DECIDE in commands:
            # A grant is signed, and its keys are made, where the data is.
            raise UsageError(
                f"{to.name} has a node of its own: who decides needs the vault that is asked for, "
                "so that is for people of one household"
            )
        proxy = to.own_now if within else self._proxies.known_as(tx, to, at, now_ms)
        above = () if under is None else under.chain
        if under is not None and (
            under.mandate.proxy != at.own or under.status(now_ms) is not GrantStatus.LIVE
        ):
            raise NotAllowed("a mandate is passed on by its proxy, while it holds")
        mandate = make_mandate(
            self._peers.persona(tx, at.own).key,
            proxy=proxy,
            to=at.their_now,
            office=office,
            commands=commands,
            exp_s=exp_s,
            entropy=self._entropy,
            onward=onward,
            above=above[-1] if above else None,
        )
        check_life(mandate, now_ms)
        chain = parse_chain([*(one.signed.raw for one in above), mandate.signed.raw], now_ms)
        own, their = (None, None) if within else (to.own, to.their)
        given = MandateKept(Side.GIVEN, chain, own, their, now_ms, None)
        self._objects.add(tx, Kind.MANDATE, [Side.GIVEN.value, given.cid], given.value())
        raws = tuple(one.signed.raw for one in chain)
        put = MandatePutArgs(at.their, raws)
        self._outgoing.put(tx, at, Cmd.MANDATE_PUT, put.value(), now_ms)
        if within:
            self._hold(tx, replace(given, side=Side.HELD))
        else:
            told = MandatePutArgs(to.their, raws)
            self._outgoing.put(tx, to, Cmd.MANDATE_PUT, told.value(), now_ms)
        return given

    def give_home(
        self,
        tx: Tx,
        to: Pair,
        *,
        office: Office,
        limits: Limits,
        exp_s: int,
        now_ms: int,
    ) -> MandateKept:
        """Let the peer `to` see what waits here within `limits`, and decide it; told and kept.

        Raises CapabilityError for what it would not be.
        """
        mandate = make_mandate(
            self._peers.persona(tx, to.own).key,
            proxy=to.their_now,
            to=to.own_now,
            office=office,
            commands=AT_HOME,
            exp_s=exp_s,
            entropy=self._entropy,
            limits=limits,
        )
        check_life(mandate, now_ms)
        given = MandateKept(Side.GIVEN, (mandate,), to.own, to.their, now_ms, None)
        self._objects.add(tx, Kind.MANDATE, [Side.GIVEN.value, given.cid], given.value())
        for link in mandate.links:
            self._objects.put(tx, Kind.SETTING, _mandate_of(link.cid), mandate.cid)
        args = MandatePutArgs(to.their, (mandate.signed.raw,))
        self._outgoing.put(tx, to, Cmd.MANDATE_PUT, args.value(), now_ms)
        return given

    def home(self, tx: Tx, principal: Pair, now_ms: int) -> MandateKept:
        """The mandate under which this node decides what waits at `principal`.

        Raises NotAllowed.
        """
        held = [
            kept
            for kept in self.all(tx)
            if kept.side is Side.HELD
            and kept.mandate.at_home
            and (kept.own, kept.their) == (principal.own, principal.their)
        ]
        live = [kept for kept in held if kept.status(now_ms) is GrantStatus.LIVE]
        if live:
            return max(live, key=lambda kept: (kept.t_ms, kept.mandate.exp_s))
        if held:
            raise NotAllowed(f"that mandate is {held[-1].status(now_ms).value}: ask for another")
        raise NotAllowed(
            f"{principal.name} has not let this node decide what waits there: on their node, "
            "`entrenous mandate give YOU --may decide` does"
        )

    def _hold(self, tx: Tx, held: MandateKept) -> None:
        self._objects.put(tx, Kind.MANDATE, [Side.HELD.value, held.cid], held.value())

    # what comes

    def put(self, tx: Tx, pair: Pair, args: MandatePutArgs, now_ms: int) -> Value:
        """A mandate comes: to the organisation where it holds, or to its proxy.

        Raises GrantRefused, CapabilityError.
        """
        chain = parse_chain(args.mandates, now_ms)
        if chain[-1].to == pair.own_now:
            self._lodge(tx, pair, chain, now_ms)
        else:
            self._receive(tx, pair, chain, now_ms)
        return "kept"

    def _lodge(self, tx: Tx, pair: Pair, chain: Sequence[Mandate], now_ms: int) -> None:
        last = chain[-1]
        if pair.their_now not in {last.principal, last.proxy, last.giver}:
            raise GrantRefused("a mandate is handed in by those whom it names", Code.AUDIENCE)
        if self._peers.find(tx, pair.own, last.principal) is None:
            raise GrantRefused("the principal of this mandate is not paired here", Code.UNPAIRED)
        for place, mandate in enumerate(chain):
            who = {mandate.proxy, *(above.giver for above in chain[: place + 1])}
            ends = (self._end_by(tx, mandate.cid, by) for by in who)
            if any(end is not None and _may_end(end, chain[: place + 1]) for end in ends):
                raise GrantRefused("this mandate has been taken back", Code.REVOKED)
        known = [kept for kept in self.all(tx) if kept.side is Side.LODGED]
        ended = {kept.cid for kept in known if kept.ended_ms is not None}
        if not ended.isdisjoint(mandate.cid for mandate in chain):
            raise GrantRefused("this mandate has been taken back", Code.REVOKED)
        names = {kept.cid for kept in known}
        of_one = sum(kept.mandate.principal == last.principal for kept in known)
        for place, mandate in enumerate(chain):
            if mandate.cid in names:
                continue
            if of_one >= MANDATES_OF_ONE_MAX:
                raise GrantRefused(f"{of_one} mandates of one are here already", Code.TOO_MUCH)
            of_one += 1
            above = tuple(chain[: place + 1])
            kept = MandateKept(Side.LODGED, above, pair.own, pair.their, now_ms, None)
            self._objects.add(tx, Kind.MANDATE, [Side.LODGED.value, mandate.cid], kept.value())
            for link in mandate.links:
                self._objects.put(tx, Kind.SETTING, _mandate_of(link.cid), mandate.cid)

    def _receive(self, tx: Tx, pair: Pair, chain: Sequence[Mandate], now_ms: int) -> None:
        last = chain[-1]
        if last.at_home:
            self._receive_home(tx, pair, last, now_ms)
            return
        # Asked over this pair, and for use at that organisation.
        said = self._proxies.said(tx, last.proxy, pair.their)
        first = self._peers.first_of
        if said is None or first(tx, said.proxy.at) != first(tx, last.to):
            raise GrantRefused("nobody here asked for this mandate", Code.UNKNOWN_GRANT)
        if self.find(tx, Side.HELD, last.cid) is None:
            self._hold(tx, MandateKept(Side.HELD, tuple(chain), pair.own, pair.their, now_ms, None))

    def _receive_home(self, tx: Tx, pair: Pair, mandate: Mandate, now_ms: int) -> None:
        if (mandate.principal, mandate.proxy) != (pair.their_now, pair.own_now):
            raise GrantRefused("this mandate is not between these two", Code.AUDIENCE)
        if self.find(tx, Side.HELD, mandate.cid) is not None:
            return
        of_pair = sum(
            kept.mandate.at_home and kept.their == pair.their
            for kept in self.all(tx)
            if kept.side is Side.HELD
        )
        if of_pair >= MANDATES_OF_ONE_MAX:
            raise GrantRefused(f"{of_pair} mandates of one are here already", Code.TOO_MUCH)
        self._hold(tx, MandateKept(Side.HELD, (mandate,), pair.own, pair.their, now_ms, None))

    # ending

    def end(self, tx: Tx, cid: bytes, now_ms: int) -> list[Side]:
        """Take a mandate back, or lay it down; whoever must know is told.  The sides it had here.

        Raises NotFound, UsageError.
        """
        sides = [side for side in Side if self.find(tx, side, cid) is not None]
        kept = self.find(tx, Side.GIVEN, cid) or self.find(tx, Side.HELD, cid)
        if kept is None:
            raise NotFound("this node neither gave nor holds such a mandate")
        if kept.status(now_ms) is not GrantStatus.LIVE:
            raise UsageError(f"this mandate is {kept.status(now_ms).value} already")
        mandate = kept.mandate
        signer = mandate.giver if kept.side is Side.GIVEN else mandate.proxy
        end = make_end(self._peers.persona(tx, signer).key, mandate=cid, t_ms=now_ms)
        self._ended(tx, end, now_ms)
        tell = [] if mandate.at_home else [self._peers.find(tx, signer, mandate.to)]
        if kept.own is not None and kept.their is not None:
            tell.append(self._peers.find(tx, kept.own, kept.their))
        for pair in tell:
            if pair is not None:
                args = MandateEndArgs(pair.their, end.signed.raw)
                self._outgoing.put(tx, pair, Cmd.MANDATE_END, args.value(), now_ms)
        return sides

    def ended(self, tx: Tx, pair: Pair, args: MandateEndArgs, now_ms: int) -> Value:
        """Someone ends a mandate.  One that is not known here is remembered as ended, so that it
        does not begin after its end.  Raises GrantRefused, CapabilityError."""
        end = parse_end(args.end)
        known = [kept for side in Side if (kept := self.find(tx, side, end.mandate)) is not None]
        for kept in known:
            check_end(end, kept.chain)
        if not known:
            if end.by != pair.their_now:
                raise GrantRefused("this ends a mandate that is not known", Code.UNKNOWN_GRANT)
            if self._end_by(tx, end.mandate, end.by) is None:
                self._count_unknown(tx, pair)
        self._ended(tx, end, now_ms)
        return "known"

    def _ended(self, tx: Tx, end: End, now_ms: int) -> None:
        # By who said it: anybody may end what is not known here, and takes nobody's word from them.
        self._objects.add_if_new(tx, Kind.MANDATE_END, [end.mandate, end.by], end.signed.raw)
        for side in Side:
            kept = self.find(tx, side, end.mandate)
            if kept is not None and kept.ended_ms is None:
                gone = replace(kept, ended_ms=now_ms)
                self._objects.put(tx, Kind.MANDATE, [side.value, gone.cid], gone.value())
                if side is Side.HELD:
                    self.held_ended(tx, gone)

    def leave(self, tx: Tx, dids: Collection[str], now_ms: int) -> int:
        """These personas were followed by others: no mandate that names one holds any more; how
        many.  Who still wants one gives another."""
        left = 0
        for kept in self.all(tx):
            names = {did for one in kept.chain for did in (one.principal, one.proxy, one.to)}
            if kept.ended_ms is None and not names.isdisjoint(dids):
                gone = replace(kept, ended_ms=now_ms)
                self._objects.put(tx, Kind.MANDATE, [kept.side.value, gone.cid], gone.value())
                left += 1
                if (told := end_left(tx, self._peers, kept, dids, now_ms)) is not None:
                    self._outgoing.put(tx, told[0], Cmd.MANDATE_END, told[1].value(), now_ms)
                if kept.side is Side.HELD:
                    self.held_ended(tx, gone)
        return left

    def forget_lodged(self, tx: Tx, now_ms: int) -> None:
        """After a restore: what was ended since the backup was made is not known here, so nothing
        that was handed in by then, or given for this node itself, holds; its principal gives
        another."""
        for kept in self.all(tx):
            if kept.here and kept.ended_ms is None:
                gone = replace(kept, ended_ms=now_ms)
                self._objects.put(tx, Kind.MANDATE, [kept.side.value, gone.cid], gone.value())

    def _end_by(self, tx: Tx, cid: bytes, by: Did) -> End | None:
        raw = self._objects.get(tx, Kind.MANDATE_END, [cid, by])
        return parse_end(raw) if isinstance(raw, bytes) else None

    def _count_unknown(self, tx: Tx, pair: Pair) -> None:
        name: Value = ["ends-unknown", pair.own, pair.their]
        value = self._objects.get(tx, Kind.SETTING, name)
        count = value if isinstance(value, int) else 0
        if count >= MANDATES_OF_ONE_MAX:
            raise GrantRefused("too many mandates were ended that nobody knew", Code.TOO_MUCH)
        self._objects.put(tx, Kind.SETTING, name, count + 1)

    def adopt(self, tx: Tx, kept: MandateKept, before: MandateKept | None) -> None:
        """Keep what another device of this person knows of a mandate, in place of `before`."""
        self._objects.put(tx, Kind.MANDATE, [kept.side.value, kept.cid], kept.value())
        if kept.here:
            for link in kept.mandate.links:
                self._objects.put(tx, Kind.SETTING, _mandate_of(link.cid), kept.cid)
        ended = kept.ended_ms is not None and (before is None or before.ended_ms is None)
        if ended and kept.side is Side.HELD:
            self.held_ended(tx, kept)

    # at the organisation: what the door asks

    def lodged(self, tx: Tx, own: Did, prf: Iterable[bytes]) -> Mapping[bytes, Lodged]:
        """What is known here of each of these delegations, of mandates that hold at `own`."""
        found: dict[bytes, Lodged] = {}
        for link in prf:
            kept = self._here(tx, link)
            if kept is not None and self._peers.first_of(tx, kept.mandate.to) == own:
                mandate = kept.mandate
                found[link] = Lodged(mandate.cid, mandate.onward, kept.ended_ms is not None)
        return found

    def _here(self, tx: Tx, link: bytes) -> MandateKept | None:
        """The mandate of this delegation that holds at this node: handed in, or given for it."""
        cid = self._objects.get(tx, Kind.SETTING, _mandate_of(link))
        if not isinstance(cid, bytes):
            return None
        found = (self.find(tx, side, cid) for side in (Side.LODGED, Side.GIVEN))
        return next((kept for kept in found if kept is not None and kept.here), None)

    def acted(self, tx: Tx, pair: Pair, inv: Invocation) -> Acted | None:
        """Both names, if `inv` is said under a mandate that is (or was) handed in here, or tells
        of what was said under one of ours."""
        if inv.cmd == Cmd.MANDATE_NOTICE:
            told = inv.args.get("answer")
            return parse_answer(told).acted if isinstance(told, bytes) else None
        if not inv.prf or inv.sub == inv.iss:
            return None
        kept = self._here(tx, inv.prf[-1])
        if kept is None or (kept.mandate.principal, kept.mandate.proxy, kept.mandate.to) != (
            inv.sub,
            inv.iss,
            pair.own_now,
        ):
            return None
        return Acted(inv.sub, inv.iss, kept.cid)


def _may_end(end: End, chain: Sequence[Mandate]) -> bool:
    try:
        check_end(end, chain)
    except CapabilityError:
        return False
    return True


def _mandate_of(link: bytes) -> Value:
    return ["mandate-of", link]

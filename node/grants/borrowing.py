"""Borrowing: what this node asks for and is lent.

    ask ──> decision with a bundle ──accept──> keyset ──fetch──> windows: `reading_held.py`

A bundle that answers our request with the same terms and no wider days is accepted without asking
anyone, and becomes a grant held (`grant_held.py`); one whose terms bind us harder waits for the
operator (`offered.py`).  A renewal is accepted by itself within what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ...crypto.entropy import Entropy
from ...protocol.chain import verify_delegations
from ...protocol.command import AcceptArgs, Cmd, DecideArgs, RenewArgs, RequestArgs, parse_args
from ...protocol.errors import Code, GrantRefused
from ...protocol.grant import Bundle, check_bundle, parse_bundle
from ...protocol.limits import MANDATES_OF_ONE_MAX
from ...protocol.request import Request, parse_request
from ...protocol.revocation import check_revocation, parse_revocation
from ...protocol.showing import check_within
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..household.mandate_kept import ProxyKept
from ..money.paid_terms import check_paid_terms, refuse_paid_terms
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind
from ..store.store import Store
from ..vault.collection import Collections
from .grant_held import GrantHeld
from .grant_lines import Happened, Side, line_of_held
from .inbox import Asked, Inbox, RequestState
from .lending_on import LendingOn
from .reading_held import ReadingHeld

# Grants of one owner that hold at one time, before one more is taken without asking anybody.
RENEWED_STANDING_MAX = 1_024

# How often a node asks again for the keys of a grant that came without.
LACKING_EVERY_MS = 3_600_000


class Borrowing(ReadingHeld):
    """The reader's side of every grant."""

    def __init__(
        self,
        store: Store,
        peers: Peers,
        collections: Collections,
        inbox: Inbox,
        outgoing: Outgoing,
        lending_on: LendingOn,
        device: bytes,
        entropy: Entropy,
    ) -> None:
        super().__init__(store, peers, collections, lending_on, device, entropy)
        self._inbox = inbox
        self._outgoing = outgoing
        self._lacking_due_ms = 0
        # Is told of each grant that came.
        self.began: Callable[[Tx, GrantHeld], None] = _no_clock
        # Keeps what binds us harder than we asked, for the operator; without it that is taken.
        self.offered: Callable[[Tx, Pair, Bundle, bytes, int], None] | None = None

    # asking

    def ask(
        self,
        tx: Tx,
        pair: Pair,
        request: Request,
        now_ms: int,
        mandate: bytes | None = None,
    ) -> bytes:
        """Keep a request and put it in the outbox; its CID.

        Under a `mandate`, the request is its principal's, and so is what comes of it.
        """
        check_paid_terms(self._store.objects, tx, request.terms)
        asked = Asked(
            pair.own, pair.their, request.encode(), RequestState.WAITING, now_ms, None, None
        )
        if self._inbox.add(tx, request.cid, asked):
            args = RequestArgs(pair.their, request)
            self._outgoing.put(tx, pair, Cmd.REQUEST, args.value(), now_ms, mandate)
        return request.cid

    def decided(self, tx: Tx, pair: Pair, args: DecideArgs, now_ms: int) -> None:
        """The owner has decided.  Raises GrantRefused for an answer to what was never asked, or
        a bundle that is not what was asked for; nothing is changed then."""
        asked = self._inbox.find(tx, args.request)
        if asked is None or (asked.own, asked.their) != (pair.own, pair.their):
            raise GrantRefused("this answers a request that was not made", Code.UNKNOWN_GRANT)
        if args.bundle is None:
            if asked.state is RequestState.WAITING:
                state = RequestState.REFUSED
                self._inbox.decided(tx, args.request, state, None, args.reason)
            return
        bundle = parse_bundle(args.bundle)
        if asked.state is not RequestState.WAITING:
            if asked.grant == bundle.grant.cid:
                self._accept_again(tx, bundle.grant.cid, now_ms)
                return
            raise GrantRefused("this request was decided already", Code.REPLAY)
        refuse_paid_terms(self._store.objects, tx, bundle.terms)
        persona = self._peers.persona(tx, pair.own)
        if bundle.grant.delegation.iss != pair.their_now:
            raise GrantRefused("a bundle is signed by another persona", Code.AUDIENCE)
        request = asked_by(parse_request(asked.raw), pair)
        # Who was away while a grant began and ended is told of it all the same: judged as of its
        # last moment, it answers the request, and nothing can be read under it any more.
        last_ms = bundle.grant.exp_s * 1000 - 1
        judged_ms = min(now_ms, last_ms)
        check_bundle(bundle, request, reader_key=persona.reader.public, now_ms=judged_ms)
        if bundle.terms != request.terms and self.offered is not None and now_ms <= last_ms:
            self.offered(tx, pair, bundle, args.request, now_ms)
            return
        self.take(tx, pair, bundle, args.request, now_ms)

    def take(self, tx: Tx, pair: Pair, bundle: Bundle, request: bytes, now_ms: int) -> None:
        """Agree to a bundle that was checked: it becomes a grant held, its keys are asked for.

        A renewal that came before answers a request to go on: it is held already.
        """
        held = GrantHeld(pair.own, pair.their, bundle, request, GrantStatus.LIVE, None, ())
        self._hold(tx, held, now_ms)
        self._inbox.decided(tx, request, RequestState.GRANTED, held.cid, None)

    def renewed(self, tx: Tx, pair: Pair, args: RenewArgs, now_ms: int) -> Value:
        """The owner goes on with a grant that is held, for longer: accepted without asking anyone,
        if it is on the same terms and its days are not wider than those once asked for.

        Raises GrantRefused, CapabilityError, BadSignature.
        """
        old = self.find(tx, args.grant)
        if old is None or (old.own, old.their, old.via) != (pair.own, pair.their, None):
            raise GrantRefused("this renews a grant that is not held", Code.UNKNOWN_GRANT)
        bundle = parse_bundle(args.bundle)
        if self.find(tx, bundle.grant.cid) is not None:
            self._accept_again(tx, bundle.grant.cid, now_ms)
            return "kept"
        if bundle.grant.delegation.iss != pair.their_now:
            raise GrantRefused("a bundle is signed by another persona", Code.AUDIENCE)
        if old.status(now_ms) is GrantStatus.REVOKED:
            raise GrantRefused("this renews a grant that was taken back", Code.REVOKED)
        again = not _is_between(old, pair)
        self._check_renewal(tx, old, bundle, now_ms, again=again)
        refuse_paid_terms(self._store.objects, tx, bundle.terms)
        asked = None if old.request is None else self._inbox.find(tx, old.request)
        if asked is None:
            raise GrantRefused("this renews what was never asked for", Code.UNKNOWN_GRANT)
        # What was agreed, which may be less than what was asked.
        request = asked_by(parse_request(asked.raw), pair)
        wanted = replace(request, terms=old.bundle.terms, exp_s=bundle.grant.exp_s)
        reader_key = self._peers.persona(tx, pair.own).reader.public
        check_bundle(bundle, wanted, reader_key=reader_key, now_ms=now_ms)
        held = GrantHeld(pair.own, pair.their, bundle, old.request, GrantStatus.LIVE, None, ())
        self._hold(tx, held, now_ms, renews=old.cid)
        self.lines.happened(tx, Side.HELD, old.cid, Happened.RENEWED, now_ms, held.cid)
        if again:
            # Given again, because one of the two is somebody else now: this one opens nothing more.
            self._kept.save(tx, replace(old, kept=GrantStatus.REVOKED, ended_ms=now_ms))
            self.lines.happened(tx, Side.HELD, old.cid, Happened.REVOKED, now_ms)
        return "kept"

    def _check_renewal(
        self, tx: Tx, old: GrantHeld, bundle: Bundle, now_ms: int, *, again: bool
    ) -> None:
        """What is taken without asking anybody costs nothing, and is not without number.  Given
        `again`: by who the owner is now, or to who we are.  Raises GrantRefused."""
        if bundle.grant.exp_s < old.bundle.grant.exp_s:
            raise GrantRefused("a renewal ends no earlier than the grant does", Code.EXPIRED)
        if old.bundle.terms.paid and not (again and bundle.grant.exp_s == old.bundle.grant.exp_s):
            raise GrantRefused(
                "on paid terms a grant goes on when its reader asks for it", Code.TERMS
            )
        keyed = self._kept.keyed(tx, *old.keyed)
        if sum(one.status(now_ms) is GrantStatus.LIVE for one in keyed) >= RENEWED_STANDING_MAX:
            raise GrantRefused("too many grants of one owner hold here already", Code.TOO_MUCH)

    def suspend_left(self, tx: Tx, pairs: Iterable[Pair], now_ms: int) -> int:
        """One of each of these pairs was followed: read nothing under what was lent between who
        the two were, until its owner gives it again; how many grants."""
        followed = {(pair.own, pair.their): pair for pair in pairs}
        suspended = 0
        for held in self.all(tx):
            pair, via = followed.get((held.own, held.their)), followed.get(held.keyed)
            left = pair is not None and not _is_between(held, pair)
            left = left or (via is not None and held.via is not None and _was_lent_on(held, via))
            if held.kept is GrantStatus.LIVE and left:
                self._kept.save(tx, replace(held, kept=GrantStatus.SUSPENDED))
                self.lines.happened(tx, Side.HELD, held.cid, Happened.SUSPENDED, now_ms)
                suspended += 1
        return suspended

    def _hold(self, tx: Tx, held: GrantHeld, now_ms: int, renews: bytes | None = None) -> bool:
        """Keep a grant that came, and accept it; False if it is held already."""
        if self.find(tx, held.cid) is not None:
            return False
        self._kept.add(tx, held)
        self.lines.begin(tx, line_of_held(held, now_ms, renews))
        self.began(tx, held)
        if held.status(now_ms) is not GrantStatus.EXPIRED:
            self._accept(tx, held, now_ms)
        return True

    def _accept(self, tx: Tx, held: GrantHeld, now_ms: int) -> None:
        accept = AcceptArgs(held.keyed[1], held.cid, held.bundle.terms.cid)
        pair = self._peers.pair(tx, *held.keyed)
        self._outgoing.put(tx, pair, Cmd.ACCEPT, accept.value(), now_ms)

    def _accept_again(self, tx: Tx, cid: bytes, now_ms: int) -> None:
        """An owner says again what it gave: restored, it may not know that it was accepted."""
        held = self.find(tx, cid)
        if held is not None and held.status(now_ms) is GrantStatus.LIVE:
            self._accept(tx, held, now_ms)

    def accept_again(self, tx: Tx, now_ms: int) -> int:
        """After a restore: say again that each grant held is accepted; how many.

        The answer brings the keys that came since the backup was made, or says that the grant was
        taken back meanwhile.
        """
        live = [
            held
            for held in self.all(tx)
            if held.status(now_ms) is GrantStatus.LIVE
            if self._peers.find(tx, *held.keyed) is not None
        ]
        for held in live:
            self._accept(tx, held, now_ms)
        return len(live)

    def accept_lacking(self, tx: Tx, now_ms: int) -> int:
        """Say again, once an hour, that each live grant without keys is accepted; how many.

        A device of its owner that had not heard of a grant may have refused the acceptance while
        the one that gave it was away.
        """
        # A clock that was set back does not make the next time later than an hour from now.
        if self._lacking_due_ms - LACKING_EVERY_MS <= now_ms < self._lacking_due_ms:
            return 0
        self._lacking_due_ms = now_ms + LACKING_EVERY_MS
        lacking = [
            held
            for held in self._kept.without_keys(tx)
            if held.status(now_ms) is GrantStatus.LIVE and self._is_unaccepted(tx, held)
        ]
        for held in lacking:
            self._accept(tx, held, now_ms)
        return len(lacking)

    def _is_unaccepted(self, tx: Tx, held: GrantHeld) -> bool:
        """Whether there is somebody to accept it from, and no acceptance waits to be said."""
        if (pair := self._peers.find(tx, *held.keyed)) is None:
            return False
        said = [one for _, one in self._outgoing.waiting(tx, pair) if one.cmd is Cmd.ACCEPT]
        accepted = [parse_args(one.cmd, one.args) for one in said]
        return not any(isinstance(one, AcceptArgs) and one.grant == held.cid for one in accepted)

    def over(self, tx: Tx, pair: Pair, cid: bytes, t_ms: int, answer: bytes) -> None:
        """The owner's signed `answer`, to an acceptance or to a read under a chain, says that a
        grant was taken back.

        Where its keys were held before, this node has forgotten the revocation (a restore), and
        what follows from it follows now.
        """
        held = self.find(tx, cid)
        if held is None or not held.keysets:
            return
        if (pair.own, pair.their) not in (held.keyed, (held.own, held.their)):
            return
        if held.kept is not GrantStatus.REVOKED:
            ended = replace(held, kept=GrantStatus.REVOKED, ended_ms=t_ms)
            self._kept.save(tx, ended)
            self.lines.happened(tx, Side.HELD, cid, Happened.REVOKED, t_ms, answer)
            self.ended(tx, ended, t_ms)

    def lent(self, tx: Tx, pair: Pair, bundle: Bundle, now_ms: int) -> None:
        """The peer lets this node read, for it, what it was granted: accepted, because this node
        said that it would act for it there.  Raises GrantRefused, CapabilityError."""
        if not bundle.chain:
            raise GrantRefused("nothing stands above what is lent on", Code.UNKNOWN_GRANT)
        own, owner = bundle.grant.delegation.aud, bundle.root.delegation.iss
        first = self._peers.first_of
        value = self._store.objects.get(tx, Kind.PROXY, ["out", first(tx, own), pair.their])
        at = None if value is None else ProxyKept.from_value(value).proxy.at
        if at is None or first(tx, at) != first(tx, owner):
            raise GrantRefused("nobody here asked to read for this peer", Code.UNKNOWN_GRANT)
        if self._peers.find(tx, own, owner) is None:
            raise GrantRefused("the owner of the data is not paired with this node", Code.UNPAIRED)
        via = (pair.own, pair.their)
        if sum(held.via == via for held in self._kept.keyed(tx, *via)) >= MANDATES_OF_ONE_MAX:
            raise GrantRefused("too much of one peer is read here already", Code.TOO_MUCH)
        self.hold_for(tx, pair, bundle, now_ms)

    def hold_for(self, tx: Tx, pair: Pair, bundle: Bundle, now_ms: int) -> None:
        """Keep what `pair` lends on to this node, and accept it.  Raises GrantRefused,
        CapabilityError for what is wider than the grant above it, or for another reader key."""
        own, owner = bundle.grant.delegation.aud, bundle.root.delegation.iss
        verify_delegations([link.delegation for link in bundle.links], now_ms=now_ms)
        check_within(bundle)
        if bundle.reader_key != self._peers.persona(tx, pair.own).reader.public:
            raise GrantRefused("this is for another reader key than the present", Code.AUDIENCE)
        via = (pair.own, pair.their)
        # Named as the pair is, whoever the two are by now.
        at = self._peers.find(tx, own, owner)
        names = (own, owner) if at is None else (at.own, at.their)
        held = GrantHeld(*names, bundle, None, GrantStatus.LIVE, None, (), via)
        self._hold(tx, held, now_ms)

    # ending

    def revoked(self, tx: Tx, pair: Pair, raw: bytes, now_ms: int) -> None:
        """The owner has taken a grant back.  Raises GrantRefused, BadSignature."""
        revocation = parse_revocation(raw)
        # Of what is read for another, the grant above may be taken back.
        gone = [
            held
            for held in self._kept.keyed(tx, pair.own, pair.their)
            if any(revocation.dlg == link.cid for link in held.bundle.links)
        ]
        if not gone:
            raise GrantRefused("this takes back a grant that is not held", Code.UNKNOWN_GRANT)
        for held in gone:
            chain = [link.delegation for link in held.bundle.links]
            check_revocation(revocation, chain, held.bundle.root.paths)
            if held.kept is not GrantStatus.REVOKED:
                # An owner whose clock runs ahead has not ended it later than it was heard.
                ended_ms = min(revocation.t_ms, now_ms)
                ended = replace(held, kept=GrantStatus.REVOKED, ended_ms=ended_ms)
                self._kept.save(tx, ended)
                self.lines.happened(
                    tx, Side.HELD, held.cid, Happened.REVOKED, revocation.t_ms, revocation.cid
                )
                self._lending_on.root_ended(tx, ended, revocation)
                self.ended(tx, ended, now_ms)

    # another device of the same person

    def adopt(self, tx: Tx, held: GrantHeld, before: GrantHeld | None, now_ms: int) -> None:
        """Keep a grant as the devices of this person know it together, in place of `before`, and
        do what follows from it at each of them; what became of it is told otherwise."""
        there = tuple(
            n for n in held.keysets if self._store.objects.has(tx, Kind.KEYSET_HELD, [held.cid, n])
        )
        fresh = replace(held, keysets=there)
        self._kept.adopt(tx, fresh, before)
        if before is None:
            self.began(tx, fresh)
        elif fresh.kept is GrantStatus.REVOKED and before.kept is not GrantStatus.REVOKED:
            self.ended(tx, fresh, now_ms)


def asked_by(request: Request, pair: Pair) -> Request:
    """A request that we made to `pair`, as who we are to it now."""
    ours = request.from_did in pair.ours
    return replace(request, from_did=pair.own_now) if ours else request


def _is_between(held: GrantHeld, pair: Pair) -> bool:
    """Whether a grant was given by who the peer is now to who we are now."""
    return (held.bundle.root.delegation.iss, held.bundle.grant.delegation.aud) == (
        pair.their_now,
        pair.own_now,
    )


def _was_lent_on(held: GrantHeld, via: Pair) -> bool:
    """Whether what is read for the peer of `via` was lent on by who it was, or to who we were."""
    delegation = held.bundle.grant.delegation
    before = {*via.theirs, *via.ours} - {via.their_now, via.own_now}
    return delegation.iss in before or delegation.aud in before


def _no_clock(_tx: Tx, _held: GrantHeld) -> None:
    """Nobody looks at the clock for a grant."""

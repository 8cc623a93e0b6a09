"""Lending on: who was granted something lets a proxy, or a processor, read of it, for them.

    principal ── /mandate/lend ──> owner of the data     so that it knows, and can end it
              └─ /mandate/lend ──> proxy ── /grant/accept ──> principal: the keys of just these days
    proxy ── /record/read, two delegations ──> owner     its receipts name the proxy, and by the
                                                         grant the principal
    principal or owner ── /grant/revoke ──> the others   the owner turns the keys, as for any grant

A **proxy** is known to the owner of the data, and said as whom (`household/proxies.py`).  A
**processor** is not: the terms of the grant name it (`protocol/processor.py`), it is told of what
is lent on by `/grant/lend`, with where the owner is, and shows itself there (`processors.py`).

The sub-delegation is under the principal's own terms.  Its keys are derived from those that the
principal holds (`protocol/keys_lent_on.py`); when the owner sends the principal new ones, the
principal's node sends the proxy its part of them.  What was lent on is not lent on again.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from ...crypto.entropy import Entropy
from ...protocol.chain import verify_delegations
from ...protocol.command import AcceptArgs, Cmd, KeysArgs, LendArgs, MandateLendArgs, RevokeArgs
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused, LocalProtocolError
from ...protocol.grant import Bundle, issue_sub_grant, make_bundle, parse_bundle
from ...protocol.keys_lent_on import keys_lent_on
from ...protocol.keyset import GrantKeys, make_keyset, next_n
from ...protocol.limits import LENT_ON_MAX, TIME_S_MAX
from ...protocol.processor import may_process, processors
from ...protocol.revocation import (
    Revocation,
    check_revocation,
    make_revocation,
    parse_revocation,
)
from ...protocol.showing import check_processor, check_within
from ...protocol.terms import Terms
from ...protocol.trust import GrantStatus, check_standing
from ...protocol.window import Window, opened_until, within
from ...protocol.wire import Value
from ..errors import NotAllowed, NotFound, UsageError
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .grant_given import GrantGiven
from .grant_held import GrantHeld
from .grants_given import lent_on_over
from .lending import Lending
from .lent_on import LentOn, LentOnSide
from .lent_on_kept import LentOnKept

log = structlog.get_logger()

NONCE_BYTES = 16
# When the first of what was lent on ends, at the owner of the data.
_ENDS: Value = "lent-on-ends"


class LendingOn(LentOnKept):
    """Both ends of a grant lent on that are not its reader."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        lending: Lending,
        outgoing: Outgoing,
        entropy: Entropy,
    ) -> None:
        super().__init__(objects)
        self._peers = peers
        self._lending = lending
        self._outgoing = outgoing
        self._entropy = entropy

    # looking

    def status(self, tx: Tx, one: LentOn, now_ms: int) -> GrantStatus:
        """How it stands: also what it was lent on from may have ended."""
        own = one.status(now_ms)
        if own is GrantStatus.LIVE and self.is_suspended(tx, one):
            return GrantStatus.SUSPENDED
        root = self._lending.find(tx, one.root)
        if own is not GrantStatus.LIVE or root is None:
            return own
        return root.status(now_ms)

    def one(self, tx: Tx, cid: bytes) -> LentOn:
        """What is lent on as `cid`, by this node or of its data.  Raises NotFound."""
        found = self.given(tx, cid) or self.find(tx, LentOnSide.HERE, cid)
        if found is None:
            raise NotFound("nothing was lent on under this: see `entrenous grants`")
        return found

    # at the principal

    def lend_on(
        self,
        tx: Tx,
        held: GrantHeld,
        keys: GrantKeys,
        to: Pair,
        reader: Did,
        *,
        windows: Sequence[Window],
        exp_s: int,
        now_ms: int,
        nonce: bytes | None = None,
    ) -> LentOn:
        """Let `reader`, which is how the owner of the data knows the peer `to`, or the terms of
        `held` name it, read `windows` of what `held` opens; told to both and kept.
        `nonce` is of one that goes on by itself (`lent_on_again.py`).

        Raises NotAllowed for more than is held, UsageError.
        """
        if held.via is not None:
            raise NotAllowed("what you read for another is not lent on")
        if held.status(now_ms) is not GrantStatus.LIVE:
            raise NotAllowed(f"that grant is {held.status(now_ms).value}: nothing can be lent on")
        if not within(windows, held.windows) or exp_s > held.bundle.grant.exp_s:
            raise NotAllowed("these are more days, or for longer, than you were granted")
        if not now_ms < exp_s * 1000:
            raise UsageError("what is lent on ends in the future")
        windows = opened_until(windows, exp_s)
        if not windows:
            raise UsageError("this would end before the first of its days")
        of_root = len(self.of_root(tx, LentOnSide.GIVEN, held.cid))
        if of_root >= LENT_ON_MAX:
            raise UsageError(f"this grant was lent on {of_root} times already")
        persona = self._peers.persona(tx, held.own)
        links = held.bundle.links
        issued = issue_sub_grant(
            persona.key,
            links,
            aud=reader,
            windows=windows,
            terms=held.bundle.terms,
            exp_s=exp_s,
            nonce=nonce or self._entropy.random_bytes(NONCE_BYTES),
        )
        bundle = make_bundle(
            persona.key,
            issued,
            terms=held.bundle.terms,
            reader_key=to.inception.reader_key,
            chain=links,
        )
        new = LentOn(LentOnSide.GIVEN, to.own, to.their, bundle, now_ms)
        new = self._keyed(tx, new, held, keys, now_ms)
        self.add(tx, new)
        owner = self._peers.pair(tx, held.own, held.their)
        told = MandateLendArgs(owner.their, bundle.signed.raw)
        self._outgoing.put(tx, owner, Cmd.MANDATE_LEND, told.value(), now_ms)
        self._tell_reader(tx, new, owner, to, now_ms)
        return new

    def _tell_reader(self, tx: Tx, new: LentOn, owner: Pair, to: Pair, now_ms: int) -> None:
        raw = new.bundle.signed.raw
        if may_process(new.bundle.terms, new.reader) is None:
            args = MandateLendArgs(to.their, raw)
            self._outgoing.put(tx, to, Cmd.MANDATE_LEND, args.value(), now_ms)
            return
        lend = LendArgs(
            to.their,
            raw,
            owner.inception.signed.raw,
            owner.certificate.signed.raw,
            owner.addresses,
        )
        self._outgoing.put(tx, to, Cmd.LEND, lend.value(), now_ms)

    def _keyed(self, tx: Tx, one: LentOn, held: GrantHeld, keys: GrantKeys, now_ms: int) -> LentOn:
        """`one` with a keyset of what `keys` open of its days."""
        n = next_n(one.n or None, now_ms)
        keyset = make_keyset(
            self._peers.persona(tx, held.own).key,
            one.bundle.sealing(),
            n=n,
            k_grant=keys.k_grant,
            sets=keys_lent_on(keys.sets, one.windows, one.bundle.grant.exp_s),
            entropy=self._entropy,
        )
        return replace(one, keyset=keyset.signed.raw, n=n)

    # after a restore

    def suspend_all(self, tx: Tx, now_ms: int) -> int:
        """Send no new keys of what is lent on until who lends it on says so: what was taken back
        since the backup was made is not known here.  How many."""
        live = [
            one
            for one in self.all(tx)
            if one.side is LentOnSide.GIVEN and one.status(now_ms) is GrantStatus.LIVE
        ]
        for one in live:
            self._objects.put(tx, Kind.SETTING, _suspended(one.cid), True)
        return len(live)

    def keep(self, tx: Tx, held: GrantHeld, keys: GrantKeys, cid: bytes, now_ms: int) -> None:
        """Go on with what is lent on of `held` under `cid`; the proxy gets its part of the present
        keys.  Raises NotFound, UsageError if it is not suspended."""
        one = self.given(tx, cid)
        if one is None:
            raise NotFound("nothing was lent on under this: see `entrenous grants`")
        status = self.status(tx, one, now_ms)
        if status is not GrantStatus.SUSPENDED:
            raise UsageError(f"this grant is {status.value}, not suspended")
        self._objects.delete(tx, Kind.SETTING, _suspended(cid))
        self.save(tx, one)
        self.renew(tx, held, keys, now_ms)

    def is_suspended(self, tx: Tx, one: LentOn) -> bool:
        """Whether it was suspended by a restore, and not kept since."""
        given = one.side is LentOnSide.GIVEN
        return given and self._objects.has(tx, Kind.SETTING, _suspended(one.cid))

    # on another device of the same person

    def adopt(self, tx: Tx, one: LentOn, before: LentOn | None, *, suspended: bool) -> None:
        """Keep what is lent on as the devices of this person know it together, in place of
        `before`."""
        if one.side is LentOnSide.GIVEN:
            if suspended:
                self._objects.put(tx, Kind.SETTING, _suspended(one.cid), True)
            else:
                self._objects.delete(tx, Kind.SETTING, _suspended(one.cid))
        if before is not None:
            self.save(tx, one)
            return
        self.add(tx, one)
        if one.side is LentOnSide.HERE:
            self._ends_too(tx, one)

    def send_keys(self, tx: Tx, one: LentOn, now_ms: int) -> None:
        """Send who reads of `one` its keyset, if it holds."""
        pair = self._peers.find(tx, one.own, one.their)
        if (
            pair is not None
            and one.side is LentOnSide.GIVEN
            and one.keyset is not None
            and self.status(tx, one, now_ms) is GrantStatus.LIVE
        ):
            args = KeysArgs(pair.their, one.keyset)
            self._outgoing.put(tx, pair, Cmd.KEYS, args.value(), now_ms)

    def accepted(self, tx: Tx, pair: Pair, args: AcceptArgs, now_ms: int) -> bytes:
        """The proxy accepts what was lent on, and its terms: the keyset, as signed.

        Raises GrantRefused.
        """
        one = self.given(tx, args.grant)
        if one is None or (one.own, one.their) != (pair.own, pair.their):
            raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
        check_standing(self.status(tx, one, now_ms))
        if args.terms != one.bundle.terms.cid:
            raise GrantRefused("these are not the terms of this grant", Code.TERMS)
        self.save(tx, replace(one, accepted=True))
        self._objects.delete(tx, Kind.SETTING, _turned_away(one.cid))
        assert one.keyset is not None
        return one.keyset

    def turned_away(self, tx: Tx, pair: Pair, bundle: bytes, reason: str) -> None:
        """Its reader, or the owner of the data, did not take what is lent on; why, in its words."""
        cid = parse_bundle(bundle).grant.cid
        self._objects.put(tx, Kind.SETTING, _turned_away(cid), f"{pair.name}: {reason}")

    def why_turned_away(self, tx: Tx, one: LentOn) -> str:
        """Who did not take what this node lends on, and why; empty where nobody said so."""
        said = self._objects.get(tx, Kind.SETTING, _turned_away(one.cid))
        return said if isinstance(said, str) and one.side is LentOnSide.GIVEN else ""

    def acknowledged(self, tx: Tx, cid: bytes, n: int) -> None:
        """The proxy says that it holds keyset `n`."""
        one = self.given(tx, cid)
        if one is not None and one.acknowledged < n <= one.n:
            self.save(tx, replace(one, acknowledged=n))

    def renew(self, tx: Tx, held: GrantHeld, keys: GrantKeys, now_ms: int) -> None:
        """The owner has sent new keys of `held`: those who read of it get their part of them."""
        for one in self.of_root(tx, LentOnSide.GIVEN, held.cid):
            if self.status(tx, one, now_ms) is not GrantStatus.LIVE:
                continue
            if self._peers.persona(tx, held.own).did != one.giver:
                continue  # by who we were: it goes on in what the owner gave again
            try:
                fresh = self._keyed(tx, one, held, keys, now_ms)
            except LocalProtocolError as error:
                log.error("proxy_without_keys", reason=str(error))
                continue
            self.save(tx, fresh)
            if one.accepted:
                self.send_keys(tx, fresh, now_ms)

    def stale(self, tx: Tx, cid: bytes, keyset: bytes) -> bool | None:
        """Whether a keyset that waits was overtaken; None for one of another kind of grant."""
        one = self.given(tx, cid)
        return None if one is None else one.ended_ms is not None or one.keyset != keyset

    def root_ended(self, tx: Tx, held: GrantHeld, revocation: Revocation) -> None:
        """What `held` opens was taken back by its owner: so is what was lent on of it."""
        for one in self.of_root(tx, LentOnSide.GIVEN, held.cid):
            if one.ended_ms is None:
                self.save(tx, replace(one, ended_ms=revocation.t_ms))
                self._pass_on(tx, one, revocation)

    def tell_over(self, tx: Tx, one: LentOn, now_ms: int) -> None:
        """`one` has ended, because what it was of was given again to or by somebody's next persona:
        its reader is told.  The owner of the data has ended what it was of."""
        key = self._peers.persona_as(tx, one.giver).key
        paths = one.bundle.grant.paths
        self._pass_on(tx, one, make_revocation(key, dlg=one.cid, paths=paths, t_ms=now_ms))

    def _pass_on(self, tx: Tx, one: LentOn, revocation: Revocation) -> None:
        pair = self._peers.find(tx, one.own, one.their)
        if pair is not None:
            args = RevokeArgs(pair.their, revocation.signed.raw)
            self._outgoing.put(tx, pair, Cmd.REVOKE, args.value(), revocation.t_ms)

    # at the owner of the data

    def root(self, tx: Tx, cid: bytes) -> GrantGiven:
        """The grant of ours under which something is lent on.  Raises GrantRefused."""
        root = self._lending.find(tx, cid)
        if root is None:
            raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
        return root

    def lodge(self, tx: Tx, pair: Pair, bundle: Bundle, now_ms: int) -> None:
        """A reader of ours shows what it lends on.  Raises GrantRefused, CapabilityError."""
        if len(bundle.chain) != 1:
            raise GrantRefused("what was lent on is not lent on again", Code.COMMAND)
        root = self.root(tx, bundle.root.cid)
        if (root.own, root.their) != (pair.own, pair.their):
            raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
        check_standing(root.status(now_ms))
        verify_delegations([link.delegation for link in bundle.links], now_ms=now_ms)
        check_within(bundle)
        if self._objects.has(tx, Kind.REVOCATION, bundle.grant.cid):
            raise GrantRefused("this has been taken back", Code.REVOKED)
        known = self._peers.find(tx, pair.own, bundle.grant.delegation.aud)
        if known is None or known.reads_only:
            self._check_named(bundle, root.bundle.terms)
        if self.find(tx, LentOnSide.HERE, bundle.grant.cid) is not None:
            return
        of_root = len(self.of_root(tx, LentOnSide.HERE, root.cid))
        if of_root >= LENT_ON_MAX:
            raise GrantRefused(f"this grant was lent on {of_root} times already", Code.TOO_MUCH)
        new = LentOn(LentOnSide.HERE, pair.own, pair.their, bundle, now_ms)
        self.add(tx, new)
        self._ends_too(tx, new)

    def _ends_too(self, tx: Tx, one: LentOn) -> None:
        ends = min(self._ends(tx), one.bundle.grant.exp_s)
        self._objects.put(tx, Kind.SETTING, _ENDS, ends)

    @staticmethod
    def _check_named(bundle: Bundle, terms: Terms) -> None:
        """One who is no peer here reads only if the terms of the grant name it."""
        if not processors(terms):
            raise GrantRefused("the one who would read is not paired here", Code.UNPAIRED)
        check_processor(bundle, terms)

    def expire(self, tx: Tx, now_ms: int) -> int:
        """At the owner of the data: turn the keys of what was lent on and has run out before the
        grant above it; how many.  Costs one lookup while nothing has."""
        if now_ms <= self._ends(tx) * 1000:
            return 0
        here = [one for one in self.all(tx) if one.side is LentOnSide.HERE and one.ended_ms is None]
        over = [
            one
            for one in here
            if now_ms > one.bundle.grant.exp_s * 1000
            if not self._objects.has(tx, Kind.SETTING, lent_on_over(one.cid))
        ]
        for one in over:
            self._objects.put(tx, Kind.SETTING, lent_on_over(one.cid), True)
            self._lending.rotate(tx, one.bundle.grant.paths, one.cid, now_ms)
        ends = [one.bundle.grant.exp_s for one in here]
        first = min((end for end in ends if now_ms <= end * 1000), default=TIME_S_MAX)
        self._objects.put(tx, Kind.SETTING, _ENDS, first)
        return len(over)

    def _ends(self, tx: Tx) -> int:
        """Until when (seconds) nothing that was lent on here ends that has not been seen to."""
        value = self._objects.get(tx, Kind.SETTING, _ENDS)
        return value if isinstance(value, int) else 0

    # ending

    def revoke(self, tx: Tx, cid: bytes, now_ms: int) -> tuple[Revocation, int]:
        """Take back what was lent on, as its giver or as the owner of the data; who must know is
        told.  With the number of grants that got new keys.  Raises NotFound, UsageError."""
        one = self.one(tx, cid)
        if one.ended_ms is not None:
            raise UsageError("this was taken back already")
        signer = one.giver if one.side is LentOnSide.GIVEN else one.owner
        revocation = make_revocation(
            # By who we were then, where another persona has followed: nobody else gave it.
            self._peers.persona_as(tx, signer).key,
            dlg=cid,
            paths=one.bundle.grant.paths,
            t_ms=now_ms,
        )
        self.save(tx, replace(one, ended_ms=now_ms))
        here = one.side is LentOnSide.HERE
        if not here:
            self._pass_on(tx, one, revocation)
        ours, theirs = (one.own, one.their) if here else (one.giver, one.owner)
        tell = self._peers.find(tx, ours, theirs)
        # Before the new keys, of which the giver would else send the proxy its part.
        if tell is not None:
            args = RevokeArgs(tell.their, revocation.signed.raw)
            self._outgoing.put(tx, tell, Cmd.REVOKE, args.value(), now_ms)
        survivors = self._turned(tx, one, revocation, now_ms) if here else 0
        return revocation, survivors

    def revoked(self, tx: Tx, pair: Pair, raw: bytes, now_ms: int) -> bool:
        """Someone takes back what was lent on; False if `raw` is about something else.

        To the owner the giver says it, to the giver the owner.  Raises GrantRefused,
        CapabilityError, BadSignature.
        """
        revocation = parse_revocation(raw)
        one = self.find(tx, LentOnSide.HERE, revocation.dlg)
        if one is not None and (one.own, one.their) == (pair.own, pair.their):
            self._check(one, revocation)
            if one.ended_ms is None:
                self.save(tx, replace(one, ended_ms=revocation.t_ms))
                self._turned(tx, one, revocation, now_ms)
            return True
        one = self.given(tx, revocation.dlg)
        # By whom they were when it was lent on: a pair is named by who they began as.
        at = None if one is None else self._peers.find(tx, one.giver, one.owner)
        if one is not None and at is not None and (at.own, at.their) == (pair.own, pair.their):
            self._check(one, revocation)
            if one.ended_ms is None:
                self.save(tx, replace(one, ended_ms=revocation.t_ms))
                self._pass_on(tx, one, revocation)
            return True
        return False

    @staticmethod
    def _check(one: LentOn, revocation: Revocation) -> None:
        # Only the paths that were lent on: else their reader could turn the keys of others.
        chain = [link.delegation for link in one.bundle.links]
        check_revocation(revocation, chain, one.bundle.grant.paths)

    def _turned(self, tx: Tx, one: LentOn, revocation: Revocation, now_ms: int) -> int:
        """At the owner: nothing is served any more, and what comes is under new keys."""
        self._objects.add_if_new(tx, Kind.REVOCATION, revocation.dlg, revocation.signed.raw)
        return self._lending.rotate(tx, one.bundle.grant.paths, revocation.cid, now_ms)


def _suspended(cid: bytes) -> Value:
    return ["lent-on-suspended", cid]


def _turned_away(cid: bytes) -> Value:
    return ["lent-on-turned-away", cid]

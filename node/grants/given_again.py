"""Given again: when one of a pair is followed by another persona, what was lent goes on between who
the two are now.

    each grant that has not ended    its revocation, by whoever gave it, enters `R`
                                     the same terms, days and end, as a new delegation
                                     whatever was still to be said of the old one is said of the new
    the paths of all of them         a new generation, and keys for whoever else reads there

It is never more than was given: nothing is widened, nothing ends later.  A grant that waits for its
owner since a restore goes on waiting.  The reader takes the new delegation as a renewal of the old
one, without asking anybody; the old one ends on both sides.

One on paid terms is not given again while those are switched off.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import structlog

from ...crypto.digest import kdf
from ...crypto.keys import GrantKey
from ...crypto.labels import Derive
from ...protocol.command import AcceptArgs, Cmd, DecideArgs, RenewArgs, parse_args
from ...protocol.errors import Code, GrantRefused, LocalProtocolError
from ...protocol.revocation import make_revocation
from ...protocol.trust import GrantStatus
from ..money.paid_terms import PaidTermsOff
from ..peers.peers import Pair
from ..store.database import Tx
from ..store.objects import Kind
from .grant_given import GrantGiven
from .grant_lines import Happened, Side
from .lending import NONCE_BYTES, Lending

log = structlog.get_logger()

# Grants that follow one another are followed so far: a renewal a day for two years and more.
FOLLOWED_MAX = 1_024
_WAITS_OR_HOLDS = (GrantStatus.LIVE, GrantStatus.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Again:
    """What was given again to one peer: how many grants, how many not, and the paths of all."""

    given: int
    left: int
    paths: frozenset[str]


class GivenAgain(Lending):
    """The owner's side of every grant, also when one of the two becomes another."""

    def follow(self, tx: Tx, pair: Pair, now_ms: int) -> Again:
        """Give again what was lent between who the two of `pair` were.  `rekey` its paths next."""
        given = left = 0
        paths: set[str] = set()
        for old in self.ever_of(tx, pair.own, pair.their):
            if not _is_left(old, pair, now_ms):
                continue
            paths.update(old.bundle.grant.paths)
            new = self._given_again(tx, pair, old, now_ms)
            self._end_left(tx, old, new, now_ms)
            if new is None:
                left += 1
                continue
            given += 1
            self._say_again(tx, pair, old, new, now_ms)
        return Again(given, left, frozenset(paths))

    def rekey(self, tx: Tx, paths: Iterable[str], now_ms: int) -> int:
        """New keys for whoever reads on `paths`, of which generations have begun; how many."""
        survivors: dict[bytes, GrantGiven] = {}
        for path in sorted(paths):
            survivors |= {one.cid: one for one in self.live_on(tx, path, now_ms)}
        rekeyed = 0
        for grant in survivors.values():
            if grant.keyset is None or grant.kept is not GrantStatus.LIVE:
                continue
            try:
                self._send_keys(tx, grant, now_ms)
                rekeyed += 1
            except LocalProtocolError as error:
                log.error("survivor_without_keys", reason=str(error))
        return rekeyed

    def begin_epoch(self, tx: Tx, now_ms: int) -> int:
        """The keystore has an epoch that the readers do not know yet: give them its keys.

        How many.  A node that was killed between its new keystore and what follows goes on here.
        """
        name = self._keystore.epoch.name
        known = self._objects.get(tx, Kind.SETTING, _EPOCH)
        if known == name:
            return 0
        self._objects.put(tx, Kind.SETTING, _EPOCH, name)
        if known is None:
            return 0  # a home from before epochs were counted, or a new one
        paths = {path for one in self.all(tx) for path in one.bundle.grant.paths}
        return self.rekey(tx, paths, now_ms)

    def keep(self, tx: Tx, cid: bytes, now_ms: int) -> None:
        """As for any suspended grant; the reader of one that was given again hears of it now.

        Raises NotFound, UsageError if it is not suspended.
        """
        super().keep(tx, cid, now_ms)
        kept = self.get(tx, cid)
        held = self._held_before(tx, kept)
        if kept.keyset is not None:
            return
        # Its reader may have accepted since the backup, or never heard of it: it says so, or does.
        if held is not None:
            self._say_renewed(tx, kept, held, now_ms)
        elif kept.request is not None:
            pair = self._peers.pair(tx, kept.own, kept.their)
            said = DecideArgs(kept.their, kept.request, kept.bundle.signed.raw, None)
            self._outgoing.put(tx, pair, Cmd.DECIDE, said.value(), now_ms)

    def accepted(self, tx: Tx, pair: Pair, args: AcceptArgs, now_ms: int) -> bytes:
        """As for any grant; who accepts one that was given again, and was not told yet, is asked to
        wait: as far as its reader knows it holds, and goes on in the one that is said next."""
        try:
            return super().accepted(tx, pair, args, now_ms)
        except GrantRefused as refused:
            if refused.code is Code.REVOKED and self._goes_on(tx, args.grant, now_ms):
                sentence = "this grant was given again: wait to be told of the one that follows it"
                raise GrantRefused(sentence, Code.SUSPENDED) from refused
            raise

    def _goes_on(self, tx: Tx, cid: bytes, now_ms: int) -> bool:
        """Whether a grant goes on in another that holds, or waits for its owner.

        What was given again ends when the one before it does; a renewal ends later.  One that was
        renewed and then taken back was taken back: what renewed it is another grant.
        """
        following = {cid}
        for _ in range(FOLLOWED_MAX):
            line = self.lines.find(tx, Side.GIVEN, cid)
            events = () if line is None else line.events
            after = [one.cid for one in events if one.what is Happened.RENEWED and one.cid]
            if not after or after[-1] in following:
                return False
            before, cid = self.find(tx, cid), after[-1]
            following.add(cid)
            found = self.find(tx, cid)
            if before is not None and found is not None and _only_renews(found, before):
                return False
            if found is not None and found.status(now_ms) in _WAITS_OR_HOLDS:
                return True
        return False

    def _held_before(self, tx: Tx, grant: GrantGiven) -> bytes | None:
        """The grant from which `grant` goes on, as its reader knows it: those between, which it
        never accepted, were given again before it heard of them."""
        line = self.lines.find(tx, Side.GIVEN, grant.cid)
        before = None if line is None else line.renews
        while before is not None:
            found, line = self.find(tx, before), self.lines.find(tx, Side.GIVEN, before)
            accepted = found is None or found.keyset is not None
            if accepted or line is None or line.renews is None:
                break
            before = line.renews
        return before

    def _say_renewed(self, tx: Tx, grant: GrantGiven, held: bytes, now_ms: int) -> None:
        pair = self._peers.pair(tx, grant.own, grant.their)
        args = RenewArgs(grant.their, held, grant.bundle.signed.raw)
        self._outgoing.put(tx, pair, Cmd.RENEW, args.value(), now_ms)

    def _given_again(self, tx: Tx, pair: Pair, old: GrantGiven, now_ms: int) -> GrantGiven | None:
        """The same grant between who the two are now; None on paid terms that are off."""
        windows, terms = old.windows, old.bundle.terms
        # Two devices that give it again apart give the same.
        seed = self._peers.persona(tx, pair.own).key.secret_bytes()
        nonce = kdf(seed, Derive.GIVEN_AGAIN, "nonce", old.cid)[:NONCE_BYTES]
        drawn = nonce, GrantKey(kdf(seed, Derive.GIVEN_AGAIN, "key", old.cid))
        try:
            new = self.give(
                tx,
                pair,
                windows,
                terms,
                old.exp_s,
                old.request,
                now_ms,
                renews=old.cid,
                drawn=drawn,
            )
        except PaidTermsOff:
            return None
        if old.kept is GrantStatus.SUSPENDED:
            new = replace(new, kept=GrantStatus.SUSPENDED)
            self._save(tx, new)
            self.lines.happened(tx, Side.GIVEN, new.cid, Happened.SUSPENDED, now_ms)
        standing = self._objects.get(tx, Kind.RENEWING, old.cid)
        if standing is not None:
            self._objects.delete(tx, Kind.RENEWING, old.cid)
            self._objects.put(tx, Kind.RENEWING, new.cid, standing)
        return new

    def _end_left(self, tx: Tx, old: GrantGiven, new: GrantGiven | None, now_ms: int) -> None:
        """End what was given between who the two were: its keys open nothing that is written from
        now on."""
        key = self._peers.persona_as(tx, old.giver).key
        paths = old.bundle.grant.paths
        revocation = make_revocation(key, dlg=old.cid, paths=paths, t_ms=now_ms)
        self._objects.add_if_new(tx, Kind.REVOCATION, old.cid, revocation.signed.raw)
        if new is not None:
            self.lines.happened(tx, Side.GIVEN, old.cid, Happened.RENEWED, now_ms, new.cid)
        ended = replace(old, kept=GrantStatus.REVOKED, ended_ms=now_ms)
        self._end(tx, ended, Happened.REVOKED, revocation.cid)
        for path in paths:
            self._collections.take_back(tx, path, revocation.cid)

    def _say_again(self, tx: Tx, pair: Pair, old: GrantGiven, new: GrantGiven, now_ms: int) -> None:
        """Tell the reader: as a renewal of what it holds, or in place of what it has not heard."""
        raw = new.bundle.signed.raw
        for id, message in self._outgoing.waiting(tx, pair):
            if message.cmd not in (Cmd.DECIDE, Cmd.RENEW):
                continue
            args = parse_args(message.cmd, message.args)
            if not isinstance(args, DecideArgs | RenewArgs) or args.bundle != old.bundle.signed.raw:
                continue
            self._outgoing.drop(tx, id)
            if isinstance(args, DecideArgs):
                decided = replace(args, bundle=raw).value()
                self._outgoing.put(tx, pair, message.cmd, decided, now_ms, message.mandate)
                return
        held = self._held_before(tx, new)
        if new.kept is GrantStatus.LIVE and held is not None:
            self._say_renewed(tx, new, held, now_ms)


# Which epoch the readers have been given keys of.
_EPOCH = "epoch-of-keys"


def _only_renews(found: GrantGiven, before: GrantGiven) -> bool:
    """Whether `found` renewed `before`, which was taken back, and is not the same given again."""
    return before.kept is GrantStatus.REVOKED and found.exp_s != before.exp_s


def _is_left(grant: GrantGiven, pair: Pair, now_ms: int) -> bool:
    """Whether `grant` holds, or waits, between personas of which one was followed."""
    if grant.status(now_ms) in (GrantStatus.REVOKED, GrantStatus.EXPIRED):
        return False
    delegation = grant.bundle.grant.delegation
    return (delegation.iss, delegation.aud) != (pair.own_now, pair.their_now)

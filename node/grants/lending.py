"""Lending: what the owner decides, gives and takes back.

    request ──decide──> grant, bundle ──accept──> keyset ──read──> windows
                            └──────────revoke──> new generation, keysets for the others

Grants are kept by `grants_given.py`, their keys by `keys_sent.py`.

Taking back is one unit of work: the revocation, the growth of `R` for each path (from which the
next generation follows), new keysets for the survivors on these paths, and what is to be said to
whom.  Once it has returned, nothing more is served and nothing new opens with the old keys.

Everything here is a function of a transaction; `Database.write` makes each one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from ...crypto.entropy import Entropy
from ...crypto.keys import GrantKey
from ...protocol.command import Cmd, DecideArgs, RevokeArgs
from ...protocol.errors import Code, GrantRefused, LocalProtocolError
from ...protocol.grant import issue_grant, make_bundle, was_asked
from ...protocol.request import Request, parse_request
from ...protocol.revocation import make_revocation
from ...protocol.terms import Terms
from ...protocol.terms_narrowing import binds_no_looser
from ...protocol.trust import GrantStatus
from ...protocol.view_path import whole_periods
from ...protocol.window import Window, opened_until
from ..errors import UsageError
from ..household.mandate_kept import MandateKept
from ..keystore import Keystore
from ..money.paid_terms import check_paid_terms
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from ..vault.collection import Collections
from .grant_given import GrantGiven
from .grant_lines import Happened, Side
from .inbox import Asked, Inbox, RequestState
from .keys_sent import KeysSent

log = structlog.get_logger()

NONCE_BYTES = 16
GRANT_LIFE_S_MAX = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What a revocation did: survivors got new keys; `still` are the reader's other live grants
    on the same days, under which it goes on reading."""

    grant: bytes
    revocation: bytes
    survivors: int
    still: tuple[bytes, ...]


class Lending(KeysSent):
    """The owner's side of every grant."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        collections: Collections,
        inbox: Inbox,
        outgoing: Outgoing,
        keystore: Keystore,
        entropy: Entropy,
    ) -> None:
        super().__init__(objects, peers, collections, outgoing, keystore, entropy)
        # Is told of each request that was decided here.
        self.decided: Callable[[Tx, bytes, Asked, str | None, int], None] = _nobody
        # Is told of each grant that was taken back or has run out, in the same unit of work.
        self.ended: Callable[[Tx, GrantGiven, int], None] = _no_duty
        self._inbox = inbox

    # deciding

    def grant(
        self,
        tx: Tx,
        request: bytes,
        windows: Sequence[Window],
        exp_s: int,
        now_ms: int,
        through: MandateKept | None = None,
        terms: Terms | None = None,
    ) -> GrantGiven:
        """Grant a request, narrowed to `windows`, until `exp_s`; the bundle goes to the outbox.

        With `through`, a mandate of this vault, it is its proxy who says so.  `terms` are those
        that were asked for, or bind the reader harder: then it has to agree first.

        What is granted ends with the day of `exp_s`, beyond which no key opens anything.
        Raises NotFound, UsageError if the request was decided already or nothing is left to
        grant, GrantRefused if `windows` or `terms` are wider than what was asked.
        """
        asked = self._inbox.get(tx, request)
        wanted = parse_request(asked.raw)
        _check_narrowed(asked.state, wanted, windows, exp_s, now_ms)
        windows = opened_until(whole_periods(windows), exp_s)
        if not windows:
            raise UsageError("this grant would end before the first of its days")
        pair = self._peers.pair(tx, asked.own, asked.their)
        agreed = wanted.terms if terms is None else terms
        if not binds_no_looser(wanted.terms, agreed):
            raise GrantRefused("these terms bind the reader less than it asked", Code.TERMS)
        given = self.give(tx, pair, windows, agreed, exp_s, request, now_ms)
        self.answer(tx, request, given, now_ms, through)
        return given

    def answer(
        self,
        tx: Tx,
        request: bytes,
        given: GrantGiven,
        now_ms: int,
        through: MandateKept | None = None,
    ) -> None:
        """A request is answered with a grant, and its asker told.  Raises NotFound."""
        asked = self._inbox.get(tx, request)
        pair = self._peers.pair(tx, asked.own, asked.their)
        self._inbox.decided(tx, request, RequestState.GRANTED, given.cid, None)
        args = DecideArgs(asked.their, request, given.bundle.signed.raw, None)
        self._say_decision(tx, pair, args, now_ms, through)
        self.decided(tx, request, self._inbox.get(tx, request), None, now_ms)

    def give(
        self,
        tx: Tx,
        pair: Pair,
        windows: Sequence[Window],
        terms: Terms,
        exp_s: int,
        request: bytes | None,
        now_ms: int,
        renews: bytes | None = None,
        drawn: tuple[bytes, GrantKey] | None = None,
    ) -> GrantGiven:
        """Sign a grant to `pair` and keep it; nobody is told yet.

        `request` is what it answers, `renews` the grant that it goes on from; `drawn` its nonce and
        key where they are not to be random.
        Raises UsageError, WireError, RecordError.
        """
        check_paid_terms(self._objects, tx, terms)
        persona = self._peers.persona(tx, pair.own)
        nonce, k_grant = drawn or (
            self._entropy.random_bytes(NONCE_BYTES),
            GrantKey.generate(self._entropy),
        )
        issued = issue_grant(
            persona.key,
            aud=pair.their_now,
            windows=windows,
            terms=terms,
            exp_s=exp_s,
            nonce=nonce,
        )
        given = GrantGiven(
            own=pair.own,
            their=pair.their,
            bundle=make_bundle(
                persona.key, issued, terms=terms, reader_key=pair.inception.reader_key
            ),
            request=request,
            k_grant=k_grant,
            kept=GrantStatus.LIVE,
            issued_ms=now_ms,
            ended_ms=None,
            keyset=None,
            n=0,
            acknowledged=0,
            opens=(),
        )
        self._add(tx, given, renews)
        return given

    def refuse(
        self,
        tx: Tx,
        request: bytes,
        reason: str | None,
        now_ms: int,
        through: MandateKept | None = None,
    ) -> None:
        """Refuse a request; the answer goes to the outbox.  Raises NotFound, UsageError."""
        asked = self._inbox.get(tx, request)
        _check_open(asked.state)
        pair = self._peers.pair(tx, asked.own, asked.their)
        self._inbox.decided(tx, request, RequestState.REFUSED, None, reason)
        args = DecideArgs(asked.their, request, None, reason)
        self._say_decision(tx, pair, args, now_ms, through)
        self.decided(tx, request, self._inbox.get(tx, request), reason, now_ms)

    def _say_decision(
        self, tx: Tx, pair: Pair, args: DecideArgs, now_ms: int, through: MandateKept | None
    ) -> None:
        if through is None:
            self._outgoing.put(tx, pair, Cmd.DECIDE, args.value(), now_ms)
            return
        sender = self._peers.pair(tx, through.mandate.proxy, pair.their)
        self._outgoing.put(tx, sender, Cmd.DECIDE, args.value(), now_ms, mandate=through.cid)

    # after a restore

    def suspend_all(self, tx: Tx, now_ms: int) -> int:
        """Serve under no grant until its owner keeps it: what was taken back since the backup was
        made is not known here.  How many grants."""
        suspended = 0
        for grant in self.all(tx):
            if grant.kept is GrantStatus.LIVE:
                self._save(tx, replace(grant, kept=GrantStatus.SUSPENDED))
                self.lines.happened(tx, Side.GIVEN, grant.cid, Happened.SUSPENDED, now_ms)
                suspended += 1
        return suspended

    def keep(self, tx: Tx, cid: bytes, now_ms: int) -> None:
        """Go on with a suspended grant; its reader gets the keys of the present epoch.

        Raises NotFound, UsageError if it is not suspended.
        """
        grant = self.get(tx, cid)
        if grant.status(now_ms) is not GrantStatus.SUSPENDED:
            raise UsageError(f"this grant is {grant.status(now_ms).value}, not suspended")
        live = replace(grant, kept=GrantStatus.LIVE)
        self._save(tx, live)
        self.lines.happened(tx, Side.GIVEN, cid, Happened.KEPT, now_ms)
        if live.keyset is not None:
            self._send_keys(tx, live, now_ms)

    # taking back

    def revoke(self, tx: Tx, cid: bytes, now_ms: int) -> TakenBack:
        """Take a grant back.  Raises NotFound, UsageError if it was taken back already."""
        grant = self.get(tx, cid)
        if grant.kept is GrantStatus.REVOKED:
            raise UsageError("this grant was taken back already")
        persona = self._peers.persona(tx, grant.own)
        pair = self._peers.pair(tx, grant.own, grant.their)
        paths = grant.bundle.grant.paths
        revocation = make_revocation(persona.key, dlg=cid, paths=paths, t_ms=now_ms)
        self._objects.add(tx, Kind.REVOCATION, cid, revocation.signed.raw)
        ended = replace(grant, kept=GrantStatus.REVOKED, ended_ms=now_ms)
        self._end(tx, ended, Happened.REVOKED, revocation.cid)
        survivors = self.rotate(tx, paths, revocation.cid, now_ms)
        args = RevokeArgs(grant.their, revocation.signed.raw)
        self._outgoing.put(tx, pair, Cmd.REVOKE, args.value(), now_ms)
        self.ended(tx, ended, now_ms)
        return TakenBack(cid, revocation.cid, survivors, self.still(tx, grant, now_ms))

    def expire(self, tx: Tx, now_ms: int) -> int:
        """Rotate the paths of the grants that have run out; how many grants.

        The CID of the delegation itself enters `R`, so that every device derives the same.
        """
        return self._expire(tx, self._over(tx, None, now_ms), now_ms)

    def expire_on(self, tx: Tx, path: str, now_ms: int) -> int:
        """As `expire`, of the grants that name `path`: before anything is written to it.

        So the first write after an end is under keys that the reader never had, whenever the house
        was last kept.  Costs one lookup while nothing has ended.
        """
        return self._expire(tx, self._over(tx, path, now_ms), now_ms)

    def _expire(self, tx: Tx, over: Sequence[GrantGiven], now_ms: int) -> int:
        for grant in over:
            ended = replace(grant, ended_ms=grant.exp_s * 1000)
            self._end(tx, ended, Happened.EXPIRED, grant.cid)
        # One turn for all: of a hundred that end in one night, each survivor gets new keys once.
        self._turn(tx, [(grant.bundle.grant.paths, grant.cid) for grant in over], now_ms)
        for grant in over:
            self.ended(tx, grant, now_ms)
        return len(over)

    def rotate(self, tx: Tx, paths: Sequence[str], cause: bytes, now_ms: int) -> int:
        """A new generation for `paths`, and new keys for whoever still reads there."""
        return self._turn(tx, [(paths, cause)], now_ms)

    def _turn(self, tx: Tx, causes: Sequence[tuple[Sequence[str], bytes]], now_ms: int) -> int:
        """Let each cause enter `R` of its paths, then send new keys; how many survive."""
        for paths, cause in causes:
            for path in paths:
                self._collections.take_back(tx, path, cause)
        survivors: dict[bytes, GrantGiven] = {}
        for path in dict.fromkeys(path for paths, _ in causes for path in paths):
            survivors |= {
                grant.cid: grant
                for grant in self.live_on(tx, path, now_ms)
                if grant.kept is GrantStatus.LIVE  # a suspended one gets keys when it goes on
            }
        for grant in survivors.values():
            if grant.keyset is None:
                continue  # not accepted yet: its first keyset will hold the new generation
            try:
                self._send_keys(tx, grant, now_ms)
            except LocalProtocolError as error:
                # Its keys do not fit: it goes without the new ones, and the taking back stands.
                log.error("survivor_without_keys", reason=str(error))
        return len(survivors)

    def still(self, tx: Tx, gone: GrantGiven, now_ms: int) -> tuple[bytes, ...]:
        """Other grants that hold, under which the reader of `gone` reads some of the same days."""
        others: set[bytes] = set()
        for window in gone.windows:
            for grant in self.live_on(tx, window.collection, now_ms):
                if grant.their == gone.their and any(
                    _overlap(window, other) for other in grant.windows
                ):
                    others.add(grant.cid)
        return tuple(sorted(others - {gone.cid}))


def _nobody(_tx: Tx, _cid: bytes, _asked: Asked, _reason: str | None, _now_ms: int) -> None:
    """Nobody is told."""


def _no_duty(_tx: Tx, _grant: GrantGiven, _now_ms: int) -> None:
    """Nothing follows from the end of a grant."""


def _check_open(state: RequestState) -> None:
    if state is not RequestState.WAITING:
        raise UsageError(f"this request was {state.value} already")


def _check_narrowed(
    state: RequestState, wanted: Request, windows: Sequence[Window], exp_s: int, now_ms: int
) -> None:
    """What is granted was asked for, is not empty, and ends."""
    _check_open(state)
    if not windows:
        raise UsageError("nothing is left to grant: choose days that were asked for")
    for window in windows:
        if not was_asked((window,), wanted.items):
            raise GrantRefused(f"{window} is more than was asked for", Code.DAYS)
    if not now_ms < exp_s * 1000 <= now_ms + GRANT_LIFE_S_MAX * 1000:
        raise UsageError("a grant ends in the future, and within ten years")
    if exp_s > wanted.exp_s:
        raise GrantRefused("this is for longer than was asked for", Code.EXPIRED)


def _overlap(one: Window, other: Window) -> bool:
    return (
        one.collection == other.collection and one.first <= other.last and other.first <= one.last
    )

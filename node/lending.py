"""Lending: what the owner decides, gives, serves and takes back.

    request ──decide──> grant, bundle ──accept──> keyset ──read──> windows
                            └──────────revoke──> new generation, keysets for the others

A grant given (`grant_given.py`) has one keyset at a time that counts, the newest: each is complete
and opens every live generation of the granted days.

Taking back is one unit of work: the revocation, the growth of `R` for each path (from which the
next generation follows), new keysets for the survivors on these paths, and what is to be said to
whom.  Once it has returned, nothing more is served and nothing new opens with the old keys.

Everything here is a function of a transaction; `Database.write` makes each one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from ..crypto.entropy import Entropy
from ..crypto.keys import GrantKey
from ..protocol.command import AcceptArgs, Cmd, DecideArgs, KeysArgs, RevokeArgs
from ..protocol.errors import Code, GrantRefused, LocalProtocolError
from ..protocol.grant import issue_grant, make_bundle, was_asked
from ..protocol.keyset import PathKeys, make_keyset, next_n, path_keys
from ..protocol.limits import TIME_S_MAX
from ..protocol.request import Request, parse_request
from ..protocol.revocation import make_revocation
from ..protocol.trust import GrantStatus, check_standing
from ..protocol.window import Window, opened_until
from ..protocol.wire import Value
from .collection import Collections
from .errors import NotFound, UsageError
from .grant_given import GrantGiven, opened_name
from .inbox import Asked, Inbox, RequestState
from .keystore import Keystore
from .mandate_kept import MandateKept
from .outgoing import Outgoing
from .peers import Pair, Peers
from .store.database import Tx
from .store.objects import Kind, Objects

log = structlog.get_logger()

NONCE_BYTES = 16
GRANT_LIFE_S_MAX = 10 * 366 * 86_400
# Grants on one path; each is one more reader that a revocation must give new keys.
GRANTS_ON_PATH_MAX = 100_000

# When the next grant ends, over all paths.
_ENDS: Value = "grants-end"


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What a revocation did: survivors got new keys; `still` are the reader's other live grants
    on the same days, under which it goes on reading."""

    grant: bytes
    revocation: bytes
    survivors: int
    still: tuple[bytes, ...]


class Lending:
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
        # Is told of each request that was decided here.
        self.decided: Callable[[Tx, bytes, Asked, str | None, int], None] = _nobody
        self._objects = objects
        self._peers = peers
        self._collections = collections
        self._inbox = inbox
        self._outgoing = outgoing
        self._keystore = keystore
        self._entropy = entropy

    # reading

    def get(self, tx: Tx, cid: bytes) -> GrantGiven:
        """Raises NotFound."""
        if (grant := self.find(tx, cid)) is None:
            raise NotFound("this node gave no such grant: see `entrenous grants`")
        return grant

    def find(self, tx: Tx, cid: bytes) -> GrantGiven | None:
        return self._objects.read(tx, Kind.GRANT_GIVEN, cid, GrantGiven.from_value)

    def all(self, tx: Tx) -> list[GrantGiven]:
        found = self._objects.read_all(tx, Kind.GRANT_GIVEN, GrantGiven.from_value)
        return [grant for _, grant in found]

    def statuses(self, tx: Tx, cids: Iterable[bytes], now_ms: int) -> Mapping[bytes, GrantStatus]:
        """How each delegation of a chain stands here: the root if we gave it, others if revoked."""
        found: dict[bytes, GrantStatus] = {}
        for cid in cids:
            if (grant := self.find(tx, cid)) is not None:
                found[cid] = grant.status(now_ms)
            elif self._objects.has(tx, Kind.REVOCATION, cid):
                found[cid] = GrantStatus.REVOKED
        return found

    def live_on(self, tx: Tx, path: str, now_ms: int) -> list[GrantGiven]:
        """The grants that hold now and have days of `path`."""
        holding = (GrantStatus.LIVE, GrantStatus.NOT_YET, GrantStatus.SUSPENDED)
        return [grant for grant in self._on(tx, path) if grant.status(now_ms) in holding]

    def _on(self, tx: Tx, path: str) -> list[GrantGiven]:
        """The grants that name `path` and have not ended, or not been seen to end."""
        value = self._objects.get(tx, Kind.SETTING, _on_path(path))
        cids = value if isinstance(value, list) else []
        grants = (self.find(tx, cid) for cid in cids if isinstance(cid, bytes))
        return [grant for grant in grants if grant is not None]

    # deciding

    def grant(
        self,
        tx: Tx,
        request: bytes,
        windows: Sequence[Window],
        exp_s: int,
        now_ms: int,
        through: MandateKept | None = None,
    ) -> GrantGiven:
        """Grant a request, narrowed to `windows`, until `exp_s`; the bundle goes to the outbox.

        With `through`, a mandate of this vault, it is its proxy who says so.

        What is granted ends with the day of `exp_s`, beyond which no key opens anything.
        Raises NotFound, UsageError if the request was decided already or nothing is left to
        grant, GrantRefused if `windows` is wider than what was asked.
        """
        asked = self._inbox.get(tx, request)
        wanted = parse_request(asked.raw)
        _check_narrowed(asked.state, wanted, windows, exp_s, now_ms)
        windows = opened_until(windows, exp_s)
        if not windows:
            raise UsageError("this grant would end before the first of its days")
        pair = self._peers.pair(tx, asked.own, asked.their)
        persona = self._peers.persona(tx, asked.own)
        issued = issue_grant(
            persona.key,
            aud=asked.their,
            windows=windows,
            terms=wanted.terms,
            exp_s=exp_s,
            nonce=self._entropy.random_bytes(NONCE_BYTES),
        )
        bundle = make_bundle(
            persona.key, issued, terms=wanted.terms, reader_key=pair.inception.reader_key
        )
        given = GrantGiven(
            own=asked.own,
            their=asked.their,
            bundle=bundle,
            request=request,
            k_grant=GrantKey.generate(self._entropy),
            kept=GrantStatus.LIVE,
            issued_ms=now_ms,
            ended_ms=None,
            keyset=None,
            n=0,
            acknowledged=0,
            opens=(),
        )
        self._objects.add(tx, Kind.GRANT_GIVEN, given.cid, given.value())
        for path in issued.paths:
            self._index(tx, path, given.cid)
        for name in (_ENDS, *map(_ends_on, issued.paths)):
            self._objects.put(tx, Kind.SETTING, name, min(exp_s, self._ends(tx, name)))
        self._inbox.decided(tx, request, RequestState.GRANTED, given.cid, None)
        args = DecideArgs(asked.their, request, bundle.signed.raw, None)
        self._say_decision(tx, pair, args, now_ms, through)
        self.decided(tx, request, self._inbox.get(tx, request), None, now_ms)
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

    # keys

    def accepted(self, tx: Tx, pair: Pair, args: AcceptArgs, now_ms: int) -> bytes:
        """The reader accepts a grant and its terms: the keyset, as signed.

        Said again, it gets the keyset that is current.  Raises GrantRefused.
        """
        grant = self.find(tx, args.grant)
        if grant is None or (grant.own, grant.their) != (pair.own, pair.their):
            raise GrantRefused("this grant is not one that this node gave", Code.UNKNOWN_GRANT)
        check_standing(grant.status(now_ms))
        if args.terms != grant.bundle.terms.cid:
            raise GrantRefused("these are not the terms of this grant", Code.TERMS)
        fresh = self._with_keyset(tx, grant, now_ms)
        assert fresh.keyset is not None
        return fresh.keyset

    def acknowledged(self, tx: Tx, cid: bytes, n: int) -> None:
        """The reader says that it holds keyset `n` of a grant.  Anything else changes nothing."""
        grant = self.find(tx, cid)
        if grant is None or n <= grant.acknowledged or n > grant.n:
            return
        if not self._objects.has(tx, Kind.KEYSET_SENT, [cid, n]):
            return
        self._save(tx, replace(grant, acknowledged=n, opens=self._opens(tx, grant, n)))

    def unacknowledged(self, grant: GrantGiven) -> tuple[bytes, ...]:
        """The keysets that a read answer must carry, so that the reader has no gap."""
        if grant.keyset is None or grant.n == grant.acknowledged:
            return ()
        return (grant.keyset,)

    def _with_keyset(self, tx: Tx, grant: GrantGiven, now_ms: int) -> GrantGiven:
        """`grant` with a keyset that opens every live generation of its days."""
        sets = self._sets(tx, grant)
        names: list[Value] = [[one.path, one.epoch, one.gen] for one in sets]
        sent = self._objects.get(tx, Kind.KEYSET_SENT, [grant.cid, grant.n])
        if grant.keyset is not None and sent == names:
            return grant
        n = next_n(grant.n or None, now_ms)
        persona = self._peers.persona(tx, grant.own)
        keyset = make_keyset(
            persona.key,
            grant.bundle.sealing(),
            n=n,
            k_grant=grant.k_grant,
            sets=sets,
            entropy=self._entropy,
        )
        self._objects.add(tx, Kind.KEYSET_SENT, [grant.cid, n], names)
        fresh = replace(grant, keyset=keyset.signed.raw, n=n)
        self._save(tx, fresh)
        return fresh

    def _sets(self, tx: Tx, grant: GrantGiven) -> list[PathKeys]:
        sets: list[PathKeys] = []
        for path in grant.bundle.grant.paths:
            collection = self._collections.find(tx, path)
            live: set[tuple[bytes, bytes]] = set()
            if collection is not None:
                live.update(collection.live)
            live.add((self._keystore.epoch.name, self._collections.generation(tx, path)))
            for epoch, gen in sorted(live):
                found = path_keys(
                    self._keystore.vault_secret(epoch),
                    epoch=epoch,
                    path=path,
                    gen=gen,
                    windows=grant.windows,
                    exp_s=grant.exp_s,
                )
                if found is not None:
                    sets.append(found)
        return sets

    def _opens(self, tx: Tx, grant: GrantGiven, n: int) -> tuple[tuple[str, bytes, bytes], ...]:
        names = self._objects.get(tx, Kind.KEYSET_SENT, [grant.cid, n])
        fresh = [opened_name(name) for name in names] if isinstance(names, list) else []
        return tuple(sorted({*grant.opens, *fresh}))

    # after a restore

    def suspend_all(self, tx: Tx) -> int:
        """Serve under no grant until its owner keeps it: what was taken back since the backup was
        made is not known here.  How many grants."""
        suspended = 0
        for grant in self.all(tx):
            if grant.kept is GrantStatus.LIVE:
                self._save(tx, replace(grant, kept=GrantStatus.SUSPENDED))
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
        self._end(tx, replace(grant, kept=GrantStatus.REVOKED, ended_ms=now_ms))
        survivors = self.rotate(tx, paths, revocation.cid, now_ms)
        args = RevokeArgs(grant.their, revocation.signed.raw)
        self._outgoing.put(tx, pair, Cmd.REVOKE, args.value(), now_ms)
        return TakenBack(cid, revocation.cid, survivors, self._still(tx, grant, now_ms))

    def expire(self, tx: Tx, now_ms: int) -> int:
        """Rotate the paths of the grants that have run out; how many grants.

        The CID of the delegation itself enters `R`, so that every device derives the same.
        """
        if now_ms <= self._ends(tx, _ENDS) * 1000:
            return 0
        grants = self.all(tx)
        ended = self._expire(tx, grants, now_ms)
        self._objects.put(tx, Kind.SETTING, _ENDS, _first_end(grants, now_ms))
        return ended

    def expire_on(self, tx: Tx, path: str, now_ms: int) -> int:
        """As `expire`, of the grants that name `path`: before anything is written to it.

        So the first write after an end is under keys that the reader never had, whenever the house
        was last kept.  Costs one lookup while nothing has ended.
        """
        name = _ends_on(path)
        if now_ms <= self._ends(tx, name) * 1000:
            return 0
        grants = self._on(tx, path)
        ended = self._expire(tx, grants, now_ms)
        self._objects.put(tx, Kind.SETTING, name, _first_end(grants, now_ms))
        return ended

    def _expire(self, tx: Tx, grants: Iterable[GrantGiven], now_ms: int) -> int:
        over = [
            grant
            for grant in grants
            if grant.ended_ms is None and grant.status(now_ms) is GrantStatus.EXPIRED
        ]
        for grant in over:
            self._end(tx, replace(grant, ended_ms=grant.exp_s * 1000))
        for grant in over:
            self.rotate(tx, grant.bundle.grant.paths, grant.cid, now_ms)
        return len(over)

    def _end(self, tx: Tx, ended: GrantGiven) -> None:
        """Keep a grant that has ended; its paths do not lead to it any more."""
        self._save(tx, ended)
        for path in ended.bundle.grant.paths:
            left: list[Value] = [one.cid for one in self._on(tx, path) if one.cid != ended.cid]
            self._objects.put(tx, Kind.SETTING, _on_path(path), left)

    def _ends(self, tx: Tx, name: Value) -> int:
        """Until when (seconds) no grant of `name` ends that has not been seen to."""
        value = self._objects.get(tx, Kind.SETTING, name)
        return value if isinstance(value, int) else TIME_S_MAX

    def next_expiry_ms(self, tx: Tx) -> int | None:
        """When the next grant runs out, or None."""
        end_s = self._ends(tx, _ENDS)
        return None if end_s == TIME_S_MAX else end_s * 1000

    def rotate(self, tx: Tx, paths: Sequence[str], cause: bytes, now_ms: int) -> int:
        """A new generation for `paths`, and new keys for whoever still reads there."""
        for path in paths:
            self._collections.take_back(tx, path, cause)
        survivors: dict[bytes, GrantGiven] = {}
        for path in paths:
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

    def _send_keys(self, tx: Tx, grant: GrantGiven, now_ms: int) -> None:
        fresh = self._with_keyset(tx, grant, now_ms)
        assert fresh.keyset is not None
        pair = self._peers.pair(tx, grant.own, grant.their)
        args = KeysArgs(grant.their, fresh.keyset)
        self._outgoing.put(tx, pair, Cmd.KEYS, args.value(), now_ms)

    def _still(self, tx: Tx, gone: GrantGiven, now_ms: int) -> tuple[bytes, ...]:
        others: set[bytes] = set()
        for window in gone.windows:
            for grant in self.live_on(tx, window.collection, now_ms):
                if grant.their == gone.their and any(
                    _overlap(window, other) for other in grant.windows
                ):
                    others.add(grant.cid)
        return tuple(sorted(others))

    def _index(self, tx: Tx, path: str, cid: bytes) -> None:
        name = _on_path(path)
        value = self._objects.get(tx, Kind.SETTING, name)
        cids = value if isinstance(value, list) else []
        if len(cids) >= GRANTS_ON_PATH_MAX:
            raise UsageError(f"{path} has {GRANTS_ON_PATH_MAX} grants: take some back first")
        self._objects.put(tx, Kind.SETTING, name, [*cids, cid])

    def _save(self, tx: Tx, grant: GrantGiven) -> None:
        self._objects.put(tx, Kind.GRANT_GIVEN, grant.cid, grant.value())


def _nobody(_tx: Tx, _cid: bytes, _asked: Asked, _reason: str | None, _now_ms: int) -> None:
    """Nobody is told."""


def _on_path(path: str) -> Value:
    return ["grants-on", path]


def _ends_on(path: str) -> Value:
    return ["grants-end-on", path]


def _first_end(grants: Iterable[GrantGiven], now_ms: int) -> int:
    """When (seconds) the first of `grants` ends after `now_ms`."""
    ends = (
        grant.exp_s for grant in grants if grant.ended_ms is None and now_ms <= grant.exp_s * 1000
    )
    return min(ends, default=TIME_S_MAX)


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

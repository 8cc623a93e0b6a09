"""The helpers of this node: who was asked, whom each may serve, under which leases.

    add ─▸ /helper/ask ─▸ their owner decides ─▸ /helper/decide ─▸ a helper
    while this node is on, every few hours: a lease for each reader (`leasing.py`)
    a grant is taken back ─▸ /helper/over in the outbox, in the same unit of work

A lease is kept before it is sent: until the newest that was ever made has ended, a helper that has
not heard of a revocation may serve, and this node says so.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from ...protocol.command import (
    Cmd,
    HelperAskArgs,
    HelperDecideArgs,
    HelperOverArgs,
    HelperServesArgs,
    parse_args,
)
from ...protocol.did import Did
from ...protocol.errors import Code, GrantRefused
from ...protocol.helped import make_lease
from ...protocol.limits import HELPERS_MAX, INVOCATION_AHEAD_S_MAX, LEASE_S_MAX
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.wire import Value
from ..errors import NotFound, UsageError
from ..grants.grant_given import GrantGiven
from ..peers.outgoing import Message, Outgoing
from ..peers.peer_devices import PeerDevices
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .helper import Helper, HelperState, Leased

# A lease is made anew when it is as old as this: a node that is on for an hour a day is enough.
RENEWED_EVERY_S = 4 * 3_600
# And as much shorter than it may be as the two clocks may be apart for two nodes to talk at all.
LEASED_S = LEASE_S_MAX - INVOCATION_AHEAD_S_MAX
# What neither helps nor was asked to.
_ENDED = (HelperState.REMOVED, HelperState.GONE)


class Helpers:
    """Those of this node, and their leases."""

    def __init__(
        self, objects: Objects, peers: Peers, devices: PeerDevices, outgoing: Outgoing
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._devices = devices
        self._outgoing = outgoing
        # Whether a helper was kept here since the node began; units of work set it, in a thread.
        self.touched = False

    # who

    def all(self, tx: Tx) -> list[Helper]:
        """Everybody that was asked, in that order."""
        found = [Helper.from_row(*one) for one in self._objects.all(tx, Kind.HELPER)]
        return [one for one in found if one.state is not HelperState.GONE]

    def willing(self, tx: Tx) -> list[Helper]:
        """Those who have said that they help."""
        return [one for one in self.all(tx) if one.state is HelperState.HELPER]

    def shown(self, tx: Tx, helper: Helper) -> bool:
        """Whether a helper's device is still its owner's, who may have lost and removed it."""
        pair = self._peers.pair(tx, helper.own, helper.their)
        return helper.device in self._devices.vouching(tx, pair)

    def find(self, tx: Tx, pair: Pair) -> Helper | None:
        name: Value = [pair.own, pair.their]
        value = self._objects.get(tx, Kind.HELPER, name)
        return None if value is None else Helper.from_row(name, value)

    def add(self, tx: Tx, pair: Pair, only: Sequence[Pair], now_ms: int) -> Helper:
        """Ask a peer to help; for the readers `only`, if any are named.  Raises UsageError."""
        found = self.find(tx, pair)
        asked = [one for one in self.all(tx) if one.state is not HelperState.REMOVED]
        if found is None and len(asked) >= HELPERS_MAX:
            raise UsageError(f"{HELPERS_MAX} helpers are enough: remove one first")
        named = tuple((one.own, one.their) for one in only)
        if (pair.own, pair.their) in named:
            raise UsageError(f"{pair.name} does not need a helper to read what it keeps")
        if found is not None and found.state is HelperState.HELPER:
            helper = replace(found, only=named)
            self._save(tx, helper, now_ms)
            return helper
        helper = Helper(pair.own, pair.their, HelperState.ASKED, now_ms, now_ms, only=named)
        self._save(tx, helper, now_ms)
        args = HelperAskArgs(pair.their, helps=True)
        self._outgoing.put(tx, pair, Cmd.HELPER_ASK, args.value(), now_ms)
        return helper

    def remove(self, tx: Tx, pair: Pair, now_ms: int) -> int | None:
        """Let a peer help no more; until when it may at most, in seconds, if it has not heard.

        Raises NotFound.
        """
        found = self.find(tx, pair)
        if found is None or found.state in _ENDED:
            raise NotFound(f"{pair.name} was not asked to help")
        args = HelperAskArgs(pair.their, helps=False)
        self._outgoing.put(tx, pair, Cmd.HELPER_ASK, args.value(), now_ms)
        self._tell_readers(tx, found, now_ms)
        until_s = self.until_s(tx, found, now_ms)
        self._save(tx, replace(found, state=HelperState.REMOVED, reason=None), now_ms)
        return until_s

    def decided(self, tx: Tx, pair: Pair, args: HelperDecideArgs, now_ms: int) -> Value:
        """A peer says whether it helps.  Raises GrantRefused if it was not asked, or names a device
        that it has not shown."""
        helper = self.find(tx, pair)
        if helper is None or helper.state in _ENDED:
            raise GrantRefused("you were not asked to help", Code.UNKNOWN_GRANT)
        if args.device is None:
            self._tell_readers(tx, helper, now_ms)
            refused = replace(helper, state=HelperState.REFUSED, reason=args.reason)
            self._save(tx, refused, now_ms)
            return "known"
        if helper.state is HelperState.REFUSED:
            raise GrantRefused("you refused, and were not asked again", Code.UNKNOWN_GRANT)
        if args.device not in self._devices.vouching(tx, pair):
            raise GrantRefused("a helper names a device that it has not shown", Code.AUDIENCE)
        willing = replace(
            helper,
            state=HelperState.HELPER,
            device=args.device,
            addresses=args.addresses,
            reason=None,
        )
        self._save(tx, willing, now_ms)
        return "known"

    def answered(self, tx: Tx, pair: Pair, args: HelperAskArgs, t_ms: int) -> None:
        """A helper that was removed has heard it: no lease of its serves any more."""
        found = self.find(tx, pair)
        if not args.helps and found is not None and found.state is HelperState.REMOVED:
            for one in self.leases(tx, found):
                self._drop(tx, one)
            self._save(tx, replace(found, state=HelperState.GONE), t_ms)

    def _save(self, tx: Tx, helper: Helper, now_ms: int) -> None:
        # Never before what it takes the place of, whatever the clock says.
        changed = replace(helper, changed_ms=max(now_ms, helper.changed_ms + 1))
        self._objects.put(tx, Kind.HELPER, [helper.own, helper.their], changed.value())
        self.touched = True

    def adopt(self, tx: Tx, helper: Helper) -> None:
        """Keep what another device of this person knows of a helper."""
        self._objects.put(tx, Kind.HELPER, [helper.own, helper.their], helper.value())
        self.touched = True

    # leases

    def leases(self, tx: Tx, helper: Helper) -> list[Leased]:
        """The newest lease for each reader."""
        found = [Leased.from_row(*one) for one in self._objects.all(tx, Kind.LEASED)]
        return [one for one in found if one.helper == (helper.own, helper.their)]

    def leased_to(self, tx: Tx, helper: Helper, reader: Pair) -> Leased | None:
        """The newest lease for one reader."""
        name: Value = [helper.own, helper.their, reader.own, reader.their]
        value = self._objects.get(tx, Kind.LEASED, name)
        return None if value is None else Leased.from_row(name, value)

    def until_s(self, tx: Tx, helper: Helper, now_ms: int) -> int | None:
        """When the last of its leases ends, in seconds; None if none holds."""
        ends = [one.lease.exp_s for one in self.leases(tx, helper)]
        return max((end for end in ends if end * 1000 > now_ms), default=None)

    def lease(
        self,
        tx: Tx,
        helper: Helper,
        reader: Pair,
        grants: Sequence[GrantGiven],
        now_ms: int,
    ) -> Leased:
        """The lease for what `reader` may read at a helper: the newest, or a new one if that is
        old, or of another persona or device.  The reader is told, if it was not."""
        assert helper.device is not None
        persona = self._peers.persona(tx, reader.own)
        before = self.leased_to(tx, helper, reader)
        named = tuple((one.cid, unacknowledged(one)) for one in grants)
        told = self._told(tx, helper, reader.their_now)
        if (
            before is not None
            and before.lease.persona == persona.did
            and not self._is_due(before, helper, now_ms)
        ):
            lease = before.lease
        else:
            exp_s = now_ms // 1000 + LEASED_S
            lease = make_lease(persona.key, device=helper.device, exp_s=exp_s, now_ms=now_ms)
        if before is not None and before.told is not None and _moved(before, lease):
            self._tell_reader(tx, helper, before, now_ms)
        leased = Leased(
            (helper.own, helper.their), reader.own, reader.their, lease, named, None, told
        )
        self._objects.put(tx, Kind.LEASED, leased.name, leased.value())
        fresh = before is None or before.lease.persona != persona.did
        if helper.addresses and (fresh or (before is not None and before.told != told)):
            args = HelperServesArgs(
                reader.their, lease.signed.raw, helper.addresses, self._name(tx, helper)
            )
            self._say_serves(tx, reader, args, now_ms)
        return leased

    def is_current(
        self,
        tx: Tx,
        leased: Leased,
        helper: Helper,
        reader: Pair,
        grants: Sequence[GrantGiven],
        now_ms: int,
    ) -> bool:
        """Whether a helper has just these grants on a shelf, under a lease that is young, and the
        reader knows where."""
        named = tuple((one.cid, unacknowledged(one)) for one in grants)
        return (
            leased.kept_ms is not None
            and leased.grants == named
            and leased.told == self._told(tx, helper, reader.their_now)
            and not self._is_due(leased, helper, now_ms)
        )

    def _is_due(self, leased: Leased, helper: Helper, now_ms: int) -> bool:
        left_s = leased.lease.exp_s - now_ms // 1000
        # A clock that was set back must not leave a lease alone for as long.
        young = LEASED_S - RENEWED_EVERY_S < left_s <= LEASE_S_MAX
        return leased.lease.device != helper.device or not young

    def kept(self, tx: Tx, helper: Helper, reader: Pair, now_ms: int) -> None:
        """The helper has what was leased for this reader."""
        if (leased := self.leased_to(tx, helper, reader)) is not None:
            kept = replace(leased, kept_ms=now_ms)
            self._objects.put(tx, Kind.LEASED, kept.name, kept.value())

    def only(
        self, tx: Tx, helper: Helper, readers: Collection[tuple[Did, Did]], now_ms: int
    ) -> None:
        """Forget the leases of others than these readers, once they have ended; tell them."""
        for one in self.leases(tx, helper):
            if (one.own, one.their) not in readers:
                if one.told is not None:
                    self._tell_reader(tx, helper, one, now_ms)
                    silent = replace(one, told=None)
                    self._objects.put(tx, Kind.LEASED, silent.name, silent.value())
                if one.lease.exp_s * 1000 < now_ms:
                    self._drop(tx, one)

    def _drop(self, tx: Tx, leased: Leased) -> None:
        self._objects.delete(tx, Kind.LEASED, leased.name)

    def _tell_readers(self, tx: Tx, helper: Helper, now_ms: int) -> None:
        for one in self.leases(tx, helper):
            self._tell_reader(tx, helper, one, now_ms)
            # Asked again, it is given everything again.
            fresh = replace(one, kept_ms=None, told=None)
            self._objects.put(tx, Kind.LEASED, fresh.name, fresh.value())

    def _tell_reader(self, tx: Tx, helper: Helper, leased: Leased, now_ms: int) -> None:
        """A reader hears that a helper serves no more."""
        reader = self._peers.find(tx, leased.own, leased.their)
        if reader is not None:
            name = self._name(tx, helper)
            args = HelperServesArgs(reader.their, leased.lease.signed.raw, (), name)
            self._say_serves(tx, reader, args, now_ms)

    def _say_serves(self, tx: Tx, reader: Pair, args: HelperServesArgs, now_ms: int) -> None:
        """Say who serves, in place of what waits to be said of the same helper."""
        device = parse_certificate(args.cert).device
        for id, message in self._outgoing.waiting(tx, reader):
            if message.cmd is Cmd.HELPER_SERVES:
                waits = parse_args(message.cmd, message.args)
                assert isinstance(waits, HelperServesArgs)
                if parse_certificate(waits.cert).device == device:
                    self._outgoing.drop(tx, id)
        self._outgoing.put(tx, reader, Cmd.HELPER_SERVES, args.value(), now_ms)

    def _told(self, tx: Tx, helper: Helper, reader: Did) -> Value:
        """What a reader is told of a helper, and as whom: who followed it may know nothing."""
        return [helper.device, list(helper.addresses), self._name(tx, helper), reader]

    def _name(self, tx: Tx, helper: Helper) -> str:
        return self._peers.pair(tx, helper.own, helper.their).name

    # what has ended

    def ended(self, tx: Tx, grant: GrantGiven, now_ms: int) -> None:
        """A grant was taken back: each helper that may serve it is told, by way of the outbox."""
        for helper in self.willing(tx):
            # Also where the newest lease does not name it: the helper may have one from before.
            leases = self.leases(tx, helper)
            names = {(one.own, one.their) for one in leases if one.lease.exp_s * 1000 > now_ms}
            if (grant.own, grant.their) not in names:
                continue
            pair = self._peers.pair(tx, helper.own, helper.their)
            args = HelperOverArgs(pair.their, grant.cid)
            self._outgoing.put(tx, pair, Cmd.HELPER_OVER, args.value(), now_ms)

    def not_heard(self, tx: Tx, grants: Iterable[bytes], now_ms: int) -> list[tuple[str, int]]:
        """The helpers that have not heard yet that one of these grants is over: what each is
        called, and until when at most it serves, in seconds."""
        found: dict[str, int] = {}
        ended = list(grants)
        for helper in self.all(tx):
            pair = self._peers.pair(tx, helper.own, helper.their)
            waiting = {
                one.grant
                for _, message in self._outgoing.waiting(tx, pair)
                if isinstance(one := _said(message), HelperOverArgs)
            }
            # Asked anew, it may not even have heard that it was removed before.
            removed = helper.state in (HelperState.REMOVED, HelperState.ASKED)
            removed = removed or not self.shown(tx, helper)
            for cid in ended:
                until_s = self._serves(tx, helper, cid, now_ms)
                if until_s is None and cid in waiting:
                    # A lease made since does not name it: the helper may have the one before.
                    until_s = self.until_s(tx, helper, now_ms)
                if until_s is not None and (removed or cid in waiting):
                    found[pair.name] = max(until_s, found.get(pair.name, 0))
        return sorted(found.items())

    def _serves(self, tx: Tx, helper: Helper, cid: bytes, now_ms: int) -> int | None:
        """Until when a helper may serve a grant, in seconds; None if it may not now."""
        ends = [
            one.lease.exp_s
            for one in self.leases(tx, helper)
            if one.lease.exp_s * 1000 > now_ms and any(cid == name for name, _ in one.grants)
        ]
        return max(ends, default=None)

    def for_reader(self, tx: Tx, own: Did, their: Did) -> list[str]:
        """What the helpers are called that may serve this reader."""
        return [self._name(tx, one) for one in self.willing(tx) if one.may_serve(own, their)]

    def named(self, tx: Tx, device: Did) -> str | None:
        """What the owner of a device is called that helps, or has helped."""
        for row in self._objects.all(tx, Kind.HELPER):
            if (one := Helper.from_row(*row)).device == device:
                return self._name(tx, one)
        return None

    def device_of(self, tx: Tx, message: Message) -> Did | None:
        """The device that a word is for, where only one of a peer's is meant."""
        if message.cmd not in (Cmd.HELPER_OVER, Cmd.HELPER_ASK):
            return None
        name: Value = [message.own, message.their]
        value = self._objects.get(tx, Kind.HELPER, name)
        return None if value is None else Helper.from_row(name, value).device


def _moved(before: Leased, lease: Certificate) -> bool:
    """Whether a helper serves with another device than before, for the same persona."""
    persona, device = before.lease.persona, before.lease.device
    return persona == lease.persona and device != lease.device


def unacknowledged(grant: GrantGiven) -> int:
    """The number of the keyset that goes with a grant to a helper: 0 if its reader has all."""
    return 0 if grant.keyset is None or grant.n == grant.acknowledged else grant.n


def _said(message: Message) -> object:
    return parse_args(message.cmd, message.args) if message.cmd is Cmd.HELPER_OVER else None

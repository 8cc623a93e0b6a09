"""Devices of a peer: which serve for it, each with the certificate that says so, and where.

A peer is one persona and may be several devices.  The pair names the one with the newest
certificate; beside it stand all of which more is known, with the addresses that they said they
listen at (`/pair/device`), and are tried when it does not answer.  None is tried longer than its
certificate holds, and none that an earlier persona of the peer has certified: it was left behind.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from ...protocol.address import check_addresses
from ...protocol.command import PairDeviceArgs
from ...protocol.did import Did, public_of
from ...protocol.errors import Code, GrantRefused
from ...protocol.helped import is_lease
from ...protocol.limits import DEVICES_MAX, TIME_S_MAX
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from .peers import Pair, Peers

_DAMAGED: Final = "the devices of a peer stand in the store in another form"
_TIME_MS_MAX: Final = TIME_S_MAX * 1000

# What this node itself stored was verified when it came.
_certificate = lru_cache(maxsize=4096)(parse_certificate)


@dataclass(frozen=True, slots=True)
class PeerDevice:
    """A device that serves for a peer, and addresses to try; told at `told_ms`, 0 if it was not."""

    certificate: Certificate
    addresses: tuple[str, ...]
    told_ms: int = 0

    @property
    def device(self) -> bytes:
        """Its 32-byte key."""
        return public_of(self.certificate.device)


class PeerDevices:
    """The devices of every peer, in the store."""

    def __init__(self, objects: Objects, peers: Peers) -> None:
        self._objects = objects
        self._peers = peers

    def of(self, tx: Tx, pair: Pair, now_ms: int) -> list[PeerDevice]:
        """Those to try, the one that greeted last first; the others while their certificate
        holds and they can be dialled."""
        fresh = self._peers.pair(tx, pair.own, pair.their)
        known = self.known(tx, fresh)
        first = known.pop(fresh.certificate.device, None)
        addresses = fresh.addresses if first is None else first.addresses or fresh.addresses
        others = [
            one for one in known.values() if now_ms < one.certificate.exp_s * 1000 and one.addresses
        ]
        others.sort(key=lambda one: -one.certificate.exp_s)
        return [PeerDevice(fresh.certificate, addresses), *others]

    def greeted(self, tx: Tx, pair: Pair, certificate: Certificate) -> None:
        """A device of the peer's has shown `certificate`; the newest says which one serves."""
        fresh = self._peers.pair(tx, pair.own, pair.their)
        newest = certificate.exp_s >= fresh.certificate.exp_s
        if certificate.device == fresh.certificate.device:
            if newest:
                self._peers.save(tx, replace(fresh, certificate=certificate))
            return
        if not newest:
            self.add(tx, fresh, {certificate.device: PeerDevice(certificate, ())})
            return
        found = self.known(tx, fresh).get(certificate.device)
        # Where it listens may not be known yet: it may stand where the one before it stood.
        addresses = fresh.addresses if found is None else found.addresses or fresh.addresses
        now = replace(fresh, certificate=certificate, addresses=addresses)
        self.replaced(tx, fresh, now)
        self._peers.save(tx, now)

    def replaced(self, tx: Tx, before: Pair, now: Pair) -> None:
        """The pair names another device than `before`, which may serve still."""
        if before.certificate.device != now.certificate.device:
            there = PeerDevice(before.certificate, before.addresses)
            self.add(tx, now, {before.certificate.device: there})

    def found_at(
        self, tx: Tx, pair: Pair, device: bytes, addresses: Sequence[str], now_ms: int
    ) -> None:
        """A device of the peer's, which has greeted, was dialled at these addresses."""
        fresh = self._peers.pair(tx, pair.own, pair.their)
        if fresh.device == device:
            self._peers.save(tx, replace(fresh, addresses=tuple(addresses)))
            self._listens(tx, fresh, fresh.certificate, addresses, now_ms)

    def told(self, tx: Tx, pair: Pair, args: PairDeviceArgs, now_ms: int) -> Value:
        """The peer says which device serves for it, and where.  Raises GrantRefused, CryptoError,
        ProtocolError for a certificate that is not of this persona, or does not hold."""
        certificate = parse_certificate(args.cert)
        if certificate.persona != pair.their_now:
            raise GrantRefused("a certificate is of another persona", Code.AUDIENCE)
        if is_lease(certificate):
            raise GrantRefused("a lease is a helper's: that is told otherwise", Code.COMMAND)
        certificate.check(now_ms, public_of(certificate.device))
        fresh = self._peers.pair(tx, pair.own, pair.their)
        if certificate.device == fresh.certificate.device:
            newest = max(certificate, fresh.certificate, key=lambda one: one.exp_s)
            self._peers.save(tx, replace(fresh, certificate=newest, addresses=args.addresses))
        self._listens(tx, fresh, certificate, args.addresses, now_ms)
        return "known"

    def vouching(self, tx: Tx, pair: Pair) -> frozenset[Did]:
        """The devices that the peer's persona has certified to this node, for more than serving
        reads: whose heads of segments are the peer's word, whoever shows them."""
        fresh = self._peers.pair(tx, pair.own, pair.their)
        return frozenset((fresh.certificate.device, *self.known(tx, fresh)))

    def forget(self, tx: Tx, pair: Pair) -> None:
        """Only the device that the pair names serves: the others were left behind."""
        self._objects.delete(tx, Kind.PEER_DEVICE, [pair.own, pair.their])

    def known(self, tx: Tx, pair: Pair) -> dict[Did, PeerDevice]:
        """The devices, as the present persona of the peer has certified them, of which more is
        known than what the pair says."""
        value = self._objects.get(tx, Kind.PEER_DEVICE, [pair.own, pair.their])
        return {} if value is None else _certified(pair, devices_from_value(value))

    def add(self, tx: Tx, pair: Pair, told: Mapping[Did, PeerDevice]) -> bool:
        """Add what was told of a peer's devices to what is known, but of those that its present
        persona has not certified; whether that is news.

        What a peer can make this node hold has an end.
        """
        known = self.known(tx, pair)
        found = both(known, _certified(pair, told))
        if found == known:
            return False
        self._objects.put(tx, Kind.PEER_DEVICE, [pair.own, pair.their], devices_value(found))
        return True

    def _listens(
        self,
        tx: Tx,
        pair: Pair,
        certificate: Certificate,
        addresses: Sequence[str],
        now_ms: int,
    ) -> None:
        """What was told now of where a device listens is the last, whatever the clock said then."""
        before = self.known(tx, pair).get(certificate.device)
        told_ms = now_ms if before is None else max(now_ms, before.told_ms + 1)
        told_ms = min(told_ms, _TIME_MS_MAX)
        there = PeerDevice(certificate, tuple(addresses), told_ms)
        self.add(tx, pair, {certificate.device: there})


def _certified(pair: Pair, devices: Mapping[Did, PeerDevice]) -> dict[Did, PeerDevice]:
    """Those that the present persona of the peer has certified."""
    present = pair.their_now
    return {device: one for device, one in devices.items() if one.certificate.persona == present}


def joined(one: PeerDevice, other: PeerDevice) -> PeerDevice:
    """What two tellings of one device come to: the newest certificate, what was told last of where
    it listens."""
    newest = max(one.certificate, other.certificate, key=lambda it: (it.exp_s, it.signed.raw))
    last = max(one, other, key=lambda it: (it.told_ms, it.addresses))
    return PeerDevice(newest, last.addresses, last.told_ms)


def both(one: Mapping[Did, PeerDevice], other: Mapping[Did, PeerDevice]) -> dict[Did, PeerDevice]:
    """What two tellings of a peer's devices come to: of so many as are kept, the newest."""
    told = {**one, **other}
    found = {device: joined(one.get(device, there), there) for device, there in told.items()}
    order = sorted(found.items(), key=lambda it: _newest_first(it[1].certificate))
    return dict(order[:DEVICES_MAX])


def _newest_first(certificate: Certificate) -> tuple[int, bytes]:
    return -certificate.exp_s, certificate.signed.raw


def devices_value(devices: Mapping[Did, PeerDevice]) -> Value:
    """How the devices of a peer stand in the store."""
    return [
        [one.certificate.signed.raw, list(one.addresses), one.told_ms]
        for _, one in sorted(devices.items())
    ]


def devices_from_value(value: Value) -> dict[Did, PeerDevice]:
    """Read what `devices_value` wrote.  Raises StoreDamaged; WireError, BadSignature for a
    certificate that is none, or an address."""
    found: dict[Did, PeerDevice] = {}
    if not isinstance(value, list) or len(value) > DEVICES_MAX:
        raise StoreDamaged(_DAMAGED)
    for item in value:
        match item:
            case [bytes(raw), list(addresses)]:
                told_ms = 0  # written by 0.2.0 or before
            case [bytes(raw), list(addresses), int(told_ms)] if (
                type(told_ms) is int and 0 <= told_ms <= _TIME_MS_MAX
            ):
                pass
            case _:
                raise StoreDamaged(_DAMAGED)
        certificate = _certificate(raw)
        listens = check_addresses(addresses, "a device of a peer")
        found[certificate.device] = PeerDevice(certificate, listens, told_ms)
    return found

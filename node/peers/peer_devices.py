"""Devices of a peer: which serve for it, each with the certificate that says so, and where.

A peer is one persona and may be several devices.  The pair names the one that greeted last; the
others stand beside it, with the addresses that they said they listen at (`/pair/device`), and are
tried when it does not answer.  None is kept longer than its certificate holds.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ...protocol.command import PairDeviceArgs
from ...protocol.did import Did, public_of
from ...protocol.errors import Code, GrantRefused
from ...protocol.helped import is_lease
from ...protocol.limits import DEVICES_MAX
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from .peers import Pair, Peers

# What this node itself stored was verified when it came.
_certificate = lru_cache(maxsize=4096)(parse_certificate)


@dataclass(frozen=True, slots=True)
class PeerDevice:
    """A device that serves for a peer, and addresses to try."""

    certificate: Certificate
    addresses: tuple[str, ...]

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
        others = [
            one
            for one in self._others(tx, fresh).values()
            if now_ms < one.certificate.exp_s * 1000 and one.addresses
        ]
        others.sort(key=lambda one: -one.certificate.exp_s)
        return [PeerDevice(fresh.certificate, fresh.addresses), *others]

    def greeted(self, tx: Tx, pair: Pair, certificate: Certificate) -> None:
        """A device of the peer's has shown `certificate`; the newest says which one serves."""
        fresh = self._peers.pair(tx, pair.own, pair.their)
        newest = certificate.exp_s >= fresh.certificate.exp_s
        if certificate.device == fresh.certificate.device:
            if newest:
                self._peers.save(tx, replace(fresh, certificate=certificate))
            return
        others = self._others(tx, fresh)
        known = others.get(certificate.device)
        addresses = () if known is None else known.addresses
        if not newest:
            others[certificate.device] = PeerDevice(certificate, addresses)
            self._keep(tx, fresh, others)
            return
        others.pop(certificate.device, None)
        if fresh.certificate.persona == certificate.persona:
            others[fresh.certificate.device] = PeerDevice(fresh.certificate, fresh.addresses)
        self._keep(tx, fresh, others)
        # Where it listens may not be known yet: it may stand where the one before it stood.
        now = replace(fresh, certificate=certificate, addresses=addresses or fresh.addresses)
        self._peers.save(tx, now)

    def found_at(self, tx: Tx, pair: Pair, device: bytes, addresses: Sequence[str]) -> None:
        """A device of the peer's, which has greeted, was dialled at these addresses."""
        fresh = self._peers.pair(tx, pair.own, pair.their)
        if fresh.device == device:
            self._peers.save(tx, replace(fresh, addresses=tuple(addresses)))

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
            kept = replace(fresh, certificate=newest, addresses=args.addresses)
            self._peers.save(tx, kept)
            return "known"
        others = self._others(tx, fresh)
        known = others.get(certificate.device)
        if known is not None and known.certificate.exp_s > certificate.exp_s:
            certificate = known.certificate
        others[certificate.device] = PeerDevice(certificate, args.addresses)
        self._keep(tx, fresh, others)
        return "known"

    def vouching(self, tx: Tx, pair: Pair) -> frozenset[Did]:
        """The devices that the peer's persona has certified to this node, for more than serving
        reads: whose heads of segments are the peer's word, whoever shows them."""
        fresh = self._peers.pair(tx, pair.own, pair.their)
        return frozenset((fresh.certificate.device, *self._others(tx, fresh)))

    def forget(self, tx: Tx, pair: Pair) -> None:
        """Only the device that the pair names serves: the others were left behind."""
        self._objects.delete(tx, Kind.PEER_DEVICE, [pair.own, pair.their])

    def _others(self, tx: Tx, pair: Pair) -> dict[Did, PeerDevice]:
        value = self._objects.get(tx, Kind.PEER_DEVICE, [pair.own, pair.their])
        found: dict[Did, PeerDevice] = {}
        for item in value if isinstance(value, list) else ():
            match item:
                case [bytes(raw), list(addresses)]:
                    certificate = _certificate(raw)
                    told = tuple(one for one in addresses if isinstance(one, str))
                    found[certificate.device] = PeerDevice(certificate, told)
                case _:
                    raise StoreDamaged("the devices of a peer stand in the store in another form")
        return found

    def _keep(self, tx: Tx, pair: Pair, others: dict[Did, PeerDevice]) -> None:
        """Keep the newest; what a peer can make this node hold has an end."""
        newest = sorted(others.values(), key=lambda one: -one.certificate.exp_s)[: DEVICES_MAX - 1]
        value: Value = [[one.certificate.signed.raw, list(one.addresses)] for one in newest]
        self._objects.put(tx, Kind.PEER_DEVICE, [pair.own, pair.their], value)

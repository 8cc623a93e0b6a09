"""Served by: which helpers a peer has told this node of, that may serve while it is away.

A peer says which device may serve for it, at which addresses, and what it calls its owner
(`/helper/serves`).  The lease that came with that shows that the peer meant this device; the one
that holds is shown by the helper itself when it is greeted.  Reads go there and nothing else, and
only when the peer does not answer.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...protocol.command import HelperServesArgs
from ...protocol.did import Did, did_of, public_of
from ...protocol.errors import Code, GrantRefused
from ...protocol.helped import is_lease
from ...protocol.limits import HELPERS_MAX
from ...protocol.persona import parse_certificate
from ...protocol.wire import Value
from ..peers.peer_devices import PeerDevices
from ..peers.peers import Pair, fit_name
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects


@dataclass(frozen=True, slots=True)
class ServedBy:
    """A device of a helper: its 32-byte key, where it listens, what the peer calls its owner.

    `persona` is the peer's, as which it said so; `until_s` the end of the lease that came with it.
    """

    device: bytes
    addresses: tuple[str, ...]
    name: str
    persona: Did
    until_s: int

    def value(self) -> Value:
        return [self.device, list(self.addresses), self.name, self.persona, self.until_s]


class ServedBys:
    """The helpers of every peer, as told."""

    def __init__(self, objects: Objects, devices: PeerDevices) -> None:
        self._objects = objects
        self._devices = devices

    def of(self, tx: Tx, pair: Pair) -> list[ServedBy]:
        """The helpers of a peer; what an earlier persona of its said does not count any more."""
        value = self._objects.get(tx, Kind.SERVED_BY, [pair.own, pair.their])
        return [one for one in _read(value) if one.persona == pair.their_now]

    def named(self, tx: Tx, own: str, their: str, device: str) -> str | None:
        """What the peer calls the owner of a device that is one of its helpers."""
        value = self._objects.get(tx, Kind.SERVED_BY, [own, their])
        return next((one.name for one in _read(value) if did_of(one.device) == device), None)

    def told(self, tx: Tx, pair: Pair, args: HelperServesArgs, now_ms: int) -> Value:
        """A peer says who serves while it is away, or does not any more.

        Raises GrantRefused, CapabilityError, WireError, BadSignature for a lease that is none, or
        of another persona.
        """
        lease = parse_certificate(args.cert)
        if not is_lease(lease):
            raise GrantRefused("a helper is named by a lease, and this is none", Code.COMMAND)
        if lease.persona != pair.their_now:
            raise GrantRefused("a lease is of another persona", Code.AUDIENCE)
        device = public_of(lease.device)
        if lease.device in self._devices.vouching(tx, pair):
            raise GrantRefused("a device of the owner's own is no helper", Code.AUDIENCE)
        others = [one for one in self.of(tx, pair) if one.device != device]
        if args.addresses:
            lease.check(now_ms, device)
            others.append(
                ServedBy(device, args.addresses, fit_name(args.name), lease.persona, lease.exp_s)
            )
        value: Value = [one.value() for one in others[-HELPERS_MAX:]]
        self._objects.put(tx, Kind.SERVED_BY, [pair.own, pair.their], value)
        return "known"


def _read(value: Value) -> Sequence[ServedBy]:
    found: list[ServedBy] = []
    for item in value if isinstance(value, list) else ():
        match item:
            case [bytes(device), list(addresses), str(name), str(persona), int(until_s)]:
                told = tuple(one for one in addresses if isinstance(one, str))
                found.append(ServedBy(device, told, name, Did(persona), until_s))
            case _:
                raise StoreDamaged("the helpers of a peer stand in the store in another form")
    return found

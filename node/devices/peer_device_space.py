"""The devices of each peer, as two devices of this person compare them.

    of a device that a peer has certified the newest certificate, what was told last of where it
    listens; of more than are kept of a peer, those with the newest certificates

So a device that joins, or was off, reaches a peer at whichever of the peer's devices is there, also
one of which only another device has heard.  Those that were certified by an earlier persona of the
peer, as this device knows it, are neither told nor taken: the peer has left them behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...protocol.errors import WireError
from ...protocol.helped import is_lease
from ...protocol.wire import Value
from ..peers.peer_devices import PeerDevices, devices_from_value, devices_value
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .row_spaces import name_and_value
from .space import Taking, WholeSpace, arriving, row_id

_NAME: Final = "peer-devices"


@dataclass(frozen=True, slots=True)
class PeerDeviceSpace(WholeSpace):
    """A row for each peer of which more is known than which device greeted last."""

    objects: Objects
    peers: Peers
    devices: PeerDevices
    name: str = _NAME
    sets: tuple[Value, ...] = (
        Kind.PEER_DEVICE.value,
        Kind.PAIR.value,
        Kind.READING_PAIR.value,
    )

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        found: dict[bytes, Value] = {}
        for name, _ in self.objects.all(tx, Kind.PEER_DEVICE):
            pair = self._pair(tx, name)
            known = {} if pair is None else self.devices.known(tx, pair)
            if known:
                value = devices_value(known)
                found[row_id(self.name, name, value)] = [name, value]
        return found

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        changed = 0
        for row in rows:
            name, value = name_and_value(row)
            with arriving():
                told = devices_from_value(value)
            if any(is_lease(one.certificate) for one in told.values()):
                raise WireError("a lease is a helper's, and no device of the peer's")
            pair = self._pair(tx, name)
            # Of a peer that is not known yet it comes again.
            changed += pair is not None and self.devices.add(tx, pair, told)
        return changed

    def _pair(self, tx: Tx, name: Value) -> Pair | None:
        """The peer of a row; None if it is none here, or another device of this person."""
        match name:
            case [str(own), str(their)]:
                pair = self.peers.find(tx, own, their)
            case _:
                raise WireError("the devices of a peer stand under another name than its own")
        if pair is None or [pair.own, pair.their] != name:
            return None
        return None if pair.own == self.peers.device_persona(tx) else pair

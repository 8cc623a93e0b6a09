"""Devices that served for this home before, and those that were left behind.

    before   the backup that was restored came from it; it may still run, or be in other hands
    left     its person has removed it: every persona that it had was followed

Another of the person's devices, still in use, is a row of its own (`own_device.py`).  A home that
was restored by an earlier version kept no row: the certificates in its log name the devices that
served for its personas.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ...protocol.did import Did, check_did, did_of
from ...protocol.errors import ProtocolError
from ...protocol.persona import parse_certificate
from ..errors import NotFound, UsageError
from ..keystore import Keystore
from ..peers.peers import Peers
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from .own_device import OwnDevice

# As many characters of a DID as tell two devices apart, and no fewer.
DID_CHARS_MIN = 12


class Was(StrEnum):
    """What became of a device that is not this one."""

    BEFORE = "before"
    LEFT = "left"
    SIBLING = "sibling"


@dataclass(frozen=True, slots=True)
class OtherDevice:
    """A device that is not this one.  `t_ms`: since when it is what it `was`; 0 if unknown."""

    device: Did
    was: Was
    t_ms: int
    name: str | None = None


class LeftDevices:
    """The devices that are not this one."""

    def __init__(self, objects: Objects, peers: Peers, keystore: Keystore) -> None:
        self._objects = objects
        self._peers = peers
        self._device = did_of(keystore.device.public)

    def keep(self, tx: Tx, device: Did, was: Was, now_ms: int) -> None:
        """Keep what became of a device."""
        self._objects.put(tx, Kind.DEVICE_LEFT, device, [was.value, now_ms])

    def all(self, tx: Tx) -> list[OtherDevice]:
        """Every device but this, as far as this home knows."""
        found: dict[str, OtherDevice] = {}
        for device in self._certified(tx):
            found[device] = OtherDevice(device, Was.BEFORE, 0)
        for name, value in self._objects.all(tx, Kind.OWN_DEVICE):
            row = OwnDevice.from_value(value)
            was = Was.LEFT if row.left else Was.SIBLING
            if name != self._device:
                found[row.device] = OtherDevice(row.device, was, row.since_ms, row.name)
        for name, value in self._objects.all(tx, Kind.DEVICE_LEFT):
            match name, value:
                case str(), [str(how), int(t_ms)]:
                    before = found.get(name)
                    called = None if before is None else before.name
                    found[name] = OtherDevice(check_did(name), Was(how), t_ms, called)
                case _:
                    raise StoreDamaged("a device in the store has not the form of one")
        found.pop(self._device, None)
        return sorted(found.values(), key=lambda one: (one.t_ms, one.device))

    def named(self, tx: Tx, name: str | None) -> OtherDevice:
        """The device called `name`, or whose DID begins so; the only one there is for None.

        Raises NotFound, UsageError for a device that was left behind already, or more than one.
        """
        known = self.all(tx)
        if name is None:
            found = [one for one in known if one.was is not Was.LEFT]
        else:
            found = [one for one in known if _is_called(one, name)]
        if not found:
            raise NotFound(
                "this home knows of no such device: it has had "
                + (f"only {_listed(known)}" if known else "no other than this one")
            )
        if len(found) > 1:
            raise UsageError(f"there is more than one such device: {_listed(found)}")
        if found[0].was is Was.LEFT:
            raise UsageError("that device was left behind already")
        return found[0]

    def _certified(self, tx: Tx) -> set[Did]:
        """The devices that personas of ours have certified, by the certificates of the log."""
        own = {persona.did for _, persona in self._peers.lines(tx)}
        own |= {did for name, _ in self._objects.all(tx, Kind.PERSONA_LEFT) if (did := _did(name))}
        found: set[Did] = set()
        for _, raw in self._objects.all(tx, Kind.CERTIFICATE):
            if not isinstance(raw, bytes):
                continue
            try:
                certificate = parse_certificate(raw)
            except ProtocolError:
                continue  # the log says so when it is verified
            if certificate.persona in own:
                found.add(certificate.device)
        return found


def _did(name: object) -> Did | None:
    return check_did(name) if isinstance(name, str) else None


def _is_called(one: OtherDevice, name: str) -> bool:
    by_did = len(name) >= DID_CHARS_MIN and one.device.startswith(name)
    return by_did or (one.name is not None and one.name == name)


def _listed(devices: list[OtherDevice]) -> str:
    return ", ".join(one.name or one.device for one in devices[:8])

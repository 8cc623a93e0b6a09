"""The devices of this person, in the store: who they are, and when each was last heard.

A device knows the others by a persona that nobody else knows, so no peer can link two of them by
it; each two of them are a pair like any other, with a key that follows from the secret that own
devices share, and each witnesses the log of the other without being asked.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...crypto.entropy import Entropy
from ...crypto.keys import KEY_BYTES, PersonaKey, ReaderSecret
from ...protocol.did import Did, did_of
from ...protocol.errors import Code, GrantRefused
from ...protocol.joining import sibling_key
from ...protocol.limits import ADDRESSES_MAX, DEVICES_MAX
from ...protocol.persona import Inception, make_inception
from ..errors import NodeError, NotFound, UsageError
from ..keystore import Keystore
from ..log.witnesses import Witnesses
from ..log.witnessing import Witnessing
from ..peers.peers import DEVICE_PERSONA, OwnPersona, Pair, Peers, clean_name
from ..store.database import Tx
from ..store.objects import Kind, Objects
from ..store.stamps import Stamps
from .own_device import OwnDevice, later

_FAMILY = "own-devices-secret"
_FAMILY_NUMBER = "own-devices-secret-number"
# What a device is told unless its person says otherwise.
SERVES_WITHIN_S = 86_400


class OwnDevices:
    """This device among the others of its person."""

    def __init__(
        self,
        *,
        objects: Objects,
        peers: Peers,
        keystore: Keystore,
        witnesses: Witnesses,
        witnessing: Witnessing,
        stamps: Stamps,
        entropy: Entropy,
        name: str,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._witnesses = witnesses
        self._witnessing = witnessing
        self._stamps = stamps
        self._entropy = entropy
        self._name = name
        self.device = did_of(keystore.device.public)

    # this one

    def begin(self, tx: Tx, addresses: Sequence[str], now_ms: int) -> OwnDevice:
        """This device's own row; made, with its persona, when it is first asked for."""
        found = self.find(tx, self.device)
        if found is None:
            key = PersonaKey.generate(self._entropy)
            persona = self.be(tx, key, ReaderSecret.generate(self._entropy), now_ms)
            self._objects.put(tx, Kind.SETTING, _FAMILY, self._entropy.random_bytes(KEY_BYTES))
            found = OwnDevice(
                persona.inception,
                persona.certificate,
                clean_name(self._name),
                now_ms,
                tuple(addresses[:ADDRESSES_MAX]),
                None,
                now_ms,
            )
            self._put(tx, found)
        return found

    def be(
        self,
        tx: Tx,
        key: PersonaKey,
        reader: ReaderSecret,
        now_ms: int,
        inception: Inception | None = None,
    ) -> OwnPersona:
        """Keep the persona by which this device is known to the others; `inception` is what it has
        shown already."""
        persona = self._persona(key, reader, now_ms, inception)
        self._stamps.watched = True
        self._objects.add(tx, Kind.PERSONA, persona.did, persona.value())
        self._objects.put(tx, Kind.SETTING, DEVICE_PERSONA, persona.did)
        return persona

    def _persona(
        self, key: PersonaKey, reader: ReaderSecret, now_ms: int, inception: Inception | None
    ) -> OwnPersona:
        if inception is None:
            # It is left behind with its device and never followed: its promise is of no key at all.
            nothing = self._entropy.random_bytes(KEY_BYTES)
            inception = make_inception(key, reader_key=reader.public, next_digest=nothing)
        return OwnPersona(key, (reader,), inception, self._peers.certify(key, now_ms))

    def family(self, tx: Tx) -> bytes:
        """The secret that only this person's devices share.  Raises NotFound."""
        value = self._objects.get(tx, Kind.SETTING, _FAMILY)
        if not isinstance(value, bytes):
            raise NotFound("this node has no other devices: see `entrenous devices invite`")
        return value

    def join(self, tx: Tx, family: bytes, rows: Sequence[OwnDevice], now_ms: int) -> None:
        """This device was given the secret of the others, and who they are."""
        self._objects.put(tx, Kind.SETTING, _FAMILY, family)
        for row in rows:
            self.take(tx, row, now_ms)

    def listens(self, tx: Tx, addresses: Sequence[str], now_ms: int) -> bool:
        """Tell the others where this device listens, and that its certificate was renewed; False
        if they know, or there are none."""
        row = self.find(tx, self.device)
        if row is None:
            return False
        persona = self._peers.persona(tx, row.persona)
        fresh = replace(
            row,
            certificate=persona.certificate,
            addresses=tuple(addresses[:ADDRESSES_MAX]) or row.addresses,
        )
        if fresh == row:
            return False
        self._put(tx, replace(fresh, t_ms=max(now_ms, row.t_ms + 1)))
        return True

    def leave(self, tx: Tx, device: Did, now_ms: int) -> None:
        """Leave a device behind: it is spoken with no more, and what it knew that only own devices
        know is replaced.  The others hear of it from this one."""
        if self._objects.has(tx, Kind.SETTING, _FAMILY):
            number, _ = self.family_row(tx)
            self.take_family(tx, number + 1, self._entropy.random_bytes(KEY_BYTES))
        row = self.find(tx, device)
        if row is not None:
            self.take(tx, replace(row, left=True, t_ms=max(now_ms, row.t_ms + 1)), now_ms)

    def family_row(self, tx: Tx) -> tuple[int, bytes]:
        """The secret that only this person's devices share, and how often it was replaced."""
        number = self._objects.get(tx, Kind.SETTING, _FAMILY_NUMBER)
        return number if isinstance(number, int) else 0, self.family(tx)

    def take_family(self, tx: Tx, number: int, secret: bytes) -> None:
        """Share `secret` from now on.  The keys of pairs that there are stay."""
        self._objects.put(tx, Kind.SETTING, _FAMILY_NUMBER, number)
        self._objects.put(tx, Kind.SETTING, _FAMILY, secret)

    def stand_alone(self, tx: Tx) -> None:
        """This home was restored: it is none of the devices that it knew, and lets others join
        anew."""
        own = self._peers.device_persona(tx)
        for pair in self._peers.siblings(tx):
            for kind in (Kind.PAIR, Kind.WITNESS, Kind.WITNESSED):
                self._objects.delete(tx, kind, [pair.own, pair.their])
        if own is not None:
            self._objects.delete(tx, Kind.PERSONA, own)
        for kind in (Kind.OWN_DEVICE, Kind.DEVICE_INVITE):
            for name, _ in self._objects.all(tx, kind):
                self._objects.delete(tx, kind, name)
        for name in (DEVICE_PERSONA, _FAMILY, _FAMILY_NUMBER):
            self._objects.delete(tx, Kind.SETTING, name)

    # all

    def all(self, tx: Tx) -> list[OwnDevice]:
        """Every device of this person, this one too, in the order in which they joined."""
        found = [OwnDevice.from_value(value) for _, value in self._objects.all(tx, Kind.OWN_DEVICE)]
        return sorted(found, key=lambda row: (row.since_ms, row.device))

    def others(self, tx: Tx) -> list[OwnDevice]:
        """The other devices, without those that were left behind."""
        return [row for row in self.all(tx) if row.device != self.device and not row.left]

    def find(self, tx: Tx, device: Did) -> OwnDevice | None:
        value = self._objects.get(tx, Kind.OWN_DEVICE, device)
        return None if value is None else OwnDevice.from_value(value)

    def named(self, tx: Tx, name: str) -> OwnDevice:
        """The device that the person calls `name`, or whose DID begins so.  Raises NotFound,
        UsageError for a name that two have."""
        rows = self.all(tx)
        found = [row for row in rows if row.name == name] or [
            row for row in rows if len(name) >= 12 and row.device.startswith(name)
        ]
        if not found:
            raise NotFound("no device is called that: see `entrenous devices`")
        if len(found) > 1:
            raise UsageError("two devices are called that: name it by its DID")
        return found[0]

    def change(
        self, tx: Tx, row: OwnDevice, now_ms: int, *, name: str, serves_within_s: int | None
    ) -> None:
        """The person renames a device, or tells it how long it may serve alone."""
        fresh = replace(row, name=clean_name(name), serves_within_s=serves_within_s)
        self._put(tx, replace(fresh, t_ms=max(now_ms, row.t_ms + 1)))

    def take(self, tx: Tx, row: OwnDevice, now_ms: int) -> bool:
        """Keep what another device says of one, and become a pair with it if it is new; whether
        anything changed.  Raises GrantRefused for more devices than a person has."""
        known = self.find(tx, row.device)
        if known is None and len(self.all(tx)) >= DEVICES_MAX:
            raise GrantRefused(f"a person has at most {DEVICES_MAX} devices", Code.TOO_MUCH)
        if known is not None and known.persona != row.persona:
            raise GrantRefused("a device is known by another persona", Code.AUDIENCE)
        held = row if known is None else later(known, row)
        if held != known:
            self._put(tx, held)
        if row.device != self.device:
            self._pair(tx, held, now_ms)
        return held != known

    def _put(self, tx: Tx, row: OwnDevice) -> None:
        self._objects.put(tx, Kind.OWN_DEVICE, row.device, row.value())

    def _pair(self, tx: Tx, row: OwnDevice, now_ms: int) -> None:
        """Speak with a device as with a peer; not any more with one that was left behind."""
        own = self._peers.device_persona(tx)
        if own is None:
            raise NodeError("this device has no persona for the others")
        found = self._peers.find(tx, own, row.persona)
        if row.left:
            if found is not None:
                self._objects.delete(tx, Kind.PAIR, [own, row.persona])
                self._objects.delete(tx, Kind.WITNESS, [own, row.persona])
            return
        if found is None:
            found = Pair(
                name=row.name,
                own=own,
                inception=row.inception,
                certificate=row.certificate,
                key=sibling_key(self.family(tx), own, row.persona),
                addresses=row.addresses,
                withdrawn=frozenset(),
                paired_ms=now_ms,
            )
            self._objects.add(tx, Kind.PAIR, [own, row.persona], found.value())
            self._witnesses.add_sibling(tx, found, now_ms)
            self._witnessing.add_sibling(tx, found, now_ms)
            return
        newest = max(found.certificate, row.certificate, key=lambda one: one.exp_s)
        fresh = replace(found, name=row.name, certificate=newest, addresses=row.addresses)
        if fresh != found:
            self._peers.save(tx, fresh)

    # when they spoke

    def synced(self, tx: Tx, device: Did, at_ms: int) -> None:
        """At `at_ms` this device had all that `device` had."""
        self._objects.put(tx, Kind.SPOKE, device, at_ms)

    def synced_ms(self, tx: Tx, device: Did) -> int | None:
        value = self._objects.get(tx, Kind.SPOKE, device)
        return value if isinstance(value, int) else None

    def serves_until_ms(self, tx: Tx) -> int | None:
        """Until when this device may serve without speaking with another; None: always."""
        row = self.find(tx, self.device)
        if row is None or row.serves_within_s is None:
            return None
        if not (others := self.others(tx)):
            return None
        spoken = [self.synced_ms(tx, other.device) for other in others]
        # One that has spoken with none of them counts from when the first came: before, it was the
        # only one, and there was nobody to hear of.
        never_ms = max(row.since_ms, min(other.since_ms for other in others))
        last_ms = max((one for one in spoken if one is not None), default=never_ms)
        return last_ms + row.serves_within_s * 1000

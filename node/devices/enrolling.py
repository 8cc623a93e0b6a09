"""Enrolling: this device lets another one join it.

    invite ──▸ a link ──/device/join──▸ waiting ──the person types six digits──▸ given
                             └─ another inception: refused     └─ three wrong: void

What is given is made and kept in the unit of work that takes the new device among the others, and
given again, byte for byte, to the same inception, since an answer can be lost.  It stands in the
store, sealed to that device, until a week after the link's end.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...crypto.digest import equal
from ...crypto.entropy import Entropy
from ...protocol.command import SECRET_BYTES, PairOpenArgs
from ...protocol.command_device import JoinOut
from ...protocol.did import Did, did_of
from ...protocol.errors import Code, GrantRefused
from ...protocol.joining import JOIN_LIFE_S, Given, join_code, seal_given
from ...protocol.limits import ADDRESSES_MAX, DEVICE_CHUNK_BYTES_MAX, SIGNED_BYTES_MAX, TIME_S_MAX
from ...protocol.pairing import Invite, introduction
from ...protocol.persona import Inception, parse_certificate, parse_inception
from ...protocol.wire import Body, Value
from ..config import Config
from ..errors import NotFound
from ..household.household import Household
from ..keystore import Keystore
from ..peers.peers import Peers, fit_name
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .own_device import OwnDevice
from .own_devices import OwnDevices

WRONG_CODES_MAX = 3
# So long after a link has ended, what was given is given again.
_KEPT_S = 7 * 86_400
_KEYS = ("exp_s", "serves_within_s", "wrong", "inception", "cert", "name", "addresses", "sealed")


@dataclass(frozen=True, slots=True)
class DeviceInvite:
    """A link that was made, and who has come with it.  `sealed`: what it was given."""

    secret: bytes
    exp_s: int
    serves_within_s: int | None
    wrong: int = 0
    inception: bytes | None = None
    cert: bytes | None = None
    name: str | None = None
    addresses: tuple[str, ...] = ()
    sealed: bytes | None = None

    def __repr__(self) -> str:
        return f"<link for a device, until {self.exp_s}>"

    def value(self) -> Value:
        return {
            "exp_s": self.exp_s,
            "serves_within_s": self.serves_within_s,
            "wrong": self.wrong,
            "inception": self.inception,
            "cert": self.cert,
            "name": self.name,
            "addresses": list(self.addresses),
            "sealed": self.sealed,
        }

    @classmethod
    def from_row(cls, name: Value, value: Value) -> DeviceInvite:
        body = Body.open(value, "a link for a device in the store", _KEYS)
        addresses = body.items("addresses", items_max=ADDRESSES_MAX)
        return cls(
            name if isinstance(name, bytes) else b"",
            body.integer("exp_s"),
            body.maybe_integer("serves_within_s", high=TIME_S_MAX),
            body.integer("wrong"),
            body.maybe_data("inception", bytes_max=SIGNED_BYTES_MAX),
            body.maybe_data("cert", bytes_max=SIGNED_BYTES_MAX),
            body.maybe_text("name"),
            tuple(one for one in addresses if isinstance(one, str)),
            body.maybe_data("sealed", bytes_max=DEVICE_CHUNK_BYTES_MAX),
        )


class Enrolling:
    """The older device's side of joining."""

    def __init__(
        self,
        *,
        objects: Objects,
        peers: Peers,
        devices: OwnDevices,
        keystore: Keystore,
        household: Household,
        config: Config,
        entropy: Entropy,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._devices = devices
        self._keystore = keystore
        self._household = household
        self._config = config
        self._entropy = entropy

    def invite(
        self, tx: Tx, addresses: Sequence[str], serves_within_s: int | None, now_ms: int
    ) -> Invite:
        """Make a link for one device: one use, a quarter of an hour.  One made before, with which
        nobody has joined, is void."""
        self._devices.begin(tx, addresses, now_ms)
        for one in self._all(tx):
            if one.sealed is None or (one.exp_s + _KEPT_S) * 1000 <= now_ms:
                self._objects.delete(tx, Kind.DEVICE_INVITE, one.secret)
        secret = self._entropy.random_bytes(SECRET_BYTES)
        made = DeviceInvite(secret, now_ms // 1000 + JOIN_LIFE_S, serves_within_s)
        self._put(tx, made)
        device = self._keystore.device.public
        return Invite(device, tuple(addresses[:ADDRESSES_MAX]), secret, made.exp_s)

    def join(
        self,
        tx: Tx,
        args: PairOpenArgs,
        iss: Did,
        transport: bytes,
        now_ms: int,
        serves: bool = True,
    ) -> Value:
        """A device asks to join: what it is answered.

        One that was given it already is given the same again, also by a node that `serves` nothing.
        Raises GrantRefused for a secret that opens nothing, or has been used; ProtocolError,
        CryptoError for what does not introduce it.
        """
        found = next((one for one in self._all(tx) if equal(one.secret, args.secret)), None)
        if found is None:
            raise GrantRefused("this link is not known here, or is void", Code.UNPAIRED)
        new = introduction(args, device=transport, now_ms=now_ms, iss=iss)
        raw = new.inception.signed.raw
        if found.inception is not None and found.inception != raw:
            raise GrantRefused("another device has used this link already", Code.REPLAY)
        if found.sealed is not None:
            return JoinOut("joined", found.sealed).value()
        if not serves:
            raise GrantRefused(
                "this device serves nothing until it has heard another device of its person, or a "
                "witness: let one of them run, then try again",
                Code.SUSPENDED,
            )
        if now_ms >= found.exp_s * 1000:
            raise GrantRefused("this link has expired: make a new one", Code.EXPIRED)
        if found.inception is None:
            came = replace(
                found,
                inception=raw,
                cert=new.certificate.signed.raw,
                name=fit_name(new.name),
                addresses=new.addresses,
            )
            self._put(tx, came)
        return JoinOut("waiting", None).value()

    def waiting(self, tx: Tx, now_ms: int) -> list[DeviceInvite]:
        """The devices that have come and wait for the person's word."""
        return [
            one
            for one in self._all(tx)
            if one.inception is not None and one.sealed is None and now_ms < one.exp_s * 1000
        ]

    def confirm(self, tx: Tx, code: str, now_ms: int) -> OwnDevice | None:
        """Take the device that shows `code` among this person's; None if none does.

        After three that nobody shows, the links of those that wait are void.
        Raises NotFound if no device waits, NodeError if there are no more personas to share.
        """
        waiting = self.waiting(tx, now_ms)
        if not waiting:
            raise NotFound("no device waits to join: make a link with `entrenous devices invite`")
        for one in waiting:
            inception = parse_inception(one.inception or b"")
            if equal(self._code(one, inception).encode(), code.encode()):
                return self._give(tx, one, inception, now_ms)
        for one in waiting:
            if one.wrong + 1 >= WRONG_CODES_MAX:
                self._objects.delete(tx, Kind.DEVICE_INVITE, one.secret)
            else:
                self._put(tx, replace(one, wrong=one.wrong + 1))
        return None

    def _code(self, one: DeviceInvite, inception: Inception) -> str:
        device = self._keystore.device.public
        return join_code(one.secret, device=device, inception=inception.signed.cid)

    def _give(self, tx: Tx, one: DeviceInvite, inception: Inception, now_ms: int) -> OwnDevice:
        row = OwnDevice(
            inception,
            parse_certificate(one.cert or b""),
            one.name or "device",
            now_ms,
            one.addresses,
            one.serves_within_s,
            now_ms,
        )
        self._devices.take(tx, row, now_ms)
        first, end = self._peers.give_half(tx)
        given = Given(
            name=self._config.name,
            role=self._config.role.value,
            epochs=tuple(
                (epoch.name, epoch.secret.secret_bytes()) for epoch in self._keystore.every_epoch
            ),
            backup=self._keystore.backup_public,
            digests=b"".join(self._keystore.next_digests),
            next_list=self._keystore.next_list,
            first=first,
            end=end,
            family=self._devices.family(tx),
            devices=tuple(known.value() for known in self._devices.all(tx)),
            serves_within_s=one.serves_within_s,
            people=self._household.give_numbers(tx),
        )
        sealed = seal_given(
            given,
            older=did_of(self._keystore.device.public),
            newer=row.device,
            inception=inception,
            entropy=self._entropy,
        )
        self._put(tx, replace(one, sealed=sealed))
        return row

    def _all(self, tx: Tx) -> list[DeviceInvite]:
        found = self._objects.all(tx, Kind.DEVICE_INVITE)
        return [DeviceInvite.from_row(name, value) for name, value in found]

    def _put(self, tx: Tx, one: DeviceInvite) -> None:
        self._objects.put(tx, Kind.DEVICE_INVITE, one.secret, one.value())

"""Joining: a new device becomes another device of the same person, by a link that is used once.

    older device                                       new device
       │  link: device key, addresses, secret, expiry     │
       │ ───────────────── by eye or hand ──────────────> │
       │ <──── dials; the transport proves the device ─── │
       │ <──── /device/join {secret, inception, cert} ─── │   a persona for own devices only
       │  keeps who asks; the secret is spent             │
       │ ───── waiting ─────────────────────────────────> │   shows six digits
       │  the person types the digits they see there      │
       │ ───── joined, what it is given, sealed to it ──> │

What is given opens everything, so the secret alone is not enough: whoever read the link first has
another inception, and so other digits, than the machine in front of the person.  The digits follow
from the secret, the older device's key and the inception; nobody who lacks the secret can aim at
them, three wrong ones void the link, and a second inception is refused.

What is given is sealed to the reader key that the new device's inception names, under the two
device keys and that inception.  It is the secrets of the vault and what belongs to no row; all else
is brought over afterwards (`command_device.py`).

Source: docs/adr/0023-several-devices.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..crypto.canonical import encode
from ..crypto.digest import kdf
from ..crypto.entropy import Entropy
from ..crypto.keys import KEY_BYTES, PairKey, ReaderSecret
from ..crypto.labels import Derive, Tag, label
from ..crypto.seal import open_sealed, seal
from .collection import PEOPLE_MAX
from .did import Did
from .errors import CapabilityError, Code, WireError
from .limits import DEVICE_CHUNK_BYTES_MAX, LINE_CHARS_MAX, TIME_S_MAX
from .pairing import SCHEME, Invite, parse_link
from .persona import Inception
from .wire import VERSION, Body, Value, decode

JOIN_SCHEME = "entrenous-device:"
CODE_DIGITS = 6
# Given to be typed; whoever reads a link over a shoulder has this long.
JOIN_LIFE_S = 15 * 60
EPOCH_NAME_BYTES = 16
EPOCHS_MAX = 1024
DIGESTS_MAX = 1024


def join_link(invite: Invite) -> str:
    """The link that a new machine is given.  Whoever reads it can ask to join: it is a secret."""
    return JOIN_SCHEME + invite.link().removeprefix(SCHEME)


def parse_join_link(text: str) -> Invite:
    """Read a link, as pasted.  Raises WireError, VersionError."""
    text = text.strip()
    if text.startswith(SCHEME):
        raise WireError(
            "this link pairs with another person's node: a device joins by the link that "
            "`entrenous devices invite` prints"
        )
    if not text.startswith(JOIN_SCHEME):
        raise WireError(f"this is not the link for a device: it begins with {JOIN_SCHEME}")
    return parse_link(SCHEME + text.removeprefix(JOIN_SCHEME))


def join_code(secret: bytes, *, device: bytes, inception: bytes) -> str:
    """The six digits that both devices reckon: `device` is the older one's 32-byte key,
    `inception` the CID of what the new one shows."""
    number = int.from_bytes(kdf(secret, Derive.DEVICE_CODE, device, inception), "big")
    return f"{number % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def sibling_key(family: bytes, one: Did, other: Did) -> PairKey:
    """The pair key of two devices of one person, from the secret that only these share."""
    first, second = sorted((one, other))
    return PairKey(kdf(family, Derive.OWN_DEVICES, first, second))


@dataclass(frozen=True, slots=True)
class Given:
    """What a new device is given.

    `epochs` are names and secrets of the vault, oldest first; `digests` all those of list
    `next_list`, of which `first … end` (exclusive) are its own; `family` is the secret of own
    devices; `devices` what is known of each, as rows; `serves_within_s` how long it may serve
    without having spoken with another; `people` from which number on it names people of the house,
    and below which.
    """

    name: str
    role: str
    epochs: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    backup: bytes
    digests: bytes
    next_list: int
    first: int
    end: int
    family: bytes = field(repr=False)
    devices: tuple[Value, ...]
    serves_within_s: int | None
    people: tuple[int, int]

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "name": self.name,
            "role": self.role,
            "epochs": [[name, secret] for name, secret in self.epochs],
            "backup": self.backup,
            "next": self.digests,
            "next_list": self.next_list,
            "first": self.first,
            "end": self.end,
            "family": self.family,
            "devices": list(self.devices),
            "serves_within_s": self.serves_within_s,
            "people": list(self.people),
        }


_KEYS = (
    "v",
    "name",
    "role",
    "epochs",
    "backup",
    "next",
    "next_list",
    "first",
    "end",
    "family",
    "devices",
    "serves_within_s",
    "people",
)


def _info(older: Did, newer: Did, inception: Inception) -> bytes:
    return encode([label(Tag.DEVICE_JOIN), older, newer, inception.signed.cid])


def seal_given(
    given: Given, *, older: Did, newer: Did, inception: Inception, entropy: Entropy
) -> bytes:
    """Seal to the new device what it is given.  `older` and `newer` are the device keys."""
    plain = encode(given.value())
    return seal(inception.reader_key, _info(older, newer, inception), plain, entropy=entropy)


def open_given(
    sealed: bytes, reader: ReaderSecret, *, older: Did, newer: Did, inception: Inception
) -> Given:
    """What this new device was given.  Raises BadCiphertext, WireError, CapabilityError."""
    raw = open_sealed(reader, _info(older, newer, inception), sealed)
    body = Body.open(decode(raw, bytes_max=DEVICE_CHUNK_BYTES_MAX), "what a device is given", _KEYS)
    digests = body.data("next", bytes_max=DIGESTS_MAX * KEY_BYTES)
    given = Given(
        body.text("name"),
        body.text("role"),
        tuple(_epoch(item) for item in body.items("epochs", items_max=EPOCHS_MAX, items_min=1)),
        body.data("backup", length=KEY_BYTES),
        digests,
        body.integer("next_list"),
        body.integer("first", high=DIGESTS_MAX),
        body.integer("end", high=DIGESTS_MAX),
        body.data("family", length=KEY_BYTES),
        tuple(body.items("devices", items_max=LINE_CHARS_MAX)),
        body.maybe_integer("serves_within_s", high=TIME_S_MAX),
        _numbers(body.value("people")),
    )
    if len(digests) % KEY_BYTES or not given.first <= given.end <= len(digests) // KEY_BYTES:
        raise CapabilityError("a device is given digests that are not there", Code.MALFORMED)
    return given


def rows_info(giver: Did, taker: Did, inv: bytes) -> bytes:
    """Under what rows are sealed on their way between two devices: their personas, and the CID of
    the call that asked for them."""
    return encode([label(Tag.DEVICE_ROWS), giver, taker, inv])


def _numbers(item: Value) -> tuple[int, int]:
    match item:
        case [int(first), int(end)] if (
            bool not in (type(first), type(end)) and 1 <= first <= end <= PEOPLE_MAX + 1
        ):
            return first, end
        case _:
            raise WireError("the numbers of people are a first one and an end")


def _epoch(item: Value) -> tuple[bytes, bytes]:
    match item:
        case [bytes(name), bytes(secret)] if (
            len(name) == EPOCH_NAME_BYTES and len(secret) == KEY_BYTES
        ):
            return name, secret
        case _:
            raise WireError("an epoch is a name of 16 bytes and a secret of 32")

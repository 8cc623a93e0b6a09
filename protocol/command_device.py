"""Several devices of one person: what the commands `/device/…` and `/pair/device` say and answer.

`/device/join` is said by a stranger with the secret of a link, as `/pair/open` is, and answered
"waiting" until the person has confirmed it on the older device.  `/device/have`, `/device/list` and
`/device/get` are said between own devices only: which spaces there are and a digest of each, the
ids of what is in one, some of it.  They ask and change nothing, so each is answered in full however
often it is said.  `/pair/device` tells a peer which other device serves for a persona, and where.

Source: docs/adr/0023-several-devices.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .address import check_addresses
from .command_parts import recipient
from .did import Did
from .errors import WireError
from .limits import (
    ADDRESSES_MAX,
    DEVICE_CHUNK_BYTES_MAX,
    DEVICE_IDS_MAX,
    DEVICE_ITEM_BYTES_MAX,
    DEVICE_SPACES_MAX,
    LINE_CHARS_MAX,
    SIGNED_BYTES_MAX,
    TOKEN_BYTES_MAX,
)
from .wire import VERSION, Body, Value

# Ids of what two devices compare, and digests over a whole space.
ID_BYTES = 16
_JOIN_STATES = ("waiting", "joined")


@dataclass(frozen=True, slots=True)
class JoinOut:
    """`waiting` for the person's word; `joined`, with what the device is given, sealed to it."""

    state: str
    sealed: bytes | None = field(repr=False)

    def value(self) -> Value:
        return {"v": VERSION, "state": self.state, "sealed": self.sealed}


@dataclass(frozen=True, slots=True)
class HaveArgs:
    """Which spaces the recipient has, by name, from the first after `after` on.

    `same`: a digest over all that the sender has, or nothing.  To one who has the same, no space
    is named: there is nothing to fetch.
    """

    to: Did
    after: str
    same: bytes = b""

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "after": self.after, "same": self.same}


@dataclass(frozen=True, slots=True)
class HaveOut:
    """Spaces by ascending name, each with a digest over what is in it.

    `more`: there are further ones, which did not fit.
    """

    spaces: tuple[tuple[str, bytes], ...]
    more: bool

    def value(self) -> Value:
        return {
            "v": VERSION,
            "spaces": [[name, digest] for name, digest in self.spaces],
            "more": self.more,
        }


@dataclass(frozen=True, slots=True)
class ListArgs:
    """The ids of what is in a space, from the first above `after` on."""

    to: Did
    space: str
    after: bytes

    def value(self) -> dict[str, Value]:
        return {"v": VERSION, "to": self.to, "space": self.space, "after": self.after}


@dataclass(frozen=True, slots=True)
class GetArgs:
    """Some of what is in a space, by its ids; of one that is large, the bytes from `offset` on."""

    to: Did
    space: str
    ids: tuple[bytes, ...]
    offset: int

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "space": self.space,
            "ids": list(self.ids),
            "offset": self.offset,
        }


@dataclass(frozen=True, slots=True)
class GetOut:
    """The first `count` of what was asked for, sealed to the device that asks.

    What is not there any more is counted and left out.  With `count` 0: of the first, which has
    `size` bytes, a piece.
    """

    count: int
    size: int
    sealed: bytes = field(repr=False)

    def value(self) -> Value:
        return {"v": VERSION, "count": self.count, "size": self.size, "sealed": self.sealed}


@dataclass(frozen=True, slots=True)
class PairDeviceArgs:
    """The device of a certificate serves for the sender's persona, at these addresses."""

    to: Did
    cert: bytes
    addresses: tuple[str, ...]

    def value(self) -> dict[str, Value]:
        return {
            "v": VERSION,
            "to": self.to,
            "cert": self.cert,
            "addresses": list(self.addresses),
        }


def join_out(out: Value) -> JoinOut:
    """Read what a joining device is answered.  Raises WireError."""
    body = Body.open(out, "the answer to a joining device", ("v", "state", "sealed"))
    found = JoinOut(body.text("state"), body.maybe_data("sealed", bytes_max=DEVICE_CHUNK_BYTES_MAX))
    if found.state not in _JOIN_STATES or (found.state == "joined") != (found.sealed is not None):
        raise WireError("a joining device is told to wait, or it is given something")
    return found


def have_args(body: Body) -> HaveArgs:
    same = body.data("same", bytes_max=ID_BYTES)
    if len(same) not in (0, ID_BYTES):
        raise WireError("a digest over what a device has is of 16 bytes, or left out")
    return HaveArgs(recipient(body), body.text("after"), same)


def have_out(out: Value) -> HaveOut:
    body = Body.open(out, "the spaces of a device", ("v", "spaces", "more"))
    spaces: list[tuple[str, bytes]] = []
    for item in body.items("spaces", items_max=DEVICE_SPACES_MAX):
        match item:
            case [str(name), bytes(digest)] if (
                0 < len(name) <= LINE_CHARS_MAX and len(digest) == ID_BYTES
            ):
                spaces.append((name, digest))
            case _:
                raise WireError("a space of a device is a name and a digest")
    return HaveOut(tuple(spaces), body.flag("more"))


def list_args(body: Body) -> ListArgs:
    after = body.data("after", bytes_max=ID_BYTES)
    return ListArgs(recipient(body), _space(body), after)


def ids_out(out: Value) -> bytes:
    """The ids, one after the other, ascending.  Raises WireError."""
    if not isinstance(out, bytes) or len(out) % ID_BYTES or len(out) > DEVICE_IDS_MAX * ID_BYTES:
        raise WireError("the ids of a space have 16 bytes each, and are not too many")
    ids = ids_of(out)
    if list(ids) != sorted(set(ids)):
        raise WireError("the ids of a space do not ascend")
    return out


def ids_of(joined: bytes) -> tuple[bytes, ...]:
    return tuple(joined[at : at + ID_BYTES] for at in range(0, len(joined), ID_BYTES))


def get_args(body: Body) -> GetArgs:
    ids = _ids(body.items("ids", items_max=DEVICE_IDS_MAX, items_min=1))
    offset = body.integer("offset", high=DEVICE_ITEM_BYTES_MAX)
    return GetArgs(recipient(body), _space(body), ids, offset)


def get_out(out: Value) -> GetOut:
    body = Body.open(out, "what a device hands over", ("v", "count", "size", "sealed"))
    return GetOut(
        body.integer("count", high=DEVICE_IDS_MAX),
        body.integer("size", high=DEVICE_ITEM_BYTES_MAX),
        body.data("sealed", bytes_max=SIGNED_BYTES_MAX),
    )


def pair_device_args(body: Body) -> PairDeviceArgs:
    return PairDeviceArgs(
        recipient(body),
        body.data("cert", bytes_max=TOKEN_BYTES_MAX),
        check_addresses(body.items("addresses", items_max=ADDRESSES_MAX), "a device of a peer"),
    )


def _space(body: Body) -> str:
    return body.text("space", chars_max=LINE_CHARS_MAX, chars_min=1)


def _ids(items: Sequence[Value]) -> tuple[bytes, ...]:
    found: list[bytes] = []
    for item in items:
        if not isinstance(item, bytes) or len(item) != ID_BYTES:
            raise WireError("the id of a row has 16 bytes")
        found.append(item)
    return tuple(found)

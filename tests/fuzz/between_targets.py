"""Targets: what two who know each other come to share: records, a line of personas, a device."""

from __future__ import annotations

from functools import cache
from typing import Final

from entrenous.crypto.errors import CryptoError
from entrenous.crypto.labels import Tag, label
from entrenous.crypto.seal import seal
from entrenous.node.operations.standing_told import rules_told
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import (
    CapabilityError,
    GrantRefused,
    RecordError,
    RemoteProtocolError,
    StatementError,
    WireError,
)
from entrenous.protocol.joining import Given, join_link, open_given, parse_join_link
from entrenous.protocol.pairing import Invite
from entrenous.protocol.place import make_place, parse_place, place_link
from entrenous.protocol.shared_proof import parse_proof
from entrenous.protocol.shared_record import parse_told, parse_version
from entrenous.protocol.standing_terms_file import standing_from_mapping, standing_value
from entrenous.protocol.succession import follow, steps_from_value
from entrenous.protocol.wire import decode, encode
from entrenous.tests.protocol import spec_devices
from entrenous.tests.protocol.spec_world import SEED, T_S, cast, introduced_person, random

from .examples import example
from .healing import healing
from .target import Form, Target, require, same

_LISTED: Final = (
    WireError,
    CryptoError,
    CapabilityError,
    GrantRefused,
    RecordError,
    StatementError,
)


def _version(data: bytes) -> object:
    found = parse_version(data)
    same(found.raw, data, "a version of a shared record has two forms")
    return found


def _told(data: bytes) -> object:
    found = parse_told(data)
    same(parse_told(found.raw), found, "what shows a record does not come back")
    return found.name


def _proof(data: bytes) -> object:
    found = parse_proof(data)
    same(parse_proof(found.raw).raw, found.raw, "a proof of a shared record does not come back")
    return found.whole


def _steps(data: bytes) -> object:
    value = decode(data)
    if not isinstance(value, list):
        raise WireError("not the steps of a line")
    steps = steps_from_value(value)
    present = introduced_person()[0]
    ahead = follow(present, steps)
    for step in ahead:
        require(step.old == present.did, "a line has a gap")
        present = step.inception
    return [step.new for step in ahead]


def _step_seeds() -> list[bytes]:
    other = spec_devices.step().value()
    return [encode([other]), encode([other, other]), encode([])]


@cache
def _inside() -> bytes:
    who = cast()
    given = Given(
        name="Home",
        role="person",
        epochs=((who.epoch, who.vault.secret_bytes()),),
        backup=random("backup key", 32),
        digests=random("digest", 32) * 2,
        next_list=0,
        first=0,
        end=2,
        family=random("family", 32),
        devices=(),
        serves_within_s=None,
        people=(50, 100),
    )
    return encode(given.value())


def _given(data: bytes) -> object:
    """Whatever the older device has sealed: it is opened, and read strictly."""
    who, inception = cast(), introduced_person()[0]
    older = did_of(who.person_device.public)
    newer = did_of(spec_devices.second_device().public)
    info = encode([label(Tag.DEVICE_JOIN), older, newer, inception.signed.cid])
    sealed = seal(inception.reader_key, info, data, entropy=SEED.fork("given"))
    found = open_given(sealed, who.person_reader, older=older, newer=newer, inception=inception)
    same(encode(found.value()), data, "what a device is given has two forms")
    return found.name


def _place(data: bytes) -> object:
    place = parse_place(data.decode("utf-8", "replace"))
    same(parse_place(place_link(place)), place, "a place has two forms")
    return place.exp_s


def _link(data: bytes) -> object:
    invite = parse_join_link(data.decode("utf-8", "replace"))
    same(parse_join_link(join_link(invite)), invite, "a link for a device has two forms")
    return invite.exp_s


def _link_seeds() -> list[bytes]:
    device = cast().person_device.public
    invite = Invite(device, ("/ip4/192.0.2.7/tcp/4001",), random("link for a device", 16), T_S)
    return [join_link(invite).encode(), invite.link().encode(), b"entrenous-device:"]


def _place_seeds() -> list[bytes]:
    place = make_place(cast().person_device.public, ("/ip4/192.0.2.7/tcp/4001",), T_S * 1000)
    return [place_link(place).encode(), place.link().encode(), b"entrenous-place:"]


def _standing(data: bytes) -> object:
    """Standing terms as a peer tells them, and as their owner keeps them."""
    value = decode(data)
    if not isinstance(value, dict):
        raise WireError("not standing terms")
    found = standing_from_mapping(value)
    again = standing_value(found)
    assert isinstance(again, dict)
    same(standing_from_mapping(again), found, "standing terms do not come back")
    return len(found.rules)


def _standing_seeds() -> list[bytes]:
    told = example("declining", "its out, opened")
    return [
        told,
        encode({"ask_again_days": 30}),
        encode({"rules": [{"name": "n", "does": "queue"}]}),
    ]


TARGETS = (
    Target(
        "standing-terms",
        _standing,
        ("protocol.standing_terms_file",),
        _standing_seeds,
        _LISTED,
        form=Form.VALUE,
    ),
    Target(
        "standing-told",
        rules_told,
        ("node.operations.standing_told",),
        _standing_seeds,
        (*_LISTED, RemoteProtocolError),
        form=Form.VALUE,
    ),
    Target(
        "shared-version",
        healing(_version),
        ("protocol.shared_record",),
        lambda: [example("shared", f"version {n} of the supplier's copy") for n in (0, 1)],
        _LISTED,
        form=Form.VALUE,
    ),
    Target(
        "shared-told",
        healing(_told),
        ("protocol.shared_record",),
        lambda: [example("shared", "told")],
        _LISTED,
        form=Form.VALUE,
    ),
    Target(
        "shared-proof",
        healing(_proof),
        ("protocol.shared_proof", "protocol.shared_copy"),
        lambda: [example("shared", "proof file of the newest versions")],
        _LISTED,
        form=Form.VALUE,
    ),
    Target(
        "line-of-personas",
        healing(_steps),
        ("protocol.succession",),
        _step_seeds,
        _LISTED,
        form=Form.VALUE,
    ),
    Target(
        "given-to-a-device",
        _given,
        ("protocol.joining",),
        lambda: [_inside()],
        _LISTED,
        form=Form.VALUE,
    ),
    Target(
        "link-for-a-device",
        _link,
        ("protocol.joining", "protocol.pairing"),
        _link_seeds,
        _LISTED,
        words=(b"entrenous-device:",),
    ),
    Target(
        "place",
        _place,
        ("protocol.place", "protocol.pairing"),
        _place_seeds,
        _LISTED,
        words=(b"entrenous-place:",),
    ),
)

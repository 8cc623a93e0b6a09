"""The worked examples of docs/spec.md on devices: one left behind, and two of one person."""

from __future__ import annotations

from functools import cache

from entrenous.crypto.canonical import encode
from entrenous.crypto.keys import DeviceKey, ReaderSecret
from entrenous.crypto.recovery import next_digest, next_key
from entrenous.protocol.command import GetArgs, HaveArgs, HaveOut, ListArgs, PairDeviceArgs
from entrenous.protocol.command_pair import PairOpenArgs
from entrenous.protocol.command_persona import SucceedArgs
from entrenous.protocol.did import did_of
from entrenous.protocol.persona import Certificate, make_certificate
from entrenous.protocol.succession import Step, make_step, next_pair_key
from entrenous.tests.protocol.spec_words import pair_key_of_the_two
from entrenous.tests.protocol.spec_world import (
    DAY_S,
    T_MS,
    T_S,
    Cbor,
    Example,
    cast,
    introduced_person,
    random,
)

SPACE = "grants"


@cache
def second_device() -> DeviceKey:
    return DeviceKey(random("second device of the person", 32))


def _certificate(key_of: str) -> Certificate:
    """Of the second device: by the person's persona, or by the one that follows it."""
    who = cast()
    key = who.person if key_of == "person" else next_key(who.recovery, 0, 0)
    return make_certificate(
        key, device=second_device(), cmds=("/",), exp_s=T_S + 30 * DAY_S, now_ms=T_MS
    )


@cache
def step() -> Step:
    recovery = cast().recovery
    return make_step(
        introduced_person()[0].did,
        next_key(recovery, 0, 0),
        reader_key=ReaderSecret(random("reader key after the theft", 32)).public,
        next_digest=next_digest(recovery, 1, 0),
        k=random("half key after the theft", 32),
    )


def succeed_args() -> SucceedArgs:
    """What the person says to the supplier once it is followed."""
    return SucceedArgs(did_of(cast().supplier.public), (step(),), _certificate("next"))


def succeeding() -> Example:
    """The person's first device was stolen; her persona towards the supplier is followed."""
    args = succeed_args()
    return [
        ("the inception that follows", Cbor(step().inception.signed.raw)),
        ("args of /persona/succeed", Cbor(encode(args.value()))),
        ("k_pair after it", next_pair_key(pair_key_of_the_two(), step()).secret_bytes()),
    ]


def several() -> Example:
    """The person's second device joins by a link; then the two compare what they hold."""
    inception, _ = introduced_person()
    certificate = _certificate("person")
    own, supplier = inception.did, did_of(cast().supplier.public)
    digest, row = random("digest of a space", 16), random("id of a row", 16)
    address = "/ip4/192.0.2.9/tcp/4001"
    join = PairOpenArgs(
        random("link for a device", 16),
        inception.signed.raw,
        certificate.signed.raw,
        "Laptop",
        random("half key of a device", 32),
        (address,),
    )
    told = PairDeviceArgs(supplier, certificate.signed.raw, (address,))
    return [
        ("args of /device/join", Cbor(encode(join.value()))),
        ("args of /device/have", Cbor(encode(HaveArgs(own, "").value()))),
        ("its out", Cbor(encode(HaveOut(((SPACE, digest),), more=False).value()))),
        ("args of /device/list", Cbor(encode(ListArgs(own, SPACE, b"").value()))),
        ("args of /device/get", Cbor(encode(GetArgs(own, SPACE, (row,), 0).value()))),
        ("args of /pair/device", Cbor(encode(told.value()))),
    ]

"""The worked example of docs/spec.md for a parcel: what is carried by hand."""

from __future__ import annotations

from entrenous.crypto.canonical import encode
from entrenous.crypto.seal import open_sealed
from entrenous.protocol.capability import Invocation, issue_invocation
from entrenous.protocol.command import Cmd, RequestArgs, RevokeArgs
from entrenous.protocol.counter import CounterWindow, counter_meta
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.limits import PARCEL_LIFE_S_MAX
from entrenous.protocol.parcel import MAGIC, Packing, seal_envelope
from entrenous.protocol.parcel_head import ParcelCall, ParcelHead, ParcelWord, make_head
from entrenous.protocol.receipt import make_answer
from entrenous.tests.protocol.spec_words import asked, receipt, revocation
from entrenous.tests.protocol.spec_world import (
    SEED,
    T_MS,
    T_S,
    Cbor,
    Example,
    cast,
    introduced_supplier,
    random,
)

N = 3


def told() -> Invocation:
    """What the person said in its second parcel: the grant is taken back."""
    who = cast()
    to = did_of(who.supplier.public)
    return issue_invocation(
        who.person,
        sub=did_of(who.person.public),
        aud=did_of(who.supplier_device.public),
        cmd=Cmd.REVOKE,
        args=RevokeArgs(to, revocation().signed.raw).value(),
        prf=(),
        exp=T_S + PARCEL_LIFE_S_MAX,
        nonce=random("nonce of the revocation in a parcel", 16),
        meta=counter_meta(2),
    )


def head() -> ParcelHead:
    """The supplier's third parcel for the person: it asks, and answers a revocation."""
    who = cast()
    to, aud = did_of(who.person.public), did_of(who.person_device.public)
    call = issue_invocation(
        who.supplier,
        sub=did_of(who.supplier.public),
        aud=aud,
        cmd=Cmd.REQUEST,
        args=RequestArgs(to, asked()).value(),
        prf=(),
        exp=T_S + PARCEL_LIFE_S_MAX,
        nonce=random("nonce of the call in a parcel", 16),
        meta=counter_meta(N),
    )
    certificate = introduced_supplier()[1]
    word = make_answer(
        who.supplier_device, inv=told().cid, code=Code.OK, out="known", t_ms=T_MS, prev=None
    )
    return make_head(
        who.supplier_device,
        to=to,
        aud=aud,
        n=N,
        made_ms=T_MS,
        exp_s=T_S + PARCEL_LIFE_S_MAX,
        certificate=certificate,
        last=receipt().cid,
        seen=CounterWindow(2, 0b11),
        calls=[ParcelCall(call.raw, (), ())],
        words=[ParcelWord(word.signed.raw, certificate.signed.raw)],
    )


def parcel() -> Example:
    who = cast()
    made = head()
    envelope, key = seal_envelope(
        sender=made.sender,
        to=made.to,
        reader_key=who.person_reader.public,
        entropy=SEED.fork("envelope of the parcel"),
    )
    info = encode(["entrenous/1/parcel-file", made.to, who.person_reader.public])
    packing = Packing(made, key, entropy=SEED.fork("stream of the parcel"))
    return [
        ("HPKE info of the envelope", Cbor(info)),
        ("the envelope, opened", Cbor(open_sealed(who.person_reader, info, envelope))),
        ("key of the stream", key.secret_bytes()),
        ("the head", Cbor(made.signed.raw)),
        ("the file", MAGIC + envelope + packing.start() + packing.end()),
    ]

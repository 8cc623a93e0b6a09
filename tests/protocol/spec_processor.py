"""The worked example of docs/spec.md on a processor: what is lent on to it, how it is let in."""

from __future__ import annotations

from functools import cache

from entrenous.crypto.canonical import encode
from entrenous.crypto.keys import DeviceKey, PersonaKey, ReaderSecret
from entrenous.protocol.command import LendArgs, MandateLendArgs, PairReadArgs, PairReadOut
from entrenous.protocol.did import did_of
from entrenous.protocol.grant import Bundle, issue_grant, issue_sub_grant, make_bundle
from entrenous.protocol.persona import Certificate, Inception, make_certificate, make_inception
from entrenous.protocol.processor import Processor
from entrenous.protocol.showing import reading_key
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window
from entrenous.tests.protocol.spec_words import terms
from entrenous.tests.protocol.spec_world import (
    DAY,
    DAY_S,
    PATH,
    T_MS,
    T_S,
    Cbor,
    Example,
    cast,
    introduced_person,
    random,
)


@cache
def device() -> DeviceKey:
    return DeviceKey(random("device of the processor", 32))


@cache
def processor() -> tuple[PersonaKey, ReaderSecret, Inception, Certificate]:
    key = PersonaKey(random("processor", 32))
    reader = ReaderSecret(random("reader key of the processor", 32))
    inception = make_inception(
        key, reader_key=reader.public, next_digest=random("next of the processor", 32)
    )
    certificate = make_certificate(
        key, device=device(), cmds=("/",), exp_s=T_S + 30 * DAY_S, now_ms=T_MS
    )
    return key, reader, inception, certificate


@cache
def named() -> Terms:
    line = Processor("Analytics", did_of(processor()[0].public)).line()
    return Terms(terms().purpose, 30, (line,), None, ())


@cache
def lent_on() -> Bundle:
    """Two days are granted to the supplier, which lends the first of them on to its processor."""
    who = cast()
    root = issue_grant(
        who.person,
        aud=did_of(who.supplier.public),
        windows=[Window(PATH, DAY, DAY + 1)],
        terms=named(),
        exp_s=T_S + 20 * DAY_S,
        nonce=random("nonce of a grant with a processor", 16),
    )
    sub = issue_sub_grant(
        who.supplier,
        [root],
        aud=did_of(processor()[0].public),
        windows=[Window(PATH, DAY, DAY)],
        terms=named(),
        exp_s=T_S + 10 * DAY_S,
        nonce=random("nonce of what is lent on to a processor", 16),
    )
    return make_bundle(
        who.supplier, sub, terms=named(), reader_key=processor()[1].public, chain=[root]
    )


def processing() -> Example:
    key, _, inception, certificate = processor()
    person, person_cert = introduced_person()
    bundle = lent_on()
    told = MandateLendArgs(did_of(cast().person.public), bundle.signed.raw)
    lend = LendArgs(
        did_of(key.public),
        bundle.signed.raw,
        person.signed.raw,
        person_cert.signed.raw,
        ("/ip4/192.0.2.7/tcp/4001",),
    )
    k_reader, k_owner = random("k of the processor", 32), random("k of the owner", 32)
    args = PairReadArgs(bundle.signed.raw, inception.signed.raw, certificate.signed.raw, k_reader)
    out = PairReadOut(person.signed.raw, person_cert.signed.raw, k_owner)
    pair = reading_key(
        k_reader=k_reader,
        k_owner=k_owner,
        reader=inception,
        owner=person,
        dlg=bundle.grant.cid,
    )
    return [
        ("terms that name the processor", Cbor(named().encode())),
        ("what is lent on", Cbor(bundle.signed.raw)),
        ("what is lent on: CID of its delegation", bundle.grant.cid),
        ("what the owner of the data is told", Cbor(encode(told.value()))),
        ("args of /grant/lend", Cbor(encode(lend.value()))),
        ("args of /pair/read", Cbor(encode(args.value()))),
        ("out of its answer", Cbor(encode(out.value()))),
        ("k_pair", pair.secret_bytes()),
    ]

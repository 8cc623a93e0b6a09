"""Vectors of tokens: delegations, invocations, and the chain from the one to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from entrenous.crypto.canonical import Link, Value, encode
from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.cid import cid_text
from entrenous.protocol.command import Cmd
from entrenous.protocol.delegation import Delegation, issue_delegation
from entrenous.protocol.did import Did
from entrenous.protocol.envelope import VARSIG
from entrenous.protocol.grant import Bundle
from entrenous.protocol.invocation import Invocation, issue_invocation
from entrenous.protocol.window import Window
from entrenous.tests.vectors.open_form import Case, Fault, Json, Subject, hexes
from entrenous.tests.vectors.open_world import (
    BANK,
    DAY_S,
    GRANTED,
    LENT_ON,
    MONEY,
    PERSON,
    PROCESSOR,
    READINGS,
    STRANGER,
    SUPPLIER,
    T_MS,
    T_S,
    Party,
    older,
    processor_bundle,
    random,
    supplier_bundle,
)

LIFE_S = 120


def call(
    by: Party,
    args: Mapping[str, Value],
    links: Sequence[Delegation],
    *,
    cmd: str = Cmd.READ,
    exp: int | None = T_S + LIFE_S,
    aud: Did | None = PERSON.device_did,
    sub: Did = PERSON.did,
) -> Invocation:
    return issue_invocation(
        by.key,
        sub=sub,
        aud=aud,
        cmd=cmd,
        args=args,
        prf=[link.cid for link in links],
        exp=exp,
        nonce=random(f"nonce of a call by {by.did}", 16),
    )


def links_of(bundle: Bundle) -> list[Delegation]:
    return [link.delegation for link in bundle.links]


def reads(bundle: Bundle, window: Window) -> Mapping[str, Value]:
    return bundle.args(window).value()


def _asked(inv: Invocation, links: Sequence[Delegation]) -> dict[str, Json]:
    return {
        "invocation": inv.raw.hex(),
        "proofs": hexes(link.raw for link in links),
        "device": PERSON.device_did,
        "now_ms": T_MS,
    }


def tokens() -> Subject:
    window = Window(READINGS, GRANTED[0], GRANTED[0] + 2)
    lent = Window(READINGS, *LENT_ON)
    cases: list[Case] = []
    for name, by, bundle, days in (
        ("by the reader", SUPPLIER, supplier_bundle(), window),
        ("by who it was lent on to", PROCESSOR, processor_bundle(), lent),
    ):
        links = links_of(bundle)
        inv = call(by, reads(bundle, days), links)
        chain: Json = [cid_text(link.cid) for link in links]
        cases += [
            Case(
                f"chain: {name}",
                "chain",
                _asked(inv, links),
                {
                    "cid": cid_text(inv.cid),
                    "iss": by.did,
                    "sub": PERSON.did,
                    "cmd": "/record/read",
                    "chain": chain,
                },
            ),
            Case(
                f"read: {name}",
                "read",
                _asked(inv, links),
                {
                    "collection": READINGS,
                    "from": days.first,
                    "to": days.last,
                    "grant": cid_text(links[0].cid),
                },
            ),
        ]
    return Subject(
        "tokens.json",
        "Delegations, invocations, and the chain from the one to the other.",
        cases,
        [*_token_faults(window), *_chain_faults(lent), *_read_faults(window)],
    )


def _token_faults(window: Window) -> list[Fault]:
    of = "chain: by the reader"
    bundle = supplier_bundle()
    links = links_of(bundle)
    args = reads(bundle, window)

    def fault(name: str, why: str, inv: Invocation) -> Fault:
        return Fault(f"chain: {name}", of, why, {"invocation": inv.raw.hex()})

    good = call(SUPPLIER, args, links)
    broken = good.raw[:10] + bytes([good.raw[10] ^ 1]) + good.raw[11:]
    wide = {**args, "to": GRANTED[1] + 1}
    return [
        fault(
            "for another device", "audience", call(SUPPLIER, args, links, aud=STRANGER.device_did)
        ),
        fault("for no device", "audience", call(SUPPLIER, args, links, aud=None)),
        fault("ended", "expired", call(SUPPLIER, args, links, exp=T_S - 1)),
        fault(
            "more than five minutes ahead", "lifetime", call(SUPPLIER, args, links, exp=T_S + 301)
        ),
        fault("no end", "lifetime", call(SUPPLIER, args, links, exp=None)),
        fault("by somebody else", "chain", call(BANK, args, links)),
        fault("about somebody else", "chain", call(SUPPLIER, args, links, sub=BANK.did)),
        fault("without its proof", "chain", call(SUPPLIER, args, [])),
        fault("another command", "command", call(SUPPLIER, args, links, cmd="/record/erase")),
        fault(
            "a command of the same beginning",
            "command",
            call(SUPPLIER, args, links, cmd="/record/readers"),
        ),
        fault("a day more than granted", "policy", call(SUPPLIER, wide, links)),
        fault("a day before", "policy", call(SUPPLIER, {**args, "from": GRANTED[0] - 1}, links)),
        fault("another collection", "policy", call(SUPPLIER, {**args, "collection": MONEY}, links)),
        fault(
            "a collection below",
            "policy",
            call(SUPPLIER, {**args, "collection": READINGS + "/p1"}, links),
        ),
        fault(
            "another purpose", "policy", call(SUPPLIER, {**args, "purpose": "dpv:Marketing"}, links)
        ),
        fault(
            "other terms",
            "policy",
            call(
                SUPPLIER, {**args, "terms": cid_text(bytes.fromhex("01711220") + bytes(32))}, links
            ),
        ),
        fault("days as text", "policy", call(SUPPLIER, {**args, "to": str(window.last)}, links)),
        Fault("chain: signature altered", of, "signature", {"invocation": broken.hex()}),
        Fault("chain: the grant has ended", of, "expired", _late(args, links)),
    ]


def _late(args: Mapping[str, Value], links: Sequence[Delegation]) -> dict[str, Json]:
    late = T_S + 20 * DAY_S + 1
    inv = call(SUPPLIER, args, links, exp=late + LIFE_S)
    return {"invocation": inv.raw.hex(), "now_ms": late * 1000}


def made_up(
    by: PersonaKey,
    aud: Did,
    pol: Sequence[Value],
    *,
    nbf: int | None = None,
    sub: Did | None = PERSON.did,
    cmd: str = Cmd.READ,
) -> Delegation:
    return issue_delegation(
        by,
        aud=aud,
        sub=sub,
        cmd=cmd,
        pol=pol,
        exp=T_S + 10 * DAY_S,
        nonce=random("nonce of a made-up link", 16),
        nbf=nbf,
    )


def _chain_faults(lent: Window) -> list[Fault]:
    of = "chain: by who it was lent on to"
    bundle = processor_bundle()
    first, last = links_of(bundle)
    args = reads(bundle, lent)

    def fault(name: str, why: str, links: Sequence[Delegation], **changed: Value) -> Fault:
        inv = call(PROCESSOR, {**args, **changed}, links)
        put: dict[str, Json] = {"invocation": inv.raw.hex(), "proofs": hexes(x.raw for x in links)}
        return Fault(f"chain: {name}", of, why, put)

    nobody = made_up(PERSON.key, PROCESSOR.did, [], sub=None)
    wider = made_up(SUPPLIER.key, PROCESSOR.did, [])
    good = call(PROCESSOR, args, [first, last])
    backwards = call(PROCESSOR, args, [last, first])
    everything = made_up(SUPPLIER.key, PROCESSOR.did, [], cmd="/record")
    return [
        Fault("chain: proofs in reverse", of, "chain", {"invocation": backwards.raw.hex()}),
        fault("a link twice", "chain", [first, last, last]),
        Fault("chain: a link to no delegation", of, "form", {"invocation": _linking(good).hex()}),
        fault("a wider command after a narrower one", "command", [first, everything]),
        Fault("chain: a proof is missing", of, "chain", {"proofs": hexes([last.raw])}),
        Fault(
            "chain: a proof too many",
            of,
            "chain",
            {"proofs": hexes([first.raw, last.raw, older().delegation.raw])},
        ),
        Fault(
            "chain: a proof is the same but for its signature",
            of,
            "signature",
            {"proofs.1": (last.raw[:3] + bytes(64) + last.raw[67:]).hex()},
        ),
        Fault(
            "chain: said by another of the chain",
            of,
            "chain",
            {"invocation": call(SUPPLIER, args, [first, last]).raw.hex()},
        ),
        fault("the last link alone", "chain", [last]),
        fault("a wider link does not widen", "policy", [first, wider], to=GRANTED[1] + 1),
        fault("outside of the last link", "policy", [first, last], to=LENT_ON[1] + 1),
        fault("without the terms it was lent on under", "policy", [first, last], under=[]),
        fault("a link by somebody else", "chain", [first, made_up(BANK.key, PROCESSOR.did, [])]),
        fault(
            "a link about somebody else",
            "chain",
            [first, made_up(SUPPLIER.key, PROCESSOR.did, [], sub=SUPPLIER.did)],
        ),
        fault("somebody twice", "chain", [first, made_up(SUPPLIER.key, SUPPLIER.did, []), wider]),
        fault("about nobody at its root", "chain", [nobody]),
        fault("not yet", "not-yet", [first, made_up(SUPPLIER.key, PROCESSOR.did, [], nbf=T_S + 1)]),
        fault(
            "a link for another command",
            "command",
            [first, made_up(SUPPLIER.key, PROCESSOR.did, [], cmd="/record/deliver")],
        ),
        Fault("chain: judged long before", of, "lifetime", {"now_ms": T_MS - 200_000}),
        Fault(
            "chain: args after the end of the token",
            of,
            "encoding",
            {"invocation": good.raw.hex() + "00"},
        ),
    ]


def _linking(good: Invocation) -> bytes:
    """The same words, with a link to a raw block among the proofs."""
    claims: dict[str, Value] = {
        "iss": good.iss,
        "aud": good.aud,
        "sub": good.sub,
        "cmd": good.cmd,
        "args": good.args,
        "prf": [Link(good.prf[0]), Link(bytes.fromhex("01551220") + bytes(32))],
        "nonce": good.nonce,
        "exp": good.exp,
    }
    signed: Value = {"h": VARSIG, "ucan/inv@1.0.0": claims}
    return encode([PROCESSOR.key.sign(encode(signed)), signed])


def _read_faults(window: Window) -> list[Fault]:
    of = "read: by the reader"
    bundle = supplier_bundle()
    links = links_of(bundle)
    args = reads(bundle, window)

    def fault(name: str, why: str, said: Mapping[str, Value]) -> Fault:
        raw = call(SUPPLIER, said, links).raw.hex()
        return Fault(f"read: {name}", of, why, {"invocation": raw})

    return [
        fault("a key more in its args", "form", {**args, "fields": ["value"]}),
        fault("a key too few in its args", "form", {k: v for k, v in args.items() if k != "under"}),
        fault("days that run backwards", "form", {**args, "from": window.last, "to": window.first}),
        fault("another version", "version", {**args, "v": 2}),
    ]

"""The worked examples of docs/spec.md on acting for another, at an organisation and at home.

The person of the examples is the principal; her son has a persona towards her and one towards the
supplier, and acts for her at both.
"""

from __future__ import annotations

from functools import cache

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.keys import PersonaKey, ReaderSecret
from entrenous.protocol.capability import Invocation, issue_invocation
from entrenous.protocol.command import (
    Cmd,
    MandateAskArgs,
    MandateDecideArgs,
    MandateEndArgs,
    MandateInboxArgs,
    MandateLendArgs,
    MandateNoticeArgs,
    MandateOutcomeArgs,
    MandatePutArgs,
    RequestArgs,
    WaitingOut,
    WaitingRequest,
)
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.grant import Bundle, issue_sub_grant, make_bundle
from entrenous.protocol.mandate import (
    Acted,
    Mandate,
    Office,
    Proxy,
    make_end,
    make_mandate,
    make_proxy,
)
from entrenous.protocol.mandate_limits import Limits
from entrenous.protocol.receipt import Answer, make_answer
from entrenous.protocol.request import Request
from entrenous.protocol.window import Window
from entrenous.tests.protocol.spec_words import asked, granted, terms
from entrenous.tests.protocol.spec_world import (
    DAY,
    DAY_S,
    PATH,
    SEED,
    T_MS,
    T_S,
    Cbor,
    Example,
    cast,
    random,
    signed,
)

INVOCATION_LIFE_S = 120
MANDATE_EXP_S = T_S + 365 * DAY_S


@cache
def son_at_supplier() -> PersonaKey:
    return PersonaKey(random("the son, as the supplier knows him", 32))


@cache
def son_at_home() -> PersonaKey:
    return PersonaKey(random("the son, as his mother knows him", 32))


@cache
def sons_reader() -> ReaderSecret:
    return ReaderSecret(random("reader key of the son towards his mother", 32))


@cache
def proxy() -> Proxy:
    who = cast()
    return make_proxy(
        son_at_supplier(),
        at=did_of(who.supplier.public),
        principal=did_of(who.person.public),
        exp_s=MANDATE_EXP_S,
    )


@cache
def mandate() -> Mandate:
    who = cast()
    return make_mandate(
        who.person,
        proxy=proxy().did,
        to=did_of(who.supplier.public),
        office=Office.PROXY,
        commands=(Cmd.REQUEST,),
        exp_s=MANDATE_EXP_S,
        entropy=SEED.fork("mandate"),
    )


@cache
def said_for_her() -> tuple[Invocation, Request]:
    """The son asks the supplier for his mother's readings."""
    who = cast()
    request = Request(
        mandate().principal,
        (Window(PATH, DAY, DAY + 1),),
        terms().purpose,
        terms(),
        T_S + 30 * DAY_S,
        "nothing follows",
    )
    (link,) = mandate().links
    inv = issue_invocation(
        son_at_supplier(),
        sub=mandate().principal,
        aud=did_of(who.supplier_device.public),
        cmd=Cmd.REQUEST,
        args=RequestArgs(mandate().to, request).value(),
        prf=(link.cid,),
        exp=T_S + INVOCATION_LIFE_S,
        nonce=random("nonce of what is said for her", 16),
    )
    return inv, request


@cache
def answered() -> Answer:
    inv, _ = said_for_her()
    acted = Acted(mandate().principal, mandate().proxy, mandate().cid)
    return make_answer(
        cast().supplier_device,
        inv=inv.cid,
        code=Code.OK,
        out="queued",
        t_ms=T_MS,
        prev=None,
        acted=acted,
    )


def _args(value: dict[str, Value]) -> Cbor:
    return Cbor(encode(value))


def acting() -> Example:
    person, son = mandate().principal, mandate().proxy
    inv, request = said_for_her()
    end = make_end(cast().person, mandate=mandate().cid, t_ms=T_MS + 60_000)
    notice = MandateNoticeArgs(person, inv.raw, answered().signed.raw)
    outcome = MandateOutcomeArgs(son, request.cid, granted=True, reason=None)
    return [
        ("the son, as the supplier knows him: seed", son_at_supplier().secret_bytes()),
        *signed("proxy", proxy().signed),
        ("args of /mandate/ask", _args(MandateAskArgs(person, proxy().signed.raw).value())),
        *signed("mandate", mandate().signed),
        ("its delegation", Cbor(mandate().links[0].raw)),
        (
            "args of /mandate/put",
            _args(MandatePutArgs(mandate().to, (mandate().signed.raw,)).value()),
        ),
        ("what he says for her", Cbor(inv.raw)),
        *signed("its answer", answered().signed),
        ("args of /mandate/notice", _args(notice.value())),
        ("args of /mandate/outcome", _args(outcome.value())),
        *signed("the end of the mandate", end.signed),
        ("args of /mandate/end", _args(MandateEndArgs(mandate().to, end.signed.raw).value())),
    ]


@cache
def at_home() -> Mandate:
    """He may decide for her what the supplier asks, of her energy, for half a year."""
    who = cast()
    person = did_of(who.person.public)
    return make_mandate(
        who.person,
        proxy=did_of(son_at_home().public),
        to=person,
        office=Office.PROXY,
        commands=(Cmd.MANDATE_INBOX, Cmd.MANDATE_DECIDE),
        exp_s=MANDATE_EXP_S,
        entropy=SEED.fork("mandate at home"),
        limits=Limits(
            peers=(did_of(who.supplier.public),),
            purposes=(terms().purpose,),
            collections=("energy",),
            until_s=T_S + 183 * DAY_S,
        ),
    )


def acting_at_home() -> Example:
    who = cast()
    person, request = did_of(who.person.public), asked()
    waiting = WaitingOut(
        (WaitingRequest(encode(request.value()), request.from_did, "Supplier", T_MS),), more=False
    )
    decide = MandateDecideArgs(
        person,
        request.cid,
        request.from_did,
        request.purpose,
        (Window(PATH, DAY, DAY + 1),),
        T_S + 20 * DAY_S,
        None,
    )
    link = at_home().link(Cmd.MANDATE_DECIDE)
    return [
        *signed("mandate for her own node", at_home().signed),
        ("its delegation for /mandate/decide", Cbor(link.raw)),
        ("args of /mandate/inbox", _args(MandateInboxArgs(person, None).value())),
        ("out of its answer", Cbor(encode(waiting.value()))),
        ("args of /mandate/decide", _args(decide.value())),
    ]


@cache
def held_by_her() -> Bundle:
    """The supplier grants, and his mother is the reader."""
    who = cast()
    nonce = "nonce of what she was granted"
    return granted(who.supplier, who.person, who.person_reader, days=20, nonce=nonce)


def reading_for_her() -> Example:
    who, held = cast(), held_by_her().grant
    sub = issue_sub_grant(
        who.person,
        [held],
        aud=did_of(son_at_supplier().public),
        windows=[Window(PATH, DAY, DAY)],
        terms=terms(),
        exp_s=T_S + 10 * DAY_S,
        nonce=random("nonce of what she lends on", 16),
    )
    given = make_bundle(
        who.person, sub, terms=terms(), reader_key=sons_reader().public, chain=[held]
    )
    args = MandateLendArgs(did_of(who.supplier.public), given.signed.raw)
    return [
        *signed("bundle for the son", given.signed),
        ("args of /mandate/lend", _args(args.value())),
    ]

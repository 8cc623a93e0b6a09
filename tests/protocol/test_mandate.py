"""Mandates: what they say, what they do not, and who may say something under one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature, EntrenousError
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.capability import issue_delegation, issue_invocation
from entrenous.protocol.command import Cmd, DecideArgs, RequestArgs
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import CapabilityError, Code, GrantRefused, WireError
from entrenous.protocol.limits import ACTED_BYTES_MAX, MANDATE_S_MAX
from entrenous.protocol.mandate import (
    ACTABLE,
    Acted,
    Lodged,
    Mandate,
    Office,
    check_end,
    check_life,
    check_passed_on,
    make_end,
    make_mandate,
    make_proxy,
    parse_chain,
    parse_end,
    parse_mandate,
    parse_proxy,
)
from entrenous.protocol.receipt import make_answer, parse_answer
from entrenous.protocol.request import Request
from entrenous.protocol.signed import sign
from entrenous.protocol.terms import Terms
from entrenous.protocol.trust import Pair, Standing, VerifiedOwn, authorise_own, hear
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value

ENTROPY = SeededEntropy(b"mandates")
NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
YEAR_S = 366 * 86_400


def _key(name: str) -> PersonaKey:
    return PersonaKey.generate(ENTROPY.fork(name))


MOTHER, SON, GRANDSON, STRANGER, BANK, SHOP = map(
    _key, ("mother", "son", "grandson", "stranger", "bank", "shop")
)
MOTHER_DID, SON_DID, GRANDSON_DID, STRANGER_DID, BANK_DID, SHOP_DID = (
    did_of(key.public) for key in (MOTHER, SON, GRANDSON, STRANGER, BANK, SHOP)
)
DEVICE_KEY = DeviceKey.generate(ENTROPY.fork("device"))
DEVICE = did_of(DEVICE_KEY.public)
REQUEST = Request(
    MOTHER_DID,
    (Window("finance/accounts/transactions", 100, 200),),
    "dpv:ServiceProvision",
    Terms("dpv:ServiceProvision", 30, (), None, ()),
    NOW_S + YEAR_S,
    "",
)
ARGS = RequestArgs(BANK_DID, REQUEST).value()


def _mandate(
    key: PersonaKey = MOTHER,
    *,
    proxy: Did = SON_DID,
    to: Did = BANK_DID,
    commands: Sequence[str] = (Cmd.REQUEST,),
    exp_s: int = NOW_S + YEAR_S,
    onward: bool = False,
    above: Mandate | None = None,
) -> Mandate:
    return make_mandate(
        key,
        proxy=proxy,
        to=to,
        office=Office.PROXY,
        commands=commands,
        exp_s=exp_s,
        entropy=ENTROPY,
        onward=onward,
        above=above,
    )


MANDATE = _mandate()
ONWARD = _mandate(onward=True)


def _lodged(*mandates: Mandate, ended: Sequence[Mandate] = ()) -> dict[bytes, Lodged]:
    return {
        link.cid: Lodged(mandate.cid, mandate.onward, mandate in ended)
        for mandate in mandates
        for link in mandate.links
    }


HER_PAIR = Pair(BANK_DID, MOTHER_DID)


@dataclass(frozen=True)
class Call:
    """What is said to the bank; by default by the son, for his mother, as he may."""

    chain: Sequence[Mandate] = (MANDATE,)
    lodged: Sequence[Mandate] | None = None
    ended: Sequence[Mandate] = ()
    key: PersonaKey = SON
    sub: Did = MOTHER_DID
    cmd: str = Cmd.REQUEST
    args: dict[str, Value] | None = None
    theirs: Did | None = None
    ours: Did = BANK_DID
    principal: Pair | None = HER_PAIR
    pair: Pair | None = None
    now_ms: int = NOW_MS
    spent: bool = False
    raw_links: Sequence[tuple[bytes, bytes]] | None = None

    def __call__(self) -> VerifiedOwn:
        links = self.raw_links
        if links is None:
            found = [mandate.link(Cmd.REQUEST) for mandate in self.chain]
            links = [(link.cid, link.raw) for link in found]
        inv = issue_invocation(
            self.key,
            sub=self.sub,
            cmd=self.cmd,
            args=ARGS if self.args is None else self.args,
            prf=[cid for cid, _ in links],
            exp=self.now_ms // 1000 + 60,
            nonce=ENTROPY.random_bytes(16),
            aud=DEVICE,
        )
        lodged = self.chain if self.lodged is None else self.lodged
        theirs = did_of(self.key.public) if self.theirs is None else self.theirs
        standing = Standing(
            DEVICE,
            self.pair or Pair(self.ours, theirs),
            {},
            {inv.cid} if self.spent else (),
            principal=self.principal,
            mandates=_lodged(*lodged, ended=self.ended),
        )
        return authorise_own(hear(inv.raw, [raw for _, raw in links]), standing, self.now_ms)


def test_a_proxy_speaks_for_its_principal() -> None:
    said = Call()()
    assert said.acted == Acted(MOTHER_DID, SON_DID, MANDATE.cid)
    assert said.pair == HER_PAIR
    assert said.sender == SON_DID


def test_what_is_said_in_ones_own_name_names_nobody_else() -> None:
    said = Call(chain=(), sub=SON_DID, principal=None)()
    assert said.acted is None
    assert said.pair.theirs == SON_DID


PASSED_ON = _mandate(SON, proxy=GRANDSON_DID, above=ONWARD)
NOT_PASSED_ON = _mandate(SON, proxy=GRANDSON_DID, above=MANDATE)


def test_a_proxy_of_the_proxy_if_the_mandate_says_so() -> None:
    said = Call(chain=(ONWARD, PASSED_ON), key=GRANDSON)()
    assert said.acted == Acted(MOTHER_DID, GRANDSON_DID, PASSED_ON.cid)


def _wider_link(cmd: str, pol: Sequence[Value], *, exp: int | None = NOW_S + YEAR_S) -> Call:
    """A delegation that is no mandate, whatever the node was told of it."""
    link = issue_delegation(
        MOTHER, aud=SON_DID, sub=MOTHER_DID, cmd=cmd, pol=pol, exp=exp, nonce=bytes(16)
    )
    return Call(raw_links=[(link.cid, link.raw)])


TO_BANK: list[Value] = [["==", ".to", BANK_DID]]
DECIDE = DecideArgs(BANK_DID, REQUEST.cid, None, None).value()
WITHDRAWN = Pair(BANK_DID, MOTHER_DID, frozenset((Cmd.DECIDE,)))
REFUSED: dict[str, tuple[Call, Code]] = {
    "no mandate at all": (Call(chain=()), Code.UNKNOWN_GRANT),
    "the wrong principal": (
        Call(sub=STRANGER_DID, principal=Pair(BANK_DID, STRANGER_DID)),
        Code.UNKNOWN_GRANT,
    ),
    "another's mandate": (Call(key=STRANGER), Code.AUDIENCE),
    "a stream of somebody else": (Call(theirs=STRANGER_DID), Code.UNPAIRED),
    "a principal who is not paired": (Call(principal=None), Code.UNPAIRED),
    "a principal of another persona of ours": (
        Call(principal=Pair(SHOP_DID, MOTHER_DID)),
        Code.UNPAIRED,
    ),
    "a command outside": (Call(cmd=Cmd.DECIDE, args=DECIDE), Code.COMMAND),
    "a command that nobody says for another": (
        Call(cmd=Cmd.ACCEPT, args={"v": 1, "to": BANK_DID}),
        Code.COMMAND,
    ),
    "an expired mandate": (Call(now_ms=NOW_MS + 2 * YEAR_S * 1000), Code.EXPIRED),
    "taken back": (Call(ended=(MANDATE,)), Code.REVOKED),
    "never handed in": (Call(lodged=()), Code.UNKNOWN_GRANT),
    "a mandate for another organisation": (
        Call(chain=(_mandate(to=SHOP_DID),)),
        Code.AUDIENCE,
    ),
    "… used at that organisation": (
        Call(ours=SHOP_DID, principal=Pair(SHOP_DID, MOTHER_DID)),
        Code.UNPAIRED,
    ),
    "passed on without leave": (
        Call(chain=(MANDATE, NOT_PASSED_ON), key=GRANDSON),
        Code.COMMAND,
    ),
    "passed on, the upper one taken back": (
        Call(chain=(ONWARD, PASSED_ON), key=GRANDSON, ended=(ONWARD,)),
        Code.REVOKED,
    ),
    "passed on, the upper one never handed in": (
        Call(chain=(ONWARD, PASSED_ON), key=GRANDSON, lodged=(PASSED_ON,)),
        Code.UNKNOWN_GRANT,
    ),
    "passed on, without the upper one": (
        Call(chain=(PASSED_ON,), key=GRANDSON),
        Code.UNKNOWN_GRANT,
    ),
    "withdrawn from the principal": (Call(principal=WITHDRAWN), Code.COMMAND),
    "withdrawn from the proxy": (
        Call(pair=Pair(BANK_DID, SON_DID, frozenset((Cmd.DECIDE,)))),
        Code.COMMAND,
    ),
    "said twice": (Call(spent=True), Code.REPLAY),
    "a delegation of every command": (_wider_link("/", TO_BANK), Code.COMMAND),
    "a delegation of many commands": (_wider_link("/grant", TO_BANK), Code.COMMAND),
    "a delegation for everywhere": (_wider_link(Cmd.REQUEST, []), Code.MALFORMED),
    "a delegation without an end": (
        _wider_link(Cmd.REQUEST, TO_BANK, exp=None),
        Code.MALFORMED,
    ),
    "a delegation that says more": (
        _wider_link(Cmd.REQUEST, [*TO_BANK, ["==", ".v", 1]]),
        Code.MALFORMED,
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_is_refused_under_a_mandate(case: str) -> None:
    call, code = REFUSED[case]
    with pytest.raises(GrantRefused) as refused:
        call()
    assert refused.value.code is code, refused.value


def test_what_could_not_be_told_to_the_principal_is_not_done() -> None:
    mandate = _mandate(commands=[Cmd.DECIDE])
    link = mandate.link(Cmd.DECIDE)
    args = DecideArgs(BANK_DID, REQUEST.cid, bytes(ACTED_BYTES_MAX), None).value()
    call = Call(chain=(mandate,), cmd=Cmd.DECIDE, args=args, raw_links=[(link.cid, link.raw)])
    with pytest.raises(GrantRefused) as refused:
        call()
    assert refused.value.code is Code.TOO_MUCH


# --- the mandate itself ---------------------------------------------------------------------------


@given(
    commands=st.sets(st.sampled_from(sorted(ACTABLE)), min_size=1),
    exp_s=st.integers(NOW_S + 1, NOW_S + MANDATE_S_MAX),
    onward=st.booleans(),
)
@settings(max_examples=20)
def test_a_mandate_is_read_as_it_was_written(commands: set[str], exp_s: int, onward: bool) -> None:
    mandate = _mandate(commands=sorted(commands), exp_s=exp_s, onward=onward)
    again = parse_mandate(mandate.signed.raw)
    assert again == mandate
    assert (again.commands, again.exp_s, again.onward) == (tuple(sorted(commands)), exp_s, onward)
    assert (again.principal, again.proxy, again.to) == (MOTHER_DID, SON_DID, BANK_DID)
    check_life(again, NOW_MS)


@given(st.data())
@settings(max_examples=60)
def test_one_bit_changed_is_refused(data: st.DataObject) -> None:
    raw = bytearray(MANDATE.signed.raw)
    place = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[place // 8] ^= 1 << place % 8
    with pytest.raises(EntrenousError):
        parse_mandate(bytes(raw))


def _signed(key: PersonaKey = MOTHER, **changed: Value) -> bytes:
    return _signed_body({**MANDATE.signed.body, **changed}, key)


def _signed_body(body: Mapping[str, Value], key: PersonaKey = MOTHER) -> bytes:
    return sign(Signed.MANDATE, body, key).raw


_OTHERS_LINK = _mandate(STRANGER).links[0].raw
_ELSEWHERE = _mandate(to=SHOP_DID, commands=[Cmd.DECIDE]).links[0].raw
FORGED: dict[str, tuple[Callable[[], bytes], type[EntrenousError]]] = {
    "signed by another": (lambda: _signed(STRANGER), BadSignature),
    "for another principal": (lambda: _signed(principal=STRANGER_DID), WireError),
    "to another proxy": (lambda: _signed(proxy=STRANGER_DID), WireError),
    "at another organisation": (lambda: _signed(to=SHOP_DID), WireError),
    "as something unknown": (
        lambda: _signed_body({**MANDATE.signed.body, "as": "king"}),
        WireError,
    ),
    "without delegations": (lambda: _signed(dlgs=[]), WireError),
    "with another's delegation": (lambda: _signed(dlgs=[_OTHERS_LINK]), WireError),
    "with one for elsewhere": (
        lambda: _signed(dlgs=[_ELSEWHERE, MANDATE.links[0].raw]),
        WireError,
    ),
    "twice the same": (lambda: _signed(dlgs=[MANDATE.links[0].raw] * 2), WireError),
    "below one that its giver was not given": (
        lambda: _signed(above=MANDATE.cid),
        WireError,
    ),
    "a key too many": (lambda: _signed(more=1), WireError),
}


@pytest.mark.parametrize("case", FORGED, ids=str)
def test_a_mandate_that_does_not_say_one_thing_is_refused(case: str) -> None:
    make, error = FORGED[case]
    with pytest.raises(error):
        parse_mandate(make())


@pytest.mark.parametrize(
    "cmd", [Cmd.PROPOSE, Cmd.ANSWER_RECORD, Cmd.RECALL, Cmd.RETURN, Cmd.ERASED]
)
def test_nobody_speaks_of_anothers_shared_records(cmd: Cmd) -> None:
    """A copy has one author: who could say a word of it in their name would be a second."""
    for commands in ((cmd,), (Cmd.REQUEST, cmd)):
        with pytest.raises(CapabilityError):
            _mandate(commands=commands)


def test_nobody_is_two_of_the_three() -> None:
    for make in (
        lambda: _mandate(proxy=MOTHER_DID),
        lambda: _mandate(proxy=BANK_DID),
        lambda: _mandate(to=MOTHER_DID),
    ):
        with pytest.raises(EntrenousError):
            make()


def test_a_mandate_ends_and_not_in_a_century() -> None:
    with pytest.raises(CapabilityError) as late:
        check_life(MANDATE, (MANDATE.exp_s + 1) * 1000)
    assert late.value.code is Code.EXPIRED
    with pytest.raises(CapabilityError) as long:
        check_life(_mandate(exp_s=NOW_S + MANDATE_S_MAX + 1), NOW_MS)
    assert long.value.code is Code.TOO_MUCH


def test_what_is_passed_on_is_within_what_was_given() -> None:
    chain = parse_chain([ONWARD.signed.raw, PASSED_ON.signed.raw], NOW_MS)
    assert chain == (ONWARD, PASSED_ON)
    longer = _mandate(SON, proxy=GRANDSON_DID, above=ONWARD, exp_s=ONWARD.exp_s + 1)
    wider = _mandate(SON, proxy=GRANDSON_DID, above=ONWARD, commands=sorted(ACTABLE))
    elsewhere = _mandate(SON, proxy=GRANDSON_DID, above=ONWARD, to=SHOP_DID)
    cases: Sequence[tuple[Mandate, Mandate, Code]] = (
        (NOT_PASSED_ON, MANDATE, Code.COMMAND),
        (longer, ONWARD, Code.EXPIRED),
        (wider, ONWARD, Code.COMMAND),
        (elsewhere, ONWARD, Code.UNKNOWN_GRANT),
        (PASSED_ON, MANDATE, Code.AUDIENCE),
        (_mandate(GRANDSON, proxy=STRANGER_DID, above=ONWARD), ONWARD, Code.AUDIENCE),
    )
    for mandate, above, code in cases:
        with pytest.raises(CapabilityError) as refused:
            check_passed_on(mandate, above)
        assert refused.value.code is code
    with pytest.raises(CapabilityError):
        parse_chain([PASSED_ON.signed.raw], NOW_MS)


# --- who would act, and the end -------------------------------------------------------------------


def test_a_proxy_says_as_whom_it_would_act_to_one_persona() -> None:
    proxy = make_proxy(SON, at=BANK_DID, principal=MOTHER_DID, exp_s=NOW_S + 60)
    assert parse_proxy(proxy.signed.raw) == proxy
    body = {**proxy.signed.body, "did": STRANGER_DID}
    with pytest.raises(BadSignature):
        parse_proxy(sign(Signed.PROXY, body, SON).raw)


def test_who_may_end_a_mandate() -> None:
    chain = (ONWARD, PASSED_ON)
    for key in (MOTHER, SON, GRANDSON):
        end = make_end(key, mandate=PASSED_ON.cid, t_ms=NOW_MS)
        assert parse_end(end.signed.raw) == end
        check_end(end, chain)
    for key, mandate, code in (
        (STRANGER, PASSED_ON, Code.AUDIENCE),
        (BANK, PASSED_ON, Code.AUDIENCE),
        (MOTHER, MANDATE, Code.UNKNOWN_GRANT),
    ):
        with pytest.raises(CapabilityError) as refused:
            check_end(make_end(key, mandate=mandate.cid, t_ms=NOW_MS), chain)
        assert refused.value.code is code
    # Who is below has no say over what is above.
    with pytest.raises(CapabilityError):
        check_end(make_end(GRANDSON, mandate=ONWARD.cid, t_ms=NOW_MS), (ONWARD,))


# --- both names -----------------------------------------------------------------------------------


def test_an_answer_has_both_names_or_none() -> None:
    acted = Acted(MOTHER_DID, SON_DID, MANDATE.cid)
    for names in (acted, None):
        answer = make_answer(
            DEVICE_KEY,
            inv=MANDATE.cid,
            code=Code.OK,
            out="queued",
            t_ms=NOW_MS,
            prev=None,
            acted=names,
        )
        assert parse_answer(answer.signed.raw).acted == names
        assert ("acted" in answer.signed.body) == (names is not None)
    for wrong in (None, {}, {**_map(acted), "more": 1}, {**_map(acted), "proxy": "me"}):
        body = {**answer.signed.body, "acted": wrong}
        with pytest.raises(WireError):
            parse_answer(sign(Signed.ANSWER, body, DEVICE_KEY).raw)


def _map(acted: Acted) -> dict[str, Value]:
    value = acted.value()
    assert isinstance(value, dict)
    return value

"""Attacks on the door of a read, each by its name: what a reader tries with real tokens."""

from __future__ import annotations

import pytest

from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.protocol.capability import issue_delegation, issue_invocation
from entrenous.protocol.command import Cmd
from entrenous.protocol.day import day_of_date
from entrenous.protocol.delegation import Delegation
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.grant import ReadArgs, ReadGrant, issue_grant, issue_sub_grant
from entrenous.protocol.limits import INVOCATION_AHEAD_S_MAX, INVOCATION_LIFE_S
from entrenous.protocol.terms import Terms
from entrenous.protocol.trust import (
    GrantStatus,
    Heard,
    Pair,
    Standing,
    authorise_read,
    hear,
)
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value

NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
EXP_S = NOW_S + 30 * 86_400
OWNER, READER, MIDDLE, LAST = (PersonaKey(bytes([n]) * 32) for n in (11, 12, 13, 14))
OWNER_DID, READER_DID, MIDDLE_DID, LAST_DID = (
    did_of(key.public) for key in (OWNER, READER, MIDDLE, LAST)
)
DEVICE, SECOND_DEVICE = (did_of(DeviceKey(bytes([n]) * 32).public) for n in (15, 16))
LOAD, GAS = "energy/electricity/load-curve", "energy/gas/load-curve"
FIRST = day_of_date("2026-01-01")
WINDOW = Window(LOAD, FIRST, FIRST + 29)
TERMS, OF_MIDDLE, OF_LAST = (
    Terms("dpv:ServiceProvision", days, (), None, ()) for days in (30, 20, 10)
)
ROOT = issue_grant(
    OWNER, aud=READER_DID, windows=[WINDOW], terms=TERMS, exp_s=EXP_S, nonce=bytes(12)
)


def _sub(key: PersonaKey, above: list[ReadGrant], aud: Did, terms: Terms) -> ReadGrant:
    return issue_sub_grant(
        key, above, aud=aud, windows=[WINDOW], terms=terms, exp_s=EXP_S, nonce=bytes(12)
    )


TO_MIDDLE = _sub(READER, [ROOT], MIDDLE_DID, OF_MIDDLE)
TO_LAST = _sub(MIDDLE, [ROOT, TO_MIDDLE], LAST_DID, OF_LAST)
CHAIN = [ROOT.delegation, TO_MIDDLE.delegation, TO_LAST.delegation]
ARGS = ReadArgs(WINDOW, TERMS.purpose, TERMS.cid, (OF_MIDDLE.cid, OF_LAST.cid)).value()


def _heard(
    chain: list[Delegation],
    *,
    key: PersonaKey = LAST,
    args: dict[str, Value] = ARGS,
    exp_s: int = NOW_S + INVOCATION_LIFE_S,
) -> Heard:
    inv = issue_invocation(
        key,
        sub=OWNER_DID,
        cmd=Cmd.READ,
        args=args,
        prf=[link.cid for link in chain],
        exp=exp_s,
        nonce=bytes(12),
        aud=DEVICE,
    )
    return hear(inv.raw, [link.raw for link in chain])


def _standing(reader: Did = LAST_DID, *, device: Did = DEVICE, **statuses: GrantStatus) -> Standing:
    links = {"root": ROOT.cid, "middle": TO_MIDDLE.cid, "last": TO_LAST.cid}
    known = {links[name]: status for name, status in statuses.items()}
    return Standing(device, Pair(OWNER_DID, reader), {ROOT.cid: GrantStatus.LIVE} | known, ())


def _code(heard: Heard, standing: Standing, now_ms: int = NOW_MS) -> Code:
    with pytest.raises(GrantRefused) as refused:
        authorise_read(heard, standing, now_ms)
    return refused.value.code


def test_the_chain_of_three_opens_what_it_says() -> None:
    assert authorise_read(_heard(CHAIN), _standing(), NOW_MS).window == WINDOW


def test_an_empty_policy_under_a_chain_that_needs_one() -> None:
    """A link without conditions would let its holder say any terms below those of the owner."""
    empty = issue_delegation(
        READER,
        aud=MIDDLE_DID,
        sub=OWNER_DID,
        cmd=Cmd.READ,
        pol=[],
        exp=EXP_S,
        nonce=bytes(12),
    )
    args = ReadArgs(WINDOW, TERMS.purpose, TERMS.cid, (OF_MIDDLE.cid,)).value()
    heard = _heard([ROOT.delegation, empty], key=MIDDLE, args=args)
    assert _code(heard, _standing(MIDDLE_DID)) is Code.MALFORMED


def test_reversed_proofs() -> None:
    assert _code(_heard(CHAIN[::-1]), _standing()) is Code.UNKNOWN_GRANT


def test_a_cycle() -> None:
    """Back to the reader and on again: each link is real, and the chain comes back to itself."""
    back = _sub(MIDDLE, [ROOT, TO_MIDDLE], READER_DID, OF_LAST)
    chain = [ROOT.delegation, TO_MIDDLE.delegation, back.delegation, TO_MIDDLE.delegation]
    assert _code(_heard(chain, key=MIDDLE), _standing(MIDDLE_DID)) is Code.MALFORMED


def test_a_revoked_proof_in_the_middle() -> None:
    assert _code(_heard(CHAIN), _standing(middle=GrantStatus.REVOKED)) is Code.REVOKED


@pytest.mark.parametrize(
    ("without", "code"), [(0, Code.UNKNOWN_GRANT), (1, Code.AUDIENCE), (2, Code.AUDIENCE)]
)
def test_a_chain_that_leaves_a_link_out(without: int, code: Code) -> None:
    chain = [link for at, link in enumerate(CHAIN) if at != without]
    assert _code(_heard(chain), _standing()) is code


def test_clocks_ten_minutes_off() -> None:
    """A reader whose clock is behind says what has run out; one that is ahead, what is too new."""
    behind, ahead = NOW_S - 600, NOW_S + 600
    assert _code(_heard(CHAIN, exp_s=behind + INVOCATION_LIFE_S), _standing()) is Code.EXPIRED
    late = _heard(CHAIN, exp_s=ahead + INVOCATION_LIFE_S)
    assert ahead + INVOCATION_LIFE_S > NOW_S + INVOCATION_AHEAD_S_MAX
    assert _code(late, _standing()) is Code.NOT_YET
    # What the reader's clock says of a grant that has run out here changes nothing.
    over = _heard(CHAIN, exp_s=EXP_S + 600 + INVOCATION_LIFE_S)
    assert _code(over, _standing(), (EXP_S + 600) * 1000) is Code.EXPIRED


@pytest.mark.parametrize(
    "smuggled",
    [
        {"collection": GAS},
        {"from": FIRST - 1},
        {"to": FIRST + 30},
        {"from": str(FIRST)},
        {"collection": [LOAD, GAS]},
        {"also": GAS},
        {"v": 2},
        {"under": [OF_MIDDLE.cid, OF_LAST.cid, OF_LAST.cid]},
        {"under": []},
    ],
    ids=str,
)
def test_args_smuggling(smuggled: dict[str, Value]) -> None:
    """Arguments that a policy might not look at, or read as another type than the owner does."""
    try:
        heard = _heard(CHAIN, args={**ARGS, **smuggled})
    except GrantRefused:
        return
    with pytest.raises(GrantRefused):
        authorise_read(heard, _standing(), NOW_MS)


def test_a_replay_on_a_second_device() -> None:
    """What was said to one device of an owner is not heard by another of the same owner."""
    heard = _heard(CHAIN)
    assert authorise_read(heard, _standing(), NOW_MS)
    assert _code(heard, _standing(device=SECOND_DEVICE)) is Code.AUDIENCE

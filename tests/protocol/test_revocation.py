"""Taking back: who may, what it names, and the generation that follows from the set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.key_tree import FIRST_GENERATION, generation
from entrenous.crypto.keys import PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, Code, LocalProtocolError, ProtocolError
from entrenous.protocol.grant import issue_grant, issue_sub_grant
from entrenous.protocol.revocation import (
    Expiry,
    Revocation,
    check_revocation,
    generation_of,
    make_revocation,
    make_rotation,
    parse_revocation,
)
from entrenous.protocol.signed import sign
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value

OWNER, READER, THIRD = (PersonaKey(bytes([n]) * 32) for n in (1, 2, 3))
TERMS = Terms("dpv:ServiceProvision", 30, (), None, ())
LOAD, GAS, BANK = "energy/electricity/load-curve", "energy/gas/load-curve", "finance/accounts"
WINDOWS = [Window(LOAD, 1, 9), Window(GAS, 1, 9)]
GRANT = issue_grant(
    OWNER, aud=did_of(READER.public), windows=WINDOWS, terms=TERMS, exp_s=9, nonce=bytes(12)
)
SUB = issue_sub_grant(
    READER,
    [GRANT],
    aud=did_of(THIRD.public),
    windows=WINDOWS[:1],
    terms=TERMS,
    exp_s=9,
    nonce=bytes(12),
)
CHAIN = (GRANT.delegation, SUB.delegation)


def _revoke(key: PersonaKey, dlg: bytes, *paths: str) -> Revocation:
    return make_revocation(key, dlg=dlg, paths=paths or (LOAD,), t_ms=1)


def test_every_issuer_of_the_chain_may_take_back_what_it_gave_or_what_follows() -> None:
    for key, dlg in ((OWNER, GRANT.cid), (OWNER, SUB.cid), (READER, SUB.cid)):
        check_revocation(_revoke(key, dlg), CHAIN, GRANT.paths)
        check_revocation(_revoke(key, dlg, *GRANT.paths), CHAIN, GRANT.paths)


@pytest.mark.parametrize(
    ("revocation", "code"),
    [
        (_revoke(READER, GRANT.cid), Code.AUDIENCE),
        (_revoke(THIRD, SUB.cid), Code.AUDIENCE),
        (_revoke(OWNER, cid_of(b"other")), Code.UNKNOWN_GRANT),
        (_revoke(OWNER, GRANT.cid, BANK), Code.COLLECTION),
        (_revoke(READER, SUB.cid, LOAD, BANK), Code.COLLECTION),
    ],
)
def test_nobody_else_and_nothing_else(revocation: Revocation, code: Code) -> None:
    with pytest.raises(CapabilityError) as refused:
        check_revocation(revocation, CHAIN, GRANT.paths)
    assert refused.value.code is code


EVENTS = (
    _revoke(OWNER, GRANT.cid, LOAD, GAS),
    _revoke(READER, SUB.cid, LOAD),
    make_rotation(OWNER, paths=[LOAD], t_ms=2, entropy=SeededEntropy(b"rotation")),
    Expiry(GRANT.cid, (GAS, LOAD)),
)


@given(st.permutations(EVENTS), st.integers(0, 4))
def test_devices_that_heard_the_same_agree_in_any_order(
    order: list[Revocation], repeated: int
) -> None:
    assert generation_of(LOAD, order + order[:repeated]) == generation_of(LOAD, EVENTS)


def test_a_generation_is_of_those_that_name_the_path() -> None:
    assert generation_of(LOAD, ()) == FIRST_GENERATION
    assert generation_of(BANK, EVENTS) == FIRST_GENERATION
    assert generation_of(GAS, EVENTS) == generation([EVENTS[0].cid, GRANT.cid])
    apart = {generation_of(LOAD, EVENTS[:end]) for end in range(len(EVENTS) + 1)}
    assert len(apart) == len(EVENTS) + 1


def test_two_rotations_at_one_moment_are_two() -> None:
    entropy = SeededEntropy(b"two")
    one, two = (make_rotation(OWNER, paths=[LOAD], t_ms=2, entropy=entropy) for _ in range(2))
    assert generation_of(LOAD, [one]) != generation_of(LOAD, [two])


@pytest.mark.parametrize("paths", [[], [LOAD, LOAD], [GAS, LOAD], ["A"], [1], LOAD])
def test_malformed_paths_are_refused(paths: Value) -> None:
    body: dict[str, Value] = {
        "v": 1,
        "dlg": GRANT.cid,
        "paths": paths,
        "by": did_of(OWNER.public),
        "t_ms": 1,
    }
    with pytest.raises(ProtocolError):
        parse_revocation(sign(Signed.REVOCATION, body, OWNER).raw)


def test_taking_back_nothing_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        make_revocation(OWNER, dlg=GRANT.cid, paths=[], t_ms=1)

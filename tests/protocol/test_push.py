"""A program's capability: what it opens, for how long, on which connection, and nothing beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import EntrenousError
from entrenous.crypto.keys import DeviceKey, ProgramKey
from entrenous.protocol.capability import issue_delegation, issue_invocation, parse_delegation
from entrenous.protocol.command import TABLE, digest_text
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, Code, ProtocolError, RecordError
from entrenous.protocol.push import (
    ADD,
    Allowance,
    BadRecords,
    Greeting,
    Pushed,
    PushRefused,
    Welcome,
    issue_allowance,
    make_proof,
    parse_push,
    push_value,
    read_allowance,
    refusal_value,
    verify_proof,
)
from entrenous.protocol.schema import METER_READING, TRANSACTION
from entrenous.protocol.wire import Value, decode, encode

ENTROPY = SeededEntropy(b"push")
DEVICE, OTHER = DeviceKey.generate(ENTROPY), DeviceKey.generate(ENTROPY)
PROGRAM, THIEF = ProgramKey.generate(ENTROPY), ProgramKey.generate(ENTROPY)
NODE = did_of(DEVICE.public)
PATH = "energy/electricity/index"
NOW_MS = 1_767_225_600_000
NOW_S = NOW_MS // 1000
EXP_S = NOW_S + 86_400
GREETING = Greeting(NODE, b"c" * 32)
NONCE = b"n" * 16


def allowance(device: DeviceKey = DEVICE, exp_s: int = EXP_S) -> Allowance:
    program = did_of(PROGRAM.public)
    return issue_allowance(device, program, PATH, METER_READING, exp_s=exp_s, nonce=NONCE)


def proof(chain: Sequence[bytes], key: ProgramKey = PROGRAM, **changes: object) -> Value:
    """A proof on `GREETING`, with claims or arguments changed."""
    args: dict[str, Value] = {
        "v": 1,
        "collection": PATH,
        "schema": METER_READING.name,
        "challenge": digest_text(GREETING.challenge),
    }
    args.update(cast("dict[str, Value]", changes.pop("args", {})))
    claims: dict[str, object] = {"sub": NODE, "aud": NODE, "cmd": ADD, "exp": NOW_S + 60}
    claims.update(changes)
    prf = [parse_delegation(raw).cid for raw in chain]
    inv = issue_invocation(key, args=args, prf=prf, nonce=NONCE, **claims)  # type: ignore[arg-type]  # claims are varied by name
    return {"v": 1, "inv": inv.raw, "proofs": list(chain)}


def refused(value: Value, now_ms: int = NOW_MS) -> Code:
    with pytest.raises(CapabilityError) as caught:
        verify_proof(value, GREETING, now_ms=now_ms)
    return caught.value.code


def test_a_proof_opens_one_collection_until_its_end() -> None:
    made = allowance()
    value = make_proof(PROGRAM, [made.delegation.raw], GREETING, now_ms=NOW_MS, nonce=NONCE)
    push = verify_proof(decode(encode(value)), GREETING, now_ms=NOW_MS)
    assert push.root == made.delegation.cid
    assert (push.collection, push.schema, push.exp_s) == (PATH, METER_READING, EXP_S)


def test_a_token_of_another_node_is_for_that_node() -> None:
    raw = allowance(OTHER).delegation.raw
    with pytest.raises(CapabilityError, match="another node"):
        make_proof(PROGRAM, [raw], GREETING, now_ms=NOW_MS, nonce=NONCE)
    other = did_of(OTHER.public)
    assert refused(proof([raw], sub=other)) == Code.AUDIENCE
    assert refused(proof([raw], sub=other, aud=NODE)) == Code.AUDIENCE
    # the right names on the wrong chain
    assert refused(proof([raw])) == Code.UNKNOWN_GRANT


def test_a_captured_proof_is_good_for_no_other_connection() -> None:
    value = proof([allowance().delegation.raw])
    verify_proof(value, GREETING, now_ms=NOW_MS)
    with pytest.raises(CapabilityError) as caught:
        verify_proof(value, Greeting(NODE, b"d" * 32), now_ms=NOW_MS)
    assert caught.value.code == Code.REPLAY


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": did_of(OTHER.public)}, Code.AUDIENCE),
        ({"aud": None}, None),
        ({"cmd": "/record"}, Code.COMMAND),
        ({"cmd": "/record/read"}, Code.COMMAND),
        ({"cmd": "/record/add/all"}, Code.COMMAND),
        ({"exp": NOW_S - 1}, Code.EXPIRED),
        ({"exp": NOW_S + 100_000}, Code.EXPIRED),
        ({"exp": None}, Code.EXPIRED),
        ({"key": THIEF}, Code.AUDIENCE),
        ({"args": {"collection": "energy/gas/index"}}, Code.COLLECTION),
        ({"args": {"collection": "energy/electricity"}}, Code.COLLECTION),
        ({"args": {"schema": TRANSACTION.name}}, Code.COMMAND),
    ],
    ids=str,
)
def test_a_proof_of_more_is_refused(changes: dict[str, object], code: Code | None) -> None:
    value = proof([allowance().delegation.raw], **changes)  # type: ignore[arg-type]  # as above
    if code is None:  # the audience is then the subject, which is this node
        verify_proof(value, GREETING, now_ms=NOW_MS)
    else:
        assert refused(value) == code


def test_an_expired_delegation_and_no_delegation_are_refused() -> None:
    assert refused(proof([allowance(exp_s=NOW_S - 1).delegation.raw])) == Code.EXPIRED
    with pytest.raises(ProtocolError):
        verify_proof(proof([]), GREETING, now_ms=NOW_MS)


def test_what_is_handed_on_is_narrower_or_refused() -> None:
    """A program may hand on what it has, for a shorter time, and the shorter time counts."""
    root = allowance().delegation
    thief = did_of(THIEF.public)

    def handed(**changes: object) -> bytes:
        claims: dict[str, object] = {
            "aud": thief, "sub": NODE, "cmd": ADD, "pol": [], "exp": NOW_S + 10, "nonce": NONCE,
        }  # fmt: skip
        return issue_delegation(PROGRAM, **{**claims, **changes}).raw  # type: ignore[arg-type]  # as above

    push = verify_proof(proof([root.raw, handed()], key=THIEF), GREETING, now_ms=NOW_MS)
    assert (push.root, push.exp_s) == (root.cid, NOW_S + 10)
    forever = proof([root.raw, handed(exp=None)], key=THIEF)
    assert verify_proof(forever, GREETING, now_ms=NOW_MS).exp_s == EXP_S
    assert refused(proof([root.raw, handed(cmd="/record")], key=THIEF)) == Code.COMMAND
    assert refused(proof([root.raw, handed(exp=NOW_S - 1)], key=THIEF)) == Code.EXPIRED
    elsewhere = {"args": {"collection": "energy/gas/index"}}
    assert refused(proof([root.raw, handed()], key=THIEF, **elsewhere)) == Code.COLLECTION


NO_ALLOWANCES: list[list[Value]] = [
    [],
    [["==", ".collection", PATH]],
    [["like", ".collection", "*"], ["==", ".schema", METER_READING.name]],
    [["==", ".schema", METER_READING.name], ["==", ".collection", PATH]],
    [["==", ".collection", PATH], ["==", ".schema", METER_READING.name], ["or", []]],
    [["==", ".collection", "secrets/all"], ["==", ".schema", METER_READING.name]],
    [["==", ".collection", PATH], ["==", ".schema", "nothing/1"]],
]


@pytest.mark.parametrize("pol", NO_ALLOWANCES, ids=str)
def test_another_form_of_policy_is_no_allowance(pol: list[Value]) -> None:
    """Even signed by the device itself: what the owner is shown is what holds."""
    made = issue_delegation(
        DEVICE, aud=did_of(PROGRAM.public), sub=NODE, cmd=ADD, pol=pol, exp=EXP_S, nonce=NONCE
    )
    with pytest.raises((CapabilityError, RecordError)):
        read_allowance(made.raw)
    with pytest.raises((CapabilityError, RecordError)):
        verify_proof(proof([made.raw]), GREETING, now_ms=NOW_MS)


def test_no_peer_may_say_it_over_the_network() -> None:
    assert ADD not in TABLE


READING: dict[str, Value] = {
    "time": NOW_MS, "offset_min": 60, "duration_s": 0, "value": [125, 1], "unit": "kWh",
    "quality": None,
}  # fmt: skip


def test_a_push_comes_back_as_its_records() -> None:
    n, batch = parse_push(decode(encode(push_value(7, [READING]))), METER_READING)
    assert (n, list(batch.rows())) == (7, [READING])


NO_READINGS: list[list[Value]] = [
    [{**READING, "value": 1}],
    [{**READING, "time": True}],
    [{**READING, "unit": ""}],
    [{**READING, "more": 1}],
    [{}],
    ["reading"],
    [{**READING, "value": [{}, 1]}],
]


@pytest.mark.parametrize("rows", NO_READINGS, ids=str)
def test_records_of_another_form_are_refused_by_their_number(rows: list[Value]) -> None:
    with pytest.raises(BadRecords) as caught:
        parse_push(push_value(3, rows), METER_READING)
    assert caught.value.n == 3
    with pytest.raises(BadRecords):
        parse_push(push_value(3, [READING]), TRANSACTION)


def test_answers_are_read_as_they_are_written() -> None:
    pushed = Pushed(4, 2, (1, 5))
    assert Pushed.from_value(decode(encode(pushed.value()))) == pushed
    welcome = Welcome(PATH, METER_READING.name, 600)
    assert Welcome.from_value(decode(encode(welcome.value()))) == welcome
    with pytest.raises(PushRefused, match="later") as caught:
        Pushed.from_value(refusal_value("busy", "later", wait_ms=10, n=4))
    assert (caught.value.reason, caught.value.wait_ms, caught.value.n) == ("busy", 10, 4)


VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["v", "n", "inv", "proofs", "records", "ok", "error", "node", "challenge"]),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_any_value_is_understood_or_refused(value: Value) -> None:
    for read in (
        lambda: verify_proof(value, GREETING, now_ms=NOW_MS),
        lambda: parse_push(value, METER_READING),
        lambda: Greeting.from_value(value),
        lambda: Welcome.from_value(value),
        lambda: Pushed.from_value(value),
    ):
        try:
            read()
        except EntrenousError:
            continue

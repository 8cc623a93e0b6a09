"""Tokens and chains that must be refused, each with its code: our own negative vectors.

The first four are weaknesses of a published implementation that passes the published vectors:
a command compared by characters, unknown operators skipped, a missing policy taken for none, and
an envelope of three elements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cbor2
import pytest

from entrenous.crypto.canonical import Link, Value, encode
from entrenous.crypto.keys import PersonaKey
from entrenous.protocol import limits
from entrenous.protocol.capability import (
    Delegation,
    Invocation,
    issue_delegation,
    issue_invocation,
    parse_delegation,
    parse_invocation,
    verify_chain,
    verify_delegations,
)
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.envelope import VARSIG
from entrenous.protocol.errors import CapabilityError, Code

ALICE, BOB, CAROL, DAVE = (PersonaKey(bytes([n]) * 32) for n in range(1, 5))
NOW_S = 1_800_000_000
NOW_MS = NOW_S * 1000


def did(key: PersonaKey) -> Did:
    return did_of(key.public)


def dlg(
    iss: PersonaKey,
    aud: PersonaKey,
    *,
    cmd: str = "/record/read",
    sub: PersonaKey | None = ALICE,
    pol: Sequence[Value] = (),
    exp: int | None = NOW_S + 60,
    nbf: int | None = None,
    nonce: bytes = b"nonce of 12.",
) -> Delegation:
    name = None if sub is None else did(sub)
    return issue_delegation(
        iss, aud=did(aud), sub=name, cmd=cmd, pol=pol, exp=exp, nbf=nbf, nonce=nonce
    )


def ask(
    iss: PersonaKey,
    chain: Sequence[Delegation],
    *,
    cmd: str = "/record/read",
    sub: PersonaKey = ALICE,
    aud: PersonaKey | None = None,
    args: Mapping[str, Value] | None = None,
    exp: int | None = NOW_S + 60,
) -> Invocation:
    invocation = issue_invocation(
        iss,
        sub=did(sub),
        cmd=cmd,
        args=args or {},
        prf=[link.cid for link in chain],
        exp=exp,
        nonce=b"nonce of 12.",
        aud=None if aud is None else did(aud),
    )
    return parse_invocation(invocation.raw)


def raws(chain: Sequence[Delegation]) -> list[bytes]:
    return [link.raw for link in chain]


def refusal(act: Callable[[], object]) -> Code:
    with pytest.raises(CapabilityError) as refused:
        act()
    assert str(refused.value)
    return refused.value.code


def judged(invocation: Invocation, chain: Sequence[Delegation], skew_s: int = 0) -> Code:
    return refusal(lambda: verify_chain(invocation, raws(chain), now_ms=NOW_MS, skew_s=skew_s))


def sealed(
    claims: Mapping[str, Value],
    *,
    tag: str = "ucan/dlg@1.0.0",
    varsig: Value = VARSIG,
    key: PersonaKey = ALICE,
    beside: Mapping[str, Value] | None = None,
    write: Callable[[Value], bytes] = encode,
) -> bytes:
    """A correctly signed envelope around claims that `issue_delegation` would not sign."""
    body = {"h": varsig, tag: claims, **(beside or {})}
    return write([key.sign(write(body)), body])


def claims(**changed: Value) -> dict[str, Value]:
    return {
        "iss": did(ALICE), "aud": did(BOB), "sub": did(ALICE), "cmd": "/record/read",
        "pol": [], "nonce": b"nonce of 12.", "exp": NOW_S + 60, **changed,
    }  # fmt: skip


def asked(**changed: Value) -> dict[str, Value]:
    return {
        "iss": did(ALICE), "sub": did(ALICE), "cmd": "/record/read", "args": {}, "prf": [],
        "nonce": b"nonce of 12.", "exp": NOW_S + 60, **changed,
    }  # fmt: skip


def without(claims: Mapping[str, Value], name: str) -> dict[str, Value]:
    return {key: value for key, value in claims.items() if key != name}


def test_the_untouched_tokens_are_accepted() -> None:
    parse_delegation(sealed(claims()))
    parse_invocation(sealed(asked(), tag="ucan/inv@1.0.0"))


# --- the four -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "used", "allowed"),
    [
        ("/crypto", "/cryptocurrency", False),
        ("/crypto", "/crypto/currency", True),
        ("/crypto", "/crypto", True),
        ("/", "/crypto", True),
        ("/crypto/a", "/crypto", False),
        ("/crypto/a", "/crypto/ab", False),
        ("/crypto", "/", False),
    ],
)
def test_a_command_is_compared_by_whole_words(given: str, used: str, allowed: bool) -> None:
    root = dlg(ALICE, BOB, cmd=given)
    invoked = ask(BOB, [root], cmd=used)
    narrowed = dlg(BOB, CAROL, cmd=used)
    if allowed:
        verify_chain(invoked, raws([root]), now_ms=NOW_MS)
        verify_delegations([root, narrowed], now_ms=NOW_MS)
        return
    assert judged(invoked, [root]) is Code.COMMAND
    assert judged(ask(CAROL, [root, narrowed], cmd=used), [root, narrowed]) is Code.COMMAND


def test_an_unknown_operator_refuses_the_delegation() -> None:
    for statement in (
        ["unknown", ".a", 1],
        ["not", ["unknown", ".a", 1]],
        ["or", [["==", ".v", 1], ["unknown", ".a", 1]]],
    ):
        raw = sealed(claims(pol=[statement]))
        assert refusal(lambda raw=raw: parse_delegation(raw)) is Code.MALFORMED


@pytest.mark.parametrize("name", sorted(claims()))
def test_a_missing_claim_is_not_a_default(name: str) -> None:
    """`pol` above all: a delegation without a policy is not one with an empty policy."""
    assert refusal(lambda: parse_delegation(sealed(without(claims(), name)))) is Code.MALFORMED


@pytest.mark.parametrize("name", sorted(asked()))
def test_a_missing_claim_of_an_invocation_is_not_a_default(name: str) -> None:
    raw = sealed(without(asked(), name), tag="ucan/inv@1.0.0")
    assert refusal(lambda: parse_invocation(raw)) is Code.MALFORMED


def test_an_envelope_has_two_elements() -> None:
    body: Value = {"h": VARSIG, "ucan/dlg@1.0.0": claims()}
    signature = ALICE.sign(encode(body))
    for envelope in ([signature, body, None], [signature, body, body], [signature], [], {"a": 1}):
        raw = encode(envelope)
        assert refusal(lambda raw=raw: parse_delegation(raw)) is Code.MALFORMED


# --- the envelope ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "varsig",
    [
        b"",
        VARSIG[:-1],
        VARSIG + b"\x00",
        VARSIG[:-1] + b"\x5f",  # raw bytes instead of DAG-CBOR
        bytes.fromhex("3401ec01e7011271"),  # ES256K
        bytes.fromhex("3400ed01ed011371"),  # no such version
        VARSIG.hex(),
        None,
    ],
)
def test_another_varsig_is_refused(varsig: Value) -> None:
    assert refusal(lambda: parse_delegation(sealed(claims(), varsig=varsig))) is Code.MALFORMED


def test_a_third_key_beside_the_payload_is_refused() -> None:
    for beside in ({"x": 1}, {"ucan/inv@1.0.0": asked()}):
        raw = sealed(claims(), beside=beside)
        assert refusal(lambda raw=raw: parse_delegation(raw)) is Code.MALFORMED


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("ucan/dlg@1.0.0-rc.1", Code.VERSION),
        ("ucan/dlg@1.0.1", Code.VERSION),
        ("ucan/dlg@2.0.0", Code.VERSION),
        ("ucan/dlg@", Code.MALFORMED),
        ("ucan/dlg", Code.MALFORMED),
        ("ucan/inv@1.0.0", Code.MALFORMED),
        ("dlg@1.0.0", Code.MALFORMED),
    ],
)
def test_another_tag_is_refused(tag: str, code: Code) -> None:
    assert refusal(lambda: parse_delegation(sealed(claims(), tag=tag))) is code


def test_an_invocation_is_not_a_delegation() -> None:
    raw = sealed(claims())
    assert refusal(lambda: parse_invocation(raw)) is Code.MALFORMED


@pytest.mark.parametrize("at", [0, 3, 66, 67, 80, -1])
def test_one_bit_changed_is_refused(at: int) -> None:
    raw = bytearray(sealed(claims()))
    raw[at] ^= 1
    assert refusal(lambda: parse_delegation(bytes(raw))) is Code.MALFORMED


def test_a_signature_by_another_key_is_refused() -> None:
    assert refusal(lambda: parse_delegation(sealed(claims(), key=BOB))) is Code.MALFORMED
    raw = sealed(asked(), tag="ucan/inv@1.0.0", key=BOB)
    assert refusal(lambda: parse_invocation(raw)) is Code.MALFORMED


def test_bytes_that_are_not_canonical_are_refused() -> None:
    def unsorted(value: Value) -> bytes:
        return cbor2.dumps(value)

    raw = sealed(claims(), write=unsorted)
    assert len(raw) == len(sealed(claims()))
    assert cbor2.loads(raw)[1] == cbor2.loads(sealed(claims()))[1]
    assert refusal(lambda: parse_delegation(raw)) is Code.MALFORMED
    good = sealed(claims())
    # A length of 64 in two bytes instead of one, and something after the end.
    assert refusal(lambda: parse_delegation(b"\x82\x59\x00\x40" + good[3:])) is Code.MALFORMED
    assert refusal(lambda: parse_delegation(good + b"\x00")) is Code.MALFORMED
    assert refusal(lambda: parse_delegation(good[:-1])) is Code.MALFORMED
    assert refusal(lambda: parse_delegation(b"")) is Code.MALFORMED


def test_a_token_beyond_the_limit_is_refused() -> None:
    raw = sealed(claims(meta={"a": b"x" * limits.TOKEN_BYTES_MAX}))
    assert refusal(lambda: parse_delegation(raw)) is Code.MALFORMED


# --- the claims -----------------------------------------------------------------------------------

WRONG: list[tuple[str, Value]] = [
    ("iss", None),
    ("iss", "did:web:example.com"),
    ("iss", "did:key:z6Mk"),
    ("aud", None),
    ("aud", did(BOB) + "#" + did(BOB)[8:]),
    ("sub", ""),
    ("sub", 1),
    ("cmd", ""),
    ("cmd", "record/read"),
    ("cmd", "/record/"),
    ("cmd", "//"),
    ("cmd", "/record//read"),
    ("cmd", "/Record/read"),
    ("cmd", "/record read"),
    ("cmd", "/record\x00"),
    ("cmd", "/" + "a" * limits.COMMAND_CHARS_MAX),
    ("cmd", None),
    ("nonce", b"x" * (limits.TOKEN_NONCE_BYTES_MAX + 1)),
    ("nonce", "text"),
    ("nonce", None),
    ("exp", -1),
    ("exp", 2**53),
    ("exp", True),
    ("exp", "1800000000"),
    ("meta", None),
    ("meta", []),
    ("scope", "all"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda part: repr(part)[:40])
def test_a_wrong_claim_is_refused(name: str, value: Value) -> None:
    raw = sealed(claims(**{name: value}))
    assert refusal(lambda: parse_delegation(raw)) is Code.MALFORMED
    raw = sealed(asked(**{name: value}), tag="ucan/inv@1.0.0")
    assert refusal(lambda: parse_invocation(raw)) is Code.MALFORMED


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("value", [None, -1, 2**53, True, "now"])
def test_a_wrong_time_is_refused(name: str, value: Value) -> None:
    if name == "nbf":
        assert refusal(lambda: parse_delegation(sealed(claims(nbf=value)))) is Code.MALFORMED
    else:
        raw = sealed(asked(iat=value), tag="ucan/inv@1.0.0")
        assert refusal(lambda: parse_invocation(raw)) is Code.MALFORMED


@pytest.mark.parametrize("name", ["exp", "nbf"])
def test_a_time_as_a_float_is_refused(name: str) -> None:
    late: dict[str, object] = {**claims(), name: 1_800_000_000.5}
    body = {"h": VARSIG, "ucan/dlg@1.0.0": late}
    signed = cbor2.dumps(body, canonical=True)
    raw = cbor2.dumps([ALICE.sign(signed), body], canonical=True)
    assert refusal(lambda: parse_delegation(raw)) is Code.MALFORMED


INVOCATION_ONLY: list[tuple[str, Value]] = [
    ("sub", None),
    ("aud", None),
    ("args", []),
    ("args", None),
    ("prf", None),
    ("prf", {}),
    ("prf", [dlg(ALICE, BOB).cid]),
    ("prf", [Link(b"\x01\x55\x12\x20" + bytes(32))]),
    ("prf", [Link(b"\x01\x71\x12\x20" + bytes(31))]),
    ("cause", None),
    ("cause", b"\x01"),
    # Another implementation writes `nbf` into invocations; the specification has no such claim.
    ("nbf", NOW_S),
]


@pytest.mark.parametrize(("name", "value"), INVOCATION_ONLY, ids=lambda part: repr(part)[:40])
def test_a_wrong_claim_of_an_invocation_is_refused(name: str, value: Value) -> None:
    raw = sealed(asked(**{name: value}), tag="ucan/inv@1.0.0")
    assert refusal(lambda: parse_invocation(raw)) is Code.MALFORMED


def test_we_sign_nothing_that_we_would_refuse() -> None:
    assert refusal(lambda: dlg(ALICE, BOB, cmd="read")) is Code.MALFORMED
    assert refusal(lambda: dlg(ALICE, BOB, pol=[["maybe", ".a", 1]])) is Code.MALFORMED
    assert refusal(lambda: dlg(ALICE, BOB, nonce=bytes(65))) is Code.MALFORMED
    assert refusal(lambda: ask(ALICE, [], exp=-1)) is Code.MALFORMED


# --- the chain ------------------------------------------------------------------------------------


def good_chain() -> list[Delegation]:
    return [dlg(ALICE, BOB), dlg(BOB, CAROL)]


def test_the_untouched_chain_is_accepted() -> None:
    chain = good_chain()
    verified = verify_chain(ask(CAROL, chain), raws(chain), now_ms=NOW_MS)
    assert verified.chain == tuple(chain)
    assert verify_chain(ask(ALICE, []), [], now_ms=NOW_MS).chain == ()


def test_proofs_in_another_order_than_named_are_the_same_proofs() -> None:
    chain = good_chain()
    verify_chain(ask(CAROL, chain), raws(chain[::-1]), now_ms=NOW_MS)


def test_a_chain_named_in_the_wrong_order_is_refused() -> None:
    chain = good_chain()[::-1]
    assert judged(ask(CAROL, chain), chain) is Code.UNKNOWN_GRANT


def test_a_chain_with_a_gap_is_refused() -> None:
    chain = [dlg(ALICE, BOB), dlg(CAROL, DAVE)]
    assert judged(ask(DAVE, chain), chain) is Code.AUDIENCE


def test_proofs_are_exactly_those_named() -> None:
    chain = good_chain()
    spare = dlg(ALICE, DAVE)
    assert judged(ask(CAROL, chain), [*chain, spare]) is Code.MALFORMED
    assert judged(ask(CAROL, chain), [*chain, chain[0]]) is Code.MALFORMED
    assert judged(ask(CAROL, chain), chain[:1]) is Code.UNKNOWN_GRANT
    assert judged(ask(CAROL, chain), [chain[0], spare]) is Code.UNKNOWN_GRANT
    assert judged(ask(CAROL, chain), [chain[0], chain[0]]) is Code.UNKNOWN_GRANT
    assert judged(ask(ALICE, []), chain[:1]) is Code.MALFORMED
    assert judged(ask(BOB, [chain[0]] * 2), chain[:1]) is Code.MALFORMED


def test_a_store_that_gives_another_token_is_refused() -> None:
    chain = good_chain()
    spare = dlg(ALICE, BOB, nonce=b"another")
    store = {chain[0].cid: spare.raw, chain[1].cid: chain[1].raw}
    invocation = ask(CAROL, chain)
    assert refusal(lambda: verify_chain(invocation, store, now_ms=NOW_MS)) is Code.MALFORMED


def test_a_repr_does_not_print_the_token() -> None:
    invocation = ask(CAROL, good_chain())
    for part in ("raw=", "cid=", "version="):
        assert part not in repr(invocation)


def test_a_store_that_lacks_a_token_is_refused() -> None:
    chain = good_chain()
    store = {chain[1].cid: chain[1].raw}
    invocation = ask(CAROL, chain)
    assert refusal(lambda: verify_chain(invocation, store, now_ms=NOW_MS)) is Code.UNKNOWN_GRANT


def test_nobody_speaks_for_another_without_proof() -> None:
    assert judged(ask(BOB, []), []) is Code.UNKNOWN_GRANT


def test_the_root_is_by_the_subject() -> None:
    chain = [dlg(BOB, CAROL, sub=ALICE)]
    assert judged(ask(CAROL, chain), chain) is Code.UNKNOWN_GRANT
    powerline = [dlg(ALICE, BOB, sub=None)]
    assert judged(ask(BOB, powerline), powerline) is Code.UNKNOWN_GRANT


def test_the_subject_is_one_throughout() -> None:
    other = [dlg(ALICE, BOB), dlg(BOB, CAROL, sub=BOB)]
    assert judged(ask(CAROL, other), other) is Code.UNKNOWN_GRANT
    chain = good_chain()
    assert judged(ask(CAROL, chain, sub=BOB), chain) is Code.UNKNOWN_GRANT
    # A powerline after the root hands on what it was given, and for no other subject.
    passed_on = [dlg(ALICE, BOB), dlg(BOB, CAROL, sub=None)]
    verify_chain(ask(CAROL, passed_on), raws(passed_on), now_ms=NOW_MS)
    assert judged(ask(CAROL, passed_on, sub=DAVE), passed_on) is Code.UNKNOWN_GRANT


def test_only_the_last_delegate_may_ask() -> None:
    chain = good_chain()
    assert judged(ask(BOB, chain), chain) is Code.AUDIENCE
    assert judged(ask(DAVE, chain), chain) is Code.AUDIENCE
    # Not even the subject, through a chain that leads to someone else.
    assert judged(ask(ALICE, chain), chain) is Code.AUDIENCE


def test_a_chain_that_returns_is_refused() -> None:
    chains = (
        [dlg(ALICE, ALICE)],
        [dlg(ALICE, BOB), dlg(BOB, ALICE)],
        [dlg(ALICE, BOB), dlg(BOB, BOB)],
        [dlg(ALICE, BOB), dlg(BOB, CAROL), dlg(CAROL, BOB)],
    )
    for chain in chains:
        last = next(key for key in (ALICE, BOB, CAROL) if did(key) == chain[-1].aud)
        assert judged(ask(last, chain), chain) is Code.MALFORMED


def long_chain(length: int) -> tuple[list[Delegation], PersonaKey]:
    keys = [PersonaKey(bytes([100 + n]) * 32) for n in range(length)]
    return [dlg(a, b) for a, b in zip([ALICE, *keys], keys, strict=False)], keys[-1]


def test_a_chain_beyond_the_limit_is_refused() -> None:
    chain, last = long_chain(limits.CHAIN_MAX)
    verify_chain(ask(last, chain), raws(chain), now_ms=NOW_MS)
    chain, last = long_chain(limits.CHAIN_MAX + 1)
    assert refusal(lambda: ask(last, chain)) is Code.TOO_MUCH
    prf: Value = [Link(link.cid) for link in chain]
    raw = sealed(asked(iss=did(last), prf=prf), tag="ucan/inv@1.0.0", key=last)
    assert refusal(lambda: parse_invocation(raw)) is Code.TOO_MUCH
    assert refusal(lambda: verify_delegations(chain, now_ms=NOW_MS)) is Code.TOO_MUCH
    assert refusal(lambda: verify_delegations([], now_ms=NOW_MS)) is Code.TOO_MUCH


@pytest.mark.parametrize(
    ("exp", "nbf", "skew_s", "code"),
    [
        (NOW_S, None, 0, None),
        (NOW_S - 1, None, 0, Code.EXPIRED),
        (NOW_S - 1, None, 1, None),
        (None, NOW_S, 0, None),
        (None, NOW_S + 1, 0, Code.NOT_YET),
        (None, NOW_S + 1, 1, None),
        (NOW_S + 9, NOW_S - 9, 0, None),
    ],
)
@pytest.mark.parametrize("at", [0, 1])
def test_every_link_must_hold_now(
    exp: int | None, nbf: int | None, skew_s: int, code: Code | None, at: int
) -> None:
    chain = good_chain()
    ends = ((ALICE, BOB), (BOB, CAROL))[at]
    chain[at] = dlg(*ends, exp=exp, nbf=nbf)
    invocation = ask(CAROL, chain)
    if code is None:
        verify_chain(invocation, raws(chain), now_ms=NOW_MS, skew_s=skew_s)
    else:
        assert judged(invocation, chain, skew_s=skew_s) is code


def test_an_expired_invocation_is_refused() -> None:
    assert judged(ask(ALICE, [], exp=NOW_S - 1), []) is Code.EXPIRED
    verify_chain(ask(ALICE, [], exp=NOW_S), [], now_ms=NOW_MS)


def test_an_invocation_for_someone_else_is_refused() -> None:
    def judge(aud: PersonaKey | None, executor: PersonaKey) -> None:
        verify_chain(ask(ALICE, [], aud=aud), [], now_ms=NOW_MS, audience=did(executor))

    judge(BOB, BOB)
    assert refusal(lambda: judge(BOB, CAROL)) is Code.AUDIENCE
    # Without `aud` it is meant for its subject (UCAN Invocation, "Audience").
    judge(None, ALICE)
    assert refusal(lambda: judge(None, BOB)) is Code.AUDIENCE


def test_every_policy_of_the_chain_holds_on_the_arguments() -> None:
    chain = [
        dlg(ALICE, BOB, pol=[[">=", ".from", 10], ["<=", ".to", 20]]),
        dlg(BOB, CAROL, pol=[[">=", ".from", 5], ["<=", ".to", 15]]),
    ]
    allowed = ask(CAROL, chain, args={"from": 10, "to": 15})
    verify_chain(allowed, raws(chain), now_ms=NOW_MS)
    for start, end in ((5, 15), (10, 16), (10, 20)):
        assert judged(ask(CAROL, chain, args={"from": start, "to": end}), chain) is Code.DAYS

"""Our tokens before another implementation, npm's `iso-ucan`, and its tokens before ours.

Where the two part, `tests/interop/divergences.json` says so and why, by the name of the case; each
divergence is asserted from both sides, so that the file can neither go stale nor hide a new one.
(Tokens of theirs carry the tag of the release candidate, which is all they write.)
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from entrenous.crypto.canonical import Link, Value, encode
from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.capability import (
    Delegation,
    issue_delegation,
    issue_invocation,
    parse_delegation,
    parse_invocation,
    verify_chain,
)
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.envelope import RELEASE_CANDIDATE, VARSIG
from entrenous.protocol.errors import CapabilityError
from entrenous.protocol.limits import CHAIN_MAX
from entrenous.tests.protocol.forge import (
    DLG,
    IDENTITY,
    INV,
    Odd,
    Raw,
    asked,
    body,
    given,
    link,
    raw_did,
    token,
)

INTEROP = Path(__file__).resolve().parents[1] / "interop"
ALICE, BOB, CAROL = (PersonaKey(bytes([n]) * 32) for n in (1, 2, 3))
# Their check of an invocation's end reads the machine's clock, so tokens end far from any now.
NOW_S = 1_800_000_000
END_S = 4_102_444_800


@dataclass(frozen=True, slots=True)
class Case:
    kind: str
    token: bytes
    proofs: tuple[bytes, ...] = ()


def did(key: PersonaKey) -> Did:
    return did_of(key.public)


def dlg(
    iss: PersonaKey,
    aud: PersonaKey,
    pol: Sequence[Value] = (),
    *,
    cmd: str = "/record/read",
    sub: PersonaKey | None = ALICE,
    exp: int | None = END_S,
    nbf: int | None = None,
    meta: Mapping[str, Value] | None = None,
) -> Delegation:
    name = None if sub is None else did(sub)
    return issue_delegation(
        iss, aud=did(aud), sub=name, cmd=cmd, pol=pol, exp=exp, nbf=nbf, meta=meta, nonce=b"n" * 12
    )


def inv(
    iss: PersonaKey,
    chain: Sequence[Delegation] = (),
    args: Mapping[str, Value] | None = None,
    *,
    cmd: str = "/record/read",
    exp: int | None = END_S,
) -> Case:
    invocation = issue_invocation(
        iss,
        sub=did(ALICE),
        aud=did(BOB),
        cmd=cmd,
        args=args or {},
        prf=[link.cid for link in chain],
        exp=exp,
        nonce=b"n" * 12,
        iat=NOW_S,
    )
    return Case("invocation", invocation.raw, tuple(link.raw for link in chain))


def under(pol: Sequence[Value], args: Mapping[str, Value]) -> Case:
    return inv(BOB, [dlg(ALICE, BOB, pol)], args)


def forged(
    pol: Sequence[Value] | None, *, elements: int = 2, tag: str = "ucan/dlg@1.0.0", **more: Value
) -> bytes:
    """A delegation from Alice to Bob, well signed, that we would not write."""
    claims: dict[str, Value] = {
        "iss": did(ALICE), "aud": did(BOB), "sub": did(ALICE), "cmd": "/record/read",
        "exp": END_S, "nonce": b"n" * 12, **more,
    }  # fmt: skip
    if pol is not None:
        claims["pol"] = pol
    body: Value = {"h": VARSIG, tag: claims}
    return encode([ALICE.sign(encode(body)), body, None][:elements])


def with_nbf() -> Case:
    claims: Value = {
        "iss": did(ALICE), "sub": did(ALICE), "cmd": "/a", "args": {}, "prf": [],
        "exp": END_S, "nonce": b"n" * 12, "nbf": 1,
    }  # fmt: skip
    body: Value = {"h": VARSIG, "ucan/inv@1.0.0": claims}
    return Case("invocation", encode([ALICE.sign(encode(body)), body]))


READ: Mapping[str, Value] = {
    "v": 1, "collection": "energy/gas/load-curve", "from": 45_000, "to": 45_003,
    "purpose": "audit", "terms": "bafy", "under": ["bafz"], "note": "a\nb", "rows": [],
}  # fmt: skip
GRANT: Sequence[Value] = [
    ["==", ".purpose", "audit"],
    ["==", ".terms", "bafy"],
    [
        "or",
        [
            [
                "and",
                [
                    ["==", ".collection", "energy/gas/load-curve"],
                    [">=", ".from", 45_000],
                    ["<=", ".to", 45_029],
                ],
            ]
        ],
    ],
]
FULL: Sequence[Value] = [
    *GRANT,
    ["!=", ".v", 2],
    ["<", ".v", 2],
    [">", ".v", 0],
    ["not", ["==", ".v", 7]],
    ["like", ".collection", "energy/*"],
    ["all", ".under", ["like", ".", "baf*"]],
    ["any", ".under", ["==", ".", "bafz"]],
    ["==", ".under[0]", "bafz"],
    ["==", ".under[-1]", "bafz"],
]


def two_hops() -> list[Delegation]:
    return [dlg(ALICE, BOB, GRANT), dlg(BOB, CAROL, [["==", ".under[0]", "bafz"]], nbf=1)]


# What both accept.
ACCEPTED: Mapping[str, Callable[[], Case]] = {
    "a delegation": lambda: Case("delegation", dlg(ALICE, BOB).raw),
    "a delegation with everything": lambda: Case(
        "delegation", dlg(ALICE, BOB, FULL, exp=None, nbf=1, meta={"a": [1, b"x", None]}).raw
    ),
    "a powerline": lambda: Case("delegation", dlg(ALICE, BOB, sub=None).raw),
    "an invocation in one's own name": lambda: inv(ALICE, (), READ),
    "an invocation without end": lambda: inv(ALICE, exp=None),
    "a grant used": lambda: under(GRANT, READ),
    "every operator": lambda: under(FULL, READ),
    "two hops": lambda: inv(CAROL, two_hops(), READ),
    "a powerline after the root": lambda: inv(
        CAROL, [dlg(ALICE, BOB), dlg(BOB, CAROL, sub=None)], READ
    ),
    "a narrower command": lambda: inv(BOB, [dlg(ALICE, BOB, cmd="/record")]),
}

# What both refuse.
REFUSED: Mapping[str, Callable[[], Case]] = {
    "no proof": lambda: inv(BOB),
    "a day outside the grant": lambda: under(GRANT, {**READ, "to": 45_030}),
    "another purpose": lambda: under(GRANT, {**READ, "purpose": "marketing"}),
    "another command": lambda: inv(BOB, [dlg(ALICE, BOB, cmd="/message")]),
    "a chain in the wrong order": lambda: inv(CAROL, two_hops()[::-1], READ),
    "someone else's chain": lambda: inv(BOB, [dlg(ALICE, CAROL)], READ),
    "an expired proof": lambda: inv(BOB, [dlg(ALICE, BOB, exp=NOW_S - 1)]),
    "a proof that is not valid yet": lambda: inv(BOB, [dlg(ALICE, BOB, nbf=NOW_S + 1)]),
    "a powerline at the root": lambda: inv(BOB, [dlg(ALICE, BOB, sub=None)]),
    "a changed signature": lambda: Case("delegation", changed(dlg(ALICE, BOB).raw)),
    "an unknown operator alone": lambda: under_raw(forged([["unknown", ".v", 1]])),
    "a missing policy used": lambda: under_raw(forged(None)),
}

# What one accepts and the other refuses: see divergences.json.
PARTED: Mapping[str, Callable[[], Case]] = {
    "command by characters": lambda: inv(
        BOB, [dlg(ALICE, BOB, cmd="/crypto")], cmd="/cryptocurrency"
    ),
    "unknown operator inside not": lambda: under_raw(forged([["not", ["unknown", ".v", 1]]])),
    "missing policy": lambda: Case("delegation", forged(None)),
    "three elements": lambda: Case("delegation", forged([], elements=3)),
    "unknown version": lambda: Case("delegation", forged([], tag="ucan/dlg@9.0.0")),
    "unknown claim": lambda: Case("delegation", forged([], scope="all")),
    "huge nonce": lambda: Case("delegation", forged([], nonce=bytes(10_000))),
    "nbf in an invocation": with_nbf,
    "chain that returns": lambda: inv(BOB, [dlg(ALICE, BOB), dlg(BOB, CAROL), dlg(CAROL, BOB)]),
    "unused proofs of the subject": lambda: inv(ALICE, [dlg(ALICE, BOB)]),
    "any over nothing": lambda: under([["any", ".rows", ["==", ".", 1]]], READ),
    "missing key": lambda: under([["==", ".absent", None]], READ),
    "wildcard over a line": lambda: under([["like", ".note", "a*b"]], READ),
    "quoted key": lambda: under([["==", '.["purpose"]', "audit"]], READ),
    "one byte of bytes": lambda: under([["==", ".raw[0]", 7]], {"raw": b"\x07"}),
    "quantifier in a quantifier": lambda: under(
        [["all", ".lists", ["any", ".", ["==", ".", 1]]]], {"lists": [[1], [2, 1]]}
    ),
    "raw bytes announced": lambda: Case("delegation", odd(varsig=VARSIG[:-1] + b"\x5f")),
    "floats": lambda: Case("delegation", odd(meta={"x": Raw(b"\xfb\x3f\xf8" + bytes(6))})),
    "integers beyond 63 bits": lambda: Case("delegation", odd(meta={"x": 2**63})),
    "integers beyond 53 bits": lambda: under([[">", ".v", 0]], {"v": 2**53}),
    "key of small order": lambda: Case("delegation", nobody()),
    "another kind of DID": lambda: Case("delegation", odd(aud="did:web:example.com")),
    "any character in a command": lambda: Case("delegation", odd(cmd="/record\u200b/read it")),
    "odd nbf": lambda: Case("delegation", odd(nbf="tomorrow")),
    "odd iat": lambda: Case("invocation", odd_inv(iat=-1)),
    "odd cause": lambda: Case("invocation", odd_inv(cause="because")),
    "audience null": lambda: Case("invocation", odd_inv(aud=None)),
    "meta that is nothing": lambda: Case("delegation", odd(meta=None)),
    "links in values": lambda: inv(ALICE, (), {"x": Link(cid_of(b"x"))}),
    "policy not looked at": lambda: Case("delegation", odd(pol=["nothing", {}])),
    "long chain": lambda: long_chain(),
    "optional": lambda: under([["==", ".a.b?", None]], {"a": 1}),
    "keys of every object": lambda: under([["!=", ".constructor", None]], READ),
    "first word of the tag": lambda: Case("delegation", odd().replace(b"ucan/dlg", b"nope/dlg")),
    "bytes as a collection": lambda: under([["all", ".raw", [">", ".", 0]]], {"raw": b"\x07"}),
}


def odd(*, varsig: Odd = VARSIG, **claims: Odd) -> bytes:
    """A delegation from Alice to Bob that we would not write."""
    return token(body({**given(), "exp": END_S, **claims}, DLG, varsig))


def odd_inv(**claims: Odd) -> bytes:
    return token(body({**asked(), "exp": END_S, **claims}, INV))


def nobody() -> bytes:
    """A delegation by a key of order one: R = that same point and S = 0 verify for any message."""
    claims = {**given(), "iss": raw_did(IDENTITY), "sub": raw_did(IDENTITY), "exp": END_S}
    return b"\x82\x58\x40" + IDENTITY + bytes(32) + body(claims)


def long_chain() -> Case:
    keys = [ALICE, *(PersonaKey(bytes([100 + n]) * 32) for n in range(CHAIN_MAX + 1))]
    chain = [dlg(iss, aud) for iss, aud in pairwise(keys)]
    prf = [link(one.cid) for one in chain]
    claims = {**asked(), "iss": did(keys[-1]), "exp": END_S, "prf": prf}
    return Case("invocation", token(body(claims, INV), keys[-1]), tuple(one.raw for one in chain))


def changed(raw: bytes) -> bytes:
    return raw[:10] + bytes([raw[10] ^ 1]) + raw[11:]


def under_raw(delegation: bytes) -> Case:
    """Bob uses a delegation that we would not write ourselves."""
    claims: Value = {
        "iss": did(BOB), "sub": did(ALICE), "cmd": "/record/read", "args": READ,
        "prf": [Link(cid_of(delegation))], "exp": END_S, "nonce": b"n" * 12,
    }  # fmt: skip
    body: Value = {"h": VARSIG, "ucan/inv@1.0.0": claims}
    return Case("invocation", encode([BOB.sign(encode(body)), body]), (delegation,))


def ours(case: Case) -> str | None:
    """None if we accept it; else why not."""
    try:
        if case.kind == "delegation":
            parse_delegation(case.token)
        else:
            verify_chain(parse_invocation(case.token), case.proofs, now_ms=NOW_S * 1000)
    except CapabilityError as refused:
        return str(refused)
    return None


@dataclass(frozen=True, slots=True)
class Theirs:
    judged: Mapping[str, str | None]
    delegations: tuple[bytes, ...]
    invocation: bytes


@pytest.fixture(scope="module")
def theirs() -> Theirs:
    """What iso-ucan says of every case, in one run of Node.js."""
    node = shutil.which("node")
    if node is None or not (INTEROP / "node_modules" / "iso-ucan").is_dir():
        reason = "iso-ucan is not installed: run `make interop-deps` (needs Node.js)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    cases = {name: make() for name, make in {**ACCEPTED, **REFUSED, **PARTED}.items()}
    asked = {
        "now": NOW_S,
        "judge": [
            {
                "name": name,
                "kind": case.kind,
                "token": base64.b64encode(case.token).decode(),
                "proofs": {
                    cid_text(cid_of(proof)): base64.b64encode(proof).decode()
                    for proof in case.proofs
                },
            }
            for name, case in cases.items()
        ],
        "make": {
            name: base64.b64encode(key.secret_bytes()).decode()
            for name, key in (("alice", ALICE), ("bob", BOB), ("carol", CAROL))
        },
    }
    done = subprocess.run(
        [node, "ucan.mjs"],
        cwd=INTEROP,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    made = said["made"]
    return Theirs(
        judged=cast("dict[str, str | None]", said["judged"]),
        delegations=tuple(base64.b64decode(token) for token in made["delegations"]),
        invocation=base64.b64decode(made["invocation"]),
    )


@pytest.mark.parametrize("name", ACCEPTED)
def test_both_accept(theirs: Theirs, name: str) -> None:
    assert (ours(ACCEPTED[name]()), theirs.judged[name]) == (None, None)


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(theirs: Theirs, name: str) -> None:
    assert ours(REFUSED[name]()) is not None
    assert theirs.judged[name] is not None


def divergences() -> Mapping[str, Mapping[str, str]]:
    listed = json.loads((INTEROP / "divergences.json").read_text("utf-8"))
    return {entry["name"]: entry for entry in listed["divergences"]}


def test_every_divergence_is_listed_and_tried() -> None:
    assert set(divergences()) == set(PARTED)


@pytest.mark.parametrize("name", PARTED)
def test_divergence(theirs: Theirs, name: str) -> None:
    entry = divergences()[name]
    assert entry["why"]
    we, they = ours(PARTED[name]()), theirs.judged[name]
    assert ("refused" if we else "accepted", "refused" if they else "accepted") == (
        entry["ours"],
        entry["theirs"],
    )
    assert entry["ours"] != entry["theirs"]


def test_their_chain_is_accepted_by_us(theirs: Theirs) -> None:
    invocation = parse_invocation(theirs.invocation, version=RELEASE_CANDIDATE)
    verified = verify_chain(invocation, theirs.delegations, now_ms=NOW_S * 1000)
    assert [link.aud for link in verified.chain] == [did(BOB), did(CAROL)]
    assert verified.chain[1].meta == {"note": "narrower"}
    with pytest.raises(CapabilityError, match="another version of UCAN"):
        parse_invocation(theirs.invocation)

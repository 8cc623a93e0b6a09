"""`tests/vectors/ucan/negative.json`: each token is refused, with its code and for its reason.

The file is read here as another program would read it, from its JSON; that it is what the
generator makes is one more test.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast, get_args

import pytest

from entrenous.protocol.capability import parse_invocation, verify_chain
from entrenous.protocol.cid import cid_of
from entrenous.protocol.delegation import forget_delegations, parse_delegation
from entrenous.protocol.did import Did
from entrenous.protocol.errors import CapabilityError, Code, GrantRefused
from entrenous.protocol.refusal import code_of
from entrenous.protocol.trust import (
    GrantStatus,
    Pair,
    Standing,
    authorise_own,
    authorise_read,
    hear,
)
from entrenous.tests.protocol.negative_case import Fault
from entrenous.tests.protocol.negative_vectors import VECTORS, render

FILE = cast("dict[str, object]", json.loads(VECTORS.read_text("utf-8")))
NOW_MS = cast("int", FILE["now_s"]) * 1000
PRINCIPALS = cast("Mapping[str, Mapping[str, str]]", FILE["principals"])
ALICE, BOB, DEVICE = (Did(PRINCIPALS[name]["did"]) for name in ("alice", "bob", "device"))
CONTROLS = cast("Sequence[Mapping[str, str]]", FILE["controls"])
REFUSED = cast("Sequence[Mapping[str, str]]", FILE["refused"])

# What the sentence of a refusal of each class says: the right code for a wrong reason is a failure.
SENTENCES: Mapping[str, str] = {
    "encoding": "DAG-CBOR|canonical|tag|a link|floats|keys of a map",
    "envelope": "two elements|no Ed25519 signature|header and one payload|Ed25519 over DAG-CBOR"
    "|this token is not|another version of UCAN|payload of",
    "signature": "signature of a token does not verify",
    "claim": "lacks|not known|did:key|DID here|is not text|a command|not a time|nonce|not a map"
    "|not a list of links|where a link belongs|a CID here",
    "policy": "policy|statement|operator|selector|pattern",
    "limit": "limit|strict DAG-CBOR|64 bits|costs too much|more than",
    "proofs": "did not come with it|more proofs|names a delegation twice",
    "root": "without proof|not by its subject",
    "audience": "to whom was delegated|meant for",
    "subject": "subject",
    "cycle": "returns to someone",
    "command": "command",
    "arguments": "policy of a delegation does not allow",
    "time": "expired|not valid yet",
    "call": "",
}


def raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def judge(case: Mapping[str, str]) -> None:
    """Raises CapabilityError or GrantRefused."""
    token, proofs = raw(case["token"]), [raw(proof) for proof in case.get("proofs", [])]
    match case["kind"]:
        case "delegation":
            parse_delegation(token)
        case "invocation":
            verify_chain(parse_invocation(token), proofs, now_ms=NOW_MS, audience=DEVICE)
        case "read":
            heard = hear(token, proofs)
            # The node gave every grant of these vectors but the one that says so.
            known = [cid for cid, proof in zip(heard.grants, proofs, strict=True)
                     if parse_delegation(proof).nonce != b"unknown"]  # fmt: skip
            statuses = dict.fromkeys(known, GrantStatus.LIVE)
            authorise_read(heard, Standing(DEVICE, Pair(ALICE, BOB), statuses, ()), NOW_MS)
        case _:
            standing = Standing(DEVICE, Pair(ALICE, BOB), {}, ())
            authorise_own(hear(token, proofs), standing, NOW_MS)


@pytest.mark.parametrize("case", CONTROLS, ids=lambda case: case["name"])
def test_a_control_is_accepted(case: Mapping[str, str]) -> None:
    judge(case)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_is_refused_for_its_reason(case: Mapping[str, str]) -> None:
    # Twice: what was refused once must not be remembered as something that was read.
    for _ in range(2):
        with pytest.raises((CapabilityError, GrantRefused)) as refused:
            judge(case)
        assert code_of(refused.value) is Code(case["code"])
        assert re.search(SENTENCES[case["class"]], str(refused.value)), str(refused.value)
        assert len(str(refused.value)) < 400
    forget_delegations()
    with pytest.raises((CapabilityError, GrantRefused)):
        judge(case)


def test_the_file_is_what_the_generator_makes() -> None:
    assert VECTORS.read_text("utf-8") == render()


def test_every_class_is_here_and_no_case_twice() -> None:
    assert {case["class"] for case in REFUSED} == set(get_args(Fault)) == set(SENTENCES)
    every = [*CONTROLS, *REFUSED]
    assert max(Counter(case["name"] for case in every).values()) == 1
    whole = Counter((case["kind"], case["token"], tuple(case.get("proofs", ()))) for case in every)
    twice = [case["name"] for case in every
             if whole[case["kind"], case["token"], tuple(case.get("proofs", ()))] > 1]  # fmt: skip
    assert twice == []
    assert len(REFUSED) > 400


def test_the_proofs_of_each_case_are_the_tokens_that_their_cids_say() -> None:
    """Nothing but the faults that are meant: a control's proofs are the ones it names."""
    for case in CONTROLS:
        if case["kind"] == "invocation":
            named = set(parse_invocation(raw(case["token"])).prf)
            assert {cid_of(raw(proof)) for proof in case["proofs"]} == named

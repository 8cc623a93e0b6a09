"""One negative vector: a token, what must be said of it, and what kind of fault it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from entrenous.protocol.errors import Code

# What is judged: a token alone, an invocation with its proofs, or a whole call at a node's door.
Kind: TypeAlias = Literal["delegation", "invocation", "read", "own"]
Fault: TypeAlias = Literal[
    "encoding",  # not the one byte form of DAG-CBOR
    "envelope",  # not two elements, one header, one payload of the right kind and version
    "signature",  # does not verify, or verifies only for a lax verifier
    "claim",  # a claim is missing, unknown, or not of its type
    "policy",  # not in the policy language
    "limit",  # larger than this program's limits
    "proofs",  # not exactly the delegations that are named
    "root",  # the chain does not begin at the subject
    "audience",  # a link of the chain, or the invocation, is not for the one who uses it
    "subject",  # the subject changes on the way
    "cycle",  # the chain returns
    "command",  # wider than what was delegated
    "arguments",  # the policy of a link does not allow them
    "time",  # too late or too early
    "call",  # a node's own rules for what it is asked over the network
]


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    kind: Kind
    token: bytes
    proofs: tuple[bytes, ...] = ()
    # None: a control, which is accepted.
    code: Code | None = None
    fault: Fault | None = None


def bad(name: str, token: bytes, fault: Fault, code: Code = Code.MALFORMED) -> Case:
    """A delegation that must not be read."""
    return Case(name, "delegation", token, (), code, fault)


def bad_inv(
    name: str, token: bytes, fault: Fault, code: Code = Code.MALFORMED, proofs: Sequence[bytes] = ()
) -> Case:
    """An invocation that must not be allowed."""
    return Case(name, "invocation", token, tuple(proofs), code, fault)

"""Pushing: a local program adds records to one collection, by a capability that allows just that.

    owner    delegation   iss = sub = the device, aud = the program, cmd /record/add, finite exp,
                          pol [["==", ".collection", path], ["==", ".schema", name]]
    node     greeting     {v, node, challenge}                    32 random bytes, once
    program  proof        {v, inv, proofs}                        an invocation on that challenge
    node     welcome      {ok: {collection, schema, records_max, bytes_max, per_minute}}
    program  push         {n, records}                            any number, one after the other
    node     answer       {ok: {n, new, there}} | {error: {code, sentence, wait_ms, n}}

The subject is the device and not a persona: the delegation never leaves the machine, no peer knows
its subject, and a restore, which makes another device, ends it (docs/adr/0017).  One invocation
opens a session: its `args` are exactly `{v, collection, schema, challenge}`, its `aud` is the
device, so it is good for one connection to one node and can neither be replayed nor carried
elsewhere.  What is pushed after it has no signature of its own: a local socket has two ends.

A chain may be longer than one: a program may hand on less than it has.  The first link is the one
that the owner signed, in exactly the form above, read back and compared; every link's time bounds
the session.

Whether the delegation is still one of this node's is not seen here (`node/push/allowances.py`).

Source: docs/push.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..crypto.digest import equal
from ..crypto.keys import DeviceKey, SigningKey
from .capability import (
    Delegation,
    issue_delegation,
    issue_invocation,
    parse_delegation,
    parse_invocation,
    verify_chain,
)
from .collection import check_domain
from .command import digest_from_text, digest_text
from .did import Did, check_did, did_of
from .errors import CapabilityError, Code, ProtocolError, RecordError, WireError
from .limits import (
    CHAIN_MAX,
    INVOCATION_AHEAD_S_MAX,
    INVOCATION_LIFE_S,
    PUSH_BYTES_MAX,
    PUSH_RECORDS_MAX,
    TEXT_CHARS_MAX,
    TOKEN_BYTES_MAX,
)
from .record import Batch
from .schema import Schema, schema_named
from .wire import VERSION, Body, Value

ADD: Final = "/record/add"
CHALLENGE_BYTES: Final = 32


class PushCode(StrEnum):
    """How a refusal on the push socket is named, beside the codes of `errors.Code`."""

    # Fatal: the connection ends.
    MALFORMED = "malformed"
    REVOKED = "revoked"
    EXPIRED = "expired"
    # The same connection goes on.
    RECORD = "record"
    BUSY = "busy"
    STORE = "store"


# --- the delegation -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Allowance:
    """A delegation of the form above, and what it allows.  `exp_s`: its last second."""

    delegation: Delegation
    program: Did
    collection: str
    schema: Schema
    exp_s: int


def issue_allowance(
    device: DeviceKey, program: Did, collection: str, schema: Schema, *, exp_s: int, nonce: bytes
) -> Allowance:
    """Let `program` add records of `schema` to `collection`.  Raises RecordError for a path."""
    delegation = issue_delegation(
        device,
        aud=program,
        sub=did_of(device.public),
        cmd=ADD,
        pol=_policy(check_domain(collection), schema.name),
        exp=exp_s,
        nonce=nonce,
    )
    return Allowance(delegation, program, collection, schema, exp_s)


def read_allowance(raw: bytes) -> Allowance:
    """A delegation that is exactly of this form.  Raises CapabilityError, RecordError."""
    delegation = parse_delegation(raw)
    match delegation.pol:
        case [["==", ".collection", str(collection)], ["==", ".schema", str(name)]]:
            pass
        case _:
            raise CapabilityError(
                "a delegation to add records has another policy", Code.UNKNOWN_GRANT
            )
    if delegation.cmd != ADD or delegation.sub != delegation.iss:
        raise CapabilityError("this is no delegation to add records", Code.COMMAND)
    if delegation.exp is None:
        raise CapabilityError("a delegation to add records has no end", Code.UNKNOWN_GRANT)
    schema = schema_named(name)
    return Allowance(delegation, delegation.aud, check_domain(collection), schema, delegation.exp)


def _policy(collection: str, schema: str) -> list[Value]:
    return [["==", ".collection", collection], ["==", ".schema", schema]]


# --- greeting and proof ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the node says first: which device it is, and a challenge for this connection."""

    node: Did
    challenge: bytes

    def value(self) -> Value:
        return {"v": VERSION, "node": self.node, "challenge": self.challenge}

    @classmethod
    def from_value(cls, value: Value) -> Greeting:
        """Raises WireError, VersionError."""
        body = Body.open(value, "a greeting", ("v", "node", "challenge"))
        return cls(check_did(body.text("node")), body.data("challenge", length=CHALLENGE_BYTES))


def make_proof(
    key: SigningKey,
    chain: Sequence[bytes],
    greeting: Greeting,
    *,
    now_ms: int,
    nonce: bytes,
) -> Value:
    """The program's answer to a greeting.  `chain`: delegations, the owner's first.

    Raises CapabilityError: `audience` if the greeting is of another node than the delegation's.
    """
    allowance = read_allowance(chain[0])
    if allowance.delegation.iss != greeting.node:
        raise CapabilityError(
            "another node answers at this socket than the one that this token is for",
            Code.AUDIENCE,
        )
    invocation = issue_invocation(
        key,
        sub=greeting.node,
        aud=greeting.node,
        cmd=ADD,
        args=_args(allowance.collection, allowance.schema.name, greeting.challenge),
        prf=[parse_delegation(raw).cid for raw in chain],
        exp=now_ms // 1000 + INVOCATION_LIFE_S,
        nonce=nonce,
    )
    return {"v": VERSION, "inv": invocation.raw, "proofs": list(chain)}


@dataclass(frozen=True, slots=True)
class VerifiedPush:
    """A session that the chain allows, at the time it was checked.  Made by `verify_proof`.

    `root` is the CID of the owner's delegation, `exp_s` the last second of the whole chain.
    """

    root: bytes
    collection: str
    schema: Schema
    exp_s: int


def verify_proof(value: Value, greeting: Greeting, *, now_ms: int) -> VerifiedPush:
    """Check a program's proof against the greeting that it answers.

    Raises WireError, and CapabilityError: `audience` (made for another node), `replay` (made for
    another connection), `collection`, `command`, and those of `verify_chain`.
    """
    body = Body.open(value, "a proof", ("v", "inv", "proofs"))
    proofs = body.items("proofs", items_max=CHAIN_MAX, items_min=1)
    raws = [raw for raw in proofs if isinstance(raw, bytes)]
    if len(raws) != len(proofs):
        raise WireError("the proofs of a push are not byte strings")
    inv = parse_invocation(body.data("inv", bytes_max=TOKEN_BYTES_MAX))
    if inv.sub != greeting.node:
        raise CapabilityError("this token is for another node", Code.AUDIENCE)
    # Without tolerance: both ends of a local socket have one clock.
    verified = verify_chain(inv, raws, now_ms=now_ms, audience=greeting.node)
    if not verified.chain:
        raise CapabilityError("a program pushes under a delegation only", Code.UNKNOWN_GRANT)
    if inv.exp is None or inv.exp > now_ms // 1000 + INVOCATION_AHEAD_S_MAX:
        raise CapabilityError("a proof is signed for one session, at once", Code.EXPIRED)
    if inv.cmd != ADD:
        raise CapabilityError("a program can add records and nothing else", Code.COMMAND)
    args = Body.open(inv.args, f"{ADD} args", ("v", "collection", "schema", "challenge"))
    if not equal(_challenge(args), greeting.challenge):
        raise CapabilityError("this proof was made for another connection", Code.REPLAY)
    root = read_allowance(verified.chain[0].raw)
    # The policy of the first link holds on these, so they are what the owner named.
    schema = schema_named(args.text("schema"))
    ends = [link.exp for link in verified.chain if link.exp is not None]
    return VerifiedPush(root.delegation.cid, args.text("collection"), schema, min(ends))


def _args(collection: str, schema: str, challenge: bytes) -> dict[str, Value]:
    return {
        "v": VERSION,
        "collection": collection,
        "schema": schema,
        "challenge": digest_text(challenge),
    }


def _challenge(args: Body) -> bytes:
    return digest_from_text(args.text("challenge"))


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a session may do, told to the program once its proof was good."""

    collection: str
    schema: str
    per_minute: int
    records_max: int = PUSH_RECORDS_MAX
    bytes_max: int = PUSH_BYTES_MAX

    def value(self) -> Value:
        return {
            "ok": {
                "collection": self.collection,
                "schema": self.schema,
                "per_minute": self.per_minute,
                "records_max": self.records_max,
                "bytes_max": self.bytes_max,
            }
        }

    @classmethod
    def from_value(cls, value: Value) -> Welcome:
        """Raises WireError, and PushRefused for a refusal."""
        body = Body.open(_ok(value), "a welcome", _WELCOME)
        return cls(
            body.text("collection"),
            body.text("schema"),
            body.integer("per_minute", low=1),
            body.integer("records_max", low=1),
            body.integer("bytes_max", low=1),
        )


_WELCOME = ("collection", "schema", "per_minute", "records_max", "bytes_max")


# --- pushes and answers ---------------------------------------------------------------------------


def push_value(n: int, rows: Sequence[Value]) -> Value:
    """Records, each `{field: value|null}`, under a number by which they are answered."""
    return {"n": n, "records": list(rows)}


def parse_push(value: Value, schema: Schema) -> tuple[int, Batch]:
    """The number and the records of a push.

    Raises WireError if it is no push at all, BadRecords if its records are not of `schema`.
    """
    body = Body.open(value, "a push", ("n", "records"))
    n = body.integer("n")
    rows = body.items("records", items_max=PUSH_RECORDS_MAX, items_min=1)
    maps = [row for row in rows if isinstance(row, dict)]
    if len(maps) != len(rows):
        raise BadRecords(n, "a record is a map of its fields")
    try:
        return n, Batch.from_rows(schema, maps)
    except RecordError as error:
        raise BadRecords(n, str(error)) from error


class BadRecords(WireError):
    """The records of push `n` are not what its session may add; the session goes on."""

    def __init__(self, n: int, message: str) -> None:
        super().__init__(message)
        self.n = n


@dataclass(frozen=True, slots=True)
class Pushed:
    """The answer to push `n`: `new` records are durable, those at the places `there` were there."""

    n: int
    new: int
    there: tuple[int, ...]

    def value(self) -> Value:
        return {"ok": {"n": self.n, "new": self.new, "there": list(self.there)}}

    @classmethod
    def from_value(cls, value: Value) -> Pushed:
        """Raises WireError, and PushRefused for a refusal."""
        body = Body.open(_ok(value), "the answer to a push", ("n", "new", "there"))
        there = body.items("there", items_max=PUSH_RECORDS_MAX)
        places = tuple(place for place in there if isinstance(place, int))
        if len(places) != len(there):
            raise WireError("the answer to a push: there is not a list of places")
        return cls(body.integer("n"), body.integer("new"), places)


class PushRefused(ProtocolError):
    """The node refused.  `reason` is its code as it came; `wait_ms` says when to try again.

    With `n` the session goes on; without, the node has ended it.
    """

    def __init__(self, reason: str, sentence: str, wait_ms: int | None, n: int | None) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.wait_ms = wait_ms
        self.n = n


def refusal_value(
    code: str, sentence: str, *, wait_ms: int | None = None, n: int | None = None
) -> Value:
    """`{error: …}`: `wait_ms` where trying again later helps, `n` where the session goes on."""
    return {"error": {"code": code, "sentence": sentence, "wait_ms": wait_ms, "n": n}}


def _ok(value: Value) -> Value:
    match value:
        case {"ok": ok, **rest} if not rest:
            return ok
        case {"error": error, **rest} if not rest:
            body = Body.open(error, "a refusal", ("code", "sentence", "wait_ms", "n"))
            raise PushRefused(
                body.text("code"),
                body.text("sentence", chars_max=TEXT_CHARS_MAX),
                body.maybe_integer("wait_ms"),
                body.maybe_integer("n"),
            )
        case _:
            raise WireError("an answer on the push socket is {ok} or {error}")

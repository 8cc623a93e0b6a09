"""The line of a persona: who a peer has been, one key after another, and who it is now.

A device that is stolen has the keys of every persona that it served for.  They cannot be called
back; but each persona named, when it was met, the digest of the one key that may follow it, and
that key was never on the device.  A **step** is that promise kept: the succession and the new
inception, both signed by the new key, and a fresh half key for the pair.

    held of the peer        a step whose `old` is           what it does
    --------------------------------------------------------------------------------------
    PRESENT  did = old      the present one                 FOLLOW: the new one is present
    PRESENT  did = last     (none: the line ends there)     KNOWN: nothing changes
    PRESENT  otherwise      not in the line                 refused: another's line
    LEFT     (an earlier)   (it is never present again)     refused wherever it speaks

A line that forks is refused: the digest that a persona promised is the digest of one key, and what
has been followed once is not present any more.  A thief can sign as the old persona whatever it
likes; the promise that counts is the one that the peer has held since the two met.

The pair's key is stepped with the half key, so what was on the stolen device opens no later
fingerprint: `k_pair' = KDF(k_pair, "pair-next", k, CID(new inception))`.

Source: formats.md, "Identity"; docs/adr/0024-succession.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..crypto.digest import kdf
from ..crypto.keys import KEY_BYTES, PairKey, PersonaKey
from ..crypto.labels import Derive
from .did import Did
from .errors import CapabilityError, Code, WireError
from .limits import SUCCESSION_BYTES_MAX, SUCCESSIONS_MAX
from .persona import (
    Inception,
    Succession,
    check_succession,
    make_inception,
    make_succession,
    parse_inception,
    parse_succession,
)
from .wire import Value


@dataclass(frozen=True, slots=True)
class Step:
    """One persona follows another.  `k`: the 32-byte half key that only the two sides learn."""

    succession: Succession
    inception: Inception
    k: bytes

    def __repr__(self) -> str:
        return f"<succession to {self.succession.new}>"

    @property
    def old(self) -> Did:
        return self.succession.old

    @property
    def new(self) -> Did:
        return self.succession.new

    def value(self) -> Value:
        return [self.succession.signed.raw, self.inception.signed.raw, self.k]


def make_step(
    old: Did, new_key: PersonaKey, *, reader_key: bytes, next_digest: bytes, k: bytes
) -> Step:
    """Sign, with the key that `old` promised, that it follows, and what will follow it."""
    return Step(
        make_succession(old, new_key),
        make_inception(new_key, reader_key=reader_key, next_digest=next_digest),
        k,
    )


def step_from_value(value: Value) -> Step:
    """Read a step and verify the new key's signatures.  Raises WireError, BadSignature.

    It means nothing yet: `follow` holds it against what was promised.
    """
    match value:
        case [bytes(succession), bytes(inception), bytes(k)] if len(k) == KEY_BYTES:
            if max(len(succession), len(inception)) > SUCCESSION_BYTES_MAX:
                raise WireError("a succession is larger than one can be")
            return Step(parse_succession(succession), parse_inception(inception), k)
        case _:
            raise WireError("a step of a line of personas has not the form of one")


def steps_from_value(items: Sequence[Value]) -> tuple[Step, ...]:
    """Read the steps of one line, oldest first: each goes on from the one before.

    Raises WireError, BadSignature.
    """
    if not 1 <= len(items) <= SUCCESSIONS_MAX:
        raise WireError(f"a line of personas has 1 to {SUCCESSIONS_MAX} steps")
    steps = tuple(step_from_value(item) for item in items)
    for before, after in pairwise(steps):
        if after.old != before.new:
            raise WireError("the steps of a line of personas do not follow each other")
    seen = [steps[0].old, *(step.new for step in steps)]
    if len(set(seen)) != len(seen):
        raise WireError("a line of personas comes back to one that was left behind")
    return steps


def follow(present: Inception, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that lead on from the persona that is held; none if the last is held already.

    Raises CapabilityError (audience) for a line that does not pass through `present`, or a step
    to a key that was never promised.
    """
    if steps and steps[-1].new == present.did:
        return ()
    places = [place for place, step in enumerate(steps) if step.old == present.did]
    if not places:
        raise CapabilityError("a line of personas is not that of this peer", Code.AUDIENCE)
    ahead = tuple(steps[places[0] :])
    for step in ahead:
        check_succession(step.succession, present, step.inception)
        present = step.inception
    return ahead


def next_pair_key(key: PairKey, step: Step) -> PairKey:
    """The pair's key once `step` was taken: `KDF(k_pair, "pair-next", k, CID(new inception))`."""
    return PairKey(kdf(key.secret_bytes(), Derive.PAIR_NEXT, step.k, step.inception.signed.cid))

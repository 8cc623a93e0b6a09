"""A link more never widens: what a longer chain allows, every shorter one allowed already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.capability import (
    Delegation,
    issue_delegation,
    issue_invocation,
    parse_delegation,
    verify_chain,
)
from entrenous.protocol.delegation import forget_delegations
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError

KEYS = [PersonaKey(bytes([n]) * 32) for n in range(5)]
DIDS = [did_of(key.public) for key in KEYS]


@dataclass(frozen=True, slots=True)
class Link:
    cmd: str
    first: int
    last: int
    nbf: int
    exp: int | None
    powerline: bool


links = st.builds(
    Link,
    cmd=st.sampled_from(["/", "/a", "/a/b", "/ab", "/a/b/c"]),
    first=st.integers(0, 4),
    last=st.integers(4, 9),
    nbf=st.integers(0, 4),
    exp=st.one_of(st.none(), st.integers(4, 9)),
    powerline=st.booleans(),
)
OPEN = Link("/", 0, 9, 0, None, powerline=False)


def chain_of(steps: Sequence[Link]) -> list[Delegation]:
    return [
        issue_delegation(
            KEYS[n],
            aud=DIDS[n + 1],
            sub=None if step.powerline and n else DIDS[0],
            cmd=step.cmd,
            pol=[[">=", ".from", step.first], ["<=", ".to", step.last]],
            exp=step.exp,
            nbf=step.nbf,
            nonce=b"n",
        )
        for n, step in enumerate(steps)
    ]


def allowed(chain: Sequence[Delegation], cmd: str, first: int, last: int, now_s: int) -> bool:
    invocation = issue_invocation(
        KEYS[len(chain)],
        sub=DIDS[0],
        cmd=cmd,
        args={"from": first, "to": last},
        prf=[link.cid for link in chain],
        exp=None,
        nonce=b"n",
    )
    try:
        verify_chain(invocation, [link.raw for link in chain], now_ms=now_s * 1000)
    except CapabilityError:
        return False
    return True


@settings(max_examples=60)
@given(
    st.lists(links, min_size=1, max_size=4),
    st.sampled_from(["/a", "/a/b", "/ab", "/a/b/c"]),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
)
@example([OPEN, OPEN, OPEN], "/a", 0, 9, 5)
def test_what_a_chain_allows_each_of_its_beginnings_allows(
    steps: list[Link], cmd: str, first: int, last: int, now_s: int
) -> None:
    chain = chain_of(steps)
    verdicts = [allowed(chain[: n + 1], cmd, first, last, now_s) for n in range(len(chain))]
    # Once refused, refused for good: no later link brings anything back.
    assert verdicts == sorted(verdicts, reverse=True)
    # And the verdict is what the links say one by one, with nothing else in it.
    each_holds = all(
        (step.cmd == "/" or f"{cmd}/".startswith(f"{step.cmd}/"))
        and step.first <= first
        and last <= step.last
        and step.nbf <= now_s
        and (step.exp is None or now_s <= step.exp)
        for step in steps
    )
    each_narrows = all(
        wide.cmd == "/" or f"{narrow.cmd}/".startswith(f"{wide.cmd}/")
        for wide, narrow in pairwise(steps)
    )
    assert verdicts[-1] == (each_holds and each_narrows)


def test_what_is_remembered_changes_no_verdict_and_has_a_bound() -> None:
    forget_delegations()
    one = chain_of([OPEN])[0]
    assert parse_delegation(bytes(bytearray(one.raw))) is one
    for n in range(64):
        issue_delegation(
            KEYS[1],
            aud=DIDS[2],
            sub=DIDS[1],
            cmd="/a",
            pol=[["==", ".a", bytes([n]) * 32_000]],
            exp=None,
            nonce=b"n",
        )
    again = parse_delegation(one.raw)
    assert again is not one
    assert again == one

"""A grant that is not read back when it is made is what its reader reads, or is refused alike."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.errors import EntrenousError
from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.command import Cmd
from entrenous.protocol.day import DAY_MAX, UNDATED
from entrenous.protocol.delegation import forget_delegations, issue_delegation, parse_delegation
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.grant import ReadGrant, issue_grant, read_grant, read_policy
from entrenous.protocol.limits import LINE_CHARS_MAX, TIME_S_MAX, TOKEN_NONCE_BYTES_MAX, WINDOWS_MAX
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window

OWNER, READER = (PersonaKey(bytes([n]) * 32) for n in (1, 2))
LOAD = "energy/electricity/load-curve"

_days = st.sampled_from([-1, 0, 46_000, DAY_MAX, UNDATED, UNDATED + 1])
_windows = st.lists(
    st.builds(Window, st.sampled_from([LOAD, "energy", "Not a path", ""]), _days, _days), max_size=3
)
_purposes = st.sampled_from(["dpv:ServiceProvision", "", "é" * LINE_CHARS_MAX])
_ends = st.sampled_from([-1, 0, 2_000_000_000, TIME_S_MAX, TIME_S_MAX + 1])
_nonces = st.sampled_from([b"", bytes(16), bytes(TOKEN_NONCE_BYTES_MAX + 1)])
_to = st.sampled_from([did_of(READER.public), Did("did:key:z6Mk"), Did("did:web:example.org")])


def _outcome(make: Callable[[], ReadGrant]) -> ReadGrant | type[EntrenousError]:
    try:
        return make()
    except EntrenousError as error:
        return type(error)


def _same_both_ways(
    windows: list[Window], purpose: str, exp_s: int, nonce: bytes, aud: Did
) -> ReadGrant | type[EntrenousError]:
    terms = Terms(purpose, 30, (), None, ())

    def read_back() -> ReadGrant:
        delegation = issue_delegation(
            OWNER,
            aud=aud,
            sub=did_of(OWNER.public),
            cmd=Cmd.READ,
            pol=read_policy(windows, purpose, terms.cid),
            exp=exp_s,
            nonce=nonce,
        )
        return read_grant(delegation)

    def made() -> ReadGrant:
        return issue_grant(OWNER, aud=aud, windows=windows, terms=terms, exp_s=exp_s, nonce=nonce)

    found = _outcome(made)
    assert found == _outcome(read_back)
    if isinstance(found, ReadGrant):
        forget_delegations()
        read_grant.cache_clear()
        assert read_grant(parse_delegation(found.delegation.raw)) == found
        assert parse_delegation(found.delegation.raw).pol == found.delegation.pol
    return found


@settings(max_examples=150)
@given(_windows, _purposes, _ends, _nonces, _to)
def test_what_is_made_is_what_is_read_or_refused_alike(
    windows: list[Window], purpose: str, exp_s: int, nonce: bytes, aud: Did
) -> None:
    _same_both_ways(windows, purpose, exp_s, nonce, aud)


def test_a_good_one_and_the_longest() -> None:
    """The property above is not about refusals alone."""
    good = [Window(LOAD, 46_000, 46_029)]
    end, nonce, aud = 2_000_000_000, bytes(16), did_of(READER.public)
    assert isinstance(_same_both_ways(good, "dpv:ServiceProvision", end, nonce, aud), ReadGrant)
    longest = [Window(f"{LOAD}/{n}", n, DAY_MAX) for n in range(WINDOWS_MAX)]
    assert isinstance(_same_both_ways(longest, "x" * LINE_CHARS_MAX, end, nonce, aud), ReadGrant)
    assert isinstance(_same_both_ways([*longest, *good], "x", end, nonce, aud), type)

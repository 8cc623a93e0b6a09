"""The one door: each refusal has its own code and sentence, and the order of checks decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.protocol.capability import issue_delegation, issue_invocation
from entrenous.protocol.cid import cid_text
from entrenous.protocol.command import Cmd
from entrenous.protocol.day import UNDATED, day_of, day_of_date
from entrenous.protocol.did import check_did, did_of
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.grant import (
    ReadArgs,
    ReadGrant,
    Under,
    issue_grant,
    issue_sub_grant,
    read_grant,
    read_policy,
)
from entrenous.protocol.limits import READ_CALL_BYTES_MAX
from entrenous.protocol.terms import Terms
from entrenous.protocol.trust import (
    MEETING_CHECKS,
    OWN_CHECKS,
    READ_CHECKS,
    GrantStatus,
    Heard,
    Pair,
    Standing,
    Step,
    VerifiedRead,
    authorise_read,
    check_still,
    hear,
    status_at,
)
from entrenous.protocol.window import Window, within
from entrenous.protocol.wire import Value

NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
DAY_S = 86_400
OWNER, READER, THIRD, STRANGER = (PersonaKey(bytes([n]) * 32) for n in (1, 2, 3, 4))
OWNER_DID, READER_DID, THIRD_DID, STRANGER_DID = (
    did_of(key.public) for key in (OWNER, READER, THIRD, STRANGER)
)
DEVICE = did_of(DeviceKey(bytes([5]) * 32).public)
OTHER_DEVICE = did_of(DeviceKey(bytes([6]) * 32).public)
SCANNER_DEVICE = DeviceKey(bytes([7]) * 32)
LOAD = "energy/electricity/load-curve"
GAS = "energy/gas/load-curve"
FIRST, LAST = day_of_date("2026-01-01"), day_of_date("2026-01-30")
TERMS = Terms("dpv:ServiceProvision", 30, (), None, ())
SUB_TERMS = Terms("dpv:ServiceProvision", 7, (), None, ())
OTHER_TERMS = Terms("dpv:Marketing", 3_000, (), None, ())


def _grant(
    *, first: int = FIRST, last: int = LAST, exp_s: int = NOW_S + 60 * DAY_S, nbf: int | None = None
) -> ReadGrant:
    return issue_grant(
        OWNER,
        aud=READER_DID,
        windows=[Window(LOAD, first, last)],
        terms=TERMS,
        exp_s=exp_s,
        nonce=bytes(12),
        nbf_s=nbf,
    )


def _sub(chain: Sequence[ReadGrant], first: int, last: int) -> ReadGrant:
    return issue_sub_grant(
        READER,
        chain,
        aud=THIRD_DID,
        windows=[Window(LOAD, first, last)],
        terms=SUB_TERMS,
        exp_s=NOW_S + 30 * DAY_S,
        nonce=bytes(12),
    )


GRANT = _grant()
NARROW = _sub([GRANT], FIRST + 5, FIRST + 9)
WIDE = _sub([GRANT], FIRST, LAST + 30)
ARGS = ReadArgs(Window(LOAD, FIRST, LAST), TERMS.purpose, TERMS.cid)
STANDING = Standing(DEVICE, Pair(OWNER_DID, READER_DID), {GRANT.cid: GrantStatus.LIVE}, ())


@dataclass(frozen=True, slots=True)
class Call:
    """One call and what the node knows; a good one unless something is replaced."""

    key: PersonaKey = READER
    sub: str = OWNER_DID
    cmd: str = Cmd.READ
    chain: tuple[ReadGrant, ...] = (GRANT,)
    args: Mapping[str, Value] = field(default_factory=ARGS.value)
    aud: str | None = DEVICE
    exp: int | None = NOW_S + 120
    standing: Standing = STANDING

    def heard(self) -> Heard:
        inv = issue_invocation(
            self.key,
            sub=check_did(self.sub),
            cmd=self.cmd,
            args=self.args,
            prf=[grant.cid for grant in self.chain],
            exp=self.exp,
            nonce=bytes(12),
            aud=None if self.aud is None else check_did(self.aud),
        )
        return hear(inv.raw, [grant.delegation.raw for grant in self.chain])

    def read(self) -> VerifiedRead:
        return authorise_read(self.heard(), self.standing, NOW_MS)


def _asking(window: Window, **changed: Value) -> dict[str, Value]:
    return {**replace(ARGS, window=window).value(), **changed}


def _under(*terms: bytes, window: Window) -> dict[str, Value]:
    return replace(ARGS, window=window, under=terms).value()


def _third(chain: tuple[ReadGrant, ...], args: Mapping[str, Value]) -> Call:
    standing = replace(STANDING, pair=Pair(OWNER_DID, THIRD_DID))
    return Call(key=THIRD, chain=chain, args=args, standing=standing)


def test_a_read_within_its_grant_is_allowed() -> None:
    read = Call().read()
    assert (read.owner, read.reader, read.window) == (OWNER_DID, READER_DID, ARGS.window)
    assert read.grant.cid == GRANT.cid
    assert read.spent_until_s == NOW_S + 120 + 60
    assert read.asked().server == DEVICE


def test_a_read_under_a_sub_delegation_is_allowed_within_both() -> None:
    window = Window(LOAD, FIRST + 5, FIRST + 9)
    read = _third((GRANT, NARROW), _under(SUB_TERMS.cid, window=window)).read()
    assert read.reader == THIRD_DID
    assert read.asked().dlg == GRANT.cid
    inside = Window(LOAD, LAST, LAST)
    assert _third((GRANT, WIDE), _under(SUB_TERMS.cid, window=inside)).read().window == inside


@pytest.mark.parametrize("revoked", [0, 1])
def test_taken_back_by_one_comes_before_suspended_by_another(revoked: int) -> None:
    links = (GRANT, NARROW)
    statuses = {link.cid: GrantStatus.SUSPENDED for link in links}
    statuses[links[revoked].cid] = GrantStatus.REVOKED
    window = Window(LOAD, FIRST + 5, FIRST + 9)
    call = _third(links, _under(SUB_TERMS.cid, window=window))
    with pytest.raises(GrantRefused, match="taken back") as refused:
        replace(call, standing=replace(call.standing, grants=statuses)).read()
    assert refused.value.code is Code.REVOKED


def test_a_read_goes_on_while_every_link_of_its_chain_holds() -> None:
    window = Window(LOAD, FIRST + 5, FIRST + 9)
    read = _third((GRANT, NARROW), _under(SUB_TERMS.cid, window=window)).read()
    live = {GRANT.cid: GrantStatus.LIVE}
    check_still(read, live, NARROW.exp_s * 1000)
    for statuses, now_ms, code in (
        (live, NARROW.exp_s * 1000 + 1, Code.EXPIRED),
        ({**live, NARROW.cid: GrantStatus.REVOKED}, NOW_MS, Code.REVOKED),
        ({GRANT.cid: GrantStatus.SUSPENDED}, NOW_MS, Code.SUSPENDED),
        ({GRANT.cid: GrantStatus.EXPIRED}, NOW_MS, Code.EXPIRED),
    ):
        with pytest.raises(GrantRefused) as refused:
            check_still(read, statuses, now_ms)
        assert refused.value.code is code


def test_days_that_are_split_over_reads_are_each_allowed() -> None:
    for day in (FIRST, FIRST + 1, LAST):
        assert Call(args=_asking(Window(LOAD, day, day))).read().window.first == day


def test_no_read_passes_the_day_on_which_the_grant_ends() -> None:
    # No key of a grant opens these days, whatever its windows say.
    end = day_of(NOW_MS) + 1
    grant = _grant(last=end + 5, exp_s=NOW_S + DAY_S)
    upto = Call(chain=(grant,), standing=_known(grant))
    inside = replace(upto, args=_asking(Window(LOAD, end, end))).read()
    assert inside.window.last == end
    for first in (FIRST, end, end + 1):
        with pytest.raises(GrantRefused, match="the grant ends") as refused:
            replace(upto, args=_asking(Window(LOAD, first, end + 1))).read()
        assert refused.value.code is Code.DAYS


# --- refusals -------------------------------------------------------------------------------------

EXPIRED = _grant(exp_s=NOW_S - 1)
LATER = _grant(nbf=NOW_S + DAY_S)
FOREIGN = issue_grant(
    STRANGER,
    aud=READER_DID,
    windows=[Window(LOAD, FIRST, LAST)],
    terms=TERMS,
    exp_s=NOW_S + DAY_S,
    nonce=bytes(12),
)


def _known(*grants: ReadGrant, status: GrantStatus = GrantStatus.LIVE) -> Standing:
    return replace(STANDING, grants={grant.cid: status for grant in grants})


def _spent() -> Standing:
    return replace(STANDING, spent={Call().heard().inv.cid})


REFUSALS: Mapping[str, tuple[Call, Code, str]] = {
    "one day more": (
        Call(args=_asking(Window(LOAD, FIRST, LAST + 1))),
        Code.DAYS,
        "the grant opens 2026-01-01 to 2026-01-30 of energy/electricity/load-curve, "
        "not 2026-01-01 to 2026-01-31",
    ),
    "one day before": (Call(args=_asking(Window(LOAD, FIRST - 1, LAST))), Code.DAYS, "2025-12-31"),
    "undated records": (
        Call(args=_asking(Window(LOAD, UNDATED, UNDATED))),
        Code.DAYS,
        "not undated records",
    ),
    "another collection": (
        Call(args=_asking(Window(GAS, FIRST, LAST))),
        Code.COLLECTION,
        "the grant does not open energy/gas/load-curve",
    ),
    "a prefix of the collection": (
        Call(args=_asking(Window("energy/electricity", FIRST, LAST))),
        Code.COLLECTION,
        "does not open energy/electricity",
    ),
    "another command": (Call(cmd="/record/write"), Code.COMMAND, "not one that was delegated"),
    "a command that only begins alike": (Call(cmd="/record/reader"), Code.COMMAND, "command"),
    "a replay": (Call(standing=_spent()), Code.REPLAY, "already used: sign a new one"),
    "a sub-delegation wider than its root": (
        _third((GRANT, WIDE), _under(SUB_TERMS.cid, window=Window(LOAD, FIRST, LAST + 1))),
        Code.DAYS,
        "a sub-delegation cannot be wider than its root",
    ),
    "more than the sub-delegation, less than the root": (
        _third((GRANT, NARROW), _under(SUB_TERMS.cid, window=Window(LOAD, FIRST, LAST))),
        Code.DAYS,
        "the grant opens 2026-01-06 to 2026-01-10",
    ),
    "the sub-delegator's terms left out": (
        _third((GRANT, NARROW), _under(window=Window(LOAD, FIRST + 5, FIRST + 9))),
        Code.TERMS,
        "terms of each sub-delegator",
    ),
    "terms of a sub-delegator that is not there": (
        Call(args=_under(SUB_TERMS.cid, window=ARGS.window)),
        Code.TERMS,
        "other sub-delegators than its chain has",
    ),
    "revoked": (
        Call(standing=_known(GRANT, status=GrantStatus.REVOKED)),
        Code.REVOKED,
        "has been taken back",
    ),
    "a link of the chain revoked": (
        replace(
            _third((GRANT, WIDE), _under(SUB_TERMS.cid, window=ARGS.window)),
            standing=Standing(
                DEVICE,
                Pair(OWNER_DID, THIRD_DID),
                {GRANT.cid: GrantStatus.LIVE, WIDE.cid: GrantStatus.REVOKED},
                (),
            ),
        ),
        Code.REVOKED,
        "has been taken back",
    ),
    "suspended": (
        Call(standing=_known(GRANT, status=GrantStatus.SUSPENDED)),
        Code.SUSPENDED,
        "until its owner confirms",
    ),
    "a grant that this node does not know": (
        Call(standing=_known()),
        Code.UNKNOWN_GRANT,
        "not one that this node gave",
    ),
    "a grant by someone else on these data": (
        Call(chain=(FOREIGN,), standing=_known(FOREIGN)),
        Code.UNKNOWN_GRANT,
        "not the one who delegated",
    ),
    "no grant": (Call(chain=()), Code.UNKNOWN_GRANT, "without a grant"),
    "an expired grant": (
        Call(chain=(EXPIRED,), standing=_known(EXPIRED)),
        Code.EXPIRED,
        "a delegation has expired",
    ),
    "a grant that begins later": (
        Call(chain=(LATER,), standing=_known(LATER)),
        Code.NOT_YET,
        "a delegation is not valid yet",
    ),
    "an expired invocation": (Call(exp=NOW_S - 1), Code.EXPIRED, "an invocation has expired"),
    "an invocation from the future": (
        Call(exp=NOW_S + 301),
        Code.NOT_YET,
        "one of the two clocks is wrong",
    ),
    "an invocation without an end": (Call(exp=None), Code.MALFORMED, "without an end"),
    "another audience": (Call(aud=OTHER_DEVICE), Code.AUDIENCE, "another device"),
    "no audience": (Call(aud=None), Code.AUDIENCE, "does not name the device"),
    "another's grant": (Call(key=STRANGER), Code.AUDIENCE, "not signed by the one"),
    "unpaired": (Call(standing=replace(STANDING, pair=None)), Code.UNPAIRED, "not paired"),
    "paired as someone else": (
        Call(standing=replace(STANDING, pair=Pair(OWNER_DID, STRANGER_DID))),
        Code.UNPAIRED,
        "not paired",
    ),
    "paired with another persona of ours": (
        Call(standing=replace(STANDING, pair=Pair(THIRD_DID, READER_DID))),
        Code.UNPAIRED,
        "not paired",
    ),
    "another purpose": (
        Call(args={**ARGS.value(), "purpose": "dpv:Marketing"}),
        Code.PURPOSE,
        "the grant is for dpv:ServiceProvision, the read is for dpv:Marketing",
    ),
    "other terms": (
        Call(args={**ARGS.value(), "terms": cid_text(OTHER_TERMS.cid)}),
        Code.TERMS,
        "other terms than its grant",
    ),
    "an unknown argument": (
        Call(args={**ARGS.value(), "limit": 3}),
        Code.MALFORMED,
        "a key that is not known",
    ),
    "a missing argument": (
        Call(args={k: v for k, v in ARGS.value().items() if k != "to"}),
        Code.MALFORMED,
        "lacks to",
    ),
    "days as text": (Call(args={**ARGS.value(), "to": str(LAST)}), Code.MALFORMED, "an integer"),
    "days as true": (Call(args={**ARGS.value(), "from": True}), Code.MALFORMED, "an integer"),
    "from after to": (
        Call(args={**ARGS.value(), "from": FIRST + 1, "to": FIRST}),
        Code.MALFORMED,
        "from is after to",
    ),
    "args of a later version": (
        Call(args={**ARGS.value(), "v": 2}),
        Code.VERSION,
        "update this side",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_its_code_and_its_sentence(name: str) -> None:
    call, code, words = REFUSALS[name]
    with pytest.raises(GrantRefused) as refused:
        call.read()
    assert refused.value.code is code
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_each_refusal_of_the_demo_can_be_told_from_the_others() -> None:
    told: set[tuple[Code, str]] = set()
    names = (
        "one day more",
        "another collection",
        "another command",
        "a replay",
        "a sub-delegation wider than its root",
        "revoked",
        "suspended",
        "an expired grant",
        "a grant that begins later",
        "another audience",
        "unpaired",
        "another purpose",
        "other terms",
    )
    for name in names:
        call = REFUSALS[name][0]
        with pytest.raises(GrantRefused) as refused:
            call.read()
        told.add((refused.value.code, str(refused.value)))
    assert len(told) == len(names)


def test_bytes_that_are_no_invocation_are_refused_first() -> None:
    for raw in (b"", b"\x00", bytes(1000), b"\xa0"):
        with pytest.raises(GrantRefused) as refused:
            hear(raw, ())
        assert refused.value.code is Code.MALFORMED
    with pytest.raises(GrantRefused) as refused:
        hear(Call().heard().inv.raw, [b""] * 9)
    assert refused.value.code is Code.TOO_MUCH


def test_an_altered_proof_is_refused() -> None:
    heard = Call().heard()
    for place in range(0, len(heard.proofs[0]), 7):
        raw = bytearray(heard.proofs[0])
        raw[place] ^= 1
        with pytest.raises(GrantRefused) as refused:
            authorise_read(Heard(heard.inv, (bytes(raw),)), STANDING, NOW_MS)
        assert refused.value.code in (Code.MALFORMED, Code.VERSION, Code.UNKNOWN_GRANT)
    with pytest.raises(GrantRefused):
        authorise_read(Heard(heard.inv, (*heard.proofs, *heard.proofs)), STANDING, NOW_MS)


def test_a_delegation_with_another_policy_is_not_a_grant() -> None:
    pol: list[Value] = [["==", ".collection", LOAD]]
    loose = issue_delegation(
        OWNER,
        aud=READER_DID,
        sub=OWNER_DID,
        cmd=Cmd.READ,
        pol=pol,
        exp=NOW_S + DAY_S,
        nonce=bytes(12),
    )
    inv = issue_invocation(
        READER,
        sub=OWNER_DID,
        cmd=Cmd.READ,
        args=ARGS.value(),
        prf=[loose.cid],
        exp=NOW_S + 60,
        nonce=bytes(12),
        aud=DEVICE,
    )
    standing = replace(STANDING, grants={loose.cid: GrantStatus.LIVE})
    with pytest.raises(GrantRefused, match="not the policy of a grant"):
        authorise_read(hear(inv.raw, [loose.raw]), standing, NOW_MS)


# --- order ----------------------------------------------------------------------------------------


def test_the_order_of_checks_is_that_of_the_formats() -> None:
    order = list(Step)
    assert [step for step, _ in READ_CHECKS] == order[1:]
    for checks in (OWN_CHECKS, MEETING_CHECKS):
        places = [order.index(step) for step, _ in checks]
        assert places == sorted(places)


# One fault for each check, in the order of the checks; each leaves the others untouched.
FAULTS: Sequence[tuple[Code, Callable[[Call], Call]]] = (
    (Code.AUDIENCE, lambda call: replace(call, aud=OTHER_DEVICE)),
    (Code.EXPIRED, lambda call: replace(call, exp=NOW_S - 1)),
    (
        Code.DAYS,
        lambda call: replace(call, args={**call.args, "to": LAST + 1}),
    ),
    (
        Code.UNPAIRED,
        lambda call: replace(call, standing=replace(call.standing, pair=None)),
    ),
    (
        Code.REVOKED,
        lambda call: replace(
            call, standing=replace(call.standing, grants={GRANT.cid: GrantStatus.REVOKED})
        ),
    ),
    (
        Code.REPLAY,
        lambda call: replace(call, standing=replace(call.standing, spent={call.heard().inv.cid})),
    ),
)


@pytest.mark.parametrize(("earlier", "later"), list(combinations(range(len(FAULTS)), 2)))
def test_of_two_faults_the_earlier_check_speaks(earlier: int, later: int) -> None:
    call = FAULTS[later][1](FAULTS[earlier][1](Call()))
    with pytest.raises(GrantRefused) as refused:
        call.read()
    assert refused.value.code is FAULTS[earlier][0]


# --- attenuation ----------------------------------------------------------------------------------

_days = st.tuples(st.integers(FIRST - 4, LAST + 4), st.integers(0, 8)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)
_windows = st.lists(
    st.tuples(st.sampled_from((LOAD, GAS)), _days).map(
        lambda found: Window(found[0], found[1][0], found[1][1])
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60)
@given(st.lists(_windows, min_size=1, max_size=4), _windows)
def test_a_chain_opens_what_all_of_its_links_open(
    levels: list[list[Window]], asked: list[Window]
) -> None:
    """Attenuation never widens: a read is allowed exactly if one window of each link holds it."""
    keys = [PersonaKey(bytes([50 + place]) * 32) for place in range(len(levels))]
    chain: list[ReadGrant] = []
    under: list[bytes] = []
    for place, windows in enumerate(levels):
        issuer = OWNER if place == 0 else keys[place - 1]
        own = Terms(TERMS.purpose, place, (), None, ())
        lent = Under(place - 1, own.cid) if place else None
        under += [own.cid] if place else []
        delegation = issue_delegation(
            issuer,
            aud=did_of(keys[place].public),
            sub=OWNER_DID,
            cmd=Cmd.READ,
            pol=read_policy(windows, TERMS.purpose, TERMS.cid, lent),
            exp=NOW_S + DAY_S,
            nonce=bytes(12),
        )
        chain.append(read_grant(delegation, place=place))
    reader = keys[len(levels) - 1]
    standing = Standing(
        DEVICE,
        Pair(OWNER_DID, did_of(reader.public)),
        {chain[0].cid: GrantStatus.LIVE},
        (),
    )
    window = asked[0]
    call = Call(
        key=reader,
        chain=tuple(chain),
        args=_under(*under, window=window),
        standing=standing,
    )
    if all(any(window in wide for wide in windows) for windows in levels):
        assert call.read().window == window
        assert all(within([window], windows) for windows in levels)
    else:
        with pytest.raises(GrantRefused) as refused:
            call.read()
        assert refused.value.code in (Code.DAYS, Code.COLLECTION)


@given(st.data())
def test_no_flipped_bit_of_a_call_is_allowed_to_ask_for_something_else(
    data: st.DataObject,
) -> None:
    heard = Call().heard()
    raw = bytearray(heard.inv.raw)
    place = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[place // 8] ^= 1 << place % 8
    with pytest.raises(GrantRefused):
        hear(bytes(raw), heard.proofs)


# --- how a grant stands ---------------------------------------------------------------------------


def test_how_a_grant_stands_follows_the_clock_unless_it_was_taken_back() -> None:
    later = LATER.delegation
    begin_ms = (NOW_S + DAY_S) * 1000
    assert later.exp is not None
    end_ms = later.exp * 1000
    table = {
        (GrantStatus.LIVE, begin_ms - 1): GrantStatus.NOT_YET,
        (GrantStatus.LIVE, begin_ms): GrantStatus.LIVE,
        (GrantStatus.LIVE, end_ms): GrantStatus.LIVE,
        (GrantStatus.LIVE, end_ms + 1): GrantStatus.EXPIRED,
        (GrantStatus.SUSPENDED, begin_ms): GrantStatus.SUSPENDED,
        (GrantStatus.SUSPENDED, end_ms + 1): GrantStatus.EXPIRED,
        (GrantStatus.REVOKED, begin_ms - 1): GrantStatus.REVOKED,
        (GrantStatus.REVOKED, end_ms + 1): GrantStatus.REVOKED,
    }
    for (kept, now_ms), expected in table.items():
        assert status_at(later, kept, now_ms) is expected


# --- who is known by a chain alone ----------------------------------------------------------------


def test_who_is_known_by_a_chain_alone_reads_under_a_chain_that_was_shown() -> None:
    window = Window(LOAD, FIRST + 5, FIRST + 9)
    call = _third((GRANT, NARROW), _under(SUB_TERMS.cid, window=window))
    assert call.read().window == window
    by_chain = replace(call.standing, pair=Pair(OWNER_DID, THIRD_DID, reads_only=True))
    with pytest.raises(GrantRefused, match="not shown") as refused:
        replace(call, standing=by_chain).read()
    assert refused.value.code is Code.UNKNOWN_GRANT
    shown = {GRANT.cid: GrantStatus.LIVE, NARROW.cid: GrantStatus.LIVE}
    assert replace(call, standing=replace(by_chain, grants=shown)).read().window == window


def test_the_call_of_a_read_is_as_long_as_it_may_be_kept() -> None:
    def heard(more: int) -> Heard:
        inv = issue_invocation(
            READER,
            sub=OWNER_DID,
            cmd=Cmd.READ,
            args=ARGS.value(),
            prf=[GRANT.cid],
            exp=NOW_S + 120,
            nonce=bytes(12),
            aud=DEVICE,
            meta={"n": bytes(more)},
        )
        return hear(inv.raw, [GRANT.delegation.raw])

    # Heads of byte strings of this length have one size, so a byte more is a byte more.
    spare = READ_CALL_BYTES_MAX - len(heard(1_000).inv.raw)
    longest = heard(1_000 + spare)
    assert len(longest.inv.raw) == READ_CALL_BYTES_MAX
    assert authorise_read(longest, STANDING, NOW_MS).grant.cid == GRANT.cid
    with pytest.raises(GrantRefused, match="longer") as refused:
        authorise_read(heard(1_001 + spare), STANDING, NOW_MS)
    assert refused.value.code is Code.TOO_MUCH

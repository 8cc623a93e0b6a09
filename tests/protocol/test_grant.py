"""Grants: windows to policy and back, in one form; bundles that are what was asked."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.errors import BadSignature
from entrenous.crypto.keys import PersonaKey, ReaderSecret
from entrenous.protocol.capability import issue_delegation, parse_policy
from entrenous.protocol.cid import cid_text
from entrenous.protocol.day import DAY_MAX, UNDATED
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError, Code, GrantRefused, RecordError, WireError
from entrenous.protocol.grant import (
    Under,
    check_bundle,
    issue_grant,
    issue_sub_grant,
    make_bundle,
    parse_bundle,
    parse_read_args,
    parse_read_policy,
    read_grant,
    read_policy,
)
from entrenous.protocol.limits import CHAIN_MAX, TEXT_CHARS_MAX
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.request import Request
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window, check_window, joined, within
from entrenous.protocol.wire import Value, decode, encode

NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
OWNER, READER, THIRD = (PersonaKey(bytes([n]) * 32) for n in (1, 2, 3))
OWNER_DID, READER_DID, THIRD_DID = (did_of(key.public) for key in (OWNER, READER, THIRD))
READER_KEY = ReaderSecret(bytes([4]) * 32).public
TERMS = Terms("dpv:ServiceProvision", 30, (), None, (Clause("no profiling", Force.PROMISED),))
LOAD = "energy/electricity/load-curve"
WINDOWS = [Window(LOAD, 46_000, 46_029)]
GRANT = issue_grant(
    OWNER, aud=READER_DID, windows=WINDOWS, terms=TERMS, exp_s=NOW_S + 86_400, nonce=bytes(12)
)
REQUEST = Request(READER_DID, (Window(LOAD, 45_700, 46_029),), TERMS.purpose, TERMS, NOW_S, "none")

_part = st.text("abz09-", min_size=1, max_size=6)
_path = st.lists(_part, min_size=1, max_size=6).map("/".join)
_range = st.tuples(st.integers(0, DAY_MAX), st.integers(0, DAY_MAX)).map(sorted)
_days = st.one_of(_range, st.just([UNDATED, UNDATED]))


def _from_days(path: str, days: list[int]) -> Window:
    return Window(path, days[0], days[1])


def _from_length(path: str, first: int, length: int) -> Window:
    return Window(path, first, first + length)


windows = st.lists(st.builds(_from_days, _path, _days), min_size=1, max_size=8)


# --- policy ---------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(windows, st.text(min_size=1, max_size=40), st.none() | st.integers(0, 6))
def test_windows_become_a_policy_and_come_back(
    found: list[Window], purpose: str, index: int | None
) -> None:
    under = None if index is None else Under(index, TERMS.cid)
    pol = read_policy(found, purpose, TERMS.cid, under)
    decoded = decode(encode(pol))
    assert isinstance(decoded, list)
    policy = parse_read_policy(decoded, place=0 if index is None else index + 1)
    assert (list(policy.windows), policy.purpose, policy.under) == (found, purpose, under)


@settings(max_examples=50)
@given(windows, _path, _range, st.data())
def test_a_policy_allows_what_one_of_its_windows_holds(
    found: list[Window], path: str, days: list[int], data: st.DataObject
) -> None:
    collection = data.draw(st.sampled_from([path, *(window.collection for window in found)]))
    asked = Window(collection, days[0], days[1])
    policy = parse_policy(read_policy(found, "p", TERMS.cid))
    args: dict[str, Value] = {
        "collection": asked.collection,
        "from": asked.first,
        "to": asked.last,
        "purpose": "p",
        "terms": cid_text(TERMS.cid),
    }
    if any(asked in window for window in found):
        policy.require(args)
    else:
        with pytest.raises(CapabilityError) as refused:
            policy.require(args)
        assert refused.value.code in (Code.DAYS, Code.COLLECTION)


def _clause(*statements: Value) -> Value:
    return ["or", [["and", list(statements)]]]


P: Value = ["==", ".purpose", "p"]
T: Value = ["==", ".terms", cid_text(TERMS.cid)]
C: Value = ["==", ".collection", LOAD]
A: Value = [">=", ".from", 1]
B: Value = ["<=", ".to", 9]

OTHER_POLICIES: dict[str, list[Value]] = {
    "empty": [],
    "no purpose": [T, _clause(C, A, B)],
    "purpose after terms": [T, P, _clause(C, A, B)],
    "no windows": [P, T],
    "an empty or, which UCAN lets pass everything": [P, T, ["or", []]],
    "no upper end": [P, T, _clause(C, A)],
    "strict comparison": [P, T, _clause(C, [">", ".from", 1], B)],
    "like on a path": [P, T, _clause(["like", ".collection", "energy/*"], A, B)],
    "another spelling of a selector": [P, T, _clause(["==", '["collection"]', LOAD], A, B)],
    "an optional selector": [P, T, _clause(["==", ".collection?", LOAD], A, B)],
    "ends exchanged": [P, T, _clause(C, B, A)],
    "from after to": [P, T, _clause(C, [">=", ".from", 10], B)],
    "true for a day": [P, T, _clause(C, [">=", ".from", True], B)],
    "into the undated": [P, T, _clause(C, A, ["<=", ".to", UNDATED])],
    "past the undated": [P, T, _clause(C, A, ["<=", ".to", UNDATED + 1])],
    "a path that is none": [P, T, _clause(["==", ".collection", "Energy"], A, B)],
    "terms that are no CID": [P, ["==", ".terms", "T"], _clause(C, A, B)],
    "terms in capitals": [
        P,
        ["==", ".terms", cid_text(TERMS.cid).upper()],
        _clause(C, A, B),
    ],
    "a purpose of nothing": [["==", ".purpose", ""], T, _clause(C, A, B)],
    "one statement more": [P, T, _clause(C, A, B), ["==", ".v", 1]],
    "under at the root": [P, T, _clause(C, A, B), ["==", ".under[0]", cid_text(TERMS.cid)]],
    "not equal": [["!=", ".purpose", "p"], T, _clause(C, A, B)],
    "windows outside of an or": [P, T, ["and", [C, A, B]]],
}


@pytest.mark.parametrize("name", OTHER_POLICIES)
def test_any_other_policy_is_not_a_grant(name: str) -> None:
    pol = OTHER_POLICIES[name]
    with pytest.raises(CapabilityError, match="not the policy of a grant") as refused:
        parse_read_policy(pol)
    assert refused.value.code is Code.MALFORMED


def test_a_sub_delegation_names_its_own_terms_in_its_own_place() -> None:
    pol = read_policy(WINDOWS, "p", TERMS.cid, Under(1, TERMS.cid))
    assert parse_read_policy(pol, place=2).under == Under(1, TERMS.cid)
    for place in (0, 1, 3):
        with pytest.raises(CapabilityError):
            parse_read_policy(pol, place=place)


def test_a_grant_is_for_reading_only_has_an_end_and_is_its_owners() -> None:
    pol = read_policy(WINDOWS, "p", TERMS.cid)
    for cmd, exp, sub in (
        ("/", NOW_S, OWNER_DID),
        ("/record", NOW_S, OWNER_DID),
        ("/record/read/all", NOW_S, OWNER_DID),
        ("/record/read", None, OWNER_DID),
        ("/record/read", NOW_S, None),
        ("/record/read", NOW_S, THIRD_DID),
    ):
        delegation = issue_delegation(
            OWNER, aud=READER_DID, sub=sub, cmd=cmd, pol=pol, exp=exp, nonce=bytes(12)
        )
        with pytest.raises(CapabilityError):
            read_grant(delegation)


def test_windows_and_paths_of_a_grant() -> None:
    assert GRANT.windows == tuple(WINDOWS)
    assert GRANT.paths == (LOAD,)


# --- windows --------------------------------------------------------------------------------------


def _set(found: list[Window]) -> set[tuple[str, int]]:
    return {(w.collection, day) for w in found for day in range(w.first, w.last + 1)}


_small = st.builds(
    _from_length,
    st.sampled_from(("a", "b")),
    st.integers(0, 30),
    st.integers(0, 6),
)


@given(st.lists(_small, max_size=6))
def test_joined_windows_are_the_same_days_in_the_fewest_windows(found: list[Window]) -> None:
    whole = joined(found)
    assert _set(list(whole)) == _set(found)
    for before, after in pairwise(whole):
        assert before.collection < after.collection or before.last + 1 < after.first


@given(st.lists(_small, max_size=4), st.lists(_small, max_size=6))
def test_within_is_a_question_of_days(inner: list[Window], outer: list[Window]) -> None:
    assert within(inner, outer) is (_set(inner) <= _set(outer))


def test_the_last_day_and_the_undated_are_not_joined() -> None:
    found = [Window("a", DAY_MAX, DAY_MAX), Window("a", UNDATED, UNDATED)]
    assert joined(found) == tuple(found)
    assert not within([Window("a", UNDATED, UNDATED)], [Window("a", 0, DAY_MAX)])


@pytest.mark.parametrize(
    ("first", "last"), [(-1, 0), (1, 0), (0, UNDATED), (UNDATED + 1, UNDATED + 1)]
)
def test_an_impossible_window_is_refused(first: int, last: int) -> None:
    with pytest.raises(WireError):
        check_window(Window("a", first, last))
    with pytest.raises(WireError):
        read_policy([Window("a", first, last)], "p", TERMS.cid)


def test_a_grant_of_nothing_or_of_too_much_is_refused() -> None:
    for found in ([], WINDOWS * 65):
        with pytest.raises(WireError, match="1 to 64"):
            read_policy(found, "p", TERMS.cid)
    with pytest.raises(RecordError):
        read_policy([Window("a//b", 1, 2)], "p", TERMS.cid)


# --- arguments ------------------------------------------------------------------------------------


def test_read_args_go_there_and_back() -> None:
    bundle = make_bundle(OWNER, GRANT, terms=TERMS, reader_key=READER_KEY)
    args = bundle.args(WINDOWS[0])
    assert parse_read_args(args.value()) == args
    assert set(args.value()) == {"v", "collection", "from", "to", "purpose", "terms", "under"}
    policy = GRANT.delegation.policy
    policy.require(args.value())


# --- bundle ---------------------------------------------------------------------------------------


def test_a_bundle_goes_there_and_back_and_is_accepted() -> None:
    bundle = make_bundle(OWNER, GRANT, terms=TERMS, reader_key=READER_KEY)
    assert parse_bundle(bundle.signed.raw) == bundle
    check_bundle(bundle, REQUEST, reader_key=READER_KEY, now_ms=NOW_MS)
    sealing = bundle.sealing()
    assert (sealing.grant, sealing.terms) == (GRANT.cid, TERMS.cid)
    assert (sealing.persona, sealing.aud) == (OWNER_DID, READER_DID)


def test_a_bundle_of_a_sub_delegation_carries_its_own_terms() -> None:
    own = replace(TERMS, retention_days=7)
    lent = issue_sub_grant(
        READER,
        [GRANT],
        aud=THIRD_DID,
        windows=WINDOWS,
        terms=own,
        exp_s=NOW_S + 60,
        nonce=bytes(12),
    )
    bundle = make_bundle(READER, lent, terms=own, reader_key=READER_KEY, chain=[GRANT])
    args = bundle.args(WINDOWS[0])
    assert args.under == (own.cid,)
    for link in bundle.links:
        link.delegation.policy.require(args.value())
    with pytest.raises(CapabilityError) as refused:
        make_bundle(READER, lent, terms=TERMS, reader_key=READER_KEY, chain=[GRANT])
    assert refused.value.code is Code.TERMS


def test_a_bundle_is_signed_by_its_giver_and_carries_its_terms() -> None:
    with pytest.raises(BadSignature):
        make_bundle(THIRD, GRANT, terms=TERMS, reader_key=READER_KEY)
    with pytest.raises(CapabilityError) as refused:
        make_bundle(OWNER, GRANT, terms=replace(TERMS, retention_days=31), reader_key=READER_KEY)
    assert refused.value.code is Code.TERMS


def test_a_bundle_that_could_not_be_read_back_is_not_made() -> None:
    with pytest.raises(WireError, match="limit"):
        make_bundle(OWNER, GRANT, terms=TERMS, reader_key=bytes(31))
    with pytest.raises(WireError, match="limit"):
        make_bundle(OWNER, GRANT, terms=TERMS, reader_key=READER_KEY, chain=[GRANT] * CHAIN_MAX)
    # Terms whose clause nobody can read.
    endless = replace(TERMS, clauses=(Clause("x" * (TEXT_CHARS_MAX + 1), Force.PROMISED),))
    grant = issue_grant(
        OWNER, aud=READER_DID, windows=WINDOWS, terms=endless, exp_s=NOW_S, nonce=bytes(12)
    )
    with pytest.raises(WireError, match="a clause"):
        make_bundle(OWNER, grant, terms=endless, reader_key=READER_KEY)


def test_a_bundle_that_is_not_what_was_asked_waits_for_a_person() -> None:
    bundle = make_bundle(OWNER, GRANT, terms=TERMS, reader_key=READER_KEY)
    narrower = (Window(LOAD, 46_000, 46_028),)
    elsewhere = (Window("energy/gas/load-curve", 0, DAY_MAX),)
    cases = (
        (replace(REQUEST, terms=replace(TERMS, retention_days=1)), READER_KEY, NOW_MS, Code.TERMS),
        (replace(REQUEST, items=narrower), READER_KEY, NOW_MS, Code.DAYS),
        (replace(REQUEST, items=elsewhere), READER_KEY, NOW_MS, Code.DAYS),
        (replace(REQUEST, from_did=THIRD_DID), READER_KEY, NOW_MS, Code.AUDIENCE),
        (REQUEST, bytes(32), NOW_MS, Code.AUDIENCE),
        (REQUEST, READER_KEY, NOW_MS + 2 * 86_400_000, Code.EXPIRED),
    )
    for request, reader_key, now_ms, code in cases:
        with pytest.raises((GrantRefused, CapabilityError)) as refused:
            check_bundle(bundle, request, reader_key=reader_key, now_ms=now_ms)
        assert refused.value.code is code


def test_on_paid_terms_a_bundle_ends_no_later_than_was_asked() -> None:
    paid = replace(TERMS, remuneration=Remuneration(250, "EUR", Per.MONTH))
    end_s = GRANT.exp_s

    def check(terms: Terms, asked_s: int) -> None:
        grant = issue_grant(
            OWNER, aud=READER_DID, windows=WINDOWS, terms=terms, exp_s=end_s, nonce=bytes(12)
        )
        bundle = make_bundle(OWNER, grant, terms=terms, reader_key=READER_KEY)
        asked = replace(REQUEST, terms=terms, exp_s=asked_s)
        check_bundle(bundle, asked, reader_key=READER_KEY, now_ms=NOW_MS)

    check(TERMS, end_s - 1)
    check(paid, end_s)
    check(paid, end_s + 1)
    with pytest.raises(GrantRefused) as refused:
        check(paid, end_s - 1)
    assert refused.value.code is Code.EXPIRED


def test_a_category_is_answered_by_collections_of_it() -> None:
    bundle = make_bundle(OWNER, GRANT, terms=TERMS, reader_key=READER_KEY)
    asked = replace(REQUEST, items=(Window("energy", 46_000, 46_029),))
    check_bundle(bundle, asked, reader_key=READER_KEY, now_ms=NOW_MS)
    for items in ((Window("energy", 46_001, 46_029),), (Window("ener", 0, DAY_MAX),)):
        with pytest.raises(GrantRefused) as refused:
            check_bundle(
                bundle, replace(REQUEST, items=items), reader_key=READER_KEY, now_ms=NOW_MS
            )
        assert refused.value.code is Code.DAYS

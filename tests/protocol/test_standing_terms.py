"""Standing terms: what rules make of requests, and that nothing is granted beyond a rule.

The model below is written from docs/terms.md, day by day and without a thought to speed; whatever
the rules grant must be inside what it allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.node.grants.vocabulary import purposes
from entrenous.protocol.errors import WireError
from entrenous.protocol.standing_terms import (
    Asking,
    Beyond,
    Bounds,
    Does,
    Judgement,
    Known,
    Paid,
    Rule,
    StandingTerms,
    judge,
    rules_for,
)
from entrenous.protocol.standing_terms_file import (
    rule_value,
    standing_from_mapping,
    standing_value,
    told_value,
)
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.terms_narrowing import binds_no_looser
from entrenous.protocol.window import Window

KNOWN = purposes()
DAY_MS = 86_400_000
# Day 46 000, about noon.
NOW_MS = (46_000 - 25_567) * DAY_MS + DAY_MS // 2
NOW_S = NOW_MS // 1000
CURVE, GAS, PAYMENTS = "energy/electricity/load-curve", "energy/gas/load-curve", "finance/payments"
CONTACTS = "communication/contacts"

TERMS = Terms("dpv:DeliveryOfGoods", 30, ("the printer",), None, ())
ASKING = Asking(
    "adviser",
    Known.DOMAIN,
    False,
    (Window(CURVE, 45_900, 45_999),),
    TERMS,
    NOW_S + 20 * 86_400,
)
RULE = Rule(
    "advice",
    Does.GRANT,
    level=Known.DOMAIN,
    purposes=("dpv:ServiceProvision",),
    collections=("energy",),
    bounds=Bounds(400, 30, 90, ("the printer",)),
)


def judged(rule: Rule, asking: Asking, **more: int) -> Judgement:
    return judge(StandingTerms((rule,), **more), asking, KNOWN, NOW_MS)


# --- one by one -----------------------------------------------------------------------------------


def test_what_is_within_a_rule_is_granted_as_it_was_asked() -> None:
    found = judged(RULE, ASKING)
    assert (found.does, found.rule, found.changes) == (Does.GRANT, "advice", ())
    assert (found.windows, found.terms, found.exp_s) == (ASKING.items, TERMS, ASKING.exp_s)


def test_without_a_rule_for_it_a_request_waits() -> None:
    assert judge(StandingTerms(), ASKING, KNOWN, NOW_MS).does is Does.QUEUE
    for asking in (
        replace(ASKING, known=Known.VOUCHED),
        replace(ASKING, terms=replace(TERMS, purpose="dpv:Marketing")),
        replace(ASKING, terms=replace(TERMS, purpose="dpv:SomethingNew")),
        replace(ASKING, items=(Window(PAYMENTS, 1, 2),)),
    ):
        found = judged(RULE, asking)
        assert (found.does, found.rule) == (Does.QUEUE, None)


@pytest.mark.parametrize(
    ("asking", "change"),
    [
        (replace(ASKING, items=(Window(CURVE, 45_000, 45_999),)), "for fewer days"),
        (replace(ASKING, items=(*ASKING.items, Window(PAYMENTS, 1, 2))), "without finance/payment"),
        (replace(ASKING, terms=replace(TERMS, retention_days=31)), "kept for 30 days, not for 31"),
        (replace(ASKING, terms=replace(TERMS, recipients=("the press",))), "not passed on to the"),
        (replace(ASKING, exp_s=NOW_S + 91 * 86_400), "for a shorter time"),
        (replace(ASKING, items=(*ASKING.items, Window(CURVE, 65_535, 65_535))), "for fewer days"),
    ],
)
def test_what_is_beyond_a_rule_waits_or_is_narrowed_or_refused(asking: Asking, change: str) -> None:
    found = judged(RULE, asking)
    assert found.does is Does.QUEUE
    assert change in found.why
    found = judged(replace(RULE, beyond=Beyond.NARROW), asking)
    assert found.does is Does.GRANT
    assert change in "; ".join(found.changes)
    found = judged(replace(RULE, beyond=Beyond.REFUSE, reason="too much"), asking)
    assert (found.does, found.why, found.windows) == (Does.REFUSE, "too much", ())


def test_clauses_that_must_stand_are_added_and_count_as_narrowing() -> None:
    bounds = Bounds(400, 30, 90, ("the printer",), ("no profiling",))
    rule = replace(RULE, bounds=bounds, beyond=Beyond.NARROW)
    found = judged(rule, ASKING)
    assert found.changes == ("also: no profiling",)
    assert found.terms is not None
    assert found.terms.clauses == (Clause("no profiling", Force.PROMISED),)
    there = replace(TERMS, clauses=(Clause("no profiling", Force.PROMISED),))
    assert judged(replace(RULE, bounds=bounds), replace(ASKING, terms=there)).changes == ()


def test_clauses_that_find_no_place_make_a_request_wait() -> None:
    bounds = replace(RULE.bounds or Bounds(1, 1, 1), clauses=("no profiling",))
    for clauses in (
        tuple(Clause(str(n), Force.PROMISED) for n in range(64)),
        tuple(Clause(str(n) * 4_000, Force.PROMISED) for n in range(8)),
    ):
        crowded = replace(ASKING, terms=replace(TERMS, clauses=clauses))
        long = replace(bounds, clauses=("no profiling " * 300,))
        for one in (bounds, long):
            found = judged(replace(RULE, bounds=one, beyond=Beyond.NARROW), crowded)
            if found.does is Does.GRANT:
                assert found.terms is not None
                assert len(found.terms.encode()) <= 32 * 1024
            else:
                assert found.does is Does.QUEUE
    assert judged(replace(RULE, bounds=long, beyond=Beyond.NARROW), crowded).does is Does.QUEUE


def test_the_first_rule_that_is_for_a_request_decides_it() -> None:
    never = Rule("never", Does.REFUSE, collections=("energy/gas",), reason="not my gas")
    both = replace(ASKING, items=(Window(CURVE, 45_990, 45_999), Window(GAS, 45_990, 45_999)))
    found = judge(StandingTerms((never, RULE)), both, KNOWN, NOW_MS)
    assert (found.does, found.rule, found.why) == (Does.REFUSE, "never", "not my gas")
    assert judge(StandingTerms((RULE, never)), both, KNOWN, NOW_MS).does is Does.GRANT
    assert judge(StandingTerms((never, RULE)), ASKING, KNOWN, NOW_MS).does is Does.GRANT
    waits = Rule("ask me", Does.QUEUE, peers=("adviser",))
    assert judge(StandingTerms((waits, RULE)), ASKING, KNOWN, NOW_MS).rule == "ask me"


def test_paid_requests_meet_the_rules_for_paid_ones_only() -> None:
    paid = replace(ASKING, terms=replace(TERMS, remuneration="2 euros"))
    assert judged(replace(RULE, paid=Paid.NEVER), paid).rule is None
    assert judged(replace(RULE, paid=Paid.ONLY), paid).does is Does.GRANT
    assert judged(replace(RULE, paid=Paid.ONLY), ASKING).rule is None
    assert judged(replace(RULE, paid=Paid.NEVER), ASKING).does is Does.GRANT


@pytest.mark.parametrize("doubt", ["imitates", "unsure"])
def test_what_is_in_doubt_waits_however_wide_a_rule_is(doubt: str) -> None:
    asking = replace(ASKING, imitates=doubt == "imitates", unsure=doubt == "unsure")
    for beyond in Beyond:
        found = judged(replace(RULE, beyond=beyond), asking)
        assert (found.does, found.rule) == (Does.QUEUE, "advice")


def test_who_asks_again_too_soon_is_refused_before_any_rule() -> None:
    soon = replace(ASKING, refused_ms=NOW_MS - 29 * DAY_MS)
    found = judged(RULE, soon, ask_again_days=30)
    assert (found.does, found.rule) == (Does.REFUSE, "ask_again_days")
    late = replace(ASKING, refused_ms=NOW_MS - 30 * DAY_MS)
    assert judged(RULE, late, ask_again_days=30).does is Does.GRANT
    assert judged(RULE, soon).does is Does.GRANT, "nobody asked for that"


def test_somebodys_collection_is_covered_by_its_name() -> None:
    whose = replace(ASKING, items=(Window(f"{CURVE}/p2", 45_990, 45_999),))
    assert judged(replace(RULE, collections=(CURVE,)), whose).does is Does.GRANT
    other = replace(ASKING, items=(Window(f"{CURVE}-b", 45_990, 45_999),))
    assert judged(replace(RULE, collections=(CURVE,)), other).rule is None


# --- nothing beyond a rule ------------------------------------------------------------------------

PATHS = st.sampled_from([CURVE, GAS, PAYMENTS, CONTACTS, f"{CURVE}/p2"])


@st.composite
def windows(draw: st.DrawFn) -> Window:
    path = draw(PATHS)
    if draw(st.integers(0, 5)) == 0:
        return Window(path, 65_535, 65_535)
    first = draw(st.integers(45_960, 46_040))
    return Window(path, first, first + draw(st.integers(0, 30)))


NAMES = st.sampled_from(["a", "b", "c"])
TEXTS = st.lists(NAMES, max_size=2, unique=True).map(tuple)
ALL_PURPOSES = (
    "dpv:Marketing",
    "dpv:TargetedAdvertising",
    "dpv:ServiceProvision",
    "dpv:New",
    "mine",
)
PURPOSES = st.sampled_from(ALL_PURPOSES)
E = TypeVar("E")


def mostly(usual: E, others: Iterable[E]) -> st.SearchStrategy[E]:
    """`usual` five times of six: a request that no rule is for shows nothing about bounds."""
    return st.integers(0, 5).flatmap(
        lambda n: st.sampled_from(list(others)) if n == 5 else st.just(usual)
    )


ASKINGS = st.builds(
    Asking,
    NAMES,
    mostly(Known.DOMAIN, Known),
    mostly(False, (True,)),
    st.lists(windows(), min_size=1, max_size=4).map(tuple),
    st.builds(
        Terms,
        mostly("dpv:TargetedAdvertising", ALL_PURPOSES),
        st.integers(0, 5),
        TEXTS,
        mostly(None, ("1 euro",)),
        st.lists(st.builds(Clause, NAMES, st.sampled_from(Force)), max_size=2).map(tuple),
    ),
    st.integers(NOW_S + 1, NOW_S + 60 * 86_400),
    mostly(False, (True,)),
    st.none() | st.integers(NOW_MS - 10 * DAY_MS, NOW_MS),
)
BOUNDS = st.builds(
    Bounds,
    st.integers(1, 12),
    st.integers(0, 5),
    st.integers(1, 50),
    TEXTS,
    TEXTS,
    st.booleans(),
)
COLLECTIONS = st.lists(
    st.sampled_from(["energy", "energy/gas", CURVE, "finance", CONTACTS]), min_size=1, max_size=2
).map(tuple)
PURPOSE_LISTS = st.lists(PURPOSES, min_size=1, max_size=2, unique=True).map(tuple)
GRANTING = st.builds(
    Rule,
    st.just("rule"),
    st.just(Does.GRANT),
    mostly((), (("a",), ("b", "c"))),
    st.sampled_from(Known),
    mostly(("dpv:Marketing",), (("mine",), ("dpv:New", "dpv:ServiceProvision"))),
    COLLECTIONS,
    mostly(Paid.ANY, Paid),
    BOUNDS,
    mostly(Beyond.NARROW, Beyond),
)
OTHER = st.builds(
    Rule,
    st.just("rule"),
    st.sampled_from([Does.QUEUE, Does.REFUSE]),
    TEXTS,
    st.none() | st.sampled_from(Known),
    st.just(()) | PURPOSE_LISTS,
    st.just(()) | COLLECTIONS,
    st.sampled_from(Paid),
    reason=st.none() | st.just("no"),
)


@st.composite
def standings(draw: st.DrawFn) -> StandingTerms:
    rules = draw(st.lists(GRANTING | GRANTING | GRANTING | OTHER, min_size=1, max_size=3))
    named = tuple(replace(rule, name=f"rule {n}") for n, rule in enumerate(rules))
    return StandingTerms(named, draw(st.none() | st.integers(1, 20)))


def allowed(rule: Rule, asking: Asking) -> Mapping[str, set[int]]:
    """The model: the days of each collection that a rule lets go, at most; {} for none."""
    ladder = ["unknown", "vouched", "domain"]
    wider = {"dpv:TargetedAdvertising": {"dpv:TargetedAdvertising", "dpv:Marketing"}}
    mine = wider.get(asking.terms.purpose, {asking.terms.purpose})
    paid = asking.terms.remuneration is not None
    assert rule.bounds is not None
    if (rule.peers and asking.peer not in rule.peers) or not mine & set(rule.purposes):
        return {}
    if ladder.index(asking.known.value) < ladder.index((rule.level or Known.UNKNOWN).value):
        return {}
    if rule.paid.value != "any" and paid != (rule.paid.value == "only"):
        return {}
    end_s = min(asking.exp_s, NOW_S + rule.bounds.life_days * 86_400)
    last = end_s // 86_400 + 25_567
    found: dict[str, set[int]] = {}
    for path, first, to in ((one.collection, one.first, one.last) for one in asking.items):
        if any(
            path.startswith(one + "/") or path in (one, one + "/p2") for one in rule.collections
        ):
            days = {65_535} if rule.bounds.undated else set[int]()
            days = days if first == 65_535 else {day for day in range(first, to + 1) if day <= last}
            found.setdefault(path, set()).update(days)
    return found


def days_of(given_: tuple[Window, ...]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for one in given_:
        found.setdefault(one.collection, set()).update(range(one.first, one.last + 1))
    return found


@settings(max_examples=250)
@given(standings(), ASKINGS)
def test_nothing_is_ever_granted_beyond_a_rule(standing: StandingTerms, asking: Asking) -> None:
    found = judge(standing, asking, KNOWN, NOW_MS)
    if found.does is not Does.GRANT:
        assert (found.windows, found.terms, found.exp_s) == ((), None, 0)
        return
    rule = next(one for one in standing.rules if one.name == found.rule)
    bounds, terms = rule.bounds, found.terms
    assert rule.does is Does.GRANT
    assert bounds is not None
    assert terms is not None
    assert not asking.imitates
    assert not asking.unsure
    model = allowed(rule, asking)
    given_ = days_of(found.windows)
    assert given_
    for path, days in given_.items():
        assert days <= model[path]
        dated = days - {65_535}
        assert len(dated) <= bounds.days
        # The latest of what was asked, so that nothing older is shown than must be.
        assert (
            not dated
            or min(dated) > max(model[path] - dated - {65_535}, default=-1)
            or (model[path] - {65_535} == dated)
        )
    assert binds_no_looser(asking.terms, terms)
    assert terms.retention_days <= bounds.retention_days
    assert set(terms.recipients) <= set(bounds.recipients)
    assert set(bounds.clauses) <= {clause.text for clause in terms.clauses}
    assert NOW_S < found.exp_s <= min(asking.exp_s, NOW_S + bounds.life_days * 86_400)
    changed = (
        terms != asking.terms
        or found.exp_s != asking.exp_s
        or any(
            days_of((one,))[one.collection] - given_.get(one.collection, set())
            for one in asking.items
            if one.last <= 46_000 or one.first == 65_535
        )
    )
    assert not changed or rule.beyond is Beyond.NARROW
    assert not changed or found.changes


@settings(max_examples=100)
@given(standings(), ASKINGS)
def test_a_rule_before_others_decides_alone(standing: StandingTerms, asking: Asking) -> None:
    """What comes after the rule that decided could as well not be there."""
    found = judge(standing, asking, KNOWN, NOW_MS)
    names = [rule.name for rule in standing.rules]
    if found.rule in names:
        cut = replace(standing, rules=standing.rules[: names.index(found.rule) + 1])
        assert judge(cut, asking, KNOWN, NOW_MS) == found


# --- as it is written -----------------------------------------------------------------------------


@given(standings())
def test_what_is_written_is_read_back(standing: StandingTerms) -> None:
    value = standing_value(standing)
    assert isinstance(value, dict)
    assert standing_from_mapping(value) == standing


@given(standings(), NAMES, st.sampled_from(Known))
def test_a_peer_is_told_only_what_is_shown_and_for_it_and_not_who_else_it_is_for(
    standing: StandingTerms, peer: str, known: Known
) -> None:
    shown = replace(
        standing,
        rules=tuple(
            replace(rule, shown=n % 2 == 0, name=f"secret {n}")
            for n, rule in enumerate(standing.rules)
        ),
    )
    rules = rules_for(shown, peer, known)
    told = told_value(rules)
    assert all(rule.shown and (not rule.peers or peer in rule.peers) for rule in rules)
    assert "secret" not in str(told)
    assert isinstance(told, dict)
    back = standing_from_mapping(told)
    assert all(rule.peers == () for rule in back.rules)
    assert [one.bounds for one in back.rules] == [one.bounds for one in rules]


GRANT = {
    "name": "x",
    "does": "grant",
    "level": "unknown",
    "purposes": ["dpv:Marketing"],
    "collections": ["energy"],
    "days": 1,
    "retention_days": 0,
    "life_days": 1,
}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"rule": []}, "'rule' is not known"),
        ({"rules": {}}, "rules is not a list"),
        ({"rules": ["x"]}, "rule 1 is not a map"),
        ({"rules": [{"name": "x", "does": "grant"}]}, "names its purposes and collections"),
        ({"rules": [{**GRANT, "purposes": []}]}, "names its purposes"),
        ({"rules": [{**GRANT, "level": None}]}, "says to whom"),
        ({"rules": [{**GRANT, "level": "friend"}]}, "level is one of domain, vouched, unknown"),
        ({"rules": [{**GRANT, "days": 0}]}, "days is a number from 1"),
        ({"rules": [{**GRANT, "days": True}]}, "days is a number from 1"),
        ({"rules": [{**GRANT, "life_days": None}]}, "life_days is a number"),
        ({"rules": [{**GRANT, "collections": ["Energy"]}]}, "a collection is one to"),
        ({"rules": [{**GRANT, "undated": "maybe"}]}, "undated is true or false"),
        ({"rules": [{**GRANT, "peers": "bank"}]}, "peers is not a list"),
        ({"rules": [{**GRANT, "peers": ["a"] * 65}]}, "more than 64 items"),
        ({"rules": [GRANT] * 65}, "more than 64 rules"),
        ({"rules": [GRANT, GRANT]}, "two rules are called x"),
        ({"rules": [{"name": "x", "does": "refuse", "days": 3}]}, "days goes with a rule that"),
        ({"rules": [{"name": "x\n", "does": "refuse"}]}, "name is one line"),
        ({"rules": [{"name": "x", "does": "delete"}]}, "does is one of grant, queue, refuse"),
        ({"ask_again_days": 0}, "ask_again_days is a number from 1"),
        ({"rules": [{**GRANT, "ask_again_days": -1}]}, "ask_again_days is a number from 0"),
    ],
)
def test_rules_that_are_none_are_refused_in_one_sentence(
    written: Mapping[str, object], sentence: str
) -> None:
    with pytest.raises(WireError, match=sentence):
        standing_from_mapping(written)


def test_a_rule_that_says_nothing_of_asking_again_is_told_as_before() -> None:
    """A peer of an earlier version knows no such key, and needs to only where it is used."""
    silent, hasty = standing_from_mapping(
        {"rules": [GRANT, {**GRANT, "name": "y", "ask_again_days": 0}]}
    ).rules
    assert "ask_again_days" not in rule_value(silent)
    assert rule_value(hasty)["ask_again_days"] == 0


def test_yes_and_no_may_be_words_as_yaml_files_have_them_here() -> None:
    found = standing_from_mapping({"rules": [{**GRANT, "undated": "true", "shown": "false"}]})
    assert found.rules[0].bounds == Bounds(1, 0, 1, undated=True)
    assert not found.rules[0].shown


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["rules", "name", "does", "days", "peers", "level", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_written_is_read_or_refused(written: object) -> None:
    if not isinstance(written, dict):
        return
    try:
        read = standing_from_mapping(cast("dict[str, object]", written))
    except WireError:
        return
    again = standing_value(read)
    assert isinstance(again, dict)
    assert standing_from_mapping(again) == read

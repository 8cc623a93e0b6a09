"""Terms narrowed and standing terms at their edges: the last day and clause, the exact bound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from entrenous.node.grants.vocabulary import purposes
from entrenous.protocol.errors import WireError
from entrenous.protocol.limits import TERMS_BYTES_MAX
from entrenous.protocol.standing_terms import (
    NOT_ALLOWED,
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
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.terms_narrowing import binds_no_looser, differences, narrowed
from entrenous.protocol.window import Window

KNOWN = purposes()
DAY_MS = 86_400_000
TODAY = 46_000
NOW_MS = (TODAY - 25_567) * DAY_MS + DAY_MS // 2
NOW_S = NOW_MS // 1000
CURVE, GAS = "energy/electricity/load-curve", "energy/gas/load-curve"
UNDATED = 65_535
ONE = Clause("no resale", Force.PROMISED)
TERMS = Terms("dpv:Marketing", 30, ("the printer", "the auditor"), None, (ONE,))
ASKING = Asking(
    "shop",
    Known.VOUCHED,
    False,
    (Window(CURVE, TODAY - 9, TODAY),),
    TERMS,
    NOW_S + 20 * 86_400,
)
BOUNDS = Bounds(10, 30, 20, ("the auditor", "the printer", "the bank"))
RULE = Rule(
    "mine",
    Does.GRANT,
    level=Known.VOUCHED,
    purposes=("dpv:Marketing",),
    collections=("energy",),
    bounds=BOUNDS,
    beyond=Beyond.NARROW,
)


def judged(rule: Rule, asking: Asking = ASKING) -> Judgement:
    return judge(StandingTerms((rule,)), asking, KNOWN, NOW_MS)


# --- narrowing ------------------------------------------------------------------------------------


def test_terms_that_nothing_is_asked_of_stay_as_they_are() -> None:
    assert narrowed(TERMS) == TERMS
    same = narrowed(TERMS, retention_days=30, recipients=TERMS.recipients, clauses=[ONE])
    assert same == TERMS
    assert differences(TERMS, TERMS) == ()


def test_the_shortest_and_the_longest_time_and_clause() -> None:
    assert narrowed(TERMS, retention_days=0).retention_days == 0
    for days in (-1, 31):
        with pytest.raises(WireError, match="days is longer"):
            narrowed(TERMS, retention_days=days)
    for length in (1, 4_096):
        made = narrowed(TERMS, clauses=[Clause("x" * length, Force.PROMISED)])
        assert made.clauses == (ONE, Clause("x" * length, Force.PROMISED))
    for text in ("", "x" * 4_097):
        with pytest.raises(WireError, match="not text of 1 to"):
            narrowed(TERMS, clauses=[Clause(text, Force.PROMISED)])


def test_as_many_clauses_as_there_may_be() -> None:
    more = [Clause(str(number), Force.PROMISED) for number in range(64)]
    assert len(narrowed(TERMS, clauses=more[:63]).clauses) == 64
    with pytest.raises(WireError, match="more than 64"):
        narrowed(TERMS, clauses=more)
    # one that is there, or is said twice, is written once
    twice = [*more[:2], more[0], Clause("no resale", Force.ENFORCED)]
    assert narrowed(TERMS, clauses=twice).clauses == (ONE, *more[:2])


def test_recipients_are_some_of_those_asked_for_in_their_order() -> None:
    assert narrowed(TERMS, recipients=()).recipients == ()
    assert narrowed(TERMS, recipients=["the auditor"]).recipients == ("the auditor",)
    for other in (["the press"], ["the auditor", "the printer"], ["the printer"] * 2):
        with pytest.raises(WireError, match="a recipient is not among"):
            narrowed(TERMS, recipients=other)


def test_other_remuneration_is_no_narrowing() -> None:
    paid = replace(TERMS, remuneration="2 euros")
    assert not binds_no_looser(TERMS, paid)
    assert not binds_no_looser(paid, TERMS)


def test_each_difference_is_said_and_no_other() -> None:
    assert differences(TERMS, replace(TERMS, retention_days=1_000)) == (
        "kept for 1,000 days, not for 30 days",
    )
    assert differences(TERMS, replace(TERMS, retention_days=0)) == (
        "kept for no longer than its use, not for 30 days",
    )
    assert differences(TERMS, replace(TERMS, recipients=())) == (
        "not passed on to the printer, the auditor",
    )
    twice = replace(TERMS, recipients=("a", "a"))
    assert differences(twice, replace(twice, recipients=("a",))) == (
        "recipients that were named twice are named once",
    )
    # a clause as long as a page is shown by its beginning
    long = Clause("y" * 400, Force.PROMISED)
    assert differences(TERMS, replace(TERMS, clauses=(ONE, long))) == (f"also: {'y' * 256}",)


# --- standing terms -------------------------------------------------------------------------------


def test_a_request_on_every_bound_is_within_the_rule() -> None:
    found = judged(replace(RULE, beyond=Beyond.QUEUE))
    assert (found.does, found.changes) == (Does.GRANT, ())
    assert found.why == "within the rule mine"
    assert (found.windows, found.terms, found.exp_s) == (ASKING.items, TERMS, ASKING.exp_s)


@pytest.mark.parametrize(
    ("bounds", "changes"),
    [
        (replace(BOUNDS, days=9), ("for fewer days",)),
        (replace(BOUNDS, retention_days=29), ("kept for 29 days, not for 30 days",)),
        (replace(BOUNDS, life_days=19), ("for a shorter time",)),
        (replace(BOUNDS, recipients=("the auditor",)), ("not passed on to the printer",)),
        (replace(BOUNDS, clauses=("no profiling",)), ("also: no profiling",)),
        (replace(BOUNDS, clauses=("no resale",)), ()),
    ],
)
def test_a_bound_that_is_one_less_narrows_by_one(bounds: Bounds, changes: tuple[str, ...]) -> None:
    found = judged(replace(RULE, bounds=bounds))
    assert (found.does, found.changes) == (Does.GRANT, changes)
    assert found.why == ("narrowed by the rule mine" if changes else "within the rule mine")
    for beyond, does in ((Beyond.QUEUE, Does.QUEUE), (Beyond.REFUSE, Does.REFUSE)):
        found = judged(replace(RULE, bounds=bounds, beyond=beyond))
        assert found.does is (does if changes else Does.GRANT)


def test_the_latest_days_of_each_collection_are_given_and_what_is_undated() -> None:
    asking = replace(
        ASKING,
        items=(
            Window(CURVE, TODAY - 30, TODAY - 20),
            Window(CURVE, TODAY - 10, TODAY - 8),
            Window(CURVE, TODAY - 3, TODAY - 2),
            Window(GAS, TODAY - 40, TODAY - 31),
            Window(GAS, UNDATED, UNDATED),
        ),
    )
    for days, curve in (
        (1, [(2, 2)]),
        (2, [(3, 2)]),
        (3, [(8, 8), (3, 2)]),
        (5, [(10, 8), (3, 2)]),
        (6, [(20, 20), (10, 8), (3, 2)]),
        (16, [(30, 20), (10, 8), (3, 2)]),
        (99, [(30, 20), (10, 8), (3, 2)]),
    ):
        found = judged(replace(RULE, bounds=replace(BOUNDS, days=days, undated=True)), asking)
        gas = 31 + min(days, 10) - 1
        assert found.windows == (
            *(Window(CURVE, TODAY - first, TODAY - last) for first, last in curve),
            Window(GAS, TODAY - gas, TODAY - 31),
            Window(GAS, UNDATED, UNDATED),
        )
        assert found.changes == (() if days >= 16 else ("for fewer days",))
    dated = judged(replace(RULE, bounds=replace(BOUNDS, days=99)), asking)
    assert not any(window.undated for window in dated.windows)
    assert dated.changes == ("for fewer days",)


def test_what_is_left_out_is_named() -> None:
    asking = replace(
        ASKING, items=(*ASKING.items, Window("finance/b", 1, 2), Window("finance/a", 1, 2))
    )
    found = judged(RULE, asking)
    assert found.windows == ASKING.items
    assert found.changes == ("without finance/a, finance/b",)


def test_days_after_the_end_that_was_asked_are_nothing_less() -> None:
    asking = replace(ASKING, items=(Window(CURVE, TODAY - 1, TODAY + 300),))
    found = judged(replace(RULE, bounds=replace(BOUNDS, days=400)), asking)
    assert found.changes == ()
    assert found.windows == (Window(CURVE, TODAY - 1, TODAY + 20),)


@pytest.mark.parametrize("beyond", Beyond)
def test_a_rule_that_would_give_nothing_gives_nothing(beyond: Beyond) -> None:
    """An end so near, or nothing but undated records: not even a narrowed grant is left."""
    later = replace(ASKING, items=(Window(CURVE, TODAY + 30, TODAY + 40),))
    undated = replace(ASKING, items=(Window(CURVE, UNDATED, UNDATED),))
    for asking in (later, undated):
        found = judged(replace(RULE, beyond=beyond), asking)
        assert found.does is (Does.REFUSE if beyond is Beyond.REFUSE else Does.QUEUE)
        assert found.rule == "mine"
        assert (found.windows, found.terms, found.exp_s) == ((), None, 0)
        if beyond is not Beyond.REFUSE:
            assert found.why == "beyond the rule mine: nothing of it is within the rule"


def test_what_a_peer_is_told_when_a_rule_refuses() -> None:
    refusing = Rule("no", Does.REFUSE)
    assert judged(refusing).why == NOT_ALLOWED, "no rule's name is told to a peer"
    assert judged(replace(refusing, reason="not to shops")).why == "not to shops"
    less = replace(RULE, bounds=replace(BOUNDS, days=1), beyond=Beyond.REFUSE)
    assert judged(less).why == "this is more than the standing terms allow"
    assert judged(replace(less, reason="too much")).why == "too much"
    queue = Rule("ask me", Does.QUEUE)
    assert judged(queue) == Judgement(Does.QUEUE, "ask me", "the standing rule ask me says so")


def test_terms_are_as_long_as_they_may_be_with_the_clauses_of_a_rule() -> None:
    def of(length: int) -> Judgement:
        long = (*(Clause(str(n) * 4_000, Force.PROMISED) for n in range(7)),)
        last = Clause("z" * length, Force.PROMISED)
        asking = replace(ASKING, terms=replace(TERMS, clauses=(*long, last)))
        return judged(replace(RULE, bounds=replace(BOUNDS, clauses=("no profiling",))), asking)

    made = of(1_000)
    assert made.terms is not None
    length = 1_000 + TERMS_BYTES_MAX - len(made.terms.encode())
    largest = of(length)
    assert largest.terms is not None
    assert len(largest.terms.encode()) == TERMS_BYTES_MAX
    found = of(length + 1)
    assert (found.does, found.terms) == (Does.QUEUE, None)
    assert "too long" in found.why


def test_each_level_includes_those_above_it() -> None:
    ladder = [Known.UNKNOWN, Known.VOUCHED, Known.DOMAIN]
    for place, level in enumerate(ladder):
        for at, known in enumerate(ladder):
            found = judged(replace(RULE, level=level), replace(ASKING, known=known))
            assert (found.does is Does.GRANT) == (at >= place)
            rule = replace(RULE, level=level, shown=True)
            assert bool(rules_for(StandingTerms((rule,)), "shop", known)) == (at >= place)


def test_a_rule_is_shown_only_if_it_is_marked_and_only_to_whom_it_is_for() -> None:
    anyone = Rule("anyone", Does.QUEUE, shown=True)
    shops = Rule("shops", Does.QUEUE, peers=("shop",), shown=True)
    secret = Rule("secret", Does.QUEUE)
    standing = StandingTerms((secret, shops, anyone))
    assert rules_for(standing, "shop", Known.UNKNOWN) == (shops, anyone)
    assert rules_for(standing, "bank", Known.UNKNOWN) == (anyone,)


def test_a_rule_for_some_is_for_nobody_else() -> None:
    assert judged(replace(RULE, peers=("bank", "shop"))).does is Does.GRANT
    found = judged(replace(RULE, peers=("bank",)))
    assert (found.does, found.rule) == (Does.QUEUE, None)


def test_a_rule_says_for_itself_what_it_leaves_open() -> None:
    """What is not written is not given: no undated records, nothing shown, beyond it a person."""
    assert not Bounds(1, 1, 1).undated
    assert not Rule("x", Does.QUEUE).shown
    assert Rule("x", Does.GRANT).beyond is Beyond.QUEUE
    assert not ASKING.unsure
    empty = replace(ASKING, terms=replace(TERMS, remuneration=""))
    assert judged(replace(RULE, paid=Paid.ONLY), empty).rule is None, "nothing offered is not paid"


def test_a_rule_for_somebodys_collection_is_for_no_other() -> None:
    mine = replace(RULE, collections=(f"{CURVE}/p2",))
    assert judged(mine).rule is None, "the house's is not covered by one of its people's"
    whose = replace(ASKING, items=(Window(f"{CURVE}/p2", TODAY - 9, TODAY),))
    assert judged(mine, whose).does is Does.GRANT
    part = replace(ASKING, items=(Window(f"{CURVE}s", TODAY - 9, TODAY),))
    assert judged(replace(RULE, collections=(CURVE,)), part).rule is None


def test_a_rule_says_for_itself_how_soon_the_same_may_be_asked_again() -> None:
    asking = replace(ASKING, refused_ms=NOW_MS - 10 * DAY_MS)
    patient = replace(RULE, ask_again_days=11)
    made = judge(StandingTerms((patient,)), asking, KNOWN, NOW_MS)
    assert (made.does, made.rule) == (Does.REFUSE, RULE.name)
    assert made.why == "the same was refused within the last 11 days"
    # Its own number is in place of the general one, longer or shorter; 0 is at once.
    for days in (0, 10):
        hasty = replace(RULE, ask_again_days=days)
        assert judge(StandingTerms((hasty,), 30), asking, KNOWN, NOW_MS).does is Does.GRANT
    # The rule that counts is the one that is for the request, not one for somebody else.
    other = replace(patient, name="other", peers=("somebody else",))
    assert judge(StandingTerms((other, RULE)), asking, KNOWN, NOW_MS).does is Does.GRANT


def test_a_request_is_refused_again_for_whole_days_to_the_millisecond() -> None:
    for ago_ms, does in ((DAY_MS - 1, Does.REFUSE), (DAY_MS, Does.GRANT)):
        asking = replace(ASKING, refused_ms=NOW_MS - ago_ms)
        assert judge(StandingTerms((RULE,), 1), asking, KNOWN, NOW_MS).does is does
    never = replace(ASKING, refused_ms=None)
    assert judge(StandingTerms((RULE,), 1), never, KNOWN, NOW_MS).does is Does.GRANT

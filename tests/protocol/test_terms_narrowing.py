"""Terms that bind harder, and those that only look so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.protocol.errors import WireError
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.terms_narrowing import binds_no_looser, differences, narrowed

ASKED = Terms(
    "dpv:ServiceProvision",
    30,
    ("the printer", "the auditor"),
    None,
    (Clause("no resale", Force.PROMISED),),
)
TEXTS = st.sampled_from(["no resale", "no profiling", "deleted when asked", "kept in Europe"])
CLAUSES = st.builds(Clause, TEXTS, st.sampled_from(Force))
RECIPIENTS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(tuple)
TERMS = st.builds(
    Terms,
    st.sampled_from(["dpv:Marketing", "dpv:ServiceProvision"]),
    st.integers(0, 5),
    RECIPIENTS,
    st.none(),
    st.lists(CLAUSES, max_size=3).map(tuple),
)


@pytest.mark.parametrize(
    ("given_", "takes"),
    [
        (ASKED, True),
        (replace(ASKED, retention_days=7), True),
        (replace(ASKED, retention_days=31), False),
        (replace(ASKED, recipients=()), True),
        (replace(ASKED, recipients=("the auditor",)), True),
        (replace(ASKED, recipients=("the press",)), False),
        (replace(ASKED, recipients=("the auditor", "the printer")), False),
        (replace(ASKED, recipients=("the printer", "the printer")), False),
        (replace(ASKED, purpose="dpv:Marketing"), False),
        (replace(ASKED, clauses=()), False),
        (replace(ASKED, clauses=(Clause("no resale", Force.ENFORCED),)), False),
        (replace(ASKED, clauses=(*ASKED.clauses, Clause("no profiling", Force.PROMISED))), True),
        (replace(ASKED, clauses=(Clause("no profiling", Force.PROMISED), *ASKED.clauses)), False),
    ],
)
def test_what_binds_no_looser(given_: Terms, takes: bool) -> None:
    assert binds_no_looser(ASKED, given_) is takes


@given(TERMS, st.integers(0, 7), RECIPIENTS, st.lists(CLAUSES, max_size=3))
def test_what_is_narrowed_binds_no_looser_or_is_refused(
    asked: Terms, days: int, recipients: tuple[str, ...], clauses: list[Clause]
) -> None:
    try:
        made = narrowed(asked, retention_days=days, recipients=recipients, clauses=clauses)
    except WireError:
        assert days > asked.retention_days or list(recipients) != list(asked.recipients)
        return
    assert binds_no_looser(asked, made)
    assert (made == asked) == (not differences(asked, made))
    assert all(any(one.text == two.text for two in made.clauses) for one in clauses)


@given(TERMS, TERMS, TERMS)
def test_binding_harder_is_an_order(a: Terms, b: Terms, c: Terms) -> None:
    assert binds_no_looser(a, a)
    if binds_no_looser(a, b) and binds_no_looser(b, a):
        assert a == b
    if binds_no_looser(a, b) and binds_no_looser(b, c):
        assert binds_no_looser(a, c)


def test_the_differences_are_sentences_for_a_person() -> None:
    made = narrowed(
        ASKED,
        retention_days=0,
        recipients=["the auditor"],
        clauses=[Clause("no profiling", Force.PROMISED)],
    )
    assert differences(ASKED, made) == (
        "kept for no longer than its use, not for 30 days",
        "not passed on to the printer",
        "also: no profiling",
    )


def test_a_clause_more_than_there_may_be_is_refused() -> None:
    full = replace(ASKED, clauses=tuple(Clause(str(n), Force.PROMISED) for n in range(64)))
    with pytest.raises(WireError, match="more than 64 clauses"):
        narrowed(full, clauses=[Clause("one more", Force.PROMISED)])
    assert narrowed(full, clauses=[Clause("1", Force.PROMISED)]) == full
    with pytest.raises(WireError, match="not text"):
        narrowed(ASKED, clauses=[Clause("", Force.PROMISED)])

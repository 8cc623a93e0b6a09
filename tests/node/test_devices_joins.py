"""How two tellings become one, for every kind of row that a person's devices share: the order in
which they meet does not matter, nor how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.node.devices import acquaintance_rows, household_rows, mandate_rows, money_rows
from entrenous.node.devices.line_rows import said
from entrenous.node.devices.view_rows import month, view
from entrenous.node.household.deciding_for import DecidedFor
from entrenous.node.household.household import Person, Whose
from entrenous.node.money.paid_terms import WaiverKept
from entrenous.node.peers.domain_looks import Look
from entrenous.node.peers.lines import Said
from entrenous.node.peers.vouches import GivenVouch
from entrenous.node.vault.tombstones import (
    Mark,
    Marks,
    Named,
    joined,
    marks_from_value,
    marks_value,
)
from entrenous.node.views.kept import MonthKept, ViewKept
from entrenous.protocol.did import Did
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.view import DayPart, Every, Kind, Published, View

T = TypeVar("T")

DIDS = [
    Did("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"),
    Did("did:key:z6MktTmJF1JYMjCSyUndoP4frpozyYN1jn9XQF6Svsr37477"),
]
MOMENTS = st.integers(0, 4)


def in_any_order(
    rows: Sequence[T], join: Callable[[T, T], T], same: Callable[[T], object] = lambda row: row
) -> None:
    found: list[T] = []
    for order in permutations(rows):
        met = order[0]
        for row in order[1:]:
            met = join(met, row)
        found.append(met)
    assert all(same(each) == same(found[0]) for each in found)
    # By twos, as three devices meet.
    if len(rows) == 3:
        one, two, three = rows
        assert same(join(one, join(two, three))) == same(found[0])
    assert all(same(join(found[0], row)) == same(found[0]) for row in rows)


def some(row: st.SearchStrategy[T]) -> st.SearchStrategy[list[T]]:
    return st.lists(row, min_size=1, max_size=3)


LOOKS = st.builds(
    Look,
    st.none() | MOMENTS,
    st.none() | MOMENTS,
    st.integers(0, 2),
    st.none() | st.just("silent"),
)


@given(some(LOOKS))
def test_looks(rows: list[Look]) -> None:
    in_any_order(rows, acquaintance_rows.look)


VOUCHES = st.builds(
    GivenVouch,
    st.just(DIDS[0]),
    MOMENTS,
    st.frozensets(st.tuples(st.sampled_from("ab"), st.sampled_from("cd")), max_size=2),
)


@given(some(VOUCHES))
def test_vouches_and_what_is_withdrawn_last_is_withdrawn(rows: list[GivenVouch]) -> None:
    in_any_order(rows, acquaintance_rows.given)
    last = max(row.t_ms for row in rows)
    met = rows[0]
    for row in rows[1:]:
        met = acquaintance_rows.given(met, row)
    assert met.withdrawn == any(row.withdrawn for row in rows if row.t_ms == last)


@given(some(st.builds(Person, st.just(3), st.sampled_from("ab"), st.none(), st.booleans())))
def test_people(rows: list[Person]) -> None:
    in_any_order(rows, household_rows.person)


@given(some(st.builds(Whose, st.sampled_from([(), (1,), (1, 2)]), MOMENTS)))
def test_whose_a_collection_is(rows: list[Whose]) -> None:
    in_any_order(rows, household_rows.whose)


@given(some(st.builds(WaiverKept, MOMENTS, st.binary(max_size=1))))
def test_waivers(rows: list[WaiverKept]) -> None:
    in_any_order(rows, money_rows.waiver)
    assert min(row.t_ms for row in rows) == min(
        money_rows.waiver(rows[0], row).t_ms for row in rows
    )


DECIDED = st.builds(
    DecidedFor,
    st.sampled_from(DIDS),
    st.binary(min_size=36, max_size=36),
    st.just(bytes(36)),
    MOMENTS,
)


@given(some(DECIDED))
def test_who_decided_for_another(rows: list[DecidedFor]) -> None:
    in_any_order(rows, mandate_rows.decided)


VIEW = View("energy/gas", METER_READING, Kind.ENERGY, Every.MONTHLY, "m", None, (), (), None, 3, 30)
VIEWS = st.builds(
    ViewKept, st.just(VIEW), MOMENTS, st.booleans(), st.none() | st.sampled_from(DIDS)
)


@given(some(VIEWS))
def test_views(rows: list[ViewKept]) -> None:
    in_any_order(rows, view)


PUBLISHED = st.builds(
    Published,
    MOMENTS,
    st.binary(max_size=1),
    st.just(({3: DayPart(1, b"d")},)),
    st.booleans(),
)
MONTHS = st.builds(
    MonthKept, st.just(b""), st.dictionaries(st.integers(0, 2), PUBLISHED, max_size=3), st.just({})
)


@given(some(MONTHS))
def test_what_was_published_of_a_view(rows: list[MonthKept]) -> None:
    in_any_order(rows, month)


MARKS = st.dictionaries(
    st.builds(Named, st.integers(0, 2), st.sampled_from([bytes(8), b"\1" * 8])),
    st.builds(Mark, MOMENTS, st.booleans()),
    max_size=4,
)


@given(some(MARKS))
def test_tombstones(rows: list[Marks]) -> None:
    in_any_order(rows, joined)
    for row in rows:
        assert marks_from_value(marks_value(row)) == row
    met = joined(rows[0], rows[-1])
    for named, mark in met.items():
        words = [row[named] for row in (rows[0], rows[-1]) if named in row]
        last = max(word.at_ms for word in words)
        # Erased and allowed again in one moment: it is erased.
        assert mark.erased == any(word.erased for word in words if word.at_ms == last)


@settings(max_examples=30)
@given(some(st.builds(Said, st.just(()), st.sampled_from(DIDS))))
def test_as_whom_a_peer_knows_us(rows: list[Said]) -> None:
    in_any_order(rows, said)

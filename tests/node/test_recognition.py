"""The same fact from several: one to one, whatever the order, and never two of one teller."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import permutations
from random import Random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.node.vault.recognition import DAYS_APART_MAX, PAIRS_MAX, Facts, Told, recognise
from entrenous.protocol.day import DAY_MS
from entrenous.protocol.record import Batch, concat
from entrenous.protocol.schema import METER_READING, TRANSACTION

NOON = 1_767_225_600_000
Said = tuple[str, int, tuple[int, int], str]
"""(id, day, amount, label)"""


def bank(said: Sequence[Said]) -> Batch:
    return Batch.from_rows(
        TRANSACTION,
        [
            {
                "id": id,
                "time": NOON + day * DAY_MS,
                "offset_min": 0,
                "amount": list(amount),
                "currency": "EUR",
                "label": label,
                "counterparty": None,
                "kind": "other",
            }
            for id, day, amount, label in said
        ],
    ).sorted()


def told(family: str, said: Sequence[Said], *, signed: bool = False) -> Told:
    return Told(family, signed, bank(said))


def grouped(tellings: Sequence[Told], facts: Facts) -> set[frozenset[str]]:
    """The facts, each as the ids of its tellings."""
    ids = concat(TRANSACTION, [one.batch for one in tellings]).columns["id"]
    return {frozenset(str(ids[row]) for row in rows) for rows in facts.rows}


LABELS = ("CB Market Lyon", "Market", "Rent Dupont", "")
ROWS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from([(-1250, 2), (-125, 1), (-4000, 2)]),
        st.sampled_from(LABELS),
    ),
    max_size=7,
)


def a_telling(family: str, rows: Sequence[tuple[int, tuple[int, int], str]], signed: bool) -> Told:
    said = [(f"{family}{i}", day, amount, label) for i, (day, amount, label) in enumerate(rows)]
    return told(family, said, signed=signed)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ROWS, st.booleans()), min_size=2, max_size=4))
def test_matching_is_one_to_one_and_knows_no_order(
    drawn: list[tuple[list[tuple[int, tuple[int, int], str]], bool]],
) -> None:
    tellings = [a_telling("abcd"[i], rows, signed) for i, (rows, signed) in enumerate(drawn)]
    signed_by = {one.family for one in tellings if one.signed}
    facts = recognise(TRANSACTION, tellings)
    everything = sorted(row for rows in facts.rows for row in rows)
    assert everything == list(range(sum(len(one.batch) for one in tellings))), "nothing is lost"
    whole = concat(TRANSACTION, [one.batch for one in tellings])
    for rows in facts.rows:
        families = [str(whole.columns["id"][row])[0] for row in rows]
        assert len(set(families)) == len(families), "two facts of one teller are never one"
        assert len(signed_by.intersection(families)) <= 1, "nor are two that peers signed"
        amounts = cast("Sequence[tuple[int, int]]", whole.columns["amount"])
        assert len({amounts[row][0] * 10 ** (2 - amounts[row][1]) for row in rows}) == 1
        days = [whole.times[row] // DAY_MS for row in rows]
        assert max(days) - min(days) <= 2 * DAYS_APART_MAX
    expected = grouped(tellings, facts)
    for order in permutations(tellings):
        assert grouped(order, recognise(TRANSACTION, order)) == expected


@settings(max_examples=300, deadline=None)
@given(ROWS)
def test_the_same_statement_in_two_formats_is_told_twice_and_shown_once(
    rows: list[tuple[int, tuple[int, int], str]],
) -> None:
    one, two = a_telling("a", rows, False), a_telling("b", rows, True)
    facts = recognise(TRANSACTION, [two, one])
    assert len(facts.rows) == len(rows)
    assert not facts.ambiguous


CASES: dict[str, tuple[list[Said], list[Said], set[frozenset[str]], int]] = {
    "another id, a day later, other words around": (
        [("a", 0, (-1250, 2), "CARTE 4711 MARKET LYON")],
        [("b", 1, (-125, 1), "Market")],
        {frozenset("ab")},
        0,
    ),
    "no word in common, the same day": (
        [("a", 0, (-1250, 2), "Card")],
        [("b", 0, (-1250, 2), "Market")],
        {frozenset("ab")},
        0,
    ),
    "no word in common, two days apart": (
        [("a", 0, (-1250, 2), "Card")],
        [("b", 2, (-1250, 2), "Market")],
        {frozenset("a"), frozenset("b")},
        0,
    ),
    "four days apart": (
        [("a", 0, (-1250, 2), "Market")],
        [("b", 4, (-1250, 2), "Market")],
        {frozenset("a"), frozenset("b")},
        0,
    ),
    "another sign": (
        [("a", 0, (-1250, 2), "Market")],
        [("b", 0, (1250, 2), "Market")],
        {frozenset("a"), frozenset("b")},
        0,
    ),
    "words decide between two of one day": (
        [("a", 0, (-1000, 2), "Baker Martin"), ("c", 0, (-1000, 2), "Cinema Rex")],
        [("b", 0, (-1000, 2), "CINEMA REX PARIS"), ("d", 0, (-1000, 2), "BAKER MARTIN")],
        {frozenset("ad"), frozenset("cb")},
        0,
    ),
    "words decide before days do": (
        [("a", 0, (-1000, 2), "Baker"), ("c", 1, (-1000, 2), "Cinema")],
        [("b", 1, (-1000, 2), "Baker"), ("d", 2, (-1000, 2), "Cinema")],
        {frozenset("ab"), frozenset("cd")},
        0,
    ),
    "two alike of one day are as many as both tell": (
        [("a", 0, (-250, 2), "Metro"), ("c", 0, (-250, 2), "Metro")],
        [("b", 0, (-250, 2), "METRO TICKET"), ("d", 0, (-250, 2), "METRO TICKET")],
        {frozenset("ab"), frozenset("cd")},
        0,
    ),
    "the same words under two references, three days apart": (
        [("a", 0, (1900, 2), "TRANSFER FROM INSURER MOTIF 24112500034 251215000933")],
        [("b", 3, (1900, 2), "TRANSFER FROM INSURER MOTIF 15122500038")],
        {frozenset("a"), frozenset("b")},
        0,
    ),
    "one reference of two is shared, three days apart": (
        [("a", 0, (1900, 2), "TRANSFER FROM INSURER MOTIF 15122500038 251215000933")],
        [("b", 3, (1900, 2), "TRANSFER FROM INSURER MOTIF 15122500038")],
        {frozenset("ab")},
        0,
    ),
    "two references of two banks, the same day": (
        [("a", 0, (1900, 2), "INSURER 251215000933"), ("c", 0, (1900, 2), "INSURER 251215000934")],
        [("b", 0, (1900, 2), "INSURER 9988776655"), ("d", 0, (1900, 2), "INSURER 9988776656")],
        {frozenset("ab"), frozenset("cd")},
        0,
    ),
    "one between two that could be either": (
        [("a", 0, (-250, 2), "Metro"), ("c", 2, (-250, 2), "Metro")],
        [("b", 1, (-250, 2), "Metro")],
        {frozenset("a"), frozenset("b"), frozenset("c")},
        3,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_case(case: str) -> None:
    ours, theirs, expected, ambiguous = CASES[case]
    tellings = [told("file", ours), told("bank", theirs, signed=True)]
    facts = recognise(TRANSACTION, tellings)
    assert grouped(tellings, facts) == expected
    assert len(facts.ambiguous) == ambiguous


def test_what_two_peers_signed_is_never_one_fact() -> None:
    """A peer that delivers a lookalike adds a fact and hides none."""
    tellings = [
        told("bank", [("a", 0, (-5000, 2), "Rent")], signed=True),
        told("shop", [("x", 0, (-5000, 2), "Rent")], signed=True),
        told("file", [("f", 0, (-5000, 2), "Rent")]),
    ]
    facts = recognise(TRANSACTION, tellings)
    assert len(facts.rows) == 2
    assert sum(len(rows) for rows in facts.rows) == 3


def test_facts_made_to_look_alike_cost_no_time_and_are_left_apart() -> None:
    """Thousands of one amount on one day, each with other words, in two files."""
    ours = [(f"a{i}", 0, (-100, 2), _spelt(i)) for i in range(3_000)]
    theirs = [(f"b{i}", 0, (-100, 2), _spelt(i) + " more") for i in range(3_000)]
    began = time.process_time()
    facts = recognise(TRANSACTION, [told("file", ours), told("bank", theirs, signed=True)])
    assert time.process_time() - began < 10
    assert PAIRS_MAX < 3_000**2
    assert len(facts.rows) == 6_000
    assert len(facts.ambiguous) == 6_000


def test_what_two_peers_signed_alike_costs_no_time_and_stays_apart() -> None:
    """Thousands of payments that nothing tells apart, signed by two peers that work together."""
    count = 12_000
    ours = [(f"a{i}", 0, (-100, 2), "x") for i in range(count)]
    theirs = [(f"b{i}", 0, (-100, 2), "x") for i in range(count)]
    began = time.process_time()
    facts = recognise(
        TRANSACTION, [told("one", ours, signed=True), told("two", theirs, signed=True)]
    )
    assert time.process_time() - began < 10
    assert len(facts.rows) == 2 * count


def _spelt(number: int) -> str:
    """A word of letters, another one for each number."""
    return "".join(chr(97 + int(digit)) for digit in f"{number:06}")


def test_readings_are_one_fact_by_their_time() -> None:
    def reading(value: int) -> Batch:
        return Batch.from_rows(
            METER_READING,
            [
                {
                    "time": NOON,
                    "offset_min": 0,
                    "duration_s": 1800,
                    "value": [value, 0],
                    "unit": "Wh",
                    "quality": None,
                }
            ],
        )

    facts = recognise(
        METER_READING, [Told("supplier", True, reading(5)), Told("file", False, reading(6))]
    )
    assert facts.rows == ((0, 1),)


def _account(number: int, days: int, amounts: Sequence[int]) -> list[Said]:
    """A payment a day of one account; every fifth is a round one, with words that many share."""
    return [
        (f"{number}-{day}", day, (-2000, 2), "CB RESTAURANT")
        if day % 5 == 0
        else (f"{number}-{day}", day, (-amounts[day] - 100_000 * number, 2), f"shop {day}")
        for day in range(days)
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 40), st.randoms(use_true_random=False))
def test_two_accounts_are_told_apart_by_how_little_their_files_share(
    days: int, dice: Random
) -> None:
    amounts = [dice.randint(1, 90_000) for _ in range(days)]
    one, two = _account(1, days, amounts), _account(2, days, amounts)
    again = [(f"again-{id}", day, amount, label) for id, day, amount, label in one]
    tellings = [
        Told("ofx", False, bank(one), b"one.ofx"),
        Told("csv", False, bank(two), b"two.csv"),
        Told("camt", True, bank(again), b"one.xml"),
    ]
    for order in permutations(tellings):
        facts = grouped(order, recognise(TRANSACTION, order))
        assert facts == {
            *(frozenset((id, f"again-{id}")) for id, *_ in one),
            *(frozenset((id,)) for id, *_ in two),
        }


def test_what_is_declared_is_no_file_and_may_share_little() -> None:
    account = _account(1, 30, list(range(1, 31)))
    cash = [(f"cash{day}", day, (-314 - day, 2), "cash") for day in range(30)]
    noted = [*cash, ("mine", 10, (-2000, 2), "Restaurant")]
    facts = recognise(
        TRANSACTION, [Told("ofx", False, bank(account), b"one.ofx"), told("declared", noted)]
    )
    tellings = [Told("ofx", False, bank(account)), told("declared", noted)]
    assert frozenset(("1-10", "mine")) in grouped(tellings, facts)


def test_between_two_that_name_alike_names_decide() -> None:
    delivered = [("same", 0, (-990, 2), "CB Market"), ("monday", 0, (-2400, 2), "CB Lidl")]
    file = [("same", 0, (-990, 2), "CB Market"), ("thursday", 3, (-2400, 2), "CB Lidl")]
    tellings = [told("bank", delivered, signed=True), told("ofx", file)]
    for order in permutations(tellings):
        assert grouped(order, recognise(TRANSACTION, order)) == {
            frozenset(("same",)),
            frozenset(("monday",)),
            frozenset(("thursday",)),
        }
    other = [told("bank", delivered, signed=True), told("camt", [("1", 3, (-2400, 2), "CB Lidl")])]
    assert frozenset(("monday", "1")) in grouped(other, recognise(TRANSACTION, other))

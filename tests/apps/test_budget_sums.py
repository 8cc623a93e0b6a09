"""Sums of a budget, transfers between own accounts, and what recurs."""

from __future__ import annotations

import datetime
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.apps.exact import ONE, divided, median, shown, text
from entrenous.apps.services.budget.payments import Payment
from entrenous.apps.services.budget.recurring import recurring
from entrenous.apps.services.budget.rules import Rules
from entrenous.apps.services.budget.sorting import sort_payments
from entrenous.apps.services.budget.sums import By, Span, budgets, months_before
from entrenous.tests.apps.budget_lines import payment

RULES = Rules()
MARCH = Span(datetime.date(2025, 3, 1), datetime.date(2025, 3, 31))
LABELS = (
    "CB LIDL", "CB CAFE DU NORD", "PRLV SEPA EDF", "CB QSDF", "VIR SEPA RECU /DE X /MOTIF PAIE",
    "VIREMENT INTERNE", "AVOIR CARTE ZARA", "RETRAIT DAB", "VIR SEPA EMIS /POUR Y /MOTIF LOYER",
)  # fmt: skip  # a list of lines


@st.composite
def some_payments(draw: st.DrawFn) -> list[Payment]:
    count = draw(st.integers(1, 30))
    found: list[Payment] = []
    for number in range(count):
        cents = draw(st.integers(-5000, 5000).filter(bool))
        found.append(
            payment(
                f"2025-03-{draw(st.integers(1, 31)):02}",
                f"{cents / 100:.2f}",
                draw(st.sampled_from(LABELS)),
                file=draw(st.sampled_from(("a.ofx", "b.csv"))),
                currency=draw(st.sampled_from(("EUR", "CHF"))),
                id=f"id{number}",
            )
        )
    return found


@settings(max_examples=60)
@given(some_payments(), st.sampled_from(By))
def test_the_lines_add_up_to_the_whole(payments: list[Payment], by: By) -> None:
    sorted_ = sort_payments(payments, RULES)
    for one in budgets(sorted_, MARCH, by, None, ()):
        unknown = one.unknown.spent if by is By.CATEGORY and one.unknown is not None else 0
        assert sum(row.spent for row in one.rows) + unknown == one.total.spent
        mine = [each for each in payments if each.currency == one.currency]
        moved = sum(each.payment.amount for each in sorted_ if each.payment.currency == one.currency
                    and not each.spending and each.category != "income")  # fmt: skip
        # Nothing is lost: all there is, is spent, earned, or moved between own accounts.
        assert sum(each.amount for each in mine) == one.income - one.total.spent + moved


@settings(max_examples=40)
@given(some_payments(), st.randoms(use_true_random=False))
def test_the_order_of_payments_does_not_matter(
    payments: list[Payment], shuffler: random.Random
) -> None:
    before = {one.payment.id: one for one in sort_payments(payments, RULES)}
    other = list(payments)
    shuffler.shuffle(other)
    after = sort_payments(other, RULES)
    assert {one.payment.id: one for one in after} == before
    first = budgets(before.values(), MARCH, By.CATEGORY, None, ())
    assert budgets(after, MARCH, By.CATEGORY, None, ()) == first


def test_currencies_stand_apart() -> None:
    lines = [
        payment("2025-03-02", "-10", "CB LIDL"),
        payment("2025-03-03", "-7", "CB LIDL", currency="CHF"),
        payment("2025-03-04", "-1", "CB LIDL"),
    ]
    found = budgets(sort_payments(lines, RULES), MARCH, By.CATEGORY, None, ())
    assert [(one.currency, one.total.spent // ONE) for one in found] == [("EUR", 11), ("CHF", 7)]


def test_food_is_what_is_eaten() -> None:
    lines = [payment("2025-03-02", "-10", "CB LIDL"), payment("2025-03-02", "-7", "CB PIZZERIA R")]
    (found,) = budgets(sort_payments(lines, RULES), MARCH, By.CATEGORY, None, ())
    (food,) = found.groups
    assert (food.name, food.spent) == ("food", 17 * ONE)


# --- transfers ------------------------------------------------------------------------------------


def categories(*payments: Payment, ibans: tuple[str, ...] = ()) -> list[str | None]:
    return [one.category for one in sort_payments(payments, RULES, ibans)]


def test_two_ends_of_one_movement_are_no_spending() -> None:
    out = payment("2025-03-02", "-300", "VIR SEPA EMIS /POUR MME K", file="a.ofx")
    into = payment("2025-03-03", "300", "VIR SEPA RECU /DE M K", file="b.xml")
    assert categories(out, into) == ["transfers", "transfers"]
    saved = payment("2025-03-03", "300", "VIR SEPA RECU /DE M K LIVRET", file="b.xml")
    assert categories(out, saved) == ["savings", "savings"]


@pytest.mark.parametrize(
    ("label", "day", "amount", "file", "account"),
    [
        ("VIR SEPA RECU /DE M K", "2025-03-09", "300", "b.xml", None),  # a week later
        ("VIR SEPA RECU /DE M K", "2025-03-03", "300.01", "b.xml", None),  # another amount
        ("VIR SEPA RECU /DE M K", "2025-03-03", "300", "a.ofx", None),  # in one file
        ("VIR SEPA RECU /DE M K", "2025-03-03", "300", "b.xml", "one"),  # of one account
        ("AVOIR CARTE ZARA", "2025-03-03", "300", "b.xml", None),  # given back by a shop
        ("VIR SALAIRE", "2025-03-03", "300", "b.xml", None),  # earned
    ],
)
def test_what_only_looks_like_one_counts(
    label: str, day: str, amount: str, file: str, account: str | None
) -> None:
    out = payment("2025-03-02", "-300", "VIR SEPA EMIS /POUR MME K", account="one")
    into = payment(day, amount, label, file=file, account=account)
    assert "transfers" not in categories(out, into)


def test_the_nearer_end_is_taken() -> None:
    out = payment("2025-03-02", "-300", "VIR SEPA EMIS /POUR MME K", account="one")
    far = payment("2025-03-05", "300", "VIR RECU CLIENT", file="b.xml", account="two")
    near = payment("2025-03-02", "300", "VIR RECU M K", file="b.xml", account="two")
    assert categories(out, far, near) == ["transfers", "income", "transfers"]


def test_payments_made_to_look_like_transfers_cost_no_time() -> None:
    """Thousands of one amount on one day, there and back: a peer can deliver them."""
    made = [
        payment("2025-03-03", f"{sign}1", "VIR EPARGNE", file=file, id=f"{sign}{number}")
        for number in range(3_000)
        for sign, file in (("-", "a.ofx"), ("", "b.ofx"))
    ]
    began = time.process_time()
    assert "transfers" not in categories(*made)
    assert time.process_time() - began < 10


def test_an_own_iban_on_the_line_is_enough() -> None:
    out = payment("2025-03-02", "-300", "VIR SEPA FR76 1999 8325 0416 7043 0894 522")
    assert categories(out, ibans=("FR7619998325041670430894522",)) == ["transfers"]
    assert categories(out) == [None]


# --- what is usual --------------------------------------------------------------------------------


def test_months_before_are_those_known_in_full() -> None:
    assert months_before(MARCH, datetime.date(2024, 11, 3)) == (
        "2025-02", "2025-01", "2024-12", "2024-11",
    )  # fmt: skip  # one list
    assert months_before(MARCH, datetime.date(2024, 12, 20)) == ()  # two are too few
    assert len(months_before(MARCH, datetime.date(2020, 1, 1))) == 12
    half = Span(datetime.date(2025, 3, 1), datetime.date(2025, 3, 15))
    assert months_before(half, datetime.date(2020, 1, 1)) == ()


def test_a_month_without_a_payment_counts_as_zero() -> None:
    lines = [payment(f"2025-{month:02}-05", "-10", "CB LIDL") for month in (1, 3)]
    lines.append(payment("2024-12-01", "-4", "CB QSDF"))
    before = months_before(MARCH, datetime.date(2024, 12, 1))
    (found,) = budgets(sort_payments(lines, RULES), MARCH, By.CATEGORY, None, before)
    assert [row.usual for row in found.rows] == [0]  # of 0, 10, 0
    assert found.total.usual == 4 * ONE  # of 0, 10, 4


# --- what recurs ----------------------------------------------------------------------------------


def test_a_subscription_its_rise_and_what_is_next() -> None:
    prices = ["-9.99"] * 3 + ["-11.99"] * 3
    lines = [
        payment(f"2025-{month:02}-{day}", price, f"PRLV SEPA TV ECH/{month}", who="TV")
        for month, (price, day) in enumerate(
            zip(prices, ("15", "17", "17", "15", "15", "16"), strict=True), start=1
        )
    ]
    (found,) = recurring(sort_payments(lines, RULES))
    assert (found.every, found.weekly, found.count) == (1, False, 6)
    assert found.next == datetime.date(2025, 7, 15)
    (rise,) = found.rises
    assert (rise.date, text(rise.before), text(rise.after)) == (
        datetime.date(2025, 4, 15), "9.99", "11.99",
    )  # fmt: skip  # what it was, and is


def test_a_month_left_out_is_no_end_and_a_long_silence_is() -> None:
    lines = [
        payment(f"2025-{month:02}-05", "-30", "PRLV SEPA G", who="G") for month in (1, 2, 4, 5)
    ]
    (gym,) = recurring(sort_payments(lines, RULES))
    assert gym.next == datetime.date(2025, 6, 5)
    later = payment("2025-09-01", "-1", "CB LIDL")
    assert [one.next for one in recurring(sort_payments([*lines, later], RULES))] == [None]


def test_shopping_has_no_rhythm() -> None:
    days = ("01-02", "01-09", "01-11", "02-20", "03-01", "03-30")
    lines = [payment(f"2025-{day}", "-20", "CB LIDL", who="LIDL") for day in days]
    assert recurring(sort_payments(lines, RULES)) == ()
    assert recurring([]) == ()


# --- exact numbers --------------------------------------------------------------------------------


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**9))
def test_division_is_to_the_nearest(amount: int, by: int) -> None:
    assert 2 * abs(divided(amount, by) * by - amount) <= by


def test_amounts_for_the_eye_and_in_full() -> None:
    assert shown(123_456 * ONE // 100 + 5 * ONE // 1000) == "1,234.57"
    assert shown(-ONE // 1000) == "0.00"
    assert text(-12 * ONE - ONE // 2, 2) == "-12.50"
    assert text(ONE // 10**18) == "0.000000000000000001"
    assert median([3, 1, 2]) == 2
    assert median([1, 2]) == 2
    assert median([]) == 0


@pytest.mark.parametrize("label", ["VIREMENT", "Transfer", "VIR 12345", "", "MYSTERY"])
def test_money_in_from_nobody_known_is_no_negative_spending(label: str) -> None:
    """What has no name is not money back from whoever else has none."""
    out = "" if label == "MYSTERY" else label
    lines = [
        payment("2025-03-02", "-10", out, id="out"),
        payment("2025-03-20", "50", label, id="in"),
    ]
    (found,) = budgets(sort_payments(lines, RULES), MARCH, By.CATEGORY, None, ())
    assert (found.total.spent, found.total.received, found.income) == (10 * ONE, 0, 50 * ONE)


def test_money_back_from_a_name_is_still_money_back() -> None:
    lines = [
        payment("2025-03-02", "-10", "VIR SEPA EMIS", who="J DUPONT", id="out"),
        payment("2025-03-20", "4", "VIR SEPA RECU", who="J DUPONT", id="in"),
    ]
    (found,) = budgets(sort_payments(lines, RULES), MARCH, By.CATEGORY, None, ())
    assert (found.total.spent, found.income) == (6 * ONE, 0)

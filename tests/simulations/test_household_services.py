"""Services held to what is known of a generated household.

The shares below were measured, and are what a bank's file allows: the household shops at places
whose names say nothing of what they sell, as everybody does.  For those a person writes a rule.
Nothing here may be won by teaching the built-in rules a generated name.
"""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entrenous.apps.exact import ONE, text
from entrenous.apps.services.budget.categories import NOT_SPENDING, OWN
from entrenous.apps.services.budget.payments import Payment
from entrenous.apps.services.budget.recurring import recurring
from entrenous.apps.services.budget.rules import Rules, own_rules
from entrenous.apps.services.budget.sorting import Sorted, sort_payments
from entrenous.apps.services.budget.sums import By, Span, budgets
from entrenous.apps.services.electricity.curve import WH, Curve, curve_of
from entrenous.apps.services.electricity.figures import figures
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING
from entrenous.simulations.household import generate
from entrenous.tests.apps.budget_lines import payment

SEEDS = (1, 2, 7, 11, 23)
# Measured over these five: 86 % of payments and 97 % of money; of spending 85 % and 93 %.
PAYMENTS_RIGHT, MONEY_RIGHT, SPENDING_RIGHT = 0.85, 0.96, 0.92
# And the worst of the five, a family that buys its bread where no rule knows it.
WORST_MONEY = 0.95


@dataclass
class Life:
    """One household: its payments as a bank tells them, sorted, beside what they were."""

    answers: dict[str, Any]
    truth: list[dict[str, Any]]
    sorted: list[Sorted]


def lines_of(truth: Sequence[dict[str, Any]]) -> list[Payment]:
    """The bank's line, and the other side's name where its file has a place for one."""
    return [
        payment(
            one["booked"],
            f"{one['cents'] / 100:.2f}",
            one["label"],
            who=None if one["account"] == "savings" else one["who"],
            file=f"{one['account']}.ofx",
            account=one["account"],
            id=one["account"] + one["reference"],
        )
        for one in truth
    ]


def life_of(folder: Path, seed: int, *sources: str) -> Life:
    generate(seed, folder / str(seed), years=2, sources=sources)
    answers = json.loads((folder / str(seed) / "answers.json").read_text())
    lines = (folder / str(seed) / "answers-payments.jsonl").read_text().splitlines()
    truth = [json.loads(line) for line in lines]
    return Life(answers, truth, sort_payments(lines_of(truth), Rules()))


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> list[Life]:
    folder = tmp_path_factory.mktemp("lives")
    return [life_of(folder, seed, "banks") for seed in SEEDS]


def share(pairs: Sequence[tuple[Sorted, dict[str, Any]]], *, money: bool) -> float:
    def weight(one: dict[str, Any]) -> int:
        return abs(one["cents"]) if money else 1

    right = sum(weight(one) for found, one in pairs if found.category == one["category"])
    return right / sum(weight(one) for _, one in pairs)


def test_the_share_of_payments_and_money_categorised_right(lives: list[Life]) -> None:
    pairs = [pair for one in lives for pair in zip(one.sorted, one.truth, strict=True)]
    spending = [pair for pair in pairs if pair[1]["category"] not in NOT_SPENDING]
    assert share(pairs, money=False) >= PAYMENTS_RIGHT
    assert share(pairs, money=True) >= MONEY_RIGHT
    assert share(spending, money=True) >= SPENDING_RIGHT
    for one in lives:
        assert share(list(zip(one.sorted, one.truth, strict=True)), money=True) >= WORST_MONEY


def test_what_is_not_right_is_not_known_rather_than_wrong(lives: list[Life]) -> None:
    """A category that is said is right in more than 99 of 100 payments."""
    said = [
        (found.category, one["category"])
        for life in lives
        for found, one in zip(life.sorted, life.truth, strict=True)
        if found.category is not None
    ]
    assert sum(a == b for a, b in said) > 0.99 * len(said)


def test_transfers_between_own_accounts_are_found_and_nothing_else(lives: list[Life]) -> None:
    for life in lives:
        for found, one in zip(life.sorted, life.truth, strict=True):
            assert (found.category in OWN) == (one["category"] in OWN), one
            if one["category"] in OWN:
                assert found.category == one["category"]


def test_a_month_by_category_is_what_was_spent_once_unknown_names_have_rules(
    lives: list[Life],
) -> None:
    """The sums themselves: with a rule for each name that no rule knows, to the cent."""
    life = lives[0]
    wrong = {
        (one["who"], one["category"], "in" if one["cents"] > 0 else "out")
        for found, one in zip(life.sorted, life.truth, strict=True)
        if found.category != one["category"]
    }
    toml = "".join(
        f'[[rule]]\nwords = "{who}"\ncategory = "{category}"\nfor = "{way}"\n'
        for who, category, way in sorted(wrong)
    )
    found = sort_payments(lines_of(life.truth), Rules(own_rules(toml)))
    for month in ("2024-03", "2025-06", "2025-12"):
        first = datetime.date.fromisoformat(f"{month}-01")
        last = (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
        (one,) = budgets(found, Span(first, last), By.CATEGORY, None, ())
        told = {row.name: (text(row.paid, 2), text(row.received, 2)) for row in one.rows}
        known = {
            name: (spent["paid"], spent["received"])
            for name, spent in life.answers["spending"][month].items()
            if name not in NOT_SPENDING
        }
        assert told == known
        assert text(one.income, 2) == life.answers["spending"][month]["income"]["received"]


def test_what_recurs_is_found_with_its_next_day(lives: list[Life]) -> None:
    for life in lives:
        found = recurring(life.sorted)
        for known in life.answers["recurring"]:
            amount = known["last_amount"]
            same = [
                one
                for one in found
                if one.payee in (known["who"], known["who"].upper())
                and text(abs(one.amount), 2) == amount.lstrip("-")
                and (one.every, one.weekly) == (known["every_months"], False)
            ]
            if known["count"] < 3 and not same:
                continue  # twice is no rhythm yet, unless it is a yearly debit
            if known["account"] == "savings":
                continue  # its bank's file names nobody; the other end is found
            assert same, known["key"]
            assert (same[0].next is None) == known["ended"], known["key"]
            if same[0].next is not None:
                due = datetime.date.fromisoformat(known["next"])
                assert abs((same[0].next - due).days) <= 4


def test_prices_that_rose_are_seen(lives: list[Life]) -> None:
    seen = known = 0
    for life in lives:
        found = {
            (one.payee, rise.date.isoformat(), text(rise.before, 2), text(rise.after, 2))
            for one in recurring(life.sorted)
            for rise in one.rises
        }
        for rise in life.answers["price_rises"]:
            known += 1
            seen += (rise["who"], rise["first_charged"], rise["before"], rise["after"]) in found
    # 129 of 132 as measured: a rise in the last month but one of a contract that ends is none here.
    assert seen >= 0.95 * known


# --- electricity ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Curve, dict[str, Any]]:
    """Two years of the household's Linky files, read by the standard library."""
    out = tmp_path_factory.mktemp("metered") / "lived"
    generate(7, out, years=2, sources=("meters",))
    rows: list[dict[str, Any]] = []
    for path in sorted((out / "linky").glob("*.csv")):
        for row in csv.reader(path.read_text("utf-8-sig").splitlines(), delimiter=";"):
            if len(row) == 2 and row[0].startswith("20") and row[1]:
                end = datetime.datetime.fromisoformat(row[0])  # the end of its half hour
                start = end - datetime.timedelta(minutes=30)
                known = start.timestamp()
                offset = end.utcoffset()
                assert offset is not None
                rows.append(
                    {
                        "time": round(known) * 1000,
                        "offset_min": round(offset.total_seconds()) // 60,
                        "duration_s": 1800,
                        "value": [int(row[1]), 0],
                        "unit": "W",
                        "quality": None,
                    }
                )
    rows.sort(key=lambda one: one["time"])
    curve = curve_of([Batch.from_rows(METER_READING, rows)], None)
    return curve, json.loads((out / "answers.json").read_text())["energy"]


def test_energy_by_month_is_what_was_measured(metered: tuple[Curve, dict[str, Any]]) -> None:
    curve, known = metered
    found = figures(curve, curve)
    for month in found.months:
        said = known["months"][month.name]
        assert month.energy == round(float(said["measured_wh"]) * 10) * WH // 10
        assert month.missing == said["missing"] * 1800
        assert month.intervals == said["half_hours"] - said["missing"]


def test_the_base_load_and_what_was_added_to_it(metered: tuple[Curve, dict[str, Any]]) -> None:
    curve, known = metered
    months = {one.name: one for one in figures(curve, curve).months}
    before, machine, moved = (step["watts"] for step in known["base_load_w"])

    def base(month: str) -> float:
        power = months[month].base
        assert power is not None
        return power / ONE

    # Where nothing is heated, the base is what is never switched off, within a tenth.
    for month in ("2024-06", "2024-07", "2024-09"):
        assert base(month) == pytest.approx(before, rel=0.1)
    for month in ("2025-06", "2025-07", "2025-09"):
        assert base(month) == pytest.approx(moved, rel=0.1)
    # The freezer came in a winter: the year before shows it as soon as spring does.
    march = months["2025-03"]
    assert march.base is not None
    assert march.base_before is not None
    assert (march.base - march.base_before) / ONE == pytest.approx(machine - before, abs=12)

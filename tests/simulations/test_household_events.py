"""What happens to a household: told by its answers, seen in its lines."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from entrenous.tests.simulations.household_files import (
    linky,
)


def test_recurring_payments_are_found_in_the_lines(
    answers: dict[str, Any], truth: list[dict[str, Any]]
) -> None:
    by_series: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in truth:
        by_series[one["series"] or ""].append(one)
    for known in answers["recurring"]:
        lines = by_series[known["key"]]
        assert [known["count"], known["first"], known["last"]] == [
            len(lines),
            lines[0]["booked"],
            lines[-1]["booked"],
        ]
        assert {line["category"] for line in lines} == {known["category"]}
        if not known["ended"]:
            last, following = (date.fromisoformat(known[key]) for key in ("last", "next"))
            days = (following - last).days
            assert abs(days - known["every_months"] * 30.44) < 7, known
            assert date.fromisoformat(answers["until"]) < following
    ended = {one["key"] for one in answers["recurring"] if one["ended"]}
    assert ended == {"salary", "benefit", "rent", "energy"}


def test_prices_that_rose_are_seen_in_the_lines(
    answers: dict[str, Any], truth: list[dict[str, Any]]
) -> None:
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    before: dict[str, int] = {}
    pay = {"salary", "salary-2", "benefit", "income-tax", "saving", "share"}
    for one in truth:
        key = one["series"]
        if key and key not in pay and one["cents"] < before.get(key, one["cents"]):
            seen[key, one["booked"]] = _euros(before[key]), _euros(one["cents"])
        if key:
            before[key] = one["cents"]
    told = {
        (one["key"], one["first_charged"]): (one["before"], one["after"])
        for one in answers["price_rises"]
    }
    assert told == seen
    assert {"video", "internet", "travel-pass"} <= {key for key, _ in told}


def _euros(cents: int) -> str:
    return str(Decimal(-cents).scaleb(-2))


def test_months_that_were_missed(answers: dict[str, Any], truth: list[dict[str, Any]]) -> None:
    months = sorted(answers["spending"])
    for key, missed in answers["missed_months"].items():
        paid = {one["booked"][:7] for one in truth if one["series"] == key}
        # What was due on the last day off of a month may be booked in the next: none of these are.
        assert [month for month in months if month not in paid] == missed
        assert missed


def test_what_was_given_back_follows_what_was_bought(
    answers: dict[str, Any], truth: list[dict[str, Any]]
) -> None:
    back = [
        one for one in truth if one["label"].startswith(("AVOIR CARTE", "CREDIT CARTE BANCAIRE"))
    ]
    assert [
        {
            "booked": one["booked"],
            "account": one["account"],
            "who": one["who"],
            "amount": str(Decimal(one["cents"]).scaleb(-2)),
        }
        for one in back
    ] == answers["returns"]
    assert back
    for one in back:
        bought = [
            other["cents"]
            for other in truth
            if (other["who"], other["account"]) == (one["who"], one["account"])
            and other["booked"] < one["booked"]
            and one["cents"] <= -other["cents"]
        ]
        assert bought, one


def test_a_job_lost_and_pay_without_rhythm(
    answers: dict[str, Any], truth: list[dict[str, Any]]
) -> None:
    loss = answers["job_loss"]
    benefit = {
        one["booked"][:7]: str(Decimal(one["cents"]).scaleb(-2))
        for one in truth
        if one["who"] == "FRANCE TRAVAIL IDF"
    }
    assert benefit == loss["benefit"]
    assert len(benefit) >= 2
    jobs = [
        [date.fromisoformat(one["booked"]) for one in truth if one["who"] == employer]
        for employer in loss["employers"]
    ]
    lost, found = (date.fromisoformat(loss[key]) for key in ("last_day", "next_job"))
    assert jobs[0][-1].replace(day=1) == lost.replace(day=1)
    assert jobs[1][0].replace(day=1) == found.replace(day=1)
    pieces: defaultdict[str, int] = defaultdict(int)
    for one in truth:
        if one["account"] == "second" and one["category"] == "income":
            pieces[one["booked"][:7]] += one["cents"]
    irregular = answers["irregular_pay"]
    assert {m: str(Decimal(c).scaleb(-2)) for m, c in pieces.items()} == irregular["months"]
    assert sorted({*irregular["months"], *irregular["months_without"]}) == sorted(
        answers["spending"]
    )


def test_a_move_changes_landlord_supplier_meter_and_shops(
    household: Path, answers: dict[str, Any], truth: list[dict[str, Any]]
) -> None:
    move = answers["move"]
    for names, category in ((move["landlords"], "housing"), (move["energy_suppliers"], "energy")):
        before, later = (
            [one["booked"] for one in truth if (one["who"], one["category"]) == (name, category)]
            for name in names
        )
        assert before[-1] <= move["day"] < later[0]
    for path in (household / "linky").iterdir():
        days = [(end - timedelta(minutes=30)).date().isoformat() for end, _ in linky(path)]
        old = path.name.startswith(move["meters"][0])
        assert max(days) < move["day"] if old else min(days) >= move["day"]


def test_the_two_sides_of_health_expenses(
    household: Path, answers: dict[str, Any], truth: list[dict[str, Any]]
) -> None:
    claims, paid, pending = 0, Decimal(0), set[tuple[str, str, str]]()
    asked: list[tuple[str, Decimal]] = []
    for file in (household / "health").iterdir():
        bundle = json.loads(file.read_text(), parse_float=Decimal, parse_int=Decimal)
        entries = {one["fullUrl"]: one["resource"] for one in bundle["entry"]}
        assert all(url == f"urn:uuid:{one['id']}" for url, one in entries.items())
        for one in entries.values():
            assert {*_references(one)} <= entries.keys()
            if one["resourceType"] == "Claim":
                claims += 1
                asked.append((one["created"], one["total"]["value"]))
            elif one["resourceType"] == "ExplanationOfBenefit":
                insurer = entries[one["insurer"]["reference"]]["name"]
                if one["outcome"] == "complete":
                    assert one["payment"]["date"] <= answers["until"]
                    paid += one["payment"]["amount"]["value"]
                else:
                    assert "payment" not in one
                    pending.add((insurer, one["created"], str(one["total"][0]["amount"]["value"])))
    health = answers["health"]
    assert (claims, paid) == (health["acts"], Decimal(health["refunded"]))
    assert sum(cents for _, cents in asked) == Decimal(health["paid"])
    told = {
        (one["insurer"], one["day"], str(Decimal(one["paid"]).normalize() + 0))
        for one in health["pending"]
    }
    assert {(i, d, str(Decimal(v).normalize() + 0)) for i, d, v in pending} == told
    assert len({one["insurer"] for one in health["pending"]}) == 2
    back = sum(one["cents"] for one in truth if one["category"] == "health" and one["cents"] > 0)
    assert Decimal(back).scaleb(-2) == paid


def _references(resource: Any) -> list[str]:
    """Every `urn:uuid:` that a resource points to."""
    return re.findall(r'"reference": "([^"]+)"', json.dumps(resource, default=str))

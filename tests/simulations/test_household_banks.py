"""The banks' files of a household: what others read in them is what its answers say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from entrenous.tests.simulations.household_files import (
    TWO_YEARS,
    Statement,
)


def test_statements_say_what_was_answered(
    answers: dict[str, Any], statements: dict[str, Statement]
) -> None:
    for path, found in statements.items():
        known = answers["files"][path]
        assert len(found.lines) == known["records"], path
        assert sum((-one.amount for one in found.lines if one.amount < 0), Decimal(0)) == Decimal(
            known["paid"]
        )
        assert found.total == Decimal(known["received"]) - Decimal(known["paid"]), path
        assert all(known["first"] <= line.day.isoformat() <= known["last"] for line in found.lines)


def test_balances_add_up_and_join(
    answers: dict[str, Any], statements: dict[str, Statement]
) -> None:
    for path, found in statements.items():
        known = answers["files"][path]
        assert Decimal(known["opening"]) + found.total == Decimal(known["closing"]), path
        for stated, name in ((found.opening, "opening"), (found.closing, "closing")):
            assert stated in (None, Decimal(known[name])), path
    months = sorted(path for path in statements if path.startswith("bank-a/") and "ofx" in path)
    assert len(months) == 12 * TWO_YEARS
    balance = Decimal(answers["accounts"]["joint"]["opening"])
    for path in months:
        balance += statements[path].total
        assert statements[path].closing == balance
    assert balance == Decimal(answers["accounts"]["joint"]["closing"])


def test_both_messages_of_camt_are_of_their_version(household: Path) -> None:
    roots = {path.stem: ET.parse(path).getroot() for path in (household / "bank-b").glob("*.xml")}
    versions = {stem: root.tag.partition("}")[0][-2:] for stem, root in roots.items()}
    assert versions == {"2024": "02", "2025-v2": "02", "2025": "08"}
    for stem, root in roots.items():
        space = root.tag.partition("}")[0] + "}"
        nested = root.findall(f".//{space}Ntry/{space}Sts/{space}Cd")
        party = root.findall(f".//{space}Cdtr/{space}Pty")
        assert bool(nested) == bool(party) == (versions[stem] == "08")


def test_spending_by_category_and_month_is_that_of_the_lines(
    answers: dict[str, Any], truth: list[dict[str, Any]], statements: dict[str, Statement]
) -> None:
    """Lines come from the files, one file a stretch of an account, and categories by reference."""
    category = {(one["account"], one["reference"]): one["category"] for one in truth}
    paid: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    received: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    seen: Counter[tuple[str, str]] = Counter()
    for path, found in statements.items():
        if re.fullmatch(r"bank-a/\d{4}-\d\d\.ofx|bank-b/\d{4}\.xml", path):
            for line in found.lines:
                account = answers["files"][path]["account"]
                key = f"{line.day:%Y-%m}", category.pop((account, line.reference))
                seen[key] += 1
                (paid if line.amount < 0 else received)[key] += abs(line.amount)
    # The savings account's CSV has no references: its labels say what each line is.
    assert {account for account, _ in category} == {"savings"}
    for path in (path for path in statements if path.startswith("bank-c/")):
        for line in statements[path].lines:
            key = f"{line.day:%Y-%m}", "income" if "INTERETS" in line.label else "savings"
            seen[key] += 1
            (paid if line.amount < 0 else received)[key] += abs(line.amount)
    told = {
        (month, name): (Decimal(one["paid"]), Decimal(one["received"]), one["payments"])
        for month, categories in answers["spending"].items()
        for name, one in categories.items()
    }
    assert told == {key: (paid[key], received[key], seen[key]) for key in seen}
    assert {name for _, name in told} == set(answers["categories"])


def test_what_goes_between_own_accounts_is_nothing_in_sum(answers: dict[str, Any]) -> None:
    for categories in answers["spending"].values():
        for name in ("transfers", "savings"):
            if name in categories:
                assert categories[name]["paid"] == categories[name]["received"]


def test_doubles_between_files(answers: dict[str, Any], statements: dict[str, Statement]) -> None:
    found: dict[tuple[str, ...], int] = {}
    paths = sorted(statements)
    for number, one in enumerate(paths):
        for other in paths[number + 1 :]:
            same = _alike(statements[one]) & _alike(statements[other])
            accounts = {answers["files"][path]["account"] for path in (one, other)}
            if same and len(accounts) == 1:
                found[one, other] = same.total()
                # Where both name their lines, they give them the same name.
                named = [{line.reference for line in statements[p].lines} for p in (one, other)]
                assert len(named[0] & named[1]) == same.total()
    told = [one for one in answers["doubles"] if one["of"] == "payments"]
    assert {tuple(sorted(one["files"])): one["same"] for one in told} == found
    assert len(found) >= 3 * TWO_YEARS


def _alike(of: Statement) -> Counter[tuple[date, Decimal, str]]:
    return Counter((line.day, line.amount, line.label) for line in of.lines)

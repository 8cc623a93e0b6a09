"""Everything else that a household is handed: counted by others."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from entrenous.tests.simulations.household_files import (
    TWO_YEARS,
)


def test_every_file_has_an_answer_and_the_reverse(household: Path, answers: dict[str, Any]) -> None:
    there = {str(one.relative_to(household)) for one in household.rglob("*") if one.is_file()}
    assert there - {"answers.json", "answers-payments.jsonl"} == set(answers["files"])
    folders = {path.partition("/")[0] for path in answers["files"]}
    assert folders == {
        *("bank-a", "bank-b", "bank-c", "linky", "green-button"),
        *("health", "contacts", "phone", "tracks", "receipts", "school"),
    }


def test_everything_else_is_counted(household: Path, answers: dict[str, Any]) -> None:
    kinds: Counter[str] = Counter()
    for path, known in answers["files"].items():
        file = household / path
        kinds[path.partition("/")[0]] += 1
        match path.partition("/")[0]:
            case "phone":
                rows = list(csv.DictReader(io.StringIO(file.read_text())))
                assert len(rows) == known["records"]
                calls = [int(row["call_duration"]) for row in rows if row["interaction"] == "call"]
                assert (len(calls), sum(calls)) == (known["calls"], known["seconds"])
            case "contacts":
                assert file.read_bytes().count(b"BEGIN:VCARD\r\n") == known["records"]
            case "receipts":
                receipts = json.loads(file.read_text())
                totals = [Decimal(one["total"]) for one in receipts]
                assert (len(receipts), sum(totals)) == (known["records"], Decimal(known["total"]))
                for one in receipts:
                    assert sum(Decimal(line["amount"]) for line in one["lines"]) == Decimal(
                        one["total"]
                    )
                    assert all(_checked(line["gtin"]) for line in one["lines"])
            case "school":
                assert _averages(file) == known["averages"]
            case "tracks":
                points = ET.parse(file).getroot().iter("{http://www.topografix.com/GPX/1/1}trkpt")
                assert sum(1 for _ in points) == known["records"]
            case _:
                pass
    assert kinds["school"] >= 3 * TWO_YEARS
    assert kinds["tracks"] > 20


def _checked(gtin: str) -> bool:
    return sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(gtin)) % 10 == 0


def _averages(file: Path) -> dict[str, str]:
    rows = list(csv.reader(io.StringIO(file.read_bytes().decode("utf-8-sig")), delimiter=";"))[3:]
    given: defaultdict[str, list[tuple[Fraction, int]]] = defaultdict(list)
    for subject, _, _, note, out_of, weight, _ in rows:
        if note != "Abs":
            value = Fraction(note.replace(",", ".")) * 20 / int(out_of)
            given[subject].append((value, int(weight)))
    means = {
        subject: Fraction(sum(v * w for v, w in marks), sum(w for _, w in marks))
        for subject, marks in given.items()
    }
    return {
        subject: str(
            (Decimal(mean.numerator) / mean.denominator).quantize(Decimal("0.01"), ROUND_HALF_UP)
        )
        for subject, mean in means.items()
    }


def test_tracks_are_as_long_as_was_walked(household: Path, answers: dict[str, Any]) -> None:
    from math import cos, hypot, radians

    tracks = [(p, one) for p, one in answers["files"].items() if p.startswith("tracks/")]
    for path, known in tracks[:12]:
        text = (household / path).read_text()
        at = [
            (float(lat), float(lon))
            for lat, lon in re.findall(r'lat="(-?[\d.]+)" lon="(-?[\d.]+)"', text)
        ]
        metres = sum(
            hypot((b[0] - a[0]) * 111_195, (b[1] - a[1]) * 111_195 * cos(radians(a[0])))
            for a, b in pairwise(at)
        )
        assert abs(metres / known["length_m"] - 1) < 0.02
        began, ended = (datetime.fromisoformat(known[key]) for key in ("began", "ended"))
        assert (ended - began).total_seconds() == (known["records"] - 1) * 15


def test_the_document_names_every_answer_and_category(answers: dict[str, Any]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "household.md").read_text()
    assert not [key for key in answers if f"`{key}`" not in text]
    folders = {path.partition("/")[0] for path in answers["files"]}
    assert not [folder for folder in folders if f"`{folder}/`" not in text]
    assert ", ".join(answers["categories"]) in text

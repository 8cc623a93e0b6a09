"""A household as a whole: any seed holds together, and a command makes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrenous.node.imports.plan import installed_readers
from entrenous.protocol.reading import reader_for
from entrenous.simulations.household import SEED_MAX, generate
from entrenous.tests.simulations.household_files import (
    TWO_YEARS,
    answers_of,
    statement,
)

_ASKED = ("Columns by the profile: ", "The file does not say which account it is of")
_COMMAND = (sys.executable, "-m", "entrenous.node.cli", "generate", "household")


def test_our_readers_read_every_file_of_theirs_without_a_note(
    household: Path, answers: dict[str, Any]
) -> None:
    readers, read = installed_readers(), Counter[str]()
    for path, known in answers["files"].items():
        if not path.startswith(("bank-", "green-button/", "contacts/")):
            continue
        data = (household / path).read_bytes()
        extract = reader_for(readers, data, path).read(data, path)
        # Not of loss: which profile told the columns, and that a file names no account.
        notes = [one for one in extract.notes if not one.startswith(_ASKED)]
        assert not notes, path
        assert bool(extract.notes) == path.endswith(".csv")
        assert len(extract.items[0].batch) == known["records"], path
        read[extract.reader] += 1
        if known.get("energy_wh") is not None:
            values = extract.items[0].batch.columns["value"]
            total = sum(Decimal(m).scaleb(-s) for m, s in values)  # type: ignore[misc]  # dec cells
            assert total == Decimal(known["energy_wh"])
        elif "paid" in known:
            amounts = extract.items[0].batch.columns["amount"]
            total = sum(Decimal(m).scaleb(-s) for m, s in amounts)  # type: ignore[misc]  # dec cells
            assert total == Decimal(known["received"]) - Decimal(known["paid"])
    assert set(read) == {"ofx", "camt", "espi", "vcard", "bank-csv"}


def test_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the order in which this Python keeps its sets, and whatever its time zone."""
    runs = (("a", "0", "UTC"), ("b", "7", "Pacific/Auckland"))
    for out, hash_seed, zone in ((tmp_path / name, one, zone) for name, one, zone in runs):
        subprocess.run(
            [*_COMMAND, "--seed", "3", "--out", str(out)],
            check=True,
            capture_output=True,
            timeout=120,
            env={"PYTHONHASHSEED": hash_seed, "TZ": zone},
        )
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()
    }


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, SEED_MAX),
    until=st.dates(date(2010, 1, 1), date(2069, 12, 31)),
)
def test_any_household_holds_together(
    tmp_path_factory: pytest.TempPathFactory, seed: int, until: date
) -> None:
    """A year that ends with any month: balances, months, meters and events fit each other."""
    last = (until.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    out = tmp_path_factory.mktemp("any") / "household"
    generate(seed, out, until=last, sources=("banks", "health", "school", "contacts"))
    answers = answers_of(out)
    assert (answers["first"], answers["until"]) == (
        (last + timedelta(days=1)).replace(year=(last + timedelta(days=1)).year - 1).isoformat(),
        last.isoformat(),
    )
    assert len(answers["spending"]) == 12
    for account in answers["accounts"].values():
        parts = [Decimal(account[name]) for name in ("opening", "received", "paid", "closing")]
        assert parts[0] + parts[1] - parts[2] == parts[3]
        assert int(account["iban"][4:] + "1527" + account["iban"][2:4]) % 97 == 1
    for path, known in answers["files"].items():
        if path.startswith("bank-"):
            assert statement(out / path).total == Decimal(known["closing"]) - Decimal(
                known["opening"]
            )
    dates = [answers["job_loss"][key] for key in ("last_day", "next_job")]
    assert answers["first"] < dates[0] < dates[1] < answers["until"]
    assert answers["first"] < answers["move"]["day"] < answers["until"]
    assert len({one["insurer"] for one in answers["health"]["pending"]}) == 2
    assert answers["job_loss"]["benefit"]
    assert all(answers["missed_months"].values())
    assert answers["price_rises"]


def test_refused_where_something_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("text")
    for name in ("mine", "file"):
        done = _run("--out", str(tmp_path / name))
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.strip().splitlines()) == 1
        assert name in done.stderr
    assert {one.name for one in tmp_path.iterdir()} == {"mine", "file"}
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_an_empty_folder_is_filled_and_told_of(tmp_path: Path) -> None:
    out = tmp_path / "household"
    out.mkdir()
    done = _run("--out", str(out), "--seed", "4", "--json")
    assert done.returncode == 0, done.stderr
    told, answers = json.loads(done.stdout), answers_of(out)
    assert told == {
        "out": str(out),
        "seed": 4,
        "first": "2025-01-01",
        "until": "2025-12-31",
        "files": len(answers["files"]),
        "records": sum(one["records"] for one in answers["files"].values()),
    }
    assert [one.name for one in tmp_path.iterdir()] == ["household"]


@pytest.mark.parametrize(
    "arguments",
    [
        *(("--years", "0"), ("--years", "11"), ("--until", "2025-06-15"), ("--until", "soon")),
        *(("--seed", "-1"), ("--seed", "x"), ()),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    out = ("--out", str(tmp_path / "out")) if arguments else ()
    done = _run(*out, *arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_nothing_is_left_of_a_run_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, last: date) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("entrenous.simulations.household.banks.Banks.month_ended", full)
    with pytest.raises(OSError, match="No space"):
        generate(1, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_source_alone_is_the_same_as_among_others(tmp_path: Path, household: Path) -> None:
    out = tmp_path / "meters"
    generate(11, out, years=TWO_YEARS, sources=("meters",))
    assert {one.name for one in out.iterdir() if one.is_dir()} == {"linky", "green-button"}
    for file in (out / "linky").iterdir():
        assert file.read_bytes() == (household / "linky" / file.name).read_bytes()


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False
    )

"""Services on the command line: what they draw, print and end with, against a table of answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from entrenous.apps.services.budget.shapes import SHAPES as BUDGET
from entrenous.apps.services.electricity.shapes import SHAPES as ELECTRICITY
from entrenous.node.cli.commands import overview, services
from entrenous.node.errors import NotFound
from entrenous.node.results.records import CollectionInfo, ToldBy
from entrenous.protocol.day import day_of_date, start_ms
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import TRANSACTION
from entrenous.tests.node.cli_node import (
    CommandLine,
    FakeNode,
    Items,
    columns_of,
    install,
    readings,
)

PATH = "finance/accounts/transactions"
LINES = (
    ("2025-01-05", "-650.00", "VIR SEPA EMIS /POUR SCI DU PORT /MOTIF LOYER", 0),
    ("2025-01-10", "-40.00", "CARTE 09/01 SUPERMARCHE DU PORT", 0),
    ("2025-02-05", "-650.00", "VIR SEPA EMIS /POUR SCI DU PORT /MOTIF LOYER", 0),
    ("2025-02-11", "-35.50", "CARTE 10/02 SUPERMARCHE DU PORT", 0),
    ("2025-03-05", "-650.00", "VIR SEPA EMIS /POUR SCI DU PORT /MOTIF LOYER", 0),
    ("2025-03-12", "-44.00", "CARTE 11/03 SUPERMARCHE DU PORT", 0),
    ("2025-04-01", "1800.00", "VIR SEPA RECU /DE ATELIER /MOTIF PAIE", 0),
    ("2025-04-02", "-200.00", "VIR SEPA EMIS /POUR M K LIVRET", 0),
    ("2025-04-03", "200.00", "VIR SEPA RECU /DE M K", 1),
    ("2025-04-05", "-663.00", "VIR SEPA EMIS /POUR SCI DU PORT /MOTIF LOYER", 0),
    ("2025-04-08", "-52.30", "CARTE 07/04 SUPERMARCHE DU PORT", 0),
    ("2025-04-09", "-21.00", "CARTE 08/04 寿司 SUSHI", 0),
    ("2025-04-12", "-59.90", "CARTE 11/04 CHAUSSURES MARTIN", 0),
    ("2025-04-15", "59.90", "AVOIR CARTE 15/04 CHAUSSURES MARTIN", 0),
    ("2025-04-20", "-17.25", "CARTE 19/04 QSDF\x1b[2J", 0),
)
TELLERS = [
    ToldBy("imported", "a.ofx", "00" * 16, None, "imported from a.ofx"),
    ToldBy("imported", "b.csv", "11" * 16, None, "imported from b.csv"),
]

MONTH = """\
In April 2025 you spent 753.55 EUR, in 6 payments; 59.90 EUR came back. That is
63.55 EUR more than usual (690.00 EUR, the median of the 3 months before).

category            EUR  share                                     usual  change
housing          663.00   88 %  ████████████████████████████████  650.00  +13.00
food              73.30   10 %  ███▌                               40.00  +33.30
  groceries       52.30    7 %  ██▌                                40.00  +12.30
  restaurants     21.00    3 %  █                                   0.00  +21.00
not categorised   17.25    2 %  ▊                                   0.00  +17.25
clothing           0.00                                             0.00

Not categorised, the largest: QSDF 17.25.
Say what it is: entrenous budget rule "QSDF" CATEGORY

1,800.00 EUR came in; 200.00 EUR moved between your own accounts, which is not
counted.

Days of UTC; a date that a bank wrote alone stays that date. Your vault's last
payment is of 2025-04-20.
"""


def payments() -> Batch:
    rows: list[dict[str, Any]] = []
    for number, (date, amount, label, _) in enumerate(LINES):
        rows.append(
            {
                "id": f"id{number:04}",
                "time": start_ms(day_of_date(date)),
                "offset_min": 0,
                "amount": [round(float(amount) * 100), 2],
                "currency": "EUR",
                "label": label,
                "counterparty": None,
                "kind": "other",
            }
        )
    return Batch.from_rows(TRANSACTION, rows)


def bank(batch: Batch) -> dict[str, object]:
    """What a node with these payments answers."""
    info = CollectionInfo(PATH, TRANSACTION.name, len(batch), 1, 0, 1)
    tellings: list[Any] = [[[file, []]] for _, _, _, file in LINES]
    done = {
        "schema": TRANSACTION.name, "pages": 1, "conflicts": 0, "damaged": [], "ambiguous": 0,
        "tellers": TELLERS,
    }  # fmt: skip  # as the operation answers
    items: list[Any] = [columns_of(batch), {"tellings": tellings}]
    return {"collections": [info], "read_sources": Items(items, done)}


Runner = Callable[..., CommandLine]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Generator[Runner]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("COLUMNS", "80")
    time.tzset()

    def made(answers: dict[str, object]) -> CommandLine:
        node = FakeNode(answers)
        install(monkeypatch, node)
        return CommandLine(node, tmp_path, capsys)

    yield made
    monkeypatch.undo()
    time.tzset()


def test_services_are_listed_and_explained(run: Runner) -> None:
    names = [one.name for one in services()]
    assert {"budget", "electricity"} <= set(names)
    assert "Services\n  budget       See what you spent, on what." in overview()
    done = run({})("budget", "--help")
    assert "entrenous budget --category food" in done.out
    assert "--passphrase-fd" in done.out


def test_a_month_as_it_is_drawn(run: Runner) -> None:
    done = run(bank(payments()))("budget", "--month", "2025-04")
    assert done.code == 0
    assert done.out == MONTH
    assert done.err == ""


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_no_line_is_wider_than_the_screen(
    run: Runner, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    from rich.cells import cell_len

    monkeypatch.setenv("COLUMNS", columns)
    go = run(bank(payments()))
    for more in ((), ("--recurring",), ("--by", "payee"), ("--by", "month"), ("--why", "QSDF")):
        done = go("budget", *more)
        assert done.code == 0
        # What a bank's line holds moves no cursor, and what may be pasted is words alone.
        assert max(map(cell_len, done.out.splitlines())) <= int(columns)
        assert "\x1b" not in done.out


def test_what_was_eaten_is_one_command(run: Runner) -> None:
    done = run(bank(payments()))("budget", "--category", "food", "--month", "2025-04")
    assert done.out.startswith("In April 2025 you spent 73.30 EUR on food, in 2 payments.")
    assert "SUPERMARCHE DU PORT  52.30   71 %" in done.out


def test_json_has_the_keys_that_are_documented(run: Runner) -> None:
    go = run(bank(payments()))
    month = json.loads(go("budget", "--month", "2025-04", "--json").out)
    assert month.keys() == BUDGET["budget"].keys.keys()
    (euros,) = month["currencies"]
    assert (euros["spent"], euros["income"], euros["moved"]) == ("753.55", "1800.00", "200.00")
    assert euros["uncategorised"]["spent"] == "17.25"
    recurring = json.loads(go("budget", "--recurring", "--json").out)
    assert recurring.keys() == BUDGET["budget --recurring"].keys.keys()
    (rent,) = recurring["series"]
    assert (rent["payee"], rent["next"]) == ("SCI DU PORT", "2025-05-05")
    assert rent["rises"] == [{"date": "2025-04-05", "before": "650.00", "after": "663.00"}]
    why = json.loads(go("budget", "--why", "id0008", "--json").out)
    (payment,) = why["payments"]
    assert (payment["category"], payment["other"]) == ("savings", "id0007")


def test_a_rule_is_kept_and_holds_for_the_past(run: Runner) -> None:
    go = run(bank(payments()))
    done = go("budget", "rule", "QSDF", "gifts")
    assert (done.code, done.out) == (0, "“qsdf” is gifts from now on, in the past too.\n")
    told = json.loads(go("budget", "rule", "qsdf!", "leisure", "--json").out)
    assert told == {"words": "qsdf", "category": "leisure", "rules": 2, "replaced": "gifts"}
    found = json.loads(go("budget", "--why", "QSDF", "--json").out)["payments"]
    assert [(one["category"], one["how"]) for one in found] == [("leisure", "your rule")]
    assert (go.home / "budget.toml").stat().st_mode & 0o077 == 0


def test_a_refused_rule_changes_nothing(run: Runner) -> None:
    go = run({})
    (go.home / "budget.toml").write_text("[[rule\n")
    before = (go.home / "budget.toml").read_text()
    done = go("budget", "rule", "QSDF", "gifts")
    assert done.code == 2
    assert "budget.toml cannot be understood" in done.err
    assert (go.home / "budget.toml").read_text() == before
    (go.home / "budget.toml").unlink()
    done = go("budget", "rule", "QSDF", "beer")
    assert done.code == 2
    assert "there is no category 'beer'" in done.err
    assert not (go.home / "budget.toml").exists()


@pytest.mark.parametrize(
    ("tokens", "code", "said"),
    [
        (("--month", "2025-13"), 2, "'2025-13' is no month; one is 2026-10"),
        (("--from", "yesterday"), 2, "'yesterday' is no day"),
        (("--month", "2025-04", "--from", "2025-04-01"), 2, "say --month, or --from and --to"),
        (("--from", "2025-04-02", "--to", "2025-04-01"), 2, "--from is after --to"),
        (("--category", "beer"), 2, "there is no category 'beer'"),
        (("--zone", "Atlantis"), 2, "there is no time zone 'Atlantis'"),
        (("--month", "2031-01"), 3, "there are no payments in 2031-01; your vault has those of"),
        (("--why", "Rumpelstilz"), 3, "no payment has this id or these words: Rumpelstilz"),
        (("--for", "Mina"), 3, "there are no payments of Mina"),
    ],
)
def test_refusals(run: Runner, tokens: tuple[str, ...], code: int, said: str) -> None:
    done = run(bank(payments()))("budget", *tokens)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_an_empty_vault_says_what_to_do(run: Runner) -> None:
    done = run({"collections": []})("budget")
    assert done.code == 3
    assert done.err == (
        "entrenous: there are no payments in your vault yet: import your bank's file first, "
        "`entrenous import statement.ofx`\n"
    )
    done = run({"read": NotFound("there is no collection")})("electricity")
    assert done.code == 3
    assert "import your meter's file first" in done.err


def curve(*batches: Batch) -> dict[str, object]:
    done: dict[str, object] = {"schema": "meter-reading/1"}
    done |= {"pages": 1, "conflicts": 0, "damaged": []}
    return {"read": Items([columns_of(batch) for batch in batches], done)}


def test_a_curve_as_json_and_drawn(run: Runner, tmp_path: Path) -> None:
    tariff = tmp_path / "base.toml"
    tariff.write_text('name = "Base"\n[[price]]\nfrom = 2025-01-01\nkwh = "0.2"\n')
    go = run(curve(readings("2025-06-01", 48)))
    found = json.loads(go("electricity", "--tariff", str(tariff), "--json").out)
    assert found.keys() == ELECTRICITY["electricity"].keys.keys()
    # 12.50, 12.51, … 12.97 kWh
    assert found["energy_wh"] == "611280.0"
    assert [one["total"] for one in found["tariffs"]] == ["122.26"]
    assert found["missing_s"] == 0
    done = go("electricity", "--tariff", str(tariff))
    assert done.code == 0
    assert "your home drew 611 kWh" in done.out
    assert "Base" in done.out
    assert "\x1b" not in done.out


def test_a_tariff_that_is_not_there(run: Runner, tmp_path: Path) -> None:
    done = run(curve(readings("2025-06-01", 48)))("electricity", "--tariff", str(tmp_path / "x"))
    assert (done.code, done.err) == (3, "entrenous: there is no file x\n")

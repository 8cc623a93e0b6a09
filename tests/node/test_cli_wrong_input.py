"""Wrong input for every command of terms, lending, log, money, leaving: one sentence, one code.

A home that is empty, without a running node: no output, one line on stderr, nothing changed, and
what was meant is named where that can be known.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from entrenous.node.cli import main
from entrenous.node.cli.options import forget_opened

GAS = "energy/gas/load-curve"
DAYS = "--from 2025-01-01 --to 2025-01-31"
BACKWARDS = "--from 2025-02-01 --to 2025-01-31"
DPV = "--purpose dpv:Billing"
NO_PEER = "no peer is called nobody; `entrenous peers` lists them"
NOT_RUNNING = "start it with `entrenous up`"
NO_DATE = "a date is YYYY-MM-DD"
NO_TIME = "a time is 2026-03-01"

WRONG = (
    # terms and standing terms
    ("terms zzzzzz", 3, "no request or grant whose id begins like this: see `entrenous inbox"),
    ("terms zz", 2, "6 or more characters"),
    ("terms purposes --lang de", 2, 'Choose from: "en", "fr"'),
    ("terms frugality nobody", 3, NO_PEER),
    ("terms standing check zzzzzz", 3, "see `entrenous inbox --all` and `asked`"),
    ("terms standing set missing.yaml", 3, "there is no file missing.yaml"),
    ("terms standing of nobody", 1, NOT_RUNNING),
    ("terms standing of nobody --kept", 3, NO_PEER),
    # asking and deciding
    (f"ask nobody {GAS} {DAYS} {DPV}", 3, NO_PEER),
    (f"ask nobody {GAS} {DAYS} {DPV} --check", 1, NOT_RUNNING),
    (f"ask nobody {GAS} {BACKWARDS} {DPV}", 2, "--from is after --to"),
    (f"ask nobody {GAS} --from 2025-13-01 --to 2025-12-01 {DPV}", 2, NO_DATE),
    (f"ask nobody Gas! {DAYS} {DPV}", 2, "a collection is one to 6 parts"),
    (f"ask nobody {GAS} {DAYS} {DPV} --terms missing.yaml", 3, "there is no file missing.yaml"),
    (f"ask nobody {GAS} {DAYS}", 2, "entrenous: --purpose is missing; see `entrenous ask --help`"),
    (f"ask nobody {GAS} {DAYS} --purpose", 2, "entrenous: --purpose needs a value; see"),
    (f"ask nobody {GAS} {DAYS} --purpos x", 2, "--purpos. Did you mean --purpose?"),
    ("ask nobody", 2, "entrenous: COLLECTIONS is missing; see"),
    ("inbox zzzzzz", 3, "see `entrenous inbox --all`"),
    ("choices zzzzzz", 3, "see `entrenous inbox --all`"),
    ("decide zzzzzz grant", 3, "see `entrenous inbox --all`"),
    ("decide zzzzzz accept", 3, "see `entrenous asked`"),
    ("decide zzzzzz perhaps", 2, 'Invalid value "perhaps"'),
    # grants, and the past
    ("grants nobody", 3, NO_PEER),
    ("grants --as-of soon", 2, NO_TIME),
    ("who energy", 3, "there is no collection energy"),
    ("who Energy!", 2, "a collection is one to 6 parts"),
    ("history nobody", 3, NO_PEER),
    ("history nobody --to soon", 2, NO_TIME),
    ("renew zzzzzz --until 2040-01-01", 3, "see `entrenous grants --all`"),
    ("renew zzzzzz --until soon", 2, NO_DATE),
    ("renew zzzzzz", 2, "--until says how long"),
    ("revoke zzzzzz", 3, "see `entrenous grants --all`"),
    ("keep zzzzzz", 3, "see `entrenous grants`"),
    (f"fetch nobody {GAS}", 1, NOT_RUNNING),
    (f"fetch nobody {GAS} --kept", 3, NO_PEER),
    # the log
    ("log prove 99", 3, "`entrenous log` lists them"),
    ("log check missing", 3, "missing cannot be read"),
    ("log consent zzzzzz", 3, "see `entrenous grants --all`"),
    ("log witness add nobody", 3, NO_PEER),
    # views
    (f"view add monthly-energy {GAS}", 3, "see `entrenous collections`"),
    ("view zzz", 3, "see `entrenous views`"),
    ("view remove zzz", 3, "see `entrenous views`"),
    ("view release zzz 2025-01", 3, "see `entrenous views`"),
    ("view release zzz soon", 2, "a period is a month, 2026-03, or a day"),
    # out of hand
    ("export .", 1, "holds something already: nothing was written over it"),
    (f"export out {GAS}", 3, "see `entrenous collections`"),
    (f"export out {BACKWARDS}", 2, "--from is after --to"),
    (f"erase {GAS} x", 3, f"there is no collection {GAS}: see `entrenous collections`"),
    (f"erase {GAS} --yes", 3, f"there is no collection {GAS}: see `entrenous collections`"),
    (f"erase {GAS}", 2, "erases all of it"),
    ("erase", 2, "name a collection"),
    (f"erased lift {GAS}", 3, "see `entrenous erased`"),
    ("import missing", 3, "missing cannot be read"),
    # money
    ("accounts nobody", 3, NO_PEER),
    ("accounts paid nobody 1 EUR", 3, NO_PEER),
    ("accounts paid nobody 1,50 EUR", 2, "an amount is written like 2.50"),
    ("accounts paid nobody 1 XXX", 2, "not a currency of ISO 4217"),
    ("accounts confirm zzzzzz", 3, "see `entrenous accounts PEER`"),
    ("accounts invoice nobody", 3, NO_PEER),
    ("accounts qr nobody", 3, NO_PEER),
    ("accounts iban XX --name Ann", 2, "this is no IBAN"),
    # shared records, devices, mandates
    ("shared nobody", 3, NO_PEER),
    ("shared show zzzzzz", 3, "see `entrenous shared`"),
    ("shared propose nobody identity/contacts c1 --set name=x", 3, NO_PEER),
    ("shared check missing", 3, "there is no file missing"),
    ("devices set nobody --name x", 3, "see `entrenous devices`"),
    ("devices confirm 123456", 1, NOT_RUNNING),
    ("devices sync", 1, NOT_RUNNING),
    ("mandate give nobody --may decide --until 2040-01-01", 3, NO_PEER),
    ("mandate revoke zzzzzz", 3, "see `entrenous mandates --all`"),
    ("quota nobody", 3, NO_PEER),
    ("quota nobody 5x", 2, "is not a size like 500 MB"),
)
# What lists or shows, of an empty home: nothing, or one object; never a sentence in its place.
SHOWN = (
    *("grants", "inbox", "asked", "accounts", "shared", "log", "log witnesses", "log forks"),
    *("views", "erased", "imports", "deliveries", "mandates", "peers", "outbox", "devices"),
    *("terms standing", "terms purposes", "log verify", "log checkpoint", "status", "collections"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The options that open an empty home; the folder is where commands are run."""
    folder = tmp_path_factory.mktemp("empty")
    where = ("--home", str(folder / "home"), "--key-file", str(folder / "key"))
    assert main(["init", *where, "--json"]) == 0
    return where


@pytest.fixture(autouse=True)
def _alone(made: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(made[1]).parent)


def _files(folder: Path) -> set[str]:
    """What lies there, but for what a database leaves while it is open."""
    return {str(one) for one in folder.rglob("*") if not one.name.startswith("node.db")}


@pytest.mark.parametrize(("line", "code", "words"), WRONG, ids=[line for line, *_ in WRONG])
def test_wrong_input_is_one_sentence_and_changes_nothing(
    line: str, code: int, words: str, made: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = _files(Path.cwd())
    forget_opened()
    capsys.readouterr()
    assert main([*line.split(), *made]) == code
    said = capsys.readouterr()
    assert said.out == ""
    (sentence,) = said.err.splitlines()
    assert sentence.startswith("entrenous: ")
    assert words in sentence
    assert _files(Path.cwd()) == before


@pytest.mark.parametrize("line", ["terms zzzzzz", "decide zz grant", "fetch nobody x"])
def test_under_json_a_refusal_is_one_object(
    line: str, made: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    forget_opened()
    capsys.readouterr()
    code = main([*line.split(), *made, "--json"])
    said = capsys.readouterr()
    assert said.out == ""
    told = json.loads(said.err)["error"]
    assert told.keys() == {"exit", "code", "sentence"}
    assert told["exit"] == code > 0


@pytest.mark.parametrize("line", SHOWN)
def test_an_empty_home_is_shown_as_json(
    line: str, made: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    forget_opened()
    capsys.readouterr()
    assert main([*line.split(), *made, "--json"]) == 0
    said = capsys.readouterr()
    for each in said.out.splitlines():
        assert isinstance(json.loads(each), dict)
    forget_opened()
    assert main([*line.split(), *made]) == 0
    assert capsys.readouterr().out.strip(), "an empty list says that it is empty"


def test_a_wrong_key_opens_nothing(
    made: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    forget_opened()
    other = tmp_path / "key"
    other.write_bytes(os.urandom(32))
    other.chmod(0o600)
    for line in ("grants", "erase energy --yes", "export out", "log verify", "accounts"):
        forget_opened()
        capsys.readouterr()
        assert main([*line.split(), *made[:2], "--key-file", str(other)]) == 4
        said = capsys.readouterr()
        assert said.out == ""
        (sentence,) = said.err.splitlines()
        assert "key" in sentence

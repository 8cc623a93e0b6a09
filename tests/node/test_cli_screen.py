"""What comes from outside cannot move a cursor, and records are printed as they are."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.node.cli.names import find, short
from entrenous.node.cli.records import Format, between, decimal_text, print_batch, utc_text
from entrenous.node.cli.screen import Column, Screen
from entrenous.node.cli.terms_file import read_terms
from entrenous.node.cli.visible import visible
from entrenous.node.errors import NotFound, UsageError
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import TRANSACTION
from entrenous.protocol.terms import Clause, Force
from entrenous.protocol.wire import Value
from entrenous.tests.node.cli_node import readings


@given(st.text())
def test_whatever_is_shown_can_be_seen(text: str) -> None:
    shown = visible(text)
    categories = {unicodedata.category(character) for character in shown}
    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert "\n" not in shown


@given(st.text(), st.text())
def test_two_texts_that_differ_are_shown_differently(one: str, other: str) -> None:
    spaces = {c: " " for c in map(ord, one + other) if unicodedata.category(chr(c)) == "Zs"}
    if one.translate(spaces) != other.translate(spaces):
        assert visible(one) != visible(other)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\u{1b}[2J"),
        ("a\rb", "a\\u{d}b"),
        ("12\u202e34", "12\\u{202e}34"),
        ("\\u{1b}", "\\\\u{1b}"),
        ("Café", "Café"),
        ("日本", "日本"),
        ("x\u00a0y", "x y"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 18))
def test_decimals_keep_every_place(mantissa: int, scale: int) -> None:
    text = decimal_text(mantissa, scale)
    assert int(text.replace(".", "")) == mantissa
    assert len(text.partition(".")[2]) == scale


def test_times_are_utc_with_milliseconds_where_there_are_some() -> None:
    assert utc_text(0) == "1970-01-01T00:00:00Z"
    assert utc_text(-1) == "1969-12-31T23:59:59.999Z"


def test_csv_and_json_hold_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    batch = readings("2025-01-01", 3)
    print_batch(batch, Format.CSV)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    print_batch(batch, Format.JSON)
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [{k: "" if v is None else str(v) for k, v in one.items()} for one in objects] == rows
    assert objects[1]["time"] == "2025-01-01T00:30:00Z"
    assert objects[1]["value"] == "12.51"


def test_no_label_makes_a_row_of_csv(capsys: pytest.CaptureFixture[str]) -> None:
    """A bare return, which many programs take for the end of a row, is quoted as a newline is."""
    forged = "x\r2025-01-01T00:00:00Z,0,-9000.00,EUR,rent\n…"
    row: dict[str, Value] = {
        "id": "1",
        "time": 0,
        "offset_min": 0,
        "amount": [100, 2],
        "currency": "EUR",
        "label": forged,
        "counterparty": None,
        "kind": "other\r",
    }
    print_batch(Batch.from_rows(TRANSACTION, [row]), Format.CSV)
    written = capsys.readouterr().out
    found = list(csv.DictReader(io.StringIO(written, newline="")))
    assert [(one["label"], one["kind"]) for one in found] == [(forged, "other\r")]
    assert f'"{forged}"' in written
    assert "\r\n" not in written


def test_the_table_shows_the_time_of_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    print_batch(readings("2025-01-01", 2), Format.TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["time", "duration_s", "value", "unit", "quality"]
    assert lines[1].startswith("2025-01-01 01:00+01:00")


def test_between_cuts_to_the_millisecond() -> None:
    batch = readings("2025-01-01", 4)
    assert list(between(batch, batch.times[1], batch.times[3]).times) == list(batch.times[1:3])


# --- ids ------------------------------------------------------------------------------------------

CIDS = [cid_of(bytes([number])) for number in range(50)]


@pytest.mark.parametrize("cid", CIDS[:5])
def test_an_id_is_found_by_any_beginning(cid: bytes) -> None:
    for text in (cid_text(cid), short(cid), cid_text(cid)[:15], short(cid).upper()):
        assert find(text, CIDS, "grant", "entrenous grants") == cid


def test_a_prefix_that_is_too_short_or_unknown() -> None:
    with pytest.raises(UsageError, match="6 or more"):
        find(cid_text(CIDS[0])[:12], CIDS, "grant", "entrenous grants")
    with pytest.raises(NotFound, match="entrenous grants"):
        find("zzzzzzzz", CIDS, "grant", "entrenous grants")


# --- terms ----------------------------------------------------------------------------------------

WRITTEN = {
    "terms.yaml": "retention_days: 30\nrecipients: [a lab]\nclauses:\n  - promised: no resale\n",
    "terms.toml": 'retention_days = 30\nrecipients = ["a lab"]\n'
    'clauses = [{promised = "no resale"}]\n',
    "terms.json": '{"retention_days": 30, "recipients": ["a lab"], "clauses": ["no resale"]}',
}


@pytest.mark.parametrize("name", WRITTEN)
def test_terms_in_each_language(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(WRITTEN[name])
    terms = read_terms(tmp_path / name, "dpv:Billing")
    assert (terms.purpose, terms.retention_days) == ("dpv:Billing", 30)
    assert terms.recipients == ("a lab",)
    assert terms.clauses == (Clause("no resale", Force.PROMISED),)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alias.yaml", "recipients: &a [x]\nclauses: *a\n"),
        ("twice.yaml", "purpose: a\npurpose: b\n"),
        ("twice.json", '{"purpose": "a", "purpose": "b"}'),
        ("tag.yaml", "purpose: !!python/object:os.system x\n"),
        ("deep.yaml", "clauses: " + "[" * 5000),
        ("deep.json", '{"clauses": ' + "[" * 100_000),
        ("unknown.yaml", "porpose: x\n"),
        ("other.yaml", "purpose: dpv:Marketing\n"),
        ("list.yaml", "- x\n"),
        ("empty.yaml", ""),
        ("yes.yaml", "retention_days: yes\n"),
        ("cut.toml", "retention_days = "),
        ("terms.txt", "purpose: x"),
        ("large.json", '"' + "x" * 100_000 + '"'),
        ("fraction.json", '{"retention_days": 1.5}'),
    ],
)
def test_terms_that_are_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError):
        read_terms(tmp_path / name, "dpv:Billing")


def test_terms_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_terms(tmp_path / "none.yaml", "dpv:Billing")


ROW = ["energy/electricity/load-curve", "home", "2,928"]


def _eighty(_: TextIO) -> int:
    return 80


COLUMNS = (Column("collection"), Column("whose"), Column("records", right=True))


def test_what_is_too_wide_for_a_table_is_told_line_by_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Screen(False).things(COLUMNS, [ROW], "nothing", columns_min=100)
    assert capsys.readouterr().out.splitlines()[0].split() == ["collection", "whose", "records"]
    monkeypatch.setattr("entrenous.node.cli.screen.columns_of", _eighty)
    Screen(False).things(COLUMNS, [ROW], "nothing", columns_min=100)
    assert capsys.readouterr().out.splitlines() == [
        "energy/electricity/load-curve",
        "  whose       home",
        "  records     2,928",
    ]
    Screen(False).things(COLUMNS, [], "nothing", columns_min=100)
    assert capsys.readouterr().out == "nothing\n"


def test_a_name_that_is_long_stands_on_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrenous.node.cli.screen.columns_of", _eighty)
    Screen(False).entry("a7lc4riw", "one", "two")
    Screen(False).entry("energy/electricity/load-curve", "one", "two")
    assert capsys.readouterr().out.splitlines() == [
        "a7lc4riw  one",
        "          two",
        "energy/electricity/load-curve",
        "          one",
        "          two",
    ]


def test_a_label_and_its_value_are_always_apart(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(False).fact("standing terms", "none")
    assert capsys.readouterr().out == "  standing terms  none\n"


def test_a_long_question_is_broken_at_spaces(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrenous.node.cli.screen.columns_of", _eighty)
    typed = io.StringIO("y\n")
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typed)
    question = "Destroy everything in this long folder: keys, records, grants, log? No way back."
    assert Screen(False).confirm(question, yes=False)
    asked = capsys.readouterr().err
    assert asked.endswith("[y/N] ")
    assert asked.split() == [*question.split(), "[y/N]"]
    assert max(map(len, asked.split("\n"))) <= 81

"""Tables, bars and charts: as wide as they may be, aligned whatever stands in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from entrenous.apps.drawn import Bar, Column, Ink, Paper, Said, bar, chart, cut, prose, table

COLUMNS = (
    Column("payee", cut=True),
    Column("EUR", right=True),
    Column("", bar=True),
    Column("n", right=True),
)


def test_columns_align_with_wide_letters_and_accents() -> None:
    rows = [("寿司屋", "1.00", Bar(1, 2), "1"), ("Cafe\u0301", "22.00", Bar(2, 2), "10")]
    lines = table(COLUMNS, rows, Paper(60))
    ends = [cell_len(line) for line in lines]
    assert len(set(ends)) == 1
    assert lines[1].startswith("寿司屋")


@given(
    st.lists(st.tuples(st.text(max_size=60), st.integers(-(10**9), 10**9)), min_size=1, max_size=8),
    st.integers(40, 200),
)
def test_no_line_is_wider_than_the_paper(rows: list[tuple[str, int]], width: int) -> None:
    from entrenous.node.service import visible

    cells = [(visible(name), f"{value:,}", Bar(value, 10**9), "1") for name, value in rows]
    for line in table(COLUMNS, cells, Paper(width)):
        assert cell_len(line) <= width


def test_colours_only_where_there_are_some_and_never_in_widths() -> None:
    rows = [(Said("x", Ink.UP), "1", Bar(1, 1), "1")]
    plain, inked = table(COLUMNS, rows, Paper(50)), table(COLUMNS, rows, Paper(50, colour=True))
    assert not any("\x1b" in line for line in plain)
    assert any("\x1b[31mx\x1b[0m" in line for line in inked)


def test_bars_to_an_eighth_and_without_blocks() -> None:
    paper = Paper()
    assert bar(1, 2, 8, paper) == "████"
    assert bar(1, 16, 8, paper) == "▌"
    assert bar(1, 10**9, 8, paper) == "▏"  # what is not nothing shows
    assert bar(0, 2, 8, paper) == bar(-1, 2, 8, paper) == ""
    assert bar(9, 2, 8, paper) == "████████"
    assert bar(1, 2, 8, Paper(blocks=False)) == "####"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_chart_has_its_highest_column_at_the_top(width: int) -> None:
    lines = chart([0, 4, 8], ["0", "", "2"], ("8 W", "4"), Paper(width), height=4)
    assert lines[0].startswith(" 8 W┤")
    assert "█" in lines[0]
    assert lines[0].rstrip().endswith("█")
    assert len(lines) == 5
    plain = "".join(chart([0, 4, 8], ["0", "", "2"], ("8 W", "4"), Paper(60, blocks=False)))
    assert plain.isascii()


def test_texts_are_cut_with_a_sign_and_prose_is_broken() -> None:
    assert cut("寿司屋さん", 5) == "寿司…"
    assert cut("short", 5) == "short"
    assert prose("one two three", Paper(7)) == ["one two", "three"]

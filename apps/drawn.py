"""Drawn in a terminal: tables, bars and small charts, as lines of text.

Pure functions from values to lines: nothing here prints or asks what a terminal is.  Widths are
counted in columns of the screen, not in characters (`日` takes two, an accent none).  A table fits
its width by cutting the columns that may be cut, then by shortening its bars; numbers stay whole.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from rich.cells import cell_len, set_cell_size

_GAP: Final = 2
_TEXT_MIN: Final = 10
_BAR_MIN, _BAR_MAX = 6, 40
_PROSE_MAX: Final = 100


class Ink(Enum):
    """How a piece of text looks where there are colours; the value is its SGR code."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    UP = "31"
    DOWN = "32"
    BAR = "36"
    WARM = "33"


@dataclass(frozen=True, slots=True)
class Paper:
    """What is drawn on: how wide, whether colours, whether marks outside ASCII."""

    columns: int = 80
    colour: bool = False
    blocks: bool = True

    def inked(self, text: str, ink: Ink) -> str:
        if not self.colour or ink is Ink.PLAIN or not text.strip():
            return text
        return f"\x1b[{ink.value}m{text}\x1b[0m"


@dataclass(frozen=True, slots=True)
class Said:
    """A cell of text."""

    text: str
    ink: Ink = Ink.PLAIN


@dataclass(frozen=True, slots=True)
class Bar:
    """A cell that is a bar: `part` of `of`; below zero it is empty."""

    part: int
    of: int
    ink: Ink = Ink.BAR


Cell: TypeAlias = "str | Said | Bar"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `cut` may lose the end of its texts, `bar` holds bars."""

    heading: str = ""
    right: bool = False
    cut: bool = False
    bar: bool = False


def prose(sentence: str, paper: Paper, ink: Ink = Ink.PLAIN) -> list[str]:
    """One sentence, broken at blanks."""
    width = min(paper.columns, _PROSE_MAX)
    lines = textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False)
    return [paper.inked(line, ink) for line in lines] or [""]


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], paper: Paper) -> list[str]:
    """Rows under headings, fitted to the paper; an empty row is an empty line."""
    widths = _widths(columns, rows, paper.columns)
    lines: list[str] = []
    if any(column.heading for column in columns):
        heads = [Said(column.heading, Ink.FAINT) for column in columns]
        lines.append(_line(columns, heads, widths, paper))
    lines += [_line(columns, row, widths, paper) for row in rows]
    return lines


def bar(part: int, of: int, width: int, paper: Paper) -> str:
    """A horizontal bar, to an eighth of a column; what is not nothing shows."""
    if part <= 0 or of <= 0:
        return ""
    eighths = min(max(part * width * 8 // of, 1), width * 8)
    if not paper.blocks:
        return "#" * max(eighths // 8, 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")


def chart(
    values: Sequence[int],
    labels: Sequence[str],
    scale: tuple[str, str],
    paper: Paper,
    *,
    height: int = 8,
) -> list[str]:
    """Standing columns side by side, from zero to the highest; `scale` names top and middle.

    Each column is as wide as the paper lets it, two or three; `labels` stand under some of them.
    """
    top = max(values, default=0)
    margin = max(cell_len(each) for each in scale) + 1
    each = 3 if paper.columns >= margin + 3 * len(values) else 2
    lines: list[str] = []
    for row in range(height, 0, -1):
        mark = scale[0] if row == height else scale[1] if row == height // 2 else ""
        columns = "".join(_stood(value, top, row, height, each, paper) for value in values)
        axis = "┤" if mark and paper.blocks else "│" if paper.blocks else "|"
        line = paper.inked(mark.rjust(margin), Ink.FAINT) + axis
        lines.append(line + paper.inked(columns.rstrip(), Ink.BAR))
    below = "".join(set_cell_size(label, each) for label in _spread(labels, each))
    lines.append(" " * (margin + 1) + paper.inked(below.rstrip(), Ink.FAINT))
    return lines


def _spread(labels: Sequence[str], each: int) -> list[str]:
    """Labels of which no one is cut: every other one where they are as wide as a column."""
    if all(cell_len(label) < each for label in labels):
        return list(labels)
    return [label if at % 3 == 0 else "" for at, label in enumerate(labels)]


def _stood(value: int, top: int, row: int, height: int, each: int, paper: Paper) -> str:
    eighths = value * height * 8 // top - (row - 1) * 8 if top > 0 else 0
    if not paper.blocks:
        mark = "#" if eighths >= 4 else " "
    else:
        mark = " ▁▂▃▄▅▆▇█"[max(min(eighths, 8), 0)]
    return mark * (each - 1) + " "


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> list[int]:
    widths = [cell_len(column.heading) for column in columns]
    for row in rows:
        for at, cell in enumerate(row):
            if not isinstance(cell, Bar):
                text = cell if isinstance(cell, str) else cell.text
                widths[at] = max(widths[at], cell_len(text))
    bars = [at for at, column in enumerate(columns) if column.bar]
    for at in bars:
        widths[at] = max(widths[at], _BAR_MIN)
    while (left := width - sum(widths) - _GAP * (len(widths) - 1)) < 0:
        cuttable = [at for at, column in enumerate(columns) if column.cut]
        widest = max(cuttable, key=widths.__getitem__, default=-1)
        if widest < 0 or widths[widest] <= _TEXT_MIN:
            break
        widths[widest] -= 1
    for at in bars:
        widths[at] = 0 if left < 0 else min(widths[at] + left // len(bars), _BAR_MAX)
    return widths


def _line(
    columns: Sequence[Column], row: Sequence[Cell], widths: Sequence[int], paper: Paper
) -> str:
    parts: list[str] = []
    for column, cell, width in zip(columns, row, widths, strict=False):
        if column.bar and not width:
            continue
        ink = Ink.PLAIN if isinstance(cell, str) else cell.ink
        if isinstance(cell, Bar):
            text = bar(cell.part, cell.of, width, paper)
        else:
            text = cut(cell if isinstance(cell, str) else cell.text, width)
        blank = " " * (width - cell_len(text))
        inked = paper.inked(text, ink)
        parts.append(blank + inked if column.right else inked + blank)
    return (" " * _GAP).join(parts).rstrip()


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns, `…` where its end was."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)).rstrip() + "…"

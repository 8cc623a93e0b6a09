"""What a command prints: the one door to the terminal.

Each call of `say` is one line, whatever the text holds; each cell of a table likewise.  Everything
passes `visible`, so no command has to remember that a name came from outside.  Results go to
stdout, notes about them to stderr; under `--json` stdout holds JSON and nothing else.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from ..errors import UsageError
from .names import SHORT_CHARS
from .shapes import SHAPES
from .visible import visible

# What is not a terminal has no width: a line is not broken for a program that reads it.
_PIPE_COLUMNS = 10_000
# Prose wider than this is hard to read on any screen.
_PROSE_COLUMNS_MAX = 100
_LABEL_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading; `right` for numbers; `whole` cells are never broken."""

    heading: str
    right: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Screen:
    """Where one command prints.  With `json`, what is said in words is left out."""

    json: bool

    def say(self, line: str = "") -> None:
        """One line of words on stdout, broken at spaces on a terminal."""
        if not self.json:
            _write(sys.stdout, line)

    def fact(self, label: str, value: str) -> None:
        """One labelled line; what does not fit goes on under the value."""
        if not self.json:
            apart = "" if len(label) < _LABEL_COLUMNS else "  "
            line = f"  {label:<{_LABEL_COLUMNS}}{apart}{value}"
            _write(sys.stdout, line, 2 + _LABEL_COLUMNS)

    def bullet(self, text: str) -> None:
        """One point of a list of sentences."""
        if not self.json:
            _write(sys.stdout, f"  - {text}", 4)

    def entry(self, name: str, head: str, *details: str) -> None:
        """One thing of a list: its name and what it is, and lines under that.

        For what is too wide for a table on a narrow screen.
        """
        if not self.json:
            hanging = max(len(visible(name)), SHORT_CHARS) + 2
            if hanging > columns_of(sys.stdout) // 3:  # a path gets a line of its own
                _write(sys.stdout, name)
                name, hanging = "", SHORT_CHARS + 2
            _write(sys.stdout, f"{name:<{hanging}}{head}", hanging)
            for detail in details:
                _write(sys.stdout, " " * hanging + detail, hanging)

    def note(self, line: str) -> None:
        """One sentence beside the result, on stderr."""
        _write(sys.stderr, line)

    def things(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        empty: str,
        *,
        columns_min: int,
    ) -> None:
        """A table where there are `columns_min` columns; on a narrower screen each row is an entry,
        under its first cell, with the headings before the other cells."""
        if not rows or columns_of(sys.stdout) >= columns_min:
            self.table(columns, rows, empty)
            return
        for first, *others in rows:
            self.say(first)
            for column, cell in zip(columns[1:], others, strict=True):
                if cell:
                    self.fact(column.heading, cell)

    def show(self, shape: str, thing: object) -> None:
        """The result as JSON, if that was asked for."""
        if self.json:
            assert not SHAPES[shape].lines
            print(json.dumps(SHAPES[shape].of(thing)), flush=True)

    def show_lines(self, shape: str, things: Iterable[object]) -> None:
        """The results as JSON Lines, if that was asked for."""
        if self.json:
            assert SHAPES[shape].lines
            for thing in things:
                print(json.dumps(SHAPES[shape].of(thing)))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], empty: str) -> None:
        """Rows under headings, or the sentence `empty`; nothing under `--json`."""
        if self.json:
            return
        if not rows:
            self.say(empty)
            return
        # Imported when something is laid out: `--help` and `--json` do without.
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column in columns:
            table.add_column(
                Text(column.heading),
                justify="right" if column.right else "left",
                no_wrap=column.whole,
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(Text(visible(cell)) for cell in row))
        console = Console(
            file=sys.stdout, width=columns_of(sys.stdout), highlight=False, soft_wrap=False
        )
        with console.capture() as captured:
            console.print(table)
        # rich pads each line to the width of the table
        lines = [line.rstrip() for line in captured.get().splitlines()]
        print("\n".join(lines), flush=True)

    @property
    def asks(self) -> bool:
        """Whether somebody can be asked: there is a terminal, and nobody wants JSON."""
        return not self.json and sys.stdin.isatty()

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Ask on a terminal; without one, the command itself was the answer.

        Raises UsageError under `--json` on a terminal: a person is there who was not asked, and a
        program that would wait for an answer for ever.
        """
        if yes or not sys.stdin.isatty():
            return True
        if self.json:
            raise UsageError(f"with --json nothing is asked; --yes does it without: {question}")
        _write(sys.stderr, f"{question} [y/N]", end=" ")
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_error(fields: Mapping[str, object], *, as_json: bool) -> None:
    """A refusal or failure: one sentence on stderr, or one object."""
    if as_json:
        print(json.dumps({"error": fields}), file=sys.stderr, flush=True)
    else:
        _write(sys.stderr, f"entrenous: {fields['sentence']}")


def columns_of(stream: TextIO) -> int:
    """How many columns a line on `stream` has."""
    if not stream.isatty():
        return _PIPE_COLUMNS
    return max(shutil.get_terminal_size().columns, 40)


def _write(stream: TextIO, line: str, hanging: int | None = None, *, end: str = "\n") -> None:
    text = visible(line)
    if hanging is None:
        hanging = len(text) - len(text.lstrip(" "))
    width = columns_of(stream)
    if width != _PIPE_COLUMNS:
        width = min(width, _PROSE_COLUMNS_MAX)
    body = textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    print("\n".join(body), end=end, file=stream, flush=True)

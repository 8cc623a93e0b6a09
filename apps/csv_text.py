"""CSV from outside: bytes to rows of text, or one sentence.

A file does not say how it is encoded or what stands between its cells.  The encoding follows from
the bytes: a byte order mark, else UTF-8 where all of it is sound UTF-8, else the Western code page
that the bytes occur in (0x80 to 0x9F are letters only in cp1252; 0xA4 is the euro sign of Latin-9,
and in cp1252 a sign that no bank prints).  The delimiter is the one under which the header is
found, so it is an argument here.

Rows are given one at a time, so that whoever wants six cells of each holds six cells of each.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..protocol.limits import FILE_CELLS_MAX, FILE_ROWS_MAX, FILE_TEXT_CHARS_MAX
from ..protocol.reading import refusal
from .markup import decoded

DELIMITERS: Final = (";", ",", "\t", "|")
# What stands above the table: account, period, balance, a sentence or two.
PREAMBLE_ROWS_MAX: Final = 60

_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_LATIN_9_EURO: Final = 0xA4
_CP1252_LETTERS: Final = frozenset(range(0x80, 0xA0))


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line that it ends on, and its cells without the blanks around them."""

    line: int
    cells: tuple[str, ...]

    def cell(self, place: int) -> str:
        """The cell at `place`, counted from 0; nothing where the row is shorter."""
        return self.cells[place] if place < len(self.cells) else ""

    @property
    def empty(self) -> bool:
        return not any(self.cells)


def text_of(data: bytes, filename: str, encoding: str = "") -> str:
    """`data` as text, by `encoding` if it is said.  Raises ReaderError."""
    return decoded(data, filename, encoding or encoding_of(data))


def head_text(head: bytes, filename: str) -> str:
    """The beginning of a file as text, up to its last whole line.  Raises ReaderError.

    A head may end inside a character.
    """
    if head.startswith(_MARKS[1:]):
        # Sixteen bits a character, of which the last may be half of one.
        text = head.decode("utf-16", "ignore")
        return text[: text.rfind("\n") + 1] or text
    whole = head[: head.rfind(b"\n") + 1] or head
    return text_of(whole, filename)


def encoding_of(data: bytes) -> str:
    """The encoding that the bytes have."""
    if data.startswith(_MARKS):
        return "utf-8"  # the mark decides
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        found = set(data)
        latin_9 = _LATIN_9_EURO in found and not found & _CP1252_LETTERS
        return "iso-8859-15" if latin_9 else "cp1252"
    return "utf-8"


def rows_of(text: str, delimiter: str, filename: str) -> Iterator[Row]:
    """Every row, blank ones too.  Raises ReaderError naming the line: a quote that is not closed or
    goes on after its end, a row or cell over the limits.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    count = 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise refusal(
                filename, f"the row is no row of a CSV file: {error}", reader.line_num
            ) from None
        if cells is None:
            return
        count += 1
        if count > FILE_ROWS_MAX + PREAMBLE_ROWS_MAX:
            raise refusal(
                filename, f"the file has over {FILE_ROWS_MAX:,} rows; export a shorter period"
            )
        if len(cells) > FILE_CELLS_MAX:
            raise refusal(filename, f"a row has over {FILE_CELLS_MAX} cells", reader.line_num)
        if any(len(cell) > FILE_TEXT_CHARS_MAX for cell in cells):
            raise refusal(
                filename, f"a cell holds over {FILE_TEXT_CHARS_MAX:,} characters", reader.line_num
            )
        yield Row(reader.line_num, tuple(cell.strip() for cell in cells))

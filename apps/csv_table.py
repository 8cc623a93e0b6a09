"""Tables: where in a CSV file the header is, and which cell of a row plays which role.

Banks print a few lines above the table (whose account, which period) and differ in the delimiter.
So each delimiter is tried on the first rows, and the row in which a profile is at home is the
header.  A person's own profile is looked for alone; else one that is built in, else a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ..protocol.errors import ReaderError
from ..protocol.iban import iban_of
from ..protocol.reading import refusal, shown
from .csv_guess import guess
from .csv_profile import ROLES, BadProfile, Profile, plain
from .csv_profiles import PROFILES
from .csv_text import DELIMITERS, PREAMBLE_ROWS_MAX, Row, rows_of

# What stands before an account's number above a table.
_ACCOUNT_WORDS = frozenset(
    {"numero compte", "numero de compte", "compte", "konto", "kontonummer", "account"}
    | {"account number", "iban", "rekening", "cuenta", "conto", "girokonto"}
)


@dataclass(frozen=True, slots=True)
class Table:
    """A profile at home in a file.  `places`: columns by role, counted from 0."""

    profile: Profile
    delimiter: str
    # Rows before the first one of the table.
    above: int
    header: tuple[str, ...]
    places: Mapping[str, tuple[int, ...]]
    account: str = ""

    def named(self, role: str) -> str:
        """The column of `role` as the file names it, for a sentence."""
        place = self.places[role][0]
        name = self.header[place] if place < len(self.header) else ""
        return shown(name) if name else f"column {place + 1}"

    def cell(self, row: Row, role: str) -> str:
        places = self.places.get(role)
        return row.cell(places[0]) if places else ""

    def cells(self, row: Row, role: str) -> list[str]:
        """What the columns of a role say, each thing once."""
        said = (row.cell(place) for place in self.places.get(role, ()))
        return list(dict.fromkeys(text for text in said if text))


def table_in(text: str, filename: str, own: Profile | None) -> Table:
    """The table in `text`, by a person's profile if there is one.  Raises ReaderError."""
    if own is None:
        table = known_table(text, filename)
        if table is None:
            raise refusal(
                filename,
                "no row names columns for date, amount and label that are known here; "
                "describe them in a file for --profile",
            )
        return table
    delimiters = (own.delimiter,) if own.delimiter else DELIMITERS
    if not own.header:
        return _headless(text, filename, own, delimiters)
    # A built-in profile names columns that not every file has, and says which all of them have.
    wanted = set(own.needs) or own.names()
    best = wanted
    for delimiter in delimiters:
        for number, row in enumerate(_first(text, delimiter, filename)):
            missing = wanted - _numbered(row) - set(map(plain, row.cells))
            if not missing:
                return _table(own, delimiter, number, _first(text, delimiter, filename))
            best = min(best, missing, key=len)
    raise refusal(
        filename, f"no row has the columns of the profile ({', '.join(sorted(best))} not found)"
    )


def known_table(text: str, filename: str) -> Table | None:
    """The table under a header that is known or can be guessed; None if there is none.

    Raises ReaderError where several columns could be the amount.
    """
    unclear: BadProfile | None = None
    for delimiter in DELIMITERS:
        rows = _first(text, delimiter, filename)
        for number, row in enumerate(rows):
            if (profile := _built_in(row)) is not None:
                return _table(profile, delimiter, number, rows)
        for number, row in enumerate(rows):
            try:
                profile = guess(row.cells)
            except BadProfile as error:
                unclear = unclear or error
                continue
            if profile is not None:
                return _table(profile, delimiter, number, rows)
    if unclear is not None:
        raise refusal(filename, f"{unclear}; say which in a file for --profile")
    return None


def _first(text: str, delimiter: str, filename: str) -> list[Row]:
    """The first rows; as many as there are before one that is no row."""
    rows: list[Row] = []
    try:
        rows.extend(islice(rows_of(text, delimiter, filename), PREAMBLE_ROWS_MAX))
    except ReaderError:
        # Under another delimiter a quote may stand where none may; this is only a look.
        return rows
    return rows


def _numbered(row: Row) -> set[str]:
    return {str(number) for number in range(1, len(row.cells) + 1)}


def _built_in(row: Row) -> Profile | None:
    names = set(map(plain, row.cells))
    fits = [profile for profile in PROFILES if names.issuperset(profile.needs)]
    return max(fits, key=lambda profile: len(profile.needs), default=None)


def _table(profile: Profile, delimiter: str, number: int, rows: Sequence[Row]) -> Table:
    header = rows[number].cells
    names = tuple(map(plain, header))
    places = {role: tuple(_places(profile, role, names)) for role in profile.columns}
    return Table(
        profile=profile,
        delimiter=delimiter,
        above=number + 1,
        header=header,
        places={role: found for role, found in places.items() if found},
        account=_account_above(rows[:number]),
    )


def _places(profile: Profile, role: str, names: Sequence[str]) -> Iterator[int]:
    """A built-in profile names columns that not every version of the file has."""
    for name in profile.columns[role]:
        if name in names:
            yield names.index(name)
        elif name.isdigit() and not profile.needs and int(name) <= len(names):
            yield int(name) - 1
        else:
            continue
        if not ROLES[role]:
            return


def _headless(text: str, filename: str, own: Profile, delimiters: Sequence[str]) -> Table:
    """A table without a header: the delimiter under which the first row has the most cells."""
    widths: list[tuple[int, str]] = []
    for delimiter in delimiters:
        rows = [row for row in _first(text, delimiter, filename) if not row.empty]
        widths.append((len(rows[0].cells) if rows else 0, delimiter))
    width, delimiter = max(widths, key=lambda one: one[0])
    highest = max(int(name) for name in own.names())
    if highest > width:
        raise refusal(filename, f"the profile names column {highest}, and a row has {width}")
    places = {role: tuple(int(n) - 1 for n in names) for role, names in own.columns.items()}
    return Table(own, delimiter, 0, (), places)


def _account_above(rows: Sequence[Row]) -> str:
    """The one account that stands above the table; nothing where none or several do."""
    ibans = {iban for row in rows for cell in row.cells if (iban := iban_of(cell))}
    if not ibans:
        for row in rows:
            cells = [cell for cell in row.cells if cell]
            if len(cells) == 2 and plain(cells[0]) in _ACCOUNT_WORDS:
                ibans.add(cells[1])
    return ibans.pop() if len(ibans) == 1 else ""

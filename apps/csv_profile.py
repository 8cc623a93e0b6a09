"""Profiles: which column of a bank's CSV file says what.

A profile is data.  Some are built in (`csv_profiles.py`), one can be written by a person as TOML,
and one can be made from the header's words (`csv_guess.py`).  All are the same thing:

    name = "my bank"
    currency = "EUR"                  # where no column says it
    day_first = true                  # where the dates alone cannot tell
    decimal = "comma"                 # or "point"

    [columns]                         # as the header names them, or their numbers from 1
    date = "Date de comptabilisation"
    amount = "Montant"                # or debit = "Débit", credit = "Crédit"
    label = ["Libellé", "Informations"]

Names are compared without case, accents and punctuation, so that `Libellé` and `LIBELLE` are one.
Everything in a profile is checked; a word in it that means nothing is refused, for it is a slip.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from ..protocol.limits import LINE_CHARS_MAX, PROFILE_BYTES_MAX
from ..protocol.reading import shown
from ..protocol.toml_text import toml_table
from .csv_text import DELIMITERS

# role -> whether several columns may play it
ROLES: Final[Mapping[str, bool]] = {
    "date": False, "amount": False, "debit": False, "credit": False, "sign": False, "fee": False,
    "currency": False, "label": True, "counterparty": True, "payer": False, "payee": False,
    "balance": False, "account": True, "status": False,
}  # fmt: skip  # a table of words reads better in few lines
_TEXTS: Final = ("name", "encoding", "delimiter", "decimal", "currency", "account")
_LISTS: Final = ("booked", "debits")
_KEYS: Final = frozenset({*_TEXTS, *_LISTS, "day_first", "header", "columns"})
_COLUMNS_MAX = 16
_DECIMALS: Final = ("", "comma", "point")
_CURRENCY = re.compile(r"[A-Z]{3}")
_WORDS = re.compile(r"[a-z0-9]+")


class BadProfile(Exception):
    """What is wrong with a profile, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Columns by role, and what the columns do not say.

    `columns`: each name as `plain` gives it, or a number from 1.  `needs`: names by which a header
    is recognised.  `booked`: the words of the status column that mean it; `debits`: those of the
    sign column that mean money going out.  Empty texts and None: let the file say.
    """

    name: str
    columns: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...] = ()
    currency: str = ""
    account: str = ""
    day_first: bool | None = None
    decimal: str = ""
    encoding: str = ""
    delimiter: str = ""
    booked: tuple[str, ...] = ()
    debits: tuple[str, ...] = ()
    header: bool = True
    # What the guesser takes from the language of the header, if the dates do not tell.
    day_first_by_language: bool = False
    about: str = field(default="", compare=False)

    def names(self) -> set[str]:
        return {name for names in self.columns.values() for name in names}


def plain(name: str) -> str:
    """A column's name for comparing: small letters and digits, no accents, single blanks."""
    text = name.casefold().replace("€", " eur ").replace("ß", "ss").replace("œ", "oe")
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(_WORDS.findall(bare))


def check_columns(profile: Profile) -> Profile:
    """The same profile, which says enough to read a file.  Raises BadProfile."""
    has = profile.columns.keys()
    if "date" not in has:
        raise BadProfile("names no column for the date")
    if "amount" in has and has & {"debit", "credit"}:
        raise BadProfile("names both an amount and debit or credit")
    if "amount" not in has and not {"debit", "credit"} <= has:
        raise BadProfile("names no column for the amount, nor one each for debit and credit")
    if "sign" in has and ("amount" not in has or not profile.debits):
        raise BadProfile("has a sign column without an amount, or without the words in `debits`")
    if "status" in has and not profile.booked:
        raise BadProfile("has a status column without the words that mean booked in `booked`")
    if not has & {"label", "counterparty", "payee", "payer"}:
        raise BadProfile("names no column for the label")
    return profile


def from_toml(text: str) -> Profile:
    """The profile that a person wrote.  Raises BadProfile."""
    if len(text.encode("utf-8", "replace")) > PROFILE_BYTES_MAX:
        raise BadProfile(f"is over {PROFILE_BYTES_MAX >> 10} KiB")
    try:
        table = toml_table(text)
    except (ValueError, RecursionError) as error:  # a number may have too many digits for either
        raise BadProfile(f"is no TOML: {shown(str(error))}") from None
    if unknown := sorted(table.keys() - _KEYS):
        raise BadProfile(f"says {shown(unknown[0])!r}, which means nothing here")
    texts = {key: _text(table, key) for key in _TEXTS}
    if texts["decimal"] not in _DECIMALS:
        raise BadProfile("knows the decimals comma and point only")
    if texts["currency"] and _CURRENCY.fullmatch(texts["currency"]) is None:
        raise BadProfile("has a currency that is not three capital letters")
    if texts["delimiter"] and texts["delimiter"] not in DELIMITERS:
        raise BadProfile("has a delimiter that is none of ; , | and tab")
    header = _flag(table, "header")
    columns = _columns(table.get("columns"))
    if header is False and not all(n.isdigit() for names in columns.values() for n in names):
        raise BadProfile("is for a file without a header, whose columns have numbers")
    return check_columns(
        Profile(
            name=texts["name"] or "your profile",
            columns=columns,
            currency=texts["currency"],
            account=texts["account"],
            day_first=_flag(table, "day_first"),
            decimal=texts["decimal"],
            encoding=texts["encoding"],
            delimiter=texts["delimiter"],
            booked=tuple(map(plain, _texts(table.get("booked", []), "booked"))),
            debits=tuple(map(plain, _texts(table.get("debits", []), "debits"))),
            header=header is not False,
        )
    )


def _columns(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise BadProfile("has no table [columns]")
    columns: dict[str, tuple[str, ...]] = {}
    for role, given in cast("dict[str, object]", value).items():
        if role not in ROLES:
            raise BadProfile(f"says [columns] {shown(role)!r}, which is none of {', '.join(ROLES)}")
        names = tuple(
            str(one) if isinstance(one, int) else plain(one) for one in _names(given, role)
        )
        if len(names) > 1 and not ROLES[role]:
            raise BadProfile(f"names several columns for {role}, which has one")
        if not names or not all(names) or len(names) > _COLUMNS_MAX:
            raise BadProfile(f"names no column, or too many, for {role}")
        columns[role] = names
    return columns


def _names(value: object, role: str) -> list[str | int]:
    given = cast("list[object]", value) if isinstance(value, list) else [value]
    names: list[str | int] = []
    for one in given:
        # True is an int to Python, and no column
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise BadProfile(f"names a column for {role} by neither text nor number")
        if isinstance(one, int) and not 1 <= one <= 999:
            said = str(one) if abs(one) < 10**9 else "of so large a number"
            raise BadProfile(f"has a column {said} for {role}: they count from 1")
        names.append(one)
    return names


def _texts(value: object, key: str) -> list[str]:
    given = cast("list[object]", value) if isinstance(value, list) else [value]
    if len(given) > _COLUMNS_MAX or not all(isinstance(one, str) for one in given):
        raise BadProfile(f"has no list of words in {key}")
    return cast("list[str]", given)


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str) or len(value) > LINE_CHARS_MAX:
        raise BadProfile(f"has no line of text in {key}")
    return value


def _flag(table: Mapping[str, object], key: str) -> bool | None:
    value = table.get(key)
    if value is not None and not isinstance(value, bool):
        raise BadProfile(f"has neither true nor false in {key}")
    return value

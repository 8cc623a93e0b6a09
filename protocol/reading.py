"""Reading: how a file that a person was given becomes records.

A reader knows one kind of file.  `sniff` looks at the first bytes and says whether the file is of
that kind; it is cheap, and it leaves other readers' files alone.  `read` takes the whole file, as
bytes, and gives an `Extract`: for each collection and source the records in it, and notes on what
a person should know (what was left out, what was said twice).  It either gives all of that or
raises ReaderError with one sentence that names the file and the place; it never gives half a file.

A reader is a function of the bytes: no clock, no network.  The same file read twice gives the same
ids, which is what makes a second import change nothing.

Some files do not say enough: `03/04/2026` is two days, and nobody wrote down which.  A reader never
guesses; it refuses and names the option that settles it, and a person's answer comes as `Settings`
to a reader that takes them.  Settings are part of what was read: the same bytes with other settings
are another extract.

Ids and sources are digests where the file's own would say too much: a bank's transaction number
often contains the account number.  An id is 128 bits of digest over both, so it shows neither;
but whoever may read the record can still *test* a guess at the two together, since no secret of
ours takes part (one would give the bank and the person different ids for one payment).  A source
is a short tag, enough to tell one's own accounts apart and too short to test a guess with.

What this does *not* do: open files, choose days, write anything.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final, Protocol, TypeAlias, cast, runtime_checkable

from ..crypto.digest import tag128
from ..crypto.labels import Tag
from .day import date_of, day_of
from .errors import ReaderError
from .limits import FILE_BYTES_MAX, FILE_HEAD_BYTES, FILE_ROWS_MAX
from .record import Batch

Decimal: TypeAlias = tuple[int, int]
"""(mantissa, scale): mantissa · 10^-scale."""

# A column of decimals means nothing without the column that says of what.
_UNIT_OF: Final[Mapping[str, str]] = {"amount": "currency", "value": "unit"}
_NUMBER = re.compile(r"([+-]?)([0-9]{1,19})(?:\.([0-9]{0,18}))?|([+-]?)\.([0-9]{1,18})")
_MANTISSA_MAX = 2**63 - 1
_SCALE_MAX = 18
_NAME_CHARS_MAX = 80
_SOURCE_TAG_CHARS = 4


@dataclass(frozen=True, slots=True)
class ExtractItem:
    """The records of one source for one collection, sorted.

    `source` names where inside the file they come from, in no words of the file: a kind and a tag.
    `beside`: facts that the file tells along with what it is about, such as the balance of an
    account; whoever chooses another path chooses it for the others.
    """

    path: str
    batch: Batch
    source: str
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Extract:
    """All that a file holds for the vault.  `notes` are sentences for the person."""

    reader: str
    items: tuple[ExtractItem, ...]
    notes: tuple[str, ...] = ()


class Reader(Protocol):
    """What an entry point of the group `entrenous.readers` names."""

    @property
    def name(self) -> str:
        """One word, as in `ofx`."""
        ...

    def sniff(self, head: bytes, filename: str) -> bool:
        """Whether the file that begins with `head` (FILE_HEAD_BYTES, or all of it) is ours."""
        ...

    def read(self, data: bytes, filename: str) -> Extract:
        """The records of the file.  Raises ReaderError; `filename` is for its sentence only."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person says of a file that the file does not say itself; empty: nothing was said.

    `profile` is the name of one that the reader knows, or the text of one that a person wrote;
    `decimal` is `comma` or `point`; `currency` three letters; `account` a name or number.
    """

    profile: str = field(default="", repr=False)
    day_first: bool | None = None
    decimal: str = ""
    currency: str = ""
    account: str = field(default="", repr=False)

    @property
    def said(self) -> frozenset[str]:
        """The names of those that say something."""
        nothing = Settings()
        names = (one.name for one in fields(self))
        return frozenset(n for n in names if getattr(self, n) != getattr(nothing, n))


UNSAID: Final = Settings()


@runtime_checkable
class SettableReader(Reader, Protocol):
    """A reader of files that do not say enough by themselves."""

    @property
    def takes(self) -> frozenset[str]:
        """The names of the settings that it knows what to do with."""
        ...

    def read_with(self, data: bytes, filename: str, settings: Settings) -> Extract:
        """`read`, with what a person said.  Raises ReaderError."""
        ...


def read_by(reader: Reader, data: bytes, filename: str, settings: Settings = UNSAID) -> Extract:
    """Read a file with what was said about it.

    Raises ReaderError; also for a setting that means nothing to `reader`: it would be lost unsaid.
    """
    if not settings.said:
        return reader.read(data, filename)
    takes = reader.takes if isinstance(reader, SettableReader) else frozenset[str]()
    if unknown := sorted(settings.said - takes):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in unknown)
        raise refusal(filename, f"a file of this kind ({reader.name}) takes no {options}")
    assert isinstance(reader, SettableReader)  # it takes what was said
    return reader.read_with(data, filename, settings)


def refusal(filename: str, sentence: str, line: int | None = None) -> ReaderError:
    """The one sentence of a refused file: `name, line 12: what is wrong`."""
    place = "" if line is None else f", line {line}"
    return ReaderError(f"{shown(filename)}{place}: {sentence}")


def shown(text: str) -> str:
    """`text` from outside, fit for a sentence: its last path part, on one line, not too long."""
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    clean = "".join(c if c.isprintable() else "?" for c in last[: _NAME_CHARS_MAX + 1])
    if len(clean) > _NAME_CHARS_MAX:
        clean = clean[: _NAME_CHARS_MAX - 1] + "…"
    return clean or "file"


def check_size(data: bytes, filename: str) -> None:
    """Refuse an empty or oversized file before any work is done on it.  Raises ReaderError."""
    if not data:
        raise refusal(filename, "the file is empty")
    if len(data) > FILE_BYTES_MAX:
        mebibytes = FILE_BYTES_MAX >> 20
        raise refusal(filename, f"the file is over {mebibytes} MiB; export a shorter period")


def check_rows(count: int, filename: str) -> None:
    """Refuse more records than one file may bring.  Raises ReaderError."""
    if count > FILE_ROWS_MAX:
        raise refusal(
            filename, f"the file has over {FILE_ROWS_MAX:,} records; export a shorter period"
        )


def reader_for(
    readers: Iterable[Reader], data: bytes, filename: str, settings: Settings = UNSAID
) -> Reader:
    """The one reader that says the file is its own.

    A profile describes a file of a kind that its reader would not know: it chooses among the
    readers that take one, and where there is one such, that is it.
    Raises ReaderError when none does, or several do (then nobody can tell what it is).
    """
    check_size(data, filename)
    head = data[:FILE_HEAD_BYTES]
    known = list(readers)
    found = [reader for reader in known if reader.sniff(head, filename)]
    if settings.profile and not found:
        found = [r for r in known if isinstance(r, SettableReader) and "profile" in r.takes]
    if not found:
        names = ", ".join(sorted(reader.name for reader in known)) or "none"
        raise refusal(filename, f"this is no kind of file that can be read here ({names})")
    if len(found) > 1:
        names = ", ".join(sorted(reader.name for reader in found))
        raise refusal(filename, f"several readers take this file for theirs ({names})")
    return found[0]


def record_id(*parts: str) -> str:
    """An id that is the same whenever the same things are said: 26 characters of base32.

    `parts` take part and cannot be read back; see the module's text on what can be tested.
    """
    return _base32(tag128(b"", Tag.RECORD_ID, "record", *parts))


def source_name(kind: str, *parts: str) -> str:
    """`kind` and a tag of 20 bits over `parts`: tells a few sources apart, reveals none."""
    return f"{kind}-{_base32(tag128(b'', Tag.RECORD_ID, 'source', *parts))[:_SOURCE_TAG_CHARS]}"


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def decimal_of(text: str) -> Decimal | None:
    """The exact number that `text` spells with a point, zeros kept; None if it spells none.

    No exponents, no grouping, no infinity: a form that reads two ways is no number.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign = match[1] or match[4] or ""
    whole, fraction = match[2] or "", match[3] or match[5] or ""
    mantissa = int(whole + fraction)
    if mantissa > _MANTISSA_MAX or len(fraction) > _SCALE_MAX:
        return None
    return (-mantissa if sign == "-" else mantissa, len(fraction))


def shortest(decimal: Decimal) -> Decimal:
    """The same number without zeros at its end: 8.850 and 8.85 are one amount in an id."""
    mantissa, scale = decimal
    while scale and mantissa % 10 == 0:
        mantissa, scale = mantissa // 10, scale - 1
    return mantissa, scale


@dataclass(frozen=True, slots=True)
class ItemSummary:
    """What one item of an extract comes to.  Days are UTC dates; `sums` is by unit, exact.

    Undated records have no days: `days` is 0, `first` and `last` are empty.
    """

    path: str
    source: str
    count: int
    days: int
    first: str
    last: str
    sums: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Summary:
    """A preview: what an import would write."""

    reader: str
    items: tuple[ItemSummary, ...]
    notes: tuple[str, ...]

    @property
    def count(self) -> int:
        return sum(item.count for item in self.items)


def summary(extract: Extract) -> Summary:
    """What `extract` comes to, without writing it."""
    return Summary(
        reader=extract.reader,
        items=tuple(_summary_of(item) for item in extract.items),
        notes=extract.notes,
    )


def _summary_of(item: ExtractItem) -> ItemSummary:
    columns = item.batch.columns
    dated = item.batch.schema.dated
    days = sorted({day_of(t_ms) for t_ms in item.batch.times}) if dated else []
    sums: dict[str, Decimal] = {}
    for name, unit in _UNIT_OF.items():
        if name in columns:
            values = cast("Sequence[Decimal]", columns[name])
            sums |= _sums(values, cast("Sequence[str]", columns[unit]))
    return ItemSummary(
        path=item.path,
        source=item.source,
        count=len(item.batch),
        days=len(days),
        first=date_of(days[0]) if days else "",
        last=date_of(days[-1]) if days else "",
        sums=sums,
    )


def _sums(values: Iterable[Decimal], units: Iterable[str]) -> dict[str, Decimal]:
    """Exact totals by unit, each at the finest scale that occurs in it."""
    totals: dict[str, Decimal] = {}
    for (mantissa, scale), unit in zip(values, units, strict=True):
        total, at = totals.get(unit, (0, 0))
        finest = max(at, scale)
        total = total * 10 ** (finest - at) + mantissa * 10 ** (finest - scale)
        totals[unit] = (total, finest)
    return totals

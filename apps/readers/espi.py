"""Green Button: meter readings in the form of NAESB's ESPI, an Atom feed.

Entries name each other by links: an interval block lies under a meter reading, which points to a
reading type and lies under a usage point, which points to local time parameters.  Real files have
links that lead nowhere (made anonymous by hand, or cut out of a larger feed); where only one entry
of the wanted kind is in the file, that is the one meant, and where there are several the file is
refused, never guessed at.

Each `IntervalReading` is one record of `meter-reading/1`:

- `time` is `start`, seconds since 1970 UTC; `offset_min` is what clocks showed then, from
  LocalTimeParameters: standard time until the start rule, which is said in standard time, and
  summer time until the end rule, which is said in summer time.
- `value` is the whole number in the file with its power of ten, exact; `unit` is the uom's symbol.
- `quality` is the name of the ReadingQuality, several joined by +.

One path holds one meter and one interval length.  The first series of a kind is the plain
`energy/<service>/load-curve`; energy given back is `feed-in-curve`, a meter's index is `index`;
what is not energy, power or volume is named by its unit.  Others of a kind get the interval, then
a tag of the meter, behind the name.  The note says so, and a person may choose another path.

A reading said twice is kept once.  Where two entries say different things of one moment, the one
updated later is right; where neither is later, the file is refused, and so are overlapping
intervals: their sum would count energy twice.

It does *not* read: costs, usage summaries, power quality, customer data, water.
Source: NAESB REQ.21 (ESPI) as published in the Green Button schemas, types of espi.xsd.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ...protocol.collection import check_path
from ...protocol.day import TIME_MAX_MS, TIME_MIN_MS
from ...protocol.errors import RecordError
from ...protocol.limits import FILE_SERIES_MAX, INTERVAL_S_MAX, RECORD_UNIT_BYTES_MAX
from ...protocol.reading import (
    Decimal,
    Extract,
    ExtractItem,
    check_rows,
    decimal_of,
    refusal,
    shown,
    source_name,
)
from ...protocol.record import Batch
from ...protocol.schema import METER_READING
from ..atom import Entry, Links, entry_of, seconds_of
from ..clock import ZONE_S_MAX, Clock, Rule
from ..markup import Element, first_tag, read_xml

_NAME: Final = "espi"
_NAMESPACE = b"http://naesb.org/espi"
_ROOTS: Final = frozenset({b"feed", b"entry"})

_SERVICES: Final = {"0": "electricity", "1": "gas", "5": "heat", "6": "cold"}
_COMMODITIES: Final = {"1": "electricity", "2": "electricity", "7": "gas", "8": "gas"}
_NOT_READ: Final = {"2": "water", "4": "pressure", "7": "communication", "8": "time"}
_UNITS: Final = {
    "5": "A", "29": "V", "31": "J", "33": "Hz", "38": "W", "42": "m3", "61": "VA", "63": "VAr",
    "65": "cos", "71": "VAh", "72": "Wh", "73": "VArh", "106": "Ah", "119": "ft3", "122": "ft3/h",
    "125": "m3/h", "128": "gal", "132": "Btu", "133": "Btu/h", "134": "L", "137": "L/h",
    "166": "m3", "167": "m3", "169": "therm",
}  # fmt: skip  # a table of codes reads better in few lines
_CURVES: Final = frozenset(
    ("Wh", "W", "J", "m3", "m3/h", "ft3", "ft3/h", "therm", "Btu", "Btu/h", "L", "L/h", "gal")
)
_QUALITIES: Final = {
    "0": "valid", "7": "edited", "8": "estimated-by-day", "9": "estimated-by-line",
    "10": "questionable", "11": "derived", "12": "projected", "13": "mixed", "14": "raw",
    "15": "weather-adjusted", "16": "other", "17": "validated", "18": "verified", "19": "revenue",
}  # fmt: skip  # a table of codes reads better in few lines
# accumulationBehaviour of registers, which show a total and not what one interval used
_INDEXES: Final = frozenset({"1", "2", "3", "9"})
_REVERSE = "19"

_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_RULE = re.compile(r"[0-9A-Fa-f]{8}")
_NO_RULE = "FFFFFFFF"
_POWER_MAX = 12
_INTERVALS_MAX = 4


@dataclass(frozen=True, slots=True)
class _Reading:
    """`start_s` UTC; `value` as the file has it."""

    start_s: int
    duration_s: int
    value: Decimal
    quality: str | None
    line: int = field(compare=False)


@dataclass(slots=True)
class _Block:
    """The readings of one entry, before it is known what they measure.

    `updated` in seconds since 1970, 0 where the entry does not say.
    """

    entry: Entry
    updated: float
    readings: list[_Reading]


@dataclass(frozen=True, slots=True)
class _Measure:
    """What the numbers of a series are."""

    service: str
    unit: str
    power: int
    reverse: bool
    index: bool
    quality: str | None

    @property
    def base(self) -> str:
        if self.index:
            return "index"
        if self.unit not in _CURVES:
            return f"{self.unit.lower().replace('/', '-')}-curve"
        return "feed-in-curve" if self.reverse else "load-curve"


@dataclass(slots=True)
class _Series:
    """Readings of one meter, kind and interval length.  `meter` is its link, and stays here."""

    measure: _Measure
    meter: str
    duration_s: int
    clock: Entry | None
    readings: list[tuple[float, _Reading]] = field(default_factory=list[tuple[float, _Reading]])

    def path(self, taken: set[str]) -> str:
        """The plainest path that is not taken."""
        base = f"energy/{self.measure.service}/{self.measure.base}"
        timed = f"{base}-{_interval_name(self.duration_s)}"
        tagged = f"{timed}-{source_name('', self.meter).strip('-')}"
        for path in (base, timed, tagged):
            if path not in taken:
                return check_path(path)
        number = 2
        while f"{tagged}-{number}" in taken:
            number += 1
        return check_path(f"{tagged}-{number}")


def _interval_name(duration_s: int) -> str:
    if duration_s and duration_s % 86_400 == 0:
        return f"{duration_s // 86_400}d"
    if duration_s and duration_s % 60 == 0:
        return f"{duration_s // 60}min"
    return f"{duration_s}s"


def _service_kind(point: Entry | None) -> str:
    service = None if point is None else point.content.child("ServiceCategory")
    return "" if service is None else service.value("kind")


def _scaled(value: Decimal, power: int) -> Decimal:
    mantissa, scale = value
    if power <= 0:
        return mantissa, scale - power
    used = min(scale, power)
    return mantissa * 10 ** (power - used), scale - used


class EspiReader:
    """The reader of Green Button files of electricity, gas, heat and cold."""

    @property
    def name(self) -> str:
        return _NAME

    def sniff(self, head: bytes, filename: str) -> bool:
        """Whether the file is an Atom feed or entry that speaks of ESPI in its first bytes."""
        if _NAMESPACE not in head:
            return False
        tag = first_tag(head).strip(b"<>/ \t\r\n").split(None, 1)
        return bool(tag) and tag[0].rpartition(b":")[2] in _ROOTS

    def read(self, data: bytes, filename: str) -> Extract:
        """Readings of every meter in the file.  Raises ReaderError."""
        if not data.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<"):
            raise refusal(filename, "this is not a Green Button file: it is not XML")
        feed = _Feed(filename)
        read_xml(data, filename, {"IntervalReading": feed.reading, "entry": feed.entry})
        return feed.extract()


reader: Final = EspiReader()


class _Feed:
    """Collects entries, and turns them into series when all of them are known."""

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._pending: list[_Reading] = []
        self._rows = 0
        self._blocks: list[_Block] = []
        self._entries: dict[str, list[Entry]] = {}
        self._notes: list[str] = []

    def reading(self, element: Element) -> None:
        line = element.line
        period = element.child("timePeriod")
        if period is None:
            raise self._refuse("the reading gives no timePeriod", line)
        start_s = self._whole(period, "start", line)
        if not TIME_MIN_MS <= start_s * 1000 <= TIME_MAX_MS:
            raise self._refuse(f"the start {start_s} lies outside the years 1900 to 2079", line)
        duration_s = self._whole(period, "duration", line)
        if not 0 <= duration_s <= INTERVAL_S_MAX:
            raise self._refuse(f"an interval of {duration_s} seconds is not one", line)
        value = decimal_of(element.value("value"))
        if value is None:
            raise self._refuse(f"{shown(element.value('value'))!r} is not a reading's value", line)
        codes = [q.value("quality") for q in element.children if q.name == "ReadingQuality"]
        quality = self._quality(codes, line)
        self._pending.append(_Reading(start_s, duration_s, value, quality, line))
        self._rows += 1
        check_rows(self._rows, self._filename)

    def entry(self, element: Element) -> None:
        entry = entry_of(element, _NAMESPACE.decode("ascii"))
        kind = "" if entry is None else entry.kind
        pending, self._pending = self._pending, []
        if pending and kind != "IntervalBlock":
            raise self._refuse("readings stand outside any IntervalBlock", pending[0].line)
        if entry is None:
            return
        if kind == "IntervalBlock":
            updated = seconds_of(element.value("updated"))
            self._blocks.append(_Block(entry, updated, pending))
        else:
            self._entries.setdefault(kind, []).append(entry)

    def extract(self) -> Extract:
        """Every series of the feed, each an item of its own.  Raises ReaderError."""
        if self._pending:
            raise self._refuse("readings stand outside any entry", self._pending[0].line)
        if not self._rows:
            raise self._refuse("the file holds no Green Button readings")
        taken: set[str] = set()
        items: list[ExtractItem] = []
        for series in self._series():
            path = series.path(taken)
            if taken:
                self._notes.append(f"Another series of readings goes to {path}.")
            taken.add(path)
            batch = self._batch(series)
            items.append(ExtractItem(path, batch, source_name("meter", series.meter)))
        if not items:
            raise self._refuse("the file holds no readings of electricity, gas, heat or cold")
        return Extract(_NAME, tuple(items), tuple(self._notes))

    def _series(self) -> list[_Series]:
        """The readings by meter, kind and interval length, in the order of the file."""
        meters = Links(self._filename, self._of("MeterReading"), "IntervalBlock")
        types = Links(self._filename, self._of("ReadingType"))
        points = Links(self._filename, self._of("UsagePoint"), "MeterReading")
        clocks = Links(self._filename, self._of("LocalTimeParameters"))
        found: dict[tuple[int, int, int], _Series] = {}
        left_out: set[str] = set()
        for block in self._blocks:
            if not block.readings:
                continue
            meter = meters.find((block.entry.up,), block.entry) or block.entry
            kind = types.find(meter.related, meter)
            if kind is None:
                raise self._refuse("no ReadingType says what these are", block.entry.line)
            point = points.find((meter.up,), meter)
            measure = self._measure(kind, point)
            if measure is None:
                left_out.add(_NOT_READ[_service_kind(point)])
                continue
            clock = None if point is None else clocks.find(point.related, point)
            clock = clock or (clocks.only() if point is None else None)
            for reading in block.readings:
                key = (id(point), id(kind), reading.duration_s)
                if key not in found:
                    self._check_intervals(found, key, reading)
                    name = (point or meter).itself
                    found[key] = _Series(measure, name, reading.duration_s, clock)
                found[key].readings.append((block.updated, reading))
        self._notes += [f"Left out: readings of {what}." for what in sorted(left_out)]
        return list(found.values())

    def _check_intervals(
        self, found: Iterable[tuple[int, int, int]], key: tuple[int, int, int], reading: _Reading
    ) -> None:
        known = list(found)
        if sum(1 for other in known if other[:2] == key[:2]) >= _INTERVALS_MAX:
            raise self._refuse(
                f"one meter reading has over {_INTERVALS_MAX} interval lengths; "
                "a collection has one",
                reading.line,
            )
        if len(known) >= FILE_SERIES_MAX:
            raise self._refuse(f"the file has over {FILE_SERIES_MAX} series", reading.line)

    def _measure(self, kind: Entry, point: Entry | None) -> _Measure | None:
        """What a reading type measures; None for a service that is not read."""
        code = _service_kind(point)
        if code in _NOT_READ:
            return None
        content = kind.content
        service = _SERVICES.get(code) or _COMMODITIES.get(content.value("commodity"))
        if service is None:
            raise self._refuse("nothing says whether this is electricity or gas", kind.line)
        uom = content.value("uom")
        unit = _UNITS.get(uom)
        if unit is None:
            what = f"the unit code {shown(uom)!r} is not known" if uom else "it names no unit"
            raise self._refuse(f"{what} (uom of the ReadingType)", kind.line)
        power = 0
        if content.value("powerOfTenMultiplier"):
            power = self._whole(content, "powerOfTenMultiplier", kind.line)
        if abs(power) > _POWER_MAX:
            raise self._refuse(f"10 to the power {power} is no multiplier", kind.line)
        default = content.value("defaultQuality")
        return _Measure(
            service=service,
            unit=unit,
            power=power,
            reverse=content.value("flowDirection") == _REVERSE,
            index=content.value("accumulationBehaviour") in _INDEXES,
            quality=self._quality([default] if default else [], kind.line),
        )

    def _batch(self, series: _Series) -> Batch:
        readings = self._settled(series)
        measure = series.measure
        clock = None if series.clock is None else self._clock(series.clock)
        if clock is None:
            self._notes.append("The file does not say the local time; offsets are left at UTC.")
        starts = [r.start_s for r in readings]
        try:
            return Batch(
                METER_READING,
                {
                    "time": [start_s * 1000 for start_s in starts],
                    "offset_min": [0] * len(starts) if clock is None else clock.offsets(starts),
                    "duration_s": [r.duration_s for r in readings],
                    "value": [_scaled(r.value, measure.power) for r in readings],
                    "unit": [measure.unit] * len(starts),
                    "quality": [r.quality or measure.quality for r in readings],
                },
            ).sorted()
        except RecordError as error:
            line = readings[0].line
            raise self._refuse(f"a reading is not within limits: {error}", line) from None

    def _settled(self, series: _Series) -> list[_Reading]:
        """One reading a moment, ascending.  Raises ReaderError where that cannot be told."""
        by_start: dict[int, tuple[float, _Reading]] = {}
        twice = corrected = 0
        for updated, reading in series.readings:
            before = by_start.setdefault(reading.start_s, (updated, reading))
            if before[1] is reading:
                continue
            if before[1] == reading:
                twice += 1
            elif before[0] == updated or not (before[0] and updated):
                raise self._refuse(
                    "two different readings begin at the same moment "
                    f"(the first is on line {before[1].line})",
                    reading.line,
                )
            else:
                corrected += 1
            if updated > before[0]:
                by_start[reading.start_s] = (updated, reading)
        readings = [by_start[start_s][1] for start_s in sorted(by_start)]
        if not series.measure.index:
            end_s = TIME_MIN_MS
            for reading in readings:
                if reading.start_s < end_s:
                    raise self._refuse("the interval overlaps the one before it", reading.line)
                end_s = reading.start_s + reading.duration_s
        if twice:
            self._notes.append(f"Readings said twice in the file and kept once: {twice}.")
        if corrected:
            self._notes.append(f"Readings replaced by later ones in the file: {corrected}.")
        return readings

    def _clock(self, entry: Entry) -> Clock:
        content, line = entry.content, entry.line
        zone_s = self._whole(content, "tzOffset", line)
        summer_s = self._whole(content, "dstOffset", line) if content.value("dstOffset") else 0
        if abs(zone_s) > ZONE_S_MAX or zone_s % 60 or not 0 <= summer_s <= 7200 or summer_s % 60:
            raise self._refuse("the offsets from UTC are no zone's", line)
        rules = [content.value(name).upper() for name in ("dstStartRule", "dstEndRule")]
        if not summer_s or _NO_RULE in rules or not all(rules):
            return Clock(zone_s, 0, None, None)
        if not all(_RULE.fullmatch(rule) for rule in rules):
            raise self._refuse("a rule for summer time is not eight hexadecimal digits", line)
        start, end = (Rule.from_bits(int(rule, 16)) for rule in rules)
        if start is None or end is None:
            raise self._refuse("a rule for summer time names no day of the year", line)
        return Clock(zone_s, summer_s, start, end)

    def _quality(self, codes: Iterable[str], line: int) -> str | None:
        names: list[str] = []
        for code in codes:
            if code not in _QUALITIES:
                raise self._refuse(f"the quality code {shown(code)!r} is not known", line)
            if _QUALITIES[code] not in names:
                names.append(_QUALITIES[code])
        text = "+".join(names)
        return (text if len(text) <= RECORD_UNIT_BYTES_MAX else "mixed") or None

    def _whole(self, element: Element, name: str, line: int) -> int:
        text = element.value(name)
        if _WHOLE.fullmatch(text) is None:
            what = f"{shown(text)!r} is not a whole number" if text else "it is missing"
            raise self._refuse(f"{what} ({name})", line)
        return int(text)

    def _of(self, kind: str) -> list[Entry]:
        return self._entries.get(kind, [])

    def _refuse(self, sentence: str, line: int | None = None) -> Exception:
        return refusal(self._filename, sentence, line)

"""Green Button: powers of ten, local offsets, several meters, what is said twice."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

import pytest

from entrenous.apps.clock import Clock, Rule
from entrenous.apps.readers.espi import reader
from entrenous.crypto.canonical import Value
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.reading import Extract, summary
from entrenous.simulations.files import energy_file

TWO_METERS = (Path(__file__).parent / "fixtures" / "two_meters.xml").read_bytes()
START_S = 1_743_292_800  # 2025-03-30T00:00Z; summer time begins at 01:00Z


def read(data: bytes) -> Extract:
    return reader.read(data, "meter.xml")


def rows(data: bytes, path: str = "energy/electricity/load-curve") -> list[Mapping[str, Value]]:
    return [row for item in read(data).items if item.path == path for row in item.batch.rows()]


def reading(start_s: int, value: str = "5", duration_s: int = 1800, more: str = "") -> str:
    return (
        f"<IntervalReading>{more}<timePeriod><duration>{duration_s}</duration>"
        f"<start>{start_s}</start></timePeriod><value>{value}</value></IntervalReading>\n"
    )


def entry(content: str, up: str = "", itself: str = "", updated: str = "", **links: str) -> str:
    related = "".join(f'<link rel="related" href="{link}"/>' for link in links.values())
    return (
        f'<entry><link rel="self" href="{itself}"/><link rel="up" href="{up}"/>{related}'
        f"<updated>{updated}</updated><content>{content}</content></entry>\n"
    )


def espi(name: str, **fields: str) -> str:
    inside = "".join(f"<{k}>{v}</{k}>" for k, v in fields.items() if v)
    return f'<{name} xmlns="http://naesb.org/espi">{inside}</{name}>'


def kind(**fields: str) -> str:
    said = {"commodity": "1", "uom": "72", "powerOfTenMultiplier": "0", **fields}
    return entry(espi("ReadingType", **said), itself="RT")


def block(*readings: str, up: str = "MR/IntervalBlock", updated: str = "") -> str:
    content = f'<IntervalBlock xmlns="http://naesb.org/espi">\n{"".join(readings)}</IntervalBlock>'
    return entry(content, up=up, updated=updated)


def feed(*entries: str) -> bytes:
    body = "".join(entries)
    return f'<feed xmlns="http://www.w3.org/2005/Atom">\n{body}</feed>'.encode()


METER = entry(espi("MeterReading"), itself="MR", related="RT")


def test_two_meters_and_energy_given_back() -> None:
    extract = read(TWO_METERS)
    assert [item.path for item in extract.items] == [
        "energy/electricity/load-curve",
        "energy/electricity/feed-in-curve",
        "energy/gas/load-curve",
    ]
    used, given, gas = extract.items
    assert used.source == given.source != gas.source
    assert list(used.batch.rows()) == [
        row(0, 60, 1800, [250125, 3], "Wh", "valid"),
        row(1800, 60, 1800, [240000, 3], "Wh", "estimated-by-day+projected"),
        row(3600, 120, 1800, [231000, 3], "Wh", "validated"),
    ]
    assert [r["value"] for r in given.batch.rows()] == [[0, 0], [17, 0]]
    # three hundreds of cubic feet: how a ccf is said in ESPI
    assert list(gas.batch.rows()) == [row(0, 60, 86400, [300, 0], "ft3", None)]
    assert any("kept once: 1" in note for note in extract.notes)
    assert any("replaced by later ones in the file: 1" in note for note in extract.notes)


def row(
    after_s: int, offset: int, duration_s: int, value: list[Value], unit: str, quality: str | None
) -> dict[str, Value]:
    return {
        "time": (START_S + after_s) * 1000,
        "offset_min": offset,
        "duration_s": duration_s,
        "value": value,
        "unit": unit,
        "quality": quality,
    }


@pytest.mark.parametrize(
    ("name", "count", "total", "interval_s", "first_s", "last_s"),
    [
        # the figures by regular expressions over the text:
        # python3 -c "import re,sys; t=sys.stdin.read();
        #   b=re.findall(r'(?s)<IntervalReading>.*?</IntervalReading>',t);
        #   v=[int(re.search(r'<value>(\d+)',x)[1]) for x in b];
        #   s=[int(re.search(r'<start>(\d+)',x)[1]) for x in b];
        #   print(len(v),sum(v),min(s),max(s))" < FILE
        # and the same from greenbutton-objects 2024.7.11 (count, sum)
        ("TestGBDataHourlyNineDaysBinnedDaily.xml", 216, 199563, 3600, 1388552400, 1389326400),
        ("test_usage_data_01.xml", 96, 93846, 900, 1330578000, 1330663500),
    ],
)
def test_real_files_by_an_oracle(
    shared: Path, name: str, count: int, total: int, interval_s: int, first_s: int, last_s: int
) -> None:
    data = (shared / "samples/energy" / name).read_bytes()
    blocks = re.findall(rb"(?s)<IntervalReading>.*?</IntervalReading>", data)
    values = [int(v) for x in blocks for v in re.findall(rb"<value>(\d+)", x)]
    starts = [int(v) for x in blocks for v in re.findall(rb"<start>(\d+)", x)]
    assert (len(values), sum(values), min(starts), max(starts)) == (count, total, first_s, last_s)
    extract = read(data)
    (item,) = extract.items
    assert item.path == "energy/electricity/load-curve"
    assert [t // 1000 for t in item.batch.times] == sorted(starts)
    assert summary(extract).items[0].sums == {"Wh": (total, 0)}
    assert set(item.batch.columns["duration_s"]) == {interval_s}
    # the zone of both files is New York's; the time zone database is another source than the file
    zone = zoneinfo.ZoneInfo("America/New_York")
    for t_ms, offset in zip(item.batch.times, item.batch.columns["offset_min"], strict=True):
        delta = datetime.datetime.fromtimestamp(t_ms / 1000, zone).utcoffset()
        assert delta == datetime.timedelta(minutes=int(str(offset)))


def test_the_real_gas_file_is_refused_in_one_sentence(shared: Path) -> None:
    """Made anonymous, all its 36 readings begin at one moment, a fraction of a second:
    grep -o 'ns:start>[^<]*' ngma_gas_provider_2024-07-16.xml | sort | uniq -c
    (72 times 1721154384.66136); its ReadingType is empty.  greenbutton-objects stops at it too."""
    path = shared / "samples/energy/ngma_gas_provider_2024-07-16.xml"
    with pytest.raises(ReaderError, match=r"^ngma_\S+, line 45: '1721154384.66136' is not a whole"):
        reader.read(path.read_bytes(), str(path))


@pytest.mark.parametrize(
    ("zone", "start", "end", "standard_s"),
    [
        ("America/New_York", 0x360E2000, 0xB40E2000, -18000),
        # the same, said as the Sunday on or after the 8th and the 1st
        ("America/New_York", 0x328E2000, 0xB21E2000, -18000),
        ("Europe/Paris", 0x3E0E2000, 0xAE0E3000, 3600),
        # first Sunday of October at 2:00 to first Sunday of April at 3:00, south of the equator
        ("Australia/Sydney", 0xA40E2000, 0x440E3000, 36000),
    ],
)
def test_summer_time_by_the_time_zone_database(
    zone: str, start: int, end: int, standard_s: int
) -> None:
    clock = Clock(standard_s, 3600, Rule.from_bits(start), Rule.from_bits(end))
    first = int(datetime.datetime(2015, 1, 1, tzinfo=datetime.UTC).timestamp())
    moments = list(range(first, first + 11 * 365 * 86_400, 1800 * 5))
    tz = zoneinfo.ZoneInfo(zone)
    expected: list[int] = []
    for moment in moments:
        delta = datetime.datetime.fromtimestamp(moment, tz).utcoffset()
        assert delta is not None
        expected.append(int(delta.total_seconds()) // 60)
    assert clock.offsets(moments) == expected
    assert len(set(expected)) == 2


def test_a_rule_on_a_fixed_day() -> None:
    rule = Rule.from_bits(10 << 28 | 31 << 20 | 3 << 12 | 90)
    assert rule is None
    rule = Rule.from_bits(10 << 28 | 30 << 20 | 3 << 12 | 90)
    assert rule is not None
    moment = datetime.datetime(2024, 10, 30, 3, 1, 30, tzinfo=datetime.UTC)
    assert rule.local_s(2024) == moment.timestamp()


@pytest.mark.parametrize("bits", [0, 0xD60E2000, 0x36002000, 0x300E2000, 0x3C0E2000, 0x360F8000])
def test_rules_that_name_no_moment_of_each_year(bits: int) -> None:
    assert Rule.from_bits(bits) is None


@pytest.mark.parametrize(
    ("power", "value", "expected"),
    [
        ("0", "5", [5, 0]),
        ("3", "5", [5000, 0]),
        ("-3", "5", [5, 3]),
        ("-3", "1.25", [125, 5]),
        ("1", "1.25", [125, 1]),
        ("3", "1.25", [1250, 0]),
        ("-12", "-7", [-7, 12]),
        ("", "7", [7, 0]),
    ],
)
def test_powers_of_ten(power: str, value: str, expected: list[int]) -> None:
    data = feed(kind(powerOfTenMultiplier=power), METER, block(reading(START_S, value)))
    assert rows(data)[0]["value"] == expected


@pytest.mark.parametrize(
    ("fields", "path", "unit"),
    [
        ({}, "energy/electricity/load-curve", "Wh"),
        ({"uom": "38"}, "energy/electricity/load-curve", "W"),
        ({"uom": "73"}, "energy/electricity/varh-curve", "VArh"),
        ({"accumulationBehaviour": "1"}, "energy/electricity/index", "Wh"),
        ({"flowDirection": "19"}, "energy/electricity/feed-in-curve", "Wh"),
        ({"commodity": "7", "uom": "169"}, "energy/gas/load-curve", "therm"),
        ({"commodity": "7", "uom": "42"}, "energy/gas/load-curve", "m3"),
    ],
)
def test_units_and_paths(fields: dict[str, str], path: str, unit: str) -> None:
    (found,) = rows(feed(kind(**fields), METER, block(reading(START_S))), path)
    assert found["unit"] == unit


def test_each_interval_length_has_a_path_of_its_own() -> None:
    extract = read(
        feed(kind(), METER, block(reading(START_S), reading(START_S, "9", duration_s=86_400)))
    )
    assert [(i.path, set(i.batch.columns["duration_s"])) for i in extract.items] == [
        ("energy/electricity/load-curve", {1800}),
        ("energy/electricity/load-curve-1d", {86_400}),
    ]


def test_two_meters_of_one_kind_have_two_paths() -> None:
    data = TWO_METERS.replace(b"<e:flowDirection>19", b"<e:flowDirection>1")
    paths = [item.path for item in read(data).items]
    assert paths[0] == "energy/electricity/load-curve"
    assert paths[1] == "energy/electricity/load-curve-30min"
    assert len(set(paths)) == 3


def test_without_local_time_the_offset_is_utc_and_the_person_is_told() -> None:
    extract = read(feed(kind(), METER, block(reading(START_S))))
    assert extract.items[0].batch.columns["offset_min"] == [0]
    assert any("local time" in note for note in extract.notes)


def test_links_that_lead_nowhere_mean_the_only_entry_there_is() -> None:
    data = feed(kind(), METER, block(reading(START_S), up="elsewhere/7/IntervalBlock"))
    assert len(rows(data)) == 1


def test_readings_arrive_in_any_order() -> None:
    def given(*steps: int) -> bytes:
        readings = [reading(START_S + 1800 * n, str(n)) for n in steps]
        return feed(kind(), METER, *map(block, readings))

    assert read(given(0, 1, 2)).items == read(given(2, 0, 1)).items


def test_the_same_file_twice_gives_the_same() -> None:
    for data in (TWO_METERS, energy_file(2, days=3).data):
        assert read(data) == reader.read(data, "other.xml")


TWO_MR = METER + entry(espi("MeterReading"), itself="MR2", related="RT")
QUALITY_99 = "<ReadingQuality><quality>99</quality></ReadingQuality>"
REFUSED = {
    "no unit": (feed(kind(uom=""), METER, block(reading(0))), 2, "names no unit"),
    "unknown unit": (feed(kind(uom="9999"), METER, block(reading(0))), 2, "'9999' is not known"),
    "unknown service": (feed(kind(commodity=""), METER, block(reading(0))), 2, "electricity or"),
    "no reading type": (feed(METER, block(reading(0))), None, "no ReadingType"),
    "multiplier": (feed(kind(powerOfTenMultiplier="99"), METER, block(reading(0))), 2, "power 99"),
    "value": (feed(kind(), METER, block(reading(0, "12 kWh"))), 5, "not a reading's value"),
    "no value": (feed(kind(), METER, block(reading(0, ""))), 5, "not a reading's value"),
    "value over 64 bits": (
        feed(kind(powerOfTenMultiplier="12"), METER, block(reading(0, "9" * 12))), 5, "64 bits"),
    "start in 2300": (feed(kind(), METER, block(reading(10**10))), 5, "outside the years"),
    "start as a date": (
        feed(kind(), METER, block(reading(0).replace(">0<", ">2025-01-01<"))), 5, "(start)"),
    "start of 20 digits": (feed(kind(), METER, block(reading(10**19))), 5, "(start)"),
    "negative interval": (feed(kind(), METER, block(reading(0, duration_s=-1))), 5, "interval"),
    "quality": (feed(kind(), METER, block(reading(0, more=QUALITY_99))), 5, "'99' is not known"),
    "two values for one moment": (
        feed(kind(), METER, block(reading(0, "5"), reading(0, "6"))), 6, "same moment"),
    "overlap": (feed(kind(), METER, block(reading(0), reading(900))), 6, "overlaps"),
    "five interval lengths": (
        feed(kind(), METER, block(*(reading(10**6 * n, duration_s=60 * n) for n in range(1, 6)))),
        9, "interval lengths"),
    "whose block": (
        feed(kind(), TWO_MR, block(reading(0), up="MR3/IntervalBlock")), 5, "which MeterReading"),
    "two strange meters": (
        feed(kind(), METER, block(reading(0), up="X"), block(reading(1800), up="Y")),
        None, "which MeterReading"),
    "readings outside a block": (
        feed(kind(), METER, entry(espi("UsagePoint") + reading(0))), 4, "outside any Interval"),
    "readings outside an entry": (
        feed(kind(), METER, reading(0)), 4, "outside any entry"),
    "only water": (
        feed(kind(), METER, entry(espi("UsagePoint", ServiceCategory="<kind>2</kind>")),
             block(reading(0))), None, "no readings of electricity"),
    "no period": (
        feed(kind(), METER, block("<IntervalReading><value>1</value></IntervalReading>")),
        5, "no timePeriod"),
    "zone": (TWO_METERS.replace(b"<e:tzOffset>3600", b"<e:tzOffset>360000"), 4, "no zone's"),
    "summer rule": (TWO_METERS.replace(b"3E0E2000", b"00000000"), 4, "no day of the year"),
    "summer rule text": (TWO_METERS.replace(b"3E0E2000", b"March"), 4, "hexadecimal"),
    "no readings": (feed(kind(), METER), None, "holds no Green Button readings"),
    "cut short": (TWO_METERS[:-20], None, "not sound"),
    "not XML": (b"PK\x03\x04", None, "not a Green Button file"),
    "empty": (b"", None, "not a Green Button file"),
}  # fmt: skip  # one case a line, as far as they go


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_file_and_place(case: str) -> None:
    data, line, sentence = REFUSED[case]
    with pytest.raises(ReaderError, match=re.escape(sentence)) as refused:
        read(data)
    message = str(refused.value)
    assert message.startswith("meter.xml")
    assert "\n" not in message
    if line is not None:
        assert message.startswith(f"meter.xml, line {line}:")


def test_sniff_claims_green_button_only(shared: Path) -> None:
    assert reader.sniff(TWO_METERS[:512], "x")
    assert not reader.sniff(b"see http://naesb.org/espi for <feed>", "notes.txt")
    assert not reader.sniff(b"<html><!-- http://naesb.org/espi --></html>", "page.html")
    claimed = [
        path.parent.name
        for path in sorted((shared / "samples").glob("*/*"))
        if reader.sniff(path.read_bytes()[:8192], path.name)
    ]
    assert claimed == ["energy"] * 3

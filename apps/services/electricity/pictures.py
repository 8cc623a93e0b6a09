"""A load curve's figures as they are drawn in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ....node.service import visible
from ...drawn import Bar, Cell, Column, Ink, Paper, Said, chart, prose, table
from ...exact import ONE, divided, shown
from .curve import KWH, Curve, Gap
from .figures import Figures
from .tariff import Cost
from .unusual import UNUSUAL_MAX, Unusual

GAPS_MAX = 3
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def draw_figures(found: Figures, curve: Curve, paper: Paper) -> list[str]:
    """The total, the months, the average day, and what stands out."""
    days = (found.last - found.first).days + 1
    head = (
        f"From {found.first} to {found.last} your home drew {kwh(found.energy)} kWh: "
        f"{kwh(found.energy // days, 1)} kWh a day, {watts(found.power)} W on average."
    )
    lines = [*prose(head, paper, Ink.STRONG), "", *_month_table(found, paper), ""]
    if any(found.hours):
        lines += [*_day_chart(found, paper), ""]
    lines += [*_facts(found, paper), *_missing(found, curve, paper)]
    return lines


def _facts(found: Figures, paper: Paper) -> list[str]:
    facts: list[tuple[str, str]] = []
    if found.base is not None:
        share = divided(found.base * found.seconds * 100, max(found.energy, 1))
        facts.append(
            ("never switched off", f"{watts(found.base)} W, {share} % of all that was drawn")
        )
    if found.weekday is not None and found.weekend is not None:
        both = f"{kwh(found.weekday, 1)} kWh a day; on weekends {kwh(found.weekend, 1)} kWh"
        facts.append(("Monday to Friday", both))
    for at, (day, energy) in enumerate(found.highest[:3]):
        said = f"{_DAYS[day.weekday()]} {day}, {kwh(energy, 1)} kWh"
        facts.append(("" if at else "highest days", said))
    return table(
        (Column(), Column(cut=True)), [(Said(name, Ink.FAINT), said) for name, said in facts], paper
    )


def draw_unusual(found: Sequence[Unusual], paper: Paper) -> list[str]:
    """The most unusual hours."""
    if not found:
        return ["No hour was unlike the same hour of the weeks around it."]
    rows: list[Sequence[Cell]] = [
        (
            f"{_DAYS[one.date.weekday()]} {one.date}",
            f"{one.hour:02}:00",
            watts(one.power),
            Said(watts(one.usual), Ink.FAINT),
            Said("more" if one.score > 0 else "less", Ink.UP if one.score > 0 else Ink.DOWN),
        )
        for one in found[:UNUSUAL_MAX]
    ]
    columns = (
        Column("unusual hours"),
        Column("from"),
        Column("W", right=True),
        Column("usual", right=True),
        Column(),
    )
    more = len(found) - UNUSUAL_MAX
    note = [f"… and {more:,} more; --json has all of them"] if more > 0 else []
    return [*table(columns, rows, paper), *(paper.inked(line, Ink.FAINT) for line in note)]


def draw_costs(costs: Sequence[Cost], found: Figures, paper: Paper) -> list[str]:
    """Tariffs side by side, the cheapest first."""
    best = costs[0]
    two = any(one.off_peak_energy for one in costs)
    columns = (
        Column("tariff", cut=True),
        *((Column("peak kWh", right=True), Column("off-peak", right=True)) if two else ()),
        Column("energy", right=True),
        Column("standing", right=True),
        Column("total", right=True),
        Column(),
        Column("more", right=True),
    )
    rows: list[Sequence[Cell]] = []
    for one in costs:
        # The difference of what is shown, so that it can be checked by eye.
        same = one.tariff.currency == best.tariff.currency
        more = _whole(one.total * 100) - _whole(best.total * 100) if same else 0
        energies = (kwh(_whole(one.peak_energy)), kwh(_whole(one.off_peak_energy)))
        rows.append(
            (
                Said(visible(one.tariff.name), Ink.STRONG if one is best else Ink.PLAIN),
                *(energies if two else ()),
                money(one.energy_cost),
                money(one.standing_cost),
                Said(money(one.total), Ink.STRONG if one is best else Ink.PLAIN),
                visible(one.tariff.currency),
                Said(f"+{money(Fraction(more, 100))}" if more else "", Ink.UP),
            )
        )
    lines = table(columns, rows, paper)
    missing = " What is missing was not charged." if found.missing else ""
    note = f"{best.days:,} days, on your own curve; rounded once, at the end.{missing}"
    return [*lines, *prose(note, paper, Ink.FAINT)]


def kwh(energy: int, places: int = 0) -> str:
    """Energy for the eye, in kilowatt-hours."""
    return shown(divided(energy * ONE, KWH), places)


def watts(power: int) -> str:
    """Power for the eye."""
    return shown(power, 0)


def money(amount: Fraction) -> str:
    """Money for the eye, to the cent, halves up."""
    return shown(_whole(amount * ONE), 2)


def cents(amount: Fraction) -> str:
    """Money for a program, to the cent, halves up."""
    whole = _whole(amount * 100)
    return f"{whole // 100}.{whole % 100:02}"


def _whole(amount: Fraction) -> int:
    return divided(amount.numerator, amount.denominator)


def _month_table(found: Figures, paper: Paper) -> list[str]:
    most = max((one.energy for one in found.months), default=0)
    with_before = any(one.base_before is not None for one in found.months)
    columns = (
        Column("month"),
        Column("kWh", right=True),
        Column("", bar=True),
        Column("night W", right=True),
        Column("base W", right=True),
        *((Column("a year ago", right=True),) if with_before else ()),
        Column("missing", right=True),
    )
    rows: list[Sequence[Cell]] = []
    for one in found.months:
        before = "" if one.base_before is None else watts(one.base_before)
        rows.append(
            (
                one.name,
                kwh(one.energy) if one.intervals else Said("none", Ink.WARM),
                Bar(one.energy, most),
                "" if one.night is None else watts(one.night),
                "" if one.base is None else watts(one.base),
                *((Said(before, Ink.FAINT),) if with_before else ()),
                Said(_length(one.missing) if one.missing else "", Ink.WARM),
            )
        )
    return table(columns, rows, paper)


def _day_chart(found: Figures, paper: Paper) -> list[str]:
    values = [power or 0 for power in found.hours]
    top = max(values)
    scale = f"{watts(top)} W", watts(top // 2)
    labels = [f"{hour}" if hour % 3 == 0 else "" for hour in range(24)]
    return [
        paper.inked("the average day, hour by hour", Ink.FAINT),
        *chart(values, labels, scale, paper),
    ]


def _missing(found: Figures, curve: Curve, paper: Paper) -> list[str]:
    gaps = sorted(curve.gaps(), key=lambda gap: gap.start_s - gap.end_s)
    lines: list[str] = []
    if gaps:
        longest = ", ".join(_gap(gap) for gap in gaps[:GAPS_MAX])
        many = "1 gap" if len(gaps) == 1 else f"{len(gaps):,} gaps"
        sentence = f"Missing: {_length(found.missing)} in {many}; the longest: {longest}."
        lines += ["", *prose(sentence, paper, Ink.WARM)]
    if curve.overlapping:
        sentence = f"{curve.overlapping:,} readings were left out: others cover the same time."
        lines += prose(sentence, paper, Ink.WARM)
    return lines


def _gap(gap: Gap) -> str:
    hours, minutes = divmod(gap.minute, 60)
    return f"{gap.date} {hours:02}:{minutes:02} ({_length(gap.end_s - gap.start_s)})"


def _length(seconds: int) -> str:
    """`1 d 3 h`, `2 h 30 min`."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    parts = [(days, "d"), (hours, "h"), (rest // 60, "min" if not days else "")]
    said = [f"{count:,} {unit}" for count, unit in parts if count and unit]
    return " ".join(said[:2]) or f"{seconds} s"

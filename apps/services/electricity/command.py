"""`entrenous electricity`: figures of one's own curve, and tariffs replayed on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from ....node.service import Exit, Host, NotFound, UsageError, file_text
from ....protocol.day import UNDATED
from ...drawn import Ink, Paper, prose
from ...exact import ONE, divided, text
from ...local_days import date_named, first_of, month_of, months_later, zone_named
from .curve import WH, Curve, curve_of
from .figures import Figures, figures
from .pictures import cents, draw_costs, draw_figures, draw_unusual
from .shapes import SHAPES
from .tariff import Cost, Tariff, cost_of, tariff_of
from .unusual import Unusual, unusual_hours

PATH: Final = "energy/electricity/load-curve"
TARIFFS_MAX: Final = 20
_GAPS_MAX: Final = 100
# Shown without days: the last of them.
_MONTHS: Final = 12

From = Annotated[str | None, Parameter(name="--from", help="First day (YYYY-MM-DD).")]
To = Annotated[str | None, Parameter(name="--to", help="Last day (YYYY-MM-DD), included.")]
For = Annotated[str | None, Parameter(name="--for", help="Whose of your household, or home.")]
ZoneName = Annotated[
    str | None,
    Parameter(name="--zone", help="Hours of this zone (Europe/Paris), not of the meter's clock."),
]


async def electricity(
    host: Host,
    /,
    *,
    from_: From = None,
    to: To = None,
    tariff: Annotated[
        tuple[Path, ...],
        Parameter(help="What this tariff (a TOML file) would have cost; may be said again."),
    ] = (),
    collection: Annotated[str, Parameter(help="Another load curve of your vault.")] = PATH,
    for_: For = None,
    zone: ZoneName = None,
) -> int:
    """See what your home draws: by month, by hour, at night, what is unusual; compare tariffs.

    Without days, the last twelve months of which anything is known. docs/services.md shows what is
    in a tariff's file.

    Example: entrenous electricity --tariff base.toml --tariff peak.toml
    """
    try:
        if len(tariff) > TARIFFS_MAX:
            raise ValueError(f"at most {TARIFFS_MAX} tariffs at once")
        tariffs = [tariff_of(file_text(path), path.name) for path in tariff]
        whole, damaged = await _read(host, collection, for_, zone)
        curve = _part(whole, from_, to)
        costs = _costs(curve, tariffs)
    except ValueError as error:
        raise UsageError(str(error)) from None
    found, unusual = figures(curve, whole), unusual_hours(curve)
    host.show(SHAPES["electricity"], _json(collection, curve, zone, found, unusual, costs, damaged))
    paper = Paper(host.columns, host.colour, host.blocks)
    if costs:
        host.draw([*draw_costs(costs, found, paper), ""])
    host.draw([*draw_figures(found, curve, paper), "", *draw_unusual(unusual, paper), ""])
    host.draw(prose(f"Days and hours of {_clock_words(curve, zone)}.", paper, Ink.FAINT))
    for sentence in damaged:
        host.note(f"damaged: {sentence}")
    return Exit.FAILED if damaged else Exit.DONE


async def _read(
    host: Host, path: str, whose: str | None, zone: str | None
) -> tuple[Curve, tuple[str, ...]]:
    """The whole curve.  Raises NotFound, ValueError."""
    where = zone_named(zone)
    nothing = NotFound(
        "there is no load curve in your vault yet: import your meter's file first, "
        "`entrenous import usage.xml`"
        if path == PATH
        else f"there are no readings in {path}; `entrenous collections` lists what there is"
    )
    async with host.node() as client:
        try:
            read = await client.read(path, 0, UNDATED - 1, whose)
        except NotFound:
            raise nothing from None
    if read.batch.schema.name != "meter-reading/1":
        raise UsageError(f"{path} holds no readings of a meter")
    curve = curve_of([read.batch], where)
    if not curve.intervals:
        raise nothing
    return curve, read.damaged


def _part(whole: Curve, first: str | None, last: str | None) -> Curve:
    """The days that were asked for; without any, the last twelve months.  Raises ValueError."""
    start = date_named(first) if first else whole.first
    end = date_named(last) if last else whole.last
    if end < start:
        raise ValueError("--from is after --to")
    if first is None and last is None:
        start = max(start, first_of(months_later(month_of(end), 1 - _MONTHS)))
    curve = whole.between(start, end)
    if not curve.intervals:
        raise NotFound(
            f"there are no readings from {start} to {end}; your vault has those of "
            f"{whole.first} to {whole.last}"
        )
    return curve


def _costs(curve: Curve, tariffs: list[Tariff]) -> list[Cost]:
    """The cheapest first; other currencies than the first one's stand apart, behind."""
    costs = [cost_of(curve, tariff) for tariff in tariffs]
    first = tariffs[0].currency if tariffs else ""
    return sorted(
        costs, key=lambda one: (one.tariff.currency != first, one.tariff.currency, one.total)
    )


def _clock_words(curve: Curve, zone: str | None) -> str:
    if curve.own_clock:
        return "the meter's own clock"
    return zone or "your time zone"


def _json(
    path: str,
    curve: Curve,
    zone: str | None,
    found: Figures,
    unusual: tuple[Unusual, ...],
    costs: list[Cost],
    damaged: tuple[str, ...],
) -> dict[str, object]:
    gaps = sorted(curve.gaps(), key=lambda gap: gap.start_s - gap.end_s)[:_GAPS_MAX]
    return {
        "collection": path,
        "first": found.first.isoformat(),
        "last": found.last.isoformat(),
        "clock": "meter" if curve.own_clock else _clock_words(curve, zone),
        "energy_wh": _wh(found.energy),
        "step_s": curve.step_s(),
        "missing_s": found.missing,
        "gaps": [
            {
                "date": gap.date.isoformat(),
                "time": f"{gap.minute // 60:02}:{gap.minute % 60:02}",
                "seconds": gap.end_s - gap.start_s,
            }
            for gap in gaps
        ],
        "overlapping": curve.overlapping,
        "base_w": _w(found.base),
        "months": [
            {
                "month": one.name,
                "energy_wh": _wh(one.energy),
                "intervals": one.intervals,
                "missing_s": one.missing,
                "night_w": _w(one.night),
                "base_w": _w(one.base),
                "base_before_w": _w(one.base_before),
            }
            for one in found.months
        ],
        "hours_w": [_w(power) for power in found.hours],
        "weekday_wh": None if found.weekday is None else _wh(found.weekday),
        "weekend_wh": None if found.weekend is None else _wh(found.weekend),
        "highest": [
            {"date": day.isoformat(), "energy_wh": _wh(energy)} for day, energy in found.highest
        ],
        "unusual": [
            {
                "date": one.date.isoformat(),
                "hour": one.hour,
                "power_w": _w(one.power),
                "usual_w": _w(one.usual),
                "score": f"{one.score:.2f}",
            }
            for one in unusual
        ],
        "tariffs": [
            {
                "name": one.tariff.name,
                "currency": one.tariff.currency,
                "days": one.days,
                "peak_wh": _wh(one.peak_energy.numerator // one.peak_energy.denominator),
                "off_peak_wh": _wh(
                    one.off_peak_energy.numerator // one.off_peak_energy.denominator
                ),
                "energy": cents(one.energy_cost),
                "standing": cents(one.standing_cost),
                "total": cents(one.total),
            }
            for one in costs
        ],
        "damaged": damaged,
    }


def _wh(energy: int) -> str:
    """Watt-hours, exact to 10⁻¹⁸ of them."""
    return text(divided(energy * ONE, WH), 1)


def _w(power: int | None) -> str | None:
    """Watts, to a tenth."""
    return None if power is None else text(divided(power * 10, ONE) * (ONE // 10), 1)

"""Exact numbers of services: every decimal of a record as a whole number of 10⁻¹⁸.

A decimal of a record is a 64-bit mantissa with at most 18 places, so each is a whole number of
these units, sums are sums of integers, and the order of adding cannot matter.  Only what is shown
is rounded, half away from zero, and what is printed for programs is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..protocol.limits import SCALE_MAX

ONE: Final = 10**SCALE_MAX


def units(mantissa: int, scale: int) -> int:
    """The decimal `mantissa · 10⁻ˢᶜᵃˡᵉ` in units of 10⁻¹⁸."""
    unit: int = 10 ** (SCALE_MAX - scale)
    return mantissa * unit


def text(amount: int, places_min: int = 0) -> str:
    """All of an amount, `-12.5`; zeros behind the point down to `places_min`."""
    whole, rest = divmod(abs(amount), ONE)
    places = f"{rest:0{SCALE_MAX}}".rstrip("0").ljust(places_min, "0")
    return f"{'-' if amount < 0 else ''}{whole}{'.' if places else ''}{places}"


def shown(amount: int, places: int = 2) -> str:
    """An amount for the eye, `1,234.50`, rounded half away from zero."""
    rounded = divided(abs(amount), 10 ** (SCALE_MAX - places))
    whole, rest = divmod(rounded, 10**places)
    sign = "-" if amount < 0 and rounded else ""
    return f"{sign}{whole:,}" + (f".{rest:0{places}}" if places else "")


def divided(amount: int, by: int) -> int:
    """`amount / by` to the nearest whole number, halves away from zero; `by` is above zero."""
    half = (2 * abs(amount) + by) // (2 * by)
    return -half if amount < 0 else half


def median(amounts: Iterable[int]) -> int:
    """The middle one, or the mean of the two in the middle; of nothing, 0."""
    ordered = sorted(amounts)
    if not ordered:
        return 0
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return divided(ordered[middle - 1] + ordered[middle], 2)

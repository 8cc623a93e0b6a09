"""What is written in this town: one reading a day, told apart by its hour."""

from __future__ import annotations

from entrenous.protocol.day import start_ms
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING

HOUR_S = 3_600


def readings(days: range, slot: int) -> Batch:
    """One reading a day, of hour `slot`."""
    count = len(days)
    return Batch(
        METER_READING,
        {
            "time": [start_of(day, slot) for day in days],
            "offset_min": [60] * count,
            "duration_s": [HOUR_S] * count,
            "value": [(100 + slot, 1)] * count,
            "unit": ["Wh"] * count,
            "quality": [None] * count,
        },
    ).check()


def whole_days(days: range) -> Batch:
    """A reading for each hour of each day."""
    times = [start_of(day, hour) for day in days for hour in range(24)]
    count = len(times)
    return Batch(
        METER_READING,
        {
            "time": times,
            "offset_min": [0] * count,
            "duration_s": [HOUR_S] * count,
            "value": [(7, 0)] * count,
            "unit": ["Wh"] * count,
            "quality": [None] * count,
        },
    ).check()


def start_of(day: int, slot: int) -> int:
    """When the reading of hour `slot` begins, in ms."""
    return start_ms(day) + slot * HOUR_S * 1000


def slots_of(batch: Batch) -> list[tuple[int, int]]:
    """(day, hour) of each reading."""
    return [
        (day, (t_ms - start_ms(day)) // (HOUR_S * 1000))
        for day, records in batch.sorted().by_day()
        for t_ms in records.times
    ]

"""Green Button downloads (ESPI) of one electricity meter, in tenths of a watt-hour.

A feed is its head, its blocks of readings, and `ESPI_TAIL`; the parts are written one after the
other, so that no download has to fit into memory.  Local time is that of western Europe.

Source: NAESB REQ.21 and the schema espi.xsd of the Green Button Alliance.
"""

from __future__ import annotations

from typing import Final

# Last Sunday of March at 2:00 and of October at 3:00, as ESPI's DstRuleType packs them.
_SUMMER_FROM: Final = f"{3 << 28 | 7 << 25 | 7 << 17 | 2 << 12:08X}"
_SUMMER_TO: Final = f"{10 << 28 | 7 << 25 | 7 << 17 | 3 << 12:08X}"
VALID: Final = 0
ESTIMATED: Final = 8
ESPI_TAIL: Final = "</feed>\n"


def espi_reading(at_s: int, interval_s: int, value: int, quality: int) -> str:
    """One IntervalReading: `value` in tenths of a watt-hour, `quality` a QualityOfReading."""
    return (
        f"<IntervalReading><ReadingQuality><quality>{quality}</quality></ReadingQuality>"
        f"<timePeriod><duration>{interval_s}</duration><start>{at_s}</start></timePeriod>"
        f"<value>{value}</value></IntervalReading>\n"
    )


def espi_block(meter: str, number: int, start_s: int, rows: str, duration_s: int = 86_400) -> str:
    """One IntervalBlock in an entry of its own.  `rows` are its readings."""
    blocks = f"{meter}/MeterReading/1/IntervalBlock"
    return _entry(
        f"{blocks}/{number}",
        blocks,
        (),
        f"<IntervalBlock xmlns='http://naesb.org/espi'><interval><duration>{duration_s}</duration>"
        f"<start>{start_s}</start></interval>\n{rows}</IntervalBlock>",
    )


def _entry(itself: str, up: str, related: tuple[str, ...], content: str) -> str:
    links = [f'<link rel="self" href="{itself}"/>', f'<link rel="up" href="{up}"/>']
    links += [f'<link rel="related" href="{link}"/>' for link in related]
    return f"<entry>{''.join(links)}<content>{content}</content></entry>\n"


def espi_head(meter: str, interval_s: int) -> str:
    """A feed up to its blocks: the usage point, its local time, its reading and what that is."""
    espi = "xmlns='http://naesb.org/espi'"
    reading = f"{meter}/MeterReading/1"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        + _entry(
            meter,
            meter.rpartition("/")[0],
            (f"{meter}/MeterReading", "LocalTimeParameters/1"),
            f"<UsagePoint {espi}><ServiceCategory><kind>0</kind></ServiceCategory></UsagePoint>",
        )
        + _entry(
            "LocalTimeParameters/1",
            "LocalTimeParameters",
            (),
            f"<LocalTimeParameters {espi}><dstEndRule>{_SUMMER_TO}</dstEndRule>"
            f"<dstOffset>3600</dstOffset><dstStartRule>{_SUMMER_FROM}</dstStartRule>"
            "<tzOffset>3600</tzOffset></LocalTimeParameters>",
        )
        + _entry(
            reading,
            f"{meter}/MeterReading",
            (f"{reading}/IntervalBlock", "ReadingType/1"),
            f"<MeterReading {espi}/>",
        )
        + _entry(
            "ReadingType/1",
            "ReadingType",
            (),
            f"<ReadingType {espi}><accumulationBehaviour>4</accumulationBehaviour>"
            "<commodity>1</commodity><flowDirection>1</flowDirection>"
            f"<intervalLength>{interval_s}</intervalLength><kind>12</kind>"
            "<powerOfTenMultiplier>-1</powerOfTenMultiplier><uom>72</uom></ReadingType>",
        )
    )

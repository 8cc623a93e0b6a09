"""GPX 1.1 tracks, one a file.  Coordinates as decimal text, times in UTC.

Source: the GPX 1.1 schema, topografix.com/GPX/1/1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

GPX_TAIL: Final = "</trkseg></trk>\n</gpx>\n"


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """Millionths of a degree, decimetres above the sea, and a time as `2025-05-01T09:00:00Z`."""

    lat: int
    lon: int
    height: int
    time: str


def gpx_file(name: str, kind: str, points: Iterable[TrackPoint], began: str) -> Iterator[str]:
    """The file, piece by piece."""
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="entrenous household"'
        ' xmlns="http://www.topografix.com/GPX/1/1">\n'
        f"<metadata><name>{escape(name)}</name><time>{began}</time></metadata>\n"
        f"<trk><name>{escape(name)}</name><type>{kind}</type><trkseg>\n"
    )
    for point in points:
        yield (
            f'<trkpt lat="{degrees(point.lat)}" lon="{degrees(point.lon)}">'
            f"<ele>{point.height // 10}.{point.height % 10}</ele>"
            f"<time>{point.time}</time></trkpt>\n"
        )
    yield GPX_TAIL


def degrees(millionths: int) -> str:
    """`-2.026000`"""
    whole, part = divmod(abs(millionths), 1_000_000)
    return f"{'-' if millionths < 0 else ''}{whole}.{part:06d}"

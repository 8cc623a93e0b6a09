"""School marks as CSV in UTF-8: a semicolon between cells, a comma before the tenths."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """`tenths` of a point out of `out_of` points; None where the pupil was absent."""

    subject: str
    day: datetime.date
    title: str
    tenths: int | None
    out_of: int
    weight: int
    class_tenths: int


def marks_file(pupil: str, term: str, marks: Iterable[Mark]) -> Iterator[bytes]:
    yield f"Élève;{pupil}\r\nPériode;{term}\r\n".encode("utf-8-sig")
    yield "Matière;Date;Devoir;Note;Sur;Coefficient;Moyenne de la classe\r\n".encode()
    for one in marks:
        note = "Abs" if one.tenths is None else _comma(one.tenths)
        yield (
            f"{one.subject};{one.day:%d/%m/%Y};{one.title};{note};{one.out_of};{one.weight};"
            f"{_comma(one.class_tenths)}\r\n"
        ).encode()


def _comma(tenths: int) -> str:
    return f"{tenths // 10},{tenths % 10}"

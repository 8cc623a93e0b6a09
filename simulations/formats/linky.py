"""Load curves of a Linky meter as the French grid operator's customers download them.

Two lines say what follows, then one line a half hour: mean power in watts, and the moment at which
the half hour *ends*, in local time with its offset.  A value that did not arrive is an empty cell.
"""

from __future__ import annotations

import datetime
from typing import Final

_COLUMNS: Final = (
    "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;"
    "Grandeur metier;Etape metier;Unite;Pas en minutes"
)


def linky_head(meter: str, first: datetime.date, last: datetime.date, minutes: int) -> str:
    """Up to the first value: whose meter, which days (the last is not among them)."""
    after = last + datetime.timedelta(days=1)
    return (
        f"\ufeff{_COLUMNS}\r\n{meter};Courbe de charge;{first:%d/%m/%Y};{after:%d/%m/%Y};"
        f"Energie active;Consommation;Comptage Brut;W;{minutes}\r\nHorodate;Valeur\r\n"
    )


def linky_row(ends: str, watts: int | None) -> str:
    """One half hour that ends at the ISO time `ends`."""
    return f"{ends};{'' if watts is None else watts}\r\n"

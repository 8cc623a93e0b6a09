"""Call detail records as CSV, with the columns that tools for them share.

`interaction,direction,correspondent_id,datetime,call_duration,antenna_id`: calls have a duration in
seconds, texts have none; times are local and bear no offset, as operators write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CALLS_HEAD: Final = "interaction,direction,correspondent_id,datetime,call_duration,antenna_id\n"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `seconds`, or a text where that is None.  `when` as `2025-01-31 18:02:11`."""

    out: bool
    other: str
    when: str
    seconds: int | None
    antenna: int


def calls_row(call: Call) -> str:
    kind, way = ("text" if call.seconds is None else "call"), ("out" if call.out else "in")
    duration = "" if call.seconds is None else str(call.seconds)
    return f"{kind},{way},{call.other},{call.when},{duration},{call.antenna}\n"

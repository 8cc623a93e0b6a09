"""Operations on who told what: one's own records, each with everybody who told it."""

from __future__ import annotations

from collections.abc import Sequence

from ...protocol.wire import Value
from ..results.records import ToldBy
from ..shape import to_value
from ..vault.tellers import How, Teller, Telling, Tellings
from .data import ROWS_AT_A_TIME, emit_batch, placing
from .operation import Args, Emit, Host

_NOBODY = Tellings((), (), 0)


async def read_sources(host: Host, args: Args, emit: Emit) -> Value:
    """As `read`; after the records, who told each: `[[[teller, [field, …]], …], …]`, in pieces."""
    first, last = args.days()
    place = await placing(host.node, args)
    path = place(args.collection("path"))
    reading = await host.node.vault.read(path, first, last, sources=True)
    tellings = reading.tellings or _NOBODY
    await emit_batch(host.node, emit, reading.batch)
    for start in range(0, len(tellings.of_record), ROWS_AT_A_TIME):
        piece = tellings.of_record[start : start + ROWS_AT_A_TIME]
        await emit.item({"tellings": [_record(one) for one in piece]})
    return {
        "schema": reading.batch.schema.name,
        "pages": reading.pages,
        "conflicts": reading.conflicts,
        "damaged": [damaged.sentence() for damaged in reading.damaged],
        "ambiguous": tellings.ambiguous,
        "tellers": [to_value(_told_by(teller)) for teller in tellings.tellers],
    }


def _record(tellings: Sequence[Telling]) -> Value:
    found: list[Value] = []
    for one in tellings:
        differs: list[Value] = [*one.differs]
        found.append([one.teller, differs])
    return found


def _told_by(teller: Teller) -> ToldBy:
    return ToldBy(
        how=teller.how.value,
        who=teller.who,
        import_id=teller.origin.hex() if teller.how is How.IMPORTED else None,
        statement=teller.statement,
        sentence=teller.sentence(),
    )

"""What shows that days of a statement that was lent are whole: kept with each read, looked at when
the records are shown again.

A proof is for all the days of one read.  Of several reads several are kept, but for those whose
days lie within another's.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...protocol.errors import ProtocolError
from ...protocol.statement import parse_statement, read_hashes
from ...protocol.wire import Value
from ..reads.lent_windows import StatementProof
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects

# Proofs of one statement: a reader that comes every day for two months, a day more each time.
PROOFS_KEPT_MAX = 64


def keep_proof(objects: Objects, tx: Tx, proof: StatementProof) -> None:
    """Keep what came with a window, beside what came before of the same statement."""
    others = [
        one
        for one in lent_proofs(objects, tx, proof.statement.cid)
        if not (proof.first <= one.first and one.last <= proof.last)
    ]
    if any(one.first <= proof.first and proof.last <= one.last for one in others):
        return
    kept = [*others, proof][-PROOFS_KEPT_MAX:]
    value: list[Value] = [proof.statement.raw]
    value += [[one.first, one.last, list(one.hashes)] for one in kept]
    objects.put(tx, Kind.STATEMENT, ["lent", proof.statement.cid], value)


def lent_proofs(objects: Objects, tx: Tx, statement: bytes) -> Sequence[StatementProof]:
    """The proofs that are kept of a statement that was lent.  Raises StoreDamaged."""
    try:
        match objects.get(tx, Kind.STATEMENT, ["lent", statement]):
            case None:
                return ()
            case [bytes(raw), int(first), int(last), hashes]:
                # As homes before the first release that reads them kept the one of the last read.
                return (_proof(raw, [first, last, hashes]),)
            case [bytes(raw), *proofs]:
                return tuple(_proof(raw, one) for one in proofs)
            case _:
                raise _damaged()
    except ProtocolError as error:
        raise _damaged() from error


def _proof(raw: bytes, value: Value) -> StatementProof:
    match value:
        case [int(first), int(last), hashes]:
            return StatementProof(parse_statement(raw), first, last, read_hashes(hashes))
        case _:
            raise _damaged()


def _damaged() -> StoreDamaged:
    return StoreDamaged("what is kept of a statement that was lent has not the form of it")

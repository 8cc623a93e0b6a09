"""`shared check`: what a proof of a shared record shows, without a node or a home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...crypto.errors import EntrenousError
from ...protocol.did import Did
from ...protocol.limits import SHARED_PROOF_BYTES_MAX
from ...protocol.shared_proof import SharedProof, parse_proof
from ...protocol.shared_record import Record, same_record
from ...protocol.wire import Value
from ..errors import NodeError
from ..small_file import read_small
from .days import moment
from .options import USUAL, Options
from .records import utc_text
from .shared_words import record_json, side_by_side
from .visible import visible
from .words import counted


async def check(
    file: Annotated[Path, Parameter(help="What `entrenous shared prove` has written.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Verify a proof of a shared record, and say what it proves and what not.  Needs no node.

    Example: entrenous shared check proof
    """
    name = visible(file.name)
    raw = read_small(file, name=name, what="a proof", bytes_max=SHARED_PROOF_BYTES_MAX)
    try:
        proof = parse_proof(raw)
    except EntrenousError as error:
        raise NodeError(f"{name} proves nothing: {error}") from error
    proves, not_proven = _proves(proof), _does_not_prove(proof)
    screen = options.screen
    screen.show("shared check", _facts(proof, proves, not_proven))
    if screen.json:
        return
    copies = proof.copies
    screen.say(f"{_name(proof)} ({copies.name.schema.name}), as signed by")
    for who in (copies.one, copies.other):
        screen.entry(_side(proof, who), ", then ".join(_personas(proof, who)))
    columns, rows = side_by_side(copies.name.schema, ("A", "B"), _records(proof))
    screen.table(columns, rows, "Neither copy holds anything.")
    screen.say("It proves:")
    for sentence in proves:
        screen.entry("", f"- {sentence}")
    screen.say("It does not prove:")
    for sentence in not_proven:
        screen.entry("", f"- {sentence}")


def _name(proof: SharedProof) -> str:
    id = proof.copies.name.id
    return f"{id if isinstance(id, str) else utc_text(id)} of {proof.copies.name.path}"


def _records(proof: SharedProof) -> tuple[Record | None, Record | None]:
    copies = proof.copies
    return copies.copy(copies.one).record, copies.copy(copies.other).record


def _side(proof: SharedProof, who: Did) -> str:
    return "A" if who == proof.copies.one else "B"


def _personas(proof: SharedProof, who: Did) -> list[Did]:
    """Each as which a side appears, the first one first."""
    lines = [line.dids for line in proof.lines if line.dids[0] == who]
    return [*lines[0]] if lines else [who]


def _proves(proof: SharedProof) -> list[str]:
    copies, found = proof.copies, list[str]()
    for who in (copies.one, copies.other):
        head, side = copies.head(who), _side(proof, who)
        if head is not None:
            why = f", because “{head.reason}”" if head.reason else ""
            found.append(
                f"{side} signed its copy, as version {head.n}, {head.word.value}, dated "
                f"{moment(head.t_ms)}{why}"
            )
        elif copies.told is not None and copies.told.src == who:
            found.append(f"{side} delivered the record as it stands in its column, signed")
    if proof.accepted is not None:
        side = _side(proof, proof.accepted.by)
        other = _side(proof, proof.accepted.to)
        found.append(f"{side} accepted just what {other} had signed")
    found.append(
        "both signed the same record" if copies.agree else "the two copies are not the same"
    )
    if copies.told is not None and copies.head(copies.told.src) is not None:
        side = _side(proof, copies.told.src)
        now = copies.copy(copies.told.src).record
        then = "the same" if same_record(copies.told.record, now) else "otherwise"
        found.append(f"before that, {side} had delivered the record, signed, and {then}")
    for line in proof.lines:
        side, steps = _side(proof, line.dids[0]), counted(len(line.steps), "time")
        found.append(
            f"{side} goes by another key than at first, followed {steps}, each promised by the last"
        )
    if proof.whole:
        count = counted(len(copies.versions), "version")
        found.append(f"{count} of both, each following from those before it, led to this")
    return found


def _does_not_prove(proof: SharedProof) -> list[str]:
    found = [
        "that nothing was signed since: either side may hold another version now",
        "that what was signed is true",
        "when it was signed: the dates are by the clocks of those who signed",
        "which people or organisations are behind these keys",
    ]
    if not proof.whole:
        found.insert(0, "how it came to this: the file holds the newest versions only")
    if proof.lines:
        found.append("that a key which was left behind was still its owner's when it signed")
    for who in (proof.copies.one, proof.copies.other):
        if not proof.copies.copy(who).said:
            found.insert(0, f"anything of what {_side(proof, who)} holds: it has signed nothing")
    return found


def _facts(proof: SharedProof, proves: list[str], not_proven: list[str]) -> dict[str, object]:
    copies, schema = proof.copies, proof.copies.name.schema.name
    sides: list[dict[str, object]] = []
    for who, record in zip((copies.one, copies.other), _records(proof), strict=True):
        head = copies.head(who)
        value: Value = None if record is None else dict(record)
        sides.append(
            {
                "persona": who,
                "personas": _personas(proof, who),
                "said": copies.copy(who).said,
                "record": record_json(schema, value),
                "version": None if head is None else head.cid,
                "n": None if head is None else head.n,
                "word": None if head is None else head.word.value,
                "reason": "" if head is None else head.reason,
                "t_ms": None if head is None else head.t_ms,
            }
        )
    id = copies.name.id
    return {
        "path": copies.name.path,
        "schema": schema,
        "record": id if isinstance(id, str) else utc_text(id),
        "agree": copies.agree,
        "accepted": None if proof.accepted is None else proof.accepted.cid,
        "whole": proof.whole,
        "versions": len(copies.versions),
        "told": None if copies.told is None else copies.told.statement.cid,
        "sides": sides,
        "proves": proves,
        "does_not_prove": not_proven,
    }

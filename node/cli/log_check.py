"""`log check`: what a proof file shows, without a node or a home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...crypto.errors import EntrenousError
from ...protocol.day import date_of
from ...protocol.limits import LOG_PROOF_BYTES_MAX
from ...protocol.log_proof import LogProof, parse_log_proof
from ...protocol.read_call import asked_by
from ...protocol.receipt import Receipt
from ..errors import NodeError, NotFound, UsageError
from .days import days_in_words, moment
from .options import USUAL, Options
from .visible import visible
from .words import counted


async def check(
    file: Annotated[Path, Parameter(help="What `entrenous log prove` has written.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Verify a proof file, and say what it proves and what not.  Needs no node and no home.

    Example: entrenous log check proof
    """
    raw = _bytes_of(file)
    try:
        proof = parse_log_proof(raw)
    except EntrenousError as error:
        raise NodeError(f"{visible(file.name)} proves nothing: {error}") from error
    proves, not_proven = _proves(proof), _does_not_prove(proof)
    screen = options.screen
    screen.show("log check", _facts(proof, proves, not_proven))
    screen.say("It proves:")
    for sentence in proves:
        screen.bullet(sentence)
    screen.say("It does not prove:")
    for sentence in not_proven:
        screen.bullet(sentence)


def _bytes_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            raw = opened.read(LOG_PROOF_BYTES_MAX + 1)
    except OSError as error:
        raise NotFound(f"{visible(str(file))} cannot be read: {error.strerror}") from error
    if len(raw) > LOG_PROOF_BYTES_MAX:
        raise UsageError(f"{visible(file.name)} is too large to be a proof")
    return raw


def _proves(proof: LogProof) -> list[str]:
    word, head = proof.word, proof.checkpoint.head
    found = [
        f"the persona {proof.certificate.persona} let the device {proof.certificate.device} serve "
        f"for it, until {moment(proof.certificate.exp_s * 1000)}"
    ]
    if isinstance(word, Receipt):
        body = word.body
        days = days_in_words(body.first, body.last_day)
        found.append(
            f"that device signed, dated {moment(body.t_ms)}, that it served "
            f"{counted(body.pages, 'page')} ({body.size:,} bytes, encrypted) of {days} to "
            f"{body.reader}, as window {body.window} of one read under one grant"
        )
        if not word.one_sided:
            found.append(f"{body.reader} signed that it has these pages")
        if proof.call is not None:
            args = asked_by(proof.call)
            asked = days_in_words(args.window.first, args.window.last)
            found.append(
                f"{body.reader} signed that it asked that device for {args.window.collection}, "
                f"{asked}, for {args.purpose}, under this grant and its terms"
            )
        if proof.delegation is not None:
            found.append(
                f"{proof.certificate.persona} signed that grant, to {proof.delegation.aud}"
                + _until(proof.delegation.exp)
            )
    else:
        said = (
            "did what it was asked"
            if word.code.value == "ok"
            else (f"refused what it was asked, as {word.code.value}")
        )
        found.append(f"that device signed, dated {moment(word.t_ms)}, that it {said}")
    found.append(
        f"this stands at place {proof.index:,} of the log of the device {proof.log.device}, which "
        f"had {head.size:,} leaves"
    )
    for one in proof.checkpoint.cosignatures:
        found.append(
            f"the witness {one.witness.hex()} signed, dated {moment(one.time_s * 1000)}, that this "
            "was the newest state of that log, and continued all that it had seen of it"
        )
    return found


def _does_not_prove(proof: LogProof) -> list[str]:
    found = [
        "that nothing else was read, asked or refused: the file opens one place of the log",
        "what was in the pages, or that it was true",
        "when it happened: the dates are by the clocks of those who signed",
        "which people or organisations are behind these keys",
    ]
    if not proof.shows_for_whom:
        found.insert(
            0,
            f"that the device acted for {proof.certificate.persona}: whoever writes such a file "
            "can certify any device, and neither grant nor call of this persona is in it",
        )
    if isinstance(proof.word, Receipt) and proof.word.one_sided:
        found.insert(0, "that the pages arrived: the reader has not signed for them")
    if not isinstance(proof.word, Receipt) and not proof.served:
        found.insert(0, "who had asked")
    if not proof.checkpoint.cosignatures:
        found.insert(0, "that the log was not written anew for this: no witness has cosigned it")
    return found


def _facts(proof: LogProof, proves: list[str], not_proven: list[str]) -> dict[str, object]:
    word, head = proof.word, proof.checkpoint.head
    body = word.body if isinstance(word, Receipt) else None
    return {
        "kind": "answer" if body is None else "receipt",
        "id": word.cid,
        "index": proof.index,
        "log": head.log.hex(),
        "log_device": proof.log.device,
        "log_persona": proof.owner.persona,
        "size": head.size,
        "root": head.root.hex(),
        "server": proof.certificate.device,
        "server_persona": proof.certificate.persona,
        "reader": None if body is None else body.reader,
        "two_sided": isinstance(word, Receipt) and not word.one_sided,
        "called": proof.call is not None,
        "granted": proof.delegation is not None,
        "shows_for_whom": proof.shows_for_whom,
        "grant": None if body is None else body.dlg,
        "window": None if body is None else body.window,
        "first": None if body is None else date_of(body.first),
        "last": None if body is None else date_of(body.last_day),
        "pages": 0 if body is None else body.pages,
        "bytes": 0 if body is None else body.size,
        "code": None if isinstance(word, Receipt) else word.code.value,
        "t_ms": word.body.t_ms if isinstance(word, Receipt) else word.t_ms,
        "witnesses": [
            {"key": one.witness.hex(), "time_s": one.time_s}
            for one in proof.checkpoint.cosignatures
        ],
        "proves": proves,
        "does_not_prove": not_proven,
    }


def _until(exp_s: int | None) -> str:
    return "" if exp_s is None else f", until {moment(exp_s * 1000)}"

"""The log: `log`, `log verify`, its checkpoints and witnesses, `log prove`."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from ..errors import UsageError
from ..results.log import LogInfo, WitnessInfo
from .days import days_in_words, moment
from .log_check import check
from .options import USUAL, Options, node_of
from .screen import Column
from .visible import visible
from .words import counted

log_app = App(name="log", help="List what was signed with your peers, verify it, prove it.")
witness_app = App(name="witness", help="Ask a peer to witness your log, or witness a peer's.")
log_app.command(witness_app)
log_app.command(check)

Peer = Annotated[str, Parameter(help="A peer.")]


@log_app.default
async def log(
    peer: Annotated[str | None, Parameter(help="Only with this peer.")] = None,
    /,
    *,
    options: Options = USUAL,
) -> None:
    """List the receipts and answers that you and your peers have signed.

    Example: entrenous log alice
    """
    async with node_of(options) as client:
        found = await client.log()
    found = tuple(one for one in found if peer in (None, one.peer))
    screen = options.screen
    screen.show_lines("log", found)
    screen.table(
        (
            Column("no.", right=True),
            Column("when", whole=True),
            Column("peer"),
            Column("what"),
            Column("pages", right=True),
            Column("signed", whole=True),
        ),
        [_row(one) for one in found],
        "Nothing has been signed yet.",
    )


def _row(one: LogInfo) -> list[str]:
    days = "" if one.first is None or one.last is None else days_in_words(one.first, one.last)
    if one.kind == "receipt":
        read = "they read" if one.way == "given" else "you read"
        what = f"{read} {', '.join(one.collections)}, {days}"
        signed = "by both" if one.two_sided else "by one"
    else:
        said = "done" if one.code == "ok" else f"refused: {one.code}"
        question = "" if one.cmd is None else f" {one.cmd}"
        what = f"{'you' if one.way == 'given' else 'they'} answered{question}: {said}"
        signed = "by server"
    if one.helper is not None:
        what += f", served by {one.helper}"
    if one.helped is not None:
        what += f" (served for {one.helped})"
    if one.principal is not None:
        what += f" ({one.proxy} for {one.principal})"
    pages = f"{one.pages:,}" if one.pages else ""
    return [str(one.index), moment(one.t_ms), one.peer, what, pages, signed]


@log_app.command
async def verify(*, options: Options = USUAL) -> None:
    """Recompute the log and verify every signature and every checkpoint in it.

    Example: entrenous log verify
    """
    async with node_of(options) as client:
        found = await client.log_verify()
    screen = options.screen
    screen.show(
        "log verify",
        {
            "number": found.number,
            "size": found.size,
            "root": found.root.hex(),
            "receipts": found.receipts,
            "one_sided": found.one_sided,
            "answers": found.answers,
            "gaps": found.gaps,
            "checkpoints": found.checkpoints,
            "cosigned": found.cosigned,
        },
    )
    screen.say(f"The log verifies: {counted(found.size, 'word')}.")
    screen.fact("receipts", f"{found.receipts:,} signed by both")
    if found.one_sided:
        screen.fact("", f"{found.one_sided:,} signed by the server only")
    screen.fact("answers", f"{found.answers:,}")
    padding = found.size - found.receipts - found.one_sided - found.answers
    if padding:
        screen.fact("padding", f"{padding:,}, so that its size tells witnesses little")
    if found.gaps:
        screen.fact("gaps", f"{found.gaps:,} words of peers were lost before they were kept")
    if found.cosigned:
        screen.fact("witnesses", f"have cosigned the first {found.cosigned:,} leaves")
    screen.fact("root", found.root.hex())


@log_app.command
async def checkpoint(
    *,
    publish: Annotated[
        bool, Parameter(help="Pad the log, and show it to your witnesses.", negative="")
    ] = False,
    options: Options = USUAL,
) -> None:
    """Print the log as it stands: its size and root, signed by its key.

    Without --publish it is for yourself: the size is not padded, so it tells how much you do.

    Example: entrenous log checkpoint --publish
    """
    async with node_of(options) as client:
        made = await client.log_checkpoint(publish=publish)
    screen = options.screen
    screen.show("log checkpoint", made)
    if not screen.json:
        print(made.note, end="")
        if publish:
            names = ", ".join(visible(name) for name in made.cosigned)
            screen.note(f"Cosigned by {names}." if names else "Nobody has cosigned it yet.")


@log_app.command
async def prove(
    word: Annotated[
        str, Parameter(help="Its number in `entrenous log`, or the beginning of its id.")
    ],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Write a file that proves one receipt or answer to anybody: entrenous log prove 7 > proof

    The file opens this one leaf of the log and no other.  It names your device and the persona
    under which the peer knows you.  `entrenous log check proof` verifies it, without a node.

    Example: entrenous log prove 7 > proof
    """
    if sys.stdout.isatty():
        raise UsageError("a proof is a file and not for the screen: entrenous log prove 7 > proof")
    async with node_of(options) as client:
        made = await client.log_prove(word)
    sys.stdout.buffer.write(made.proof)
    sys.stdout.buffer.flush()
    if made.cosigned:
        names = ", ".join(visible(name) for name in made.cosigned)
        options.screen.note(f"Its checkpoint of {made.size:,} leaves is cosigned by {names}.")
    else:
        options.screen.note(
            f"No witness has cosigned its checkpoint of {made.size:,} leaves (yet): the log could "
            "have been written anew.  `entrenous log witness add PEER` asks a peer."
        )


@log_app.command
async def consent(
    grant: Annotated[str, Parameter(help="A grant given or held, or the beginning of its id.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Print a grant as a consent record and receipt: ISO/IEC TS 27560, in DPV, as JSON-LD.

    Example: entrenous log consent 5hr7q2ka > consent.jsonld
    """
    async with node_of(options) as client:
        written = await client.consent(grant)
    print(written.text)


@log_app.command
async def witnesses(*, options: Options = USUAL) -> None:
    """List who witnesses your log, and whose logs your node witnesses.

    Example: entrenous log witnesses
    """
    async with node_of(options) as client:
        found = await client.witnesses()
    screen = options.screen
    screen.show_lines("log witnesses", found)
    screen.table(
        (
            Column("peer"),
            Column("what"),
            Column("leaves", right=True),
            Column("cosigned", whole=True),
            Column("remarks"),
        ),
        [_witness(one) for one in found],
        "Nobody witnesses your log: an old copy of this home could not be noticed by it alone.  "
        "`entrenous log witness add PEER` asks a peer.",
    )


_STATES = {
    ("ours", "asked"): "was asked",
    ("ours", "witness"): "witnesses your log",
    ("ours", "refused"): "does not",
    ("theirs", "asked"): "asks you: `log witness allow`",
    ("theirs", "allowed"): "you witness theirs",
    ("theirs", "suspended"): "stopped by a restore: `log witness allow`",
    ("theirs", "ended"): "you do not any more",
}


def _witness(one: WitnessInfo) -> list[str]:
    remarks: list[str] = []
    if one.forks:
        remarks.append(f"{counted(one.forks, 'contradiction')}: `log forks`")
    if one.older_ms is not None:
        remarks.append(f"came back older on {moment(one.older_ms)}")
    if one.reason:
        remarks.append(one.reason)
    when = "" if one.cosigned_ms is None else moment(one.cosigned_ms)
    state = _STATES.get((one.side, one.state), one.state)
    return [one.peer, state, f"{one.size:,}" if one.size else "", when, "; ".join(remarks)]


_CONTRADICTS = {
    "fork": "has signed two roots of one size",
    "unproven": "has shown a head, and no proof that it continues the one before",
    "closed": "went on after another log had followed it: a device that its owner left behind, or "
    "a second copy of the home, still writes there",
}


@log_app.command
async def forks(*, options: Options = USUAL) -> None:
    """Print the contradictions in logs that you witness: both signed notes of each.

    Example: entrenous log forks
    """
    async with node_of(options) as client:
        found = await client.log_forks()
    screen = options.screen
    screen.show_lines("log forks", found)
    if screen.json:
        return
    if not found:
        screen.say("No log that you witness has contradicted itself.")
    for one in found:
        said = _CONTRADICTS.get(one.judgement, one.judgement)
        screen.say(f"{moment(one.t_ms)}: the log of {visible(one.peer)} {said}.")
        for title, note in (("cosigned", one.kept), ("then shown", one.shown)):
            screen.say(f"{title}:")
            for line in note.splitlines():
                screen.say(f"  {visible(line)}")


# --- witnesses ------------------------------------------------------------------------------------


@witness_app.command
async def add(peer: Peer, /, *, options: Options = USUAL) -> None:
    """Ask a peer to witness your log: once a day it is shown how long it is, and its root.

    From then on a start of your node serves nobody until one of your witnesses has confirmed that
    this is the newest state of it.

    Example: entrenous log witness add ann
    """
    async with node_of(options) as client:
        await client.witness_add(peer)
    options.screen.say(f"{visible(peer)} is asked to witness your log; its owner decides.")


@witness_app.command
async def remove(peer: Peer, /, *, options: Options = USUAL) -> None:
    """Show a peer no more of your log.

    Example: entrenous log witness remove ann
    """
    async with node_of(options) as client:
        await client.witness_remove(peer)
    options.screen.say(f"{visible(peer)} is not your witness any more.")


@witness_app.command
async def allow(peer: Peer, /, *, options: Options = USUAL) -> None:
    """Witness the log of a peer that asked.

    You learn how much it signs, by 64, and when its node is there; you keep one line a log.

    Example: entrenous log witness allow ann
    """
    async with node_of(options) as client:
        await client.witness_allow(peer)
    options.screen.say(f"Your node witnesses the log of {visible(peer)}.")


@witness_app.command
async def refuse(
    peer: Peer,
    /,
    *,
    reason: Annotated[str | None, Parameter(help="Why, told to them.")] = None,
    options: Options = USUAL,
) -> None:
    """Do not witness the log of a peer, or not any more.

    Example: entrenous log witness refuse ann --reason "I am moving"
    """
    async with node_of(options) as client:
        await client.witness_refuse(peer, reason)
    options.screen.say(f"Your node does not witness the log of {visible(peer)}.")

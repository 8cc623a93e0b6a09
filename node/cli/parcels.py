"""Without a network: `outbox` and `take`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...protocol.command import Cmd
from ..errors import UsageError
from ..results.parcels import Fate, ParcelItem, ParcelTaken, Waiting
from .days import days_in_words, moment
from .options import USUAL, Options, node_of
from .screen import Column, Screen
from .words import counted

# What a command of ours is called while it waits.
_WAITS: Mapping[str, str] = {
    Cmd.DELIVER: "a delivery",
    Cmd.REQUEST: "a request",
    Cmd.DECIDE: "a decision",
    Cmd.ACCEPT: "an acceptance",
    Cmd.DECLINE: "a word that an offer is declined",
    Cmd.KEYS: "keys",
    Cmd.REVOKE: "a revocation",
    Cmd.CARD_PUT: "a card",
    Cmd.READ: "a read by file",
    Cmd.RENEW: "a renewal",
    Cmd.DELETE: "a wish that what was read is deleted",
    Cmd.DELETED: "word that what was read is deleted",
}
# What came of a command of the peer that was acted on: (one, many, what became of it).
_CAME: Mapping[str, tuple[str, str, str]] = {
    Cmd.DELIVER: ("delivery", "deliveries", "stored"),
    Cmd.REQUEST: ("request", "requests", "waiting for you: `entrenous inbox`"),
    Cmd.DECIDE: ("decision", "decisions", "kept"),
    Cmd.ACCEPT: ("acceptance", "acceptances", "answered with keys"),
    Cmd.DECLINE: ("offer declined", "offers declined", "and ended"),
    Cmd.KEYS: ("set of keys", "sets of keys", "kept"),
    Cmd.REVOKE: ("revocation", "revocations", "kept"),
    Cmd.CARD_PUT: ("card", "cards", "kept"),
    Cmd.READ: ("read", "reads", "to be answered with pages"),
}


async def outbox(
    peer: Annotated[str | None, Parameter(help="Only what waits for this peer.")] = None,
    /,
    *,
    to_file: Annotated[
        Path | None, Parameter(help="Write it to this new file, to be carried to the peer.")
    ] = None,
    again: Annotated[bool, Parameter(help="Try again what was given up for this peer.")] = False,
    options: Options = USUAL,
) -> None:
    """List what waits for your peers, or write what waits for one of them to a file.

    Only that peer can open the file, and it does not say whose it is.  Nothing leaves the outbox by
    being written: it goes when the answer has come back, by file or over the network.  What a peer
    answers with nonsense is given up after some tries, until you say --again.

    Example: entrenous outbox alice --to-file /media/stick/parcel
    """
    if again:
        if peer is None or to_file is not None:
            raise UsageError(
                "--again is for one peer, over the network: entrenous outbox PEER --again"
            )
        async with node_of(options) as client:
            done = await client.outbox_again(peer)
        options.screen.show("outbox --again", done)
        options.screen.say(f"{counted(done.again, 'message')} to {done.peer} tried again.")
        return
    if to_file is not None:
        if peer is None:
            raise UsageError("a file is for one peer: say for whom")
        await _write(peer, to_file, options)
        return
    async with node_of(options) as client:
        found = await client.outbox(peer)
    screen = options.screen
    screen.show_lines("outbox", found)
    screen.table(
        (Column("peer"), Column("what"), Column("bytes", right=True), Column("tried", right=True)),
        [_row(one) for one in found],
        "Nothing waits for anybody." if peer is None else f"Nothing waits for {peer}.",
    )


def _row(one: Waiting) -> list[str]:
    size = f"{one.bytes:,}" if one.bytes else ""
    if one.cmd is None:
        parts = [f"{counted(one.answers, 'answer')} to a file of theirs"] if one.answers else []
        return [one.peer, ", ".join(parts + _pages(one.windows, one.signatures)), size, ""]
    what = _WAITS.get(one.cmd, one.cmd)
    if one.given_up:
        what += " (given up: what came in answer was none)"
    return [one.peer, what, size, counted(one.tries, "time") if one.tries else ""]


def _pages(windows: int, signatures: int) -> list[str]:
    """`2 windows of pages`, `1 signature for pages of theirs`."""
    parts = [f"{counted(windows, 'window')} of pages"] if windows else []
    if signatures:
        parts.append(f"{counted(signatures, 'signature')} for pages of theirs")
    return parts


async def _write(peer: str, target: Path, options: Options) -> None:
    async with node_of(options) as client:
        made = await client.write_parcel(peer, target)
    screen = options.screen
    screen.show("outbox --to-file", made)
    held = [counted(made.calls, "message")] if made.calls else []
    if made.answers:
        held.append(counted(made.answers, "answer"))
    held += _pages(made.windows, made.signatures)
    screen.say(f"Written: {made.path}, {' and '.join(held)}, {made.bytes:,} bytes.")
    screen.say(
        f"{made.peer} takes it with `entrenous take`, until {moment(made.until_s * 1000)}; "
        "their answers come back the same way."
    )
    for note in made.notes:
        screen.say(f"{note[0].upper()}{note[1:]}.")
    if made.left:
        screen.say(f"{counted(made.left, 'message')} had no room: they go into the next file.")


async def take(
    file: Annotated[Path, Parameter(help="A file that a peer wrote for you.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Take what a peer has written to a file for you.

    It is let in exactly as if it had come over the network.  Your answers wait for the next file
    back (`entrenous outbox PEER --to-file`).

    Example: entrenous take /media/stick/parcel
    """
    async with node_of(options) as client:
        taken = await client.take(file)
    screen = options.screen
    screen.show("take", taken)
    if taken.before:
        screen.say(f"This file of {taken.peer} was taken before: nothing was changed.")
        return
    screen.say(f"From {taken.peer}: {_summary(taken)}.")
    _windows(screen, taken)
    _refusals(screen, taken)
    if any(item.window is None and not item.answer for item in taken.items):
        screen.say(f"`entrenous outbox {taken.peer} --to-file FILE` takes the answers back.")


def _windows(screen: Screen, taken: ParcelTaken) -> None:
    """What came of reads by file, and what is to be done next."""
    for item in taken.items:
        window = item.window
        if window is None:
            continue
        which = f"window {window.number + 1} of {window.path or 'a read'}"
        days = f"UTC days {days_in_words(window.first, window.last)}"
        if item.answer:
            screen.say(f"Came: {which}, {days}: {counted(window.pages, 'page')}.")
            if window.final:
                screen.say(f"`entrenous fetch {taken.peer} {window.path} --kept` shows them.")
        else:
            screen.say(f"{taken.peer} has signed for {which}, {days}.")
        if not window.final or item.answer:
            more = "your signature" if window.final else "what asks for the rest"
            more = more if item.answer else "the next window"
            screen.say(f"`entrenous outbox {taken.peer} --to-file FILE` takes back {more}.")


def _summary(taken: ParcelTaken) -> str:
    """`2 deliveries stored, 1 request waiting for you, 3 answers`."""
    own = [item for item in taken.items if item.window is None]
    done = Counter(item.cmd for item in own if _new(item) and not item.answer)
    parts: list[str] = []
    for cmd, count in done.items():
        one, many, became = _CAME.get(cmd or "", ("message", "messages", f"done ({cmd})"))
        parts.append(f"{counted(count, one, many)} {became}")
    answers = sum(item.answer and item.fate is not Fate.BEFORE for item in own)
    if answers:
        parts.append(counted(answers, "answer"))
    came = [item.answer for item in taken.items if item.window is not None]
    if any(came):
        parts.append(f"{counted(sum(came), 'window')} of pages")
    if not all(came):
        parts.append(counted(len(came) - sum(came), "signature"))
    return ", ".join(parts) or "nothing new"


def _new(item: ParcelItem) -> bool:
    return item.fate is Fate.DONE


def _refusals(screen: Screen, taken: ParcelTaken) -> None:
    for item in taken.items:
        if item.fate is not Fate.REFUSED:
            continue
        what = item.cmd or "an answer"
        who = f"{taken.peer} refuses" if item.answer and item.cmd else "refused"
        screen.say(f"{what}: {who}: {item.reason}")

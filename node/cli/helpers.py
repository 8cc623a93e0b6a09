"""Helpers: `helpers`, `helpers add`, `remove`, `allow`, `refuse`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from ..results.helpers import HelperInfo
from .days import moment
from .options import USUAL, Options, node_of
from .screen import Column
from .visible import visible

helpers_app = App(name="helpers", help="Let a peer serve for you while you are away.")
Peer = Annotated[str, Parameter(help="The peer.")]

_DID_CHARS_SHOWN = 8
_STATES = {
    ("ours", "asked"): "asked",
    ("ours", "helper"): "serves for you",
    ("ours", "refused"): "does not want to",
    ("ours", "removed"): "removed, has not heard yet",
    ("theirs", "asked"): "asks you: `helpers allow`",
    ("theirs", "allowed"): "you serve for it",
    ("theirs", "ended"): "ended",
}


@helpers_app.default
async def helpers(*, options: Options = USUAL) -> None:
    """List who serves for you while you are away, and for whom your node does.

    A helper keeps pages as they are encrypted, and no key.  It sees collections, days and who
    reads; what it may serve is under a lease of 24 hours at most.

    Example: entrenous helpers
    """
    async with node_of(options) as client:
        found = await client.helpers()
    screen = options.screen
    screen.show_lines("helpers", found)
    screen.table(
        (
            Column("peer"),
            Column("state", whole=True),
            Column("to whom"),
            Column("pages", right=True),
            Column("lease until", whole=True),
        ),
        [_row(one) for one in found],
        "Nobody serves for you while you are away.  `entrenous helpers add PEER` asks a peer.",
    )
    for one in found:
        if one.reason:
            screen.say(f"{visible(one.peer)}: {visible(one.reason)}")


def _row(one: HelperInfo) -> list[str]:
    until = "" if one.until_ms is None else moment(one.until_ms)
    pages = f"{one.pages:,}" if one.side == "theirs" else ""
    readers = ", ".join(_reader(name) for name in one.readers)
    return [one.peer, _STATES[one.side, one.state], readers, pages, until]


def _reader(name: str) -> str:
    """A name of ours; of a persona that is no peer here, its end, as `peers` shows it."""
    return f"…{name[-_DID_CHARS_SHOWN:]}" if name.startswith("did:key:") else name


@helpers_app.command
async def add(
    peer: Peer,
    /,
    *,
    only: Annotated[
        tuple[str, ...],
        Parameter(name="--for", help="A reader that it may serve; again for more.  Else all."),
    ] = (),
    options: Options = USUAL,
) -> None:
    """Ask a peer to serve your readers while you are away; its owner decides.

    It is given your pages as they are encrypted, the grants, and keys that are sealed to your
    readers: it can open nothing.  It sees which collections and days there are, and who reads when.
    Your readers are told its name.  While you are on, it gets a lease of 24 hours every few hours.
    What you take back is told to it at once; if it does not hear, or does not keep its word, it can
    serve what it has until its lease ends.

    Example: entrenous helpers add ann
    """
    async with node_of(options) as client:
        await client.helper_add(peer, only)
        found = await client.helpers()
    serves = ("ours", peer, "helper") in [(one.side, one.peer, one.state) for one in found]
    options.screen.show("helpers add", {"peer": peer, "readers": list(only)})
    if serves:
        options.screen.say(f"{visible(peer)} serves for you already; it is told for whom.")
        return
    options.screen.say(f"{visible(peer)} is asked to serve for you; its owner decides.")
    options.screen.say(
        "It can open nothing, and sees which collections and days there are and who reads when."
    )


@helpers_app.command
async def remove(peer: Peer, /, *, options: Options = USUAL) -> None:
    """Let a peer serve for you no more.

    Example: entrenous helpers remove ann
    """
    async with node_of(options) as client:
        done = await client.helper_remove(peer)
    screen = options.screen
    screen.show("helpers remove", {"peer": peer, "until_ms": done.until_ms})
    screen.say(f"{visible(peer)} is not your helper any more, as soon as it hears of it.")
    if done.until_ms is not None:
        screen.say(f"If it does not hear, its last lease ends at {moment(done.until_ms)}.")


@helpers_app.command
async def allow(peer: Peer, /, *, options: Options = USUAL) -> None:
    """Serve for a peer that asked, while it is away.

    Your node keeps encrypted pages of it, within the quota that it has (`entrenous quota`), and can
    open none.  It signs for what it serves, and tells the peer.

    Example: entrenous helpers allow ben
    """
    async with node_of(options, network=True) as client:
        await client.helper_allow(peer)
    options.screen.show("helpers allow", {"peer": peer})
    options.screen.say(f"Your node serves for {visible(peer)} while it is away.")


@helpers_app.command
async def refuse(
    peer: Peer,
    /,
    *,
    reason: Annotated[str | None, Parameter(help="Why, told to them.")] = None,
    options: Options = USUAL,
) -> None:
    """Do not serve for a peer, or not any more: what you kept for it goes.

    Example: entrenous helpers refuse ben --reason "my disk is small"
    """
    async with node_of(options) as client:
        await client.helper_refuse(peer, reason)
    options.screen.show("helpers refuse", {"peer": peer, "reason": reason})
    options.screen.say(f"Your node does not serve for {visible(peer)}.")

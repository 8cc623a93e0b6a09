"""Peers: `invite`, `pair`, `peers`."""

from __future__ import annotations

import io
import sys
from typing import Annotated

from cyclopts import Parameter

from ..errors import Exit, UsageError
from ..results.peers import Peer
from .days import moment
from .household import For
from .options import USUAL, Options, node_of
from .screen import Column, columns_of
from .standing_words import show_standing, standing_in_a_cell
from .visible import visible
from .vouch import ask_about
from .words import counted

_DID_CHARS_SHOWN = 8
# How long `pair` waits to hear whom it has met.  It never fails by it.
_WAIT_MS = 1_500


async def invite(
    *,
    label: Annotated[str | None, Parameter(help="What you will call whoever uses it.")] = None,
    for_: For = None,
    qr: Annotated[bool, Parameter(help="Show a QR code on a terminal.", negative="--no-qr")] = True,
    options: Options = USUAL,
) -> None:
    """Make a link with which one other node can pair with yours, once, within a day.

    Give it to them in person, or by a channel that you trust: whoever reads it first can use it.

    Example: entrenous invite --label bank
    """
    async with node_of(options, network=True) as client:
        made = await client.invite(label, for_)
    screen = options.screen
    screen.show("invite", made)
    if screen.json:
        return
    # Alone on its line and unbroken: it is copied by people and read by programs.
    print(made.link, flush=True)
    if qr and sys.stdout.isatty():
        _show_qr(made.link)
    screen.note(f"For one use, until {moment(made.exp_s * 1000)}. The other side runs:")
    screen.note(f"  entrenous pair 'entrenous:…'{f' (you will call it {label})' if label else ''}")


async def pair(
    link: Annotated[str, Parameter(help="The link, in quotes; - reads it from standard input.")],
    /,
    *,
    as_: Annotated[str | None, Parameter(name="--as", help="What to call the peer.")] = None,
    for_: For = None,
    options: Options = USUAL,
) -> None:
    """Pair with the node that made a link.

    Example: entrenous pair 'entrenous:…' --as "My bank"
    """
    if link == "-":
        link = sys.stdin.readline().strip()
    async with node_of(options, network=True) as client:
        made = await client.pair(link, as_, for_)
        # An organisation shows its card at once; a person has none to wait for.
        standing = await client.standing(made.name, wait_ms=_WAIT_MS)
    screen = options.screen
    screen.show("pair", {"name": made.name, "did": made.did, "standing": standing})
    screen.say(f"Paired: you call it {made.name}.")
    screen.fact("its persona", made.did)
    show_standing(screen, standing)


async def peers(
    *,
    check: Annotated[
        bool, Parameter(help="Ask the domains that they claim now; else that is done weekly.")
    ] = False,
    ask: Annotated[
        str | None, Parameter(help="Ask your other peers whether they vouch for this one.")
    ] = None,
    of: Annotated[
        tuple[str, ...], Parameter(help="With --ask: whom; else every person you are paired with.")
    ] = (),
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask before asking.")] = False,
    options: Options = USUAL,
) -> int:
    """List the nodes that yours is paired with, and how each is known.

    "known by domain" means that the domain named says that the key is its own; "vouched" that peers
    you asked say that they know it; "unknown" that neither was shown.  None says that it is honest.

    Example: entrenous peers --ask bank --of ann
    """
    if of and ask is None:
        raise UsageError("--of goes with --ask")
    screen = options.screen
    async with node_of(options, network=check or ask is not None) as client:
        if check:
            await client.check_domains()
        if ask is not None and not await ask_about(client, screen, ask, of, yes=yes):
            return Exit.FAILED
        found = await client.peers()
    screen.show_lines("peers", found)
    screen.table(
        (
            Column("peer"),
            Column("known"),
            Column("now", whole=True),
            Column("to send", right=True),
            Column("met", whole=True),
            Column("persona", whole=True),
        ),
        [
            [
                peer.name,
                standing_in_a_cell(peer.standing),
                "connected" if peer.connected else "away",
                str(peer.outbox),
                moment(peer.paired_ms),
                f"…{peer.their[-_DID_CHARS_SHOWN:]}",
            ]
            for peer in found
        ],
        "No peers yet: `entrenous invite` makes a link for one.",
    )
    for peer in found:
        for remark in _remarks(peer):
            screen.say(f"{visible(peer.name)}: {remark}.")
    return Exit.DONE


def _remarks(peer: Peer) -> list[str]:
    """What a person should know of who a peer is, and of its log."""
    said: list[str] = []
    if peer.followed:
        said.append("it lost a device, and is another persona since; you are paired as before")
    if peer.unheard:
        said.append(
            "it has not heard yet who you are since your device was lost: until then the "
            "lost device is you to it"
        )
    if peer.forks:
        said.append(f"{counted(peer.forks, 'contradiction')} of its log: `entrenous log forks`")
    return said


def _show_qr(link: str) -> None:
    """The link as a QR code, if the terminal is wide enough for it."""
    import segno

    drawn = io.StringIO()
    code = segno.make_qr(link, error="l")
    code.terminal(out=drawn, compact=True, border=2)
    if code.symbol_size(border=2)[0] <= columns_of(sys.stdout):
        print(drawn.getvalue())

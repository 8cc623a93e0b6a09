"""Peers: `invite`, `pair`, `peers`."""

from __future__ import annotations

import io
import sys
from typing import Annotated

from cyclopts import Parameter

from .days import moment
from .options import USUAL, Options, node_of
from .screen import Column, columns_of

_DID_CHARS_SHOWN = 8


async def invite(
    *,
    label: Annotated[str | None, Parameter(help="What you will call whoever uses it.")] = None,
    qr: Annotated[bool, Parameter(help="Show a QR code on a terminal.", negative="--no-qr")] = True,
    options: Options = USUAL,
) -> None:
    """Make a link with which one other node can pair with yours, once, within a day.

    Give it to them in person, or by a channel that you trust: whoever reads it first can use it.

    Example: entrenous invite --label bank
    """
    async with node_of(options, network=True) as client:
        made = await client.invite(label)
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
    options: Options = USUAL,
) -> None:
    """Pair with the node that made a link.

    Example: entrenous pair 'entrenous:…' --as "My bank"
    """
    if link == "-":
        link = sys.stdin.readline().strip()
    async with node_of(options, network=True) as client:
        made = await client.pair(link, as_)
    screen = options.screen
    screen.show("pair", made)
    screen.say(f"Paired: you call it {made.name}.")
    screen.fact("its persona", made.did)


async def peers(*, options: Options = USUAL) -> None:
    """List the nodes that yours is paired with.

    Example: entrenous peers
    """
    async with node_of(options) as client:
        found = await client.peers()
    screen = options.screen
    screen.show_lines("peers", found)
    screen.table(
        (
            Column("peer"),
            Column("now", whole=True),
            Column("to send", right=True),
            Column("met", whole=True),
            Column("persona", whole=True),
        ),
        [
            [
                peer.name,
                "connected" if peer.connected else "away",
                str(peer.outbox),
                moment(peer.paired_ms),
                f"…{peer.their[-_DID_CHARS_SHOWN:]}",
            ]
            for peer in found
        ],
        "No peers yet: `entrenous invite` makes a link for one.",
    )


def _show_qr(link: str) -> None:
    """The link as a QR code, if the terminal is wide enough for it."""
    import segno

    drawn = io.StringIO()
    code = segno.make_qr(link, error="l")
    code.terminal(out=drawn, compact=True, border=2)
    if code.symbol_size(border=2)[0] <= columns_of(sys.stdout):
        print(drawn.getvalue())

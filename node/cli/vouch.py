"""Vouching: `vouch`; and asking others whether they do: `peers --ask`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from ..client import Client
from ..errors import Exit, UsageError
from .days import moment
from .options import USUAL, Options, node_of
from .screen import Column, Screen

Yes = Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask before doing it.")]
_NAMES_SHOWN = 8


async def vouch(
    peer: Annotated[str | None, Parameter(help="An organisation; without it, list yours.")] = None,
    /,
    *,
    to: Annotated[
        tuple[str, ...],
        Parameter(help="Who may be told; without it, every person you are paired with now."),
    ] = (),
    withdraw: Annotated[bool, Parameter(help="Vouch no more.")] = False,
    yes: Yes = False,
    options: Options = USUAL,
) -> int:
    """Vouch for an organisation that you know: a peer of yours who asks about it is told so.

    It shows those peers that you deal with it.  Nobody is told who does not ask about it, and
    nobody who pairs with you later.

    Example: entrenous vouch bank --to ann --to ben
    """
    if peer is None:
        if to or withdraw:
            raise UsageError("name the organisation: entrenous vouch PEER")
        await _list(options)
        return Exit.DONE
    if withdraw:
        return await _withdraw(peer, to, options)
    screen = options.screen
    async with node_of(options) as client:
        told = to or tuple(name for name in await client.acquaintances() if name != peer)
    if not told:
        raise UsageError("there is nobody to tell: no peer of yours is a person")
    if not screen.json:
        screen.say(f"{_named(told)} will be told that you know {peer}, if they ask about it.")
    if not screen.confirm(f"Vouch for {peer}?", yes=yes):
        screen.note("Nothing was said.")
        return Exit.FAILED
    async with node_of(options) as client:
        made = await client.vouch(peer, told)
    screen.show("vouch", made)
    screen.say(f"You vouch for {peer}.  `entrenous vouch {peer} --withdraw` takes it back.")
    return Exit.DONE


async def _withdraw(peer: str, to: Sequence[str], options: Options) -> int:
    if to:
        raise UsageError("--to says who is told of a vouch; --withdraw ends it for all")
    async with node_of(options) as client:
        await client.withdraw_vouch(peer)
    screen = options.screen
    screen.show("vouch --withdraw", {"peer": peer})
    screen.say(f"You vouch for {peer} no more.  Who asked before may still count you for a year.")
    return Exit.DONE


async def _list(options: Options) -> None:
    async with node_of(options) as client:
        found = await client.vouches()
    screen = options.screen
    screen.show_lines("vouch (list)", found)
    screen.table(
        (Column("for"), Column("since", whole=True), Column("told if they ask")),
        [[one.peer, moment(one.t_ms), ", ".join(one.told) or "nobody"] for one in found],
        "You vouch for nobody.",
    )


async def ask_about(
    client: Client, screen: Screen, peer: str, of: Sequence[str], *, yes: bool
) -> bool:
    """Ask peers whether they vouch for `peer`, once the person knows whom; False if they will
    not."""
    asked = tuple(of) or tuple(name for name in await client.acquaintances() if name != peer)
    if not asked:
        raise UsageError("there is nobody to ask: no peer of yours is a person")
    if not screen.json:
        screen.say(f"{_named(asked)} will be asked; who knows {peer} learns that you meet it.")
    if not screen.confirm("Ask them?", yes=yes):
        screen.note("Nobody was asked.")
        return False
    for answer in await client.ask_vouches(peer, asked):
        if answer.failed is not None:
            screen.note(f"{answer.peer}: {answer.failed}")
        elif not screen.json:
            screen.fact(answer.peer, "vouches for it" if answer.vouches else "says nothing")
    return True


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown

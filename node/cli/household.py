"""The people of the house: `people`; and acting for another: `mandate`, `mandates`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from ...protocol.command import Cmd
from ..errors import Exit, UsageError
from ..results.household import MandateInfo
from .days import end_of_day_s, moment, span
from .lend_on import lend_on
from .mandate_again import again
from .names import HEAD, find, short
from .options import USUAL, Options, node_of, zone_of
from .screen import Column

people_app = App(name="people", help="List the people of your household, add or remove one.")
mandate_app = App(name="mandate", help="Let somebody act for you, or act for somebody.")
mandate_app.command(again)

For = Annotated[
    str | None,
    Parameter(name="--for", help="For whom of your household: a name, several (A,B), or home."),
]
ActingFor = Annotated[
    str | None,
    Parameter(help="In whose name: a person of your household, or a peer who gave you a mandate."),
]
Born = Annotated[str | None, Parameter(help="Day of birth (YYYY-MM-DD); it never leaves here.")]

# What a mandate may be for, in words.
_MAY = {"request": Cmd.REQUEST, "decide": Cmd.DECIDE}


@people_app.default
async def people(*, options: Options = USUAL) -> None:
    """List the people of your household, what is theirs, and which peers know them.

    Example: entrenous people
    """
    async with node_of(options) as client:
        found = await client.people()
    screen = options.screen
    screen.show_lines("people", found)
    screen.table(
        (Column("name"), Column("in paths", whole=True), Column("born"), Column("peers")),
        [
            [one.name, f"p{one.number}", one.born or "", ", ".join(one.peers) or "none"]
            for one in found
        ],
        "Nobody is named: all that is here is the home's. `entrenous people add NAME` adds one.",
    )


@people_app.command
async def add(
    name: Annotated[str, Parameter(help="What they are called here.")],
    /,
    *,
    born: Born = None,
    options: Options = USUAL,
) -> None:
    """Add a person of your household.

    The name stays on this node. In the paths of their collections stands a number.

    Example: entrenous people add "Mina" --born 2014-05-01
    """
    async with node_of(options) as client:
        made = await client.people_add(name, born)
    options.screen.show("people add", made)
    options.screen.say(f"{made.name} is of the house; their collections end in /p{made.number}.")
    options.screen.say(f"`entrenous import FILE --for {made.name}` puts something there.")


@people_app.command
async def remove(
    name: Annotated[str, Parameter(help="Whom.")], /, *, options: Options = USUAL
) -> None:
    """Remove a person to whom nothing belongs, and whom no peer knows.

    Example: entrenous people remove "Mina"
    """
    async with node_of(options) as client:
        await client.people_remove(name)
    options.screen.show("people remove", {"name": name})
    options.screen.say(f"{name} is not of the house any more; the number is not used again.")


@people_app.command
async def assign(
    collection: Annotated[str, Parameter(help="A collection that says nothing itself.")],
    names: Annotated[str, Parameter(help="Whose it is: a name, several (A,B), or home.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Say whose a collection is that was there before anyone was named.

    Example: entrenous people assign finance/accounts/transactions "Mina"
    """
    async with node_of(options) as client:
        await client.people_assign(collection, names)
    options.screen.show("people assign", {"path": collection, "people": names})
    options.screen.say(f"{collection}: {names}")


# --- mandates -------------------------------------------------------------------------------------


@mandate_app.default
async def mandates(
    *,
    every: Annotated[bool, Parameter(name="--all", help="Also those that have ended.")] = False,
    options: Options = USUAL,
) -> None:
    """List who may act for whom, where, until when: given, held, and handed to you.

    Example: entrenous mandates
    """
    async with node_of(options) as client:
        found = await client.mandates()
        waiting = await client.proxies()
    screen = options.screen
    screen.show_lines("mandates", found)
    shown = [one for one in found if every or one.status == "live"]
    titles = {
        "given": "Given: others act for you",
        "held": "Held: you act for others",
        "lodged": "Handed to you: others act towards you",
    }
    for side, title in titles.items():
        if some := [one for one in shown if one.side == side]:
            screen.say(title)
            for one in some:
                screen.entry(_id(one), _in_words(one), f"may {_may(one)}")
            screen.say()
    if not shown:
        ended = f" that holds ({len(found)} ended; --all)" if found else ""
        screen.say(f"No mandate{ended}.")
    for word in waiting:
        screen.say(
            f"{word.peer} would act for you at {word.at} (until {moment(word.exp_s * 1000)}):"
        )
        screen.say(
            f"  entrenous mandate give {word.peer!r} --at {word.at!r} --may request --until …"
        )


@mandate_app.command
async def ask(
    peer: Annotated[str, Parameter(help="For whom you would act.")],
    /,
    *,
    at: Annotated[str, Parameter(help="Where: an organisation that you are both paired with.")],
    options: Options = USUAL,
) -> None:
    """Tell a peer that you would act for them at an organisation; they decide.

    They learn as whom that organisation knows you, so that they can name you to it, and nothing
    else; the organisation learns nothing yet.

    Example: entrenous mandate ask grandmother --at bank
    """
    async with node_of(options) as client:
        await client.mandate_ask(peer, at)
    options.screen.show("mandate ask", {"peer": peer, "at": at})
    options.screen.say(f"{peer} is told. `entrenous mandates` shows when they have given it.")


@mandate_app.command
async def give(
    peer: Annotated[
        str,
        Parameter(
            help="Who shall act: a peer who asked; or, for somebody of your own household, the "
            "peer's name under which the same organisation knows them."
        ),
    ],
    /,
    *,
    at: Annotated[
        str | None,
        Parameter(
            name=("--at", "--of"),
            help="Where: the organisation, as the principal knows it. Without, at your own node: "
            "they decide what waits in your inbox.",
        ),
    ] = None,
    may: Annotated[
        tuple[Literal["request", "decide", "read"], ...],
        Parameter(
            help="What: ask for data, decide on requests; or read what you were granted. May be "
            "repeated.",
            negative="",
        ),
    ],
    as_: Annotated[
        Literal["parent", "proxy", "guardian"],
        Parameter(name="--as", help="What they are to the principal."),
    ] = "proxy",
    until: Annotated[str | None, Parameter(help="The last day (YYYY-MM-DD).")] = None,
    age: Annotated[
        int | None, Parameter(help="Until the principal, of your household, is so old.")
    ] = None,
    onward: Annotated[bool, Parameter(help="They may pass it on.")] = False,
    under: Annotated[str | None, Parameter(help="Pass on this mandate, which you hold.")] = None,
    from_peer: Annotated[
        tuple[str, ...],
        Parameter(help="At your node: requests of this peer only. May be repeated.", negative=""),
    ] = (),
    purpose: Annotated[
        tuple[str, ...],
        Parameter(help="At your node: for this purpose only. May be repeated.", negative=""),
    ] = (),
    collection: Annotated[
        tuple[str, ...],
        Parameter(help="At your node, or to be read: this collection only.", negative=""),
    ] = (),
    from_: Annotated[
        str | None, Parameter(name="--from", help="To be read: the first day (YYYY-MM-DD).")
    ] = None,
    to: Annotated[
        str | None, Parameter(name="--to", help="To be read: the last day (YYYY-MM-DD), included.")
    ] = None,
    grants_until: Annotated[
        str | None, Parameter(help="At your node: nothing granted beyond this day (YYYY-MM-DD).")
    ] = None,
    options: Options = USUAL,
) -> None:
    """Let somebody act for you at one organisation, or at your own node: it always ends.

    At your own node they see what waits in your inbox, within the limits that you set, and decide
    it; your node does it, with your keys, which they never get. What the limits leave out waits for
    you.

    The organisation is told, and names both of you in all that it answers. You are told of each
    thing done in your name. `entrenous mandate revoke` takes it back at once.

    Example: entrenous mandate give son --at bank --may request --until 2027-12-31
    """
    if "read" in may:
        others = any((age, onward, under, from_peer, purpose, grants_until))
        if may != ("read",) or others or until is None or at is None or not collection:
            raise UsageError(
                "to let somebody read, say of whom (--of), what (--collection, --from, --to) and "
                "until when (--until), and nothing else"
            )
        await lend_on(options, peer, at, collection, span(from_, to, zone_of(False)), until)
        return
    if from_ is not None or to is not None:
        raise UsageError("days are for what somebody may read (--may read)")
    limits = (from_peer, purpose, collection, grants_until)
    if at is None:
        if may != ("decide",) or until is None or age is not None or onward or under is not None:
            raise UsageError(
                "at your own node a peer may decide (--may decide), until a day (--until), and "
                "cannot pass it on; --at says where else"
            )
        await _give_home(options, peer, as_, until, limits)
        return
    if any(limits):
        raise UsageError("limits are for a mandate at your own node (without --at)")
    if not may or (until is None) == (age is None):
        raise UsageError("say what they may do (--may), and until when (--until or --age)")
    zone = zone_of(False)
    async with node_of(options) as client:
        made = await client.mandate_give(
            peer,
            at,
            office=as_,
            commands=[_MAY[one] for one in may],
            exp_s=None if until is None else end_of_day_s(until, zone),
            age=age,
            onward=onward,
            under=under,
        )
    screen = options.screen
    screen.show("mandate give", made)
    screen.say(f"Given ({_id(made)}): {_in_words(made)}")
    screen.fact("they may", _may(made))
    screen.say(f"`entrenous mandate revoke {_id(made)}` takes it back.")


async def _give_home(
    options: Options,
    peer: str,
    office: str,
    until: str,
    limits: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], str | None],
) -> None:
    zone = zone_of(False)
    peers, purposes, collections, last = limits
    async with node_of(options) as client:
        made = await client.mandate_give_home(
            peer,
            office=office,
            exp_s=end_of_day_s(until, zone),
            peers=peers,
            purposes=purposes,
            collections=collections,
            until_s=None if last is None else end_of_day_s(last, zone),
        )
    screen = options.screen
    screen.show("mandate give", made)
    screen.say(f"Given ({_id(made)}): {_in_words(made)}")
    screen.fact("they may", _may(made))
    screen.say(f"`entrenous mandate revoke {_id(made)}` takes it back.")


@mandate_app.command
async def revoke(
    mandate: Annotated[str, Parameter(help="The mandate, or the beginning of its id.")],
    /,
    *,
    options: Options = USUAL,
) -> int:
    """Take a mandate back that you gave, or lay one down that you hold.

    Of one that ended before, it says when, and nothing changes.

    Example: entrenous mandate revoke 5hr7q2ka
    """
    screen = options.screen
    async with node_of(options) as client:
        known = await client.mandates()
        cid = find(mandate, [one.id for one in known], "mandate", "entrenous mandates --all")
        # Handed in here, it is neither ours to end nor ended by us.
        mine = [one for one in known if one.id == cid and one.side in ("given", "held")]
        over = [one for one in mine if one.status in ("revoked", "expired")]
        before_ms = min((_end_ms(one) for one in over), default=None)
        if not mine or len(over) < len(mine):
            before_ms = None
            await client.mandate_end(cid)
    screen.show("mandate revoke", {"mandate": cid, "before_ms": before_ms})
    if before_ms is None:
        screen.say(f"Mandate {short(cid)} holds no longer; everyone it concerns is told.")
    else:
        screen.say(f"Mandate {short(cid)} ended already, {moment(before_ms)}.")
        screen.say("Nothing was changed.")
    return Exit.DONE


def _end_ms(one: MandateInfo) -> int:
    return one.exp_s * 1000 if one.ended_ms is None else one.ended_ms


def _id(one: MandateInfo) -> str:
    enough = one.short.removeprefix(HEAD)
    return enough if len(enough) > len(short(one.id)) else short(one.id)


def _in_words(one: MandateInfo) -> str:
    passed = ", passed on" if one.passed_on else ""
    home = Cmd.MANDATE_DECIDE in one.commands
    place = "" if home else f" at {one.at}"
    return (
        f"{one.proxy} for {one.principal}{place}, as {one.office}{passed}: {one.status}, "
        f"until {moment(one.exp_s * 1000)}"
    )


def _may(one: MandateInfo) -> str:
    if Cmd.MANDATE_DECIDE in one.commands:
        return _within(one)
    words = {cmd.value: word for word, cmd in _MAY.items()}
    onward = ", and pass this on" if one.onward else ""
    return ", ".join(words.get(cmd, cmd) for cmd in one.commands) + onward


def _within(one: MandateInfo) -> str:
    """What a mandate for the principal's own node leaves to the proxy."""
    parts = ["see and decide what waits there"]
    if one.peers:
        parts.append(f"requests of {', '.join(one.peers)}")
    if one.purposes:
        parts.append(f"for {', '.join(one.purposes)}")
    if one.collections:
        parts.append(f"of {', '.join(one.collections)}")
    if one.until_s is not None:
        parts.append(f"granted until {moment(one.until_s * 1000)} at most")
    return "; ".join(parts)

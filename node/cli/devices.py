"""The devices of this person: `devices`, `devices invite`, `confirm`, `sync`, `set`."""

from __future__ import annotations

from typing import Annotated

import trio
from cyclopts import App, Parameter

from ..errors import UsageError
from ..results.devices import DeviceInfo
from .days import moment
from .devices_remove import remove
from .options import USUAL, Options, node_of
from .screen import Column
from .words import counted

devices_app = App(name="devices", help="List your devices, let one join, keep them in step.")
devices_app.command(remove)
_HOUR_S = 3_600
_HOURS_MAX = 24 * 366


@devices_app.default
async def devices(*, options: Options = USUAL) -> None:
    """List the devices that are yours, and those that wait for you to confirm them.

    Example: entrenous devices
    """
    async with node_of(options) as client:
        found = await client.devices()
    screen = options.screen
    screen.show_lines("devices", found)
    screen.table(
        (
            Column("device"),
            Column("since", whole=True),
            Column("in step", whole=True),
            Column("serves", whole=True),
            Column(""),
        ),
        [_row(one) for one in found],
        "There is this device alone.",
    )
    for one in found:
        if one.why is not None:
            screen.say()
            screen.say(f"{one.name}: {one.why}.")


def _row(one: DeviceInfo) -> list[str]:
    if one.serves is not None:
        serves = "yes" if one.serves else "no"
    elif one.state != "used":
        serves = "no"
    elif one.serves_within_s is None:
        serves = "always"
    else:
        serves = f"{one.serves_within_s // _HOUR_S} h alone"
    state = "this device" if one.this else "" if one.state == "used" else one.state
    if not one.this and one.connected:
        state = "linked now"
    since = moment(one.since_ms) if one.since_ms else ""
    synced = "" if one.synced_ms is None else moment(one.synced_ms)
    return [one.name, since, synced, serves, state]


@devices_app.command
async def invite(
    *,
    alone: Annotated[
        int,
        Parameter(help="Hours that it may serve without having spoken with another; 0: always."),
    ] = 24,
    options: Options = USUAL,
) -> None:
    """Make a link by which one new device of yours can join, once, within a quarter of an hour.

    Run `entrenous init --join` with it on the new machine; it shows six digits.  Type these here
    with `entrenous devices confirm`: only then is anything given.

    Example: entrenous devices invite
    """
    async with node_of(options, network=True) as client:
        made = await client.device_invite(_seconds(alone))
    screen = options.screen
    screen.show("devices invite", made)
    if screen.json:
        return
    print(made.link, flush=True)
    screen.note(f"For one device, until {moment(made.exp_s * 1000)}. On the new machine run:")
    screen.note("  entrenous init --join -        and paste the link")
    screen.note("Then, here: entrenous devices confirm and the six digits that it shows.")


@devices_app.command
async def confirm(
    code: Annotated[
        str | None, Parameter(help="The six digits that the new device shows; else asked for.")
    ] = None,
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Take the device that shows these digits among yours: it is given everything.

    Look at the machine in front of you, and at nothing that somebody sent you.

    Example: entrenous devices confirm 123456
    """
    if code is None:
        if not options.screen.asks:
            raise UsageError(
                "give the six digits that the new device shows: `entrenous devices confirm 123456`"
            )
        code = await trio.to_thread.run_sync(input, "The six digits that the new device shows: ")
    async with node_of(options, network=True) as client:
        made = await client.device_confirm(code)
    options.screen.show("devices confirm", made)
    options.screen.say(f"{made.name} is one of your devices now; it fetches what you have.")


@devices_app.command
async def sync(*, options: Options = USUAL) -> None:
    """Fetch now what your other devices have; a running node does so by itself.

    Example: entrenous devices sync
    """
    async with node_of(options, network=True) as client:
        done = await client.devices_sync()
    options.screen.show("devices sync", done)
    others = counted(done.devices, "other device")
    options.screen.say(f"{done.answered} of {others} answered.")


@devices_app.command(name="set")
async def set_(
    device: Annotated[str, Parameter(help="A device, by its name or DID.")],
    /,
    *,
    name: Annotated[str | None, Parameter(help="What to call it.")] = None,
    alone: Annotated[
        int | None,
        Parameter(help="Hours that it may serve without having spoken with another; 0: always."),
    ] = None,
    options: Options = USUAL,
) -> None:
    """Rename a device, or change how long it may serve alone.

    Example: entrenous devices set laptop --alone 72
    """
    if name is None and alone is None:
        raise UsageError("say what to change: --name or --alone")
    seconds = None if alone is None else _seconds(alone)
    async with node_of(options) as client:
        await client.device_change(device, name=name, serves_within_s=seconds)
    options.screen.say("Changed; the other devices hear of it.")


def _seconds(hours: int) -> int:
    if not 0 <= hours <= _HOURS_MAX:
        raise UsageError(f"a device serves alone for 0 to {_HOURS_MAX} hours")
    return hours * _HOUR_S

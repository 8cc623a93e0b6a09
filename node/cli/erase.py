"""`erase`: a record, a collection, or everything; `erased`: what was, and may come again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import App, Parameter

from ...protocol.errors import RecordError
from ...protocol.schema import SCHEMAS
from ..client import Client, NotRunning, connect
from ..errors import Exit, UsageError
from ..imports.spelled_time import read_moment
from ..results.erasure import Erased, ErasureProgress, LeaveTaken
from .days import days_in_words, moment
from .options import USUAL, Options, node_of, zone_of
from .screen import Screen
from .stopping import until_stopped
from .words import counted

erased_app = App(name="erased", help="List what was erased, or let it come again.")


async def erase(
    collection: Annotated[
        str | None, Parameter(help="The collection, as `entrenous collections` lists it.")
    ] = None,
    record: Annotated[
        str | None,
        Parameter(help="One record: its id (or enough of it), or its time if it has no id."),
    ] = None,
    /,
    *,
    everything: Annotated[
        bool, Parameter(help="The whole vault: keys, records, grants, log.", negative="")
    ] = False,
    utc: Annotated[bool, Parameter(help="The time is UTC, not that of your time zone.")] = False,
    wait: Annotated[
        int, Parameter(help="Seconds in which readers can be told, with --everything.")
    ] = 30,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask.")] = False,
    options: Options = USUAL,
) -> int:
    """Erase a record or a collection for good, or the whole vault.

    It is overwritten in the files of this node, and whoever was lent it is asked to delete it.
    Backups made before, and what readers keep in spite of it, are out of reach.

    Example: entrenous erase finance/accounts/transactions 5hr7q2ka
    """
    if everything:
        if collection is not None:
            raise UsageError("--everything erases all there is: name no collection beside it")
        return await _everything(options, wait, yes)
    if collection is None:
        raise UsageError("name a collection, a collection and a record, or --everything")
    screen = options.screen
    if record is None and not yes and not screen.asks:
        # `erase PATH $ID` in a script, with nothing in ID, is not meant to take all of it.
        raise UsageError(f"nobody can be asked here: `erase {collection} --yes` erases all of it")
    what = f"all of {collection}" if record is None else f"this record of {collection}"
    if not screen.confirm(f"Erase {what} for good?", yes=yes):
        screen.note("Nothing was changed.")
        return Exit.FAILED
    async with node_of(options) as client:
        done = await _erase(client, screen, collection, record, utc)
    _show(screen, done)
    return Exit.DONE


class _Progress:
    """One line on stderr that moves, on a terminal only."""

    def __init__(self, screen: Screen) -> None:
        self._on = sys.stderr.isatty() and not screen.json

    def __call__(self, one: ErasureProgress) -> None:
        if self._on:
            ended = one.months_done >= one.months_total
            text = "" if ended else f"{one.months_done:,} of {one.months_total:,} months"
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


async def _erase(
    client: Client, screen: Screen, path: str, record: str | None, utc: bool
) -> Erased:
    if record is None:
        return await client.erase(path, progress=_Progress(screen))
    held = next((one for one in await client.collections() if one.path == path), None)
    if held is None or SCHEMAS[held.schema].has_id:
        return await client.erase(path, record)
    try:
        return await client.erase(path, t_ms=read_moment(record, zone_of(utc)).t_ms)
    except RecordError as error:
        raise UsageError(str(error)) from error


def _show(screen: Screen, done: Erased) -> None:
    screen.show("erase", done)
    again = "" if done.tellings == done.records else f", told {done.tellings:,} times"
    screen.say(f"{counted(done.records, 'record')} of {done.path} erased{again}")
    screen.fact("read back", f"{counted(done.files, 'file')}: nothing of it is in them")
    if done.told:
        screen.fact("told", f"{', '.join(done.told)}, bound by terms to delete what they read")
    if done.free:
        screen.fact("may keep it", f"{', '.join(done.free)}: their terms ask for no deletion")
    screen.note("out of reach: backups that were made before, and what readers keep in spite of it")


# --- everything -----------------------------------------------------------------------------------


async def _everything(options: Options, wait: int, yes: bool) -> int:
    from ..erasure.home import destroy_home, is_being_erased
    from ..store.home import Home

    screen, folder = options.screen, options.folder
    if not yes and not screen.asks:
        raise UsageError("nobody can be asked here: `erase --everything --yes` does not ask")
    if not screen.confirm(
        f"Destroy everything in {folder}: keys, records, grants, log? Nothing brings it back.",
        yes=yes,
    ):
        screen.note("Nothing was changed.")
        return Exit.FAILED
    left = LeaveTaken(0, (), ())
    if not is_being_erased(folder):
        async with node_of(options) as client:
            left = await client.take_leave(wait)
        if left.untold and not screen.confirm(
            f"{', '.join(left.untold)} could not be told. Go on all the same?", yes=yes
        ):
            screen.note(
                "Every grant is taken back, shared records are let go, and what was read on terms "
                "that ask for it is deleted; nothing else was destroyed."
            )
            return Exit.FAILED
        await _stopped(folder)
    done = await trio.to_thread.run_sync(lambda: destroy_home(Home(folder)))
    screen.show(
        "erase --everything",
        {
            "folder": str(folder),
            "files": done.files,
            "grants": left.grants,
            "told": left.told,
            "untold": left.untold,
            "left": done.left,
        },
    )
    screen.say(f"Everything in {folder} is destroyed.")
    screen.fact("grants", f"{left.grants:,} taken back")
    if left.untold:
        screen.note(f"could not be told: {', '.join(left.untold)}")
    if done.left:
        screen.note(f"not ours, and still there: {', '.join(done.left)}")
    screen.note("out of reach: backups, and what readers keep in spite of it")
    return Exit.DONE


async def _stopped(folder: Path) -> None:
    """Stop the node that runs on `folder`, if one does.

    Raises NodeError: it does not stop, and nothing was destroyed.
    """
    try:
        async with connect(folder) as client:
            await client.stop()
    except NotRunning:
        return
    await until_stopped(folder)


# --- what was erased ------------------------------------------------------------------------------


@erased_app.default
async def erased(*, options: Options = USUAL) -> None:
    """List what was erased: how many records of which collection, and nothing of them.

    An import or a delivery leaves them out, and says so.

    Example: entrenous erased
    """
    async with node_of(options) as client:
        found = await client.erased()
    screen = options.screen
    screen.show_lines("erased", found)
    for one in found:
        screen.entry(
            one.path,
            f"{counted(one.records, 'record')}, last on {moment(one.last_ms)}",
            days_in_words(one.first, one.last),
        )
    if not found:
        screen.say("Nothing was erased.")


@erased_app.command
async def lift(
    collection: Annotated[str, Parameter(help="A collection of which something was erased.")],
    /,
    *,
    options: Options = USUAL,
) -> None:
    """Let what was erased of a collection come again, with an import or a delivery.

    Example: entrenous erased lift finance/accounts/transactions
    """
    async with node_of(options) as client:
        done = await client.lift_erased(collection)
    screen = options.screen
    screen.show("erased lift", done)
    screen.say(f"{counted(done.records, 'record')} of {done.path} may come again.")

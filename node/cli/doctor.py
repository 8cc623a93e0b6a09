"""What is wrong with a node, and what to do: `doctor`."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from ...crypto.errors import EntrenousError
from ..client import NotRunning, connect
from ..errors import Exit, NotAllowed
from ..results.node import Finding, State
from .options import USUAL, Options, node_of
from .screen import Screen
from .words import counted

_MARKS = {State.OK: "ok", State.NOTE: "note", State.WRONG: "WRONG"}


async def doctor(
    *,
    outside: Annotated[
        bool,
        Parameter(help="Do not open the home: only what needs no passphrase.", show_default=False),
    ] = False,
    options: Options = USUAL,
) -> int:
    """Say what is wrong with the node of this home, and what to do about it.

    Looks at the home from outside first, then, unless that has failed, into the node: the one
    that runs, or the home itself, for which it asks for the passphrase.  Nothing is changed.  The
    exit code is 1 if anything is wrong.

    Example: entrenous doctor
    """
    # Examining loads the store and every reader; nothing else of the command line needs them.
    from ..health import examine_home

    screen, found = options.screen, list[Finding]()

    def tell(finding: Finding) -> None:
        found.append(finding)
        _show(screen, finding)

    for finding in examine_home(options.folder, os.environ, options.key_file):
        tell(finding)
    if not any(one.state is State.WRONG for one in found):
        for finding in await _from_inside(options, outside):
            tell(finding)
    wrong = sum(one.state is State.WRONG for one in found)
    notes = sum(one.state is State.NOTE for one in found)
    screen.say()
    said = f"{counted(wrong, 'thing')} wrong" if wrong else "Nothing is wrong"
    screen.say(f"{said}, {counted(notes, 'thing')} to know." if notes else f"{said}.")
    return Exit.FAILED if wrong else Exit.DONE


async def _from_inside(options: Options, outside: bool) -> tuple[Finding, ...]:
    try:
        async with connect(options.folder) if outside else node_of(options) as client:
            return await client.health()
    except (NotAllowed, NotRunning) as error:
        # Nobody can be asked for the passphrase here, or nobody should be.
        return (Finding("inside", State.NOTE, f"the node was not looked into: {error}"),)
    except EntrenousError as error:
        return (Finding("inside", State.WRONG, f"the node cannot be looked into: {error}"),)


def _show(screen: Screen, finding: Finding) -> None:
    screen.show_lines("doctor", [finding])
    mark = _MARKS[finding.state]
    screen.entry(mark, f"{finding.check}: {finding.sentence}")
    if finding.remedy:
        screen.entry("", f"→ {finding.remedy}")

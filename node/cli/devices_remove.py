"""`devices remove`: a device was lost or stolen, and is left behind; and what is said of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..errors import UsageError
from .options import USUAL, Options, require_home
from .screen import Screen
from .words import counted

if TYPE_CHECKING:
    from ..leaving_behind import LeftBehind


async def remove(
    device: Annotated[
        str | None,
        Parameter(
            help="Which: its name, or its DID or the start of it; the only other by default."
        ),
    ] = None,
    /,
    *,
    words_fd: Annotated[
        int | None, Parameter(help="Read the recovery words from this file descriptor.")
    ] = None,
    options: Options = USUAL,
) -> None:
    """Leave a device behind that was lost or stolen.  Asks for the recovery words.

    From then on you are somebody else to each peer, by a key that was never on that device: what
    you lent goes on under it, what is written opens with none of its keys, and peers refuse it as
    soon as they have heard.  The node must be stopped; the next `entrenous up` tells every peer.

    Example: entrenous devices remove
    """
    folder, screen = options.folder, options.screen
    require_home(folder)
    from ...crypto.entropy import SystemEntropy
    from ..clock import SystemClock
    from ..leaving_behind import leave_behind

    words = recovery_words(words_fd, screen)
    left = await leave_behind(
        folder,
        device,
        words,
        options.unlock(),
        entropy=SystemEntropy(),
        clock=SystemClock(),
        progress=lambda step: print(f"… {step}", file=sys.stderr) if sys.stderr.isatty() else None,
    )
    screen.show("devices remove", left_fields(left))
    say_left(screen, left)


def left_fields(left: LeftBehind) -> dict[str, object]:
    """What was done, as JSON says it."""
    done = left.succeeded
    return {
        "device": left.device,
        "at_ms": left.at_ms,
        "personas": done.personas,
        "peers": done.peers,
        "given": done.given,
        "left": done.left,
        "held": done.held,
        "invites": done.invites,
        "mandates": done.mandates,
        "others": left.others,
    }


def say_left(screen: Screen, left: LeftBehind) -> None:
    """What was done, and what is still to be done, in words."""
    done = left.succeeded
    screen.say("The device is left behind.")
    screen.fact("device", left.device)
    screen.fact("peers", f"{counted(done.peers, 'peer')} to tell: `entrenous up` does")
    screen.fact("lent", f"{counted(done.given, 'grant')} given again, on the same terms")
    if done.left:
        screen.fact("", f"{counted(done.left, 'grant')} not: paid terms are switched off")
    if done.held:
        screen.fact("borrowed", f"{counted(done.held, 'grant')} to be given again by its owner")
    if done.invites:
        screen.fact("void", counted(done.invites, "open invite"))
    if done.mandates:
        screen.fact("ended", f"{counted(done.mandates, 'mandate')}: `entrenous mandates --all`")
        screen.fact("", "give each again that you want: `entrenous mandate again`")
    if left.others:
        screen.say(
            f"Your {counted(left.others, 'other device')} will hear of it from this one, as soon "
            "as both run."
        )
    screen.say(
        "What the old device has, it can still read; a new backup is due: `entrenous backup`."
    )


def recovery_words(words_fd: int | None, screen: Screen) -> str:
    """The words, from a descriptor or from the person; never from an argument.

    Raises UsageError.
    """
    if words_fd is not None:
        try:
            with open(words_fd, encoding="utf-8") as given:
                return " ".join(given.read(4_096).split())
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"no words can be read from descriptor {words_fd}") from error
    if not screen.asks:
        raise UsageError("the recovery words are needed: give them by --words-fd")
    print("Recovery words, all in order, then an empty line:", file=sys.stderr)
    lines: list[str] = []
    while line := sys.stdin.readline().strip():
        lines.append(line)
    return " ".join(" ".join(lines).split())

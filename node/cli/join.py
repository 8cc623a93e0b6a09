"""`init --join LINK`: this machine becomes another device of somebody who has one."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .options import Options, keep_unlock
from .screen import Screen
from .words import counted

if TYPE_CHECKING:
    from ...crypto.entropy import Entropy
    from ..opening import Unlock


async def join(
    link: str, name: str | None, unlock: Unlock, entropy: Entropy, options: Options
) -> None:
    """Ask the device that made `link`, show the digits, and make a home of what is given."""
    from ..clock import SystemClock
    from ..joining import join_home, new_device
    from ..network.libp2p import Libp2pNetwork

    screen, folder = options.screen, options.folder
    if link == "-":
        link = sys.stdin.readline().strip()
    new = new_device(folder, link, name or platform.node() or "device", unlock, entropy)
    async with Libp2pNetwork(new.device, ("/ip4/127.0.0.1/tcp/0",)) as network:
        made = await join_home(
            folder,
            new,
            unlock,
            network,
            clock=SystemClock(),
            entropy=entropy,
            waiting=lambda code: _waiting(screen, code),
        )
    keep_unlock(folder, unlock)
    _joined(screen, folder, made.name, made.device, made.others)


def _waiting(screen: Screen, code: str) -> None:
    # On stderr: whoever runs this with --json reads the outcome from stdout.
    screen.note(f"This device shows: {code[:3]} {code[3:]}")
    screen.note("On the older device run: entrenous devices confirm, and type these digits.")


def _joined(screen: Screen, folder: Path, name: str, device: str, others: tuple[str, ...]) -> None:
    screen.show("init --join", {"home": str(folder), "name": name, "device": device})
    beside = counted(len(others), "other device")
    screen.say(f"A home for {name} is made in {folder}, beside {beside}.")
    screen.say("The recovery words of the first device are this one's too.")
    screen.say()
    screen.say("Next: `entrenous up` runs the node; it fetches what the others have.")

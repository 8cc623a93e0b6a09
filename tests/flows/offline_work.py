"""What is done to a home while its node does not run, in a process that may die at any step of it.

    join      a new home becomes another device: order `link`
    leave     a device is left behind: order `words`, `device` or none
    restore   a backup becomes the home, which is not there yet: order `backup`, `words`, `stolen`

The command line does the same by the same functions.  `link` and `words` name files: orders are
shown in logs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from entrenous.crypto.entropy import SystemEntropy
from entrenous.node.checkpoint import Checkpoint
from entrenous.node.clock import SystemClock
from entrenous.node.joining import join_home, new_device
from entrenous.node.leaving_behind import leave_behind
from entrenous.node.network.libp2p import Libp2pNetwork
from entrenous.node.opening import read_key_file
from entrenous.node.restoring import restore_home


def _said(order: Mapping[str, str], name: str) -> str:
    return Path(order[name]).read_text()


async def do(order: Mapping[str, str], checkpoint: Checkpoint, shows: Callable[[str], None]) -> str:
    """Carry out one order; what is to be known of it.  Raises EntrenousError."""
    folder, unlock = Path(order["home"]), read_key_file(Path(order["key"]))
    entropy, clock = SystemEntropy(), SystemClock()
    match order["work"]:
        case "join":
            link = _said(order, "link")
            new = new_device(folder, link, order["name"], unlock, entropy, checkpoint)
            async with Libp2pNetwork(new.device, ("/ip4/127.0.0.1/tcp/0",)) as network:
                made = await join_home(
                    folder,
                    new,
                    unlock,
                    network,
                    clock=clock,
                    entropy=entropy,
                    waiting=shows,
                    checkpoint=checkpoint,
                )
            return made.device
        case "leave":
            left = await leave_behind(
                folder,
                order.get("device"),
                _said(order, "words"),
                unlock,
                entropy=entropy,
                clock=clock,
                checkpoint=checkpoint,
            )
            return left.device
        case "restore":
            await restore_home(
                folder,
                Path(order["backup"]),
                _said(order, "words"),
                unlock,
                entropy=entropy,
                clock=clock,
                stolen=order["stolen"] == "yes",
                checkpoint=checkpoint,
            )
            return "restored"
        case other:
            raise AssertionError(f"no such work: {other}")

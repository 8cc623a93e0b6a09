"""`python -m entrenous.tests.hostile ATTACK`: one attack on the node that stdin tells of.

    stdin   the target, one line of JSON; then "tally" as often as one likes, and "stop"
    stdout  "ready"; then for each of these a line of JSON: what came of it so far, counted

It runs at the lowest priority: a real attacker has a machine of its own, here it takes what the
node and its honest reader leave.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import partial

import trio

from entrenous.tests.hostile.attacker import LET_DOWN, Attacker, Target
from entrenous.tests.hostile.attacks import ATTACKS


async def attack(name: str, target: Target) -> dict[str, int]:
    """Attack until standard input says to stop; what came of it."""
    async with trio.open_nursery() as nursery:
        at = Attacker(target, nursery)

        async def go() -> None:
            try:
                await ATTACKS[name](at)
            except LET_DOWN as error:
                # The node did not let it go on; that it ended is told with the rest.
                at.note(error)

        nursery.start_soon(go)
        while (await trio.to_thread.run_sync(sys.stdin.readline)).strip() == "tally":
            print(json.dumps(dict(at.tally)), flush=True)
        nursery.cancel_scope.cancel()
    return dict(at.tally)


def main(arguments: Sequence[str]) -> None:
    name, nice = arguments
    os.nice(int(nice))
    target = Target.read(sys.stdin.readline())
    print("ready", flush=True)
    print(json.dumps(trio.run(partial(attack, name, target))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

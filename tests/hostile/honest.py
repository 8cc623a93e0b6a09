"""The honest reader: a whole node in its own process, which reads one granted day again and again.

stdin  "N\\n"      read N times, with a small call of its own after each tenth
stdout JSON       the milliseconds of each read and of each call
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import trio

from entrenous.node.node import Node
from entrenous.node.peers.peers import Pair
from entrenous.protocol.command import Cmd, RequestArgs
from entrenous.protocol.request import Request
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.tests.benchmarks.two_homes import reader

CALL_EVERY = 10
_TERMS = Terms("dpv:ServiceProvision", 1, (), None, (Clause("no resale", Force.PROMISED),))


async def _read(node: Node, pair: Pair, window: Window) -> float:
    start = time.perf_counter()
    lent = await node.fetcher.fetch(pair, window)
    if lent.pages < 1 or lent.damaged:
        raise AssertionError("a read did not bring the day that was asked for")
    return (time.perf_counter() - start) * 1000


async def _call(node: Node, pair: Pair, window: Window, exp_s: int) -> float:
    """The same small request again: the node has it, and says so in a signed word."""
    request = Request(pair.own, (window,), _TERMS.purpose, _TERMS, exp_s, "")
    args = RequestArgs(pair.their, request).value()
    start = time.perf_counter()
    said = await node.exchange.say(pair, Cmd.REQUEST, args)
    if said.answer.code != "ok":
        raise AssertionError(f"a small call was answered {said.answer.code}")
    return (time.perf_counter() - start) * 1000


async def _serve(invite: str, collection: str, first: int, last: int) -> None:
    async with reader(invite, [Window(collection, first, last)]) as (node, pair):
        exp_s = node.clock.now_ms() // 1000 + 80_000
        day = first
        print("ready", flush=True)
        while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            reads: list[float] = []
            calls: list[float] = []
            for number in range(int(line)):
                day = first + (day - first + 7) % (last - first + 1)
                reads.append(await _read(node, pair, Window(collection, day, day)))
                if number % CALL_EVERY == 0:
                    calls.append(await _call(node, pair, Window(collection, first, last), exp_s))
            print(json.dumps({"reads": reads, "calls": calls}), flush=True)


def main(arguments: Sequence[str]) -> None:
    invite, collection, first, last = arguments
    trio.run(_serve, invite, collection, int(first), int(last))


if __name__ == "__main__":
    main(sys.argv[1:])

"""kill -9 while programs push: what was acknowledged is there, and pushing again adds nothing.

A real daemon on a real disk; programs push over its socket, each record acknowledged or not, until
it is killed in the middle.  It is started again on what it left, and the programs go on, with what
was not acknowledged first.  `KILLS` (default 10) is how often it dies, here a few times at most.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import os
import random
import signal
from functools import partial
from pathlib import Path

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.node.client import connect
from entrenous.node.clock import SystemClock
from entrenous.node.config import Config
from entrenous.node.opening import Passphrase, init_home
from entrenous.node.push.client import PushAway, PushClient, PushToken, new_program_key
from entrenous.protocol.did import did_of
from entrenous.protocol.wire import Value
from entrenous.tests.node.daemon_process import PASSPHRASE, Daemon, daemon
from entrenous.tests.node.push_node import PATH, SCHEMA, reading

KILLS = min(int(os.environ.get("KILLS", "10")), 3)
PROGRAMS = 3
LISTEN = ("--listen", "/ip4/127.0.0.1/tcp/0")
YEAR_S = 365 * 86_400


async def allowed(home: Path, name: str, now_s: int) -> PushToken:
    key = new_program_key()
    async with connect(home) as client:
        info = await client.allow(
            name, PATH, did_of(key.public), schema=SCHEMA, per_minute=60_000, exp_s=now_s + YEAR_S
        )
    assert info.socket is not None
    chain = (info.delegation,)
    return PushToken(name, Path(info.socket), os.geteuid(), key, chain, info.per_minute)


class Program:
    """Pushes one record after the other, and knows which were acknowledged."""

    def __init__(self, number: int, token: PushToken) -> None:
        self.token = token
        self.next = number * 10_000
        self.acknowledged: list[int] = []
        self.away: PushAway | None = None

    def push_until_away(self) -> None:
        with PushClient(self.token, patience_s=0) as line:
            while True:
                row: dict[str, Value] = reading(self.next)
                try:
                    line.add_rows([row])
                except PushAway as away:
                    self.away = away
                    return
                self.acknowledged.append(self.next)
                self.next += 1


async def stored(home: Path) -> list[int]:
    async with connect(home) as client:
        found = await client.read(PATH, 0, 65_535)
    assert not found.damaged
    start = int(str(reading(0)["time"]))
    return [(t_ms - start) // 60_000 for t_ms in found.batch.times]


async def until_dead(node: Daemon, programs: list[Program], after: int) -> None:
    """Push until the node dies, which it does once `after` records are acknowledged."""

    def count() -> int:
        return sum(len(program.acknowledged) for program in programs)

    wanted = count() + after
    for program in programs:
        program.away = None

    async with trio.open_nursery() as nursery:
        for program in programs:
            nursery.start_soon(trio.to_thread.run_sync, program.push_until_away)
        with trio.fail_after(120):
            while count() < wanted:
                gone = [program.away for program in programs if program.away is not None]
                assert not gone, f"a node that runs is away: {gone[0].__cause__!r}"
                await trio.sleep(0.002)
        os.kill(node.process.pid, signal.SIGKILL)


async def test_what_was_acknowledged_survives_and_comes_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    entropy = SystemEntropy()
    init_home(home, Config(), Passphrase(PASSPHRASE), entropy)
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    start = partial(daemon, home, *LISTEN, runtime=runtime)
    programs: list[Program] = []
    for life in range(KILLS):
        with start() as node:
            assert node.ready is not None
            if not programs:
                now_s = SystemClock().now_ms() // 1000
                for number in range(PROGRAMS):
                    token = await allowed(home, f"program {number}", now_s)
                    programs.append(Program(number, token))
            there = await stored(home) if life else []
            acknowledged = {one for program in programs for one in program.acknowledged}
            assert len(set(there)) == len(there), "a record is there twice"
            assert acknowledged <= set(there), "an acknowledged record is gone"
            # at most the one that each program had under way came beside them
            assert len(there) <= len(acknowledged) + PROGRAMS
            await until_dead(node, programs, random.Random(life).randint(20, 60))
            node.process.wait(30)
    with start() as node:
        assert node.ready is not None
        there = await stored(home)
        acknowledged = {one for program in programs for one in program.acknowledged}
        assert acknowledged <= set(there)
        for program in programs:  # what was under way is pushed again: there once
            with PushClient(program.token, patience_s=10) as line:
                await trio.to_thread.run_sync(line.add_rows, [reading(program.next)])
        there = await stored(home)
        assert len(set(there)) == len(there) == len(acknowledged) + PROGRAMS

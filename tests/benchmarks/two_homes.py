"""Two nodes in two processes, one that lends and one that reads, for the benchmarks of reading.

    lender   its own process: makes a home, fills it, prints an invite, grants what is asked
    reader   the process that measures: makes a home, scans the invite, asks, reads

Both homes are real: aiosqlite on disk, libp2p over TCP on this machine, the system's clock and
entropy.  `ENTRENOUS_PROFILE=FILE` makes the lender write what cProfile saw of its main thread.
"""

from __future__ import annotations

import cProfile
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import RecoverySecret
from entrenous.node.clock import SystemClock
from entrenous.node.config import Config, Role
from entrenous.node.exchange.turns import ALONE_S
from entrenous.node.keystore import Keystore
from entrenous.node.network.libp2p import Libp2pNetwork
from entrenous.node.node import Ground, Node
from entrenous.node.offload import ThreadOffload
from entrenous.node.peers.peers import Pair
from entrenous.node.store.aiosqlite import AiosqliteDatabase
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.day import DAY_MS, start_ms
from entrenous.protocol.pairing import parse_link
from entrenous.protocol.record import Batch
from entrenous.protocol.request import Request, parse_request
from entrenous.protocol.schema import METER_READING, TRANSACTION, Schema
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window

METER = "energy/electricity/load-curve"
BANK = "finance/accounts/transactions"
FIRST_DAY = 20_089
HALF_HOURS = 48

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Fill:
    """How much the lender has of each collection, in days; the schema's bucket makes the pages."""

    meter_days: int
    bank_days: int = 0


@asynccontextmanager
async def node_in(folder: Path, name: str, role: Role) -> AsyncGenerator[Node]:
    """A new home in `folder`, on the network until the context ends."""
    entropy = SystemEntropy()
    keystore = Keystore.create(RecoverySecret.generate(entropy), entropy)
    async with (
        AiosqliteDatabase(folder / "store.db") as database,
        Libp2pNetwork(keystore.device, ["/ip4/127.0.0.1/tcp/0"]) as network,
        trio.open_nursery() as nursery,
    ):
        ground = Ground(database, network, SystemClock(), entropy, ThreadOffload())
        node = Node(ground, keystore, Config(name=name, role=role))
        await nursery.start(node.run)
        yield node
        nursery.cancel_scope.cancel()


# --- the lender -----------------------------------------------------------------------------------


def readings(first: int, days: int) -> Batch:
    """Half-hours of `days` days from day `first` on: one page of one 2 KiB bucket a day."""
    rows = days * HALF_HOURS
    start = start_ms(first)
    columns = {
        "time": [start + row * DAY_MS // HALF_HOURS for row in range(rows)],
        "offset_min": [60] * rows,
        "duration_s": [1800] * rows,
        "value": [(200 + row * 37 % 900, 3) for row in range(rows)],
        "unit": ["kWh"] * rows,
        "quality": [None] * rows,
    }
    return Batch(METER_READING, columns).check()


def transactions(first: int, days: int) -> Batch:
    """Six transactions a day: one page of one 1 KiB bucket a day."""
    each = 6
    rows = days * each
    start = start_ms(first)
    columns = {
        "id": [f"2025-{row:08d}" for row in range(rows)],
        "time": [start + row * (DAY_MS // each) for row in range(rows)],
        "offset_min": [60] * rows,
        "amount": [(-(100 + row * 977 % 90_000), 2) for row in range(rows)],
        "currency": ["EUR"] * rows,
        "label": [f"card payment {row * 7919 % 10_007}" for row in range(rows)],
        "counterparty": [None] * rows,
        "kind": ["card"] * rows,
    }
    return Batch(TRANSACTION, columns).check()


async def lend(folder: Path, fill: Fill) -> None:
    """Fill a home, print an invite, grant what is asked first; until standard input ends."""
    async with node_in(folder, "lender", Role.PERSON) as node:
        for path, schema, batch in _contents(fill):
            await node.vault.write(path, schema, pieces_of(batch), origin=b"benchmark")
        now_ms = node.clock.now_ms()
        invite = await node.store.database.write(
            lambda tx: node.meeting.invite(tx, node.addresses(), "reader", now_ms)
        )
        print(invite.link(), flush=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_grant_what_is_asked, node)
            await trio.to_thread.run_sync(sys.stdin.read)
            nursery.cancel_scope.cancel()


def _contents(fill: Fill) -> Iterator[tuple[str, Schema, Batch]]:
    if fill.meter_days:
        yield METER, METER_READING, readings(FIRST_DAY, fill.meter_days)
    if fill.bank_days:
        yield BANK, TRANSACTION, transactions(FIRST_DAY, fill.bank_days)


async def _grant_what_is_asked(node: Node) -> None:
    """Grant the first request that comes, as it was asked."""
    # A benchmark looks from outside: nothing in a node tells of a request that came.
    while not (waiting := await node.store.database.read(node.inbox.all)):  # noqa: ASYNC110  # another node decides
        await trio.sleep(0.02)
    cid, asked = waiting[0]
    request = parse_request(asked.raw)
    now_ms = node.clock.now_ms()
    # Until the second that was asked for, which began in another process: one more is refused.
    await node.store.database.write(
        lambda tx: node.lending.grant(tx, cid, request.items, request.exp_s, now_ms)
    )
    node.outgoing.notify()


@contextmanager
def lender(fill: Fill) -> Generator[str]:
    """The lender in its own process; its invite link."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        command = [sys.executable, "-m", "entrenous.tests.benchmarks.two_homes", folder]
        command += [str(fill.meter_days), str(fill.bank_days)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                yield process.stdout.readline().strip()
            finally:
                process.stdin.close()
                process.wait(30)


# --- the reader -----------------------------------------------------------------------------------


@asynccontextmanager
async def reader(invite: str, windows: Sequence[Window]) -> AsyncGenerator[tuple[Node, Pair]]:
    """A paired node that was granted `windows` and has the keys."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        async with node_in(Path(folder), "reader", Role.ORGANISATION) as node:
            pair = await node.exchange.pair(parse_link(invite), "lender")
            terms = Terms(
                "dpv:ServiceProvision",
                30,
                ("reader",),
                None,
                (Clause("no resale", Force.PROMISED),),
            )
            now_ms = node.clock.now_ms()
            request = Request(
                pair.own, tuple(windows), terms.purpose, terms, now_ms // 1000 + 86_400, ""
            )
            await node.store.database.write(
                lambda tx: node.borrowing.ask(tx, pair, request, now_ms)
            )
            node.outgoing.notify()
            await _until_keys_came(node)
            # To the lender, whoever paired is a stranger who is about for a moment longer, and
            # beside others it serves smaller windows.
            await trio.sleep(1.2 * ALONE_S)
            yield node, pair


async def _until_keys_came(node: Node) -> None:
    with trio.fail_after(120):
        while True:
            held = await node.store.database.read(node.borrowing.all)
            if held and held[0].keysets:
                return
            await trio.sleep(0.02)


def main(arguments: Sequence[str]) -> None:
    folder, meter_days, bank_days = arguments
    profile = os.environ.get("ENTRENOUS_PROFILE")
    fill = Fill(int(meter_days), int(bank_days))
    if profile is None:
        trio.run(lend, Path(folder), fill)
        return
    with cProfile.Profile() as seen:
        trio.run(lend, Path(folder), fill)
    seen.dump_stats(profile)


if __name__ == "__main__":
    main(sys.argv[1:])

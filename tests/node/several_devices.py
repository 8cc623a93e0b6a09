"""Several devices of one person, over the memory network."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import trio

from entrenous.node.checkpoint import UNWATCHED, Checkpoint
from entrenous.node.config import Config, Role
from entrenous.node.joining import NewDevice, ask_to_join, settle
from entrenous.node.network.memory import MemoryNetwork
from entrenous.node.node import Ground, Node
from entrenous.node.offload import InlineOffload
from entrenous.node.store.inline import InlineDatabase
from entrenous.protocol.joining import join_link
from entrenous.tests.node.two_nodes import Party, Town
from entrenous.tests.node.two_nodes import settle as settled


async def make_link(older: Party, serves_within_s: int | None = None) -> str:
    invite = await older.write(
        lambda tx: older.node.enrolling.invite(
            tx, older.node.addresses(), serves_within_s, older.now_ms
        )
    )
    return join_link(invite)


async def another(
    town: Town,
    older: Party,
    name: str,
    *,
    serves_within_s: int | None = None,
    checkpoint: Checkpoint = UNWATCHED,
    file: Path | None = None,
) -> Party:
    """Another device of the person whose device `older` is, in step with it.

    Its store lies in `file`, else in memory.
    """
    link = await make_link(older, serves_within_s)
    entropy = town.entropy.fork(name)
    new = NewDevice.create(link, name, entropy)
    network = MemoryNetwork(new.device, town.world)

    async def confirm(code: str) -> None:
        row = await older.write(lambda tx: older.node.enrolling.confirm(tx, code, older.now_ms))
        assert row is not None
        older.node.keeping.hurry()

    async with network, trio.open_nursery() as nursery:
        given = await ask_to_join(
            new, network, town.clock, entropy, lambda code: nursery.start_soon(confirm, code)
        )
    database = await town.stack.enter_async_context(InlineDatabase(file, durable=file is not None))
    ground = Ground(
        database,
        MemoryNetwork(new.device, town.world),
        town.clock,
        entropy,
        InlineOffload(),
        checkpoint,
    )
    config = Config(name=given.name, role=Role(given.role))
    party = Party(name, Node(ground, new.keystore(given), config), older.nursery)
    await party.write(lambda tx: settle(party.node, new, given, party.now_ms, tx))
    await party.up()
    await in_step(older, party)
    return party


async def in_step(*devices: Party, rounds: int = 2) -> None:
    """Let every device fetch from every other, and say what follows."""
    for _ in range(rounds):
        for device in devices:
            await device.node.keeping.fetch_all()
    await settled()


async def digests(device: Party) -> dict[str, bytes]:
    """What a device would say that it has."""
    return dict(await device.read(device.node.handing_over.digests))


async def same(*devices: Party) -> None:
    """Assert that all hold the same of everything that devices share."""
    first, *rest = [await digests(device) for device in devices]
    for other in rest:
        differing = {name for name in first | other if first.get(name) != other.get(name)}
        assert not differing, differing


def names(parties: Sequence[Party]) -> list[str]:
    return [party.name for party in parties]

"""Nodes on a disk that forgets what was not synced, that is full, that fails.

The lines are those of `test_kills.py`, with the power cut at every death: the files become what was
durable at that moment (`tests/shim`), which is nothing of the rest, or torn pieces of it.  The same
must hold as after a kill.  Then a disk without room, and one whose sync fails: one clear sentence,
nothing changed, and once there is room the node that was running all along goes on.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Awaitable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from entrenous.node.client import Client
from entrenous.node.config import Role
from entrenous.node.errors import NodeError, Refused
from entrenous.node.imports.imports import Step as ImportStep
from entrenous.node.steps import GrantStep, ReadStep, RevokeStep
from entrenous.protocol.day import DAY_MAX
from entrenous.simulations.files import energy_file
from entrenous.tests.flows.deaths import (
    ForkServer,
    Mortal,
    Tally,
    check_at_rest,
    fork_server,
)
from entrenous.tests.flows.test_kills import (
    A_DAY,
    DAY,
    FIRST,
    PATH,
    Line,
    grant_line,
    import_line,
    read_line,
    revoke_line,
    two_homes,
)
from entrenous.tests.shim.disk import Disk, Loss, build

T = TypeVar("T")

CUTS = 6


@dataclass
class Yard:
    """Homes that each have a disk of their own."""

    server: ForkServer
    root: Path
    loss: Loss = Loss.ALL
    disks: dict[str, Disk] = field(default_factory=lambda: dict[str, Disk]())

    def make(self, folder: Path, name: str, role: Role) -> Mortal:
        disk = Disk.make(folder / name, folder / f"{name}.side")
        disk.loss, disk.chance = self.loss, random.Random(f"{name} {self.loss}")
        self.disks[name] = disk
        return Mortal.make(self.server, folder, name, role, disk)

    @property
    def dropped(self) -> int:
        return sum(disk.dropped for disk in self.disks.values())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ForkServer]:
    with fork_server(build(tmp_path_factory.mktemp("library"))) as found:
        yield found


@pytest.fixture
def yard(server: ForkServer, tmp_path: Path) -> Yard:
    return Yard(server, tmp_path)


LINES: dict[str, tuple[Line, Sequence[str]]] = {
    "import": (import_line, list(ImportStep)),
    "grant": (grant_line, list(GrantStep)),
    "read": (read_line, list(ReadStep)),
    "revoke": (revoke_line, list(RevokeStep)),
}


@pytest.mark.parametrize("loss", Loss)
@pytest.mark.parametrize("work", LINES)
async def test_the_power_goes_at_every_step(
    yard: Yard, work: str, loss: Loss, capsys: pytest.CaptureFixture[str]
) -> None:
    line, steps = LINES[work]
    tally = Tally()
    yard.loss = loss
    await line(yard.make, yard.root, 1, tally)
    with capsys.disabled():
        print(f"\n  {work}: power cut at {len(steps)} steps, {yard.dropped} changes lost", end=" ")
    assert {step: tally.deaths[step] for step in steps} == dict.fromkeys(steps, 1)
    assert yard.dropped, "the disk never had anything to forget"


@pytest.mark.parametrize("loss", Loss)
async def test_the_power_goes_between_a_write_and_its_sync(yard: Yard, loss: Loss) -> None:
    """What was written and is not synced yet is likeliest to be lost, or to be there by half."""
    yard.loss = loss
    home = yard.make(yard.root, "home", Role.PERSON)
    await home.start()
    brought = cuts = 0
    yard.disks["home"].set(kills=1)
    while cuts < CUTS:
        file = yard.root / f"{brought}.xml"
        first = FIRST + datetime.timedelta(days=brought)
        file.write_bytes(energy_file(1, first=first, days=1).data)
        if await home.attempt(lambda client, file=file: client.import_(file)) is None:
            await home.buried()
            cuts += 1
            yard.disks["home"].set()
            await home.start()
            await home.ask(lambda client, file=file: client.import_(file))
            yard.disks["home"].set(kills=1 + cuts % 3)
        brought += 1
        assert brought < 10 * CUTS, "nothing is synced"
        got = await home.ask(lambda client: client.read(PATH, 0, DAY_MAX))
        assert (len(got.batch), got.damaged) == (brought * A_DAY, ())
    yard.disks["home"].set()
    await home.stop()
    await check_at_rest([home])
    assert yard.dropped >= cuts


# --- full -----------------------------------------------------------------------------------------


async def said_no(call: Awaitable[T]) -> str:
    """The sentence with which a node did not do what it was asked."""
    with pytest.raises(NodeError) as caught:
        await call
    # A peer is told to come again, never no.
    assert not isinstance(caught.value, Refused) or caught.value.code == "busy"
    return str(caught.value)


@pytest.mark.parametrize("room", [0, 5_000, 40_000, 90_000])
async def test_an_import_into_a_full_disk_changes_nothing(yard: Yard, room: int) -> None:
    home = yard.make(yard.root, "home", Role.PERSON)
    disk = yard.disks["home"]
    await home.start()
    small, large = yard.root / "small.xml", yard.root / "large.xml"
    small.write_bytes(energy_file(1, first=FIRST, days=1).data)
    large.write_bytes(energy_file(1, first=FIRST + datetime.timedelta(days=1), days=60).data)
    await home.ask(lambda client: client.import_(small))
    disk.set(space=room)
    sentence = await said_no(home.ask(lambda client: client.import_(large)))
    assert "disk is full" in sentence
    got = await home.ask(lambda client: client.read(PATH, 0, DAY_MAX))
    assert len(got.batch) == A_DAY
    disk.set()
    (done,) = (await home.ask(lambda client: client.import_(large))).imported
    assert (done.new, done.duplicates) == (60 * A_DAY, 0)
    await home.stop()
    assert (await _days(home)) == 61
    await check_at_rest([home])


async def _days(home: Mortal) -> int:
    await home.start()
    got = await home.ask(lambda client: client.read(PATH, 0, DAY_MAX))
    await home.stop()
    return len(got.batch) // A_DAY


async def test_lending_on_a_full_disk(yard: Yard) -> None:
    """Nothing is granted, served or taken back that cannot be kept; then all of it is."""
    async with two_homes(yard.make, yard.root, Tally(), 3) as two:
        owner, reader = yard.disks["owner"], yard.disks["reader"]
        grant = await two.grant(DAY, DAY)
        request = await two.request(DAY + 1, DAY + 1)

        async def without_room(disk: Disk, call: Awaitable[object]) -> str:
            disk.set(space=0)
            sentence = await said_no(call)
            disk.set()
            return sentence

        assert "disk is full" in await without_room(
            owner, two.owner.ask(lambda client: client.grant(request))
        )
        assert await two.grants_on(two.owner, DAY + 1) == []
        had = await _signed(two.owner)
        await without_room(owner, two.fetch(DAY, DAY))
        assert await _signed(two.owner) == had, "a window was signed that could not be kept"
        await without_room(reader, two.fetch(DAY, DAY))
        assert "disk is full" in await without_room(
            owner, two.owner.ask(lambda client: client.revoke(grant))
        )
        await two.fetched(DAY, DAY)
        await two.owner.ask(lambda client: client.grant(request))
        await two.fetched(DAY + 1, DAY + 1)
        await two.owner.ask(lambda client: client.revoke(grant))
        with pytest.raises(Refused, match="taken back"):
            await two.fetch(DAY, DAY)


async def _signed(owner: Mortal) -> int:
    words = await owner.ask(Client.log)
    return sum(word.kind == "receipt" for word in words)


# --- failing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("syncs", [1, 2, 3])
async def test_a_sync_that_fails_acknowledges_nothing(yard: Yard, syncs: int) -> None:
    """The kernel says EIO once and forgets what it had; what was acknowledged is there for good."""
    home = yard.make(yard.root, "home", Role.PERSON)
    disk = yard.disks["home"]
    await home.start()
    disk.set(syncs=syncs)
    failed: list[str] = []
    for number in range(4):
        file = yard.root / f"{number}.xml"
        first = FIRST + datetime.timedelta(days=number)
        file.write_bytes(energy_file(1, first=first, days=1).data)
        try:
            await home.ask(lambda client, file=file: client.import_(file))
        except NodeError as error:
            failed.append(str(error))
            await home.ask(lambda client, file=file: client.import_(file))
    assert len(failed) == 1
    assert "store cannot be used" in failed[0]
    assert not disk.sync_is_due
    await home.arm(ImportStep.READ)
    again = yard.root / "0.xml"
    assert await home.attempt(lambda client: client.import_(again)) is None
    await home.buried()
    assert await _days(home) == 4
    await check_at_rest([home])


async def test_short_writes_are_gone_on_with(yard: Yard) -> None:
    home = yard.make(yard.root, "home", Role.PERSON)
    yard.disks["home"].set(halves=True)
    await home.start()
    file = yard.root / "days.xml"
    file.write_bytes(energy_file(1, first=FIRST, days=20).data)
    await home.ask(lambda client: client.import_(file))
    await home.stop()
    assert await _days(home) == 20
    await check_at_rest([home])

"""A person with three devices loses one: what becomes of it, and of the two that are left."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.crypto.errors import EntrenousError
from entrenous.crypto.keys import PersonaKey, ReaderSecret, RecoverySecret
from entrenous.crypto.shares import recovery_secret
from entrenous.node.devices.left_devices import OtherDevice, Was
from entrenous.node.devices.space import Taking
from entrenous.node.errors import Away, Refused
from entrenous.node.leaving_behind import list_of, stepped, succeed
from entrenous.node.node import Ground, Node
from entrenous.node.offload import InlineOffload
from entrenous.node.peers.pair import OwnPersona
from entrenous.node.vault.stored import entry_of
from entrenous.protocol.day import UNDATED
from entrenous.protocol.errors import CapabilityError
from entrenous.protocol.persona import make_inception
from entrenous.protocol.window import Window
from entrenous.tests.node.lost_device import with_words
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, Town, a_town, lend, meet, settle

FIRST = DAY - 10
DAYS = Window(CURVE, FIRST, DAY + 5)


@dataclass
class Family:
    """A person with three devices, and a bank that reads from them."""

    town: Town
    home: Party
    laptop: Party
    tablet: Party
    bank: Party
    recovery: RecoverySecret
    lives: int = 0

    async def removes(self, device: Party, gone: Party) -> Party:
        """`device` leaves `gone` behind with the recovery words; it is another node then, and off.

        What `leave_behind` does with a home, on one that lies in memory.
        """
        self.lives += 1
        old, name = device.node, gone.node.own_devices.device
        number = await device.read(lambda tx: list_of(tx, old))
        entropy = self.town.entropy.fork(f"{device.name} {self.lives}")
        keystore = stepped(old.keystore, number, self.recovery, entropy)
        ground = Ground(
            old.store.database,
            old.network,
            self.town.clock,
            entropy,
            InlineOffload(),
        )
        fresh = Party(device.name, Node(ground, keystore, old.config), self.town.nursery)
        now_ms = fresh.now_ms
        other = OtherDevice(name, Was.SIBLING, now_ms)
        await fresh.write(lambda tx: succeed(tx, fresh.node, self.recovery, other, now_ms))
        return fresh


@asynccontextmanager
async def a_family(tmp_path: Path) -> AsyncGenerator[Family]:
    async with a_town() as town:
        lost = await with_words(town, tmp_path, "home")
        home, bank = lost.alice, await town.party("bank")
        await home.fill(CURVE, FIRST, 10)
        await meet(home, bank)
        await lend(home, bank, DAYS)
        laptop = await another(town, home, "laptop")
        tablet = await another(town, home, "tablet")
        await in_step(home, laptop, tablet)
        recovery = recovery_secret(lost.words)
        yield Family(town, home, laptop, tablet, bank, recovery)


async def down(*parties: Party) -> None:
    for party in parties:
        await party.down()


async def up(*parties: Party) -> None:
    for party in parties:
        await party.up()
    await settle(70)


async def epochs_of_pages(party: Party, first: int) -> set[bytes]:
    """Under which epochs the pages from a day on lie."""
    vault = party.node.vault
    stored = await party.read(lambda tx: vault.stored(tx, CURVE, first, UNDATED))
    return {entry_of(one.raw).epoch for one in stored}


async def personas(party: Party) -> dict[str, str]:
    """Who this person is to each peer, as this device knows it."""
    peers = party.node.peers
    found = await party.read(lambda tx: [(pair.their, pair.own_now) for pair in peers.all(tx)])
    return {str(their): str(own) for their, own in found}


async def reads(reader: Party, window: Window = DAYS) -> int:
    lent = await reader.node.fetcher.fetch(await reader.peer("home"), window)
    assert not lent.damaged
    return 0 if lent.batch is None else len(lent.batch)


async def test_one_of_three_is_removed_and_the_others_go_on_without_joining_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_family(tmp_path) as of:
        await down(of.home, of.laptop, of.tablet)
        known = set(of.tablet.node.keystore.every_epoch)
        home = await of.removes(of.home, of.tablet)
        await up(home, of.laptop)
        await in_step(home, of.laptop)
        # The laptop has heard: the personas that follow, the epoch, and who is left.
        assert await personas(of.laptop) == await personas(home)
        epoch = home.node.keystore.epoch
        assert of.laptop.node.keystore.epoch == epoch
        assert epoch not in known
        # What either writes from now on opens with nothing that the tablet had, on both.
        await of.laptop.fill(CURVE, DAY, 1)
        await in_step(home, of.laptop)
        for device in (home, of.laptop):
            assert await epochs_of_pages(device, DAY) == {epoch.name}
            reading = await device.node.vault.read(CURVE, FIRST, DAY)
            assert len(reading.batch) == 11 * 24
            assert not reading.damaged
        await same(home, of.laptop)
        # The reader goes on, from whichever of the two is there.
        await down(home)
        await settle(5)
        assert await reads(of.bank) == 11 * 24
        # The tablet is nobody's: neither of the two answers it, nor the bank.
        await up(home, of.tablet)
        assert await of.tablet.node.keeping.fetch_all() == 0
        pair = await of.tablet.peer("bank")
        with pytest.raises((Refused, Away)):
            await of.tablet.node.links.link_to(pair)
        # Each of the two lists it as left, and the other as its own.
        for device, other in ((home, of.laptop), (of.laptop, home)):
            others = await device.read(device.node.own_devices.others)
            assert [one.device for one in others] == [other.node.own_devices.device]


async def test_what_a_device_wrote_before_it_heard_is_encrypted_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The laptop was away at the removal: the tablet has the epoch under which it wrote."""
    async with a_family(tmp_path) as of:
        await down(of.home, of.laptop, of.tablet)
        home = await of.removes(of.home, of.tablet)
        await of.laptop.fill(CURVE, DAY + 1, 1)
        assert await epochs_of_pages(of.laptop, DAY) == {of.tablet.node.keystore.epoch.name}
        await up(home, of.laptop)
        for _ in range(2):
            await in_step(home, of.laptop)
        for device in (home, of.laptop):
            assert await epochs_of_pages(device, DAY) == {home.node.keystore.epoch.name}
        await same(home, of.laptop)


async def test_an_epoch_that_came_is_there_after_a_start(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_family(tmp_path) as of:
        await down(of.home, of.laptop, of.tablet)
        home = await of.removes(of.home, of.tablet)
        await up(home, of.laptop)
        await in_step(home, of.laptop)
        await of.laptop.fill(CURVE, DAY, 1)
        await down(of.laptop)
        old = of.laptop.node
        ground = Ground(
            old.store.database,
            old.network,
            of.town.clock,
            of.town.entropy.fork("started"),
            InlineOffload(),
        )
        # As a process that has only what lies on the disk.
        keystore = type(old.keystore).from_bytes(old.keystore.to_bytes())
        assert keystore.epoch != home.node.keystore.epoch
        again = Party("laptop", Node(ground, keystore, old.config), of.town.nursery)
        await up(again)
        assert keystore.epoch == home.node.keystore.epoch
        reading = await again.node.vault.read(CURVE, FIRST, DAY)
        assert len(reading.batch) == 11 * 24
        assert not reading.damaged


async def test_two_devices_that_each_remove_the_third_are_one_person_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The words lead both to the same personas, so what each told the bank agrees."""
    async with a_family(tmp_path) as of:
        await down(of.home, of.laptop, of.tablet)
        home = await of.removes(of.home, of.tablet)
        laptop = await of.removes(of.laptop, of.tablet)
        assert await personas(home) == await personas(laptop)
        await up(home)
        await settle(30)
        await down(home)
        await up(laptop)
        await settle(30)
        await up(home)
        for _ in range(3):
            await in_step(home, laptop)
        await same(home, laptop)
        # One epoch is the present one, on both; and what was lent was given again once.
        assert home.node.keystore.epoch == laptop.node.keystore.epoch
        given = await home.read(home.node.lending.all)
        assert len([one for one in given if one.ended_ms is None]) == 1
        for device in (home, laptop):
            await device.fill(CURVE, DAY if device is home else DAY + 1, 1)
        await in_step(home, laptop)
        await settle(30)
        assert await reads(of.bank) == 12 * 24


async def test_two_devices_that_remove_each_other_are_both_the_person_until_one_is_removed_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_family(tmp_path) as of:
        await down(of.home, of.laptop, of.tablet)
        home = await of.removes(of.home, of.tablet)
        await up(home, of.laptop)
        await in_step(home, of.laptop)
        await down(home, of.laptop)
        of.home = home
        home = await of.removes(of.home, of.laptop)
        laptop = await of.removes(of.laptop, of.home)
        # Who has the words decides, and here both had: neither is a stranger to the bank.
        assert await personas(home) == await personas(laptop)
        await up(home, laptop)
        for device in (home, laptop):
            assert await device.node.keeping.fetch_all() == 0
        await down(home, laptop)
        # The one that is kept says it once more: now it alone is the person.
        kept = await of.removes(home, laptop)
        await up(kept)
        await settle(30)
        await up(laptop)
        pair = await laptop.peer("bank")
        with pytest.raises((Refused, Away)):
            await laptop.node.links.link_to(pair)
        assert await reads(of.bank) == 10 * 24


async def test_a_stolen_device_cannot_tell_the_others_who_follows(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It has every key but the next ones: a persona that was not promised is not taken."""
    async with a_family(tmp_path) as of:
        laptop, entropy = of.laptop, of.town.entropy.fork("thief")
        space = laptop.node.handing_over.named("personas")
        ((first, before), *_) = [
            one
            for one in await laptop.read(laptop.node.peers.lines)
            if one[0] != await laptop.read(laptop.node.peers.device_persona)
        ]
        key, reader = PersonaKey.generate(entropy), ReaderSecret.generate(entropy)
        inception = make_inception(key, reader_key=reader.public, next_digest=bytes(32))
        row = {
            "seed": key.secret_bytes(),
            "readers": [one.secret_bytes() for one in (*before.readers, reader)],
            "inception": inception.signed.raw,
        }
        taking = Taking(laptop.now_ms)
        with pytest.raises(CapabilityError, match="never promised"):
            await laptop.write(lambda tx: space.take(tx, [[first, row]], taking))
        after = await laptop.read(lambda tx: laptop.node.peers.persona(tx, first))
        assert isinstance(after, OwnPersona)
        assert after == before
        assert issubclass(CapabilityError, EntrenousError)

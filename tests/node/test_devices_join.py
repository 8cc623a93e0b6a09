"""Joining: one use, a short life, six digits; what is lost on the way is said again."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from entrenous.crypto.entropy import SeededEntropy
from entrenous.node.errors import HomeError, NotFound, Refused, UsageError
from entrenous.node.joining import NewDevice, ask_to_join, join_home, new_device
from entrenous.node.network.memory import MemoryNetwork
from entrenous.node.offload import InlineOffload
from entrenous.node.opening import Passphrase, open_home
from entrenous.node.store.database import Tx
from entrenous.protocol.errors import Code, GrantRefused, WireError
from entrenous.protocol.joining import Given, join_code, parse_join_link
from entrenous.protocol.pairing import parse_link
from entrenous.tests.node.several_devices import another, make_link
from entrenous.tests.node.two_nodes import Party, Town, a_town

UNLOCK = Passphrase.typed("a passphrase")


async def joins(town: Town, older: Party, new: NewDevice, code: str | None = None) -> Given:
    """Ask until given; the person types `code`, or what the device shows."""
    entropy = town.entropy.fork(new.name)

    async def confirm(shown: str) -> None:
        typed = code or shown
        await older.write(lambda tx: older.node.enrolling.confirm(tx, typed, older.now_ms))

    failed: Exception | None = None
    given: Given | None = None
    async with MemoryNetwork(new.device, town.world) as network, trio.open_nursery() as nursery:
        try:
            given = await ask_to_join(
                new, network, town.clock, entropy, lambda shown: nursery.start_soon(confirm, shown)
            )
        except Exception as error:
            failed = error  # raised outside: a nursery would wrap it
    if failed is not None:
        raise failed
    assert given is not None
    return given


async def test_a_lost_answer_gets_the_same_answer(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home = await town.party("home")
        new = NewDevice.create(await make_link(home), "laptop", town.entropy.fork("laptop"))
        first = await joins(town, home, new)
        again = await joins(town, home, new)
        assert again == first
        assert len(await home.read(home.node.own_devices.all)) == 2


async def test_a_link_is_for_one_device(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home = await town.party("home")
        link = await make_link(home)
        await joins(town, home, NewDevice.create(link, "laptop", town.entropy.fork("laptop")))
        other = NewDevice.create(link, "thief", town.entropy.fork("thief"))
        with pytest.raises(Refused) as refused:
            await joins(town, home, other)
        assert refused.value.code == Code.REPLAY.value


async def test_whoever_read_the_link_first_shows_other_digits(autojump_clock: MockClock) -> None:
    """A thief that was quicker waits; the person's own machine shows no digits that are taken."""
    async with a_town() as town:
        home = await town.party("home")
        link = await make_link(home)
        thief = NewDevice.create(link, "laptop", town.entropy.fork("thief"))
        mine = NewDevice.create(link, "laptop", town.entropy.fork("laptop"))
        assert thief.code != mine.code
        with trio.move_on_after(5):
            await joins(town, home, thief, code=mine.code)
        assert not await home.read(home.node.own_devices.others)
        with pytest.raises(Refused):
            await joins(town, home, mine)


async def test_three_wrong_codes_void_the_link(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home = await town.party("home")
        new = NewDevice.create(await make_link(home), "laptop", town.entropy.fork("laptop"))
        wrong = "000000" if new.code != "000000" else "000001"
        with trio.move_on_after(3):
            await joins(town, home, new, code=wrong)
        enrolling = home.node.enrolling
        for _ in range(2):
            assert await home.write(lambda tx: enrolling.confirm(tx, wrong, home.now_ms)) is None
        with pytest.raises(NotFound):
            await home.write(lambda tx: enrolling.confirm(tx, new.code, home.now_ms))
        with pytest.raises(Refused):
            await joins(town, home, new)


async def test_a_link_ends_after_a_quarter_of_an_hour(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home = await town.party("home")
        new = NewDevice.create(await make_link(home), "laptop", town.entropy.fork("laptop"))
        await trio.sleep(15 * 60 + 1)
        with pytest.raises(GrantRefused) as refused:
            await joins(town, home, new)
        assert refused.value.code is Code.EXPIRED


async def test_two_devices_share_no_next_digest(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home = await town.party("home")
        laptop = await another(town, home, "laptop")
        tablet = await another(town, laptop, "tablet")
        promised: list[bytes] = []
        for device in (home, laptop, tablet):
            for _ in range(5):
                made = await device.write(
                    lambda tx, device=device: device.node.peers.new_persona(tx, device.now_ms)
                )
                promised.append(made.inception.next_digest)
        assert len(set(promised)) == 15


async def test_a_home_that_joins_is_interrupted_anywhere(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Killed before, while and after it was given: the same link goes on, and makes one device."""
    async with a_town() as town:
        home = await town.party("home")
        link = await make_link(home)
        entropy = SeededEntropy(b"join")
        folder = tmp_path / "laptop"
        new = new_device(folder, link, "laptop", UNLOCK, entropy)
        # Started again, it has the keys that it had, and takes no other link.
        assert new_device(folder, link, "laptop", UNLOCK, entropy).code == new.code
        with pytest.raises(UsageError):
            new_device(folder, await make_link(home), "laptop", UNLOCK, entropy)
        with pytest.raises(HomeError):
            open_home(folder, UNLOCK)
        link_now = await make_link(home)  # which voids the one before
        folder = tmp_path / "again"
        new = new_device(folder, link_now, "laptop", UNLOCK, entropy)
        await joins(town, home, new)  # given, and lost on the way
        (folder / "store.db").write_bytes(b"half a database")

        async with MemoryNetwork(new.device, town.world) as network:
            made = await join_home(
                folder,
                new_device(folder, link_now, "laptop", UNLOCK, entropy),
                UNLOCK,
                network,
                clock=town.clock,
                entropy=entropy,
                waiting=lambda _: None,
                offload=InlineOffload(),
            )
        assert made.others == ("home",)
        keystore = open_home(folder, UNLOCK)
        assert keystore.device.public == new.device.public
        assert keystore.epochs == home.node.keystore.epochs
        assert keystore.index.secret_bytes() != home.node.keystore.index.secret_bytes()
        with pytest.raises(HomeError):
            new_device(folder, link_now, "laptop", UNLOCK, entropy)


async def test_a_home_that_was_restored_stands_alone(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home = await town.party("home")
        laptop = await another(town, home, "laptop")
        await laptop.down()
        await laptop.write(laptop.node.own_devices.stand_alone)
        assert await laptop.read(laptop.node.own_devices.all) == []
        assert await laptop.read(laptop.node.peers.siblings) == []
        assert await laptop.read(laptop.node.witnesses.willing) == []
        # Another can join it, under another persona.
        await laptop.up()
        assert (await another(town, laptop, "tablet")).name == "tablet"


def test_links_of_the_two_kinds_are_not_taken_for_each_other() -> None:
    with pytest.raises(WireError, match="devices invite"):
        parse_join_link("entrenous:abc")
    with pytest.raises(WireError):
        parse_link("entrenous-device:abc")


def test_the_code_follows_from_everything_that_both_know() -> None:
    secret, device, inception = b"s" * 16, b"d" * 32, b"i" * 36
    codes = {
        join_code(secret, device=device, inception=inception),
        join_code(b"t" * 16, device=device, inception=inception),
        join_code(secret, device=b"e" * 32, inception=inception),
        join_code(secret, device=device, inception=b"j" * 36),
    }
    assert len(codes) == 4
    assert all(len(code) == 6 and code.isdigit() for code in codes)


async def test_a_device_that_was_the_only_one_takes_another_however_long_that_was(
    autojump_clock: MockClock,
) -> None:
    """It may serve alone for an hour only, and of the others none was left for a day; it starts
    again before the new one has heard its answer."""
    async with a_town() as town:
        home = await town.party("home")
        await alone_for(home, 3_600)
        await trio.sleep(86_400)
        new = NewDevice.create(await make_link(home), "laptop", town.entropy.fork("laptop"))
        given = await joins(town, home, new)
        await home.down()
        await home.up()
        assert not home.node.log_head.lapsed
        assert await joins(town, home, new) == given
        # The time that it may serve alone counts from here.
        await trio.sleep(3_700)
        assert home.node.log_head.lapsed


async def test_what_was_given_is_given_again_by_a_device_that_may_serve_no_more(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        await alone_for(home, 300)
        new = NewDevice.create(await make_link(home), "laptop", town.entropy.fork("laptop"))
        given = await joins(town, home, new)
        await home.read(home.node.keeping.look_at_lease)
        await trio.sleep(400)
        assert home.node.log_head.lapsed
        assert await joins(town, home, new) == given
        # Nobody else joins by it: what it would give may be old.
        other = NewDevice.create(await make_link(home), "tablet", town.entropy.fork("tablet"))
        with pytest.raises(Refused) as refused:
            await joins(town, home, other)
        assert refused.value.code == Code.SUSPENDED.value
        assert len(await home.read(home.node.own_devices.all)) == 2


async def alone_for(home: Party, seconds: int) -> None:
    """Let a device serve for so long only without having spoken with another."""
    devices = home.node.own_devices

    def unit(tx: Tx) -> None:
        row = devices.begin(tx, home.node.addresses(), home.now_ms)
        devices.change(tx, row, home.now_ms, name=row.name, serves_within_s=seconds)

    await home.write(unit)

"""The simulated network: the same seed gives the same world; weather, cuts, resets."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
import trio.testing

from entrenous.crypto.keys import DeviceKey
from entrenous.node.network.memory import MemoryNetwork, MemoryWorld, Weather
from entrenous.node.network.transport import PeerSilent, Stream, StreamBroken

ALICE, BOB = DeviceKey(b"\x01" * 32), DeviceKey(b"\x02" * 32)


async def echo(stream: Stream) -> None:
    while data := await stream.receive_some():
        await stream.send_all(data)


@pytest.fixture(autouse=True)
def seeded_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trio shuffles the tasks of one moment unless told not to; a simulation tells it."""
    monkeypatch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)


def story(seed: bytes, weather: Weather) -> list[str]:
    """Eight conversations at once; what happened when, in the world's own time."""
    trio._core._run._r.seed(1)  # pyright: ignore  # what hypothesis-trio does too
    told: list[str] = []

    async def talk(number: int, alice: MemoryNetwork, bob: MemoryNetwork) -> None:
        stream = await alice.dial(BOB.public, bob.addresses, 60)
        try:
            for turn in range(6):
                await stream.send_all(bytes([number, turn]))
                answer = await stream.receive_some()
                told.append(f"{trio.current_time():.9f} {number} {answer.hex()}")
        except StreamBroken:
            told.append(f"{trio.current_time():.9f} {number} broken")
        await stream.aclose()

    async def main() -> None:
        world = MemoryWorld(seed, lambda sender, receiver: weather)
        async with (
            MemoryNetwork(ALICE, world) as alice,
            MemoryNetwork(BOB, world) as bob,
            trio.open_nursery() as serving,
        ):
            serving.start_soon(bob.serve, echo)
            async with trio.open_nursery() as talks:
                for number in range(8):
                    talks.start_soon(talk, number, alice, bob)
            serving.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return told


ROUGH = Weather(delay_s=0.05, jitter_s=0.2, reset_chance=0.05)


def first_time(line: str) -> float:
    return float(line.split()[0])


def test_the_same_seed_gives_the_same_world() -> None:
    first = story(b"one", ROUGH)
    assert first == story(b"one", ROUGH)
    assert first != story(b"two", ROUGH)


def by(told: list[str], number: int) -> list[str]:
    return [line for line in told if line.split()[1] == str(number)]


def test_rough_weather_breaks_some_and_jitter_reorders_streams() -> None:
    told = story(b"three", Weather(delay_s=0.05, jitter_s=0.2, reset_chance=0.1))
    assert any("broken" in line for line in told)
    order = [line.split()[1] for line in told]
    assert order != sorted(order)
    assert order != [str(n) for _ in range(6) for n in range(8)]


def test_delay_is_what_the_weather_says() -> None:
    told = story(b"four", Weather(delay_s=0.25))
    gaps = [
        later - sooner
        for number in range(8)
        for times in [[first_time(line) for line in by(told, number)]]
        for sooner, later in pairwise(times)
    ]
    assert gaps == pytest.approx([0.5] * len(gaps))


async def test_a_cut_holds_what_is_under_way_until_healed(autojump_clock: trio.abc.Clock) -> None:
    world = MemoryWorld()
    async with (
        MemoryNetwork(ALICE, world) as alice,
        MemoryNetwork(BOB, world) as bob,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(bob.serve, echo)
        stream = await alice.dial(BOB.public, bob.addresses, 5)
        world.cut([ALICE.public], [BOB.public])
        await stream.send_all(b"late")
        with trio.move_on_after(100) as scope:
            await stream.receive_some()
        assert scope.cancelled_caught
        with pytest.raises(PeerSilent):
            await alice.dial(BOB.public, bob.addresses, 5)
        world.heal()
        assert await stream.receive_some() == b"late"
        await stream.aclose()
        nursery.cancel_scope.cancel()
    assert world.streams_open == 0


async def test_a_dial_begun_in_a_cut_succeeds_when_it_heals(autojump_clock: trio.abc.Clock) -> None:
    world = MemoryWorld()
    async with (
        MemoryNetwork(ALICE, world) as alice,
        MemoryNetwork(BOB, world) as bob,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(bob.serve, echo)
        world.cut([ALICE.public], [BOB.public])

        async def heal_later() -> None:
            await trio.sleep(10)
            world.heal()

        nursery.start_soon(heal_later)
        start = trio.current_time()
        stream = await alice.dial(BOB.public, bob.addresses, 60)
        assert trio.current_time() - start == pytest.approx(10)
        await stream.aclose()
        nursery.cancel_scope.cancel()


async def test_a_reset_gets_through_a_cut(autojump_clock: trio.abc.Clock) -> None:
    world = MemoryWorld()
    async with (
        MemoryNetwork(ALICE, world) as alice,
        MemoryNetwork(BOB, world) as bob,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(bob.serve, echo)
        stream = await alice.dial(BOB.public, bob.addresses, 5)
        await stream.send_all(b"x")
        world.cut([ALICE.public], [BOB.public])

        async def reset_later() -> None:
            await trio.sleep(1)
            assert world.reset_streams(BOB.public) == 1

        nursery.start_soon(reset_later)
        with pytest.raises(StreamBroken):
            await stream.receive_some()
        nursery.cancel_scope.cancel()

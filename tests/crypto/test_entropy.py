"""The door of randomness: real outside, replayable in a simulation."""

from __future__ import annotations

from entrenous.crypto.entropy import SeededEntropy, SystemEntropy


def test_a_seed_replays_its_stream() -> None:
    one, two = SeededEntropy(b"seed"), SeededEntropy(b"seed")
    assert [one.random_bytes(n) for n in (1, 32, 7)] == [two.random_bytes(n) for n in (1, 32, 7)]


def test_a_stream_does_not_repeat_and_forks_are_apart() -> None:
    world = SeededEntropy(b"seed")
    streams = [world, world.fork("a"), world.fork("b"), SeededEntropy(b"seed2")]
    drawn = [stream.random_bytes(32) for stream in streams for _ in range(5)]
    assert len(set(drawn)) == len(drawn)
    assert SeededEntropy(b"seed").fork("a").random_bytes(32) == drawn[5]


def test_the_system_gives_what_is_asked() -> None:
    drawn = [SystemEntropy().random_bytes(32) for _ in range(3)]
    assert len(set(drawn)) == 3
    assert {len(one) for one in drawn} == {32}

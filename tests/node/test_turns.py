"""Turns: whoever asks much waits behind whoever asks little, and never the other way about."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import pytest
import trio
import trio.testing

from entrenous.node.exchange.turns import ALL_AT_ONCE, ALONE_S, AT_ONCE, Turns

PIECE_S = 0.01


async def _work(turns: Turns, peer: str, done: list[str]) -> None:
    async with turns.of(peer):
        await trio.sleep(PIECE_S)
        done.append(peer)


async def test_one_alone_has_several_under_way(autojump_clock: trio.testing.MockClock) -> None:
    turns, done = Turns(), list[str]()
    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE * 5):
            nursery.start_soon(_work, turns, "a", done)
    assert trio.current_time() - began_s == pytest.approx(5 * PIECE_S)


async def test_who_asks_once_waits_for_one_piece_of_each_other(
    autojump_clock: trio.testing.MockClock,
) -> None:
    turns, done = Turns(), list[str]()
    others = ["a", "b", "c"]
    async with trio.open_nursery() as nursery:
        for other in others:
            for _ in range(200):
                nursery.start_soon(_work, turns, other, done)
        await trio.sleep(10 * PIECE_S)
        before = len(done)
        await _work(turns, "honest", done)
        assert done.index("honest") - before <= 2 * len(others)
    assert len(done) == 601


async def test_each_of_two_gets_as_much(autojump_clock: trio.testing.MockClock) -> None:
    turns, done = Turns(), list[str]()
    async with trio.open_nursery() as nursery:
        for _ in range(300):
            nursery.start_soon(_work, turns, "much", done)
        for _ in range(30):
            nursery.start_soon(_work, turns, "little", done)
    share = done[:60]
    assert 25 <= share.count("little") <= 30


async def test_many_peers_are_served_a_few_at_a_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    turns, under_way, most = Turns(), 0, 0

    async def work(peer: int) -> None:
        nonlocal under_way, most
        async with turns.of(peer):
            under_way += 1
            most = max(most, under_way)
            await trio.sleep(PIECE_S)
            under_way -= 1

    async with trio.open_nursery() as nursery:
        for peer in range(100):
            nursery.start_soon(work, peer)
    assert most == ALL_AT_ONCE


async def test_who_gives_up_waiting_leaves_nothing_behind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    turns, done = Turns(), list[str]()
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(_work, turns, "a", done)
        with trio.move_on_after(2.5 * PIECE_S):
            async with trio.open_nursery() as leaving:
                for _ in range(50):
                    leaving.start_soon(_work, turns, "b", done)
        nursery.start_soon(_work, turns, "b", done)
    assert done.count("a") == 50
    await trio.sleep(2 * ALONE_S)
    assert turns.alone("b")
    began_s = trio.current_time()
    await _work(turns, "b", done)
    assert trio.current_time() - began_s == pytest.approx(PIECE_S)

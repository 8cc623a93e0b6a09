"""Any order of fetches between three devices ends with the same rows on all of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from entrenous.node.devices import joins
from entrenous.node.grants.grant_lines import Event, Happened, line_of_given
from entrenous.node.grants.inbox import Asked, RequestState
from entrenous.node.store.database import Tx
from entrenous.protocol.did import Did
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    TERMS,
    Party,
    a_town,
    lend,
    meet,
    settle,
)

CIDS = st.lists(st.binary(min_size=36, max_size=36), max_size=4)
MOMENTS = st.none() | st.integers(0, 50)


@given(CIDS, CIDS, CIDS)
def test_sets_join_in_any_order(one: list[bytes], two: list[bytes], three: list[bytes]) -> None:
    a, b, c = ([*sorted(set(cids))] for cids in (one, two, three))
    found = [joins.union(joins.union(x, y), z) for x, y, z in permutations((a, b, c))]
    assert all(each == found[0] for each in found)
    assert joins.union(found[0], a) == found[0]
    assert set(one) | set(two) | set(three) == {*map(bytes, _list(found[0]))}


def _list(value: Value) -> Sequence[bytes]:
    assert isinstance(value, list)
    return [item for item in value if isinstance(item, bytes)]


REQUESTS = st.builds(
    Asked,
    own=st.just(Did("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp")),
    their=st.just(Did("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp")),
    raw=st.just(b"request"),
    state=st.sampled_from(list(RequestState)),
    t_ms=st.integers(0, 9),
    grant=st.none() | st.binary(min_size=36, max_size=36),
    reason=st.none() | st.sampled_from(["no", "later"]),
)


@given(st.lists(REQUESTS, min_size=1, max_size=4))
def test_requests_join_in_any_order(rows: list[Asked]) -> None:
    _in_any_order(rows, joins.asked)


def _in_any_order(rows: Sequence[object], join: object) -> None:
    assert callable(join)
    found: list[object] = []
    for order in permutations(rows):
        joined: object = order[0]
        for row in order[1:]:
            joined = join(joined, row)
        found.append(joined)
    assert all(each == found[0] for each in found)
    # Said again, it changes nothing.
    assert all(join(found[0], row) == found[0] for row in rows)


async def test_grants_and_their_lines_join_in_any_order(autojump_clock: MockClock) -> None:
    """Whatever became of a grant on four devices, all come to one telling."""
    async with a_town() as town:
        home, bank = [await town.party(name) for name in ("home", "bank")]
        await meet(home, bank)
        grant = await lend(home, bank, Window(CURVE, DAY, DAY + 3))
        pair = await home.peer("bank")
        line = line_of_given(grant)
    kept = (GrantStatus.LIVE, GrantStatus.SUSPENDED, GrantStatus.REVOKED)
    told_of = st.tuples(st.sampled_from(kept), MOMENTS, st.integers(0, 3))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(told_of, min_size=1, max_size=4))
    def grants(told: list[tuple[GrantStatus, int | None, int]]) -> None:
        rows = [
            replace(
                grant,
                kept=status,
                ended_ms=ended,
                n=n,
                keyset=bytes([n]),
                acknowledged=n,
                opens=((CURVE, bytes(16), bytes([n]) * 16),),
            )
            for status, ended, n in told
        ]
        _in_any_order(rows, joins.given)
        revoked = any(one.kept is GrantStatus.REVOKED for one in rows)
        joined = rows[0]
        for one in rows[1:]:
            joined = joins.given(joined, one)
        assert (joined.kept is GrantStatus.REVOKED) == revoked

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.lists(st.sampled_from(list(Happened)), max_size=3), min_size=1, max_size=4))
    def lines(told: list[list[Happened]]) -> None:
        rows = [
            replace(line, events=joins.in_order(Event(at, what) for at, what in enumerate(some)))
            for some in told
        ]
        _in_any_order(rows, joins.line)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.booleans()), max_size=3))
    def pairs(told: list[tuple[int, str, bool]]) -> None:
        rows = [
            replace(
                pair,
                addresses=(f"/ip4/10.0.0.{n}/tcp/1",),
                withdrawn=frozenset({letter}) if withdrawn else frozenset(),
                paired_ms=n,
            )
            for n, letter, withdrawn in told
        ]
        if rows:
            _in_any_order(rows, joins.pair)

    grants()
    lines()
    pairs()


# --- whole devices --------------------------------------------------------------------------------

ACTS = ("fill", "fill", "grant", "revoke", "erase", "again", "rename")


async def _act(device: Party, act: str, number: int) -> None:
    node, now_ms = device.node, device.now_ms
    match act:
        case "fill":
            await device.fill(CURVE, DAY - 17 + number, 1, value=number)
        case "grant":
            pair = await device.peer("bank")
            windows = [Window(CURVE, DAY - 20, DAY)]
            exp_s = now_ms // 1000 + (10 + number) * DAY_S
            await device.write(
                lambda tx: node.lending.give(tx, pair, windows, TERMS, exp_s, None, now_ms)
            )
        case "revoke":
            live = [
                one
                for one in await device.read(node.lending.all)
                if one.kept is not GrantStatus.REVOKED
            ]
            if live:
                await device.write(lambda tx: node.lending.revoke(tx, live[0].cid, now_ms))
        case "erase":
            collection = await device.read(lambda tx: node.vault.collections.find(tx, CURVE))
            if collection is not None:
                await device.write(
                    lambda tx: node.vault.remove_of_day(
                        tx, CURVE, DAY - 20 + number, lambda _: True
                    )
                )
        case "again":

            def claim(tx: Tx) -> None:
                node.reencryption.claim(tx, bytes([number]) * 36, [Window(CURVE, 0, DAY)])

            await device.write(claim)
            await node.reencryption.work()
        case _:

            def rename(tx: Tx) -> None:
                row = node.own_devices.find(tx, node.own_devices.device)
                assert row is not None
                node.own_devices.change(
                    tx, row, now_ms, name=f"device {number}", serves_within_s=number * 3_600
                )

            await device.write(rename)


@pytest.mark.parametrize("seed", range(2))
async def test_three_devices_converge_in_any_order(autojump_clock: MockClock, seed: int) -> None:
    """What each does apart, and which fetches from which meanwhile, comes from a seed."""
    rng = random.Random(seed)
    async with a_town(b"three %d" % seed) as town:
        home, bank = [await town.party(name) for name in ("home", "bank")]
        await meet(home, bank)
        await home.fill(CURVE, DAY - 20, 3)
        await lend(home, bank, Window(CURVE, DAY - 20, DAY))
        laptop = await another(town, home, "laptop")
        tablet = await another(town, home, "tablet")
        devices = [home, laptop, tablet]
        await in_step(*devices)
        await in_step(*devices)
        for device in devices:
            await device.down()
        for number in range(7):
            device = rng.choice(devices)
            await _act(device, rng.choice(ACTS), number)
            if rng.random() < 0.4:
                # Two are together for a while; one fetches, or both.
                some = rng.sample(devices, 2)
                for one in some:
                    await one.up()
                await settle(65)
                await some[0].node.keeping.fetch_all()
                for one in some:
                    await one.down()
        for device in devices:
            await device.up()
        await settle(70)
        for _ in range(3):
            await in_step(*devices)
        await same(*devices)
        records = [(await device.node.vault.read(CURVE, DAY - 30, DAY)).batch for device in devices]
        assert records[1] == records[0]
        assert records[2] == records[0]
        gens = [
            await device.read(
                lambda tx, device=device: device.node.vault.collections.generation(tx, CURVE)
            )
            for device in devices
        ]
        assert len(set(gens)) == 1

"""Many grants: what one of them costs does not grow with the others, counted in rows and steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from trio.testing import MockClock

from entrenous.crypto.keys import PersonaKey
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.grant_held import GrantHeld
from entrenous.node.grants.grants_held import GrantsHeld
from entrenous.node.peers.peers import Pair
from entrenous.node.store.database import Tx
from entrenous.node.store.objects import Kind
from entrenous.protocol.command import AcceptArgs
from entrenous.protocol.did import did_of
from entrenous.protocol.grant import issue_grant, make_bundle
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.counting import Cost, counted
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    GAS,
    TERMS,
    Party,
    a_town,
    lend,
    meet,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)
FEW, MANY = 10, 150


def give(owner: Party, pair: Pair, window: Window, *, days: int = 20) -> Callable[[Tx], GrantGiven]:
    """A grant that nobody has accepted yet."""
    exp_s = owner.now_ms // 1000 + days * DAY_S
    return lambda tx: owner.node.lending.give(tx, pair, [window], TERMS, exp_s, None, owner.now_ms)


async def give_many(owner: Party, pair: Pair, window: Window, many: int) -> None:
    one = give(owner, pair, window)
    await owner.write(lambda tx: [one(tx) for _ in range(many)])


async def cost_of_read(owner: Party, reader: Party) -> Cost:
    """What a read of one granted day asks of both stores; the second of its kind."""
    theirs = await reader.peer(owner.name)
    day = Window(CURVE, DAY + 3, DAY + 3)
    await reader.node.fetcher.fetch(theirs, day)
    await settle()
    with counted() as cost:
        lent = await reader.node.fetcher.fetch(theirs, day)
        await settle()
    assert lent.pages == 1
    return cost


@pytest.mark.parametrize("path", [CURVE, GAS])
async def test_a_read_beside_many_grants_costs_what_it_costs_beside_few(
    autojump_clock: MockClock, path: str
) -> None:
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY, 10)
        await lend(owner, reader, TEN)
        pair = await owner.peer("reader")
        await give_many(owner, pair, replace(TEN, collection=path), FEW)
        few = await cost_of_read(owner, reader)
        await give_many(owner, pair, replace(TEN, collection=path), MANY - FEW)
        many = await cost_of_read(owner, reader)
        assert (many.statements, many.rows) == (few.statements, few.rows)
        assert many.steps == pytest.approx(few.steps, rel=0.02)


async def test_a_read_in_a_long_collection_costs_what_it_costs_in_a_short_one(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY - 30, 70)
        await lend(owner, reader, TEN)
        few = await cost_of_read(owner, reader)
        await owner.fill(CURVE, DAY + 70, 700)
        many = await cost_of_read(owner, reader)
        assert (many.statements, many.rows) == (few.statements, few.rows)
        assert many.steps == pytest.approx(few.steps, rel=0.02)


async def test_the_last_of_many_grants_costs_what_the_first_did(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        pair = await owner.peer("reader")
        costs: list[Cost] = []
        for some in (FEW, MANY):
            await give_many(owner, pair, TEN, some)
            await settle()
            with counted() as cost:
                given = await owner.write(give(owner, pair, TEN))
                await owner.write(
                    lambda tx, cid=given.cid: owner.node.lending.accepted(
                        tx, pair, AcceptArgs(pair.own, cid, TERMS.cid), owner.now_ms
                    )
                )
            costs.append(cost)
        few, many = costs
        assert (many.statements, many.rows) == (few.statements, few.rows)
        assert many.steps == pytest.approx(few.steps, rel=0.02)


async def test_an_end_is_found_without_looking_at_those_that_hold(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        pair = await owner.peer("reader")
        costs: list[tuple[Cost, Cost]] = []
        for some, path in ((FEW, "energy/gas/a"), (MANY, "energy/gas/b")):
            await give_many(owner, pair, TEN, some)
            await owner.write(give(owner, pair, Window(path, DAY, DAY), days=1))
            town.clock.ahead_ms += 2 * DAY_S * 1000
            await settle()
            with counted() as nothing:
                ended = await owner.write(
                    lambda tx: owner.node.lending.expire_on(tx, CURVE, owner.now_ms)
                )
            assert ended == 0
            with counted() as one:
                ended = await owner.write(lambda tx: owner.node.lending.expire(tx, owner.now_ms))
            assert ended == 1
            costs.append((nothing, one))
        (no_few, one_few), (no_many, one_many) = costs
        assert no_few == no_many
        assert no_many.rows <= 1  # that the links are complete
        assert (one_many.statements, one_many.rows) == (one_few.statements, one_few.rows)


async def test_taking_one_back_costs_each_survivor_the_same(autojump_clock: MockClock) -> None:
    """One unit of work: once it has returned the grant is refused, and every survivor's new keys
    wait in the outbox."""
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        await reader.down()
        pair = await owner.peer("reader")
        costs: list[int] = []
        for path, some in (("energy/water/a", 10), ("energy/water/b", 20), ("energy/water/c", 40)):
            window = replace(TEN, collection=path)

            def unit(tx: Tx, window: Window = window, some: int = some) -> list[GrantGiven]:
                given = [give(owner, pair, window)(tx) for _ in range(some)]
                for one in given:
                    args = AcceptArgs(pair.own, one.cid, TERMS.cid)
                    owner.node.lending.accepted(tx, pair, args, owner.now_ms)
                return given

            given = await owner.write(unit)
            await settle()
            waiting = await owner.read(owner.node.store.outbox.count)
            with counted() as cost:
                taken = await owner.write(
                    lambda tx, cid=given[0].cid: owner.node.lending.revoke(tx, cid, owner.now_ms)
                )
            assert taken.survivors == some - 1
            assert await owner.read(owner.node.store.outbox.count) == waiting + some
            cids = [one.cid for one in given]
            statuses = await owner.read(
                lambda tx, cids=cids: owner.node.lending.statuses(tx, cids, owner.now_ms)
            )
            assert [statuses[cid] for cid in cids] == [
                GrantStatus.REVOKED,
                *[GrantStatus.LIVE] * (some - 1),
            ]
            costs.append(cost.statements)
        ten, twenty, forty = costs
        assert (twenty - ten) / 10 == (forty - twenty) / 20 <= 12


# --- the reader -----------------------------------------------------------------------------------


async def test_one_who_borrows_of_many_looks_at_one(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY, 10)
        await lend(owner, reader, TEN)
        few = await cost_of_read(owner, reader)
        entropy, kept = town.entropy.fork("others"), GrantsHeld(reader.node.store.objects)
        own = (await reader.peer("owner")).own
        (model,) = await reader.read(reader.node.borrowing.all)

        def unit(tx: Tx) -> None:
            for _ in range(MANY):
                key = PersonaKey.generate(entropy)
                issued = issue_grant(
                    key,
                    aud=own,
                    windows=[TEN],
                    terms=TERMS,
                    exp_s=model.bundle.grant.exp_s,
                    nonce=bytes(12),
                )
                bundle = make_bundle(key, issued, terms=TERMS, reader_key=model.bundle.reader_key)
                held = replace(model, their=did_of(key.public), bundle=bundle, request=None)
                kept.add(tx, held)

        await reader.write(unit)
        many = await cost_of_read(owner, reader)
        assert (many.statements, many.rows) == (few.statements, few.rows)
        assert many.steps == pytest.approx(few.steps, rel=0.02)


# --- homes of older versions ----------------------------------------------------------------------


def as_older_versions_left_it(party: Party) -> Callable[[Tx], None]:
    """Without links; a list of grants beside each collection, and when the first of them ends."""
    objects, lending = party.node.store.objects, party.node.lending

    def unit(tx: Tx) -> None:
        for table in ("link", "linked"):
            tx.execute(f"DELETE FROM {table}")
        tx.execute("DELETE FROM meta WHERE name LIKE 'links/%'")
        standing = [one for one in lending.all(tx) if one.ended_ms is None]
        objects.put(tx, Kind.SETTING, "grants-end", min(one.exp_s for one in standing))
        for path in {path for one in standing for path in one.bundle.grant.paths}:
            on_path = [one for one in standing if path in one.bundle.grant.paths]
            objects.put(tx, Kind.SETTING, ["grants-on", path], [one.cid for one in on_path])
            objects.put(
                tx, Kind.SETTING, ["grants-end-on", path], min(one.exp_s for one in on_path)
            )

    return unit


async def test_grants_of_an_older_home_are_found_and_linked_with_the_next(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await town.party("owner"), await town.party("reader")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY, 10)
        gone = await lend(owner, reader, TEN)
        short = await lend(owner, reader, TEN, days=2)
        long = await lend(owner, reader, TEN, Window(GAS, DAY, DAY), days=9)
        lending, pair = owner.node.lending, await owner.peer("reader")
        await owner.write(lambda tx: lending.revoke(tx, gone.cid, owner.now_ms))
        await settle()

        def found(tx: Tx) -> list[list[bytes]]:
            return [
                [one.cid for one in some]
                for some in (
                    lending.live_on(tx, CURVE, owner.now_ms),
                    lending.not_ended_on(tx, GAS),
                    lending.ever_on(tx, CURVE),
                    lending.ever_of(tx, pair.own, pair.their),
                    lending.ever_of(tx, pair.their, pair.own),
                )
            ]

        def held(tx: Tx) -> list[GrantHeld]:
            theirs = reader.node.peers.named(tx, "owner")
            return [reader.node.borrowing.grant_for(tx, theirs, TEN, reader.now_ms)]

        before, held_before = await owner.read(found), await reader.read(held)
        for party in (owner, reader):
            await party.write(lambda tx: tx.execute("DELETE FROM link"))
        assert (await owner.read(found))[0] == []  # what follows is not from the links
        await owner.write(as_older_versions_left_it(owner))
        await reader.write(lambda tx: tx.execute("DELETE FROM meta WHERE name LIKE 'links/%'"))
        assert await owner.read(found) == before
        assert await reader.read(held) == held_before
        assert before[0] == [short.cid, long.cid]

        town.clock.ahead_ms += 3 * DAY_S * 1000
        assert await owner.write(lambda tx: lending.expire_on(tx, CURVE, owner.now_ms)) == 1
        assert await owner.read(
            lambda tx: owner.node.store.objects.are_linked(tx, Kind.GRANT_GIVEN)
        )
        assert await owner.read(found) == [
            [long.cid], [long.cid], before[2], before[3], []
        ]  # fmt: skip
        settings = await owner.read(lambda tx: owner.node.store.objects.all(tx, Kind.SETTING))
        assert not [name for name, _ in settings if "grants-" in str(name)]
        fresh = await lend(owner, reader, TEN)
        assert (await owner.read(found))[0] == [long.cid, fresh.cid]
        assert await reader.read(
            lambda tx: reader.node.store.objects.are_linked(tx, Kind.GRANT_HELD)
        )
        assert {one.cid for one in await reader.read(reader.node.borrowing.all)} >= {fresh.cid}

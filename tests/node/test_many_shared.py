"""Many shared records: what one peer proposes costs what is shared with it, not with everybody."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trio.testing import MockClock

from entrenous.crypto.keys import PersonaKey
from entrenous.node.shared.kept import SharedKept
from entrenous.node.store.database import Tx
from entrenous.node.store.objects import Kind
from entrenous.protocol.command import ProposeArgs
from entrenous.protocol.did import did_of
from entrenous.protocol.shared_record import SharedName, SharedWord
from entrenous.tests.node.counting import Cost, counted
from entrenous.tests.node.shared_town import CONTACTS, kept
from entrenous.tests.node.test_shared_attacks import Liar, a_liar
from entrenous.tests.node.two_nodes import Party, a_town
from entrenous.tests.protocol.spec_shared import contacts

FEW, MANY = 5, 120


async def a_first(ada: Party, liar: Liar) -> SharedKept:
    await propose(ada, liar, "c0")
    return await kept(ada)


async def propose(ada: Party, liar: Liar, id: str) -> Cost:
    """What it asks of Ada's store that a peer proposes one record more."""
    name = SharedName(CONTACTS, contacts().schema, id)
    version = liar.version(SharedWord.PROPOSED, {**contacts().row(0), "id": id}, name=name)
    pair = await ada.peer("mallory")
    args = ProposeArgs(liar.own, version.raw, None)
    with counted() as cost:
        await ada.write(lambda tx: ada.node.shared.proposed(tx, pair, args, ada.now_ms))
    return cost


def links(tx: Tx) -> int:
    return len(tx.execute("SELECT 1 FROM link WHERE kind = ?", (Kind.SHARED.value,)))


async def beside_others(ada: Party, liar: Liar, many: int, *, older: bool) -> Cost:
    """What one record more of a peer asks, beside `many` that are shared with others."""
    first = await a_first(ada, liar)
    dids = [did_of(PersonaKey(at.to_bytes(32, "big")).public) for at in range(1, many + 1)]
    await ada.write(
        lambda tx: [ada.node.shared.adopt(tx, replace(first, their=did)) for did in dids]
    )
    if older:
        await ada.write(as_older)
        # They are looked for among all, and found; with the first that comes, linked.
        await propose(ada, liar, "c1")
        assert await ada.read(links) == many + 2
    pair = await ada.peer("mallory")
    there = await ada.read(lambda tx: ada.node.shared.waiting_of(tx, pair))
    assert there == [True] * (1 + older)
    assert len(await ada.read(lambda tx: ada.node.shared.with_peer(tx, pair))) == 1 + older
    return await propose(ada, liar, "c2")


@pytest.mark.parametrize("older", [False, True])
async def test_a_proposal_beside_many_records_costs_what_it_costs_beside_few(
    autojump_clock: MockClock, older: bool
) -> None:
    costs: list[Cost] = []
    for others in (FEW, MANY):
        async with a_town() as town:
            ada, liar = await a_liar(town)
            costs.append(await beside_others(ada, liar, others, older=older))
    few, many = costs
    assert (many.statements, many.rows) == (few.statements, few.rows)


def as_older(tx: Tx) -> None:
    """A home that an older version wrote."""
    tx.execute("DELETE FROM link WHERE kind = ?", (Kind.SHARED.value,))
    tx.execute("DELETE FROM meta WHERE name = ?", (f"links/{Kind.SHARED.value}",))


async def test_what_is_forgotten_leaves_no_link_and_may_come_again(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, liar = await a_liar(town)
        first = await a_first(ada, liar)
        pair = await ada.peer("mallory")
        for _ in range(2):
            assert await ada.read(links) == 1
            assert await ada.read(lambda tx: ada.node.shared.with_peer(tx, pair)) == [first]
            await ada.write(lambda tx: ada.node.shared.remove(tx, first))
            assert await ada.read(links) == 0
            assert await ada.read(lambda tx: ada.node.shared.waiting_of(tx, pair)) == []
            await ada.write(lambda tx: ada.node.shared.adopt(tx, first))

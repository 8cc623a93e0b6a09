"""A shared record whose side was followed by another persona: it goes on, and is proven whole."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.config import Role
from entrenous.node.errors import UsageError
from entrenous.node.store.objects import Kind
from entrenous.protocol.shared_proof import parse_proof
from entrenous.tests.node.lost_device import Lost, a_theft, came_back
from entrenous.tests.node.shared_town import CONTACTS, client_of, deliver, one
from entrenous.tests.node.two_nodes import Party, meet, settle
from entrenous.tests.protocol.spec_shared import contacts


async def followed(lost: Lost) -> tuple[Party, Party]:
    """Alice corrects her address, her device is stolen, and she speaks on as somebody new."""
    bank = await lost.town.party("bank", Role.ORGANISATION)
    await meet(lost.alice, bank)
    await deliver(bank, "alice", CONTACTS, contacts())
    await client_of(lost.alice).shared_propose(
        "bank", CONTACTS, "c1", changes=[("addresses", "2 New Street")]
    )
    await settle()
    await client_of(bank).shared_answer((await one(bank)).id, accept=False, reason="a bill, please")
    await settle()
    await lost.stolen()
    back = await came_back(lost)
    await client_of(back).shared_propose("bank", CONTACTS, "c1", changes=[("note", "see the bill")])
    await settle()
    await client_of(bank).shared_answer((await one(bank)).id, accept=True)
    await settle()
    return back, bank


@pytest.mark.parametrize("whole", [True, False])
async def test_either_side_proves_it_across_the_succession(
    autojump_clock: MockClock, tmp_path: Path, whole: bool
) -> None:
    async with a_theft(tmp_path) as lost:
        alice, bank = await followed(lost)
        mine = await alice.peer("bank")
        for party in (alice, bank):
            id = (await one(party)).id
            made = await client_of(party).shared_prove(id, whole=whole)
            proof = parse_proof(made.proof)
            assert proof.copies.agree
            assert {proof.copies.side(did) for did in mine.ours} == {mine.own}
            (line,) = proof.lines
            assert line.dids == mine.ours
            # Of the half keys that only the two know, nothing is shown.
            said = await alice.read(lambda tx: alice.node.lines.said(tx, mine))
            assert said is not None
            assert all(taken.step.k not in made.proof for taken in said.steps)


async def test_what_an_older_version_did_not_keep_cannot_be_shown(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_theft(tmp_path) as lost:
        _, bank = await followed(lost)
        first = (await bank.peer("alice")).their
        await bank.write(lambda tx: bank.node.store.objects.delete(tx, Kind.INCEPTION_LEFT, first))
        with pytest.raises(UsageError):
            await client_of(bank).shared_prove((await one(bank)).id, whole=True)

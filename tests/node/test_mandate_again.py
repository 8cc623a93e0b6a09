"""A mandate ends with the persona that signed it, and is given again by one command."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

import pytest

from entrenous.node.config import Role
from entrenous.node.errors import NotFound, UsageError
from entrenous.tests.node.lost_device import Lost, a_theft, came_back, client_of
from entrenous.tests.node.two_nodes import DAY_S, Party, meet, settle


async def family(lost: Lost) -> tuple[Party, Party]:
    """Alice, her son and a bank, everybody paired; he acts for her there."""
    son = await lost.town.party("son")
    bank = await lost.town.party("bank", Role.ORGANISATION)
    await meet(bank, lost.alice)
    await meet(bank, son)
    await meet(lost.alice, son)
    await client_of(son).mandate_ask("alice", "bank")
    await settle()
    await client_of(lost.alice).mandate_give(
        "son",
        "bank",
        office="proxy",
        commands=["/grant/request"],
        exp_s=lost.alice.now_ms // 1000 + 90 * DAY_S,
    )
    await settle()
    return son, bank


async def test_one_command_gives_it_again(autojump_clock: object, tmp_path: Path) -> None:
    async with a_theft(tmp_path) as lost:
        son, bank = await family(lost)
        (before,) = await client_of(lost.alice).mandates()
        with pytest.raises(UsageError, match="holds"):
            await client_of(lost.alice).mandate_again(before.id)
        await lost.stolen()
        back = await came_back(lost)
        # It ended for everyone, by itself.
        for party in (back, son, bank):
            assert [one.status for one in await client_of(party).mandates()] == ["revoked"]
        made = await client_of(back).mandate_again(before.id)
        await settle(5)
        assert (made.commands, made.exp_s, made.office) == (
            before.commands,
            before.exp_s,
            before.office,
        )
        assert (made.proxy, made.at) == (before.proxy, before.at)
        for party in (back, son, bank):
            found = await client_of(party).mandates()
            assert sorted(one.status for one in found) == ["live", "revoked"]
            assert made.id in {one.id for one in found if one.status == "live"}
        # And nothing is given again that nobody gave here.
        with pytest.raises(NotFound):
            await client_of(son).mandate_again(made.id)


async def test_at_ones_own_node_too(autojump_clock: object, tmp_path: Path) -> None:
    async with a_theft(tmp_path) as lost:
        son = await lost.town.party("son")
        await meet(lost.alice, son)
        exp_s = lost.alice.now_ms // 1000 + 90 * DAY_S
        before = await client_of(lost.alice).mandate_give_home(
            "son", office="proxy", exp_s=exp_s, purposes=("dpv:ServiceProvision",)
        )
        await settle()
        await lost.stolen()
        back = await came_back(lost)
        made = await client_of(back).mandate_again(before.id)
        await settle(5)
        assert (made.purposes, made.exp_s) == (before.purposes, before.exp_s)
        held = [one for one in await client_of(son).mandates() if one.status == "live"]
        assert [one.id for one in held] == [made.id]

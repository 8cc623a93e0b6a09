"""A node starts while its disk keeps nothing: it lives, and does later what it could not do."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from entrenous.node.node import HOUSEKEEPING_S
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import StoreError
from entrenous.node.store.objects import Kind
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, a_town, lend, meet, settle

WINDOW = Window(CURVE, DAY, DAY + 4)
EPOCH = "epoch-of-keys"
BEFORE = b"the epoch before"


async def epoch_of_keys(party: Party) -> object:
    """Of which epoch the readers were given keys, as far as the node knows."""
    return await party.read(lambda tx: party.node.store.objects.get(tx, Kind.SETTING, EPOCH))


async def test_a_start_in_a_new_epoch_on_a_disk_that_keeps_nothing_waits_for_room(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The readers get the keys of the epoch, once, when there is room; it used to end the node."""

    async def not_kept(_unit: Callable[[Tx], object]) -> object:
        raise StoreError("what was to be kept could not be kept: fsync failed")

    rekeyed: list[int] = []
    async with a_town() as town:
        alice, bank = await town.party("alice"), await town.party("bank")
        await meet(alice, bank)
        await alice.fill(CURVE, DAY, 5)
        await lend(alice, bank, WINDOW)
        await settle()
        await alice.down()
        objects, lending = alice.node.store.objects, alice.node.lending
        await alice.write(lambda tx: objects.put(tx, Kind.SETTING, EPOCH, BEFORE))
        rekey = lending.rekey

        def counted(*args: Any) -> int:
            rekeyed.append(rekey(*args))
            return rekeyed[-1]

        monkeypatch.setattr(lending, "rekey", counted)
        with monkeypatch.context() as troubled:
            troubled.setattr(alice.node.store.database, "write", not_kept)
            await alice.up()
            await settle(3 * HOUSEKEEPING_S)
            assert alice.node.addresses()
            assert await epoch_of_keys(alice) == BEFORE
            assert not rekeyed
        await settle(2 * HOUSEKEEPING_S)
        assert await epoch_of_keys(alice) == alice.node.keystore.epoch.name
        assert rekeyed == [1]
        lent = await bank.node.fetcher.fetch(await bank.peer("alice"), WINDOW)
        assert (lent.pages, lent.damaged) == (5, ())


async def test_an_epoch_is_begun_at_every_start(autojump_clock: object) -> None:
    """Also of a node that ran before: one that began while it was off is not passed over."""
    async with a_town() as town:
        alice = await town.party("alice")
        await alice.down()
        objects = alice.node.store.objects
        await alice.write(lambda tx: objects.put(tx, Kind.SETTING, EPOCH, BEFORE))
        await alice.up()
        assert await epoch_of_keys(alice) == alice.node.keystore.epoch.name

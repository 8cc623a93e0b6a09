"""Before a vault is destroyed: whoever shares a record hears that its copies are gone here, and
whoever lent something on terms that ask for it has a signed word that it was deleted."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import pytest
from trio.testing import MockClock

from entrenous.node.leave_taking import take_leave
from entrenous.node.store.objects import Kind
from entrenous.tests.node.several_devices import another, in_step
from entrenous.tests.node.shared_town import bank_and_ada, client_of, kept, one
from entrenous.tests.node.test_deletion_duty import TEN, home, kept_days, lent, read
from entrenous.tests.node.test_shared_records import propose
from entrenous.tests.node.two_nodes import a_town, lend, settle


async def test_who_shares_a_record_hears_that_the_copies_are_gone(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        await propose(ada, "bank")
        await settle()
        left = await take_leave(ada.node, 60)
        assert (left.told, left.untold) == (("bank",), ())
        assert await client_of(ada).shared() == ()
        assert (await one(bank)).state == "left"
        # Nothing is said of it any more, which nobody could hear.
        again = await take_leave(ada.node, 60)
        assert again.untold == ()


async def test_who_was_away_is_named(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        await propose(ada, "bank")
        await settle()
        await bank.down()
        left = await take_leave(ada.node, 5)
        assert (left.told, left.untold) == ((), ("bank",))


async def test_on_another_device_what_is_shared_goes_on(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        laptop = await another(town, ada, "laptop")
        await propose(ada, "bank")
        await settle()
        await in_step(ada, laptop)
        await take_leave(ada.node, 5)
        await in_step(laptop, ada)
        assert len((await kept(laptop)).versions) == len((await kept(bank)).versions)
        assert (await one(bank)).state == "asks"


@pytest.mark.parametrize("binding", [True, False], ids=["bound", "free"])
async def test_a_reader_that_is_destroyed_has_deleted_what_it_is_bound_to(
    autojump_clock: MockClock, binding: bool
) -> None:
    """While the grant holds: nobody will be left to do it at its end."""
    async with a_town() as town:
        alice, bank = await home(town)
        await (lent if binding else lend)(alice, bank, TEN)
        await read(bank, TEN)
        left = await take_leave(bank.node, 60)
        said = await alice.read(lambda tx: alice.node.store.objects.count(tx, Kind.DELETION))
        assert said == binding
        assert ("alice" in left.told) == binding
        assert (await kept_days(bank) == []) == binding

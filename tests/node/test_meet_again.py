"""Two who have both lost their machines, and know neither each other's device nor where it is."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from entrenous.node.config import Role
from entrenous.node.errors import Away, Refused, UsageError
from entrenous.node.exchange.post import RETRY_LAST_MS
from entrenous.protocol.pairing import SCHEME
from entrenous.protocol.place import PLACE_SCHEME
from entrenous.protocol.trust import GrantStatus
from entrenous.tests.node.lost_device import Lost, client_of, with_words
from entrenous.tests.node.test_succession import WINDOW, read
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    Town,
    a_town,
    both_logs_hold,
    lend,
    meet,
    settle,
)


@dataclass
class Both:
    """Alice, who lends, and the bank, which reads; each with a backup and words on paper."""

    town: Town
    alice: Lost
    bank: Lost

    async def restored(self, *, alice: bool, bank: bool) -> tuple[Party, Party]:
        """Both machines burn (True: they are stolen); both homes are on others, and up."""
        await self.alice.alice.down()
        await self.bank.alice.down()
        mine, _, _ = await self.alice.restored(stolen=alice)
        theirs, _, _ = await self.bank.restored(stolen=bank)
        await settle(5)
        return mine, theirs


@asynccontextmanager
async def both(tmp_path: Path) -> AsyncGenerator[Both]:
    async with a_town(b"both") as town:
        folders = [tmp_path / name for name in ("of alice", "of the bank")]
        for folder in folders:
            folder.mkdir()
        alice = await with_words(town, folders[0], "alice")
        bank = await with_words(town, folders[1], "bank", Role.ORGANISATION)
        await meet(alice.alice, bank.alice)
        await alice.alice.fill(CURVE, DAY, 5)
        await lend(alice.alice, bank.alice, WINDOW)
        assert await read(bank.alice) == 5
        yield Both(town, alice, bank)


async def keep_all(owner: Party) -> None:
    for grant in await owner.read(lambda tx: owner.node.lending.all(tx)):
        if grant.kept is GrantStatus.SUSPENDED:
            await owner.write(
                lambda tx, cid=grant.cid: owner.node.lending.keep(tx, cid, owner.now_ms)
            )
    await settle(5)


@pytest.mark.parametrize(
    ("alice", "bank"), [(False, False), (True, False), (False, True), (True, True)]
)
async def test_two_that_were_both_restored_meet_again(
    autojump_clock: object, tmp_path: Path, alice: bool, bank: bool
) -> None:
    """True: it was stolen, and its personas are followed; the link leads to who they are now."""
    async with both(tmp_path) as two:
        mine, theirs = await two.restored(alice=alice, bank=bank)
        before = await theirs.peer("alice")
        with pytest.raises(Away):
            await theirs.node.links.link_to(before)
        made = await client_of(mine).meeting_place()
        again = await client_of(theirs).meet_again(made.link, "alice")
        assert again.name == "alice"
        await settle(60)
        after = await theirs.peer("alice")
        assert (after.own, after.their) == (before.own, before.their)
        assert after.device == mine.node.keystore.device.public
        assert (await mine.peer("bank")).device == theirs.node.keystore.device.public
        assert bool(after.their_before) is alice
        assert bool((await mine.peer("bank")).their_before) is bank
        # The same relationship: the same grants, confirmed by their owner as after any restore.
        await keep_all(mine)
        assert await read(theirs) == 5
        await both_logs_hold(mine, theirs)
        await settle(2 * RETRY_LAST_MS / 1000)
        assert not await mine.read(mine.node.store.outbox.all)
        assert not await theirs.read(theirs.node.store.outbox.all)


async def test_both_were_stolen_and_both_are_where_they_were(
    autojump_clock: object, tmp_path: Path
) -> None:
    """Each owes the other to hear who it is now: neither waits for the other to begin."""
    async with both(tmp_path) as two:
        await two.alice.stolen()
        mine, _, _ = await two.alice.restored()
        await settle(60)
        await two.bank.stolen()
        theirs, _, _ = await two.bank.restored()
        await settle(60)
        await keep_all(mine)
        assert await read(theirs) == 5


async def test_a_place_of_somebody_else_is_refused(autojump_clock: object, tmp_path: Path) -> None:
    """Attack: a link that somebody else made, who has read that two look for each other."""
    async with both(tmp_path) as two:
        stranger = await two.town.party("stranger")
        _, theirs = await two.restored(alice=False, bank=False)
        before = await theirs.peer("alice")
        made = await client_of(stranger).meeting_place()
        with pytest.raises(Refused):
            await client_of(theirs).meet_again(made.link, "alice")
        assert await theirs.peer("alice") == before
        assert not await stranger.read(stranger.node.peers.all)


async def test_a_place_opens_nothing(autojump_clock: object, tmp_path: Path) -> None:
    """Attack: whoever finds the link of a meeting place tries to pair by it."""
    async with both(tmp_path) as two:
        stranger = await two.town.party("stranger")
        mine, _ = await two.restored(alice=False, bank=False)
        made = await client_of(mine).meeting_place()
        with pytest.raises(UsageError, match="not an invite"):
            await client_of(stranger).pair(made.link, "alice")
        forged = made.link.replace(PLACE_SCHEME, SCHEME)
        with pytest.raises(Refused):
            await client_of(stranger).pair(forged, "alice")
        assert len(await mine.read(mine.node.peers.all)) == 1


async def test_a_thief_that_is_looked_for_is_refused(
    autojump_clock: object, tmp_path: Path
) -> None:
    """Attack: the stolen device makes a place after its owner was followed."""
    async with both(tmp_path) as two:
        thief = await two.alice.stolen()
        mine, _, _ = await two.alice.restored()
        await settle(5)
        await mine.down()
        await thief.up()
        bank = two.bank.alice
        made = await client_of(thief).meeting_place()
        with pytest.raises((Refused, Away)):
            await client_of(bank).meet_again(made.link, "alice")
        assert (await bank.peer("alice")).device == mine.node.keystore.device.public

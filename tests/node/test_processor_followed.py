"""Somebody of a chain loses a device: what was lent on ends at all three, and each is told why."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.cli.screen import Screen
from entrenous.node.cli.words import show_grant
from entrenous.node.config import Role
from entrenous.node.errors import NotAllowed, Refused
from entrenous.node.grants import lent_on_left
from entrenous.node.grants.lent_on import LentOn
from entrenous.node.operations import followed_grants
from entrenous.node.results.grants import GrantInfo
from entrenous.protocol.terms import Clause
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.lost_device import Lost, came_back, with_words
from entrenous.tests.node.test_operations import client_of
from entrenous.tests.node.test_processor_renewal import DAYS, FIRST, lent_to_the_end
from entrenous.tests.node.test_processors import DELETE, Trade, granted, lend_on, named, reads
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, a_town, meet, settle

TWO_DAYS = Window(CURVE, DAY, DAY + 1)
WHO = ("ada", "utility", "processor")
LOST = "lost a device, and {} another persona since"


@dataclass
class Followed:
    """A chain of which `lost` is to lose a device: whole until the end of its grant, or not."""

    one: Trade
    made: LentOn
    lost: Lost
    who: str

    async def comes_back(self, *, keep: bool = True) -> Trade:
        back = await came_back(self.lost)
        if self.who == "utility" and keep:
            # What it lends on waits for its word, as after any restore.
            await client_of(back).keep(self.made.cid)
        self.one = replace(self.one, **{self.who: back})
        await settle(600)
        return self.one

    async def listed(self, party: Party) -> GrantInfo:
        return await listed(party, self.made.cid)


async def listed(party: Party, cid: bytes) -> GrantInfo:
    (info,) = [one for one in await client_of(party).grants() if one.id == cid]
    return info


@asynccontextmanager
async def chain(
    who: str, tmp_path: Path, *clauses: Clause, whole: bool = True
) -> AsyncGenerator[Followed]:
    async with a_town() as town:
        roles = dict.fromkeys(WHO, Role.ORGANISATION) | {"ada": Role.PERSON}
        lost = await with_words(town, tmp_path, who, roles[who])
        parties = {
            name: lost.alice if name == who else await town.party(name, roles[name]) for name in WHO
        }
        ada, utility, processor = (parties[name] for name in WHO)
        await meet(ada, utility)
        await meet(utility, processor)
        await ada.fill(CURVE, DAY, 14)
        await client_of(processor).processing_add("utility")
        await settle()
        one = Trade(town, ada, utility, processor)
        given = await granted(one, await named(one, *clauses), days=DAYS)
        if whole:
            made = await lent_to_the_end(one, given)
        else:
            made = await lend_on(one, given.cid, TWO_DAYS, days=2)
        assert await reads(one, TWO_DAYS) == 2
        yield Followed(one, made, lost, who)


@pytest.mark.parametrize("whole", [True, False], ids=["goes on", "was for less"])
@pytest.mark.parametrize("who", ["ada", "utility"])
async def test_what_was_given_again_ends_for_the_processor_too(
    who: str, whole: bool, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The one before is listed as ended at all three, with who lost a device, and with what it goes
    on in, if it does."""
    async with chain(who, tmp_path, whole=whole) as followed:
        one = await followed.comes_back()
        infos = [await followed.listed(party) for party in one.all]
        assert [info.status for info in infos] == [GrantStatus.REVOKED.value] * 3
        owner = ["you", "its owner", "its owner"]
        reader = ["utility", "you", "utility"]
        names = owner if who == "ada" else reader
        expected = [f"{name} {LOST.format('are' if name == 'you' else 'is')}" for name in names]
        if (who, whole) == ("ada", False):
            expected[2] = ""  # nothing that it holds shows it why
        assert [info.why for info in infos] == expected
        fresh = {info.renewed_by for info in infos}
        if not whole:
            assert fresh == {None}
            return
        (cid,) = fresh
        assert cid is not None
        for party in one.all:
            info = await listed(party, cid)
            assert (info.status, info.renews, info.why) == ("live", followed.made.cid, "")
            # By the name that the peer has here, whoever it is by now.
            assert info.principal is None or not info.principal.startswith("did:")


async def test_among_too_many_alike_it_is_not_looked_for(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor of a million customers, all until the same day: a list is no place to compare
    each with each.  That it ended is listed all the same."""
    async with chain("ada", tmp_path) as followed:
        one = await followed.comes_back()
        assert (await followed.listed(one.processor)).renewed_by is not None
        monkeypatch.setattr(followed_grants, "_LOOKED_MAX", 1)
        held = await followed.listed(one.processor)
        assert (held.status, held.renewed_by, held.why) == ("revoked", None, "")
        # Who has the grant above looks at what goes on from that, and at nothing else.
        assert (await followed.listed(one.utility)).renewed_by is not None


async def test_a_lost_device_is_not_read_from(autojump_clock: MockClock, tmp_path: Path) -> None:
    """It does not know that it was left behind, and would serve: whoever was told does not ask."""
    async with chain("ada", tmp_path, whole=False) as followed:
        one = await followed.comes_back()
        assert followed.lost.alice is not one.ada
        with pytest.raises(NotAllowed, match="taken back"):
            await reads(one, TWO_DAYS)


async def test_a_processor_that_is_somebody_else_has_nothing_taken_from_it_by_a_thief(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Who has its lost device has the chain, the keys and the persona that the terms name."""
    async with chain("processor", tmp_path) as followed:
        thief = followed.lost.alice
        one = await followed.comes_back()
        why = LOST.format("is") + ", whom the terms do not name"
        given, here = await followed.listed(one.utility), await followed.listed(one.ada)
        held = await followed.listed(one.processor)
        assert (given.status, here.status, held.status) == ("revoked",) * 3
        assert given.why == f"processor {why}"
        assert here.why == ""  # she is told that it was taken back, and not of whom it is
        assert held.why == f"you {why.replace(' is ', ' are ')}"
        # At the owner nothing is served under it, and what is written turns.
        with pytest.raises(Refused, match="taken back"):
            await reads(replace(one, processor=thief), TWO_DAYS)
        await one.ada.fill(CURVE, DAY + 3, 1)
        gen = await one.ada.read(lambda tx: one.ada.node.vault.collections.generation(tx, CURVE))
        old = await thief.read(lambda tx: thief.node.borrowing.get(tx, followed.made.cid))
        keys = await thief.read(lambda tx: thief.node.borrowing.keys(tx, old))
        assert gen not in {found.gen for found in keys.sets}
        # What is agreed to anew is not touched, also when house is kept again.
        again = await granted(one, await named(one), days=DAYS)
        made = await lent_to_the_end(one, again)
        await settle(600)
        assert (await listed(one.utility, made.cid)).status == "live"


async def test_it_waits_until_the_one_who_lends_on_has_heard(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The processor knows at once that it reads nothing under it; nobody else does."""
    async with chain("processor", tmp_path) as followed:
        await followed.one.utility.down()
        one = await followed.comes_back()
        assert (await followed.listed(one.processor)).status == GrantStatus.SUSPENDED.value
        assert "whom the terms do not name" in (await followed.listed(one.processor)).why
        with pytest.raises(NotAllowed, match="who this node was before it lost a device"):
            await reads(one, TWO_DAYS)
        assert (await followed.listed(one.ada)).status == "live"
        await one.utility.up()
        await settle(1300)
        for party in one.all:
            assert (await followed.listed(party)).status == GrantStatus.REVOKED.value


async def test_many_are_taken_back_a_few_at_a_time(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, it goes on: what is left is noted until all of it is done."""
    monkeypatch.setattr(lent_on_left, "AT_ONCE", 2)
    async with chain("processor", tmp_path) as followed:
        one = followed.one
        root = followed.made.root
        days = [Window(CURVE, DAY + number, DAY + number) for number in range(4)]
        more = [await lend_on(one, root, day, days=5) for day in days]
        cids = [followed.made.cid, *(it.cid for it in more)]
        left = one.utility.node.lent_on_left
        take_back, taken = left._take_back, list[int]()  # pyright: ignore[reportPrivateUsage]  # as it is cut short

        def cut_short(some: list[bytes], tx: object) -> int:
            taken.append(len(some))
            if len(taken) == 2:
                raise KeyboardInterrupt
            return take_back(some, tx)  # type: ignore[arg-type]  # a transaction

        real = one.utility.node.keep_house
        monkeypatch.setattr(left, "_take_back", cut_short)
        monkeypatch.setattr(one.utility.node, "keep_house", _nothing)
        one = await followed.comes_back()
        with pytest.raises(KeyboardInterrupt):
            await left.go_on()
        statuses = [(await listed(one.utility, cid)).status for cid in cids]
        assert sorted(statuses) == ["live"] * 3 + ["revoked"] * 2
        await real()
        assert taken == [2, 2, 2, 2, 1]
        assert {(await listed(one.utility, cid)).status for cid in cids} == {"revoked"}
        assert await left.go_on() == 0
        assert len(taken) == 5


async def _nothing() -> None:
    pass


@pytest.mark.parametrize("who", ["utility", "processor"])
async def test_who_is_to_delete_says_so_as_who_it_was_lent_on_to(
    who: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Under terms that want it deleted at the end: days that go on in another stay, others go, and
    the word is taken at each step of its way to the owner."""
    async with chain(who, tmp_path, DELETE) as followed:
        one = await followed.comes_back()
        await settle(600)
        assert (await followed.listed(one.processor)).deletion == "said"
        assert (await followed.listed(one.utility)).deletion == "said"
        if who == "utility":
            assert await reads(one, FIRST) == 4
            return
        assert (await followed.listed(one.ada)).deletion == "said"


def test_a_list_says_why_and_in_what_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    from entrenous.tests.node.cli_node import GIVEN, OTHER_GRANT

    ended = replace(GIVEN, status="revoked", why="its owner lost a device", renewed_by=OTHER_GRANT)
    show_grant(Screen(False), ended)
    out = capsys.readouterr().out
    assert "its owner lost a device\n" in out
    assert "goes on in " in out
    show_grant(Screen(False), replace(ended, why=""))
    assert "goes on in" not in capsys.readouterr().out

"""Parcels between two whole nodes that are not on a network; and what a taking does with each."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.crypto.keys import DeviceKey
from entrenous.node.errors import NodeError, NotAllowed, NotFound
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.inbox import RequestState
from entrenous.node.log.receipts import Way
from entrenous.node.peers.outgoing import message_of
from entrenous.node.results.parcels import Fate, ParcelTaken
from entrenous.protocol.command import Cmd, DeliverArgs, parse_args
from entrenous.protocol.mandate import Acted
from entrenous.protocol.persona import make_certificate
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.flows.clear_text import find, needles_of
from entrenous.tests.node.test_mandates import answers, ask_for_her, family
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    Town,
    a_town,
    both_logs_hold,
    meet,
    readings,
    request_of,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)


@dataclass
class Stick:
    """Carries parcels between the parties of a test."""

    folder: Path
    made: int = 0

    async def write(self, sender: Party, to: Party) -> Path:
        self.made += 1
        target = self.folder / f"{self.made}.parcel"
        await sender.node.parcel_writing.write(to.name, target)
        return target

    async def carry(self, sender: Party, to: Party) -> ParcelTaken:
        return await to.node.parcel_taking.take(await self.write(sender, to))


async def apart(town: Town, tmp_path: Path) -> tuple[Party, Party, Stick]:
    """A home with data and a reader; they have met, and are not on a network any more."""
    home, shop = await town.party("home"), await town.party("shop")
    await meet(home, shop)
    await home.fill(CURVE, DAY, 20)
    await settle()
    await home.down()
    await shop.down()
    return home, shop, Stick(tmp_path)


async def ask_by_file(shop: Party, home: Party, days: int = 30) -> bytes:
    pair = await shop.peer(home.name)
    request = request_of(pair, [TEN], shop.now_ms, days)
    return await shop.write(lambda tx: shop.node.borrowing.ask(tx, pair, request, shop.now_ms))


async def grant(home: Party, cid: bytes) -> GrantGiven:
    exp_s = home.now_ms // 1000 + 20 * DAY_S
    return await home.write(lambda tx: home.node.lending.grant(tx, cid, [TEN], exp_s, home.now_ms))


def fates(taken: ParcelTaken, *, answers: bool) -> list[tuple[str | None, Fate]]:
    return [(item.cmd, item.fate) for item in taken.items if item.answer is answers]


async def waiting(party: Party) -> int:
    return await party.read(party.node.store.outbox.count)


async def test_the_main_job_by_files_only(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        cid = await ask_by_file(shop, home)
        assert fates(await stick.carry(shop, home), answers=False) == [(Cmd.REQUEST, Fate.DONE)]
        given = await grant(home, cid)
        taken = await stick.carry(home, shop)
        assert fates(taken, answers=True) == [(Cmd.REQUEST, Fate.DONE)]
        assert fates(taken, answers=False) == [(Cmd.DECIDE, Fate.DONE)]
        taken = await stick.carry(shop, home)
        assert fates(taken, answers=True) == [(Cmd.DECIDE, Fate.DONE)]
        assert fates(taken, answers=False) == [(Cmd.ACCEPT, Fate.DONE)]
        taken = await stick.carry(home, shop)
        assert fates(taken, answers=True) == [(Cmd.ACCEPT, Fate.DONE)]
        held = await shop.read(lambda tx: shop.node.borrowing.get(tx, given.cid))
        keys = await shop.read(lambda tx: shop.node.borrowing.keys(tx, held))
        assert keys is not None
        await home.write(lambda tx: home.node.lending.revoke(tx, given.cid, home.now_ms))
        taken = await stick.carry(home, shop)
        assert fates(taken, answers=False) == [(Cmd.REVOKE, Fate.DONE)]
        held = await shop.read(lambda tx: shop.node.borrowing.get(tx, given.cid))
        assert held.kept is GrantStatus.REVOKED
        await stick.carry(shop, home)
        assert (await waiting(home), await waiting(shop)) == (0, 0)
        await both_logs_hold(home, shop)


async def test_a_delivery_by_file(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        sent = await shop.node.deliveries.deliver(
            "home", "consumption/readings", readings(DAY, 30), shop.now_ms
        )
        taken = await stick.carry(shop, home)
        assert fates(taken, answers=False) == [(Cmd.DELIVER, Fate.DONE)]
        received = await home.read(home.node.deliveries.received)
        assert [one.statement for one in received] == [sent.statement]
        assert len((await home.node.vault.read("consumption/readings", DAY, DAY + 29)).batch) == 720
        made = await shop.read(lambda tx: shop.node.deliveries.made_of(tx, sent.statement))
        assert made.state == "queued"
        taken = await stick.carry(home, shop)
        assert fates(taken, answers=True) == [(Cmd.DELIVER, Fate.DONE)]
        made = await shop.read(lambda tx: shop.node.deliveries.made_of(tx, sent.statement))
        assert made.state == "stored"
        await both_logs_hold(home, shop)


async def test_what_was_done_by_file_is_not_done_again_online(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        cid = await ask_by_file(shop, home)
        sent = await shop.node.deliveries.deliver("home", CURVE, readings(DAY, 5), shop.now_ms)
        await stick.carry(shop, home)
        given = await grant(home, cid)
        await stick.carry(home, shop)
        late = await stick.write(shop, home)
        # The answers are still on their way when the two meet.
        await home.up()
        await shop.up()
        await settle(900)
        assert (await waiting(home), await waiting(shop)) == (0, 0)
        received = await home.read(home.node.deliveries.received)
        assert [one.statement for one in received] == [sent.statement]
        held = await shop.read(shop.node.borrowing.all)
        assert [one.cid for one in held] == [given.cid]
        assert len(held[0].keysets) == 1
        asked = await home.read(home.node.inbox.all)
        assert len(asked) == 1
        # And the other way round: what was said online comes once more by file.
        taken = await home.node.parcel_taking.take(late)
        assert {item.fate for item in taken.items} <= {Fate.DONE, Fate.BEFORE}
        taken = await stick.carry(home, shop)
        assert {item.fate for item in taken.items} == {Fate.BEFORE}
        assert len((await shop.read(shop.node.borrowing.all))[0].keysets) == 1
        await both_logs_hold(home, shop)


async def test_a_parcel_that_was_lost(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        await ask_by_file(shop, home)
        lost = await stick.write(shop, home)
        await stick.carry(shop, home)
        answer_lost = await stick.write(home, shop)
        taken = await stick.carry(home, shop)
        assert fates(taken, answers=True) == [(Cmd.REQUEST, Fate.DONE)]
        # Both turn up again, later than what came after them.
        taken = await home.node.parcel_taking.take(lost)
        assert fates(taken, answers=False) == [(Cmd.REQUEST, Fate.DONE)]
        taken = await shop.node.parcel_taking.take(answer_lost)
        assert fates(taken, answers=True) == [(None, Fate.BEFORE)]
        assert len(await home.read(home.node.inbox.all)) == 1
        await both_logs_hold(home, shop)


async def test_answers_are_sent_until_they_are_known_to_have_come(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        await ask_by_file(shop, home)
        await stick.carry(shop, home)
        pair = await home.peer("shop")
        await stick.write(home, shop)
        await stick.carry(home, shop)
        book = await home.read(lambda tx: home.node.parcel_books.of(tx, pair))
        assert [word.parcels for word in book.words] == [(1, 2)]
        await shop.node.deliveries.deliver("home", CURVE, readings(DAY, 2), shop.now_ms)
        await stick.carry(shop, home)
        book = await home.read(lambda tx: home.node.parcel_books.of(tx, pair))
        assert [word.parcels for word in book.words] == [()]


async def _head(party: Party, parcel: Path) -> bytes:
    """What the one it is for sees of a parcel before it acts."""
    with parcel.open("rb") as file:
        opened = await party.node.parcel_taking.open(file)
    return opened.head.signed.raw


async def test_a_parcel_says_nothing_of_what_is_in_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        await ask_by_file(shop, home)
        small = await stick.write(shop, home)
        pair = await shop.peer("home")
        data = small.read_bytes()
        device = pair.certificate.device
        known = (pair.own, pair.their, device, CURVE, "dpv:ServiceProvision", "/grant/request")
        needles = needles_of(known)
        assert find(needles, data) == []
        head = await _head(home, small)
        found = {needle.value for needle in find(needles, head)}
        # The same search finds all of it once the parcel is open.
        assert found == set(known)
        assert small.stat().st_mode & 0o777 == 0o600
        # A request alone, or with a delivery: the same size.
        await shop.node.deliveries.deliver("home", CURVE, readings(DAY, 1), shop.now_ms)
        assert (await stick.write(shop, home)).stat().st_size == len(data)


async def test_nothing_is_written_over_and_nothing_without_need(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        with pytest.raises(NotFound, match="nothing waits for home"):
            await stick.write(shop, home)
        await ask_by_file(shop, home)
        there = tmp_path / "there"
        there.write_text("mine")
        with pytest.raises(NodeError, match="is there already"):
            await shop.node.parcel_writing.write("home", there)
        assert there.read_text() == "mine"
        with pytest.raises(NodeError, match="could not be written"):
            await shop.node.parcel_writing.write("home", tmp_path / "no" / "such" / "folder")
        assert sorted(os.listdir(tmp_path)) == ["there"]
        assert await waiting(shop) == 1


async def test_deliveries_of_several_parts(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        minutes = readings(DAY, 60, duration_s=60)
        await shop.node.deliveries.deliver("home", "energy/electricity/index", minutes, shop.now_ms)
        await shop.node.deliveries.deliver("home", CURVE, readings(DAY, 5), shop.now_ms)
        parcel = await stick.write(shop, home)
        taken = await home.node.parcel_taking.take(parcel)
        assert fates(taken, answers=False) == [(Cmd.DELIVER, Fate.DONE)] * 2
        received = await home.read(home.node.deliveries.received)
        assert sorted(one.records for one in received) == [120, 60 * 1440]
        outbox = await shop.read(shop.node.store.outbox.all)
        args = [parse_args(Cmd.DELIVER, message_of(item).args) for item in outbox]
        assert max(len(one.parts) for one in args if isinstance(one, DeliverArgs)) > 1


async def test_a_command_that_is_withdrawn_is_refused_by_file_too(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        pair = await home.peer("shop")
        closed = replace(pair, withdrawn=frozenset((Cmd.REQUEST, Cmd.DELIVER)))
        await home.write(lambda tx: home.node.peers.save(tx, closed))
        cid = await ask_by_file(shop, home)
        sent = await shop.node.deliveries.deliver("home", CURVE, readings(DAY, 2), shop.now_ms)
        taken = await stick.carry(shop, home)
        assert [item.fate for item in taken.items] == [Fate.REFUSED] * 2
        assert await home.read(home.node.inbox.all) == []
        assert await home.read(home.node.deliveries.received) == []
        await stick.carry(home, shop)
        asked = await shop.read(lambda tx: shop.node.asked.get(tx, cid))
        assert asked.state is RequestState.REFUSED
        made = await shop.read(lambda tx: shop.node.deliveries.made_of(tx, sent.statement))
        assert made.state == "refused"
        assert await waiting(shop) == 0


async def test_what_is_said_under_a_mandate_goes_by_file(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate()
        for party in (one.mother, one.son, one.bank):
            await party.down()
        cid = await ask_for_her(one, given)
        taken = await Stick(tmp_path).carry(one.son, one.bank)
        assert fates(taken, answers=False) == [(Cmd.REQUEST, Fate.DONE)]
        asked = await one.bank.read(lambda tx: one.bank.node.inbox.get(tx, cid))
        assert asked.their == given.mandate.principal
        acted = [
            answer.acted
            for logged, answer in await answers(one.bank)
            if logged.way is Way.GIVEN and answer.acted is not None
        ]
        assert acted == [Acted(given.mandate.principal, given.mandate.proxy, given.cid)]


async def test_a_restored_reader_is_told_that_a_parcel_is_not_for_its_device(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, stick = await apart(town, tmp_path)
        await ask_by_file(shop, home)
        pair = await shop.peer("home")
        own = await home.read(lambda tx: home.node.peers.persona(tx, pair.their))
        other = DeviceKey.generate(town.entropy.fork("other device"))
        newer = make_certificate(
            own.key,
            device=other,
            cmds=("/",),
            exp_s=home.now_ms // 1000 + DAY_S,
            now_ms=home.now_ms,
        )
        await shop.write(lambda tx: shop.node.peers.save(tx, replace(pair, certificate=newer)))
        with pytest.raises(NotAllowed, match="another device of this persona"):
            await stick.carry(shop, home)
        # What waits still waits: signed anew for the right device, it is taken.
        await shop.write(lambda tx: shop.node.peers.save(tx, pair))
        assert fates(await stick.carry(shop, home), answers=False) == [(Cmd.REQUEST, Fate.DONE)]

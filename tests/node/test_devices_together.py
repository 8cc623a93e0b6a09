"""Everything else that a person's devices share: what is done on one is found on the others, and
what is done apart becomes one."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import random
from pathlib import Path
from typing import cast

import pytest
from trio.testing import MockClock

from entrenous.node.client import Client
from entrenous.node.config import Role
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.peers.domain_looks import Look
from entrenous.node.store.database import Tx
from entrenous.node.store.home import Home
from entrenous.node.store.objects import Kind as Rows
from entrenous.node.vault.sealing import pieces_of
from entrenous.protocol.day import UNDATED
from entrenous.protocol.mandate import Office
from entrenous.protocol.mandate_limits import Limits
from entrenous.protocol.sepa import Creditor
from entrenous.protocol.wire import Value
from entrenous.tests.node.paid_town import IBAN, PER_READ, WEEK, fetch, lend_paid
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.shared_town import CONTACTS, bank_and_ada
from entrenous.tests.node.test_erasure import DAY, PAYMENTS, payments
from entrenous.tests.node.test_shared_records import MOVED
from entrenous.tests.node.test_views import DAILY
from entrenous.tests.node.two_nodes import CURVE, DAY_S, Party, Town, a_town, meet, settle
from entrenous.tests.protocol.card_samples import WRITTEN

CARD = cast("dict[str, Value]", WRITTEN)


def client_of(party: Party) -> Client:
    return Client(DirectChannel(Host(party.node, Home(Path("/nowhere")), True, "test")))


async def apart(*parties: Party) -> None:
    for party in parties:
        await party.down()


async def together(*parties: Party) -> None:
    for party in parties:
        await party.up()
    await settle(70)
    for _ in range(2):
        await in_step(*parties)


async def test_people_of_the_house_added_apart_have_numbers_of_their_own(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        ann = await home.write(lambda tx: home.node.household.add(tx, "Ann"))
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        await apart(home, laptop)
        ben = await home.write(lambda tx: home.node.household.add(tx, "Ben"))
        eve = await laptop.write(lambda tx: laptop.node.household.add(tx, "Eve", "2014-05-01"))
        other = await laptop.write(lambda tx: laptop.node.household.add(tx, "Ben"))
        assert (ann.number, ben.number) == (1, 2)
        assert len({ann.number, ben.number, eve.number, other.number}) == 4
        await home.write(lambda tx: home.node.household.assign(tx, CURVE, (1,), home.now_ms))
        await laptop.write(
            lambda tx: laptop.node.household.assign(tx, CURVE, (1, 2), laptop.now_ms + 5)
        )
        await home.write(lambda tx: home.node.household.remove(tx, "Ann", ()))
        await together(home, laptop)
        for device in (home, laptop):
            house = device.node.household
            everyone = await device.read(house.all)
            # Two of one name are told apart, on both alike; who was removed is.
            assert [one.name for one in everyone] == ["Ben", "Eve", f"Ben {other.number}"]
            assert await device.read(lambda tx, of=house: of.assigned(tx)) == {CURVE: (1, 2)}
        await same(home, laptop)


async def test_a_view_is_derived_by_one_device_and_held_by_all(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home = await town.party("home")
        await home.fill(CURVE, DAY - 60, 60)
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        await home.node.views.add(DAILY)
        await in_step(home, laptop)
        for _ in range(2):
            for device in (home, laptop):
                await device.node.views.catch_up()
            await in_step(home, laptop)
        path = DAILY.path
        held: list[list[bytes]] = []
        for device in (home, laptop):
            stored = await device.read(
                lambda tx, of=device: of.node.vault.stored(tx, path, 0, UNDATED)
            )
            held.append(sorted(one.line for one in stored))
            (kept,) = await device.read(device.node.views.kept.all)
            assert kept.by == home.node.own_devices.device
        assert held[0]
        assert held[0] == held[1]
        await same(home, laptop)
        # Made again on the laptop, it is the laptop's to derive; what was published stays so.
        await laptop.node.views.add(DAILY)
        await in_step(home, laptop)
        for device in (home, laptop):
            await device.node.views.catch_up()
        await in_step(home, laptop)
        await same(home, laptop)
        # Removed on one, it is removed on the other, with its pages.
        await home.node.views.remove(path)
        await in_step(home, laptop)
        for device in (home, laptop):
            assert await device.read(device.node.views.kept.all) == []
            assert not await device.read(
                lambda tx, of=device: of.node.vault.stored(tx, path, 0, UNDATED)
            )
        await same(home, laptop)


async def test_the_device_that_derived_a_view_is_gone_and_another_goes_on(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        await home.fill(CURVE, DAY - 60, 30)
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        await laptop.node.views.add(DAILY)
        await in_step(home, laptop)
        (kept,) = await home.read(home.node.views.kept.all)
        assert not await home.read(lambda tx: home.node.views.derives(tx, kept))
        gone = laptop.node.own_devices.device
        await home.write(lambda tx: home.node.own_devices.leave(tx, gone, home.now_ms))
        assert await home.read(lambda tx: home.node.views.derives(tx, kept))


async def test_what_is_owed_is_counted_from_what_every_device_served(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, volt = await town.party("alice"), await town.party("volt")
        await meet(home, volt)
        await home.fill(CURVE, DAY, 10)
        await lend_paid(home, volt, PER_READ)
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        await fetch(volt, home)
        await apart(home)
        await settle(5)
        await fetch(volt, home, WEEK)
        await home.up()
        await settle(70)
        for device in (home, laptop):
            await device.node.rows.catch_up()
        await in_step(home, laptop)
        counted: list[object] = []
        for device in (home, laptop):
            (account,) = await client_of(device).accounts()
            counted.append((account.accrued, len(account.lines)))
        (theirs,) = await client_of(volt).accounts()
        assert counted[0] == counted[1] == (theirs.accrued, len(theirs.lines))
        assert len(theirs.lines) == 2
        await same(home, laptop)


async def test_payments_creditor_and_waivers_are_of_all_devices(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, volt = await town.party("alice"), await town.party("volt")
        await meet(home, volt)
        await home.fill(CURVE, DAY, 10)
        await lend_paid(home, volt, PER_READ)
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        await fetch(volt, home)
        pair = await volt.peer("alice")
        await volt.write(
            lambda tx: volt.node.payments.say(tx, pair, 25, "EUR", "June", volt.now_ms)
        )
        await settle(5)
        creditor = Creditor("Alice", IBAN)
        await laptop.write(lambda tx: laptop.node.invoices.set_creditor(tx, creditor))
        await in_step(home, laptop)
        for device in (home, laptop):
            (kept,) = await device.read(device.node.payments.all)
            assert kept.payment.amount_minor == 25
            assert await device.read(device.node.invoices.creditor) == creditor
        # Taken away on the other, it is gone on both.
        await settle(60)
        await home.write(lambda tx: home.node.invoices.set_creditor(tx, None))
        given = await home.read(home.node.lending.all)
        await home.write(lambda tx: home.node.paid_terms.switch_off(tx, given, home.now_ms))
        await in_step(home, laptop)
        assert await laptop.read(laptop.node.invoices.creditor) is None
        assert not await laptop.read(laptop.node.paid_terms.on)
        waived = given[0].cid
        assert await laptop.read(lambda tx: laptop.node.paid_terms.waived_ms(tx, waived))
        await same(home, laptop)


async def test_cards_looks_and_vouches_are_of_all_devices(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, ann = await town.party("home"), await town.party("ann")
        bank = await town.party("bank", Role.ORGANISATION)
        await meet(home, ann)
        await meet(home, bank)
        await client_of(bank).set_card(CARD)
        await settle(5)
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        assert (await client_of(laptop).card("bank")).card is not None
        pair, to = await home.peer("bank"), await home.peer("ann")
        await home.write(lambda tx: home.node.vouches.give(tx, pair, [to], home.now_ms))
        look = Look(None, home.now_ms, 1, "silent")
        name = [pair.their, "example.org"]
        await home.write(
            lambda tx: home.node.store.objects.put(tx, Rows.DOMAIN_LOOK, name, look.value())
        )
        await in_step(home, laptop)
        assert [one.about for one in await laptop.read(laptop.node.vouches.given)] == [pair.their]
        # Withdrawn on one while the other was away, it does not come back.
        await apart(home)
        await laptop.write(lambda tx: laptop.node.vouches.withdraw(tx, pair, laptop.now_ms))
        await together(home)
        await in_step(home, laptop)
        for device in (home, laptop):
            assert await device.read(device.node.vouches.given) == []
        await same(home, laptop)


async def test_an_organisation_is_one_persona_on_all_its_devices(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        bank, home = await town.party("bank", Role.ORGANISATION), await town.party("home")
        await client_of(bank).set_card(CARD)
        branch = await another(town, bank, "branch")
        await in_step(bank, branch)
        await meet(branch, home)
        await settle(5)
        public = await bank.write(lambda tx: bank.node.peers.public_persona(tx, bank.now_ms))
        assert (await home.peer("branch")).their == public.did
        assert (await client_of(home).card("branch")).card is not None


async def test_a_mandate_ended_on_one_device_has_ended_on_the_other(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, ann = await town.party("home"), await town.party("ann")
        await meet(home, ann)
        pair = await home.peer("ann")
        given = await home.write(
            lambda tx: home.node.mandates.give_home(
                tx,
                pair,
                office=Office.PROXY,
                limits=Limits(),
                exp_s=home.now_ms // 1000 + 30 * DAY_S,
                now_ms=home.now_ms,
            )
        )
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        (kept,) = await laptop.read(laptop.node.mandates.all)
        assert kept.mandate.cid == given.cid
        link = kept.mandate.links[0].cid
        # The laptop's own door knows it.
        found = await laptop.read(lambda tx: laptop.node.mandates.lodged(tx, pair.own, [link]))
        assert not found[link].ended
        await home.write(lambda tx: home.node.mandates.end(tx, given.cid, home.now_ms))
        await in_step(home, laptop)
        found = await laptop.read(lambda tx: laptop.node.mandates.lodged(tx, pair.own, [link]))
        assert found[link].ended
        await same(home, laptop)


async def test_a_shared_record_changed_on_two_devices_apart_is_what_the_peer_took(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        laptop = await another(town, ada, "laptop")
        await in_step(ada, laptop)
        await apart(bank)
        await apart(ada, laptop)
        for device, street in ((ada, "1 First Street"), (laptop, "2 Second Street")):
            await client_of(device).shared_propose(
                "bank", CONTACTS, "c1", changes=(("addresses", street),), reason=""
            )
        await together(ada, laptop)
        # Until the bank has answered, both show the same of the two.
        shown = [await device.read(device.node.shared.all) for device in (ada, laptop)]
        assert [len(one[0].versions) for one in shown] == [2, 2]
        assert shown[0][0].copies.versions == shown[1][0].copies.versions
        assert len(shown[0][0].copies.versions) == 1
        await bank.up()
        await settle(600)
        await in_step(ada, laptop)
        ((here,), (there,)) = [
            await device.read(device.node.shared.all) for device in (ada, laptop)
        ]
        (at_bank,) = await bank.read(bank.node.shared.all)
        taken = [one.cid for one in at_bank.copies.versions]
        assert [one.cid for one in here.copies.versions] == taken
        assert [one.cid for one in there.copies.versions] == taken
        assert sorted(one.state.value for one in here.versions) == ["heard", "refused"]
        # And the person goes on from there, on either.
        await client_of(laptop).shared_propose("bank", CONTACTS, "c1", changes=MOVED, reason="")
        await settle(60)
        (at_bank,) = await bank.read(bank.node.shared.all)
        assert len(at_bank.copies.versions) == 2
        await in_step(ada, laptop)
        await same(ada, laptop)


# --- any order ------------------------------------------------------------------------------------

ACTS = ("person", "assign", "vouch", "withdraw", "creditor", "off", "on", "view", "erase", "look")


def _unit(device: Party, act: str, number: int, tx: Tx) -> None:
    node, now_ms = device.node, device.now_ms + number
    bank, ann = node.peers.named(tx, "bank"), node.peers.named(tx, "ann")
    match act:
        case "person":
            node.household.add(tx, f"Person {number}")
        case "assign":
            node.household.assign(tx, CURVE, (1,) if number % 2 else (), now_ms)
        case "vouch":
            node.vouches.give(tx, bank, [ann], now_ms)
        case "withdraw":
            if node.vouches.given(tx):
                node.vouches.withdraw(tx, bank, now_ms)
        case "creditor":
            node.invoices.set_creditor(tx, Creditor(f"N {number}", IBAN) if number % 3 else None)
        case "off":
            node.paid_terms.switch_off(tx, [], now_ms)
        case "on":
            node.paid_terms.switch_on(tx)
        case _:
            look = Look(None, now_ms, number, "silent")
            name = [bank.their, "example.org"]
            node.store.objects.put(tx, Rows.DOMAIN_LOOK, name, look.value())
    node.keeping.note(tx, now_ms)


async def _act(device: Party, act: str, number: int) -> None:
    node = device.node
    if act == "view":
        held = await device.read(node.views.kept.all)
        await (node.views.remove(DAILY.path) if held else node.views.add(DAILY))
    elif act == "erase":
        reading = await node.vault.read(PAYMENTS, 0, UNDATED)
        ids = list(reading.batch.columns["id"])
        if ids:
            await node.erasing.erase_record(PAYMENTS, str(ids[number % len(ids)]))
    else:
        await device.write(lambda tx: _unit(device, act, number, tx))


async def _three(town: Town) -> list[Party]:
    home, ann = await town.party("home"), await town.party("ann")
    bank = await town.party("bank", Role.ORGANISATION)
    await meet(home, ann)
    await meet(home, bank)
    await client_of(bank).set_card(CARD)
    await home.fill(CURVE, DAY - 5, 3)
    batch = payments(*((f"{n}aaaaaa", DAY + n // 3, f"m{n}") for n in range(9)))
    await home.node.vault.write(PAYMENTS, batch.schema, pieces_of(batch), origin=b"file")
    devices = [home, *[await another(town, home, name) for name in ("laptop", "tablet")]]
    for _ in range(2):
        await in_step(*devices)
    return devices


@pytest.mark.parametrize("seed", range(3))
async def test_three_devices_hold_the_same_whatever_each_did_and_whoever_met_first(
    autojump_clock: MockClock, seed: int
) -> None:
    rng = random.Random(seed)
    async with a_town(b"together %d" % seed) as town:
        devices = await _three(town)
        await apart(*devices)
        for number in range(14):
            await _act(rng.choice(devices), rng.choice(ACTS), number)
            if rng.random() < 0.3:
                some = rng.sample(devices, 2)
                for one in some:
                    await one.up()
                await settle(65)
                await some[0].node.keeping.fetch_all()
                await apart(*some)
        await together(*devices)
        for _ in range(2):
            await in_step(*devices)
        await same(*devices)
        held = [
            list((await one.node.vault.read(PAYMENTS, 0, UNDATED)).batch.columns["id"])
            for one in devices
        ]
        assert held[0] == held[1] == held[2]

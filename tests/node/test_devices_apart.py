"""Two devices of one person that act apart, and meet again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from entrenous.node.errors import NotAllowed, Refused
from entrenous.node.exchange.exchange import answer_of
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.grants_held import GrantsHeld
from entrenous.node.log.head import LAPSED, HeadState
from entrenous.node.peers.outgoing import message_of
from entrenous.node.store.backup import snapshot
from entrenous.node.store.database import Tx
from entrenous.node.vault.stored import Stored, entry_of
from entrenous.protocol.command import Cmd, HaveArgs
from entrenous.protocol.day import UNDATED
from entrenous.protocol.did import public_of
from entrenous.protocol.errors import Code
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode
from entrenous.simulations.adversary import attack
from entrenous.simulations.stolen import Files, Loot
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.shared_town import client_of
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    Town,
    a_town,
    both_logs_hold,
    lend,
    meet,
    revoke,
    settle,
)

FIRST = DAY - 10
DAYS = Window(CURVE, FIRST, DAY + 5)
HOUR_MS = 3_600_000


async def two_devices(
    town: Town, *readers: str, serves_within_s: int | None = None
) -> tuple[Party, Party, list[Party], dict[str, GrantGiven]]:
    """A person with ten days on two devices, and readers who were granted all of them."""
    home, *others = [await town.party(name) for name in ("home", *readers)]
    await home.fill(CURVE, FIRST, 10)
    given: dict[str, GrantGiven] = {}
    for reader in others:
        await meet(home, reader)
        given[reader.name] = await lend(home, reader, DAYS)
    laptop = await another(town, home, "laptop", serves_within_s=serves_within_s)
    await in_step(home, laptop)
    return home, laptop, others, given


async def apart(*parties: Party) -> None:
    for party in parties:
        await party.down()


async def together(*parties: Party) -> None:
    for party in parties:
        await party.up()
    await settle(70)
    await in_step(*parties)


async def generation(party: Party) -> bytes:
    return await party.read(lambda tx: party.node.vault.collections.generation(tx, CURVE))


async def reads(reader: Party, window: Window = DAYS) -> int:
    lent = await reader.node.fetcher.fetch(await reader.peer("home"), window)
    assert not lent.damaged
    return 0 if lent.batch is None else len(lent.batch)


async def attacked(owner: Party, folder: Path, *readers: Party) -> None:
    """Every key that these readers hold opens what was granted to them, and nothing else."""
    homes = [await loot(reader, folder) for reader in readers]
    files = await files_of(owner, folder)
    found = attack(files, keystore(owner), homes, every_role=False)
    assert found.opened
    assert found.opened == found.expected, (len(found.surplus), len(found.missing))


async def files_of(party: Party, folder: Path) -> Files:
    async with snapshot(party.node.store.database, folder) as copy:
        return Files.of(copy)


async def loot(party: Party, folder: Path) -> Loot:
    return Loot.of(await files_of(party, folder), keystore(party))


def keystore(party: Party) -> Mapping[str, Value]:
    value = decode(party.node.keystore.to_bytes())
    assert isinstance(value, dict)
    return value


async def pages_of(party: Party) -> list[Stored]:
    return await party.read(lambda tx: party.node.vault.stored(tx, CURVE, 0, UNDATED))


async def test_two_devices_that_revoke_different_readers_apart_converge(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Both derive one generation; neither of the two opens anything new; who is left reads on."""
    async with a_town() as town:
        home, laptop, readers, given = await two_devices(town, "bank", "shop", "gym")
        bank, shop, gym = readers
        await apart(home, laptop)
        await revoke(home, given["bank"])
        await revoke(laptop, given["shop"])
        assert await generation(home) != await generation(laptop)
        await together(home, laptop)
        assert await generation(home) == await generation(laptop)
        await same(home, laptop)
        await home.fill(CURVE, DAY, 1)
        await laptop.fill(CURVE, DAY + 1, 1)
        await in_step(home, laptop)
        assert await reads(gym) == 12 * 24
        for gone in (bank, shop):
            with pytest.raises((Refused, NotAllowed)):
                await reads(gone)
        for owner in (home, laptop):
            new = {entry_of(one.raw).gen for one in await pages_of(owner) if one.day >= DAY}
            assert new == {await generation(owner)}
            await attacked(owner, tmp_path, bank)
            await attacked(owner, tmp_path, shop)
            await attacked(owner, tmp_path, bank, shop)
            await attacked(owner, tmp_path, gym)
        await both_logs_hold(home, laptop, gym)


async def test_revoked_on_one_and_granted_again_at_once_on_the_other(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, laptop, (bank,), given = await two_devices(town, "bank")
        await apart(home, laptop)
        await revoke(home, given["bank"])
        pair = await laptop.peer("bank")
        exp_s = laptop.now_ms // 1000 + 20 * DAY_S
        old = given["bank"]
        again = await laptop.write(
            lambda tx: laptop.node.lending.give(
                tx, pair, [DAYS], old.bundle.terms, exp_s, None, laptop.now_ms
            )
        )
        await together(home, laptop)
        await same(home, laptop)

        def statuses(party: Party, tx: Tx) -> list[str]:
            cids = (old.cid, again.cid)
            found = party.node.lending.statuses(tx, cids, party.now_ms)
            return [found[cid].value for cid in cids]

        for device in (home, laptop):
            assert await device.read(lambda tx, device=device: statuses(device, tx)) == [
                "revoked",
                "live",
            ]
        await attacked(laptop, tmp_path, bank)


async def test_what_a_lagging_device_wrote_is_encrypted_again_before_it_is_served(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, laptop, (bank, gym), given = await two_devices(town, "bank", "gym")
        old = await generation(home)
        await laptop.down()
        await revoke(home, given["bank"])
        await settle(5)
        # It has not heard, and writes under the keys that the bank has.
        await laptop.fill(CURVE, DAY, 2)
        assert {entry_of(one.raw).gen for one in await pages_of(laptop)} == {old}
        await laptop.up()
        await settle(70)
        await home.node.keeping.fetch_all()
        brought = [one for one in await pages_of(home) if one.day >= DAY]
        assert {entry_of(one.raw).gen for one in brought} == {await generation(home)}
        await in_step(home, laptop)
        await same(home, laptop)
        for device in (home, laptop):
            late = [one for one in await pages_of(device) if one.day >= DAY]
            assert len(late) == 2
            assert {entry_of(one.raw).gen for one in late} == {await generation(device)}
            await attacked(device, tmp_path, bank)
        assert await reads(gym) == 12 * 24


async def test_what_a_device_learns_late_its_own_pages_learn_too(
    autojump_clock: MockClock,
) -> None:
    """The lagging device fetches first: what it wrote meanwhile does not stay under old keys."""
    async with a_town() as town:
        home, laptop, _, given = await two_devices(town, "bank")
        await apart(home, laptop)
        await revoke(home, given["bank"])
        await laptop.fill(CURVE, DAY, 2)
        await home.up()
        await laptop.up()
        await settle(70)
        await laptop.node.keeping.fetch_all()
        late = [one for one in await pages_of(laptop) if one.day >= DAY]
        assert {entry_of(one.raw).gen for one in late} == {await generation(home)}
        early = [one for one in await pages_of(laptop) if one.day < DAY]
        assert {entry_of(one.raw).gen for one in early} == {bytes(16)}


async def test_a_device_that_has_not_synced_for_its_time_does_not_serve(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, laptop, (bank,), _ = await two_devices(town, "bank", serves_within_s=3_600)
        assert await reads(bank) == 240
        await home.down()
        await trio.sleep(3_700)
        assert laptop.node.log_head.lapsed
        assert laptop.node.log_head.refusal(Cmd.READ) == LAPSED
        with pytest.raises(Refused) as refused:
            await reads(bank)
        assert refused.value.code == Code.SUSPENDED.value
        await home.up()
        await settle(150)
        assert not laptop.node.log_head.lapsed
        await home.down()
        assert await reads(bank) == 240


async def test_an_invocation_for_one_device_is_refused_by_the_other(
    autojump_clock: MockClock,
) -> None:
    """Replay on a second device: `aud` is the device."""
    async with a_town() as town:
        home, laptop, (bank,), _ = await two_devices(town, "bank")
        pair = await bank.peer("home")
        _, said = await bank.read(
            lambda tx: bank.node.borrowing.begin(
                tx, pair, DAYS, home.node.own_devices.device, bank.now_ms
            )
        )
        proofs = await bank.read(
            lambda tx: [one.bundle.grant.delegation.raw for one in bank.node.borrowing.all(tx)]
        )
        await home.down()
        link = await bank.node.links.link_to(pair, laptop.node.own_devices.device)
        assert link.server.device == laptop.node.own_devices.device
        with await link.ask(said.raw, proofs) as asking:
            answer = answer_of(await asking.reply())
        assert answer.code is Code.AUDIENCE


async def test_a_start_asks_the_other_device_about_the_log(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, laptop, (bank,), _ = await two_devices(town, "bank")
        await apart(home, laptop)
        await laptop.up()
        assert laptop.node.log_head.state is HeadState.WAITING
        with pytest.raises(Refused) as refused:
            await reads(bank)
        assert refused.value.code == Code.SUSPENDED.value
        await home.up()
        await settle(120)
        assert laptop.node.log_head.state is HeadState.CONFIRMED
        assert home.node.log_head.state is HeadState.CONFIRMED
        assert await reads(bank) == 240


async def test_nobody_else_may_say_what_devices_say(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        home, _, (bank,), _ = await two_devices(town, "bank")
        pair = await bank.peer("home")
        with pytest.raises(Refused) as refused:
            await bank.node.exchange.ask_aside(
                pair, Cmd.DEVICE_HAVE, HaveArgs(pair.their, "").value()
            )
        assert refused.value.code == Code.COMMAND.value
        assert await home.read(home.node.peers.siblings)
        assert [one.name for one in await home.read(home.node.peers.all)] == ["bank"]


async def test_a_reader_holds_one_set_of_keys_from_two_devices(
    autojump_clock: MockClock,
) -> None:
    """Keysets of both devices add up at the reader, and none contradicts another."""
    async with a_town() as town:
        home, laptop, readers, given = await two_devices(town, "bank", "shop", "gym")
        gym = readers[2]
        await apart(home, laptop)
        await revoke(home, given["bank"])
        await revoke(laptop, given["shop"])
        await together(home, laptop)
        held = await gym.read(lambda tx: gym.node.borrowing.get(tx, given["gym"].cid))
        keys = await gym.read(lambda tx: gym.node.borrowing.keys(tx, held))
        for gen in {await generation(home), bytes(16)}:
            epoch = home.node.keystore.epoch.name
            assert keys.day_key(CURVE, epoch, gen, DAY)


async def renewed_apart(town: Town) -> tuple[Party, Party, Party, GrantGiven]:
    """Two devices out of each other's reach, of which one has just renewed a grant; the other one,
    over whose link its reader speaks, has not heard of it: knows, does not, reader, grant."""
    home, laptop, (bank,), given = await two_devices(town, "bank")
    town.world.cut([of_device(home)], [of_device(laptop)])
    town.world.reset_streams(of_device(home), of_device(laptop))
    link = await bank.node.links.link_to(await bank.peer("home"))
    spoken_to = link.server.device
    knows, other = (laptop, home) if spoken_to == home.node.own_devices.device else (home, laptop)
    exp_s = knows.now_ms // 1000 + 40 * DAY_S
    fresh = await knows.write(
        lambda tx: knows.node.renewals.renew(tx, given["bank"].cid, exp_s, knows.now_ms)
    )
    return knows, other, bank, fresh


def of_device(party: Party) -> bytes:
    return public_of(party.node.own_devices.device)


async def keysets(reader: Party, grant: GrantGiven) -> tuple[int, ...]:
    held = await reader.read(lambda tx: reader.node.borrowing.find(tx, grant.cid))
    return () if held is None else held.keysets


async def test_an_acceptance_that_one_device_does_not_know_is_said_to_the_other(
    autojump_clock: MockClock,
) -> None:
    """As long as the two are apart, a reader that speaks with one has the keys of the other."""
    async with a_town() as town:
        knows, _, bank, fresh = await renewed_apart(town)
        await settle(10)
        assert await keysets(bank, fresh)
        assert not await bank.read(bank.node.store.outbox.all)
        assert (await knows.read(lambda tx: knows.node.lending.get(tx, fresh.cid))).keyset


async def test_a_reader_asks_again_for_keys_that_did_not_come(autojump_clock: MockClock) -> None:
    """Its acceptance was refused by a device that knew of no such grant, while the one that gave
    it was away: within the hour after that is back, the reader has its keys."""
    async with a_town() as town:
        knows, _, bank, fresh = await renewed_apart(town)
        await settle(10)
        await knows.down()

        def refused(tx: Tx) -> None:
            held = bank.node.borrowing.get(tx, fresh.cid)
            GrantsHeld(bank.node.store.objects).save(tx, replace(held, keysets=()))

        await bank.write(refused)
        await settle(3_700)
        (waiting,) = await bank.read(bank.node.store.outbox.all)
        assert message_of(waiting).cmd is Cmd.ACCEPT
        town.world.heal()
        await knows.up()
        await settle(700)
        assert await keysets(bank, fresh)
        assert not await bank.read(bank.node.store.outbox.all)
        await settle(3_700)
        assert not await bank.read(bank.node.store.outbox.all)


async def test_a_clock_set_back_does_not_put_off_asking_again(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        knows, _, bank, fresh = await renewed_apart(town)
        await settle(10)
        await knows.down()

        def refused(tx: Tx) -> None:
            held = bank.node.borrowing.get(tx, fresh.cid)
            GrantsHeld(bank.node.store.objects).save(tx, replace(held, keysets=()))

        await bank.write(refused)
        accept_lacking, now_ms = bank.node.borrowing.accept_lacking, bank.now_ms
        ahead_ms = now_ms + 365 * DAY_S * 1_000
        assert await bank.write(lambda tx: accept_lacking(tx, ahead_ms)) == 0
        assert await bank.write(lambda tx: accept_lacking(tx, now_ms)) == 1
        assert await bank.write(lambda tx: accept_lacking(tx, now_ms + 1)) == 0


async def test_a_device_that_was_away_is_asked_as_soon_as_it_is_back(
    autojump_clock: MockClock,
) -> None:
    """Not only when its turn comes, two minutes after it was tried in vain."""
    async with a_town() as town:
        home, laptop, _, _ = await two_devices(town)
        await apart(home, laptop)
        await home.up()
        await settle(20)
        begun_ms = home.now_ms
        await laptop.up()
        await settle(10)
        for one, other in ((home, laptop), (laptop, home)):
            device = other.node.own_devices.device
            synced_ms = await one.read(
                lambda tx, one=one, device=device: one.node.own_devices.synced_ms(tx, device)
            )
            assert synced_ms is not None
            assert synced_ms >= begun_ms
        status = await client_of(home).status()
        assert (status.peers, status.connected) == (0, 0)  # one's own devices are no peers

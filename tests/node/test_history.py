"""What a person asks about the past: who may see what, who read it, what was taken back, and what
shows it."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from entrenous.node.client import Client
from entrenous.node.errors import NotFound, Refused
from entrenous.node.results.history import HistoryEvent
from entrenous.protocol.command import DeclineArgs
from entrenous.protocol.did import check_did
from entrenous.protocol.window import Window
from entrenous.tests.node.test_operations import client_of, lent
from entrenous.tests.node.two_nodes import CURVE, DAY, GAS, Party, Town, a_town, ask, meet, settle

HOUR_MS = 3_600_000
WINDOW = Window(CURVE, DAY - 20, DAY - 1)


async def home(town: Town) -> tuple[Party, Party, Client, Client]:
    """A home with twenty days of readings, and a bank that is paired with it."""
    alice, bank = await town.party("alice"), await town.party("bank")
    await meet(alice, bank)
    await alice.fill(CURVE, DAY - 20, 20)
    return alice, bank, client_of(alice), client_of(bank)


def whats(events: tuple[HistoryEvent, ...]) -> list[str]:
    return [one.what for one in events]


async def test_grants_as_of_are_those_that_held_then(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await home(town)
        before_ms = alice.now_ms
        await settle()
        await lent(owner, reader, WINDOW, alice.now_ms // 1000 + 86_400)
        lent_ms = alice.now_ms
        (grant,) = await owner.grants()
        town.clock.ahead_ms += HOUR_MS
        suspended_ms = alice.now_ms
        await alice.write(lambda tx: alice.node.lending.suspend_all(tx, suspended_ms))
        town.clock.ahead_ms += HOUR_MS
        await owner.keep(grant.id)
        town.clock.ahead_ms += HOUR_MS
        await owner.revoke(grant.id)
        revoked_ms = alice.now_ms
        town.clock.ahead_ms += 48 * HOUR_MS

        stood = {
            "before": [one.status for one in await owner.grants(before_ms)],
            "lent": [one.status for one in await owner.grants(lent_ms)],
            "suspended": [one.status for one in await owner.grants(suspended_ms + 1)],
            "kept": [one.status for one in await owner.grants(suspended_ms + HOUR_MS + 10_000)],
            "revoked": [one.status for one in await owner.grants(revoked_ms)],
            "now": [one.status for one in await owner.grants()],
        }
        assert stood == {
            "before": [],
            "lent": ["live"],
            "suspended": ["suspended"],
            "kept": ["live"],
            "revoked": [],
            "now": ["revoked"],
        }
        (then,) = await owner.grants(lent_ms)
        assert (then.id, then.ended_ms) == (grant.id, None)


async def test_a_grant_that_ran_out_held_until_its_last_second(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await home(town)
        exp_s = alice.now_ms // 1000 + 3600
        await lent(owner, reader, WINDOW, exp_s)
        town.clock.ahead_ms += 3 * HOUR_MS
        assert [one.status for one in await owner.grants(exp_s * 1000)] == ["live"]
        assert await owner.grants(exp_s * 1000 + 1) == ()


async def test_who_names_readers_reads_and_what_shows_them(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await home(town)
        await alice.fill(GAS, DAY - 3, 3)
        await lent(owner, reader, WINDOW, alice.now_ms // 1000 + 86_400)
        await lent(owner, reader, Window(GAS, DAY - 3, DAY - 1), alice.now_ms // 1000 + 86_400)
        await reader.fetch("alice", CURVE, DAY - 20, DAY - 11)
        await reader.fetch("alice", GAS, DAY - 3, DAY - 2)

        found = await owner.who(CURVE)
        assert whats(found) == ["may-read", "read"]
        stands, read = found
        assert (stands.peer, stands.windows, stands.way) == ("bank", (WINDOW,), "given")
        assert read.windows == (Window(CURVE, DAY - 20, DAY - 11),)
        assert (read.pages, read.within) == (10, True)
        assert read.delete_by_ms == read.t_ms + 30 * 86_400_000
        logged = await alice.read(alice.node.receipts.all)
        words = {row.index: row.word.cid for row in logged}
        for event in found:
            assert event.log, event.what
            for name in event.log:
                assert words[int(name)] in event.cids

        # The reader is told the same of itself.
        theirs = await reader.who(CURVE)
        assert whats(theirs) == ["may-read", "read"]
        assert {one.way for one in theirs} == {"taken"}
        assert theirs[1].windows == read.windows


async def test_who_tells_what_was_taken_back(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await home(town)
        await lent(owner, reader, WINDOW, alice.now_ms // 1000 + 86_400)
        await reader.fetch("alice", CURVE, DAY - 20, DAY - 20)
        (grant,) = await owner.grants()
        revoked = await owner.revoke(grant.id)
        await settle()
        found = await owner.who(CURVE)
        assert whats(found) == ["read", "taken-back"]
        assert found[1].grant == grant.id
        assert revoked.revocations[0] in found[1].cids
        assert found[1].log, "the answer to the revocation is in the log"
        with pytest.raises(NotFound):
            await owner.who("energy/water/load-curve")


async def test_history_tells_it_in_order(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await home(town)
        await lent(owner, reader, WINDOW, alice.now_ms // 1000 + 86_400)
        town.clock.ahead_ms += 1000
        await reader.fetch("alice", CURVE, DAY - 20, DAY - 20)
        town.clock.ahead_ms += 1000
        with pytest.raises(Refused):
            await reader.fetch("alice", CURVE, DAY - 20, DAY)
        town.clock.ahead_ms += 1000
        await owner.revoke_peer("bank")
        await settle()
        told = await owner.history("bank")
        assert whats(told) == ["asked", "granted", "accepted", "read", "turned-away", "taken-back"]
        assert [one.t_ms for one in told] == sorted(one.t_ms for one in told)
        assert told[4].note == f"/record/read {CURVE} (days)"
        asked, granted, accepted = told[:3]
        assert asked.request == granted.request
        # Each that passed between the two is shown by a word that both signed.
        assert all(one.log for one in (asked, granted, accepted, *told[3:]))
        assert whats(await reader.history("alice")) == whats(told)
        with pytest.raises(NotFound):
            await owner.history("nobody")


async def test_a_refusal_and_its_reason_are_told(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await home(town)
        request = await reader.ask(
            "alice",
            [WINDOW],
            purpose="dpv:ServiceProvision",
            terms={"retention_days": 1},
            exp_s=alice.now_ms // 1000 + 3600,
        )
        await settle()
        await owner.refuse(request, "not this year")
        await settle()
        told = await owner.history("bank")
        assert [(one.what, one.note) for one in told] == [
            ("asked", "refused"),
            ("refused", "not this year"),
        ]
        assert told[1].log


async def test_lines_of_an_older_home_are_made_from_its_grants(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank, owner, reader = await home(town)
        await lent(owner, reader, WINDOW, alice.now_ms // 1000 + 86_400)
        await lent(owner, reader, WINDOW, alice.now_ms // 1000 + 80_000)
        first, _ = await owner.grants()
        await owner.revoke(first.id)
        await settle()
        for party in (alice, bank):
            await party.write(lambda tx: tx.execute("DELETE FROM object WHERE kind = 110"))
        told = await owner.history("bank")
        assert whats(told).count("granted") == 2
        assert whats(told).count("taken-back") == 1
        assert whats(await reader.history("alice")).count("granted") == 2
        assert [one.status for one in await owner.grants(alice.now_ms)] == ["live"]


async def test_who_of_a_category_names_what_is_below_it(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, _, owner, reader = await home(town)
        await alice.fill(GAS, DAY - 3, 3)
        gas = Window(GAS, DAY - 3, DAY - 1)
        exp_s = alice.now_ms // 1000 + 86_400
        for window in (WINDOW, gas):
            await lent(owner, reader, window, exp_s)
        await reader.fetch("alice", CURVE, DAY - 20, DAY - 20)
        await reader.fetch("alice", GAS, DAY - 3, DAY - 3)
        found = await owner.who("energy")
        assert whats(found) == ["may-read", "may-read", "read", "read"]
        assert [one.windows for one in found[:2]] == [(WINDOW,), (gas,)]
        assert {window.collection for one in found[2:] for window in one.windows} == {CURVE, GAS}
        # A collection names its own, and nothing that only begins like it.
        assert {one.windows for one in await owner.who(GAS)} == {
            (gas,),
            (Window(GAS, DAY - 3, DAY - 3),),
        }
        assert await owner.who(GAS.rsplit("/", 1)[0])
        with pytest.raises(NotFound):
            await owner.who("finance")


async def test_what_a_reader_declined_is_not_called_taken_back(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank, owner, reader = await home(town)
        request = await ask(bank, alice, WINDOW)
        await owner.grant(request, retention_days=1)
        await settle()
        town.clock.ahead_ms += 1000
        await reader.decline_offer(request, "too short")
        await settle(5)
        told = await owner.history("bank")
        assert whats(told) == ["asked", "granted", "declined"]
        assert (told[-1].note, told[-1].way) == ("too short", "given")
        assert told[-1].log, "the answer to the declining is in the log"
        theirs = await reader.history("alice")
        assert whats(theirs) == ["asked", "declined"]
        assert (theirs[-1].note, theirs[-1].way) == ("too short", "taken")
        assert theirs[-1].log
        assert theirs[-1].t_ms > theirs[0].t_ms
        assert whats(await owner.who(CURVE)) == ["declined"]


async def test_what_its_owner_took_back_before_it_was_declined_is_taken_back(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        alice, bank, owner, _ = await home(town)
        request = await ask(bank, alice, WINDOW)
        grant = await owner.grant(request, retention_days=1)
        await owner.revoke(grant)
        town.clock.ahead_ms += 1000
        pair = await alice.peer("bank")
        args = DeclineArgs(check_did(pair.own), grant, "late")
        await alice.write(lambda tx: alice.node.offers.declined(tx, pair, args, alice.now_ms))
        assert whats(await owner.history("bank"))[-1] == "taken-back"

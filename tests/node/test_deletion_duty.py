"""What was read is deleted where the terms say so: all of it, said so signed, and nothing more."""

# pyright: reportPrivateUsage=false
# Reason: some of these stand in the middle of a duty, between one month and the next.

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from trio.testing import MockClock

from entrenous.node.grants import deletion_duty, grant_lines
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.grant_lines import GrantLine, GrantLines, Happened, Side
from entrenous.node.steps import DeleteStep
from entrenous.node.store.database import Tx
from entrenous.node.store.objects import Kind
from entrenous.protocol.command import Cmd, DeleteArgs, DeletedArgs
from entrenous.protocol.deletion import Deletion, make_deletion, parse_deletion
from entrenous.protocol.duty import Duty
from entrenous.protocol.errors import GrantRefused
from entrenous.protocol.request import Request
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.test_operations import client_of
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

CLAUSE = Clause(Duty.DELETE_AT_END.value, Force.PROMISED)
TERMS = Terms("dpv:ServiceProvision", 30, (), None, (CLAUSE,))
ALL = Window(CURVE, DAY - 40, DAY - 1)
TEN = Window(CURVE, DAY - 40, DAY - 31)


async def home(town: Town) -> tuple[Party, Party]:
    alice, bank = await town.party("alice"), await town.party("bank")
    await meet(alice, bank)
    await alice.fill(CURVE, DAY - 40, 40)
    return alice, bank


async def lent(alice: Party, bank: Party, window: Window, *, days: int = 20) -> GrantGiven:
    """A grant whose terms want what was read deleted at its end."""
    pair = await bank.peer("alice")
    exp_s = bank.now_ms // 1000 + days * DAY_S
    request = Request(pair.own, (window,), TERMS.purpose, TERMS, exp_s, "nothing")
    cid = await bank.write(lambda tx: bank.node.borrowing.ask(tx, pair, request, bank.now_ms))
    await settle()
    given = await alice.write(
        lambda tx: alice.node.lending.grant(tx, cid, [window], exp_s, alice.now_ms)
    )
    await settle()
    return given


async def read(bank: Party, window: Window) -> None:
    pair = await bank.peer("alice")
    assert (await bank.node.fetcher.fetch(pair, window)).damaged == ()


async def kept_days(bank: Party) -> list[int]:
    owner = (await bank.peer("alice")).their
    found = await bank.read(lambda tx: bank.node.vault.stored(tx, CURVE, 0, 65_535, owner))
    return sorted(one.day for one in found)


async def said(alice: Party, given: GrantGiven) -> int | None:
    """When its reader said that it deleted."""
    line = await alice.read(lambda tx: alice.node.lending.lines.find(tx, Side.GIVEN, given.cid))
    assert line is not None
    return line.last(Happened.DELETED)


async def statements(alice: Party) -> list[Deletion]:
    """What readers said, signed, as it is kept."""
    objects = alice.node.store.objects
    kept = await alice.read(lambda tx: objects.all(tx, Kind.DELETION))
    return [parse_deletion(raw) for _, raw in kept if isinstance(raw, bytes)]


async def test_what_was_read_is_gone_and_its_reader_says_so(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, TEN)
        await read(bank, TEN)
        assert len(await kept_days(bank)) == 10
        await revoke(alice, given)
        await settle()
        assert await kept_days(bank) == []
        (info,) = await client_of(alice).grants()
        assert (info.deletion, info.deletion_ms) == ("said", await said(alice, given))
        assert [one.what for one in await client_of(alice).who(CURVE)][-1] == "deleted"
        (theirs,) = await client_of(bank).grants()
        assert theirs.deletion == "said"
        # The keys that opened it are gone too, and nothing shows any more.
        held = await bank.read(lambda tx: bank.node.borrowing.get(tx, given.cid))
        assert held.keysets == ()
        kept = await client_of(bank).kept("alice", CURVE, TEN.first, TEN.last)
        assert kept.batch is None or len(kept.batch) == 0
        await both_logs_hold(alice, bank)


async def test_who_is_bound_by_terms_is_asked_when_the_owner_erases(
    autojump_clock: MockClock,
) -> None:
    """And who is not, is named as free to keep it."""
    async with a_town() as town:
        alice, bank = await home(town)
        shop = await town.party("shop")
        await meet(alice, shop)
        await lent(alice, bank, TEN)
        await lend(alice, shop, TEN)
        await read(bank, TEN)
        await read(shop, TEN)
        done = await client_of(alice).erase(CURVE)
        assert (done.told, done.free) == (("bank",), ("shop",))
        await settle()
        assert await kept_days(bank) == []
        assert len(await kept_days(shop)) == 10
        grants = {one.peer: one for one in await client_of(alice).grants()}
        assert (grants["bank"].deletion, grants["shop"].deletion) == ("said", None)
        await both_logs_hold(alice, bank, shop)


async def test_nothing_is_deleted_where_the_terms_do_not_say_so(autojump_clock: MockClock) -> None:
    """And an owner cannot ask for it."""
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lend(alice, bank, TEN)
        await read(bank, TEN)
        await revoke(alice, given)
        await settle()
        assert len(await kept_days(bank)) == 10
        pair = await bank.peer("alice")
        args = DeleteArgs(pair.own, given.cid, (TEN,), erased=True)
        with pytest.raises(GrantRefused, match="do not ask"):
            await bank.write(lambda tx: bank.node.deletion_duty.asked(tx, pair, args, bank.now_ms))


async def test_a_grant_that_runs_out_has_the_same_duty(autojump_clock: MockClock) -> None:
    """The reader's node sees the end by itself: its owner may be away."""
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, TEN, days=2)
        await read(bank, TEN)
        await alice.down()
        town.clock.ahead_ms += 3 * DAY_S * 1000
        await bank.node.keep_house()
        await settle()
        assert await kept_days(bank) == []
        assert await said(alice, given) is None
        await alice.up()
        await settle(200)
        assert await said(alice, given) is not None


@pytest.mark.parametrize("end", ["by the clock", "by the owner's word", "taken back"])
async def test_what_was_asked_before_the_end_does_not_stand_for_the_end(
    autojump_clock: MockClock, end: str
) -> None:
    """Its owner erased two of the days while the grant held; the others go when it ends."""
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, TEN, days=5)
        await read(bank, TEN)
        pair, theirs = await alice.peer("bank"), await bank.peer("alice")
        two = Window(CURVE, TEN.first, TEN.first + 1)

        async def asked(*, erased: bool) -> None:
            args = DeleteArgs(pair.their, given.cid, (two if erased else TEN,), erased=erased)
            await bank.write(
                lambda tx: bank.node.deletion_duty.asked(tx, theirs, args, bank.now_ms)
            )
            bank.node.outgoing.notify()
            await settle()

        await asked(erased=True)
        assert await kept_days(bank) == list(range(TEN.first + 2, TEN.last + 1))
        if end == "taken back":
            await revoke(alice, given)
        else:
            town.clock.ahead_ms += 6 * DAY_S * 1000
        if end == "by the clock":
            await bank.write(lambda tx: bank.node.deletion_duty.run_out(tx, bank.now_ms))
            bank.node.outgoing.notify()
        elif end == "by the owner's word":
            await asked(erased=False)
        await settle()
        assert await kept_days(bank) == []


async def test_days_that_another_grant_opens_stay(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, TEN)
        overlapping = Window(CURVE, DAY - 35, DAY - 20)
        other = await lend(alice, bank, overlapping)
        await read(bank, TEN)
        await revoke(alice, given)
        await settle()
        assert await kept_days(bank) == list(range(DAY - 35, DAY - 30))
        kept = await client_of(bank).kept("alice", CURVE, DAY - 35, DAY - 31)
        assert kept.batch is not None
        assert (len(kept.batch), kept.damaged) == (5 * 24, ())
        # … until that one ends: its own terms say nothing, so they stay even then.
        await revoke(alice, other)
        await settle()
        assert len(await kept_days(bank)) == 5


async def test_days_of_a_grant_that_comes_meanwhile_stay(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, ALL)
        await read(bank, ALL)
        duty = bank.node.deletion_duty
        held = await bank.read(lambda tx: bank.node.borrowing.get(tx, given.cid))
        await bank.write(lambda tx: duty.held_ended(tx, held, bank.now_ms))
        duty._noted = False  # it is done here, month by month
        ((name, _),) = await bank.read(duty.waiting)
        assert await bank.write(partial(duty._remove, name))
        left = await kept_days(bank)
        assert 0 < len(left) < 40
        await lend(alice, bank, Window(CURVE, left[-1], left[-1]))
        while await bank.write(partial(duty._remove, name)):
            pass
        assert await kept_days(bank) == [left[-1]]


async def test_what_stays_is_looked_for_once_for_a_duty(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, ALL)
        await read(bank, ALL)
        duty = bank.node.deletion_duty
        await bank.down()
        held = await bank.read(lambda tx: bank.node.borrowing.get(tx, given.cid))
        await bank.write(lambda tx: duty.held_ended(tx, held, bank.now_ms))
        lines, looked = bank.node.borrowing.lines, 0

        def looking(tx: Tx) -> list[GrantLine]:
            nonlocal looked
            looked += 1
            return GrantLines.all(lines, tx)

        monkeypatch.setattr(lines, "all", looking)
        assert await duty.work() == 1
        assert await kept_days(bank) == []
        assert looked == 1


async def test_what_its_owner_erased_goes_whatever_else_holds(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, ALL)
        await lend(alice, bank, TEN)
        await read(bank, ALL)
        pair = await alice.peer("bank")
        two = Window(CURVE, DAY - 38, DAY - 37)
        args = DeleteArgs(pair.their, given.cid, (two,), erased=True)
        await alice.write(
            lambda tx: alice.node.outgoing.put(tx, pair, Cmd.DELETE, args.value(), alice.now_ms)
        )
        await settle()
        gone = {DAY - 38, DAY - 37}
        assert await kept_days(bank) == [d for d in range(DAY - 40, DAY) if d not in gone]
        assert await said(alice, given) is not None
        # The grant goes on.
        await read(bank, Window(CURVE, DAY - 30, DAY - 29))


class _Died(BaseException):
    """The process ended here."""


class _Doom:
    """Ends the work at the first time that a step is reached."""

    def __init__(self, step: str) -> None:
        self.step: str | None = step

    def reached(self, step: str) -> None:
        if step == self.step:
            self.step = None
            raise _Died


@pytest.mark.parametrize("step", DeleteStep)
async def test_cut_at_any_step_it_is_done_by_the_next_start(
    autojump_clock: MockClock, step: DeleteStep
) -> None:
    """What a unit of work did not commit did not happen; what it did is found again."""
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, TEN)
        await read(bank, TEN)
        duty = bank.node.deletion_duty
        await bank.down()
        held = await bank.read(lambda tx: bank.node.borrowing.get(tx, given.cid))
        await revoke(alice, given)
        await bank.write(lambda tx: duty.held_ended(tx, held, bank.now_ms))
        duty._checkpoint = _Doom(step)
        with pytest.raises(_Died):
            await duty.work()
        await bank.up()
        await settle(200)
        assert await kept_days(bank) == []
        assert await said(alice, given) is not None
        assert await bank.read(duty.waiting) == []
        deletions = await statements(alice)
        assert max(one.pages for one in deletions) == 10


@pytest.mark.parametrize("forged", ["another's grant", "another's key"])
async def test_a_deletion_is_taken_from_its_reader_only(
    autojump_clock: MockClock, forged: str
) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, TEN)
        carol = await town.party("carol")
        await meet(alice, carol)
        who = carol if forged == "another's grant" else bank
        pair = await alice.peer(who.name)
        signer = await carol.read(lambda tx: carol.node.peers.all(tx)[0])
        persona = await carol.read(lambda tx: carol.node.peers.persona(tx, signer.own))
        deletion = make_deletion(persona.key, dlg=given.cid, pages=1, left=0, t_ms=1)
        args = DeletedArgs(pair.own, deletion)
        with pytest.raises(GrantRefused):
            await alice.write(
                lambda tx: alice.node.deletion_duty.heard(tx, pair, args, alice.now_ms)
            )
        assert await said(alice, given) is None


async def test_told_twice_it_is_done_once(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, TEN)
        await read(bank, TEN)
        await revoke(alice, given)
        await settle()
        pair = await alice.peer("bank")
        args = DeleteArgs(pair.their, given.cid, (TEN,), erased=False)
        await alice.write(
            lambda tx: alice.node.outgoing.put(tx, pair, Cmd.DELETE, args.value(), alice.now_ms)
        )
        await settle()
        assert len(await statements(alice)) == 1


async def test_nobody_says_so_much_that_an_end_is_not_noted(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader says again and again that it has deleted: that it was taken back is told still."""
    monkeypatch.setattr(grant_lines, "EVENTS_MAX", 40)
    monkeypatch.setattr(grant_lines, "SAID_AGAIN_MAX", 16)
    monkeypatch.setattr(deletion_duty, "DELETIONS_OF_ONE_MAX", 50)
    async with a_town() as town:
        alice, bank = await home(town)
        given = await lent(alice, bank, TEN)
        pair, theirs = await bank.peer("alice"), await alice.peer("bank")
        persona = await bank.read(lambda tx: bank.node.peers.persona(tx, pair.own))

        async def says(number: int) -> object:
            word = make_deletion(persona.key, dlg=given.cid, pages=1, left=0, t_ms=number)
            args = DeletedArgs(pair.their, word)
            heard = alice.node.deletion_duty.heard
            return await alice.write(lambda tx: heard(tx, theirs, args, alice.now_ms))

        for number in range(50):
            assert await says(number) == "known"
        assert await says(7) == "known", "said again, it is not another one"
        with pytest.raises(GrantRefused, match="enough was said"):
            await says(99)
        line = await alice.read(lambda tx: alice.node.lending.lines.find(tx, Side.GIVEN, given.cid))
        assert line is not None
        deleted = [one.t_ms for one in line.events if one.what is Happened.DELETED]
        assert (len(deleted), min(deleted), max(deleted)) == (16, 0, 49)

        # Even of a line that is full otherwise.
        full = replace(line, events=(*line.events, *line.events)[:40])
        await alice.write(lambda tx: alice.node.lending.lines.begin(tx, full))
        await revoke(alice, given)
        line = await alice.read(lambda tx: alice.node.lending.lines.find(tx, Side.GIVEN, given.cid))
        assert line is not None
        assert line.status_at(alice.now_ms) is GrantStatus.REVOKED

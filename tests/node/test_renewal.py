"""Going on with a grant: a new delegation, the next days, no gap, and only as far as was asked."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from trio.testing import MockClock

from entrenous.node.errors import NotAllowed, Refused, UsageError
from entrenous.node.grants import borrowing
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.grants_held import GrantsHeld
from entrenous.node.grants.renewal import Renewing
from entrenous.node.peers.peers import OwnPersona, Pair
from entrenous.protocol.command import Cmd, DecideArgs, RenewArgs
from entrenous.protocol.errors import CapabilityError, GrantRefused
from entrenous.protocol.grant import issue_grant, make_bundle
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.window import Window
from entrenous.tests.node.paid_town import ask_paid, lend_paid
from entrenous.tests.node.test_operations import client_of, lent
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    TERMS,
    Party,
    Town,
    a_town,
    ask,
    both_logs_hold,
    decide,
    meet,
    settle,
)

ASKED = Window(CURVE, DAY - 20, DAY + 300)


async def home(town: Town) -> tuple[Party, Party]:
    alice, bank = await town.party("alice"), await town.party("bank")
    await meet(alice, bank)
    await alice.fill(CURVE, DAY - 20, 20)
    return alice, bank


async def renewed(alice: Party, old: GrantGiven, days: int) -> GrantGiven:
    exp_s = alice.now_ms // 1000 + days * DAY_S
    new = await alice.write(lambda tx: alice.node.renewals.renew(tx, old.cid, exp_s, alice.now_ms))
    await settle()
    return new


async def test_a_renewal_sends_the_next_nodes(autojump_clock: MockClock) -> None:
    """The reader goes on, with days that the old keys never opened; and without a gap."""
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        assert old.windows[0].last == DAY + 10
        new = await renewed(alice, old, 40)
        assert new.windows == (replace(ASKED, last=DAY + 40),)
        reader = client_of(bank)
        town.clock.ahead_ms += 11 * DAY_S * 1000
        await alice.fill(CURVE, DAY, 11)
        await settle()
        got = await reader.fetch("alice", CURVE, DAY - 20, DAY + 10)
        assert (got.pages, got.damaged) == (31, ())
        # Written long after the old grant ended: only the new keys open it.
        town.clock.ahead_ms += 10 * DAY_S * 1000
        await alice.fill(CURVE, DAY + 11, 9)
        await settle()
        got = await reader.fetch("alice", CURVE, DAY + 11, DAY + 19)
        assert (got.pages, got.damaged) == (9, ())
        held = {one.id: one for one in await reader.grants()}
        assert held[old.cid].renewed_by == new.cid
        assert held[new.cid].renews == old.cid
        await both_logs_hold(alice, bank)


async def test_days_that_the_owner_narrowed_stay_narrow(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        narrow = Window(CURVE, DAY - 20, DAY - 10)
        old = await decide(alice, await ask(bank, alice, ASKED), narrow, days=10)
        new = await renewed(alice, old, 40)
        assert new.windows == (narrow,)
        assert new.exp_s > old.exp_s


async def test_a_renewal_never_passes_what_was_asked(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        short = Window(CURVE, DAY - 20, DAY + 15)
        old = await decide(alice, await ask(bank, alice, short), short, days=10)
        new = await renewed(alice, old, 200)
        assert new.windows == (short,)


async def test_the_first_write_after_an_end_is_under_new_keys(autojump_clock: MockClock) -> None:
    """Expiry takes keys back: of the grant that was not renewed, on every day that it covered."""
    async with a_town() as town:
        alice, bank = await home(town)
        carol = await town.party("carol")
        await meet(alice, carol)
        ends = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        goes_on = await decide(alice, await ask(carol, alice, ASKED), ASKED, days=10)
        await renewed(alice, goes_on, 60)
        before = await alice.read(lambda tx: alice.node.vault.collections.generation(tx, CURVE))
        town.clock.ahead_ms += 10 * DAY_S * 1000 + 5000
        await alice.fill(CURVE, DAY + 5, 1)
        after = await alice.read(lambda tx: alice.node.vault.collections.generation(tx, CURVE))
        assert before != after
        await settle()
        # A day that both grants covered, written after one of them had ended.
        assert (await client_of(carol).fetch("alice", CURVE, DAY + 5, DAY + 5)).damaged == ()
        held = await bank.read(lambda tx: bank.node.borrowing.get(tx, ends.cid))
        keys = await bank.read(lambda tx: bank.node.borrowing.keys(tx, held))
        assert all(one.gen != after for one in keys.sets)


@pytest.mark.parametrize("state", ["revoked", "suspended"])
async def test_what_does_not_hold_is_not_renewed(autojump_clock: MockClock, state: str) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        if state == "revoked":
            await alice.write(lambda tx: alice.node.lending.revoke(tx, old.cid, alice.now_ms))
        else:
            await alice.write(lambda tx: alice.node.lending.suspend_all(tx, alice.now_ms))
        with pytest.raises(UsageError, match=state):
            await renewed(alice, old, 40)


async def test_a_grant_is_renewed_once_and_for_longer(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        with pytest.raises(UsageError, match="later than the grant"):
            await renewed(alice, old, 9)
        with pytest.raises(UsageError, match="ten years"):
            await renewed(alice, old, 4000)
        await renewed(alice, old, 20)
        with pytest.raises(UsageError, match="already"):
            await renewed(alice, old, 30)


async def test_by_itself_only_as_far_as_its_owner_said(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        start_s = alice.now_ms // 1000
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        limit_s = start_s + 35 * DAY_S
        rule = Renewing(10 * DAY_S, limit_s)
        await alice.write(lambda tx: alice.node.renewals.always(tx, old.cid, rule, alice.now_ms))
        ends: list[int] = []
        for _ in range(50):
            town.clock.ahead_ms += DAY_S * 1000
            await alice.node.keep_house()
            await settle()
            grants = await alice.read(alice.node.lending.all)
            ends.append(max(one.exp_s for one in grants))
        assert max(ends) == limit_s
        assert len(set(ends)) == 4  # 10, 20, 30, then what is left up to the limit
        assert not await alice.read(
            lambda tx: [
                one
                for one in alice.node.lending.all(tx)
                if alice.node.renewals.standing(tx, one.cid)
            ]
        )
        statuses = {one.status for one in await client_of(alice).grants()}
        assert statuses == {"expired"}


async def test_nothing_is_renewed_by_itself_unless_that_was_said(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        for _ in range(12):
            town.clock.ahead_ms += DAY_S * 1000
            await alice.node.keep_house()
        assert len(await alice.read(alice.node.lending.all)) == 1


async def test_what_was_taken_back_is_not_renewed_by_itself(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        rule = Renewing(10 * DAY_S, alice.now_ms // 1000 + 90 * DAY_S)
        await alice.write(lambda tx: alice.node.renewals.always(tx, old.cid, rule, alice.now_ms))
        await client_of(alice).revoke(old.cid)
        for _ in range(12):
            town.clock.ahead_ms += DAY_S * 1000
            await alice.node.keep_house()
        assert len(await alice.read(alice.node.lending.all)) == 1


async def test_what_ran_out_while_it_was_suspended_is_not_renewed(
    autojump_clock: MockClock,
) -> None:
    # It may have been taken back after the backup: only its owner's word brings it back.
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        rule = Renewing(10 * DAY_S, alice.now_ms // 1000 + 90 * DAY_S)
        await alice.write(lambda tx: alice.node.renewals.always(tx, old.cid, rule, alice.now_ms))
        await alice.write(lambda tx: alice.node.lending.suspend_all(tx, alice.now_ms))
        # The node was off meanwhile, and keeps house after the end.
        town.clock.ahead_ms += 11 * DAY_S * 1000
        await alice.node.keep_house()
        assert [one.cid for one in await alice.read(alice.node.lending.all)] == [old.cid]
        with pytest.raises(UsageError, match="suspended"):
            await alice.write(
                lambda tx: alice.node.renewals.renew(
                    tx, old.cid, old.exp_s + 20 * DAY_S, alice.now_ms
                )
            )


async def test_revoking_takes_back_what_it_goes_on_from(autojump_clock: MockClock) -> None:
    """A person takes back one grant, however often it was renewed."""
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        new = await renewed(alice, old, 40)
        done = await client_of(alice).revoke(new.cid)
        assert (len(done.revocations), done.still) == (2, ())
        await settle()
        with pytest.raises(Refused):
            await client_of(bank).fetch("alice", CURVE, DAY - 20, DAY - 20)


async def test_a_reader_asks_to_go_on(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        owner, reader = client_of(alice), client_of(bank)
        await lent(owner, reader, ASKED, alice.now_ms // 1000 + 10 * DAY_S)
        (held,) = await reader.grants()
        asked = await reader.renew(held.id, alice.now_ms // 1000 + 50 * DAY_S)
        assert asked.request is not None
        await settle()
        waiting = [one for one in await owner.inbox() if one.state == "waiting"]
        assert [(one.id, one.items, one.terms) for one in waiting] == [
            (asked.request, (ASKED,), held.terms)
        ]
        with pytest.raises(UsageError, match="later"):
            await reader.renew(held.id, alice.now_ms // 1000 + DAY_S)
        with pytest.raises(UsageError, match="owner says"):
            await reader.renew(held.id, alice.now_ms // 1000 + 50 * DAY_S, each_s=DAY_S)


async def test_a_reader_who_asks_to_go_on_asks_for_no_day_that_was_narrowed_away(
    autojump_clock: MockClock,
) -> None:
    """Else an owner who says yes to going on gives all that they had left out."""
    async with a_town() as town:
        alice, bank = await home(town)
        owner, reader = client_of(alice), client_of(bank)
        few = replace(ASKED, last=ASKED.first + 3)
        exp_s = alice.now_ms // 1000 + 10 * DAY_S
        await reader.ask("alice", [ASKED], purpose="dpv:Billing", terms={}, exp_s=exp_s)
        await settle()
        (request,) = await owner.inbox()
        await owner.grant(request.id, windows=[few], exp_s=exp_s)
        await settle()
        (held,) = await reader.grants()
        asked = await reader.renew(held.id, exp_s + 40 * DAY_S)
        assert asked.windows == (few,)
        await settle()
        (waiting,) = [one for one in await owner.inbox() if one.state == "waiting"]
        assert (waiting.id, waiting.items) == (asked.request, (few,))
        new = await owner.renew(held.id, exp_s + 40 * DAY_S)
        assert new.windows == (few,)
        assert not [one for one in await owner.inbox() if one.state == "waiting"]


@pytest.mark.parametrize("days", [30, 50, 90], ids=["shorter", "as asked", "longer"])
async def test_a_renewal_answers_the_request_for_it(autojump_clock: MockClock, days: int) -> None:
    """Whoever renews by hand what they were asked to renew finds the request decided, at both."""
    async with a_town() as town:
        alice, bank = await home(town)
        owner, reader = client_of(alice), client_of(bank)
        await lent(owner, reader, ASKED, alice.now_ms // 1000 + 10 * DAY_S)
        (held,) = await reader.grants()
        to_go_on = await reader.renew(held.id, alice.now_ms // 1000 + 50 * DAY_S)
        other = await ask(bank, alice, replace(ASKED, first=DAY - 19))
        await settle()
        new = await owner.renew(held.id, alice.now_ms // 1000 + days * DAY_S)
        await settle()
        for found in (await owner.inbox(), await reader.asked()):
            states = {one.id: (one.state, one.grant) for one in found}
            assert to_go_on.request is not None
            assert states[to_go_on.request] == ("granted", new.grant)
            assert states[other] == ("waiting", None), "what asks for something else waits"
        assert {one.id for one in await reader.grants()} == {held.id, new.grant}
        assert not await alice.read(alice.node.store.outbox.all), "both words were taken"
        await both_logs_hold(alice, bank)


@pytest.mark.parametrize("days", [30, 50, 90], ids=["shorter", "as asked", "longer"])
async def test_a_request_to_go_on_that_comes_after_the_renewal_is_answered_with_it(
    autojump_clock: MockClock, days: int
) -> None:
    """The two crossed: whoever gave what is asked for has decided, unless less was given."""
    async with a_town() as town:
        alice, bank = await home(town)
        owner, reader = client_of(alice), client_of(bank)
        await lent(owner, reader, ASKED, alice.now_ms // 1000 + 10 * DAY_S)
        (held,) = await reader.grants()
        await bank.down()
        to_go_on = await reader.renew(held.id, alice.now_ms // 1000 + 50 * DAY_S)
        new = await owner.renew(held.id, alice.now_ms // 1000 + days * DAY_S)
        await bank.up()
        await settle(600)
        other = await ask(bank, alice, replace(ASKED, first=DAY - 19))
        await settle()
        for found in (await owner.inbox(), await reader.asked()):
            states = {one.id: (one.state, one.grant) for one in found}
            assert to_go_on.request is not None
            less = days < 50
            assert states[to_go_on.request] == (
                ("waiting", None) if less else ("granted", new.grant)
            )
            assert states[other] == ("waiting", None), "what asks for something else waits"
        assert {one.id for one in await reader.grants()} == {held.id, new.grant}
        assert not await alice.read(alice.node.store.outbox.all), "both words were taken"
        await both_logs_hold(alice, bank)


async def test_a_renewal_by_itself_answers_the_request_for_it_too(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        owner, reader = client_of(alice), client_of(bank)
        now_s = alice.now_ms // 1000
        await lent(owner, reader, ASKED, now_s + 10 * DAY_S)
        (held,) = await reader.grants()
        await reader.renew(held.id, now_s + 50 * DAY_S)
        await owner.renew(held.id, now_s + 100 * DAY_S, each_s=20 * DAY_S)
        await settle()
        town.clock.ahead_ms += 9 * DAY_S * 1000
        await alice.write(lambda tx: alice.node.renewals.renew_due(tx, alice.now_ms))
        await settle()
        assert {one.state for one in await owner.inbox()} == {"granted"}
        assert {one.state for one in await reader.asked()} == {"granted"}


@pytest.mark.parametrize("forged", ["terms", "days", "other grant", "another's"])
async def test_a_reader_takes_no_other_renewal_than_this(
    autojump_clock: MockClock, forged: str
) -> None:
    """Other terms bind the reader to what nobody there agreed to; more days were not asked for."""
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        pair = await alice.peer("bank")
        persona = await alice.read(lambda tx: alice.node.peers.persona(tx, pair.own))
        terms = TERMS if forged != "terms" else replace(TERMS, recipients=("everybody",))
        windows = [ASKED if forged != "days" else replace(ASKED, last=ASKED.last + 1)]
        issued = issue_grant(
            persona.key,
            aud=pair.their,
            windows=windows,
            terms=terms,
            exp_s=alice.now_ms // 1000 + 40 * DAY_S,
            nonce=b"n" * 16,
        )
        bundle = make_bundle(persona.key, issued, terms=terms, reader_key=pair.inception.reader_key)
        theirs = await bank.peer("alice")
        named = issued.cid if forged == "other grant" else old.cid
        args = RenewArgs(pair.their, named, bundle.signed.raw)
        if forged == "another's":
            carol = await town.party("carol")
            await meet(carol, bank)
            theirs = await bank.peer("carol")
        with pytest.raises((GrantRefused, CapabilityError)):
            await bank.write(lambda tx: bank.node.renewals.renewed(tx, theirs, args, bank.now_ms))
        assert len(await bank.read(bank.node.borrowing.all)) == 1


def _forged(persona: OwnPersona, pair: Pair, old: GrantGiven, exp_s: int, n: int = 0) -> RenewArgs:
    """A renewal of `old` on its own terms, as its owner can sign as many as it likes."""
    terms = old.bundle.terms
    issued = issue_grant(
        persona.key,
        aud=pair.their,
        windows=old.windows,
        terms=terms,
        exp_s=exp_s,
        nonce=n.to_bytes(16, "big"),
    )
    key = pair.inception.reader_key
    bundle = make_bundle(persona.key, issued, terms=terms, reader_key=key)
    return RenewArgs(pair.their, old.cid, bundle.signed.raw)


@pytest.mark.parametrize("per", [Per.ONCE, Per.MONTH, Per.READ])
async def test_nobody_owes_more_by_what_another_renews(autojump_clock: MockClock, per: Per) -> None:
    """Each renewal of a grant on paid terms is accepted anew, and counts anew: an owner that
    renews it by itself would write its reader's debt."""
    async with a_town() as town:
        alice, bank = await home(town)
        old = await lend_paid(alice, bank, Remuneration(5_00, "EUR", per), ASKED, days=10)
        pair, theirs = await alice.peer("bank"), await bank.peer("alice")
        persona = await alice.read(lambda tx: alice.node.peers.persona(tx, pair.own))
        for exp_s in (old.exp_s, old.exp_s + 1, old.exp_s + 400 * DAY_S):
            args = _forged(persona, pair, old, exp_s, exp_s)
            renew = partial(bank.node.renewals.renewed, pair=theirs, args=args, now_ms=bank.now_ms)
            with pytest.raises(GrantRefused, match="when its reader asks"):
                await bank.write(renew)
        # Nor by an answer that ends later than was asked for.
        request = await ask_paid(bank, alice, old.bundle.terms.remuneration, ASKED, days=30)
        bundle = _forged(persona, pair, old, old.exp_s + 400 * DAY_S).bundle
        late = DecideArgs(pair.their, request, bundle, None)
        with pytest.raises(GrantRefused, match="longer than was asked"):
            await bank.write(lambda tx: bank.node.borrowing.decided(tx, theirs, late, bank.now_ms))
        assert len(await bank.read(bank.node.borrowing.all)) == 1

        owner = client_of(alice)
        with pytest.raises(UsageError, match="asks for it"):
            await owner.renew(old.cid, old.exp_s + 100 * DAY_S)
        with pytest.raises(UsageError, match="each time"):
            await owner.renew(old.cid, old.exp_s + 100 * DAY_S, each_s=20 * DAY_S)
        new = await owner.renew(old.cid, old.exp_s + DAY_S)
        await settle()
        assert {one.id for one in await client_of(bank).grants()} == {old.cid, new.grant}
        states = {one.id: one.state for one in await client_of(bank).asked()}
        assert states[request] == "granted"
        await both_logs_hold(alice, bank)


async def test_an_owner_cannot_fill_its_reader_with_renewals(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borrowing, "RENEWED_STANDING_MAX", 8)
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        pair, theirs = await alice.peer("bank"), await bank.peer("alice")
        persona = await alice.read(lambda tx: alice.node.peers.persona(tx, pair.own))
        renewed = bank.node.renewals.renewed
        earlier = _forged(persona, pair, old, old.exp_s - 1)
        with pytest.raises(GrantRefused, match="no earlier"):
            await bank.write(lambda tx: renewed(tx, theirs, earlier, bank.now_ms))
        for n in range(1, 8):
            args = _forged(persona, pair, old, old.exp_s + n, n)
            await bank.write(partial(renewed, pair=theirs, args=args, now_ms=bank.now_ms))
        more = _forged(persona, pair, old, old.exp_s + 99)
        with pytest.raises(GrantRefused, match="too many grants of one owner"):
            await bank.write(lambda tx: renewed(tx, theirs, more, bank.now_ms))
        assert len(await bank.read(bank.node.borrowing.all)) == 8


async def test_a_renewal_that_is_told_twice_is_one(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        new = await renewed(alice, old, 40)
        pair = await alice.peer("bank")
        args = RenewArgs(pair.their, old.cid, new.bundle.signed.raw)
        await alice.write(
            lambda tx: alice.node.outgoing.put(tx, pair, Cmd.RENEW, args.value(), alice.now_ms)
        )
        await settle()
        assert len(await bank.read(bank.node.borrowing.all)) == 2
        assert await alice.read(alice.node.store.outbox.count) == 0


async def test_what_is_read_for_another_is_not_renewed_by_its_reader(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        alice, bank = await home(town)
        old = await decide(alice, await ask(bank, alice, ASKED), ASKED, days=10)
        held = await bank.read(lambda tx: bank.node.borrowing.get(tx, old.cid))
        lent_on = replace(held, via=(held.own, held.their))
        held_at_bank = GrantsHeld(bank.node.store.objects)
        await bank.write(lambda tx: held_at_bank.save(tx, lent_on))
        with pytest.raises(NotAllowed):
            await client_of(bank).renew(old.cid, alice.now_ms // 1000 + 50 * DAY_S)

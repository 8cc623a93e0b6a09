"""A grandmother's node at home, her son's far away: he decides what waits there, as far as she lets
him; and hears what became of what he asked for her."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from entrenous.node.errors import NotAllowed
from entrenous.node.grants.inbox import RequestState
from entrenous.node.household.mandate_kept import MandateKept
from entrenous.node.household.waiting_for import Stage, WaitingFor
from entrenous.protocol.command import (
    Cmd,
    MandateDecideArgs,
    MandateInboxArgs,
    MandateOutcomeArgs,
    WaitingOut,
    WaitingRequest,
    parse_out,
)
from entrenous.protocol.errors import Code
from entrenous.protocol.mandate import Acted, Office
from entrenous.protocol.mandate_limits import Limits
from entrenous.protocol.receipt import Answer
from entrenous.protocol.window import Window
from entrenous.tests.node.test_mandates import Family, answers, ask_for_her, family
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    a_town,
    both_logs_hold,
    meet,
    request_of,
    settle,
)

WINDOW = Window(CURVE, DAY, DAY + 6)
OTHER = Window("finance/accounts/transactions", DAY, DAY + 6)
ANY = Limits()
# By policy, of collections, purposes, peers; and by what the request itself is.
OUTSIDE = (Code.COLLECTION, Code.PURPOSE, Code.COMMAND, Code.UNKNOWN_GRANT)


async def let(one: Family, limits: Limits = ANY, days: int = 30) -> MandateKept:
    """She lets him decide what waits at her node."""
    mother = one.mother
    to = await mother.peer("son")
    given = await mother.write(
        lambda tx: mother.node.mandates.give_home(
            tx,
            to,
            office=Office.PROXY,
            limits=limits,
            exp_s=mother.now_ms // 1000 + days * DAY_S,
            now_ms=mother.now_ms,
        )
    )
    await settle()
    return given


async def asks(party: Party, mother: Party, *items: Window) -> bytes:
    """`party` asks her for days; the request, once it waits at her node."""
    pair = await party.peer("mother")
    request = request_of(pair, list(items), party.now_ms)
    cid = await party.write(lambda tx: party.node.borrowing.ask(tx, pair, request, party.now_ms))
    await settle()
    assert await mother.read(lambda tx: mother.node.inbox.find(tx, cid)) is not None
    return cid


async def looks(one: Family, mandate: MandateKept) -> list[bytes]:
    """What he sees waiting at her node now."""
    son = one.son
    pair = await son.peer("mother")
    after: bytes | None = None
    found: list[WaitingRequest] = []
    while True:
        args = MandateInboxArgs(pair.their, after)
        said = await son.node.exchange.say(
            pair, Cmd.MANDATE_INBOX, args.value(), mandate=mandate.cid
        )
        assert said.answer.code is Code.OK, said.answer.out
        page = parse_out(Cmd.MANDATE_INBOX, said.answer.out)
        assert isinstance(page, WaitingOut)
        found += page.requests
        if not page.more:
            break
        after = found[-1].request.cid
    await son.write(lambda tx: son.node.waiting_elsewhere.seen(tx, pair, found, whole=True))
    return [request.request.cid for request in found]


async def decides(
    one: Family,
    mandate: MandateKept,
    request: bytes,
    windows: tuple[Window, ...],
    *,
    reason: str | None = None,
) -> None:
    """He grants `windows` of it, or with none refuses."""
    son = one.son
    pair = await son.peer("mother")
    await son.write(
        lambda tx: son.node.waiting_elsewhere.decide(
            tx,
            pair,
            mandate,
            request,
            windows=windows,
            exp_s=son.now_ms // 1000 + 20 * DAY_S if windows else 0,
            reason=reason,
            now_ms=son.now_ms,
        )
    )
    await settle()


async def book(one: Family, request: bytes) -> WaitingFor:
    pair = await one.son.peer("mother")
    found = await one.son.read(lambda tx: one.son.node.waiting_elsewhere.all(tx, pair))
    return dict(found)[request]


async def said(one: Family, mandate: MandateKept | None, args: MandateDecideArgs) -> Answer:
    """What her node answers to these words of his."""
    pair = await one.son.peer("mother")
    cid = None if mandate is None else mandate.cid
    heard = await one.son.node.exchange.say(pair, Cmd.MANDATE_DECIDE, args.value(), mandate=cid)
    return heard.answer


async def words(
    one: Family, request: bytes, *items: Window, **changed: object
) -> MandateDecideArgs:
    """What he would say to grant `items`, changed."""
    mother, pair = one.mother, await one.son.peer("mother")
    asked = await mother.read(lambda tx: mother.node.inbox.get(tx, request))
    args = MandateDecideArgs(
        pair.their,
        request,
        asked.their,
        "dpv:ServiceProvision",
        items or (WINDOW,),
        one.son.now_ms // 1000 + 20 * DAY_S,
        None,
    )
    return replace(args, **changed)


async def test_a_son_decides_what_waits_at_his_mothers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        await mother.fill(CURVE, DAY, 7)
        given = await let(one)
        request = await asks(bank, mother, WINDOW)
        assert await looks(one, given) == [request]
        narrowed = Window(CURVE, DAY, DAY + 2)
        await decides(one, given, request, (narrowed,))

        # Her node did it, with her persona and keys; the bank reads, and he never got a key.
        (grant,) = await mother.read(mother.node.lending.all)
        assert grant.windows == (narrowed,)
        seen = await book(one, request)
        assert (seen.state, seen.grant) == (Stage.GRANTED, grant.cid)
        lent = await bank.node.fetcher.fetch(await bank.peer("mother"), narrowed)
        assert lent.batch is not None
        assert len(lent.batch) == 3 * 24
        assert await son.read(son.node.borrowing.all) == []

        # Both names in the signed answers, in both logs; beside the request, who decided.
        hers = await mother.peer("son")
        names = Acted(hers.own, hers.their, given.cid)
        for party in (mother, son):
            acted = [answer for _, answer in await answers(party) if answer.acted is not None]
            assert {answer.acted for answer in acted} == {names}
            assert len(acted) == 2  # he looked, and decided
        by = await mother.read(lambda tx: mother.node.deciding_for.by(tx, request))
        assert by is not None
        assert (by.proxy, by.mandate) == (hers.their, given.cid)

        # It is hers: she takes it back.
        await mother.write(lambda tx: mother.node.lending.revoke(tx, grant.cid, mother.now_ms))
        await settle()
        assert await looks(one, given) == []
        await both_logs_hold(mother, son, bank)


async def test_what_a_mandate_leaves_out_waits_for_her(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, bank = one.mother, one.bank
        bank_there = (await mother.peer("bank")).their
        covered = await asks(bank, mother, WINDOW)
        partly = await asks(bank, mother, WINDOW, OTHER)
        his_own = await asks(one.son, mother, WINDOW)
        late = mother.now_ms // 1000 + 5 * DAY_S
        for limits, seen in (
            (ANY, {covered, partly}),
            (Limits(collections=("energy",)), {covered}),
            (Limits(collections=("health",)), set[bytes]()),
            (Limits(peers=(bank_there,), purposes=("dpv:ServiceProvision",)), {covered, partly}),
            (Limits(purposes=("dpv:Marketing",)), set[bytes]()),
            (Limits(peers=((await mother.peer("son")).their,)), set[bytes]()),
        ):
            given = await let(one, limits)
            assert set(await looks(one, given)) == seen, limits
            for request in (covered, partly, his_own):
                if request not in seen:
                    args = await words(one, request)
                    answer = await said(one, given, args)
                    assert answer.code in OUTSIDE
        # Not longer than she said, and not on more than was asked.
        given = await let(one, Limits(until_s=late))
        await looks(one, given)
        with pytest.raises(NotAllowed, match="reach"):
            await decides(one, given, covered, (WINDOW,))
        args = await words(one, covered)
        assert (await said(one, given, args)).code is not Code.OK
        args = await words(one, covered, Window(CURVE, DAY, DAY + 7), exp_s=late)
        assert (await said(one, given, args)).code is Code.DAYS
        assert await mother.read(mother.node.lending.all) == []
        left = await mother.read(mother.node.inbox.all)
        assert {asked.state for _, asked in left} == {RequestState.WAITING}


async def test_words_that_are_not_true_of_the_request(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What the policy is held against, is held against the request too."""
    async with a_town() as town:
        one = await family(town)
        mother, bank = one.mother, one.bank
        shop = await town.party("shop")
        await meet(mother, shop)
        given = await let(one, Limits(peers=((await mother.peer("shop")).their,)))
        request = await asks(bank, mother, WINDOW)
        shops = (await mother.peer("shop")).their
        lie = await words(one, request, peer=shops)
        assert (await said(one, given, lie)).code is Code.UNKNOWN_GRANT
        wide = await let(one)
        for changed in ({"purpose": "dpv:Marketing"}, {"peer": shops}):
            lie = replace(await words(one, request), **changed)
            assert (await said(one, wide, lie)).code is Code.UNKNOWN_GRANT
        # A refusal names all that was asked for; a grant has no reason.
        part = await words(one, request, Window(CURVE, DAY, DAY), exp_s=0)
        assert (await said(one, wide, part)).code is Code.MALFORMED
        argued = await words(one, request, reason="because")
        assert (await said(one, wide, argued)).code is Code.MALFORMED
        assert await mother.read(mother.node.lending.all) == []


async def test_without_a_mandate_that_holds(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        request = await asks(bank, mother, WINDOW)
        args = await words(one, request)
        # In his own name, and under one that she has taken back in the middle.
        assert (await said(one, None, args)).code is Code.UNKNOWN_GRANT
        given = await let(one)
        assert await looks(one, given) == [request]
        await mother.write(lambda tx: mother.node.mandates.end(tx, given.cid, mother.now_ms))
        assert (await said(one, given, args)).code is Code.REVOKED
        await settle()
        pair = await son.peer("mother")
        with pytest.raises(NotAllowed, match="revoked"):
            await son.read(lambda tx: son.node.mandates.home(tx, pair, son.now_ms))
        # One that ran out.
        short = await let(one, days=1)
        town.clock.ahead_ms += 2 * DAY_S * 1000
        assert (await said(one, short, args)).code is Code.EXPIRED
        # Somebody else's, which he does not hold: the bank's own node, with her mandate to him.
        assert await mother.read(mother.node.lending.all) == []
        # After a restore of her node none holds.
        last = await let(one)
        await mother.write(lambda tx: mother.node.mandates.forget_lodged(tx, mother.now_ms))
        assert (await said(one, last, args)).code is Code.REVOKED
        await both_logs_hold(mother, son)


async def test_the_same_decision_twice_is_one(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, bank = one.mother, one.bank
        await mother.fill(CURVE, DAY, 7)
        given = await let(one)
        request = await asks(bank, mother, WINDOW)
        args = await words(one, request)
        first = await said(one, given, args)
        again = await said(one, given, args)
        assert (first.code, first.out) == (Code.OK, again.out)
        assert len(await mother.read(mother.node.lending.all)) == 1
        other = await said(one, given, replace(args, exp_s=0, items=(WINDOW,)))
        assert other.code is Code.REPLAY


async def test_a_decision_waits_until_her_node_is_there(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Stored before it is sent; what she decided meanwhile stands, and he is told."""
    async with a_town() as town:
        one = await family(town)
        mother, bank = one.mother, one.bank
        given = await let(one)
        first, second = [await asks(bank, mother, Window(CURVE, DAY, DAY + n)) for n in (1, 2)]
        await looks(one, given)
        await mother.down()
        for request in (first, second):
            await decides(one, given, request, (), reason="not now")
            assert (await book(one, request)).state is Stage.SENT
        await mother.write(lambda tx: mother.node.lending.refuse(tx, second, None, mother.now_ms))
        await mother.up()
        town.clock.ahead_ms += 3_600_000
        await trio.sleep(700)
        await settle()
        assert (await book(one, first)).state is Stage.REFUSED
        seen = await book(one, second)
        assert seen.state is Stage.FAILED
        assert seen.reason is not None
        assert "refused already" in seen.reason
        asked = await bank.read(lambda tx: bank.node.asked.get(tx, first))
        assert (asked.state, asked.reason) == (RequestState.REFUSED, "not now")


async def test_nobody_else_uses_it(autojump_clock: trio.testing.MockClock) -> None:
    """The bank got hold of his mandate, and of his words."""
    async with a_town() as town:
        one = await family(town)
        mother, bank = one.mother, one.bank
        given = await let(one)
        request = await asks(bank, mother, WINDOW)
        pair = await bank.peer("mother")
        args = replace(await words(one, request), to=pair.their)
        await bank.write(lambda tx: bank.node.mandates._hold(tx, given))  # pyright: ignore[reportPrivateUsage]  # a thief's store
        heard = await bank.node.exchange.say(
            pair, Cmd.MANDATE_DECIDE, args.value(), mandate=given.cid
        )
        assert heard.answer.code in (Code.AUDIENCE, Code.UNKNOWN_GRANT, Code.UNPAIRED)
        # His own invocation, once more.
        son, his = one.son, await one.son.peer("mother")
        once = await son.node.exchange.say(
            his, Cmd.MANDATE_INBOX, MandateInboxArgs(his.their, None).value(), mandate=given.cid
        )
        proofs = [link.raw for link in given.mandate.links if link.cmd == Cmd.MANDATE_INBOX]
        twice = await son.node.exchange.invoke(his, once.invocation, proofs)
        assert twice.answer.code is Code.REPLAY


# --- what became of what he asked for her ---------------------------------------------------------


@pytest.mark.parametrize("granted", [True, False])
async def test_the_proxy_hears_what_became_of_it(
    granted: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with a_town() as town:
        one = await family(town)
        son, bank = one.son, one.bank
        given = await one.mandate()
        cid = await ask_for_her(one, given)
        if granted:
            exp_s = bank.now_ms // 1000 + 20 * DAY_S
            await bank.write(
                lambda tx: bank.node.lending.grant(tx, cid, [WINDOW], exp_s, bank.now_ms)
            )
        else:
            await bank.write(lambda tx: bank.node.lending.refuse(tx, cid, "closed", bank.now_ms))
        await settle()
        asked = await son.read(lambda tx: son.node.asked.get(tx, cid))
        assert asked.state is (RequestState.GRANTED if granted else RequestState.REFUSED)
        assert (asked.grant, asked.reason) == (None, None if granted else "closed")
        # The grant and its keys are hers alone.
        assert await son.read(son.node.borrowing.all) == []
        assert len(await one.mother.read(one.mother.node.borrowing.all)) == int(granted)


async def test_who_lost_the_mandate_hears_that(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        given = await one.mandate()
        cid = await ask_for_her(one, given)
        await mother.write(lambda tx: mother.node.mandates.end(tx, given.cid, mother.now_ms))
        await settle()
        asked = await son.read(lambda tx: son.node.asked.get(tx, cid))
        assert asked.state is RequestState.ENDED
        await bank.write(lambda tx: bank.node.lending.refuse(tx, cid, "closed", bank.now_ms))
        await settle()
        asked = await son.read(lambda tx: son.node.asked.get(tx, cid))
        assert asked.state is RequestState.ENDED
        assert asked.reason is not None
        assert "closed" not in asked.reason


async def test_nobody_tells_what_became_of_ones_own(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A word about a request of one's own, or of another peer's, changes nothing."""
    async with a_town() as town:
        one = await family(town)
        son, bank, mother = one.son, one.bank, one.mother
        given = await one.mandate()
        for_her = await ask_for_her(one, given)
        at = await son.peer("bank")
        own = request_of(at, [WINDOW], son.now_ms)
        await son.write(lambda tx: son.node.borrowing.ask(tx, at, own, son.now_ms))
        await settle()
        for teller, request in ((bank, own.cid), (mother, for_her), (mother, own.cid)):
            pair = await teller.peer("son")
            args = MandateOutcomeArgs(pair.their, request, granted=True, reason=None)
            heard = await teller.node.exchange.say(pair, Cmd.MANDATE_OUTCOME, args.value())
            assert heard.answer.code is Code.UNKNOWN_GRANT
        states = {asked.state for _, asked in await son.read(son.node.asked.all)}
        assert states == {RequestState.WAITING}

"""Standing terms at work: requests that meet the rules of a real node, over a network."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from entrenous.node.errors import UsageError
from entrenous.node.grants.inbox import Asked, RequestState
from entrenous.node.grants.standing_terms import Judged
from entrenous.node.store.database import Tx
from entrenous.protocol.command import Cmd, StandingArgs, parse_out
from entrenous.protocol.did import check_did
from entrenous.protocol.request import Request
from entrenous.protocol.standing_terms import Does, StandingTerms
from entrenous.protocol.standing_terms_file import standing_from_mapping
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    GAS,
    TERMS,
    Party,
    Town,
    a_town,
    meet,
    settle,
)

pytestmark = pytest.mark.trio

WANTED = Window(CURVE, DAY - 9, DAY)
RULE: Mapping[str, Value] = {
    "name": "advice",
    "does": "grant",
    "peers": ["shop"],
    "purposes": ["dpv:ServiceProvision"],
    "collections": ["energy"],
    "days": 5,
    "retention_days": 30,
    "life_days": 90,
    "recipients": ["nobody else"],
    "beyond": "narrow",
}


@asynccontextmanager
async def two(
    *rules: Mapping[str, Value], ask_again_days: int | None = None
) -> AsyncGenerator[tuple[Town, Party, Party]]:
    async with a_town() as town:
        alice, shop = await town.party("alice"), await town.party("shop")
        await meet(alice, shop)
        await alice.fill(CURVE, DAY - 9, 10)
        written: Mapping[str, Value] = {"rules": list(rules), "ask_again_days": ask_again_days}
        await alice.write(lambda tx: alice.node.standing_rules.set(tx, written))
        yield town, alice, shop


async def asks(
    shop: Party, alice: Party, *windows: Window, terms: Terms = TERMS, days: int = 30
) -> bytes:
    pair = await shop.peer(alice.name)
    exp_s = shop.now_ms // 1000 + days * DAY_S
    request = Request(
        check_did(pair.own),
        windows or (WANTED,),
        terms.purpose,
        terms,
        exp_s,
        "nothing",
    )
    cid = await shop.write(lambda tx: shop.node.borrowing.ask(tx, pair, request, shop.now_ms))
    await settle()
    return cid


async def state(party: Party, cid: bytes) -> RequestState:
    return (await party.read(lambda tx: party.node.inbox.get(tx, cid))).state


async def judged(party: Party, cid: bytes) -> Judged | None:
    return await party.read(lambda tx: party.node.standing_rules.judged(tx, cid))


async def test_a_rule_grants_its_bounds_at_once_and_says_which_it_was(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two(RULE) as (_, alice, shop):
        cid = await asks(shop, alice)
        assert await state(alice, cid) is RequestState.GRANTED
        made = await judged(alice, cid)
        assert made is not None
        assert (made.does, made.rule, made.changes) == (Does.GRANT, "advice", ("for fewer days",))
        (given,) = await alice.read(alice.node.lending.all)
        assert given.windows == (Window(CURVE, DAY - 4, DAY),)
        # Its terms are those that were asked for: the reader took them without being asked.
        fetched = await shop.node.fetcher.fetch(
            await shop.peer("alice"), Window(CURVE, DAY - 4, DAY)
        )
        assert fetched.pages == 5


async def test_terms_that_a_rule_narrowed_wait_for_the_reader(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two({**RULE, "retention_days": 7, "clauses": ["no profiling"]}) as (_, alice, shop):
        cid = await asks(shop, alice)
        assert await state(alice, cid) is RequestState.GRANTED
        mine = await shop.read(lambda tx: shop.node.asked.get(tx, cid))
        assert mine.state is RequestState.OFFERED
        offered = await shop.read(lambda tx: shop.node.offers.find(tx, cid))
        assert offered is not None
        assert offered.bundle.terms.retention_days == 7
        assert offered.bundle.terms.clauses[-1].text == "no profiling"


@pytest.mark.parametrize(
    "change",
    [
        {"peers": ["bank"]},
        {"peers": [], "level": "vouched"},
        {"purposes": ["dpv:Marketing"]},
        {"collections": ["finance"]},
        {"paid": "only"},
    ],
)
async def test_what_no_rule_is_for_waits_as_it_did_before_there_were_rules(
    autojump_clock: trio.abc.Clock, change: Mapping[str, Value]
) -> None:
    async with a_town() as town:
        alice, shop, bank = [await town.party(name) for name in ("alice", "shop", "bank")]
        await meet(alice, shop)
        await meet(alice, bank)
        written = {"rules": [{**RULE, **change}]}
        await alice.write(lambda tx: alice.node.standing_rules.set(tx, written))
        cid = await asks(shop, alice)
        assert await state(alice, cid) is RequestState.WAITING
        made = await judged(alice, cid)
        assert made is not None
        assert (made.does, made.rule) == (Does.QUEUE, None)
        assert not await alice.read(alice.node.lending.all)


async def test_without_rules_nothing_is_judged(autojump_clock: trio.abc.Clock) -> None:
    async with two() as (_, alice, shop):
        cid = await asks(shop, alice)
        assert await state(alice, cid) is RequestState.WAITING
        assert await judged(alice, cid) is None
        assert await alice.read(alice.node.standing_rules.get) == StandingTerms()


async def test_a_rule_refuses_with_its_reason(autojump_clock: trio.abc.Clock) -> None:
    never = {"name": "no", "does": "refuse", "collections": [GAS], "reason": "not my gas"}
    async with two(never, RULE) as (_, alice, shop):
        cid = await asks(shop, alice, WANTED, Window(GAS, DAY, DAY))
        mine = await shop.read(lambda tx: shop.node.asked.get(tx, cid))
        assert (mine.state, mine.reason) == (RequestState.REFUSED, "not my gas")
        assert not await alice.read(alice.node.lending.all)


async def test_a_category_is_expanded_before_it_is_judged(autojump_clock: trio.abc.Clock) -> None:
    rule = {**RULE, "collections": [CURVE], "days": 400}
    async with two(rule) as (_, alice, shop):
        await alice.fill(GAS, DAY - 3, 3)
        cid = await asks(shop, alice, Window("energy", DAY - 9, DAY))
        assert await state(alice, cid) is RequestState.GRANTED
        (given,) = await alice.read(alice.node.lending.all)
        assert given.windows == (WANTED,)
        made = await judged(alice, cid)
        assert made is not None
        assert made.changes == (f"without {GAS}",)


async def test_who_asks_the_same_again_too_soon_is_refused_by_itself(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two(ask_again_days=5) as (town, alice, shop):
        first = await asks(shop, alice)
        assert await state(alice, first) is RequestState.WAITING
        await alice.write(lambda tx: alice.node.lending.refuse(tx, first, "no", alice.now_ms))
        await settle()
        town.clock.ahead_ms += 4 * 86_400_000
        other_days = replace(WANTED, last=DAY - 1)
        again = await asks(shop, alice, other_days)
        assert await state(alice, again) is RequestState.REFUSED
        made = await judged(alice, again)
        assert made is not None
        assert (made.does, made.rule) == (Does.REFUSE, "ask_again_days")
        # Something else is something else.
        gas = await asks(shop, alice, Window(GAS, DAY, DAY))
        assert await state(alice, gas) is RequestState.WAITING
        # A refusal by the rule starts the days anew; silence for so long ends it.
        town.clock.ahead_ms += 6 * 86_400_000
        late = await asks(shop, alice)
        assert await state(alice, late) is RequestState.WAITING


async def test_rules_decide_what_comes_and_not_what_waits(autojump_clock: trio.abc.Clock) -> None:
    async with two() as (_, alice, shop):
        cid = await asks(shop, alice)
        written = {"rules": [RULE]}
        await alice.write(lambda tx: alice.node.standing_rules.set(tx, written))
        assert await state(alice, cid) is RequestState.WAITING
        would = await alice.read(lambda tx: alice.node.standing_rules.check(tx, cid, alice.now_ms))
        assert (would.does, would.rule) == (Does.GRANT, "advice")
        assert await state(alice, cid) is RequestState.WAITING


async def test_rules_for_a_peer_that_is_not_there_are_a_slip(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two(RULE) as (_, alice, _):
        for written in (
            {"rules": [{**RULE, "peers": ["shopp"]}]},
            {"rules": [{**RULE, "days": "many"}]},
            {"rules": [{**RULE, "name": f"{n}", "clauses": ["x" * 250] * 64} for n in range(9)]},
        ):
            with pytest.raises(UsageError):
                await alice.write(
                    lambda tx, written=written: alice.node.standing_rules.set(tx, written)
                )
        kept = await alice.read(alice.node.standing_rules.get)
        assert [rule.name for rule in kept.rules] == ["advice"], "what was there stays"


async def test_what_belongs_to_somebody_the_peer_does_not_know_waits(
    autojump_clock: trio.abc.Clock,
) -> None:
    """However wide a rule is, it does not lend what is another's."""
    async with two({**RULE, "days": 400}) as (_, alice, shop):
        marie = await alice.write(lambda tx: alice.node.household.add(tx, "Marie", None))
        path = f"{CURVE}/p{marie.number}"
        await alice.fill(path, DAY - 9, 10)
        cid = await asks(shop, alice, Window(path, DAY - 9, DAY))
        assert await state(alice, cid) is RequestState.WAITING
        made = await judged(alice, cid)
        assert made is not None
        assert "belongs to people" in made.why


# --- told before it is asked ----------------------------------------------------------------------


async def told(shop: Party) -> list[dict[str, Value]]:
    pair = await shop.peer("alice")
    said = await shop.node.exchange.say(pair, Cmd.STANDING, StandingArgs(pair.their).value())
    out = parse_out(Cmd.STANDING, said.answer.out)
    assert isinstance(out, bytes)
    if not out:
        return []
    value = decode(out)
    assert isinstance(value, dict)
    standing_from_mapping(value)
    match value["rules"]:
        case list(rules):
            return [rule for rule in rules if isinstance(rule, dict)]
        case _:
            raise AssertionError(value)


async def test_a_peer_hears_the_rules_that_are_shown_to_it_and_no_others(
    autojump_clock: trio.abc.Clock,
) -> None:
    hidden = {**RULE, "name": "for friends", "days": 4_000}
    shown = {**RULE, "name": "what I tell the shop", "shown": True}
    better: Mapping[str, Value] = {
        **shown,
        "name": "better",
        "peers": [],
        "level": "domain",
        "days": 900,
    }
    async with two(hidden, shown, better) as (_, alice, shop):
        (rule,) = await told(shop)
        assert rule["days"] == 5
        assert rule["peers"] == []
        assert rule["name"] == "standing terms 1"
        assert "friends" not in str(rule)
        await alice.write(lambda tx: alice.node.standing_rules.set(tx, {"rules": [hidden]}))
        assert await told(shop) == []
        # A draft within what was told is granted as it is.
        await alice.write(lambda tx: alice.node.standing_rules.set(tx, {"rules": [shown]}))
        cid = await asks(shop, alice, Window(CURVE, DAY - 4, DAY))
        assert await state(alice, cid) is RequestState.GRANTED
        made = await judged(alice, cid)
        assert made is not None
        assert made.changes == ()


async def test_a_judgement_and_its_grant_are_one_unit_of_work(
    autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who dies in the middle leaves no grant without its reason, and no request half decided."""

    class KilledError(Exception):
        pass

    async with two(RULE) as (_, alice, shop):
        pair, back = await shop.peer("alice"), await alice.peer("shop")
        request = Request(
            check_did(pair.own), (WANTED,), TERMS.purpose, TERMS, shop.now_ms // 1000 + DAY_S, ""
        )
        asked = Asked(
            back.own, back.their, request.encode(), RequestState.WAITING, alice.now_ms, None, None
        )

        def die(*_: object) -> None:
            raise KilledError

        # The last thing that a decision does.
        monkeypatch.setattr(alice.node.lending, "decided", die)

        def unit(tx: Tx) -> None:
            alice.node.inbox.add(tx, request.cid, asked)
            alice.node.standing_rules.arrived(tx, request.cid, alice.now_ms)

        with pytest.raises(KilledError):
            await alice.write(unit)
        assert await alice.read(lambda tx: alice.node.inbox.find(tx, request.cid)) is None
        assert await judged(alice, request.cid) is None
        assert not await alice.read(alice.node.lending.all)
        assert not await alice.read(alice.node.store.outbox.all)

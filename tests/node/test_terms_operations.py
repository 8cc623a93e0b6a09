"""Terms through two clients: drafted, marked, narrowed, agreed to, shown by both sides."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from entrenous.node.client import Client
from entrenous.node.errors import NotAllowed, NotFound, UsageError
from entrenous.node.grants.tying import costs
from entrenous.protocol.terms_enforced import LICENCE
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.test_operations import client_of
from entrenous.tests.node.two_nodes import CURVE, DAY, DAY_S, GAS, Party, a_town, meet, settle

pytestmark = pytest.mark.trio

WANTED = Window(CURVE, DAY, DAY + 9)
DRAFT: dict[str, Value] = {
    "retention_days": 30,
    "recipients": ["the printer", "the auditor"],
    "clauses": [
        {"enforced": "nobody copies it"},
        "Only the granted days can be opened.",
    ],
}


@asynccontextmanager
async def two() -> AsyncGenerator[tuple[Party, Party, Client, Client]]:
    async with a_town() as town:
        alice, shop = await town.party("alice"), await town.party("shop")
        await meet(alice, shop)
        await alice.fill(CURVE, DAY, 10)
        yield alice, shop, client_of(alice), client_of(shop)


async def asks(
    reader: Client,
    party: Party,
    *windows: Window,
    purpose: str = "dpv:ServiceProvision",
    refusal: str = "",
) -> bytes:
    request = await reader.ask(
        "alice",
        windows or (WANTED,),
        purpose=purpose,
        terms=DRAFT,
        exp_s=party.now_ms // 1000 + 30 * DAY_S,
        refusal=refusal,
    )
    await settle()
    return request


async def test_a_decision_narrows_terms_and_the_reader_agrees(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two() as (_, shop, owner, reader):
        request = await asks(reader, shop)
        grant = await owner.grant(
            request, retention_days=7, recipients=["the auditor"], clauses=["no profiling"]
        )
        await settle()
        (mine,) = await reader.asked()
        assert mine.state == "offered"
        assert mine.marks is not None
        changes = (
            "kept for 7 days, not for 30 days",
            "not passed on to the printer",
            "also: no profiling",
        )
        assert mine.marks.changes == changes
        with pytest.raises(NotAllowed):
            await reader.fetch("alice", CURVE, DAY, DAY + 9)
        offer = await reader.terms(request)
        assert (offer.kind, offer.side, offer.changes) == ("offer", "out", changes)
        assert await reader.accept_offer(request) == grant
        await settle()
        assert (await reader.fetch("alice", CURVE, DAY, DAY + 9)).pages == 10
        # Both sides are shown the same agreement, by the same figures.
        given, held = await owner.terms(grant), await reader.terms(grant)
        assert (given.side, held.side) == ("given", "held")
        assert given.odrl == held.odrl
        assert given.changes == held.changes == changes
        assert given.licence == LICENCE["en"]
        assert given.odrl["entrenous:licence"] == LICENCE["en"]
        assert [one.in_words for one in given.clauses] == [
            "promised (they say enforced)",
            "enforced",
            "promised",
        ]
        assert given.odrl["assigner"] == given.assigner
        assert given.label == "Providing a service"
        assert (await owner.terms(grant, "fr")).label == "Fournir un service"
        with pytest.raises(UsageError):
            await owner.terms(grant, "de")
        with pytest.raises(NotFound):
            await owner.terms("aaaaaaaa")


async def test_what_is_declined_is_shown_to_its_owner(autojump_clock: trio.abc.Clock) -> None:
    async with two() as (_, shop, owner, reader):
        request = await asks(reader, shop)
        await owner.grant(request, retention_days=0)
        await settle()
        await reader.decline_offer(request, "we need a month")
        await settle(5)
        (theirs,) = await owner.inbox()
        assert (theirs.state, theirs.reason) == ("declined", "we need a month")
        assert [one.status for one in await owner.grants()] == ["revoked"]
        assert [one.state for one in await reader.asked()] == ["declined"]


async def test_terms_that_would_bind_less_are_a_slip(autojump_clock: trio.abc.Clock) -> None:
    async with two() as (_, shop, owner, reader):
        request = await asks(reader, shop)
        with pytest.raises(UsageError, match="longer than the 30"):
            await owner.grant(request, retention_days=31)
        with pytest.raises(UsageError, match="not among the recipients"):
            await owner.grant(request, recipients=["the press"])
        with pytest.raises(NotFound, match="nothing was offered"):
            await reader.accept_offer(request)
        assert [one.state for one in await owner.inbox()] == ["waiting"]


async def test_standing_terms_through_a_client(autojump_clock: trio.abc.Clock) -> None:
    rule: dict[str, Value] = {
        "name": "advice",
        "does": "grant",
        "peers": ["shop"],
        "purposes": ["dpv:ServiceProvision"],
        "collections": ["energy"],
        "days": 3,
        "retention_days": 30,
        "life_days": 90,
        "recipients": ["the auditor", "the printer"],
        "beyond": "narrow",
        "shown": True,
    }
    async with two() as (_, shop, owner, reader):
        assert await owner.standing_terms() == {"ask_again_days": None, "rules": []}
        assert (await reader.ask_standing_terms("alice")).rules == ()
        waits = await asks(reader, shop)
        made = await owner.set_standing_terms({"rules": [rule]})
        assert made == await owner.standing_terms()
        would = await owner.check_standing_terms(waits)
        assert (would.does, would.rule) == ("grant", "advice")
        assert would.windows == (Window(CURVE, DAY + 7, DAY + 9),)
        assert [one.state for one in await owner.inbox()] == ["waiting"]
        told = await reader.ask_standing_terms("alice")
        assert told.peer == "alice"
        (shown,) = told.rules
        assert isinstance(shown, dict)
        assert (shown["days"], shown["peers"]) == (3, [])
        request = await asks(reader, shop, Window(CURVE, DAY + 1, DAY + 9))
        found = next(one for one in await owner.inbox() if one.id == request)
        assert found.state == "granted"
        assert found.marks is not None
        assert (found.marks.rule, found.marks.why) == ("advice", "narrowed by the rule advice")
        made_by = [one for one in await owner.history("shop") if one.what == "rule-grant"]
        assert [(one.request, one.note) for one in made_by] == [
            (request, "advice: narrowed by the rule advice")
        ]
        with pytest.raises(UsageError, match="does is one of"):
            await owner.set_standing_terms({"rules": [{**rule, "does": "sell"}]})


async def test_a_request_is_marked_as_tied_repeated_and_more_than_its_purpose_needs(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with two() as (alice, shop, owner, reader):
        await alice.fill(GAS, DAY, 1)
        ties = "Without your readings we cannot keep your contract. Nothing else changes."
        first = await asks(reader, shop, refusal=ties)
        (one,) = await owner.inbox()
        assert one.marks is not None
        assert one.marks.tied == (
            "if you refuse, they say: Without your readings we cannot keep your contract",
        )
        assert (one.marks.asked, one.marks.refused) == (1, 0)
        # time, duration_s, value, unit of the five that count
        assert (one.marks.frugality.asked, one.marks.frugality.needed) == (5, 4)
        assert one.marks.frugality.percent == 80
        await owner.refuse(first)
        second = await asks(reader, shop, Window(CURVE, DAY, DAY + 3))
        await owner.refuse(second)
        third = await asks(reader, shop, Window("energy", DAY, DAY + 3))
        other = await asks(reader, shop, purpose="dpv:TargetedAdvertising")
        found = {one.id: one.marks for one in await owner.inbox()}
        last, marketing = found[third], found[other]
        assert last is not None
        assert marketing is not None
        assert (last.asked, last.refused) == (3, 2)
        assert last.tied == ()
        assert (marketing.asked, marketing.refused) == (1, 0)
        assert marketing.tied == (f"it asks for {CURVE}, which this purpose has no use for",)
        assert (marketing.frugality.needed, marketing.frugality.percent) == (0, 0)
        everything = await owner.frugality("shop")
        # (service, curve), (service, gas), (advertising, curve): each once.
        assert (everything.asked, everything.needed, everything.percent) == (15, 8, 53)
        unknown = await asks(reader, shop, Window("health/weight", 1, 2), purpose="mine")
        marks = next(one.marks for one in await owner.inbox() if one.id == unknown)
        assert marks is not None
        assert marks.label is None
        assert (marks.frugality.percent, marks.frugality.left_out) == (None, 1)
        with pytest.raises(NotFound):
            await owner.frugality("nobody")


@pytest.mark.parametrize(
    ("refusal", "tied"),
    [
        ("", False),
        ("nothing", False),
        ("Nothing changes for you.", False),
        ("Your contract goes on as it is.", False),
        ("You will not lose your account.", False),
        ("Rien ne change : votre contrat continue.", False),
        ("We would be sad.", False),
        ("No contract without your calls: we cannot offer it.", True),
        ("Your account will be closed", True),
        ("The price will be higher.", True),
        ("You lose the discount", True),
        ("Votre contrat sera résilié.", True),
        ("Nous ne pourrons plus assurer la livraison.", True),
        ("Nothing happens to your data. But your subscription ends.", True),
    ],
)
async def test_what_a_no_costs_is_read_from_the_words(refusal: str, tied: bool) -> None:
    assert bool(costs(refusal)) is tied

"""Views as a client asks for them: made, listed, let go; and what each answer gives away."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.apps.services.budget.view import rule
from entrenous.node.cli.views import in_views
from entrenous.node.client import Client
from entrenous.node.errors import NotFound, UsageError
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.results.views import ViewInfo
from entrenous.node.store.home import Home
from entrenous.node.vault.vault import pieces_of
from entrenous.node.views.choices import views_enough
from entrenous.protocol.columns import read_columns
from entrenous.protocol.day import DAY_MS, day_of_date, start_ms
from entrenous.protocol.errors import WireError
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, TRANSACTION, schema_named
from entrenous.protocol.view import Band
from entrenous.protocol.view_words import WORDS, parse_views_enough, view_of_words
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import CURVE, Party, Town, a_town, ask, meet, settle

PAYMENTS = "finance/accounts/transactions"
JANUARY, FEBRUARY, MARCH = (day_of_date(f"2026-0{month}-01") for month in (1, 2, 3))


def client_of(party: Party) -> Client:
    host = Host(party.node, Home(Path("/nowhere")), running=True, version="test")
    return Client(DirectChannel(host))


def go_to(town: Town, day: int) -> None:
    town.clock.ahead_ms = 0
    town.clock.ahead_ms = start_ms(day) + DAY_MS // 2 - town.clock.now_ms()


def payments(*rows: tuple[int, int, str]) -> Batch:
    return Batch.from_rows(
        TRANSACTION,
        [
            {
                "id": f"{number}",
                "time": start_ms(day),
                "offset_min": 0,
                "amount": [cents, 2],
                "currency": "EUR",
                "label": label,
                "counterparty": None,
                "kind": "card",
            }
            for number, (day, cents, label) in enumerate(rows)
        ],
    )


async def pay(party: Party, *rows: tuple[int, int, str]) -> None:
    vault = party.node.vault
    await vault.write(PAYMENTS, TRANSACTION, pieces_of(payments(*rows)), origin=b"bank")


async def test_a_view_is_made_listed_and_removed(autojump_clock: MockClock) -> None:
    async with a_town(b"listed") as town:
        go_to(town, MARCH + 20)
        alice = await town.party("alice")
        client = client_of(alice)
        await pay(alice, (JANUARY, -5000, "SHOP"), (FEBRUARY, -100, "SHOP"), (MARCH + 9, -1, "X"))
        bands = (Band("little", (1000, 2)), Band("much", None))
        made = await client.view_add("monthly-band", PAYMENTS, figure="paid", bands=bands)
        assert made.path == f"{PAYMENTS}/view-monthly-band"
        assert (made.periods, made.records, made.bands) == (2, 2, ("little", "much"))
        (listed,) = await client.views()
        assert listed == made
        assert [(one.name, one.why) for one in listed.waiting] == [("2026-03", "open")]
        read = await client.read(made.path, JANUARY, MARCH)
        assert [row["band"] for row in read.batch.rows()] == ["much", "little"]
        sourced = await client.read_sources(made.path, JANUARY, MARCH)
        assert [one.how for one in sourced.tellers] == ["derived"]
        assert (await client.view_remove(made.path)).pages == 2
        assert await client.views() == ()
        for wrong in ("weekly-energy", "daily-energy", "monthly-categories-of"):
            with pytest.raises(UsageError):
                await client.view_add(wrong, PAYMENTS)
        with pytest.raises(NotFound):
            await client.view_add("monthly-energy", CURVE)
        with pytest.raises(NotFound):
            await client.view_remove(made.path)


async def test_categories_are_those_of_the_budget(autojump_clock: MockClock) -> None:
    async with a_town(b"categories") as town:
        go_to(town, MARCH + 20)
        alice = await town.party("alice")
        client = client_of(alice)
        await pay(
            alice,
            (JANUARY, -5000, "CARREFOUR MARKET"),
            (JANUARY, -300, "QQQ"),
            (MARCH + 9, -1, "X"),
        )
        made: ViewInfo = await client.view_add("monthly-categories", PAYMENTS)
        read = await client.read(made.path, JANUARY, MARCH)
        found = {row["category"]: row["value"] for row in read.batch.rows()}
        assert found["groceries"] == [50, 0]
        assert len(found) == 2, "what no rule knows is spent too"


def test_the_rule_leaves_out_what_is_not_spent() -> None:
    batch = payments((JANUARY, -5000, "CARREFOUR MARKET"), (JANUARY, 250_000, "SALARY ACME"))
    assert list(rule.categories(batch)) == ["groceries", None]


async def asked_for_both(town: Town) -> tuple[Party, Party, Client, bytes]:
    go_to(town, MARCH + 20)
    alice, bank = await town.party("alice"), await town.party("bank")
    await meet(alice, bank)
    await alice.fill(CURVE, JANUARY - 1, 100)
    await pay(alice, (JANUARY, -5000, "SHOP"), (FEBRUARY, -100, "SHOP"), (MARCH + 9, -1, "X"))
    windows = (Window(CURVE, JANUARY, MARCH - 1), Window(PAYMENTS, JANUARY, MARCH - 1))
    return alice, bank, client_of(alice), await ask(bank, alice, *windows)


async def test_choices_stand_side_by_side(autojump_clock: MockClock) -> None:
    async with a_town(b"choices") as town:
        _, _, client, cid = await asked_for_both(town)
        found = await client.choices(cid)
        curve = {one.view or one.choice: one for one in found if one.collection == CURVE}
        assert list(curve) == ["whole", "days", "daily-energy", "monthly-energy"]
        assert [one.records for one in curve.values()] == [59 * 24, 30 * 24, 59, 2]
        assert [one.days for one in curve.values()] == [59, 30, 59, 59]
        assert curve["whole"].size == 59 * 2048
        assert curve["monthly-energy"].size == 2 * 1024
        # what is enough is said of one only, and why
        assert [one.view for one in curve.values() if one.enough] == ["daily-energy"]
        money = {one.view or one.choice: one for one in found if one.collection == PAYMENTS}
        assert set(money) == {"whole", "days", "monthly-categories", "monthly-payments", "fields"}
        assert "counterparty" not in money["fields"].fields
        assert not any(one.made for one in found if one.view)
        for one in found:
            if one.example is not None:
                row, _ = read_columns(schema_named(one.schema), one.example, 0, 1)
                assert len(row) == 1


async def test_a_view_is_granted_in_place_of_its_collection(autojump_clock: MockClock) -> None:
    async with a_town(b"in place") as town:
        _, bank, client, cid = await asked_for_both(town)
        found = await client.choices(cid)
        windows, chosen = in_views([Window(CURVE, JANUARY, MARCH - 5)], found, ["monthly-energy"])
        assert windows == [Window(f"{CURVE}/view-monthly-energy", JANUARY, FEBRUARY - 1)]
        await client.view_add(str(chosen[0].view), CURVE)
        await client.grant(cid, windows)
        await settle()
        (held,) = [one for one in await client_of(bank).grants() if one.side == "held"]
        assert held.windows == tuple(windows)
        path = windows[0].collection
        got = await client_of(bank).fetch("alice", path, JANUARY, FEBRUARY - 1)
        assert got.batch is not None
        assert [row["period_days"] for row in got.batch.rows()] == [31]
        assert got.provenance == ()
        with pytest.raises(UsageError, match="no such view"):
            in_views([Window(CURVE, JANUARY, MARCH)], found, ["monthly-payments"])
        with pytest.raises(UsageError, match="no whole period"):
            in_views([Window(CURVE, JANUARY, JANUARY + 9)], found, ["monthly-energy"])


async def test_a_correction_is_let_go_by_its_owner_only(autojump_clock: MockClock) -> None:
    async with a_town(b"released") as town:
        alice, _, client, cid = await asked_for_both(town)
        made = await client.view_add("monthly-payments", PAYMENTS)
        await client.grant(cid, [Window(made.path, JANUARY, MARCH - 1)])
        await settle()
        with pytest.raises(NotFound):
            await client.view_release(made.path, JANUARY)
        batch = payments((JANUARY + 3, -77, "LATE"))
        batch = Batch(batch.schema, {**batch.columns, "id": ["late"]}).check()
        await alice.node.vault.write(PAYMENTS, TRANSACTION, pieces_of(batch), origin=b"late")
        (held,) = await client.views()
        assert [(one.name, one.why) for one in held.waiting if one.first == JANUARY] == [
            ("2026-01", "held")
        ]
        await client.view_release(made.path, JANUARY)
        read = await client.read(made.path, JANUARY, JANUARY)
        assert [row["value"] for row in read.batch.rows()] == [[5077, 2]]


def test_the_table_of_what_is_enough_names_views_that_there_are() -> None:
    table = views_enough()
    assert table.table
    for row in table.table.values():
        for schema, enough in row.items():
            assert enough.view in WORDS
            assert schema_named(schema) in (METER_READING, TRANSACTION)
    # a special case of a purpose needs no more than that
    found = table.enough("dpv:PersonalisedAdvertising", TRANSACTION)
    assert found is not None
    assert found.view == "monthly-payments"
    assert table.enough("dpv:Nothing", TRANSACTION) is None


@pytest.mark.parametrize(
    "text",
    [
        '["dpv:Nothing"]\n"transaction/1" = { view = "monthly-payments", why = "x" }',
        '["dpv:Marketing"]\n"transaction/1" = { view = "weekly", why = "x" }',
        '["dpv:Marketing"]\n"nothing/1" = { view = "monthly-payments", why = "x" }',
        '["dpv:Marketing"]\n"transaction/1" = { view = "monthly-payments" }',
        '"dpv:Marketing" = 3',
    ],
)
def test_a_table_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        parse_views_enough(text, views_enough().purposes)


def test_offered_words_are_views() -> None:
    made = view_of_words("fields", PAYMENTS, TRANSACTION, fields=["currency", "amount"])
    assert made.tells.name == "transaction/1:amount,currency"

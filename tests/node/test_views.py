"""Views on real nodes: derived by themselves, lent in place of their collection, never a day by
subtraction."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from trio.testing import MockClock

from entrenous.node.errors import NotFound, Refused, UsageError
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.steps import ViewStep
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.day import DAY_MS, UNDATED, day_of_date, start_ms
from entrenous.protocol.errors import RecordError
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, TRANSACTION
from entrenous.protocol.view import Band, Figure, Kind, View
from entrenous.protocol.view_path import Every
from entrenous.protocol.window import Window
from entrenous.tests.node.killing import Killed, KillIn
from entrenous.tests.node.two_nodes import (
    CURVE,
    Party,
    Town,
    a_town,
    ask,
    both_logs_hold,
    decide,
    meet,
    readings,
    revoke,
    settle,
)

PAYMENTS = "finance/accounts/transactions"
JANUARY, FEBRUARY, MARCH = (day_of_date(f"2026-0{month}-01") for month in (1, 2, 3))
MONTHLY = View(CURVE, METER_READING, Kind.ENERGY, Every.MONTHLY, "energy")
DAILY = View(CURVE, METER_READING, Kind.ENERGY, Every.DAILY, "energy")
SUMS = View(PAYMENTS, TRANSACTION, Kind.PAYMENTS, Every.MONTHLY, "payments")


Story = Callable[..., Awaitable[None]]


def in_town(story: Story) -> Story:
    """A test that is told of a town and of alice in it; trio's clock jumps while nobody works."""

    async def test(autojump_clock: MockClock, **more: object) -> None:
        async with a_town(b"views") as town:
            await story(town, await town.party("alice"), **more)

    said = inspect.signature(story)
    given = [one for name, one in said.parameters.items() if name not in ("town", "alice")]
    clock = next(iter(inspect.signature(test).parameters.values()))
    # What pytest asks for fixtures by.
    test.__signature__ = said.replace(parameters=[clock, *given])
    test.__name__, test.__doc__ = story.__name__, story.__doc__
    for mark in getattr(story, "pytestmark", ()):
        test = getattr(pytest.mark, mark.name)(*mark.args, **mark.kwargs)(test)
    return test


def go_to(town: Town, day: int) -> None:
    """Noon of a day, by everybody's clock."""
    town.clock.ahead_ms = 0
    now = town.clock.now_ms()
    town.clock.ahead_ms = start_ms(day) + DAY_MS // 2 - now


def utc(batch: Batch) -> Batch:
    """Told in UTC, so that months of the wall are those of the days."""
    return Batch(batch.schema, {**batch.columns, "offset_min": [0] * len(batch)}).check()


async def fill(
    party: Party, first: int, days: int, *, value: int = 7, origin: bytes = b"t"
) -> None:
    batch = utc(readings(first, days, value=value))
    await party.node.vault.write(CURVE, METER_READING, pieces_of(batch), origin=origin)


def payments(*rows: tuple[int, int]) -> Batch:
    return Batch.from_rows(
        TRANSACTION,
        [
            {
                "id": f"{day}/{cents}",
                "time": start_ms(day),
                "offset_min": 0,
                "amount": [cents, 2],
                "currency": "EUR",
                "label": "SHOP",
                "counterparty": None,
                "kind": "card",
            }
            for day, cents in rows
        ],
    )


async def pay(party: Party, *rows: tuple[int, int], origin: bytes = b"bank") -> None:
    await party.node.vault.write(PAYMENTS, TRANSACTION, pieces_of(payments(*rows)), origin=origin)


async def told(party: Party, view: View) -> dict[str, object]:
    """Each period that a view holds, with its figures."""
    try:
        reading = await party.node.vault.read(view.path, 0, UNDATED)
    except NotFound:
        return {}
    return {str(row["id"]): row.get("value", row.get("band")) for row in reading.batch.rows()}


def exact(first: int, days: int, value: int = 7) -> list[int]:
    """The sum of what `fill` writes, in tenths, worked out apart from the program."""
    total = sum(value + at for at in range(days * 24))
    scale = 1
    while scale and total % 10 == 0:
        total, scale = total // 10, scale - 1
    return [total, scale]


# --- deriving -------------------------------------------------------------------------------------


@in_town
async def test_a_month_is_told_when_it_is_over_and_its_delay_has_passed(
    town: Town, alice: Party
) -> None:
    await fill(alice, JANUARY, 40)
    await alice.node.views.add(MONTHLY)
    assert await told(alice, MONTHLY) == {}
    go_to(town, FEBRUARY + 4)
    await settle(120)
    assert await told(alice, MONTHLY) == {}
    go_to(town, FEBRUARY + 5)
    await settle(120)  # nobody asks for it: the node keeps house
    assert await told(alice, MONTHLY) == {"2026-01/001": exact(JANUARY, 31)}


@in_town
async def test_a_day_is_told_by_itself(town: Town, alice: Party) -> None:
    await fill(alice, JANUARY, 10)
    go_to(town, JANUARY + 14)
    await alice.node.views.add(DAILY)
    found = await told(alice, DAILY)
    # Days 1 to 8: the delay has passed, and records of two days later are there.
    assert list(found) == [f"2026-01-{day:02}/001" for day in range(1, 9)]


@in_town
async def test_a_series_with_a_gap_waits(town: Town, alice: Party) -> None:
    await fill(alice, JANUARY, 10)
    await fill(alice, JANUARY + 11, 40, origin=b"u")
    go_to(town, MARCH)
    await alice.node.views.add(MONTHLY)
    assert await told(alice, MONTHLY) == {}
    kept = await alice.read(lambda tx: alice.node.views.kept.month(tx, MONTHLY.path, 126 * 12))
    assert dict(kept.waiting)[JANUARY] == "incomplete"
    await fill(alice, JANUARY + 10, 1, origin=b"v")
    await alice.node.views.catch_up()
    assert list(await told(alice, MONTHLY)) == ["2026-01/001"]


@in_town
async def test_what_two_sources_told_counts_once(town: Town, alice: Party) -> None:
    await fill(alice, JANUARY, 40)
    await fill(alice, JANUARY, 40, origin=b"the same again")
    go_to(town, FEBRUARY + 20)
    await alice.node.views.add(MONTHLY)
    assert await told(alice, MONTHLY) == {"2026-01/001": exact(JANUARY, 31)}


@in_town
async def test_what_was_taken_out_of_the_vault_is_taken_out_of_the_view(
    town: Town, alice: Party
) -> None:
    await pay(alice, (JANUARY, -100), (MARCH + 5, -1))
    await pay(alice, (JANUARY + 1, -200), origin=b"other")
    go_to(town, FEBRUARY + 20)
    await alice.node.views.add(SUMS)
    assert await told(alice, SUMS) == {"2026-01/001": [3, 0]}
    vault = alice.node.vault
    await vault.store.database.erase(
        lambda tx: vault.remove(tx, PAYMENTS, lambda one: one.origin == b"other")
    )
    vault.changed(PAYMENTS)
    await alice.node.views.catch_up()
    assert await told(alice, SUMS) == {"2026-01/001": [1, 0]}
    await vault.store.database.erase(lambda tx: vault.remove(tx, PAYMENTS, lambda _: True))
    vault.changed(PAYMENTS)
    await alice.node.views.catch_up()
    assert await told(alice, SUMS) == {}


@in_town
async def test_nothing_else_is_put_into_a_view(town: Town, alice: Party) -> None:
    with pytest.raises(RecordError, match="is a view"):
        await alice.fill(MONTHLY.path, JANUARY, 1)
    with pytest.raises(RecordError, match="is a view"):
        async with alice.node.declared.at_hand():
            await alice.node.declared.add(MONTHLY.path, readings(JANUARY, 1))


@in_town
async def test_bands_and_chosen_fields(town: Town, alice: Party) -> None:
    await pay(alice, (JANUARY, -15_000), (JANUARY + 2, 90_000), (MARCH + 5, -1))
    go_to(town, MARCH + 20)
    bands = (Band("little", (100, 0)), Band("some", (1000, 0)), Band("much", None))
    banded = replace(SUMS, kind=Kind.BAND, name="paid", figure=Figure.PAID, bands=bands)
    chosen = View(
        PAYMENTS, TRANSACTION, Kind.FIELDS, Every.DAILY, "amounts", fields=("amount",), late_days=1
    )
    await alice.node.views.add(banded)
    await alice.node.views.add(chosen)
    assert await told(alice, banded) == {"2026-01/001": "some"}
    reading = await alice.node.vault.read(chosen.path, 0, UNDATED)
    assert reading.batch.schema.name == "transaction/1:amount"
    assert [row["amount"] for row in reading.batch.rows()] == [[-15_000, 2], [90_000, 2]]


# --- killed and removed ---------------------------------------------------------------------------


@in_town
@pytest.mark.parametrize("step", list(ViewStep))
async def test_killed_at_any_step_the_next_look_makes_it_right(
    town: Town, alice: Party, step: ViewStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pay(alice, (JANUARY, -100), (FEBRUARY, -200), (MARCH + 5, -1))
    go_to(town, MARCH + 20)
    await alice.down()
    views = alice.node.views
    monkeypatch.setattr(views, "_checkpoint", KillIn(step))
    with pytest.raises(Killed):
        await views.add(SUMS)
    monkeypatch.undo()
    await views.catch_up()
    assert await told(alice, SUMS) == {"2026-01/001": [1, 0], "2026-02/001": [2, 0]}
    # A month again, over what is published.
    await pay(alice, (JANUARY, -50), origin=b"more")
    monkeypatch.setattr(views, "_checkpoint", KillIn(step))
    with pytest.raises(Killed):
        await views.catch_up()
    monkeypatch.undo()
    before = await told(alice, SUMS)
    assert before["2026-01/001"] in ([1, 0], [15, 1])
    await views.catch_up()
    assert await told(alice, SUMS) == {"2026-01/001": [15, 1], "2026-02/001": [2, 0]}


@in_town
async def test_a_view_that_is_lent_is_not_removed(town: Town, alice: Party) -> None:
    go_to(town, MARCH + 20)
    bank = await town.party("bank")
    await meet(alice, bank)
    await pay(alice, (JANUARY, -100), (MARCH + 5, -1))
    await alice.node.views.add(SUMS)
    given = await grant_view(alice, bank, SUMS, PAYMENTS, JANUARY, MARCH - 1)
    with pytest.raises(UsageError, match="is lent"):
        await alice.node.views.remove(SUMS.path)
    await revoke(alice, given)
    assert await alice.node.views.remove(SUMS.path) == 1
    assert await told(alice, SUMS) == {}
    with pytest.raises(NotFound):
        await alice.node.views.remove(SUMS.path)


# --- lent in place of the collection --------------------------------------------------------------


async def grant_view(
    owner: Party, reader: Party, view: View, asked_for: str, first: int, last: int
) -> GrantGiven:
    cid = await ask(reader, owner, Window(asked_for, first, last))
    return await decide(owner, cid, Window(view.path, first, last), days=29)


@in_town
async def test_a_reader_that_asked_for_the_collection_is_granted_a_view_of_it(
    town: Town, alice: Party
) -> None:
    go_to(town, MARCH + 20)
    bank = await town.party("bank")
    await meet(alice, bank)
    await fill(alice, JANUARY, 70)
    await alice.node.views.add(MONTHLY)
    given = await grant_view(alice, bank, MONTHLY, CURVE, JANUARY + 3, MARCH + 5)
    # half of January and a part of March were asked for: February is the whole month in it
    assert given.windows == (Window(MONTHLY.path, FEBRUARY, MARCH - 1),)
    pair = await bank.peer("alice")
    lent = await bank.node.fetcher.fetch(pair, Window(MONTHLY.path, FEBRUARY, MARCH - 1))
    assert lent.batch is not None
    assert [row["id"] for row in lent.batch.rows()] == ["2026-02/001"]
    assert not lent.provenance, "no source signed what a node derived"
    for window in (Window(CURVE, FEBRUARY, FEBRUARY), Window(MONTHLY.path, JANUARY, JANUARY)):
        with pytest.raises(Refused):
            await bank.node.fetcher.fetch(pair, window)
    await both_logs_hold(alice, bank)


@in_town
async def test_a_view_read_every_day_gives_no_day_away_by_subtraction(
    town: Town, alice: Party
) -> None:
    """The attack: fetch the view each day, subtract each reading from the one before."""
    go_to(town, FEBRUARY)
    bank = await town.party("bank")
    await meet(alice, bank)
    await pay(alice, (JANUARY, -100), (JANUARY + 9, -200))
    await alice.node.views.add(SUMS)
    await grant_view(alice, bank, SUMS, PAYMENTS, JANUARY, MARCH - 1)
    pair = await bank.peer("alice")
    seen: list[object] = []
    late = {FEBRUARY + 8: (JANUARY + 3, -777), FEBRUARY + 20: (JANUARY + 4, -31)}
    for day in range(FEBRUARY, FEBRUARY + 28):
        go_to(town, day)
        await pay(alice, (day, -day), origin=b"day %d" % day)
        if day in late:
            await pay(alice, late[day], origin=b"late %d" % day)
        await alice.node.views.catch_up()
        lent = await bank.node.fetcher.fetch(pair, Window(SUMS.path, JANUARY, MARCH - 1))
        rows = [] if lent.batch is None else list(lent.batch.rows())
        figures = [row["value"] for row in rows]
        if not seen or seen[-1] != figures:
            seen.append(figures)
    # Nothing, then January as it was when it was over: no reading followed a day.
    assert seen == [[], [[3, 0]]]
    # The person lets the correction go, knowing what it tells.
    await alice.node.views.catch_up(only=SUMS.path, release=[JANUARY])
    assert (await told(alice, SUMS))["2026-01/001"] == [1108, 2]


@in_town
async def test_a_view_made_anew_is_no_second_reading(town: Town, alice: Party) -> None:
    go_to(town, MARCH + 20)
    bank = await town.party("bank")
    await meet(alice, bank)
    await pay(alice, (JANUARY, -100), (JANUARY + 9, -200), (MARCH + 5, -1))
    await alice.node.views.add(SUMS)
    given = await grant_view(alice, bank, SUMS, PAYMENTS, JANUARY, MARCH - 1)
    await revoke(alice, given)
    await alice.node.views.remove(SUMS.path)
    await pay(alice, (JANUARY + 4, -50), origin=b"late")
    await alice.node.views.add(SUMS)
    assert await told(alice, SUMS) == {}, "a correction of one day, held back"
    vault = alice.node.vault
    await vault.store.database.erase(
        lambda tx: vault.remove(tx, PAYMENTS, lambda one: one.origin == b"late")
    )
    vault.changed(PAYMENTS)
    await alice.node.views.catch_up()
    assert await told(alice, SUMS) == {"2026-01/001": [3, 0]}, "what was told before"

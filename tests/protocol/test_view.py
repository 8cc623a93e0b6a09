"""Views: their paths, what they tell, and when a period may be told.

The closed-period rule is tried as an attacker would: data comes in any order, the view is looked at
every day, and every two readings are subtracted.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from entrenous.protocol.day import DAY_MS, UNDATED, day_of_date, start_ms
from entrenous.protocol.errors import RecordError
from entrenous.protocol.grant import was_asked
from entrenous.protocol.period import Period, first_of, last_of
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import (
    CONTACT,
    METER_READING,
    TRANSACTION,
    projection,
    schema_named,
)
from entrenous.protocol.view import (
    Band,
    Figure,
    Kind,
    Known,
    Published,
    Step,
    View,
    is_whole_change,
    next_step,
    published,
    view_from_value,
)
from entrenous.protocol.view_figures import derive, is_complete
from entrenous.protocol.view_path import (
    Every,
    is_view,
    is_view_of,
    source_of,
    view_path,
    whole_periods,
)
from entrenous.protocol.window import Window

CURVE = "energy/electricity/load-curve"
PAYMENTS = "finance/accounts/transactions"
MARCH = day_of_date("2026-03-01")
ENERGY = View(CURVE, METER_READING, Kind.ENERGY, Every.MONTHLY, "energy")
DAILY = View(CURVE, METER_READING, Kind.ENERGY, Every.DAILY, "energy")
SUMS = View(PAYMENTS, TRANSACTION, Kind.PAYMENTS, Every.MONTHLY, "payments")
CATEGORIES = View(
    PAYMENTS, TRANSACTION, Kind.CATEGORIES, Every.MONTHLY, "categories", rule="budget"
)
AMOUNTS = View(
    PAYMENTS, TRANSACTION, Kind.FIELDS, Every.DAILY, "amounts", fields=("amount", "currency")
)
BANDS = (Band("low", (100, 0)), Band("middle", (2500, 1)), Band("high", None))
BANDED = View(
    PAYMENTS, TRANSACTION, Kind.BAND, Every.MONTHLY, "paid", figure=Figure.PAID, bands=BANDS
)


def readings(
    first: int, days: int, *, value: int = 10, unit: str = "Wh", offset_min: int = 0
) -> Batch:
    """A reading each six hours."""
    return Batch.from_rows(
        METER_READING,
        [
            {
                "time": start_ms(first) - offset_min * 60_000 + number * 21_600_000,
                "offset_min": offset_min,
                "duration_s": 21_600,
                "value": [value, 1],
                "unit": unit,
                "quality": None,
            }
            for number in range(days * 4)
        ],
    )


def payments(*rows: tuple[int, int], currency: str = "EUR", offset_min: int = 0) -> Batch:
    """(day, cents) of each payment; a bank's date alone is midnight in its own offset."""
    return Batch.from_rows(
        TRANSACTION,
        [
            {
                "id": f"bank/{number}",
                "time": start_ms(day) - offset_min * 60_000,
                "offset_min": offset_min,
                "amount": [cents, 2],
                "currency": currency,
                "label": "SHOP AT THE CORNER",
                "counterparty": None,
                "kind": "card",
            }
            for number, (day, cents) in enumerate(rows)
        ],
    )


# --- paths ----------------------------------------------------------------------------------------


def test_a_view_stands_below_its_collection() -> None:
    assert ENERGY.path == f"{CURVE}/view-monthly-energy"
    assert view_path(f"{CURVE}/p2", Every.DAILY, "energy") == f"{CURVE}/view-daily-energy/p2"
    assert source_of(f"{CURVE}/view-daily-energy/p1-p2") == f"{CURVE}/p1-p2"
    assert is_view_of(f"{CURVE}/view-daily-energy/p2", CURVE)
    assert is_view_of(f"{CURVE}/view-daily-energy/p2", f"{CURVE}/p2")
    assert not is_view_of(f"{CURVE}/view-daily-energy", f"{CURVE}/p2")
    assert not is_view_of(f"{CURVE}/view-daily-energy", "energy/gas/load-curve")
    assert not is_view("view-daily-energy")
    assert not is_view(f"{CURVE}/view-energy")
    assert not is_view(f"{CURVE}/view-weekly-energy")


def test_a_view_of_a_view_and_one_without_room_are_refused() -> None:
    with pytest.raises(RecordError, match="not from another view"):
        view_path(ENERGY.path, Every.MONTHLY, "again")
    with pytest.raises(RecordError, match="no room"):
        view_path("a/b/c/d/e/f", Every.MONTHLY, "energy")
    with pytest.raises(RecordError, match="characters"):
        view_path(CURVE, Every.MONTHLY, "x" * 20)


def test_a_view_of_what_was_asked_was_asked() -> None:
    asked = [Window(CURVE, MARCH, MARCH + 30)]
    assert was_asked([Window(ENERGY.path, MARCH, MARCH + 30)], asked)
    assert was_asked([Window(f"{ENERGY.path}/p2", MARCH, MARCH + 30)], asked)
    assert not was_asked([Window(ENERGY.path, MARCH - 1, MARCH + 30)], asked)
    assert not was_asked([Window(SUMS.path, MARCH, MARCH + 30)], asked)
    # a view asked for is not its collection granted
    assert not was_asked(asked, [Window(ENERGY.path, MARCH, MARCH + 30)])


def test_half_a_period_is_not_granted() -> None:
    part = Window(ENERGY.path, MARCH + 3, MARCH + 70)
    assert whole_periods([part]) == [Window(ENERGY.path, MARCH + 31, MARCH + 60)]
    assert whole_periods([Window(ENERGY.path, MARCH, MARCH + 29)]) == []
    daily = Window(DAILY.path, MARCH + 3, MARCH + 5)
    assert whole_periods([daily]) == [daily]
    whole = Window(CURVE, MARCH + 3, MARCH + 5)
    assert whole_periods([whole]) == [whole]
    assert whole_periods([Window(ENERGY.path, UNDATED, UNDATED)]) == []
    named = Window(f"{CURVE}/view-undated-names", UNDATED, UNDATED)
    assert whole_periods([named]) == [named]


@given(first=st.integers(0, 65_000), days=st.integers(0, 500))
def test_whole_periods_are_whole_and_within(first: int, days: int) -> None:
    for window in whole_periods([Window(ENERGY.path, first, first + days)]):
        assert first <= window.first <= window.last <= first + days
        assert first_of(Period.MONTHLY, window.first) == window.first
        assert last_of(Period.MONTHLY, window.last) == window.last


# --- figures --------------------------------------------------------------------------------------


def test_a_month_of_energy_is_one_exact_sum() -> None:
    told = derive(ENERGY, readings(MARCH, 31, value=1))[MARCH]
    assert list(told.records.rows()) == [
        {
            "id": "2026-03/001",
            "time": start_ms(MARCH),
            "offset_min": 0,
            "period_days": 31,
            "figure": "energy",
            "category": None,
            "value": [124, 1],  # 31 days of 4 times 0.1
            "unit": "Wh",
        }
    ]
    assert is_complete(ENERGY, told)
    assert not is_complete(ENERGY, derive(ENERGY, readings(MARCH, 30))[MARCH])


def test_mean_power_is_added_up_as_energy() -> None:
    told = derive(DAILY, readings(MARCH, 1, value=10, unit="kW"))[MARCH]
    (row,) = told.records.rows()
    assert (row["value"], row["unit"]) == ([24, 0], "kWh")  # 1 kW for a day


def test_a_record_belongs_to_the_month_on_its_own_wall() -> None:
    paris = readings(MARCH, 31, offset_min=60)
    assert list(derive(ENERGY, paris)) == [MARCH]
    dated = payments((MARCH, -100), (MARCH + 30, -200), offset_min=120)
    assert list(derive(SUMS, dated)) == [MARCH]


def test_payments_in_and_out_each_currency_for_itself() -> None:
    told = derive(SUMS, payments((MARCH, -1250), (MARCH + 2, -50), (MARCH + 3, 9900)))[MARCH]
    found = [(row["figure"], row["value"], row["unit"]) for row in told.records.rows()]
    assert found == [("paid", [13, 0], "EUR"), ("received", [99, 0], "EUR")]


def test_spending_by_category_leaves_out_what_does_not_count() -> None:
    batch = payments((MARCH, -1000), (MARCH, -500), (MARCH + 1, 200), (MARCH + 2, -7000))
    told = derive(CATEGORIES, batch, ["food", "rent", "food", None])[MARCH]
    found = [(row["figure"], row["category"], row["value"]) for row in told.records.rows()]
    assert found == [("spent", "food", [8, 0]), ("spent", "rent", [5, 0])]


@pytest.mark.parametrize(
    ("cents", "band"), [(9_999, "low"), (10_000, "middle"), (24_999, "middle"), (25_000, "high")]
)
def test_a_figure_in_its_band(cents: int, band: str) -> None:
    (row,) = derive(BANDED, payments((MARCH, -cents)))[MARCH].records.rows()
    assert row["band"] == band
    assert "value" not in row


def test_a_projection_keeps_chosen_fields_and_no_mark_of_the_source() -> None:
    found = derive(AMOUNTS, payments((MARCH, -300), (MARCH, -200), (MARCH + 1, -100)))
    assert list(found) == [MARCH, MARCH + 1]
    rows = list(found[MARCH].records.rows())
    amounts = [row["amount"] for row in rows]
    assert len(amounts) == 2
    assert [-300, 2] in amounts
    assert all(row.keys() == {"id", "time", "offset_min", "amount", "currency"} for row in rows)
    assert not any("bank" in str(row) or "SHOP" in str(row) for row in rows)
    assert len({str(row["id"]) for told in found.values() for row in told.records.rows()}) == 3


def test_a_projection_says_in_its_name_what_it_has() -> None:
    schema = schema_named("transaction/1:amount,currency")
    assert schema is projection(TRANSACTION, ["currency", "amount"])
    for wrong in (
        "transaction/1:currency,amount",
        "transaction/1:amount,amount",
        "transaction/1:",
        "transaction/1:id",
        "transaction/1:colour",
        "meter-reading/1:value",
        "transaction/1:amount:amount",
        "period-sum/1:value",
        "nothing/1:amount",
    ):
        with pytest.raises(RecordError):
            schema_named(wrong)


def test_contacts_have_projections_without_days() -> None:
    rows: dict[str, str | None] = dict.fromkeys((f.name for f in CONTACT.fields), None)
    batch = Batch.from_rows(
        CONTACT, [{**rows, "id": "x9", "kind": "individual", "name": "Ada", "note": "secret"}]
    )
    view = View("identity/contacts", CONTACT, Kind.FIELDS, Every.UNDATED, "names", fields=("name",))
    (told,) = derive(view, batch).values()
    assert list(told.records.rows()) == [{"id": "000001", "name": "Ada"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"every": Every.DAILY},
        {"schema": METER_READING},
        {"late_days": 0},
        {"again_days": 1},
        {"fields": ("amount",)},
        {"figure": Figure.PAID},
        {"rule": "budget"},
        {"name": "Not A Name"},
        {"kind": Kind.BAND},
        {"kind": Kind.CATEGORIES},
    ],
)
def test_what_does_not_go_together_is_no_view(wrong: dict[str, object]) -> None:
    with pytest.raises(RecordError):
        replace(SUMS, **wrong)


@pytest.mark.parametrize("view", [ENERGY, DAILY, SUMS, CATEGORIES, AMOUNTS, BANDED])
def test_a_view_is_read_back_as_it_was_written(view: View) -> None:
    assert view_from_value(view.value()) == view


@pytest.mark.parametrize(
    "bands",
    [
        (Band("one", None),),
        (Band("a", (1, 0)), Band("b", (2, 0))),
        (Band("a", (2, 0)), Band("b", (1, 0)), Band("c", None)),
        (Band("a", (1, 0)), Band("a", None)),
        (Band("a", (10, 1)), Band("b", (1, 0)), Band("c", None)),
    ],
)
def test_bands_rise_and_the_last_has_no_end(bands: tuple[Band, ...]) -> None:
    with pytest.raises(RecordError):
        replace(BANDED, bands=bands)


# --- the closed-period rule -----------------------------------------------------------------------


def known(view: View, batch: Batch, first: int, *, lent: bool, after: bool = True) -> Known:
    told = derive(view, batch).get(first)
    if told is None:
        return Known({}, b"", after, lent)
    return Known(told.days, told.told, after and is_complete(view, told), lent)


def test_an_open_a_late_and_an_incomplete_period_wait() -> None:
    whole = known(ENERGY, readings(MARCH, 31), MARCH, lent=True)
    over = start_ms(MARCH + 31)
    assert next_step(ENERGY, MARCH, whole, None, over - 1) is Step.WAIT
    assert next_step(ENERGY, MARCH, whole, None, over + 5 * DAY_MS - 1) is Step.WAIT
    assert next_step(ENERGY, MARCH, whole, None, over + 5 * DAY_MS) is Step.PUBLISH
    late = over + 400 * DAY_MS
    gap = known(ENERGY, readings(MARCH, 30), MARCH, lent=True)
    assert next_step(ENERGY, MARCH, gap, None, late) is Step.WAIT
    early = known(ENERGY, readings(MARCH, 31), MARCH, lent=True, after=False)
    assert next_step(ENERGY, MARCH, early, None, late) is Step.WAIT
    assert next_step(ENERGY, MARCH, Known({}, b"", True, True), None, late) is Step.NOTHING


def test_a_correction_of_one_day_is_held_until_the_person_lets_it_go() -> None:
    now = start_ms(MARCH + 60)
    before = known(SUMS, payments((MARCH, -100), (MARCH + 5, -200)), MARCH, lent=True)
    was = published(before, None, now)
    batch = payments((MARCH, -100), (MARCH + 5, -200), (MARCH + 9, -777))
    after = known(SUMS, batch, MARCH, lent=True)
    assert next_step(SUMS, MARCH, after, was, now + 365 * DAY_MS) is Step.HOLD
    assert next_step(SUMS, MARCH, replace(after, released=True), was, now) is Step.PUBLISH
    # nobody was granted the period: nobody has read it
    assert next_step(SUMS, MARCH, replace(after, lent=False), was, now) is Step.PUBLISH


def test_what_stays_incomplete_is_told_when_its_person_says_so_and_not_before_its_end() -> None:
    over = start_ms(MARCH + 31) + 5 * DAY_MS
    gap = known(ENERGY, readings(MARCH, 30), MARCH, lent=True)
    let_go = replace(gap, released=True)
    assert next_step(ENERGY, MARCH, gap, None, over + 400 * DAY_MS) is Step.WAIT
    assert next_step(ENERGY, MARCH, let_go, None, over - 1) is Step.WAIT
    assert next_step(ENERGY, MARCH, let_go, None, over) is Step.PUBLISH
    # The day that comes after all is a correction: held back from whoever may have read.
    was = published(let_go, None, over)
    whole = known(ENERGY, readings(MARCH, 31), MARCH, lent=True)
    assert next_step(ENERGY, MARCH, whole, was, over + 40 * DAY_MS) is Step.HOLD
    assert next_step(ENERGY, MARCH, replace(whole, lent=False), was, over) is Step.PUBLISH


def test_a_correction_of_every_day_comes_once_a_week() -> None:
    now = start_ms(MARCH + 60)
    before = known(SUMS, payments((MARCH, -100), (MARCH + 5, -200)), MARCH, lent=True)
    was = published(before, None, now)
    after = known(SUMS, payments((MARCH, -101), (MARCH + 5, -201)), MARCH, lent=True)
    assert next_step(SUMS, MARCH, after, was, now + 7 * DAY_MS - 1) is Step.WAIT
    assert next_step(SUMS, MARCH, after, was, now + 7 * DAY_MS) is Step.PUBLISH
    assert next_step(SUMS, MARCH, before, was, now + 7 * DAY_MS) is Step.KEEP


def test_what_was_taken_away_takes_the_period_out() -> None:
    now = start_ms(MARCH + 60)
    before = known(SUMS, payments((MARCH, -100), (MARCH + 5, -200)), MARCH, lent=True)
    was = published(before, None, now)
    less = known(SUMS, payments((MARCH, -100)), MARCH, lent=True)
    assert next_step(SUMS, MARCH, less, was, now) is Step.WITHDRAW
    out = replace(was, out=True)
    assert next_step(SUMS, MARCH, less, out, now + 365 * DAY_MS) is Step.HOLD
    assert next_step(SUMS, MARCH, before, out, now) is Step.PUBLISH  # what was read before
    gone = Known({}, b"", True, True)
    assert next_step(SUMS, MARCH, gone, was, now) is Step.WITHDRAW
    assert next_step(SUMS, MARCH, gone, out, now) is Step.KEEP


# Days of March in threes, so that periods fill up in few steps, and what each then brings.
CHUNKS = 4


@settings(max_examples=150)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 9), st.integers(0, CHUNKS - 1), st.integers(0, 3)),
        min_size=2,
        max_size=40,
    ),
    start=st.integers(0, 45),
)
def test_a_view_differenced_day_by_day_gives_no_day_away(
    steps: list[tuple[int, int, int]], start: int
) -> None:
    """Whatever comes when, and however often the view is read: two readings differ by figures of
    every day of the period, or not at all."""
    held: dict[int, int] = {}
    was: Published | None = None
    shown: Known | None = None
    readings_of: list[Known] = []
    last_ms = 0
    now = start_ms(MARCH + start)
    for days, chunk, amount in steps:
        now += days * DAY_MS
        if amount:
            held[chunk] = amount * 100
        else:
            held.pop(chunk, None)
        batch = payments(*((MARCH + 7 * one, -cents) for one, cents in held.items()))
        state = known(SUMS, batch, MARCH, lent=True)
        step = next_step(SUMS, MARCH, state, was, now)
        if step is Step.PUBLISH:
            assert now >= start_ms(MARCH + 31) + SUMS.late_days * DAY_MS, "an open period was told"
            changed = was is not None and state.told != was.told
            assert not changed or now >= last_ms + SUMS.again_days * DAY_MS
            was, shown, last_ms = published(state, was, now), state, now
        elif step is Step.WITHDRAW:
            assert was is not None
            was, shown = replace(was, out=True), None
        if shown is not None and shown not in readings_of:
            readings_of.append(shown)
    for one in readings_of:
        for other in readings_of:
            assert one.told == other.told or is_whole_change(one.days, other.days)


@given(st.integers(1, 30), st.integers(1, 60))
def test_the_rule_can_be_broken(day: int, value: int) -> None:
    """A view without the rule, that follows each day, does give the day away: what the test above
    looks for is there to be found."""
    assume(value != 10)
    before = known(SUMS, payments((MARCH, -100)), MARCH, lent=True)
    after = known(SUMS, payments((MARCH, -100), (MARCH + day, -value)), MARCH, lent=True)
    assert before.told != after.told
    assert not is_whole_change(before.days, after.days)

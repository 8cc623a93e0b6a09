"""What a view may be, limit by limit, and its figures where they round, end or are too large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from entrenous.protocol.day import UNDATED, day_of_date, start_ms
from entrenous.protocol.errors import ProtocolError, RecordError
from entrenous.protocol.limits import RECORD_UNIT_BYTES_MAX, SCALE_MAX
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import ACCOUNT, CONTACT, METER_READING, TRANSACTION, Schema
from entrenous.protocol.view import Band, Figure, Kind, View, view_from_value
from entrenous.protocol.view_figures import derive, is_complete
from entrenous.protocol.view_path import Every, source_of, view_path, whole_periods
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value

CURVE = "energy/electricity/load-curve"
PAYMENTS = "finance/accounts/transactions"
MARCH = day_of_date("2026-03-01")
DAILY = View(CURVE, METER_READING, Kind.ENERGY, Every.DAILY, "energy")
MONTHLY = replace(DAILY, every=Every.MONTHLY)
SUMS = View(PAYMENTS, TRANSACTION, Kind.PAYMENTS, Every.MONTHLY, "payments")
CATEGORIES = replace(SUMS, kind=Kind.CATEGORIES, rule="budget")
TWO = (Band("low", (100, 0)), Band("high", None))
BANDED = replace(SUMS, kind=Kind.BAND, figure=Figure.PAID, bands=TWO)
BANDED_CURVE = replace(MONTHLY, kind=Kind.BAND, figure=Figure.ENERGY, bands=TWO)
FIELDS = View(
    PAYMENTS, TRANSACTION, Kind.FIELDS, Every.DAILY, "amounts", fields=("amount", "currency")
)
NAMES = View("a/contacts", CONTACT, Kind.FIELDS, Every.UNDATED, "names", fields=("name",))


def readings(*rows: tuple[int, tuple[int, int], int], unit: str = "Wh", day: int = MARCH) -> Batch:
    """(second of the day, value, seconds) of each reading."""
    return Batch.from_rows(
        METER_READING,
        [
            {
                "time": start_ms(day) + second * 1000,
                "offset_min": 0,
                "duration_s": seconds,
                "value": list(value),
                "unit": unit,
                "quality": None,
            }
            for second, value, seconds in rows
        ],
    )


def payments(*rows: tuple[int, tuple[int, int], str]) -> Batch:
    """(day of March, amount, currency) of each payment, in the order of their bank."""
    return Batch.from_rows(
        TRANSACTION,
        [
            {
                "id": f"bank/{number}",
                "time": start_ms(MARCH + day) + number,
                "offset_min": 0,
                "amount": list(amount),
                "currency": currency,
                "label": f"shop {number}",
                "counterparty": None,
                "kind": "card",
            }
            for number, (day, amount, currency) in enumerate(rows)
        ],
    )


def rows_of(view: View, batch: Batch, first: int = MARCH) -> list[dict[str, Value]]:
    return list(derive(view, batch)[first].records.rows())


# --- what may be ----------------------------------------------------------------------------------

Changes = Mapping[str, object]
# Written out: a limit that moves changes what a view gives away, and must be meant.
LATE_DAYS_MIN, LATE_DAYS_MAX, AGAIN_DAYS_MIN = 1, 366, 7
BANDS_MAX, FIELDS_MAX = 32, 64
LONGEST = "x" * RECORD_UNIT_BYTES_MAX
MAY_BE: list[tuple[View, Changes]] = [
    (SUMS, {"late_days": LATE_DAYS_MIN}),
    (SUMS, {"late_days": LATE_DAYS_MAX}),
    (SUMS, {"again_days": AGAIN_DAYS_MIN}),
    (SUMS, {"again_days": LATE_DAYS_MAX}),
    (CATEGORIES, {"rule": "a"}),
    (CATEGORIES, {"rule": "0-9-az" + "z" * 26}),
    (BANDED, {"figure": Figure.RECEIVED}),
    (BANDED, {"bands": (Band(LONGEST, (0, 0)), Band("b", None))}),
    (BANDED, {"bands": (Band("a", (1, 0)), Band("b", (11, 1)), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (19, 1)), Band("b", (2, 0)), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (-5, 0)), Band("b", (-49, 1)), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (1, SCALE_MAX)), Band("b", (2, SCALE_MAX)), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (1 - 2**63, 0)), Band("b", (2**63 - 1, 0)), Band("c", None))}),
    (BANDED, {"bands": (*(Band(f"{n}", (n, 0)) for n in range(BANDS_MAX - 1)), Band("z", None))}),
    (BANDED_CURVE, {}),
    (NAMES, {"fields": ("name", "birthday")}),
    (DAILY, {"every": Every.MONTHLY}),
]
# Each is one step away from something that may be.
MAY_NOT: list[tuple[View, Changes]] = [
    (SUMS, {"late_days": LATE_DAYS_MIN - 1}),
    (SUMS, {"late_days": LATE_DAYS_MAX + 1}),
    (SUMS, {"again_days": AGAIN_DAYS_MIN - 1}),
    (SUMS, {"again_days": LATE_DAYS_MAX + 1}),
    (SUMS, {"source": "Finance"}),
    (SUMS, {"source": SUMS.path}),
    # how often
    (SUMS, {"every": Every.UNDATED}),
    (CATEGORIES, {"every": Every.DAILY}),
    (BANDED, {"every": Every.DAILY}),
    (BANDED_CURVE, {"every": Every.DAILY}),
    (DAILY, {"every": Every.UNDATED}),
    (FIELDS, {"every": Every.MONTHLY}),
    (FIELDS, {"every": Every.UNDATED}),
    (NAMES, {"every": Every.DAILY}),
    # of what
    (MONTHLY, {"schema": TRANSACTION}),
    (CATEGORIES, {"schema": METER_READING}),
    (SUMS, {"schema": ACCOUNT}),
    (FIELDS, {"schema": METER_READING, "fields": ("value",)}),
    # figures and bands
    (BANDED, {"figure": Figure.ENERGY}),
    (BANDED, {"figure": Figure.SPENT}),
    (BANDED, {"figure": None}),
    (BANDED, {"bands": ()}),
    (BANDED, {"schema": ACCOUNT}),
    (BANDED_CURVE, {"figure": Figure.PAID}),
    (SUMS, {"bands": TWO}),
    (FIELDS, {"figure": Figure.PAID}),
    (BANDED, {"fields": ("amount",)}),
    (FIELDS, {"fields": ()}),
    # rules
    (CATEGORIES, {"rule": None}),
    (CATEGORIES, {"rule": ""}),
    (CATEGORIES, {"rule": "z" * 33}),
    (CATEGORIES, {"rule": "Budget"}),
    (BANDED, {"rule": "budget"}),
    (FIELDS, {"rule": "budget"}),
    # bands
    (BANDED, {"bands": (Band("a", None),)}),
    (BANDED, {"bands": (Band("", (0, 0)), Band("b", None))}),
    (BANDED, {"bands": (Band(LONGEST + "x", (0, 0)), Band("b", None))}),
    (BANDED, {"bands": (Band("é" * (RECORD_UNIT_BYTES_MAX // 2) + "e", (0, 0)), Band("b", None))}),
    (BANDED, {"bands": (Band("a", (1, 0)), Band("b", (1, 0)), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (11, 1)), Band("b", (1, 0)), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (1, 0)), Band("b", None), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (1, SCALE_MAX + 1)), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (1, -1)), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (2**63, 0)), Band("c", None))}),
    (BANDED, {"bands": (Band("a", (-(2**63), 0)), Band("c", None))}),
    (BANDED, {"bands": (*(Band(f"{n}", (n, 0)) for n in range(BANDS_MAX)), Band("z", None))}),
]


@pytest.mark.parametrize(("view", "changes"), MAY_BE)
def test_what_is_within_every_limit_is_a_view_and_read_back(view: View, changes: Changes) -> None:
    changed = replace(view, **changes)
    assert view_from_value(changed.value()) == changed


@pytest.mark.parametrize(("view", "changes"), MAY_NOT)
def test_what_is_beyond_one_limit_is_none(view: View, changes: Changes) -> None:
    with pytest.raises(RecordError):
        replace(view, **changes)


def written(view: View, **changes: Value) -> Value:
    value = view.value()
    assert isinstance(value, dict)
    return {**value, **changes}


@pytest.mark.parametrize(
    "value",
    [
        written(SUMS, kind="sums"),
        written(SUMS, every="weekly"),
        written(SUMS, schema="payment/1"),
        written(SUMS, source="a//b"),
        written(BANDED, figure="cost"),
        written(BANDED, bands=[["low", 1], ["high", None]]),
        written(BANDED, bands=[["low", [1, 0, 0]], ["high", None]]),
        written(BANDED, bands=[["low", [1, 0], 0], ["high", None]]),
        written(BANDED, bands=[[1, [1, 0]], ["high", None]]),
        written(BANDED, bands=[[str(n), [n, 0]] for n in range(BANDS_MAX + 1)]),
        written(FIELDS, fields=["amount", 1]),
        written(FIELDS, fields=["amount", ["currency"]]),
        written(FIELDS, fields=["amount"] * (FIELDS_MAX + 1)),
        written(SUMS, late_days=None),
        written(SUMS, more=1),
        {},
        None,
    ],
)
def test_what_is_written_otherwise_is_refused_in_a_sentence(value: Value) -> None:
    with pytest.raises(ProtocolError):
        view_from_value(value)


def test_the_sentence_says_what_is_wrong_and_not_only_that_something_is() -> None:
    for value, sentence in (
        (written(SUMS, source="a//b"), "a collection is one to"),
        (written(SUMS, late_days=0), "waits 1 to 366 days"),
        (written(SUMS, kind="sums"), "a kind that this program does not know"),
        (written(BANDED, figure="energy"), "of finance/accounts/transactions: paid, received"),
        (written(BANDED, schema="account/1"), "of finance/accounts/transactions: none"),
    ):
        with pytest.raises(RecordError, match=sentence):
            view_from_value(value)


def test_as_many_fields_and_bands_are_read_as_there_may_be() -> None:
    with pytest.raises(ProtocolError, match=f"{FIELDS_MAX}"):
        view_from_value(written(FIELDS, fields=["amount"] * (FIELDS_MAX + 1)))
    # A field that is named twice is told once.
    often = view_from_value(written(FIELDS, fields=["amount"] * FIELDS_MAX))
    assert often.tells is replace(FIELDS, fields=("amount",)).tells


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("watt_seconds", "energy"),
    [
        (8, [2, 3]),  # 2.22… thousandths of a watt-hour
        (9, [2, 3]),  # 2.5: half to even
        (10, [3, 3]),  # 2.77…
        (27, [8, 3]),  # 7.5: half to even
        (36, [1, 2]),  # 10, in as many places as it needs
        (3_600, [1, 0]),
        (-9, [-2, 3]),  # what is fed in, told as less than nothing
        (-27, [-8, 3]),
    ],
)
def test_energy_from_power_is_rounded_half_to_even(watt_seconds: int, energy: Value) -> None:
    sign = 1 if watt_seconds > 0 else -1
    batch = readings((0, (sign, 0), abs(watt_seconds)), unit="W")
    (row,) = rows_of(DAILY, batch)
    assert (row["value"], row["unit"]) == (energy, "Wh")


def test_energy_from_power_is_rounded_once() -> None:
    """Two halves of a thousandth are one."""
    half = (1, 3), 1_800  # a milliwatt for half an hour: half a milliwatt-hour
    batch = readings((0, *half), (1_800, *half), unit="kW")
    (row,) = rows_of(DAILY, batch)
    assert (row["value"], row["unit"]) == ([1, 3], "kWh")


def test_units_and_scales_are_added_up_exactly_and_each_unit_for_itself() -> None:
    told = Batch.from_rows(
        METER_READING,
        [
            *readings((0, (1, 1), 900), (900, (25, 2), 900), (1800, (-3, 0), 900)).rows(),
            *readings((2_700, (7, 0), 900), unit="m3").rows(),
            *readings((3_600, (2, 0), 1_800), unit="W").rows(),
        ],
    )
    rows = rows_of(DAILY, told)
    assert [(row["unit"], row["value"]) for row in rows] == [
        ("Wh", [1, 0]),
        ("Wh", [-265, 2]),
        ("m3", [7, 0]),
    ]
    assert [row["id"] for row in rows] == ["2026-03-01/001", "2026-03-01/002", "2026-03-01/003"]
    assert all((row["period_days"], row["time"]) == (1, start_ms(MARCH)) for row in rows)


def test_a_sum_that_no_record_holds_is_refused() -> None:
    most = 2**63 - 1
    (row,) = rows_of(DAILY, readings((0, (most - 1, 0), 900), (900, (1, 0), 900)))
    assert row["value"] == [most, 0]
    with pytest.raises(RecordError, match="more places than a record holds"):
        derive(DAILY, readings((0, (most, 0), 900), (900, (1, 0), 900)))
    (row,) = rows_of(DAILY, readings((0, (-most, 0), 900)))
    assert row["value"] == [-most, 0]
    (row,) = rows_of(DAILY, readings((0, (7, SCALE_MAX), 900)))
    assert row["value"] == [7, SCALE_MAX]
    # a thousandth of the smallest power that can be told
    with pytest.raises(RecordError, match="more places than a record holds"):
        derive(DAILY, readings((0, (3, SCALE_MAX), 3_601), unit="W"))
    # places that are not needed are not counted
    (row,) = rows_of(DAILY, readings((0, (1, SCALE_MAX - 2), 360), unit="W"))
    assert row["value"] == [1, SCALE_MAX - 1]


def test_what_moves_nothing_is_neither_paid_nor_received() -> None:
    found = derive(SUMS, payments((0, (0, 2), "EUR"), (1, (-5, 2), "EUR")))[MARCH]
    assert [row["figure"] for row in found.records.rows()] == ["paid"]
    assert list(found.days) == [MARCH + 1]
    assert derive(SUMS, payments((0, (0, 2), "EUR"))) == {}
    # by category it stands among what was spent, as its rule says
    assert derive(CATEGORIES, payments((0, (0, 2), "EUR")), ["fees"])[MARCH].days.keys() == {MARCH}


def test_rows_go_by_figure_category_and_unit() -> None:
    batch = payments(
        (0, (5, 0), "USD"), (0, (5, 0), "EUR"), (0, (-5, 0), "USD"), (0, (-5, 0), "EUR")
    )
    rows = rows_of(SUMS, batch)
    assert [(row["id"], row["figure"], row["unit"]) for row in rows] == [
        ("2026-03/001", "paid", "EUR"),
        ("2026-03/002", "paid", "USD"),
        ("2026-03/003", "received", "EUR"),
        ("2026-03/004", "received", "USD"),
    ]
    found = derive(CATEGORIES, batch, ["a", "b", "c", "b"])[MARCH]
    assert [(row["category"], row["unit"], row["value"]) for row in found.records.rows()] == [
        ("a", "USD", [-5, 0]),
        ("b", "EUR", [0, 0]),
        ("c", "USD", [5, 0]),
    ]


def test_a_band_of_what_is_received_leaves_out_what_is_paid() -> None:
    view = replace(BANDED, figure=Figure.RECEIVED, bands=(*TWO[:1], Band("top", None)))
    batch = payments((0, (99, 0), "EUR"), (1, (-500, 0), "EUR"))
    (row,) = rows_of(view, batch)
    assert (row["figure"], row["band"], row["low"], row["high"]) == (
        "received", "low", None, [100, 0],
    )  # fmt: skip  # one row
    assert derive(view, batch)[MARCH].days.keys() == {MARCH}
    (row,) = rows_of(view, payments((0, (100, 0), "EUR")))
    assert (row["band"], row["low"], row["high"]) == ("top", [100, 0], None)


def test_a_figure_is_held_against_bands_of_other_scales() -> None:
    bands = (Band("a", (15, 1)), Band("b", (175, 2)), Band("c", None))
    view = replace(BANDED, bands=bands)
    for amount, band in (((149, 2), "a"), ((150, 2), "b"), ((1749, 3), "b"), ((175, 2), "c")):
        (row,) = rows_of(view, payments((0, (-amount[0], amount[1]), "EUR")))
        assert row["band"] == band


# --- days -----------------------------------------------------------------------------------------


def test_a_day_is_the_same_in_whatever_order_it_is_told_and_another_if_anything_is() -> None:
    base = ((0, (-5, 2), "EUR"), (0, (-7, 2), "EUR"), (0, (-7, 2), "USD"))
    one = derive(SUMS, payments(*base))[MARCH].days[MARCH]
    assert one.count == 3
    assert derive(SUMS, payments(*reversed(base)))[MARCH].days[MARCH] == one
    for other in (
        ((0, (-6, 2), "EUR"), (0, (-6, 2), "EUR"), (0, (-7, 2), "USD")),  # the same sums
        ((0, (-5, 2), "USD"), (0, (-7, 2), "EUR"), (0, (-7, 2), "EUR")),
        ((0, (-5, 2), "EUR"), (0, (7, 2), "EUR"), (0, (-7, 2), "USD")),
        ((0, (-50, 3), "EUR"), (0, (-7, 2), "EUR"), (0, (-7, 2), "USD")),
    ):
        assert derive(SUMS, payments(*other))[MARCH].days[MARCH].digest != one.digest


def test_a_day_sorted_otherwise_is_another_day() -> None:
    batch = payments((0, (-5, 2), "EUR"), (0, (-7, 2), "EUR"))
    days = [
        derive(CATEGORIES, batch, categories)[MARCH].days[MARCH]
        for categories in (["a", "b"], ["b", "a"], ["a", "a"], ["a", None])
    ]
    assert len({day.digest for day in days}) == 4
    assert [day.count for day in days] == [2, 2, 2, 1]


def test_a_series_is_complete_if_every_day_is_there_and_payments_always_are() -> None:
    whole = Batch.from_rows(
        METER_READING,
        [row for n in range(31) for row in readings((0, (5, 0), 900), day=MARCH + n).rows()],
    )
    for missing in (0, 15, 30):
        rows = [row for n, row in enumerate(whole.rows()) if n != missing]
        gap = Batch.from_rows(METER_READING, rows)
        for view in (MONTHLY, BANDED_CURVE):
            assert is_complete(view, derive(view, whole)[MARCH])
            assert not is_complete(view, derive(view, gap)[MARCH])
    assert is_complete(DAILY, derive(DAILY, gap)[MARCH])
    one = payments((3, (-5, 2), "EUR"), (3, (5, 2), "EUR"))
    for view in (SUMS, BANDED, replace(BANDED, figure=Figure.RECEIVED)):
        assert is_complete(view, derive(view, one)[MARCH])
    assert is_complete(CATEGORIES, derive(CATEGORIES, one, ["a", "a"])[MARCH])
    assert is_complete(FIELDS, derive(FIELDS, one)[MARCH + 3])


@pytest.mark.parametrize(
    ("view", "schema"), [(SUMS, METER_READING), (DAILY, TRANSACTION), (FIELDS, CONTACT)]
)
def test_what_holds_other_records_by_now_gives_no_figures(view: View, schema: Schema) -> None:
    with pytest.raises(RecordError, match="any more"):
        derive(view, Batch.from_rows(schema, []))


# --- chosen fields --------------------------------------------------------------------------------


def test_chosen_fields_go_by_what_they_say_and_not_by_when_it_was() -> None:
    batch = payments((0, (-7, 2), "USD"), (0, (-5, 2), "EUR"), (0, (-5, 2), "CHF"))
    found = derive(FIELDS, batch)[MARCH]
    rows = list(found.records.rows())
    assert [row["id"] for row in rows] == [f"{MARCH}/{n:06}" for n in (1, 2, 3)]
    assert [(row["amount"], row["currency"]) for row in rows] == [
        ([-5, 2], "CHF"),
        ([-5, 2], "EUR"),
        ([-7, 2], "USD"),
    ]
    assert all((row["time"], row["offset_min"]) == (start_ms(MARCH), 0) for row in rows)
    assert (found.first, found.days[MARCH].count) == (MARCH, 3)
    other = derive(FIELDS, payments((0, (-7, 2), "USD"), (0, (-5, 2), "EUR"), (0, (-5, 2), "EUR")))
    assert other[MARCH].days[MARCH].digest != found.days[MARCH].digest
    assert other[MARCH].told != found.told


def test_chosen_fields_without_days_are_one_period_or_none() -> None:
    rows: dict[str, Value] = dict.fromkeys((f.name for f in CONTACT.fields), None)
    people = [{**rows, "id": name, "kind": "individual", "name": name} for name in ("Bo", "Al")]
    people.append({**people[0], "id": "3", "birthday": "1815-12-10"})
    view = replace(NAMES, fields=("name", "birthday"))
    (found,) = derive(view, Batch.from_rows(CONTACT, people)).values()
    assert [(row["name"], row["birthday"]) for row in found.records.rows()] == [
        ("Al", None),
        ("Bo", "1815-12-10"),
        ("Bo", None),
    ]
    assert (found.first, list(found.days)) == (UNDATED, [UNDATED])
    assert derive(NAMES, Batch.from_rows(CONTACT, [])) == {}


# --- paths ----------------------------------------------------------------------------------------


def test_a_view_has_room_to_the_last_part_and_character() -> None:
    assert view_path("a/b/c/d/e", Every.MONTHLY, "x" * 19) == f"a/b/c/d/e/view-monthly-{'x' * 19}"
    assert view_path("a/b/c/d/p2", Every.DAILY, "x") == "a/b/c/d/view-daily-x/p2"
    for source in ("a/b/c/d/e/f", "a/b/c/d/e/p2"):
        with pytest.raises(RecordError, match="no room"):
            view_path(source, Every.DAILY, "x")
    with pytest.raises(RecordError, match="1 to 19 characters"):
        view_path("a", Every.DAILY, "")


def test_periods_are_cut_to_the_last_day_that_there_is() -> None:
    path = f"{CURVE}/view-monthly-energy"
    last = UNDATED - 1
    assert whole_periods([Window(path, last - 2, last)]) == []
    begin = whole_periods([Window(path, last - 60, last)])
    assert [window.last for window in begin] == [last], "the last month ends with the days"
    assert whole_periods([Window(path, MARCH, MARCH + 30)]) == [Window(path, MARCH, MARCH + 30)]
    assert whole_periods([Window(path, MARCH + 1, MARCH + 61)]) == [
        Window(path, MARCH + 31, MARCH + 60)
    ]
    assert whole_periods([Window(f"{CURVE}/view-undated-names", MARCH, MARCH)]) == []
    assert whole_periods([Window(f"{CURVE}/view-daily-names", UNDATED, UNDATED)]) == []


def test_windows_are_cut_each_for_itself_and_in_their_order() -> None:
    path = f"{CURVE}/view-monthly-energy"
    march, april = Window(path, MARCH, MARCH + 30), Window(path, MARCH + 31, MARCH + 60)
    part = Window(path, MARCH + 1, MARCH + 2)
    day = Window(f"{CURVE}/view-daily-energy", MARCH + 3, MARCH + 3)
    never = Window(path, UNDATED, UNDATED)
    curve = Window(CURVE, MARCH + 3, MARCH + 3)
    given_ = [april, part, day, never, curve, march]
    assert whole_periods(given_) == [april, day, curve, march]


def test_only_a_view_is_of_something() -> None:
    assert source_of(f"{CURVE}/view-daily-energy") == CURVE
    for path in (CURVE, f"{CURVE}/p2", "view-daily-energy"):
        with pytest.raises(RecordError, match="not the path of a view"):
            source_of(path)

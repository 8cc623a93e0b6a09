"""The worked example of docs/spec.md on views: months, bands, and fields of three payments."""

from __future__ import annotations

from collections.abc import Iterator

from entrenous.protocol.columns import write_columns
from entrenous.protocol.schema import TRANSACTION
from entrenous.protocol.view import Band, Figure, Kind, View
from entrenous.protocol.view_figures import derive
from entrenous.protocol.view_path import Every
from entrenous.protocol.wire import encode
from entrenous.tests.protocol.spec_world import MONEY, Cbor, Example, Part, payments

MONTHS = View(MONEY, TRANSACTION, Kind.PAYMENTS, Every.MONTHLY, "payments")
BANDS = View(
    MONEY,
    TRANSACTION,
    Kind.BAND,
    Every.MONTHLY,
    "paid",
    figure=Figure.PAID,
    bands=(Band("low", (100, 0)), Band("middle", (1_000, 0)), Band("high", None)),
)
AMOUNTS = View(
    MONEY, TRANSACTION, Kind.FIELDS, Every.DAILY, "amounts", fields=("amount", "currency")
)


def views() -> Example:
    return [*_told("months", MONTHS), *_told("bands", BANDS), *_told("amounts", AMOUNTS)]


def _told(caption: str, view: View) -> Iterator[Part]:
    ((_, told),) = derive(view, payments()).items()
    yield f"{caption}: path", view.path
    yield f"{caption}: schema", view.tells.name
    yield f"{caption}: day of the page", told.first
    for number, row in enumerate(told.records.rows()):
        yield f"{caption}: record {number}", Cbor(encode(row))
    yield f"{caption}: columns", Cbor(write_columns(told.records))

"""What every reader shares: sentences, exact numbers, ids, previews, which reader takes a file."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrenous.apps.readers import espi, ofx
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.limits import FILE_BYTES_MAX, FILE_ROWS_MAX
from entrenous.protocol.reading import (
    Extract,
    ExtractItem,
    check_rows,
    check_size,
    decimal_of,
    reader_for,
    record_id,
    refusal,
    source_name,
    summary,
)
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import TRANSACTION
from entrenous.simulations.files import bank_file, energy_file

READERS = (espi.reader, ofx.reader)


def test_each_file_finds_its_reader() -> None:
    assert reader_for(READERS, bank_file(1).data, "a") is ofx.reader
    assert reader_for(READERS, bank_file(1, version=2).data, "a") is ofx.reader
    assert reader_for(READERS, energy_file(1, days=1).data, "a") is espi.reader


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.7", b"<?xml version='1.0'?><a/>", b"<"])
def test_a_file_of_no_known_kind_is_refused(data: bytes) -> None:
    with pytest.raises(ReaderError, match=r"^bill\.pdf: "):
        reader_for(READERS, data, "/home/someone/bill.pdf")


def test_a_file_that_two_readers_claim_is_refused() -> None:
    with pytest.raises(ReaderError, match="several readers"):
        reader_for((ofx.reader, ofx.reader), bank_file(1).data, "a")


def test_limits_of_size_and_rows() -> None:
    check_size(b"x", "a")
    check_rows(FILE_ROWS_MAX, "a")
    with pytest.raises(ReaderError, match="MiB"):
        check_size(bytes(FILE_BYTES_MAX + 1), "a")
    with pytest.raises(ReaderError, match="records"):
        check_rows(FILE_ROWS_MAX + 1, "a")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("dir/bank.ofx", "bank.ofx, line 3: no"),
        ("C:\\files\\bank.ofx", "bank.ofx, line 3: no"),
        ("evil\x1b[31m\nname", "evil?[31m?name, line 3: no"),
        ("", "file, line 3: no"),
    ],
)
def test_a_refusal_names_the_file_safely(name: str, shown: str) -> None:
    assert str(refusal(name, "no", 3)) == shown


def test_a_refusal_stays_short() -> None:
    assert len(str(refusal("x" * 10_000, "no"))) < 100


@given(st.from_regex(r"[+-]?[0-9]{1,18}(\.[0-9]{0,9})?", fullmatch=True))
@settings(max_examples=200)
@example("-0.00")
@example("007.10")
@example("9223372036854775807")
def test_numbers_are_exact(text: str) -> None:
    number = decimal_of(text)
    if number is None:
        assert abs(int(text.replace(".", ""))) >= 2**63
    else:
        mantissa, scale = number
        assert Decimal(mantissa).scaleb(-scale) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    ["", "-", ".", "1e5", "1 000", "1,5", "NaN", "inf", "0x10", "٣", "1_000", "--1", "1.2.3"],
)
def test_what_is_no_number(text: str) -> None:
    assert decimal_of(text) is None


@given(st.lists(st.text(max_size=8), max_size=4), st.lists(st.text(max_size=8), max_size=4))
@settings(max_examples=100)
def test_ids_differ_where_anything_differs(a: list[str], b: list[str]) -> None:
    assert (record_id(*a) == record_id(*b)) == (a == b)


def test_ids_and_sources_are_pinned() -> None:
    """A changed digest would make every later import a second copy."""
    assert record_id("bank", "1", "2") == "t3qip5lm7wwqao3mozgukpowvu"
    assert source_name("bank", "1", "2") == "bank-elvx"


def test_a_summary_adds_exactly_by_currency() -> None:
    rows = [
        {"id": str(n), "time": n * 43_200_000, "offset_min": 0, "amount": amount,
         "currency": currency, "label": "", "counterparty": None, "kind": "pos"}
        for n, (amount, currency) in enumerate(
            [([10, 1], "EUR"), ([1, 3], "EUR"), ([-5, 0], "USD"), ([0, 2], "EUR")]
        )
    ]  # fmt: skip  # one record
    batch = Batch.from_rows(TRANSACTION, rows)
    known = summary(Extract("ofx", (ExtractItem("finance/x", batch, "bank-a"),), ("note",)))
    (item,) = known.items
    assert known.count == item.count == 4
    assert (item.first, item.last, item.days) == ("1970-01-01", "1970-01-02", 2)
    assert item.sums == {"EUR": (1001, 3), "USD": (-5, 0)}
    assert known.notes == ("note",)

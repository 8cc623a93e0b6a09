"""Pages: what was sealed opens, and nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadCiphertext, EntrenousError
from entrenous.crypto.keys import DayKey, DeviceKey
from entrenous.crypto.page import PageHeader, encrypt_page, page_key
from entrenous.protocol import limits
from entrenous.protocol.cid import cid_of
from entrenous.protocol.columns import encode_columns, write_columns
from entrenous.protocol.day import UNDATED, start_ms
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import ProtocolError, RecordError, WireError
from entrenous.protocol.page import (
    OpenedPage,
    PageEntry,
    open_page,
    parse_entry,
    seal_page,
)
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, TRANSACTION

DAY = 46_022
KEY = DayKey(b"d" * 32)
DEVICE = did_of(DeviceKey(b"w" * 32).public)
STATEMENT = cid_of(b"a statement")
SALT = b"s" * 32


def readings(count: int, *, watts: int = 312, day: int = DAY) -> Batch:
    step = 86_400_000 // max(count, 1)
    rows: list[Mapping[str, Value]] = [
        {
            "time": start_ms(day) + i * step,
            "offset_min": 0,
            "duration_s": step // 1000,
            "value": [watts * (i % 7), 3],
            "unit": "kWh",
            "quality": None,
        }
        for i in range(count)
    ]
    return Batch.from_rows(METER_READING, rows)


def transfers(count: int, *, label: str = "rent") -> Batch:
    rows: list[Mapping[str, Value]] = [
        {
            "id": f"{i:05}",
            "time": start_ms(DAY),
            "offset_min": 60,
            "amount": [-i, 2],
            "currency": "EUR",
            "label": f"{label} {i}",
            "counterparty": None if i % 3 else "Ünal",
            "kind": "debit",
        }
        for i in range(count)
    ]
    return Batch.from_rows(TRANSACTION, rows)


def seal(batch: Batch, **changes: Any) -> tuple[PageEntry, bytes]:
    given: dict[str, Any] = {
        "day_key": KEY,
        "path": "energy/electricity/load-curve",
        "day": DAY,
        "epoch": b"e" * 16,
        "gen": b"g" * 16,
        "statement": STATEMENT,
        "salt_d": SALT,
        "writer": DEVICE,
        "entropy": SeededEntropy(b"pages"),
    }
    return seal_page(batch, **(given | changes))


@pytest.mark.parametrize(
    "batch",
    [readings(0), readings(48), readings(1440), transfers(0), transfers(3), transfers(500)],
    ids=repr,
)
@pytest.mark.parametrize("signed", [True, False])
def test_what_was_sealed_opens(batch: Batch, signed: bool) -> None:
    source = {} if signed else {"statement": None, "salt_d": None}
    entry, ciphertext = seal(batch, **source)
    assert open_page(entry, ciphertext, KEY) == OpenedPage(batch, SALT if signed else None)
    assert (len(ciphertext) - 40) % batch.schema.bucket == 0
    assert parse_entry(entry.encoded()) == entry


def test_the_plaintext_is_what_the_general_codec_writes() -> None:
    batch = readings(48)
    plaintext = encode({"cols": encode_columns(batch), "salt_d": SALT})
    entry, _ = seal(batch)
    assert entry.plain_len == len(plaintext)
    # and a page whose plaintext another program made with its general codec opens here
    packed = plaintext.ljust(2048, b"\x00")
    assert _forged(plaintext, packed) == OpenedPage(batch, SALT)


def _forged(plaintext: bytes, packed: bytes, *, codec: int = 0, count: int = 48) -> OpenedPage:
    """Open what someone with the day key, who is not this program, wrote as a page."""
    header = PageHeader(
        b"i" * 16,
        b"e" * 16,
        "energy/x",
        bytes(16),
        DAY,
        METER_READING.name,
        STATEMENT,
        count,
        codec,
        len(plaintext),
    )
    key = page_key(KEY, header.page_id, SALT)
    ciphertext = encrypt_page(key, header, packed, entropy=SeededEntropy(b"forger"))
    entry, _ = seal(readings(0))
    entry = replace(
        entry,
        page_id=header.page_id,
        page_salt=SALT,
        path=header.path,
        gen=header.gen,
        count=count,
        length=len(ciphertext),
        digest=_sha256(ciphertext),
        codec=codec,
        plain_len=len(plaintext),
    )
    return open_page(parse_entry(entry.encoded()), ciphertext, KEY)


def _sha256(data: bytes) -> bytes:
    return cid_of(data)[4:]


@pytest.mark.parametrize(
    "value",
    [
        {"cols": encode_columns(readings(48))},
        {"cols": encode_columns(readings(48)), "salt_d": None},
        {"cols": encode_columns(readings(48)), "salt_d": b"s" * 31},
        {"cols": encode_columns(readings(48)), "salt_d": "s" * 32},
        {"cols": encode_columns(readings(48)), "salt_d": SALT, "more": 1},
        {"cols": encode_columns(readings(47)), "salt_d": SALT},
        {"cols": encode_columns(readings(48, day=DAY + 1)), "salt_d": SALT},
        {"cols": encode_columns(transfers(3)), "salt_d": SALT},
        {"cols": [], "salt_d": SALT},
        {},
        [],
        None,
    ],
)
def test_a_writer_who_holds_the_key_is_not_believed(value: Value) -> None:
    plaintext = encode(value)
    with pytest.raises(ProtocolError):
        _forged(plaintext, plaintext.ljust(2048, b"\x00"))


def test_padding_is_zeros_and_fills_its_bucket() -> None:
    plaintext = encode({"cols": encode_columns(readings(48)), "salt_d": SALT})
    for packed in (
        plaintext.ljust(2047, b"\x00") + b"\x01",
        plaintext.ljust(4096, b"\x00"),
    ):
        with pytest.raises(BadCiphertext, match="padding"):
            _forged(plaintext, packed)


@settings(max_examples=60)
@given(st.data())
def test_any_bit_of_the_ciphertext_counts(data: st.DataObject) -> None:
    entry, ciphertext = seal(readings(4))
    altered = bytearray(ciphertext)
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(WireError, match="not the one that its entry names"):
        open_page(entry, bytes(altered), KEY)
    # the digest in the entry is not what protects it: whoever alters both meets the cipher
    with pytest.raises(BadCiphertext):
        open_page(replace(entry, digest=_sha256(bytes(altered))), bytes(altered), KEY)


@pytest.mark.parametrize(
    "change",
    [
        {"page_id": b"x" * 16},
        {"page_salt": b"x" * 32},
        {"path": "energy/gas/load-curve"},
        {"day": DAY + 1},
        {"epoch": b"x" * 16},
        {"gen": bytes(16)},
        {"count": 47},
        {"statement": None},
        {"statement": cid_of(b"another")},
        {"schema": "transaction/1"},
        {"codec": 1},
        {"plain_len": 1545},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_page_opens_only_as_what_it_was_sealed(change: dict[str, Any]) -> None:
    entry, ciphertext = seal(readings(48))
    assert open_page(entry, ciphertext, KEY).batch == readings(48)
    with pytest.raises(BadCiphertext):
        open_page(replace(entry, **change), ciphertext, KEY)


def test_another_day_key_does_not_open() -> None:
    entry, ciphertext = seal(readings(48))
    with pytest.raises(BadCiphertext):
        open_page(entry, ciphertext, DayKey(b"x" * 32))


def test_the_size_of_a_series_does_not_tell_who_is_away() -> None:
    away, home = readings(1440, watts=0), readings(1440, watts=987_654)
    entries = [seal(batch)[0] for batch in (away, home)]
    assert entries[0].length == entries[1].length
    assert {entry.codec for entry in entries} == {0}
    half_hours = {seal(readings(count, watts=w))[0].length for count in (0, 48) for w in (0, 9)}
    assert half_hours == {2048 + 40}


def test_nothing_of_two_pages_is_the_same() -> None:
    entropy = SeededEntropy(b"one stream")
    (first, one), (second, two) = (seal(readings(48), entropy=entropy) for _ in range(2))
    assert first.page_id != second.page_id
    assert first.page_salt != second.page_salt
    assert one[24:56] != two[24:56]


@pytest.mark.parametrize(
    ("batch", "changes", "sentence"),
    [
        (readings(2), {"day": DAY + 1}, "another day"),
        (readings(2), {"day": UNDATED}, "not kept as undated"),
        (readings(2), {"salt_d": None}, "salt of 32 bytes exactly if"),
        (readings(2), {"statement": None}, "salt of 32 bytes exactly if"),
        (readings(2), {"salt_d": b"short"}, "salt of 32 bytes exactly if"),
        (transfers(2_000, label="x" * 900), {}, "do not fit one page"),
        (Batch(TRANSACTION, {**transfers(2).columns, "kind": ["", 5]}), {}, "row 1: kind"),
    ],
)
def test_what_is_not_sealed(batch: Batch, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecordError, match=sentence):
        seal(batch, **changes)


def test_the_largest_page_fits_one_window() -> None:
    batch = transfers(985, label="é" * 500)
    entry, ciphertext = seal(batch)
    assert entry.plain_len > limits.PAGE_PLAIN_BYTES_MAX - 10_000
    assert len(ciphertext) <= limits.WINDOW_BYTES_MAX
    assert open_page(entry, ciphertext, KEY).batch == batch
    assert len(write_columns(batch)) < entry.plain_len


# --- entries from outside -------------------------------------------------------------------------

GOOD = seal(readings(48))[0].value()
NAMES = list(PageEntry.__dataclass_fields__)
WRONG: list[tuple[str, Value]] = [
    ("page_id", b"x" * 15),
    ("page_salt", b"x" * 33),
    ("page_salt", "x" * 32),
    ("path", "Energy"),
    ("path", b"energy"),
    ("path", ""),
    ("day", -1),
    ("day", UNDATED),
    ("day", UNDATED + 1),
    ("day", True),
    ("day", "1"),
    ("epoch", b""),
    ("gen", b"x" * 17),
    ("count", -1),
    ("count", limits.PAGE_ROWS_MAX + 1),
    ("length", 40),
    ("length", 2048),
    ("length", 1 << 40),
    ("digest", b""),
    ("digest", None),
    ("statement", b"x" * 36),
    ("statement", b""),
    ("statement", "x" * 36),
    ("schema", "meter-reading/2"),
    ("schema", None),
    ("writer", "did:web:example.org"),
    ("writer", b"x"),
    ("codec", 2),
    ("codec", False),
    ("plain_len", 0),
    ("plain_len", 1 << 30),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_entry_has_one_form(name: str, value: Value) -> None:
    elements = list(GOOD)
    elements[NAMES.index(name)] = value
    with pytest.raises(ProtocolError):
        parse_entry(encode(elements))


NOT_ENTRIES: list[Value] = [[], GOOD[:-1], [*GOOD, 0], {"a": 1}, None, [None] * 14]


@pytest.mark.parametrize("value", NOT_ENTRIES)
def test_what_is_not_an_entry(value: Value) -> None:
    with pytest.raises(WireError):
        parse_entry(encode(value))


@given(st.binary(max_size=200))
def test_any_bytes_for_an_entry_end_in_our_errors(data: bytes) -> None:
    with pytest.raises(EntrenousError):
        parse_entry(data)


def test_an_entry_shows_no_salt() -> None:
    entry = PageEntry.from_value(GOOD)
    assert entry.page_salt.hex() not in repr(entry)
    assert repr(entry.page_salt)[2:-1] not in repr(entry)

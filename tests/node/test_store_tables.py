"""The tables: names and contents go in, tags and ciphertext are what lies on the disk."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.at_rest import seal_row
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import IndexKey, StoreKey
from entrenous.node.store.catalogue import Catalogue
from entrenous.node.store.connection import open_writer
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import StoreConflict, StoreDamaged, StoreError
from entrenous.node.store.ledger import COUNTER_MAX, Ledger
from entrenous.node.store.objects import Kind, Objects
from entrenous.node.store.outbox import Outbox
from entrenous.node.store.pages import PageAt, Pages
from entrenous.node.store.schema import VERSION_1
from entrenous.node.store.sealer import ROW_BYTES_MAX, Sealer
from entrenous.node.store.segments import Segments
from entrenous.node.store.transaction import commit_group
from entrenous.protocol.wire import Value, encode

PATH = "energy/electricity/load-curve"
DEVICE = bytes(range(32))


def new_sealer(seed: bytes = b"tables") -> Sealer:
    entropy = SeededEntropy(seed)
    return Sealer(StoreKey.generate(entropy), IndexKey.generate(entropy), entropy)


@pytest.fixture
def sealer() -> Sealer:
    return new_sealer()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def run(path: Path, unit: Callable[[Tx], Any]) -> Any:
    with closing(open_writer(path, durable=False)) as connection:
        return commit_group(connection, (unit,))[0].unwrap()


# --- sealer ---------------------------------------------------------------------------------------


@given(
    parts=st.lists(st.integers(0, 9) | st.text(max_size=3) | st.binary(max_size=3), max_size=3),
    other=st.lists(st.integers(0, 9) | st.text(max_size=3) | st.binary(max_size=3), max_size=3),
)
@settings(max_examples=50)
def test_a_tag_is_of_its_parts_and_of_one_store(parts: list[Value], other: list[Value]) -> None:
    one, two = new_sealer(), new_sealer(b"another store")
    assert len(one.tag(*parts)) == 16
    assert (one.tag(*parts) == one.tag(*other)) == (parts == other)
    assert one.tag(*parts) != two.tag(*parts)


def test_a_row_opens_in_its_own_place_only(sealer: Sealer) -> None:
    value: Value = {"name": "My bank", "n": 7}
    sealed = sealer.seal("object/3", b"t" * 16, value)
    assert sealer.open("object/3", b"t" * 16, sealed) == value
    assert sealer.seal("object/3", b"t" * 16, value) != sealed
    for place, tag, row in (
        ("object/4", b"t" * 16, sealed),
        ("object/3", b"u" * 16, sealed),
        ("object/3", b"t" * 16, sealed[:-1]),
        ("object/3", b"t" * 16, b""),
        ("object/3", b"t" * 16, bytes([sealed[0] ^ 1]) + sealed[1:]),
    ):
        with pytest.raises(StoreDamaged, match=f"of {place} was altered on disk"):
            sealer.open(place, tag, row)


@pytest.mark.parametrize("tag", [b"", b"t" * 15, b"t" * 16, b"t" * 17, b"outbox"])
def test_a_row_is_bound_to_its_place_in_one_form(tag: bytes) -> None:
    """Homes of every version bind their rows to these bytes."""
    store_key = StoreKey(b"s" * 32)
    sealer = Sealer(store_key, IndexKey(b"i" * 32), SeededEntropy(b"rows"))
    for place in ("object/3", "catalogue", "p" * 23, "p" * 24, "pé" * 200):
        sealed = seal_row(store_key, encode([place, tag]), b"row", entropy=SeededEntropy(b"row"))
        assert sealer.open_bytes(place, tag, sealed) == b"row"


def test_a_row_has_a_largest_size_and_a_sealer_shows_no_key(sealer: Sealer) -> None:
    with pytest.raises(StoreError, match="over"):
        sealer.seal_bytes("object/1", b"", bytes(ROW_BYTES_MAX + 1))
    assert "key" in repr(sealer)
    assert len(repr(sealer)) < 80


# --- objects --------------------------------------------------------------------------------------


def test_objects_are_found_by_kind_and_name(path: Path, sealer: Sealer) -> None:
    objects = Objects(sealer)

    def unit(tx: Tx) -> None:
        objects.put(tx, Kind.PAIR, "bank", {"n": 1})
        objects.put(tx, Kind.PAIR, ["energy", b"\x01"], {"n": 2})
        objects.put(tx, Kind.PERSONA, "bank", "another thing")
        objects.put(tx, Kind.PAIR, "bank", {"n": 3})

    run(path, unit)

    def check(tx: Tx) -> None:
        assert objects.get(tx, Kind.PAIR, "bank") == {"n": 3}
        assert objects.get(tx, Kind.PAIR, "shop") is None
        assert objects.all(tx, Kind.PAIR) == [("bank", {"n": 3}), (["energy", b"\x01"], {"n": 2})]
        assert objects.count(tx, Kind.PAIR) == 2
        assert objects.has(tx, Kind.PERSONA, "bank")
        assert objects.delete(tx, Kind.PAIR, "bank")
        assert not objects.delete(tx, Kind.PAIR, "bank")
        assert not objects.has(tx, Kind.PAIR, "bank")
        assert objects.get(tx, Kind.PERSONA, "bank") == "another thing"

    run(path, check)


def test_a_name_is_given_once(path: Path, sealer: Sealer) -> None:
    objects = Objects(sealer)
    run(path, lambda tx: objects.add(tx, Kind.GRANT_GIVEN, b"cid", 1))
    with pytest.raises(StoreConflict, match="a grant given of this name"):
        run(path, lambda tx: objects.add(tx, Kind.GRANT_GIVEN, b"cid", 2))
    assert run(path, lambda tx: objects.add_if_new(tx, Kind.GRANT_GIVEN, b"cid", 2)) is False
    assert run(path, lambda tx: objects.get(tx, Kind.GRANT_GIVEN, b"cid")) == 1


def test_rows_that_change_places_on_disk_do_not_open(path: Path, sealer: Sealer) -> None:
    objects = Objects(sealer)

    def unit(tx: Tx) -> None:
        for name in ("a", "b", "c"):
            objects.put(tx, Kind.PAIR, name, name)

    run(path, unit)
    with closing(sqlite3.connect(path)) as thief, thief:
        thief.execute("UPDATE object SET sealed = (SELECT sealed FROM object LIMIT 1)")
    assert run(path, lambda tx: objects.get(tx, Kind.PAIR, "a")) == "a"
    with pytest.raises(StoreDamaged, match=r"row [0-9a-f]{32} of object/3 was altered on disk"):
        run(path, lambda tx: objects.get(tx, Kind.PAIR, "b"))


def test_numbers_of_kinds_do_not_move() -> None:
    assert [(kind.name, kind.value) for kind in Kind][:5] == [
        ("SETTING", 1),
        ("PERSONA", 2),
        ("PAIR", 3),
        ("INVITE", 4),
        ("CERTIFICATE", 5),
    ]
    assert (Kind.GRANT_GIVEN, Kind.REVOCATION, Kind.EPOCH) == (9, 13, 20)


# --- pages and catalogue --------------------------------------------------------------------------


def test_pages_come_back_in_the_order_asked_for(path: Path, sealer: Sealer) -> None:
    pages = Pages(sealer)
    rows = [(PATH, 46_000 + n, DEVICE, n, b"page %d" % n) for n in range(600)]
    places = [PageAt(*row[:4]) for row in rows]
    assert run(path, lambda tx: pages.put_many(tx, rows)) == 600

    def check(tx: Tx) -> None:
        assert pages.get(tx, *places[7]) == b"page 7"
        assert pages.get(tx, PATH, 46_007, DEVICE, 8) is None
        asked = [places[599], PageAt(PATH, 1, DEVICE, 1), *places[:300], places[599]]
        expected = [b"page 599", None, *(b"page %d" % n for n in range(300)), b"page 599"]
        assert pages.get_many(tx, asked) == expected
        assert pages.get_many(tx, []) == []
        pages.put_many(tx, [(PATH, 46_007, DEVICE, 7, b"encrypted again")])
        assert pages.get(tx, *places[7]) == b"encrypted again"
        assert pages.delete(tx, [*places[:100], PageAt("no/such", 1, DEVICE, 1)]) == 100
        assert pages.count(tx) == 500

    run(path, check)


def test_the_tag_of_a_page_is_the_one_of_the_formats(path: Path, sealer: Sealer) -> None:
    run(path, lambda tx: Pages(sealer).put_many(tx, [(PATH, 46_000, DEVICE, 3, b"ct")]))
    with closing(sqlite3.connect(path)) as other:
        tags = other.execute("SELECT tag FROM page").fetchall()
    assert tags == [(sealer.tag(PATH, 46_000, DEVICE, 3),)]


def test_the_catalogue_gives_months_in_the_order_asked_for(path: Path, sealer: Sealer) -> None:
    catalogue = Catalogue(sealer)

    def unit(tx: Tx) -> None:
        catalogue.append(tx, "", PATH, 1512, [["entry", 1], ["entry", 2]])
        catalogue.append(tx, "", PATH, 1513, [["entry", 4]])
        catalogue.append(tx, "", PATH, 1512, [["entry", 3]])
        catalogue.append(tx, "did:key:z6Mk", PATH, 1512, [["fetched", 1]])
        catalogue.append(tx, "", PATH + "-daily", 1512, [["view", 1]])

    run(path, unit)

    def check(tx: Tx) -> None:
        numbers: list[Value] = [["entry", n] for n in (1, 2, 3, 4)]
        assert catalogue.rows(tx, "", PATH, range(1500, 1520)) == numbers
        assert catalogue.rows(tx, "did:key:z6Mk", PATH, [1512]) == [["fetched", 1]]
        catalogue.replace(tx, "", PATH, 1512, [["entry", 9]])
        assert catalogue.rows(tx, "", PATH, [1513, 1512]) == [["entry", 4], ["entry", 9]]
        catalogue.replace(tx, "", PATH, 1513, [])
        assert catalogue.rows(tx, "", PATH, [1513]) == []
        assert catalogue.delete(tx, "", PATH, [1512, 1513]) == 1
        assert catalogue.rows(tx, "", PATH + "-daily", [1512]) == [["view", 1]]

    run(path, check)


# --- segments, outbox, ledger ---------------------------------------------------------------------


def test_segments_follow_each_other(path: Path, sealer: Sealer) -> None:
    segments = Segments(sealer)
    leaves = [bytes([n]) * 32 for n in range(8)]
    run(path, lambda tx: segments.append(tx, 0, b"cid-0", b"head 0", leaves))
    run(path, lambda tx: segments.append(tx, 1, b"cid-1", b"head 1", leaves[:2]))
    for seq in (0, 1, 3):
        with pytest.raises(StoreConflict, match="the next one is 2"):
            run(path, lambda tx, seq=seq: segments.append(tx, seq, b"cid-x", b"", leaves))
    with pytest.raises(StoreConflict, match="not a hash"):
        run(path, lambda tx: segments.append(tx, 2, b"cid-2", b"", [b"short"]))

    def check(tx: Tx) -> None:
        assert segments.latest(tx) == (1, b"head 1")
        assert segments.head(tx, 0) == b"head 0"
        assert segments.head(tx, 2) is None
        assert segments.leaves(tx, 0) == leaves
        assert segments.leaves(tx, 2) == []

    run(path, check)


def test_the_outbox_keeps_what_was_not_answered(path: Path, sealer: Sealer) -> None:
    outbox = Outbox(sealer)

    def unit(tx: Tx) -> list[int]:
        return [
            outbox.put(tx, "bank", {"cmd": "/grant/revoke"}, due_ms=300),
            outbox.put(tx, "shop", {"cmd": "/grant/keys"}, due_ms=100),
            outbox.put(tx, "bank", {"cmd": "/grant/keys"}, due_ms=200),
        ]

    first, second, third = run(path, unit)

    def check(tx: Tx) -> None:
        assert outbox.next_due_ms(tx) == 100
        assert [item.id for item in outbox.due(tx, 250)] == [second, third]
        assert [item.id for item in outbox.due(tx, 999, limit=1)] == [second]
        outbox.retry_at(tx, second, 5_000)
        assert [item.id for item in outbox.waiting_for(tx, "bank")] == [first, third]
        assert outbox.hurry(tx, "bank", 50) == 2
        assert [item.id for item in outbox.due(tx, 50)] == [first, third]
        assert outbox.done(tx, first)
        assert not outbox.done(tx, first)
        outbox.retry_at(tx, first, 1)
        assert outbox.count(tx) == 2
        (late,) = outbox.waiting_for(tx, "shop")
        assert (late.tries, late.due_ms, late.value) == (1, 5_000, {"cmd": "/grant/keys"})

    run(path, check)
    assert run(path, lambda tx: outbox.put(tx, "bank", None, due_ms=0)) > third


def test_an_invocation_is_new_once(path: Path, sealer: Sealer) -> None:
    ledger = Ledger(sealer)
    assert run(path, lambda tx: ledger.first_time(tx, b"cid", 100)) is True
    assert run(path, lambda tx: ledger.first_time(tx, b"cid", 100)) is False
    assert run(path, lambda tx: ledger.seen(tx, b"cid")) is True
    assert run(path, lambda tx: ledger.forget_expired(tx, 100)) == 0
    assert run(path, lambda tx: ledger.forget_expired(tx, 101)) == 1
    assert run(path, lambda tx: tx.one("SELECT count(*) FROM replay")) == (0,)
    assert run(path, lambda tx: ledger.seen(tx, b"cid")) is False


def test_a_counter_only_rises(path: Path, sealer: Sealer) -> None:
    ledger = Ledger(sealer)
    name: Value = ["keyset", b"dlg"]
    assert run(path, lambda tx: ledger.counter(tx, name)) == 0
    assert run(path, lambda tx: ledger.step(tx, name)) == 1
    assert run(path, lambda tx: ledger.step(tx, name, at_least=1_000)) == 1_000
    assert run(path, lambda tx: ledger.step(tx, name, at_least=1_000)) == 1_001
    assert run(path, lambda tx: ledger.step(tx, "another")) == 1
    for lower in (1_001, 0, -1):
        with pytest.raises(StoreConflict, match="stands at 1001"):
            run(path, lambda tx, lower=lower: ledger.raise_to(tx, name, lower))
    run(path, lambda tx: ledger.raise_to(tx, name, COUNTER_MAX))
    with pytest.raises(StoreConflict, match="come to its end"):
        run(path, lambda tx: ledger.step(tx, name))
    assert run(path, lambda tx: ledger.counter(tx, name)) == COUNTER_MAX


# --- what lies on the disk ------------------------------------------------------------------------

PLANTED = (
    "did:key:z6MkPlantedPersona",
    "finance/accounts/planted",
    "Planted bank & sons",
    "9876543210123456",
)


def in_every_form(text: str) -> list[bytes]:
    raw = text.encode()
    forms = [raw, raw.hex().encode(), text.encode("utf-16-le"), text.encode("utf-16-be")]
    # base64 of a text inside a longer one: three alignments, without the edges.
    forms += [base64.b64encode(b"\0" * pad + raw)[4:-4] for pad in range(3)]
    if text.isdigit():
        forms += [int(text).to_bytes(8, order) for order in ("big", "little")]
    return forms


def found_in(data: bytes) -> set[str]:
    return {text for text in PLANTED if any(form in data for form in in_every_form(text))}


def test_no_planted_word_is_in_any_file_and_the_search_can_find(path: Path, sealer: Sealer) -> None:
    persona, collection, name, amount = PLANTED
    everything: Value = [persona, collection, name, int(amount)]
    objects, catalogue, pages = Objects(sealer), Catalogue(sealer), Pages(sealer)
    outbox, ledger, segments = Outbox(sealer), Ledger(sealer), Segments(sealer)
    seen = b""

    def unit(tx: Tx) -> None:
        for kind in Kind:
            objects.put(tx, kind, [persona, kind.value], everything)
        catalogue.append(tx, persona, collection, 1512, [everything] * 20)
        pages.put_many(tx, [(collection, 46_000, persona.encode(), 1, b"ciphertext")])
        outbox.put(tx, persona, everything, due_ms=1)
        ledger.first_time(tx, collection.encode(), 1)
        ledger.step(tx, [persona, collection])
        segments.append(tx, 0, name.encode(), everything, [])

    with closing(open_writer(path)) as connection:
        commit_group(connection, (unit,))[0].unwrap()
        for file in path.parent.iterdir():  # the write-ahead log too
            seen += file.read_bytes()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        seen += path.read_bytes()
        rows = connection.execute("SELECT kind, tag, sealed FROM object").fetchall()
        opened = [sealer.open_bytes(f"object/{kind}", tag, sealed) for kind, tag, sealed in rows]
    assert len(seen) > 50_000
    assert found_in(seen) == set()
    assert len(opened) == len(Kind)
    for plain in opened:
        assert found_in(plain) == set(PLANTED)
    assert all(found_in(b"..." + text.encode("utf-16-le")) == {text} for text in PLANTED)


def test_no_column_holds_text_but_the_names_of_settings() -> None:
    text_columns = [line for line in " ".join(VERSION_1).split(",") if " TEXT" in line]
    assert text_columns == ["CREATE TABLE meta (name TEXT PRIMARY KEY"]

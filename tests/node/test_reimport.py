"""Exports taken in: everything as it was on an empty node; whatever was altered is refused."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from entrenous.crypto.digest import sha256
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import PersonaKey
from entrenous.node.config import Config
from entrenous.node.errors import NodeError
from entrenous.node.exchange.deliveries import Received
from entrenous.node.export.export import Exporting, Wanted
from entrenous.node.export.inside import is_export
from entrenous.node.export.reimport import ERASED_UNKNOWN, Reimporting
from entrenous.node.network.memory import MemoryNetwork, MemoryWorld
from entrenous.node.node import Ground, Node
from entrenous.node.offload import InlineOffload
from entrenous.node.reads.serving import statement_value
from entrenous.node.store.database import Tx
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.store.objects import Kind
from entrenous.node.vault.journal import Import, State
from entrenous.node.vault.left_out import LeftOutDay
from entrenous.node.vault.origin import DECLARED, origin_of
from entrenous.node.vault.vault import Piece, Reading, pieces_of
from entrenous.protocol.day import UNDATED, start_ms
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.export_manifest import parse_manifest, records_file
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import SCHEMAS, Field, Schema
from entrenous.protocol.statement import make_statement
from entrenous.protocol.window import Window
from entrenous.tests.node.killing import KillAt, Killed
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    GAS,
    TrioClock,
    a_town,
    lend,
    meet,
    readings,
    settle,
)
from entrenous.tests.node.vault_home import KEYSTORE


@asynccontextmanager
async def a_node(seed: bytes = b"new") -> AsyncGenerator[Node]:
    async with InlineDatabase(None) as database:
        network = MemoryNetwork(KEYSTORE.device, MemoryWorld(seed))
        ground = Ground(database, network, TrioClock(), SeededEntropy(seed), InlineOffload())
        yield Node(ground, KEYSTORE, Config(name="new"))


async def everything(node: Node) -> dict[str, tuple[object, ...]]:
    """All that is read of a vault, with who told it."""
    found: dict[str, tuple[object, ...]] = {}
    for one in await node.store.database.read(node.vault.collections.all):
        reading = await node.vault.read(one.path, 0, UNDATED, sources=True)
        assert not reading.damaged
        found[one.path] = (one.schema.name, one.interval_s, one.records, *_told(reading))
    return found


def _told(reading: Reading) -> Sequence[object]:
    assert reading.tellings is not None
    tellers = reading.tellings.tellers
    return (
        reading.batch.columns,
        reading.conflicts,
        [
            [(tellers[one.teller].how, tellers[one.teller].origin, one.differs) for one in some]
            for some in reading.tellings.of_record
        ],
    )


# --- records of any schema ------------------------------------------------------------------------


def cells(f: Field) -> st.SearchStrategy[object]:
    if f.name == "time":
        # Across an edge of months, so that facts are recognised over it.
        found: st.SearchStrategy[object] = st.integers(1_764_400_000_000, 1_764_700_000_000)
    elif f.dtype == "str":
        low = max(f.low, 1) if f.name == "id" else f.low
        found = st.text(
            st.characters(exclude_categories=("Cs",)), min_size=low, max_size=min(f.high // 4, 9)
        )
    elif f.dtype == "dec":
        found = st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 18))
    else:
        found = st.integers(f.low, f.high)
    return st.none() | found if f.optional else found


def batches(schema: Schema) -> st.SearchStrategy[Batch]:
    def made(rows: list[tuple[object, ...]]) -> Batch:
        columns: dict[str, list[object]] = {f.name: [] for f in schema.fields}
        for row in rows:
            for f, cell in zip(schema.fields, row, strict=True):
                columns[f.name].append(60 if f.name == "duration_s" else cell)
        return Batch(schema, columns).check().sorted()  # type: ignore[arg-type]  # cells of any kind

    name = "id" if schema.has_id else "time"
    place = [f.name for f in schema.fields].index(name)
    row = st.tuples(*(cells(f) for f in schema.fields))
    return st.lists(row, min_size=1, max_size=6, unique_by=lambda one: one[place]).map(made)


def any_vault() -> st.SearchStrategy[list[tuple[str, Batch, int]]]:
    """Tellings of several collections, each with the number of who told it."""

    def of(name: str) -> st.SearchStrategy[list[tuple[str, Batch, int]]]:
        telling = st.tuples(st.just(name), batches(SCHEMAS[name]), st.integers(0, 4))
        return st.lists(telling, max_size=3)

    plain = sorted(SCHEMAS)
    return st.tuples(*map(of, plain)).map(lambda some: [one for each in some for one in each])


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(any_vault())
def test_what_is_exported_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, vault: list[tuple[str, Batch, int]]
) -> None:
    folder = tmp_path_factory.mktemp("exports")

    async def main() -> None:
        async with a_node(b"old") as old, a_node(b"new") as new:
            for number, (name, batch, who) in enumerate(vault):
                await tell(old, f"documents/{name.replace('/', '-')}", batch, who, number)
            before = await everything(old)
            await Exporting(old, "t").export(folder / "one", Wanted())
            report = await Reimporting(new, chunk_pages=2).take(folder / "one")
            assert len(report.imported) == len(before)
            assert await everything(new) == before
            # … and out of the new node again, the same records to the last byte.
            await Exporting(new, "t").export(folder / "two", Wanted())
            again = await Reimporting(new).take(folder / "one")
            assert all(one.already and not one.new for one in again.imported)
            assert await everything(new) == before
            for path in before:
                one, two = (folder / n / records_file(path) for n in ("one", "two"))
                assert _without_pages(one) == _without_pages(two)

    trio.run(main)


def _without_pages(path: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    for row in rows:
        del row["_page"], row["_source"]
    return rows


async def tell(node: Node, path: str, batch: Batch, who: int, number: int) -> None:
    """Somebody tells `batch`: the person, a program, one of two files, or a source that signs."""
    schema = batch.schema
    if who == 4 and schema.name not in SIGNED:
        who = 0
    if who < 4:
        origin = (DECLARED, origin_of(b"p" * 36), b"0" * 16, b"1" * 16)[who]
        if who >= 2:
            await node.store.database.write(lambda tx: journal(node, tx, path, batch, origin))
        await node.vault.write(path, schema, pieces_of(batch), origin=origin)
        return
    days = [day for day, _ in batch.by_day()]
    statement, signed = make_statement(
        batch,
        SeededEntropy(b"salts%d" % number),
        key=PersonaKey(b"s" * 32),
        sub="did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
        path=path,
        first=days[0],
        last=days[-1] if schema.dated else days[0],
        nonce=b"%016d" % number,
    )

    def unit(tx: Tx) -> None:
        objects = node.store.objects
        kept = statement_value(statement, [day.leaf for day in signed])
        objects.put(tx, Kind.STATEMENT, statement.cid, kept)
        received = Received(
            statement.cid, statement.src, path, statement.first, statement.last, len(batch), 7
        )
        objects.put(tx, Kind.DELIVERY, ["in", statement.cid], received.value())

    await node.store.database.write(unit)
    await node.vault.write(
        path,
        schema,
        [Piece(day.day, day.batch, day.salt) for day in signed],
        origin=statement.cid,
        statement=statement.cid,
    )


SIGNED = frozenset(SCHEMAS)


def journal(node: Node, tx: Tx, path: str, batch: Batch, origin: bytes) -> None:
    days = [day for day, _ in batch.by_day()]
    row = Import(
        origin, "file.ofx", "ofx", path, State.DONE, b"p" * 16, 1, 1, len(batch), 1, 0,
        days[0], days[-1], 5, 6, same_as={"bank": 1},
    )  # fmt: skip
    node.imports.journal.put(tx, row)
    node.vault.left_out.add(tx, path, origin, [LeftOutDay(days[0], frozenset((b"d" * 8,)))])


# --- one story ------------------------------------------------------------------------------------


async def an_export(folder: Path) -> dict[str, tuple[object, ...]]:
    """A household of two, with a delivery, a file and gas; exported to `folder`."""
    async with a_town() as town:
        alice, volt = await town.party("alice"), await town.party("volt")
        await meet(alice, volt)
        await alice.write(lambda tx: alice.node.household.add(tx, "Ann"))
        await alice.write(lambda tx: alice.node.household.add(tx, "Mina", "2014-05-01"))
        await alice.write(lambda tx: alice.node.household.assign(tx, GAS, (1, 2), alice.now_ms))
        await volt.node.deliveries.deliver("alice", CURVE, readings(DAY, 10), volt.now_ms)
        await settle()
        await alice.fill(CURVE, DAY + 8, 4)
        await alice.fill(GAS, DAY, 3)
        await alice.fill("energy/water/p2", DAY, 1)
        await Exporting(alice.node, "t").export(folder, Wanted())
        return await everything(alice.node)


async def test_a_household_moves_and_what_was_signed_stays_signed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    before = await an_export(tmp_path / "e")
    async with a_town(b"elsewhere") as town:
        new, shop = await town.party("alice"), await town.party("shop")
        await Reimporting(new.node).take(tmp_path / "e")
        assert await everything(new.node) == before
        people = await new.read(new.node.household.all)
        assert [(one.name, one.born) for one in people] == [("Ann", None), ("Mina", "2014-05-01")]
        assert await new.read(lambda tx: new.node.household.whose(tx, GAS)) == (1, 2)
        # Lent on from the new node, the source's word still verifies at a reader.
        await meet(new, shop)
        await lend(new, shop, Window(CURVE, DAY + 2, DAY + 6))
        pair = await shop.peer("alice")
        lent = await shop.node.fetcher.fetch(pair, Window(CURVE, DAY + 2, DAY + 6))
        assert [one.reason for one in lent.provenance] == [None]
        assert lent.batch is not None
        assert len(lent.batch) == 5 * 24


async def test_an_import_that_moved_can_be_undone(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_node(b"old") as old, a_node(b"new") as new:
        batch = readings(DAY, 3)
        await tell(old, CURVE, batch, 2, 0)
        await Exporting(old, "t").export(tmp_path / "e", Wanted())
        await Reimporting(new).take(tmp_path / "e")
        undone = await new.imports.undo((b"0" * 16).hex())
        assert undone.records == len(batch)
        with pytest.raises(NodeError):
            await new.vault.read("energy/nothing", 0, UNDATED)
        assert not len((await new.vault.read(CURVE, 0, UNDATED)).batch)


async def test_an_export_holds_no_trace_of_what_was_erased_and_says_what_follows(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A digest in a folder in clear would answer guesses, so none is there; and it is said that
    the new node knows of no erasure."""
    async with a_node(b"old") as old, a_node(b"new") as new:
        batch = readings(DAY, 2)
        await tell(old, CURVE, batch, 2, 0)
        gone = start_ms(DAY)
        await old.erasing.erase_record(CURVE, gone)
        marks = await old.store.database.read(
            lambda tx: old.vault.erased.of(tx, CURVE, [DAY, DAY + 1])
        )
        (digest,) = marks[DAY]
        await Exporting(old, "t").export(tmp_path / "e", Wanted())
        for file in (tmp_path / "e").rglob("*"):
            data = file.read_bytes() if file.is_file() else b""
            for form in (digest, digest.hex().encode(), base64.b64encode(digest)):
                assert form not in data, file
        report = await Reimporting(new).take(tmp_path / "e")
        assert [one.notes for one in report.imported] == [(ERASED_UNKNOWN,)]
        again = await Reimporting(new).take(tmp_path / "e")
        assert [one.notes for one in again.imported] == [()]
        assert await new.store.database.read(new.vault.erased.all) == []
        # Told again it is there again, as was said; the old node leaves it out.
        assert gone not in (await new.vault.read(CURVE, 0, UNDATED)).batch.columns["time"]
        for node, there in ((new, True), (old, False)):
            pieces = [Piece(day, one) for day, one in batch.by_day()]
            kept = await node.store.database.read(
                lambda tx, node=node: node.vault.erased.of(tx, CURVE, [DAY])
            )
            sifted, _ = node.vault.erased.sifted(kept, CURVE, pieces)
            assert (gone in sifted[0].batch.columns["time"]) is there


@pytest.mark.parametrize("step", range(12))
async def test_cut_at_any_step_it_goes_on_and_nothing_is_twice(
    step: int, tmp_path: Path, autojump_clock: MockClock
) -> None:
    before = await an_export(tmp_path / "e")
    async with a_node() as new:
        cut = Reimporting(new, checkpoint=KillAt(step), chunk_pages=2)
        try:
            await cut.take(tmp_path / "e")
        except Killed:
            pass
        else:
            pytest.fail("there are fewer steps than this")
        await Reimporting(new, chunk_pages=3).take(tmp_path / "e")
        assert await everything(new) == before


async def test_a_vault_that_holds_some_of_it_is_left_as_it_is(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    await an_export(tmp_path / "e")
    async with a_node() as new:
        await tell(new, GAS, readings(DAY, 1), 0, 0)
        before = await everything(new)
        with pytest.raises(NodeError, match="holds records here already"):
            await Reimporting(new).take(tmp_path / "e")
        assert await everything(new) == before
        preview = await Reimporting(new).preview(tmp_path / "e")
        assert {one.refused is not None for one in preview.items} == {True}


# --- altered, and hostile -------------------------------------------------------------------------


Change = Callable[[dict[str, list[dict[str, object]]]], object]
"""Changes an object whose parts are, as far as a test touches them, lists of objects."""


def resealed(folder: Path) -> None:
    """Write the manifest again to fit what lies there: the attacker holds the whole folder."""
    raw = json.loads((folder / "manifest.json").read_bytes())
    for one in raw["files"]:
        data = (folder / one["path"]).read_bytes()
        one["bytes"], one["sha256"] = len(data), sha256(data).hex()
    (folder / "manifest.json").write_text(json.dumps(raw))


def edited(path: str, change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    """Change each line of a file, and make the manifest fit."""

    def alter(folder: Path) -> None:
        lines = (folder / path).read_bytes().splitlines()
        objects = [json.loads(line) for line in lines]
        for one in objects:
            change(one)
        (folder / path).write_text("".join(json.dumps(one) + "\n" for one in objects))
        resealed(folder)

    return alter


def manifest(
    change: Change,
) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        raw = json.loads((folder / "manifest.json").read_bytes())
        change(raw)
        (folder / "manifest.json").write_text(json.dumps(raw))

    return alter


def statement(
    change: Change,
) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        place = next((folder / "statements").iterdir())
        one = json.loads(place.read_bytes())
        change(one)
        place.write_text(json.dumps(one))
        resealed(folder)

    return alter


def linked(folder: Path) -> None:
    target = folder / "collections" / CURVE / "records.jsonl"
    target.rename(folder.parent / "outside")
    target.symlink_to(folder.parent / "outside")


def linked_folder(folder: Path) -> None:
    shutil.move(folder / "collections", folder.parent / "outside")
    (folder / "collections").symlink_to(folder.parent / "outside")


def a_pipe(folder: Path) -> None:
    (folder / "sources.jsonl").unlink()
    os.mkfifo(folder / "sources.jsonl")


def cut(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / ".unfinished").write_text("{}")


def flip(path: str) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        data = bytearray((folder / path).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / path).write_bytes(data)

    return alter


RECORDS = records_file(CURVE)
HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a flipped bit": (flip(RECORDS), "not what the manifest says"),
    "a flipped bit in a paper": (flip("receipts.jsonl"), "not what the manifest says"),
    "a link in place of a file": (linked, "cannot be read"),
    "a link in place of a folder": (linked_folder, "cannot be read"),
    "a pipe": (a_pipe, "no plain file"),
    "no manifest": (cut, "cut short"),
    "a path that leads out": (
        manifest(lambda m: m["files"][0].update(path="../../etc/passwd")),
        "no place in it",
    ),
    "an absolute path": (manifest(lambda m: m["files"][0].update(path="/etc/a.json")), "no place"),
    "a file twice": (manifest(lambda m: m["files"].append(m["files"][0])), "a file twice"),
    "another format": (manifest(lambda m: m.update(format="x")), "something else"),  # type: ignore[arg-type]  # wrong on purpose
    "a newer version": (manifest(lambda m: m.update(v=2)), "newer"),  # type: ignore[arg-type]  # wrong on purpose
    "an unknown schema": (
        manifest(lambda m: m["collections"][0].update(schema="x/1")),
        "does not know the schema",
    ),
    "fewer records than said": (
        manifest(lambda m: m["collections"][0].update(records=1)),
        "as many as the manifest",
    ),
    "a signed value changed": (
        edited(RECORDS, lambda one: one.update(value="9.9")),
        "source signed",
    ),
    "a signed value spelled otherwise": (
        edited(RECORDS, lambda one: one.update(value="0" + str(one["value"]))),
        "not written as it should be",
    ),
    "a float": (edited(RECORDS, lambda one: one.update(value=1.5)), "not JSON as it is written"),
    "a field more": (edited(RECORDS, lambda one: one.update(more=1)), "other fields"),
    "a source that nobody is": (edited(RECORDS, lambda one: one.update(_source=9)), "nobody"),
    "no source": (edited(RECORDS, lambda one: one.pop("_source")), "who told it"),
    "a huge number": (edited(RECORDS, lambda one: one.update(_page=10**30)), "not JSON"),
    "delivered by word only": (
        edited("sources.jsonl", lambda one: one.update(statement=None, origin="00" * 36)),
        "its statement is not there",
    ),
    "a statement's salt changed": (
        statement(lambda s: s["days"][3].update(salt="00" * 32)),
        "source signed",
    ),
    "a day of a statement left out": (
        statement(lambda s: s["days"].pop()),
        "no such day",
    ),
    "a leaf changed": (
        statement(lambda s: s["leaves"].__setitem__(0, "00" * 32)),  # type: ignore[arg-type]  # a text
        "source signed",
    ),
    "a person nobody named": (
        edited("people.json", lambda one: one.update(people=[], whose=[])),
        "nobody in this export",
    ),
    "an import into nowhere": (
        lambda folder: _append(folder, "imports.jsonl", b'{"id":"00"}\n'),
        "not written as",
    ),
    "a line without an end": (
        lambda folder: _append(folder, RECORDS, b'{"a":'),
        "too long, or cut",
    ),
    "nested without an end": (
        lambda folder: _append(folder, RECORDS, b"[" * 200_000 + b"\n"),
        "not JSON",
    ),
    "a line of megabytes": (
        lambda folder: _append(folder, RECORDS, b'{"a":"' + b"x" * 2_000_000 + b'"}\n'),
        "too long",
    ),
}


def _append(folder: Path, path: str, data: bytes) -> None:
    with (folder / path).open("ab") as file:
        file.write(data)
    resealed(folder)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "e"

    async def main() -> None:
        await an_export(folder)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return folder


@pytest.mark.parametrize("name", HOSTILE)
async def test_an_altered_export_is_refused_in_one_sentence_and_changes_nothing(
    name: str, exported: Path, tmp_path: Path
) -> None:
    alter, sentence = HOSTILE[name]
    folder = tmp_path / "e"
    shutil.copytree(exported, folder)
    alter(folder)
    assert is_export(folder)
    async with a_node() as new:
        with pytest.raises(ReaderError) as refused:
            await Reimporting(new).take(folder)
        assert sentence in str(refused.value)
        assert str(refused.value).startswith("e: ")
        assert not str(refused.value).startswith("e: e: ")
        assert str(refused.value).count("nothing was taken in") == 1
        assert "\n" not in str(refused.value)
        assert await everything(new) == {}
        assert not await new.store.database.read(new.imports.journal.all)
        assert not await new.store.database.read(lambda tx: new.household.all(tx, removed=True))


def test_the_copy_that_is_altered_is_good_before(exported: Path) -> None:
    async def main() -> None:
        async with a_node() as new:
            report = await Reimporting(new).take(exported)
            assert len(report.imported) == 3

    trio.run(main)
    assert parse_manifest((exported / "manifest.json").read_bytes()).collections

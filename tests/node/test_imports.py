"""Files into the vault: once, without doubles, resumable, and back out again."""

from __future__ import annotations

import datetime
import json
import zipfile
from collections.abc import AsyncGenerator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from entrenous.apps.readers import espi, ofx
from entrenous.node.errors import NotFound, UsageError
from entrenous.node.imports.imports import Imports, Progress
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import StoreDamaged
from entrenous.node.vault.journal import TRANSITIONS, Event, Journal, State, after
from entrenous.protocol.day import UNDATED
from entrenous.protocol.errors import ReaderError, RecordError
from entrenous.simulations.files import GeneratedFile, bank_file, energy_file
from entrenous.tests.node.vault_home import Home, open_home

CURVE = "energy/electricity/load-curve"
BANK = "finance/accounts/transactions"
EVER = (0, UNDATED - 1)
JANUARY = datetime.date(2025, 1, 1)


@pytest.fixture(params=["aiosqlite", "inline"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Home]:
    async with open_home(request.param, tmp_path / "store.db") as opened:
        yield opened


def imports_of(home: Home, chunk_pages: int = 7) -> Imports:
    return Imports(
        home.vault,
        home.clock,
        readers=lambda: (ofx.reader, espi.reader),
        chunk_pages=chunk_pages,
    )


def saved(folder: Path, file: GeneratedFile, name: str | None = None) -> Path:
    path = folder / (name or file.name)
    path.write_bytes(file.data)
    return path


async def rows(home: Home) -> list[tuple[object, ...]]:
    """Everything in the store but for what sealing makes different each time."""

    def unit(tx: Tx) -> list[tuple[object, ...]]:
        tables = ("object", "page", "catalogue", "segment", "counter")
        return [row for table in tables for row in tx.execute(f"SELECT * FROM {table}")]

    return await home.database.read(unit)


@pytest.mark.parametrize("file", [bank_file(3, months=2), energy_file(3, days=30)])
async def test_a_file_comes_back_as_its_known_answers(
    home: Home, tmp_path: Path, file: GeneratedFile
) -> None:
    told: list[Progress] = []
    report = await imports_of(home).commit(saved(tmp_path, file), progress=told.append)
    (imported,) = report.imported
    assert (imported.path, imported.new) == (file.known.path, file.known.count)
    assert (imported.duplicates, imported.differing, imported.already) == (0, 0, False)
    reading = await home.vault.read(file.known.path, *EVER)
    assert len(reading.batch) == file.known.count
    assert (reading.batch.times[0], reading.batch.times[-1]) == (
        file.known.first_ms,
        file.known.last_ms,
    )
    assert reading.damaged == ()
    assert told[-1].days_done == told[-1].days_total == reading.pages
    assert [one.days_done for one in told] == sorted(one.days_done for one in told)


async def test_a_second_import_changes_nothing_and_says_so(home: Home, tmp_path: Path) -> None:
    imports = imports_of(home)
    file = energy_file(5, days=20)
    (first,) = (await imports.commit(saved(tmp_path, file))).imported
    before = await rows(home)
    home.clock.at_ms += 1
    (second,) = (await imports.commit(saved(tmp_path, file, "another-name.xml"))).imported
    assert (second.id, second.already, second.new) == (first.id, True, 0)
    assert await rows(home) == before


async def test_a_preview_tells_what_would_be_and_writes_nothing(home: Home, tmp_path: Path) -> None:
    imports = imports_of(home)
    await imports.commit(saved(tmp_path, energy_file(5, days=10)))
    before = await rows(home)
    path = saved(tmp_path, energy_file(5, days=15), "longer.xml")
    (preview,) = await imports.preview(path)
    (item,) = preview.items
    assert (item.new, item.duplicates + item.differing) == (5 * 48, 10 * 48)
    assert (item.path, item.state, item.refused) == (CURVE, None, None)
    assert item.sources[0].count == 15 * 48
    assert await rows(home) == before
    json.dumps([asdict(preview)])
    (imported,) = (await imports.commit(path)).imported
    assert imported.new == item.new


async def test_overlapping_files_leave_each_fact_once(home: Home, tmp_path: Path) -> None:
    imports = imports_of(home)
    whole = energy_file(8, days=30)
    newer, older = saved(tmp_path, whole, "whole.xml"), tmp_path / "older.xml"
    text = whole.data.decode()
    # the same readings, cut after ten days: a month's file and the one that repeats it
    head, blocks = text.split('<entry><link rel="self" href="' + _block_link(text, 10), 1)
    assert blocks
    older.write_text(head + "</feed>\n")
    (first,) = (await imports.commit(older)).imported
    (second,) = (await imports.commit(newer)).imported
    assert first.new == 10 * 48
    assert (second.new, second.duplicates, second.differing) == (20 * 48, 10 * 48, 0)
    reading = await home.vault.read(CURVE, *EVER)
    assert len(reading.batch) == whole.known.count
    collection = await home.database.read(lambda tx: home.vault.collections.get(tx, CURVE))
    assert (collection.records, collection.pages) == (whole.known.count, 30)


def _block_link(text: str, number: int) -> str:
    marker = f'/IntervalBlock/{number}"'
    end = text.index(marker) + len(marker)
    return text[text.rindex('href="', 0, end) + len('href="') : end - 1]


async def test_undo_removes_what_one_import_brought_and_leaves_what_another_said_too(
    home: Home, tmp_path: Path
) -> None:
    imports = imports_of(home)
    short, long = energy_file(5, days=10), energy_file(5, days=15)
    (first,) = (await imports.commit(saved(tmp_path, short))).imported
    (second,) = (await imports.commit(saved(tmp_path, long, "long.xml"))).imported
    assert (second.records, second.duplicates) == (5 * 48, 10 * 48)
    assert second.same_as == {f"imported from {short.name}": 480}
    whole = (await home.vault.read(CURVE, *EVER)).batch
    undone = await imports.undo(first.id[:8].upper())
    assert (undone.id, undone.pages, undone.records) == (first.id, 10, 480)
    assert (await home.vault.read(CURVE, *EVER)).batch == whole
    assert [source.state for source in await imports.list()] == ["undone", "done"]
    kept = (await imports.list())[1]
    assert (kept.records, kept.duplicates) == (15 * 48, 0)
    again = await imports.undo(first.id)
    assert (again.pages, again.records) == (0, 0)

    (back,) = (await imports.commit(tmp_path / short.name)).imported
    assert (back.new, back.records, back.duplicates) == (0, 0, 480)
    assert (await imports.undo(second.id)).records == 15 * 48
    assert (await home.vault.read(CURVE, *EVER)).batch == whole.slice(0, 480)
    await imports.undo(first.id)
    assert not len((await home.vault.read(CURVE, *EVER)).batch)


async def test_an_import_of_an_earlier_version_noted_nothing_and_is_reopened(
    home: Home, tmp_path: Path
) -> None:
    imports = imports_of(home)
    (first,) = (await imports.commit(saved(tmp_path, energy_file(5, days=10)))).imported
    (second,) = (await imports.commit(saved(tmp_path, energy_file(5, days=15), "l.xml"))).imported

    def age(tx: Tx) -> None:
        journal = Journal(home.vault.store.objects)
        row = journal.get(tx, bytes.fromhex(second.id))
        journal.put(tx, replace(row, noted=False))
        home.vault.left_out.forget(tx, CURVE, row.id, range(3_000))

    await home.database.write(age)
    await imports.undo(first.id)
    assert len((await home.vault.read(CURVE, *EVER)).batch) == 5 * 48
    assert [source.state for source in await imports.list()] == ["undone", "reopened"]
    (restored,) = (await imports.commit(tmp_path / "l.xml")).imported
    assert (restored.id, restored.new, restored.records) == (second.id, 480, 15 * 48)
    assert (await imports.list())[1].state == "done"


async def test_what_was_undone_can_be_imported_again(home: Home, tmp_path: Path) -> None:
    imports = imports_of(home)
    path = saved(tmp_path, bank_file(9, months=1))
    (first,) = (await imports.commit(path)).imported
    await imports.undo(first.id)
    (again,) = (await imports.commit(path)).imported
    assert (again.id, again.new, again.already) == (first.id, first.new, False)


async def test_an_undo_leaves_no_trace_in_the_files(home: Home, tmp_path: Path) -> None:
    imports = imports_of(home)
    (imported,) = (await imports.commit(saved(tmp_path, energy_file(5, days=3)))).imported

    def ciphertexts(tx: Tx) -> list[bytes]:
        return [row[0] for row in tx.execute("SELECT ct FROM page")]

    found = await home.database.read(ciphertexts)
    assert len(found) == 3
    await imports.undo(imported.id)
    assert home.path is not None
    files = b"".join(
        file.read_bytes() for file in home.path.parent.iterdir() if file.name.startswith("store")
    )
    assert all(ct[at : at + 64] not in files for ct in found for at in (0, 512, 1024))


async def test_one_interval_length_a_path(home: Home, tmp_path: Path) -> None:
    imports = imports_of(home)
    (first,) = (await imports.commit(saved(tmp_path, energy_file(5, days=3)))).imported
    hourly = saved(tmp_path, energy_file(6, days=3, interval_s=3600), "hourly.xml")
    before = await rows(home)
    (preview,) = await imports.preview(hourly)
    assert preview.items[0].refused is not None
    with pytest.raises(RecordError, match="every 1800 s"):
        await imports.commit(hourly)
    assert await rows(home) == before
    (other,) = (await imports.commit(hourly, into="energy/electricity/hourly")).imported
    assert other.path == "energy/electricity/hourly"
    # An emptied path binds nobody.
    await imports.undo(first.id)
    assert (await imports.commit(hourly)).imported[0].new == 72


async def test_a_folder_and_an_archive_bring_each_file_and_name_what_they_leave(
    home: Home, tmp_path: Path
) -> None:
    folder = tmp_path / "handed"
    (folder / "old").mkdir(parents=True)
    saved(folder, bank_file(1, months=1))
    saved(folder / "old", energy_file(1, days=2))
    (folder / "notes.txt").write_text("nothing for a reader")
    (folder / ".hidden").write_text("left alone")
    (folder / "link.ofx").symlink_to("/etc/passwd")
    report = await imports_of(home).commit(folder)
    assert sorted(one.path for one in report.imported) == [CURVE, BANK]
    assert [one.file for one in report.skipped] == ["notes.txt"]

    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "account-1.ofx", "a/account.ofx")
        archive.writestr("readme.md", "words")
    report = await imports_of(home).commit(packed)
    assert [one.already for one in report.imported] == [True]
    assert [one.file for one in report.skipped] == ["readme.md"]
    json.dumps(asdict(report))
    json.dumps([asdict(source) for source in await imports_of(home).list()])


@pytest.mark.parametrize("backend", ["inline"])
async def test_refusals_name_the_file_and_change_nothing(backend: str, tmp_path: Path) -> None:
    async with open_home(backend, None) as home:
        imports = imports_of(home)
        for name, data, error, words in (
            ("words.txt", b"nothing", ReaderError, "no kind of file"),
            ("empty.ofx", b"", ReaderError, "empty"),
            ("cut.xml", energy_file(1, days=2).data[:-900], ReaderError, "cut.xml"),
            ("cut.zip", b"PK\x03\x04" + bytes(90), ReaderError, "cannot be opened"),
        ):
            path = tmp_path / name
            path.write_bytes(data)
            with pytest.raises(error, match=words):
                await imports.commit(path)
            with pytest.raises(error, match=words):
                await imports.preview(path)
        with pytest.raises(NotFound, match="gone\\.ofx cannot be read"):
            await imports.commit(tmp_path / "gone.ofx")
        good = saved(tmp_path, bank_file(1, months=1), "good.ofx")
        for into in ("Nowhere at all", "nowhere/at-all"):
            with pytest.raises(RecordError):
                await imports.commit(good, into=into)
        with pytest.raises(NotFound, match="no import 00ff"):
            await imports.undo("00ff")
        for id in ("", "abc", "not hex"):
            with pytest.raises(UsageError, match="hex digits"):
                await imports.undo(id)
        assert await rows(home) == []
        assert await imports.list() == ()


async def test_a_reader_that_fails_is_a_sentence(tmp_path: Path) -> None:
    class Broken:
        name = "broken"

        def sniff(self, head: bytes, filename: str) -> bool:
            return True

        def read(self, data: bytes, filename: str) -> object:
            raise ZeroDivisionError

    path = tmp_path / "a.bin"
    path.write_bytes(b"x")
    async with open_home("inline", None) as home:
        imports = Imports(home.vault, home.clock, readers=lambda: (Broken(),))  # type: ignore[arg-type]  # its lie is the point
        with pytest.raises(ReaderError, match="the reader broken failed"):
            await imports.commit(path)


async def test_installed_readers_are_found(tmp_path: Path) -> None:
    async with open_home("inline", None) as home:
        report = await Imports(home.vault, home.clock).commit(saved(tmp_path, bank_file(1)))
        assert report.imported[0].reader == "ofx"


def test_the_states_of_an_import() -> None:
    """Every state and event: what follows, or that nothing does."""
    for state in (None, *State):
        for event in Event:
            if (state, event) in TRANSITIONS:
                assert after(state, event) is TRANSITIONS[state, event]
            else:
                with pytest.raises(StoreDamaged):
                    after(state, event)
    reachable = {None} | {to for to in TRANSITIONS.values()}
    assert reachable == {None, *State}

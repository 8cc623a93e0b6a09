"""Erasing: gone from the files, told to whoever read it, and not back unnoticed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.crypto.entropy import SeededEntropy
from entrenous.node.config import Config
from entrenous.node.erasure.erasure import Erasing
from entrenous.node.errors import NotFound, UsageError
from entrenous.node.export.export import Exporting, Wanted
from entrenous.node.export.reimport import Reimporting
from entrenous.node.network.memory import MemoryNetwork, MemoryWorld
from entrenous.node.node import Ground, Node
from entrenous.node.offload import InlineOffload
from entrenous.node.store.errors import StoreError
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.store.objects import Kind
from entrenous.node.vault.journal import Import, State
from entrenous.node.vault.origin import DECLARED, origin_of
from entrenous.node.vault.read_back import read_back
from entrenous.node.vault.tellers import How
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.day import UNDATED, start_ms
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import TRANSACTION
from entrenous.protocol.window import Window
from entrenous.tests.node.killing import KillAt, Killed
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    GAS,
    Party,
    Town,
    TrioClock,
    a_town,
    both_logs_hold,
    lend,
    meet,
    readings,
    settle,
)
from entrenous.tests.node.vault_home import KEYSTORE

PAYMENTS = "finance/accounts/transactions"


def at(day: int, hour: int = 12) -> int:
    return start_ms(day) + hour * 3_600_000


def payments(*rows: tuple[str, int, str]) -> Batch:
    """(id, day, label) each, of 12.50 EUR."""
    return Batch.from_rows(
        TRANSACTION,
        [
            {
                "id": id,
                "time": at(day),
                "offset_min": 60,
                "amount": [-1250 - len(label), 2],
                "currency": "EUR",
                "label": label,
                "counterparty": None,
                "kind": "card",
            }
            for id, day, label in rows
        ],
    ).sorted()


@asynccontextmanager
async def on_disk(path: Path, **more: object) -> AsyncGenerator[Node]:
    async with InlineDatabase(path / "store.db", durable=True) as database:
        network = MemoryNetwork(KEYSTORE.device, MemoryWorld(b"disk"))
        ground = Ground(
            database,
            network,
            TrioClock(),
            SeededEntropy(b"disk"),
            InlineOffload(),
            **more,  # type: ignore[arg-type]  # a checkpoint
        )
        yield Node(ground, KEYSTORE, Config(name="disk"))


async def names(node: Node, path: str) -> list[object]:
    batch = (await node.vault.read(path, 0, UNDATED)).batch
    return list(batch.columns["id"] if batch.schema.has_id else batch.times)


async def put(node: Node, batch: Batch, path: str = PAYMENTS, origin: bytes = b"file") -> None:
    await node.vault.write(path, batch.schema, pieces_of(batch), origin=origin)


def raw_files(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in sorted(folder.iterdir()) if one.is_file())


# --- one record -----------------------------------------------------------------------------------


async def test_a_record_is_gone_from_the_files_and_the_others_stay(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with on_disk(tmp_path) as node:
        await put(
            node, payments(("aaaaaaa1", DAY, "x"), ("bbbbbbb2", DAY, "y"), ("c", DAY + 1, "z"))
        )
        pages = await node.store.database.read(
            lambda tx: node.vault.ciphertexts(tx, node.vault.stored(tx, PAYMENTS, DAY, DAY))
        )
        ((stored, ciphertext),) = pages
        assert ciphertext is not None
        assert ciphertext in raw_files(tmp_path)
        done = await node.erasing.erase_record(PAYMENTS, "aaaaaaa")
        assert (done.records, done.tellings, done.pages) == (1, 1, 1)
        assert await names(node, PAYMENTS) == ["bbbbbbb2", "c"]
        after = raw_files(tmp_path)
        for start in range(0, len(ciphertext) - 16, 16):
            assert ciphertext[start : start + 16] not in after
        assert await read_back([tmp_path / "store.db"], done.needles, node.offload) == 1
        # The salt was in the catalogue alone: the page that somebody copied opens for nobody.
        now = await node.store.database.read(lambda tx: node.vault.stored(tx, PAYMENTS, 0, UNDATED))
        assert stored.raw not in {one.raw for one in now}
        collection = await node.store.database.read(
            lambda tx: node.vault.collections.get(tx, PAYMENTS)
        )
        assert (collection.records, collection.pages) == (2, 2)


async def test_reading_back_finds_what_was_not_overwritten(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with on_disk(tmp_path) as node:
        (tmp_path / "copy").write_bytes(b"-" * 1_048_570 + b"a needle over an edge" + b"-" * 99)
        with pytest.raises(StoreError, match="still"):
            await read_back([tmp_path / "copy"], [b"a needle over an edge"], node.offload)


async def test_every_telling_of_the_fact_goes(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with on_disk(tmp_path) as node:
        batch = payments(("one", DAY, "market square"))
        row = Import(
            b"1" * 16, "a.ofx", "ofx", PAYMENTS, State.DONE, b"p" * 16,
            1, 1, 1, 0, 0, DAY, DAY, 5, 6,
        )  # fmt: skip
        await node.store.database.write(lambda tx: node.imports.journal.put(tx, row))
        await put(node, batch, origin=row.id)
        await put(node, payments(("two", DAY + 1, "market square")), origin=DECLARED)
        # Two tellers, two ids, one fact.
        assert await names(node, PAYMENTS) == ["one"]
        done = await node.erasing.erase_record(PAYMENTS, "one")
        assert (done.records, done.tellings) == (1, 2)
        (left,) = await node.imports.list()
        assert left.records == 0
        assert await names(node, PAYMENTS) == []
        erased = await node.store.database.read(node.vault.erased.all)
        assert [(one.path, one.count, one.first, one.last) for one in erased] == [
            (PAYMENTS, 2, DAY, DAY + 1)
        ]


async def test_what_is_not_there_or_not_clear_is_refused_and_nothing_changes(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with on_disk(tmp_path) as node:
        await put(node, payments(("abcdef1", DAY, "x"), ("abcdef2", DAY, "y")))
        for name, error in (("abcdef", UsageError), ("abc", NotFound), ("zzzzzz", NotFound)):
            with pytest.raises(error):
                await node.erasing.erase_record(PAYMENTS, name)
        with pytest.raises(NotFound):
            await node.erasing.erase_record("finance/none", "abcdef1")
        with pytest.raises(NotFound):
            await node.erasing.erase_collection("finance/none")
        assert await names(node, PAYMENTS) == ["abcdef1", "abcdef2"]


# --- not back unnoticed ---------------------------------------------------------------------------

OFX = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:UTF-8
CHARSET:NONE
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

<OFX><BANKMSGSRSV1><STMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>EUR
<BANKACCTFROM><BANKID>1<ACCTID>2<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST>
<DTSTART>20260101<DTEND>20260131
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260105<TRNAMT>-12.50<FITID>first<NAME>Market</STMTTRN>
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260106<TRNAMT>-8.00<FITID>second<NAME>Bakery</STMTTRN>
</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""


async def test_an_import_leaves_it_out_and_says_so_until_that_is_lifted(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "january.ofx").write_text(OFX)
    (tmp_path / "again.ofx").write_text(OFX + "\n")
    async with on_disk(tmp_path / "disk") as node:
        report = await node.imports.commit(tmp_path / "january.ofx")
        path = report.imported[0].path
        first = next(str(one) for one in await names(node, path))
        await node.erasing.erase_record(path, first)
        (preview,) = await node.imports.preview(tmp_path / "again.ofx")
        assert any("you erased" in note for note in preview.notes)
        report = await node.imports.commit(tmp_path / "again.ofx")
        assert any("1 record was left out" in note for note in report.imported[0].notes)
        assert first not in await names(node, path)
        assert await node.store.database.write(lambda tx: node.erasing.lift(tx, path)) == 1
        report = await node.imports.commit(tmp_path / "january.ofx")
        assert not any("you erased" in note for note in report.imported[0].notes)
        assert first in await names(node, path)


async def test_a_program_does_not_bring_it_back_and_the_person_does(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with on_disk(tmp_path) as node:
        batch = payments(("aaaaaaa1", DAY, "x"))
        await put(node, batch)
        await node.erasing.erase_record(PAYMENTS, "aaaaaaa1")
        async with node.declared.at_hand():
            added = await node.declared.add(PAYMENTS, batch, origin=origin_of(b"p" * 36))
            assert (added.new, added.doubles) == (0, 1)
            assert await names(node, PAYMENTS) == []
            added = await node.declared.add(PAYMENTS, batch)
            assert added.new == 1
        assert await names(node, PAYMENTS) == ["aaaaaaa1"]
        assert not await node.store.database.read(node.vault.erased.all)


async def a_delivery(town: Town) -> tuple[Party, Party]:
    alice, volt = await town.party("alice"), await town.party("volt")
    await meet(alice, volt)
    await volt.node.deliveries.deliver("alice", CURVE, readings(DAY, 10), volt.now_ms)
    await settle()
    return alice, volt


async def test_a_delivery_leaves_it_out_says_so_and_the_rest_stays_signed(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        alice, volt = await a_delivery(town)
        await alice.node.erasing.erase_record(CURVE, at(DAY + 3))
        await volt.node.deliveries.deliver("alice", CURVE, readings(DAY + 2, 5), volt.now_ms)
        await settle()
        received = await alice.read(alice.node.deliveries.received)
        assert [one.erased for one in received] == [0, 1]
        assert at(DAY + 3) not in await names(alice.node, CURVE)
        assert len(await names(alice.node, CURVE)) == 239
        shop = await town.party("shop")
        await meet(alice, shop)
        await lend(alice, shop, Window(CURVE, DAY, DAY + 9))
        pair = await shop.peer("alice")
        lent = await shop.node.fetcher.fetch(pair, Window(CURVE, DAY, DAY + 9))
        proven = {(one.first - DAY, one.last - DAY, one.reason) for one in lent.provenance}
        assert proven == {(0, 2, None), (4, 9, None), (2, 2, None), (4, 6, None)}
        assert lent.batch is not None
        assert len(lent.batch) == 239


# --- readers --------------------------------------------------------------------------------------


async def test_a_reader_sees_what_is_missing(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice, _ = await a_delivery(town)
        shop = await town.party("shop")
        await meet(alice, shop)
        whole = Window(CURVE, DAY, DAY + 9)
        given = await lend(alice, shop, whole)
        pair = await shop.peer("alice")
        await shop.node.fetcher.fetch(pair, whole)
        await shop.down()
        done = await alice.node.erasing.erase_record(CURVE, at(DAY + 4))
        assert done.lent == (given.cid,)
        # Its terms do not bind it to delete: it is not asked, and sees all the same what is missing
        assert await alice.read(alice.node.store.outbox.all) == []
        await shop.up()
        await settle(5)
        lent = await shop.node.fetcher.fetch(pair, whole)
        assert [(one.first, one.last, one.reason) for one in lent.provenance] == [
            (DAY, DAY + 3, None),
            (DAY + 5, DAY + 9, None),
        ]
        assert lent.batch is not None
        assert at(DAY + 4) not in lent.batch.times
        assert len(lent.batch) == 239
        reading = await alice.node.vault.read(CURVE, DAY + 4, DAY + 4, sources=True)
        assert reading.tellings is not None
        (teller,) = reading.tellings.tellers
        assert (teller.how, teller.statement) == (How.DELIVERED, None)
        await both_logs_hold(alice, shop)


async def test_a_grant_on_an_erased_collection_stays_true_and_serves_nothing(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        alice, volt = await a_delivery(town)
        shop = await town.party("shop")
        await meet(alice, shop)
        whole = Window(CURVE, DAY, DAY + 15)
        given = await lend(alice, shop, whole)
        await alice.fill(GAS, DAY, 2)
        done = await alice.node.erasing.erase_collection(CURVE)
        assert (done.records, done.pages, done.lent) == (240, 10, (given.cid,))
        pair = await shop.peer("alice")
        lent = await shop.node.fetcher.fetch(pair, whole)
        assert (lent.batch, lent.pages) == (None, 0)
        with pytest.raises(NotFound):
            await alice.node.vault.read(CURVE, 0, UNDATED)
        assert len(await names(alice.node, GAS)) == 48
        assert not await alice.read(lambda tx: alice.node.store.objects.all(tx, Kind.STATEMENT))
        assert not await alice.read(alice.node.deliveries.received)
        # What comes later is another matter, and the same grant serves it.
        await volt.node.deliveries.deliver("alice", CURVE, readings(DAY + 9, 3), volt.now_ms)
        await settle()
        assert len(await names(alice.node, CURVE)) == 48
        lent = await shop.node.fetcher.fetch(pair, whole)
        assert lent.batch is not None
        assert len(lent.batch) == 48
        await both_logs_hold(alice, shop, volt)


# --- a collection ---------------------------------------------------------------------------------


@pytest.mark.parametrize("again", ["asked again", "kept house"])
@pytest.mark.parametrize("step", range(5))
async def test_a_collection_cut_at_any_step_goes_in_the_end(
    step: int, again: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with on_disk(tmp_path, checkpoint=KillAt(step, of="erase")) as node:
        await put(node, readings(DAY, 70), CURVE)
        await put(node, readings(DAY, 1), GAS)
        with pytest.raises(Killed):
            await node.erasing.erase_collection(CURVE)
    async with on_disk(tmp_path) as node:
        if step == 4:  # it was done
            with pytest.raises(NotFound):
                await node.erasing.erase_collection(CURVE)
        elif again == "asked again":
            await node.erasing.erase_collection(CURVE)
        else:
            await node.keep_house()
        assert await node.erasing.go_on() == 0
        with pytest.raises(NotFound):
            await node.vault.read(CURVE, 0, UNDATED)
        assert len(await names(node, GAS)) == 24
        erased = await node.store.database.read(node.vault.erased.all)
        assert [(one.path, one.count) for one in erased] == [(CURVE, 70 * 24)]
        rows = await node.store.database.read(lambda tx: tx.one("SELECT count(*) FROM page"))
        assert rows == (1,)


async def test_what_comes_after_the_claim_stays(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with on_disk(tmp_path, checkpoint=KillAt(0, of="erase")) as node:
        await put(node, readings(DAY, 3), CURVE)
        with pytest.raises(Killed):
            await node.erasing.erase_collection(CURVE)
    async with on_disk(tmp_path) as node:
        await put(node, readings(DAY + 1, 4), CURVE)
        await node.keep_house()
        assert len(await names(node, CURVE)) == 4 * 24


class FullDisk:
    """Stands before the database of an `Erasing`, and refuses the writes that erase."""

    def __init__(self, erasing: Erasing) -> None:
        self.database = erasing._database  # pyright: ignore[reportPrivateUsage]  # it is put before it
        self.full = True

    def __getattr__(self, name: str) -> object:
        return getattr(self.database, name)

    async def erase(self, unit: object) -> object:
        if self.full:
            raise StoreError("the disk is full; free some space and try again")
        return await self.database.erase(unit)  # type: ignore[arg-type]  # passed through


async def test_a_full_disk_leaves_the_record_whole_and_the_collection_claimed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with on_disk(tmp_path) as node:
        await put(node, readings(DAY, 2), CURVE)
        disk = FullDisk(node.erasing)
        node.erasing._database = disk  # type: ignore[assignment]  # as above
        with pytest.raises(StoreError, match="full"):
            await node.erasing.erase_record(CURVE, at(DAY))
        assert len(await names(node, CURVE)) == 48
        with pytest.raises(StoreError, match="full"):
            await node.erasing.erase_collection(CURVE)
        disk.full = False
        assert await node.erasing.go_on() == 1
        with pytest.raises(NotFound):
            await names(node, CURVE)


async def test_what_was_erased_is_not_exported_and_does_not_come_back_with_an_export(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        alice, _ = await a_delivery(town)
        await Exporting(alice.node, "t").export(tmp_path / "before", Wanted())
        await alice.node.erasing.erase_record(CURVE, at(DAY + 4))
        done = await Exporting(alice.node, "t").export(tmp_path / "after", Wanted())
        assert done.records == 239
        fresh = await town.party("fresh")
        await Reimporting(fresh.node).take(tmp_path / "after")
        assert len(await names(fresh.node, CURVE)) == 239
        reading = await fresh.node.vault.read(CURVE, DAY + 4, DAY + 4, sources=True)
        assert reading.tellings is not None
        assert [one.how for one in reading.tellings.tellers] == [How.DELIVERED]
        await alice.node.erasing.erase_collection(CURVE)
        with pytest.raises(Exception, match="were erased here"):
            await Reimporting(alice.node).take(tmp_path / "before")

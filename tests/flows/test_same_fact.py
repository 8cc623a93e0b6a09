"""One payment, told by a file and by the bank itself: shown once, both kept, each taken back alone.

import ── deliver          the same facts are shown
deliver ── import
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import trio
import trio.testing

from entrenous.apps.readers import ofx
from entrenous.node.config import Role
from entrenous.node.vault.stored import Reading
from entrenous.node.vault.tellers import How
from entrenous.protocol.day import DAY_MS, UNDATED, day_of
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import TRANSACTION
from entrenous.protocol.window import Window
from entrenous.simulations.files import GeneratedFile, bank_file
from entrenous.tests.node.two_nodes import Party, Town, a_town, lend, meet, settle

BANK = "finance/accounts/transactions"
EVER = (0, UNDATED - 1)
MONTH = bank_file(3, months=1)


def own_words(file: GeneratedFile) -> Batch:
    """What the bank says of the same month: ids of its own, other words around, a day later."""
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(_batch(file).rows()):
        rows.append(
            {
                **row,
                "id": f"bank-{number}",
                "time": cast("int", row["time"]) + DAY_MS * (number % 2),
                "label": f"PAYMENT {row['label']}",
                "counterparty": None,
            }
        )
    return Batch.from_rows(TRANSACTION, rows).sorted()


def _batch(file: GeneratedFile) -> Batch:
    (item,) = ofx.reader.read(file.data, file.name).items
    return item.batch


async def two(town: Town) -> tuple[Party, Party]:
    alice, bank = await town.party("alice"), await town.party("bank", Role.ORGANISATION)
    await meet(alice, bank)
    return alice, bank


async def deliver(bank: Party, batch: Batch) -> None:
    await bank.node.deliveries.deliver("alice", BANK, batch, bank.now_ms)
    bank.node.outgoing.notify()
    await settle()


async def read(party: Party, *, sources: bool = False) -> Reading:
    return await party.node.vault.read(BANK, *EVER, sources=sources)


def facts(reading: Reading) -> list[dict[str, Any]]:
    return [dict(row) for row in reading.batch.rows()]


async def test_the_order_of_import_and_delivery_does_not_matter(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    path = tmp_path / "march.ofx"
    path.write_bytes(MONTH.data)
    said = own_words(MONTH)
    shown: list[list[dict[str, Any]]] = []
    for delivered_first in (False, True):
        async with a_town(b"order") as town:
            alice, bank = await two(town)
            if delivered_first:
                await deliver(bank, said)
            report = await alice.node.imports.commit(path)
            if not delivered_first:
                await deliver(bank, said)
            (imported,) = report.imported
            (received,) = await alice.read(alice.node.deliveries.received)
            assert received.told is not None
            if delivered_first:
                assert (imported.new, imported.same) == (0, len(said))
                assert imported.same_as == {"delivered by bank": len(said)}
                assert (received.told.new, received.told.same) == (len(said), 0)
            else:
                assert (imported.new, imported.same) == (len(said), 0)
                assert (received.told.new, received.told.same) == (0, len(said))
                assert received.told.same_as == {"imported from march.ofx": len(said)}
            shown.append(facts(await read(alice)))
    assert shown[0] == shown[1]
    assert len(shown[0]) == len(said)
    assert {row["id"] for row in shown[0]} == set(said.columns["id"]), "what the bank signed"


async def test_each_telling_is_named_and_an_undo_takes_its_own_only(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    path = tmp_path / "march.ofx"
    path.write_bytes(MONTH.data)
    said = own_words(MONTH)
    async with a_town(b"undo") as town:
        alice, bank = await two(town)
        await deliver(bank, said)
        before = facts(await read(alice))
        (imported,) = (await alice.node.imports.commit(path)).imported
        reading = await read(alice, sources=True)
        assert reading.tellings is not None
        for tellings in reading.tellings.of_record:
            who = [reading.tellings.tellers[one.teller] for one in tellings]
            assert [teller.how for teller in who] == [How.DELIVERED, How.IMPORTED]
            assert [teller.who for teller in who] == ["bank", "march.ofx"]
            assert {"id", "label"} <= set(tellings[1].differs)
            assert not {"amount", "currency"} & set(tellings[1].differs)
        assert (reading.conflicts, reading.tellings.ambiguous) == (0, 0)
        await alice.node.imports.undo(imported.id)
        assert facts(await read(alice)) == before
        # A part of the month is read as it stands in the whole.
        middle = day_of(said.times[len(said) // 2])
        await alice.node.imports.commit(path)
        halves = [
            facts(await alice.node.vault.read(BANK, *days))
            for days in ((0, middle), (middle + 1, UNDATED - 1))
        ]
        assert halves[0] + halves[1] == before


async def test_the_same_file_from_both_sides_is_kept_once_and_noted(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """The bank delivers the very file: its ids are those of the import."""
    path = tmp_path / "march.ofx"
    path.write_bytes(MONTH.data)
    batch = _batch(MONTH)
    async with a_town(b"same") as town:
        alice, bank = await two(town)
        await deliver(bank, batch)
        (imported,) = (await alice.node.imports.commit(path)).imported
        assert (imported.records, imported.duplicates) == (0, len(batch))
        reading = await read(alice, sources=True)
        assert reading.tellings is not None
        for tellings in reading.tellings.of_record:
            who = [reading.tellings.tellers[one.teller].sentence() for one in tellings]
            assert who == ["delivered by bank", "imported from march.ofx"]
            assert all(one.differs == () for one in tellings)
        await alice.node.imports.undo(imported.id)
        after = await read(alice, sources=True)
        assert after.tellings is not None
        assert all(len(tellings) == 1 for tellings in after.tellings.of_record)


async def test_a_peer_cannot_hide_a_fact_behind_one_that_looks_alike(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Lookalikes of another peer's facts, and other amounts under their ids: all seen."""
    said = own_words(MONTH)
    async with a_town(b"hide") as town:
        alice, bank = await two(town)
        shop = await town.party("shop", Role.ORGANISATION)
        await meet(alice, shop)
        await deliver(bank, said)
        before = facts(await read(alice))
        alike = [{**row, "id": f"x{number}"} for number, row in enumerate(said.rows())]
        await deliver(shop, Batch.from_rows(TRANSACTION, alike).sorted())
        both = await read(alice)
        assert len(both.batch) == 2 * len(said)
        assert {row["id"] for row in before} <= {row["id"] for row in facts(both)}
        row = next(said.rows())
        mantissa, scale = cast("list[int]", row["amount"])
        lie = {**row, "amount": [mantissa + 1, scale]}
        await deliver(shop, Batch.from_rows(TRANSACTION, [lie]))
        reading = await read(alice, sources=True)
        assert reading.conflicts == 1
        assert next(one for one in facts(reading) if one["id"] == row["id"]) == row
        received = await alice.read(alice.node.deliveries.received)
        assert [one.told.differing for one in received if one.told] == [0, 0, 1]


async def test_a_reader_of_the_grant_gets_the_pages_as_they_are_stored(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    path = tmp_path / "march.ofx"
    path.write_bytes(MONTH.data)
    said = own_words(MONTH)
    first, last = day_of(said.times[0]) - 2, day_of(said.times[-1]) + 2
    async with a_town(b"lent") as town:
        alice, bank = await two(town)
        adviser = await town.party("adviser", Role.ORGANISATION)
        await meet(alice, adviser)
        await deliver(bank, said)
        await alice.node.imports.commit(path)
        window = Window(BANK, first, last)
        await lend(alice, adviser, window)
        lent = await adviser.node.fetcher.fetch(await adviser.peer("alice"), window)
        assert [proof.reason for proof in lent.provenance] == [None]
        assert lent.batch is not None
        assert set(said.columns["id"]) <= set(lent.batch.columns["id"]), "all that the bank signed"
        assert len(lent.batch) == len(said), "the reader's node recognises the facts too"

"""Declared records through the operations, on a node that runs and on a home without one."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from entrenous.node.client import Client, connect
from entrenous.node.errors import NodeError, NotFound, UsageError
from entrenous.node.imports.spelled import spelled
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.store.home import Home
from entrenous.protocol.day import day_of
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import CONTACT, METER_READING, TRANSACTION
from entrenous.simulations.files import bank_file
from entrenous.tests.node.push_node import PATH as INDEX
from entrenous.tests.node.push_node import reading, served
from entrenous.tests.node.two_nodes import a_town

BANK = "finance/accounts/transactions"
CONTACTS = "identity/contacts"


def payments(*labels: str, date: str = "2026-03-01") -> Batch:
    told = {"time": f"{date}T10:00Z", "amount": "-1.00", "currency": "EUR"}
    rows = [spelled(TRANSACTION, {**told, "label": label, "id": f"payment-{label}"})
            for label in sorted(labels)]  # fmt: skip
    return Batch.from_rows(TRANSACTION, rows)


async def labels(client: Client) -> list[str]:
    found = await client.read(BANK, 0, 65_535)
    assert not found.damaged
    return sorted(str(label) for label in found.batch.columns["label"])


async def test_added_on_a_node_that_does_not_run() -> None:
    """As a command does it that has opened the home itself."""
    async with a_town() as town:
        party = await town.party("alice")
        client = Client(
            DirectChannel(Host(party.node, Home(Path("/nowhere")), running=False, version="t"))
        )
        added = await client.add(BANK, payments("a", "b"))
        assert (added.new, added.there) == (2, ())
        again = await client.add(BANK, payments("b", "c"))
        assert (again.new, again.there) == (1, (0,))
        assert await labels(client) == ["a", "b", "c"]
        with pytest.raises(NodeError, match="needs a running node"):
            await client.allow("x", BANK, "did:key:z", exp_s=1, per_minute=1)


async def test_one_record_is_taken_out_and_the_others_of_its_page_stay(tmp_path: Path) -> None:
    async with served(tmp_path) as node, connect(node.home.folder) as client:
        await client.add(BANK, payments("a", "b", "c"))
        removed = await client.remove(BANK, "payment-b")
        assert (removed.path, removed.id) == (BANK, "payment-b")
        assert await labels(client) == ["a", "c"]
        assert (await client.add(BANK, payments("b"))).new == 1  # it may be told again
        await client.remove(BANK, "payment-a")
        await client.remove(BANK, "payment-b")
        await client.remove(BANK, "payment-c")
        assert await labels(client) == []
        (info,) = await client.collections()
        assert (info.records, info.pages) == (0, 0)


async def test_a_record_without_an_id_goes_by_its_time(tmp_path: Path) -> None:
    async with served(tmp_path) as node, connect(node.home.folder) as client:
        batch = Batch.from_rows(METER_READING, [reading(1), reading(2)])
        await client.add(INDEX, batch)
        await client.remove(INDEX, t_ms=batch.times[0])
        assert await node.records() == 1
        with pytest.raises(NotFound, match="no such record"):
            await client.remove(INDEX, t_ms=batch.times[0])


async def test_an_undated_record_too(tmp_path: Path) -> None:
    async with served(tmp_path) as node, connect(node.home.folder) as client:
        row = spelled(CONTACT, {"name": "Ada Example", "id": "contact-ada"})
        await client.add(CONTACTS, Batch.from_rows(CONTACT, [row]))
        removed = await client.remove(CONTACTS, "contact-ada")
        assert (removed.id, removed.t_ms) == ("contact-ada", None)


async def test_what_cannot_be_meant_is_not_taken_out(tmp_path: Path) -> None:
    async with served(tmp_path) as node, connect(node.home.folder) as client:
        await client.add(BANK, payments("a", "b"))
        with pytest.raises(UsageError, match="2 records begin like this"):
            await client.remove(BANK, "payment")
        with pytest.raises(NotFound, match="no such record"):
            await client.remove(BANK, "pay")
        with pytest.raises(NotFound, match="no collection"):
            await client.remove("finance/nothing", "payment-a")
        with pytest.raises(UsageError, match="by its id or its time"):
            await client.remove(BANK)
        assert await labels(client) == ["a", "b"]


async def test_what_a_file_brought_is_undone_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "march.ofx"
    file.write_bytes(bank_file(1).data)
    async with served(tmp_path) as node, connect(node.home.folder) as client:
        await client.import_(file)
        found = await client.read(BANK, 0, 65_535)
        with pytest.raises(NodeError, match="imports undo"):
            await client.remove(BANK, str(found.batch.columns["id"][0]))
        assert len((await client.read(BANK, 0, 65_535)).batch) == len(found.batch)


async def test_what_a_program_pushed_can_be_taken_out(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        token = await node.allow()
        with node.line(token, 5) as line:
            await trio.to_thread.run_sync(line.add_rows, [reading(1)])
        async with connect(node.home.folder) as client:
            removed = await client.remove(INDEX, t_ms=int(str(reading(1)["time"])))
            assert day_of(removed.t_ms or 0) == 46_000
        assert await node.records() == 0


async def test_the_bytes_of_a_removed_record_are_overwritten(tmp_path: Path) -> None:
    """Its page is gone from the catalogue and from the file of the store, key and all."""
    async with served(tmp_path) as node, connect(node.home.folder) as client:
        await client.add(BANK, payments("a"))
        vault = node.node.vault
        found = await vault.store.database.read(
            lambda tx: vault.ciphertexts(tx, vault.stored(tx, BANK, 0, 65_535))
        )
        ((stored, ciphertext),) = found
        assert ciphertext is not None
        await client.remove(BANK, "payment-a")
        gone = await vault.store.database.read(lambda tx: vault.ciphertexts(tx, [stored]))
        assert gone[0][1] is None


async def test_arguments_that_are_not_what_they_must_be(tmp_path: Path) -> None:
    async with served(tmp_path) as node, connect(node.home.folder) as client:
        good = payments("a")
        with pytest.raises(NodeError, match="begins with one of"):
            await client.add("secrets/all", good)
        await client.add(BANK, good)
        with pytest.raises(NodeError, match="holds transaction/1"):
            await client.add(BANK, Batch.from_rows(METER_READING, [reading(1)]))

"""Shared records go with an export, and come back as both sides signed them or not at all."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.client import Client
from entrenous.node.errors import NodeError, UsageError
from entrenous.node.export.export import Exporting, Wanted
from entrenous.node.export.reimport import Reimporting
from entrenous.node.node import Node
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.shared.kept import SharedKept
from entrenous.node.store.home import Home
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.shared_proof import parse_proof
from entrenous.tests.node.lost_device import a_theft
from entrenous.tests.node.shared_town import CONTACTS, bank_and_ada, client_of, kept, one
from entrenous.tests.node.test_reimport import a_node, edited, resealed
from entrenous.tests.node.test_shared_succession import followed
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, a_town, settle

NEW_RECORD = '{"id": "c7", "kind": "individual", "name": "Cleo Example"}'


async def a_history(ada: Party, bank: Party) -> None:
    """One record with a dispute and an acceptance, another of which nobody has delivered."""
    client = client_of(ada)
    await client.shared_propose("bank", CONTACTS, "c1", changes=[("addresses", "2 New Street")])
    await settle()
    id = (await one(bank)).id
    await client_of(bank).shared_answer(id, accept=False, reason="a bill, please")
    await settle()
    await client_of(bank).shared_answer(id, accept=True)
    await client.shared_propose("bank", CONTACTS, whole=NEW_RECORD, reason="a new one")
    await settle()


async def export_of(party: Party, folder: Path, wanted: Wanted | None = None) -> Path:
    await Exporting(party.node, "t").export(folder, Wanted() if wanted is None else wanted)
    return folder


def client_at(node: Node) -> Client:
    return Client(DirectChannel(Host(node, Home(Path("/nowhere")), True, "test")))


async def all_of(node: Node) -> list[SharedKept]:
    return await node.store.database.read(node.shared.all)


async def test_both_copies_come_back_with_their_histories_and_are_proven(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        await a_history(ada, bank)
        before = await all_of(ada.node)
        folder = await export_of(ada, tmp_path / "e")
    async with a_node() as new:
        await Reimporting(new).take(folder)
        after = await all_of(new)
        assert [one.name.id for one in after] == ["c1", "c7"]
        for old, came in zip(before, after, strict=True):
            assert (came.own, came.their, came.kept) == (old.own, old.their, old.kept)
            assert (came.versions, came.told, came.state) == (old.versions, old.told, old.state)
            assert not came.waits
        client = client_at(new)
        first, second = await client.shared()
        assert (first.peer, first.brought, first.agree) == ("bank", True, True)
        assert len(await client.shared_history(first.id)) == 3
        for whole in (True, False):
            proof = parse_proof((await client.shared_prove(first.id, whole=whole)).proof)
            assert proof.copies.agree
        # Nobody here has the keys to say more.
        for say in (
            client.shared_answer(first.id, accept=True),
            client.shared_answer(first.id, accept=False, reason="no"),
            client.shared_withdraw(second.id),
        ):
            with pytest.raises(UsageError, match="came with an export"):
                await say
        # Taken in again it changes nothing; exported again it is the same.
        await Reimporting(new).take(folder)
        assert await all_of(new) == after
        await Exporting(new, "t").export(tmp_path / "again", Wanted())
        for name in ("shared.jsonl", "shared-versions.jsonl"):
            assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


async def test_what_spans_a_succession_is_proven_on_the_new_node(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_theft(tmp_path) as lost:
        alice, _ = await followed(lost)
        before = await kept(alice)
        folder = await export_of(alice, tmp_path / "e")
    async with a_node() as new:
        await Reimporting(new).take(folder)
        (came,) = await all_of(new)
        assert came.versions == before.versions
        assert came.copies.agree
        client = client_at(new)
        proof = parse_proof((await client.shared_prove(came.id, whole=True)).proof)
        assert len(proof.lines) == 1


async def test_what_was_brought_is_erased_like_all_else_and_not_brought_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        await a_history(ada, bank)
        folder = await export_of(ada, tmp_path / "e")
    async with a_node() as new:
        await Reimporting(new).take(folder)
        await new.erasing.erase_record(CONTACTS, "c7")
        await new.erasing.erase_collection(CONTACTS)
        assert await all_of(new) == []
    async with a_node(b"other") as other:
        # Nothing of the collection is here, but that one record of it was erased.
        erased = {65_535: ["c7"]}
        await other.store.database.write(lambda tx: other.vault.erased.add(tx, CONTACTS, erased, 1))
        with pytest.raises(NodeError, match="erased"):
            await Reimporting(other).take(folder)
        assert await all_of(other) == []


async def test_chosen_collections_bring_what_is_shared_of_them(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        await a_history(ada, bank)
        await ada.fill(CURVE, DAY, 1)
        curve = await export_of(ada, tmp_path / "curve", Wanted((CURVE,)))
        contacts = await export_of(ada, tmp_path / "contacts", Wanted((CONTACTS,)))
        assert (curve / "shared.jsonl").read_bytes() == b""
        assert (curve / "shared-versions.jsonl").read_bytes() == b""
        assert len((contacts / "shared.jsonl").read_bytes().splitlines()) == 2


# --- exports that were altered --------------------------------------------------------------------

Alter = Callable[[Path], None]


def _lines(folder: Path, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def _written(folder: Path, name: str, lines: list[dict[str, object]]) -> None:
    (folder / name).write_text("".join(json.dumps(one) + "\n" for one in lines))
    resealed(folder)


def versions(change: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> Alter:
    def alter(folder: Path) -> None:
        name = "shared-versions.jsonl"
        _written(folder, name, change(_lines(folder, name)))

    return alter


def records(change: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> Alter:
    def alter(folder: Path) -> None:
        _written(folder, "shared.jsonl", change(_lines(folder, "shared.jsonl")))

    return alter


def put(key: str, value: object) -> Alter:
    return edited("shared.jsonl", lambda one: one.update({key: value}))


def put_version(key: str, value: object) -> Alter:
    return edited("shared-versions.jsonl", lambda one: one.update({key: value}))


def _flipped(one: dict[str, object]) -> object:
    text = str(one["signed"])
    one["signed"] = text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:]
    return None


def _swapped(one: dict[str, object]) -> object:
    """The bank has said what Ada said."""
    one["own"], one["their"] = one["their"], one["own"]
    return None


STRANGER = "did:key:z6MkeTG3bFFSLYVU7VqhgZxqr6YzpaGrQtFMh1uvqGy1vDnQ"
ALTERED: Mapping[str, Alter] = {
    "a signature is changed": edited("shared-versions.jsonl", _flipped),
    "a word is shown otherwise": put_version("word", "withdrawn"),
    "a reason is shown otherwise": put_version("reason", "because"),
    "a number is shown otherwise": put_version("n", 7),
    "a state that is not known": put_version("state", "believed"),
    "a version is left out": versions(lambda lines: [lines[0], *lines[2:]]),
    "the first version is left out": versions(lambda lines: lines[1:]),
    "all versions are left out": versions(lambda _: []),
    "a version is there twice": versions(lambda lines: [lines[0], lines[0], *lines[1:]]),
    "versions of a record that is not there": records(lambda lines: lines[:1]),
    "a record is there twice": records(lambda lines: [*lines, lines[0]]),
    "another schema": put("schema", "transaction/1"),
    "another collection": put("path", "identity/others"),
    "kept elsewhere": put("kept", "energy/water"),
    "another record": put("id", "c2"),
    "one side is somebody else": put("their", STRANGER),
    "both sides are one": edited("shared.jsonl", lambda one: one.update(own=one["their"])),
    "nothing was delivered that was": put("told", "AAAA"),
    "told is no text": put("told", 5),
    "a line of personas that is none": put("lines", ["gA=="]),
    "bytes in another spelling": edited(
        "shared-versions.jsonl", lambda one: one.update(signed=f"{one['signed']}\n")
    ),
    "a key is missing": edited("shared.jsonl", lambda one: one.pop("kept")),
    "a key too many": put("more", 1),
}


@pytest.fixture(scope="module")
def folders() -> dict[str, Path]:
    return {}


@pytest.mark.parametrize("name", ALTERED)
async def test_an_altered_export_brings_nothing(
    name: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    folders: dict[str, Path],
    autojump_clock: MockClock,
) -> None:
    if "good" not in folders:
        async with a_town() as town:
            ada, bank = await bank_and_ada(town)
            await a_history(ada, bank)
            folders["good"] = await export_of(ada, tmp_path_factory.mktemp("export") / "e")
    altered = tmp_path / "e"
    shutil.copytree(folders["good"], altered)
    ALTERED[name](altered)
    async with a_node() as new:
        with pytest.raises(ReaderError) as refused:
            await Reimporting(new).take(altered)
        assert "nothing was taken in" in str(refused.value)
        assert await all_of(new) == []
        assert await new.store.database.read(new.vault.collections.all) == []
        # The copy that was altered is good before.
        await Reimporting(new).take(folders["good"])


async def test_sides_that_are_swapped_are_the_same_record_from_the_other_side(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Not a fault that a reader could see: what each signed stays signed by the same."""
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        await a_history(ada, bank)
        folder = await export_of(ada, tmp_path / "e")
    edited("shared.jsonl", _swapped)(folder)
    async with a_node() as new:
        await Reimporting(new).take(folder)
        first, _ = await all_of(new)
        assert first.copies.agree

"""Exports: everything that a vault holds, exact, verifiable by a stranger, resumable."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.crypto.merkle import tree_hash
from entrenous.node.export.export import Exporting, Wanted
from entrenous.node.export.folder import UNFINISHED, ExportError
from entrenous.protocol.cid import cid_text
from entrenous.protocol.export_manifest import parse_manifest
from entrenous.protocol.record_text import batch_of_texts, field_names
from entrenous.protocol.statement import day_leaf, parse_statement
from entrenous.protocol.window import Window
from entrenous.tests.node.killing import KillAt, Killed
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    GAS,
    Party,
    Town,
    a_town,
    lend,
    meet,
    readings,
    settle,
)


async def handed_over(town: Town) -> tuple[Party, Party]:
    """A person to whom a supplier handed ten days back, and who has gas readings of a file."""
    alice, volt = await town.party("alice"), await town.party("volt")
    await meet(alice, volt)
    await volt.node.deliveries.deliver("alice", CURVE, readings(DAY, 10), volt.now_ms)
    await settle()
    await alice.fill(GAS, DAY, 3)
    return alice, volt


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


async def test_every_record_is_there_and_a_stranger_verifies_what_was_signed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        alice, volt = await handed_over(town)
        await lend(alice, volt, Window(CURVE, DAY, DAY + 4))
        target = tmp_path / "export"
        done = await Exporting(alice.node, "test").export(target, Wanted(as_csv=True))
        assert (done.collections, done.records, done.facts) == (2, 13 * 24, 13 * 24)
        assert (done.statements, done.damaged) == (1, ())
        assert not (target / UNFINISHED).exists()
        manifest = parse_manifest((target / "manifest.json").read_bytes())
        files = {str(one.relative_to(target)) for one in target.rglob("*") if one.is_file()}
        assert files == {one.path for one in manifest.files} | {"manifest.json"}

        # A stranger: the statement, the salts and the records are enough.
        statement_at = next((target / "statements").iterdir())
        said = json.loads(statement_at.read_bytes())
        statement = parse_statement(base64.b64decode(said["signed"]))
        assert cid_text(statement.cid) == said["statement"]
        leaves = [bytes.fromhex(one) for one in said["leaves"]]
        assert tree_hash(leaves) == statement.root
        by_page: dict[int, list[dict[str, object]]] = {}
        for line in lines(target / "collections" / CURVE / "records.jsonl"):
            record = {name: line[name] for name in field_names(statement.schema)}
            page = line["_page"]
            assert isinstance(page, int)
            by_page.setdefault(page, []).append(record)
        for number, day in enumerate(said["days"]):
            batch = batch_of_texts(statement.schema, by_page[day["page"]])
            salt = bytes.fromhex(day["salt"])
            leaf = day_leaf(statement.schema, statement.first + number, salt, batch)
            assert leaf == leaves[number]
        assert [one["how"] for one in lines(target / "sources.jsonl")] == ["delivered", "declared"]
        assert len(lines(target / "grants.jsonl")) == 1
        assert lines(target / "terms.jsonl")[0]["content"]
        table = (target / "collections" / CURVE / "records.csv").read_bytes().split(b"\r\n")
        assert len(table) == 240 + 2
        assert table[0] == b"time,duration_s,value,unit,quality"


async def test_days_and_collections_can_be_chosen(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        alice, _ = await handed_over(town)
        wanted = Wanted((CURVE,), DAY + 2, DAY + 3)
        done = await Exporting(alice.node, "test").export(tmp_path / "some", wanted)
        assert (done.collections, done.records) == (1, 48)
        said = json.loads(next((tmp_path / "some" / "statements").iterdir()).read_bytes())
        assert len(said["leaves"]) == 10
        assert [one["records"] for one in said["days"]] == [24, 24]


async def test_a_fact_told_twice_is_one_line_shown_and_one_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        alice, _ = await handed_over(town)
        await alice.fill(CURVE, DAY + 8, 4)
        reading = await alice.node.vault.read(CURVE, DAY, DAY + 20)
        done = await Exporting(alice.node, "test").export(tmp_path / "e", Wanted(as_csv=True))
        assert done.records == (10 + 4 + 3) * 24
        assert done.facts == (12 + 3) * 24
        again = [
            one
            for one in lines(tmp_path / "e/collections" / CURVE / "records.jsonl")
            if one.get("_again")
        ]
        assert len(again) == 48
        assert {one["_source"] for one in again} == {2}
        table = (tmp_path / "e/collections" / CURVE / "records.csv").read_text().splitlines()
        assert len(table) == len(reading.batch) + 1


@pytest.mark.parametrize("step", range(5))
async def test_an_export_cut_at_any_step_goes_on_and_is_no_export_before(
    step: int, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        alice, _ = await handed_over(town)
        target = tmp_path / "export"
        with pytest.raises(Killed):
            await Exporting(alice.node, "t", checkpoint=KillAt(step)).export(target, Wanted())
        whole = step == 4
        assert (target / "manifest.json").exists() is whole
        if whole:
            with pytest.raises(ExportError, match="holds something already"):
                await Exporting(alice.node, "t").export(target, Wanted())
            return
        with pytest.raises(ExportError, match="unfinished export of something else"):
            await Exporting(alice.node, "t").export(target, Wanted(as_csv=True))
        done = await Exporting(alice.node, "t").export(target, Wanted())
        assert done.resumed == min(step, 2)
        assert done.records == 13 * 24
        other = await Exporting(alice.node, "t").export(tmp_path / "other", Wanted())
        for one in parse_manifest((tmp_path / "other/manifest.json").read_bytes()).files:
            assert (target / one.path).read_bytes() == (tmp_path / "other" / one.path).read_bytes()
        assert other.records == done.records


async def test_what_changed_meanwhile_is_written_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        alice, _ = await handed_over(town)
        target = tmp_path / "export"
        with pytest.raises(Killed):
            await Exporting(alice.node, "t", checkpoint=KillAt(2)).export(target, Wanted())
        await alice.fill(GAS, DAY + 3, 1)
        done = await Exporting(alice.node, "t").export(target, Wanted())
        assert (done.resumed, done.records) == (1, 14 * 24)


async def test_nothing_is_written_over_and_no_link_is_followed(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        alice, _ = await handed_over(town)
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "letter").write_text("mine")
        with pytest.raises(ExportError, match="nothing was written over it"):
            await Exporting(alice.node, "t").export(tmp_path / "full", Wanted())
        (tmp_path / "link").symlink_to(tmp_path / "full")
        with pytest.raises(ExportError, match="is no folder"):
            await Exporting(alice.node, "t").export(tmp_path / "link", Wanted())
        assert [one.name for one in (tmp_path / "full").iterdir()] == ["letter"]


async def test_no_secret_of_the_node_is_in_an_export(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with a_town() as town:
        alice, volt = await handed_over(town)
        given = await lend(alice, volt, Window(CURVE, DAY, DAY + 4))
        pair = await alice.peer("volt")
        persona = await alice.read(lambda tx: alice.node.peers.persona(tx, pair.own))
        keystore = alice.node.keystore
        secrets = [
            given.k_grant.secret_bytes(),
            pair.key.secret_bytes(),
            persona.key.secret_bytes(),
            persona.reader.secret_bytes(),
            keystore.store.secret_bytes(),
            keystore.epoch.secret.secret_bytes(),
            keystore.device.secret_bytes(),
        ]
        await Exporting(alice.node, "t").export(tmp_path / "e", Wanted())
        whole = b"".join(one.read_bytes() for one in (tmp_path / "e").rglob("*") if one.is_file())
        for secret in secrets:
            for spelled in (secret, secret.hex().encode(), base64.b64encode(secret)[:40]):
                assert spelled not in whole
        assert (tmp_path / "e").stat().st_mode & 0o077 == 0

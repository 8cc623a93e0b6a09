"""The witnessed log as a client and a stranger see it: proofs, checks, consent, status, doctor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.client import Client
from entrenous.node.errors import NotFound, UsageError
from entrenous.node.results.node import State
from entrenous.protocol.checkpoint_note import parse_checkpoint
from entrenous.protocol.log_proof import parse_log_proof
from entrenous.protocol.receipt import Receipt
from entrenous.protocol.window import Window
from entrenous.tests.node.test_operations import client_of, lent, two
from entrenous.tests.node.test_witnesses import next_day
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, Town, a_town, meet, settle


async def a_read(town: Town) -> tuple[Party, Client, Client]:
    """Alice has lent days to the supplier, which has read them."""
    alice, _, owner, reader = await two(town)
    await alice.fill(CURVE, DAY - 3, 3)
    await lent(owner, reader, Window(CURVE, DAY - 3, DAY - 1), alice.now_ms // 1000 + 86_400 * 9)
    await reader.fetch("alice", CURVE, DAY - 3, DAY - 1)
    await settle()
    return alice, owner, reader


async def receipt_of(client: Client) -> int:
    return next(one.index for one in await client.log() if one.kind == "receipt")


def checked(file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """As a stranger does it: a process of its own, without a home."""
    return subprocess.run(
        [sys.executable, "-m", "entrenous.node.cli", "log", "check", str(file), *more],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "ENTRENOUS_HOME": str(file.parent / "nowhere")},
    )


async def test_both_sides_prove_one_read_and_a_stranger_checks_it(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with a_town() as town:
        _, owner, reader = await a_read(town)
        for client, name in ((owner, "owner"), (reader, "reader")):
            made = await client.log_prove(str(await receipt_of(client)))
            proof = parse_log_proof(made.proof)
            assert isinstance(proof.word, Receipt)
            assert proof.word.one_sided is False
            assert proof.served is (name == "owner")
            assert proof.checkpoint.head.size % 64 == 0
            assert proof.delegation is not None
            assert proof.delegation.iss == proof.certificate.persona
            (tmp_path / name).write_bytes(made.proof)
        said = checked(tmp_path / "owner")
        assert said.returncode == 0, said.stderr
        assert "that it served 3 pages (" in said.stdout
        assert "signed that it has these pages" in said.stdout
        assert "signed that grant, to did:key:" in said.stdout
        assert "can certify any device" not in said.stdout
        assert "no witness has cosigned" in said.stdout
        said = checked(tmp_path / "reader", "--json")
        assert said.returncode == 0, said.stderr
        facts = json.loads(said.stdout)
        assert (facts["kind"], facts["pages"], facts["two_sided"]) == ("receipt", 3, True)
        assert facts["log_persona"] == facts["reader"]
        assert (facts["granted"], facts["shows_for_whom"]) == (True, True)
        damaged = bytearray((tmp_path / "owner").read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (tmp_path / "damaged").write_bytes(damaged)
        said = checked(tmp_path / "damaged")
        assert said.returncode == 1
        assert said.stderr.startswith("entrenous: damaged proves nothing: ")
        assert len(said.stderr.splitlines()) == 1
        assert checked(tmp_path / "none").returncode == 3


async def test_one_page_is_one_page(autojump_clock: object, tmp_path: Path) -> None:
    async with a_town() as town:
        _, owner, reader = await a_read(town)
        await reader.fetch("alice", CURVE, DAY - 1, DAY - 1)
        await settle()
        last = max(one.index for one in await owner.log() if one.kind == "receipt")
        (tmp_path / "proof").write_bytes((await owner.log_prove(str(last))).proof)
        assert "that it served 1 page (" in checked(tmp_path / "proof").stdout


async def test_a_word_is_named_by_its_place_or_its_id(autojump_clock: object) -> None:
    async with a_town() as town:
        _, owner, _ = await a_read(town)
        for one in await owner.log():
            assert one.id is not None
            proof = parse_log_proof((await owner.log_prove(str(one.index))).proof)
            assert (proof.word.cid, proof.index) == (one.id, one.index)
        with pytest.raises(NotFound):
            await owner.log_prove("4000")
        with pytest.raises(NotFound):
            await owner.log_prove("aaaaaaaaaaaa")
        with pytest.raises(UsageError):
            await owner.log_prove("ab")
        last = (await owner.log_verify()).size
        with pytest.raises(NotFound):
            await owner.log_prove(str(last - 1))  # a random leaf stands for no word


async def test_witnesses_as_clients_see_them(autojump_clock: object) -> None:
    async with a_town() as town:
        _, owner, reader = await a_read(town)
        await owner.witness_add("supplier")
        await settle()
        findings = [one for one in await reader.health() if one.check == "witness"]
        assert ["asks that you witness its log" in one.sentence for one in findings] == [True]
        await reader.witness_allow("alice")
        await settle()
        (ours,) = await owner.witnesses()
        (theirs,) = await reader.witnesses()
        assert (ours.peer, ours.side, ours.state, ours.size) == ("supplier", "ours", "witness", 64)
        assert (theirs.peer, theirs.side, theirs.state, theirs.size) == (
            "alice",
            "theirs",
            "allowed",
            64,
        )
        assert (await owner.status()).rollback == "confirmed by supplier"
        local = await owner.log_checkpoint()
        assert (local.published, local.size % 64 != 0) == (False, True)
        assert parse_checkpoint(local.note.encode()).head.size == local.size
        shown = await owner.log_checkpoint(publish=True)
        assert (shown.published, shown.size) == (True, 128)
        await settle()
        again = await owner.log_checkpoint(publish=True)
        assert again.size == 192, "the cosignature was a word more"
        await next_day(town)
        verified = await owner.log_verify()
        assert verified.cosigned >= 192
        made = await owner.log_prove(str(await receipt_of(owner)))
        assert made.cosigned == ("supplier",)
        assert await reader.log_forks() == ()
        with pytest.raises(UsageError):
            await owner.witness_add("supplier")
        await reader.witness_refuse("alice", "I move")
        await settle()
        (ours,) = await owner.witnesses()
        assert (ours.state, ours.reason) == ("refused", "I move")
        await owner.witness_remove("supplier")
        assert await owner.witnesses() == ()
        with pytest.raises(NotFound):
            await owner.witness_remove("supplier")
        assert not [one for one in await owner.health() if one.state is State.WRONG]


async def test_a_grant_as_a_consent_record(autojump_clock: object) -> None:
    async with a_town() as town:
        _, owner, reader = await a_read(town)
        (given,), (held,) = await owner.grants(), await reader.grants()
        before = json.loads((await owner.consent(given.id)).text)
        await owner.revoke(given.short)
        await settle()
        for client, grant in ((owner, given), (reader, held)):
            found = json.loads((await client.consent(grant.id)).text)
            record, receipt = found["@graph"]
            assert record["@type"] == "dpv:ConsentRecord"
            assert receipt["dpv:hasRecordOfActivity"] == {"@id": record["@id"]}
            assert record["dct:identifier"] in receipt["dct:identifier"]
            parties = {
                record[key]["@id"] for key in ("dpv:hasDataSubject", "dpv:hasDataController")
            }
            pair = (await owner.peers())[0]
            assert parties == {pair.own, pair.their}
            process = record["dpv:hasProcess"]
            assert process["dpv:hasPurpose"] == {"@id": "dpv:ServiceProvision"}
            (data,) = process["dpv:hasPersonalData"]
            assert data["dct:identifier"] == CURVE
            kinds = [one["@type"] for one in record["dpv:hasConsentStatus"]]
            assert kinds == ["dpv:ConsentRequested", "dpv:ConsentGiven", "dpv:ConsentWithdrawn"]
            named = [one.get("dct:references") for one in record["dpv:hasConsentStatus"]]
            assert all(named), "each says what was signed"
        kinds = [one["@type"] for one in before["@graph"][0]["dpv:hasConsentStatus"]]
        assert kinds == ["dpv:ConsentRequested", "dpv:ConsentGiven"]


async def test_how_many_peers_know_nothing_newer_is_said(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        alice = await town.party("alice")
        said = ("the 1 peer that is connected knows", "the 2 peers that are connected know")
        for name, whom in zip(("bank", "volt"), said, strict=True):
            await meet(alice, await town.party(name))
            asked = [Window(CURVE, DAY - 1, DAY - 1)]
            exp_s = alice.now_ms // 1000 + 86_400
            mine = client_of(alice)
            await mine.ask(name, asked, purpose="dpv:Billing", terms={}, exp_s=exp_s)
            await settle()
            rollback = (await mine.status()).rollback
            assert rollback == f"no sign of it: {whom} nothing that this node does not"

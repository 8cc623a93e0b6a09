"""Shared records against peers that play by no rules, over a real link; and by parcel."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from trio.testing import MockClock

from entrenous.node.shared.shared_records import SHARED_WAITING_MAX
from entrenous.protocol.cid import cid_of
from entrenous.protocol.command import AnswerRecordArgs, Cmd, ProposeArgs
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.receipt import Answer
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import TRANSACTION
from entrenous.protocol.shared_record import (
    Record,
    SharedName,
    SharedVersion,
    SharedWord,
    Told,
    make_version,
)
from entrenous.protocol.statement import make_statement, prove_record
from entrenous.tests.node.shared_town import (
    CONTACTS,
    bank_and_ada,
    client_of,
    kept,
    one,
)
from entrenous.tests.node.two_nodes import Party, RawLink, Rogue, Town, a_town, settle
from entrenous.tests.protocol.spec_shared import UNDATED, contacts

NAME = SharedName(CONTACTS, contacts().schema, "c1")


@dataclass
class Liar:
    """A peer of Ada with a link that is open, who signs whatever it likes."""

    rogue: Rogue
    link: RawLink
    ada: Party
    own: Did = field(init=False)

    def __post_init__(self) -> None:
        self.own = self.rogue.persona_of(self.ada)

    def version(
        self,
        word: SharedWord,
        record: Record | None,
        *,
        n: int = 0,
        prev: bytes | None = None,
        seen: bytes | None = None,
        name: SharedName = NAME,
        to: Did | None = None,
    ) -> SharedVersion:
        return make_version(
            self.rogue.persona, to=to or self.own, name=name, n=n, prev=prev, seen=seen, word=word,
            record=record, reason="", t_ms=self.rogue.now_ms,
        )  # fmt: skip  # one thing

    async def propose(self, version: SharedVersion, told: bytes | None = None) -> Code:
        args = ProposeArgs(self.own, version.raw, told)
        return await self._said(Cmd.PROPOSE, args)

    async def answer(self, version: SharedVersion) -> Code:
        return await self._said(Cmd.ANSWER_RECORD, AnswerRecordArgs(self.own, version.raw))

    async def _said(self, cmd: Cmd, args: ProposeArgs | AnswerRecordArgs) -> Code:
        answer = await self.link.say(self.rogue.own(self.ada, cmd, args.value()))
        assert isinstance(answer, Answer), answer
        return answer.code


async def a_liar(town: Town) -> tuple[Party, Liar]:
    ada = await town.party("ada")
    rogue = await town.rogue("mallory")
    await rogue.meet(ada)
    return ada, Liar(rogue, await rogue.greet(ada), ada)


def saying(text: str) -> Record:
    return {**contacts().row(0), "note": text}


async def test_a_peer_that_says_otherwise_than_it_said_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, liar = await a_liar(town)
        first = liar.version(SharedWord.PROPOSED, saying("one"))
        assert await liar.propose(first) is Code.OK
        assert await liar.propose(first) is Code.OK  # said again, it is kept once
        before = await kept(ada)
        assert len(before.versions) == 1
        other = liar.version(SharedWord.PROPOSED, saying("other"))
        assert await liar.propose(other) is Code.REPLAY
        unknown = liar.version(SharedWord.PROPOSED, saying("x"), n=2, prev=cid_of(b"x"))
        assert await liar.propose(unknown) is Code.NOT_YET
        back = liar.version(SharedWord.PROPOSED, saying("x"), prev=first.cid)
        assert await liar.propose(back) is Code.REPLAY
        seen = liar.version(
            SharedWord.PROPOSED, saying("x"), n=1, prev=first.cid, seen=cid_of(b"x")
        )
        assert await liar.propose(seen) is Code.NOT_YET
        assert await kept(ada) == before


async def test_a_peer_accepts_what_was_not_proposed_or_answers_twice(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, liar = await a_liar(town)
        theirs = liar.version(SharedWord.PROPOSED, saying("one"))
        assert await liar.propose(theirs) is Code.OK
        id = (await one(ada)).id
        await client_of(ada).shared_propose("mallory", CONTACTS, "c1", changes=[("note", "mine")])
        mine = (await kept(ada)).copies.head((await kept(ada)).own)
        assert mine is not None
        lie = liar.version(
            SharedWord.ACCEPTED, saying("yours"), n=1, prev=theirs.cid, seen=mine.cid
        )
        assert await liar.answer(lie) is Code.MALFORMED
        keeps = liar.version(
            SharedWord.DISPUTED, saying("smuggled"), n=1, prev=theirs.cid, seen=mine.cid
        )
        assert await liar.answer(keeps) is Code.MALFORMED
        yes = liar.version(SharedWord.ACCEPTED, mine.record, n=1, prev=theirs.cid, seen=mine.cid)
        assert await liar.propose(yes) is Code.COMMAND  # an answer is not said as a proposal
        assert await liar.answer(yes) is Code.OK
        no = liar.version(SharedWord.DISPUTED, saying("one"), n=1, prev=theirs.cid, seen=mine.cid)
        assert await liar.answer(no) is Code.REPLAY
        no = liar.version(SharedWord.DISPUTED, mine.record, n=2, prev=yes.cid, seen=mine.cid)
        assert await liar.answer(no) is Code.REPLAY
        proposal = liar.version(SharedWord.PROPOSED, saying("x"), n=2, prev=yes.cid)
        assert await liar.answer(proposal) is Code.COMMAND
        found = await one(ada)
        assert (found.id, found.state, found.versions) == (id, "agreed", 3)


async def test_a_version_of_another_hand_or_for_another(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, liar = await a_liar(town)
        bank = await town.party("bank")
        stranger = did_of(bank.node.keystore.device.public)
        elsewhere = liar.version(SharedWord.PROPOSED, saying("x"), to=stranger)
        assert await liar.propose(elsewhere) is Code.AUDIENCE
        raw = liar.version(SharedWord.PROPOSED, saying("x")).raw
        args = ProposeArgs(liar.own, raw[:-1] + bytes([raw[-1] ^ 1]), None)
        inv = liar.rogue.own(ada, Cmd.PROPOSE, args.value())
        answer = await liar.link.say(inv)
        assert isinstance(answer, Answer)
        assert answer.code is Code.MALFORMED
        assert await client_of(ada).shared() == ()


async def test_a_record_of_another_schema_than_its_collection_holds(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        rogue = await town.rogue("mallory")
        await rogue.meet(ada)
        liar = Liar(rogue, await rogue.greet(ada), ada)
        record: Record = {
            "id": "t1", "time": 0, "offset_min": 0, "amount": [1, 0], "currency": "EUR",
            "label": "", "counterparty": None, "kind": "",
        }  # fmt: skip  # one thing
        Batch.from_rows(TRANSACTION, [record])
        name = SharedName(CONTACTS, TRANSACTION, "t1")
        version = liar.version(SharedWord.PROPOSED, record, name=name)
        assert await liar.propose(version) is Code.COLLECTION
        assert await client_of(ada).shared() == ()
        assert await client_of(bank).shared() == ()


async def test_a_delivery_that_was_never_made_does_not_become_ones_copy(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, liar = await a_liar(town)
        key = liar.rogue.persona
        statement, days = make_statement(
            contacts(), {UNDATED: bytes(32)}, key=key, sub=liar.own, path=CONTACTS,
            first=UNDATED, last=UNDATED, nonce=bytes(16),
        )  # fmt: skip  # one thing
        proof = prove_record(statement, [days[0].leaf], days[0], 0)
        told = Told(statement, contacts().row(0), proof)
        version = liar.version(SharedWord.PROPOSED, saying("x"), seen=statement.cid)
        # Signed by the liar itself, and not by Ada to it.
        assert await liar.propose(version, told.raw) is Code.AUDIENCE
        assert await liar.propose(version, b"\x80") is Code.MALFORMED
        forged = Told(statement, saying("never said"), proof)
        assert await liar.propose(version, forged.raw) is Code.MALFORMED
        assert await client_of(ada).shared() == ()


async def test_a_flood_of_proposals_waits_in_a_bounded_queue(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, liar = await a_liar(town)
        codes: list[Code] = []
        for number in range(SHARED_WAITING_MAX + 3):
            id = f"c{number}"
            name = SharedName(CONTACTS, contacts().schema, id)
            record = {**contacts().row(0), "id": id}
            codes.append(await liar.propose(liar.version(SharedWord.PROPOSED, record, name=name)))
        assert codes == [Code.OK] * SHARED_WAITING_MAX + [Code.TOO_MUCH] * 3
        # Changing its mind on one that waits is not one more.
        name = SharedName(CONTACTS, contacts().schema, "c0")
        prev = liar.version(SharedWord.PROPOSED, {**contacts().row(0), "id": "c0"}, name=name)
        found = [one for one in await ada.read(ada.node.shared.all) if one.name == name]
        again = liar.version(
            SharedWord.PROPOSED, {**contacts().row(0), "id": "c0", "note": "x"}, name=name, n=1,
            prev=found[0].versions[0].cid,
        )  # fmt: skip  # one thing
        assert prev.name == name
        assert await liar.propose(again) is Code.OK
        pair = await ada.peer("mallory")
        used = await ada.read(lambda tx: ada.node.quotas.of(tx, pair).used)
        assert used > SHARED_WAITING_MAX * 300


async def test_a_peer_whose_owner_took_the_command_from_it(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, liar = await a_liar(town)
        pair = await ada.peer("mallory")
        withdrawn = replace(pair, withdrawn=frozenset({Cmd.PROPOSE}))
        await ada.write(lambda tx: ada.node.peers.save(tx, withdrawn))
        version = liar.version(SharedWord.PROPOSED, saying("x"))
        assert await liar.propose(version) is Code.COMMAND
        assert await client_of(ada).shared() == ()


async def test_a_record_is_corrected_by_parcels_alone(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        for party in (ada, bank):
            await party.down()
        client = client_of(ada)
        done = await client.shared_propose(
            "bank", CONTACTS, "c1", changes=[("addresses", "2 New Street")]
        )
        await client.write_parcel("bank", tmp_path / "one")
        await client_of(bank).take(tmp_path / "one")
        assert (await one(bank)).state == "asks"
        await client_of(bank).shared_answer(done.id, accept=False, reason="a bill, please")
        await client_of(bank).shared_answer(done.id, accept=True)
        await client_of(bank).write_parcel("ada", tmp_path / "two")
        await client.take(tmp_path / "two")
        assert (await one(ada)).state == "agreed"
        await client.write_parcel("bank", tmp_path / "three")
        await client_of(bank).take(tmp_path / "three")
        await settle()
        for party in (ada, bank):
            steps = await client_of(party).shared_history(done.id)
            assert [step.state for step in steps] == ["heard"] * 3

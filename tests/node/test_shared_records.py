"""Shared records between two nodes: proposed, answered, withdrawn, crossed on their way."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from typing import cast

import pytest
from trio.testing import MockClock

from entrenous.node.errors import NotFound, UsageError
from entrenous.node.log.receipts import Way
from entrenous.protocol.command import Cmd
from entrenous.protocol.receipt import Answer
from entrenous.protocol.shared_proof import parse_proof
from entrenous.protocol.wire import Value
from entrenous.tests.node.shared_town import (
    CONTACTS,
    NEW,
    OLD,
    bank_and_ada,
    client_of,
    kept,
    one,
)
from entrenous.tests.node.two_nodes import Party, a_town, both_logs_hold, settle

MOVED = [("addresses", "2 New Street")]
STREET = ";;2 New Street;;;;\thome"


async def propose(party: Party, peer: str, *changes: tuple[str, str], reason: str = "") -> bytes:
    done = await client_of(party).shared_propose(
        peer, CONTACTS, "c1", changes=changes or MOVED, reason=reason
    )
    return done.id


def address(record: object) -> Value:
    return cast("dict[str, Value]", record)["addresses"]


async def states(*parties: Party) -> list[str]:
    return [(await one(party)).state for party in parties]


async def test_my_address_at_the_bank_is_wrong(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        id = await propose(ada, "bank", reason="I have moved")
        await settle()
        mine, theirs = await one(ada), await one(bank)
        assert (mine.state, theirs.state) == ("asked", "asks")
        assert mine.differing == theirs.differing == ("addresses",)
        assert (address(mine.mine.record), address(mine.theirs.record)) == (STREET, OLD)
        assert address(theirs.mine.record) == OLD  # the bank has delivered it, and that is its copy
        assert (theirs.theirs.reason, theirs.mine.said) == ("I have moved", True)
        assert theirs.told == mine.told is not None

        await client_of(bank).shared_answer(id, accept=True)
        await settle()
        assert await states(ada, bank) == ["agreed", "agreed"]
        both = [await kept(party) for party in (ada, bank)]
        assert both[0].copies.versions == both[1].copies.versions
        assert [one.word.value for one in both[0].copies.versions] == ["proposed", "accepted"]
        assert [address(one.record) for one in both[0].copies.versions] == [STREET, STREET]
        # What was delivered stays as the bank signed it.
        read = await client_of(ada).read(CONTACTS, 0, 65_535)
        assert OLD in read.batch.columns["addresses"]
        await both_logs_hold(ada, bank)


async def test_both_logs_name_every_version(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        await client_of(bank).shared_answer(await asked(ada), accept=True)
        await settle()
        named = {one.cid for one in (await kept(ada)).copies.versions}
        for party in (ada, bank):
            words = await party.read(party.node.receipts.all)
            outs = [one.word.out for one in words if isinstance(one.word, Answer)]
            assert all(outs.count(cid) == 1 for cid in named)
            assert any(one.way is Way.GIVEN for one in words)
            peer = "bank" if party is ada else "ada"
            told = [one for one in await client_of(party).history(peer) if "shared" in one.what]
            assert [one.what for one in told] == ["shared-proposed", "shared-accepted"]
            assert {one.way for one in told} == {"given", "taken"}
            # Each is shown by a row of the log, whichever side signed the answer that names it.
            assert all(one.log and one.cids[0] in named for one in told)


async def asked(ada: Party) -> bytes:
    id = await propose(ada, "bank")
    await settle()
    return id


async def test_a_dispute_says_why_shows_both_and_may_become_an_acceptance(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        id = await asked(ada)
        with pytest.raises(UsageError, match="say why"):
            await client_of(bank).shared_answer(id, accept=False)
        await client_of(bank).shared_answer(id, accept=False, reason="send us a bill")
        await settle()
        mine, theirs = await one(ada), await one(bank)
        assert (mine.state, theirs.state) == ("disputed", "disputed")
        assert (mine.theirs.reason, mine.mine.state) == ("send us a bill", "disputed")
        assert (address(mine.mine.record), address(mine.theirs.record)) == (STREET, OLD)
        assert (address(theirs.theirs.record), address(theirs.mine.record)) == (STREET, OLD)
        await client_of(bank).shared_answer(id, accept=True)
        await settle()
        assert await states(ada, bank) == ["agreed", "agreed"]
        with pytest.raises(UsageError, match="accepted this already"):
            await client_of(bank).shared_answer(id, accept=False, reason="no")


async def test_a_proposal_is_withdrawn(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        id = await propose(ada, "bank", reason="I have moved")
        await settle()
        with pytest.raises(UsageError, match="nothing here that could be withdrawn"):
            await client_of(bank).shared_withdraw(id)
        before = await one(bank)
        assert (before.told_by_us, (await one(ada)).told_by_us) == (True, False)
        await client_of(ada).shared_withdraw(id)
        await settle()
        mine, theirs = await one(ada), await one(bank)
        # … and the reason for what she asks no more is not hers any more.
        assert (before.theirs.reason, theirs.theirs.reason) == ("I have moved", "")
        # Nothing was held by Ada before she proposed, so that is what she is back to.
        assert (mine.mine.record, mine.state, theirs.state) == (None, "apart", "apart")
        with pytest.raises(UsageError, match="nothing is proposed"):
            await client_of(bank).shared_answer(id, accept=False, reason="no")
        await client_of(bank).shared_history(id)
        again = await propose(ada, "bank", ("addresses", "3 Third Road"))
        assert again == id
        await settle()
        assert await states(ada, bank) == ["asked", "asks"]


async def test_an_amended_proposal_is_answered_as_it_is_now(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        id = await asked(ada)
        seen = (await one(bank)).theirs.version
        await propose(ada, "bank", ("addresses", "3 Third Road"))
        await settle()
        with pytest.raises(UsageError, match="said something else since"):
            await client_of(bank).shared_answer(id, accept=True, version=seen)
        await client_of(bank).shared_answer(id, accept=True)
        await settle()
        mine = await one(ada)
        assert (mine.state, address(mine.theirs.record)) == ("agreed", ";;3 Third Road;;;;\thome")


async def test_two_proposals_that_cross_are_both_kept_and_both_answered(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        id = await asked(ada)
        await client_of(bank).shared_answer(id, accept=True)
        await settle()
        await bank.down()
        await propose(ada, "bank", ("phones", "+33 6 12 34 56 78"))
        await ada.down()
        await bank.up()
        done = await client_of(bank).shared_propose(
            "ada", CONTACTS, "c1", changes=[("title", "Dr")], reason="as on your card"
        )
        assert done.id == id
        await ada.up()
        await settle(600)
        assert await states(ada, bank) == ["crossed", "crossed"]
        # Each accepts the other's: nothing is overwritten, and both see that they differ again.
        for party in (ada, bank):
            await party.down()
        for party in (ada, bank):
            await client_of(party).shared_answer(id, accept=True)
        for party in (ada, bank):
            await party.up()
        await settle(600)
        assert await states(ada, bank) == ["apart", "apart"]
        mine, theirs = await one(ada), await one(bank)
        assert mine.differing == theirs.differing == ("title", "phones")
        assert mine.mine.record == theirs.theirs.record
        assert len((await kept(ada)).versions) == 6
        # One proposes what holds both; the other accepts: they agree.
        await propose(ada, "bank", ("phones", "+33 6 12 34 56 78"))
        await settle()
        await client_of(bank).shared_answer(id, accept=True)
        await settle()
        assert await states(ada, bank) == ["agreed", "agreed"]
        record = cast("dict[str, Value]", (await one(ada)).mine.record)
        assert (record["title"], record["phones"]) == ("Dr", "+33 6 12 34 56 78")
        await both_logs_hold(ada, bank)


async def test_a_record_may_begin_with_either_and_be_proposed_to_be_none(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town, delivered=False)
        whole = '{"id": "n1", "kind": "individual", "name": "Ada Example"}'
        with pytest.raises(UsageError, match="--schema"):
            await client_of(bank).shared_propose("ada", CONTACTS, whole=whole)
        done = await client_of(bank).shared_propose(
            "ada", CONTACTS, whole=whole, schema="contact/1"
        )
        await settle()
        assert await states(ada, bank) == ["asks", "asked"]
        await client_of(ada).shared_answer(done.id, accept=False, reason="this is not me")
        await settle()
        theirs = (await one(bank)).theirs
        assert (theirs.record, theirs.said, theirs.reason) == (None, True, "this is not me")
        await client_of(ada).shared_propose("bank", CONTACTS, "n1", gone=True)
        await settle()
        await client_of(bank).shared_answer(done.id, accept=True)
        await settle()
        assert await states(ada, bank) == ["agreed", "agreed"]
        assert (await one(bank)).mine.record is None


async def test_what_waits_for_who_is_away_arrives(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        await bank.down()
        await propose(ada, "bank")
        await propose(ada, "bank", ("addresses", "3 Third Road"))
        await settle()
        steps = await client_of(ada).shared_history((await one(ada)).id)
        assert [step.state for step in steps] == ["said", "said"]
        await bank.up()
        await settle(600)
        steps = await client_of(ada).shared_history((await one(ada)).id)
        assert [(step.n, step.state) for step in steps] == [(0, "heard"), (1, "heard")]
        assert await states(ada, bank) == ["asked", "asks"]


async def test_what_a_person_cannot_propose(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        mine = client_of(ada)
        for error, sentence, peer, path, id, changes in (
            (NotFound, "nobody", "nobody", CONTACTS, "c1", MOVED),
            (NotFound, "no such record", "bank", CONTACTS, "c9", MOVED),
            (NotFound, "no such record", "bank", "identity/other", "c1", MOVED),
            (
                UsageError,
                "this is what bank has",
                "bank",
                CONTACTS,
                "c1",
                [("name", "Ada Example")],
            ),
            (UsageError, "it stays", "bank", CONTACTS, "c1", [("id", "c2")]),
            (UsageError, "contact/1 has no 'colour'", "bank", CONTACTS, "c1", [("colour", "red")]),
            (UsageError, "given twice", "bank", CONTACTS, "c1", [("note", "a"), ("note", "b")]),
            (UsageError, "at most 16,384 bytes", "bank", CONTACTS, "c1", [("note", "x" * 16_300)]),
        ):
            with pytest.raises(error, match=sentence):
                await mine.shared_propose(peer, path, id, changes=changes)
        with pytest.raises(UsageError, match="what should change"):
            await mine.shared_propose("bank", CONTACTS, "c1")
        assert await mine.shared() == ()
        await propose(ada, "bank")
        with pytest.raises(UsageError, match="told bank already"):
            await propose(ada, "bank")
        with pytest.raises(UsageError, match="said nothing yet"):
            await mine.shared_answer((await one(ada)).id, accept=True)
        with pytest.raises(NotFound, match="no shared record"):
            await mine.shared_show("aaaaaaaa")
        assert await client_of(bank).shared("ada") == ()


async def test_what_the_other_side_refuses_for_good_is_no_part_of_a_copy(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        pair = await bank.peer("ada")
        await bank.write(lambda tx: bank.node.quotas.allow(tx, pair, 100))
        await bank.down()
        id = await propose(ada, "bank")
        await propose(ada, "bank", ("addresses", "3 Third Road"))
        await bank.up()
        await settle(600)
        mine = await one(ada)
        assert "what this node keeps of you" in mine.refused
        assert (mine.mine.said, mine.mine.version) == (False, None)
        steps = await client_of(ada).shared_history(id)
        assert [step.state for step in steps] == ["refused", "refused"]
        assert await client_of(bank).shared() == ()
        await bank.write(lambda tx: bank.node.quotas.allow(tx, pair, None))
        await propose(ada, "bank")
        await settle()
        assert await states(ada, bank) == ["asked", "asks"]
        steps = await client_of(ada).shared_history(id)
        assert [(step.n, step.state) for step in steps[2:]] == [(2, "heard")]


async def test_a_proof_shows_both_copies_and_whole_histories_where_asked(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        id = await asked(ada)
        await client_of(bank).shared_answer(id, accept=False, reason="send us a bill")
        await settle()
        for party in (ada, bank):
            differ = parse_proof((await client_of(party).shared_prove(id)).proof)
            assert not differ.copies.agree
            assert differ.accepted is None
        await client_of(bank).shared_answer(id, accept=True)
        await settle()
        made = await client_of(ada).shared_prove(id)
        assert (made.agree, made.versions) == (True, 2)
        assert parse_proof(made.proof).accepted is not None
        whole = await client_of(bank).shared_prove(id, whole=True)
        assert parse_proof(whole.proof).copies.versions == (await kept(ada)).copies.versions
        assert NEW not in str(made)


async def test_a_peer_that_lost_the_beginning_is_told_it_again(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        id = await asked(ada)
        whole = await kept(bank)
        # A backup from before is restored: the bank knows nothing of it.
        lost = await kept(bank)
        await bank.write(lambda tx: bank.node.shared.remove(tx, lost))
        await propose(ada, "bank", ("addresses", "3 Third Road"))
        await settle(5)
        assert await client_of(bank).shared() == ()
        await settle(1300)
        theirs = await one(bank)
        assert (theirs.id, theirs.versions, theirs.state) == (id, 2, "asks")
        assert (await kept(bank)).told == whole.told
        await client_of(bank).shared_answer(id, accept=True)
        await settle()
        assert await states(ada, bank) == ["agreed", "agreed"]


async def test_what_is_erased_is_not_shared_any_more_and_not_taken_again(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        id = await asked(ada)
        await bank.down()
        await propose(ada, "bank", ("addresses", "3 Third Road"))
        erased = await ada.node.erasing.erase_record(CONTACTS, "c1")
        assert erased.records == 1
        assert await client_of(ada).shared() == ()
        # All that still waits to be said is that it was erased.
        pair = await ada.peer("bank")
        waiting = await ada.read(lambda tx: ada.node.outgoing.waiting(tx, pair))
        assert [message.cmd for _, message in waiting] == [Cmd.ERASED]
        await client_of(bank).shared_answer(id, accept=True)
        await bank.up()
        await settle(2000)
        assert await client_of(ada).shared() == ()
        theirs = await one(bank)
        assert (theirs.state, theirs.agree) == ("left", False)
        assert "erased" in theirs.refused
        assert theirs.theirs.record is not None, "what was signed to the bank it keeps"
        with pytest.raises(UsageError, match="ada has erased its copies"):
            await client_of(bank).shared_propose("ada", CONTACTS, "c1", changes=MOVED)
        # Another record of the collection is shared as before.
        await client_of(ada).shared_propose("bank", CONTACTS, "c2", changes=MOVED)
        await settle()
        assert await states(ada) == ["asked"]
        await ada.node.erasing.erase_collection(CONTACTS)
        assert await client_of(ada).shared() == ()
        with pytest.raises(NotFound):
            await ada.node.erasing.erase_collection(CONTACTS)

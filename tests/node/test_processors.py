"""A person lends to a utility, which lends on to its processor: three nodes, pairwise personas."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import trio

from entrenous.node.config import Role
from entrenous.node.errors import NodeError, Refused, UsageError
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.lent_on import LentOn, LentOnSide
from entrenous.node.peers.pair import Pair
from entrenous.node.store.database import Tx
from entrenous.node.store.objects import Kind
from entrenous.protocol.did import Did
from entrenous.protocol.processor import Processor
from entrenous.protocol.receipt import Receipt
from entrenous.protocol.request import Request
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.test_operations import client_of
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    Town,
    a_town,
    both_logs_hold,
    meet,
    revoke,
    settle,
)

ALL = Window(CURVE, DAY, DAY + 13)
PART = Window(CURVE, DAY + 2, DAY + 8)
PURPOSE = "dpv:ServiceProvision"
DELETE = Clause("entrenous:delete-at-end", Force.PROMISED)


@dataclass
class Trade:
    """Ada, the utility that she lends to, and its processor, which she has never met."""

    town: Town
    ada: Party
    utility: Party
    processor: Party

    @property
    def all(self) -> tuple[Party, Party, Party]:
        return self.ada, self.utility, self.processor


async def trade(town: Town, *, processes: bool = True) -> Trade:
    ada = await town.party("ada")
    utility = await town.party("utility", Role.ORGANISATION)
    processor = await town.party("processor", Role.ORGANISATION)
    await meet(ada, utility)
    await meet(utility, processor)
    await ada.fill(CURVE, DAY, 14)
    if processes:
        customer = await processor.peer("utility")
        await processor.write(
            lambda tx: processor.node.processors.process_for(tx, customer, processor.now_ms)
        )
    await settle()
    return Trade(town, ada, utility, processor)


async def named(one: Trade, *clauses: Clause, others: tuple[str, ...] = ()) -> Terms:
    """Terms that name the processor."""
    did = (await one.utility.peer("processor")).their_now
    return Terms(PURPOSE, 30, (*others, Processor("Analytics", did).line()), None, clauses)


async def granted(
    one: Trade, terms: Terms, window: Window = ALL, days: int = 25, owner: str = "ada"
) -> GrantGiven:
    ada, utility = one.ada, one.utility
    pair = await utility.peer(owner)
    exp_s = utility.now_ms // 1000 + days * DAY_S
    request = Request(Did(pair.own), (window,), terms.purpose, terms, exp_s, "")
    cid = await utility.write(
        lambda tx: utility.node.borrowing.ask(tx, pair, request, utility.now_ms)
    )
    await settle()
    given = await ada.write(lambda tx: ada.node.lending.grant(tx, cid, [window], exp_s, ada.now_ms))
    await settle()
    return given


async def lend_on(
    one: Trade, root: bytes, *windows: Window, days: int = 20, exp_s: int | None = None
) -> LentOn:
    utility = one.utility
    to = await utility.peer("processor")

    def unit(tx: Tx) -> LentOn:
        node, now_ms = utility.node, utility.now_ms
        held = node.borrowing.get(tx, root)
        return node.lending_on.lend_on(
            tx,
            held,
            node.borrowing.keys(tx, held),
            to,
            to.their_now,
            windows=windows or (PART,),
            exp_s=exp_s or now_ms // 1000 + days * DAY_S,
            now_ms=now_ms,
        )

    made = await utility.write(unit)
    await settle()
    return made


async def owner_of(one: Trade) -> Pair:
    """How the processor knows the owner of what it reads."""
    (pair,) = await one.processor.read(one.processor.node.peers.reading)
    return pair


async def reads(one: Trade, window: Window = PART) -> int:
    """How many days the processor reads for the utility.  Raises what a fetch raises."""
    processor = one.processor
    lent = await processor.node.fetcher.fetch(
        await owner_of(one), window, principal=await processor.peer("utility")
    )
    assert lent.damaged == ()
    return 0 if lent.batch is None else len(lent.batch) // 24


async def here(one: Trade, cid: bytes) -> LentOn:
    """What the owner of the data keeps of a chain."""
    found = await one.ada.read(lambda tx: one.ada.node.lending_on.find(tx, LentOnSide.HERE, cid))
    assert found is not None
    return found


async def lent(one: Trade, *clauses: Clause) -> tuple[GrantGiven, LentOn]:
    """The whole way to the processor's keys."""
    given = await granted(one, await named(one, *clauses))
    return given, await lend_on(one, given.cid)


async def test_a_processor_reads_from_a_person_whom_it_never_met(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        given, made = await lent(one)
        assert await reads(one) == 7
        assert await reads(one) == 7  # and over the link that is open
        # It knows her by the one persona that the utility knows, and by no name.
        ada = await one.utility.peer("ada")
        owner = await owner_of(one)
        assert (owner.their_now, owner.own_now) == (ada.their_now, made.reader)
        assert "ada" not in owner.name
        # To her it is no peer, and it is known by the name that the terms gave it.
        peers = await one.ada.read(one.ada.node.peers.all)
        assert [pair.name for pair in peers] == ["utility"]
        (known,) = await one.ada.read(one.ada.node.peers.reading)
        assert (known.name, known.own, known.key) == ("Analytics", given.own, owner.key)
        # Receipts at both ends name the processor, and by the grant the utility.
        for party in (one.ada, one.processor):
            words = await party.read(party.node.receipts.all)
            bodies = [word.word.body for word in words if isinstance(word.word, Receipt)]
            assert [(body.reader, body.dlg) for body in bodies] == [(made.reader, given.cid)] * 2
        kept = await here(one, made.cid)
        assert (kept.giver, kept.reader) == (ada.own_now, made.reader)
        # Not beyond what was lent on, though the grant is wider.
        with pytest.raises(NodeError, match="not 2"):
            await reads(one, replace(PART, last=PART.last + 1))
        assert await reads(one) == 7
        await both_logs_hold(*one.all)


@pytest.mark.parametrize("who", ["ada, all of it", "ada, the chain", "utility"])
async def test_what_is_taken_back_ends_for_the_processor_too(
    who: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with a_town() as town:
        one = await trade(town)
        given, made = await lent(one)
        assert await reads(one) == 7
        if who == "ada, all of it":
            # Nobody else has heard yet: at her node it holds from the moment it is written.
            await one.utility.down()
            await revoke(one.ada, given)
        elif who == "ada, the chain":
            await one.utility.down()
            await one.ada.write(
                lambda tx: one.ada.node.lending_on.revoke(tx, made.cid, one.ada.now_ms)
            )
        else:
            await one.utility.write(
                lambda tx: one.utility.node.lending_on.revoke(tx, made.cid, one.utility.now_ms)
            )
            await settle()
        with pytest.raises(NodeError, match="taken back"):
            await reads(one)
        # Known there by its chain alone: without it, it is not known at all.
        await settle()
        owner = await owner_of(one)
        # A link that is open from before stays so where nothing more was asked over it.
        await one.processor.down()
        await one.processor.up()
        with pytest.raises(Refused) as refused:
            await one.processor.node.links.link_to(owner)
        assert refused.value.code == "unpaired"
        kept = await here(one, made.cid)
        status = await one.ada.read(
            lambda tx: one.ada.node.lending_on.status(tx, kept, one.ada.now_ms)
        )
        assert status is GrantStatus.REVOKED
        held = await one.processor.read(lambda tx: one.processor.node.borrowing.get(tx, made.cid))
        assert held.status(one.processor.now_ms) is GrantStatus.REVOKED
        # What comes now, it could not open; the utility can where it still reads.
        await one.ada.fill(CURVE, DAY + 3, 1)
        gen = await one.ada.read(lambda tx: one.ada.node.vault.collections.generation(tx, CURVE))
        keys = await one.processor.read(lambda tx: one.processor.node.borrowing.keys(tx, held))
        assert gen not in {found.gen for found in keys.sets}
        await both_logs_hold(one.ada, one.processor)


async def test_it_runs_out_with_its_own_day(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await trade(town)
        given = await granted(one, await named(one))
        await lend_on(one, given.cid, Window(CURVE, DAY, DAY + 1), days=2)
        assert await reads(one, Window(CURVE, DAY, DAY + 1)) == 2
        town.clock.ahead_ms += 3 * DAY_S * 1000
        with pytest.raises(NodeError, match="expired"):
            await reads(one, Window(CURVE, DAY, DAY + 1))
        await settle()
        owner = await owner_of(one)
        with pytest.raises(Refused, match="not paired"):
            await one.processor.node.links.link_to(owner)


async def test_after_a_rotation_it_gets_its_part_of_the_new_keys(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        _, made = await lent(one)
        other = await granted(one, await named(one), Window(CURVE, DAY, DAY))
        await revoke(one.ada, other)
        await settle()
        await one.ada.fill(CURVE, DAY + 4, 1)
        assert await reads(one) == 7
        gen = await one.ada.read(lambda tx: one.ada.node.vault.collections.generation(tx, CURVE))
        held = await one.processor.read(lambda tx: one.processor.node.borrowing.get(tx, made.cid))
        keys = await one.processor.read(lambda tx: one.processor.node.borrowing.keys(tx, held))
        assert gen in {found.gen for found in keys.sets}


async def test_only_to_whom_the_terms_name_it_is_lent_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """She sees it before she decides, and may leave it out: then nobody is let in."""
    async with a_town() as town:
        one = await trade(town)
        terms = replace(await named(one), recipients=("Analytics, in words only",))
        given = await granted(one, terms)
        made = await lend_on(one, given.cid)
        # Her node refused it, and so does that of the one who was not named.
        assert await one.ada.read(one.ada.node.lending_on.all) == []
        assert await one.processor.read(one.processor.node.borrowing.all) == []
        assert await one.processor.read(one.processor.node.peers.reading) == []
        assert made.reader == (await one.utility.peer("processor")).their_now


async def test_nothing_is_lent_on_to_who_does_not_process_for_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town, processes=False)
        given, made = await lent(one)
        assert await one.processor.read(one.processor.node.borrowing.all) == []
        assert await one.processor.read(one.processor.node.peers.reading) == []
        (told,) = [it for it in await client_of(one.utility).grants() if it.side == "lent-on"]
        assert told.id == made.cid
        assert told.turned_away.startswith("processor: ")
        assert "does not process" in told.turned_away
        customer = await one.processor.peer("utility")
        await one.processor.write(
            lambda tx: one.processor.node.processors.process_for(tx, customer, one.processor.now_ms)
        )
        again = await lend_on(one, given.cid)
        listed = {it.id: it.turned_away for it in await client_of(one.utility).grants()}
        assert listed[again.cid] == ""
        assert await reads(one) == 7


async def test_deletion_goes_down_the_chain_and_its_words_come_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        given, made = await lent(one, DELETE)
        assert await reads(one) == 7
        await revoke(one.ada, given)
        await settle(5)
        for party, side in ((one.ada, LentOnSide.HERE), (one.utility, LentOnSide.GIVEN)):
            found = await party.read(
                lambda tx, p=party, s=side: p.node.lending_on.find(tx, s, made.cid)
            )
            assert found is not None
            assert found.asked_ms is not None
            assert found.deleted is not None
            assert (found.deleted.by, found.deleted.dlg) == (made.reader, made.cid)
            assert (found.deleted.pages, found.deleted.left) == (7, 0)
        owner = await owner_of(one)
        left = await one.processor.read(
            lambda tx: one.processor.node.borrowing.pages.count(
                tx, owner.their, PART, lambda _stored: False
            )
        )
        assert left == 0
        held = await one.processor.read(lambda tx: one.processor.node.borrowing.get(tx, made.cid))
        assert held.keysets == ()
        await both_logs_hold(*one.all)


async def test_a_processor_deletes_also_when_nobody_passes_it_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The owner's signed refusal is enough: the one who lent it on may be gone."""
    async with a_town() as town:
        one = await trade(town)
        given, made = await lent(one, DELETE)
        assert await reads(one) == 7
        await one.utility.down()
        await revoke(one.ada, given)
        with pytest.raises(Refused, match="taken back"):
            await reads(one)
        await settle(5)
        held = await one.processor.read(lambda tx: one.processor.node.borrowing.get(tx, made.cid))
        assert held.keysets == ()
        # Its word waits for the one to whom it answers, and reaches the owner by them.
        assert (await here(one, made.cid)).deleted is None
        await one.utility.up()
        await settle(700)
        kept = await here(one, made.cid)
        assert kept.deleted is not None
        assert kept.deleted.by == made.reader


async def test_it_is_named_in_grants_who_and_history(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """At the person's: who reads for whom, each read, the end, and that it was deleted."""
    async with a_town() as town:
        one = await trade(town)
        given, made = await lent(one, DELETE)
        assert await reads(one) == 7
        owner, processor = client_of(one.ada), client_of(one.processor)
        info = next(one for one in await owner.grants() if one.side == "lent-on")
        assert (info.id, info.peer, info.principal) == (made.cid, "Analytics", "utility")
        assert (info.reads, info.status) == (1, "live")
        for found in (await owner.who(CURVE), await owner.history("utility")):
            read = next(event for event in found if event.what == "read")
            assert (read.peer, read.grant, read.within) == ("Analytics", given.cid, True)
            begun = next(event for event in found if event.what == "lent-on")
            assert begun.note == "utility lets Analytics read it"
        # It may read now as much as the one for whom it reads.
        may = [event for event in await owner.who(CURVE) if event.what == "may-read"]
        assert [(one.peer, one.grant) for one in may] == [
            ("utility", given.cid),
            ("Analytics", made.cid),
        ]
        assert may[1].note == "for utility, to whom you granted it"
        # The processor sees what it holds, by whom, and by which name to fetch it.
        (held,) = await processor.grants()
        assert (held.principal, held.peer) == ("utility", (await owner_of(one)).name)
        (word,) = [word for word in await owner.log() if word.kind == "receipt"]
        assert (word.principal, word.proxy) == ("utility", "Analytics")
        await revoke(one.ada, given)
        await settle(5)
        said = [event for event in await owner.history("utility") if event.what == "deleted"]
        assert any(event.note == "signed by Analytics: 7 pages gone, 0 left" for event in said)
        info = next(one for one in await owner.grants() if one.side == "lent-on")
        assert (info.status, info.deletion) == ("revoked", "said")
        assert not [event for event in await owner.who(CURVE) if event.what == "may-read"]


async def test_a_request_names_the_processor_and_the_person_can_leave_it_out(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        owner, asker = client_of(one.ada), client_of(one.utility)
        exp_s = one.ada.now_ms // 1000 + 20 * DAY_S
        with pytest.raises(NodeError, match="whose data is asked for"):
            await asker.ask(
                "ada", [ALL], purpose=PURPOSE, terms={}, exp_s=exp_s, processors=["ada"]
            )
        await asker.ask(
            "ada",
            [ALL],
            purpose=PURPOSE,
            terms={"recipients": ["the auditor"]},
            exp_s=exp_s,
            processors=["processor"],
        )
        await settle()
        (request,) = await owner.inbox()
        did = (await one.utility.peer("processor")).their_now
        assert request.terms.recipients == ("the auditor", f"processor <{did}>")
        await owner.grant(request.id, recipients=["the auditor"])
        await settle()
        await asker.accept_offer(request.id)
        await settle()
        with pytest.raises(NodeError, match="mandate ask"):
            await asker.lend_on("processor", "ada", [PART], exp_s)


async def test_processing_is_said_listed_and_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        await lent(one)
        processor = client_of(one.processor)
        assert [(info.peer, info.grants) for info in await processor.processing()] == [
            ("utility", 1)
        ]
        with pytest.raises(UsageError, match="already"):
            await processor.processing_add("utility")
        assert (await processor.processing_remove("utility")).grants == 1
        assert await processor.processing() == ()
        with pytest.raises(UsageError, match="does not process"):
            await processor.processing_remove("utility")
        assert await reads(one) == 7


async def test_who_met_by_a_chain_may_be_paired_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """An organisation lends too: its one persona is then known to the processor as to a peer."""
    async with a_town() as town:
        one = await trade(town)
        bank = await town.party("bank", Role.ORGANISATION)
        await meet(bank, one.utility)
        await bank.fill(CURVE, DAY, 14)
        other = replace(one, ada=bank)
        given = await granted(other, await named(other), owner="bank")
        await lend_on(other, given.cid)
        assert await reads(other) == 7
        await meet(bank, one.processor)
        (met,) = await bank.read(
            lambda tx: [pair for pair in bank.node.peers.all(tx) if pair.name == "processor"]
        )
        assert not met.reads_only
        assert await bank.read(bank.node.peers.reading) == []
        assert await one.processor.read(one.processor.node.peers.reading) == []
        await settle()
        read = await one.processor.node.fetcher.fetch(
            await one.processor.peer("bank"), PART, principal=await one.processor.peer("utility")
        )
        assert read.batch is not None
        await both_logs_hold(bank, one.processor)


async def test_what_older_versions_lent_on_is_found_and_linked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        given, made = await lent(one)
        older = await town.party("older")
        value = made.value()
        assert isinstance(value, dict)
        row = {key: item for key, item in value.items() if key not in ("asked_ms", "deleted")}
        objects, kept = older.node.store.objects, older.node.lending_on
        await older.write(lambda tx: objects.put(tx, Kind.LENT_ON, ["given", made.cid], row))

        async def found() -> list[bytes]:
            of_root = await older.read(lambda tx: kept.of_root(tx, LentOnSide.GIVEN, given.cid))
            return [lent.cid for lent in of_root]

        assert await found() == [made.cid]
        second = await lend_on(one, given.cid)
        await older.write(lambda tx: kept.add(tx, second))
        assert await older.read(lambda tx: objects.are_linked(tx, Kind.LENT_ON))
        assert await found() == [made.cid, second.cid]

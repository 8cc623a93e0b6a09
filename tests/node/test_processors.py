"""A person lends to a utility, which lends on to its processor: three nodes, pairwise personas."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import trio

from entrenous.node.config import Role
from entrenous.node.errors import NodeError, Refused
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.lent_on import LentOn, LentOnSide
from entrenous.node.peers.pair import Pair
from entrenous.node.store.database import Tx
from entrenous.protocol.did import Did
from entrenous.protocol.processor import Processor
from entrenous.protocol.receipt import Receipt
from entrenous.protocol.request import Request
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
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


async def granted(one: Trade, terms: Terms, window: Window = ALL, days: int = 25) -> GrantGiven:
    ada, utility = one.ada, one.utility
    pair = await utility.peer("ada")
    exp_s = utility.now_ms // 1000 + days * DAY_S
    request = Request(Did(pair.own), (window,), terms.purpose, terms, exp_s, "")
    cid = await utility.write(
        lambda tx: utility.node.borrowing.ask(tx, pair, request, utility.now_ms)
    )
    await settle()
    given = await ada.write(lambda tx: ada.node.lending.grant(tx, cid, [window], exp_s, ada.now_ms))
    await settle()
    return given


async def lend_on(one: Trade, root: bytes, *windows: Window, days: int = 20) -> LentOn:
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
            exp_s=now_ms // 1000 + days * DAY_S,
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

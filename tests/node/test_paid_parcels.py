"""Paid terms between two nodes that have no network: everything that is owed, and said of it, by
file.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trio.testing import MockClock

from entrenous.node.results.parcels import Fate
from entrenous.protocol.command import Cmd
from entrenous.protocol.did import Did
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.request import Request
from entrenous.protocol.window import Window
from entrenous.tests.node.paid_town import both, client_of
from entrenous.tests.node.test_parcels import Stick, fates, waiting
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    TERMS,
    Party,
    Town,
    a_town,
    both_logs_hold,
    meet,
    settle,
)

PER_DAY = Remuneration(5, "EUR", Per.WINDOW_DAY, 100)


async def apart(town: Town, folder: Path) -> tuple[Party, Party, Stick]:
    owner, reader = await town.party("alice"), await town.party("volt")
    await meet(owner, reader)
    await owner.fill(CURVE, DAY - 7, 7)
    await settle()
    await owner.down()
    await reader.down()
    return owner, reader, Stick(folder)


async def test_a_licence_for_money_is_asked_read_and_paid_by_file(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        owner, reader, stick = await apart(town, tmp_path)
        week = Window(CURVE, DAY - 7, DAY - 1)
        pair = await reader.peer("alice")
        exp_s = reader.now_ms // 1000 + 30 * DAY_S
        terms = replace(TERMS, remuneration=PER_DAY)
        request = Request(Did(pair.own), (week,), terms.purpose, terms, exp_s, "nothing")
        cid = await reader.write(
            lambda tx: reader.node.borrowing.ask(tx, pair, request, reader.now_ms)
        )
        await stick.carry(reader, owner)
        end_s = owner.now_ms // 1000 + 20 * DAY_S
        await owner.write(
            lambda tx: owner.node.lending.grant(tx, cid, (week,), end_s, owner.now_ms)
        )
        await stick.carry(owner, reader)  # the grant
        await stick.carry(reader, owner)  # accepted
        await stick.carry(owner, reader)  # its keys
        await reader.write(
            lambda tx: reader.node.parcel_fetching.ask(tx, pair, week, reader.now_ms)
        )
        await stick.carry(reader, owner)  # what it wants to read
        await stick.carry(owner, reader)  # the pages: the reader has signed for them
        (before,) = await client_of(owner).accounts()
        assert before.accrued == "0.00", "nothing is owed for what was not signed for"
        await stick.carry(reader, owner)  # the signature
        mine, _ = await both(owner, reader)
        assert (mine.accrued, mine.open) == ("0.35", "0.35")

        told = await client_of(owner).invoice("volt", "EUR", iban=False)
        assert (told.open, told.answered) == ("0.35", False)
        taken = await stick.carry(owner, reader)
        assert (Cmd.INVOICE, Fate.DONE) in fates(taken, answers=False)
        taken = await stick.carry(reader, owner)  # its answer: what the debtor counts
        assert (Cmd.INVOICE, Fate.DONE) in fates(taken, answers=True)
        (mine,) = await client_of(owner).accounts()
        assert mine.invoice is not None
        assert (mine.invoice.answered, mine.invoice.differences) == (True, ())

        paid = await client_of(reader).account_paid("alice", "0.35", "EUR")
        taken = await stick.carry(reader, owner)
        assert (Cmd.PAID, Fate.DONE) in fates(taken, answers=False)
        await client_of(owner).account_answer(paid.id, confirm=True)
        taken = await stick.carry(owner, reader)
        assert (Cmd.ACKNOWLEDGE, Fate.DONE) in fates(taken, answers=False)
        mine, _ = await both(owner, reader)
        assert (mine.paid, mine.open) == ("0.35", "0.00")
        await stick.carry(reader, owner)
        assert (await waiting(owner), await waiting(reader)) == (0, 0)

        await client_of(owner).set_paid_terms(on=False)
        taken = await stick.carry(owner, reader)
        assert (Cmd.WAIVE, Fate.DONE) in fates(taken, answers=False)
        await stick.carry(reader, owner)
        await both(owner, reader)
        await both_logs_hold(owner, reader)

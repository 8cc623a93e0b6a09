"""Acting for another: a grandmother, her son and a bank; a child and a parent in one vault."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import trio

from entrenous.crypto.errors import EntrenousError
from entrenous.node.config import Role
from entrenous.node.errors import NotAllowed, NotFound, UsageError
from entrenous.node.inbox import RequestState
from entrenous.node.mandate_kept import MandateKept, Side
from entrenous.node.receipts import Logged, Way
from entrenous.protocol.command import Cmd, DecideArgs, MandateNoticeArgs, MandatePutArgs
from entrenous.protocol.errors import Code
from entrenous.protocol.mandate import Acted, Office
from entrenous.protocol.receipt import Answer
from entrenous.protocol.request import Request, parse_request
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window

from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    TERMS,
    Party,
    Town,
    a_town,
    ask,
    both_logs_hold,
    meet,
    request_of,
    settle,
)

WINDOW = Window(CURVE, DAY, DAY + 6)
BOTH = (Cmd.REQUEST, Cmd.DECIDE)


@dataclass
class Family:
    """Everybody is paired with everybody."""

    town: Town
    mother: Party
    son: Party
    bank: Party

    async def mandate(
        self, *, commands: tuple[Cmd, ...] = BOTH, days: int = 365, onward: bool = False
    ) -> MandateKept:
        """The son asks for it, his mother gives it; everybody has heard."""
        son, mother = self.son, self.mother
        principal, at = await son.peer("mother"), await son.peer("bank")
        await son.write(lambda tx: son.node.mandates.ask(tx, principal, at, son.now_ms))
        await settle()
        to, her_bank = await mother.peer("son"), await mother.peer("bank")
        given = await mother.write(
            lambda tx: mother.node.mandates.give(
                tx,
                to,
                her_bank,
                office=Office.PROXY,
                commands=commands,
                exp_s=mother.now_ms // 1000 + days * DAY_S,
                now_ms=mother.now_ms,
                onward=onward,
            )
        )
        await settle()
        return given

    async def her_persona(self) -> str:
        return (await self.mother.peer("bank")).own


async def family(town: Town) -> Family:
    mother, son = await town.party("mother"), await town.party("son")
    bank = await town.party("bank", Role.ORGANISATION)
    await meet(bank, mother)
    await meet(bank, son)
    await meet(mother, son)
    return Family(town, mother, son, bank)


async def ask_for_her(one: Family, mandate: MandateKept) -> bytes:
    """The son asks the bank, in his mother's name, for days of the bank's data."""
    son = one.son
    at = await son.peer("bank")
    request = replace(
        request_of(at, [WINDOW], son.now_ms), from_did=mandate.mandate.principal
    )
    cid = await son.write(
        lambda tx: son.node.borrowing.ask(tx, at, request, son.now_ms, mandate.cid)
    )
    await settle()
    return cid


async def answers(party: Party) -> list[tuple[Logged, Answer]]:
    found = await party.read(party.node.receipts.all)
    return [(one, one.word) for one in found if isinstance(one.word, Answer)]


async def test_a_son_asks_the_bank_for_his_mother(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate()
        held = await one.son.read(lambda tx: one.son.node.mandates.held(tx, given.cid))
        assert held.mandate == given.mandate
        lodged = await one.bank.read(one.bank.node.mandates.all)
        assert [(kept.side, kept.cid) for kept in lodged] == [(Side.LODGED, given.cid)]

        cid = await ask_for_her(one, given)
        # At the bank it is her request.
        asked = await one.bank.read(lambda tx: one.bank.node.inbox.get(tx, cid))
        assert asked.their == given.mandate.principal == await one.her_persona()
        # Her own node was told, and counts it as hers.
        hers = await one.mother.read(lambda tx: one.mother.node.asked.get(tx, cid))
        assert hers.state is RequestState.WAITING

        names = Acted(given.mandate.principal, given.mandate.proxy, given.cid)
        for party, way in ((one.bank, Way.GIVEN), (one.son, Way.TAKEN), (one.mother, Way.GIVEN)):
            acted = [answer for logged, answer in await answers(party) if logged.way is way]
            assert names in [answer.acted for answer in acted], party.name

        # What the bank decides goes to her, and she reads it.
        await one.bank.fill(CURVE, DAY, 7)
        await one.bank.write(
            lambda tx: one.bank.node.lending.grant(
                tx, cid, [WINDOW], one.bank.now_ms // 1000 + 20 * DAY_S, one.bank.now_ms
            )
        )
        await settle()
        lent = await one.mother.node.fetcher.fetch(await one.mother.peer("bank"), WINDOW)
        assert lent.batch is not None
        assert len(lent.batch) == 7 * 24
        await both_logs_hold(one.mother, one.son, one.bank)

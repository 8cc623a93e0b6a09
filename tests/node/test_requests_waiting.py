"""How many requests of one peer wait, and what it costs to know."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trio.testing import MockClock

from entrenous.node.exchange import acting
from entrenous.node.grants.inbox import Asked
from entrenous.protocol.command import Cmd, RequestArgs
from entrenous.protocol.errors import Code
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    a_town,
    meet,
    request_of,
    settle,
)

DAYS = Window(CURVE, DAY - 20, DAY)
MOST = 5


async def asks(reader: Party, owner: Party, number: int) -> Code:
    """The answer to one more request."""
    pair = await reader.peer(owner.name)
    request = request_of(pair, (replace(DAYS, last=DAY + number),), reader.now_ms, 30)
    args = RequestArgs(pair.their, request)
    return (await reader.node.exchange.say(pair, Cmd.REQUEST, args.value())).answer.code


async def test_one_who_asks_again_and_again_is_refused_and_costs_what_waits_of_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acting, "REQUESTS_WAITING_MAX", MOST)
    async with a_town() as town:
        owner, bank, shop = [await town.party(name) for name in ("alice", "bank", "shop")]
        await meet(owner, bank)
        await meet(owner, shop)
        for number in range(20):
            assert await asks(bank, owner, number) is Code.OK
            ((cid, _),) = await owner.read(owner.node.inbox.waiting)
            await owner.write(
                lambda tx, cid=cid: owner.node.lending.refuse(tx, cid, "no", owner.now_ms)
            )
        await settle()

        opened: list[Value] = []
        read = Asked.from_value

        def watched(_cls: type[Asked], value: Value) -> Asked:
            opened.append(value)
            return read(value)

        monkeypatch.setattr(Asked, "from_value", classmethod(watched))
        codes = [await asks(shop, owner, number) for number in range(MOST + 2)]
        assert codes == [Code.OK] * MOST + [Code.TOO_MUCH] * 2
        assert len(opened) <= sum(range(MOST + 1)) + 2 * MOST, "what others asked is not opened"
        assert await asks(shop, owner, 0) is Code.OK, "said again, it is not another one"
        assert await asks(bank, owner, 99) is Code.OK, "one who floods costs the others no place"

        waiting = await owner.read(owner.node.inbox.waiting)
        pair = await owner.peer("shop")
        mine = next(cid for cid, one in waiting if one.their == pair.their)
        await owner.write(lambda tx: owner.node.lending.refuse(tx, mine, "no", owner.now_ms))
        assert await asks(shop, owner, 50) is Code.OK
        assert await asks(shop, owner, 51) is Code.TOO_MUCH

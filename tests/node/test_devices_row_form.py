"""A row from another device has one form, or is refused: in another it would be news at every
exchange, and two devices would never be done."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from trio.testing import MockClock

from entrenous.node.devices.space import Taking
from entrenous.node.store.database import Tx
from entrenous.protocol.card import card_from_mapping, make_card
from entrenous.protocol.cid import CID_BYTES
from entrenous.protocol.day import UNDATED, month_of
from entrenous.protocol.errors import WireError
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.two_nodes import Party, a_town
from entrenous.tests.protocol.card_samples import DID, KEY, WRITTEN

FIRST = card_from_mapping(WRITTEN, did=DID, n=3, t_ms=1_000, name="Home")
NAME: Value = ["did:key:own", DID]
OLD: Value = [1_000, make_card(KEY, FIRST).raw]
NEW: Value = [2_000, make_card(KEY, replace(FIRST, n=4)).raw]
MONTH = month_of(UNDATED)
CID = bytes(CID_BYTES)
TWICE: Value = [[7, "accepted", None], [5, "given", None], [7, "accepted", None]]
PATH = "finance/accounts/transactions"
SEEN: Value = {"seen": b"", "periods": [], "waiting": []}
LINE: dict[str, Value] = {
    "own": DID,
    "their": DID,
    "windows": [Window("energy/electricity/load-curve", 1, 2).value()],
    "purpose": "",
    "exp_s": 9,
    "root": CID,
    "request": None,
    "renews": None,
    "retention_days": 1,
    "delete_at_end": False,
    "events": TWICE,
}


def taking(party: Party, space: str, row: Value) -> Callable[[Tx], int]:
    at = Taking(party.now_ms)
    return lambda tx: party.node.handing_over.named(space).take(tx, [row], at)


async def ids(party: Party, space: str) -> list[bytes]:
    return list(await party.read(lambda tx: party.node.handing_over.named(space).ids(tx)))


@pytest.mark.parametrize(
    ("space", "row"),
    [
        ("cards-shown", [NAME, [OLD, OLD]]),
        ("cards-shown", [NAME, [NEW, OLD]]),
        ("cards-shown", [NAME, [[-1, make_card(KEY, FIRST).raw]]]),
        ("cards-shown", [NAME, [[True, make_card(KEY, FIRST).raw]]]),
        ("erased", [["finance/accounts/transactions", MONTH], []]),
    ],
    ids=["a card twice", "newest first", "before all time", "no time", "nothing erased"],
)
async def test_a_row_that_would_be_news_for_ever_is_refused(
    autojump_clock: MockClock, space: str, row: Value
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        with pytest.raises(WireError):
            await home.write(taking(home, space, row))
        assert await ids(home, space) == []


@pytest.mark.parametrize(
    ("space", "row"),
    [
        ("family", [True, bytes(32)]),
        ("epochs", [True, bytes(16), bytes(32)]),
        ("standing", [True, None]),
        ("whose", [PATH, [1], True]),
        ("whose", [PATH, [True], 1]),
        ("personas-of-people", [DID, [True]]),
        ("rows-gone", [["imports", bytes(16)], True]),
        ("erased", [[PATH, True], [[UNDATED, 5, True, bytes(8)]]]),
        ("erased", [[PATH, MONTH], [[UNDATED, True, True, bytes(8)]]]),
        ("keysets-held", [[CID, True], b""]),
        ("vouches-heard", [[DID, "did:key:own", DID], [True, b""]]),
        ("view-periods", [["energy/electricity/load-curve/daily", True], SEEN]),
        ("grant-lines", [["held", CID], {**LINE, "events": [[True, "given", None]]}]),
        (f"pages/{PATH}/0", [b"", b"", bytes(32), bytes(16), True, 0, b""]),
    ],
)
async def test_true_is_no_number(autojump_clock: MockClock, space: str, row: Value) -> None:
    async with a_town() as town:
        home = await town.party("home")
        before = await ids(home, space) if space != "family" else []
        with pytest.raises(WireError):
            await home.write(taking(home, space, row))
        if space != "family":
            assert await ids(home, space) == before


@pytest.mark.parametrize(
    ("space", "row"),
    [
        ("cards-shown", [NAME, [OLD, NEW]]),
        ("erased", [["finance/accounts/transactions", MONTH], [[UNDATED, 5, True, bytes(8)]]]),
        ("grant-lines", [["held", CID], LINE]),
    ],
    ids=["cards", "tombstones", "an event told twice"],
)
async def test_a_row_taken_again_is_no_news(
    autojump_clock: MockClock, space: str, row: Value
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        assert await home.write(taking(home, space, row)) == 1
        held = await ids(home, space)
        assert await home.write(taking(home, space, row)) == 0
        assert await ids(home, space) == held
        assert len(held) == 1

"""Sticks in any order: lost, late, twice, mixed with meetings; everything happens exactly once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from entrenous.node.errors import NotFound
from entrenous.node.parcels.book import (
    DEVICES_KEPT_MAX,
    TRIES_KEPT_MAX,
    ParcelBook,
    SentCall,
    WaitingWord,
)
from entrenous.protocol.cid import cid_of
from entrenous.protocol.counter import CounterWindow
from entrenous.protocol.did import did_of
from entrenous.protocol.receipt import Receipt
from entrenous.protocol.window import Window
from entrenous.tests.node.test_parcel_reads import lent_apart, reads, receipts, want
from entrenous.tests.node.test_parcels import Stick, waiting
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    Party,
    Town,
    a_town,
    both_logs_hold,
    readings,
    request_of,
    settle,
)

# Apart from what is delivered, which has one length of interval a path too.
LENT = "energy/gas/load-curve"
Act: TypeAlias = tuple[str, int]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("ask", "deliver", "read", "write", "write back", "take", "take back", "meet")
        ),
        st.integers(0, 5),
    ),
    max_size=14,
)


class Post:
    """A home and a shop, what was said between them, and every parcel that lies about."""

    def __init__(self, home: Party, shop: Party, stick: Stick) -> None:
        self.home, self.shop, self.stick = home, shop, stick
        self.there: list[Path] = []
        self.back: list[Path] = []
        self.asked = self.delivered = 0
        self.wanted: list[Window] = []

    async def act(self, act: str, which: int) -> None:
        match act:
            case "ask":
                await self.ask()
            case "deliver":
                batch = readings(DAY + self.delivered, 1)
                await self.shop.node.deliveries.deliver("home", CURVE, batch, self.shop.now_ms)
                self.delivered += 1
            case "read":
                await self.read(which)
            case "write":
                await self.write(self.shop, self.home, self.there)
            case "write back":
                await self.write(self.home, self.shop, self.back)
            case "take" if self.there:
                parcel = self.there[which % len(self.there)]
                await self.home.node.parcel_taking.take(parcel)
            case "take back" if self.back:
                parcel = self.back[which % len(self.back)]
                await self.shop.node.parcel_taking.take(parcel)
            case "meet":
                await self.meet()
            case _:
                pass

    async def read(self, which: int) -> None:
        window = Window(LENT, DAY + which, DAY + which + 4)
        if await want(self.shop, window):
            self.wanted.append(window)

    async def ask(self) -> None:
        pair = await self.shop.peer("home")
        self.asked += 1
        window = Window(CURVE, DAY, DAY + self.asked)
        request = request_of(pair, [window], self.shop.now_ms)
        node, now_ms = self.shop.node, self.shop.now_ms
        await self.shop.write(lambda tx: node.borrowing.ask(tx, pair, request, now_ms))

    async def write(self, sender: Party, to: Party, pile: list[Path]) -> None:
        try:
            pile.append(await self.stick.write(sender, to))
        except NotFound:
            return  # nothing waits

    async def meet(self) -> None:
        await self.home.up()
        await self.shop.up()
        await settle(2)
        await self.home.down()
        await self.shop.down()

    async def all_is_said(self) -> None:
        """Carry until nothing waits: no more than there and back, and once more for each window."""
        for _ in range(4):
            await self.act("write", 0)
            await self.act("take", len(self.there) - 1)
            await self.act("write back", 0)
            await self.act("take back", len(self.back) - 1)
        assert (await waiting(self.shop), await waiting(self.home)) == (0, 0)


async def any_order(acts: Sequence[Act]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with a_town() as town:
            await _any_order(town, Path(folder), acts)


async def _any_order(town: Town, folder: Path, acts: Sequence[Act]) -> None:
    home, shop, stick, _ = await lent_apart(town, folder, path=LENT, days=10, pages=2)
    post = Post(home, shop, stick)
    for act, which in acts:
        await post.act(act, which)
    await post.all_is_said()
    # All that lies about turns up once more.
    for which in range(len(post.there)):
        await post.act("take", which)
    for which in range(len(post.back)):
        await post.act("take back", which)
    assert len(await home.read(home.node.inbox.all)) == post.asked + 1
    await _all_is_read(post)
    assert len(await home.read(home.node.deliveries.received)) == post.delivered
    made = await shop.read(shop.node.deliveries.made)
    assert [one.state for one in made] == ["stored"] * post.delivered
    # And then they meet, and go on from there.
    await post.meet()
    await post.ask()
    await post.meet()
    assert await waiting(shop) == 0
    assert not home.node.links.contradicted | shop.node.links.contradicted
    await both_logs_hold(home, shop)


async def _all_is_read(post: Post) -> None:
    """Each read brought each of its windows once, and both sides hold both signatures."""
    for party, other in ((post.home, post.shop), (post.shop, post.home)):
        book = await reads(party, other)
        assert (book.asked, book.served) == ((), ())
        bodies = [one.word.body for one in await receipts(party) if isinstance(one.word, Receipt)]
        assert all(one.two_sided for one in await receipts(party))
        assert len(bodies) == len({(body.inv, body.window) for body in bodies})
        assert [body.last for body in bodies].count(True) == len(post.wanted)
        assert sum(body.pages for body in bodies) == 5 * len(post.wanted)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([("ask", 0), ("write", 0), ("meet", 0), ("take", 0), ("write back", 0), ("take back", 0)])
@example([("read", 0), ("write", 0), ("write", 0), ("take", 1), ("write back", 0), ("take", 0)])
@example([("deliver", 0), ("write", 0), ("ask", 0), ("write", 0), ("take", 1), ("take", 0)])
@given(ACTS)
def test_parcels_and_meetings_in_any_order(acts: Sequence[Act]) -> None:
    trio.run(any_order, acts, clock=MockClock(autojump_threshold=0))


def test_a_book_is_kept_as_it_is() -> None:
    device = did_of(bytes(32))
    word = WaitingWord(cid_of(b"inv"), cid_of(b"answer"), 7, (1, 2))
    book = ParcelBook(
        cid_of(b"base"),
        cid_of(b"given"),
        ((device, CounterWindow(3, 0b101)),),
        (word,),
        (SentCall(cid_of(b"call"), 5, 9),),
    )
    assert ParcelBook.from_value(book.value()) == book
    assert ParcelBook.from_value(ParcelBook().value()) == ParcelBook()
    assert book.tidied(8).words == ()
    assert book.tidied(8).calls == book.calls


def test_a_book_does_not_grow_without_end() -> None:
    book = ParcelBook()
    for n in range(1, 50):
        calls = tuple(SentCall(cid_of(bytes([n, item])), item, 9) for item in range(3))
        book = book.sent(n, frozenset(), calls)
        book = book.with_taken(did_of(bytes([n] * 32)), n)
    assert len(book.calls) == 3 * TRIES_KEPT_MAX
    assert book.calls[-1].inv == cid_of(bytes([49, 2]))
    assert len(book.taken) == DEVICES_KEPT_MAX
    assert book.taken[-1][0] == did_of(bytes([49] * 32))

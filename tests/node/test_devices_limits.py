"""What two devices know of one thing has room for what each may know apart; what passes even that
is refused in one sentence, and neither loses anything."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from random import Random

import pytest
from trio.testing import MockClock

from entrenous.node.config import Role
from entrenous.node.devices import joins, shared_record_space
from entrenous.node.devices.row_spaces import Rows, RowSpace
from entrenous.node.devices.space import Taking
from entrenous.node.grants import grant_held, keys_held
from entrenous.node.grants.grant_held import KEYSETS_KEPT_MAX, KEYSETS_UNITED_MAX, GrantHeld
from entrenous.node.grants.grant_lines import (
    EVENTS_MAX,
    UNITED_MAX,
    Event,
    GrantLine,
    Happened,
    Side,
    line_from_row,
)
from entrenous.node.store.objects import Kind
from entrenous.protocol.did import Did
from entrenous.protocol.errors import WireError
from entrenous.protocol.limits import DEVICES_MAX, ITEMS_MAX
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode, encode
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.shared_town import CONTACTS, bank_and_ada, client_of, kept
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, a_town, lend, meet, settle
from entrenous.tests.protocol.card_samples import DID

CID = bytes(36)
LINES = "grant-lines"
WINDOW = Window(CURVE, DAY - 10, DAY - 6)


def line(moments: Iterable[int]) -> GrantLine:
    """A line that tells of a suspension at each of these moments."""
    events = tuple(Event(t_ms, Happened.SUSPENDED) for t_ms in sorted(moments))
    root, own = CID, Did(DID)
    return GrantLine(
        CID, Side.HELD, own, own, (WINDOW,), "p", 9, root, None, None, 1, False, events
    )


async def begins(party: Party, row: GrantLine) -> None:
    lines = party.node.borrowing.lines
    await party.write(lambda tx: lines.begin(tx, row))


async def moments(party: Party) -> set[int]:
    found = await party.read(lambda tx: party.node.borrowing.lines.find(tx, Side.HELD, CID))
    return set() if found is None else {event.t_ms for event in found.events}


async def take(party: Party, space: str, row: Value) -> int:
    at = Taking(party.now_ms)
    return await party.write(lambda tx: party.node.handing_over.named(space).take(tx, [row], at))


async def test_two_full_lines_of_one_grant_are_one_that_both_read(
    autojump_clock: MockClock,
) -> None:
    """Each device noted as much as it may, all of it apart: nothing is lost, and they are done."""
    async with a_town() as town:
        home = await town.party("home")
        mobile = await another(town, home, "mobile")
        await begins(home, line(range(0, 2 * EVENTS_MAX, 2)))
        await begins(mobile, line(range(1, 2 * EVENTS_MAX, 2)))
        await in_step(home, mobile)
        for device in (home, mobile):
            assert await moments(device) == set(range(2 * EVENTS_MAX))
            assert not device.node.keeping.refused
            pair = (await device.read(device.node.peers.siblings))[0]
            assert await device.node.keeping.fetch(pair) == 0
        await same(home, mobile)


async def test_a_line_with_more_than_all_devices_may_note_stays_as_it_is(
    autojump_clock: MockClock,
) -> None:
    """As only a device brings it that does not keep the rules."""
    async with a_town() as town:
        home = await town.party("home")
        mobile = await another(town, home, "mobile")
        full = set(range(UNITED_MAX))
        await begins(home, line(full))
        await begins(mobile, line({UNITED_MAX}))
        await in_step(home, mobile)
        assert await moments(home) == full
        assert await moments(mobile) == {UNITED_MAX}
        for device in (home, mobile):
            [[(_, space), why]] = device.node.keeping.refused.items()
            assert space == LINES
            assert why == "with this a row would be more than is kept of one thing"


def test_a_full_row_fits_what_is_decoded() -> None:
    for row in (line(range(UNITED_MAX)).value(), list(range(KEYSETS_UNITED_MAX))):
        assert decode(encode(row), bytes_max=1 << 22) == row
    assert UNITED_MAX >= DEVICES_MAX * EVENTS_MAX
    assert ITEMS_MAX > KEYSETS_UNITED_MAX == DEVICES_MAX * KEYSETS_KEPT_MAX


@pytest.mark.parametrize("seed", range(8))
async def test_at_the_limit_nothing_is_lost_and_they_end(
    autojump_clock: MockClock, seed: int
) -> None:
    """Devices that each know some, with a limit of a few: whatever they know together, each keeps
    what it had; they hold the same where there is room, and stop asking where there is none."""
    room = 6

    def read(name: Value, value: Value) -> GrantLine:
        row = line_from_row(name, value)
        if len(row.events) > room:
            raise WireError("too many")
        return replace(row, events=joins.in_order(row.events))

    dice = Random(seed)
    async with a_town() as town:
        devices = [await town.party(name) for name in "abc"]
        spaces = [
            RowSpace(
                LINES,
                Kind.GRANT_LINE,
                one.node.vault.store.objects,
                Rows(read, lambda row: row.value(), joins.line),
            )
            for one in devices
        ]
        for one in devices:
            await begins(one, line(dice.sample(range(9), dice.randint(1, 5))))
        before = [await moments(one) for one in devices]
        at = Taking(1)
        changes = -1
        for _ in range(8):
            changes = 0
            for mine, one in enumerate(devices):
                for other in range(3):
                    rows = [*(await devices[other].read(spaces[other].rows)).values()]
                    try:
                        changes += await one.write(partial(spaces[mine].take, rows=rows, taking=at))
                    except WireError:
                        union = await moments(one) | await moments(devices[other])
                        assert len(union) > room
        assert changes == 0
        after = [await moments(one) for one in devices]
        assert all(had <= has for had, has in zip(before, after, strict=True))
        everything = before[0] | before[1] | before[2]
        if len(everything) <= room:
            assert after == [everything] * 3


async def test_keysets_that_two_devices_were_sent_apart_add_up(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one device alone takes is bounded by half of it; what is brought, by all of it."""
    async with a_town() as town:
        alice, bank = await town.party("alice"), await town.party("bank", Role.ORGANISATION)
        await alice.fill(CURVE, DAY - 10, 10)
        await meet(alice, bank)
        grant = await lend(alice, bank, WINDOW)
        [held] = await bank.read(bank.node.borrowing.all)
        assert held.cid == grant.cid
        mine = held.keysets
        count = len(mine)
        many = tuple(range(1, KEYSETS_KEPT_MAX + 2))
        # A row of more than one device alone takes is read.
        assert GrantHeld.from_value(replace(held, keysets=many).value()).keysets == many
        past = replace(held, keysets=tuple(range(KEYSETS_UNITED_MAX + 1))).value()
        with pytest.raises(WireError):
            GrantHeld.from_value(past)
        [[_, raw]] = await bank.read(
            lambda tx: [*bank.node.vault.store.objects.all(tx, Kind.KEYSET_HELD)]
        )
        monkeypatch.setattr(keys_held, "KEYSETS_UNITED_MAX", count + 1)
        assert await take(bank, "keysets-held", [[grant.cid, 1], raw]) == 1
        with pytest.raises(WireError, match="no more"):
            await take(bank, "keysets-held", [[grant.cid, 2], raw])
        [held] = await bank.read(bank.node.borrowing.all)
        assert held.keysets == tuple(sorted((*mine, 1)))
        monkeypatch.setattr(grant_held, "KEYSETS_UNITED_MAX", count + 1)
        assert await take(bank, "keysets-held", [[grant.cid, 1], raw]) == 0


async def test_a_shared_record_takes_no_more_versions_than_are_read(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two devices signed one while they were apart, and there is room for one."""
    async with a_town() as town:
        ada, bank = await bank_and_ada(town)
        laptop = await another(town, ada, "laptop")
        await bank.down()
        await ada.down()
        await laptop.down()
        for device, street in ((ada, "1 First Street"), (laptop, "2 Second Street")):
            await client_of(device).shared_propose(
                "bank", CONTACTS, "c1", changes=(("addresses", street),), reason=""
            )
        before = [await kept(device) for device in (ada, laptop)]
        monkeypatch.setattr(shared_record_space, "_VERSIONS_MAX", 1)
        await ada.up()
        await laptop.up()
        await settle(600)
        await in_step(ada, laptop)
        assert [await kept(device) for device in (ada, laptop)] == before
        for device in (ada, laptop):
            assert [space for _, space in device.node.keeping.refused] == ["shared-records"]
            assert "more versions than are kept" in "".join(device.node.keeping.refused.values())
        monkeypatch.undo()
        await in_step(ada, laptop)
        assert [len((await kept(device)).versions) for device in (ada, laptop)] == [2, 2]
        await same(ada, laptop)

"""The devices of a peer: each of this person's devices knows all that any of them has heard of."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import DeviceKey, PersonaKey
from entrenous.node.devices.space import Taking
from entrenous.node.peers.peer_devices import (
    PeerDevice,
    both,
    devices_from_value,
    devices_value,
)
from entrenous.node.peers.peers import CERTIFICATE_LIFE_S
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import StoreDamaged
from entrenous.protocol.command import Cmd, PairDeviceArgs
from entrenous.protocol.did import Did
from entrenous.protocol.errors import WireError
from entrenous.protocol.limits import DEVICES_MAX
from entrenous.protocol.persona import Certificate, make_certificate
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, Town, a_town, lend, meet

ENTROPY = SeededEntropy(b"devices of a peer")
PERSONA = PersonaKey.generate(ENTROPY)
KEYS = [DeviceKey.generate(ENTROPY) for _ in range(DEVICES_MAX + 2)]
NOW_MS = 1_760_000_000_000
DAYS = Window(CURVE, DAY - 10, DAY - 1)


def certificate(device: int, more_s: int = 0) -> Certificate:
    exp_s = NOW_MS // 1000 + 86_400 + more_s
    return make_certificate(PERSONA, device=KEYS[device], cmds=("/",), exp_s=exp_s, now_ms=NOW_MS)


CERTIFICATES = [[certificate(device, more) for more in range(3)] for device in range(3)]


def one(device: int, more_s: int, port: int, told_ms: int) -> tuple[Did, PeerDevice]:
    shown = CERTIFICATES[device][more_s]
    addresses = (f"/ip4/192.0.2.1/tcp/{port}",) if port else ()
    return shown.device, PeerDevice(shown, addresses, told_ms)


ONE = st.builds(one, *(st.integers(0, 2) for _ in range(4)))
TOLD = st.lists(ONE, max_size=3).map(dict)


@settings(max_examples=200)
@given(st.lists(TOLD, min_size=3, max_size=3))
def test_what_is_known_of_a_peers_devices_joins_in_any_order(
    told: list[dict[Did, PeerDevice]],
) -> None:
    found: list[dict[Did, PeerDevice]] = []
    for first, second, third in permutations(told):
        found.append(both(both(first, second), third))
        found.append(both(first, both(second, third)))
    assert all(each == found[0] for each in found)
    assert all(both(found[0], each) == found[0] for each in told)
    assert devices_from_value(devices_value(found[0])) == found[0]


def test_of_more_than_are_kept_those_with_the_newest_certificates() -> None:
    shown = [certificate(device, device) for device in range(DEVICES_MAX + 2)]
    every = {each.device: PeerDevice(each, ()) for each in shown}
    kept = both({}, every)
    assert set(kept) == {each.device for each in shown[2:]}
    assert both(kept, every) == kept


def test_rows_of_earlier_versions_are_read() -> None:
    shown = certificate(0)
    assert devices_from_value([[shown.signed.raw, ["/ip4/192.0.2.1/tcp/1"]]]) == {
        shown.device: PeerDevice(shown, ("/ip4/192.0.2.1/tcp/1",), 0)
    }


RAW = CERTIFICATES[0][0].signed.raw
NO_ROWS: dict[str, Value] = {
    "no list": {},
    "empty": [[]],
    "too many": [[b"", []] for _ in range(DEVICES_MAX + 1)],
    "true": [[RAW, [], True]],
    "before all time": [[RAW, [], -1]],
    "no address": [[RAW, [7], 1]],
    "too many addresses": [[RAW, ["/ip4/192.0.2.1/tcp/1"] * 17, 1]],
    "not signed": [[RAW + b"\x00", [], 1]],
}


@pytest.mark.parametrize("value", NO_ROWS.values(), ids=NO_ROWS.keys())
def test_what_is_no_row_is_refused(value: Value) -> None:
    with pytest.raises((StoreDamaged, WireError)):
        devices_from_value(value)


# between nodes


async def two_and_two(town: Town) -> tuple[Party, Party, Party, Party]:
    """A person who lends to a bank of two devices, of which one has spoken with the person."""
    home, bank = [await town.party(name) for name in ("home", "bank")]
    await home.fill(CURVE, DAY - 10, 10)
    await meet(home, bank)
    branch = await another(town, bank, "branch")
    await in_step(bank, branch)
    await lend(home, bank, DAYS)
    laptop = await another(town, home, "laptop")
    await in_step(home, laptop)
    return home, laptop, bank, branch


async def test_a_device_that_joined_reaches_whichever_device_of_a_peer_is_there(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        _, laptop, bank, branch = await two_and_two(town)
        for there, away in ((bank, branch), (branch, bank)):
            await away.down()
            link = await laptop.node.links.link_to(await laptop.peer("bank"))
            assert link.server.device == there.node.own_devices.device
            link.close("the test has seen it")
            await away.up()
            await in_step(bank, branch)


async def test_a_peers_device_is_reached_that_was_certified_by_a_slower_clock(
    autojump_clock: MockClock,
) -> None:
    """The certificate of the device that is gone ends later than that of the one that took its
    place: the pair names the wrong one, and the other device of this person hears of both."""
    async with a_town() as town:
        home, laptop, bank, branch = await two_and_two(town)
        pair = await home.peer("bank")
        persona = await bank.read(lambda tx: bank.node.peers.persona(tx, pair.their))
        later_ms = bank.now_ms + 3_600_000
        gone = make_certificate(
            persona.key,
            device=KEYS[0],
            cmds=("/",),
            exp_s=later_ms // 1000 + CERTIFICATE_LIFE_S,
            now_ms=later_ms,
        )

        def greets(tx: Tx) -> None:
            home.node.peer_devices.greeted(tx, pair, gone)

        await home.write(greets)
        await in_step(home, laptop)
        assert (await laptop.peer("bank")).certificate.device == gone.device
        for device in (home, laptop):
            link = await device.node.links.link_to(await device.peer("bank"))
            assert link.server.device in {party.node.own_devices.device for party in (bank, branch)}
        await same(home, laptop)


async def test_where_a_peer_listens_is_what_it_said_last_whichever_device_heard_it(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, laptop, bank, _ = await two_and_two(town)
        pair = await laptop.peer("bank")
        shown = await bank.read(lambda tx: bank.node.peers.persona(tx, pair.their).certificate)
        for number, device in ((9, home), (1, laptop), (5, home)):
            address = f"/memory/{number}00"
            args = PairDeviceArgs(pair.own, shown.signed.raw, (address,))
            await device.write(
                lambda tx, device=device, args=args: device.node.peer_devices.told(
                    tx, pair, args, device.now_ms
                )
            )
            await in_step(home, laptop)
            for party in (home, laptop):
                known = await party.read(
                    lambda tx, party=party: party.node.peer_devices.of(tx, pair, party.now_ms)
                )
                listens = {each.certificate.device: each.addresses for each in known}
                assert listens[shown.device] == (address,)
        await same(home, laptop)


async def test_devices_of_an_earlier_persona_and_leases_are_not_taken(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, laptop, _, _ = await two_and_two(town)
        pair = await laptop.peer("bank")
        space = laptop.node.handing_over.named("peer-devices")
        before = await laptop.read(lambda tx: laptop.node.peer_devices.known(tx, pair))
        stranger = certificate(0)
        row: Value = [[pair.own, pair.their], [[stranger.signed.raw, [], 5]]]
        taking = Taking(laptop.now_ms)
        assert await laptop.write(lambda tx: space.take(tx, [row], taking)) == 0
        exp_s = NOW_MS // 1000 + 60
        lease = make_certificate(
            PERSONA, device=KEYS[0], cmds=(Cmd.READ.value,), exp_s=exp_s, now_ms=NOW_MS
        )
        row = [[pair.own, pair.their], [[lease.signed.raw, [], 5]]]
        with pytest.raises(WireError):
            await laptop.write(lambda tx: space.take(tx, [row], taking))
        assert await laptop.read(lambda tx: laptop.node.peer_devices.known(tx, pair)) == before
        # What stands in the store of an earlier persona vouches for nothing.
        other = await home.read(lambda tx: home.node.peers.persona(tx, pair.own).inception)
        followed = replace(pair, their_before=(pair.their,), inception=other)
        assert await laptop.read(lambda tx: laptop.node.peer_devices.known(tx, followed)) == {}

"""One suite that holds both networks, the real one over loopback and its twin in memory."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from entrenous.crypto.keys import DeviceKey
from entrenous.node.network.libp2p import Libp2pNetwork
from entrenous.node.network.memory import MemoryNetwork, MemoryWorld
from entrenous.node.network.transport import (
    BUFFER_BYTES,
    STREAMS_PER_PEER_MAX,
    BadAddress,
    Handler,
    ListenFailed,
    PeerAway,
    PeerBusy,
    PeerSilent,
    Stream,
    StreamBroken,
    StreamClosed,
    TransportError,
    WrongPeer,
)

AnyNetwork = Libp2pNetwork | MemoryNetwork
ALICE, BOB, CAROL = (DeviceKey(bytes([i]) * 32) for i in (1, 2, 3))
LONG_S = 60.0


@pytest.fixture(params=["memory", "libp2p"])
def place(request: pytest.FixtureRequest) -> Callable[[DeviceKey], AnyNetwork]:
    """Makes networks that can reach one another."""
    if request.param == "memory":
        world = MemoryWorld()
        return lambda device: MemoryNetwork(device, world)
    return lambda device: Libp2pNetwork(device, ["/ip4/127.0.0.1/tcp/0"])


Place = Callable[[DeviceKey], AnyNetwork]


@asynccontextmanager
async def alice_and_bob(
    place: Place, handler: Handler
) -> AsyncGenerator[tuple[AnyNetwork, AnyNetwork]]:
    """Two networks; Bob serves.  Everything in it ends within `LONG_S`."""
    with trio.fail_after(LONG_S):
        async with place(ALICE) as alice, place(BOB) as bob, trio.open_nursery() as nursery:
            nursery.start_soon(bob.serve, handler)
            yield alice, bob
            nursery.cancel_scope.cancel()


async def dial(alice: AnyNetwork, bob: AnyNetwork, timeout_s: float = LONG_S) -> Stream:
    return await alice.dial(BOB.public, bob.addresses, timeout_s)


async def read_all(stream: Stream) -> bytes:
    pieces: list[bytes] = []
    while piece := await stream.receive_some():
        pieces.append(piece)
    return b"".join(pieces)


async def echo(stream: Stream) -> None:
    while data := await stream.receive_some():
        await stream.send_all(data)


async def hold(stream: Stream) -> None:
    await trio.sleep_forever()


def pattern(size: int) -> bytes:
    return hashlib.shake_256(b"pattern").digest(size)


async def test_both_ends_know_the_key_of_the_other(place: Place) -> None:
    seen: list[bytes] = []

    async def handler(stream: Stream) -> None:
        seen.append(stream.remote_key)
        await stream.send_all(b"hello")

    async with alice_and_bob(place, handler) as (alice, bob):
        stream = await dial(alice, bob)
        assert await read_all(stream) == b"hello"
        assert stream.remote_key == BOB.public
        assert seen == [ALICE.public]
        await stream.aclose()


async def test_addresses_show_the_real_port_and_it_is_kept(place: Place) -> None:
    network = place(BOB)
    assert network.addresses == ()
    async with network:
        first = network.addresses
        assert first
        assert not first[0].endswith("/0")
    async with network:
        assert network.addresses == first


async def test_another_device_at_the_address_is_refused(place: Place) -> None:
    met: list[Stream] = []

    async def handler(stream: Stream) -> None:
        met.append(stream)

    async with alice_and_bob(place, handler) as (alice, bob):
        with pytest.raises(WrongPeer):
            await alice.dial(CAROL.public, bob.addresses, LONG_S)
        assert met == []


async def test_nobody_there(place: Place) -> None:
    async with place(ALICE) as alice:
        async with place(BOB) as bob:
            left = bob.addresses
        with pytest.raises(PeerAway):
            await alice.dial(BOB.public, left, LONG_S)
        with pytest.raises(PeerAway):
            await alice.dial(BOB.public, [], LONG_S)


async def test_a_bad_address_is_named(place: Place) -> None:
    async with place(ALICE) as alice:
        for address in ("", "/", "bob.example:4001", "/ip4/1.2.3.4/udp/1/quic", "/ip4/x/tcp/1"):
            with pytest.raises(BadAddress):
                await alice.dial(BOB.public, [address], LONG_S)


async def test_one_who_listens_and_says_nothing_is_silent(place: Place) -> None:
    async with place(ALICE) as alice, place(BOB) as bob:
        with trio.fail_after(LONG_S), pytest.raises(PeerSilent):
            await dial(alice, bob, 0.2)


async def test_the_second_address_is_tried(place: Place) -> None:
    async with place(CAROL) as carol:
        left = carol.addresses
    async with alice_and_bob(place, echo) as (alice, bob):
        stream = await alice.dial(BOB.public, [*left, *bob.addresses], LONG_S)
        await stream.send_all(b"x")
        assert await stream.receive_some() == b"x"
        await stream.aclose()


async def test_half_close_leaves_the_other_half(place: Place) -> None:
    async def answer(stream: Stream) -> None:
        question = await read_all(stream)
        await stream.send_all(question[::-1])

    async with alice_and_bob(place, answer) as (alice, bob):
        stream = await dial(alice, bob)
        await stream.send_all(b"abc")
        await stream.send_eof()
        await stream.send_eof()
        assert await read_all(stream) == b"cba"
        assert await stream.receive_some() == b""
        with pytest.raises(StreamClosed):
            await stream.send_all(b"more")
        await stream.aclose()


async def test_what_was_sent_before_a_close_arrives_whole(place: Place) -> None:
    data = pattern(700_000)
    got: list[bytes] = []
    done = trio.Event()

    async def slow(stream: Stream) -> None:
        await trio.sleep(0.05)
        got.append(await read_all(stream))
        done.set()

    async with alice_and_bob(place, slow) as (alice, bob):
        stream = await dial(alice, bob)
        await stream.send_all(data)
        await stream.aclose()
        await stream.aclose()
        await done.wait()
        assert got == [data]
        with pytest.raises(StreamClosed):
            await stream.receive_some()
        with pytest.raises(StreamClosed):
            await stream.send_all(b"x")


async def test_the_listener_may_close_first(place: Place) -> None:
    async def greet(stream: Stream) -> None:
        await stream.send_all(b"bye")

    async with alice_and_bob(place, greet) as (alice, bob):
        stream = await dial(alice, bob)
        assert await read_all(stream) == b"bye"
        await stream.aclose()


async def test_sending_to_one_who_closed_breaks_in_the_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrenous.node.network.libp2p_channel.LINGER_S", 0.1)

    async def leave(stream: Stream) -> None:
        await stream.receive_some(1)

    async with alice_and_bob(place, leave) as (alice, bob):
        stream = await dial(alice, bob)
        with pytest.raises(StreamBroken):
            await stream.send_all(bytes(20 * BUFFER_BYTES))
        await stream.aclose()


async def test_a_reset_is_not_an_end(place: Place) -> None:
    async def break_it(stream: Stream) -> None:
        await stream.send_all(b"half")
        await stream.receive_some()
        await stream.reset()

    async with alice_and_bob(place, break_it) as (alice, bob):
        stream = await dial(alice, bob)
        await stream.send_all(b"go")
        with pytest.raises(StreamBroken):
            await read_all(stream)
        with pytest.raises(StreamBroken):
            await stream.send_all(b"x")
        await stream.aclose()


async def test_a_node_that_stops_breaks_its_open_streams(place: Place) -> None:
    with trio.fail_after(LONG_S):
        async with place(ALICE) as alice:
            async with place(BOB) as bob, trio.open_nursery() as nursery:
                nursery.start_soon(bob.serve, hold)
                stream = await dial(alice, bob)
                nursery.cancel_scope.cancel()
            with pytest.raises(StreamBroken):
                await stream.receive_some()
            await stream.aclose()


async def test_32_mib_through_intact(place: Place) -> None:
    data = pattern(1024 * 1024)
    times = 32
    digest = hashlib.sha256()
    done = trio.Event()

    async def take(stream: Stream) -> None:
        while piece := await stream.receive_some():
            digest.update(piece)
        done.set()

    async with alice_and_bob(place, take) as (alice, bob):
        stream = await dial(alice, bob)
        for _ in range(times):
            await stream.send_all(data)
        await stream.aclose()
        await done.wait()
    assert digest.digest() == hashlib.sha256(data * times).digest()


async def test_both_directions_at_once(place: Place) -> None:
    data = pattern(3_000_000)

    async def both(stream: Stream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, data)
            got = bytearray()
            while len(got) < len(data):
                got += await stream.receive_some()
            assert bytes(got) == data

    async with alice_and_bob(place, both) as (alice, bob):
        stream = await dial(alice, bob)
        await both(stream)
        await stream.aclose()


async def test_a_reader_that_does_not_read_holds_the_sender(place: Place) -> None:
    go_on = trio.Event()
    got: list[int] = []
    done = trio.Event()

    async def late(stream: Stream) -> None:
        await go_on.wait()
        got.append(len(await read_all(stream)))
        done.set()

    async with alice_and_bob(place, late) as (alice, bob):
        stream = await dial(alice, bob)
        sent, held = 0, False
        while not held:
            with trio.move_on_after(1.0) as scope:
                await stream.send_all(bytes(1024))
                sent += 1024
            held = scope.cancelled_caught
            assert sent <= BUFFER_BYTES + 1024
        go_on.set()
        with pytest.raises((StreamBroken, StreamClosed)):
            await stream.send_all(b"x")


async def test_many_streams_at_once(place: Place) -> None:
    async with alice_and_bob(place, echo) as (alice, bob):

        async def talk(number: int) -> None:
            stream = await dial(alice, bob)
            data = pattern(50_000) + number.to_bytes(2, "big")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_whole, stream, data)
                assert await read_all(stream) == data
            await stream.aclose()

        async with trio.open_nursery() as nursery:
            for number in range(STREAMS_PER_PEER_MAX):
                nursery.start_soon(talk, number)


async def send_whole(stream: Stream, data: bytes) -> None:
    await stream.send_all(data)
    await stream.send_eof()


async def test_a_device_holds_no_more_than_its_streams(place: Place) -> None:
    async with alice_and_bob(place, echo) as (alice, bob):
        held = [await dial(alice, bob) for _ in range(STREAMS_PER_PEER_MAX)]
        with pytest.raises(PeerBusy):
            await dial(alice, bob)
        await held[0].aclose()
        with trio.fail_after(LONG_S):
            while True:
                try:
                    again = await dial(alice, bob)
                except PeerBusy:
                    await trio.sleep(0.01)
                else:
                    break
        await again.send_all(b"x")
        assert await again.receive_some() == b"x"
        for stream in [*held, again]:
            await stream.aclose()


async def test_the_error_of_one_handler_ends_only_its_stream(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def fickle(stream: Stream) -> None:
        if await stream.receive_some() == b"fail":
            raise ValueError("as told")
        await echo(stream)

    async with alice_and_bob(place, fickle) as (alice, bob):
        well, ill = await dial(alice, bob), await dial(alice, bob)
        await well.send_all(b"fine")
        await ill.send_all(b"fail")
        with pytest.raises(StreamBroken):
            await ill.receive_some()
        await well.send_all(b"still here")
        assert await well.receive_some() == b"still here"
        await ill.aclose()
        await well.aclose()
    assert [r.levelno for r in caplog.records if "handler failed" in r.message] == [logging.ERROR]


async def test_a_cancelled_send_breaks_the_stream_and_no_other(place: Place) -> None:
    async def take_one(stream: Stream) -> None:
        kind = await stream.receive_some(1)
        if kind == b"e":
            await echo(stream)
        else:
            await trio.sleep_forever()

    async with alice_and_bob(place, take_one) as (alice, bob):
        stuck, well = await dial(alice, bob), await dial(alice, bob)
        await stuck.send_all(b"s")
        await well.send_all(b"e")
        with trio.move_on_after(1.0):
            await stuck.send_all(bytes(3 * BUFFER_BYTES))
        with pytest.raises((StreamBroken, StreamClosed)):
            await stuck.send_all(b"x")
        await well.send_all(b"whole")
        assert await well.receive_some() == b"whole"
        await well.aclose()


async def test_a_cancelled_receive_loses_nothing(place: Place) -> None:
    data = pattern(300_000)

    async def drip(stream: Stream) -> None:
        for start in range(0, len(data), 3_000):
            await stream.send_all(data[start : start + 3_000])
            await trio.sleep(0.001)

    async with alice_and_bob(place, drip) as (alice, bob):
        stream = await dial(alice, bob)
        got = bytearray()
        ended = False
        while not ended:
            with trio.move_on_after(0.0005):
                piece = await stream.receive_some(1_000)
                got += piece
                ended = not piece
        assert bytes(got) == data
        await stream.aclose()


def open_sockets() -> int:
    import psutil

    return len(psutil.Process().net_connections())


async def test_cancellation_leaves_nothing_behind(place: Place) -> None:
    before = trio.lowlevel.current_statistics().tasks_living, open_sockets()
    with trio.move_on_after(1.0):
        async with place(ALICE) as alice, place(BOB) as bob, trio.open_nursery() as nursery:
            nursery.start_soon(bob.serve, echo)
            streams = [await dial(alice, bob) for _ in range(4)]
            for stream in streams:
                await stream.send_all(b"x")
                nursery.start_soon(stream.receive_some)
            nursery.start_soon(streams[0].send_all, bytes(8 * BUFFER_BYTES))
            await trio.sleep_forever()
    await trio.testing.wait_all_tasks_blocked()
    assert (trio.lowlevel.current_statistics().tasks_living, open_sockets()) == before


async def test_a_cancelled_dial_leaves_nothing_behind(place: Place) -> None:
    async with place(ALICE) as alice, place(BOB) as bob:
        before = trio.lowlevel.current_statistics().tasks_living
        for wait_s in (0.0, 0.001, 0.01, 0.05):
            with trio.move_on_after(wait_s):
                await dial(alice, bob)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before


async def test_every_error_is_a_sentence(place: Place) -> None:
    async with place(ALICE) as alice:
        with pytest.raises(TransportError) as caught:
            await alice.dial(BOB.public, [], 1.0)
        assert " " in str(caught.value)


# --- the real network alone -----------------------------------------------------------------------


def real(device: DeviceKey) -> Libp2pNetwork:
    return Libp2pNetwork(device, ["/ip4/127.0.0.1/tcp/0"])


def port_of(network: Libp2pNetwork) -> int:
    return int(network.addresses[0].rsplit("/", 1)[1])


async def test_both_sides_use_one_connection() -> None:
    async with real(ALICE) as alice, real(BOB) as bob, trio.open_nursery() as nursery:
        nursery.start_soon(alice.serve, echo)
        nursery.start_soon(bob.serve, echo)
        there = await dial(alice, bob)
        back = await bob.dial(ALICE.public, [], LONG_S)
        for stream in (there, back):
            await stream.send_all(b"x")
            assert await stream.receive_some() == b"x"
            await stream.aclose()
        assert alice.connections == bob.connections == 1
        nursery.cancel_scope.cancel()


async def test_a_server_that_accepts_and_never_speaks() -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    async with real(ALICE) as alice, listener:
        with trio.fail_after(LONG_S), pytest.raises(PeerSilent):
            await alice.dial(BOB.public, [f"/ip4/127.0.0.1/tcp/{port}"], 0.3)


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff\x7f",
        b"\x13/multistream/1.0.0\n" + b"\xff\xff\xff\x7f" + bytes(100_000),
        b"\x13/multistream/1.0.0\n\x07/noise\n" + b"\xff\xff" + bytes(70_000),
        b"\x13/multistream/1.0.0\n\x07/noise\n" + b"\x00\x20" + bytes(32) + b"\x00\x05hello",
    ],
    ids=["nothing", "http", "long word", "4 GB word", "noise too long", "noise false"],
)
async def test_junk_at_the_door_is_turned_away_and_others_served(junk: bytes) -> None:
    async with real(ALICE) as alice, real(BOB) as bob, trio.open_nursery() as nursery:
        nursery.start_soon(bob.serve, echo)
        intruder = await trio.open_tcp_stream("127.0.0.1", port_of(bob))
        with trio.fail_after(LONG_S):
            try:
                await intruder.send_all(junk)
                await intruder.send_eof()
                while await intruder.receive_some():
                    pass
            except trio.BrokenResourceError:
                assert junk, "turned away with data under way: TCP resets"
            stream = await dial(alice, bob)
            await stream.send_all(b"x")
            assert await stream.receive_some() == b"x"
            await stream.aclose()
        await intruder.aclose()
        nursery.cancel_scope.cancel()


async def test_a_lost_connection_breaks_what_was_under_way_even_inside_a_frame() -> None:
    """A relay in the middle cuts TCP at any byte; the reader must not take it for the end."""
    data = pattern(400_000)

    async def give(stream: Stream) -> None:
        await stream.send_all(data)

    for cut_at in (2_000, 100_000, 250_001):
        async with real(ALICE) as alice, real(BOB) as bob, trio.open_nursery() as nursery:
            nursery.start_soon(bob.serve, give)
            door = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
            port = door.socket.getsockname()[1]
            nursery.start_soon(relay, door, port_of(bob), cut_at)
            with trio.fail_after(LONG_S):
                stream = await alice.dial(BOB.public, [f"/ip4/127.0.0.1/tcp/{port}"], LONG_S)
                with pytest.raises(StreamBroken):
                    await read_all(stream)
                await stream.aclose()
            nursery.cancel_scope.cancel()


async def relay(listener: trio.SocketListener, port: int, cut_at: int) -> None:
    """Pass bytes both ways; after `cut_at` bytes from the listener, hang up on both."""
    async with listener:
        near = await listener.accept()
        far = await trio.open_tcp_stream("127.0.0.1", port)
        async with near, far, trio.open_nursery() as nursery:

            async def up() -> None:
                while data := await near.receive_some():
                    await far.send_all(data)

            nursery.start_soon(up)
            left = cut_at
            while left and (data := await far.receive_some(min(left, 65536))):
                await near.send_all(data)
                left -= len(data)
            nursery.cancel_scope.cancel()


async def test_a_full_house_refuses_the_next_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrenous.node.network.libp2p.CONNECTIONS_MAX", 1)
    async with (
        real(ALICE) as alice,
        real(BOB) as bob,
        real(CAROL) as carol,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(bob.serve, echo)
        stream = await dial(alice, bob)
        with pytest.raises(PeerAway):
            await dial(carol, bob)
        await stream.send_all(b"x")
        assert await stream.receive_some() == b"x"
        await stream.aclose()
        nursery.cancel_scope.cancel()


async def test_connections_without_a_stream_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrenous.node.network.libp2p.IDLE_S", 0.5)
    async with real(ALICE) as alice, real(BOB) as bob, trio.open_nursery() as nursery:
        nursery.start_soon(bob.serve, echo)
        stream = await dial(alice, bob)
        await trio.sleep(1.2)
        assert alice.connections == bob.connections == 1
        await stream.aclose()
        with trio.fail_after(LONG_S):
            while alice.connections or bob.connections:  # noqa: ASYNC110  # a count has no event
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()


async def test_a_port_in_use_is_named() -> None:
    async with real(ALICE) as alice:
        with pytest.raises(ListenFailed, match="/tcp/"):
            async with Libp2pNetwork(BOB, list(alice.addresses)):
                pass


def test_importing_the_adapter_loads_nothing_of_libp2p() -> None:
    check = (
        "import sys; sys.path.insert(0, '.import'); import entrenous.node.network.libp2p;"
        "assert 'libp2p' not in sys.modules; import entrenous.node.network.libp2p_channel;"
        "heavy = {'aioquic', 'grpc', 'httpx', 'requests', 'zeroconf', 'miniupnpc'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", check], check=True, timeout=60)


async def test_libp2p_logs_nothing_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    async with real(ALICE) as alice, real(BOB) as bob, trio.open_nursery() as nursery:
        nursery.start_soon(bob.serve, echo)
        with pytest.raises(WrongPeer):
            await alice.dial(CAROL.public, bob.addresses, LONG_S)
        nursery.cancel_scope.cancel()
    logging.getLogger("libp2p.security").error("as the library does")
    assert capfd.readouterr().err == ""


def test_a_wildcard_lists_the_addresses_of_the_machine() -> None:
    async def main() -> tuple[str, ...]:
        async with Libp2pNetwork(ALICE, ["/ip4/0.0.0.0/tcp/0"]) as network:
            return network.addresses

    found = trio.run(main)
    assert any(address.startswith("/ip4/127.0.0.1/tcp/") for address in found)
    assert not any("0.0.0.0" in address for address in found)

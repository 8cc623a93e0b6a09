"""Our adapter against a whole host of py-libp2p, its own Yamux included, in another process."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import trio

from entrenous.crypto.keys import DeviceKey
from entrenous.node.network.libp2p import Libp2pNetwork
from entrenous.node.network.transport import Stream

OURS, THEIRS = DeviceKey(b"\x05" * 32), DeviceKey(b"\x06" * 32)
SIZE = 3_000_000

HOST = """
import sys, multiaddr, trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.peerinfo import info_from_p2p_addr
SIZE = 3_000_000
async def echo(stream):
    while True:
        try:
            data = await stream.read(65536)
        except Exception:
            break
        if not data:
            break
        await stream.write(data)
    await stream.close()
async def main():
    host = new_host(key_pair=create_new_key_pair(b"\\x06" * 32))
    host.set_stream_handler("/entrenous/1", echo)
    async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        if len(sys.argv) == 1:
            print(host.get_addrs()[0], flush=True)
            await trio.sleep(600)
        info = info_from_p2p_addr(multiaddr.Multiaddr(sys.argv[1]))
        await host.connect(info)
        stream = await host.new_stream(info.peer_id, ["/entrenous/1"])
        data = bytes(range(256)) * (SIZE // 256)
        got = bytearray()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.write, data)
            while len(got) < len(data):
                got += await stream.read(65536)
        assert bytes(got) == data
        await stream.close()
        print("same", flush=True)
trio.run(main)
"""


@contextmanager
def whole_host(*arguments: str) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOST, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return (await trio.to_thread.run_sync(process.stdout.readline)).strip()


async def test_we_dial_a_whole_host() -> None:
    data = bytes(range(256)) * (SIZE // 256)
    with whole_host() as process, trio.fail_after(120):
        address = await line_of(process)
        async with Libp2pNetwork(OURS, []) as network:
            stream = await network.dial(THEIRS.public, [address], 60)
            assert stream.remote_key == THEIRS.public
            got = bytearray()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_whole, stream, data)
                while piece := await stream.receive_some():
                    got += piece
            assert bytes(got) == data
            await stream.aclose()


async def send_whole(stream: Stream, data: bytes) -> None:
    await stream.send_all(data)
    await stream.send_eof()


async def test_a_whole_host_dials_us() -> None:
    seen: list[bytes] = []

    async def echo(stream: Stream) -> None:
        seen.append(stream.remote_key)
        while data := await stream.receive_some():
            await stream.send_all(data)

    with trio.fail_after(120):
        async with (
            Libp2pNetwork(OURS, ["/ip4/127.0.0.1/tcp/0"]) as network,
            trio.open_nursery() as nursery,
        ):
            # Late, as the adapter itself loads it.
            from entrenous.node.network.libp2p_handshake import peer_id

            nursery.start_soon(network.serve, echo)
            name = f"{network.addresses[0]}/p2p/{peer_id(OURS.public)}"
            with whole_host(name) as process:
                assert await line_of(process) == "same"
            nursery.cancel_scope.cancel()
    assert seen == [THEIRS.public]

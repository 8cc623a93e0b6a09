"""The reference of ratio benchmarks: one stream of bare py-libp2p between two processes.

`python tests/benchmarks/bench_stream.py` prints it beside our own adapter, measured the same way.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

from entrenous.tests.benchmarks.figure import Figure, medians

Side = Literal["bare", "ours"]

_ROOT = Path(__file__).resolve().parents[2]
_BYTES = 64 * 1024 * 1024
_PIECE = 256 * 1024

_COMMON = f"""
import sys, time, trio
BYTES, PIECE = {_BYTES}, {_PIECE}
"""

_BARE_LISTENER = (
    _COMMON
    + """
import multiaddr
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
async def main():
    host = new_host(key_pair=create_new_key_pair())
    async def take(stream):
        got = 0
        while got < BYTES:
            got += len(await stream.read(PIECE))
        await stream.write(b"k")
    host.set_stream_handler("/bench/1", take)
    async with host.run(listen_addrs=[multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        port = host.get_addrs()[0].value_for_protocol("tcp")
        print(f"/ip4/127.0.0.1/tcp/{port}/p2p/{host.get_id()}", flush=True)
        await trio.sleep(120)  # it is ended sooner, once its answer has come
trio.run(main)
"""
)

_BARE_DIALLER = (
    _COMMON
    + """
import multiaddr
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.peerinfo import info_from_p2p_addr
async def main():
    host = new_host(key_pair=create_new_key_pair())
    info = info_from_p2p_addr(multiaddr.Multiaddr(sys.argv[1]))
    async with host.run(listen_addrs=[]):
        await host.connect(info)
        stream = await host.new_stream(info.peer_id, ["/bench/1"])
        piece = bytes(PIECE)
        start = time.perf_counter()
        for _ in range(BYTES // PIECE):
            await stream.write(piece)
        assert await stream.read(1) == b"k"
        print(BYTES / (time.perf_counter() - start), flush=True)
trio.run(main)
"""
)

_OURS = (
    _COMMON
    + """
sys.path.insert(0, ".import")
from entrenous.crypto.keys import DeviceKey
from entrenous.node.network.libp2p import Libp2pNetwork
LISTENER, DIALLER = DeviceKey(b"l" * 32), DeviceKey(b"d" * 32)
"""
)

_OUR_LISTENER = (
    _OURS
    + """
async def main():
    done = trio.Event()
    async def take(stream):
        got = 0
        while got < BYTES:
            got += len(await stream.receive_some(PIECE))
        await stream.send_all(b"k")
        await stream.receive_some()
        done.set()
    async with Libp2pNetwork(LISTENER, ["/ip4/127.0.0.1/tcp/0"]) as network:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(network.serve, take)
            print(network.addresses[0], flush=True)
            with trio.move_on_after(120):
                await done.wait()
            nursery.cancel_scope.cancel()
trio.run(main)
"""
)

_OUR_DIALLER = (
    _OURS
    + """
async def main():
    async with Libp2pNetwork(DIALLER, []) as network:
        stream = await network.dial(LISTENER.public, [sys.argv[1]], 30)
        piece = bytes(PIECE)
        start = time.perf_counter()
        for _ in range(BYTES // PIECE):
            await stream.send_all(piece)
        assert await stream.receive_some(1) == b"k"
        print(BYTES / (time.perf_counter() - start), flush=True)
        await stream.aclose()
trio.run(main)
"""
)

_PROGRAMS: dict[Side, tuple[str, str]] = {
    "bare": (_BARE_LISTENER, _BARE_DIALLER),
    "ours": (_OUR_LISTENER, _OUR_DIALLER),
}


def stream_bytes_per_s(side: Side) -> float:
    """Bytes a second between two processes, from the first write to the answer after the last."""
    listener_program, dialler_program = _PROGRAMS[side]
    with subprocess.Popen(
        [sys.executable, "-c", listener_program], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    ) as listener:
        try:
            assert listener.stdout is not None
            address = listener.stdout.readline().strip()
            dialler = subprocess.run(
                [sys.executable, "-c", dialler_program, address],
                check=True,
                cwd=_ROOT,
                stdout=subprocess.PIPE,
                text=True,
                timeout=120,
            )
            return float(dialler.stdout)
        finally:
            listener.kill()


def bare_stream_bytes_per_s() -> float:
    """What a bare py-libp2p stream (TCP, Noise, Yamux) carries between two processes here, now."""
    return stream_bytes_per_s("bare")


def run(smoke: bool) -> list[Figure]:
    """Our adapter beside a bare py-libp2p stream, both between two processes."""
    rounds = 1 if smoke else 5
    ours, bare = medians(
        rounds, lambda: stream_bytes_per_s("ours"), lambda: stream_bytes_per_s("bare")
    )
    name = "bare py-libp2p stream"
    mega = 1e6
    return [
        Figure("our stream", ours / mega, "MB/s", None, ours / bare, name, "TCP, Noise, Yamux"),
        Figure(name, bare / mega, "MB/s"),
    ]


if __name__ == "__main__":
    for each in ("bare", "ours", "bare", "ours"):
        print(f"{each:5} {stream_bytes_per_s(each) / 1e6:8.1f} MB/s")

"""The control socket: what hostile, broken and slow programs of the same user can do to a node."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import os
import select
import stat
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import RecoverySecret
from entrenous.node import control
from entrenous.node.client import Client, NotRunning, connect
from entrenous.node.clock import SystemClock
from entrenous.node.config import Config
from entrenous.node.control import CONNECTIONS_MAX, Control, control_socket
from entrenous.node.control_frame import (
    REQUEST_BYTES_MAX,
    ControlError,
    EndOfFrames,
    FrameReader,
    frame,
)
from entrenous.node.errors import NodeError, NotFound, UsageError
from entrenous.node.keystore import Keystore
from entrenous.node.node import Ground, Node
from entrenous.node.offline import NoNetwork
from entrenous.node.offload import InlineOffload
from entrenous.node.operations import OPERATIONS, Args, Emit, Host, Operation
from entrenous.node.store.home import Home
from entrenous.node.store.inline import InlineDatabase
from entrenous.protocol.wire import Value

# Only a failure waits as long.
PATIENCE_S = 60.0


@asynccontextmanager
async def served(tmp_path: Path, stop: Callable[[], None] | None = None) -> AsyncGenerator[Home]:
    """A node that serves its control socket in `tmp_path`."""
    entropy = SeededEntropy(b"control")
    keystore = Keystore.create(RecoverySecret.generate(entropy), entropy, successions=4)
    home = Home(tmp_path / "home")
    home.create()
    async with InlineDatabase(None) as database:
        ground = Ground(database, NoNetwork(), SystemClock(), entropy, InlineOffload())
        host = Host(Node(ground, keystore, Config()), home, True, "test", stop)
        environment = {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
        async with (
            control_socket(home, environment) as listener,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(Control(host).serve, listener)
            yield home
            nursery.cancel_scope.cancel()
    while _opened:
        await _opened.pop().aclose()


_opened: list[trio.SocketStream] = []


async def raw(home: Home) -> trio.SocketStream:
    """A bare connection, closed with the node at the latest."""
    stream = await trio.open_unix_socket(home.control.read_text().strip())
    _opened.append(stream)
    return stream


async def reply(stream: trio.SocketStream) -> Value:
    return await FrameReader(stream, 1 << 20).receive()


async def closes(stream: trio.SocketStream) -> None:
    """The node closes this connection by itself."""
    with trio.fail_after(PATIENCE_S):
        try:
            while await stream.receive_some():
                pass
        except trio.BrokenResourceError:
            return


async def hung_up(stream: trio.SocketStream) -> None:
    """The node closes this connection, although nothing that it said is read."""
    watch = select.poll()
    watch.register(stream.socket.fileno(), select.POLLRDHUP)
    with trio.fail_after(PATIENCE_S):
        while not watch.poll(0):  # noqa: ASYNC110  # trio tells only of what can be read
            await trio.sleep(0.01)


async def still_serves(home: Home) -> None:
    async with connect(home.folder) as client:
        assert (await client.status()).version == "test"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_socket_is_for_its_owner_and_goes_with_the_node(tmp_path: Path) -> None:
    async with served(tmp_path) as home:
        path = Path(home.control.read_text().strip())
        assert mode_of(path) == 0o600
        assert mode_of(path.parent) == 0o700
        assert mode_of(home.control) == 0o600
        await still_serves(home)
    assert not path.is_socket()  # noqa: ASYNC240  # one look at a local file
    assert not home.control.exists()
    with pytest.raises(NotRunning, match="entrenous up"):
        async with connect(home.folder):
            pass


async def test_under_a_long_runtime_folder_the_path_is_short_and_stays(tmp_path: Path) -> None:
    """It stays at the next start: programs that push have it in their tokens."""
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    met: set[Path] = set()
    for _ in range(2):
        async with served(deep) as home:
            path = Path(home.control.read_text().strip())
            assert len(os.fsencode(path)) <= control.PATH_BYTES_MAX
            assert path.parent.stat().st_mode & 0o777 == 0o700
            await still_serves(home)
        assert not list(path.parent.glob(path.name))
        met.add(path)
    assert len(met) == 1


def _of_others(folder: Path) -> bool:
    return not folder


async def test_where_others_were_before_us_a_new_folder_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_is_ours", _of_others)
    async with served(tmp_path) as home:
        path = Path(home.control.read_text().strip())
        assert path.parent.stat().st_mode & 0o777 == 0o700
        await still_serves(home)
    assert not path.parent.exists()


async def test_a_runtime_folder_open_to_others_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    (tmp_path / "run" / "entrenous").mkdir()
    (tmp_path / "run" / "entrenous").chmod(0o777)
    async with served(tmp_path) as home:
        path = Path(home.control.read_text().strip())
        assert tmp_path not in path.parents
        await still_serves(home)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (struct.pack(">I", 0xFFFFFFFF), "passes the limit"),
        (struct.pack(">I", REQUEST_BYTES_MAX + 1), "passes the limit"),
        (b"GET / HTTP/1.1\r\n\r\n", "passes the limit"),
        (struct.pack(">I", 4) + b"\xff\xff\xff\xff", "not readable"),
        (struct.pack(">I", 0), "not readable"),
        (frame({"op": "status"}), "a request is"),
        (frame({"op": "status", "args": {}, "more": 1}), "a request is"),
        (frame({"op": 1, "args": {}}), "a request is"),
        (frame([]), "a request is"),
        # Nested deeper than any request is.
        (struct.pack(">I", 201) + b"\x81" * 200 + b"\x00", "not readable"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_garbage_is_answered_with_a_sentence_and_dropped(
    tmp_path: Path, data: bytes, sentence: str
) -> None:
    async with served(tmp_path) as home:
        stream = await raw(home)
        await stream.send_all(data)
        match await reply(stream):
            case {"error": {"exit": 1, "sentence": str(said), "code": None}}:
                assert sentence in said
            case other:
                raise AssertionError(other)
        await closes(stream)
        await still_serves(home)


async def test_a_frame_cut_short_ends_the_connection_only(tmp_path: Path) -> None:
    async with served(tmp_path) as home:
        stream = await raw(home)
        await stream.send_all(frame({"op": "status", "args": {}})[:-1])
        await stream.aclose()
        await still_serves(home)


async def test_a_request_that_does_not_come_whole_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "REQUEST_S", 0.1)
    async with served(tmp_path) as home:
        stream = await raw(home)
        await stream.send_all(struct.pack(">I", 1000))
        await closes(stream)
        await still_serves(home)


async def test_a_connection_without_a_request_is_closed_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "IDLE_S", 0.1)
    async with served(tmp_path) as home:
        await closes(await raw(home))


async def flood(_host: Host, _args: Args, emit: Emit) -> Value:
    while True:
        await emit.item(b"x" * 100_000)


async def test_a_reader_that_does_not_read_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPERATIONS, "status", Operation(flood))
    monkeypatch.setattr(control, "SEND_S", 0.2)
    async with served(tmp_path) as home:
        stream = await raw(home)
        await stream.send_all(frame({"op": "status", "args": {}}))
        await hung_up(stream)
        await closes(stream)
        stream = await raw(home)
        await stream.send_all(frame({"op": "collections", "args": {}}))
        assert await reply(stream) == {"ok": None}


async def test_too_many_connections_are_told_so(tmp_path: Path) -> None:
    async with served(tmp_path) as home:
        held = [await raw(home) for _ in range(CONNECTIONS_MAX)]
        one_more = await raw(home)
        match await reply(one_more):
            case {"error": {"sentence": str(said)}}:
                assert "too many" in said
            case other:
                raise AssertionError(other)
        await closes(one_more)
        for stream in held:
            await stream.aclose()
        with trio.fail_after(PATIENCE_S):
            while await _turned_away(home):  # noqa: ASYNC110  # until the node has noticed
                await trio.sleep(0.01)
        await still_serves(home)


async def _turned_away(home: Home) -> bool:
    try:
        await still_serves(home)
    except ControlError:
        return True
    return False


class Slow:
    """An operation that waits, and knows when it was cancelled."""

    def __init__(self) -> None:
        self.began = trio.Event()
        self.cancelled = trio.Event()

    async def __call__(self, _host: Host, _args: Args, emit: Emit) -> Value:
        self.began.set()
        emit.progress(1)
        try:
            await trio.sleep_forever()
        finally:
            self.cancelled.set()


@pytest.mark.parametrize("leaving", [True, False])
async def test_an_operation_ends_with_its_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaving: bool
) -> None:
    """A client that goes away, or asks the next thing out of turn, ends what it had running."""
    slow = Slow()
    monkeypatch.setitem(OPERATIONS, "status", Operation(slow))
    async with served(tmp_path) as home:
        stream = await raw(home)
        await stream.send_all(frame({"op": "status", "args": {}}))
        with trio.fail_after(PATIENCE_S):
            await slow.began.wait()
            if leaving:
                await stream.aclose()
            else:
                await stream.send_all(frame({"op": "peers", "args": {}}))
            await slow.cancelled.wait()
        if not leaving:
            await closes(stream)


async def test_progress_is_dropped_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(_host: Host, _args: Args, emit: Emit) -> Value:
        for number in range(10_000):
            emit.progress(number)
        return "done"

    monkeypatch.setitem(OPERATIONS, "status", Operation(busy))
    async with served(tmp_path) as home:
        stream = await raw(home)
        await stream.send_all(frame({"op": "status", "args": {}}))
        frames = FrameReader(stream, 1 << 20)
        said: list[Value] = []
        with trio.fail_after(PATIENCE_S):
            while True:
                match await frames.receive():
                    case {"progress": value}:
                        said.append(value)
                    case last:
                        break
        assert last == {"ok": "done"}
        assert said == list(range(len(said)))
        assert 0 < len(said) < 10_000


async def test_refusals_come_as_their_errors_and_leave_the_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as home, connect(home.folder) as client:
        with pytest.raises(NotFound, match="no collection"):
            await client.read("energy/gas", 0, 1)
        with pytest.raises(UsageError, match="6 or more"):
            await client.grant("abc")
        assert (await client.status()).name == "Home"


async def test_stop_is_answered_before_the_node_goes(tmp_path: Path) -> None:
    stopped = trio.Event()
    async with served(tmp_path, stopped.set) as home, connect(home.folder) as client:
        await client.stop()
        assert stopped.is_set()


async def test_many_at_once_over_one_client_wait_their_turn(tmp_path: Path) -> None:
    async with served(tmp_path) as home, connect(home.folder) as client:
        names: list[str] = []

        async def ask(client: Client) -> None:
            names.append((await client.status()).name)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask, client)
        assert names == ["Home"] * 20


async def test_an_abandoned_call_does_not_answer_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPERATIONS, "status", Operation(Slow()))
    async with served(tmp_path) as home, connect(home.folder) as client:
        with trio.move_on_after(0.05):
            await client.status()
        with pytest.raises(ControlError):
            await client.collections()


async def test_frames_come_whole_however_they_are_cut() -> None:
    values: list[Value] = [{"a": [1, b"x" * 5000]}, "text", None]
    data = b"".join(map(frame, values))
    for size in (1, 3, 4, 5, 4096, len(data)):
        sender, receiver = trio.testing.memory_stream_one_way_pair()
        frames = FrameReader(receiver, 1 << 16)

        async def send(sender: trio.abc.SendStream = sender, size: int = size) -> None:
            for at in range(0, len(data), size):
                await sender.send_all(data[at : at + size])
            await sender.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            assert [await frames.receive() for _ in values] == values
            with pytest.raises(EndOfFrames):
                await frames.receive()


async def test_an_address_that_is_no_socket_is_no_node(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for text in ("", "/nowhere/at/all", "x" * 500, "\0"):
        home.control.write_text(text)
        with pytest.raises(NodeError, match="no node runs"):
            async with connect(tmp_path):
                pass

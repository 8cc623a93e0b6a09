"""A node in this process that serves its push socket, and programs that speak to it."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import ProgramKey, RecoverySecret
from entrenous.node.client import Client, connect
from entrenous.node.clock import SystemClock
from entrenous.node.config import Config
from entrenous.node.control import Control, control_socket
from entrenous.node.control_frame import FrameReader, frame
from entrenous.node.errors import NotFound
from entrenous.node.keystore import Keystore
from entrenous.node.node import Ground, Node
from entrenous.node.offline import NoNetwork
from entrenous.node.offload import InlineOffload
from entrenous.node.operations import Host
from entrenous.node.push.client import PushClient, PushToken, new_program_key
from entrenous.node.push.push import Push
from entrenous.node.push.socket import push_path, push_socket, socket_path
from entrenous.node.store.home import Home
from entrenous.node.store.inline import InlineDatabase
from entrenous.protocol.day import start_ms
from entrenous.protocol.did import did_of
from entrenous.protocol.push import Greeting, make_proof
from entrenous.protocol.wire import Value

PATH = "energy/electricity/index"
SCHEMA = "meter-reading/1"
YEAR_S = 365 * 86_400


@dataclass
class MovedClock:
    """The system's clock, and what a test adds to it."""

    ahead_ms: int = 0

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self.ahead_ms


@dataclass
class Served:
    """A running node, as its owner and as programs meet it."""

    home: Home
    node: Node
    socket: Path
    clock: MovedClock

    async def allow(
        self, name: str = "meter", path: str = PATH, schema: str = SCHEMA,
        per_minute: int = 60_000, life_s: int = YEAR_S,
    ) -> PushToken:  # fmt: skip
        key = new_program_key()
        async with connect(self.home.folder) as client:
            info = await client.allow(
                name, path, did_of(key.public), schema=schema, per_minute=per_minute,
                exp_s=self.clock.now_ms() // 1000 + life_s,
            )  # fmt: skip
        return PushToken(name, self.socket, os.geteuid(), key, (info.delegation,), info.per_minute)

    async def disallow(self, name: str = "meter") -> None:
        async with connect(self.home.folder) as client:
            await client.disallow(name)

    async def records(self, path: str = PATH) -> int:
        try:
            found = await self.node.vault.read(path, 0, 65_535)
        except NotFound:
            return 0
        return len(found.batch)

    def line(self, token: PushToken, patience_s: float = 0.0) -> PushClient:
        return PushClient(token, patience_s=patience_s)


@asynccontextmanager
async def served(folder: Path, config: Config | None = None) -> AsyncGenerator[Served]:
    """A node on a store in memory, with its control and its push socket in `folder`."""
    config = config or Config()
    entropy = SystemEntropy()
    keystore = Keystore.create(RecoverySecret.generate(entropy), entropy, successions=4)
    home = Home(folder / "home")
    home.create()
    clock = MovedClock()
    async with InlineDatabase(None) as database:
        ground = Ground(database, NoNetwork(), clock, entropy, InlineOffload())
        node = Node(ground, keystore, config)
        async with (
            control_socket(home, {"XDG_RUNTIME_DIR": str(folder)}) as listener,
            push_socket(socket_path(listener), config) as programs,
            trio.open_nursery() as nursery,
        ):
            address = push_path(socket_path(listener), config)
            host = Host(node, home, True, "test", push=str(address))
            push = Push(node.allowances, node.declared, clock, entropy)
            await nursery.start(node.declared.serve)
            nursery.start_soon(Control(host).serve, listener)
            nursery.start_soon(push.serve, programs)
            yield Served(home, node, address, clock)
            nursery.cancel_scope.cancel()


def reading(number: int, **changes: Value) -> dict[str, Value]:
    """One exact record, a minute after the one before."""
    record: dict[str, Value] = {
        "time": start_ms(46_000) + 60_000 * number, "offset_min": 60, "duration_s": 0,
        "value": [number, 1], "unit": "kWh", "quality": None,
    }  # fmt: skip
    return {**record, **changes}


@dataclass
class Raw:
    """A program that says whatever a test makes it say."""

    stream: trio.SocketStream
    frames: FrameReader

    async def say(self, value: Value) -> None:
        await self.stream.send_all(frame(value))

    async def hear(self) -> Mapping[str, Value]:
        with trio.fail_after(60):
            found = await self.frames.receive()
        assert isinstance(found, dict)
        return found

    async def refusal(self) -> str:
        """The code of the refusal that comes next."""
        match await self.hear():
            case {"error": {"code": str(code)}}:
                return code
            case other:
                raise AssertionError(other)

    async def ended(self) -> None:
        """The node closes this line within seconds."""
        with trio.fail_after(60):
            try:
                while await self.stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                return

    async def greeted(self) -> Greeting:
        return Greeting.from_value(dict(await self.hear()))

    async def proven(self, token: PushToken, key: ProgramKey | None = None) -> Value:
        """Answer the greeting as the token allows; what was said."""
        greeting = await self.greeted()
        proof = make_proof(
            key or token.key,
            token.chain,
            greeting,
            now_ms=SystemClock().now_ms(),
            nonce=os.urandom(16),
        )
        await self.say(proof)
        return proof


@asynccontextmanager
async def raw(served: Served) -> AsyncGenerator[Raw]:
    async with await trio.open_unix_socket(str(served.socket)) as stream:
        yield Raw(stream, FrameReader(stream, 1 << 20))


async def owner_is_served(served: Served) -> None:
    """The owner's own client is answered."""
    with trio.fail_after(60):
        async with connect(served.home.folder) as client:
            assert isinstance(client, Client)
            assert (await client.status()).version == "test"

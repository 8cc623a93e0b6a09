"""A home without its daemon: a command opens it, does one thing, and closes it.

The operations are those of a running node, on the same `Node`, with nobody to reach: what is to be
said waits in the outbox until the node runs.  The home is locked meanwhile, so there is one node on
it at a time, daemon or command.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import trio

from ..crypto.entropy import SystemEntropy
from ..protocol.wire import Value
from .client import Client
from .clock import SystemClock
from .config import Config
from .keystore import Keystore
from .network.transport import Handler, PeerAway, Stream
from .network.well_known import LoadedLater, over_https
from .node import Ground, Node
from .offload import ThreadOffload
from .operations import Host, perform
from .program import version
from .store.home import Home
from .store.inline import InlineDatabase


class NoNetwork:
    """The network of a node that is not on one."""

    @property
    def addresses(self) -> tuple[str, ...]:
        return ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    async def serve(self, handler: Handler) -> None:
        await trio.sleep_forever()

    async def dial(self, device: bytes, addresses: Sequence[str], timeout_s: float) -> Stream:
        raise PeerAway("this node is not on the network: start it with `entrenous up`")


class DirectChannel:
    """Operations on a node in this process."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def call(
        self,
        op: str,
        args: Mapping[str, Value],
        on_item: Callable[[Value], None],
        on_progress: Callable[[Value], None],
    ) -> Value:
        return await perform(self._host, op, dict(args), _Direct(on_item, on_progress))


class _Direct:
    """`Emit` into callbacks."""

    def __init__(
        self, on_item: Callable[[Value], None], on_progress: Callable[[Value], None]
    ) -> None:
        self._on_item = on_item
        self._on_progress = on_progress

    async def item(self, value: Value) -> None:
        self._on_item(value)

    def progress(self, value: Value) -> None:
        self._on_progress(value)


@asynccontextmanager
async def open_offline(folder: Path, keystore: Keystore, config: Config) -> AsyncGenerator[Client]:
    """A client of the node at `folder`, which this process opens.

    Raises HomeInUse if a node runs on it, HomeError, StoreTooNew, StoreDamaged.
    """
    home = Home(folder)
    with home.locked():
        async with InlineDatabase(home.database, durable=True) as database:
            ground = Ground(
                database,
                NoNetwork(),
                SystemClock(),
                SystemEntropy(),
                ThreadOffload(),
                well_known=LoadedLater(over_https),
            )
            node = Node(ground, keystore, config)
            await database.read(node.epochs.load)
            yield Client(DirectChannel(Host(node, home, running=False, version=version())))

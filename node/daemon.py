"""The daemon: a node on real ground, from opening its home to closing it in order.

    lock ▸ database ▸ network ▸ node ▸ control socket ▸ ready … signal or `stop` ▸ all back

Wiring only.  What is remembered from one start to the next is the port: chosen by the system at
the first start, kept in the store, so that peers find the node where it was.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

import structlog
import trio

from ..crypto.entropy import SystemEntropy
from ..crypto.errors import EntrenousError
from ..protocol.did import did_of
from .checkpoint import UNWATCHED, Checkpoint
from .clock import SystemClock
from .config import Config
from .control import Control, control_socket
from .daemon_log import set_up_log
from .errors import Exit, UsageError, exit_of
from .keystore import Keystore
from .network.libp2p import Libp2pNetwork, TcpAddress
from .network.transport import BadAddress, Network
from .network.well_known import LoadedLater, over_https
from .node import Ground, Node
from .offload import ThreadOffload
from .opening import open_home, unlock_from
from .operations import Host
from .program import version
from .push.push import Push
from .push.socket import push_path, push_socket, socket_path
from .store.aiosqlite import AiosqliteDatabase
from .store.database import Database, Tx
from .store.home import Home
from .store.objects import Kind, Objects
from .store.sealer import Sealer

log = structlog.get_logger()

_PORT = "port"
SWITCH_S = 0.0005


@dataclass(frozen=True, slots=True)
class Ready:
    """The node listens: at these multiaddrs, as this device, with its control socket open."""

    addresses: tuple[str, ...]
    device: str
    pid: int


async def run_daemon(
    folder: Path,
    keystore: Keystore,
    config: Config,
    *,
    listen: str | None = None,
    ready: Callable[[Ready], None],
    checkpoint: Checkpoint = UNWATCHED,
) -> None:
    """Run the node of `folder` until SIGINT, SIGTERM or the operation `stop`.

    Raises HomeInUse, HomeError, StoreTooNew, StoreError, UsageError for `listen`, ListenFailed.
    """
    home = Home(folder)
    with _one_error(), home.locked():
        async with AiosqliteDatabase(home.database) as database:
            settings = Objects(Sealer(keystore.store, keystore.index, SystemEntropy()))
            address = await _address(database, settings, listen or config.listen)
            async with Libp2pNetwork(keystore.device, (address,)) as network:
                await _remember_port(database, settings, network)
                ground = Ground(
                    database,
                    network,
                    SystemClock(),
                    SystemEntropy(),
                    ThreadOffload(),
                    checkpoint,
                    well_known=LoadedLater(over_https),
                )
                await _run(home, ground, keystore, config, ready)


async def _run(
    home: Home,
    ground: Ground,
    keystore: Keystore,
    config: Config,
    ready: Callable[[Ready], None],
) -> None:
    stopping = trio.Event()
    network = ground.network
    # A worker thread that computes gives way to the loop this soon (the default is 5 ms, and a
    # read of a peer passes from thread to thread several times).
    sys.setswitchinterval(SWITCH_S)
    node = Node(ground, keystore, config)
    async with (
        control_socket(home) as listener,
        push_socket(socket_path(listener), config) as programs,
        trio.open_nursery() as nursery,
    ):
        address = str(push_path(socket_path(listener), config))
        host = Host(node, home, True, version(), stop=stopping.set, push=address)
        push = Push(node.allowances, node.declared, ground.clock, ground.entropy)
        await nursery.start(_stop_on_signal, stopping)
        # Whoever is told that the node is ready may have it dial at once.
        await nursery.start(node.run)
        nursery.start_soon(Control(host).serve, listener)
        nursery.start_soon(push.serve, programs)
        # What was loaded stays: collections need not walk it again (a third of a large read).
        gc.collect()
        gc.freeze()
        log.info("listening", addresses=list(network.addresses))
        device = did_of(keystore.device.public)
        ready(Ready(network.addresses, device, os.getpid()))
        await stopping.wait()
        log.info("stopping")
        # A last breath, so that the answer to `stop` goes out.
        await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


async def _stop_on_signal(
    stopping: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            stopping.set()


# --- the port -------------------------------------------------------------------------------------


async def _address(database: Database, settings: Objects, listen: str) -> str:
    """Where to listen: port 0 becomes the port of the last start."""
    try:
        address = TcpAddress.parse(listen)
    except BadAddress as error:
        raise UsageError(str(error)) from error
    if address.port:
        return listen
    port = await database.read(lambda tx: settings.get(tx, Kind.SETTING, _PORT))
    return listen if not isinstance(port, int) else str(_at_port(address, port))


def _at_port(address: TcpAddress, port: int) -> TcpAddress:
    return TcpAddress(address.kind, address.host, port)


async def _remember_port(database: Database, settings: Objects, network: Network) -> None:
    port = TcpAddress.parse(network.addresses[0]).port

    def unit(tx: Tx) -> None:
        if settings.get(tx, Kind.SETTING, _PORT) != port:
            settings.put(tx, Kind.SETTING, _PORT, port)

    await database.write(unit)


# --- errors and starting --------------------------------------------------------------------------


@contextmanager
def _one_error() -> Generator[None]:
    """A single error of ours comes out as it is, not in the groups of the tasks it passed."""
    try:
        yield
    except BaseExceptionGroup as group:
        error = _only(group)
        if isinstance(error, EntrenousError):
            raise error from group
        raise


def _only(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        inner = cast("tuple[BaseException, ...]", error.exceptions)
        if len(inner) != 1:
            return cast("BaseException", error)
        error = inner[0]
    return error


def tell_ready(fd: int, ready: Ready) -> None:
    """Write one line of JSON to a descriptor of the parent's, and close it."""
    with open(fd, "w") as parent:
        parent.write(json.dumps(asdict(ready)) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a node from a supervisor or a test, with nothing but the daemon: an exit code.

    People use `entrenous up`, which says more.
    """
    parser = argparse.ArgumentParser(prog="entrenous-daemon")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--passphrase-fd", type=int)
    parser.add_argument("--key-file", type=Path)
    parser.add_argument("--listen")
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--debug", action="store_true")
    given = parser.parse_args(argv)
    set_up_log(debug=given.debug)

    def ready(now: Ready) -> None:
        if given.ready_fd is not None:
            tell_ready(given.ready_fd, now)

    try:
        unlock = unlock_from(passphrase_fd=given.passphrase_fd, key_file=given.key_file)
        keystore = open_home(given.home, unlock)
        config = Config.read(given.home)
        run = partial(run_daemon, given.home, keystore, config, listen=given.listen, ready=ready)
        trio.run(run)
    except EntrenousError as error:
        print(f"entrenous: {error}", file=sys.stderr)
        return int(exit_of(error)[0])
    return int(Exit.DONE)


if __name__ == "__main__":
    sys.exit(main())

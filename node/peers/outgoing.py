"""What is still to be said to peers: arguments of commands, in the store until answered.

An outbox holds arguments, never tokens: the invocation is signed when it is sent, so that it is
fresh however long the peer was away.  Receivers are idempotent, so what was sent just before a
crash is sent again without harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import trio

from ...protocol.command import Cmd
from ...protocol.did import Did
from ...protocol.wire import Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.outbox import Item, Outbox
from .peers import Pair


@dataclass(frozen=True, slots=True)
class Message:
    """One command to say in one's own name, or under the mandate of this CID in another's."""

    own: Did
    their: Did
    cmd: Cmd
    args: Mapping[str, Value]
    mandate: bytes | None = None


class Outgoing:
    """The outbox, in words of the protocol.  `notify` wakes whoever sends."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._changed = trio.Event()

    def put(
        self,
        tx: Tx,
        pair: Pair,
        cmd: Cmd,
        args: Mapping[str, Value],
        due_ms: int,
        mandate: bytes | None = None,
    ) -> int:
        """Say `cmd` to `pair` from `due_ms` on, for another under `mandate`; the item's id."""
        value: list[Value] = [pair.own, pair.their, cmd.value, args]
        if mandate is not None:
            value.append(mandate)
        return self._outbox.put(tx, pair.their, value, due_ms=due_ms)

    def waiting(self, tx: Tx, pair: Pair) -> list[tuple[int, Message]]:
        """What waits for `pair`, each with the id of its item.  Raises StoreDamaged."""
        found = [(item.id, message_of(item)) for item in self._outbox.waiting_for(tx, pair.their)]
        return [(id, message) for id, message in found if message.own == pair.own]

    def drop(self, tx: Tx, id: int) -> None:
        """Something else is said in its place."""
        self._outbox.done(tx, id)

    def again(self, tx: Tx, pair: Pair, now_ms: int) -> int:
        """What was given up for `pair` is said again; how many messages.  Raises StoreDamaged."""
        return self._outbox.again(tx, pair.their, now_ms)

    @property
    def changed(self) -> trio.Event:
        """Set at the next `notify`.  Take it before looking at the outbox, then wait for it."""
        return self._changed

    def notify(self) -> None:
        """Something may be due: call it once the unit of work that put it is durable."""
        self._changed.set()
        self._changed = trio.Event()


def message_of(item: Item) -> Message:
    """Read an item of the outbox.  Raises StoreDamaged."""
    match item.value:
        case [str(own), str(their), str(cmd), dict(args)]:
            return Message(Did(own), Did(their), Cmd(cmd), args)
        case [str(own), str(their), str(cmd), dict(args), bytes(mandate)]:
            return Message(Did(own), Did(their), Cmd(cmd), args, mandate)
        case _:
            raise StoreDamaged("a row of the outbox has not the form of a command")

"""Taking leave: before a vault is destroyed, everybody hears what follows from it for them.

    whoever was lent something        it is taken back, and asked to delete what was read
    whoever shares a record           its copies are gone here, and nothing more is said of it
    whoever lent something, on terms  what was read under them is deleted, and that is signed: when
    that ask to delete at the end     the grant ends nobody will be left to do it

The first two go to the outbox in one unit of work, the third is done like any such duty; then a
while is given in which those who are there can hear.  Who was away is named: nobody will be left to
tell them.

Where the person has other devices, shared records live on there, and nothing is said of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import trio

from ..protocol.command import Cmd
from ..protocol.command_after import DeleteArgs
from ..protocol.did import Did
from ..protocol.trust import GrantStatus
from .node import Node
from .peers.outgoing import message_of
from .store.database import Tx

_LAST_WORDS = frozenset((Cmd.REVOKE, Cmd.DELETE, Cmd.ERASED, Cmd.DELETED))


@dataclass(frozen=True, slots=True)
class Left:
    """How many grants were taken back; names of those who heard of it and of those who did not."""

    grants: int
    told: tuple[str, ...]
    untold: tuple[str, ...]


async def take_leave(node: Node, wait_s: float) -> Left:
    """Take back every grant, and wait at most `wait_s` seconds until all readers know.

    Said again, it goes on waiting.  Raises StoreError.
    """
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> tuple[int, set[Did]]:
        ended = 0
        for grant in node.lending.all(tx):
            if grant.keyset is not None and grant.kept is not GrantStatus.REVOKED:
                pair = node.peers.find(tx, grant.own, grant.their)
                if pair is not None:
                    args = DeleteArgs(grant.their, grant.cid, grant.windows, True)
                    node.outgoing.put(tx, pair, Cmd.DELETE, args.value(), now_ms)
            if grant.status(now_ms) in (
                GrantStatus.LIVE,
                GrantStatus.NOT_YET,
                GrantStatus.SUSPENDED,
            ):
                node.lending.revoke(tx, grant.cid, now_ms)
                ended += 1
        told = node.deletion_duty.leave(tx, now_ms)
        if node.peers.device_persona(tx) is None:
            told |= node.erased_copies.leave(tx)
        return ended, told

    def waiting(tx: Tx) -> frozenset[str]:
        said = (message_of(item) for item in node.store.outbox.all(tx))
        return frozenset(one.their for one in said if one.cmd in _LAST_WORDS)

    database = node.store.database
    ended, addressed = await database.write(unit)
    await node.deletion_duty.work()
    node.outgoing.notify()
    with trio.move_on_after(wait_s):
        while True:
            changed = node.outgoing.changed  # taken before looking: nothing is missed
            if not await database.read(waiting):
                break
            await changed.wait()

    def names(tx: Tx) -> Left:
        left = waiting(tx)
        readers = {grant.their for grant in node.lending.all(tx)}
        named = {their: node.peers.name_of(tx, their) for their in readers | addressed | left}
        return Left(
            ended,
            tuple(sorted(name for their, name in named.items() if their not in left)),
            tuple(sorted(named[their] for their in left)),
        )

    return await database.read(names)

"""Leaving a device behind: it was lost or stolen, and everything that it knew is followed.

    words ▸ another epoch, another list of next keys ▸ the keystore, in place of the old
          ▸ one unit of work: who we are now (`succession.py`), what became of the device
          ▸ the next start tells every peer

It is done on a home that nobody runs, since the keystore is sealed anew.  The keystore comes first,
and does no harm alone: a home that was stopped between the two writes under the newer epoch, gives
its readers the keys, and is done by the same command said again.

Other devices of the same person stay.  They hear of it when they meet this one (`node/devices/`):
the epoch, the personas that follow, and that the device is none of theirs any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..crypto.digest import equal
from ..crypto.entropy import Entropy
from ..crypto.keys import RecoverySecret
from ..crypto.recovery import backup_secret, next_digest
from ..crypto.shares import recovery_secret
from ..protocol.did import Did
from .checkpoint import UNWATCHED, Checkpoint
from .clock import Clock
from .config import Config
from .devices.left_devices import LeftDevices, OtherDevice, Was
from .errors import UsageError
from .keystore import NEXT_DIGESTS, Keystore, new_epoch
from .node import Ground, Node
from .offline import NoNetwork
from .offload import Offload, ThreadOffload
from .opening import Unlock, open_home, sealed_keystore
from .steps import SuccessionStep
from .store.database import Tx
from .store.home import Home, write_atomically
from .store.inline import InlineDatabase
from .succession import Succeeded, lists_after


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What was done.  `others`: devices of the same person that are to hear of it."""

    device: Did
    at_ms: int
    others: int
    succeeded: Succeeded


async def leave_behind(
    folder: Path,
    name: str | None,
    words: str,
    unlock: Unlock,
    *,
    entropy: Entropy,
    clock: Clock,
    offload: Offload | None = None,
    progress: Callable[[str], None] = lambda _: None,
    checkpoint: Checkpoint = UNWATCHED,
) -> LeftBehind:
    """Leave the device `name` (None: the only one there is) of the home `folder` behind.

    Raises BadWords, UsageError for the words of another home, NotFound, HomeInUse, HomeError,
    NotAllowed, StoreError: then nothing has changed, or the same command goes on.
    """
    recovery = recovery_secret(words)
    home = Home(folder)
    with home.locked():
        old = open_home(folder, unlock)
        if not equal(backup_secret(recovery).public, old.backup_public):
            raise UsageError("these are not the recovery words of this home; nothing was changed")
        async with InlineDatabase(home.database, durable=True) as database:
            ground = Ground(
                database,
                NoNetwork(),
                clock,
                entropy,
                offload or ThreadOffload(),
                checkpoint=checkpoint,
            )
            config = Config.read(folder, {})
            looking = Node(ground, old, config)

            def look(tx: Tx) -> tuple[OtherDevice, int]:
                looking.epochs.load(tx)
                # So that a start after a death here knows which epoch the readers have keys of.
                looking.lending.begin_epoch(tx, clock.now_ms())
                return left_devices(looking).named(tx, name), list_of(tx, looking)

            gone, number = await database.write(look)
            checkpoint.reached(SuccessionStep.PREPARED)
            progress("new keys are made from the words")
            keystore = await ground.offload.run(lambda: stepped(old, number, recovery, entropy))
            write_atomically(home.keystore, sealed_keystore(keystore, unlock, entropy))
            checkpoint.reached(SuccessionStep.KEYSTORE)
            progress("every persona is followed by its next")
            node = Node(ground, keystore, config)
            now_ms = clock.now_ms()
            left = await database.write(lambda tx: succeed(tx, node, recovery, gone, now_ms))
            checkpoint.reached(SuccessionStep.COMMITTED)
    return left


def stepped(old: Keystore, number: int, recovery: RecoverySecret, entropy: Entropy) -> Keystore:
    """The keystore without what the lost device had: pages come under another epoch, and new
    personas promise keys of another list, `number`."""
    return replace(
        old,
        epochs=(*old.epochs, new_epoch(entropy)),
        next_digests=tuple(next_digest(recovery, number, i) for i in range(NEXT_DIGESTS)),
        next_list=number,
    )


def list_of(tx: Tx, node: Node) -> int:
    """Of the next round of lists, the one that this device takes and no other."""
    devices = node.own_devices
    joined = [row.device for row in devices.all(tx)]
    place = joined.index(devices.device) if devices.device in joined else 0
    return lists_after(node.keystore.next_list) + place


def succeed(
    tx: Tx, node: Node, recovery: RecoverySecret, gone: OtherDevice, now_ms: int
) -> LeftBehind:
    """Everything in the store that follows when `gone` is left behind: one unit of work."""
    node.epochs.begin(tx)
    succeeded = node.succession.succeed(tx, recovery, now_ms)
    left_devices(node).keep(tx, gone.device, Was.LEFT, now_ms)
    node.own_devices.leave(tx, gone.device, now_ms)
    return LeftBehind(gone.device, now_ms, len(node.own_devices.others(tx)), succeeded)


def left_devices(node: Node) -> LeftDevices:
    return LeftDevices(node.store.objects, node.peers, node.keystore)

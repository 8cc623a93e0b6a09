"""Restoring a backup: the same person and data, as a new device.

    words ▸ backup key ▸ file key ▸ keystore, config, database ▸ made new ▸ moved into place

The old device may still run, or be in other hands, so nothing that only one device may hold comes
back: the device key, the log and its keys, the vault epoch and the list of next keys are new.
Personas keep their keys and get certificates for the new device.  What was taken back since the
backup was made is not known to it, so every grant is suspended until its owner keeps or revokes
it; open invites name the old device and are void.

Pages stay as they are encrypted.  The segments by which the old device vouched for them are signed
anew by this one, since a reader takes pages only from the device that vouches for them.

Everything is made in a folder beside the home and moved into place at the end: a restore that is
interrupted has not happened.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..crypto.entropy import Entropy
from ..crypto.keys import DeviceKey, LogKey, LogSigningKey, RecoverySecret
from ..crypto.recovery import backup_secret, next_digest
from ..crypto.shares import recovery_secret
from ..protocol.did import did_of
from .backup import open_backup
from .checkpoint import UNWATCHED, Checkpoint
from .clock import Clock
from .config import Config
from .devices.left_devices import OtherDevice, Was
from .errors import HomeError
from .keystore import NEXT_DIGESTS, Keystore, new_epoch
from .leaving_behind import LeftBehind, left_devices, succeed
from .node import Ground, Node
from .offline import NoNetwork
from .offload import Offload, ThreadOffload
from .opening import Unlock, sealed_keystore
from .steps import RestoreStep
from .store.backup import restore as restore_database
from .store.database import Tx
from .store.home import FOLDER_MODE, Home, sync_folder, write_atomically
from .store.inline import InlineDatabase
from .store.objects import Kind
from .succession import lists_after
from .vouching_anew import vouch_anew


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back.  `made_ms`: when the backup was made.  `left`: what was done to leave the
    device behind that it came from, if it is in other hands."""

    made_ms: int
    peers: int
    collections: int
    pages: int
    suspended: int
    left: LeftBehind | None = None


async def restore_home(
    folder: Path,
    source: Path,
    words: str,
    unlock: Unlock,
    *,
    entropy: Entropy,
    clock: Clock,
    offload: Offload | None = None,
    stolen: bool = False,
    checkpoint: Checkpoint = UNWATCHED,
) -> Restored:
    """Make the home `folder` from the backup at `source`; computing is done in threads, or where
    `offload` says.  `stolen`: the device that the backup came from is left behind at once.

    Raises BadWords, BackupError, HomeError if there is a home already, StoreError: then nothing is
    at `folder` that was not there before.
    """
    recovery = recovery_secret(words)
    _check_free(folder)
    with open_backup(source, backup_secret(recovery)) as backup, _made_beside(folder) as beside:
        old = Keystore.from_bytes(backup.head.keystore)
        keystore = renewed(old, recovery, entropy)
        home = Home(beside)
        write_atomically(home.config, backup.head.config.encode())
        restore_database(backup.database(), home.database)
        checkpoint.reached(RestoreStep.COPIED)
        async with InlineDatabase(home.database, durable=True) as database:
            ground = Ground(database, NoNetwork(), clock, entropy, offload or ThreadOffload())
            node = Node(ground, keystore, Config.read(beside, {}))
            restored = await _made_new(node, old, backup.head.made_ms)
            checkpoint.reached(RestoreStep.MADE_NEW)
            if stolen:
                now_ms = clock.now_ms()
                gone = OtherDevice(did_of(old.device.public), Was.BEFORE, now_ms)
                left = await database.write(lambda tx: succeed(tx, node, recovery, gone, now_ms))
                restored = replace(restored, left=left)
                checkpoint.reached(RestoreStep.FOLLOWED)
        write_atomically(home.keystore, sealed_keystore(keystore, unlock, entropy))
        checkpoint.reached(RestoreStep.KEYSTORE)
        _move(beside, folder)
        checkpoint.reached(RestoreStep.MOVED)
    return restored


def renewed(old: Keystore, recovery: RecoverySecret, entropy: Entropy) -> Keystore:
    """The keystore of a new device: what encrypted the past, and nothing that signs as the old."""
    next_list = lists_after(old.next_list)
    return replace(
        old,
        device=DeviceKey.generate(entropy),
        log=LogKey.generate(entropy),
        log_signing=LogSigningKey.generate(entropy),
        past_logs=(*old.past_logs, old.log),
        epochs=(*old.epochs, new_epoch(entropy)),
        # The old device may go on using its own list; two personas must not share a digest.
        next_digests=tuple(next_digest(recovery, next_list, i) for i in range(NEXT_DIGESTS)),
        next_list=next_list,
    )


async def _made_new(node: Node, old: Keystore, made_ms: int) -> Restored:
    """Everything in the store that names the old device, made anew."""
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> tuple[int, int, int]:
        node.epochs.begin(tx)
        left_devices(node).keep(tx, did_of(old.device.public), Was.BEFORE, now_ms)
        suspended = node.lending.suspend_all(tx, now_ms) + node.lending_on.suspend_all(tx, now_ms)
        node.borrowing.accept_again(tx, now_ms)
        node.mandates.forget_lodged(tx, now_ms)
        node.peers.renew_certificates(tx, now_ms)
        node.witnesses.begin_new_log(tx, old.log_signing)
        node.witnessing.suspend_all(tx)
        _unsay(tx, node)
        node.own_devices.stand_alone(tx)
        objects = node.store.objects
        objects.put(tx, Kind.NEXT_KEYS, "used", 0)
        node.meeting.void(tx)
        pairs = node.peers.all(tx)
        for pair in pairs:
            node.introductions.owe(tx, pair)
            node.lost_versions.ask_all(tx, pair, now_ms)
            node.parcel_books.begin_anew(tx, pair)
            node.reads_by_file.begin_anew(tx, pair, node.entropy)
        return suspended, len(pairs), len(node.vault.collections.all(tx))

    suspended, peers, collections = await node.store.database.write(unit)
    pages = await vouch_anew(node)
    return Restored(made_ms, peers, collections, pages, suspended)


def _unsay(tx: Tx, node: Node) -> None:
    """What waits for another device of this person is said no more: nobody is there to hear it."""
    for pair in node.peers.siblings(tx):
        for id, _ in node.outgoing.waiting(tx, pair):
            node.outgoing.drop(tx, id)


# --- the folder -----------------------------------------------------------------------------------


def _check_free(folder: Path) -> None:
    if not folder.exists():
        return
    home = Home(folder)
    home.check()
    if home.keystore.exists() or home.database.exists() or any(folder.iterdir()):
        raise HomeError(f"{folder} is not empty; nothing was restored: choose another --home")


@contextmanager
def _made_beside(folder: Path) -> Generator[Path]:
    beside = folder.with_name(f".{folder.name}.restoring")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(beside, ignore_errors=True)  # left by a restore that was interrupted
        beside.mkdir(mode=FOLDER_MODE)
    except OSError as error:
        raise HomeError(f"{beside} cannot be made: {error.strerror}") from error
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _move(beside: Path, folder: Path) -> None:
    try:
        sync_folder(beside)
        os.rename(beside, folder)  # also over an empty folder, never over one that is not
        sync_folder(folder.parent)
    except OSError as error:
        raise HomeError(f"{folder} could not be made: {error.strerror}") from error

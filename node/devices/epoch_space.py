"""Epochs of the vault, as two devices compare them: all that any device began.

A device that is left behind takes the secrets of the vault with it, so whoever removes it begins an
epoch, and every other device writes under that from when it hears of it.  A device cannot seal its
keystore anew while it runs; so what comes stands in the store, sealed under its key, with the place
that it has among the others.  Two that were begun apart have one place, and the greater name is the
present one; pages under either open on all devices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...crypto.keys import KEY_BYTES, VaultSecret
from ...protocol.errors import WireError
from ...protocol.wire import Body, Value
from ..keystore import EPOCH_BYTES, EPOCHS_MAX, Epoch, Keystore
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .space import Taking, WholeSpace, row_id

EPOCHS: Final = "epochs"


class Epochs:
    """The epochs that stand in the store."""

    def __init__(self, objects: Objects, keystore: Keystore) -> None:
        self._objects = objects
        self._keystore = keystore

    def load(self, tx: Tx) -> None:
        """Let the keystore know of those in the store: when a node begins, and after one came."""
        for place, epoch in self.kept(tx):
            self._keystore.later.take(place, epoch)

    def begin(self, tx: Tx) -> None:
        """The newest epoch of this keystore begins: after all that any device began."""
        self.load(tx)
        epoch = self._keystore.epochs[-1]
        if self._keystore.epoch.name != epoch.name:
            place = self._keystore.next_place
            self.keep(tx, place, epoch)
            self._keystore.later.take(place, epoch)

    def kept(self, tx: Tx) -> list[tuple[int, Epoch]]:
        """Those in the store, each with its place."""
        return [epoch_from_row(value) for _, value in self._objects.all(tx, Kind.VAULT_EPOCH)]

    def every(self, tx: Tx) -> list[tuple[int, Epoch]]:
        """All of this keystore and of the store, each with its place."""
        found = {epoch.name: (place, epoch) for place, epoch in enumerate(self._keystore.epochs)}
        found |= {epoch.name: (place, epoch) for place, epoch in self.kept(tx)}
        return list(found.values())

    def keep(self, tx: Tx, place: int, epoch: Epoch) -> None:
        value: Value = [place, epoch.name, epoch.secret.secret_bytes()]
        self._objects.put(tx, Kind.VAULT_EPOCH, epoch.name, value)


@dataclass(frozen=True, slots=True)
class EpochSpace(WholeSpace):
    """Every epoch that this device knows, each a row.  `began` is told when one came."""

    epochs: Epochs
    began: Callable[[Tx], None]
    name: str = EPOCHS
    sets: tuple[Value, ...] = (Kind.VAULT_EPOCH.value,)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        rows: list[Value] = [
            [place, epoch.name, epoch.secret.secret_bytes()]
            for place, epoch in self.epochs.every(tx)
        ]
        return {row_id(self.name, None, row): row for row in rows}

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        known = {epoch.name: (place, epoch) for place, epoch in self.epochs.every(tx)}
        changed = 0
        for row in rows:
            place, epoch = epoch_from_row(row)
            mine = known.get(epoch.name)
            if mine is None and len(known) >= EPOCHS_MAX:
                raise WireError(f"a vault has at most {EPOCHS_MAX} epochs")
            # A secret is never replaced; of two places of one epoch, the later.
            if mine is None or mine[0] < place:
                kept = epoch if mine is None else mine[1]
                self.epochs.keep(tx, place, kept)
                known[epoch.name] = (place, kept)
                changed += 1
        if changed:
            self.began(tx)
        return changed


def epoch_from_row(row: Value) -> tuple[int, Epoch]:
    """An epoch and its place.  Raises WireError."""
    body = Body.of_list(row, "an epoch", ("place", "name", "secret"))
    secret = VaultSecret(body.data("secret", length=KEY_BYTES))
    return body.integer("place", high=EPOCHS_MAX), Epoch(
        body.data("name", length=EPOCH_BYTES), secret
    )

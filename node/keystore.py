"""The keystore: the few secrets from which a node opens everything else it holds.

One file, sealed under a passphrase (Argon2id) or a key file.  It holds the device's key, the key
that seals the rows of the store, the key that blinds its tags, the log's two keys and the vault's
epochs.  Persona and reader keys are rows of the store, sealed under its key, so that a new persona
and the pairing that needs it are one transaction.  The recovery secret is never here: only the
public half of the backup key and the digests of the next persona keys are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from ..crypto.entropy import Entropy
from ..crypto.key_tree import NoKey
from ..crypto.keys import (
    DeviceKey,
    IndexKey,
    LogKey,
    LogSigningKey,
    RecoverySecret,
    StoreKey,
    VaultSecret,
)
from ..crypto.recovery import backup_secret, next_digest
from ..crypto.unlock import open_with_passphrase, seal_with_passphrase
from ..protocol.errors import WireError
from ..protocol.wire import Body, decode, encode
from .errors import HomeError

# `init` prepares this many successions, so that a new persona needs no words (formats.md).
NEXT_DIGESTS = 1024
EPOCH_BYTES = 16
EPOCHS_MAX = 1024
LOGS_MAX = 1024
KEYSTORE_BYTES_MAX = 1024 * 1024

_KEYS = (
    "v",
    "device",
    "store",
    "index",
    "log",
    "log_signing",
    "past_logs",
    "backup",
    "epochs",
    "next",
    "next_list",
)


@dataclass(frozen=True, slots=True)
class Epoch:
    """`e` names `V_e`: 16 random bytes beside a random secret."""

    name: bytes
    secret: VaultSecret


class LaterEpochs:
    """Epochs that another device of this person began, and the place of each: they stand in the
    store, since a running node cannot seal its keystore anew.  Filled when a node begins, and when
    one comes (`devices/epoch_space.py`)."""

    __slots__ = ("_by_name",)

    def __init__(self) -> None:
        self._by_name: dict[bytes, tuple[int, Epoch]] = {}

    def take(self, place: int, epoch: Epoch) -> None:
        self._by_name[epoch.name] = (place, epoch)

    def ordered(self, own: tuple[Epoch, ...]) -> tuple[tuple[int, Epoch], ...]:
        """All epochs, `own` and these, with their places, the present one last."""
        every = {epoch.name: (place, epoch) for place, epoch in enumerate(own)} | self._by_name
        return tuple(sorted(every.values(), key=lambda one: (one[0], one[1].name)))

    def __repr__(self) -> str:
        return f"<{len(self._by_name)} epochs of other devices>"


@dataclass(frozen=True, slots=True)
class Keystore:
    """The opened keystore.

    `epochs` is oldest first; `next_digests` are of list `next_list`.  A restore begins a new log:
    `past_logs` are the keys of those before it, and their number is the number of this one.
    """

    device: DeviceKey
    store: StoreKey
    index: IndexKey
    log: LogKey
    log_signing: LogSigningKey
    backup_public: bytes
    epochs: tuple[Epoch, ...]
    next_digests: tuple[bytes, ...]
    next_list: int
    past_logs: tuple[LogKey, ...] = ()
    later: LaterEpochs = field(default_factory=LaterEpochs, compare=False)

    @classmethod
    def create(
        cls, recovery: RecoverySecret, entropy: Entropy, *, successions: int = NEXT_DIGESTS
    ) -> Self:
        """New random keys for a new node; what comes from `recovery` is its public half only.

        `successions` are prepared: a home has the 1,024 of the formats, a simulated node needs as
        many as it makes personas.
        """
        return cls(
            device=DeviceKey.generate(entropy),
            store=StoreKey.generate(entropy),
            index=IndexKey.generate(entropy),
            log=LogKey.generate(entropy),
            log_signing=LogSigningKey.generate(entropy),
            backup_public=backup_secret(recovery).public,
            epochs=(new_epoch(entropy),),
            next_digests=tuple(next_digest(recovery, 0, i) for i in range(successions)),
            next_list=0,
        )

    @property
    def log_number(self) -> int:
        """Which log this is: 0 for the first device of a home, one more with each restore."""
        return len(self.past_logs)

    @property
    def epoch(self) -> Epoch:
        """The epoch under which new pages are encrypted."""
        return self.every_epoch[-1]

    @property
    def every_epoch(self) -> tuple[Epoch, ...]:
        """Those of this keystore, and those that other devices began, the present one last."""
        return tuple(epoch for _, epoch in self.later.ordered(self.epochs))

    @property
    def next_place(self) -> int:
        """Where an epoch stands that begins now: after all."""
        return self.later.ordered(self.epochs)[-1][0] + 1

    def vault_secret(self, name: bytes) -> VaultSecret:
        """`V_e` for the epoch `name`.  Raises NoKey if this keystore does not hold it."""
        for epoch in self.every_epoch:
            if epoch.name == name:
                return epoch.secret
        raise NoKey("no key: this keystore does not hold the vault epoch of a page")

    def seal(self, passphrase: bytes, entropy: Entropy) -> bytes:
        """The keystore as a file, sealed under `passphrase`."""
        return seal_with_passphrase(passphrase, self.to_bytes(), entropy=entropy)

    @classmethod
    def open(cls, passphrase: bytes, sealed: bytes) -> Self:
        """Open a keystore file.  Raises WrongPassphrase, HomeError."""
        return cls.from_bytes(open_with_passphrase(passphrase, sealed))

    def to_bytes(self) -> bytes:
        """Every secret, encoded: to be sealed at once (keystore file, backup)."""
        return encode(
            {
                "v": 1,
                "device": self.device.secret_bytes(),
                "store": self.store.secret_bytes(),
                "index": self.index.secret_bytes(),
                "log": self.log.secret_bytes(),
                "log_signing": self.log_signing.secret_bytes(),
                "past_logs": [key.secret_bytes() for key in self.past_logs],
                "backup": self.backup_public,
                "epochs": [[epoch.name, epoch.secret.secret_bytes()] for epoch in self.epochs],
                "next": b"".join(self.next_digests),
                "next_list": self.next_list,
            }
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what `to_bytes` wrote.  Raises HomeError."""
        try:
            body = Body.open(decode(raw, bytes_max=KEYSTORE_BYTES_MAX), "the keystore", _KEYS)
            digests = body.data("next", bytes_max=NEXT_DIGESTS * 32)
            return cls(
                device=DeviceKey(body.data("device")),
                store=StoreKey(body.data("store")),
                index=IndexKey(body.data("index")),
                log=LogKey(body.data("log")),
                log_signing=LogSigningKey(body.data("log_signing")),
                backup_public=body.data("backup", length=32),
                epochs=tuple(_epoch(item) for item in body.items("epochs", items_max=EPOCHS_MAX)),
                next_digests=tuple(digests[i : i + 32] for i in range(0, len(digests), 32)),
                next_list=body.integer("next_list"),
                past_logs=tuple(
                    _log_key(item) for item in body.items("past_logs", items_max=LOGS_MAX)
                ),
            )
        except WireError as error:
            raise HomeError(f"the keystore was opened but is not readable: {error}") from error


def new_epoch(entropy: Entropy) -> Epoch:
    return Epoch(entropy.random_bytes(EPOCH_BYTES), VaultSecret.generate(entropy))


def _epoch(item: object) -> Epoch:
    match item:
        case [bytes(name), bytes(secret)] if len(name) == EPOCH_BYTES:
            return Epoch(name, VaultSecret(secret))
        case _:
            raise WireError("an epoch is a name of 16 bytes and a secret")


def _log_key(item: object) -> LogKey:
    if not isinstance(item, bytes):
        raise WireError("the key of a log is bytes")
    return LogKey(item)

"""Opening a home: where the passphrase comes from, and the keystore that it opens.

A home is opened with a passphrase or with a key file, and they come, in this order, from a file
descriptor, a named key file, the service manager's credentials, or the person.  Never from an
argument or a variable of the environment: both can be read by others on the machine.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ..crypto.entropy import Entropy
from ..crypto.keys import KEY_BYTES, RecoverySecret
from ..crypto.unlock import (
    SEALED_BYTES_MAX,
    KeyFileSecret,
    needs_key_file,
    open_with_key_file,
    seal_with_key_file,
    seal_with_passphrase,
)
from .config import Config
from .errors import HomeError, NotAllowed, UsageError
from .keystore import Keystore
from .store.home import FILE_MODE, Home, write_atomically

PASSPHRASE_BYTES_MAX = 4_096
# What a service manager's credentials are called (systemd: LoadCredential=entrenous.passphrase:…).
CREDENTIAL_PASSPHRASE = "entrenous.passphrase"
CREDENTIAL_KEY = "entrenous.key"


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase, as bytes.  Raises UsageError if there is none or far too much."""

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.raw:
            raise UsageError("a passphrase has at least one character")
        if len(self.raw) > PASSPHRASE_BYTES_MAX:
            raise UsageError(f"a passphrase has at most {PASSPHRASE_BYTES_MAX} bytes")

    @classmethod
    def typed(cls, text: str) -> Passphrase:
        """The same word is the same bytes on every keyboard (Unicode NFC)."""
        return cls(unicodedata.normalize("NFC", text).encode())

    @classmethod
    def given(cls, data: bytes) -> Passphrase:
        """The first line of what a file or descriptor held."""
        line = data.split(b"\n", 1)[0].removesuffix(b"\r")
        try:
            return cls.typed(line.decode())
        except UnicodeDecodeError:
            return cls(line)


Unlock: TypeAlias = Passphrase | KeyFileSecret
"""What opens a home."""


def unlock_from(
    *,
    passphrase_fd: int | None = None,
    key_file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    ask: Callable[[], str] | None = None,
) -> Unlock:
    """What opens the home, from the first source there is; `ask` prompts the person.

    Raises NotAllowed if there is no source, UsageError, HomeError for one that cannot be read.
    """
    if passphrase_fd is not None and key_file is not None:
        raise UsageError("give a passphrase or a key file, not both")
    if passphrase_fd is not None:
        return Passphrase.given(_read_descriptor(passphrase_fd))
    if key_file is not None:
        return read_key_file(key_file)
    if (folder := environment.get("CREDENTIALS_DIRECTORY")) is not None:
        if (path := Path(folder, CREDENTIAL_PASSPHRASE)).exists():
            return Passphrase.given(_read_small(path))
        if (path := Path(folder, CREDENTIAL_KEY)).exists():
            return _key_of(_read_small(path))
    if ask is None:
        raise NotAllowed(
            "the home is locked: give its passphrase by --passphrase-fd, --key-file or a "
            "service credential"
        )
    return Passphrase.typed(ask())


def _read_descriptor(fd: int) -> bytes:
    """The first line that `fd` gives; what follows a newline is not waited for."""
    data = b""
    try:
        while b"\n" not in data and len(data) <= PASSPHRASE_BYTES_MAX:
            if not (some := os.read(fd, PASSPHRASE_BYTES_MAX + 1)):
                break
            data += some
    except OSError as error:
        raise UsageError(f"no passphrase can be read from descriptor {fd}") from error
    return data


def read_key_file(path: Path) -> KeyFileSecret:
    """Read a key file: 32 bytes, for its owner only.  Raises HomeError, UsageError."""
    return _key_of(_read_small(path, for_owner_only=True))


def make_key_file(path: Path, entropy: Entropy) -> KeyFileSecret:
    """Make a new key file, which must not be there yet.  Raises HomeError."""
    secret = KeyFileSecret.generate(entropy)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with open(os.open(path, flags, FILE_MODE), "wb") as file:
            file.write(secret.secret_bytes())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise HomeError(f"the key file {path} cannot be made: {error.strerror}") from error
    return secret


def _key_of(raw: bytes) -> KeyFileSecret:
    if len(raw) != KEY_BYTES:
        raise UsageError(f"a key file holds {KEY_BYTES} bytes, and nothing else")
    return KeyFileSecret(raw)


def _read_small(path: Path, *, for_owner_only: bool = False) -> bytes:
    try:
        # Nobody may ever write into a pipe that is named here: it is not waited for.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            # Of the file that is read, whatever stands under its name by now.
            if for_owner_only and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise HomeError(
                    f"the key file {path} is open to other users; run: chmod 600 {path}"
                )
            return file.read(PASSPHRASE_BYTES_MAX + 1)
    except OSError as error:
        raise HomeError(f"{path} cannot be read: {error.strerror}") from error


# --- the keystore ---------------------------------------------------------------------------------


def open_home(folder: Path, unlock: Unlock) -> Keystore:
    """Open the keystore of a home.

    Raises HomeError (no home, not ours, unreadable), WrongPassphrase, NotAllowed for the other
    kind of key than it was closed with.
    """
    home = Home(folder)
    home.check()
    try:
        with home.keystore.open("rb") as file:
            sealed = file.read(SEALED_BYTES_MAX + 1)
    except FileNotFoundError:
        raise HomeError(f"there is no home at {folder}; make one with `entrenous init`") from None
    except OSError as error:
        raise HomeError(f"{home.keystore} cannot be read: {error.strerror}") from error
    if not home.database.exists():
        # Going on would make an empty store, whose log begins anew: a node that forgot its grants.
        raise HomeError(
            f"{home.database} is gone: put it back, or restore a backup in another home"
        )
    by_file = needs_key_file(sealed)
    match unlock:
        case Passphrase() if by_file:
            raise NotAllowed("this home opens with its key file: give it by --key-file")
        case Passphrase():
            return Keystore.open(unlock.raw, sealed)
        case _ if not by_file:
            raise NotAllowed("this home opens with its passphrase, not with a key file")
        case _:
            return Keystore.from_bytes(open_with_key_file(unlock, sealed))


def sealed_keystore(keystore: Keystore, unlock: Unlock, entropy: Entropy) -> bytes:
    """The keystore as a file that `unlock` opens."""
    if isinstance(unlock, Passphrase):
        return seal_with_passphrase(unlock.raw, keystore.to_bytes(), entropy=entropy)
    return seal_with_key_file(unlock, keystore.to_bytes(), entropy=entropy)


def init_home(folder: Path, config: Config, unlock: Unlock, entropy: Entropy) -> str:
    """Make a new home; its 33 recovery words, which are kept nowhere.

    The keystore comes last: a home without one is not a home yet.  Raises HomeError if there is
    one already, or `folder` cannot be used.
    """
    from ..crypto.shares import recovery_words  # 40 ms to load, for this and restore only

    home = Home(folder)
    home.create()
    with home.locked():
        if home.keystore.exists() or _holds_something(home.database):
            raise HomeError(f"there is a home at {folder} already; nothing was changed")
        recovery = RecoverySecret.generate(entropy)
        keystore = Keystore.create(recovery, entropy)
        words = recovery_words(recovery, entropy=entropy)
        write_atomically(home.config, config.text().encode())
        # Empty until the first start.  It stands there so that one that is gone is noticed.
        write_atomically(home.database, b"")
        write_atomically(home.keystore, sealed_keystore(keystore, unlock, entropy))
    return words


def _holds_something(database: Path) -> bool:
    """Whether there is a store: an empty one was left by an `init` that did not come to its end."""
    return database.exists() and database.stat().st_size > 0

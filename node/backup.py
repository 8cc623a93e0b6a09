"""A backup: the whole node in one encrypted file that only the recovery words open.

    magic ‖ sealed file key 80 ‖ secretstream( u32be ‖ head ‖ database )

`head` is `cb({v, program, made_ms, keystore, config, database})`: the keystore and `config.toml`
as bytes, and the size of the database that follows.  The file key is random, and sealed (HPKE) to
the backup key, whose private half is made from the words and is on no device: so a node writes
backups whenever it likes and nothing on its disk opens one.

Restoring is `restoring.py`.  Source: formats.md, "Backup".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from ..crypto.entropy import Entropy
from ..crypto.errors import BadCiphertext
from ..crypto.keys import BackupSecret, FileKey
from ..crypto.labels import Tag, label
from ..crypto.seal import OVERHEAD_BYTES, open_sealed, seal
from ..crypto.stream import decrypt_stream, encrypt_stream
from ..protocol.errors import WireError
from ..protocol.wire import Body, Value, decode, encode
from .config import CONFIG_BYTES_MAX, Config
from .errors import NodeError
from .keystore import KEYSTORE_BYTES_MAX, Keystore
from .new_file import made_beside, put_in_place
from .offload import Offload
from .store.backup import read_chunks, snapshot
from .store.database import Database
from .store.home import Home

MAGIC = label(Tag.BACKUP_FILE).encode() + b"\n"
_LENGTH = struct.Struct(">I")
_SEALED_KEY_BYTES = 32 + OVERHEAD_BYTES
_HEAD_BYTES_MAX = KEYSTORE_BYTES_MAX + CONFIG_BYTES_MAX + 4_096
_PIECE_BYTES = 256 * 1024
_KEYS = ("v", "program", "made_ms", "keystore", "config", "database")


class BackupError(NodeError):
    """A file is no backup, is damaged, or these words do not open it."""


@dataclass(frozen=True, slots=True)
class BackupHead:
    """What stands before the database.  `keystore` holds every secret of the node."""

    program: str
    made_ms: int
    keystore: bytes
    config: str
    database_bytes: int

    def __repr__(self) -> str:
        return f"<backup made at {self.made_ms} by {self.program}>"

    def value(self) -> Value:
        return {
            "v": 1,
            "program": self.program,
            "made_ms": self.made_ms,
            "keystore": self.keystore,
            "config": self.config,
            "database": self.database_bytes,
        }

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises WireError."""
        body = Body.open(decode(raw, bytes_max=_HEAD_BYTES_MAX), "a backup", _KEYS)
        return cls(
            body.text("program"),
            body.integer("made_ms"),
            body.data("keystore", bytes_max=KEYSTORE_BYTES_MAX),
            body.text("config", chars_max=CONFIG_BYTES_MAX),
            body.integer("database"),
        )


# --- writing --------------------------------------------------------------------------------------


async def write_backup(
    target: Path,
    *,
    database: Database,
    home: Home,
    keystore: Keystore,
    config: Config,
    entropy: Entropy,
    offload: Offload,
    program: str,
    now_ms: int,
) -> int:
    """Write the node to the new file `target`, durably; its size in bytes.

    The node goes on meanwhile.  Raises BackupError (`target` is there, or cannot be written),
    StoreError.
    """
    if await offload.run(target.exists):
        raise BackupError(f"{target} is there already; nothing was written over it")
    async with snapshot(database, home.folder) as copy:

        def write() -> int:
            head = BackupHead(
                program, now_ms, keystore.to_bytes(), config.text(), copy.stat().st_size
            )
            return _write(target, keystore.backup_public, head, copy, entropy)

        return await offload.run(write)


def _write(target: Path, public: bytes, head: BackupHead, copy: Path, entropy: Entropy) -> int:
    key = FileKey.generate(entropy)
    sealed = seal(public, MAGIC, key.secret_bytes(), entropy=entropy)
    try:
        with made_beside(target) as (beside, file):
            file.write(MAGIC + sealed)
            for chunk in encrypt_stream(key, _content(head, copy), entropy=entropy):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
            put_in_place(beside, target)
    except OSError as error:
        raise BackupError(f"{target} could not be written: {error.strerror}") from error
    return size


def _content(head: BackupHead, copy: Path) -> Iterator[bytes]:
    raw = encode(head.value())
    yield _LENGTH.pack(len(raw)) + raw
    yield from read_chunks(copy)


# --- reading --------------------------------------------------------------------------------------


class OpenedBackup:
    """A backup that the words open: its head, then `database()` once, to the end.

    Only when `database()` has ended is it known that the file was whole.
    """

    def __init__(self, head: BackupHead, first: bytes, rest: Iterator[bytes]) -> None:
        self.head = head
        self._first = first
        self._rest = rest

    def database(self) -> Iterator[bytes]:
        """The bytes of the database.  Raises BackupError if the file was altered or cut."""
        size = 0
        try:
            for chunk in self._chunks():
                size += len(chunk)
                yield chunk
        except BadCiphertext as error:
            raise _damaged() from error
        if size != self.head.database_bytes:
            raise _damaged()

    def _chunks(self) -> Iterator[bytes]:
        yield self._first
        yield from self._rest


@contextmanager
def open_backup(source: Path, secret: BackupSecret) -> Generator[OpenedBackup]:
    """Open the backup at `source`.

    Raises BackupError: no backup, other words, damaged, of a newer program.
    """
    try:
        with source.open("rb") as file:
            yield _opened(source, file, secret)
    except OSError as error:
        raise BackupError(f"{source} cannot be read: {error.strerror}") from error


def _opened(source: Path, file: BinaryIO, secret: BackupSecret) -> OpenedBackup:
    if file.read(len(MAGIC)) != MAGIC:
        raise BackupError(f"{source} is not a backup of entrenous")
    try:
        key = FileKey(open_sealed(secret, MAGIC, file.read(_SEALED_KEY_BYTES)))
    except BadCiphertext:
        raise BackupError("these words do not open this backup, or the file was altered") from None
    chunks = decrypt_stream(key, iter(lambda: file.read(_PIECE_BYTES), b""))
    buffer = bytearray()
    try:
        for chunk in chunks:
            buffer += chunk
            if len(buffer) >= _LENGTH.size:
                end = _LENGTH.size + _LENGTH.unpack_from(buffer)[0]
                if end > _HEAD_BYTES_MAX:
                    raise _damaged()
                if len(buffer) >= end:
                    head = BackupHead.parse(bytes(buffer[_LENGTH.size : end]))
                    return OpenedBackup(head, bytes(buffer[end:]), chunks)
    except (BadCiphertext, WireError) as error:
        raise _damaged() from error
    raise _damaged()


def _damaged() -> BackupError:
    return BackupError("this backup is damaged: use another one; nothing was restored")

"""The token file: all that a program needs to push, and the only secret of it.

One JSON object, for its owner only (0600):

    {"entrenous": "push/1", "name", "socket", "uid", "node", "key", "chain",
     "collection", "schema", "exp_s", "per_minute"}

`key` is the seed of the program's Ed25519 key and `chain` its delegations, the owner's first, both
base64; `uid` is the user under whom the node runs, so that a program does not hand its records to
somebody who only stands at the same path.  What the node allows is in the chain: the other fields
say it again for whoever writes the program, and changing them changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from ...crypto.errors import CryptoError
from ...crypto.keys import ProgramKey
from ...protocol.did import Did, did_of
from ...protocol.errors import ProtocolError
from ...protocol.limits import CHAIN_MAX, TOKEN_BYTES_MAX
from ...protocol.push import read_allowance
from ...protocol.schema import Schema
from ..errors import HomeError, UsageError

FORM = "push/1"
TOKEN_FILE_BYTES_MAX = 1024 * 1024
_KEYS = (
    "entrenous",
    "name",
    "socket",
    "uid",
    "node",
    "key",
    "chain",
    "collection",
    "schema",
    "exp_s",
    "per_minute",
)


@dataclass(frozen=True, slots=True)
class PushToken:
    """What `entrenous allow` writes.  Its repr shows no secret: the key shows its fingerprint."""

    name: str
    socket: Path
    uid: int
    key: ProgramKey
    chain: tuple[bytes, ...] = field(repr=False)
    per_minute: int

    @property
    def program(self) -> Did:
        return did_of(self.key.public)

    @property
    def collection(self) -> str:
        return read_allowance(self.chain[0]).collection

    @property
    def schema(self) -> Schema:
        return read_allowance(self.chain[0]).schema

    def text(self) -> str:
        """The file, with the secret in it."""
        allowance = read_allowance(self.chain[0])
        fields: dict[str, object] = {
            "entrenous": FORM,
            "name": self.name,
            "socket": str(self.socket),
            "uid": self.uid,
            "node": allowance.delegation.iss,
            "key": _text(self.key.secret_bytes()),
            "chain": [_text(raw) for raw in self.chain],
            "collection": allowance.collection,
            "schema": allowance.schema.name,
            "exp_s": allowance.exp_s,
            "per_minute": self.per_minute,
        }
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> PushToken:
        """Raises HomeError for a file that others may read, UsageError for one that is no token."""
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                raw = file.read(TOKEN_FILE_BYTES_MAX + 1)
        except OSError as error:
            raise HomeError(f"{path} cannot be read: {error.strerror}") from error
        if found.st_mode & 0o077:
            raise HomeError(f"{path} can be read by others: chmod 600 it, or allow a new one")
        return cls.parse(raw)

    @classmethod
    def parse(cls, raw: bytes) -> PushToken:
        """Raises UsageError."""
        try:
            loaded: object = json.loads(raw) if len(raw) <= TOKEN_FILE_BYTES_MAX else None
        except (ValueError, RecursionError):
            loaded = None
        if not isinstance(loaded, dict):
            raise _no_token()
        fields = cast("dict[str, object]", loaded)
        if fields.keys() != set(_KEYS) or fields["entrenous"] != FORM:
            raise _no_token()
        match [fields[name] for name in ("name", "socket", "uid", "key", "per_minute")]:
            case [str(name), str(socket), int(uid), str(key), int(per_minute)]:
                pass
            case _:
                raise _no_token()
        chain = fields["chain"]
        if not isinstance(chain, list):
            raise _no_token()
        links = [_bytes(link) for link in cast("list[object]", chain)[: CHAIN_MAX + 1]]
        if not 1 <= len(links) <= CHAIN_MAX or max(map(len, links)) > TOKEN_BYTES_MAX:
            raise _no_token()
        try:
            token = cls(name, Path(socket), uid, ProgramKey(_bytes(key)), tuple(links), per_minute)
            read_allowance(links[0])
        except (CryptoError, ProtocolError) as error:
            raise _no_token() from error
        return token


@contextmanager
def new_token_file(path: Path) -> Generator[BinaryIO]:
    """A file that was not there, for its owner only; gone again if the context fails.

    Raises HomeError.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise HomeError(f"{path} is there already, and may be in use: name another") from None
    except OSError as error:
        raise HomeError(f"{path} cannot be made: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise _no_token()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _no_token() from None


def _no_token() -> UsageError:
    return UsageError("this file is no token of `entrenous allow`, or of another version")

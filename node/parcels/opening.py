"""Opening a parcel: from a file to a head whose every byte was verified; nothing is changed.

A file from anywhere is not trusted: it is a regular file and not larger than any parcel, it is
sealed to one persona of ours, and all of it is read once before anything of it is believed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...crypto.keys import FileKey
from ...protocol.did import Did
from ...protocol.errors import WireError
from ...protocol.limits import PARCEL_BYTES_MAX
from ...protocol.parcel import ENVELOPE_BYTES, MAGIC, Unpacking, check_magic, open_envelope
from ...protocol.parcel_head import (
    ParcelHead,
)
from ..errors import NodeError, NotAllowed, NotFound
from ..peers.peers import OwnPersona

# The padding of the largest content is an eighth of it at most; chunks cost 17 bytes in 64 KiB.
FILE_BYTES_MAX = PARCEL_BYTES_MAX + PARCEL_BYTES_MAX // 4
_PIECE_BYTES = 256 * 1024


class ParcelRefused(NodeError):
    """A file is no parcel, or not one that is taken now; nothing was changed."""


@dataclass(frozen=True, slots=True)
class OpenedParcel:
    """A parcel whose every byte was verified, and whom it claims to join."""

    own: OwnPersona
    sender: Did
    key: FileKey
    head: ParcelHead


@contextmanager
def opened_file(source: Path) -> Generator[BinaryIO]:
    """A regular file, opened for reading; a pipe or device is refused and not waited for."""
    try:
        handle = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise NotFound(f"{source} cannot be read: {error.strerror}") from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES_MAX:
        os.close(handle)
        fault = "larger than any parcel" if stat.S_ISREG(status.st_mode) else "not a file"
        raise ParcelRefused(f"{source} is {fault}")
    with open(handle, "rb") as file:
        try:
            yield file
        except OSError as error:
            raise ParcelRefused(f"{source} cannot be read: {error.strerror}") from error


def open_parcel(file: BinaryIO, personas: Sequence[OwnPersona]) -> OpenedParcel:
    """Find whom a parcel is for, and verify every byte of it.

    Raises NotAllowed, WireError, BadCiphertext, BadSignature.
    """
    check_magic(file.read(len(MAGIC)))
    envelope = file.read(ENVELOPE_BYTES)
    for own in personas:
        found = open_envelope(envelope, own.did, own.readers)
        if found is not None:
            break
    else:
        raise NotAllowed("this parcel is not for this home, or its beginning is damaged")
    sender, key = found
    unpacking = unpacking_of(file, key)
    head = unpacking.head
    if (head.sender, head.to) != (sender, own.did):
        raise WireError("a parcel names other personas inside than on its envelope")
    unpacking.skip()
    unpacking.end()
    return OpenedParcel(own, sender, key, head)


def unpacking_of(file: BinaryIO, key: FileKey) -> Unpacking:
    """The parts of a parcel in order, from its first one on.  Raises WireError, BadCiphertext."""
    file.seek(len(MAGIC) + ENVELOPE_BYTES)
    return Unpacking(iter(lambda: file.read(_PIECE_BYTES), b""), key)

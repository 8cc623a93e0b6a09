"""Checkpoints: what a log was at one moment, as a short text that its key has signed.

    entrenous/log/<hex key>              origin: the log, named by its own key
    128                                  how many leaves
    <base64>                             the root over them

    — entrenous/log/<hex key> <base64>           the log's signature
    — entrenous/witness/<hex key> <base64>       a cosignature: the time, and the witness's

The formats are C2SP's, byte for byte, so that tools of others read them: a *signed note*, of which
a *checkpoint* is one, and `cosignature/v1`.  What is ours is narrower: three lines of text, and
names made from keys.  So a name cannot belong to two keys, and whoever reads a checkpoint needs no
table of who is called what.  Signatures by names that are not of these two forms are carried and
not looked at, as the note format asks.

A cosignature says: of all that this witness has seen of this log, this is the largest, and it
continues what the witness saw before.

Source: C2SP signed-note, tlog-checkpoint, tlog-cosignature; formats.md, "Reading, receipts, log".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..crypto.digest import DIGEST_BYTES, equal, sha256
from ..crypto.errors import BadSignature
from ..crypto.keys import (
    KEY_BYTES,
    SIGNATURE_BYTES,
    LogSigningKey,
    PersonaKey,
    SigningKey,
    verify_signature,
)
from ..crypto.merkle import EMPTY_ROOT, SIZE_MAX
from .errors import WireError
from .limits import CHECKPOINT_BYTES_MAX, INTEGER_MAX, NOTE_SIGNATURES_MAX

LOG_NAME = "entrenous/log/"
WITNESS_NAME = "entrenous/witness/"

_KEY_ID_BYTES = 4
_ED25519, _COSIGNATURE = 0x01, 0x04
_TIME_BYTES = 8
_DASH = "— "


# --- signed notes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who signed, the 4 bytes that name key and algorithm, what they signed."""

    name: str
    key_id: bytes
    data: bytes

    def line(self) -> str:
        return f"{_DASH}{self.name} {_base64(self.key_id + self.data)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures.  Nothing is verified yet."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @property
    def raw(self) -> bytes:
        return (self.text + "\n" + "".join(one.line() for one in self.signatures)).encode()

    def verify(self, name: str, public: bytes) -> None:
        """Check that the Ed25519 key `public`, called `name`, signed the text.

        Raises BadSignature, also if there is no signature by that key.
        """
        found = list(self.by(name, _key_id(name, _ED25519, public)))
        if not found:
            raise BadSignature("a note does not carry the signature of the key that it names")
        for one in found:
            verify_signature(public, self.text.encode(), one.data)

    def by(self, name: str, key_id: bytes) -> Iterable[NoteSignature]:
        return (one for one in self.signatures if (one.name, one.key_id) == (name, key_id))


def sign_note(text: str, name: str, key: SigningKey) -> Note:
    """Sign `text`, which ends in a newline, as `name`."""
    key_id = _key_id(name, _ED25519, key.public)
    return Note(text, (NoteSignature(name, key_id, key.sign(text.encode())),))


def parse_note(raw: bytes) -> Note:
    """Read the form of a signed note.  Nothing is verified.  Raises WireError."""
    if len(raw) > CHECKPOINT_BYTES_MAX:
        raise WireError(f"a note is longer than {CHECKPOINT_BYTES_MAX} bytes")
    try:
        whole = raw.decode()
    except UnicodeDecodeError as error:
        raise WireError("a note is not UTF-8") from error
    text, found, lines = whole.rpartition("\n\n")
    if not found or not text or not lines.endswith("\n"):
        raise WireError("a note is a text, an empty line and lines of signatures")
    if any(c < " " and c != "\n" for c in whole):
        raise WireError("a note holds a control character")
    split = lines[:-1].split("\n")
    if len(split) > NOTE_SIGNATURES_MAX:
        raise WireError(f"a note carries more than {NOTE_SIGNATURES_MAX} signatures")
    note = Note(text + "\n", tuple(_signature(line) for line in split))
    if note.raw != raw:
        raise WireError("a note is not written in the one form that it has")
    return note


def _signature(line: str) -> NoteSignature:
    name, gap, encoded = line.removeprefix(_DASH).partition(" ")
    named = name and "+" not in name and not any(c.isspace() for c in name)
    if not line.startswith(_DASH) or not gap or not named:
        raise WireError("a line of signature in a note has not the form of one")
    data = _from_base64(encoded)
    if len(data) <= _KEY_ID_BYTES:
        raise WireError("a signature of a note is too short")
    return NoteSignature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _key_id(name: str, kind: int, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes((kind,)) + public)[:_KEY_ID_BYTES]


# --- checkpoints ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TreeHead:
    """The first `size` leaves of the log whose 32-byte public key is `log`, under `root`."""

    log: bytes
    size: int
    root: bytes

    @property
    def origin(self) -> str:
        return LOG_NAME + self.log.hex()

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """What the witness with the 32-byte public key `witness` signed at `time_s`."""

    witness: bytes
    time_s: int
    signature: bytes

    @property
    def name(self) -> str:
        return WITNESS_NAME + self.witness.hex()

    @property
    def note_signature(self) -> NoteSignature:
        data = self.time_s.to_bytes(_TIME_BYTES, "big") + self.signature
        return NoteSignature(self.name, _key_id(self.name, _COSIGNATURE, self.witness), data)

    @property
    def raw(self) -> bytes:
        """Its line in a note."""
        return self.note_signature.line().encode()

    def verify(self, head: TreeHead) -> None:
        """Check that it is over `head`.  Raises BadSignature."""
        verify_signature(self.witness, _cosigned(head, self.time_s), self.signature)


@dataclass(frozen=True, slots=True)
class CheckpointNote:
    """A head that its log has signed: verified.  `cosignatures` are verified too, one a witness."""

    head: TreeHead
    note: Note
    cosignatures: tuple[Cosignature, ...]

    @property
    def raw(self) -> bytes:
        return self.note.raw

    @property
    def bare(self) -> CheckpointNote:
        """The same without what others have signed: all that a witness needs to be shown."""
        own = self.note.signatures[:1]
        return CheckpointNote(self.head, replace(self.note, signatures=own), ())

    def cosigned(self, cosignature: Cosignature) -> CheckpointNote:
        """With one more cosignature, in place of an older one by the same witness.

        Raises BadSignature if it is over another head.
        """
        cosignature.verify(self.head)
        others = tuple(one for one in self.cosignatures if one.witness != cosignature.witness)
        kept = tuple(one for one in self.note.signatures if one.name != cosignature.name)
        signatures = (*kept, cosignature.note_signature)
        return CheckpointNote(
            self.head, replace(self.note, signatures=signatures), (*others, cosignature)
        )


def sign_checkpoint(key: LogSigningKey, size: int, root: bytes) -> CheckpointNote:
    """The checkpoint of the log of `key` with `size` leaves under `root`."""
    head = TreeHead(key.public, size, root)
    return CheckpointNote(head, sign_note(head.text, head.origin, key), ())


def cosign(key: PersonaKey, head: TreeHead, time_s: int) -> Cosignature:
    """Sign, as a witness, that `head` continues all that was seen of its log before."""
    return Cosignature(key.public, time_s, key.sign(_cosigned(head, time_s)))


def parse_checkpoint(raw: bytes) -> CheckpointNote:
    """Read a checkpoint; verify the log's signature, and every cosignature by a name of ours.

    The log's signature comes first.  Raises WireError, BadSignature.
    """
    note = parse_note(raw)
    head = _head(note.text)
    if note.signatures[0].name != head.origin:
        raise WireError("a checkpoint begins with another signature than its log's")
    note.verify(head.origin, head.log)
    cosignatures = tuple(
        _cosignature(one) for one in note.signatures if one.name.startswith(WITNESS_NAME)
    )
    if len({one.witness for one in cosignatures}) != len(cosignatures):
        raise WireError("a checkpoint carries two cosignatures of one witness")
    for one in cosignatures:
        one.verify(head)
    return CheckpointNote(head, note, cosignatures)


def parse_cosignature(raw: bytes) -> Cosignature:
    """Read the line of a cosignature.  It is not verified.  Raises WireError."""
    if len(raw) > CHECKPOINT_BYTES_MAX or not raw.endswith(b"\n"):
        raise WireError("a cosignature is one line")
    try:
        return _cosignature(_signature(raw.decode()[:-1]))
    except UnicodeDecodeError as error:
        raise WireError("a cosignature is not UTF-8") from error


def log_of_origin(origin: str) -> bytes:
    """The 32-byte key in the name of a log.  Raises WireError."""
    return _key_of(origin, LOG_NAME)


def is_empty(head: TreeHead) -> bool:
    """Whether `head` is that of a log in which nothing stands."""
    return head.size == 0 and equal(head.root, EMPTY_ROOT)


def _head(text: str) -> TreeHead:
    match text.split("\n"):
        case [origin, size, root, ""]:
            pass
        case _:
            raise WireError("a checkpoint has three lines: origin, size and root")
    # Not isdigit(): it takes the digits of every script.
    if not size or any(c not in "0123456789" for c in size) or (size[0] == "0" and size != "0"):
        raise WireError("the size of a checkpoint is a decimal number")
    if len(size) > len(str(SIZE_MAX)) or int(size) > SIZE_MAX:
        raise WireError("a checkpoint is larger than any log")
    digest = _from_base64(root)
    if len(digest) != DIGEST_BYTES:
        raise WireError(f"the root of a checkpoint has {DIGEST_BYTES} bytes")
    head = TreeHead(log_of_origin(origin), int(size), digest)
    if head.size == 0 and not is_empty(head):
        raise WireError("a checkpoint of nothing has the root of nothing")
    return head


def _cosignature(one: NoteSignature) -> Cosignature:
    witness = _key_of(one.name, WITNESS_NAME)
    if one.key_id != _key_id(one.name, _COSIGNATURE, witness):
        raise WireError("a cosignature is of another kind than cosignature/v1")
    if len(one.data) != _TIME_BYTES + SIGNATURE_BYTES:
        raise WireError("a cosignature is a time and a signature")
    time_s = int.from_bytes(one.data[:_TIME_BYTES], "big")
    if time_s > INTEGER_MAX:
        raise WireError("the time of a cosignature is beyond all clocks")
    return Cosignature(witness, time_s, one.data[_TIME_BYTES:])


def _cosigned(head: TreeHead, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{head.text}".encode()


def _key_of(name: str, prefix: str) -> bytes:
    digits = name.removeprefix(prefix)
    if (
        not name.startswith(prefix)
        or len(digits) != 2 * KEY_BYTES
        or any(c not in "0123456789abcdef" for c in digits)
    ):
        raise WireError(f"a name is not {prefix} and a key in hexadecimal")
    return bytes.fromhex(digits)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError("a signature or root of a note is not base64") from error
    if _base64(data) != text:
        raise WireError("a signature or root of a note is not the one base64 of its bytes")
    return data

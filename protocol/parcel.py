"""Parcels: what two personas say to each other without a network, in one file.

    "entrenous/1/parcel-file\\n" ‖ envelope ‖ secretstream( u32be ‖ head ‖ parts … ‖ zeros )

The **envelope** is sealed (HPKE) to a reader key of the recipient's persona and has one length: who
sends, and a seed.  From the seed and both names comes the key of the stream, so neither half fits
another pair.  Nothing else stands outside: no name, no number, no hint for whom; a recipient tries
its personas.  The content is padded with zeros to a **bucket**, an eighth of a power of two.

The **head** (`parcel_head.py`) is signed by the sender's device, under the certificate that stands
in it: that takes the place of the transport's proof.  After it come the parts of its calls, then
its offers, each with its pages.

Nothing here is allowed by being in a parcel: calls go through the checks of `trust.py`, answers and
receipts through those of `receipt.py`, pages through those of whoever asked for them.

Source: formats.md, "Session", "Grant"; docs/adr/0016.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from ..crypto.digest import kdf
from ..crypto.entropy import Entropy
from ..crypto.errors import BadCiphertext
from ..crypto.keys import KEY_BYTES, FileKey, ReaderSecret
from ..crypto.labels import PREFIX, Derive, Tag, label
from ..crypto.seal import OVERHEAD_BYTES, open_sealed, seal
from ..crypto.stream import Encrypting, decrypt_stream
from .did import Did, check_did
from .errors import LocalProtocolError, VersionError, WireError
from .limits import PARCEL_HEAD_BYTES_MAX
from .parcel_head import LENGTH_BYTES, ParcelCall, ParcelHead, ParcelOffer, parse_head
from .wire import VERSION, decode, encode

MAGIC = label(Tag.PARCEL_FILE).encode() + b"\n"

_LENGTH = struct.Struct(">I")
assert _LENGTH.size == LENGTH_BYTES
# Whatever is smaller looks alike: a request, a decision, a handful of answers.
BUCKET_BYTES_MIN = 16 * 1024
# A DID of an Ed25519 key has one length, so the envelope has one too.
_DID_CHARS = 56
_ENVELOPE_PLAIN_BYTES = len(encode([VERSION, "x" * _DID_CHARS, bytes(KEY_BYTES)]))
ENVELOPE_BYTES = _ENVELOPE_PLAIN_BYTES + OVERHEAD_BYTES


# --- the envelope ---------------------------------------------------------------------------------


def seal_envelope(
    *, sender: Did, to: Did, reader_key: bytes, entropy: Entropy
) -> tuple[bytes, FileKey]:
    """The envelope (`ENVELOPE_BYTES`) and the key of the stream behind it.  Raises BadKey."""
    seed = entropy.random_bytes(KEY_BYTES)
    plain = encode([VERSION, sender, seed])
    assert len(plain) == _ENVELOPE_PLAIN_BYTES
    return seal(reader_key, _info(to, reader_key), plain, entropy=entropy), _key(seed, sender, to)


def open_envelope(
    envelope: bytes, to: Did, secrets: Sequence[ReaderSecret]
) -> tuple[Did, FileKey] | None:
    """Who sends, and the key of the stream; None if it is not sealed to `to`.

    Raises WireError, VersionError for one that is, and has not the form of one.
    """
    for secret in secrets:
        try:
            plain = open_sealed(secret, _info(to, secret.public), envelope)
        except BadCiphertext:
            continue
        match decode(plain, bytes_max=_ENVELOPE_PLAIN_BYTES):
            case [int(version), str(sender), bytes(seed)] if (
                type(version) is int and version == VERSION and len(seed) == KEY_BYTES
            ):
                return check_did(sender), _key(seed, check_did(sender), to)
            case _:
                raise WireError("the envelope of a parcel has not the form of one")
    return None


def _info(to: Did, reader_key: bytes) -> bytes:
    return encode([label(Tag.PARCEL_FILE), to, reader_key])


def _key(seed: bytes, sender: Did, to: Did) -> FileKey:
    return FileKey(kdf(seed, Derive.PARCEL_KEY, sender, to))


def check_magic(begins: bytes) -> None:
    """Accept the first `len(MAGIC)` bytes of a parcel.  Raises WireError, VersionError."""
    if begins == MAGIC:
        return
    family, name = PREFIX.split("/")[0].encode() + b"/", Tag.PARCEL_FILE.encode()
    if begins.startswith(family) and name in begins:
        raise VersionError("this parcel is of a newer version than this program: update this side")
    raise WireError("this file is not a parcel of entrenous")


# --- the content ----------------------------------------------------------------------------------


def bucket(size: int) -> int:
    """What `size` bytes are padded to: a multiple of an eighth of the power of two below."""
    if size <= BUCKET_BYTES_MIN:
        return BUCKET_BYTES_MIN
    step = 1 << (size - 1).bit_length() - 4
    return -(-size // step) * step


class Packing:
    """Makes the stream of a parcel: `start`, the parts of each call in order, each offer and its
    pages in order, `end`."""

    def __init__(self, head: ParcelHead, key: FileKey, *, entropy: Entropy) -> None:
        self._head = head
        self._encrypting = Encrypting(key, entropy=entropy)
        self._left = head.parts_bytes

    def start(self) -> bytes:
        raw = self._head.signed.raw
        return self._encrypting.header + self._encrypting.push(_LENGTH.pack(len(raw)) + raw)

    def part(self, data: bytes) -> bytes:
        self._left -= len(data)
        return self._encrypting.push(data)

    def end(self) -> bytes:
        """Raises LocalProtocolError if the parts were not those that the head announces."""
        if self._left:
            raise LocalProtocolError("a parcel announces other parts than it is given")
        size = self._head.content_bytes
        return self._encrypting.push(bytes(bucket(size) - size)) + self._encrypting.end()


class Unpacking:
    """Reads the stream of a parcel from its beginning: the head, then parts, in order.

    Every byte that comes out was verified; that the parcel is whole is known after `end`.
    """

    def __init__(self, pieces: Iterable[bytes], key: FileKey) -> None:
        self._chunks = decrypt_stream(key, pieces)
        self._buffer = bytearray()
        self._taken = 0
        self.head = self._read_head()

    def _read_head(self) -> ParcelHead:
        size = _LENGTH.unpack(self._take(_LENGTH.size))[0]
        if size > PARCEL_HEAD_BYTES_MAX:
            raise WireError(f"a parcel announces a head of {size} bytes")
        return parse_head(self._take(size))

    def parts(self, call: ParcelCall) -> list[bytes]:
        """The parts of the next call.  Raises BadCiphertext, WireError."""
        return [self._take(length) for length in call.parts]

    def window(self, offer: ParcelOffer) -> tuple[bytes, bytes]:
        """The next offer, and its pages, joined.  Raises BadCiphertext, WireError."""
        return self._take(offer.length), self._take(offer.size)

    def skip(self) -> None:
        """Pass over all parts and offers; they came, as long as the head says."""
        for call in self.head.calls:
            for length in call.parts:
                self._take(length)
        for offer in self.head.offers:
            self.window(offer)

    def end(self) -> None:
        """Accept that nothing follows but the padding.  Raises BadCiphertext, WireError."""
        left = bucket(self._taken) - self._taken
        while True:
            left -= len(self._buffer)
            if left < 0 or any(self._buffer):
                raise WireError("a parcel holds more than it says")
            self._buffer.clear()
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._buffer += chunk
        if left:
            raise WireError("a parcel is not padded to its bucket")

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise WireError("a parcel ends before what it says")
            self._buffer += chunk
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._taken += size
        return taken

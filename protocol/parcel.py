"""Parcels: what two personas say to each other without a network, in one file.

    "entrenous/1/parcel-file\\n" ‖ envelope ‖ secretstream( u32be ‖ head ‖ parts … ‖ zeros )

The **envelope** is sealed (HPKE) to a reader key of the recipient's persona and has one length: who
sends, and a seed.  From the seed and both names comes the key of the stream, so neither half fits
another pair.  Nothing else stands outside: no name, no number, no hint for whom; a recipient tries
its personas.  The content is padded with zeros to a **bucket**, an eighth of a power of two.

The **head** is signed by the sender's device, under the certificate that stands in it: that takes
the place of the transport's proof.  It says

    n          which parcel of this device for this peer it is: a counter (`counter.py`)
    aud        the device that is to act
    last       the last word that the sender took from that device, as in a hello
    seen       which parcels of that device it took: their answers need not be sent again
    calls      `[inv, proofs, [length …]]`: ordinary calls; their parts follow the head, in order
    words      `[answer, certificate]`: ordinary signed answers to calls of the recipient

Each invocation carries `n` in its `meta`, so the persona's own signature ties it to this parcel; it
may live as long as the parcel, up to 30 days.  All else about a call is as on a stream.

Nothing here is allowed by being in a parcel: calls go through the checks of `trust.py`, answers
through those of `receipt.py`.

Source: formats.md, "Session", "Grant"; docs/adr/0016.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..crypto.digest import kdf
from ..crypto.entropy import Entropy
from ..crypto.errors import BadCiphertext
from ..crypto.keys import KEY_BYTES, DeviceKey, FileKey, ReaderSecret
from ..crypto.labels import PREFIX, Derive, Signed, Tag, label
from ..crypto.seal import OVERHEAD_BYTES, open_sealed, seal
from ..crypto.stream import Encrypting, decrypt_stream
from .cid import CID_BYTES, check_cid
from .counter import MASK_BYTES, CounterWindow
from .did import Did, check_did, public_of
from .errors import Code, GrantRefused, LocalProtocolError, VersionError, WireError
from .limits import (
    CALL_ID_MAX,
    CHAIN_MAX,
    DELIVERY_PARTS_MAX,
    PARCEL_BYTES_MAX,
    PARCEL_CALLS_MAX,
    PARCEL_CLOCK_S_MAX,
    PARCEL_HEAD_BYTES_MAX,
    PARCEL_LIFE_S_MAX,
    PARCEL_WORDS_MAX,
    PART_BYTES_MAX,
    SIGNED_BYTES_MAX,
    TIME_S_MAX,
    TOKEN_BYTES_MAX,
)
from .persona import Certificate, parse_certificate
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value, decode, encode

MAGIC = label(Tag.PARCEL_FILE).encode() + b"\n"

_LENGTH = struct.Struct(">I")
# Whatever is smaller looks alike: a request, a decision, a handful of answers.
BUCKET_BYTES_MIN = 16 * 1024
_KEYS = (
    "v",
    "from",
    "to",
    "aud",
    "n",
    "made_ms",
    "exp",
    "cert",
    "last",
    "seen",
    "calls",
    "words",
)
# A DID of an Ed25519 key has one length, so the envelope has one too.
_DID_CHARS = 56
_ENVELOPE_PLAIN_BYTES = len(encode([VERSION, "x" * _DID_CHARS, bytes(KEY_BYTES)]))
ENVELOPE_BYTES = _ENVELOPE_PLAIN_BYTES + OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class ParcelCall:
    """One call; `parts` are the lengths of its parts."""

    inv: bytes
    proofs: tuple[bytes, ...]
    parts: tuple[int, ...]

    def value(self) -> Value:
        return [self.inv, list(self.proofs), list(self.parts)]


@dataclass(frozen=True, slots=True)
class ParcelWord:
    """A signed answer, and the certificate of the device that signed it."""

    answer: bytes
    certificate: bytes

    def value(self) -> Value:
        return [self.answer, self.certificate]


@dataclass(frozen=True, slots=True)
class ParcelHead:
    """What a parcel says.  Made by `make_head` and `parse_head` only; `signed` was verified."""

    sender: Did
    to: Did
    aud: Did
    n: int
    made_ms: int
    exp_s: int
    certificate: Certificate
    last: bytes | None
    seen: CounterWindow
    calls: tuple[ParcelCall, ...]
    words: tuple[ParcelWord, ...]
    signed: SignedObject

    @property
    def content_bytes(self) -> int:
        """Head and parts, before the padding."""
        parts = sum(sum(call.parts) for call in self.calls)
        return _LENGTH.size + len(self.signed.raw) + parts

    def check(self, device: Did, now_ms: int) -> None:
        """Accept that this parcel is for `device`, now.  Raises GrantRefused, CapabilityError."""
        if self.aud != device:
            raise GrantRefused(
                "this parcel is meant for another device of this persona: let its sender know "
                "this one, and make a new parcel",
                Code.AUDIENCE,
            )
        if now_ms > self.exp_s * 1000:
            raise GrantRefused(
                "this parcel is too old: ask its sender for a new one, or set this clock right",
                Code.EXPIRED,
            )
        if max(self.made_ms, (self.exp_s - PARCEL_LIFE_S_MAX) * 1000) > (
            now_ms + PARCEL_CLOCK_S_MAX * 1000
        ):
            raise GrantRefused(
                "this parcel comes from the future: one of the two clocks is wrong", Code.NOT_YET
            )
        self.certificate.check(now_ms, public_of(self.certificate.device))


def make_head(
    key: DeviceKey,
    *,
    to: Did,
    aud: Did,
    n: int,
    made_ms: int,
    exp_s: int,
    certificate: Certificate,
    last: bytes | None,
    seen: CounterWindow,
    calls: Sequence[ParcelCall],
    words: Sequence[ParcelWord],
) -> ParcelHead:
    """Sign what a parcel says.  Raises WireError if a reader would refuse it."""
    body: dict[str, Value] = {
        "v": VERSION,
        "from": certificate.persona,
        "to": to,
        "aud": aud,
        "n": n,
        "made_ms": made_ms,
        "exp": exp_s,
        "cert": certificate.signed.raw,
        "last": last,
        "seen": [seen.high, seen.mask_bytes()],
        "calls": [call.value() for call in calls],
        "words": [word.value() for word in words],
    }
    return parse_head(sign(Signed.PARCEL, body, key).raw)


def parse_head(raw: bytes) -> ParcelHead:
    """Read a head; its certificate and its device's signature are verified.

    Raises WireError, VersionError, BadSignature.
    """
    signed = parse(raw, Signed.PARCEL, bytes_max=PARCEL_HEAD_BYTES_MAX)
    body = Body.open(signed.body, "a parcel", _KEYS)
    certificate = parse_certificate(body.data("cert", bytes_max=TOKEN_BYTES_MAX))
    sender = check_did(body.text("from"))
    if certificate.persona != sender:
        raise WireError("a parcel: its certificate is another persona's")
    signed.verify(public_of(certificate.device))
    last = body.maybe_data("last", length=CID_BYTES)
    head = ParcelHead(
        sender=sender,
        to=check_did(body.text("to")),
        aud=check_did(body.text("aud")),
        n=body.integer("n", low=1, high=CALL_ID_MAX),
        made_ms=body.integer("made_ms", high=TIME_S_MAX),
        exp_s=body.integer("exp", high=TIME_S_MAX // 1000),
        certificate=certificate,
        last=None if last is None else check_cid(last),
        seen=_seen(body.value("seen")),
        calls=tuple(map(_call, body.items("calls", items_max=PARCEL_CALLS_MAX))),
        words=tuple(map(_word, body.items("words", items_max=PARCEL_WORDS_MAX))),
        signed=signed,
    )
    if head.content_bytes > PARCEL_BYTES_MAX:
        raise WireError(f"a parcel holds more than {PARCEL_BYTES_MAX >> 20} MiB")
    return head


def _seen(value: Value) -> CounterWindow:
    match value:
        case [int(high), bytes(mask)] if not isinstance(high, bool) and len(mask) == MASK_BYTES:
            return CounterWindow.read(high, mask)
        case _:
            raise WireError("a parcel: seen is not [number, 8 bytes]")


def _call(value: Value) -> ParcelCall:
    match value:
        case [bytes(inv), list(proofs), list(parts)] if (
            len(inv) <= SIGNED_BYTES_MAX
            and len(proofs) <= CHAIN_MAX
            and len(parts) <= DELIVERY_PARTS_MAX
        ):
            return ParcelCall(inv, tuple(map(_proof, proofs)), tuple(map(_length, parts)))
        case _:
            raise WireError("a parcel: a call is not [invocation, proofs, lengths of parts]")


def _proof(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) > TOKEN_BYTES_MAX:
        raise WireError("a parcel: a proof is not a token")
    return value


def _length(value: Value) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= PART_BYTES_MAX:
        raise WireError("a parcel: a part is not 1 byte to 1 MiB long")
    return value


def _word(value: Value) -> ParcelWord:
    match value:
        case [bytes(answer), bytes(certificate)] if (
            len(answer) <= SIGNED_BYTES_MAX and len(certificate) <= TOKEN_BYTES_MAX
        ):
            return ParcelWord(answer, certificate)
        case _:
            raise WireError("a parcel: a word is not [answer, certificate]")


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
                version == VERSION and len(seed) == KEY_BYTES
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
    """Makes the stream of a parcel: `start`, the parts of each call in order, `end`."""

    def __init__(self, head: ParcelHead, key: FileKey, *, entropy: Entropy) -> None:
        self._head = head
        self._encrypting = Encrypting(key, entropy=entropy)
        self._left = sum(sum(call.parts) for call in head.calls)

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

    def skip(self, call: ParcelCall) -> None:
        """Pass over the parts of the next call."""
        for length in call.parts:
            self._take(length)

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

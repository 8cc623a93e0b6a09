"""What a parcel says: its head, signed by the sender's device under the certificate in it.

    n           which parcel of this device for this peer it is: a counter (`counter.py`)
    aud         the device that is to act
    last        the last word that the sender took from that device, as in a hello
    seen        which parcels of that device it took: their answers need not be sent again
    calls       `[inv, proofs, [length …]]`: ordinary calls; their parts follow the head, in order
    words       `[answer, certificate]`: ordinary signed answers to calls of the recipient
    offers      `[certificate, length, size]`: windows of pages that the recipient asked for; each
                offer and its pages, joined, follow the parts of the calls, in order
    signatures  `[receipt, sig, keys]`: the sender's word for windows that it has stored

Each invocation carries `n` in its `meta`, so the persona's own signature ties it to this parcel; it
may live as long as the parcel, up to 30 days.  One of a read also carries `read`, 16 bytes that are
the same whenever this read is signed anew: so it is read once.  All else about a call is as on a
stream.

Source: formats.md, "Session", "Grant", "Reading, receipts, log"; docs/adr/0016.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..crypto.keys import SIGNATURE_BYTES, DeviceKey
from ..crypto.labels import Signed
from .cid import CID_BYTES, check_cid
from .counter import MASK_BYTES, CounterWindow, counter_meta
from .did import Did, check_did, public_of
from .errors import CapabilityError, Code, GrantRefused, WireError
from .limits import (
    CALL_ID_MAX,
    CHAIN_MAX,
    DELIVERY_PARTS_MAX,
    OFFER_BYTES_MAX,
    PARCEL_BYTES_MAX,
    PARCEL_CALLS_MAX,
    PARCEL_CLOCK_S_MAX,
    PARCEL_HEAD_BYTES_MAX,
    PARCEL_LIFE_S_MAX,
    PARCEL_OFFERS_MAX,
    PARCEL_SIGNATURES_MAX,
    PARCEL_WORDS_MAX,
    PART_BYTES_MAX,
    SIGNED_BYTES_MAX,
    TIME_S_MAX,
    TOKEN_BYTES_MAX,
    WINDOW_BYTES_MAX,
)
from .persona import Certificate, parse_certificate
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value

# Of what stands before the head in the stream.
LENGTH_BYTES = 4
# The key in an invocation's `meta` that says which read it is, and how long that is.
READ_META = "read"
READ_ID_BYTES = 16
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
    "offers",
    "signatures",
)


def read_meta(n: int, read: bytes) -> Mapping[str, Value]:
    """The `meta` of the invocation of a read, 16 bytes, that travels in parcel `n`."""
    return {**counter_meta(n), READ_META: read}


def read_of(meta: Mapping[str, Value] | None) -> bytes:
    """Which read an invocation of a parcel is for.  Raises CapabilityError."""
    match meta:
        case {"read": bytes(read)} if len(read) == READ_ID_BYTES:
            return read
        case _:
            sentence = f"a read by file is named by {READ_ID_BYTES} bytes in its invocation"
            raise CapabilityError(sentence, Code.MALFORMED)


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
class ParcelOffer:
    """A window of pages: the certificate of the device that offers it, the length of the offer in
    bytes, and that of its pages, joined; both follow the head, after the parts of all calls."""

    certificate: bytes
    length: int
    size: int

    def value(self) -> Value:
        return [self.certificate, self.length, self.size]


@dataclass(frozen=True, slots=True)
class ParcelSignature:
    """The reader's signature on a window that it has stored: the CID of the receipt, 64 bytes,
    and the number of its newest keyset of this grant."""

    receipt: bytes
    sig: bytes
    keys: int | None

    def value(self) -> Value:
        return [self.receipt, self.sig, self.keys]


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
    offers: tuple[ParcelOffer, ...]
    signatures: tuple[ParcelSignature, ...]
    signed: SignedObject

    @property
    def content_bytes(self) -> int:
        """Head and parts, before the padding."""
        return LENGTH_BYTES + len(self.signed.raw) + self.parts_bytes

    @property
    def parts_bytes(self) -> int:
        """What follows the head: the parts of the calls, then the offers with their pages."""
        parts = sum(sum(call.parts) for call in self.calls)
        return parts + sum(offer.length + offer.size for offer in self.offers)

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
    offers: Sequence[ParcelOffer] = (),
    signatures: Sequence[ParcelSignature] = (),
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
        "offers": [offer.value() for offer in offers],
        "signatures": [signature.value() for signature in signatures],
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
        offers=tuple(map(_offer, body.items("offers", items_max=PARCEL_OFFERS_MAX))),
        signatures=tuple(
            map(_signature, body.items("signatures", items_max=PARCEL_SIGNATURES_MAX))
        ),
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


def _offer(value: Value) -> ParcelOffer:
    match value:
        case [bytes(certificate), int(length), int(size)] if (
            len(certificate) <= TOKEN_BYTES_MAX
            and not isinstance(length, bool)
            and not isinstance(size, bool)
            and 0 < length <= OFFER_BYTES_MAX
            and 0 <= size <= WINDOW_BYTES_MAX
        ):
            return ParcelOffer(certificate, length, size)
        case _:
            raise WireError("a parcel: an offer is not [certificate, length, length of pages]")


def _signature(value: Value) -> ParcelSignature:
    match value:
        case [bytes(receipt), bytes(sig), keys] if len(sig) == SIGNATURE_BYTES and (
            keys is None or (isinstance(keys, int) and not isinstance(keys, bool))
        ):
            return ParcelSignature(check_cid(receipt), sig, keys)
        case _:
            raise WireError("a parcel: a signature is not [receipt, 64 bytes, number or null]")

"""Searching bytes for what must not be in them, in every form in which it might be.

A **needle** is one value in one encoding.  Texts: UTF-8, UTF-16 both ways.  Numbers: decimal with
and without the point, and as integers (two's complement, and CBOR's negative form) in both byte
orders.  Each of these again in hexadecimal and in base64 at its three alignments, both alphabets.
Needles are at least six bytes long, and how many would be found by chance in random bytes is
computed.

Streams of zlib, gzip and raw deflate are looked for at every offset, and what they inflate to is
searched too, and inflated again.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

NEEDLE_BYTES_MIN = 6
INFLATED_BYTES_MIN = NEEDLE_BYTES_MIN
_INFLATED_BYTES_MAX = 4 * 1024 * 1024
_NESTED_MAX = 2


@dataclass(frozen=True, slots=True)
class Needle:
    """`value` says what is looked for, `how` in which encoding."""

    value: str
    how: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Number:
    """A decimal: `mantissa` over ten to the power of `scale`."""

    mantissa: int
    scale: int

    def __str__(self) -> str:
        digits = f"{abs(self.mantissa):0{self.scale + 1}d}"
        cut = len(digits) - self.scale
        whole = digits[:cut] + ("." + digits[cut:] if self.scale else "")
        return ("-" if self.mantissa < 0 else "") + whole


def needles_of(values: Iterable[str | Number]) -> list[Needle]:
    """Every form of every value that has at least six bytes, each bytes string once."""
    found: dict[bytes, Needle] = {}
    for value in values:
        for how, data in _forms(value):
            if len(data) >= NEEDLE_BYTES_MIN:
                found.setdefault(data, Needle(str(value), how, data))
    return list(found.values())


def _forms(value: str | Number) -> Iterator[tuple[str, bytes]]:
    for how, data in _plain(value):
        yield how, data
        yield f"{how}, hex", data.hex().encode()
        yield f"{how}, HEX", data.hex().upper().encode()
        for shift in range(3):
            for name, alphabet in (("base64", b"+/"), ("base64url", b"-_")):
                yield f"{how}, {name} +{shift}", _base64(data, shift, alphabet)


def _plain(value: str | Number) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, str):
        texts = {value}
    else:
        bare = str(abs(value.mantissa))
        texts = {str(value).lstrip("-"), str(value).lstrip("-").replace(".", ","), bare}
        # A negative number in CBOR is its distance from -1.
        magnitudes = {abs(value.mantissa), abs(value.mantissa) - 1}
        # Two's complement of eight bytes; its low bytes are those of any narrower form too.
        magnitudes.add(value.mantissa & (2**64 - 1))
        for number in magnitudes:
            size = max(NEEDLE_BYTES_MIN, (number.bit_length() + 7) // 8)
            yield "little-endian", number.to_bytes(size, "little")
            yield "big-endian", number.to_bytes(size, "big")
    for text in sorted(texts):
        yield "UTF-8", text.encode()
        yield "UTF-16 little", text.encode("utf-16-le")
        yield "UTF-16 big", text.encode("utf-16-be")


def _base64(data: bytes, shift: int, alphabet: bytes) -> bytes:
    """The characters that hold nothing but `data` when it begins `shift` bytes into a triple."""
    coded = base64.b64encode(bytes(shift) + data, alphabet).rstrip(b"=")
    first = -(-shift * 8 // 6)
    last = (shift + len(data)) * 8 // 6
    return coded[first:last]


def chance(needles: Iterable[Needle], size: int) -> float:
    """How many needles would be found in `size` random bytes."""
    return sum(size * 256.0 ** -len(needle.data) for needle in needles)


# Text as it stands in bytes: printable ASCII, and the same in UTF-16 both ways.  A needle that is
# such text lies inside one run of it, and runs are few in what is encrypted.
_RUNS = tuple(
    re.compile(pattern % (b"%d" % (NEEDLE_BYTES_MIN // width)), re.DOTALL)
    for pattern, width in (
        (b"[ -~]{%s,}", 1),
        (b"(?:[ -~]\0){%s,}", 2),
        (b"(?:\0[ -~]){%s,}", 2),
    )
)


def find(needles: Iterable[Needle], data: bytes) -> list[Needle]:
    """The needles that occur in `data`, as it is."""
    texts = [b"\n".join(run.findall(data)) for run in _RUNS]
    return [needle for needle in needles if needle.data in _place(needle.data, texts, data)]


def _place(needle: bytes, texts: list[bytes], data: bytes) -> bytes:
    """Where to look: among the runs that hold nothing but such text, else everywhere."""
    for run, text in zip(_RUNS, texts, strict=True):
        if run.fullmatch(needle):
            return text
    return data


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found, and over how many bytes it went."""

    hits: tuple[Needle, ...]
    size: int
    streams: int
    inflated: int

    @property
    def values(self) -> frozenset[str]:
        return frozenset(needle.value for needle in self.hits)


def search(needles: Iterable[Needle], blobs: Iterable[bytes], *, raw: bool = True) -> Searched:
    """Look for `needles` in `blobs` and in what inflates anywhere in them.

    Without `raw`, only streams that begin with the header of zlib or gzip are tried.
    """
    some = list(needles)
    hits: dict[bytes, Needle] = {}
    size = streams = inflated = 0
    for blob in blobs:
        size += len(blob)
        layer = [blob]
        for _ in range(_NESTED_MAX + 1):
            # A zero byte between: no needle begins in one stream and ends in the next.
            joined = b"\0\0\0\0".join(layer)
            hits |= {needle.data: needle for needle in find(some, joined)}
            layer = [out for one in layer for out in inflate_all(one, raw=raw)]
            streams += len(layer)
            inflated += sum(map(len, layer))
            if not layer:
                break
            raw = False  # what comes by chance out of random bytes is not tried at every offset
    return Searched(tuple(hits.values()), size, streams, inflated)


def _headers() -> bytes:
    """A pattern of the two bytes that begin a zlib stream without a dictionary (RFC 1950)."""
    pairs: list[bytes] = []
    for method in range(0x08, 0x88, 0x10):
        flags = bytes(f for f in range(256) if (method << 8 | f) % 31 == 0 and not f & 0x20)
        pairs.append(re.escape(bytes([method])) + b"[" + re.escape(flags) + b"]")
    return b"|".join(pairs)


def _raw_starts() -> bytes:
    """A pattern of the bytes that can begin a block of raw deflate with codes (RFC 1951)."""
    fixed = bytes(b for b in range(256) if b >> 1 & 3 == 1)
    # Dynamic codes: at most 286 and at most 30 of them.
    dynamic = bytes(b for b in range(256) if b >> 1 & 3 == 2 and b >> 3 <= 29)
    distances = bytes(b for b in range(256) if b & 0x1F <= 29)
    return b"[%s]|[%s](?=[%s])" % tuple(map(re.escape, (fixed, dynamic, distances)))


# Overlapping, since a chance header may hide a true one.
_ZLIB = re.compile(b"(?=(?:%s))" % _headers(), re.DOTALL)
_GZIP = re.compile(b"\x1f\x8b\x08", re.DOTALL)
_RAW = re.compile(_raw_starts(), re.DOTALL)


def inflate_all(data: bytes, *, raw: bool) -> Iterator[bytes]:
    """What streams that begin anywhere in `data` inflate to; cut-off and damaged ones too."""
    view = memoryview(data)
    kinds = [(_ZLIB, zlib.MAX_WBITS), (_GZIP, zlib.MAX_WBITS | 16)]
    if raw:
        kinds.append((_RAW, -zlib.MAX_WBITS))
    for pattern, bits in kinds:
        for found in pattern.finditer(data):
            out = _inflate(view[found.start() :], bits)
            if len(out) >= INFLATED_BYTES_MIN:
                yield out


def _inflate(view: memoryview, bits: int) -> bytes:
    """As much as comes out before the stream ends or proves to be none."""
    stream = zlib.decompressobj(bits)
    out = b""
    # Small steps: what a damaged stream gave before its damage is kept, and most are none at all.
    at, step = 0, 64
    try:
        while at < len(view) and not stream.eof and len(out) < _INFLATED_BYTES_MAX:
            out += stream.decompress(view[at : at + step], _INFLATED_BYTES_MAX)
            at, step = at + step, min(step * 4, 65_536)
    except zlib.error:
        pass
    return out


def summary(hits: Iterable[Needle]) -> Mapping[str, list[str]]:
    """Value → encodings in which it was found."""
    found: dict[str, list[str]] = {}
    for needle in hits:
        found.setdefault(needle.value, []).append(needle.how)
    return found

"""One encrypted page: its key, its associated data, its padding.

    plaintext ── pack (zlib if it must, zeros up to a bucket) ──> packed
    packed ── XChaCha20-Poly1305, associated data from the header ──> nonce ‖ ct

The header is not stored with the page.  A reader rebuilds it from the catalogue entry and the
grant it holds, so a page moved to another day, path, generation or statement does not open.

Sizes tell: an empty house has a small page.  So what fits one bucket is never compressed, and
everything is padded with zeros to a multiple of the bucket.  Going back is bounded: inflating
stops one byte after the length that the entry announces, and refuses.

What the plaintext means is `protocol/page.py`.

Source: formats.md, "Page".
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from . import aead
from .canonical import encode
from .digest import blake2b256
from .entropy import Entropy
from .errors import BadCiphertext, BadKey
from .keys import DayKey, PageKey
from .labels import Derive, Tag, label

CODEC_NONE = 0
CODEC_ZLIB = 1

PAGE_ID_BYTES = 16
PAGE_SALT_BYTES = 32
# Columns of small differences: higher levels cost time and gain nothing.
_ZLIB_LEVEL = 6
_LABEL = label(Tag.PAGE)
# The bytes of `cb(["entrenous/1/page", page_id, page_salt])` before either of its byte strings.
_SALT_HEAD = encode(bytes(PAGE_SALT_BYTES))[:-PAGE_SALT_BYTES]
_KEY_HEAD = encode([label(Derive.PAGE), bytes(PAGE_ID_BYTES), bytes(PAGE_SALT_BYTES)])[
    : -(PAGE_ID_BYTES + len(_SALT_HEAD) + PAGE_SALT_BYTES)
]


@dataclass(frozen=True, slots=True)
class PageHeader:
    """What a page is bound to.  `plain_len` is in bytes, before compression and padding."""

    page_id: bytes
    epoch: bytes
    path: str
    gen: bytes
    day: int
    schema: str
    statement: bytes | None
    count: int
    codec: int
    plain_len: int

    def associated_data(self) -> bytes:
        """`cb(["entrenous/1/page", page_id, e, path, gen, d, schema, statement|null, …])`."""
        return encode(
            [
                _LABEL,
                self.page_id,
                self.epoch,
                self.path,
                self.gen,
                self.day,
                self.schema,
                self.statement,
                self.count,
                self.codec,
                self.plain_len,
            ]
        )


def page_key(day: DayKey, page_id: bytes, salt: bytes) -> PageKey:
    """`KDF(D, "page", page_id, page_salt)`: 16 and 32 bytes, else BadKey.

    The salt stands in the catalogue only: erasing it kills every copy of the ciphertext.
    """
    if len(page_id) != PAGE_ID_BYTES or len(salt) != PAGE_SALT_BYTES:
        raise BadKey(f"a page has an id of {PAGE_ID_BYTES} and a salt of {PAGE_SALT_BYTES} bytes")
    # One for each page, and the list never changes its shape: so its CBOR is put together here.
    message = _KEY_HEAD + page_id + _SALT_HEAD + salt
    return PageKey(blake2b256(message, key=day.secret_bytes()))


def encrypt_page(key: PageKey, header: PageHeader, packed: bytes, *, entropy: Entropy) -> bytes:
    """`nonce ‖ ct` of a packed plaintext: 40 bytes longer than it."""
    return aead.encrypt(key.secret_bytes(), packed, header.associated_data(), entropy=entropy)


def decrypt_page(key: PageKey, header: PageHeader, ciphertext: bytes) -> bytes:
    """The packed plaintext.  Raises BadCiphertext if page, key or any field of `header` differs."""
    return aead.decrypt(key.secret_bytes(), ciphertext, header.associated_data(), "this page")


def pack(plaintext: bytes, bucket: int) -> tuple[int, bytes]:
    """`(codec, packed)`: zeros up to a multiple of `bucket` bytes, at least one bucket.

    Compressed only if it does not fit one bucket as it is, and only if that saves a bucket.
    """
    if len(plaintext) > bucket:
        deflated = zlib.compress(plaintext, _ZLIB_LEVEL)
        if _buckets(len(deflated), bucket) < _buckets(len(plaintext), bucket):
            return CODEC_ZLIB, _pad(deflated, bucket)
    return CODEC_NONE, _pad(plaintext, bucket)


def unpack(packed: bytes, codec: int, plain_len: int, bucket: int, max_len: int) -> bytes:
    """The `plain_len` bytes that were packed; never takes more memory than `max_len` and a byte.

    Raises BadCiphertext for an unknown codec, a length over `max_len`, a stream that ends before
    or after `plain_len`, and padding that is not zeros or is a bucket too many: each plaintext has
    one packed form for each codec's stream.
    """
    if not 0 <= plain_len <= max_len:
        raise BadCiphertext(f"a page announces {plain_len} bytes; {max_len} are allowed")
    if codec == CODEC_NONE:
        plaintext, used = packed[:plain_len], plain_len
    elif codec == CODEC_ZLIB:
        plaintext, used = _inflate(packed, plain_len)
    else:
        raise BadCiphertext(f"a page uses codec {codec}, which this version does not know")
    if len(plaintext) != plain_len:
        raise BadCiphertext("a page is shorter than it announces")
    if len(packed) != _buckets(used, bucket) * bucket or packed.count(0, used) != (
        len(packed) - used
    ):
        raise BadCiphertext("the padding of a page is not zeros up to its bucket")
    return plaintext


def _inflate(packed: bytes, plain_len: int) -> tuple[bytes, int]:
    """The bytes inflated and how many of `packed` the stream took."""
    stream = zlib.decompressobj()
    try:
        # One byte more than announced: enough to see that a stream is longer, no more than that.
        plaintext = stream.decompress(packed, plain_len + 1)
    except zlib.error:
        raise BadCiphertext("the compressed content of a page is damaged") from None
    if not stream.eof:
        raise BadCiphertext("the compressed content of a page does not end where it announces")
    return plaintext, len(packed) - len(stream.unused_data)


def _buckets(length: int, bucket: int) -> int:
    return max(1, -(-length // bucket))


def _pad(content: bytes, bucket: int) -> bytes:
    return content.ljust(_buckets(len(content), bucket) * bucket, b"\x00")

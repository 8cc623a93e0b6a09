"""Pages: the unit of encryption.  One writer, one day, one source.

    records of a day ── columns ──> cb({cols, salt_d|null}) ── pad ── encrypt ──> ciphertext
    what a reader needs beside it ──────────────────────────────────────────────> PageEntry

The ciphertext goes into the store and out to readers exactly as it is.  The entry stands in the
owner's sealed catalogue and in the segment that the device signs; it travels with the page to
those who hold a grant.  It carries `page_salt`, without which nobody derives the page's key:
erasing the entry kills every copy of the ciphertext.

`open_page` believes nothing: digest, associated data, padding, columns, count and day are all held
against the entry, so a page opens only as the one page that the entry describes.

Each (statement, day) has exactly one page, empty days too: else emptiness could not be proven.

Source: formats.md, "Page" and "Segment".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..crypto.aead import OVERHEAD_BYTES
from ..crypto.canonical import encode
from ..crypto.digest import sha256
from ..crypto.entropy import Entropy
from ..crypto.key_tree import GENERATION_BYTES
from ..crypto.keys import DayKey
from ..crypto.page import (
    CODEC_NONE,
    CODEC_ZLIB,
    PAGE_ID_BYTES,
    PAGE_SALT_BYTES,
    PageHeader,
    decrypt_page,
    encrypt_page,
    pack,
    page_key,
    unpack,
)
from . import limits
from .cid import CID_BYTES, check_cid
from .collection import check_path
from .columns import read_columns, write_columns
from .day import UNDATED
from .did import Did, check_did
from .errors import RecordError, WireError
from .record import Batch, require_day
from .schema import Schema, schema_named
from .wire import Value, decode

EPOCH_BYTES = 16
SALT_BYTES = 32
DIGEST_BYTES = 32

_COLS = b"\xa2" + encode("cols")
_SALT = encode("salt_d") + b"\x58\x20"
_NO_SALT = encode("salt_d") + b"\xf6"


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One page's line in catalogue, segment and offer.

    `page_id`, `epoch`, `gen` 16 bytes; `page_salt`, `digest` (SHA-256 of the ciphertext) 32;
    `length` of the ciphertext and `plain_len` before compression in bytes; `statement` a CID.
    """

    page_id: bytes
    page_salt: bytes
    path: str
    day: int
    epoch: bytes
    gen: bytes
    count: int
    length: int
    digest: bytes
    statement: bytes | None
    schema: str
    writer: Did
    codec: int
    plain_len: int

    def __repr__(self) -> str:
        # never the salt: with it and a day key, an erased page opens again
        return f"<page {self.page_id.hex()} of day {self.day}>"

    def value(self) -> list[Value]:
        """The entry as it stands in the formats, 14 elements."""
        return [
            self.page_id,
            self.page_salt,
            self.path,
            self.day,
            self.epoch,
            self.gen,
            self.count,
            self.length,
            self.digest,
            self.statement,
            self.schema,
            self.writer,
            self.codec,
            self.plain_len,
        ]

    def encoded(self) -> bytes:
        """`cb(entry)`."""
        return encode(self.value())

    def leaf(self) -> bytes:
        """`SHA-256(00 ‖ cb(entry))`, its leaf in a segment."""
        return entry_leaf(self.encoded())

    def header(self) -> PageHeader:
        """What the page is bound to."""
        return PageHeader(
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
        )

    @classmethod
    def from_value(cls, value: Value) -> PageEntry:
        """Read an entry from outside.  Raises WireError or RecordError."""
        if not isinstance(value, list) or len(value) != _FIELDS:
            raise WireError(f"an entry is a list of {_FIELDS} elements")
        for (name, kind, low, high), found in zip(_FORM, value, strict=True):
            if kind is int:
                fits = type(found) is int and low <= found <= high
            elif found is None:
                fits = name == "statement"
            else:
                fits = (
                    isinstance(found, bytes | str)
                    and type(found) is kind
                    and low <= len(found) <= high
                )
            if not fits:
                raise WireError(f"an entry's {name} is not within its form")
        elements: list[Any] = value  # each of them was just checked against _FORM
        entry = cls(*elements)
        check_path(entry.path)
        check_did(entry.writer)
        if entry.statement is not None:
            check_cid(entry.statement)
        schema = schema_named(entry.schema)
        if (entry.length - OVERHEAD_BYTES) % schema.bucket:
            raise WireError("an entry's length is not that of whole buckets")
        if schema.dated is (entry.day == UNDATED):
            raise WireError(f"an entry's day is not one for {schema.name}")
        return entry


# (name, type, lowest, highest) of a number or of a length
_FORM: tuple[tuple[str, type, int, int], ...] = (
    ("page_id", bytes, PAGE_ID_BYTES, PAGE_ID_BYTES),
    ("page_salt", bytes, PAGE_SALT_BYTES, PAGE_SALT_BYTES),
    ("path", str, 1, 255),
    ("day", int, 0, UNDATED),
    ("epoch", bytes, EPOCH_BYTES, EPOCH_BYTES),
    ("gen", bytes, GENERATION_BYTES, GENERATION_BYTES),
    ("count", int, 0, limits.PAGE_ROWS_MAX),
    ("length", int, OVERHEAD_BYTES + 1, limits.PAGE_PLAIN_BYTES_MAX + OVERHEAD_BYTES),
    ("digest", bytes, DIGEST_BYTES, DIGEST_BYTES),
    ("statement", bytes, CID_BYTES, CID_BYTES),
    ("schema", str, 1, 64),
    ("writer", str, 1, limits.DID_CHARS_MAX),
    ("codec", int, CODEC_NONE, CODEC_ZLIB),
    ("plain_len", int, 1, limits.PAGE_PLAIN_BYTES_MAX),
)
_FIELDS = len(_FORM)


def parse_entry(raw: bytes) -> PageEntry:
    """Read `cb(entry)` from outside.  Raises WireError or RecordError."""
    return PageEntry.from_value(decode(raw, bytes_max=limits.ENTRY_BYTES_MAX, depth_max=2))


def entry_leaf(encoded: bytes) -> bytes:
    """`SHA-256(00 ‖ cb(entry))` from the entry's bytes as they travelled."""
    return sha256(b"\x00" + encoded)


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """What a page holds: the records of its day, and that day's salt if its source signed."""

    batch: Batch
    salt_d: bytes | None

    def __repr__(self) -> str:
        return f"<opened page: {self.batch!r}>"


def seal_page(
    batch: Batch,
    *,
    day_key: DayKey,
    path: str,
    day: int,
    epoch: bytes,
    gen: bytes,
    statement: bytes | None,
    salt_d: bytes | None,
    writer: Did,
    entropy: Entropy,
) -> tuple[PageEntry, bytes]:
    """Encrypt the records of one day from one source: (entry, ciphertext).

    `batch` may be empty; all of it lies in `day`.  `statement` (a CID) and `salt_d` (32 bytes) come
    together or not at all.  Raises RecordError for records that are out of order, of another day,
    or too many for one page.
    """
    schema = batch.schema
    require_day(batch, day)
    plaintext = _write_plaintext(batch, statement, salt_d)
    plain_len = len(plaintext)
    if plain_len > limits.PAGE_PLAIN_BYTES_MAX:
        raise RecordError(f"the {len(batch)} records of one day do not fit one page")
    codec, packed = _pack(schema, plaintext)
    random = entropy.random_bytes(PAGE_ID_BYTES + PAGE_SALT_BYTES)
    page_id, salt = random[:PAGE_ID_BYTES], random[PAGE_ID_BYTES:]
    header = PageHeader(
        page_id, epoch, path, gen, day, schema.name, statement, len(batch), codec, plain_len
    )
    ciphertext = encrypt_page(page_key(day_key, page_id, salt), header, packed, entropy=entropy)
    entry = PageEntry(
        page_id,
        salt,
        path,
        day,
        epoch,
        gen,
        len(batch),
        len(ciphertext),
        sha256(ciphertext),
        statement,
        schema.name,
        writer,
        codec,
        plain_len,
    )
    return entry, ciphertext


def open_page(entry: PageEntry, ciphertext: bytes, day_key: DayKey) -> OpenedPage:
    """The records of a page, everything held against its entry.

    Raises BadCiphertext if the bytes are not those of the entry, or the key is another's;
    WireError or RecordError if what is inside is not a page of this schema, count and day.
    """
    if len(ciphertext) != entry.length or sha256(ciphertext) != entry.digest:
        raise WireError("a page is not the one that its entry names")
    schema = schema_named(entry.schema)
    key = page_key(day_key, entry.page_id, entry.page_salt)
    packed = decrypt_page(key, entry.header(), ciphertext)
    plaintext = unpack(
        packed, entry.codec, entry.plain_len, schema.bucket, limits.PAGE_PLAIN_BYTES_MAX
    )
    batch, salt_d = _read_plaintext(schema, plaintext, entry.count)
    require_day(batch, entry.day)
    if (salt_d is None) is not (entry.statement is None):
        raise WireError("a page has a day's salt exactly if its source signed a statement")
    return OpenedPage(batch, salt_d)


def _pack(schema: Schema, plaintext: bytes) -> tuple[int, bytes]:
    if schema.regular:
        # Compressed, a day of readings would be as long as it is eventful.
        return CODEC_NONE, plaintext + bytes(-len(plaintext) % schema.bucket)
    return pack(plaintext, schema.bucket)


def _write_plaintext(batch: Batch, statement: bytes | None, salt_d: bytes | None) -> bytes:
    """`cb({cols, salt_d|null})`."""
    if statement is None and salt_d is None:
        return _COLS + write_columns(batch) + _NO_SALT
    if statement is None or salt_d is None or len(salt_d) != SALT_BYTES:
        raise RecordError("a page has a day's salt of 32 bytes exactly if it has a statement")
    return _COLS + write_columns(batch) + _SALT + salt_d


def _read_plaintext(schema: Schema, plaintext: bytes, count: int) -> tuple[Batch, bytes | None]:
    if not plaintext.startswith(_COLS):
        raise WireError("this is not the plaintext of a page")
    batch, end = read_columns(schema, plaintext, len(_COLS), count)
    rest = plaintext[end:]
    if rest == _NO_SALT:
        return batch, None
    if len(rest) != len(_SALT) + SALT_BYTES or not rest.startswith(_SALT):
        raise WireError("a page does not end with its day's salt")
    return batch, rest[len(_SALT) :]

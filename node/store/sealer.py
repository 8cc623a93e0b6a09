"""Names and contents of rows, so that a table shows neither.

A row's **tag** is a keyed digest of what it is called: found again by who holds the index key,
compared by nobody else, and different in every store (formats.md, "At rest").  Its content is
sealed under the store key and bound to its place (table and tag): a row that was moved, swapped or
altered on disk does not open, and is named.  An old copy of a row put back in its own place is not
noticed here; that is what the log and its witnesses are for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from ...crypto.at_rest import open_row, seal_row
from ...crypto.canonical import Value, encode
from ...crypto.digest import tag128
from ...crypto.entropy import Entropy
from ...crypto.errors import CryptoError
from ...crypto.keys import IndexKey, StoreKey
from ...crypto.labels import Tag
from ...protocol.errors import WireError
from ...protocol.wire import decode_own
from .errors import StoreDamaged, StoreError
from .remembered import Remembered

T = TypeVar("T")

# A row is sealed and opened whole, in memory.  The largest are the leaves of a segment: 32 bytes
# for each of at most 2^18 pages.
ROW_BYTES_MAX = 16 * 1024 * 1024
TAG_BYTES = 16


class Sealer:
    """Makes tags, seals and opens rows.  One for each store; shows nothing of its keys."""

    __slots__ = ("_entropy", "_index", "_remembered", "_store")

    def __init__(self, store_key: StoreKey, index_key: IndexKey, entropy: Entropy) -> None:
        self._store = store_key
        self._index = index_key
        self._entropy = entropy
        self._remembered = Remembered()

    def tag(self, *parts: Value) -> bytes:
        """The 16-byte blinded name of what `parts` name in clear."""
        return tag128(self._index.secret_bytes(), Tag.STORE_TAG, *parts)

    def seal(self, place: str, tag: bytes, value: Value) -> bytes:
        """`value`, sealed for the row `tag` of `place`.  Raises StoreError if it is too large."""
        return self.seal_bytes(place, tag, encode(value))

    def open(self, place: str, tag: bytes, sealed: bytes) -> Value:
        """What `seal` was given.  Raises StoreDamaged, naming the place."""
        plain = self.open_bytes(place, tag, sealed)
        try:
            # Authenticated, and written by `seal`: what it decodes to was checked when it came in.
            return decode_own(plain)
        except WireError as error:
            raise StoreDamaged(f"a row of {place} opens and does not decode: {error}") from error

    def read(self, place: str, tag: bytes, sealed: bytes, form: Callable[[Value], T]) -> T:
        """`form` of what `open` gives.  A row that stands as it was read before costs a lookup.

        `form` is a pure function that is equal to itself, and nobody changes what it gives.
        Raises StoreDamaged, and what `form` raises.
        """
        return self._remembered.get(
            (form, place, tag, sealed),
            len(sealed),
            lambda: form(self.open(place, tag, sealed)),
        )

    def wrote(
        self, place: str, tag: bytes, sealed: bytes, form: Callable[[Value], T], formed: T
    ) -> None:
        """Remember what `read` would give for a row that was just sealed.

        `formed` is what `form` gives for its value, and nobody changes it.  Should the row never be
        committed, nothing is wrong: no other row has these bytes.
        """
        self._remembered.put((form, place, tag, sealed), len(sealed), formed)

    def forget(self) -> None:
        """Let go of every row remembered by `read`; for those who erase."""
        self._remembered.clear()

    def seal_bytes(self, place: str, tag: bytes, plain: bytes) -> bytes:
        """As `seal`, for content that is bytes already."""
        if len(plain) > ROW_BYTES_MAX:
            raise StoreError(f"a row of {place} has {len(plain)} bytes, over {ROW_BYTES_MAX}")
        return seal_row(self._store, _aad(place, tag), plain, entropy=self._entropy)

    def open_bytes(self, place: str, tag: bytes, sealed: bytes) -> bytes:
        """As `open`, for content that is bytes.  Raises StoreDamaged, naming the place."""
        try:
            return open_row(self._store, _aad(place, tag), sealed)
        except CryptoError as error:
            raise StoreDamaged(
                f"row {tag.hex()} of {place} was altered on disk, or is of another store"
            ) from error

    def __repr__(self) -> str:
        return f"Sealer({self._store!r}, {self._index!r})"


def _aad(place: str, tag: bytes) -> bytes:
    """`encode([place, tag])`, cut and joined: a row is sealed or opened a dozen times in a read."""
    if len(tag) != TAG_BYTES:
        return encode([place, tag])
    return _head(place) + tag


@lru_cache(maxsize=1024)
def _head(place: str) -> bytes:
    return encode([place, bytes(TAG_BYTES)])[:-TAG_BYTES]

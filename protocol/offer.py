"""One window of pages on its way: what the responder offers, and what then arrives.

An **offer** is the responder's signed receipt body with everything that the reader needs to hold
the pages against: segment heads, entries, range proofs, statements with the proofs of their days,
and keysets not yet acknowledged.  Entries travel as byte strings `cb(entry)`, so that the hash of
a leaf is over the bytes that came.  After it come the ciphertexts, one after the other in the
order of the entries, cut anywhere.

Here an entry is read for two things only, the length and the SHA-256 of its ciphertext: enough to
cut the pages apart and to say that they arrived as offered, so a countersign need not wait for a
full parse.  Signatures, proofs and keys are looked at above the session (`page.py`, `segment.py`).

Source: formats.md, "Reading, receipts, log".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..crypto.digest import sha256
from ..crypto.keys import SIGNATURE_BYTES
from .errors import Code, LocalProtocolError, RemoteProtocolError, WireError
from .limits import (
    ENTRY_BYTES_MAX,
    KEYSET_BYTES_MAX,
    OFFER_KEYSETS_MAX,
    SEGMENT_BYTES_MAX,
    WINDOW_BYTES_MAX,
    WINDOW_PAGES_MAX,
)
from .receipt import ReceiptBody, receipt_body_from_value
from .wire import Body, Value

_KEYS = ("receipt", "sig", "heads", "entries", "proofs", "statements", "keysets")

# The first nine of an entry's fourteen fields, in canonical CBOR.  A path cannot run into the day
# after it: the head of an integer below 65,536 (00 … 19) is no character of a path.
_ENTRY_START = re.compile(
    rb"\x8e"
    rb"\x50.{16}"  # page_id
    rb"\x58\x20.{32}"  # page_salt
    rb"([\x61-\x77]|\x78[\x18-\xff])([a-z0-9/-]+)"  # path
    rb"(?:[\x00-\x17]|\x18.|\x19..)"  # day
    rb"\x50.{16}\x50.{16}"  # epoch, generation
    rb"(?:[\x00-\x17]|\x18.|\x19..|\x1a.{4})"  # count
    rb"([\x00-\x17]|\x18.|\x19..|\x1a.{4})"  # length
    rb"\x58\x20(.{32})",  # sha256(ciphertext)
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer frame's body.  `receipt` is signed by the responder's device (`sig`, 64 bytes).

    `proofs` and `statements` are values as formats.md shapes them; who asked for the pages
    parses and verifies them.
    """

    receipt: ReceiptBody
    sig: bytes
    heads: Sequence[bytes]
    entries: Sequence[bytes]
    proofs: Sequence[Value] = ()
    statements: Sequence[Value] = ()
    keysets: Sequence[bytes] = ()

    def value(self) -> dict[str, Value]:
        return {
            "receipt": self.receipt.value(),
            "sig": self.sig,
            "heads": self.heads,
            "entries": self.entries,
            "proofs": self.proofs,
            "statements": self.statements,
            "keysets": self.keysets,
        }


class Span(NamedTuple):
    """What an entry says of its ciphertext: bytes, and their SHA-256 (32 bytes)."""

    length: int
    digest: bytes


def parse_offer(value: Value) -> tuple[Offer, tuple[Span, ...]]:
    """Read the body of an offer frame, and what its pages must be.  Raises WireError."""
    body = Body.open(value, "an offer", _KEYS)
    offer = Offer(
        receipt_body_from_value(body.value("receipt")),
        body.data("sig", length=SIGNATURE_BYTES),
        _byte_strings(body, "heads", WINDOW_PAGES_MAX, SEGMENT_BYTES_MAX),
        _byte_strings(body, "entries", WINDOW_PAGES_MAX, ENTRY_BYTES_MAX),
        tuple(body.items("proofs", items_max=WINDOW_PAGES_MAX)),
        tuple(body.items("statements", items_max=WINDOW_PAGES_MAX)),
        _byte_strings(body, "keysets", OFFER_KEYSETS_MAX, KEYSET_BYTES_MAX),
    )
    return offer, _spans(offer)


def _spans(offer: Offer) -> tuple[Span, ...]:
    """What each page must be.  Raises WireError unless the receipt counts the same."""
    spans = tuple([_span(entry) for entry in offer.entries])
    receipt = offer.receipt
    if (len(spans), sum([length for length, _ in spans])) != (receipt.pages, receipt.size):
        raise WireError("an offer has other pages than its receipt counts")
    return spans


def _span(entry: bytes) -> Span:
    found = _ENTRY_START.match(entry)
    if found is None:
        raise WireError("an offered entry is not of the form")
    head, path, length, digest = found.groups()
    if len(path) != (head[0] & 31 if len(head) == 1 else head[1]):
        raise WireError("an offered entry is not of the form")
    size = int.from_bytes(length[1:] or length, "big")
    if size == 0:
        raise WireError("an offered page has no bytes")
    return Span(size, digest)


def _byte_strings(body: Body, key: str, items_max: int, bytes_max: int) -> tuple[bytes, ...]:
    found = [item for item in body.items(key, items_max=items_max) if isinstance(item, bytes)]
    if len(found) != len(body.items(key, items_max=items_max)) or any(
        [len(item) > bytes_max for item in found]
    ):
        raise WireError(f"an offer: {key} is not a list of byte strings within the limit")
    return tuple(found)


def check_pages(offer: Offer, pages: Sequence[bytes]) -> None:
    """Hold the pages that we are about to send against our own receipt, by number and size.

    The rest is the reader's to check: a page altered on our disk is the store's to find.
    Raises LocalProtocolError.
    """
    size = sum([len(page) for page in pages])
    if size > WINDOW_BYTES_MAX or len(pages) > WINDOW_PAGES_MAX:
        raise LocalProtocolError(f"a window of {size} bytes in {len(pages)} pages passes the limit")
    counted = (offer.receipt.pages, len(offer.entries), offer.receipt.size)
    if counted != (len(pages), len(pages), size):
        raise LocalProtocolError("the pages to send are not those that the receipt counts")


class Arriving:
    """The pages of one offered window, as their bytes come.  Holds no more than was offered."""

    __slots__ = ("_chunks", "_left", "_spans", "offer")

    def __init__(self, offer: Offer, spans: Sequence[Span]) -> None:
        self.offer = offer
        self._spans = spans
        self._chunks: list[bytes] = []
        self._left = offer.receipt.size

    @property
    def whole(self) -> bool:
        return self._left == 0

    def add(self, data: bytes) -> None:
        """Take the next bytes.  Raises RemoteProtocolError if there are none, or too many."""
        if not data:
            raise RemoteProtocolError("a page frame is empty")
        if len(data) > self._left:
            raise RemoteProtocolError("more pages come than were offered", Code.TOO_MUCH)
        self._chunks.append(data)
        self._left -= len(data)

    def forget(self) -> None:
        """Let go of what came, and go on counting: nobody waits for these pages any more."""
        self._chunks.clear()

    def pages(self) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
        """The pages in the order of the entries, and the places of those that were altered."""
        window = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        pages: list[bytes] = []
        altered: list[int] = []
        at = 0
        for place, (length, digest) in enumerate(self._spans):
            page = window[at : at + length]
            at += length
            pages.append(page)
            if sha256(page) != digest:
                altered.append(place)
        return tuple(pages), tuple(altered)

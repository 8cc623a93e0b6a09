"""A request: which days of which collections are asked for, what for, and what a no would mean.

The request travels inside the signed arguments of `/grant/request`, so it needs no signature of
its own; its CID is the name under which it is decided, and receivers take the same request twice
as one.  The terms travel in full (as their bytes, exactly as in a bundle), because a person
decides on words, not on a digest.

An item may name a category (`energy`): the person's node expands it into collections when it is
decided, and a collection that appears later needs a new consent.

Source: formats.md, "Grant".
"""

from __future__ import annotations

from dataclasses import dataclass

from .cid import cid_of
from .collection import check_path
from .did import Did, check_did
from .errors import WireError
from .limits import REQUEST_BYTES_MAX, TERMS_BYTES_MAX, TEXT_CHARS_MAX, WINDOWS_MAX
from .terms import Terms, parse_terms
from .window import Window, window_from_value
from .wire import VERSION, Body, Value, decode, encode

_KEYS = ("v", "from_did", "items", "purpose", "terms", "exp", "refusal")


@dataclass(frozen=True, slots=True)
class Request:
    """`items` are asked for until `exp_s`; `refusal` says, in words, what follows from a no."""

    from_did: Did
    items: tuple[Window, ...]
    purpose: str
    terms: Terms
    exp_s: int
    refusal: str

    def value(self) -> Value:
        return {
            "v": VERSION,
            "from_did": self.from_did,
            "items": [item.value() for item in self.items],
            "purpose": self.purpose,
            "terms": self.terms.encode(),
            "exp": self.exp_s,
            "refusal": self.refusal,
        }

    def encode(self) -> bytes:
        return encode(self.value())

    @property
    def cid(self) -> bytes:
        """The name of this request: 36 bytes."""
        return cid_of(self.encode())


def parse_request(raw: bytes) -> Request:
    """Read a request from its bytes.  Raises WireError, RecordError."""
    return request_from_value(decode(raw, bytes_max=REQUEST_BYTES_MAX))


def request_from_value(value: Value) -> Request:
    """Read a request from a decoded value.  Raises WireError, RecordError.

    The purpose must be that of the terms: a person must not be shown one and bound by another.
    """
    body = Body.open(value, "a request", _KEYS)
    items = tuple(
        window_from_value(item, "a request")
        for item in body.items("items", items_max=WINDOWS_MAX, items_min=1)
    )
    request = Request(
        check_did(body.text("from_did")),
        items,
        body.text("purpose", chars_min=1),
        parse_terms(body.data("terms", bytes_max=TERMS_BYTES_MAX)),
        body.integer("exp"),
        body.text("refusal", chars_max=TEXT_CHARS_MAX),
    )
    for item in request.items:
        check_path(item.collection)
    if request.purpose != request.terms.purpose:
        raise WireError("a request: its purpose is not the purpose of its terms")
    return request

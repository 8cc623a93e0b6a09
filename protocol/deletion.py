"""Deletions: a reader says, signed, that what it read under a grant is gone from its node.

`{v, dlg, by, pages, left, t_ms}`: of the root delegation `dlg` (CID), `pages` pages were deleted at
`t_ms`; `left` were kept because another grant to the same reader, which holds, opens their days.

It is a statement, not a proof: nobody can show that a copy does not exist.  What it is worth is
that the reader's persona signed it, so that a copy which turns up later shows a lie.

Source: formats.md, "Revocation" (deletion duty); ADR 25.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..crypto.keys import PersonaKey
from ..crypto.labels import Signed
from .cid import CID_BYTES, check_cid
from .did import Did, check_did, did_of, public_of
from .signed import SignedObject, parse, sign
from .wire import VERSION, Body, Value

_KEYS = ("v", "dlg", "by", "pages", "left", "t_ms")


@dataclass(frozen=True, slots=True)
class Deletion:
    """Parsed, and signed by `by`; whether `by` is the reader of `dlg` is for the taker to ask."""

    dlg: bytes
    by: Did
    pages: int
    left: int
    t_ms: int
    signed: SignedObject

    @property
    def cid(self) -> bytes:
        return self.signed.cid


def make_deletion(key: PersonaKey, *, dlg: bytes, pages: int, left: int, t_ms: int) -> Deletion:
    """Sign, as the reader of `dlg`, that `pages` pages are gone."""
    body: dict[str, Value] = {
        "v": VERSION,
        "dlg": dlg,
        "by": did_of(key.public),
        "pages": pages,
        "left": left,
        "t_ms": t_ms,
    }
    return parse_deletion(sign(Signed.DELETION, body, key).raw)


def parse_deletion(raw: bytes) -> Deletion:
    """Read a deletion and verify the signature of `by`.  Raises WireError, BadSignature."""
    signed = parse(raw, Signed.DELETION)
    body = Body.open(signed.body, "a deletion", _KEYS)
    by = check_did(body.text("by"))
    deletion = Deletion(
        check_cid(body.data("dlg", length=CID_BYTES)),
        by,
        body.integer("pages"),
        body.integer("left"),
        body.integer("t_ms"),
        signed,
    )
    signed.verify(public_of(by))
    return deletion

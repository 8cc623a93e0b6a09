"""Content identifiers: CID v1, dag-cbor, sha2-256; 36 bytes, or base32 text beginning with `b`.

In UCAN `args` and `pol` and on the command line a CID is text; everywhere else bytes.  Only this
one form is accepted: a second spelling of one CID would be a second name for one thing.

Links inside the values of others (the `meta` of a token, say) may name what they like, as long as
they are CIDs at all: `check_link`.

Source: https://github.com/multiformats/cid
"""

from __future__ import annotations

import base64
from functools import lru_cache

from ..crypto.digest import sha256
from .errors import WireError

# Version 1, dag-cbor, sha2-256 of 32 bytes, as the multiformats table numbers them.  Written out:
# the library that knows the table takes longer to load than most commands take to run.
_HEAD = bytes((0x01, 0x71, 0x12, 0x20))
CID_BYTES = len(_HEAD) + 32
CID_CHARS = 59
# github.com/multiformats/unsigned-varint: nine bytes, 63 bits.
_VARINT_BYTES_MAX = 9


def cid_of(encoded: bytes) -> bytes:
    """The CID of `encoded`, the canonical bytes of a value."""
    return _HEAD + sha256(encoded)


def check_cid(cid: bytes) -> bytes:
    """Return `cid` if it has the one form that the formats use; else raise WireError."""
    if len(cid) != CID_BYTES or not cid.startswith(_HEAD):
        raise WireError("a CID here is version 1, dag-cbor, sha2-256")
    return cid


def check_link(cid: bytes) -> bytes:
    """Return `cid` if it is a CID of any codec and any hash; else raise WireError.

    Version 0 is a bare sha2-256 multihash.  Version 1 is version, codec, hash function and length,
    each a varint in its shortest form, and then a digest of exactly that length.
    """
    if cid[:2] == b"\x12\x20":
        if len(cid) != 34:
            raise _not_a_cid()
        return cid
    version, at = _varint(cid, 0)
    _, at = _varint(cid, at)
    _, at = _varint(cid, at)
    length, at = _varint(cid, at)
    if version != 1 or length != len(cid) - at:
        raise _not_a_cid()
    return cid


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned varint at `at`, and where it ends."""
    value = 0
    for place, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if byte == 0 and place > 0:
                break
            return value, at + place + 1
    raise _not_a_cid()


def _not_a_cid() -> WireError:
    return WireError("a link is not a CID")


@lru_cache(maxsize=1024)
def cid_text(cid: bytes) -> str:
    """The base32 text of a CID, 59 characters."""
    return "b" + base64.b32encode(cid).decode().rstrip("=").lower()


@lru_cache(maxsize=1024)
def cid_from_text(text: str) -> bytes:
    """Read the base32 text of a CID.  Raises WireError."""
    if len(text) != CID_CHARS or not text.startswith("b"):
        raise WireError("a CID in text is 59 characters of base32 that begin with b")
    try:
        cid = base64.b32decode(text[1:].upper() + "=" * (-(CID_CHARS - 1) % 8))
    except ValueError as error:
        raise WireError("a CID in text is not base32") from error
    if cid_text(cid) != text:
        raise WireError("a CID in text is not in its one canonical form")
    return check_cid(cid)

"""What the shapes of many commands share: the recipient, digests as text, an outcome of one word.

Source: formats.md, "Conventions", "Commands".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from ..crypto.digest import DIGEST_BYTES
from .did import Did, check_did
from .errors import WireError
from .wire import Body, Value


def digest_text(digest: bytes) -> str:
    """A 32-byte digest as it stands in `args`: multibase base32."""
    return "b" + base64.b32encode(digest).decode().rstrip("=").lower()


def digest_from_text(text: str) -> bytes:
    """Read a 32-byte digest from `args`.  Raises WireError."""
    try:
        # 52 digits stand for 32 bytes and four spare bits, which must be zero.
        digest = base64.b32decode(text[1:].upper() + "====") if len(text) == 53 else b""
    except (binascii.Error, ValueError) as error:
        raise WireError("a digest in text is not base32") from error
    if len(digest) != DIGEST_BYTES or digest_text(digest) != text:
        raise WireError("a digest in text is 53 characters of base32 that begin with b")
    return digest


def recipient(body: Body) -> Did:
    """Whom a command is for.  Raises WireError."""
    return check_did(body.text("to"))


def one_of(*words: str) -> Callable[[Value], str]:
    """How to read an outcome that is one of some words.  It raises WireError."""

    def read(out: Value) -> str:
        if not isinstance(out, str) or out not in words:
            raise WireError(f"an outcome is not {' or '.join(words)}")
        return out

    return read

"""Short names of things that are named by a CID.

All our CIDs begin with the same seven characters, which say what kind of CID it is.  A person is
shown what follows, and may give back any beginning of it, with or without the seven, from six
characters on, that only one thing has.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...protocol.cid import cid_of, cid_text
from ..errors import NotFound, UsageError

_HEAD_CHARS = 7
HEAD = cid_text(cid_of(b""))[:_HEAD_CHARS]
SHORT_CHARS = 8
# Fewer are a slip, not a choice.
PREFIX_CHARS_MIN = 6


def short(cid: bytes) -> str:
    """The first eight characters that tell `cid` from others."""
    return cid_text(cid)[_HEAD_CHARS : _HEAD_CHARS + SHORT_CHARS]


def find(prefix: str, cids: Iterable[bytes], what: str, where: str) -> bytes:
    """The one CID that `prefix` begins.

    Raises UsageError if it is too short or begins several, NotFound if none; the sentences name
    `what` it is and `where` to look.
    """
    wanted = prefix.strip().lower().removeprefix(HEAD)
    if len(wanted) < PREFIX_CHARS_MIN:
        raise UsageError(
            f"a {what} is named by {PREFIX_CHARS_MIN} or more characters of its id; see `{where}`"
        )
    found = [cid for cid in set(cids) if cid_text(cid)[_HEAD_CHARS:].startswith(wanted)]
    if len(found) > 1:
        raise UsageError(f"{len(found)} ids begin like this: give more of the {what}'s id")
    if not found:
        raise NotFound(f"there is no {what} whose id begins like this; see `{where}`")
    return found[0]

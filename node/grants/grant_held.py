"""A grant held: what this node was lent, as its reader keeps it.

It is the bundle as its owner signed it, how it stands, and the numbers of the keysets that came for
it.  What was fetched under it stays readable after it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ...protocol.cid import CID_BYTES
from ...protocol.did import Did, check_did
from ...protocol.grant import Bundle, parse_bundle
from ...protocol.limits import DEVICES_MAX
from ...protocol.trust import GrantStatus, status_at
from ...protocol.window import Window
from ...protocol.wire import Body, Value

# One comes with each revocation on a path: a hundred a year, for forty years.
KEYSETS_KEPT_MAX = 4_096
# What all devices of a person were sent apart, each as many as it takes.
KEYSETS_UNITED_MAX = DEVICES_MAX * KEYSETS_KEPT_MAX

# What this node itself stored was verified when it came; a second look costs a lookup only.
_bundle = lru_cache(maxsize=4096)(parse_bundle)
_KEYS = ("own", "their", "bundle", "request", "status", "ended_ms", "keysets", "via")


@dataclass(frozen=True, slots=True)
class GrantHeld:
    """One grant, as its reader keeps it.  `keysets` are the numbers of those that came.

    `own` and `their` are the pair over which it is read.  What is read for another is lent on by
    them, and its keys come over the pair `via`; None for what the owner of the data gave itself.
    """

    own: Did
    their: Did
    bundle: Bundle
    request: bytes | None
    kept: GrantStatus
    ended_ms: int | None
    keysets: tuple[int, ...]
    via: tuple[Did, Did] | None = None

    @property
    def giver(self) -> Did:
        """Who signed it, and signs its keysets."""
        return self.bundle.grant.delegation.iss

    @property
    def keyed(self) -> tuple[Did, Did]:
        """The pair over which its keys come."""
        return self.via or (self.own, self.their)

    @property
    def cid(self) -> bytes:
        return self.bundle.grant.cid

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.bundle.grant.windows

    def status(self, now_ms: int) -> GrantStatus:
        return status_at(self.bundle.grant.delegation, self.kept, now_ms)

    def value(self) -> Value:
        return {
            "own": self.own,
            "their": self.their,
            "bundle": self.bundle.signed.raw,
            "request": self.request,
            "status": self.kept.value,
            "ended_ms": self.ended_ms,
            "keysets": list(self.keysets),
            "via": None if self.via is None else list(self.via),
        }

    @classmethod
    def from_value(cls, value: Value) -> GrantHeld:
        if isinstance(value, Mapping) and "via" not in value:
            value = {**value, "via": None}  # from before anything was read for another
        body = Body.open(value, "a grant held", _KEYS)
        numbers = body.items("keysets", items_max=KEYSETS_UNITED_MAX)
        return cls(
            check_did(body.text("own")),
            check_did(body.text("their")),
            _bundle(body.data("bundle")),
            body.maybe_data("request", length=CID_BYTES),
            GrantStatus(body.text("status")),
            body.maybe_integer("ended_ms"),
            tuple(n for n in numbers if isinstance(n, int)),
            _pair(body.value("via")),
        )


def _pair(value: Value) -> tuple[Did, Did] | None:
    match value:
        case [str(own), str(their)]:
            return check_did(own), check_did(their)
        case _:
            return None

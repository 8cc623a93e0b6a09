"""A grant held: what this node was lent, as its reader keeps it.

It is the bundle as its owner signed it, how it stands, and the numbers of the keysets that came for
it.  What was fetched under it stays readable after it has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..protocol.cid import CID_BYTES
from ..protocol.did import Did, check_did
from ..protocol.grant import Bundle, parse_bundle
from ..protocol.trust import GrantStatus, status_at
from ..protocol.window import Window
from ..protocol.wire import Body, Value

# One comes with each revocation on a path: a hundred a year, for forty years.
KEYSETS_KEPT_MAX = 4_096

# What this node itself stored was verified when it came; a second look costs a lookup only.
_bundle = lru_cache(maxsize=4096)(parse_bundle)
_KEYS = ("own", "their", "bundle", "request", "status", "ended_ms", "keysets")


@dataclass(frozen=True, slots=True)
class GrantHeld:
    """One grant, as its reader keeps it.  `keysets` are the numbers of those that came."""

    own: Did
    their: Did
    bundle: Bundle
    request: bytes
    kept: GrantStatus
    ended_ms: int | None
    keysets: tuple[int, ...]

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
        }

    @classmethod
    def from_value(cls, value: Value) -> GrantHeld:
        body = Body.open(value, "a grant held", _KEYS)
        numbers = body.items("keysets", items_max=KEYSETS_KEPT_MAX)
        return cls(
            check_did(body.text("own")),
            check_did(body.text("their")),
            _bundle(body.data("bundle")),
            body.data("request", length=CID_BYTES),
            GrantStatus(body.text("status")),
            body.maybe_integer("ended_ms"),
            tuple(n for n in numbers if isinstance(n, int)),
        )

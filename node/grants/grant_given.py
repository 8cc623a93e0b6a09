"""A grant given: what this node lends to one peer, as its owner keeps it.

It is kept whole: the bundle as signed, the grant's key, how it stands, the newest keyset, and which
one the reader has acknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ...crypto.keys import GrantKey
from ...protocol.cid import CID_BYTES
from ...protocol.did import Did, check_did
from ...protocol.grant import Bundle, parse_bundle
from ...protocol.trust import GrantStatus, status_at
from ...protocol.window import Window
from ...protocol.wire import Body, Value
from ..store.errors import StoreDamaged

# What this node itself stored was verified when it was made; a second look costs a lookup only.
_bundle = lru_cache(maxsize=4096)(parse_bundle)
_KEYS = (
    "own",
    "their",
    "bundle",
    "request",
    "k_grant",
    "status",
    "issued_ms",
    "ended_ms",
    "keyset",
    "n",
    "acknowledged",
    "opens",
)


@dataclass(frozen=True, slots=True)
class GrantGiven:
    """One grant, as its owner keeps it.

    `keyset` is the newest, as signed (None before the reader accepted); `n` its number and
    `acknowledged` the newest number that the reader has said it holds, 0 for none.  `opens` are
    the (path, epoch, generation) that keysets up to the acknowledged one open.
    """

    own: Did
    their: Did
    bundle: Bundle
    request: bytes | None
    k_grant: GrantKey
    kept: GrantStatus
    issued_ms: int
    ended_ms: int | None
    keyset: bytes | None
    n: int
    acknowledged: int
    opens: tuple[tuple[str, bytes, bytes], ...]

    @property
    def cid(self) -> bytes:
        return self.bundle.grant.cid

    @property
    def giver(self) -> Did:
        """Who signed it: the persona that was ours when it was given."""
        return self.bundle.grant.delegation.iss

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.bundle.grant.windows

    @property
    def exp_s(self) -> int:
        return self.bundle.grant.exp_s

    def status(self, now_ms: int) -> GrantStatus:
        """How it stands.  What was seen to run out is over: its keys were turned, and a clock that
        goes back does not bring it back."""
        if self.ended_ms is not None and self.kept is not GrantStatus.REVOKED:
            return GrantStatus.EXPIRED
        return status_at(self.bundle.grant.delegation, self.kept, now_ms)

    def value(self) -> Value:
        return {
            "own": self.own,
            "their": self.their,
            "bundle": self.bundle.signed.raw,
            "request": self.request,
            "k_grant": self.k_grant.secret_bytes(),
            "status": self.kept.value,
            "issued_ms": self.issued_ms,
            "ended_ms": self.ended_ms,
            "keyset": self.keyset,
            "n": self.n,
            "acknowledged": self.acknowledged,
            "opens": [list(one) for one in self.opens],
        }

    @classmethod
    def from_value(cls, value: Value) -> GrantGiven:
        body = Body.open(value, "a grant given", _KEYS)
        return cls(
            check_did(body.text("own")),
            check_did(body.text("their")),
            _bundle(body.data("bundle")),
            body.maybe_data("request", length=CID_BYTES),
            GrantKey(body.data("k_grant")),
            GrantStatus(body.text("status")),
            body.integer("issued_ms"),
            body.maybe_integer("ended_ms"),
            body.maybe_data("keyset"),
            body.integer("n"),
            body.integer("acknowledged"),
            tuple(opened_name(item) for item in body.items("opens", items_max=65_536)),
        )


def opened_name(item: Value) -> tuple[str, bytes, bytes]:
    """(path, epoch, generation) of keys that were sent.  Raises StoreDamaged."""
    match item:
        case [str(path), bytes(epoch), bytes(gen)]:
            return path, epoch, gen
        case _:
            raise StoreDamaged("a grant in the store names its keys in another form")

"""A grant lent on: by whom it was granted to, to a proxy who reads for them; as both keep it.

The one who lends on (`given`) keeps the keyset that counts; the owner of the data (`here`) keeps
what it was shown, so that it can say who reads for whom, and end it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from ...protocol.deletion import Deletion, parse_deletion
from ...protocol.did import Did, check_did
from ...protocol.grant import Bundle, parse_bundle
from ...protocol.trust import GrantStatus, status_at
from ...protocol.window import Window
from ...protocol.wire import Body, Value

_bundle = lru_cache(maxsize=1024)(parse_bundle)
_deletion = lru_cache(maxsize=1024)(parse_deletion)
_KEYS = (
    "side",
    "own",
    "their",
    "bundle",
    "t_ms",
    "ended_ms",
    "keyset",
    "n",
    "acknowledged",
    "accepted",
    "asked_ms",
    "deleted",
)
# Rows of older versions have neither.
_LATER = ("asked_ms", "deleted")


class LentOnSide(StrEnum):
    GIVEN = "given"
    HERE = "here"


@dataclass(frozen=True, slots=True)
class LentOn:
    """`own` and `their` are the pair over which it goes: of the giver with the proxy, at the owner
    of the data with the giver.  `keyset` is the newest, as signed, `n` its number.

    `asked_ms`: when its reader was asked to delete what it read; `deleted`: its word that it did,
    as signed.
    """

    side: LentOnSide
    own: Did
    their: Did
    bundle: Bundle
    t_ms: int
    ended_ms: int | None = None
    keyset: bytes | None = None
    n: int = 0
    acknowledged: int = 0
    accepted: bool = False
    asked_ms: int | None = None
    deleted: Deletion | None = None

    @property
    def cid(self) -> bytes:
        return self.bundle.grant.cid

    @property
    def root(self) -> bytes:
        return self.bundle.root.cid

    @property
    def giver(self) -> Did:
        """The persona that lends on, as the owner of the data knows it."""
        return self.bundle.grant.delegation.iss

    @property
    def reader(self) -> Did:
        return self.bundle.grant.delegation.aud

    @property
    def owner(self) -> Did:
        return self.bundle.root.delegation.iss

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.bundle.grant.windows

    def status(self, now_ms: int) -> GrantStatus:
        kept = GrantStatus.LIVE if self.ended_ms is None else GrantStatus.REVOKED
        return status_at(self.bundle.grant.delegation, kept, now_ms)

    def value(self) -> Value:
        return {
            "side": self.side.value,
            "own": self.own,
            "their": self.their,
            "bundle": self.bundle.signed.raw,
            "t_ms": self.t_ms,
            "ended_ms": self.ended_ms,
            "keyset": self.keyset,
            "n": self.n,
            "acknowledged": self.acknowledged,
            "accepted": self.accepted,
            "asked_ms": self.asked_ms,
            "deleted": None if self.deleted is None else self.deleted.signed.raw,
        }

    @classmethod
    def from_value(cls, value: Value) -> LentOn:
        if isinstance(value, Mapping) and _LATER[0] not in value:
            value = {**value, **dict.fromkeys(_LATER)}
        body = Body.open(value, "a grant lent on", _KEYS)
        deleted = body.maybe_data("deleted")
        return cls(
            LentOnSide(body.text("side")),
            check_did(body.text("own")),
            check_did(body.text("their")),
            _bundle(body.data("bundle")),
            body.integer("t_ms"),
            body.maybe_integer("ended_ms"),
            body.maybe_data("keyset"),
            body.integer("n"),
            body.integer("acknowledged"),
            body.flag("accepted"),
            body.maybe_integer("asked_ms"),
            None if deleted is None else _deletion(deleted),
        )

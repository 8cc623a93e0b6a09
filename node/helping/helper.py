"""A helper and a lease, as rows of the store: who was asked, and what it has for each reader.

Both are shared between the devices of a person (`devices/helper_rows.py`): what reads them is held
against rows of others too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from ...protocol.did import Did, check_did
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.wire import Body, Value
from ..store.errors import StoreDamaged

_KEYS = ("state", "asked_ms", "changed_ms", "device", "addresses", "reason", "only")
# What this node itself stored it had made.
_certificate = lru_cache(maxsize=4096)(parse_certificate)


class HelperState(StrEnum):
    """Whether a peer that was asked helps.  `removed`: it does not, and may not have heard; `gone`:
    it has."""

    ASKED = "asked"
    HELPER = "helper"
    REFUSED = "refused"
    REMOVED = "removed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Helper:
    """A peer that was asked; it serves with `device`, dialled at `addresses`.

    `only`: the pairs of the readers that it may serve; all, if none is named.  Of two devices of
    this person that know it otherwise, the one where it changed last is right.
    """

    own: Did
    their: Did
    state: HelperState
    asked_ms: int
    changed_ms: int
    device: Did | None = None
    addresses: tuple[str, ...] = ()
    reason: str | None = None
    only: tuple[tuple[Did, Did], ...] = ()

    def value(self) -> Value:
        return {
            "state": self.state.value,
            "asked_ms": self.asked_ms,
            "changed_ms": self.changed_ms,
            "device": self.device,
            "addresses": list(self.addresses),
            "reason": self.reason,
            "only": [list(one) for one in self.only],
        }

    @classmethod
    def from_row(cls, name: Value, value: Value) -> Helper:
        body = Body.open(value, "a helper in the store", _KEYS)
        device = body.maybe_text("device")
        match name:
            case [str(own), str(their)]:
                return cls(
                    check_did(own),
                    check_did(their),
                    HelperState(body.text("state")),
                    body.integer("asked_ms"),
                    body.integer("changed_ms"),
                    None if device is None else check_did(device),
                    tuple(_text(one) for one in body.items("addresses", items_max=64)),
                    body.maybe_text("reason", chars_max=4_096),
                    tuple(map(_pair, body.items("only", items_max=4_096))),
                )
            case _:
                raise StoreDamaged("a helper in the store has not the form of one")

    def may_serve(self, own: Did, their: Did) -> bool:
        """Whether it is let serve this reader; nobody serves itself."""
        if (own, their) == (self.own, self.their):
            return False
        return not self.only or (own, their) in self.only


@dataclass(frozen=True, slots=True)
class Leased:
    """The newest lease of a helper for one reader: pair `own`, `their`.

    `grants`: what is on the shelf, each with the number of its keyset, 0 for none.  `kept_ms`: when
    the helper said that it has it, None if it has not; `told`: as whom the reader knows the helper.
    """

    helper: tuple[Did, Did]
    own: Did
    their: Did
    lease: Certificate
    grants: tuple[tuple[bytes, int], ...]
    kept_ms: int | None
    told: Value

    @property
    def name(self) -> Value:
        """Under which it is kept."""
        return [*self.helper, self.own, self.their]

    def value(self) -> Value:
        return {
            "lease": self.lease.signed.raw,
            "grants": [[cid, n] for cid, n in self.grants],
            "kept_ms": self.kept_ms,
            "told": self.told,
        }

    @classmethod
    def from_row(cls, name: Value, value: Value) -> Leased:
        body = Body.open(value, "a lease in the store", ("lease", "grants", "kept_ms", "told"))
        grants: list[tuple[bytes, int]] = []
        for item in body.items("grants", items_max=4_096):
            match item:
                case [bytes(cid), int(n)]:
                    grants.append((cid, n))
                case _:
                    raise StoreDamaged("a lease in the store has not the form of one")
        match name:
            case [str(hown), str(htheir), str(own), str(their)]:
                return cls(
                    (Did(hown), Did(htheir)),
                    Did(own),
                    Did(their),
                    _certificate(body.data("lease")),
                    tuple(grants),
                    body.maybe_integer("kept_ms"),
                    body.value("told"),
                )
            case _:
                raise StoreDamaged("a lease in the store has not the form of one")


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise StoreDamaged("an address of a helper in the store is not text")
    return value


def _pair(value: Value) -> tuple[Did, Did]:
    match value:
        case [str(own), str(their)]:
            return Did(own), Did(their)
        case _:
            raise StoreDamaged("a reader of a helper in the store is not two personas")

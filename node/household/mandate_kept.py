"""A mandate as a node keeps it: given, held, or handed in here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ...protocol.did import Did, check_did
from ...protocol.limits import MANDATE_CHAIN_MAX, TOKEN_BYTES_MAX
from ...protocol.mandate import Mandate, Proxy, parse_mandate, parse_proxy
from ...protocol.trust import GrantStatus
from ...protocol.wire import Body, Value
from ..store.errors import StoreDamaged


class Side(StrEnum):
    """Whose node this is, of the three: the giver's, the proxy's, the organisation's."""

    GIVEN = "given"
    HELD = "held"
    LODGED = "lodged"


_MANDATE_KEYS = ("side", "chain", "own", "their", "t_ms", "ended_ms")


@dataclass(frozen=True, slots=True)
class MandateKept:
    """`chain`: the mandate and those above it, the principal's own first.

    `own` and `their` are the pair over which the other side is told: of the giver the proxy, of
    the proxy the giver, of the organisation who handed it in; None within one vault.
    """

    side: Side
    chain: tuple[Mandate, ...]
    own: Did | None
    their: Did | None
    t_ms: int
    ended_ms: int | None

    @property
    def mandate(self) -> Mandate:
        return self.chain[-1]

    @property
    def cid(self) -> bytes:
        return self.mandate.cid

    @property
    def here(self) -> bool:
        """Whether this node is where it holds."""
        return self.side is Side.LODGED or (self.side is Side.GIVEN and self.mandate.at_home)

    def status(self, now_ms: int) -> GrantStatus:
        """Live, revoked or expired."""
        if self.ended_ms is not None:
            return GrantStatus.REVOKED
        over = any(now_ms > mandate.exp_s * 1000 for mandate in self.chain)
        return GrantStatus.EXPIRED if over else GrantStatus.LIVE

    def value(self) -> Value:
        return {
            "side": self.side.value,
            "chain": [mandate.signed.raw for mandate in self.chain],
            "own": self.own,
            "their": self.their,
            "t_ms": self.t_ms,
            "ended_ms": self.ended_ms,
        }

    @classmethod
    def from_value(cls, value: Value) -> MandateKept:
        body = Body.open(value, "a mandate in the store", _MANDATE_KEYS)
        return cls(
            Side(body.text("side")),
            tuple(map(parse_mandate, _raws(body))),
            _did(body.maybe_text("own")),
            _did(body.maybe_text("their")),
            body.integer("t_ms"),
            body.maybe_integer("ended_ms"),
        )


@dataclass(frozen=True, slots=True)
class ProxyKept:
    """Someone's word that it would act for a persona of ours, or ours for theirs.

    `own` and `their` are the pair over which it was said.
    """

    proxy: Proxy
    own: Did
    their: Did
    t_ms: int

    def value(self) -> Value:
        return [self.proxy.signed.raw, self.own, self.their, self.t_ms]

    @classmethod
    def from_value(cls, value: Value) -> ProxyKept:
        match value:
            case [bytes(raw), str(own), str(their), int(t_ms)] if type(t_ms) is int:
                return cls(parse_proxy(raw), Did(own), Did(their), t_ms)
            case _:
                raise StoreDamaged("a proxy in the store has not the form of one")


def _raws(body: Body) -> list[bytes]:
    items = body.items("chain", items_max=MANDATE_CHAIN_MAX, items_min=1)
    raws = [raw for raw in items if isinstance(raw, bytes) and len(raw) <= TOKEN_BYTES_MAX]
    if len(raws) != len(items):
        raise StoreDamaged("a mandate in the store has not the form of one")
    return raws


def _did(text: str | None) -> Did | None:
    return None if text is None else check_did(text)

"""One device of this person, as the others know it.

A row says who the device is, what the person calls it, where it listens, how long it may serve
without speaking with another device, and whether it was left behind.  Who changes a row says when;
of two that differ the later holds, and of two of one moment the greater bytes: there is nothing
else by which two devices could agree on a name.  A device that was left behind stays so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ...crypto.canonical import encode
from ...protocol.address import check_addresses
from ...protocol.did import Did, check_did
from ...protocol.errors import WireError
from ...protocol.limits import ADDRESSES_MAX, SIGNED_BYTES_MAX, TIME_S_MAX
from ...protocol.persona import Certificate, Inception, parse_certificate, parse_inception
from ...protocol.wire import Body, Value

_inception = lru_cache(maxsize=64)(parse_inception)
_certificate = lru_cache(maxsize=256)(parse_certificate)
_KEYS = (
    "inception",
    "certificate",
    "name",
    "since_ms",
    "addresses",
    "serves_within_s",
    "t_ms",
    "left",
)


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """`certificate` is by the persona of `inception`, which only own devices know, for the device.

    `serves_within_s`: it serves while it has spoken with another device so lately; None: always.
    `t_ms`: when this row was last changed.
    """

    inception: Inception
    certificate: Certificate
    name: str
    since_ms: int
    addresses: tuple[str, ...]
    serves_within_s: int | None
    t_ms: int
    left: bool = False

    @property
    def device(self) -> Did:
        return self.certificate.device

    @property
    def persona(self) -> Did:
        return self.inception.did

    def value(self) -> Value:
        return {
            "inception": self.inception.signed.raw,
            "certificate": self.certificate.signed.raw,
            "name": self.name,
            "since_ms": self.since_ms,
            "addresses": list(self.addresses),
            "serves_within_s": self.serves_within_s,
            "t_ms": self.t_ms,
            "left": self.left,
        }

    @classmethod
    def from_value(cls, value: Value) -> OwnDevice:
        """Read a row, from the store or from another device.  Raises WireError, BadSignature."""
        body = Body.open(value, "a device", _KEYS)
        found = cls(
            _inception(body.data("inception", bytes_max=SIGNED_BYTES_MAX)),
            _certificate(body.data("certificate", bytes_max=SIGNED_BYTES_MAX)),
            body.text("name", chars_min=1),
            body.integer("since_ms"),
            check_addresses(body.items("addresses", items_max=ADDRESSES_MAX), "a device"),
            body.maybe_integer("serves_within_s", high=TIME_S_MAX),
            body.integer("t_ms"),
            body.flag("left"),
        )
        if found.certificate.persona != found.persona:
            raise WireError("the certificate of a device is by another persona than its own")
        check_did(found.device)
        return found


def later(one: OwnDevice, other: OwnDevice) -> OwnDevice:
    """Which of two rows of one device holds."""
    return max(one, other, key=lambda row: (row.left, row.t_ms, encode(row.value())))

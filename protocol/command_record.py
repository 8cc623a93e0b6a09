"""Records as they are sent: what `/record/deliver` says.

The arguments of `/record/read`, which is said on another's data, are `grant.parse_read_args`.

Source: formats.md, "Commands".
"""

from __future__ import annotations

from dataclasses import dataclass

from .cid import cid_from_text, cid_text
from .command_parts import digest_from_text, digest_text, recipient
from .did import Did
from .errors import WireError
from .limits import DELIVERY_PARTS_MAX, PART_BYTES_MAX
from .wire import VERSION, Body, Value

NONCE_BYTES_MIN = 12
NONCE_BYTES_MAX = 32


@dataclass(frozen=True, slots=True)
class DeliverArgs:
    """`parts` are (SHA-256, length) of the sealed parts that follow the call, in order."""

    to: Did
    nonce: bytes
    statement: bytes
    parts: tuple[tuple[bytes, int], ...]

    def value(self) -> dict[str, Value]:
        parts: list[Value] = [[digest_text(digest), length] for digest, length in self.parts]
        return {
            "v": VERSION,
            "to": self.to,
            "nonce": self.nonce,
            "statement": cid_text(self.statement),
            "parts": parts,
        }


def deliver_args(body: Body) -> DeliverArgs:
    nonce = body.data("nonce", bytes_max=NONCE_BYTES_MAX)
    if len(nonce) < NONCE_BYTES_MIN:
        raise WireError(f"{body.what}: a nonce has at least {NONCE_BYTES_MIN} bytes")
    parts: list[tuple[bytes, int]] = []
    for part in body.items("parts", items_max=DELIVERY_PARTS_MAX, items_min=1):
        match part:
            case [str(digest), int(length)] if (
                not isinstance(length, bool) and 0 < length <= PART_BYTES_MAX
            ):
                parts.append((digest_from_text(digest), length))
            case _:
                raise WireError(f"{body.what}: a part is not [sha256, bytes up to 1 MiB]")
    return DeliverArgs(recipient(body), nonce, cid_from_text(body.text("statement")), tuple(parts))

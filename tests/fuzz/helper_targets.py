"""Targets: what comes for a helper, as strangers with keys of their own would send it."""

from __future__ import annotations

from typing import Final

from entrenous.crypto.errors import CryptoError
from entrenous.protocol.errors import CapabilityError, RecordError, WireError
from entrenous.protocol.helped import kept_from_parts, parts_of
from entrenous.tests.protocol import spec_helped

from .healing import healing
from .target import Form, Target, same


def _kept(data: bytes) -> object:
    found = kept_from_parts([data])
    same(b"".join(parts_of(found)), data, "what a helper is given has two forms")
    return found


def _seeds() -> list[bytes]:
    given = (spec_helped.shelf(), spec_helped.stands(), spec_helped.pages())
    return [b"".join(parts_of(one)) for one in given]


TARGETS: Final = (
    Target(
        "helped",
        healing(_kept),
        ("protocol.helped",),
        _seeds,
        (WireError, CryptoError, CapabilityError, RecordError),
        form=Form.VALUE,
        bytes_max=32 * 1024,
        weight=2,
    ),
)

"""Targets: shared records, from their bytes to whether a version may follow."""

from __future__ import annotations

from typing import Final

from entrenous.crypto.errors import BadSignature, CryptoError
from entrenous.protocol.errors import CapabilityError, GrantRefused, RecordError, StatementError
from entrenous.protocol.errors import WireError as Wire
from entrenous.protocol.shared_copy import check_next
from entrenous.protocol.shared_proof import make_proof, parse_proof
from entrenous.protocol.shared_record import parse_told, parse_version
from entrenous.tests.protocol import spec_shared

from .healing import healing
from .target import Form, Target, require, same


def _version(data: bytes) -> object:
    found = parse_version(data)
    same(found.raw, data, "a version has two forms")
    for copies in (spec_shared.begun(), spec_shared.copies()):
        try:
            check_next(copies, found)
        except GrantRefused:
            continue
        after = copies.with_version(found)
        held = after.copy(found.by)
        require(held.said and held.record == found.record, "a copy is not what was said last")
        require(make_proof(after, whole=True).whole, "what was taken cannot be shown")
    return found


def _told(data: bytes) -> object:
    found = parse_told(data)
    same(found.raw, data, "what was delivered has two forms")
    return found


def _proof(data: bytes) -> object:
    found = parse_proof(data)
    same(found.raw, data, "a proof file has two forms")
    return found


_ERRORS: Final = (Wire, BadSignature, RecordError)

TARGETS: Final = (
    Target(
        "shared-version",
        healing(_version),
        ("protocol.shared_record", "protocol.shared_copy"),
        lambda: [one.raw for one in spec_shared.copies().versions],
        _ERRORS,
        form=Form.VALUE,
        bytes_max=24 * 1024,
        weight=2,
    ),
    Target(
        "shared-told",
        healing(_told),
        ("protocol.shared_record",),
        lambda: [spec_shared.told().raw],
        (*_ERRORS, CryptoError, StatementError),
        form=Form.VALUE,
    ),
    Target(
        "shared-proof",
        healing(_proof),
        ("protocol.shared_proof", "protocol.shared_copy"),
        lambda: [make_proof(spec_shared.copies(), whole=one).raw for one in (True, False)],
        (*_ERRORS, CryptoError, StatementError, CapabilityError, GrantRefused),
        form=Form.VALUE,
        bytes_max=16 * 1024,
        weight=2,
    ),
)

"""Targets: shared records, from their bytes to whether a version may follow."""

from __future__ import annotations

from typing import Final

from entrenous.crypto.canonical import encode
from entrenous.crypto.errors import BadSignature, CryptoError
from entrenous.node.export.shared_copies import read_shared, record_line, version_line
from entrenous.node.shared.kept import SaidState, SharedKept, VersionKept
from entrenous.protocol.errors import CapabilityError, GrantRefused, RecordError, StatementError
from entrenous.protocol.errors import WireError as Wire
from entrenous.protocol.json_text import read_object
from entrenous.protocol.persona_line import line_from_value
from entrenous.protocol.shared_copy import check_next
from entrenous.protocol.shared_proof import make_proof, parse_proof
from entrenous.protocol.shared_record import parse_told, parse_version
from entrenous.protocol.wire import decode
from entrenous.tests.protocol import spec_shared, test_shared_lines

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


def _line(data: bytes) -> object:
    found = line_from_value(decode(data, bytes_max=len(data)))
    same(encode(found.value()), data, "a line of personas has two forms")
    return found


def _spanning(data: bytes) -> object:
    found = parse_proof(data)
    same(found.raw, data, "a proof file has two forms")
    for version in found.copies.versions:
        sides = {found.copies.side(version.by), found.copies.side(version.to)}
        require(sides == {found.copies.one, found.copies.other}, "a version is between others")
    return found


def _spans() -> list[bytes]:
    made = (
        make_proof(test_shared_lines.COPIES, whole=whole, lines=test_shared_lines.LINES)
        for whole in (True, False)
    )
    return [one.raw for one in made]


def _exported(data: bytes) -> object:
    """Lines of both files of an export, as they would be read from it, and back."""
    lines = [dict(read_object(one, "a line", bytes_max=len(one))) for one in data.splitlines(True)]
    records = [one for one in lines if "told" in one]
    versions = [one for one in lines if "told" not in one]
    found = read_shared(records, versions)
    again: list[bytes] = []
    for one in found:
        require(one.brought is not None, "what comes from elsewhere is not marked so")
        if one.brought is not None:
            again.append(record_line(one, one.brought.name, one.brought.lines))
        again += [version_line(one, kept) for kept in one.versions]
    same(b"".join(sorted(again)), b"".join(sorted(data.splitlines(True))), "a line has two forms")
    return found


def _lines_of_exports() -> list[bytes]:
    made: list[bytes] = []
    for copies, lines in (
        (spec_shared.copies(), ()),
        (test_shared_lines.COPIES, test_shared_lines.LINES),
    ):
        kept = tuple(VersionKept(one, SaidState.HEARD, "", 9) for one in copies.versions)
        one = SharedKept(
            copies.one, copies.other, copies.name, copies.name.path, copies.told, kept,
            copies.followed,
        )  # fmt: skip  # one thing
        made.append(record_line(one, "bank", lines))
        made[-1] += b"".join(version_line(one, version) for version in kept)
    return made


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
        "export-shared",
        _exported,
        ("node.export.shared_copies", "protocol.json_text"),
        _lines_of_exports,
        (*_ERRORS, CryptoError, StatementError, CapabilityError),
        form=Form.BYTES,
        bytes_max=32 * 1024,
    ),
    Target(
        "persona-line",
        healing(_line),
        ("protocol.persona_line",),
        lambda: [encode(line.value()) for line in test_shared_lines.LINES],
        (*_ERRORS, CapabilityError),
        form=Form.VALUE,
    ),
    Target(
        "shared-proof-lines",
        healing(_spanning),
        ("protocol.shared_proof", "protocol.persona_line"),
        _spans,
        (*_ERRORS, CryptoError, StatementError, CapabilityError, GrantRefused),
        form=Form.VALUE,
        bytes_max=16 * 1024,
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

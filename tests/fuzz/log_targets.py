"""Targets: the witnessed log as strangers see it, what a reader says it deleted, and views."""

from __future__ import annotations

from functools import cache
from typing import Final

from entrenous.crypto.canonical import encode
from entrenous.crypto.errors import BadProof, BadSignature, CryptoError
from entrenous.crypto.keys import LogSigningKey
from entrenous.protocol.checkpoint_note import (
    CheckpointNote,
    cosign,
    parse_checkpoint,
    parse_cosignature,
    parse_note,
)
from entrenous.protocol.deletion import make_deletion, parse_deletion
from entrenous.protocol.errors import CapabilityError, RecordError, WireError
from entrenous.protocol.log_proof import parse_log_owner, parse_log_proof
from entrenous.protocol.schema import METER_READING, TRANSACTION
from entrenous.protocol.view import Kind, View, view_from_value
from entrenous.protocol.view_path import Every, every_of, is_view_of, source_of, view_path
from entrenous.protocol.wire import decode
from entrenous.protocol.witness import make_log_succession, parse_log_succession
from entrenous.tests.protocol import spec_log
from entrenous.tests.protocol.spec_world import T_MS, T_S, cast, random

from .examples import example
from .healing import healing
from .target import Form, Target, require, same

_LISTED: Final = (WireError, CryptoError, CapabilityError, RecordError)


def _note(data: bytes) -> object:
    """A note has one form, and a checkpoint is a note."""
    found = parse_note(data)
    same(found.raw, data, "a note has two forms")
    try:
        checkpoint: CheckpointNote = parse_checkpoint(data)
    except (WireError, CryptoError):
        return found
    same(checkpoint.raw, data, "a checkpoint has two forms")
    return checkpoint


def _cosignature(data: bytes) -> object:
    found = parse_cosignature(data)
    same(found.raw, data, "a cosignature has two forms")
    return found


def _proof(data: bytes) -> object:
    found = parse_log_proof(data)
    same(found.raw, data, "a proof file has two forms")
    return found


@cache
def _next_log() -> LogSigningKey:
    return LogSigningKey(random("seed of the next log's signing key", 32))


def _view(data: bytes) -> object:
    found = view_from_value(decode(data))
    same(view_from_value(found.value()), found, "a view does not come back from what is kept")
    require(is_view_of(found.path, found.source), "a view is no view of its source")
    return found


def _views() -> list[bytes]:
    readings, payments = "energy/electricity/load-curve", "finance/accounts/transactions"
    energy = View(readings, METER_READING, Kind.ENERGY, Every.MONTHLY, "energy")
    chosen = View(
        payments,
        TRANSACTION,
        Kind.FIELDS,
        Every.DAILY,
        "amounts",
        fields=("amount", "currency"),
    )
    return [encode(one.value()) for one in (energy, chosen)]


def _view_path(data: bytes) -> object:
    path = data.decode("utf-8", "replace")
    every, source = every_of(path), source_of(path)
    require(every is not None and is_view_of(path, source), "a view is no view of its source")
    return source


def _view_paths() -> list[bytes]:
    source = "energy/electricity/load-curve"
    paths = [view_path(source, every, "energy") for every in Every]
    return [path.encode() for path in (*paths, paths[0] + "/p2")]


def _deletions() -> list[bytes]:
    cid = example("granting", "delegation: CID")
    made = make_deletion(cast().supplier, dlg=cid, pages=12, left=1, t_ms=T_MS)
    return [made.signed.raw]


TARGETS: Final = (
    Target(
        "checkpoint",
        _note,
        ("protocol.checkpoint_note",),
        lambda: [spec_log.cosigned().raw, spec_log.cosigned().bare.raw],
        (WireError, CryptoError),
        words=("\u2014 ".encode(), b"entrenous/log/", b"entrenous/witness/", b"\n\n"),
    ),
    Target(
        "cosignature",
        _cosignature,
        ("protocol.checkpoint_note",),
        lambda: [cosign(spec_log.witness(), spec_log.cosigned().head, T_S).raw],
        (WireError, CryptoError),
        words=("\u2014 ".encode(), b"entrenous/witness/"),
    ),
    Target(
        "log-proof",
        healing(_proof),
        ("protocol.log_proof",),
        lambda: [spec_log.proof().raw],
        (*_LISTED, BadProof),
        form=Form.VALUE,
        bytes_max=16 * 1024,
        weight=2,
    ),
    Target(
        "log-owner",
        healing(parse_log_owner),
        ("protocol.log_proof",),
        lambda: [spec_log.proof().log.signed.raw],
        (WireError, BadSignature),
        form=Form.VALUE,
    ),
    Target(
        "log-succession",
        healing(parse_log_succession),
        ("protocol.witness",),
        lambda: [make_log_succession(spec_log.log_key(), _next_log()).signed.raw],
        (WireError, BadSignature),
        form=Form.VALUE,
    ),
    Target(
        "deletion",
        healing(parse_deletion),
        ("protocol.deletion",),
        _deletions,
        (WireError, BadSignature),
        form=Form.VALUE,
    ),
    Target(
        "view",
        _view,
        ("protocol.view", "protocol.view_path"),
        _views,
        (WireError, RecordError),
        form=Form.VALUE,
    ),
    Target(
        "view-path",
        _view_path,
        ("protocol.view_path",),
        _view_paths,
        (RecordError,),
        words=(b"view-monthly-", b"view-daily-", b"/p2"),
    ),
)

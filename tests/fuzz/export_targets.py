"""Targets: an export from elsewhere.  Its manifest, and lines of it: a record, a statement, an
import."""

from __future__ import annotations

import base64
import json

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import CryptoError
from entrenous.crypto.keys import PersonaKey
from entrenous.node.export.reimport_lines import read_import, read_record, read_statement
from entrenous.node.store.errors import StoreDamaged
from entrenous.protocol.cid import cid_text
from entrenous.protocol.day import day_of, start_ms
from entrenous.protocol.errors import RecordError, WireError
from entrenous.protocol.export_manifest import (
    ExportedCollection,
    ExportedFile,
    Manifest,
    day_text,
    parse_manifest,
    records_file,
)
from entrenous.protocol.json_text import read_object
from entrenous.protocol.record import Batch
from entrenous.protocol.record_text import batch_of_texts, field_names, record_texts
from entrenous.protocol.schema import METER_READING, SCHEMAS
from entrenous.protocol.statement import make_statement

from .target import Target, same

_PATH = "energy/electricity/load-curve"
_DAY = 46_021


def _manifest(data: bytes) -> object:
    found = parse_manifest(data)
    same(parse_manifest(found.encode()), found, "a manifest does not come back from its bytes")
    return found


def _record(data: bytes) -> object:
    """A record of whichever schema has its fields; what is taken is written again as it stood."""
    fields, *rest = read_record(data)
    for schema in SCHEMAS.values():
        if set(field_names(schema)) == set(fields):
            batch = batch_of_texts(schema, [fields])
            again = dict(zip(field_names(schema), next(record_texts(batch)), strict=True))
            same(again, fields, "a record is spelled in two ways")
            return [schema.name, batch.row(0), rest]
    raise RecordError("no schema has these fields")


def _import(data: bytes) -> object:
    return read_import(read_object(data, "an import", bytes_max=8192))


def _imports() -> list[bytes]:
    row = {
        "id": "11" * 16,
        "file": "2026.csv",
        "reader": "meter",
        "path": _PATH,
        "state": "done",
        "plan": "22" * 16,
        "pieces": 2,
        "done_pieces": 2,
        "records": 48,
        "duplicates": 3,
        "differing": 0,
        "first": day_text(_DAY),
        "last": day_text(_DAY + 1),
        "changed_ms": 1_767_225_600_000,
        "done_ms": 1_767_225_600_000,
    }
    noted = {"beside": 0, "same": 1, "ambiguous": 0, "same_as": {"bank": 1}, "noted": True}
    return [json.dumps(row).encode(), json.dumps({**row, **noted}).encode()]


def _readings() -> Batch:
    return Batch.from_rows(
        METER_READING,
        [
            {
                "time": start_ms(_DAY) + hour * 3_600_000,
                "offset_min": 60,
                "duration_s": 3600,
                "value": [-1250 + hour, 2],
                "unit": "kWh",
                "quality": None,
            }
            for hour in range(3)
        ],
    )


def _manifests() -> list[bytes]:
    files = (
        ExportedFile(records_file(_PATH), 100, bytes(32)),
        ExportedFile("a.json", 1, b"d" * 32),
    )
    collections = (ExportedCollection(_PATH, METER_READING, 3600, 3, 3),)
    return [
        Manifest(1_767_225_600_000, "entrenous 1", None, None, collections, files).encode(),
        Manifest(0, "", _DAY, _DAY + 1, (), ()).encode(),
    ]


def _records() -> list[bytes]:
    batch = _readings()
    names = field_names(METER_READING)
    return [
        json.dumps(
            {**dict(zip(names, cells, strict=True)), "_source": 1, "_page": 7, "_again": True}
        ).encode()
        for cells in record_texts(batch)
    ]


def _statements() -> list[bytes]:
    assert day_of(start_ms(_DAY)) == _DAY
    statement, days = make_statement(
        _readings(),
        SeededEntropy(b"fuzz"),
        key=PersonaKey(b"s" * 32),
        sub="did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
        path=_PATH,
        first=_DAY,
        last=_DAY + 1,
        nonce=b"n" * 16,
    )
    said = {
        "statement": cid_text(statement.cid),
        "signed": base64.b64encode(statement.raw).decode(),
        "src": statement.src,
        "sub": statement.sub,
        "path": _PATH,
        "kept_under": f"{_PATH}/p1",
        "schema": METER_READING.name,
        "first": day_text(_DAY),
        "last": day_text(_DAY + 1),
        "leaves": [day.leaf.hex() for day in days],
        "days": [
            {"day": day_text(day.day), "page": n, "records": len(day.batch), "salt": day.salt.hex()}
            for n, day in enumerate(days)
        ],
        "received": {"records": 3, "t_ms": 5, "told": [1, 2, 3, 4, [["bank", 2]]]},
    }
    return [json.dumps(said).encode()]


TARGETS = (
    Target(
        "export-manifest",
        _manifest,
        ("protocol.export_manifest", "protocol.json_text"),
        _manifests,
        (WireError, RecordError),
        words=(b"../", b'"path"', b"null", b"1e9", b"\\ud800", b"collections/", b"//"),
    ),
    Target(
        "export-record",
        _record,
        ("protocol.record_text", "protocol.json_text", "node.export.reimport_lines"),
        _records,
        (WireError, RecordError),
        words=(b"Z", b"+18:00", b"-0.00", b"24:00", b"\\u0000", b"1e9", b"[[[[", b"true"),
    ),
    Target(
        "export-statement",
        read_statement,
        ("node.export.reimport_lines",),
        _statements,
        (WireError, RecordError, CryptoError, StoreDamaged),
        words=(b"undated", b"null", b'"leaves"', b"[]", b"2026-01-01"),
        bytes_max=8192,
    ),
    Target(
        "export-import",
        _import,
        ("node.export.reimport_lines",),
        _imports,
        (WireError, RecordError, StoreDamaged),
        words=(b"null", b'"noted"', b"1e9", b'"undone"', b'"same_as"', b"{}"),
        bytes_max=8192,
    ),
)

"""What comes back from a node, as types: records in pieces, sentences, one value of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...protocol.columns import read_columns
from ...protocol.errors import WireError
from ...protocol.record import Batch, concat
from ...protocol.schema import Schema, schema_named
from ...protocol.wire import Body, Value
from .. import results
from ..channel import (
    understood,
)

# Damaged pages, statements: of one answer.
SENTENCES_MAX = 1 << 20


def path_text(path: Path) -> str:
    # The node may stand in another folder than we do.
    return str(path.absolute())


def data_of(value: Value, what: str, key: str) -> bytes:
    with understood():
        return Body.open(value, what, (key,)).data(key)


def records_of(body: Body, pieces: Sequence[Batch]) -> results.records.Records:
    schema = schema_named(body.text("schema"))
    return results.records.Records(
        batch_of(schema, pieces),
        body.integer("pages"),
        sentences_of(body),
        body.integer("conflicts"),
    )


def sentences_of(body: Body) -> tuple[str, ...]:
    found = body.items("damaged", items_max=SENTENCES_MAX)
    return tuple(sentence for sentence in found if isinstance(sentence, str))


def piece_of(item: Value) -> Batch:
    """Some of the records of a read, as they come."""
    with understood():
        body = Body.open(item, "records", ("schema", "columns", "count"))
        columns = body.data("columns")
        schema = schema_named(body.text("schema"))
        batch, end = read_columns(schema, columns, 0, body.integer("count"))
        if end != len(columns):
            raise WireError("records go on after their columns")
        return batch


def batch_of(schema: Schema, pieces: Sequence[Batch]) -> Batch:
    """The pieces of a read as one batch.  Raises RecordError."""
    return pieces[0] if len(pieces) == 1 else concat(schema, pieces)

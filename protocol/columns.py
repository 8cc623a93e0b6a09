"""Columns: the one byte form of a batch, `{name: [dtype, bytes]}`, little-endian.

    i8 … u64    the values, one after the other
    d64         i64: the first value, then each difference to the one before
    str         u32 offsets, one more than values, from 0 to the length ‖ all the UTF-8
    dec         i64 mantissas ‖ u8 scales
    ?x          a presence bitmap (row i is bit i mod 8 of byte i div 8, the rest zero) ‖ the
                present values only, as x

Records to columns is a bijection: sources sign these bytes, so every second way to write the same
rows is refused: a dtype other than the schema's, rows out of order, a bit set after the last row,
bytes left over, offsets that do not rise from zero, text that is not UTF-8.

This is the hot path of an import and of a granted read.  So the map is written and read here by
its known layout, not by the general codec: the keys, their order and the dtypes are constants of
the schema, and what is not byte for byte that layout is refused.  Tests hold both directions to
the general codec.

Source: formats.md, "Page".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import le, sub
from struct import Struct, error
from typing import cast

from ..crypto.canonical import Value
from . import limits
from .errors import RecordError, WireError
from .record import Batch, Cell, Column, integers_fit, require_order, texts_fit
from .schema import INTEGERS, Field, Schema

_I64 = "q"
_U32 = "I"
# Constant columns of at most five minutes' readings a day are remembered, units and whole numbers
# only: about a megabyte in all, and no word of a person's.
_CONSTANT_ROWS_MAX = 288


@lru_cache(maxsize=1024)
def _struct(code: str, count: int) -> Struct:
    return Struct(f"<{count}{code}")


# --- records to columns ---------------------------------------------------------------------------


def encode_columns(batch: Batch) -> dict[str, Value]:
    """`{name: [dtype, bytes]}` of a batch in order.

    Raises RecordError if it is not in order, or holds what its schema does not allow.
    """
    bodies = _bodies(batch)
    layout = batch.schema.layout
    return {f.name: [f.code, body] for (f, _), body in zip(layout, bodies, strict=True)}


def write_columns(batch: Batch) -> bytes:
    """`cb(encode_columns(batch))`, made directly.  Raises RecordError as it does."""
    out = [_map_head(batch.schema)]
    for (_, head), body in zip(batch.schema.layout, _bodies(batch), strict=True):
        out += (head, _bytes_head(len(body)), body)
    return b"".join(out)


def _bodies(batch: Batch) -> list[bytes]:
    """The bytes of each column, in the order of the schema's layout."""
    if len(batch) > limits.PAGE_ROWS_MAX:
        raise RecordError(f"a page holds at most {limits.PAGE_ROWS_MAX} rows, not {len(batch)}")
    batch = batch.check()
    require_order(batch)
    return [_encode(f, batch.columns[f.name]) for f, _ in batch.schema.layout]


def _encode(f: Field, column: Column) -> bytes:
    rows = len(column)
    if not f.optional:
        if 0 < rows <= _CONSTANT_ROWS_MAX and _may_repeat(f) and column.count(column[0]) == rows:
            return _encode_constant(f.dtype, cast("int | str", column[0]), rows)
        return _encode_present(f.dtype, column)
    size = (rows + 7) // 8
    absent = column.count(None)
    if absent == rows:
        return _encode_absent(f.dtype, rows)
    if not absent:
        return ((1 << rows) - 1).to_bytes(size, "little") + _encode_present(f.dtype, column)
    digits = "".join("0" if cell is None else "1" for cell in reversed(column))
    present = [cell for cell in column if cell is not None]
    return int(digits, 2).to_bytes(size, "little") + _encode_present(f.dtype, present)


@lru_cache(maxsize=256)
def _may_repeat(f: Field) -> bool:
    if f.dtype == "str":
        return f.name != "id" and f.high <= limits.RECORD_UNIT_BYTES_MAX
    return f.dtype not in ("d64", "dec")


@lru_cache(maxsize=128)
def _encode_constant(dtype: str, cell: int | str, count: int) -> bytes:
    """A column that says one thing: a series has one unit, one duration, mostly one offset."""
    return _encode_present(dtype, (cell,) * count)


@lru_cache(maxsize=256)
def _encode_absent(dtype: str, rows: int) -> bytes:
    """An optional column in which nothing is present."""
    return bytes((rows + 7) // 8) + _encode_present(dtype, ())


def _encode_present(dtype: str, column: Column) -> bytes:
    count = len(column)
    if dtype == "str":
        return _encode_texts(cast("Sequence[str]", column))
    if dtype == "d64":
        values = cast("Sequence[int]", column)
        return _struct(_I64, count).pack(*values[:1], *map(sub, values[1:], values))
    if dtype == "dec":
        if not count:
            return b""
        mantissas, scales = zip(*cast("Sequence[tuple[int, int]]", column), strict=True)
        return _struct(_I64, count).pack(*mantissas) + bytes(scales)
    return _struct(INTEGERS[dtype][0], count).pack(*column)


def _encode_texts(texts: Sequence[str]) -> bytes:
    count = len(texts)
    if count and texts.count(texts[0]) == count:  # one unit, one currency
        one = texts[0].encode()
        return _constant_offsets(len(one), count) + one * count
    joined = "".join(texts)
    if joined.isascii():
        offsets = accumulate(map(len, texts), initial=0)
        return _struct(_U32, count + 1).pack(*offsets) + joined.encode()
    encoded = [text.encode() for text in texts]
    offsets = accumulate(map(len, encoded), initial=0)
    return _struct(_U32, count + 1).pack(*offsets) + b"".join(encoded)


@lru_cache(maxsize=256)
def _constant_offsets(length: int, count: int) -> bytes:
    """The offsets of `count` texts of `length` bytes each."""
    return _struct(_U32, count + 1).pack(*(length * i for i in range(count + 1)))


# --- columns to records ---------------------------------------------------------------------------


def decode_columns(schema: Schema, value: Value, count: int | None = None) -> Batch:
    """Columns from outside to a checked batch of `count` rows (if None, as many as there are).

    Raises WireError if the form, RecordError if a value or the order is not what `schema` allows.
    """
    if not isinstance(value, Mapping) or value.keys() != schema.by_name.keys():
        raise WireError(f"these are not the columns of {schema.name}")
    bodies: dict[str, bytes] = {}
    for f in schema.fields:
        column = value[f.name]
        if not isinstance(column, list) or len(column) != 2 or column[0] != f.code:
            raise WireError(f"column {f.name} is not [{f.code}, bytes]")
        body = column[1]
        if not isinstance(body, bytes):
            raise WireError(f"column {f.name} is not [{f.code}, bytes]")
        bodies[f.name] = body
    if count is None:
        count = len(bodies["time"]) // 8 if schema.dated else _rows_of_ids(bodies["id"])
    return _batch(schema, bodies, count)


def _rows_of_ids(body: bytes) -> int:
    """How many ids a column holds.  None is empty, so offsets rise and one number fits at most."""
    whole = len(body) // 4
    offsets = _struct(_U32, whole).unpack(body[: 4 * whole])
    for rows, end in enumerate(offsets):
        if 4 * (rows + 1) + end >= len(body):
            return rows
    raise WireError("the ids of undated records have no end")


def read_columns(schema: Schema, data: bytes, at: int, count: int) -> tuple[Batch, int]:
    """The columns that stand in `data` from `at`, as `write_columns` makes them, and their end.

    Raises as `decode_columns`.
    """
    head = _map_head(schema)
    if not data.startswith(head, at):
        raise WireError(f"these are not the columns of {schema.name}")
    at += len(head)
    bodies: dict[str, bytes] = {}
    for f, head in schema.layout:
        if not data.startswith(head, at):
            raise WireError(f"column {f.name} is not where and what {schema.name} says")
        at += len(head)
        size, at = _read_bytes_head(data, at)
        bodies[f.name] = data[at : at + size]
        at += size
        if at > len(data):
            raise WireError(f"column {f.name} ends before its length")
    return _batch(schema, bodies, count), at


def _batch(schema: Schema, bodies: Mapping[str, bytes], count: int) -> Batch:
    if not 0 <= count <= limits.PAGE_ROWS_MAX:
        raise WireError(f"a page holds at most {limits.PAGE_ROWS_MAX} rows")
    columns = {f.name: _decode(f, bodies[f.name], count) for f in schema.fields}
    batch = Batch(schema, columns, checked=True)
    require_order(batch)
    return batch


def _decode(f: Field, body: bytes, count: int) -> list[Cell]:
    if not f.optional:
        return _decode_present(f, body, count)
    size = (count + 7) // 8
    bits = int.from_bytes(body[:size], "little")
    if len(body) < size or bits >> count:
        raise WireError(f"the presence bitmap of {f.name} does not end with the last row")
    present = bits.bit_count()
    values = _decode_present(f, body[size:], present)
    if present == count:
        return values
    if not present:
        return [None] * count
    following = iter(values)
    return [next(following) if bits >> row & 1 else None for row in range(count)]


def _decode_present(f: Field, body: bytes, count: int) -> list[Cell]:
    try:
        if f.dtype == "str":
            return cast("list[Cell]", _decode_texts(f, body, count))
        if f.dtype == "dec":
            return cast("list[Cell]", _decode_decimals(f, body, count))
        if f.dtype == "d64":
            values = list(accumulate(_struct(_I64, count).unpack(body)))
        else:
            values = _decode_integers(INTEGERS[f.dtype][0], body, count)
    except error:
        raise WireError(f"column {f.name} does not have the length of its rows") from None
    if count and not integers_fit(f, values):
        raise RecordError(f"a {f.name} is not a whole number from {f.low} to {f.high}")
    return cast("list[Cell]", values)


def _decode_integers(code: str, body: bytes, count: int) -> list[int]:
    one = _struct(code, 1)
    if count and body == body[: one.size] * count:
        # A series has one interval and, but for two days a year, one offset.
        return list(one.unpack(body[: one.size])) * count
    return list(_struct(code, count).unpack(body))


def _decode_decimals(f: Field, body: bytes, count: int) -> list[tuple[int, int]]:
    if len(body) != 9 * count:
        raise WireError(f"column {f.name} does not have the length of its rows")
    scales = body[8 * count :]
    if count and max(scales) > limits.SCALE_MAX:
        raise RecordError(f"a {f.name} has more than {limits.SCALE_MAX} places")
    return list(zip(_struct(_I64, count).unpack_from(body), scales, strict=True))


def _decode_texts(f: Field, body: bytes, count: int) -> list[str]:
    index = 4 * (count + 1)
    data = body[index:]
    offsets = _struct(_U32, count + 1).unpack(body[:index])
    if offsets[0] or offsets[-1] != len(data) or not all(map(le, offsets, offsets[1:])):
        raise WireError(f"the offsets of column {f.name} do not rise from 0 to its end")
    if not count:
        return []
    texts = _constant_texts(body[:index], data, count)
    if texts is None:
        try:
            if data.isascii():
                joined = data.decode("ascii")
                texts = [joined[start:end] for start, end in pairwise(offsets)]
            else:
                texts = [data[start:end].decode() for start, end in pairwise(offsets)]
        except UnicodeDecodeError:
            raise WireError(f"a {f.name} is not UTF-8") from None
    if not texts_fit(f, texts):
        raise RecordError(f"a {f.name} is not text of {f.low} to {f.high} bytes")
    return texts


def _constant_texts(index: bytes, data: bytes, count: int) -> list[str] | None:
    """The texts if they are all the same ASCII, else None: a series has one unit."""
    length = len(data) // count
    one = data[:length]
    if not one.isascii() or one * count != data or index != _constant_offsets(length, count):
        return None
    return [one.decode("ascii")] * count


# --- the heads of the general codec ---------------------------------------------------------------


def _map_head(schema: Schema) -> bytes:
    return bytes((0xA0 | len(schema.fields),))  # no schema has more than 23 fields


def _bytes_head(length: int) -> bytes:
    """The head of a DAG-CBOR byte string, in the fewest bytes."""
    if length < 24:
        return bytes((0x40 | length,))
    if length < 0x100:
        return bytes((0x58, length))
    if length < 0x10000:
        return b"\x59" + length.to_bytes(2, "big")
    return b"\x5a" + length.to_bytes(4, "big")


def _read_bytes_head(data: bytes, at: int) -> tuple[int, int]:
    """The length that a head at `at` gives, and where it ends.  Only the shortest head is taken."""
    first = data[at] if at < len(data) else 0
    if 0x40 <= first < 0x58:
        return first - 0x40, at + 1
    width, least = _WIDTHS.get(first, (0, 1))
    at += 1
    length = int.from_bytes(data[at : at + width], "big")
    # A head cut short reads as a smaller length, whose bytes are then missing too.
    if length < least:
        raise WireError("a column is not bytes with the shortest head")
    return length, at + width


# head -> (bytes of the length that follow, the least length that needs them)
_WIDTHS = {0x58: (1, 24), 0x59: (2, 0x100), 0x5A: (4, 0x10000)}

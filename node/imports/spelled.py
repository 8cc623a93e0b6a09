"""Records as people and scripts spell them: names and plain values in, one exact record out.

    {"time": "2026-03-01", "amount": "-12.50", "currency": "EUR", "label": "Market"}

The names are those of the schema's fields, as `read --format json` prints them, so what was read
can be told again.  Times are those of `spelled_time.py`; decimals are text or numbers, and keep
their places: 12.50 is not 12.5.  What may be absent may be left out, and so may a text that may be
empty; a currency is one of ISO 4217, of today or of the past; a record without an `id` is given one
that follows from all it says, so that who tells the same thing twice is told so.  A name that the
schema does not have is refused, never ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, cast

from ...protocol.currency import is_currency
from ...protocol.errors import RecordError
from ...protocol.limits import SCALE_MAX
from ...protocol.reading import record_id
from ...protocol.schema import INTEGERS, Field, Schema
from ...protocol.wire import Value
from .spelled_time import Moment, Zone, read_moment

# A record has a dozen fields of at most a kilobyte, and JSON may spend six characters on one byte.
LINE_BYTES_MAX: Final = 128 * 1024
# Texts of numbers longer than this are no numbers of people or meters.
_NUMBER_CHARS_MAX = 64
_DECIMAL = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?")
_MANTISSA_MAX = INTEGERS["i64"][3]


def read_line(line: bytes | str) -> dict[str, object]:
    """One JSON object; its numbers exact.  Raises RecordError."""
    if len(line) > LINE_BYTES_MAX:
        raise RecordError(f"a line has more than {LINE_BYTES_MAX:,} bytes")
    try:
        found: object = json.loads(
            line, parse_float=Decimal, parse_int=_integer, object_pairs_hook=_once
        )
    except RecordError:
        raise
    except ArithmeticError as error:
        # An exponent beyond what a Decimal holds.
        raise RecordError("a number has more digits than can be kept exactly") from error
    except (ValueError, RecursionError) as error:
        raise RecordError("this line is not JSON") from error
    if not isinstance(found, dict):
        raise RecordError("a record is a JSON object")
    return cast("dict[str, object]", found)


def spelled(
    schema: Schema,
    given: Mapping[str, object],
    *,
    zone: Zone = None,
    now: Moment | None = None,
    nth: int = 1,
) -> dict[str, Value]:
    """The record that `given` spells: `{field: value|null}`.

    `now` is the time of a record that gives none.  `nth`: a record without an id that says the
    same as another one is another fact, the nth.  Raises RecordError naming the field.
    """
    for name in given:
        if name not in schema.by_name:
            known = ", ".join(schema.by_name)
            raise RecordError(f"{schema.name} has no {name[:64]!r}; it has {known}")
    moment = _moment(given, zone, now) if "time" in schema.by_name else Moment(0, 0)
    row: dict[str, Value] = {}
    for field in schema.fields:
        match field.name:
            case "time":
                row["time"] = moment.t_ms
            case "offset_min":
                row["offset_min"] = moment.offset_min
            case "id":
                row["id"] = ""  # its place in the order of the fields
            case _:
                row[field.name] = _value(field, given.get(field.name))
    if schema.has_id:
        told = given.get("id")
        row["id"] = _text(schema.by_name["id"], told) if told else _id_of(schema, row, nth)
    return row


def spelled_field(schema: Schema, name: str, told: object, *, zone: Zone = None) -> Value:
    """One field of a record, spelled as in a whole one.  Raises RecordError naming it."""
    if name not in schema.by_name:
        raise RecordError(f"{schema.name} has no {name[:64]!r}; it has {', '.join(schema.by_name)}")
    if name == "time":
        if not isinstance(told, str):
            raise RecordError("time is not text")
        return read_moment(told, zone).t_ms
    return _value(schema.by_name[name], told)


def read_decimal(text: str) -> tuple[int, int]:
    """`-12.50` as (-1250, 2).  Raises RecordError."""
    found = _DECIMAL.fullmatch(text.strip()) if len(text) <= _NUMBER_CHARS_MAX else None
    if found is None:
        hint = f"; write {text.replace(',', '.')}" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
        raise RecordError(f"a number is written like -12.50{hint}")
    sign, whole, places = found[1], found[2], found[3] or ""
    mantissa = int(whole + places) * (-1 if sign == "-" else 1)
    if len(places) > SCALE_MAX:
        raise RecordError(f"a number has at most {SCALE_MAX} digits after its point")
    if abs(mantissa) > _MANTISSA_MAX:
        raise RecordError("a number has more digits than can be kept exactly")
    return mantissa, len(places)


# --- fields ---------------------------------------------------------------------------------------


def _moment(given: Mapping[str, object], zone: Zone, now: Moment | None) -> Moment:
    text, offset = given.get("time"), given.get("offset_min")
    if text is None and now is not None:
        return now
    if not isinstance(text, str):
        raise RecordError("time is missing" if text is None else "time is not text")
    moment = read_moment(text, zone)
    if offset is None:
        return moment
    if isinstance(offset, bool) or not isinstance(offset, int):
        raise RecordError("offset_min is a whole number of minutes")
    if moment.offset_min not in (0, offset):
        raise RecordError("time and offset_min name two offsets")
    return Moment(moment.t_ms, offset)


def _value(field: Field, told: object) -> Value:
    if told is None:
        if field.optional:
            return None
        if field.dtype != "dec" and not field.low:
            return "" if field.dtype == "str" else 0
        raise RecordError(f"{field.name} is missing")
    try:
        if field.name == "currency":
            return _currency(told)
        if field.dtype == "dec":
            return list(_decimal(told))
        return _text(field, told) if field.dtype == "str" else _whole(field, told)
    except RecordError as error:
        raise RecordError(f"{field.name}: {error}") from None


def _decimal(told: object) -> tuple[int, int]:
    if isinstance(told, str):
        return read_decimal(told)
    if isinstance(told, bool) or not isinstance(told, (int, Decimal)):
        raise RecordError("a number is written like -12.50")
    if isinstance(told, Decimal) and (not told.is_finite() or abs(told.adjusted()) > SCALE_MAX + 1):
        raise RecordError("a number has more digits than can be kept exactly")
    return read_decimal(f"{told:f}")


def _whole(field: Field, told: object) -> int:
    if isinstance(told, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", told):
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int):
        raise RecordError("a whole number is needed")
    if not field.low <= told <= field.high:
        raise RecordError(f"a number from {field.low:,} to {field.high:,} is needed")
    return told


def _currency(told: object) -> str:
    code = told.strip().upper() if isinstance(told, str) else ""
    if not is_currency(code, past=True):
        raise RecordError("a currency of ISO 4217 is needed, such as EUR")
    return code


def _text(field: Field, told: object) -> str:
    if not isinstance(told, str):
        raise RecordError("text is needed")
    try:
        size = len(told.encode())
    except UnicodeEncodeError:
        raise RecordError("this text has no UTF-8 form") from None
    if not field.low <= size <= field.high:
        raise RecordError(f"a text of {field.low} to {field.high} bytes is needed")
    return told


# --- JSON and ids ---------------------------------------------------------------------------------


def _integer(text: str) -> int:
    if len(text) > _NUMBER_CHARS_MAX:
        raise RecordError("a number has more digits than can be kept exactly")
    return int(text)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RecordError("a record gives one of its names twice")
    return found


def _id_of(schema: Schema, row: Mapping[str, Value], nth: int) -> str:
    parts = [f"{name}={_plain(value)}" for name, value in row.items() if name != "id"]
    return record_id("declared", schema.name, *parts, str(nth))


def _plain(value: Value) -> str:
    """One spelling: 12.5 and 12.50 are one amount."""
    if isinstance(value, list):
        mantissa, scale = cast("list[int]", value)
        while scale and not mantissa % 10:
            mantissa, scale = mantissa // 10, scale - 1
        return f"{mantissa}/{scale}"
    return "null" if value is None else f"{type(value).__name__}:{value}"

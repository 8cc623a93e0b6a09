"""Deliveries: an organisation hands data back.

    statement, days ── parts of ≤ 1 MiB ── HPKE to the reader key ──> sealed parts
    sealed parts ── digest, open, decode, every leaf again, root ──> Delivered

The organisation never holds a vault key: it sends records, salts and its statement, and the
person's device writes the pages.  A part is a list; part 0 begins with the signed statement, and
all else is `[d, salt_d, columns]`, the days of the statement dense, in order, each in one part.

Part i is sealed with info `cb(["entrenous/1/delivery", src, to, nonce, statement, i])`, so a part
of another delivery, another place or another recipient does not open.  Lengths and digests were
announced in a signed invocation, and are held against the bytes before anything is opened.

Only `open_parts` makes a `Delivered`, and only when the root computed from what came is the root
that the source signed: a record withheld, added or altered refuses the whole delivery.

Source: formats.md, "Delivery".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..crypto.canonical import encode
from ..crypto.digest import equal, sha256
from ..crypto.entropy import Entropy
from ..crypto.keys import ReaderSecret
from ..crypto.labels import Tag, label
from ..crypto.merkle import tree_hash
from ..crypto.seal import OVERHEAD_BYTES, open_sealed, seal
from . import limits
from .columns import decode_columns, write_columns
from .errors import RecordError, StatementError, WireError
from .page import SALT_BYTES
from .record import require_day
from .statement import Statement, StatementDay, day_leaf, parse_statement
from .wire import Value, decode

# Room for the head of the list, which grows with its length.
_PART_PLAIN_BYTES_MAX = limits.PART_BYTES_MAX - OVERHEAD_BYTES - 9
# A day without records still has its columns: about 22 elements.
_PART_ITEMS_MAX = 32 * limits.STATEMENT_DAYS_MAX
_PART_DEPTH_MAX = 6


@dataclass(frozen=True, slots=True)
class Announced:
    """One part as the signed invocation announced it: SHA-256 and length in bytes, sealed."""

    digest: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """A verified delivery: every day of the statement, dense, with its salt and records."""

    statement: Statement
    days: tuple[StatementDay, ...]


def pack_parts(
    statement: Statement,
    days: Sequence[StatementDay],
    *,
    reader_key: bytes,
    to: str,
    nonce: bytes,
    entropy: Entropy,
) -> list[bytes]:
    """The sealed parts of a delivery of all `days` of `statement` to the persona `to`.

    `reader_key` is the recipient's X25519 public key; `nonce` that of the invocation's args.
    Raises RecordError if a day does not fit one part, or the whole one delivery.
    """
    if [day.day for day in days] != list(range(statement.first, statement.last + 1)):
        raise RecordError("a delivery carries every day of its statement once, in order")
    parts: list[bytes] = []
    elements = [encode(statement.raw)]
    size = len(elements[0])

    def finish() -> None:
        plaintext = _list_head(len(elements)) + b"".join(elements)
        info = _info(statement.src, to, nonce, statement.cid, len(parts))
        parts.append(seal(reader_key, info, plaintext, entropy=entropy))

    for day in days:
        element = b"\x83" + encode(day.day) + encode(day.salt) + write_columns(day.batch)
        if len(element) > _PART_PLAIN_BYTES_MAX - len(elements[0]):
            raise RecordError(f"the {len(day.batch)} records of one day do not fit one part")
        if size + len(element) > _PART_PLAIN_BYTES_MAX:
            finish()
            elements, size = [], 0
        elements.append(element)
        size += len(element)
    finish()
    if sum(map(len, parts)) > limits.DELIVERY_BYTES_MAX:
        raise RecordError("this is too much for one delivery: deliver fewer days at a time")
    return parts


def announce(parts: Iterable[bytes]) -> tuple[Announced, ...]:
    """What the invocation says of sealed parts."""
    return tuple(Announced(sha256(part), len(part)) for part in parts)


def check_announced(announced: Sequence[Announced]) -> None:
    """Refuse a delivery by what it announces, before a byte of it is taken.  Raises WireError."""
    if not 0 < len(announced) <= limits.DELIVERY_PARTS_MAX:
        raise WireError(f"a delivery has 1 to {limits.DELIVERY_PARTS_MAX} parts")
    if any(not OVERHEAD_BYTES < part.length <= limits.PART_BYTES_MAX for part in announced):
        raise WireError("a part of a delivery has at most 1 MiB")
    if sum(part.length for part in announced) > limits.DELIVERY_BYTES_MAX:
        raise WireError("a delivery announces more than one delivery may bring")


def open_parts(
    parts: Iterable[bytes],
    announced: Sequence[Announced],
    *,
    secret: ReaderSecret,
    src: str,
    to: str,
    nonce: bytes,
    statement: bytes,
) -> Delivered:
    """Open, decode and verify a delivery from `src` to the persona `to`, part by part.

    `announced`, `nonce` and `statement` (a CID) are those of the invocation's args.  Raises
    WireError (form, announcement), BadCiphertext (another's part, or place), BadSignature,
    RecordError, StatementError (not what the source signed).
    """
    check_announced(announced)
    signed: Statement | None = None
    days: list[StatementDay] = []
    arrived = 0
    for index, part in enumerate(parts):
        if index >= len(announced):
            raise WireError("a delivery has more parts than it announced")
        if len(part) != announced[index].length or sha256(part) != announced[index].digest:
            raise WireError(f"part {index} of a delivery is not the one announced")
        info = _info(src, to, nonce, statement, index)
        elements = _decode_part(open_sealed(secret, info, part))
        if signed is None:
            signed = _statement_of(elements.pop(0), src=src, to=to, cid=statement)
        for element in elements:
            days.append(_day_of(element, signed, signed.first + len(days)))
        arrived += 1
    if signed is None or arrived != len(announced):
        raise WireError(f"a delivery has {arrived} of the {len(announced)} parts announced")
    if len(days) != signed.days:
        raise StatementError("a delivery does not hold every day of its statement")
    if not equal(tree_hash([day.leaf for day in days]), signed.root):
        raise StatementError("a delivery is not what its source signed")
    return Delivered(signed, tuple(days))


def _decode_part(plaintext: bytes) -> list[Value]:
    value = decode(
        plaintext,
        bytes_max=limits.PART_BYTES_MAX,
        depth_max=_PART_DEPTH_MAX,
        items_max=_PART_ITEMS_MAX,
    )
    if not isinstance(value, list) or not value:
        raise WireError("a part of a delivery is not a list of days")
    return value


def _statement_of(raw: Value, *, src: str, to: str, cid: bytes) -> Statement:
    if not isinstance(raw, bytes):
        raise WireError("part 0 of a delivery does not begin with a statement")
    statement = parse_statement(raw)
    if statement.cid != cid:
        raise StatementError("a delivery brings another statement than it announced")
    if statement.src != src:
        raise StatementError("a delivery brings a statement that its sender did not sign")
    if statement.sub != to:
        raise StatementError("a delivery brings a statement on somebody else")
    return statement


def _day_of(element: Value, statement: Statement, expected: int) -> StatementDay:
    schema = statement.schema
    match element:
        case [int(day), bytes(salt), columns] if type(day) is int and len(salt) == SALT_BYTES:
            if day != expected:
                raise WireError("the days of a delivery are not dense and in order")
            batch = decode_columns(schema, columns)
            require_day(batch, day)
            return StatementDay(day, salt, batch, day_leaf(schema, day, salt, batch))
        case _:
            raise WireError("a day of a delivery is not [day, salt, columns]")


def _info(src: str, to: str, nonce: bytes, statement: bytes, index: int) -> bytes:
    return encode([label(Tag.DELIVERY), src, to, nonce, statement, index])


def _list_head(length: int) -> bytes:
    """The head of a DAG-CBOR list, in the fewest bytes."""
    if length < 24:
        return bytes((0x80 | length,))
    if length < 0x100:
        return bytes((0x98, length))
    return b"\x99" + length.to_bytes(2, "big")

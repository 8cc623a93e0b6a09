"""`cb(x)`: the one byte form of a value, strict DAG-CBOR.

Everything that is hashed, signed or derived goes through `encode`.  Maps are sorted by key length
and then bytewise, integers and lengths are minimal, and the only tag is 42 (a link).  Floats do
not exist in our formats.  Decoding, with its limits, is `protocol/wire.py`.

Source: DAG-CBOR specification, https://ipld.io/specs/codecs/dag-cbor/spec/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cbor2

Value: TypeAlias = "bool | int | str | bytes | Link | Sequence[Value] | Mapping[str, Value] | None"

LINK_TAG = 42


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """A CID inside a value (tag 42).  `cid` is the binary form, without the multibase 0 byte."""

    cid: bytes


def _link_default(encoder: Any, value: object) -> None:
    if not isinstance(value, Link):
        raise TypeError(f"{type(value).__name__} has no form in DAG-CBOR")
    encoder.encode(cbor2.CBORTag(LINK_TAG, b"\x00" + value.cid))


def encode(value: Value) -> bytes:
    """The strict DAG-CBOR bytes of `value`.

    Raises TypeError for a type that the formats do not have.  Floats are the caller's fault and
    are refused by every decoder, ours first.
    """
    return cbor2.dumps(value, canonical=True, default=_link_default)


def encode_in_order(value: Value) -> bytes:
    """As `encode`, for a value whose maps are in canonical order already: half the time.

    For a decoder, which has checked that order and compares with what it was given.
    """
    return cbor2.dumps(value, default=_link_default)

"""The strict codec: what comes from outside is read here and nowhere else.

One value has one byte form (DAG-CBOR, `crypto/canonical.py`).  `decode` reads, checks the limits,
encodes again and requires the same bytes, so duplicate keys, indefinite lengths, unsorted maps,
padded integers, floats, undefined and foreign tags are all refused, and two programs cannot read
one message differently.  `Body` then gives the typed fields of a map that must have exactly the
keys that its format names: an unknown key is an error, never ignored.  `decode_own` reads the rows
of a node's own store, and nothing that comes from elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cbor2

from ..crypto.canonical import LINK_TAG, Link, Value, encode, encode_in_order
from . import limits
from .cid import check_link
from .errors import VersionError, WireError

__all__ = ["Body", "Link", "Value", "decode", "decode_own", "encode"]

VERSION = 1


def decode(
    data: bytes,
    *,
    bytes_max: int = limits.FRAME_BYTES_MAX,
    depth_max: int = limits.DEPTH_MAX,
    items_max: int = limits.ITEMS_MAX,
) -> Value:
    """Decode one strict DAG-CBOR value that fills `data` exactly.

    Lists come back as `list`, maps as `dict` with text keys, links as `Link`.
    Raises WireError.
    """
    if len(data) > bytes_max:
        raise WireError(f"a value of {len(data)} bytes passes the limit of {bytes_max}")
    value = _checked(_loaded(data, depth_max), items_max)
    if encode_in_order(value) != data:
        raise WireError(_NOT_CANONICAL)
    return value


def decode_own(data: bytes) -> Value:
    """Decode what this node itself encoded, and has authenticated: a row that it sealed.

    As `decode`, without asking again what `encode` has seen to (one form, kinds and sizes of what
    is in it), which takes four times as long as reading it.  Never for what comes from outside.
    Raises WireError.
    """
    return cast("Value", _loaded(data, limits.DEPTH_MAX))


def _loaded(data: bytes, depth_max: int) -> object:
    try:
        return cbor2.loads(
            data,
            tag_hook=_link_of_tag,
            semantic_decoders=_NO_SEMANTICS,
            max_depth=depth_max,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    except (cbor2.CBORDecodeError, ValueError, OverflowError, RecursionError, TypeError) as error:
        # What a hook raises comes wrapped; its own sentence says more.
        if isinstance(error.__cause__, WireError):
            raise error.__cause__ from None
        raise WireError("these bytes are not strict DAG-CBOR") from error


_NOT_CANONICAL = "this value is not in its one canonical form"


def _refuse_tag(*_: Any) -> Any:
    raise WireError("the only tag allowed is 42, a link")


# cbor2 gives these tags a meaning of its own (dates, big integers, shared references, …).
_REFUSED_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261)
_NO_SEMANTICS = {tag: _refuse_tag for tag in (*_REFUSED_TAGS, 1004, 43000, 55799)}


def _link_of_tag(tag: cbor2.CBORTag, *_: Any) -> Link:
    inner = tag.value
    if tag.tag != LINK_TAG or not isinstance(inner, bytes) or inner[:1] != b"\x00":
        raise WireError("the only tag allowed is 42, a link")
    if not 1 < len(inner) <= 101:
        raise WireError("a link has the wrong length")
    return Link(check_link(inner[1:]))


def _checked(raw: object, items_max: int) -> Value:
    """Refuse what DAG-CBOR or our formats do not have, in one walk without recursion."""
    pending: list[object] = [raw]
    items = 0
    while pending:
        item = pending.pop()
        kind = type(item)
        if kind is int:
            if not limits.INTEGER_MIN <= cast("int", item) <= limits.INTEGER_MAX:
                raise WireError("an integer does not fit 64 bits")
        elif kind is list:
            pending.extend(cast("list[object]", item))
        elif kind is dict:
            mapping = cast("dict[object, object]", item)
            _check_keys(mapping)
            pending.extend(mapping.values())
        elif kind not in _LEAVES:
            raise WireError("floats, undefined and simple values have no place here")
        items += 1
        if items + len(pending) > items_max:
            raise WireError(f"a value of more than {items_max} elements passes the limit")
    return cast("Value", raw)


def _check_keys(mapping: dict[object, object]) -> None:
    """Keys are text, in order of their length in bytes and then of their bytes."""
    length, before = -1, b""
    for key in mapping:
        if type(key) is not str:
            raise WireError("the keys of a map are text")
        name = key.encode()
        if len(name) < length or (len(name) == length and name <= before):
            raise WireError(_NOT_CANONICAL)
        length, before = len(name), name


_LEAVES = frozenset((str, bytes, bool, type(None), Link))


@dataclass(frozen=True, slots=True)
class Body:
    """A decoded map with exactly the keys that its format names.

    Each accessor checks type and limits, and raises WireError with the name of the field.
    """

    what: str
    fields: Mapping[str, Value]

    @classmethod
    def open(cls, value: Value, what: str, keys: Collection[str]) -> Body:
        """Take `value` as a map whose keys are exactly `keys`.

        Where the format has a version (`v` in keys), it must be 1: VersionError else, before the
        other keys are looked at, so that a newer body gets the right sentence.
        """
        # What was decoded is a dict: to ask its abstract class takes as long as all the rest.
        kind = type(value)
        if kind is not dict and not isinstance(value, Mapping):
            raise WireError(f"{what} is not a map")
        value = cast("Mapping[str, Value]", value)
        has_version = "v" in keys
        if has_version and "v" in value and value["v"] != VERSION:
            raise VersionError(_version_sentence(what, value["v"]))
        if set(value) != set(keys):
            missing = sorted(set(keys) - set(value))
            detail = f"lacks {', '.join(missing)}" if missing else "has a key that is not known"
            raise WireError(f"{what} {detail}")
        if has_version and type(value["v"]) is not int:
            raise WireError(f"{what}: v is not an integer")
        return cls(what, value)

    @classmethod
    def of_list(cls, value: Value, what: str, keys: Sequence[str]) -> Body:
        """Take `value` as a list with one element for each of `keys`, in their order."""
        if not isinstance(value, list) or len(value) != len(keys):
            raise WireError(f"{what} is not a list of {', '.join(keys)}")
        return cls(what, dict(zip(keys, value, strict=True)))

    def _wrong(self, key: str, wanted: str) -> WireError:
        return WireError(f"{self.what}: {key} is not {wanted}")

    def value(self, key: str) -> Value:
        return self.fields[key]

    def text(self, key: str, *, chars_max: int = limits.LINE_CHARS_MAX, chars_min: int = 0) -> str:
        value = self.fields[key]
        if not isinstance(value, str) or not chars_min <= len(value) <= chars_max:
            raise self._wrong(key, f"text of {chars_min} to {chars_max} characters")
        return value

    def integer(self, key: str, *, low: int = 0, high: int = limits.INTEGER_MAX) -> int:
        value = self.fields[key]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(key, f"an integer from {low} to {high}")
        return value

    def flag(self, key: str) -> bool:
        value = self.fields[key]
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def data(self, key: str, *, length: int | None = None, bytes_max: int | None = None) -> bytes:
        """Bytes: of exactly `length`, or of at most `bytes_max`."""
        value = self.fields[key]
        if not isinstance(value, bytes):
            raise self._wrong(key, "bytes")
        if length is not None and len(value) != length:
            raise self._wrong(key, f"{length} bytes")
        if bytes_max is not None and len(value) > bytes_max:
            raise self._wrong(key, f"at most {bytes_max} bytes")
        return value

    def items(self, key: str, *, items_max: int, items_min: int = 0) -> Sequence[Value]:
        value = self.fields[key]
        if not isinstance(value, list) or not items_min <= len(value) <= items_max:
            raise self._wrong(key, f"a list of {items_min} to {items_max} elements")
        return value

    def body(self, key: str, keys: Collection[str]) -> Body:
        return Body.open(self.fields[key], f"{self.what}: {key}", keys)

    def maybe_text(self, key: str, *, chars_max: int = limits.LINE_CHARS_MAX) -> str | None:
        return None if self.fields[key] is None else self.text(key, chars_max=chars_max)

    def maybe_integer(
        self, key: str, *, low: int = 0, high: int = limits.INTEGER_MAX
    ) -> int | None:
        return None if self.fields[key] is None else self.integer(key, low=low, high=high)

    def maybe_data(
        self, key: str, *, length: int | None = None, bytes_max: int | None = None
    ) -> bytes | None:
        if self.fields[key] is None:
            return None
        return self.data(key, length=length, bytes_max=bytes_max)


def _version_sentence(what: str, version: Value) -> str:
    if isinstance(version, int) and version > VERSION:
        return f"{what} is of version {version}, newer than this program: update this side"
    return f"{what} is of a version that is no longer spoken: the other side must update"

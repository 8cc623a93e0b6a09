"""A frozen dataclass as a plain value of the formats, and back, by its annotations.

What crosses the control socket is a map with exactly the fields of its dataclass, so the types in
`results/` are the one description of it.  Field types are: int, str, bool, bytes, an enum of
text, `Window`, another such dataclass, `tuple[T, …]` of any length, `T | None`, `dict[str, T]`,
and `Value` (anything, as it is).  One dataclass and plain types may share a field: the map is the
dataclass.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ..protocol.errors import WireError
from ..protocol.window import Window, window_from_value
from ..protocol.wire import Body, Link, Value

T = TypeVar("T")
_PLAIN = frozenset({type(None), bool, int, str, bytes})
Read = Callable[[Value], Any]  # the field's own type says what; `_reader` builds it from that


def to_value(thing: object) -> Value:
    """The plain value of a dataclass (or of what may stand in one)."""
    if type(thing) in _PLAIN:  # most of what there is; an enum of text is of its own type
        return cast("Value", thing)
    if isinstance(thing, Window):
        return thing.value()
    if isinstance(thing, StrEnum):
        return thing.value
    if isinstance(thing, Link):  # a value already, though a dataclass
        return thing
    if is_dataclass(thing) and not isinstance(thing, type):
        return {name: to_value(getattr(thing, name)) for name in _names(type(thing))}
    if isinstance(thing, (tuple, list)):
        return [to_value(item) for item in cast("tuple[object, ...]", thing)]
    if isinstance(thing, Mapping):
        pairs = cast("Mapping[str, object]", thing).items()
        return {key: to_value(item) for key, item in pairs}
    return cast("Value", thing)


@cache
def _names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))


def from_value(cls: type[T], value: Value) -> T:
    """A dataclass from its plain value.  Raises WireError, RecordError for a path."""
    read: Read = _dataclass_reader(cast("Hashable", cls))
    return cast("T", read(value))


@cache
def _dataclass_reader(cls: Hashable) -> Read:
    assert isinstance(cls, type)
    assert is_dataclass(cls)
    # Without the class's own names: a field may be called `bytes`.  A `Value` is passed as it is.
    hints = get_type_hints(cls, localns={"Value": object})
    readers = {field.name: _reader(hints[field.name]) for field in fields(cls)}

    def read(value: Value) -> Any:
        body = Body.open(value, cls.__name__, readers)
        return cls(**{name: reader(body.value(name)) for name, reader in readers.items()})

    return read


def _reader(hint: Any) -> Read:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Window:
        return lambda value: window_from_value(value, "a window")
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value: _dataclass_reader(hint)(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return lambda value: _member(hint, value)
    if hint in (int, str, bool, bytes):
        return lambda value: _exactly(hint, value)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _tuple_reader(_reader(arguments[0]))
    if origin is tuple:
        return _fixed_reader([_reader(argument) for argument in arguments])
    if origin is dict:
        return _map_reader(_reader(arguments[1]))
    if origin in (Union, types.UnionType) and types.NoneType in arguments:
        rest = [argument for argument in arguments if argument is not types.NoneType]
        if len(rest) == 1:
            inner = _reader(rest[0])
            return lambda value: None if value is None else inner(value)
        forms = [one for one in rest if isinstance(one, type) and is_dataclass(one)]
        if len(forms) == 1:
            form = _reader(forms[0])
            plain = tuple(one for one in rest if one is not forms[0])
            return lambda value: (
                form(value) if isinstance(value, Mapping) else _one_of(plain, value)
            )
    return lambda value: value


def _one_of(kinds: tuple[type[Any], ...], value: Value) -> Any:
    if value is not None and type(value) not in kinds:
        raise WireError("an answer holds something else than it may")
    return value


def _exactly(kind: type[Any], value: Value) -> Any:
    if type(value) is not kind:
        raise WireError(f"an answer holds something else than {kind.__name__}")
    return value


def _member(kind: type[StrEnum], value: Value) -> StrEnum:
    try:
        return kind(cast("str", value))
    except ValueError:
        raise WireError(f"an answer holds an unknown {kind.__name__}") from None


def _tuple_reader(item: Read) -> Read:
    return lambda value: tuple(item(one) for one in _list(value))


def _fixed_reader(items: list[Read]) -> Read:
    def read(value: Value) -> Any:
        found = _list(value)
        if len(found) != len(items):
            raise WireError("an answer holds a list of another length")
        return tuple(item(one) for item, one in zip(items, found, strict=True))

    return read


def _map_reader(item: Read) -> Read:
    def read(value: Value) -> Any:
        if not isinstance(value, Mapping):
            raise WireError("an answer holds something else than a map")
        return {key: item(one) for key, one in value.items()}

    return read


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise WireError("an answer holds something else than a list")
    return value

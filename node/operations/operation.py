"""What an operation is: a name, its arguments, and one function of a node.

An operation is the same whether it comes over the control socket or from a command that has opened
the home itself.  It is handed a `Host` and its `Args`, may emit items and progress, and returns one
value.  Arguments come from outside: each accessor checks form and limits and raises UsageError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from ...crypto.errors import EntrenousError
from ...protocol.cid import cid_text
from ...protocol.collection import check_path
from ...protocol.day import UNDATED
from ...protocol.errors import ProtocolError, WireError
from ...protocol.limits import LINE_CHARS_MAX, WINDOWS_MAX
from ...protocol.window import Window, check_window, window_from_value
from ...protocol.wire import Body, Value
from ..errors import NotFound, UsageError, exit_of
from ..node import Node
from ..store.home import Home

# Fewer characters of an id are a slip, not a choice.
ID_CHARS_MIN = 6
PATH_CHARS_MAX = 4_096
# What every CID of ours begins with: it tells nothing apart.
_CID_HEAD = "bafyrei"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Host:
    """The node that an operation is done on, and where it stands.

    `running`: it is on the network.  `stop` ends it; None where there is nothing to end.
    `push` is where local programs push; None where they cannot.
    """

    node: Node
    home: Home
    running: bool
    version: str
    stop: Callable[[], None] | None = None
    push: str | None = None


class Emit(Protocol):
    """Where items and progress of an operation go."""

    async def item(self, value: Value) -> None:
        """Hand over one item; wait while the other side does not take it."""
        ...

    def progress(self, value: Value) -> None:
        """Say how far it is; dropped if nobody keeps up."""
        ...


@dataclass(frozen=True, slots=True)
class Args:
    """The arguments of one operation: exactly its keys, those that may be left out as None."""

    body: Body

    @classmethod
    def open(cls, op: str, value: Value, required: Sequence[str], optional: Sequence[str]) -> Args:
        """Raises UsageError unless `value` is a map with these keys."""
        if not isinstance(value, Mapping):
            raise UsageError(f"{op}: its arguments are a map")
        filled = {**dict.fromkeys(optional), **value}
        try:
            return cls(Body.open(filled, op, (*required, *optional)))
        except WireError as error:
            raise UsageError(str(error)) from error

    def text(self, key: str, chars_max: int = LINE_CHARS_MAX) -> str:
        return _usage(lambda: self.body.text(key, chars_max=chars_max))

    def maybe_text(self, key: str, chars_max: int = LINE_CHARS_MAX) -> str | None:
        return _usage(lambda: self.body.maybe_text(key, chars_max=chars_max))

    def integer(self, key: str) -> int:
        return _usage(lambda: self.body.integer(key))

    def maybe_integer(self, key: str) -> int | None:
        return _usage(lambda: self.body.maybe_integer(key))

    def flag(self, key: str) -> bool:
        return _usage(lambda: self.body.flag(key))

    def maybe_data(self, key: str, bytes_max: int) -> bytes | None:
        return _usage(lambda: self.body.maybe_data(key, bytes_max=bytes_max))

    def mapping(self, key: str) -> Mapping[str, Value]:
        value = self.body.value(key)
        if not isinstance(value, Mapping):
            raise UsageError(f"{self.body.what}: {key} is not a map")
        return value

    def items(self, key: str, items_max: int) -> Sequence[Value]:
        return _usage(lambda: self.body.items(key, items_max=items_max))

    def path(self, key: str) -> Path:
        """A place in the file system; absolute, because the node stands in a folder of its own."""
        path = Path(self.text(key, PATH_CHARS_MAX))
        if not path.is_absolute() or "\0" in str(path):
            raise UsageError(f"{self.body.what}: {key} is not an absolute path")
        return path

    def collection(self, key: str) -> str:
        return _usage(lambda: check_path(self.text(key)))

    def maybe_collection(self, key: str) -> str | None:
        return None if self.body.value(key) is None else self.collection(key)

    def window(self, collection: str, first: str = "first", last: str = "last") -> Window:
        return _usage(
            lambda: check_window(
                Window(self.text(collection), self.integer(first), self.integer(last))
            )
        )

    def days(self) -> tuple[int, int]:
        """`first … last`, both included; they may end with the undated records of one's own."""
        first, last = self.integer("first"), self.integer("last")
        if not first <= last <= UNDATED:
            raise UsageError(f"days go from an earlier to a later one, and end at {UNDATED}")
        return first, last

    def windows(self, key: str) -> tuple[Window, ...]:
        items = self.items(key, WINDOWS_MAX)
        return _usage(lambda: tuple(window_from_value(item, key) for item in items))

    def maybe_windows(self, key: str) -> tuple[Window, ...] | None:
        return None if self.body.value(key) is None else self.windows(key)

    def id(self, key: str, cids: Iterable[bytes], what: str) -> bytes:
        """The one of `cids` that the argument names: in full as bytes, or by part of its text.

        Raises NotFound, UsageError for a part that is too short or names several.
        """
        given = self.body.value(key)
        known = set(cids)
        if isinstance(given, bytes):
            if given in known:
                return given
            raise NotFound(f"there is no such {what} here")
        return named(self.text(key), known, what)


Run = Callable[[Host, Args, Emit], Awaitable[Value]]


@dataclass(frozen=True, slots=True)
class Operation:
    """`run`, the keys of its arguments, and whether it needs a node that is on the network."""

    run: Run
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    needs_network: bool = False


def _usage(read: Callable[[], T]) -> T:
    try:
        return read()
    except ProtocolError as error:
        raise UsageError(str(error)) from error


# --- ids ------------------------------------------------------------------------------------------


# Which command lists what is named so.
_LISTED = {
    "request": "`entrenous inbox --all` and `asked`",
    "grant": "`entrenous grants --all`",
    "request or grant": "`entrenous inbox --all`, `asked` and `grants --all`",
    "payment": "`entrenous accounts PEER`",
    "shared record": "`entrenous shared`",
}


def named(text: str, cids: Iterable[bytes], what: str) -> bytes:
    """The CID that `text` begins, with or without the head that all of them share.

    Raises NotFound, UsageError.
    """
    wanted = text.strip().lower()
    if len(wanted) < ID_CHARS_MIN:
        raise UsageError(f"a {what} is named by {ID_CHARS_MIN} or more characters of its id")
    found = [cid for cid in cids if _begins(cid_text(cid), wanted)]
    if not found:
        where = _LISTED.get(what)
        listed = "" if where is None else f": see {where}"
        raise NotFound(f"there is no {what} whose id begins like this{listed}")
    if len(found) > 1:
        raise UsageError(f"{len(found)} ids begin like this: give more of the {what}'s id")
    return found[0]


def _begins(full: str, wanted: str) -> bool:
    return full.startswith(wanted) or full.startswith(_CID_HEAD + wanted)


def shorts(cids: Iterable[bytes]) -> dict[bytes, str]:
    """For each CID the shortest text that `named` takes for it among these."""
    texts = sorted((cid_text(cid), cid) for cid in set(cids))
    found: dict[bytes, str] = {}
    for place, (text, cid) in enumerate(texts):
        size = len(_CID_HEAD) + ID_CHARS_MIN
        for other in texts[max(place - 1, 0) : place] + texts[place + 1 : place + 2]:
            size = max(size, _shared(text, other[0]) + 1)
        found[cid] = text[:size]
    return found


def _shared(one: str, other: str) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one)
    )


# --- errors ---------------------------------------------------------------------------------------


def error_value(error: EntrenousError) -> Value:
    """`{exit, sentence, code|null}`: an error as it is told to the client."""
    exit, code = exit_of(error)
    return {"exit": int(exit), "sentence": str(error)[:1_000], "code": code}

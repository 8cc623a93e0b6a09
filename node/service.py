"""Services: what an app is given to be a command of its own.

    entry point ──> Service ──> run(Host, options…) ──> Client
                    (the app)   (handed in by the runner of the command line)

An app that serves its person names a `Service` under the entry point group `entrenous.services`;
its functions take a `Host` first and options after it.  Through the host it reaches the person's
node, whether it runs or is opened for this one command, prints, and keeps one small file of the
person's own settings in the home.  Of the node an app sees this module and `client.py`, nothing
else: it cannot tell where the data lies, and it holds no key.

Nothing that an app prints reaches the terminal but through `visible` and `Host.draw`: labels were
written by others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .cli.json_form import Shape
from .cli.visible import visible
from .client import Client
from .errors import Exit, NotFound, UsageError
from .small_file import read_small
from .store.home import write_atomically

__all__ = ["Exit", "Host", "NotFound", "Service", "Shape", "UsageError", "file_text", "visible"]

GROUP: Final = "entrenous.services"
# A file of a person's own settings, or a tariff that they name.
OWN_FILE_BYTES_MAX: Final = 1 << 20

Command = Callable[..., Awaitable[int]]
"""A command of a service: `async def command(host: Host, /, *, option: … = …) -> int`."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its line in the list of commands, what it does, and commands below it."""

    help: str
    run: Command
    more: Mapping[str, Command] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Host:
    """What one run of a service has.

    `node()` is the person's node, running or opened for this; raises HomeError, WrongPassphrase.
    `now_ms` is when it was asked.  `columns` is the width to draw in; `colour` and `blocks` say
    whether it may use colours, and marks outside ASCII.  With `json`, only `show` prints.
    """

    node: Callable[[], AbstractAsyncContextManager[Client]] = field(repr=False)
    home: Path
    now_ms: int
    json: bool
    columns: int
    colour: bool
    blocks: bool

    def draw(self, lines: Iterable[str]) -> None:
        """Lines as they are, for the eye; what comes from outside has passed `visible`."""
        if not self.json:
            print("\n".join(lines), flush=True)

    def note(self, sentence: str) -> None:
        """One sentence beside the result, on stderr."""
        print(visible(sentence), file=sys.stderr, flush=True)

    def show(self, shape: Shape, thing: object) -> None:
        """The result as one JSON object, if that was asked for."""
        if self.json:
            print(json.dumps(shape.of(thing)), flush=True)

    def own_text(self, name: str) -> str | None:
        """The person's own file `name` in the home, None if there is none.  Raises UsageError."""
        try:
            return file_text(self.home / name)
        except NotFound:
            return None

    def keep_text(self, name: str, text: str) -> None:
        """Write the person's own file `name`, all of it or nothing, for their eyes only."""
        write_atomically(self.home / name, text.encode())


def file_text(path: Path) -> str:
    """A small file that the person wrote or named.  Raises NotFound, UsageError."""
    name = visible(path.name)
    raw = read_small(path, name=name, what="such a file", bytes_max=OWN_FILE_BYTES_MAX)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text") from None

"""Services as commands: the runner that hands each its host.

`__getattr__` makes a command of the service that is asked for, so that listing commands loads none
of them.  A command of a service has the options of every command (`options.py`) besides its own.
"""

from __future__ import annotations

import inspect
import os
import shutil
import sys
import time
from typing import get_type_hints

from cyclopts import App

from ..service import Command, Host, Service
from .commands import services
from .options import USUAL, Options, node_of

# Where the width is not known: a pipe, a file.
_COLUMNS = 80
_COLUMNS_MIN = 40


def __getattr__(name: str) -> App:
    """The service called `name`, as a command."""
    for found in services():
        if found.name == name:
            service = found.load()
            if isinstance(service, Service):
                return _app(name, service)
    raise AttributeError(f"there is no service {name}")


def host_of(options: Options) -> Host:
    """What a service is given, for one command line.  Raises UsageError."""
    screen = sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return Host(
        node=lambda: node_of(options),
        home=options.folder,
        now_ms=time.time_ns() // 1_000_000,
        json=options.json,
        columns=max(shutil.get_terminal_size((_COLUMNS, 24)).columns, _COLUMNS_MIN),
        colour=screen and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        blocks=encoding.startswith("utf"),
    )


def _app(name: str, service: Service) -> App:
    app = App(name=name, help=service.help)
    app.default(_command(service.run))
    for each, command in service.more.items():
        app.command(_command(command), name=each)
    return app


def _command(run: Command) -> Command:
    """`run` without its host, and with the options of every command in its place."""
    hints = get_type_hints(run, include_extras=True)
    signature = inspect.signature(run)
    host, *rest = signature.parameters.values()

    async def command(*given: object, options: Options = USUAL, **named: object) -> int:
        return await run(host_of(options), *given, **named)

    usual = inspect.Parameter(
        "options", inspect.Parameter.KEYWORD_ONLY, default=USUAL, annotation=Options
    )
    own = [one.replace(annotation=hints[one.name]) for one in rest]
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]  # functions have one
        parameters=[*own, usual], return_annotation=int
    )
    hints.pop(host.name, None)
    command.__annotations__ = {**hints, "options": Options}
    command.__doc__ = run.__doc__
    command.__name__ = run.__name__
    return command

"""The commands as cyclopts has them.

Each is named by where it stands and loaded when it is called, so that no command waits for what
another needs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from inspect import getdoc

from cyclopts import App, Group, Parameter

from ..program import version
from .commands import COMMANDS, PROGRAM_IS, command_names, first_line, other_commands, services

_HERE = "entrenous.node.cli"


def make_app(called: str | None = None) -> App:
    """The command line as a whole.

    Where a built-in command is `called`, the others are left out: cyclopts goes through all that it
    has for every option, and finding what other packages bring reads a file of each.  No name of
    theirs replaces a built-in one.
    """
    app = App(
        name="entrenous",
        help=PROGRAM_IS,
        help_format="plaintext",
        version=version,
        default_parameter=Parameter(negative=(), show_default=_default_in_words),
        backend="trio",
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
    )
    alone = called in command_names()
    for number, (title, commands) in enumerate(COMMANDS.items()):
        group = Group(title, sort_key=number)
        for order, (name, where, line) in enumerate(commands):
            if name == called or not alone:
                app.command(f"{_HERE}.{where}", name=name, group=group, sort_key=order, help=line)
    if alone:
        return app
    group = Group("Services", sort_key=len(COMMANDS))
    for found in services():
        where = f"{_HERE}.services:{found.name}"
        app.command(where, name=found.name, group=group, help=first_line(found))
    more = Group("More", sort_key=len(COMMANDS) + 1)
    for found in other_commands():
        app.command(found.value, name=found.name, group=more)
    return app


def _default_in_words(default: object) -> str | None:
    """A default as help shows it; that an option is off or empty without being given is no news."""
    return str(default) if default or (default == 0 and default is not False) else None


def explain(app: App, tokens: Sequence[str]) -> None:
    """Give the command that `tokens` name its whole docstring as help, flowing to any width."""
    for token in tokens:
        if token.startswith("-") or token not in app:
            break
        app = app[token]
    if app.default_command is not None and (text := getdoc(app.default_command)):
        paragraphs = re.split(r"\n\s*\n", text)
        app.help = "\n\n".join(" ".join(each.split()) for each in paragraphs)

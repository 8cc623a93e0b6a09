"""Errors of a node, by what a person can do about them; each maps to one exit code (cli.md)."""

from __future__ import annotations

from enum import IntEnum

from ..crypto.errors import EntrenousError, WrongPassphrase
from ..protocol.errors import CapabilityError, GrantRefused


class Exit(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    AWAY = 5


class NodeError(EntrenousError):
    """A node refused or failed; nothing was changed."""

    exit = Exit.FAILED


class UsageError(NodeError):
    """An argument is not of the form that the command takes."""

    exit = Exit.USAGE


class NotFound(NodeError):
    """There is no such peer, grant, request, collection or file."""

    exit = Exit.NOT_FOUND


class NotAllowed(NodeError):
    """The home is locked, or no grant allows this."""

    exit = Exit.NOT_ALLOWED


class Away(NodeError):
    """The other side is away; what was to be said is kept and will be sent."""

    exit = Exit.AWAY


class HomeError(NodeError):
    """The home folder cannot be used as it is."""


class HomeInUse(HomeError):
    """Another node runs on this home."""


class Refused(NodeError):
    """The other side answered with a refusal; `code` is its code on the wire."""

    exit = Exit.NOT_ALLOWED

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def exit_of(error: EntrenousError) -> tuple[Exit, str | None]:
    """The exit code for an error of any floor, and the protocol's code for it if it has one."""
    match error:
        case Refused():
            return error.exit, error.code
        case NodeError():
            return error.exit, None
        case GrantRefused() | CapabilityError():
            return Exit.NOT_ALLOWED, error.code.value
        case WrongPassphrase():
            return Exit.NOT_ALLOWED, None
        case _:
            return Exit.FAILED, None

"""Errors as a person is told them."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from difflib import get_close_matches
from typing import cast

from cyclopts import CycloptsError, MissingArgumentError, UnknownCommandError, UnknownOptionError

from ...crypto.errors import EntrenousError
from ..errors import Exit, exit_of
from .commands import command_names
from .renamed import renamed
from .screen import print_error

_NAME_MAX = 200  # characters of a path in a sentence


def failure(error: BaseException, *, as_json: bool) -> int | None:
    """Tell `error` and return its exit code; None for what no person could have caused."""
    error = _only(error)
    match error:
        case CycloptsError():
            exit, code, sentence = Exit.USAGE, None, _usage(error)
        case EntrenousError():
            (exit, code), sentence = exit_of(error), str(error)
        case UnicodeEncodeError():
            exit, code, sentence = Exit.USAGE, None, _letters(error)
        case OSError() if error.errno == errno.ENOSPC:
            # Not said: that nothing was changed.  It may be the output of what was done.
            exit, code, sentence = Exit.FAILED, None, "there is no space left to write to"
        case OSError() if error.strerror:
            exit, code, sentence = Exit.FAILED, None, _system(error)
        case _:
            return None
    print_error({"exit": int(exit), "code": code, "sentence": _whole(sentence)}, as_json=as_json)
    return int(exit)


def _only(error: BaseException) -> BaseException:
    """The one error inside groups of one: it passed the tasks of a nursery."""
    inner = cast("Sequence[BaseException]", getattr(error, "exceptions", ()))
    return _only(inner[0]) if len(inner) == 1 else error


def _usage(error: CycloptsError) -> str:
    """What is wrong with the words given, and where help is."""
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        # cyclopts would load every command to word this
        name = error.unused_tokens[0]
        close = get_close_matches(name, command_names(), n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        return f"there is no command {name}{meant}; `entrenous --help` lists all"
    said = " ".join(str(error).split()).rstrip(".")
    chain = [name for name in error.command_chain or () if not name.startswith("-")]
    if isinstance(error, UnknownOptionError):
        said = renamed(" ".join(chain), error.token.keyword or error.token.value) or said
    if isinstance(error, MissingArgumentError) and error.argument:
        given = error.keyword is not None or error.argument.tokens
        said = f"{error.argument.name} {'needs a value' if given else 'is missing'}"
    return f"{said}; see `{' '.join(['entrenous', *chain])} --help`"


def _letters(error: UnicodeEncodeError) -> str:
    """Bytes of an argument that are no text (Python keeps them as surrogates), or no way to print.

    What was given stands in `error.object`, which is not shown: it may be a link.
    """
    if error.encoding.replace("-", "") == "utf8":
        return "an argument holds bytes that are not UTF-8 text"
    return f"what is to be printed has letters that {error.encoding} has not; use a UTF-8 locale"


def _system(error: OSError) -> str:
    """What the system would not do, and with which file."""
    named: object = error.filename
    if not isinstance(named, str | bytes) or not named:
        return f"the system refused: {error.strerror}"
    name = os.fsdecode(named)
    short = name if len(name) <= _NAME_MAX else f"{name[:_NAME_MAX]}…"
    return f"{short}: {error.strerror}"


def _whole(sentence: str) -> str:
    return sentence or "it failed"

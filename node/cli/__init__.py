"""The command line: the only place where a refusal becomes a sentence and an exit code.

    0 done · 1 refused or failed · 2 wrong usage · 3 no such thing · 4 not allowed · 5 away, queued

An error of ours is one sentence on stderr (one object under `--json`).  Anything else that is
raised is a fault of this program and is shown as Python shows it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

INTERRUPTED = 130  # 128 + SIGINT, as shells count
_STDERR = 2
# Options of every command that take a value: they may also stand before its name.
_WITH_VALUE = ("--home", "--key-file", "--passphrase-fd")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; its exit code."""
    _open_streams()
    tokens = _options_last(list(sys.argv[1:] if argv is None else argv))
    try:
        code = _run(tokens)
        sys.stdout.flush()  # what cannot be written shall be told, not end in a traceback
        return code
    except BrokenPipeError:
        # Whoever read us has seen enough (`| head`).  Python would complain once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        from .failure import failure

        told = failure(error, as_json="--json" in tokens)
        if told is None:
            raise
        return told


def _run(tokens: Sequence[str]) -> int:
    if not tokens or tokens[0] in ("--help", "-h", "help"):
        from .commands import overview

        print(overview())
        return 0
    from .app import explain, make_app

    app = make_app(tokens[0])
    if "--help" in tokens or "-h" in tokens:
        explain(app, tokens)
    return _code(app(tokens))


def _open_streams() -> None:
    """Give a stream that was closed before we started (`>&-`) to nobody.

    Otherwise the next file that is opened would get its number, and what is printed with it.
    """
    while (handle := os.open(os.devnull, os.O_RDWR)) <= _STDERR:  # the lowest number that is free
        pass
    os.close(handle)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode))


def _options_last(tokens: list[str]) -> list[str]:
    """`entrenous --home DIR --json status` is `entrenous status --home DIR --json`."""
    first: list[str] = []
    rest = tokens
    while rest:
        name, given, _ = rest[0].partition("=")
        taken = 2 if name in _WITH_VALUE and not given else 1
        if name not in (*_WITH_VALUE, "--json") or len(rest) <= taken:
            break
        first, rest = [*first, *rest[:taken]], rest[taken:]
    # what stands after `--` is no option
    end = rest.index("--") if "--" in rest else len(rest)
    return [*rest[:end], *first, *rest[end:]]


def _code(result: object) -> int:
    return int(result) if isinstance(result, int) else 0

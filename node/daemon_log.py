"""The daemon's log: lines for whoever looks after the machine, on stderr.

It says that something happened and of which kind, never to whom or with what: below a warning or
above it, the names of peers and collections, addresses and paths are left out, and only `debug`
shows them.  Secrets are not in it at any level: they have no text form (`crypto/keys.py`).
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

# Keys whose values name somebody or something of the owner's.
NAMES = frozenset(
    ("peer", "name", "label", "collection", "path", "file", "address", "addresses", "did")
)


def without_names(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Leave out what names somebody, unless this is a line for debugging."""
    if method == "debug":
        return event
    return {key: value for key, value in event.items() if key not in NAMES}


def _to_stderr(*_: object) -> structlog.PrintLogger:
    """A logger to what is stderr when it speaks: a program may have put another in its place."""
    return structlog.PrintLogger(sys.stderr)


def set_up_log(*, debug: bool = False, quiet: bool = False) -> None:
    """Log to stderr from now on: from `info` on, from `debug` on, or `quiet`, from warnings on."""
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_names,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )
    # What libraries say: warnings only, and their own words.
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, stream=sys.stderr)

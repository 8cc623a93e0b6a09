"""The daemon's log: lines for whoever looks after the machine, on stderr or in a file kept small.

It says that something happened and of which kind, never to whom or with what: below a warning or
above it, the names of peers and collections, addresses and paths are left out, and only `debug`
shows them.  Secrets are not in it at any level: they have no text form (`crypto/keys.py`).
"""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog
from structlog.typing import EventDict, WrappedLogger

from .errors import HomeError
from .log.space import Sparing, SparingFilter
from .store.home import FILE_MODE

# About ten thousand lines; a quiet node writes a few a day.
FILE_BYTES_MAX = 1 << 20
FILES_KEPT = 5

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


def set_up_log(*, debug: bool = False, quiet: bool = False, file: Path | None = None) -> None:
    """Log to stderr or to `file` from now on: from `info` on, from `debug` on, or `quiet`, from
    warnings on.

    A file is kept small: at `FILE_BYTES_MAX` it becomes `file.1`, and the oldest of `FILES_KEPT`
    goes.  Raises HomeError for one that cannot be written.
    """
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    sparing = Sparing()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            sparing,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_names,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_to_stderr if file is None else structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    # What libraries say: warnings only, and their own words.
    handler = logging.StreamHandler(sys.stderr) if file is None else _rotating(file)
    libraries = logging.DEBUG if debug else logging.WARNING
    handler.setFormatter(_Lines(logging.BASIC_FORMAT))
    handler.addFilter(SparingFilter(sparing))
    logging.basicConfig(level=libraries, handlers=[handler], force=file is not None)
    # Two that say much and nothing of use here.
    for chatty in ("aiosqlite", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if file is not None:
        logging.getLogger("entrenous").setLevel(level)


class _Lines(logging.Formatter):
    """Our own lines as they are: they say their time and level themselves."""

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name.startswith("entrenous.")
        return record.getMessage() if ours else super().format(record)


class _OwnFile(RotatingFileHandler):
    """A log that only its owner can read, also after it was turned over."""

    def _open(self) -> TextIOWrapper:
        return open(
            self.baseFilename, "a", encoding="utf-8", opener=partial(os.open, mode=FILE_MODE)
        )


def _rotating(file: Path) -> logging.Handler:
    try:
        return _OwnFile(file, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT - 1)
    except OSError as error:
        raise HomeError(f"the log {file} cannot be written: {error.strerror}") from error

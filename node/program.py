"""What this program is called, and which one it is."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """The version that is installed.  Looked up when it is asked for: finding out takes longer than
    most commands."""
    from importlib import metadata

    try:
        return metadata.version("entrenous")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "0+unknown"

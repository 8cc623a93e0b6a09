"""What this program is called, and which one it is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _version() -> str:
    try:
        return version("entrenous")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0+unknown"


VERSION = _version()

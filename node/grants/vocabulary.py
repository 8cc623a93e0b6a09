"""The vocabulary of purposes, and which fields each needs: read from the package, once.

The floor below does no I/O, so what its data files say is handed to it from here.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ...protocol.fields_needed import FieldsNeeded, parse_fields_needed
from ...protocol.purposes import Purposes, parse_purposes

_PROTOCOL = f"{__name__.split('.')[0]}.protocol"


@cache
def purposes() -> Purposes:
    """The purposes that this program knows (`protocol/purposes.toml`)."""
    return parse_purposes(files(_PROTOCOL).joinpath("purposes.toml").read_text("utf-8"))


@cache
def fields_needed() -> FieldsNeeded:
    """What each purpose needs (`protocol/fields_needed.toml`)."""
    text = files(_PROTOCOL).joinpath("fields_needed.toml").read_text("utf-8")
    return parse_fields_needed(text, purposes())

"""`[terms]` of config.toml: what this node takes of terms without asking its operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Self, cast

from .errors import UsageError

_TABLE: Final = "terms"
_SWITCH: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class TermsSettings:
    """`accept_narrower`: an answer whose terms bind this reader harder than it asked is taken
    without asking; otherwise it waits in the inbox."""

    accept_narrower: bool = False

    @classmethod
    def read(cls, written: object, environment: Mapping[str, str]) -> Self:
        """From the table of config.toml and the environment over it.  Raises UsageError."""
        if not isinstance(written, dict):
            raise UsageError("config.toml: terms is a table: [terms]")
        found = dict(cast("dict[str, object]", written))
        names = [field.name for field in fields(cls)]
        for key in found.keys() - set(names):
            raise UsageError(f"config.toml names a setting that does not exist: terms.{key}")
        for name in names:
            if (text := environment.get(f"ENTRENOUS_TERMS_{name.upper()}")) is not None:
                found[name] = _SWITCH.get(text.lower(), text)
        for name, value in found.items():
            if not isinstance(value, bool):
                raise UsageError(f"the setting terms.{name} is true or false")
        return cls(**cast("dict[str, bool]", found))

    def lines(self) -> list[str]:
        """These settings as TOML."""
        lines = ["", f"[{_TABLE}]  # as ENTRENOUS_TERMS_<NAME>"]
        return lines + [
            f"{field.name} = {str(getattr(self, field.name)).lower()}" for field in fields(self)
        ]

"""Settings of a node: `config.toml` in its home, each also as `ENTRENOUS_…` in the environment.

Nothing secret is a setting.  What the node itself remembers (its port, its peers) is not here
either: it stands in the store or in files of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Self, cast

import platformdirs

from ..protocol.toml_text import toml_table
from .errors import HomeError, UsageError
from .sizes import size_of
from .terms_settings import TermsSettings

CONFIG_BYTES_MAX = 64 * 1024
ENVIRONMENT_PREFIX = "ENTRENOUS_"
_IDENTITY = "identity"
_TERMS = "terms"


class Role(StrEnum):
    """Whose node this is.  A person is known to each peer by another persona; an organisation
    is known to the world by one."""

    PERSON = "person"
    ORGANISATION = "organisation"


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """`[identity]`: whether the domains that peers claim are asked, and whether questions about
    one's own vouches are answered."""

    check_domains: bool = True
    answer_vouches: bool = True

    @classmethod
    def read(cls, written: object, environment: Mapping[str, str]) -> Self:
        """From the table of config.toml and the environment over it.  Raises UsageError."""
        if not isinstance(written, dict):
            raise UsageError("config.toml: identity is a table: [identity]")
        found = dict(cast("dict[str, object]", written))
        names = [field.name for field in fields(cls)]
        for key in sorted(found.keys() - set(names)):
            raise UsageError(
                f"config.toml names a setting that does not exist: identity.{key[:64]}"
            )
        for name in names:
            variable = f"{ENVIRONMENT_PREFIX}IDENTITY_{name.upper()}"
            if (text := environment.get(variable)) is not None:
                found[name] = _SWITCH.get(text.lower(), text)
        for name, value in found.items():
            if not isinstance(value, bool):
                raise UsageError(f"the setting identity.{name} is true or false")
        return cls(**cast("dict[str, bool]", found))


_SWITCH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Config:
    """Settings, with their defaults.  `listen` is a multiaddr; port 0 is chosen at first start.

    `push_socket` and `push_group`: where local programs push, and who may (`push_socket.py`).
    `peer_quota`: what each peer may fill of the disk, unless it was given its own (`quotas.py`).
    """

    name: str = "Home"
    role: Role = Role.PERSON
    listen: str = "/ip4/0.0.0.0/tcp/0"
    push_socket: str = "auto"
    push_group: str = "none"
    peer_quota: str = "4 GiB"
    identity: IdentitySettings = IdentitySettings()
    terms: TermsSettings = field(default_factory=TermsSettings)

    @classmethod
    def read(cls, home: Path, environment: Mapping[str, str] = os.environ) -> Self:
        """Read `home/config.toml`, then the environment over it.

        Raises HomeError for a file that is not valid TOML, UsageError for a setting that is not
        known or not of its type.
        """
        path = home / "config.toml"
        found: dict[str, object] = {}
        if path.exists():
            raw = path.read_bytes()[: CONFIG_BYTES_MAX + 1]
            if len(raw) > CONFIG_BYTES_MAX:
                raise HomeError(f"config.toml is larger than {CONFIG_BYTES_MAX} bytes")
            try:
                found = toml_table(raw.decode())
            except (ValueError, RecursionError) as error:  # TOML, UTF-8, a number without end
                raise HomeError(f"config.toml cannot be read: {error}") from error
        identity = IdentitySettings.read(found.pop(_IDENTITY, {}), environment)
        terms = TermsSettings.read(found.pop(_TERMS, {}), environment)
        names = {field.name for field in fields(cls)} - {_IDENTITY, _TERMS}
        for key in sorted(found.keys() - names):
            raise UsageError(f"config.toml names a setting that does not exist: {key[:64]}")
        for name in names:
            if (text := environment.get(ENVIRONMENT_PREFIX + name.upper())) is not None:
                found[name] = text
        lines = {key: _line(key, value) for key, value in found.items()}
        usual = cls()
        return cls(
            name=lines.get("name", usual.name),
            role=_role(lines.get("role", usual.role)),
            listen=lines.get("listen", usual.listen),
            push_socket=lines.get("push_socket", usual.push_socket),
            push_group=lines.get("push_group", usual.push_group),
            peer_quota=_size(lines.get("peer_quota", usual.peer_quota)),
            identity=identity,
            terms=terms,
        )

    def text(self) -> str:
        """These settings as TOML, to be written by `init`."""
        lines = ["# Settings of this node.  Each can also be given as ENTRENOUS_<NAME>."]
        names = [one.name for one in fields(self) if one.name not in (_IDENTITY, _TERMS)]
        lines += [f"{name} = {_toml_string(str(getattr(self, name)))}" for name in names]
        lines += ["", f"[{_IDENTITY}]  # as ENTRENOUS_IDENTITY_<NAME>"]
        for one in fields(self.identity):
            lines.append(f"{one.name} = {str(getattr(self.identity, one.name)).lower()}")
        lines += self.terms.lines()
        return "\n".join(lines) + "\n"


def _line(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 256 or not value.isprintable():
        raise UsageError(f"the setting {name} is one line of text")
    return value


def _size(value: str) -> str:
    try:
        size_of(value)
    except UsageError:
        raise UsageError("the setting peer_quota is a size like 500 MB or 4 GiB") from None
    return value


def _role(value: str) -> Role:
    try:
        return Role(value)
    except ValueError:
        raise UsageError("the setting role is person or organisation") from None


def _toml_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def default_home(environment: Mapping[str, str] = os.environ) -> Path:
    """`ENTRENOUS_HOME`, or the platform's folder for a user's data."""
    if named := environment.get(ENVIRONMENT_PREFIX + "HOME"):  # an empty one is none
        return Path(named)
    return Path(platformdirs.user_data_dir("entrenous", appauthor=False))

"""`[identity]` in config.toml: what it says, what it may not say, and the environment over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrenous.node.config import Config, IdentitySettings
from entrenous.node.errors import UsageError


def read(home: Path, text: str, **environment: str) -> IdentitySettings:
    (home / "config.toml").write_text(text)
    return Config.read(home, environment).identity


def test_both_are_on_unless_said(tmp_path: Path) -> None:
    assert read(tmp_path, "") == IdentitySettings(check_domains=True, answer_vouches=True)
    assert not read(tmp_path, "[identity]\ncheck_domains = false").check_domains
    assert not read(tmp_path, "[identity]\nanswer_vouches = false").answer_vouches


def test_what_init_writes_is_read_again(tmp_path: Path) -> None:
    off = Config(identity=IdentitySettings(check_domains=False))
    assert read(tmp_path, off.text()) == off.identity
    assert read(tmp_path, Config().text()) == Config().identity


def test_the_environment_is_over_the_file(tmp_path: Path) -> None:
    off = read(tmp_path, Config().text(), ENTRENOUS_IDENTITY_CHECK_DOMAINS="False")
    assert (off.check_domains, off.answer_vouches) == (False, True)


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ('identity = "off"', ""),
        ("[identity]\ncheck_domain = false", ""),
        ('[identity]\ncheck_domains = "false"', ""),
        ("[identity]\ncheck_domains = 0", ""),
        ("", "no"),
    ],
)
def test_a_slip_is_refused_not_guessed(tmp_path: Path, text: str, environment: str) -> None:
    """A switch that was meant to be off is never on for a letter."""
    named = {"ENTRENOUS_IDENTITY_CHECK_DOMAINS": environment} if environment else {}
    with pytest.raises(UsageError):
        read(tmp_path, text, **named)

"""What a person says of a file on the command line arrives as settings, or is refused there."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrenous.node.cli.said import NOTHING, Said
from entrenous.node.errors import UsageError
from entrenous.node.shape import from_value, to_value
from entrenous.protocol.limits import PROFILE_BYTES_MAX
from entrenous.protocol.reading import UNSAID, Settings


def test_nothing_said_is_nothing() -> None:
    assert NOTHING.settings() == UNSAID
    assert not UNSAID.said


def test_all_of_it_and_over_the_socket() -> None:
    said = Said("n26", False, "comma", "eur", "mine").settings()
    assert said == Settings("n26", False, "comma", "EUR", "mine")
    assert from_value(Settings, to_value(said)) == said
    assert said.said == {"profile", "day_first", "decimal", "currency", "account"}
    # what names an account is not shown by accident
    assert "mine" not in repr(said)


def test_a_profile_in_a_file_is_handed_over_as_text(tmp_path: Path) -> None:
    file = tmp_path / "bank.toml"
    file.write_bytes(b'\xef\xbb\xbfname = "b\xc3\xa9"\n')
    assert Said(profile=str(file)).settings().profile == 'name = "bé"\n'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"\xff=", "no UTF-8"), (b"hello", "describes no columns"), (None, "cannot be read")],
)
def test_a_profile_that_cannot_be_read(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "bank.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=f"bank.toml.*{sentence}"):
        Said(profile=str(file)).settings()


def test_no_more_of_a_huge_file_is_read_than_a_profile_has(tmp_path: Path) -> None:
    file = tmp_path / "bank.toml"
    file.write_bytes(b"=" * (PROFILE_BYTES_MAX * 4))
    assert len(Said(profile=str(file)).settings().profile) == PROFILE_BYTES_MAX + 1


@pytest.mark.parametrize("currency", ["euro", "€", "E1R", "éur", "XXX", "ABC"])
def test_a_currency_of_another_form(currency: str) -> None:
    with pytest.raises(UsageError, match="ISO 4217"):
        Said(currency=currency).settings()

"""`entrenous restore`: what a person typed wrong is said before more is asked of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrenous.node import cli
from entrenous.node.cli import devices_remove, house
from entrenous.node.cli.screen import Screen


@pytest.mark.parametrize(
    ("words", "said"),
    [("ocean", "recovery words are 33; these are 1"),
     (" ".join(["ocean"] * 33), "entrenous: ")],
)  # fmt: skip  # a table
def test_words_that_cannot_be_right_are_said_before_a_passphrase_is_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
) -> None:
    def asked(*_: object) -> None:
        pytest.fail("a passphrase was asked for")

    def typed(_words_fd: int | None, _screen: Screen) -> str:
        return words

    monkeypatch.setattr(devices_remove, "recovery_words", typed)
    monkeypatch.setattr(house, "_new_unlock", asked)
    home = tmp_path / "home"
    assert cli.main(["--home", str(home), "restore", str(tmp_path / "backup")]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert "ocean" not in err
    assert not home.exists()

"""What is handed in as a folder or an archive is bounded before a byte of it is inflated."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from entrenous.node.imports import files
from entrenous.node.imports.files import handed_in
from entrenous.protocol.errors import ReaderError


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


def test_members_are_read_in_order_and_hidden_ones_left(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "a.zip", {"b.x": b"two", "a/c.x": b"one", "__MACOSX/b.x": b"", "d/": b""}
    )
    found = handed_in(path)
    assert [(file.name, file.read()) for file in found] == [("c.x", b"one"), ("b.x", b"two")]


def test_an_archive_that_is_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReaderError, match="packed over 200 to 1"):
        handed_in(archive(tmp_path / "bomb.zip", {"zeros": bytes(4_000_000)}))
    monkeypatch.setattr(files, "FILES_MAX", 3)
    with pytest.raises(ReaderError, match="over 3 files"):
        handed_in(archive(tmp_path / "many.zip", {str(n): b"x" for n in range(4)}))
    monkeypatch.setattr(files, "ARCHIVE_BYTES_MAX", 10)
    with pytest.raises(ReaderError, match="would unpack to over"):
        handed_in(archive(tmp_path / "large.zip", {"a": b"x" * 6, "b": b"x" * 6}))
    with pytest.raises(ReaderError, match="there is no file in it"):
        handed_in(archive(tmp_path / "empty.zip", {".hidden": b"x"}))


def test_a_damaged_archive_is_a_sentence_wherever_it_is_cut_or_altered(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.zip", {"a.x": bytes(range(256)) * 9}).read_bytes()
    path = tmp_path / "damaged.zip"
    refused = 0
    for at in range(4, len(whole), 7):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]):
            path.write_bytes(data)
            try:
                read = [file.read() for file in handed_in(path)]
            except ReaderError:
                refused += 1
            else:
                assert all(one == bytes(range(256)) * 9 for one in read)
    assert refused


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReaderError, match="not a file"):
        handed_in(tmp_path / "pipe")

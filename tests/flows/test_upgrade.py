"""The home of every earlier release opens with this program, and goes on where it was.

The homes were made by their own releases (tests/homes/make_homes.py); beside them stands what each
release said of them.  This program must say the same, then serve under the old grants, deliver what
waited in the old outbox, and restore the old backup.
"""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from entrenous.tests.homes.make_homes import EVER, LOAD_CURVE, WIDE, Release, until

HOMES = Path(__file__).parent.parent / "homes"
RELEASES = sorted(path.parent.name for path in HOMES.glob("*/homes.tar.xz"))


@pytest.fixture(scope="module", params=RELEASES)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Old:
    return Old(HOMES / str(request.param), tmp_path_factory.mktemp(f"homes-{request.param}"))


class Old:
    """The unpacked homes of one release, under this program; and what that release said."""

    def __init__(self, release: Path, root: Path) -> None:
        self.said: Mapping[str, Any] = json.loads((release / "said.json").read_text())
        with tarfile.open(release / "homes.tar.xz") as archive:
            archive.extractall(root, filter="data")
        for home in ("home", "volt"):
            (root / home).chmod(0o700)
            (root / f"{home}.key").chmod(0o600)
        for folder in ("user", "run"):
            (root / folder).mkdir(mode=0o700)
        self.root = root
        self.now = Release(Path(sys.executable).with_name("entrenous"), root)


def test_there_is_an_earlier_release() -> None:
    assert "0.1.0" in RELEASES


def test_it_says_what_the_release_said(old: Old) -> None:
    said, now = old.said, old.now
    found = {str(one["path"]) for one in now.said("home", "collections")}
    assert found == said["collections"].keys()
    for path, records in said["collections"].items():
        assert now.run("home", "read", path, *EVER, "--format", "csv") == records
    for home in ("home", "volt"):
        grants = [[one["id"], one["status"]] for one in now.said(home, "grants")]
        assert grants == said["grants"][home]
        (log,) = now.said(home, "log", "verify")
        assert {key: log[key] for key in said["log"][home]} == said["log"][home]
    assert [one["id"] for one in now.said("home", "inbox")] == said["waiting"]
    assert now.said("home", "status")[0]["outbox"] == said["outbox"]


def test_an_old_backup_is_restored(old: Old) -> None:
    words = old.root / "words"
    words.write_text(old.said["words"])
    with words.open() as given:
        old.now.run(
            *("again", "restore", str(old.root / "home.backup"), "--words-fd", str(given.fileno())),
            pass_fds=(given.fileno(),),
        )
    for path, records in old.said["collections"].items():
        assert old.now.run("again", "read", path, *EVER, "--format", "csv") == records


def test_it_goes_on(old: Old) -> None:
    now, read = old.now, old.said["read_under"]
    statuses = {}
    with now.up("home"), now.up("volt"):

        def connected() -> bool:
            return bool(now.said("home", "peers")[0]["connected"])

        until(connected)
        # The revocation that had not reached its reader does so now.
        until(lambda: now.said("home", "status")[0]["outbox"] == 0)
        statuses = {one["id"]: one["status"] for one in now.said("volt", "grants")}
        assert statuses.pop(read) == "live"
        assert set(statuses.values()) == {"revoked"}
        fetch = ("volt", "fetch", "home", LOAD_CURVE, *WIDE, "--format", "csv")
        assert now.run(*fetch) == old.said["fetched"]
        now.run("home", "revoke", read)
        assert now.exit_code(*fetch) == 4
    (log,) = now.said("home", "log", "verify")
    assert log["size"] > old.said["log"]["home"]["size"]
    assert log["gaps"] == 0

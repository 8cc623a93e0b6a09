"""Makes the homes of one release, from its own command line: `tests/homes/<release>/`.

    python -m entrenous.tests.homes.make_homes <entrenous of that release> tests/homes/<release>

Run once for a release, when it is made, with the program of that release; what it leaves is never
written again, because no later program can make an older one's homes.  Two nodes tell a short
story with whatever a home can be in the middle of: data imported, undone and delivered; a grant
that was read under, one that was taken back, one whose revocation has not reached its reader; a
request that waits; a backup.  Beside them stands what the release itself said of these homes.

Only commands of the first release are used, so that this program makes the homes of every later
one too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

FIXTURES = Path(__file__).parent.parent / "apps" / "fixtures"
UNDONE = FIXTURES / "two_accounts_sgml.ofx"
KEPT = FIXTURES / "savings_xml.ofx"
LOAD_CURVE = "energy/electricity/load-curve"
WIDE = ("--from", "2025-01-01", "--to", "2025-12-31")
EVER = ("--from", "2000-01-01", "--to", "2060-12-31")
START_S = 180.0
# A grant ends within ten years: these homes are of use as long.
FAR = "2036-06-30"


class Release:
    """The command line of one release, on homes under one folder."""

    def __init__(self, program: Path, root: Path) -> None:
        self.program = program
        self.root = root
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(root / "user"),
            "XDG_RUNTIME_DIR": str(root / "run"),
            "TZ": "UTC",
        }

    def run(self, home: str, *words: str, pass_fds: Sequence[int] = ()) -> str:
        """Run one command on a home; what it printed.  Ends this program if it fails."""
        done = self._done(home, words, pass_fds)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def exit_code(self, home: str, *words: str) -> int:
        """Run one command on a home; how it ended."""
        return self._done(home, words).returncode

    def _command(self, home: str, *words: str) -> list[str]:
        key_file = self.root / f"{home}.key"
        return [str(self.program), *words, f"--home={self.root / home}", f"--key-file={key_file}"]

    def _done(
        self, home: str, words: Sequence[str], pass_fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(home, *words),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            pass_fds=pass_fds,
        )

    def said(self, home: str, *words: str) -> list[Mapping[str, object]]:
        """What a command says with `--json`, line by line."""
        lines = self.run(home, *words, "--json").splitlines()
        return [cast("Mapping[str, object]", json.loads(line)) for line in lines]

    @contextmanager
    def up(self, home: str) -> Generator[None]:
        """Run the node of a home meanwhile."""
        process = subprocess.Popen(
            self._command(home, "up", "--listen", "/ip4/127.0.0.1/tcp/0"),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + START_S
            # Not `status`: with no node up yet it would open the home itself, and be in the way.
            while not (self.root / home / "control").exists():
                assert process.poll() is None, f"{home} ended"
                assert time.monotonic() < until, f"{home} is not up"
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait()


def story(release: Release) -> Mapping[str, object]:
    """Tell the story; what the release says of the homes in the end."""
    for folder in ("user", "run"):
        (release.root / folder).mkdir(mode=0o700)
    made = release.said("home", "init", "--name", "Home")[0]
    release.run("volt", "init", "--organisation", "--name", "Volt")
    with release.up("home"):
        with release.up("volt"):
            link = str(release.said("home", "invite", "--label", "volt")[0]["link"])
            release.run("volt", "pair", link, "--as", "home")
            release.run("home", "import", str(UNDONE))
            release.run("home", "import", str(KEPT))
            release.run("volt", "deliver", str(FIXTURES / "two_meters.xml"), "--to", "home")
            read, taken, late = (
                _granted(release, purpose)
                for purpose in ("dpv:ServiceProvision", "dpv:Marketing", "dpv:Billing")
            )
            fetched = release.run("volt", "fetch", "home", LOAD_CURVE, *WIDE, "--format", "csv")
            release.run("home", "revoke", taken)
            _ask(release, "dpv:ResearchAndDevelopment")
            until(lambda: len(release.said("home", "inbox")) > 0)
        release.run("home", "revoke", late)
    for one in release.said("home", "imports"):
        if one["file"] == UNDONE.name:
            release.run("home", "imports", "undo", str(one["id"]))
    release.run("home", "backup", str(release.root / "home.backup"))
    paths = [str(one["path"]) for one in release.said("home", "collections")]
    return {
        "words": made["words"],
        "fetched": fetched,
        "read_under": read,
        "collections": {
            path: release.run("home", "read", path, *EVER, "--format", "csv") for path in paths
        },
        "grants": {
            home: [[one["id"], one["status"]] for one in release.said(home, "grants")]
            for home in ("home", "volt")
        },
        "waiting": [one["id"] for one in release.said("home", "inbox")],
        "outbox": release.said("home", "status")[0]["outbox"],
        "log": {home: release.said(home, "log", "verify")[0] for home in ("home", "volt")},
    }


def _ask(release: Release, purpose: str) -> str:
    words = ("volt", "ask", "home", LOAD_CURVE, *WIDE, "--purpose", purpose, "--until", FAR)
    return str(release.said(*words)[0]["request"])


def _granted(release: Release, purpose: str) -> str:
    """Ask, grant, and wait until the asker knows; the grant."""
    request = _ask(release, purpose)
    until(lambda: any(one["id"] == request for one in release.said("home", "inbox")))
    release.run("home", "decide", request, "grant")

    def grants() -> list[str]:
        asked = release.said("volt", "asked")
        return [str(one["grant"]) for one in asked if one["id"] == request and one["grant"]]

    until(lambda: bool(grants()))
    return grants()[0]


def until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < until, "the other node did not hear of it"
        time.sleep(0.2)


def pack(root: Path, into: Path) -> None:
    """The homes, their key files and the backup as one small archive."""
    with tarfile.open(into, "w:xz", preset=9) as archive:
        for name in ("home", "home.key", "home.backup", "volt", "volt.key"):
            archive.add(root / name, arcname=name, filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if Path(member.name).name in ("control", "lock") else member


def main(program: str, into: str) -> None:
    folder = Path(into)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as root:
        release = Release(Path(program), Path(root))
        said = story(release)
        (folder / "said.json").write_text(json.dumps(said, indent=1) + "\n")
        pack(release.root, folder / "homes.tar.xz")


if __name__ == "__main__":
    main(*sys.argv[1:])

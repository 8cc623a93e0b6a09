"""What README and docs point to exists: files, headings of make, commands and their options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from entrenous.node.cli.app import make_app

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
README = PAGES[0].read_text()
# Said in README as `$ entrenous …`.
COMMANDS = re.findall(r"^\$ (entrenous .*?)(?:\s+#.*)?$", README, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_targets_of_make_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for line in re.findall(r"(?:^ {4}|`)make ([a-z -]+)", page.read_text(), re.MULTILINE):
            named = line.split("  ")[0].split()
            assert set(named) <= targets, (page.name, line)


def test_the_tour_is_a_tour() -> None:
    assert len(COMMANDS) > 12


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_tour_is_one(command: str) -> None:
    words = shlex.split(command)[1:]
    if words[0] == "--home":
        words = [*words[2:], *words[:2]]
    # Raises, or ends the test, for a command or an option that does not exist.
    make_app().parse_args(words, print_error=False, exit_on_error=False)

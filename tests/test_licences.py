"""docs/licences.md names the licence of everything that an installation brings; none is GPL.

Run as a script, this file writes it: `python -m entrenous.tests.test_licences`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[1]
DOC = REPOSITORY / "docs" / "licences.md"
LOCK = REPOSITORY / "requirements.lock"

PERMISSIVE = frozenset(
    (
        "0BSD",
        "Apache-2.0",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Unlicense",
    )
)
# Licences that bind changes to the library itself, and not what uses it.  Each is here by name.
NAMED: Mapping[str, str] = {
    "certifi": "MPL-2.0",
    "pathspec": "MPL-2.0",
    "zeroconf": "LGPL-2.1-or-later",
}
# What distributions write instead of an SPDX expression.
SPELLED: Mapping[str, str] = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "MIT License": "MIT",
    "MIT -or- Apache License 2.0": "MIT OR Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy"
_BLOCK = re.compile(r"(<!-- begin licences -->\n).*?(<!-- end licences -->)", re.DOTALL)


def locked(text: str) -> Iterator[str]:
    """The names in a lock that apply to this machine."""
    for line in re.findall(r"^([A-Za-z0-9].*?) \\$", text, re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name


def _field(found: Distribution, name: str) -> list[str]:
    values: list[object] = found.metadata.get_all(name) or []
    return [str(value) for value in values]


def licence_of(found: Distribution) -> str:
    """The licence of a distribution as an SPDX expression; empty if it does not say."""
    expression = _field(found, "License-Expression")
    if expression:
        return expression[0]
    # Some put the whole text there; its first line is its name.
    stated = next(iter(_field(found, "License")), "").strip().partition("\n")[0]
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in _field(found, "Classifier")
        if line.startswith("License :: ")
    ]
    for said in (stated, *([classifiers[0]] if len(classifiers) == 1 else [])):
        if said in SPELLED:
            return SPELLED[said]
        if said in PERMISSIVE or set(re.split(r" (?:OR|AND) ", said)) <= PERMISSIVE:
            return said
    texts = (file.read_text() for file in found.files or [] if "LICENSE" in file.name.upper())
    if any(_MIT in " ".join(text.split()) for text in texts):
        return "MIT"
    return ""


def is_allowed(name: str, licence: str) -> bool:
    """Whether one alternative of `licence` asks nothing of those who use the library."""
    if licence in PERMISSIVE or NAMED.get(name) == licence:
        return True
    return any(
        all(part in PERMISSIVE for part in alternative.split(" AND "))
        for alternative in licence.replace("(", "").replace(")", "").split(" OR ")
    )


def installed() -> dict[str, str]:
    return {name: licence_of(distribution(name)) for name in sorted(set(locked(LOCK.read_text())))}


def drawn(text: str, licences: Mapping[str, str]) -> str:
    rows = "".join(f"| {name} | {licence} |\n" for name, licence in licences.items())
    table = f"| distribution | licence |\n|---|---|\n{rows}"
    return _BLOCK.sub(lambda block: block[1] + table + block[2], text)


def test_every_licence_is_permissive_or_named() -> None:
    refused = {n: found for n, found in installed().items() if not is_allowed(n, found)}
    assert not refused


def test_what_is_named_is_there() -> None:
    found = installed()
    assert {name: found[name] for name in NAMED if name in found} == {
        name: licence for name, licence in NAMED.items() if name in found
    }
    assert "zeroconf" in found, "libp2p no longer brings it: take it out of NAMED and the docs"


def test_the_table_is_what_is_installed() -> None:
    text = DOC.read_text()
    assert drawn(text, installed()) == text, "write it again: make docs"


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "GPL-3.0-only",
        "AGPL-3.0-or-later",
        "LGPL-2.1-or-later",
        "MIT AND GPL-2.0-only",
        "MPL-2.0",
    ],
)
def test_others_are_refused(licence: str) -> None:
    assert not is_allowed("a-library", licence)


def test_an_unknown_distribution_is_not_passed_over() -> None:
    with pytest.raises(PackageNotFoundError):
        distribution(next(locked("no-such-distribution==1 \\\n    --hash=sha256:00\n")))


if __name__ == "__main__":
    DOC.write_text(drawn(DOC.read_text(), installed()))

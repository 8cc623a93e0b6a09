"""docs/readers.md says what is built in; run as a module, this writes its table."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

from entrenous.apps.csv_profile import ROLES, from_toml
from entrenous.apps.csv_profiles import PROFILES

DOC = Path(__file__).parents[2] / "docs" / "readers.md"
BEGIN, END = "<!-- begin profiles -->\n", "<!-- end profiles -->"


def table() -> str:
    rows = ["| profile | bank | known by the columns |", "|---|---|---|"]
    for profile in PROFILES:
        needs = ", ".join(f"`{name}`" for name in profile.needs)
        rows.append(f"| `{profile.name}` | {profile.about} | {needs} |")
    return "\n".join(rows) + "\n"


def written(text: str) -> str:
    head, _, rest = text.partition(BEGIN)
    return head + BEGIN + table() + END + rest.partition(END)[2]


def test_the_table_of_profiles_is_what_is_built_in() -> None:
    text = DOC.read_text()
    assert text == written(text)


def test_every_reader_is_described() -> None:
    described = set(
        re.findall(
            r"^\| `([a-z-]+)` \| [^|]*\| [^|]*(?:finance|energy|identity|same)",
            DOC.read_text(),
            re.MULTILINE,
        )
    )
    ours = {
        point.name
        for point in entry_points(group="entrenous.readers")
        if point.value.startswith("entrenous.apps.")
    }
    assert {"ofx", "camt", "bank-csv", "espi"} <= described
    assert described <= ours


def test_the_profile_shown_says_every_word_there_is() -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", DOC.read_text(), re.DOTALL)
    columns = shown.partition("[columns]")[2]
    assert set(re.findall(r"^([a-z_]+) = ", columns, re.MULTILINE)) == set(ROLES) - {
        "debit",
        "credit",
    }
    # as it stands, it is one
    assert from_toml(shown).name == "my bank"


if __name__ == "__main__":
    DOC.write_text(written(DOC.read_text()))

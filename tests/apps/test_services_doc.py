"""docs/services.md lists the keys that services print; run as a module, this writes them."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

from entrenous.apps.services.budget import shapes as budget
from entrenous.apps.services.budget.categories import CATEGORIES
from entrenous.apps.services.budget.rules import own_rules
from entrenous.apps.services.electricity import shapes as electricity
from entrenous.apps.services.electricity.tariff import tariff_of

DOC = Path(__file__).parents[2] / "docs" / "services.md"
BEGIN, END = "<!-- begin shapes -->\n", "<!-- end shapes -->"


def tables() -> str:
    parts: list[str] = []
    for name, shape in (*budget.SHAPES.items(), *electricity.SHAPES.items()):
        rows = "\n".join(f"| `{key}` | {meaning} |" for key, meaning in shape.keys.items())
        parts.append(f"#### `{name}`\n\n| key | |\n|---|---|\n{rows}\n\n")
    return "".join(parts)


def written(text: str) -> str:
    head, _, rest = text.partition(BEGIN)
    return head + BEGIN + tables() + END + rest.partition(END)[2]


def test_the_keys_are_those_that_are_printed() -> None:
    text = DOC.read_text()
    assert text == written(text), "write the tables again: make docs"


def test_every_service_is_described() -> None:
    headings = set(re.findall(r"^## (.*)$", DOC.read_text(), re.MULTILINE))
    ours = [
        point.name
        for point in entry_points(group="entrenous.services")
        if point.value.startswith("entrenous.apps.")
    ]
    assert len(ours) >= 2
    assert {name.capitalize() for name in ours} <= headings


def test_the_files_shown_can_be_read() -> None:
    rules, tariff = re.findall(r"```toml\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert own_rules(rules)[0].category == "restaurants"
    assert tariff_of(tariff, "shown.toml").currency == "EUR"


def test_every_category_is_named() -> None:
    assert ", ".join(CATEGORIES) in DOC.read_text()


if __name__ == "__main__":
    DOC.write_text(written(DOC.read_text()))

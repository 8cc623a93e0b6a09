"""What the demo tells: steps with their facts, as one table or as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Fact: TypeAlias = "str | int | bool | Sequence[Fact] | Mapping[str, Fact] | None"


@dataclass(slots=True)
class Step:
    """One step: `facts` are read back from the nodes, `wrong` says what is not as it should be."""

    key: str
    title: str
    facts: dict[str, Fact] = field(default_factory=lambda: dict[str, Fact]())
    lines: list[str] = field(default_factory=lambda: list[str]())
    wrong: list[str] = field(default_factory=lambda: list[str]())

    @property
    def ok(self) -> bool:
        return not self.wrong

    def tell(self, line: str, **facts: Fact) -> None:
        """Add a line for the table and the facts behind it."""
        self.lines.append(line)
        self.facts.update(facts)

    def expect(self, held: bool, otherwise: str) -> None:
        """Note `otherwise` as wrong unless `held`."""
        if not held:
            self.wrong.append(otherwise)

    def value(self) -> Mapping[str, Fact]:
        return {"ok": self.ok, "title": self.title, **self.facts, "wrong": list(self.wrong)}


@dataclass(slots=True)
class Story:
    """All steps, in order."""

    steps: list[Step] = field(default_factory=lambda: list[Step]())

    def step(self, key: str, title: str) -> Step:
        step = Step(key, title)
        self.steps.append(step)
        return step

    @property
    def ok(self) -> bool:
        return len(self.steps) == STEPS and all(step.ok for step in self.steps)

    def value(self) -> Mapping[str, Fact]:
        """A key for each step, and `ok`."""
        return {**{step.key: step.value() for step in self.steps}, "ok": self.ok}

    def table(self, console: Console) -> None:
        """The one table."""
        table = Table(show_lines=True, title="entrenous: handed back, lent, proven, taken back")
        table.add_column("", justify="right")
        table.add_column("step", width=18)
        table.add_column("what both nodes hold about it", ratio=1)
        table.add_column("as it should be", width=9)
        for number, step in enumerate(self.steps, start=1):
            wrong = (f"[red]wrong: {escape(sentence)}[/red]" for sentence in step.wrong)
            said = "\n".join([*(f"• {escape(line)}" for line in step.lines), *wrong])
            mark = "[green]yes[/green]" if step.ok else "[red]no[/red]"
            table.add_row(str(number), step.title, said, mark)
        console.print(table)


# The steps of a whole story.
STEPS = 8

"""Draws a table of transitions, so that the picture in the docs is the code that runs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def state_diagram(table: Mapping[tuple[S, E], S], *starts: S) -> str:
    """A Mermaid state diagram of `table`; events between the same two states share an arrow."""
    arrows: dict[tuple[S, S], list[E]] = {}
    for (before, event), after in table.items():
        arrows.setdefault((before, after), []).append(event)
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {start.value}" for start in starts]
    for (before, after), events in arrows.items():
        told = ", ".join(event.value for event in events)
        lines.append(f"    {before.value} --> {after.value}: {told}")
    befores = {before for before, _ in table}
    finals = dict.fromkeys(after for after in table.values() if after not in befores)
    lines += [f"    {final.value} --> [*]" for final in finals]
    return "\n".join(lines)

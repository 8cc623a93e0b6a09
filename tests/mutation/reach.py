"""Which tests run which lines of the mutated modules, and how long each takes.

Noting it costs minutes, so it is kept: a test by the digest of its file, and what it reached by the
text of each function.  A function that moved keeps its tests; one that was edited costs those tests
that run it, once, and no others.  A module more or less makes all of it new: nobody looked there.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TypedDict, cast

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "entrenous"

Line = tuple[str, int]


class Known(TypedDict):
    """The map as it is kept: what was noted of each test, in which modules."""

    modules: list[str]
    tests: dict[str, Entry]


class Entry(TypedDict):
    """One test, as it is kept: lines are counted from the first of their unit, by its digest."""

    file: str
    seconds: float
    lines: dict[str, list[int]]


def path_of(module: str) -> Path:
    return ROOT / f"{module}.py"


class Units:
    """The functions and other statements of the modules, each by a digest of its text."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.start: dict[str, Line] = {}
        self._of: dict[Line, str] = {}
        for module, source in sources.items():
            text = source.splitlines()
            for above, first, last in _units(ast.parse(source), ""):
                body = "\n".join([module, above, *text[first - 1 : last]])
                digest = hashlib.sha256(body.encode()).hexdigest()[:12]
                self.start[digest] = (module, first)
                for line in range(first, last + 1):
                    self._of[module, line] = digest

    def kept(self, lines: Iterable[Line]) -> dict[str, list[int]]:
        """These lines, as they are kept."""
        found: dict[str, list[int]] = defaultdict(list)
        for line in sorted(lines):
            digest = self._of.get(line)
            if digest is not None:
                found[digest].append(line[1] - self.start[digest][1])
        return found

    def lines(self, kept: Mapping[str, list[int]]) -> list[Line] | None:
        """Where those lines are now; None if one of their units is no longer the same."""
        if not kept.keys() <= self.start.keys():
            return None
        return [
            (self.start[digest][0], self.start[digest][1] + line)
            for digest, lines in kept.items()
            for line in lines
        ]


def _units(tree: ast.Module | ast.ClassDef, above: str) -> Generator[tuple[str, int, int]]:
    """Name of the class around it, first and last line, of each statement outside of functions."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from _units(node, f"{above}.{node.name}")
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(one.lineno for one in decorators)])
        yield above, first, node.end_lineno or node.lineno


@dataclass(slots=True)
class Reach:
    """What is known of the tests, each by its number in the order of their collection."""

    lines: dict[Line, list[int]] = field(default_factory=lambda: defaultdict(list))
    seconds: list[float] = field(default_factory=list[float])

    def add(self, seconds: float, lines: Iterable[Line]) -> None:
        for line in lines:
            self.lines[line].append(len(self.seconds))
        self.seconds.append(seconds)

    def tests(self, module: str, lines: Iterable[int] | None) -> list[int]:
        """The tests that run one of `lines` of `module`, None for all of it; the quickest first."""
        if lines is not None:
            found = {test for line in lines for test in self.lines.get((module, line), ())}
        else:
            found = {
                test for (name, _), tests in self.lines.items() if name == module for test in tests
            }
        return sorted(found, key=lambda test: self.seconds[test])


class Kept:
    """The map on disk."""

    def __init__(self, path: Path, sources: Mapping[str, str]) -> None:
        self._path = path
        self._units = Units(sources)
        self._files: dict[Path, str] = {}
        self._known = Known(modules=sorted(sources), tests={})
        if path.exists():
            known = cast("Known", json.loads(path.read_text("utf-8")))
            if known.get("modules") == self._known["modules"]:
                self._known = known

    def get(self, test: str, file: Path) -> tuple[float, list[Line]] | None:
        """What was noted of a test, if neither its file nor what it runs was edited since."""
        entry = self._known["tests"].get(test)
        if entry is None or entry["file"] != self._digest(file):
            return None
        lines = self._units.lines(entry["lines"])
        return None if lines is None else (entry["seconds"], lines)

    def put(self, test: str, file: Path, seconds: float, lines: Iterable[Line]) -> None:
        kept = self._units.kept(lines)
        entry = Entry(file=self._digest(file), seconds=seconds, lines=kept)
        self._known["tests"][test] = entry

    def write(self) -> None:
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text(json.dumps(self._known), "utf-8")

    def _digest(self, file: Path) -> str:
        if file not in self._files:
            self._files[file] = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        return self._files[file]


class Tracer:
    """Notes the lines of functions of some modules as they run."""

    def __init__(self, modules: Iterable[str]) -> None:
        self._modules = {str(path_of(module)): module for module in modules}
        self._known: dict[str, str | None] = {}

    @contextmanager
    def noting(self, seen: set[Line]) -> Generator[None]:
        def enter(frame: FrameType, event: str, arg: object) -> Any:
            code = frame.f_code
            name = code.co_filename
            module = self._known[name] if name in self._known else self._find(name)
            if module is None or code.co_name == "<module>":
                return None

            def line(inner: FrameType, event: str, arg: object) -> Any:
                if event == "line":
                    seen.add((module, inner.f_lineno))
                return line

            return line

        sys.settrace(enter)
        try:
            yield
        finally:
            sys.settrace(None)

    def _find(self, name: str) -> str | None:
        ours = PACKAGE in name or str(ROOT) in name
        self._known[name] = self._modules.get(str(Path(name).resolve())) if ours else None
        return self._known[name]

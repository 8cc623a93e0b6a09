"""Runs mutants against the tests: one process has collected them all, and forks for each mutant.

    map     every test once, noting which lines of the modules it runs and how long it takes
    fast    a fault in the body of a function is put into the running functions of a fork, which
            then runs the tests that reach its line, the quickest first, until one fails
    slow    any other fault, and each that survived: a fork that forgets the project and imports it
            anew with the mutated module in place, and collects those test files again

A mutant that takes much longer than its tests do is caught too: it hangs.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib.abc
import importlib.util
import json
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, TypeAlias

import pytest
from _pytest.runner import runtestprotocol

from entrenous.tests.mutation.mutants import Mutant

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "entrenous"
# What the tests of one mutant may take: so much of the time that they took alone, and some seconds.
SLOWER = 6.0
EXTRA_S = 6.0
# Tests of a fork, by the time that they took alone; the rest are left to the slow way.
FAST_S = 10.0
# Of files of tests that are collected anew.
SLOW_S = 6.0
MEMORY_BYTES = 3 * 1024**3


# Of one test: how long it takes, and the lines of the modules that it runs.
Entry: TypeAlias = "tuple[float, list[tuple[str, int]]]"


@dataclass(slots=True)
class Reach:
    """Which tests run which lines, and how long each takes."""

    lines: dict[str, dict[int, list[int]]]
    seconds: list[float]

    def tests(self, module: str, line: int | None) -> list[int]:
        """The tests that run `line` of `module`, or any of its lines; the quickest first."""
        reached = self.lines.get(module, {})
        found = (
            set(reached.get(line, ()))
            if line is not None
            else {test for tests in reached.values() for test in tests}
        )
        return sorted(found, key=lambda test: self.seconds[test])


@dataclass(slots=True)
class Server:
    """A pytest plugin: `work` is called in place of the run, once everything is collected."""

    modules: Sequence[str]
    work: Callable[[Server], None]
    # Where the map is kept for the next run.
    kept: Path
    # Whether a survivor is tried the slow way too.
    thorough: bool = False
    items: list[pytest.Item] = field(default_factory=list[pytest.Item])
    reach: Reach = field(default_factory=lambda: Reach({}, []))
    living: _Living = field(default_factory=lambda: _Living({}, []))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = list(session.items)
        self._map()
        self.living = _Living.found(self.modules)
        # Else the first collection of each fork would write to every page.
        gc.collect()
        gc.freeze()
        self.work(self)
        return True

    def _map(self) -> None:
        known = self._known()
        real = {str(_path(module)): module for module in self.modules}
        self.reach = Reach({module: defaultdict(list) for module in self.modules}, [])
        for number, item in enumerate(self.items):
            entry = known.get(item.nodeid)
            if entry is None:
                seen: set[tuple[str, int]] = set()
                started = time.monotonic()
                with _traced(real, seen):
                    passed = _passes(item, _next(self.items, number))
                # One that fails without a mutant says nothing of any.
                lines = sorted(seen) if passed else []
                entry = known[item.nodeid] = (time.monotonic() - started, lines)
            seconds, lines = entry
            self.reach.seconds.append(seconds)
            for module, line in lines:
                if module in self.reach.lines:
                    self.reach.lines[module][line].append(number)
        self._keep(known)

    def _digest(self) -> str:
        sources = "".join(_path(module).read_text("utf-8") for module in self.modules)
        return hashlib.sha256(sources.encode()).hexdigest()

    def _known(self) -> dict[str, Entry]:
        """What an earlier run noted, if the modules are the same to the letter."""
        if not self.kept.exists():
            return {}
        digest, entries = json.loads(self.kept.read_text("utf-8"))
        if digest != self._digest():
            return {}
        return {
            test: (seconds, [(module, line) for module, line in lines])
            for test, (seconds, lines) in entries.items()
        }

    def _keep(self, known: dict[str, Entry]) -> None:
        self.kept.parent.mkdir(exist_ok=True)
        self.kept.write_text(json.dumps([self._digest(), known]), "utf-8")

    def caught(self, mutant: Mutant) -> bool:
        """Whether a test notices the fault."""
        line = mutant.line if mutant.in_function else None
        tests = self.reach.tests(mutant.module, line)
        if not tests:
            return False
        if mutant.in_function and self._in_fork(tests, lambda: self.living.patch(mutant)):
            return True
        if mutant.in_function and not self.thorough:
            return False
        return _ends(lambda: _anew(mutant, self._files(mutant.module, tests)), SLOW_S * SLOWER)

    def _files(self, module: str, tests: Sequence[int]) -> list[str]:
        """The files of these tests: those named after the module first, then the quickest."""
        seconds: dict[str, float] = defaultdict(float)
        for test in tests:
            seconds[str(self.items[test].path)] += self.reach.seconds[test]
        stem = module.rsplit("/", 1)[1]
        files = sorted(seconds, key=lambda path: (stem not in path, seconds[path]))
        total, chosen = 0.0, list[str]()
        for path in files:
            total += seconds[path]
            if chosen and total > SLOW_S:
                break
            chosen.append(path)
        return chosen

    def _in_fork(self, tests: Sequence[int], patch: Callable[[], None]) -> bool:
        chosen: list[int] = []
        total = 0.0
        for test in tests:
            total += self.reach.seconds[test]
            if chosen and total > FAST_S:
                break
            chosen.append(test)

        def run() -> bool:
            patch()
            items = [self.items[test] for test in chosen]
            return all(_passes(item, _next(items, at)) for at, item in enumerate(items))

        return _ends(run, EXTRA_S + SLOWER * min(total, FAST_S))


def _next(items: Sequence[pytest.Item], at: int) -> pytest.Item | None:
    return items[at + 1] if at + 1 < len(items) else None


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    reports = runtestprotocol(item, log=False, nextitem=following)
    return not any(report.failed for report in reports)


def _path(module: str) -> Path:
    return ROOT / f"{module}.py"


def _dotted(module: str) -> str:
    return f"{PACKAGE}.{module.replace('/', '.')}"


@contextmanager
def _traced(paths: dict[str, str], seen: set[tuple[str, int]]) -> Generator[None]:
    """Note the lines of the modules in `paths` that run."""
    known: dict[str, str | None] = {}

    def module_of(name: str) -> str | None:
        if name not in known:
            known[name] = (
                paths.get(str(Path(name).resolve()))
                if PACKAGE in name or str(ROOT) in name
                else None
            )
        return known[name]

    def enter(frame: FrameType, event: str, arg: object) -> Any:
        module = module_of(frame.f_code.co_filename)
        if module is None:
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


# --- forks ----------------------------------------------------------------------------------------


def _ends(run: Callable[[], bool], seconds: float) -> bool:
    """Whether `run`, in a fork, gives False, or dies, or does not end in time."""
    child = os.fork()
    if child == 0:
        _be_quiet()
        try:
            passed = run()
        except BaseException:
            # Nothing that a mutant does may come back into the parent's stack.
            os._exit(1)
        os._exit(0 if passed else 1)
    until = time.monotonic() + seconds
    pause = 0.002
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return True
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def _be_quiet() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


@dataclass(frozen=True, slots=True)
class _Living:
    """The functions of the modules, and every cache, as they are in this process."""

    functions: dict[str, list[FunctionType]]
    caches: list[Any]

    @classmethod
    def found(cls, modules: Iterable[str]) -> _Living:
        modules_by_path = {str(_path(module)): module for module in modules}
        names: dict[str, str] = {}
        functions: dict[str, list[FunctionType]] = defaultdict(list)
        caches: list[Any] = []
        for one in gc.get_objects():
            if type(one) is FunctionType:
                name = one.__code__.co_filename
                if name not in names:
                    names[name] = modules_by_path.get(os.path.realpath(name), "")
                if names[name]:
                    functions[names[name]].append(one)
            elif type(one) is _CACHE:
                caches.append(one)
        return cls(functions, caches)

    def patch(self, mutant: Mutant) -> None:
        """Give every function of the module the code that it has in the mutant."""
        living = self.functions[mutant.module]
        name = living[0].__code__.co_filename
        codes = _codes(compile(mutant.tree, name, "exec", dont_inherit=True))
        for function in living:
            code = codes.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
            if code is not None and len(code.co_freevars) == len(function.__code__.co_freevars):
                function.__code__ = code
        # What was computed before the fault was there would hide it.
        for cache in self.caches:
            cache.cache_clear()
        sys.modules[f"{PACKAGE}.protocol.delegation"].forget_delegations()


_CACHE = type(functools.lru_cache(int))


def _codes(code: CodeType) -> dict[tuple[str, int], CodeType]:
    found = {(code.co_qualname, code.co_firstlineno): code}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found |= _codes(inner)
    return found


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module as its mutant."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _dotted(self._mutant.module):
            return None
        return importlib.util.spec_from_file_location(
            fullname, _path(self._mutant.module), loader=self
        )

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        path = str(_path(self._mutant.module))
        exec(compile(self._mutant.tree, path, "exec", dont_inherit=True), module.__dict__)


def _anew(mutant: Mutant, files: Iterable[str]) -> bool:
    """Import everything again with the mutant in place, and run these files."""
    for name in list(sys.modules):
        module_file = getattr(sys.modules[name], "__file__", None) or ""
        if name.startswith(f"{PACKAGE}.") or str(ROOT / "tests") in module_file:
            del sys.modules[name]
    sys.meta_path.insert(0, _Finder(mutant))
    gc.unfreeze()
    return pytest.main([*options(), "-x", *files]) in (
        pytest.ExitCode.OK,
        pytest.ExitCode.NO_TESTS_COLLECTED,
    )


def options() -> list[str]:
    """How pytest is started, here and in a fork."""
    return ["-q", "-p", "no:cacheprovider", "--capture=no", "--hypothesis-profile=mutants", "-W",
            "ignore", "--rootdir", str(ROOT), "--tb=no"]  # fmt: skip

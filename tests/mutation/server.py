"""Runs mutants against the tests: one process has collected them all, and forks for each mutant.

    map     every test once, noting which lines of the modules it runs (`reach.py`)
    fast    a fault in the body of a function is put into the running functions of a fork, which
            then runs the tests that reach its line, until one fails
    slow    a fault outside of functions, or in a line that runs while the tests are imported: a
            fork that forgets the project, imports it anew with the mutated module in place, and
            collects those test files again

What a fork may use is counted in its own time, so that a busy machine catches nothing.  A test that
takes much more than it did without the fault has caught it: it hangs.
"""

from __future__ import annotations

import functools
import gc
import importlib.abc
import importlib.util
import os
import resource
import select
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NoReturn, cast

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings

from entrenous.tests.mutation.mutants import Mutant
from entrenous.tests.mutation.reach import PACKAGE, ROOT, Kept, Line, Reach, Tracer, path_of

# What a test of a mutant may take: so much of the time that it took alone, and some seconds.
SLOWER = 8.0
EXTRA_S = 1.0
# Files that are collected anew: one, and more as long as their tests take no longer than this.
SLOW_S = 6.0
# A fork that neither ends nor works: two threads that wait for each other, say.
STUCK_S = 300.0
# So many wait for a processor that is not ours: then one mutant at a time.
BUSY = 1.0
MEMORY_BYTES = 3 * 1024**3
EXAMPLES = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant.  `by` is the test that noticed it, or how its fork ended."""

    mutant: Mutant
    caught: bool
    by: str
    cpu_s: float


@dataclass(slots=True)
class Server:
    """A pytest plugin: `work` is called in place of the run, once everything is collected."""

    sources: Mapping[str, str]
    work: Callable[[Server], None]
    # Where the map is kept for the next run.
    kept: Path
    jobs: int = 1
    # Tests of a mutant that take longer than this together, without it, are not all run.
    each_s: float = float("inf")
    # Of each property, at most so many.
    examples: int = EXAMPLES
    items: list[pytest.Item] = field(default_factory=list[pytest.Item])
    _numbers: dict[str, int] = field(default_factory=dict[str, int])
    reach: Reach = field(default_factory=Reach)
    # Lines of functions that run while the tests are imported.
    imported: set[Line] = field(default_factory=set[Line])
    # The tests that caught faults of a function, the latest last.
    catchers: dict[tuple[str, str], dict[int, None]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    living: _Living = field(default_factory=lambda: _Living({}, []))
    # In a fork: where to say which test failed.
    _says: int | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        if self._says is not None:
            return (yield)
        with Tracer(self.sources).noting(self.imported):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        for item in session.items:
            _few_examples(item, self.examples)
        if self._says is not None:
            return None
        if session.testsfailed:
            # Every mutant would look caught by what is not there to run.
            raise pytest.UsageError("some tests cannot be imported, also without a fault")
        self.items = list(session.items)
        self._numbers = {item.nodeid: number for number, item in enumerate(self.items)}
        self.living = _Living.found(self.sources)
        self._map()
        # Else the first collection of each fork would write to every page.
        gc.collect()
        gc.freeze()
        self.work(self)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """In a fork, the first failure is all that is asked for."""
        if self._says is None or call.excinfo is None:
            return
        if not call.excinfo.errisinstance(pytest.skip.Exception):
            self._caught(item.nodeid)

    def _caught(self, by: str) -> NoReturn:
        assert self._says is not None
        os.write(self._says, by.encode()[-500:])
        os._exit(1)

    def _map(self) -> None:
        """What each test reaches.  A fork finds it out: a test may change what it was given."""
        kept = Kept(self.kept, self.sources)
        if any(kept.get(item.nodeid, item.path) is None for item in self.items):
            child = os.fork()
            if child == 0:
                self._find_out()
                os._exit(0)
            os.waitpid(child, 0)
            kept = Kept(self.kept, self.sources)
        for item in self.items:
            self.reach.add(*(kept.get(item.nodeid, item.path) or (0.0, [])))

    def _find_out(self) -> None:
        kept = Kept(self.kept, self.sources)
        tracer = Tracer(self.sources)
        for number, item in enumerate(self.items):
            if kept.get(item.nodeid, item.path) is None:
                seen: set[Line] = set()
                self.living.forget()
                started = time.process_time()
                with tracer.noting(seen):
                    passed = _passes(item, _next(self.items, number))
                seconds = time.process_time() - started
                # One that fails without a mutant says nothing of any.
                kept.put(item.nodeid, item.path, seconds, seen if passed else [])
        kept.write()

    # --- mutants ----------------------------------------------------------------------------------

    def outcomes(self, mutants: Iterable[Mutant]) -> Generator[Outcome]:
        """Try each, as many at a time as there are jobs."""
        running: dict[int, _Fork] = {}
        try:
            for mutant in mutants:
                fork = self._fork(mutant)
                running[fork.pipe] = fork
                while len(running) >= self._jobs_now():
                    yield from self._ended(running)
            while running:
                yield from self._ended(running)
        finally:
            for fork in running.values():
                os.kill(fork.pid, signal.SIGKILL)
                os.waitpid(fork.pid, 0)

    def _jobs_now(self) -> int:
        """One while others need the machine."""
        return self.jobs if os.getloadavg()[0] < BUSY + self.jobs else 1

    def _ended(self, running: dict[int, _Fork]) -> Generator[Outcome]:
        """Wait for one of them.  A fork's end of the pipe closes when it dies, however it does."""
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for pipe, fork in list(running.items()):
            stuck = time.monotonic() > fork.until
            if stuck:
                os.kill(fork.pid, signal.SIGKILL)
            if pipe in ready or stuck:
                del running[pipe]
                yield self._outcome(fork, stuck)

    def _outcome(self, fork: _Fork, stuck: bool) -> Outcome:
        with os.fdopen(fork.pipe, "rb") as pipe:
            by = pipe.read().decode()
        _, status, used = os.wait4(fork.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == _OUR_FAULT:
            raise RuntimeError(f"{fork.mutant.name} could not be tried: {by}")
        if not by and code:
            by = "stuck" if stuck else _ENDS.get(code, f"ended with {code}")
        self.remember(fork.mutant, by)
        return Outcome(fork.mutant, code != 0, by, used.ru_utime + used.ru_stime)

    def remember(self, mutant: Mutant, by: str) -> None:
        """This test caught this fault: it goes first the next time."""
        number = self._numbers.get(by)
        if number is not None:
            nearby = self.catchers[mutant.module, mutant.place]
            nearby.pop(number, None)
            nearby[number] = None

    def _fork(self, mutant: Mutant) -> _Fork:
        reader, writer = os.pipe()
        child = os.fork()
        if child:
            os.close(writer)
            return _Fork(mutant, child, reader, time.monotonic() + STUCK_S)
        try:
            gc.disable()
            _be_quiet()
            self._says = writer
            self._try(mutant)
            os._exit(0)
        except (ImportError, SystemExit, KeyboardInterrupt, pytest.exit.Exception) as error:
            self._caught(type(error).__name__)
        except BaseException as error:
            # What a test meets is told by pytest: this is the runner's own, and catches nothing.
            # It may not come back into the parent's stack.
            os.write(writer, repr(error).encode()[-500:])
            os._exit(_OUR_FAULT)

    def _try(self, mutant: Mutant) -> None:
        """In a fork: run what may notice the fault.  Ends the process if a test does."""
        lines = range(mutant.line, mutant.last + 1)
        imported = not mutant.in_function or any(
            (mutant.module, line) in self.imported for line in lines
        )
        tests = self.reach.tests(mutant.module, lines if mutant.in_function else None)
        if mutant.in_function:
            imported |= not self.living.patch(mutant)
            chosen = self._in_order(mutant, tests)
            items = [self.items[test] for test in chosen]
            for at, test in enumerate(chosen):
                _allow(EXTRA_S + SLOWER * self.reach.seconds[test])
                _passes(items[at], _next(items, at))
        if imported:
            files = self._files(mutant.module, tests)
            _allow(EXTRA_S + SLOWER * SLOW_S)
            _anew(mutant, files, self)

    def _in_order(self, mutant: Mutant, tests: list[int]) -> list[int]:
        """First those that caught another fault nearby, then those of its own file, the quickest
        of each first; within the time for each."""
        nearby = list(self.catchers.get((mutant.module, mutant.place), {}))
        first = [test for test in reversed(nearby) if test in set(tests)]
        stem = mutant.module.rsplit("/", 1)[1]
        rest = [test for test in tests if test not in nearby]
        rest.sort(key=lambda test: stem not in self.items[test].path.name)
        total, chosen = 0.0, list[int]()
        for test in (*first, *rest):
            total += self.reach.seconds[test]
            if chosen and total > self.each_s:
                break
            chosen.append(test)
        return chosen

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

    def honest(self, test: str) -> bool:
        """Whether a test passes in a fork without any fault: else what it caught is not caught."""
        number = self._numbers.get(test)
        if number is None:
            return True
        child = os.fork()
        if child == 0:
            _be_quiet()
            self.living.forget()
            _allow(EXTRA_S + SLOWER * self.reach.seconds[number])
            os._exit(0 if _passes(self.items[number], None) else 1)
        return os.waitpid(child, 0)[1] == 0


@dataclass(frozen=True, slots=True)
class _Fork:
    mutant: Mutant
    pid: int
    pipe: int
    until: float


_OUR_FAULT = 70
_ENDS = {-signal.SIGPROF: "takes too long", -signal.SIGSEGV: "crash", -signal.SIGKILL: "killed"}


def _next(items: Sequence[pytest.Item], at: int) -> pytest.Item | None:
    return items[at + 1] if at + 1 < len(items) else None


def _passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    reports = runtestprotocol(item, log=False, nextitem=following)
    return not any(report.failed for report in reports)


def _few_examples(item: pytest.Item, most: int) -> None:
    """Properties with few examples, the same each time, and none made smaller when one fails."""
    function: Any = getattr(item, "obj", None)
    own = getattr(function, "_hypothesis_internal_use_settings", None)
    if own is not None:
        function._hypothesis_internal_use_settings = settings(
            cast("settings", own),
            max_examples=min(own.max_examples, most),
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=cast("list[HealthCheck]", list(HealthCheck)),
            derandomize=True,
            database=None,
            deadline=None,
        )


# --- forks ----------------------------------------------------------------------------------------


def _be_quiet() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def _allow(seconds: float) -> None:
    """End this process after so much of its own time."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


@dataclass(frozen=True, slots=True)
class _Living:
    """The functions of the modules, and every cache of the project, as they are in this process."""

    functions: dict[str, list[FunctionType]]
    caches: list[Any]

    @classmethod
    def found(cls, modules: Iterable[str]) -> _Living:
        modules_by_path = {str(path_of(module)): module for module in modules}
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
                wrapped: Any = getattr(one, "__wrapped__", None)
                code = getattr(wrapped, "__code__", None)
                if code is not None and str(ROOT) in os.path.realpath(code.co_filename):
                    caches.append(one)
        return cls(functions, caches)

    def patch(self, mutant: Mutant) -> bool:
        """Give every function of the module the code that it has in the mutant; whether it could.

        A function whose free variables differ keeps its code: then the fault needs a new import.
        """
        living = self.functions[mutant.module]
        if not living:
            return False
        name = living[0].__code__.co_filename
        codes = _codes(compile(mutant.tree, name, "exec", dont_inherit=True))
        complete = True
        for function in living:
            own = function.__code__
            code = codes.get((own.co_qualname, own.co_firstlineno))
            if code is not None and len(code.co_freevars) == len(own.co_freevars):
                function.__code__ = code
            else:
                complete = False
        self.forget()
        return complete

    def forget(self) -> None:
        """What was computed before the fault was there would hide it."""
        for cache in self.caches:
            cache.cache_clear()
        delegation = sys.modules.get(f"{PACKAGE}.protocol.delegation")
        if delegation is not None:
            delegation.forget_delegations()


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
        self._name = f"{PACKAGE}.{mutant.module.replace('/', '.')}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, path_of(self._mutant.module), loader=self
        )

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        path = str(path_of(self._mutant.module))
        exec(compile(self._mutant.tree, path, "exec", dont_inherit=True), module.__dict__)


def _anew(mutant: Mutant, files: Iterable[str], server: Server) -> None:
    """Import everything again with the mutant in place, and run these files."""
    for name in list(sys.modules):
        module_file = getattr(sys.modules[name], "__file__", None) or ""
        if name.startswith(f"{PACKAGE}.") or str(ROOT / "tests") in module_file:
            del sys.modules[name]
    sys.meta_path.insert(0, _Finder(mutant))
    code = pytest.main([*options(), "-x", *files], plugins=[server])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise ImportError


def options() -> list[str]:
    """How pytest is started, here and in a fork."""
    return ["-q", "-p", "no:cacheprovider", "--capture=no", "-W", "ignore",
            "--rootdir", str(ROOT), "--tb=no"]  # fmt: skip

"""Mutation testing of the core: how many small faults do the tests catch?

    python -m entrenous.tests.mutation.run                       all modules, all mutants
    python -m entrenous.tests.mutation.run protocol/wire crypto/key_tree
    python -m entrenous.tests.mutation.run --sample 200 --seed 1
    python -m entrenous.tests.mutation.run --again --examples 200
    python -m entrenous.tests.mutation.run --report

What was found is kept, a line each, in `.mutants/results.jsonl`, and not done again: a run that was
stopped goes on.  A mutant is known by its module's digest too, so a changed module begins anew; a
survivor is tried again with `--again`, once a test was written for it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from entrenous.tests.mutation.mutants import Mutant, mutants
from entrenous.tests.mutation.reach import ROOT, path_of
from entrenous.tests.mutation.server import EXAMPLES, Outcome, Server, options

MODULES = (
    "protocol/wire", "crypto/canonical", "protocol/envelope", "protocol/delegation",
    "protocol/invocation", "protocol/chain", "protocol/policy", "protocol/selector",
    "protocol/trust", "protocol/grant_status", "crypto/key_tree", "protocol/session",
    "protocol/session_calls", "protocol/frame", "protocol/hello", "protocol/send_queue",
    "protocol/patience", "protocol/message", "protocol/offer", "protocol/call",
    "protocol/capability", "protocol/cid", "protocol/did", "protocol/grant",
    "protocol/revocation", "protocol/keyset", "protocol/keys_lent_on", "protocol/view",
    "protocol/view_figures", "protocol/view_path", "protocol/checkpoint_note", "protocol/witness",
    "protocol/log_proof", "protocol/terms_narrowing", "protocol/terms_enforced",
    "protocol/standing_terms", "protocol/accrual", "protocol/helped", "protocol/command_help",
    "node/store/log",
)  # fmt: skip
RESULTS = ROOT / ".mutants" / "results.jsonl"
# The tests of the two lower floors, and the log's own, without those of what stands on them: what
# only those would notice is a fault that the core's own tests miss.
TESTS = ("crypto/test_*.py", "protocol/test_*.py", "node/test_store_log.py")
# They talk to other programs, or are about this one.
LEFT_OUT = ("test_ucan_interop.py", "test_differential.py", "test_mutation.py")


class Results:
    """What is known of each mutant, on disk: whether it was caught, and by what."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.caught: dict[str, bool] = {}
        self.by: dict[str, str] = {}
        if path.exists():
            for line in path.read_text("utf-8").splitlines():
                entry = cast("Mapping[str, object]", json.loads(line))
                self._set(str(entry["key"]), bool(entry["caught"]), str(entry.get("by", "")))

    def add(self, outcome: Outcome) -> None:
        self.write(key(outcome.mutant), outcome.caught, outcome.by)

    def write(self, name: str, caught: bool, by: str) -> None:
        self._set(name, caught, by)
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": name, "caught": caught, "by": by}) + "\n")

    def _set(self, name: str, caught: bool, by: str) -> None:
        self.caught[name] = caught
        self.by[name] = by


def key(mutant: Mutant) -> str:
    """Its name and the digest of its module."""
    return f"{digest(mutant.module)} {mutant.name}"


@cache
def source(module: str) -> str:
    """As it is when the run begins: somebody may be at work on it."""
    return path_of(module).read_text("utf-8")


def digest(module: str) -> str:
    return hashlib.sha256(source(module).encode()).hexdigest()[:8]


def chosen(modules: Sequence[str], sample: int | None, seed: int) -> list[Mutant]:
    """The mutants of these modules, or a sample of them."""
    found = [mutant for module in modules for mutant in mutants(module, source(module))]
    if sample is not None and sample < len(found):
        found = random.Random(seed).sample(found, sample)
    return found


def report(found: Sequence[Mutant], results: Results) -> str:
    """The table of figures, and each survivor by name."""
    by_module: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in found:
        if key(mutant) in results.caught:
            by_module[mutant.module].append(mutant)
    lines = ["| module | caught | tried | of all |", "|---|---|---|---|"]
    total = [0, 0, 0]
    for module, tried in by_module.items():
        caught = sum(results.caught[key(mutant)] for mutant in tried)
        every = sum(mutant.module == module for mutant in found)
        lines.append(f"| `{module}.py` | {caught} | {len(tried)} | {every} |")
        total = [total[0] + caught, total[1] + len(tried), total[2] + every]
    lines.append(f"| all | {total[0]} | {total[1]} | {total[2]} |")
    survivors = [mutant.name for mutant in found if results.caught.get(key(mutant)) is False]
    return "\n".join([*lines, "", *survivors])


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(MODULES))
    parser.add_argument("--sample", type=int, help="only so many, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="then stop")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--again", action="store_true", help="only survivors, once more")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of each property")
    parser.add_argument("--each", type=float, default=float("inf"), help="seconds of tests")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at the same time")
    parser.add_argument("--tests", nargs="*", default=list(TESTS), help="patterns, in tests/")
    parser.add_argument("--report", action="store_true", help="only say what is known")
    given = parser.parse_args(argv)
    results = Results(given.results)
    found = chosen(given.modules, given.sample, given.seed)
    if not given.report:
        todo = [
            mutant
            for mutant in found
            if (
                results.caught.get(key(mutant)) is False
                if given.again
                else key(mutant) not in results.caught
            )
        ]
        if todo and (code := run(todo, results, given)):
            return code
    print(report(found, results))
    return 0


def run(todo: list[Mutant], results: Results, given: argparse.Namespace) -> int:
    """Try these for at most so many seconds: first those that need no new import, at random."""
    until = time.monotonic() + given.seconds
    # Also one that is not in the list: its faulty functions must be there to be put in.
    modules = {*MODULES, *given.modules}
    random.Random(0).shuffle(todo)
    todo.sort(key=lambda mutant: not mutant.in_function)

    def in_time() -> Iterator[Mutant]:
        for mutant in todo:
            if time.monotonic() > until:
                return
            yield mutant

    def work(server: Server) -> None:
        say(f"{len(todo)} mutants, {len(server.items)} tests")
        for mutant in chosen(sorted(modules), None, 0):
            server.remember(mutant, results.by.get(key(mutant), ""))
        cpu_s = 0.0
        by: dict[str, list[Mutant]] = defaultdict(list)
        for number, outcome in enumerate(server.outcomes(in_time()), 1):
            results.add(outcome)
            by[outcome.by].append(outcome.mutant)
            cpu_s += outcome.cpu_s
            if not outcome.caught:
                say(f"{number}/{len(todo)} survived: {outcome.mutant.name}")
            if number % 50 == 0:
                say(f"{number}/{len(todo)}, {cpu_s / number:.2f} s of a processor each")
        say(f"{cpu_s:.0f} s of a processor for {sum(map(len, by.values()))} mutants")
        for test, caught in by.items():
            if test and not server.honest(test):
                say(f"{test} fails without a fault: what it caught is not counted")
                for mutant in caught:
                    results.write(key(mutant), False, "")

    sources = {module: source(module) for module in modules}
    kept = results.path.with_name("reach.json")
    server = Server(sources, work, kept, given.jobs, given.each, given.examples)
    files = [
        str(path)
        for pattern in given.tests
        for path in sorted((ROOT / "tests").glob(pattern))
        if path.name not in LEFT_OUT
    ]
    return int(pytest.main([*options(), *files], plugins=[server]))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

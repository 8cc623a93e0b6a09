"""Mutation testing of the core: how many small faults do the tests catch?

    python -m entrenous.tests.mutation.run                       all modules, all mutants
    python -m entrenous.tests.mutation.run protocol/wire crypto/key_tree
    python -m entrenous.tests.mutation.run --sample 200 --seed 1
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
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings

from entrenous.tests.mutation.mutants import Mutant, mutants
from entrenous.tests.mutation.server import ROOT, Server, options

MODULES = (
    "protocol/wire", "crypto/canonical", "protocol/envelope", "protocol/delegation",
    "protocol/invocation", "protocol/chain", "protocol/policy", "protocol/selector",
    "protocol/trust", "crypto/key_tree", "protocol/session", "protocol/session_calls",
    "protocol/frame", "protocol/hello", "protocol/send_queue", "protocol/patience",
    "protocol/message", "protocol/offer", "protocol/call", "protocol/cid", "protocol/did",
)  # fmt: skip
RESULTS = ROOT / ".mutants" / "results.jsonl"
# The tests of the core, without those of what stands on it: a fault that only those would notice
# is one that the core's own tests miss.
TESTS = (
    "test_ucan_*.py", "test_negative_vectors.py", "test_policy.py", "test_chain_properties.py",
    "test_trust.py", "test_mandate.py", "test_push.py", "test_grant.py", "test_did.py",
    "test_command.py", "test_session*.py",
    "test_canonical.py", "test_wire.py", "test_frame.py", "test_key_tree.py", "test_keyset.py",
    "test_signed_objects.py", "test_receipt.py", "test_cid.py", "test_keys.py",
)  # fmt: skip
# They talk to other programs, or draw the documents: no mutant is caught by them alone.
LEFT_OUT = ("test_ucan_interop.py", "test_differential.py", "test_mutation.py")

settings.register_profile(
    "mutants", deadline=None, database=None, derandomize=True, max_examples=10
)


class Results:
    """What is known of each mutant, on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.caught: dict[str, bool] = {}
        if path.exists():
            for line in path.read_text("utf-8").splitlines():
                entry = cast("Mapping[str, object]", json.loads(line))
                self.caught[str(entry["key"])] = bool(entry["caught"])

    def add(self, mutant: Mutant, caught: bool) -> None:
        self.caught[key(mutant)] = caught
        self.path.parent.mkdir(exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key(mutant), "caught": caught}) + "\n")


def key(mutant: Mutant) -> str:
    """Its name and the digest of its module."""
    return f"{digest(mutant.module)} {mutant.name}"


@cache
def source(module: str) -> str:
    """As it is when the run begins: somebody may be at work on it."""
    return (ROOT / f"{module}.py").read_text("utf-8")


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
    parser.add_argument("--thorough", action="store_true", help="survivors in a fresh import too")
    parser.add_argument("--tests", nargs="*", default=list(TESTS), help="names of files of tests")
    parser.add_argument("--report", action="store_true", help="only say what is known")
    given = parser.parse_args(argv)
    results = Results(given.results)
    found = chosen(given.modules, given.sample, given.seed)
    if not given.report:
        run(
            found,
            results,
            given.seconds,
            again=given.again,
            thorough=given.thorough,
            tests=given.tests,
        )
    print(report(found, results))
    return 0


def run(
    found: Sequence[Mutant],
    results: Results,
    seconds: float,
    *,
    again: bool,
    thorough: bool,
    tests: Sequence[str],
) -> None:
    """Try what is not known yet, in an order of no meaning, for at most `seconds`."""
    until = time.monotonic() + seconds
    todo = [
        mutant
        for mutant in found
        if (
            results.caught.get(key(mutant)) is False if again else key(mutant) not in results.caught
        )
    ]
    random.Random(0).shuffle(todo)
    if not todo:
        return

    def work(server: Server) -> None:
        print(f"{len(todo)} mutants, {len(server.items)} tests", file=sys.stderr, flush=True)
        for number, mutant in enumerate(todo):
            if time.monotonic() > until:
                break
            caught = server.caught(mutant)
            results.add(mutant, caught)
            if not caught:
                print(f"{number}/{len(todo)} survived: {mutant.name}", file=sys.stderr, flush=True)

    server = Server(MODULES, work, results.path.with_name("reach.json"), thorough)
    ignored = [f"--ignore-glob=*/{name}" for name in LEFT_OUT]
    files = [str(path) for name in tests for path in sorted((ROOT / "tests").glob(f"*/{name}"))]
    pytest.main([*options(), *ignored, *files], plugins=[server])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

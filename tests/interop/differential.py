"""This program against others, on random input: for as long as is wanted.

    python -m entrenous.tests.interop.differential --seconds 60 --seed 1 [ucan] [cbor]

Ends with 1 if a disagreement has no listed reason; the seed and the number of the case that it
names give that case again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence

from entrenous.tests.interop import cbor_differential, ucan_differential


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="differential")
    parser.add_argument("what", nargs="*", choices=["ucan", "cbor", []], default=[])
    parser.add_argument("--seconds", type=float, default=10.0, help="for each of them")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)
    failed = False
    for what in given.what or ["cbor", "ucan"]:
        report = _run(what, given.seed, given.seconds)
        if report is None:
            print(f"{what}: Node.js is not here, or iso-ucan is not installed (make interop-deps)")
            failed = True
            continue
        print(f"{what}: {report.cases} cases, {report.accepted} accepted by us")
        for name, count in report.disagreements.most_common():
            print(f"  {count:6}  {name}")
        for line in report.unexplained:
            print(f"  no listed reason: {line}")
        failed = failed or bool(report.unexplained)
    return 1 if failed else 0


def _run(
    what: str, seed: int, seconds: float
) -> cbor_differential.Report | ucan_differential.Report | None:
    if what == "cbor":
        return cbor_differential.run(seed, seconds=seconds)
    node = shutil.which("node")
    if node is None or not ucan_differential.installed():
        return None
    with ucan_differential.iso_ucan(node) as theirs:
        return ucan_differential.run(theirs, seed, seconds=seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The coverage-guided engine: libFuzzer, by way of atheris.  The only importer of it.

Modules are instrumented as they are imported, once; each target then runs in a process forked from
that one, since libFuzzer ends its process.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, Final, NoReturn

from .process import Current, Limits, Place
from .target import Form, Target, attempt

MEMORY_MB: Final = 1024
_INSTRUMENTED: Final = ("entrenous", "h11", "tomllib")
_REPOSITORY: Final = Path(__file__).parents[2]
_NOT_INSTRUMENTED: Final = ("tests", "simulations")


def is_here() -> bool:
    return importlib.util.find_spec("atheris") is not None


@contextmanager
def instrumented() -> Generator[None]:
    """What is imported inside is instrumented."""
    # It is told by name what to leave out, and prints what it does.
    without = [
        "entrenous." + ".".join(path.relative_to(_REPOSITORY).with_suffix("").parts)
        for folder in _NOT_INSTRUMENTED
        for path in (_REPOSITORY / folder).rglob("*.py")
        if path.stem != "planted"
    ]
    chosen = _atheris().instrument_imports(include=list(_INSTRUMENTED), exclude=without)
    with redirect_stderr(io.StringIO()), chosen:
        yield


def run(target: Target, place: Place, limits: Limits, current: Current, seed: int) -> NoReturn:
    """Fuzz in this process, which ends: 0, or another code with the input in `current`.

    `seed` is of what is drawn; 0: another each time.
    """
    atheris = _atheris()
    options: dict[str, object] = {
        "max_total_time": limits.seconds,
        "runs": limits.runs,
        "seed": seed,
        "max_len": target.bytes_max,
        "timeout": limits.hang_s,
        "rss_limit_mb": MEMORY_MB,
        # Whoever forked this process keeps the input, however it ended.
        "artifact_prefix": f"{place.log.with_suffix('')}-",
        "report_slow_units": 10 * limits.hang_s,
        "print_final_stats": 1,
        "verbosity": 1,
    }
    if target.words:
        words = place.log.with_suffix(".dict")
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        options["dict"] = words
    sys.stdout.flush()
    with place.log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    def one(data: bytes) -> None:
        current.write(data)
        attempt(target, data)

    arguments = [target.name, *(f"-{name}={value}" for name, value in options.items())]
    atheris.Setup(
        [*arguments, *map(str, place.corpora)],
        one,
        **({"custom_mutator": _mutator(atheris)} if target.form is Form.VALUE else {}),
    )
    atheris.Fuzz()
    os._exit(0)


def figures(log: str) -> dict[str, int]:
    """`runs`, `per_s`, `coverage`, `corpus`, `rss_mb` of a log; those that it gives."""
    found: dict[str, int] = {}
    for name, pattern in _FIGURES.items():
        values = re.findall(pattern, log)
        if values:
            found[name] = int(values[-1])
    return found


_FIGURES: Final = {
    "runs": r"stat::number_of_executed_units: (\d+)",
    "per_s": r"stat::average_exec_per_sec: +(\d+)",
    "rss_mb": r"stat::peak_rss_mb: +(\d+)",
    "coverage": r" cov: (\d+)",
    "corpus": r" corp: (\d+)/",
}


def _mutator(atheris: Any) -> Callable[[bytes, int, int], bytes]:
    # Imported late: what is imported before `instrumented` is not.
    from . import cbor_mutation

    def mutate(data: bytes, size_max: int, seed: int) -> bytes:
        if seed % 4:

            def change(piece: bytes) -> bytes:
                return bytes(atheris.Mutate(piece, min(len(piece) + 16, size_max) or 1))

            found = cbor_mutation.mutated(data, seed, size_max, change)
            if found is not None:
                return found
        return bytes(atheris.Mutate(data, size_max))

    return mutate


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _atheris() -> Any:
    # It has no types of its own.
    return importlib.import_module("atheris")

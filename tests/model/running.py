"""Running histories: so many from a seed, and what they reached."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import get_state_machine_test

from .lending_machine import KINDS, LendingMachine
from .openings import ONE_DEVICE, OPENINGS

STEPS = 40
# What is drawn: a second device is in the openings, and drawn with `--devices`.
DRAWN = KINDS - {"devices"}
# Of one round; part of what a seed means, so a failure replays with the same number.
HISTORIES = 2


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one seed; `failure` is a traceback."""

    number: int
    reached: Counter[str]
    cpu_s: float
    failure: str | None


def live(number: int, shrink: bool, devices: bool = False) -> Round:
    """The histories of one seed; a failure told with its smallest form if `shrink`.

    Round 0 is each opening once, with little after it.
    """
    cpu_s = time.process_time()
    reached, failure = Counter[str](), None
    try:
        if number:
            kinds = KINDS if devices else DRAWN
            openings = ("", *OPENINGS) if devices else LendingMachine.openings
            reached = run(number, HISTORIES, kinds=kinds, openings=openings, shrink=shrink)
        for name in () if number else (OPENINGS if devices else ONE_DEVICE):
            reached += run(1, 1, steps=1, openings=(name,), shrink=shrink)
    except Exception:
        failure = traceback.format_exc()
    return Round(number, reached, time.process_time() - cpu_s, failure)


def run(
    number: int,
    histories: int,
    *,
    steps: int = STEPS,
    kinds: frozenset[str] = DRAWN,
    openings: tuple[str, ...] = LendingMachine.openings,
    shrink: bool = False,
) -> Counter[str]:
    """Live `histories` of at most `steps` steps, drawn from seed `number`; what was reached.

    Raises what the first history that differs raises, told with its smallest form if `shrink`.
    """

    class Chosen(LendingMachine):
        pass

    Chosen.kinds = kinds
    Chosen.openings = openings
    Chosen.reached = Counter()
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    chosen = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=False,
        phases=phases,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
        verbosity=Verbosity.normal,
    )
    seed(number)(get_state_machine_test(Chosen, settings=chosen))()
    return Chosen.reached

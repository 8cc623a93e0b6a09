"""Running histories: so many from a seed, and what they reached."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import get_state_machine_test

from .lending_machine import KINDS, LendingMachine
from .openings import OPENINGS

STEPS = 40
# Of one round; part of what a seed means, so a failure replays with the same number.
HISTORIES = 2


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one seed; `failure` is a traceback."""

    number: int
    reached: Counter[str]
    cpu_s: float
    failure: str | None


def live(number: int, shrink: bool) -> Round:
    """The histories of one seed; a failure told with its smallest form if `shrink`.

    Rounds 0 and below are the openings, one each, with little after it.
    """
    cpu_s = time.process_time()
    reached, failure = Counter[str](), None
    try:
        if number > 0:
            reached = run(number, HISTORIES, shrink=shrink)
        else:
            reached = run(1, 1, steps=1, openings=([*OPENINGS][-number],), shrink=shrink)
    except Exception:
        failure = traceback.format_exc()
    return Round(number, reached, time.process_time() - cpu_s, failure)


def run(
    number: int,
    histories: int,
    *,
    steps: int = STEPS,
    kinds: frozenset[str] = KINDS,
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

"""Running histories: so many from a seed, and what they reached."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import get_state_machine_test

from .lending_machine import KINDS, LendingMachine

STEPS = 40


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

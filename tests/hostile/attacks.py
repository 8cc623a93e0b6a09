"""Every attack, by its name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from entrenous.tests.hostile.attacker import Attacker
from entrenous.tests.hostile.session import SESSION
from entrenous.tests.hostile.wire import WIRE

ATTACKS: Mapping[str, Callable[[Attacker], Awaitable[None]]] = {**WIRE, **SESSION}


def says(name: str) -> str:
    """What an attack does, in one line."""
    return (ATTACKS[name].__doc__ or "").strip().splitlines()[0]

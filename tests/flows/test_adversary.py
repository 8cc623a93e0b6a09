"""The set that an adversary opens is the set that was granted: no page more, no page less.

Three ways of working it out meet here: the adversary's keys, the grants in the owner's rows
(`simulations/adversary.py`), and a model that has only seen the history (`lent_history.py`).
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import trio

from entrenous.protocol.wire import Value, decode
from entrenous.simulations.adversary import Findings, attack, attack_sealed
from entrenous.simulations.stolen import Files, Loot
from entrenous.tests.flows.lent_history import READERS, History, history, live_through


def keystore(found: History, name: str) -> dict[str, Value]:
    value = decode(found.keystores[name].to_bytes())
    assert isinstance(value, dict)
    return value


def loot(found: History, reader: str) -> Loot:
    return Loot.of(Files.of(found.database(reader)), keystore(found, reader))


def attacked(found: History, *readers: str) -> Findings:
    owner = Files.of(found.database("owner"))
    return attack(owner, keystore(found, "owner"), [loot(found, name) for name in readers])


def attacked_sealed(found: History, *readers: str) -> Findings:
    owner = Files.of(found.database("owner"))
    return attack_sealed(owner, [loot(found, name) for name in readers])


@pytest.mark.parametrize("seed", range(6))
async def test_what_opens_is_what_was_granted(
    seed: int, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with history(tmp_path, seed) as lived:
        await live_through(lived, random.Random(seed), steps=14)
        for readers in (*((name,) for name in READERS), READERS):
            found = attacked(lived, *readers)
            assert found.opened == lived.granted(*readers)
            assert found.opened == found.expected
            assert set(found.pages) == set(lived.pages)
            sealed = attacked_sealed(lived, *readers)
            fetched = {digest for name in readers for digest in lived.fetched.get(name, ())}
            assert sealed.opened == fetched
            assert sealed.kept

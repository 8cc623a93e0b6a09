"""Hostile peers at the door of a real node, over real sockets, while an honest one reads.

After each attack: the node is alive, every read of the honest peer came whole, memory stayed under
the limit, nothing that is kept has changed, the log is not full, and tasks and open files are what
they were.  What each attacker was told is asserted too.  Figures are measured by
`make bench ARGS=hostile`; nothing here passes or fails by its speed.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from entrenous.protocol.limits import DELIVERY_BYTES_MAX
from entrenous.tests.flows.hostile_node import Besieged, besieged
from entrenous.tests.hostile.attacks import ATTACKS

# Attack → words of what its author was told, each of them.  None: nobody says anything to it.
TOLD: dict[str, tuple[str, ...]] = {
    # who has proved nothing
    "connect": ("done",),
    "silent": (),
    "slow": (),
    "huge": ("done",),
    "handshakes": ("done", "HandshakeFailed"),
    "held": ("HandshakeFailed",),
    # who has proved a key
    "streams": ("ConnectionClosedError",),
    "half-closed": ("ConnectionClosedError",),
    "pings": ("ConnectionClosedError",),
    "huge-frames": ("ConnectionClosedError",),
    "slow-frames": (),
    "no-hello": (),
    "slow-hello": (),
    "pairings": ("unpaired: this invite is not known here",),
    # who is paired
    "greedy": ("windows",),
    "greedy-days": ("windows",),
    "many-connections": ("hung up",),
    "deliveries": ("MiB: ok",),
    "rubbish": ("a delivery of 60 MiB: malformed",),
    "calls": ("answered",),
    "not-reading": (),
    "unsigned": ("windows",),
    "slow-parts": (),
    "lying": (
        "a forged signature: malformed",
        "another's name: unpaired, signed",
        "another device: audience, signed",
        "in the past: expired, signed",
        "no proofs: unknown-grant, signed",
        "other proofs: malformed, signed",
        "wider days: days, signed",
        "wrong digests: malformed, signed",
        "a command of nobody: command, signed",
    ),
    "huge-cbor": ("too-much: a frame of 4294967295 bytes is announced", "malformed"),
    "reconnecting": ("done",),
    "out-of-order": (
        "a countersign before an offer: malformed",
        "pages that nobody asked for: malformed",
        "an answer to a call never made: malformed",
        "a hello twice: malformed",
        "a part for another's call: malformed",
        "a call under a number of ours: malformed",
        "calls that go back: malformed",
        "a refusal of nothing: malformed",
        "a pong to no ping: malformed",
    ),
}


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Generator[Besieged]:
    with besieged(tmp_path_factory.mktemp("besieged")) as found:
        yield found


def test_every_attack_is_tried() -> None:
    assert TOLD.keys() == ATTACKS.keys()


@pytest.mark.parametrize("attack", TOLD)
async def test_an_attack(siege: Besieged, attack: str) -> None:
    cost = await siege.attack(attack, TOLD[attack])
    if attack == "deliveries":
        # What it brought is there, under its name, and no more of it than was answered `stored`.
        assert cost.got["bytes"] <= DELIVERY_BYTES_MAX * 4

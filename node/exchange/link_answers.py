"""Answers over a link: signed and logged in one unit of work, and let out in their order.

A word that a device signs names the last one that its peer has of it, so words leave in the order
in which they were signed, whichever unit was done first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...protocol.errors import GrantRefused
from ...protocol.trust import (
    Heard,
)
from ...protocol.wire import Value
from ..clock import Clock
from ..peers.peers import Pair
from ..store.database import Tx
from .answering import Answering, Done
from .link import Link


@dataclass(frozen=True, slots=True)
class Ready:
    """Something signed and logged, to be let out in its place; what is not signed has none."""

    number: int | None
    let_out: Callable[[], None]


class LinkAnswers:
    """Signs what is answered over links."""

    def __init__(self, answering: Answering, clock: Clock) -> None:
        self._answering = answering
        self._clock = clock

    def answer(
        self,
        tx: Tx,
        link: Link,
        pair: Pair,
        call: int,
        heard: Heard,
        result: Done[Value] | GrantRefused,
    ) -> Ready:
        """Sign and log an answer, in the unit of what it answers."""
        now_ms = self._clock.now_ms()
        answer = self._answering.word(tx, pair, heard, result, prev=link.chain.given, now_ms=now_ms)
        order = link.chain.number(answer.cid)
        return Ready(order, lambda: link.session.answer(call, answer.signed.raw))

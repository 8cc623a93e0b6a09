"""A visit: what one peer, on one link, makes this node hold in memory; and how much that may be.

    call of a read      a slot, from its plan to its last word: READS_AT_ONCE for a link
    parts of delivery   their bytes, until they are taken in: for a link, and for all links together
    logged word         leave, for each pair, which grows back with time

A read that finds no slot waits for one: that is the reader's own doing.  A part that finds no room
ends its call as `busy`, and the sender tries again later; so does a call without leave, and nothing
is logged of it, since a log that a peer could fill at will would not be ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from ...protocol.errors import Code, GrantRefused
from ...protocol.limits import DELIVERY_BYTES_MAX, PART_BYTES_MAX
from ...protocol.receipt import Receipt
from ...protocol.trust import Heard
from ..reads.serving import ReadPlan

# Reads of one link that are between their first window and their last: each holds a plan (about
# 600 bytes a page) and a window of 1 MiB.
READS_AT_ONCE = 8
# Bytes of parts that one link may have under way: one delivery, and the start of another.
LINK_BYTES_MAX = DELIVERY_BYTES_MAX + 4 * PART_BYTES_MAX
# And all links together.
CELLAR_BYTES_MAX = 4 * LINK_BYTES_MAX
# No part for so long, and the delivery is given up.
PART_S = 60.0
# Calls that one peer may make at once without leave growing back, and how fast it does.  A read
# under a grant costs a twentieth: its receipts are what the log is for.
LEAVE_MAX = 2_000.0
LEAVE_PER_S = 2.0
LEAVE_OF_READ = 0.05
# To answer an invoice, every read under the grants of the two is counted: a few in a row, and then
# one a minute.
LEAVE_OF_INVOICE = 120.0
# What a stranger may try on one link: the invite it scanned, and again after a lost answer.
STRANGER_TRIES = 4
# Whom the door remembers for it: every peer of a large organisation that asks at one time.
LEAVES_MAX = 4_096


class Cellar:
    """Room for the parts of deliveries, shared by all links."""

    def __init__(self) -> None:
        self.held = 0


@dataclass(slots=True)
class Reading:
    """A read that is being served: window `number` is with the reader."""

    heard: Heard
    plan: ReadPlan
    receipt: Receipt
    number: int


@dataclass(slots=True)
class Parts:
    """The parts of one delivery as they arrive."""

    got: list[bytes] = field(default_factory=lambda: list[bytes]())
    size: int = 0
    gone: bool = False
    changed: trio.Event = field(default_factory=trio.Event)

    def add(self, data: bytes) -> None:
        self.got.append(data)
        self.size += len(data)
        self.changed.set()

    def end(self) -> None:
        self.gone = True
        self.changed.set()

    async def whole(self, lengths: Sequence[int]) -> Sequence[bytes] | None:
        """All parts, of these lengths, or None if the peer gave up.

        Raises GrantRefused as soon as one is not as long as announced, or one too many came;
        trio.TooSlowError if none comes for a minute.
        """
        checked = 0
        while True:
            for part in self.got[checked:]:
                if checked >= len(lengths) or len(part) != lengths[checked]:
                    sentence = f"part {checked} of a delivery is not the one announced"
                    raise GrantRefused(sentence, Code.MALFORMED)
                checked += 1
            if self.gone:
                return None
            if checked == len(lengths):
                return self.got
            self.changed = trio.Event()
            with trio.fail_after(PART_S):
                await self.changed.wait()


class Visit:
    """One link, as the door sees it.  Calls are named by their numbers."""

    def __init__(self, cellar: Cellar) -> None:
        self.readings: dict[int, Reading] = {}
        # One for each call that is open and not yet answered.
        self.parts: dict[int, Parts] = {}
        self._cellar = cellar
        # How many pairings a stranger has tried.
        self.tries = 0
        self._held = 0
        self._slots = trio.Semaphore(READS_AT_ONCE)
        self._reads: set[int] = set()

    async def begin_reading(self, call: int) -> bool:
        """Wait for a slot for a read; False if its call is over before there is one."""
        await self._slots.acquire()
        if call not in self.parts:
            self._slots.release()
            return False
        self._reads.add(call)
        return True

    def take(self, call: int, data: bytes) -> bool:
        """Keep a part; False if there is no room.  Parts of a call that is over are dropped."""
        parts = self.parts.get(call)
        if parts is None or parts.gone:
            return True
        size = len(data)
        if self._held + size > LINK_BYTES_MAX or self._cellar.held + size > CELLAR_BYTES_MAX:
            self.drop(call)
            return False
        self._held += size
        self._cellar.held += size
        parts.add(data)
        return True

    def drop(self, call: int) -> None:
        """Nothing more is expected of the parts of a call."""
        parts = self.parts.pop(call, None)
        if parts is not None:
            self._held -= parts.size
            self._cellar.held -= parts.size
            parts.end()

    def end(self, call: int) -> None:
        """A call is over, for whatever reason."""
        self.readings.pop(call, None)
        self.drop(call)
        if call in self._reads:
            self._reads.remove(call)
            self._slots.release()

    def leave(self) -> None:
        """The link is closed."""
        for call in [*self.readings, *self.parts, *self._reads]:
            self.end(call)

"""The book of a week: what was promised to whom, and what was only tried.

It is kept by those who act, beside the nodes and not from them: a fact is *tried* when somebody
begins to hand it in, and *promised* when a node has said that it is kept.  What a vault shows must
lie between the two.  A restore takes back what was promised since the backup, and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field

from ...protocol.window import Window
from .files import Fact


@dataclass(slots=True)
class Lending:
    """One grant, as the one who gave it remembers it.  Times in ms of the world.

    `tried_ms` is when its taking back was begun, `done_ms` when it had returned; `words` is how
    many words the owner's log had then, in the log of number `log`.
    """

    grant: bytes
    reader: str
    window: Window
    exp_ms: int
    given_ms: int
    tried_ms: int | None = None
    done_ms: int | None = None
    log: int = 0
    words: int = 0
    forgotten: bool = False
    suspended: bool = False

    def surely_over(self, now_ms: int, slack_ms: int) -> bool:
        """Whether nothing may be served under it that is asked for at `now_ms`."""
        return self.done_ms is not None or now_ms > self.exp_ms + slack_ms

    def maybe_over(self, now_ms: int, slack_ms: int) -> bool:
        """Whether a refusal at `now_ms` is right."""
        return (
            self.tried_ms is not None
            or self.forgotten
            or self.suspended
            or now_ms > self.exp_ms - slack_ms
        )


@dataclass(slots=True)
class Kept:
    """What a restore brings back."""

    promised: dict[str, set[Fact]]
    statements: set[bytes]
    grants: set[bytes]


@dataclass(slots=True)
class Book:
    """What was promised and tried in the vault of the person."""

    promised: dict[str, set[Fact]] = field(default_factory=lambda: defaultdict(set))
    tried: dict[str, set[Fact]] = field(default_factory=lambda: defaultdict(set))
    statements: set[bytes] = field(default_factory=lambda: set[bytes]())
    restores: int = 0
    lendings: dict[bytes, Lending] = field(default_factory=lambda: dict[bytes, Lending]())
    # (proxy's name, organisation) of what was said under a mandate, and how often.
    acted: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def trying(self, path: str, facts: Iterable[Fact]) -> None:
        self.tried[path] |= set(facts)

    def kept(self, path: str, facts: Iterable[Fact]) -> None:
        self.promised[path] |= set(facts)

    def photograph(self) -> Kept:
        """What a backup that is begun now must hold."""
        return Kept(deepcopy(dict(self.promised)), set(self.statements), set(self.lendings))

    def restored(self, kept: Kept) -> None:
        """The machine was lost, and the backup of then stands in its place."""
        self.restores += 1
        self.promised = defaultdict(set, deepcopy(kept.promised))
        self.statements = set(kept.statements)
        for cid, lending in self.lendings.items():
            if cid not in kept.grants:
                lending.forgotten = True
            elif lending.done_ms is None:
                lending.suspended = True
            else:
                # It was taken back after the backup, or before: suspended or revoked, never live.
                lending.words = lending.log = 0

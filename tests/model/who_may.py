"""The model: who may read which days now, and which keys open which pages.

It knows nothing of keys, messages, disks or crashes.  A grant is an interval of days that begins
and ends; a page is a day at a moment.  Moments are numbered (`tick`), so that two things of one
millisecond have an order.

    may read      the grant has begun, has not ended, is not suspended, and the day is in it
    opens         the day is in it, and the page was written before the grant ended or was suspended

An owner restored from a backup has forgotten what came after it: pages are gone, grants given since
are over, and all that were live then wait until their owner keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from entrenous.protocol.day import day_of

NEVER = 1 << 60


@dataclass(frozen=True, slots=True)
class Page:
    """One record of `owner`, on its own page: hour `slot` of a day."""

    owner: str
    path: str
    day: int
    slot: int
    tick: int
    t_ms: int

    @property
    def name(self) -> tuple[str, str, int, int]:
        return self.owner, self.path, self.day, self.slot


@dataclass(frozen=True, slots=True)
class Grant:
    """Days `first … last` of one collection, lent until `exp_ms`."""

    cid: bytes
    owner: str
    reader: str
    path: str
    first: int
    last: int
    exp_ms: int
    given: int
    ended: int = NEVER
    suspended: int = NEVER
    # Given after the backup that its owner was restored from: nobody but the reader knows of it.
    lost: bool = False

    @property
    def live(self) -> bool:
        return self.ended == self.suspended == NEVER

    @property
    def revoked(self) -> bool:
        return self.ended != NEVER and not self.lost

    def has(self, day: int) -> bool:
        return self.first <= day <= min(self.last, day_of(self.exp_ms))

    def may_read(self, first: int, last: int, now_ms: int) -> bool:
        return self.live and now_ms <= self.exp_ms and self.first <= first and last <= self.last

    def opens(self, page: Page) -> bool:
        return (
            (page.owner, page.path) == (self.owner, self.path)
            and self.has(page.day)
            and page.tick < min(self.ended, self.suspended)
            and page.t_ms <= self.exp_ms
        )


@dataclass(frozen=True, slots=True)
class Photograph:
    """What an owner's backup knows."""

    tick: int
    grants: dict[bytes, Grant]


@dataclass
class WhoMay:
    """All grants that ever were, and all pages that are."""

    grants: dict[bytes, Grant] = field(default_factory=dict[bytes, Grant])
    pages: list[Page] = field(default_factory=list[Page])
    tick: int = 0

    def now(self) -> int:
        self.tick += 1
        return self.tick

    def write(self, owner: str, path: str, days: range, slot: int, t_ms: int) -> None:
        tick = self.now()
        self.pages += [Page(owner, path, day, slot, tick, t_ms) for day in days]

    def lend(self, grant: Grant) -> None:
        self.grants[grant.cid] = replace(grant, given=self.now())

    def take_back(self, cid: bytes) -> None:
        grant = self.grants[cid]
        self.grants[cid] = replace(grant, ended=min(self.now(), grant.suspended))

    def keep(self, cid: bytes) -> None:
        self.grants[cid] = replace(self.grants[cid], suspended=NEVER)

    def photograph(self, owner: str) -> Photograph:
        mine = {cid: grant for cid, grant in self.grants.items() if grant.owner == owner}
        return Photograph(self.now(), mine)

    def restore(self, owner: str, then: Photograph) -> None:
        tick = self.now()
        self.pages = [one for one in self.pages if one.owner != owner or one.tick < then.tick]
        for cid, grant in self.grants.items():
            if grant.owner == owner:
                self.grants[cid] = self._after(grant, then.grants.get(cid), tick)

    @staticmethod
    def _after(grant: Grant, before: Grant | None, tick: int) -> Grant:
        if before is None or grant.lost:
            return replace(grant, lost=True, ended=min(grant.ended, tick))
        if before.ended != NEVER:
            return grant
        # A taking back that came after the backup is forgotten; what the reader was given is not.
        return replace(before, suspended=min(grant.ended, grant.suspended, tick))

    def of(self, owner: str, reader: str, path: str) -> list[Grant]:
        wanted = (owner, reader, path)
        return [g for g in self.grants.values() if (g.owner, g.reader, g.path) == wanted]

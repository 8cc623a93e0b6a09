"""The model: who may read which days now, and which keys open which pages.

It knows nothing of keys, messages, disks or crashes.  A grant is an interval of days that begins
and ends; a page is a day at a moment.  Moments are numbered (`tick`), so that two things of one
millisecond have an order.

    may read      the grant has begun, has not ended, is not suspended, and the day is in it
    opens         the day is in it, and the page was written before the grant ended or was
                  suspended, or where nobody had heard of that
    lent on       both hold only as far as they hold of the grant that it was lent on from
    must be gone  what was read under a duty to delete, once that grant ended or its owner erased
                  it, unless the reader holds another grant on the day

Two devices of one person know what happened on either: surely, once they were in step after it;
surely not, if it happened on the other since they are apart; else perhaps.

Whoever is restored from a backup has forgotten what came after it.  At an owner, pages are gone,
grants given since are over, and all that were live then wait until their owner keeps them.  What a
reader has forgotten of is `unsure`: nobody counts on its keys, and still they open no more than the
above.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from entrenous.protocol.day import day_of

NEVER = 1 << 60

# (owner, path, day, hour): what one page tells.
Name = tuple[str, str, int, int]


@dataclass(frozen=True, slots=True)
class Page:
    """One record of `owner`, on its own page: hour `slot` of a day."""

    owner: str
    path: str
    day: int
    slot: int
    tick: int
    t_ms: int
    # The device where it was written, and where it was erased.
    by: str = ""
    gone: int = NEVER
    gone_by: str = ""

    @property
    def name(self) -> Name:
        return self.owner, self.path, self.day, self.slot


@dataclass(frozen=True, slots=True)
class Grant:
    """Days `first … last` of one collection, lent until `exp_ms`; asked for until `asked`."""

    cid: bytes
    owner: str
    reader: str
    path: str
    first: int
    last: int
    exp_ms: int
    given: int = 0
    asked: int = 0
    # Whether its terms want what was read deleted at the end.
    duty: bool = False
    # What it was lent on from, and by whom.
    above: bytes | None = None
    giver: str = ""
    ended: int = NEVER
    suspended: int = NEVER
    # The device where it was given, and where it was taken back.
    by: str = ""
    ended_by: str = ""
    # When it was taken back, if it had been suspended before.
    told: int = NEVER
    # When its owner kept it, on which device ("": on both), and since when it had been suspended.
    kept: int = NEVER
    kept_by: str = ""
    waited: int = NEVER
    # Between who two of them were: one is somebody else now, and doors know nothing of this one.
    followed: bool = False
    # When its owner's clock was first seen beyond `exp_ms`.
    over: int = NEVER
    renewed: bool = False
    # Given after the backup that its owner was restored from: nobody but the reader knows of it.
    lost: bool = False
    # Somebody on its way was restored to a time before something of it: it may have forgotten.
    unsure: bool = False
    # It was lent on, taken back, and the owner of the data has forgotten that.
    forgiven: bool = False

    @property
    def live(self) -> bool:
        return self.ended == self.suspended == NEVER

    @property
    def revoked(self) -> bool:
        return self.ended != NEVER and not self.lost

    @property
    def end_said(self) -> int:
        """When its end was said: later than it ended, if it was suspended until then."""
        return self.ended if NEVER in (self.ended, self.told) else self.told

    @property
    def on(self) -> tuple[str, str]:
        return self.owner, self.path

    def has(self, day: int) -> bool:
        return self.first <= day <= min(self.last, day_of(self.exp_ms))

    def held_after(self, tick: int) -> bool:
        """Whether it held at any time from `tick` on."""
        return min(self.ended, self.suspended, self.over) > tick

    def about(self, page: Page) -> bool:
        """Whether it is for this page, if it held when that was written."""
        within = (page.owner, page.path) == self.on and self.has(page.day)
        return within and page.t_ms <= self.exp_ms


@dataclass(frozen=True, slots=True)
class Photograph:
    """What a backup knows; `said`: nothing was on its way when it was made."""

    tick: int
    said: bool
    grants: dict[bytes, Grant]
    pages: tuple[Page, ...]
    always: dict[bytes, int]


@dataclass
class WhoMay:
    """All grants that ever were, and all pages that are."""

    grants: dict[bytes, Grant] = field(default_factory=dict[bytes, Grant])
    pages: list[Page] = field(default_factory=list[Page])
    # Grants that are renewed by themselves, and until when (seconds).
    always: dict[bytes, int] = field(default_factory=dict[bytes, int])
    # The device that renews them: one does not tell another that it is to.
    always_by: dict[bytes, str] = field(default_factory=dict[bytes, str])
    # When each reader last fetched, or tried to fetch, a page; when a page was erased.
    fetched: dict[tuple[str, Name], int] = field(default_factory=dict[tuple[str, Name], int])
    erased: dict[Name, int] = field(default_factory=dict[Name, int])
    # The latest that each owner's clock showed.
    latest: dict[str, int] = field(default_factory=dict[str, int])
    # What was erased, and another device may not know yet.
    going: list[Page] = field(default_factory=list[Page])
    # When the two devices were last in step (always, of one), and since when they are apart.
    met: int = NEVER
    parted: int = NEVER
    tick: int = 0

    def now(self) -> int:
        self.tick += 1
        return self.tick

    # what is so

    def may_read(self, grant: Grant, first: int, last: int, now_ms: int) -> bool:
        """Whether `grant` lets its reader read these days."""
        within = grant.first <= first and last <= grant.last
        holds = grant.live and grant.over == NEVER and now_ms <= grant.exp_ms
        above = self.above(grant)
        return within and holds and (above is None or self.may_read(above, first, last, now_ms))

    def opens(self, grant: Grant, page: Page) -> bool:
        """Whether the keys of `grant` open `page`."""
        above = self.above(grant)
        unheard = grant.ended < grant.suspended and not self.knows(
            page.by, grant.ended_by, grant.ended
        )
        before = page.tick < min(grant.ended, grant.suspended) or unheard
        return grant.about(page) and before and (above is None or self.opens(above, page))

    def knows(self, device: str, by: str, tick: int) -> bool | None:
        """Whether a device knows what happened on device `by`; None: perhaps."""
        if tick == NEVER:
            return False
        if by in ("", device) or tick <= self.met:
            return True
        return False if tick > self.parted else None

    def as_known(self, device: str, grant: Grant) -> list[Grant]:
        """How a grant may stand at a device of its owner."""
        heard = self.knows(device, grant.by, grant.given)
        ended = self.knows(device, grant.ended_by, grant.end_said)
        kept = grant.waited == NEVER or self.knows(device, grant.kept_by, grant.kept)
        forms = [] if heard else [replace(grant, lost=True)]
        if heard is not False and ended is not False:
            forms.append(grant)
        if heard is not False and not ended and kept is not False:
            forms.append(replace(grant, ended=NEVER))
        if heard is not False and not ended and not kept:
            forms.append(replace(grant, ended=NEVER, suspended=grant.waited))
        return forms

    def at(self, device: str, owner: str) -> tuple[list[Page], list[Page]]:
        """The pages that must be at a device of `owner`, and all that may be."""
        must, may = list[Page](), list[Page]()
        for page in (*self.pages, *self.going):
            if page.owner != owner:
                continue
            there = self.knows(device, page.by, page.tick)
            gone = self.knows(device, page.gone_by, page.gone)
            if there and gone is False:
                must.append(page)
            if there is not False and not gone:
                may.append(page)
        return must, may

    def sure(self, grant: Grant) -> bool:
        """Whether its reader, and whoever lends it on, knows all of it."""
        above = self.above(grant)
        return not grant.unsure and (above is None or self.sure(above))

    def above(self, grant: Grant) -> Grant | None:
        return None if grant.above is None else self.grants[grant.above]

    def of(self, owner: str, reader: str, path: str) -> list[Grant]:
        """The grants that `reader` has for itself."""
        wanted = (owner, reader, path, None)
        return [g for g in self.grants.values() if (g.owner, g.reader, g.path, g.above) == wanted]

    def twilight(self, owner: str, now_ms: int) -> bool:
        """Whether a clock was set back over the end of a grant, and it is not known whether the
        node had looked at it before."""
        latest = self.latest.get(owner, now_ms)
        return any(
            grant.owner == owner and grant.over == NEVER and now_ms <= grant.exp_ms < latest
            for grant in self.grants.values()
        )

    def must_be_gone(self, reader: str, name: Name, then_ms: int, device: str) -> bool:
        """Whether a page that a device of `reader` fetched may be kept no more, once everything
        was said; `then_ms` is when its clock was looked at for grants that ran out."""
        fetched = self.fetched.get((device, name), 0)
        mine = [
            grant
            for grant in self.grants.values()
            if grant.reader == reader and grant.on == name[:2] and grant.has(name[2])
        ]
        erased = self.erased.get(name, 0)
        for duty in mine:
            if not duty.duty or duty.unsure or duty.above is not None:
                continue
            if duty.given < fetched < erased and duty.held_after(erased):
                return True
            end = min(duty.ended, duty.over if duty.exp_ms < then_ms else NEVER)
            others = (one for one in mine if one.cid != duty.cid)
            if duty.given < fetched < end < NEVER and duty.suspended == NEVER and not duty.lost:
                # Of one that its owner has forgotten, only its reader knows, and goes by it.
                return not any(one.lost or one.held_after(end) for one in others)
        return False

    # what happens

    def write(self, owner: str, path: str, days: range, slot: int, t_ms: int, by: str = "") -> None:
        tick = self.now()
        self.pages += [Page(owner, path, day, slot, tick, t_ms, by) for day in days]

    def erase(self, names: Iterable[Name], by: str = "") -> None:
        tick, gone = self.now(), set(names)
        erased = [page for page in self.pages if page.name in gone]
        self.pages = [page for page in self.pages if page.name not in gone]
        self.going += [replace(page, gone=tick, gone_by=by) for page in erased]
        self.erased |= dict.fromkeys(gone, tick)

    def fetch(self, device: str, names: Iterable[Name]) -> None:
        tick = self.now()
        self.fetched |= {(device, name): tick for name in names}

    def lend(self, grant: Grant) -> None:
        self.grants[grant.cid] = replace(grant, given=self.now())

    def renew(self, cid: bytes, new: bytes, exp_ms: int, by: str = "") -> None:
        """The same days, for longer; those that the end cut off go on as far as was asked for."""
        old = self.grants[cid]
        cut = old.last == day_of(old.exp_ms)
        last = min(old.asked if cut else old.last, day_of(exp_ms))
        fresh = replace(old, cid=new, last=last, exp_ms=exp_ms, over=NEVER, ended=NEVER, by=by)
        fresh = replace(fresh, kept=NEVER, waited=NEVER)
        self.grants[cid] = replace(old, renewed=True)
        self.lend(fresh)
        self._goes_on(old, fresh)
        if cid in self.always:
            self.always[new] = self.always.pop(cid)
            self.always_by[new] = self.always_by.pop(cid, by)

    def _goes_on(self, old: Grant, new: Grant) -> None:
        """What was lent on of `old` until its end may be lent on of `new`, as soon as whoever lends
        it on has heard: nobody counts on it, and it is taken back with either."""
        for one in [it for it in self.grants.values() if it.above == old.cid]:
            if one.exp_ms == old.exp_ms and one.ended == NEVER:
                last = new.last if one.last == old.last else min(one.last, new.last)
                again = replace(one, cid=one.cid + new.cid, above=new.cid, last=last)
                again = replace(again, exp_ms=new.exp_ms, over=NEVER, suspended=NEVER)
                self.lend(replace(again, unsure=True, followed=True))

    def take_back(self, cid: bytes, by: str = "") -> None:
        grant, tick = self.grants[cid], self.now()
        ended = min(tick, grant.suspended)
        self.grants[cid] = replace(grant, ended=ended, ended_by=by, told=tick)

    def keep(self, cid: bytes, by: str = "") -> None:
        """On a device that has not heard of a taking back, if there was one; or of a keeping."""
        grant, tick = self.grants[cid], self.now()
        if grant.suspended == NEVER:
            self.grants[cid] = replace(grant, kept_by="")
            return
        ended, waited = grant.end_said, grant.suspended
        self.grants[cid] = replace(
            grant, ended=ended, suspended=NEVER, kept=tick, kept_by=by, waited=waited
        )

    def clock(self, owner: str, now_ms: int) -> None:
        self.latest[owner] = max(now_ms, self.latest.get(owner, now_ms))

    def see(self, owner: str, now_ms: int) -> None:
        """The clock of `owner` shows this, and its node has looked at it.  What has run out is
        over, and stays so whatever the clock shows later."""
        tick = self.now()
        for cid, grant in self.grants.items():
            if grant.owner == owner and now_ms > grant.exp_ms and grant.over == NEVER:
                self.grants[cid] = replace(grant, over=tick)

    # devices

    def meet(self) -> None:
        """Both devices know everything."""
        self.met, self.parted = self.now(), NEVER
        self.going = []

    def part(self) -> None:
        """From now on neither hears of the other."""
        self.parted = self.now()

    def alone(self) -> None:
        """There is one device, which knows everything."""
        self.always_by.clear()
        self.met = self.parted = NEVER
        self.going = []

    def follow(self, old: bytes, new: bytes) -> None:
        """A grant is given again, since one of the two is somebody else now."""
        grant, tick = self.grants[old], self.now()
        self.grants[old] = replace(grant, ended=min(tick, grant.suspended))
        self.lend(replace(grant, cid=new, followed=False))
        self._goes_on(grant, self.grants[new])
        if old in self.always:
            self.always[new] = self.always.pop(old)

    def leave_behind(self, person: str) -> None:
        """Everything until now was with who this person was."""
        for cid, grant in self.grants.items():
            if person in (grant.owner, grant.reader, grant.giver):
                self.grants[cid] = replace(grant, followed=True)

    # backups

    def photograph(self, name: str, *, said: bool) -> Photograph:
        grants = {cid: grant for cid, grant in self.grants.items() if grant.owner == name}
        pages = tuple(page for page in self.pages if page.owner == name)
        return Photograph(self.now(), said, grants, pages, dict(self.always))

    def restore(self, name: str, then: Photograph) -> None:
        tick = self.now()
        self.pages = [one for one in self.pages if one.owner != name] + list(then.pages)
        mine = {cid for cid, grant in self.grants.items() if grant.owner == name}
        for cid in mine:
            self.always.pop(cid, None)
            if cid in then.always:
                self.always[cid] = then.always[cid]
        for cid, grant in self.grants.items():
            if grant.owner == name:
                before = then.grants.get(cid)
                after = self._after if grant.above is None else self._lent_on_after
                self.grants[cid] = after(grant, before, tick)
            elif name in (grant.reader, grant.giver):
                # What it lends on, it sends no new keys of until it says so.
                known = then.said and grant.given < then.tick and name != grant.giver
                self.grants[cid] = replace(grant, unsure=grant.unsure or not known)
        # What it fetched is back as it was; that it had to go, it has forgotten.
        for reader, page in list(self.fetched):
            if reader == name:
                self.fetched[reader, page] = tick

    @staticmethod
    def _after(grant: Grant, before: Grant | None, tick: int) -> Grant:
        if before is None or grant.lost:
            return replace(grant, lost=True, ended=min(grant.ended, tick))
        if before.ended != NEVER:
            return grant
        # A taking back that came after the backup is forgotten; what the reader was given is not.
        suspended = min(grant.ended, grant.suspended, tick)
        # So is a renewal; what has run out has run out.  A reader that heard of an end goes by it.
        over, unsure = grant.over, grant.unsure or grant.revoked
        return replace(before, suspended=suspended, over=over, unsure=unsure)

    def _lent_on_after(self, grant: Grant, before: Grant | None, _tick: int) -> Grant:
        """The owner of the data has forgotten what came after; who lent it on has not."""
        root = self.grants[grant.above or b""]
        forgotten = before is not None and before.ended == NEVER
        forgiven = grant.ended != NEVER and (grant.forgiven or before is None or forgotten)
        # The taking back of what it was lent on from ended it, at whoever had heard.
        unsure = grant.unsure or root.ended != NEVER or root.suspended != NEVER
        return replace(grant, forgiven=forgiven, unsure=unsure)

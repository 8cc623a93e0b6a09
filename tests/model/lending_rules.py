"""What people do with grants: lend, renew, lend on, take back, keep; write, erase, read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import trio
from hypothesis import strategies as st

from entrenous.node.errors import UsageError
from entrenous.protocol.day import day_of
from entrenous.protocol.duty import Duty
from entrenous.protocol.window import Window

from .compare import Difference
from .drawing import may
from .history import REST, TODAY, History
from .readings import HOUR_S
from .town import LENDS, LENDS_ON, OWNERS, PATHS, VIEW, VIEWED, LentTo
from .who_may import Grant, Page

FIRST, LAST = TODAY - 3, TODAY + 2
GRANTS_MAX = 10
SLOTS = 24
DUTIES = ((), (), (Duty.DELETE_AT_END,), (Duty.ENCRYPT_AGAIN,))
# How long a grant is renewed for by itself, all in all.
ALWAYS_S = 5 * 86_400


@dataclass(frozen=True)
class Loan:
    """What is asked for and granted: `days` days from `first` on, for `hours` from now."""

    owner: str
    reader: str
    path: str
    first: int
    days: int
    hours: int
    duties: tuple[Duty, ...] = ()
    # The device of the owner that decides, if it hears of it.
    at: str = ""


owners = st.sampled_from(OWNERS)
persons = st.sampled_from(OWNERS[:2])
paths = st.sampled_from((PATHS[0], PATHS[0], PATHS[0], PATHS[1]))
spans = st.tuples(st.integers(FIRST, LAST), st.integers(1, 4))
hours = st.sampled_from((1, 5, 40, 200))


@st.composite
def _loans(draw: st.DrawFn) -> Loan:
    owner, reader = draw(st.sampled_from(LENDS))
    first, days = draw(spans)
    duties = draw(st.sampled_from(DUTIES))
    return Loan(owner, reader, draw(paths), first, days, draw(hours), duties)


loans = _loans()


class LendingRules(History):
    """Rules, and beneath each what it does, which the openings use too."""

    def __init__(self) -> None:
        super().__init__()
        self._slots = 0

    def knower(self, grant: Grant, at: str = "") -> str:
        """The device of its owner, `at` if that may be, that surely knows of a grant."""
        known = self.model.knows(at or grant.owner, grant.by, grant.given)
        return (at or grant.owner) if known or grant.by not in self.town.machines else grant.by

    def _lives_at(self, grant: Grant) -> str:
        """The device of its owner at which a grant that holds surely does: the one that renews it
        by itself, if one does."""
        at = self.model.always_by.get(grant.cid, grant.kept_by)
        return self.knower(grant, at if at in self.town.machines else "")

    def room(self) -> bool:
        return len(self.model.grants) < GRANTS_MAX

    # lending

    @may("lend", "lend", lambda self: self.room())
    def draw_lend(self, data: st.DataObject) -> None:
        loan = data.draw(loans, label="loan")
        at = self.drawn_device(data, loan.owner)
        self.lend(replace(loan, at=at), self.drawn_wait(data))

    def lend(self, loan: Loan, wait: float) -> None:
        async def act() -> None:
            self._heal()
            if not await self.town.speaks(loan.owner, loan.reader):
                return
            exp_s = self.town.now_ms(loan.owner) // 1000 + loan.hours * HOUR_S
            last_day = day_of(exp_s * 1000)
            first = min(loan.first, last_day)
            window = Window(loan.path, first, first + loan.days - 1)
            lent = LentTo(loan.owner, loan.reader, window, exp_s, loan.duties, loan.at)
            device, cid = await self.town.lend(lent)
            if (known := self.model.grants.get(cid)) is not None:
                self._already(known, lent)
                return
            self.model.lend(
                Grant(
                    cid,
                    loan.owner,
                    loan.reader,
                    loan.path,
                    first,
                    min(window.last, last_day),
                    exp_s * 1000,
                    asked=window.last,
                    duty=Duty.DELETE_AT_END in loan.duties,
                    by=device,
                )
            )

        self._do("lend", act, wait)

    def _already(self, known: Grant, lent: LentTo) -> None:
        """It was granted already, for as long, since one was renewed, and is said again; perhaps by
        a device that has not heard of its end."""
        last = min(lent.window.last, day_of(lent.exp_s * 1000))
        whole = known.first <= lent.window.first and last <= known.last
        same = (*known.on, known.reader) == (lent.owner, lent.window.collection, lent.reader)
        ended, owners = known.ended, self.town.of(known.owner)
        heard = all(self.model.knows(one, known.ended_by, ended) for one in owners)
        holds = known.live or (known.revoked and not heard)
        if not (holds and same and whole and lent.exp_s * 1000 <= known.exp_ms):
            raise Difference(f"{lent.owner} answers for {lent.window} with {known}")

    @may("renew", "renew", lambda self: self.some(self._renewable))
    def draw_renew(self, data: st.DataObject) -> None:
        grant = self.pick(data, self._renewable)
        self.renew_one(grant, data.draw(hours, label="hours"), self.drawn_wait(data))

    def renew_one(self, grant: Grant, more: int, wait: float) -> None:
        async def act() -> None:
            device = self._lives_at(grant)
            now_s = self.town.now_ms(device) // 1000
            exp_s = max(grant.exp_ms // 1000, now_s) + more * HOUR_S
            # Of an old grant, no day may be left that has not come.
            try:
                new = await self.town.renew(device, grant.cid, exp_s)
            except UsageError:
                self._was_renewed(grant)
                return
            self.model.renew(grant.cid, new, exp_s * 1000, device)

        self._do("renew", act, wait)

    @may("renew by itself", "renew", lambda self: self.some(self._renewable))
    def draw_renew_always(self, data: st.DataObject) -> None:
        """From now on by itself, when its node keeps house: see `Comparison.hold`."""
        self.renew_always_one(self.pick(data, self._renewable), self.drawn_wait(data))

    def renew_always_one(self, grant: Grant, wait: float) -> None:
        until_s = grant.exp_ms // 1000 + ALWAYS_S

        async def act() -> None:
            device = self._lives_at(grant)
            if self.town.now_ms(device) < grant.exp_ms:
                try:
                    await self.town.renew_always(device, grant.cid, until_s)
                except UsageError:
                    self._was_renewed(grant)
                    return
                self.model.always[grant.cid] = until_s
                self.model.always_by[grant.cid] = device

        self._do("renew by itself", act, wait)

    def _was_renewed(self, grant: Grant) -> None:
        """A refusal is right only where it may have gone on by itself since the last look, which
        the next comparison notes."""
        if grant.cid not in self.model.always:
            raise Difference(f"{grant.owner} does not renew what holds")

    @staticmethod
    def _renewable(grant: Grant) -> bool:
        return grant.live and not grant.renewed and grant.above is None and not grant.lost

    @may("lend on", "lend on", lambda self: self.room() and self.some(self._lendable))
    def draw_lend_on(self, data: st.DataObject) -> None:
        root = self.pick(data, self._lendable)
        begins = data.draw(st.integers(0, 2), label="begins")
        days = data.draw(st.integers(1, 3), label="days")
        until = data.draw(hours, label="until")
        self.lend_on_one(root, begins, days, until, self.drawn_wait(data))

    def lend_on_one(self, root: Grant, begins: int, days: int, until: int, wait: float) -> None:
        principal, proxy, owner = LENDS_ON

        async def act() -> None:
            await self._rest()  # who lends on has what it was lent, and knows how that stands
            now_ms = self.town.now_ms(principal)
            exp_s = min(now_ms // 1000 + until * HOUR_S, root.exp_ms // 1000)
            first = min(root.first + begins, root.last)
            last = min(first + days - 1, root.last, day_of(exp_s * 1000))
            if now_ms + 60_000 > root.exp_ms or last < first:
                return
            if not await self.town.speaks(*LENDS_ON):
                return
            cid = await self.town.lend_on(root.cid, Window(root.path, first, last), exp_s)
            self.model.lend(
                Grant(
                    cid,
                    owner,
                    proxy,
                    root.path,
                    first,
                    last,
                    exp_s * 1000,
                    duty=root.duty,
                    above=root.cid,
                    giver=principal,
                )
            )

        self._do("lend on", act, wait)

    def _lendable(self, grant: Grant) -> bool:
        held = (grant.reader, grant.owner) == (LENDS_ON[0], LENDS_ON[2]) and grant.above is None
        return held and grant.live and grant.over > self.model.tick and not grant.unsure

    # ending

    @may("take back", "take back", lambda self: self.some(self._live))
    def draw_take_back(self, data: st.DataObject) -> None:
        grant = self.pick(data, self._live)
        at = self.drawn_device(data, grant.owner)
        self.take_back_one(grant, self.drawn_wait(data), at=at)

    @may("take back what was suspended", "take back", lambda self: self.some(self._suspended))
    def draw_take_back_suspended(self, data: st.DataObject) -> None:
        grant = self.pick(data, self._suspended)
        at = self.drawn_device(data, grant.owner)
        self.take_back_one(grant, self.drawn_wait(data), at=at)

    @may("take back what was lent on", "take back", lambda self: self.some(self._lent_on))
    def draw_take_back_lent_on(self, data: st.DataObject) -> None:
        grant = self.pick(data, self._lent_on)
        by_owner = data.draw(st.booleans(), label="by owner")
        self.take_back_one(grant, self.drawn_wait(data), by_owner=by_owner)

    def take_back_one(
        self, grant: Grant, wait: float, *, by_owner: bool = True, at: str = ""
    ) -> None:
        async def act() -> None:
            device = self.knower(grant, at)
            if grant.above is not None and not await self.town.speaks(*LENDS_ON):
                return
            if grant.above is None:
                await self.town.take_back(device, grant.cid)
            else:
                # It ends at the owner's door when the owner has heard.
                await self._rest()
                by = grant.owner if by_owner else grant.giver
                await self.town.take_back_lent_on(by, grant.cid)
                await self._rest()
            self.model.take_back(grant.cid, device)

        if grant.above is not None:
            self._do("take back what was lent on", act, wait)
        else:
            self._do("take back" if grant.live else "take back what was suspended", act, wait)

    @staticmethod
    def _live(grant: Grant) -> bool:
        return grant.live and not grant.lost and grant.above is None

    def _lent_on(self, grant: Grant) -> bool:
        held = grant.live and grant.above is not None and not grant.followed
        return held and self.model.sure(grant)

    @may(
        "take back and lend again", "take back", lambda self: self.room() and self.some(self._live)
    )
    def draw_take_back_and_lend_again(self, data: st.DataObject) -> None:
        """The same days to the same reader, at once."""
        grant = self.pick(data, self._live)
        self.take_back_one(grant, 0.0)
        loan = Loan(
            grant.owner, grant.reader, grant.path, grant.first, grant.last - grant.first + 1, 40
        )
        self.lend(loan, self.drawn_wait(data))

    @may("keep", "keep", lambda self: self.some(self._keepable))
    def draw_keep(self, data: st.DataObject) -> None:
        grant = self.pick(data, self._keepable)
        at = data.draw(st.sampled_from(self._waits_at(grant)), label="device")
        self.keep_one(grant, self.drawn_wait(data), at=at)

    def keep_one(self, grant: Grant, wait: float, *, at: str = "") -> None:
        async def act() -> None:
            await self.together()
            device = at or grant.owner
            if self.town.now_ms(device) <= grant.exp_ms and grant.over > self.model.tick:
                await self.town.keep(device, grant.cid)
                self.model.keep(grant.cid, device)
                await self.together()

        self._do("keep", act, wait)

    def _keepable(self, grant: Grant) -> bool:
        return bool(self._waits_at(grant))

    def _waits_at(self, grant: Grant) -> list[str]:
        """The devices of its owner at which a grant surely waits, whatever the other heard."""
        if grant.lost or grant.above is not None:
            return []
        at = {one: self.model.as_known(one, grant) for one in self.town.of(grant.owner)}
        return [one for one, forms in at.items() if all(map(_waits, forms))]

    @staticmethod
    def _suspended(grant: Grant) -> bool:
        return _waits(grant) and grant.above is None

    # data

    @may("write", "write", lambda self: self._slots < SLOTS)
    def draw_write(self, data: st.DataObject) -> None:
        owner = data.draw(owners, label="owner")
        at = self.drawn_device(data, owner)
        path, span = data.draw(paths, label="path"), data.draw(spans, label="days")
        self.write(owner, "", path, span, self.drawn_wait(data), at=at)

    @may("hand back", "write", lambda self: self._slots < SLOTS)
    def draw_hand_back(self, data: st.DataObject) -> None:
        owner = data.draw(persons, label="owner")
        path, span = data.draw(paths, label="path"), data.draw(spans, label="days")
        self.write(owner, "volt", path, span, self.drawn_wait(data))

    def write(
        self,
        owner: str,
        source: str,
        path: str,
        span: tuple[int, int],
        wait: float,
        *,
        at: str = "",
    ) -> None:
        """By the owner's own hand on the device `at`, or handed back by `source`."""
        days = range(span[0], span[0] + span[1])
        slot, self._slots = self._slots, self._slots + 1

        async def act() -> None:
            if source not in ("", owner):
                self._heal()
                if not await self.town.speaks(owner, source):
                    return
                device = await self.town.hand_back(source, owner, path, days, slot)
            else:
                device = at or owner
                await self.town.write(device, path, days, slot)
            self.model.write(owner, path, days, slot, self.town.now_ms(device), device)

        self._do("write" if source in ("", owner) else "hand back", act, wait)

    def write_whole(self, owner: str, days: range, told: range, wait: float) -> None:
        """What a view is made of; of it, the view tells the days `told`."""

        async def act() -> None:
            await self.town.write_whole(owner, days)
            now_ms = self.town.now_ms(owner)
            self.model.write(owner, VIEWED, days, 0, now_ms, owner)
            self.model.write(owner, VIEW.path, told, 0, now_ms, owner)

        self._do("write what is viewed", act, wait)

    @may("erase a record", "erase", lambda self: self._erasable())
    def draw_erase(self, data: st.DataObject) -> None:
        pages = self._erasable()
        page = pages[data.draw(st.integers(0, len(pages) - 1), label="page")]
        self.erase_one(page, self.drawn_wait(data))

    def erase_one(self, page: Page, wait: float) -> None:
        async def act() -> None:
            # Of a device that is there no more, what it told the other is there.
            device = page.by if page.by in self.town.machines else page.owner
            await self.town.erase(device, page.path, page.day, page.slot)
            self.model.erase([page.name], device)

        self._do("erase a record", act, wait)

    def _erasable(self) -> list[Page]:
        return [page for page in self.model.pages if page.path in PATHS]

    def _who_has_gas(self) -> list[str]:
        return sorted({page.owner for page in self.model.pages if page.path == PATHS[1]})

    @may("erase a collection", "erase", lambda self: self._who_has_gas())
    def draw_erase_all(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(self._who_has_gas()), label="owner")
        self.erase_all(owner, self.drawn_wait(data))

    def erase_all(self, owner: str, wait: float) -> None:
        """All that is kept at the path that is lent less."""

        async def act() -> None:
            await self.together()
            known, _ = self.model.at(owner, owner)
            await self.town.erase_all(owner, PATHS[1])
            self.model.erase([page.name for page in known if page.path == PATHS[1]], owner)

        self._do("erase a collection", act, wait)

    @may("read", "read", lambda self: self.model.grants)
    def draw_read(self, data: st.DataObject) -> None:
        """Through the reader's own node, on days about those of a grant."""
        grant = self.pick(data, lambda _: True)
        first = grant.first + data.draw(st.integers(-1, 2), label="days later")
        last = grant.last + data.draw(st.integers(-2, 1), label="days longer")
        at = self.drawn_device(data, grant.reader)
        window = Window(grant.path, first, max(first, last))
        self.read_one(grant, window, self.drawn_wait(data), at=at)

    def read_one(self, grant: Grant, window: Window, wait: float, *, at: str = "") -> None:
        async def act() -> None:
            if self._cut not in (*self.town.of(grant.owner), *self.town.of(grant.reader)):
                await self._read(grant, window, at)

        self._do("read", act, wait)

    @may("two read one day", "read", lambda self: self._of_one_day())
    def draw_two_read(self, data: st.DataObject) -> None:
        """Two readers read one day at once."""
        couples, wait = self._of_one_day(), self.drawn_wait(data)
        one, other = couples[data.draw(st.integers(0, len(couples) - 1), label="readers")]
        day = max(one.first, other.first)

        async def act() -> None:
            if self._cut is not None:
                return
            async with trio.open_nursery() as nursery:
                for grant in (one, other):
                    nursery.start_soon(self._read, grant, Window(grant.path, day, day))

        self._do("two read one day", act, wait)

    def _of_one_day(self) -> list[tuple[Grant, Grant]]:
        return [
            (one, other)
            for one in self.grants()
            for other in self.grants()
            if one.on == other.on
            and one.reader < other.reader
            and max(one.first, other.first) <= min(one.last, other.last)
        ]


def _waits(grant: Grant) -> bool:
    return not (grant.live or grant.revoked or grant.lost)


__all__ = ["FIRST", "LAST", "REST", "LendingRules", "Loan", "loans"]

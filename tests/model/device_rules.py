"""What becomes of the devices of one person: another joins, they part and meet, one is stolen."""

from __future__ import annotations

from hypothesis import strategies as st

from .drawing import may
from .history import History
from .machines import NAMES, TWO, Difference
from .who_may import NEVER, Grant


class DeviceRules(History):
    """Rules, and beneath each what it does, which the openings use too."""

    @may("a device joins", "devices", lambda self: not self.has_two())
    def draw_join(self, data: st.DataObject) -> None:
        self.join(self.drawn_wait(data))

    def has_two(self) -> bool:
        return len(self.town.of(TWO[0])) == 2

    def join(self, wait: float) -> None:
        async def act() -> None:
            await self._rest()
            await self.town.join()
            self.model.meet()

        self._do("a device joins", act, wait)

    @may("devices part", "devices", lambda self: self.town.together)
    def draw_part(self, data: st.DataObject) -> None:
        self.part(self.drawn_wait(data))

    def part(self, wait: float) -> None:
        """In step, and from now on neither hears of the other."""

        async def act() -> None:
            await self.together()
            self.town.part()
            self.model.part()

        self._do("devices part", act, wait)

    @may("devices meet", "devices", lambda self: self.town.apart)
    def draw_meet(self, data: st.DataObject) -> None:
        self.meet(self.drawn_wait(data))

    def meet(self, wait: float) -> None:
        async def act() -> None:
            self.town.meet()
            # Not in step yet: whatever happened apart is perhaps known.
            self.model.parted = NEVER

        self._do("devices meet", act, wait)

    @may("a device is stolen", "devices", lambda self: self.town.together)
    def draw_stolen(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(TWO), label="device")
        self.steal(gone, self.drawn_wait(data))

    def steal(self, gone: str, wait: float) -> None:
        """It is left behind: what was lent and borrowed goes on between who they are now.

        The backups of the others do not know that.
        """

        async def act() -> None:
            await self.together()
            await self._rest()
            await self.town.leave_behind(gone, self.model.now())
            self.model.leave_behind(TWO[0])
            await self._followed()
            self.model.alone()
            self._backups.clear()
            await self.town.greets(self.town.stolen[-1].machine)

        self._do("a device is stolen", act, wait)

    async def _followed(self) -> None:
        """Take note of what was given again: what held, for as long, and nothing else."""
        model = self.model
        known = set(model.grants)
        held = {cid for cid, grant in model.grants.items() if self._goes_on(grant)}
        for owner in NAMES:
            again = await self.town.given_again(owner, known)
            fresh = {given.cid for _, given in again}
            for old, given in again:
                if old in fresh:
                    continue  # it has gone on by itself since: the comparison takes note
                before = model.grants.get(old)
                if before is None or TWO[0] not in (before.owner, before.reader):
                    raise Difference(f"{owner} gives again what it did not lend: {old.hex()[-6:]}")
                if (given.exp_s * 1000, [(w.first, w.last) for w in given.windows]) != (
                    before.exp_ms,
                    [(before.first, before.last)],
                ):
                    raise Difference(f"{owner} gives again for other days, or longer")
                model.follow(old, given.cid)
                held.discard(old)
        for cid in held:
            raise Difference(f"{model.grants[cid]} was not given again")

    def _goes_on(self, grant: Grant) -> bool:
        """Whether it is sure to be given again."""
        mine = TWO[0] in (grant.owner, grant.reader) and grant.above is None
        holds = grant.live and grant.over == NEVER and not grant.unsure
        soon_ms = max(map(self.town.now_ms, NAMES)) + 3_600_000
        return mine and holds and soon_ms < grant.exp_ms

"""What the world does: time passes, clocks are set, power and network go, machines are lost."""

from __future__ import annotations

from hypothesis import strategies as st

from entrenous.node.steps import AgainStep, DeleteStep, GrantStep, ReadStep, RevokeStep

from .drawing import may
from .history import Backup, History
from .machines import NAMES, TWO

STEPS = (
    *(step.value for step in (*GrantStep, *ReadStep, *RevokeStep, *DeleteStep, *AgainStep)),
    "disk: not yet written",
    "disk: written, not told",
)
# Where power can go more than once on the way through an act.
COMMON = 3
# Any two clocks differ by less than is tolerated between nodes.
ASTRAY_S = (-25, -10, 0, 10, 25)

steps = st.sampled_from(STEPS)
astray = st.sampled_from(ASTRAY_S)
passing = st.sampled_from((1, 7, 25))


class TroubleRules(History):
    """Rules, and beneath each what it does, which the openings use too."""

    @may("time passes", "time")
    def draw_pass_time(self, data: st.DataObject) -> None:
        self.pass_time(data.draw(passing, label="hours"), self.drawn_wait(data))

    def pass_time(self, hours: int, wait: float) -> None:
        async def act() -> None:
            kept = await self.town.pass_time(hours)
            for owner in NAMES:
                devices = self.town.of(owner)
                if all(name in kept for name in devices):
                    self.model.see(owner, min(map(self.town.now_ms, devices)))

        self._do("time passes", act, wait)

    @may("clock set", "time")
    def draw_set_clock(self, data: st.DataObject) -> None:
        name = self.drawn_name(data)
        self.set_clock(name, data.draw(astray, label="seconds astray"), self.drawn_wait(data))

    def set_clock(self, name: str, astray_s: int, wait: float) -> None:
        """A clock steps, forth or back."""
        self._do("clock set", lambda: self.town.set_clock(name, astray_s), wait)

    @may("power goes or comes", "trouble")
    def draw_power(self, data: st.DataObject) -> None:
        self.power(self.drawn_name(data), self.drawn_wait(data))

    @may("power will go at a step", "trouble")
    def draw_doom(self, data: st.DataObject) -> None:
        """The power of one of them will go at a step of what comes next."""
        name, step = self.drawn_name(data), data.draw(steps, label="step")
        self.doom(name, step, data.draw(st.integers(0, COMMON)), self.drawn_wait(data))

    @may("network cut, or whole", "trouble")
    def draw_network(self, data: st.DataObject) -> None:
        """Nothing reaches one of them any more, or everything does again."""
        self.network(self.drawn_name(data), self.drawn_wait(data))

    def power(self, name: str, wait: float) -> None:
        async def act() -> None:
            if self.town.is_on(name):
                await self.town.switch_off(name)
            else:
                await self.town.switch_on(name)

        self._do("power goes or comes", act, wait)

    def doom(self, name: str, step: str, after: int, wait: float) -> None:
        async def act() -> None:
            self.town.doom(name, step, after)

        self._do("power will go at a step", act, wait)

    def network(self, name: str, wait: float) -> None:
        async def act() -> None:
            if self._cut is None:
                self._cut = name
                self.town.isolate(name)
            else:
                self._heal()

        self._do("network cut, or whole", act, wait)

    @may("backup", "restore", lambda self: not self.town.apart)
    def draw_back_up(self, data: st.DataObject) -> None:
        self.back_up(data.draw(st.sampled_from(NAMES), label="name"))

    def back_up(self, name: str) -> None:
        async def act() -> None:
            await self.together()
            said = not await self.town.waiting()
            file = await self.town.back_up(name)
            # What was said before a machine that had no power went on again is on its way now.
            said = said and not await self.town.waiting()
            self._backups[name] = Backup(file, self.model.photograph(name, said=said))
            if await self.town.strangers():
                del self._backups[name]

        self._do("backup", act, 0.0)

    @may("restore", "restore", lambda self: self._backups)
    def draw_restore(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self._backups)), label="name")
        self.restore_one(name, self.drawn_wait(data))

    def restore_one(self, name: str, wait: float) -> None:
        """The machine is lost, with all that came after its last backup.

        Two who are restored to a time before either knew the other's new device find each other
        only by meeting again, so the backups of the others, which do not know this one, are of no
        more use here.
        """

        async def act() -> None:
            self._heal()
            backup = self._backups[name]
            await self.town.restore(name, backup.file)
            if name == TWO[0]:
                self.model.alone()
            self.model.restore(name, backup.photograph)
            self._backups = {name: backup}

        self._do(f"restore of {name}", act, wait)

"""kill -9 inside every step of writing and of taking a parcel, on real nodes that never meet.

An organisation and a home are paired, and from then on only one of the two nodes lives at a time:
all between them goes by file.  A round asks for a day, hands one over, and carries the parcel there
and the answers back; somewhere in it a node dies, lives again, and the same is done once more.
Then everything has happened exactly once, and both logs verify.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from entrenous.node.client import Client
from entrenous.node.config import Config, Role
from entrenous.node.errors import NotAllowed
from entrenous.node.offline import open_offline
from entrenous.node.results.parcels import Fate, ParcelTaken
from entrenous.node.steps import ParcelStep
from entrenous.protocol.day import day_of_date
from entrenous.protocol.window import Window
from entrenous.simulations.files import energy_file
from entrenous.tests.flows.deaths import ForkServer, Mortal, Tally, check_at_rest

# Each round is two parcels and four lives; `make kills` asks for more.
ROUNDS = max(1, int(os.environ.get("KILLS", "10")) // 10)
PATH = "energy/electricity/load-curve"
FIRST = datetime.date(2024, 1, 1)
DAY = day_of_date(FIRST.isoformat())
PURPOSE = "dpv:ServiceProvision"
WRITING = (
    ParcelStep.PLANNED,
    ParcelStep.COMMITTED,
    ParcelStep.WRITTEN,
    ParcelStep.PLACED,
)
# Between the pages of a delivery and its answer.
PAGES_WRITTEN = "deliver.written"
TAKING = (ParcelStep.RESUMED, ParcelStep.ACTED, PAGES_WRITTEN, ParcelStep.MARKED)
HEARING = (ParcelStep.WORD_KEPT,)


@dataclass
class Apart:
    """Two homes of which one lives at a time, and the sticks between them."""

    home: Mortal
    bank: Mortal
    folder: Path
    tally: Tally = field(default_factory=Tally)
    round: int = 0
    sticks: int = 0

    async def living(self, one: Mortal) -> Mortal:
        """Let this one live, and the other not."""
        other = self.bank if one is self.home else self.home
        if other.lives_now:
            await other.stop()
        if not one.lives_now:
            await one.start()
        return one

    async def dies(self, mortal: Mortal, step: str) -> None:
        await mortal.buried()
        self.tally.deaths[step] += 1
        await mortal.start()
        await mortal.ask(Client.log_verify)

    async def write(self, sender: Mortal, to: str, step: str | None) -> Path:
        """Write a parcel, dying at `step` the first time."""
        self.sticks += 1
        target = self.folder / f"{self.sticks}.parcel"
        await self.living(sender)
        if step is not None:
            await sender.arm(step)
            assert await sender.attempt(lambda client: client.write_parcel(to, target)) is None
            await self.dies(sender, step)
            assert target.exists() is (step == ParcelStep.PLACED)
            if target.exists():
                return target
        await sender.ask(lambda client: client.write_parcel(to, target))
        return target

    async def take(
        self, taker: Mortal, parcel: Path, step: str | None, nth: int = 1
    ) -> ParcelTaken:
        """Take a parcel, dying at `step` the first time."""
        await self.living(taker)
        if step is not None:
            await taker.arm(step, nth)
            assert await taker.attempt(lambda client: client.take(parcel)) is None
            await self.dies(taker, step)
        return await taker.ask(lambda client: client.take(parcel))

    async def go(self, step: str) -> None:
        """One round, cut at `step`."""
        day = DAY + self.round
        self.round += 1
        file = self.folder / f"{self.round}.xml"
        date = FIRST + datetime.timedelta(days=self.round - 1)
        file.write_bytes(energy_file(1, first=date, days=1).data)
        bank = await self.living(self.bank)
        await bank.ask(
            lambda client: client.ask(
                "home",
                [Window(PATH, day, day)],
                purpose=PURPOSE,
                terms={"retention_days": 30},
                exp_s=2_000_000_000 + self.round,
            )
        )
        await bank.ask(lambda client: client.deliver(file, "home", wait_s=0))
        there = await self.write(bank, "home", step if step in WRITING else None)
        nth = 1 + self.round % 2 if step == ParcelStep.ACTED else 1
        taken = await self.take(self.home, there, step if step in TAKING else None, nth)
        assert taken.before is (step == ParcelStep.MARKED)
        assert all(item.fate in (Fate.DONE, Fate.BEFORE) for item in taken.items)
        inbox = await self.home.ask(Client.inbox)
        assert len(inbox) == self.round
        stored = await self.home.ask(Client.deliveries)
        assert [one.state for one in stored] == ["stored"] * self.round
        back = await self.write(self.home, "bank", None)
        await self.take(self.bank, back, step if step in HEARING else None)
        status = await self.bank.ask(Client.status)
        assert status.outbox == 0
        made = await self.bank.ask(Client.deliveries)
        assert [one.state for one in made] == ["stored"] * self.round


async def lives(server: ForkServer, folder: Path, steps: Sequence[str]) -> Apart:
    two = Apart(
        Mortal.make(server, folder, "home", Role.PERSON),
        Mortal.make(server, folder, "bank", Role.ORGANISATION),
        folder,
    )
    await two.home.start()
    await two.bank.start()
    invitation = await two.home.ask(lambda client: client.invite("bank"))
    await two.bank.ask(lambda client: client.pair(invitation.link, "home"))
    for _ in range(ROUNDS):
        for step in steps:
            await two.go(step)
    days = two.round
    read = await (await two.living(two.home)).ask(
        lambda client: client.read(PATH, DAY, DAY + days - 1)
    )
    assert (len(read.batch), read.damaged) == (48 * days, ())
    await two.home.stop()
    await check_at_rest([two.home, two.bank])
    return two


async def test_parcels_killed_at_every_step(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = (*WRITING, *TAKING, *HEARING)
    two = await lives(server, tmp_path, steps)
    with capsys.disabled():
        print(two.tally.table(steps))
    assert {step: two.tally.deaths[step] for step in steps} == dict.fromkeys(steps, ROUNDS)


async def test_homes_on_which_no_node_runs(server: ForkServer, tmp_path: Path) -> None:
    """The same by commands that open the home themselves, on real disks."""
    home = Mortal.make(server, tmp_path, "home", Role.PERSON)
    bank = Mortal.make(server, tmp_path, "bank", Role.ORGANISATION)
    await home.start()
    await bank.start()
    invitation = await home.ask(lambda client: client.invite("bank"))
    await bank.ask(lambda client: client.pair(invitation.link, "home"))
    await home.stop()
    await bank.stop()
    file, there, back = tmp_path / "day.xml", tmp_path / "there", tmp_path / "back"
    file.write_bytes(energy_file(1, first=FIRST, days=1).data)
    async with _opened(bank) as client:
        await client.deliver(file, "home")
        await client.write_parcel("home", there)
    async with _opened(home) as client:
        taken = await client.take(there)
        assert [item.fate for item in taken.items] == [Fate.DONE]
        await client.write_parcel("bank", back)
    async with _opened(bank) as client:
        with pytest.raises(NotAllowed, match="not for this home"):
            await client.take(there)
        await client.take(back)
        assert await client.outbox() == ()
        assert [one.state for one in await client.deliveries()] == ["stored"]
    await check_at_rest([home, bank])


def _opened(mortal: Mortal) -> AbstractAsyncContextManager[Client]:
    return open_offline(mortal.folder, mortal.keystore, Config(name=mortal.name, role=mortal.role))

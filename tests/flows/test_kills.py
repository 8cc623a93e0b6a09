"""kill -9 inside every numbered step of import, grant, read and revoke, on real nodes.

Each line below is the life of two homes (an import: of one) through many deaths.  A round does one
piece of work for each step; at that step the node that reaches it dies, is started again on what it
left, and the work is brought to its end.  Then must hold, each time:

- what a call acknowledged is there, and what was not acknowledged is there whole or not at all;
- the logs of both sides verify, receipts have both signatures but possibly the last of a read;
- after an acknowledged revocation no window is signed under that grant any more;
- outboxes drain, keysets arrive, an import goes on by a second run, nothing is there twice.

`KILLS` (default 5; `make kills` has 10) is how often each step is killed; the counts are printed.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import trio

from entrenous.node.client import Client
from entrenous.node.config import Role
from entrenous.node.errors import Away, NodeError, Refused
from entrenous.node.imports.imports import Step as ImportStep
from entrenous.node.results.grants import GrantInfo
from entrenous.node.steps import GrantStep, ReadStep, RevokeStep
from entrenous.protocol.day import DAY_MAX, day_of_date
from entrenous.protocol.window import Window
from entrenous.simulations.files import energy_file
from entrenous.simulations.invariants import CHECKS
from entrenous.tests.flows.deaths import (
    Checks,
    ForkServer,
    Make,
    Mortal,
    Tally,
    check_at_rest,
    stop_at_rest,
    until,
)

KILLS = int(os.environ.get("KILLS", "5"))
# Lines that run beside each other, for the two processors that CI has.
LINES = 2
# Homes grow old, and slower to verify, with every death.
ROUNDS_OF_A_HOME = 2
PATH = "energy/electricity/load-curve"
FIRST = datetime.date(2024, 1, 1)
DAY = day_of_date(FIRST.isoformat())
A_DAY = 48
# A year and a half: more than one window of 1 MiB.
DAYS = 560
PURPOSE = "dpv:ServiceProvision"
NOT_COMMITTED = (GrantStep.DECIDED, RevokeStep.DECIDED)

Line = Callable[[Make, Path, int, Tally], Awaitable[None]]


async def killed_often(
    server: ForkServer,
    tmp_path: Path,
    line: Line,
    steps: Sequence[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Run lines until each step was killed `KILLS` times; print the counts."""
    tally = Tally()
    async with trio.open_nursery() as nursery:
        for number in range(LINES):
            rounds = KILLS // LINES + (number < KILLS % LINES)
            folder = tmp_path / str(number)
            make = partial(Mortal.make, server)
            nursery.start_soon(one_after_another, line, make, folder, rounds, tally)
    with capsys.disabled():
        print(tally.table(steps))
    assert {step: tally.deaths[step] for step in steps} == dict.fromkeys(steps, KILLS)


async def one_after_another(
    line: Line, make: Make, folder: Path, rounds: int, tally: Tally
) -> None:
    """A line of `rounds` rounds, on new homes after some of them."""
    for number, start in enumerate(range(0, rounds, ROUNDS_OF_A_HOME)):
        part = folder / str(number)
        part.mkdir(parents=True)
        await line(make, part, min(ROUNDS_OF_A_HOME, rounds - start), tally)


@dataclass
class Two:
    """A person who lends and an organisation that reads, paired."""

    owner: Mortal
    reader: Mortal
    tally: Tally
    asked: int = 0

    def at(self, step: str, of_reader: Sequence[str]) -> Mortal:
        return self.reader if step in of_reader else self.owner

    async def die(self, mortal: Mortal, step: str) -> None:
        """It has reached its step: note the death, and let it live again."""
        await mortal.buried()
        self.tally.deaths[step] += 1
        await mortal.start()
        await mortal.ask(Client.log_verify)

    async def request(self, first: int, last: int) -> bytes:
        """Ask for days; returns when the owner has the request."""
        self.asked += 1
        exp_s = 2_000_000_000 + self.asked
        windows = [Window(PATH, first, last)]
        request = await self.reader.ask(
            lambda client: client.ask(
                "owner", windows, purpose=PURPOSE, terms={"retention_days": 30}, exp_s=exp_s
            )
        )

        async def came() -> bool:
            return any(one.id == request for one in await self.owner.ask(Client.inbox))

        await until("the request comes", came)
        return request

    async def fetch(self, first: int, last: int) -> int:
        """Read days; how many records came.  Raises NodeError."""
        got = await self.reader.ask(lambda client: client.fetch("owner", PATH, first, last))
        assert got.damaged == ()
        return 0 if got.batch is None else len(got.batch)

    async def fetched(self, first: int, last: int) -> None:
        """Read days once the link and the keys are there again."""
        records = (last - first + 1) * A_DAY

        async def came() -> bool:
            return await self.fetch(first, last) == records

        await until(f"days {first} to {last} can be read", came)

    async def grant(self, first: int, last: int, written: int | None = None) -> bytes:
        """Lend days, of which those up to `written` are there, with nobody dying."""
        request = await self.request(first, last)
        grant = await self.owner.ask(lambda client: client.grant(request))
        await self.fetched(first, last if written is None else written)
        return grant

    async def all_is_said(self) -> None:
        """Wait until neither has anything left to say."""

        async def quiet() -> bool:
            for one, other in ((self.owner, self.reader), (self.reader, self.owner)):
                if (await one.ask(Client.status)).outbox:
                    await other.attempt(_speak)
                    return False
            return True

        await until("both outboxes are empty", quiet)

    async def grants_on(self, mortal: Mortal, first: int) -> list[GrantInfo]:
        found = await mortal.ask(Client.grants)
        return [one for one in found if one.windows[0].first == first]


async def _speak(client: Client) -> None:
    """Open the link, on which what waits at the other side comes at once."""
    for peer in await client.peers():
        try:
            await client.fetch(peer.name, PATH, DAY, DAY)
        except NodeError:
            continue  # whatever it says, it was reached, or will be tried again


@asynccontextmanager
async def two_homes(
    make: Make, folder: Path, tally: Tally, days: int, checks: Checks = CHECKS
) -> AsyncGenerator[Two]:
    """Two paired nodes, the owner's with `days` days; held against the invariants at the end."""
    two = Two(
        make(folder, "owner", Role.PERSON),
        make(folder, "reader", Role.ORGANISATION),
        tally,
    )
    file = folder / "days.xml"
    file.write_bytes(energy_file(1, first=FIRST, days=days).data)
    await two.owner.start()
    await two.reader.start()
    await two.owner.ask(lambda client: client.import_(file))
    invitation = await two.owner.ask(lambda client: client.invite("reader"))
    await two.reader.ask(lambda client: client.pair(invitation.link, "owner"))
    yield two
    await two.all_is_said()
    await stop_at_rest([two.reader, two.owner])
    await check_at_rest([two.owner, two.reader], checks)


# --- import ---------------------------------------------------------------------------------------


async def import_line(make: Make, folder: Path, rounds: int, tally: Tally) -> None:
    home = make(folder, "home", Role.PERSON)
    await home.start()
    file = folder / "first.xml"
    file.write_bytes(energy_file(1, first=FIRST, days=1).data)
    await home.ask(lambda client: client.import_(file))
    brought = 1
    for turn in range(rounds):
        for number, step in enumerate(ImportStep):
            # Two files at once; which of them is cut changes from round to round.
            batch = folder / f"{turn}-{number}"
            batch.mkdir()
            for part in range(2):
                first = FIRST + datetime.timedelta(days=brought + part)
                (batch / f"{part}.xml").write_bytes(energy_file(1, first=first, days=1).data)
            nth = turn % 2 + 1
            await home.arm(step, nth)
            assert await home.attempt(lambda client, batch=batch: client.import_(batch)) is None
            await home.buried()
            tally.deaths[step] += 1
            await home.start()
            done = nth if step in (ImportStep.COMMITTED, ImportStep.DONE) else nth - 1
            before = await home.ask(lambda client: client.read(PATH, 0, DAY_MAX))
            assert len(before.batch) == (brought + done) * A_DAY
            report = await home.ask(lambda client, batch=batch: client.import_(batch))
            assert sum(one.new for one in report.imported) == (2 - done) * A_DAY
            assert sum(one.duplicates for one in report.imported) == 0
            brought += 2
            after = await home.ask(lambda client: client.read(PATH, 0, DAY_MAX))
            assert (len(after.batch), after.pages) == (brought * A_DAY, brought)
            assert after.damaged == ()
    assert {one.state for one in await home.ask(Client.imports)} == {"done"}
    await home.stop()
    await check_at_rest([home])


async def test_imports_killed_at_every_step(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await killed_often(server, tmp_path, import_line, list(ImportStep), capsys)


# --- grant ----------------------------------------------------------------------------------------

GRANT_AT_READER = (GrantStep.HELD, GrantStep.ACCEPTING, GrantStep.CAME, GrantStep.KEPT)


async def grant_line(make: Make, folder: Path, rounds: int, tally: Tally) -> None:
    steps = list(GrantStep)
    async with two_homes(make, folder, tally, rounds * len(steps)) as two:
        for turn in range(rounds):
            for number, step in enumerate(steps):
                await _grant_cut(two, step, DAY + turn * len(steps) + number)


async def _grant_cut(two: Two, step: GrantStep, day: int) -> None:
    request = await two.request(day, day)
    victim = two.at(step, GRANT_AT_READER)
    await victim.arm(step)
    acknowledged = await two.owner.attempt(lambda client: client.grant(request))
    await two.die(victim, step)
    given = await two.grants_on(two.owner, day)
    if step in NOT_COMMITTED:
        assert acknowledged is None
        assert given == []
        acknowledged = await two.owner.ask(lambda client: client.grant(request))
    elif acknowledged is not None:
        assert [one.id for one in given] == [acknowledged]
    await two.reader.attempt(_speak)
    await two.fetched(day, day)
    await two.all_is_said()

    async def sure() -> bool:
        # The reader says which keys it holds as it countersigns, and the owner keeps that later.
        return all(one.acknowledged for one in await two.grants_on(two.owner, day))

    await until("the owner knows that the keys have come", sure)
    (given_now,) = await two.grants_on(two.owner, day)
    (held_now,) = await two.grants_on(two.reader, day)
    assert acknowledged in (None, given_now.id)
    assert given_now.id == held_now.id
    assert (given_now.status, held_now.status) == ("live", "live")


async def test_grants_killed_at_every_step(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await killed_often(server, tmp_path, grant_line, list(GrantStep), capsys)


# --- read -----------------------------------------------------------------------------------------

READ_AT_READER = (ReadStep.ARRIVED, ReadStep.STORED, ReadStep.COUNTERSIGNED)
READ_LOGGED = (
    ReadStep.LOGGED,
    ReadStep.OFFERED,
    ReadStep.ARRIVED,
    ReadStep.STORED,
    ReadStep.COUNTERSIGNED,
    ReadStep.RETURNED,
    ReadStep.KEPT,
)
READ_STORED = (ReadStep.STORED, ReadStep.COUNTERSIGNED, ReadStep.RETURNED, ReadStep.KEPT)
# Told once a read, not once a window.
READ_ONCE = (ReadStep.ASKED, ReadStep.KEPT)


async def read_line(make: Make, folder: Path, rounds: int, tally: Tally) -> None:
    async with two_homes(make, folder, tally, DAYS) as two:
        await two.grant(DAY, DAY + DAYS - 1)
        for turn in range(rounds):
            for step in ReadStep:
                # In every other round it is the second window of a long read that is cut.
                nth = 1 + (turn % 2 == 1 and step not in READ_ONCE)
                await _read_cut(two, step, nth)


async def _read_cut(two: Two, step: ReadStep, nth: int) -> None:
    days = DAYS if nth == 2 else 2
    last = DAY + days - 1

    async def kept() -> bool:
        # The read before this one is over for its reader a little sooner than for the owner.
        return (await _receipts(two.owner))[-1]

    await until("the last countersignature is kept", kept)
    await two.all_is_said()
    owner_had, reader_had = await _receipts(two.owner), await _receipts(two.reader)
    victim = two.at(step, READ_AT_READER)
    await victim.arm(step, nth)
    try:
        got = await two.reader.attempt(lambda client: client.fetch("owner", PATH, DAY, last))
    except Away:
        got = None
    await two.die(victim, step)
    # Read whole, or not acknowledged; the owner has signed, and the reader kept, so many windows.
    if got is not None:
        assert step in (ReadStep.RETURNED, ReadStep.KEPT)
        assert got.batch is not None
        assert len(got.batch) == days * A_DAY
    owner_has, reader_has = await _receipts(two.owner), await _receipts(two.reader)
    assert len(owner_has) - len(owner_had) == nth - (step not in READ_LOGGED)
    assert len(reader_has) - len(reader_had) == nth - (step not in READ_STORED)
    assert all(reader_has)
    # A countersignature is kept in the unit that signs the next window: the last may lack it.
    new = owner_has[len(owner_had) :]
    assert sum(new) == max(0, len(new) - (step is not ReadStep.KEPT))
    await two.fetched(DAY, last)


async def _receipts(mortal: Mortal) -> list[bool]:
    """For each receipt in the log, whether both sides have signed it."""
    words = await mortal.ask(Client.log)
    return [word.two_sided for word in words if word.kind == "receipt"]


async def test_reads_killed_at_every_step(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await killed_often(server, tmp_path, read_line, list(ReadStep), capsys)


# --- revoke ---------------------------------------------------------------------------------------

REVOKE_AT_READER = (RevokeStep.KNOWN, RevokeStep.REKEYED)


async def revoke_line(make: Make, folder: Path, rounds: int, tally: Tally) -> None:
    steps = list(RevokeStep)
    cuts = rounds * len(steps)
    async with two_homes(make, folder, tally, cuts + 1) as two:
        # The grant that outlives all others: days that are not written yet.
        await two.grant(DAY + cuts, DAY + 3 * cuts, written=DAY + cuts)
        for turn in range(rounds):
            for number, step in enumerate(steps):
                await _revoke_cut(two, step, turn * len(steps) + number, cuts, folder)


async def _revoke_cut(two: Two, step: RevokeStep, number: int, cuts: int, folder: Path) -> None:
    day = DAY + number
    grant = await two.grant(day, day)
    victim = two.at(step, REVOKE_AT_READER)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read_on, two, day)  # while it is taken back, and after
        await victim.arm(step)
        done = await two.owner.attempt(lambda client: client.revoke(grant))
        acknowledged_ms = _now_ms()
        await two.die(victim, step)
        (given,) = await two.grants_on(two.owner, day)
        if step in NOT_COMMITTED:
            assert (done, given.status) == (None, "live")
        if step in NOT_COMMITTED:
            await two.owner.ask(lambda client: client.revoke(grant))
            acknowledged_ms = _now_ms()
        elif done is None:
            # Nobody was told; but it was committed, and from its first moment on it holds.
            assert given.status == "revoked"
        with pytest.raises(Refused, match="taken back"):
            await _refusal(two, day)
        nursery.cancel_scope.cancel()
    words = await two.owner.ask(Client.log)
    late = [w for w in words if w.grant == grant and w.way == "given" and w.t_ms > acknowledged_ms]
    assert late == []
    await two.all_is_said()
    (held,) = await two.grants_on(two.reader, day)
    assert held.status == "revoked"
    await _survivor_reads(two, cuts + 1 + number, folder)


async def _survivor_reads(two: Two, day: int, folder: Path) -> None:
    """A day is written after the revocation; the other grant opens it, under new keys."""
    file = folder / f"{day}.xml"
    first = FIRST + datetime.timedelta(days=day)
    file.write_bytes(energy_file(1, first=first, days=1).data)
    await two.owner.ask(lambda client: client.import_(file))
    await two.fetched(DAY + day, DAY + day)


async def _read_on(two: Two, day: int) -> None:
    while True:
        with suppress(NodeError):  # away, or refused: asked again
            await two.reader.attempt(lambda client: client.fetch("owner", PATH, day, day))
        await trio.sleep(0.05)


async def _refusal(two: Two, day: int) -> None:
    """Read until somebody answers; raises what the owner says."""
    while True:
        try:
            await two.fetch(day, day)
        except Away:
            await trio.sleep(0.01)
            continue
        raise AssertionError("days were read after they were taken back")


def _now_ms() -> int:
    return int(datetime.datetime.now(tz=datetime.UTC).timestamp() * 1000)


async def test_revocations_killed_at_every_step(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await killed_often(server, tmp_path, revoke_line, list(RevokeStep), capsys)

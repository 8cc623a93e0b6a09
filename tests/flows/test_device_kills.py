"""kill -9 inside every step of a device's life: it joins, it is kept in step, it is lost.

Two homes, each with a keystore of its own on its disk: a person, who has several devices, and an
organisation that reads.  A round does one piece of work; at its step the process that reaches it
dies, is started again on what it left, and the same is said again.  Then must hold, each time:

- a join, a removal, a restore has happened or has not; said again it goes on, with the same keys;
- whoever was lent something reads on, and what was acknowledged is there;
- peers hear once who somebody is now, and the logs of both verify.

`KILLS` (default 10) is ten times how often each step is killed; the counts are printed.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from entrenous.node.client import Client
from entrenous.node.errors import NodeError
from entrenous.node.steps import DeviceStep, JoinStep, RestoreStep, SuccessionStep, said_of
from entrenous.protocol.command import Cmd
from entrenous.protocol.day import DAY_MAX
from entrenous.protocol.window import Window
from entrenous.simulations.files import energy_file
from entrenous.simulations.invariants import Whole
from entrenous.tests.flows.deaths import (
    ForkServer,
    Mortal,
    RefusedWork,
    Tally,
    until,
)
from entrenous.tests.flows.sealed_homes import make_sealed, no_home_yet, words_of
from entrenous.tests.flows.test_kills import A_DAY, DAY, FIRST, PATH, PURPOSE, Two, two_homes

KILLS = int(os.environ.get("KILLS", "10"))
ROUNDS = max(1, KILLS // 10)
# In the ordinary run some points stand for all; `make kills` kills at each.
ALL = KILLS > 10 or "KILLS" in os.environ

JOIN_AT_OLDER = (said_of(Cmd.DEVICE_JOIN).served, JoinStep.GIVEN, JoinStep.CONFIRMED)
JOIN = (*JoinStep, said_of(Cmd.DEVICE_JOIN).served)
JOIN_OFTEN = (JoinStep.CONFIRMED, JoinStep.SETTLED)
ASKED = tuple(said_of(cmd).served for cmd in (Cmd.DEVICE_HAVE, Cmd.DEVICE_LIST, Cmd.DEVICE_GET))
KEEP = (*DeviceStep, *ASKED)
KEEP_OFTEN = (DeviceStep.TAKEN, ASKED[2])
LEAVE = (
    SuccessionStep.PREPARED,
    SuccessionStep.KEYSTORE,
    SuccessionStep.STEPPED,
    SuccessionStep.GIVEN_AGAIN,
    SuccessionStep.COMMITTED,
)
LEAVE_OFTEN = (SuccessionStep.KEYSTORE, SuccessionStep.COMMITTED)
RESTORE_OFTEN = (RestoreStep.FOLLOWED, RestoreStep.MOVED)
SUCCEED, RENEW = said_of(Cmd.SUCCEED), said_of(Cmd.RENEW)
FOLLOW_AT_PEER = (SuccessionStep.HEARD, SUCCEED.served, RENEW.served)
FOLLOW = (
    SUCCEED.sending,
    SuccessionStep.HEARD,
    SUCCEED.served,
    SUCCEED.answered,
    SUCCEED.kept,
    RENEW.sending,
    RENEW.served,
    RENEW.answered,
    RENEW.kept,
)
FOLLOW_OFTEN = (SUCCEED.answered, RENEW.served)


def own_log(whole: Whole) -> Iterator[str]:
    """Of devices that were lost nobody is left to hold the words against; each log must verify."""
    for home in whole.homes:
        if home.log_fault is not None:
            yield f"the log of {home.name} does not verify: {home.log_fault}"


def a_person(server: ForkServer, folder: Path, tally: Tally) -> AbstractAsyncContextManager[Two]:
    """A person with a day, and an organisation that reads."""
    checks = (Whole.outboxes, Whole.two_sided, Whole.opened, own_log)
    return two_homes(partial(make_sealed, server), folder, tally, 1, checks)


def points(every: Sequence[str], often: Sequence[str]) -> list[str]:
    return list(every) * ROUNDS if ALL else list(often)


def printed(tally: Tally, steps: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    killed = dict.fromkeys(steps)
    with capsys.disabled():
        print(tally.table(killed))
    assert all(tally.deaths[step] for step in killed)


# --- joining --------------------------------------------------------------------------------------


async def link_for(two: Two, new: Mortal) -> str:
    """A file with a link by which `new` may join."""
    made = await two.owner.ask(lambda client: client.device_invite(0))
    file = new.folder.with_suffix(".link")
    file.write_text(made.link)
    return str(file)


async def joined(two: Two, name: str, step: str | None = None) -> Mortal:
    """Another device of the owner's; somebody dies at `step`, and it is said again."""
    new = no_home_yet(two.owner, name)
    order = {"link": await link_for(two, new)}
    dying: list[str] = []
    if step in JOIN_AT_OLDER:
        assert step is not None
        await two.owner.arm(step)
        dying.append(step)

    async def confirm(code: str) -> None:
        """The person types what the new machine shows, until somebody says that it was done."""
        while await two.owner.attempt(lambda client: client.device_confirm(code)) is None:
            await two.die(two.owner, dying.pop())
            rows = await two.owner.ask(Client.devices)
            if name in [one.name for one in rows if one.state == "used"]:
                return

    async def asked() -> None:
        """The older device dies as it is asked."""
        if step == JOIN_AT_OLDER[0]:
            await two.die(two.owner, dying.pop())

    own = None if step in JOIN_AT_OLDER else step
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asked)
        done = await new.work("join", own, confirm, order=order)
    if done is None:
        assert own is not None
        two.tally.deaths[own] += 1
        if own == JoinStep.MADE:
            with pytest.raises(RefusedWork, match="a home"):
                await new.work("join", order=order)
        else:
            assert await new.work("join", shows=confirm, order=order) is not None
    assert not dying
    return new


async def has_days(device: Mortal, days: int) -> None:
    async def came() -> bool:
        await device.ask(Client.devices_sync)
        got = await device.ask(lambda client: client.read(PATH, 0, DAY_MAX))
        return len(got.batch) == days * A_DAY and got.damaged == ()

    await until(f"{device.name} has {days} days", came)


async def test_joins_killed_at_every_step(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps, tally = points(JOIN, JOIN_OFTEN), Tally()
    for start in range(0, len(steps), 4):
        folder = tmp_path / str(start)
        folder.mkdir()
        async with a_person(server, folder, tally) as two:
            laptops: list[Mortal] = []  # each is a witness of the older one, which waits for one
            for number, step in enumerate(steps[start : start + 4]):
                laptop = await joined(two, f"laptop{number}", step)
                rows = await two.owner.ask(Client.devices)
                assert len(rows) == number + 2
                await laptop.start()
                laptops.append(laptop)
                await has_days(laptop, 1)
            for laptop in laptops:
                await laptop.stop()
                assert laptop.faults() == []
    printed(tally, steps, capsys)


# --- kept in step ---------------------------------------------------------------------------------


async def imported(owner: Mortal, folder: Path, number: int) -> None:
    file = folder / f"{number}.xml"
    first = FIRST + datetime.timedelta(days=number)
    file.write_bytes(energy_file(1, first=first, days=1).data)
    await owner.ask(lambda client: client.import_(file))


async def test_devices_killed_as_they_are_kept_in_step(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Days, a grant, and what was taken back come over whole, whoever dies on the way."""
    steps, tally = points(KEEP, KEEP_OFTEN), Tally()
    async with a_person(server, tmp_path, tally) as two:
        laptop = await joined(two, "laptop")
        await laptop.start()
        await has_days(laptop, 1)
        for number, step in enumerate(steps, 1):
            request = await _requested(two, number)
            if step in ASKED:
                # A laptop that is there may hear of the grant by itself, and fetch it too early.
                await laptop.stop()
                grant = await _lent(two, tmp_path, number, request)
                await two.owner.arm(step)
                await laptop.start()
                await _dies_as_the_laptop_fetches(two, laptop, two.owner, step)
            else:
                # At the end of a fetch that brought something, not of one that found nothing new.
                brought = None if step == DeviceStep.TAKEN else DeviceStep.TAKEN
                await laptop.arm(step, after=brought)
                grant = await _lent(two, tmp_path, number, request)
                await _dies_as_the_laptop_fetches(two, laptop, laptop, step)
            await has_days(laptop, number + 1)
            await _known(two, laptop, grant, "live")
            await two.owner.ask(lambda client, id=grant: client.revoke(id))
            await _known(two, laptop, grant, "revoked")
        await _told_all(two, laptop)
        await laptop.stop()
        assert laptop.faults() == []
    printed(tally, steps, capsys)


async def _requested(two: Two, number: int) -> bytes:
    """A request for one more day, at the owner, whichever device heard it."""
    windows = [Window(PATH, DAY + number, DAY + number)]
    request = await two.reader.ask(
        lambda client: client.ask(
            "owner",
            windows,
            purpose=PURPOSE,
            terms={"retention_days": 30},
            exp_s=2_000_000_000 + number,
        )
    )

    async def came() -> bool:
        await two.owner.ask(Client.devices_sync)
        return any(one.id == request for one in await two.owner.ask(Client.inbox))

    await until("the request comes", came)
    return request


async def _lent(two: Two, folder: Path, number: int, request: bytes) -> bytes:
    """The work of a round, all of it at the owner: one more day, and the grant on it."""
    await imported(two.owner, folder, number)
    return await two.owner.ask(lambda client: client.grant(request))


async def _dies_as_the_laptop_fetches(two: Two, laptop: Mortal, dying: Mortal, step: str) -> None:
    """The laptop fetches, by itself or as it is told to, until somebody has died of it."""

    async def fetching() -> None:
        while True:
            with suppress(NodeError):  # it dies, or the other did
                await laptop.attempt(Client.devices_sync)
            await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetching)
        await two.die(dying, step)
        nursery.cancel_scope.cancel()


async def _told_all(two: Two, laptop: Mortal) -> None:
    """The laptop gave keys to the reader too: the owner knows of them before it is gone."""
    await two.all_is_said()

    async def fetched() -> bool:
        await laptop.ask(Client.devices_sync)
        said = not (await laptop.ask(Client.status)).outbox
        return said and (await two.owner.ask(Client.devices_sync)).answered == 1

    await until("the owner knows what the laptop has said", fetched)


async def _known(two: Two, laptop: Mortal, grant: bytes, status: str) -> None:
    async def known() -> bool:
        await laptop.ask(Client.devices_sync)
        found = await laptop.ask(Client.grants)
        return any((one.id, one.status) == (grant, status) for one in found)

    await until(f"the laptop knows a grant as {status}", known)


# --- lost -----------------------------------------------------------------------------------------


async def left_behind(two: Two, name: str, step: str | None = None) -> None:
    """A device of the owner's is lost, and left behind; that dies at `step` and is said again."""
    await two.owner.stop()
    order = {"words": str(words_of(two.owner.folder)), "device": name}
    done = await two.owner.work("leave", step, order=order)
    if done is None:
        assert step is not None
        two.tally.deaths[step] += 1
        if step == SuccessionStep.COMMITTED:
            with pytest.raises(RefusedWork, match="already"):
                await two.owner.work("leave", order=order)
        else:
            assert await two.owner.work("leave", order=order) is not None


async def live_grants(mortal: Mortal) -> list[bytes]:
    return [one.id for one in await mortal.ask(Client.grants) if one.status == "live"]


async def test_removals_killed_at_every_step(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before its last step nothing was said to anybody; a start in between is no harm either."""
    steps, tally = points(LEAVE, LEAVE_OFTEN), Tally()
    for start in range(0, len(steps), 5):
        folder = tmp_path / str(start)
        folder.mkdir()
        async with a_person(server, folder, tally) as two:
            await two.grant(DAY, DAY)
            for number, step in enumerate(steps[start : start + 5]):
                await joined(two, f"laptop{number}")
                await left_behind(two, f"laptop{number}", step)
                await two.owner.start()
                await two.all_is_said()
                await two.fetched(DAY, DAY)
                assert len(await live_grants(two.reader)) == 1
                assert await live_grants(two.reader) == await live_grants(two.owner)
    printed(tally, steps, capsys)


async def test_peers_killed_as_they_follow(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who somebody is now, and the grants that are given again, at both ends."""
    steps, tally = points(FOLLOW, FOLLOW_OFTEN), Tally()
    for start in range(0, len(steps), 5):
        folder = tmp_path / str(start)
        folder.mkdir()
        async with a_person(server, folder, tally) as two:
            await two.grant(DAY, DAY)
            for number, step in enumerate(steps[start : start + 5]):
                await joined(two, f"laptop{number}")
                await left_behind(two, f"laptop{number}")
                if step in FOLLOW_AT_PEER:
                    await two.reader.arm(step)
                    await two.owner.start()
                    await two.die(two.reader, step)
                else:
                    await two.owner.start_to_die(step)
                    tally.deaths[step] += 1
                    await two.owner.start()
                await two.all_is_said()
                await two.fetched(DAY, DAY)
                assert len(await live_grants(two.reader)) == 1
                assert await live_grants(two.reader) == await live_grants(two.owner)
    printed(tally, steps, capsys)


async def test_restores_of_what_was_stolen_killed_at_every_step(
    server: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before its last step there is no home; said again it makes one, with the same next keys."""
    steps, tally = points(list(RestoreStep), RESTORE_OFTEN), Tally()
    async with a_person(server, tmp_path, tally) as two:
        await two.grant(DAY, DAY)
        words = words_of(two.owner.folder)
        for number, step in enumerate(steps):
            backup = tmp_path / f"{number}.backup"
            await two.owner.ask(lambda client, to=backup: client.backup(to))
            await two.owner.stop()
            order = {"backup": str(backup), "words": str(words), "stolen": "yes"}
            home = no_home_yet(two.owner, f"home{number}", listen=two.owner.listen)
            assert await home.work("restore", step, order=order) is None
            tally.deaths[step] += 1
            assert home.folder.exists() is (step == RestoreStep.MOVED)
            if step == RestoreStep.MOVED:
                with pytest.raises(RefusedWork, match="not empty"):
                    await home.work("restore", order=order)
            else:
                await home.work("restore", order=order)
            await home.start()
            two.owner = home
            for one in await home.ask(Client.grants):
                if one.status == "suspended":
                    await home.ask(lambda client, id=one.id: client.keep(id))
            await two.all_is_said()
            await two.fetched(DAY, DAY)
            assert len(await live_grants(two.reader)) == 1
    printed(tally, steps, capsys)

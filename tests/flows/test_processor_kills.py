"""A person, the utility that she lends to, and its processor: three processes, killed at each step.

What is lent on is taken once, shown once, read whole; what is taken back is refused at once, after
a death too; and what was read goes, each says so, and the word reaches her.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from entrenous.node.client import Client
from entrenous.node.config import Role
from entrenous.node.errors import NodeError
from entrenous.node.results.grants import GrantInfo
from entrenous.node.steps import DeleteStep, ReadStep, RevokeStep, said_of
from entrenous.protocol.command import Cmd
from entrenous.protocol.window import Window
from entrenous.simulations.files import energy_file
from entrenous.tests.flows.deaths import (
    ForkServer,
    Mortal,
    check_at_rest,
    stop_at_rest,
    until,
)
from entrenous.tests.flows.test_kills import A_DAY, DAY, FIRST, PATH, PURPOSE

DAYS = 12


@dataclass
class Three:
    """Who lends, to whom, and who reads for them."""

    person: Mortal
    utility: Mortal
    processor: Mortal

    async def grant(self, first: int, last: int, *clauses: str) -> bytes:
        """The person grants days, under terms that name the processor."""
        request = await self.utility.ask(
            lambda client: client.ask(
                "person",
                [Window(PATH, first, last)],
                purpose=PURPOSE,
                terms={"retention_days": 30, "clauses": list(clauses)},
                exp_s=2_000_000_000 + first,
                processors=["processor"],
            )
        )

        async def came() -> bool:
            return any(one.id == request for one in await self.person.ask(Client.inbox))

        await until("the request comes", came)
        grant = await self.person.ask(lambda client: client.grant(request))

        async def keyed() -> bool:
            held = await self.utility.ask(Client.grants)
            return any(one.id == grant and one.acknowledged for one in held)

        await until("the utility has the keys", keyed)
        return grant

    async def lend_on(self, day: int) -> bytes | None:
        """Lend one day on; None if the utility's node died before it had said so."""
        return await self.utility.attempt(
            lambda client: client.lend_on(
                "processor", "person", [Window(PATH, day, day)], 2_000_000_000
            )
        )

    async def held(self, day: int) -> list[GrantInfo]:
        found = await self.processor.ask(Client.grants)
        return [one for one in found if one.windows[0].first == day]

    async def read(self, day: int) -> int:
        """How many records the processor reads of a day.  Raises NodeError."""
        (held,) = await self.held(day)
        got = await self.processor.ask(
            lambda client: client.fetch(held.peer, PATH, day, day, acting_for="utility")
        )
        assert got.damaged == ()
        return 0 if got.batch is None else len(got.batch)

    async def reads(self, day: int) -> None:
        async def came() -> bool:
            return bool(await self.held(day)) and await self.read(day) == A_DAY

        await until(f"the processor reads day {day}", came)

    async def die(self, mortal: Mortal) -> None:
        await mortal.buried()
        await mortal.start()
        await mortal.ask(Client.log_verify)

    async def below(self) -> list[GrantInfo]:
        """What is lent on, as the person's node lists it."""
        found = await self.person.ask(Client.grants)
        return [one for one in found if one.side == "lent-on"]


@asynccontextmanager
async def three_homes(server: ForkServer, folder: Path) -> AsyncGenerator[Three]:
    make = partial(Mortal.make, server, folder)
    three = Three(
        make("person", Role.PERSON),
        make("utility", Role.ORGANISATION),
        make("processor", Role.ORGANISATION),
    )
    homes = (three.person, three.utility, three.processor)
    for home in homes:
        await home.start()
    file = folder / "days.xml"
    file.write_bytes(energy_file(1, first=FIRST, days=DAYS).data)
    await three.person.ask(lambda client: client.import_(file))
    for inviter, scanner in ((three.person, three.utility), (three.utility, three.processor)):
        invitation = await inviter.ask(lambda client, scanner=scanner: client.invite(scanner.name))
        await scanner.ask(
            lambda client, link=invitation.link, inviter=inviter: client.pair(link, inviter.name)
        )
    await three.processor.ask(lambda client: client.processing_add("utility"))
    yield three
    await stop_at_rest(homes)
    await check_at_rest(homes)


async def test_lending_on_to_a_processor_killed_at_its_steps(
    server: ForkServer, tmp_path: Path
) -> None:
    async with three_homes(server, tmp_path) as three:
        root = await three.grant(DAY, DAY + DAYS - 1)
        points = (
            (said_of(Cmd.LEND).sending, three.utility),
            (said_of(Cmd.LEND).served, three.processor),
            (said_of(Cmd.LEND).answered, three.utility),
            (said_of(Cmd.MANDATE_LEND).served, three.person),
            (said_of(Cmd.PAIR_READ).served, three.person),
            (ReadStep.LOGGED, three.person),
            (ReadStep.STORED, three.processor),
            (ReadStep.RETURNED, three.person),
        )
        for number, (step, victim) in enumerate(points):
            day = DAY + number
            await victim.arm(step)
            await three.lend_on(day)
            if step in (said_of(Cmd.PAIR_READ).served, *ReadStep):
                await until_held(three, day)
                with suppress(NodeError):  # the other side died, or after the last word of a read
                    await three.processor.attempt(partial(fetch_once, day))
            await three.die(victim)
            await three.reads(day)
        # Each once, at all three.
        assert len(await three.below()) == len(points)
        assert {one.principal for one in await three.below()} == {"utility"}
        # Taken back: from the moment that it is written, whoever dies then.
        await three.person.arm(RevokeStep.COMMITTED)
        await three.person.attempt(lambda client: client.revoke(root))
        await three.die(three.person)
        for day in range(DAY, DAY + len(points)):
            with pytest.raises(NodeError, match="taken back"):
                await three.read(day)
        assert {one.status for one in await three.below()} == {"revoked"}


async def until_held(three: Three, day: int) -> None:
    async def came() -> bool:
        return any(one.acknowledged for one in await three.held(day))

    await until("the processor has the keys", came)


async def fetch_once(day: int, client: Client) -> int:
    (held,) = [one for one in await client.grants() if one.windows[0].first == day]
    got = await client.fetch(held.peer, PATH, day, day, acting_for="utility")
    return 0 if got.batch is None else len(got.batch)


async def test_deletion_down_the_chain_killed_at_its_steps(
    server: ForkServer, tmp_path: Path
) -> None:
    async with three_homes(server, tmp_path) as three:
        points = (
            (said_of(Cmd.DELETE).served, three.utility),
            (said_of(Cmd.DELETE).served, three.processor),
            (DeleteStep.REMOVED, three.processor),
            (said_of(Cmd.DELETED).served, three.utility),
            (said_of(Cmd.DELETED).served, three.person),
        )
        for number, (step, victim) in enumerate(points):
            day = DAY + number
            root = await three.grant(day, day, "entrenous:delete-at-end")
            made = await three.lend_on(day)
            await three.reads(day)
            await victim.arm(step)
            await three.person.attempt(lambda client, root=root: client.revoke(root))
            await three.die(victim)

            async def said(made: bytes | None = made) -> bool:
                return any(one.id == made and one.deletion == "said" for one in await three.below())

            await until("her node has the word of the processor", said)
            with pytest.raises(NodeError):
                await three.read(day)

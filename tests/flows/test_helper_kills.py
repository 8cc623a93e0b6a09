"""An owner, a reader and a helper: three processes, of which the owner dies and the others go on.

While she is dead her reader reads from the helper; when she is back she has the receipt, takes the
grant back, and the helper refuses.  Then each dies at each step of it.
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
from entrenous.node.errors import Away, NodeError, Refused
from entrenous.node.steps import ReadStep, RevokeStep, said_of
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
class Helped:
    """Who lends, who reads, and who serves while the owner is dead."""

    owner: Mortal
    reader: Mortal
    helper: Mortal
    granted: int = 0

    async def grant(self, first: int, last: int) -> bytes:
        self.granted += 1  # each request is another
        request = await self.reader.ask(
            lambda client: client.ask(
                "owner",
                [Window(PATH, first, last)],
                purpose=PURPOSE,
                terms={"retention_days": 30},
                exp_s=2_000_000_000 + self.granted,
            )
        )

        async def came() -> bool:
            return any(one.id == request for one in await self.owner.ask(Client.inbox))

        await until("the request comes", came)
        grant = await self.owner.ask(lambda client: client.grant(request))

        async def keyed() -> bool:
            held = await self.reader.ask(Client.grants)
            return any(one.id == grant and one.acknowledged for one in held)

        await until("the reader has the keys", keyed)
        return grant

    async def help(self) -> None:
        await self.owner.ask(lambda client: client.helper_add("helper"))

        async def asked() -> bool:
            found = await self.helper.ask(Client.helpers)
            return any(one.state in ("asked", "allowed") for one in found)

        await until("the helper is asked", asked)
        await self.helper.ask(lambda client: client.helper_allow("owner"))

    async def keeps(self, pages: int) -> None:
        """The helper has so many pages, and the reader knows of it."""

        async def there() -> bool:
            (found,) = await self.helper.ask(Client.helpers)
            held = await self.reader.ask(Client.grants)
            named = all(one.helpers == ("helper",) for one in held if one.status == "live")
            return found.pages == pages and named and found.until_ms is not None

        await until("the helper has the pages", there)

    async def read(self, first: int = DAY, last: int = DAY + DAYS - 1) -> int:
        """How many records the reader reads.  Raises NodeError."""
        got = await self.reader.ask(lambda client: client.fetch("owner", PATH, first, last))
        assert got.damaged == ()
        return 0 if got.batch is None else len(got.batch)

    async def served(self) -> int:
        """How many reads the owner's node lists that the helper served."""
        found = await self.owner.ask(lambda client: client.who(PATH))
        return sum("served by helper" in (one.note or "") for one in found)


@asynccontextmanager
async def three_homes(server: ForkServer, folder: Path) -> AsyncGenerator[Helped]:
    make = partial(Mortal.make, server, folder)
    three = Helped(
        make("owner", Role.PERSON), make("reader", Role.ORGANISATION), make("helper", Role.PERSON)
    )
    homes = (three.owner, three.reader, three.helper)
    for home in homes:
        await home.start()
    file = folder / "days.xml"
    file.write_bytes(energy_file(1, first=FIRST, days=DAYS).data)
    await three.owner.ask(lambda client: client.import_(file))
    for scanner in (three.reader, three.helper):
        invitation = await three.owner.ask(
            lambda client, scanner=scanner: client.invite(scanner.name)
        )
        await scanner.ask(lambda client, link=invitation.link: client.pair(link, "owner"))
    yield three
    await stop_at_rest(homes)
    await check_at_rest(homes)


async def test_an_owner_dies_and_her_reader_reads_from_the_helper(
    server: ForkServer, tmp_path: Path
) -> None:
    async with three_homes(server, tmp_path) as three:
        grant = await three.grant(DAY, DAY + DAYS - 1)
        await three.help()
        await three.keeps(DAYS)
        await three.owner.die()
        assert await three.read() == DAYS * A_DAY
        await three.owner.start()

        async def told() -> bool:
            return await three.served() == 1

        await until("the owner has the receipt", told)
        rows = await three.owner.ask(Client.log)
        assert [one.two_sided for one in rows if one.helper == "helper"] == [True]
        done = await three.owner.ask(lambda client: client.revoke(grant))
        assert {one.peer for one in done.not_heard} <= {"helper"}

        async def heard() -> bool:
            (found,) = await three.helper.ask(Client.helpers)
            return found.pages == 0

        await until("the helper has heard", heard)
        await three.owner.die()
        with pytest.raises((Away, Refused)):
            await three.read()
        await three.owner.start()
        with pytest.raises(Refused, match="taken back"):
            await three.read()


async def test_a_helper_and_its_reader_killed_at_their_steps(
    server: ForkServer, tmp_path: Path
) -> None:
    async with three_homes(server, tmp_path) as three:
        await three.grant(DAY, DAY + DAYS - 1)
        await three.help()
        await three.keeps(DAYS)
        await three.owner.die()
        points = (
            (ReadStep.SIGNED, three.helper),
            (ReadStep.LOGGED, three.helper),
            (ReadStep.OFFERED, three.helper),
            (ReadStep.ARRIVED, three.reader),
            (ReadStep.STORED, three.reader),
            (ReadStep.RETURNED, three.helper),
            (ReadStep.KEPT, three.helper),
        )
        for step, victim in points:
            await victim.arm(step)
            with suppress(NodeError):
                await three.reader.attempt(
                    lambda client: client.fetch("owner", PATH, DAY, DAY + DAYS - 1)
                )
            await victim.buried()
            await victim.start()
            await victim.ask(Client.log_verify)

            async def whole() -> bool:
                return await three.read() == DAYS * A_DAY

            await until(f"the reader reads after a death at {step}", whole)
        # She dies with the first receipt that comes back, which is told again.
        await three.owner.start_to_die(said_of(Cmd.HELPER_RECEIPT).served)
        await three.owner.start()

        async def told() -> bool:
            return await three.served() >= len(points)

        await until("the owner has the receipts", told)
        # From herself again; and she hears that her reader has the newest keys.
        assert await three.read() == DAYS * A_DAY


async def test_an_owner_killed_while_she_leases_and_takes_back(
    server: ForkServer, tmp_path: Path
) -> None:
    async with three_homes(server, tmp_path) as three:
        grant = await three.grant(DAY, DAY + DAYS - 1)
        for step in ("helper leased", f"{Cmd.HELPER_HAVE} sending", f"{Cmd.HELPER_KEEP} sending"):
            await three.owner.arm(step)
            with suppress(NodeError):
                await three.help()
            await three.owner.buried()
            await three.owner.start()
        await three.keeps(DAYS)
        for step, victim in (
            (RevokeStep.COMMITTED, three.owner),
            (said_of(Cmd.HELPER_OVER).served, three.helper),
        ):
            await victim.arm(step)
            await three.owner.attempt(lambda client, grant=grant: client.revoke(grant))
            await victim.buried()
            await victim.start()

            async def heard() -> bool:
                (found,) = await three.helper.ask(Client.helpers)
                return found.pages == 0

            await until("the helper has heard", heard)
            with pytest.raises(Refused, match="taken back"):
                await three.read()
            if victim is three.owner:
                grant = await three.grant(DAY, DAY + DAYS - 1)
                await three.keeps(DAYS)


async def test_each_of_the_three_killed_while_the_help_begins(
    server: ForkServer, tmp_path: Path
) -> None:
    """What was heard is done once and answered again: the asking, the yes, what is to be kept, and
    the reader's being told."""
    async with three_homes(server, tmp_path) as three:
        await three.grant(DAY, DAY + DAYS - 1)
        await three.helper.arm(said_of(Cmd.HELPER_ASK).served)
        await three.owner.ask(lambda client: client.helper_add("helper"))
        await three.helper.buried()
        await three.helper.start()

        async def asked() -> bool:
            return any(one.state == "asked" for one in await three.helper.ask(Client.helpers))

        await until("the helper is asked", asked)
        await three.owner.arm(said_of(Cmd.HELPER_DECIDE).served)
        await three.helper.ask(lambda client: client.helper_allow("owner"))
        await three.owner.buried()
        # Back again, she leases at once.
        await three.reader.arm(said_of(Cmd.HELPER_SERVES).served)
        await three.helper.arm("helper parts")
        await three.owner.start()
        await three.reader.buried()
        await three.reader.start()
        await three.helper.buried()
        await three.helper.start()
        await three.helper.arm(said_of(Cmd.HELPER_KEEP).served)
        # Not in a minute: it is here again.
        await three.owner.ask(lambda client: client.helper_add("helper"))
        await three.helper.buried()
        await three.helper.start()
        await three.owner.ask(lambda client: client.helper_add("helper"))
        await three.keeps(DAYS)
        await three.owner.die()
        assert await three.read() == DAYS * A_DAY
        await three.owner.start()

        async def told() -> bool:
            return await three.served() == 1

        await until("the owner has the receipt", told)
        # From herself again; and she hears that her reader has the newest keys.
        assert await three.read() == DAYS * A_DAY

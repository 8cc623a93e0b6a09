"""A stolen device after any history: it opens nothing written since, and is nobody to anybody.

What happened before the theft and after it is drawn from a seed.  The adversary of the simulations
then tries every secret of the stolen home, in every role, on every page on the owner's disk and on
the disk of a neighbour who lent to the owner: it opens what lay there when the device was stolen,
which shows that the search finds, and nothing of what was written since whoever wrote it had heard.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from entrenous.crypto.digest import sha256
from entrenous.node.config import Role
from entrenous.node.errors import NodeError, Refused
from entrenous.node.grants.grant_held import GrantHeld
from entrenous.node.store.database import Tx
from entrenous.node.store.inline import InlineDatabase
from entrenous.protocol.command import DecideArgs, RenewArgs
from entrenous.protocol.errors import ProtocolError
from entrenous.protocol.request import Request, parse_request
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, decode
from entrenous.simulations.adversary import attack
from entrenous.simulations.stolen import Files, Loot
from entrenous.tests.node.lost_device import Lost, a_theft
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, ask, lend, meet, revoke, settle

SEEDS = int(os.environ.get("SEEDS", "3"))
STEPS_BEFORE, STEPS_AFTER = 6, 5
DAYS = 6


@dataclass
class Life:
    """Alice's life with a bank and a shop that read, and a neighbour who lends."""

    lost: Lost
    dice: random.Random
    folder: Path
    readers: list[Party] = field(default_factory=list[Party])
    neighbour: Party | None = None
    values: int = 10

    async def begin(self) -> None:
        town = self.lost.town
        for name in ("bank", "shop"):
            reader = await town.party(name, Role.ORGANISATION)
            await meet(self.lost.alice, reader)
            self.readers.append(reader)
        self.neighbour = await town.party("neighbour")
        await meet(self.lost.alice, self.neighbour)
        for owner in (self.lost.alice, self.neighbour):
            await owner.fill(CURVE, DAY, DAYS)
        await lend(self.neighbour, self.lost.alice, Window(CURVE, DAY, DAY + DAYS))
        await lend(self.lost.alice, self.readers[0], Window(CURVE, DAY, DAY + DAYS))

    async def step(self, alice: Party) -> None:
        """One thing that happens to what alice, as she is now, or her neighbour has."""
        assert self.neighbour is not None
        first = DAY + self.dice.randrange(DAYS)
        window = Window(CURVE, first, first + self.dice.randrange(3))
        match self.dice.choice(["write", "write", "lend", "revoke", "read", "neighbour"]):
            case "write":
                await self.write(alice)
            case "neighbour":
                await self.write(self.neighbour)
            case "lend":
                await lend(alice, self.dice.choice(self.readers), window)
            case "revoke":
                given = await alice.read(alice.node.lending.all)
                live = [one for one in given if one.kept is GrantStatus.LIVE]
                if live:
                    await revoke(alice, self.dice.choice(live))
            case _:
                reader = self.dice.choice(self.readers)
                with suppress(NodeError):  # nothing may be lent there
                    await reader.node.fetcher.fetch(await reader.peer("alice"), window)
        await settle(2)

    async def write(self, owner: Party) -> None:
        self.values += 1
        await owner.fill(CURVE, DAY + self.dice.randrange(DAYS), 1, value=self.values)

    async def files(self, party: Party, name: str) -> Files:
        copy = self.folder / f"{name}.db"
        database = party.node.store.database
        assert isinstance(database, InlineDatabase)
        await database.copy_to(copy)
        return Files.of(copy)


def keystore_of(party: Party) -> Mapping[str, Value]:
    value = decode(party.node.keystore.to_bytes())
    assert isinstance(value, dict)
    return value


def pages(files: Files) -> set[bytes]:
    return {sha256(page) for page in files.pages}


async def left_behind(life: Life) -> Party:
    """The home on another machine; that the old one was stolen is said at once, or later."""
    lost = life.lost
    if life.dice.random() < 0.5:
        back, _, _ = await lost.restored()
    else:
        back, _, folder = await lost.restored(stolen=False)
        await settle(3)
        await back.down()
        await lost.leave_behind(folder)
        back = await lost.open(folder)
        await back.up()
    await settle(5)
    for grant in await back.read(back.node.lending.all):
        if grant.kept is GrantStatus.SUSPENDED:
            await back.write(lambda tx, cid=grant.cid: back.node.lending.keep(tx, cid, back.now_ms))
    await settle(5)
    return back


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_stolen_device_is_left_behind_whatever_happened(
    autojump_clock: object, tmp_path: Path, seed: int
) -> None:
    async with a_theft(tmp_path) as lost:
        life = Life(lost, random.Random(seed), tmp_path)
        await life.begin()
        for _ in range(STEPS_BEFORE):
            await life.step(lost.alice)
        thief = await lost.stolen()
        loot = Loot.of(await life.files(thief, "thief"), keystore_of(thief))
        had = pages(await life.files(thief, "thief again"))
        back = await left_behind(life)
        neighbour = life.neighbour
        assert neighbour is not None
        theirs_had = pages(await life.files(neighbour, "neighbour when it heard"))
        for _ in range(STEPS_AFTER):
            await life.step(back)
        await life.write(back)
        await life.write(neighbour)
        await settle(2)

        mine = await life.files(back, "alice now")
        found = attack(mine, keystore_of(back), [loot])
        written = pages(mine) & found.pages.keys() - had
        assert written
        assert not found.opened & written, "a page that was written after the theft"
        assert found.opened & had, "what lay on the stolen disk opens: the search finds"

        theirs = await life.files(neighbour, "neighbour now")
        found = attack(theirs, keystore_of(neighbour), [loot])
        written = pages(theirs) & found.pages.keys() - theirs_had
        assert written
        assert not found.opened & written, "a page that was written after its owner had heard"
        assert found.opened

        await is_nobody(life, thief, back)


async def is_nobody(life: Life, thief: Party, back: Party) -> None:
    """The thief cannot read, be read, or give a grant, as who alice was."""
    neighbour = life.neighbour
    assert neighbour is not None
    await thief.up()
    for name in ("bank", "shop", "neighbour"):
        with pytest.raises(Refused):
            await thief.node.links.link_to(await thief.peer(name))
    window = Window(CURVE, DAY, DAY + 1)
    with pytest.raises(NodeError):
        await thief.node.fetcher.fetch(await thief.peer("neighbour"), window)
    for reader in life.readers:
        before = await reader.read(reader.node.borrowing.all)
        # It waits for an answer of alice's, and holds what she lent: the thief knows of both.
        cid = await ask(reader, back, window)
        asked = await reader.read(lambda tx, cid=cid, on=reader: on.node.asked.find(tx, cid))
        assert asked is not None
        request = parse_request(asked.raw)
        await hand_in(thief, reader, request, before)
        assert await reader.read(reader.node.borrowing.all) == before
        assert (await reader.peer("alice")).device == back.node.keystore.device.public
    await thief.down()


async def hand_in(thief: Party, reader: Party, request: Request, held: Sequence[GrantHeld]) -> None:
    """Grants signed by the persona that was left, to a reader, in every form in which it takes one:
    refused, were they ever to come through its door."""
    pair = await reader.peer("alice")
    mine = await thief.peer(reader.name)

    def forge(tx: Tx, exp_s: int) -> bytes:
        given = thief.node.lending.give(
            tx, mine, request.items, request.terms, exp_s, request.cid, thief.now_ms
        )
        return given.bundle.signed.raw

    raw = await thief.write(lambda tx: forge(tx, request.exp_s))
    decision = DecideArgs(pair.own_now, request.cid, raw, None)
    with pytest.raises(ProtocolError):
        await reader.write(
            lambda tx: reader.node.borrowing.decided(tx, pair, decision, reader.now_ms)
        )
    for one in held:
        late = one.bundle.grant.exp_s + 60
        again = await thief.write(lambda tx, late=late: forge(tx, late))
        renewal = RenewArgs(pair.own_now, one.cid, again)

        def believe(tx: Tx, renewal: RenewArgs = renewal) -> Value:
            return reader.node.borrowing.renewed(tx, pair, renewal, reader.now_ms)

        with pytest.raises(ProtocolError):
            await reader.write(believe)

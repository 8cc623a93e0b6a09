"""The week: one seed is one world, and each promise that is watched is seen to be broken.

Whole weeks are `make sim`.  Here a calm day of the same people, told in order, is held against the
same watch: once with the node as it is, and once for each fault that is planted in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

import entrenous.protocol.trust
from entrenous.node.client import Client
from entrenous.node.config import Role
from entrenous.node.exchange import acting
from entrenous.node.grants.borrowing import Borrowing
from entrenous.node.household.mandates import Mandates
from entrenous.node.imports.imports import Imports
from entrenous.node.log.receipts import Receipts
from entrenous.node.node import Node
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import StoreError
from entrenous.node.store.ledger import Ledger
from entrenous.node.store.log import Log
from entrenous.node.store.objects import Kind
from entrenous.node.vault.collection import Collections
from entrenous.protocol.command import AcceptArgs
from entrenous.protocol.day import start_ms
from entrenous.protocol.did import check_did
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING
from entrenous.simulations.runs import Asked, done_before, run_seed
from entrenous.simulations.week.book import Book, Lending
from entrenous.simulations.week.files import BANK, CURVE, JOINT, Slice, facts_of
from entrenous.simulations.week.home import Home
from entrenous.simulations.week.meetings import settle_in
from entrenous.simulations.week.neighbour import Neighbour
from entrenous.simulations.week.people import HOUR_S
from entrenous.simulations.week.sources import Source
from entrenous.simulations.week.watch import Watch
from entrenous.simulations.world import Setting, World, run_world

SLICES = Slice.of(3)
WHOLE_DAY_S = 24 * HOUR_S
# As long as words between nodes that are all there take, and more.
A_WHILE_S = HOUR_S / 12


# --- the files ------------------------------------------------------------------------------------


def test_the_two_downloads_of_the_bank_tell_the_same_facts() -> None:
    from entrenous.apps.readers import bank_csv
    from entrenous.protocol.reading import Settings

    batch = SLICES.bank(2, 9)
    found = bank_csv.reader.read_with(
        SLICES.csv_file(2, 9), "trimestre.csv", Settings(day_first=True)
    )
    assert facts_of(found.items[0].batch) == facts_of(batch)
    assert len(facts_of(batch)) == len(batch) > 5
    assert len(SLICES.meter(3, 4)) == 24


# --- one seed is one world ------------------------------------------------------------------------


def test_a_day_of_the_week_in_another_process_is_the_same_day() -> None:
    here = run_seed(Asked("week", nodes=8, days=0.15), 5)
    command = [sys.executable, "-m", "entrenous.simulations", "week", "--seed", "5", "--seeds", "1"]
    there = subprocess.run(
        [*command, "--nodes", "8", "--days", "0.15", "--jobs", "1"],
        env={**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": ".import"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not here.complaints
    assert f'"digest": "{here.line["digest"]}"' in there.stdout, there.stderr


def test_seeds_that_were_done_are_left_out(tmp_path: Path) -> None:
    done = tmp_path / "done"
    done.write_text(
        '{"seed": 1, "scenario": "week", "ok": true}\n{"seed": 2, "scenario": "week", "ok": false}'
        '\n{"seed": 3, "scenario": "town", "ok": true}\n'
    )
    assert done_before(done, "week") == {1}
    assert done_before(None, "week") == frozenset()


# --- the watch notices ----------------------------------------------------------------------------


class CalmDay:
    """Everybody of a week, one day, nothing goes wrong: told in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def live(self, world: World) -> None:
        book = Book()
        home_machine = await world.add("home", Role.PERSON)
        next_door = await world.add("neighbour", Role.PERSON)
        names = ("bank", "energy", "shop", "town")
        sources = [
            Source(
                world,
                await world.add(name, Role.ORGANISATION),
                self._folder,
                book,
                SLICES,
                WHOLE_DAY_S,
            )
            for name in names
        ]
        bank, energy, shop, _ = sources
        home = Home(world, home_machine, self._folder, book, SLICES, WHOLE_DAY_S)
        for machine in world.machines.values():
            world.power_on(machine)
        await settle_in(home, Neighbour(world, next_door, self._folder), sources)
        watch = Watch(world, book, home_machine, SLICES)
        await home.take_in(JOINT, "a.ofx", SLICES.bank_file(0, 6), SLICES.bank(0, 6))
        await bank.deliver(BANK, 3, 9)
        await energy.deliver(CURVE, 0, 27)
        await home.refused(lambda client: client.import_(home.file("no.ofx", b"<OFX>")))
        lent = await self._lend(home, shop, "home")
        await self._lend(home, bank, "rose")
        await shop.read(lent.reader_calls, lent.lending.grant)
        await self._accept_twice(shop, lent.lending)
        await watch.look()
        await home.revoke(lent.lending)
        await shop.read(lent.reader_calls, lent.lending.grant)
        await watch.look()
        await self._write_later(home, lent.lending)
        await self._decline(home, energy)
        await home.pause(A_WHILE_S)
        await shop.flood("home", CURVE, 110)
        await home.pause(A_WHILE_S)
        await watch.look(last=True)

    async def _lend(self, home: Home, source: Source, peer: str) -> _Lent:
        """Ask for the load curve, grant some of it."""
        await source.ask("home" if peer == "home" else "rose", CURVE)
        await home.pause(A_WHILE_S)
        before = set(home.book.lendings)
        while set(home.book.lendings) == before:
            await home.answer_all(refusing=False)
            await home.pause(A_WHILE_S)
        (grant,) = set(home.book.lendings) - before
        return _Lent(home.book.lendings[grant], peer)

    async def _decline(self, home: Home, source: Source) -> None:
        """Harder terms are offered, and declined."""
        marker = await source.ask("home", CURVE)
        await home.pause(A_WHILE_S)
        inbox = await home.insist(lambda client: client.inbox())
        (request,) = (one for one in inbox if one.refusal == marker)
        await home.insist(lambda client: client.grant(request.id, retention_days=1))
        await home.pause(A_WHILE_S)
        await source.insist(lambda client: client.decline_offer(request.id, "too short"))

    async def _write_later(self, home: Home, lending: Lending) -> None:
        """Readings between those that there were, on the first day that was lent."""
        row = {
            "time": start_ms(lending.window.first) + 60_000,
            "offset_min": 60,
            "duration_s": 7200,
            "value": [4321, 1],
            "unit": "Wh",
            "quality": None,
        }
        batch = Batch.from_rows(METER_READING, [row])
        home.book.trying(CURVE, facts_of(batch))
        await home.insist(lambda client: client.add(CURVE, batch))

    async def _accept_twice(self, source: Source, lending: Lending) -> None:
        """The same words twice; the second time they are refused."""

        async def accept(client: Client) -> None:
            (info,) = (one for one in await client.grants() if one.id == lending.grant)
            (peer,) = (one for one in await client.peers() if one.name == info.peer)
            args = AcceptArgs(check_did(peer.their), lending.grant, info.terms.cid).value()
            said = await client.invoke(info.peer, "/grant/accept", args)
            await client.invoke(info.peer, "/grant/accept", args, token=said.token)

        await source.insist(accept)


class _Lent:
    def __init__(self, lending: Lending, reader_calls: str) -> None:
        self.lending = lending
        self.reader_calls = reader_calls


def calm_day(folder: Path) -> Sequence[str]:
    _, complaints = run_world(Setting(3, 8), CalmDay(folder).live)
    return complaints


def test_a_calm_day_is_as_it_must_be(tmp_path: Path) -> None:
    assert not calm_day(tmp_path)


def nothing(*_: object, **__: object) -> None:
    """A step that was forgotten."""


def never(*_: object, **__: object) -> bool:
    return False


def _wrong_fingerprint(kept: Callable[..., int]) -> Callable[..., int]:
    def append(self: Log, tx: Tx, cid: bytes, fingerprint: bytes, value: Any) -> int:
        return kept(self, tx, cid, fingerprint[::-1], value)

    return append


def _logging(kept: Callable[..., Any]) -> Callable[..., Any]:
    async def commit(self: Imports, path: Path, *more: Any, **said: Any) -> Any:
        structlog.get_logger().info("imported", what=JOINT)
        return await kept(self, path, *more, **said)

    return commit


def _half_done(kept: Callable[..., Any]) -> Callable[..., Any]:
    count = 0

    async def commit(self: Imports, path: Path, *more: Any, **said: Any) -> Any:
        nonlocal count
        count += 1
        store, number = self._vault._store, count  # type: ignore[attr-defined]  # planted in it
        await store.database.write(
            lambda tx: store.objects.put(tx, Kind.SETTING, "half done", number)
        )
        return await kept(self, path, *more, **said)

    return commit


PLANTED = [
    pytest.param(Receipts, "countersigned", nothing, "without a countersignature", id="two-sided"),
    pytest.param(Ledger, "seen", never, "on what it had done before", id="once"),
    pytest.param(Collections, "take_back", never, "after its grant was taken back", id="closed"),
    pytest.param(Borrowing, "revoked", nothing, "is revoked, but there live", id="both sides"),
    pytest.param(Mandates, "acted", nothing, "logged none of", id="names"),
    pytest.param(
        entrenous.protocol.trust, "check_standing", nothing, "was taken back", id="taken back"
    ),
    pytest.param(
        acting,
        "REQUESTS_WAITING_MAX",
        10_000,
        "waiting than it may",
        id="quota",
    ),
    pytest.param(Log, "append", _wrong_fingerprint(Log.append), "not verify", id="log"),
    pytest.param(Imports, "commit", _logging(Imports.commit), "in clear in a log", id="in clear"),
    pytest.param(Imports, "commit", _half_done(Imports.commit), "changed the disk", id="bad input"),
]


@pytest.mark.parametrize(("part", "name", "broken", "complaint"), PLANTED)
def test_a_promise_that_is_broken_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    part: object,
    name: str,
    broken: object,
    complaint: str,
) -> None:
    monkeypatch.setattr(part, name, broken)
    complaints = calm_day(tmp_path)
    assert any(complaint in sentence for sentence in complaints), complaints


# --- what was found -------------------------------------------------------------------------------


def test_a_node_starts_on_a_full_disk(tmp_path: Path) -> None:
    """It waits for room, as it does when the disk fills up later; it used to end at once."""
    served: list[str] = []

    async def live(world: World) -> None:
        machine = await world.add("home", Role.PERSON)
        full = True

        async def keep_house(node: Node) -> None:
            if full:
                raise StoreError("no room")

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Node, "keep_house", keep_house)
            world.power_on(machine)
            home = Home(world, machine, tmp_path, Book(), SLICES, WHOLE_DAY_S)
            await home.pause(60.0)
            served.extend((await home.once(lambda client: client.status())).addresses)
            full = False

    _, complaints = run_world(Setting(1, 1), live)
    assert served
    assert not complaints

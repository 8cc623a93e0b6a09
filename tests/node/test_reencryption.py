"""Encrypting again: old generations end, nothing is lost, nobody who may read notices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from entrenous.crypto.key_tree import NoKey
from entrenous.node.grants.reencryption import GENERATIONS_KEPT, PAGES_A_UNIT, Reencryption
from entrenous.node.peers.outgoing import Outgoing
from entrenous.node.steps import AgainStep
from entrenous.node.store.database import Tx
from entrenous.node.vault.stored import Stored, entry_of
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.day import UNDATED
from entrenous.protocol.duty import Duty
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.segment import parse_segment_head
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    Town,
    a_town,
    both_logs_hold,
    lend,
    meet,
    readings,
    revoke,
    settle,
)
from entrenous.tests.node.vault_home import Home, open_home

AGAIN = Terms(
    "dpv:ServiceProvision", 30, (), None, (Clause(Duty.ENCRYPT_AGAIN.value, Force.ENFORCED),)
)
# All of it lies before the grants begin.
FIRST = DAY - 40
TEN = Window(CURVE, FIRST, FIRST + 9)


async def stored(party: Party, window: Window) -> list[Stored]:
    path, first, last = window.collection, window.first, window.last
    return await party.read(lambda tx: party.node.vault.stored(tx, path, first, last))


async def counted(party: Party) -> dict[bytes, list[int]]:
    """The days of the pages of each generation."""
    found: dict[bytes, list[int]] = {}
    for stored in await party.read(lambda tx: party.node.vault.stored(tx, CURVE, 0, UNDATED)):
        found.setdefault(entry_of(stored.raw).gen, []).append(stored.day)
    return found


async def town_of_three(town: Town) -> tuple[Party, Party, Party]:
    """An owner with forty days, and two readers."""
    owner, bank, shop = [await town.party(name) for name in ("home", "bank", "shop")]
    for reader in (bank, shop):
        await meet(owner, reader)
    await owner.fill(CURVE, FIRST, 40)
    return owner, bank, shop


async def eagerly(owner: Party, reader: Party, window: Window) -> bytes:
    """A grant whose terms want its days encrypted again when it is taken back."""
    pair = await owner.peer(reader.name)
    exp_s = owner.now_ms // 1000 + 20 * DAY_S
    given = await owner.write(
        lambda tx: owner.node.lending.give(tx, pair, [window], AGAIN, exp_s, None, owner.now_ms)
    )
    return given.cid


async def test_nothing_is_encrypted_again_unless_the_terms_say_so(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, bank, _ = await town_of_three(town)
        before = await counted(owner)
        given = await lend(owner, bank, TEN)
        await revoke(owner, given)
        await settle(5)
        assert await counted(owner) == before


async def test_what_the_terms_name_is_encrypted_again_at_once(autojump_clock: MockClock) -> None:
    """Just the days of the grant; the claim is in the revocation's own unit of work."""
    async with a_town() as town:
        owner, bank, _ = await town_of_three(town)
        records = (await owner.node.vault.read(CURVE, FIRST, FIRST + 39)).batch
        cid = await eagerly(owner, bank, TEN)
        (old,) = await counted(owner)
        salts = {entry_of(one.raw).page_salt for one in await stored(owner, TEN)}

        def taken_back(tx: Tx) -> int:
            owner.node.lending.revoke(tx, cid, owner.now_ms)
            return len(owner.node.reencryption.waiting(tx))

        assert await owner.write(taken_back) == 1
        await settle()
        found = await counted(owner)
        new = await owner.read(lambda tx: owner.node.vault.collections.generation(tx, CURVE))
        assert found == {
            old: list(range(FIRST + 10, FIRST + 40)),
            new: list(range(FIRST, FIRST + 10)),
        }
        after = (await owner.node.vault.read(CURVE, FIRST, FIRST + 39)).batch
        assert after == records
        assert not salts & {entry_of(one.raw).page_salt for one in await stored(owner, TEN)}
        assert await owner.read(owner.node.reencryption.waiting) == []


async def test_the_oldest_of_more_than_four_generations_ends(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, bank, _ = await town_of_three(town)
        for turn in range(GENERATIONS_KEPT + 2):
            given = await lend(owner, bank, TEN)
            await revoke(owner, given)
            await owner.fill(CURVE, FIRST + 40 + turn, 1)
        found = await counted(owner)
        assert len(found) == GENERATIONS_KEPT + 3
        records = (await owner.node.vault.read(CURVE, FIRST, FIRST + 50)).batch
        await owner.node.keep_house()
        await settle(5)
        found = await counted(owner)
        assert len(found) == GENERATIONS_KEPT
        assert (await owner.node.vault.read(CURVE, FIRST, FIRST + 50)).batch == records
        live = await owner.read(lambda tx: owner.node.vault.collections.get(tx, CURVE).live)
        assert {gen: count for (_, gen), count in live.items()} == {
            gen: len(days) for gen, days in found.items()
        }


async def test_survivors_read_on_without_a_gap(autojump_clock: MockClock) -> None:
    """A reader comes again after each unit of the work, and always gets every day."""
    async with a_town() as town:
        owner, bank, shop = await town_of_three(town)
        whole = Window(CURVE, FIRST, FIRST + 39)
        cid = await eagerly(owner, bank, whole)
        await lend(owner, shop, whole)
        pair = await shop.peer("home")
        reads = 0

        async def read_all_the_time() -> None:
            nonlocal reads
            while True:
                lent = await shop.node.fetcher.fetch(pair, whole)
                assert (lent.pages, lent.damaged) == (40, ())
                reads += 1
                await trio.sleep(0.4)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_all_the_time)
            await settle()
            await owner.write(lambda tx: owner.node.lending.revoke(tx, cid, owner.now_ms))
            await settle(3)
            nursery.cancel_scope.cancel()
        assert reads > 3
        assert len(await counted(owner)) == 1
        await settle()
        await both_logs_hold(owner, shop)


async def test_a_read_under_way_goes_on_over_pages_that_were_encrypted_again(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, bank, shop = await town_of_three(town)
        whole = Window(CURVE, FIRST, FIRST + 39)
        owner.node.serving._window_pages_max = 8  # pyright: ignore[reportPrivateUsage]  # as a simulated node is made
        cid = await eagerly(owner, bank, whole)
        await lend(owner, shop, whole)
        pair = await shop.peer("home")
        keep, windows = shop.node.borrowing.keep, 0
        second = trio.Event()

        def between_windows(*args: object) -> object:
            nonlocal windows
            windows += 1
            if windows == 2:
                second.set()
            return keep(*args)  # type: ignore[arg-type]  # as they came

        async def meanwhile() -> None:
            while windows < 2:  # nothing tells of a window from outside
                await trio.lowlevel.checkpoint()
            await owner.write(lambda tx: owner.node.lending.revoke(tx, cid, owner.now_ms))
            await owner.node.reencryption.work()

        shop.node.borrowing.keep = between_windows  # type: ignore[method-assign,assignment]  # acts there
        async with trio.open_nursery() as nursery:
            nursery.start_soon(meanwhile)
            lent = await shop.node.fetcher.fetch(pair, whole)
        assert lent.batch is not None
        assert (len(lent.batch), lent.damaged) == (40 * 24, ())
        assert len(await counted(owner)) == 1
        await settle()
        await both_logs_hold(owner, shop)


async def test_who_lost_the_grant_opens_nothing_that_was_encrypted_again(
    autojump_clock: MockClock,
) -> None:
    """With its keys and the whole new disk of the owner."""
    async with a_town() as town:
        owner, bank, _ = await town_of_three(town)
        given = await lend(owner, bank, TEN)
        held = await bank.read(lambda tx: bank.node.borrowing.get(tx, given.cid))
        keys = await bank.read(lambda tx: bank.node.borrowing.keys(tx, held))
        await revoke(owner, given)
        await owner.write(lambda tx: owner.node.reencryption.claim(tx, given.cid, [TEN]))
        await settle()
        for one in await stored(owner, TEN):
            entry = entry_of(one.raw)
            with pytest.raises(NoKey):
                keys.day_key(entry.path, entry.epoch, entry.gen, entry.day)


async def test_what_a_source_signed_stays_shown(autojump_clock: MockClock) -> None:
    """A statement's day keeps its page, its salt and so its proof; a reader verifies it."""
    from entrenous.simulations.files import energy_file
    from entrenous.tests.node.test_operations import client_of

    async with a_town() as town:
        owner, bank = await town.party("alice"), await town.party("bank")
        await meet(owner, bank)
        file = energy_file(3, days=40)
        with_file = Path(os.environ.get("PYTEST_TMP", "/tmp")) / f"{os.getpid()}-{file.name}"
        with_file.write_bytes(file.data)
        try:
            (made,) = await client_of(bank).deliver(with_file, "alice")
        finally:
            with_file.unlink()
        window = Window(made.path, made.first, made.last)
        given = await lend(owner, bank, window)
        await owner.write(
            lambda tx: owner.node.vault.collections.take_back(tx, made.path, b"r" * 36)
        )
        claimed = await owner.write(
            lambda tx: owner.node.reencryption.claim(tx, given.cid, [window])
        )
        assert claimed == 1
        await owner.write(
            lambda tx: owner.node.lending.rotate(tx, [made.path], b"s" * 36, owner.now_ms)
        )
        await settle(3)
        lent = await client_of(bank).fetch("alice", made.path, made.first, made.last)
        assert [one.verified for one in lent.provenance] == [True]
        assert lent.damaged == ()


# --- the worker alone -----------------------------------------------------------------------------

DAYS = 3 * PAGES_A_UNIT


async def claimed_home(home: Home) -> None:
    """A vault with pages of an old generation, claimed."""
    await home.vault.write(CURVE, METER_READING, pieces_of(readings(FIRST, DAYS)), origin=b"test")

    def claim(tx: Tx) -> None:
        home.vault.collections.take_back(tx, CURVE, b"r" * 36)
        worker(home).claim(tx, b"c" * 36, [Window(CURVE, FIRST, FIRST + DAYS - 1)])

    await home.database.write(claim)


def worker(home: Home) -> Reencryption:
    return Reencryption(home.vault, Outgoing(home.store.outbox))


async def test_the_last_segment_names_those_that_it_emptied(tmp_path: Path) -> None:
    async with open_home("inline", tmp_path / "store.db") as home:
        await claimed_home(home)

        def heads(tx: Tx) -> list[bytes]:
            rows = tx.execute("SELECT seq FROM segment ORDER BY seq")
            found = [home.store.segments.head(tx, int(row[0])) for row in rows]
            return [one[1] for one in found if isinstance(one, list) and isinstance(one[1], bytes)]

        before = [parse_segment_head(raw) for raw in await home.database.read(heads)]
        assert await worker(home).work() == DAYS
        after = [parse_segment_head(raw) for raw in await home.database.read(heads)]
        assert [one.supersedes for one in after[:-1]] == [()] * (len(after) - 1)
        assert after[-1].supersedes == tuple(one.cid for one in before)


async def test_a_page_that_does_not_open_stays_and_is_not_tried_for_ever(tmp_path: Path) -> None:
    async with open_home("inline", tmp_path / "store.db") as home:
        await claimed_home(home)

        def spoil(tx: Tx) -> None:
            one = home.vault.stored(tx, CURVE, FIRST + 3, FIRST + 3)[0]
            home.store.pages.put_many(
                tx, [(CURVE, one.day, one.writer, one.seq, b"x" * one.length)]
            )

        await home.database.write(spoil)
        assert await worker(home).work() == DAYS - 1
        assert await home.database.read(worker(home).waiting) == []
        reading = await home.vault.read(CURVE, FIRST, FIRST + DAYS - 1)
        assert [one.day for one in reading.damaged] == [FIRST + 3]
        assert len(reading.batch) == (DAYS - 1) * 24


VICTIM = """
import os, signal, sys
from pathlib import Path
import trio
from entrenous.node.peers.outgoing import Outgoing
from entrenous.node.grants.reencryption import Reencryption
from entrenous.tests.node.vault_home import open_home

class Kill:
    def __init__(self, step, nth):
        self.step, self.left = step, nth
    def reached(self, step):
        self.left -= step == self.step
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

async def main(store, step, nth):
    async with open_home("aiosqlite", Path(store)) as home:
        kill = Kill(step, int(nth))
        await Reencryption(home.vault, Outgoing(home.store.outbox), kill).work()

trio.run(main, *sys.argv[1:])
"""


def all_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@pytest.mark.parametrize(
    ("step", "nth"),
    [
        (AgainStep.WRITTEN, 1),
        (AgainStep.WRITTEN, 2),
        (AgainStep.COMMITTED, 1),
        (AgainStep.COMMITTED, 3),
        (AgainStep.ERASED, 1),
    ],
)
async def test_a_kill_at_any_step_loses_nothing(tmp_path: Path, step: AgainStep, nth: int) -> None:
    """And afterwards no ciphertext and no salt of the old generation is in the files."""
    path = tmp_path / "store.db"
    async with open_home("aiosqlite", path) as home:
        await claimed_home(home)
        before = (await home.vault.read(CURVE, FIRST, FIRST + DAYS - 1)).batch
        old = await home.database.read(lambda tx: home.vault.stored(tx, CURVE, 0, UNDATED))
        texts = await home.database.read(lambda tx: home.vault.ciphertexts(tx, old))
    done = await trio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-c", VICTIM, str(path), step.value, str(nth)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
            capture_output=True,
            timeout=60,
        )
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    async with open_home("aiosqlite", path) as home:
        between = (await home.vault.read(CURVE, FIRST, FIRST + DAYS - 1)).batch
        assert between == before
        await worker(home).work()
        assert (await home.vault.read(CURVE, FIRST, FIRST + DAYS - 1)).batch == before
        live = await home.database.read(lambda tx: home.vault.collections.get(tx, CURVE).live)
        assert list(live.values()) == [DAYS]
    on_disk = await trio.to_thread.run_sync(all_bytes, tmp_path)
    for _, ciphertext in texts:
        assert ciphertext is not None
        assert ciphertext[:64] not in on_disk

"""Single records from many at once: shared pages, no doubles, each told for itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
import trio.testing

from entrenous.node.errors import NodeError
from entrenous.node.imports.declared import Added, Declared
from entrenous.node.store.database import Tx
from entrenous.node.store.errors import StoreError
from entrenous.node.vault.compaction import PAGES_MIN
from entrenous.protocol.day import DAY_MAX, day_of, start_ms
from entrenous.protocol.errors import RecordError
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, TRANSACTION
from entrenous.tests.node.killing import Killed
from entrenous.tests.node.vault_home import Home, open_home

BANK = "finance/accounts/transactions"
DAY = day_of(1_767_225_600_000)


READING = Batch.from_rows(
    METER_READING,
    [
        {
            "time": start_ms(DAY),
            "offset_min": 0,
            "duration_s": 60,
            "value": [1, 0],
            "unit": "Wh",
            "quality": None,
        }
    ],
)


@dataclass(frozen=True)
class Queue:
    home: Home
    declared: Declared


@pytest.fixture(params=["aiosqlite", "inline"])
async def queue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Queue]:
    async with (
        open_home(request.param, tmp_path / "store.db") as home,
        trio.open_nursery() as nursery,
    ):
        declared = Declared(home.vault)
        await nursery.start(declared.serve)
        yield Queue(home, declared)
        nursery.cancel_scope.cancel()


def payments(*ids: str, day: int = DAY) -> Batch:
    return Batch.from_rows(
        TRANSACTION,
        [
            {
                "id": id,
                "time": start_ms(day),
                "offset_min": 0,
                "amount": [-100, 2],
                "currency": "EUR",
                "label": "Market",
                "counterparty": None,
                "kind": "POS",
            }
            for id in ids
        ],
    )


async def add_all(queue: Queue, batches: list[Batch]) -> list[Added]:
    added: dict[int, Added] = {}

    async def one(number: int, batch: Batch) -> None:
        added[number] = await queue.declared.add(BANK, batch)

    async with trio.open_nursery() as nursery:
        for number, batch in enumerate(batches):
            nursery.start_soon(one, number, batch)
    return [added[number] for number in range(len(batches))]


async def test_many_at_once_share_a_page_a_day(queue: Queue) -> None:
    batches = [payments(f"id-{n}", day=DAY + n % 2) for n in range(40)]
    assert await add_all(queue, batches) == [Added(1, 0)] * 40
    reading = await queue.home.vault.read(BANK, 0, DAY_MAX)
    assert len(reading.batch) == 40
    assert reading.pages <= 4


async def test_a_second_telling_is_a_double_within_a_call_a_group_and_later(queue: Queue) -> None:
    added = await add_all(queue, [payments("a", "b"), payments("b"), payments("c")])
    assert sum(one.new for one in added) == 3
    assert sum(one.doubles for one in added) == 1
    assert await queue.declared.add(BANK, payments("a", "d")) == Added(1, 1)
    # a queue that starts anew finds them in the pages
    async with trio.open_nursery() as nursery:
        again = Declared(queue.home.vault)
        await nursery.start(again.serve)
        assert await again.add(BANK, payments("a", "b", "c", "d")) == Added(0, 4)
        nursery.cancel_scope.cancel()


async def test_what_was_removed_may_be_declared_again(queue: Queue) -> None:
    await queue.declared.add(BANK, payments("a"))
    vault = queue.home.vault
    async with vault.alone_on(BANK):
        await queue.home.database.erase(lambda tx: vault.remove(tx, BANK, lambda _: True))
        vault.changed(BANK)
    assert await queue.declared.add(BANK, payments("a")) == Added(1, 0)


async def test_names_are_forgotten_beyond_their_bound_and_found_again(queue: Queue) -> None:
    async with trio.open_nursery() as nursery:
        small = Declared(queue.home.vault, names_max=3)
        await nursery.start(small.serve)
        for n in range(8):
            assert await small.add(BANK, payments(f"id-{n}", day=DAY + n)) == Added(1, 0)
        for n in range(8):
            assert await small.add(BANK, payments(f"id-{n}", day=DAY + n)) == Added(0, 1)
        nursery.cancel_scope.cancel()


async def test_one_that_does_not_fit_fails_alone(queue: Queue) -> None:
    assert await queue.declared.add(BANK, payments("first")) == Added(1, 0)
    results: list[Added | str] = []

    async def one(batch: Batch) -> None:
        try:
            results.append(await queue.declared.add(BANK, batch))
        except RecordError as error:
            results.append(str(error))

    async with trio.open_nursery() as nursery:
        for batch in (payments("a"), READING, payments("b")):
            nursery.start_soon(one, batch)
    assert results.count(Added(1, 0)) == 2
    assert sum("holds transaction/1, not meter-reading/1" in str(one) for one in results) == 1
    assert len((await queue.home.vault.read(BANK, 0, DAY_MAX)).batch) == 3


async def test_refusals(queue: Queue) -> None:
    with pytest.raises(RecordError, match="begins with one of"):
        await queue.declared.add("nowhere/at-all", payments("a"))
    with pytest.raises(RecordError, match="at most 1024"):
        await queue.declared.add(BANK, payments(*(f"{n}" for n in range(1025))))


async def test_a_queue_that_does_not_run_says_so(tmp_path: Path) -> None:
    async with open_home("inline", None) as home:
        with pytest.raises(NodeError, match="not stored"):
            await Declared(home.vault).add(BANK, payments("a"))


async def test_a_cancelled_caller_is_done_or_not_started(queue: Queue) -> None:
    async with queue.home.vault.alone_on(BANK):  # nobody is served while this is held
        with trio.move_on_after(0.05) as scope:
            await queue.declared.add(BANK, payments("withdrawn"))
        assert scope.cancelled_caught
    assert await queue.declared.add(BANK, payments("kept")) == Added(1, 0)
    reading = await queue.home.vault.read(BANK, 0, DAY_MAX)
    assert list(reading.batch.columns["id"]) == ["kept"]


async def test_who_waits_when_the_node_closes_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    async with open_home("inline", None) as home, trio.open_nursery() as outer:
        declared = Declared(home.vault)

        async def one() -> None:
            with pytest.raises(NodeError, match="not stored"):
                await declared.add(BANK, payments("late"))
            told.append("late")

        async with home.vault.alone_on(BANK), trio.open_nursery() as serving:
            await serving.start(declared.serve)
            outer.start_soon(one)
            await trio.testing.wait_all_tasks_blocked()
            serving.cancel_scope.cancel()
    assert told == ["late"]


async def test_a_busy_day_is_compacted_as_it_fills(queue: Queue) -> None:
    for n in range(3 * PAGES_MIN):
        await queue.declared.add(BANK, payments(f"id-{n:03}"))

    def pages(tx: Tx) -> int:
        return len(queue.home.vault.stored(tx, BANK, DAY, DAY))

    async with queue.home.vault.alone_on(BANK):  # the queue is done, tidying included
        assert await queue.home.database.read(pages) < 2 * PAGES_MIN
    reading = await queue.home.vault.read(BANK, DAY, DAY)
    assert (len(reading.batch), reading.damaged) == (3 * PAGES_MIN, ())
    assert reading.pages < 2 * PAGES_MIN
    assert await queue.declared.add(BANK, payments("id-000")) == Added(0, 1)


async def test_whoever_is_in_a_group_that_dies_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise Killed

    told: list[str] = []

    async def add(declared: Declared, name: str) -> None:
        try:
            await declared.add(BANK, payments(name))
        except (NodeError, StoreError) as error:
            told.append(str(error))

    async with open_home("inline", tmp_path / "store.db") as home:
        declared = Declared(home.vault)
        monkeypatch.setattr(declared, "_commit", dies)
        with trio.fail_after(60):
            async with trio.open_nursery() as callers:
                with pytest.RaisesGroup(Killed, flatten_subgroups=True):
                    async with trio.open_nursery() as nursery:
                        await nursery.start(declared.serve)
                        for name in ("a", "b", "c"):
                            callers.start_soon(add, declared, name)
        assert len(told) == 3
        assert {sentence.split(";")[0] for sentence in told} <= {
            "this was interrupted",
            "the node is closing",
        }

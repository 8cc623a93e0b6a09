"""Records into encrypted pages and out again: what is written is read, what is broken is named."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.node.errors import NotFound
from entrenous.node.imports.doubles import Known, sift
from entrenous.node.overlap import overlapped
from entrenous.node.store.database import Tx
from entrenous.node.vault.compaction import PAGES_MIN, compact_day
from entrenous.node.vault.origin import DECLARED
from entrenous.node.vault.sealing import Piece
from entrenous.node.vault.vault import CHUNK_PAGES, Vault, Written, pieces_of
from entrenous.protocol.day import DAY_MAX, date_of, day_of, start_ms
from entrenous.protocol.errors import RecordError
from entrenous.protocol.page import parse_entry
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING, TRANSACTION
from entrenous.protocol.segment import parse_segment_head
from entrenous.tests.node.vault_home import Home, open_home

CURVE = "energy/electricity/load-curve"
BANK = "finance/accounts/transactions"
DAY = day_of(1_767_225_600_000)
ORIGIN = b"test"


@pytest.fixture(params=["aiosqlite", "inline"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Home]:
    async with open_home(request.param, tmp_path / "store.db") as opened:
        yield opened


def readings(first_day: int, days: int, *, value: int = 7, duration_s: int = 3600) -> Batch:
    each = 86_400 // duration_s
    times = [start_ms(first_day) + i * duration_s * 1000 for i in range(days * each)]
    count = len(times)
    return Batch(
        METER_READING,
        {
            "time": times,
            "offset_min": [60] * count,
            "duration_s": [duration_s] * count,
            "value": [(value + i, 1) for i in range(count)],
            "unit": ["Wh"] * count,
            "quality": [None] * count,
        },
    ).check()


def payment(id: str, day: int = DAY, *, at_ms: int = 0, cents: int = -100) -> Batch:
    return Batch.from_rows(
        TRANSACTION,
        [
            {
                "id": id,
                "time": start_ms(day) + at_ms,
                "offset_min": 0,
                "amount": [cents, 2],
                "currency": "EUR",
                "label": "Market",
                "counterparty": None,
                "kind": "POS",
            }
        ],
    )


def columns(batch: Batch) -> dict[str, list[object]]:
    return {name: list(column) for name, column in batch.columns.items()}


async def write(vault: Vault, batch: Batch, path: str = CURVE, origin: bytes = ORIGIN) -> int:
    return await vault.write(path, batch.schema, pieces_of(batch), origin=origin)


# --- writing and reading --------------------------------------------------------------------------


async def test_what_is_written_is_read(home: Home) -> None:
    whole = readings(DAY, 40)
    assert await write(home.vault, whole) == len(whole)
    reading = await home.vault.read(CURVE, 0, DAY_MAX)
    assert columns(reading.batch) == columns(whole)
    assert (reading.pages, reading.damaged) == (40, ())
    some = await home.vault.read(CURVE, DAY + 3, DAY + 5)
    assert columns(some.batch) == columns(readings(DAY, 40).slice(3 * 24, 6 * 24))
    assert len((await home.vault.read(CURVE, DAY + 40, DAY_MAX)).batch) == 0
    with pytest.raises(NotFound, match="no collection"):
        await home.vault.read(BANK, 0, DAY_MAX)


async def test_chunks_report_what_is_committed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrenous.node.vault.vault.CHUNK_PAGES", 4)
    inside: list[Written] = []
    after: list[Written] = []
    pieces = pieces_of(readings(DAY, 10))
    await home.vault.write(
        CURVE,
        METER_READING,
        pieces,
        origin=ORIGIN,
        also=lambda _, written: inside.append(written),
        progress=after.append,
    )
    assert [one.pages for one in after] == [4, 4, 2]
    assert [one.pages_done for one in after] == [4, 8, 10]
    assert inside == after
    heads = [await head(home, seq) for seq in range(3)]
    assert [one.seq for one in heads] == [0, 1, 2]
    assert [one.prev for one in heads] == [None, heads[0].cid, heads[1].cid]
    await home.vault.write(
        CURVE, METER_READING, pieces, origin=ORIGIN, atomic=True, progress=after.append
    )
    assert after[-1].pages == 10


async def head(home: Home, seq: int):
    value = await home.database.read(lambda tx: home.store.segments.head(tx, seq))
    assert isinstance(value, list)
    raw = value[1]
    assert isinstance(raw, bytes)
    return parse_segment_head(raw)


async def test_what_also_raises_undoes_its_chunk(home: Home) -> None:
    def refuse(tx: Tx, written: Written) -> None:
        raise RecordError("no")

    with pytest.raises(RecordError, match="no"):
        await home.vault.write(
            CURVE, METER_READING, pieces_of(readings(DAY, 3)), origin=ORIGIN, also=refuse
        )
    with pytest.raises(NotFound):
        await home.vault.read(CURVE, 0, DAY_MAX)
    assert await home.database.read(home.store.pages.count) == 0


async def test_a_revocation_between_encrypting_and_committing_encrypts_again(home: Home) -> None:
    vault = home.vault
    sealed = await vault.seal(CURVE, METER_READING, pieces_of(readings(DAY, 2)))
    await home.database.write(lambda tx: vault.collections.take_back(tx, CURVE, b"c" * 36))
    await vault.commit(sealed, origin=ORIGIN)
    gen = await home.database.read(lambda tx: vault.collections.generation(tx, CURVE))
    stored = await home.database.read(lambda tx: vault.stored(tx, CURVE, 0, DAY_MAX))
    assert gen != sealed.gen
    assert {parse_entry(one.raw).gen for one in stored} == {gen}
    collection = await home.database.read(lambda tx: vault.collections.get(tx, CURVE))
    assert [(name[1], pages) for name, pages in collection.live.items()] == [(gen, 2)]
    assert len((await vault.read(CURVE, 0, DAY_MAX)).batch) == 48


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (payment("a"), "holds meter-reading/1, not transaction/1"),
        (readings(DAY, 1, duration_s=1800), "every 3600 s; these are every 1800 s"),
    ],
)
async def test_a_path_keeps_its_schema_and_interval(home: Home, batch: Batch, words: str) -> None:
    await write(home.vault, readings(DAY, 1))
    with pytest.raises(RecordError, match=words):
        await write(home.vault, batch)
    assert len((await home.vault.read(CURVE, 0, DAY_MAX)).batch) == 24


async def test_several_intervals_are_refused_before_anything_is_written(home: Home) -> None:
    mixed = [*pieces_of(readings(DAY, 1)), *pieces_of(readings(DAY + 1, 1, duration_s=1800))]
    with pytest.raises(RecordError, match="one interval length; here are 2"):
        await home.vault.write(CURVE, METER_READING, mixed, origin=ORIGIN)
    assert await home.database.read(home.store.pages.count) == 0


async def test_of_two_tellings_the_signed_one_is_read(home: Home) -> None:
    await write(home.vault, readings(DAY, 1, value=1))
    (piece,) = pieces_of(readings(DAY, 1, value=500))
    statement = b"\x01\x71\x12\x20" + b"s" * 32
    await home.vault.write(
        CURVE,
        METER_READING,
        [Piece(piece.day, piece.batch, b"x" * 32)],
        origin=b"delivery",
        statement=statement,
    )
    reading = await home.vault.read(CURVE, DAY, DAY)
    assert columns(reading.batch) == columns(readings(DAY, 1, value=500))
    assert reading.pages == 2


async def test_threads_that_seal_and_read_at_once_come_to_right_keys(tmp_path: Path) -> None:
    """One tree of days walked by two threads would give wrong keys, and lose what it sealed."""
    async with open_home("aiosqlite", tmp_path / "store.db") as home:
        await write(home.vault, readings(DAY, 60))

        async def write_one(number: int) -> None:
            await write(home.vault, readings(DAY + 1000 * number, 60), origin=b"%d" % number)

        async def read_all() -> None:
            for _ in range(6):
                assert (await home.vault.read(CURVE, DAY, DAY + 60)).damaged == ()

        async with trio.open_nursery() as nursery:
            for number in range(1, 5):
                nursery.start_soon(write_one, number)
                nursery.start_soon(read_all)
        reading = await home.vault.read(CURVE, 0, DAY_MAX)
        assert (reading.pages, reading.damaged) == (300, ())


# --- damage ---------------------------------------------------------------------------------------


async def alter(home: Home, sql: str, day: int) -> None:
    """Change the page of `day` behind the vault's back, as a disk would."""

    def unit(tx: Tx) -> None:
        (stored,) = home.vault.stored(tx, CURVE, day, day)
        tag = home.store.sealer.tag(*stored.place())
        assert len(tx.execute(sql + " WHERE tag = ? RETURNING 1", (tag,))) == 1

    await home.database.write(unit)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "UPDATE page SET ct = CAST(substr(ct, 1, 700) || x'00' || substr(ct, 702) AS BLOB)",
            "not the one that its entry names",
        ),
        ("UPDATE page SET ct = substr(ct, 1, 900)", "not the one that its entry names"),
        ("DELETE FROM page", "its bytes are gone"),
    ],
    ids=["flipped", "cut", "deleted"],
)
async def test_a_damaged_page_is_named_and_the_rest_is_read(
    home: Home, sql: str, reason: str
) -> None:
    await write(home.vault, readings(DAY, 5))
    await alter(home, sql, DAY + 2)
    reading = await home.vault.read(CURVE, DAY, DAY + 4)
    (damaged,) = reading.damaged
    assert (damaged.path, damaged.day) == (CURVE, DAY + 2)
    assert reason in damaged.reason
    assert f"{CURVE}, {date_of(DAY + 2)}: page " in damaged.sentence()
    assert len(reading.batch) == 4 * 24
    assert DAY + 2 not in {day_of(time) for time in reading.batch.times}


async def test_pages_that_changed_places_are_named(home: Home) -> None:
    await write(home.vault, readings(DAY, 3))

    def swap(tx: Tx) -> None:
        first, second, _ = home.vault.stored(tx, CURVE, DAY, DAY + 2)
        (_, one), (_, two) = home.vault.ciphertexts(tx, [first, second])
        assert one is not None
        assert two is not None
        for stored, ct in ((first, two), (second, one)):
            at = stored.place()
            home.store.pages.put_many(tx, [(at.path, at.day, at.device, at.seq, ct)])

    await home.database.write(swap)
    reading = await home.vault.read(CURVE, DAY, DAY + 2)
    assert [one.day for one in reading.damaged] == [DAY, DAY + 1]
    assert len(reading.batch) == 24


# --- removing and compaction ----------------------------------------------------------------------


async def test_removing_takes_one_origin_and_its_counts(home: Home) -> None:
    await write(home.vault, readings(DAY, 3), origin=b"one")
    await write(home.vault, readings(DAY + 3, 2), origin=b"two")
    removed = await home.database.erase(
        lambda tx: home.vault.remove(tx, CURVE, lambda stored: stored.origin == b"one")
    )
    assert removed == 3
    collection = await home.database.read(lambda tx: home.vault.collections.get(tx, CURVE))
    assert (collection.pages, collection.records) == (2, 48)
    assert await home.database.read(home.store.pages.count) == 2
    reading = await home.vault.read(CURVE, 0, DAY_MAX)
    assert (reading.pages, reading.damaged) == (2, ())


async def compact(home: Home) -> int:
    """Merge what there is on each day of `BANK`; how many pages went into others."""
    vault = home.vault

    def unit(tx: Tx) -> int:
        days = sorted({one.day for one in vault.stored(tx, BANK, 0, DAY_MAX)})
        return sum(compact_day(vault, tx, BANK, day) for day in days)

    return await home.database.write(unit)


async def test_small_pages_of_a_day_become_one(home: Home) -> None:
    vault = home.vault
    for number in range(PAGES_MIN + 2):
        origin = DECLARED if number != 1 else b"another"
        await write(vault, payment(f"p{number:03}", at_ms=number), BANK, origin)
    await write(vault, payment("next-day", DAY + 1), BANK, DECLARED)
    before = await vault.read(BANK, 0, DAY_MAX)
    assert await compact(home) == PAGES_MIN + 1
    after = await vault.read(BANK, 0, DAY_MAX)
    assert columns(after.batch) == columns(before.batch)
    assert (before.pages, after.pages, after.damaged) == (PAGES_MIN + 3, 3, ())
    collection = await home.database.read(lambda tx: vault.collections.get(tx, BANK))
    assert (collection.pages, collection.records) == (3, PAGES_MIN + 3)
    assert await home.database.read(home.store.pages.count) == 3

    newest = await head(home, PAGES_MIN + 3)
    replaced = [await head(home, seq) for seq in range(PAGES_MIN + 2) if seq != 1]
    assert set(newest.supersedes) == {one.cid for one in replaced}
    assert await compact(home) == 0


async def test_compaction_leaves_what_it_may_not_touch(home: Home) -> None:
    vault = home.vault
    for number in range(PAGES_MIN):
        await write(vault, payment(f"p{number}"), BANK, DECLARED)

    def lose(tx: Tx) -> None:
        stored = vault.stored(tx, BANK, DAY, DAY)
        home.store.pages.delete(tx, [stored[4].place()])

    await home.database.write(lose)
    assert await compact(home) == 0, "a damaged page is not small enough to be forgotten"
    await write(vault, payment("one-more"), BANK, DECLARED)
    assert await compact(home) == PAGES_MIN
    reading = await vault.read(BANK, 0, DAY_MAX)
    assert (reading.pages, len(reading.damaged), len(reading.batch)) == (2, 1, PAGES_MIN)


# --- doubles and overlap --------------------------------------------------------------------------

TELLINGS = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=6, unique_by=lambda t: t[0]),
    max_size=5,
)


def told(cells: Sequence[tuple[int, int]]) -> Batch:
    whole = Batch.empty(METER_READING)
    ordered = sorted(cells)
    return Batch(
        METER_READING,
        {
            **{name: [0] * len(ordered) for name in whole.columns},
            "time": [start_ms(DAY) + time for time, _ in ordered],
            "value": [(value, 0) for _, value in ordered],
            "unit": ["Wh"] * len(ordered),
            "quality": [None] * len(ordered),
        },
    ).check()


@settings(max_examples=60)
@given(TELLINGS, TELLINGS, TELLINGS)
def test_sifting_keeps_each_name_once_and_counts_the_rest(
    before: list[list[tuple[int, int]]],
    own: list[list[tuple[int, int]]],
    new: list[list[tuple[int, int]]],
) -> None:
    known = [Known(False, told(some)) for some in before] + [
        Known(True, told(some)) for some in own
    ]
    sifted = sift([Piece(DAY, told(some)) for some in new], known)
    said: dict[int, set[int]] = {}
    ours: dict[int, set[int]] = {}
    for mine, some in [(False, b) for b in before] + [(True, b) for b in own]:
        for time, value in some:
            said.setdefault(time, set()).add(value)
            if mine:
                ours.setdefault(time, set()).add(value)
    here: dict[int, int] = {}
    kept, duplicates, differing = 0, 0, 0
    for some in new:
        for time, value in sorted(some):
            if time in here:  # twice in one file: the first stands
                duplicates += here[time] == value
                differing += here[time] != value
                continue
            here[time] = value
            if time in ours:  # brought before a crash
                differing += value not in ours[time]
            elif value in said.get(time, ()):
                duplicates += 1
            else:
                kept += 1
                differing += time in said
    assert (sifted.records, sifted.duplicates, sifted.differing) == (kept, duplicates, differing)
    assert all(len(piece.batch) for piece in sifted.pieces)


async def test_overlapped_work_is_finished_in_order_and_stops_at_the_first_failure() -> None:
    log: list[str] = []

    async def prepare(number: int) -> int:
        await trio.lowlevel.checkpoint()
        if number == 4:
            raise ValueError("prepare 4")
        log.append(f"prepared {number}")
        return number

    async def finish(number: int) -> None:
        await trio.lowlevel.checkpoint()
        log.append(f"finished {number}")
        if number == 9:
            raise KeyError(number)

    with pytest.raises(ValueError, match="prepare 4"):
        await overlapped(range(8), prepare, finish)
    assert [line for line in log if line.startswith("f")] == [f"finished {n}" for n in range(4)]
    assert log.index("prepared 1") < log.index("finished 1")
    with pytest.raises(KeyError):
        await overlapped([9, 10, 11], prepare, finish)
    assert "finished 10" not in log


def test_a_chunk_is_within_a_segment() -> None:
    assert CHUNK_PAGES <= 65_536

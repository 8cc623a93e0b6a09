"""What one device erases is gone from the others, whoever was away, and does not come back."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from entrenous.node.erasure.erasure import Erasure
from entrenous.node.store.objects import Kind
from entrenous.node.vault.journal import Import, State
from entrenous.node.vault.origin import DECLARED
from entrenous.node.vault.sealing import pieces_of
from entrenous.node.vault.stored import Stored
from entrenous.protocol.day import UNDATED
from entrenous.protocol.record import Batch
from entrenous.protocol.window import Window
from entrenous.tests.node.several_devices import another, in_step, same
from entrenous.tests.node.test_erasure import DAY, PAYMENTS, names, payments
from entrenous.tests.node.two_nodes import Party, Town, a_town, settle

THREE = payments(("aaaaaaa1", DAY, "x"), ("bbbbbbb2", DAY, "y"), ("ccccccc3", DAY + 1, "z"))


async def put(party: Party, batch: Batch, origin: bytes = b"file") -> None:
    await party.node.vault.write(PAYMENTS, batch.schema, pieces_of(batch), origin=origin)


async def pages(party: Party) -> list[tuple[Stored, bytes | None]]:
    vault = party.node.vault
    return await party.read(
        lambda tx: vault.ciphertexts(tx, vault.stored(tx, PAYMENTS, 0, UNDATED))
    )


async def erase(party: Party, name: str) -> Erasure:
    return await party.node.erasing.erase_record(PAYMENTS, name)


async def two(town: Town, file: Path | None = None) -> tuple[Party, Party]:
    home = await town.party("home")
    await put(home, THREE)
    laptop = await another(town, home, "laptop", file=file)
    await in_step(home, laptop)
    return home, laptop


async def meet_again(*parties: Party) -> None:
    for party in parties:
        if not party.node.addresses() or party.scope.cancel_called:
            await party.up()
    await settle(70)
    for _ in range(2):
        await in_step(*parties)


async def test_a_record_erased_on_one_device_is_gone_from_the_files_of_the_other(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Also where the other was away when it was erased."""
    file = tmp_path / "store.db"
    async with a_town() as town:
        home, laptop = await two(town, file)
        held = [
            ciphertext or b"" for stored, ciphertext in await pages(laptop) if stored.day == DAY
        ]
        assert held
        assert all(_on_disk(tmp_path, one) for one in held)
        await laptop.down()
        await erase(home, "aaaaaaa1")
        assert await names(laptop.node, PAYMENTS) == ["aaaaaaa1", "bbbbbbb2", "ccccccc3"]
        await meet_again(home, laptop)
        for party in (home, laptop):
            assert await names(party.node, PAYMENTS) == ["bbbbbbb2", "ccccccc3"]
        assert not any(_on_disk(tmp_path, one) for one in held)
        await same(home, laptop)


def _on_disk(folder: Path, ciphertext: bytes) -> bool:
    """Whether any sixteen bytes of a page lie in any file of a store."""
    raw = b"".join(one.read_bytes() for one in sorted(folder.iterdir()) if one.is_file())
    return any(ciphertext[at : at + 16] in raw for at in range(0, len(ciphertext) - 16, 16))


async def test_a_device_that_was_away_does_not_bring_an_erased_record_back(
    autojump_clock: MockClock,
) -> None:
    """It imports the same record again, and encrypts the page again, before it hears."""
    async with a_town() as town:
        home, laptop = await two(town)
        await laptop.down()
        await erase(home, "aaaaaaa1")
        await put(laptop, payments(("aaaaaaa1", DAY, "x")), origin=b"other file")
        claims = laptop.node.reencryption
        await laptop.write(lambda tx: claims.claim(tx, bytes(36), [Window(PAYMENTS, 0, UNDATED)]))
        await claims.work()
        await laptop.up()
        # The one that erased fetches first.
        await settle(5)
        await home.node.keeping.fetch_all()
        assert await names(home.node, PAYMENTS) == ["bbbbbbb2", "ccccccc3"]
        await meet_again(home, laptop)
        for party in (home, laptop):
            assert await names(party.node, PAYMENTS) == ["bbbbbbb2", "ccccccc3"]
        await same(home, laptop)
        # An import on the other leaves it out, and says so.
        erased = laptop.node.vault.erased
        found = await laptop.read(lambda tx: erased.of(tx, PAYMENTS, [DAY]))
        assert erased.is_erased(found, PAYMENTS, DAY, "aaaaaaa1")


async def test_two_devices_that_erase_from_one_page_apart_lose_nothing_else(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, laptop = await two(town)
        await home.down()
        await laptop.down()
        await put(home, payments(("ddddddd4", DAY + 2, "w")))
        await erase(home, "aaaaaaa1")
        await erase(laptop, "ccccccc3")
        await erase(laptop, "bbbbbbb2")
        await meet_again(home, laptop)
        for party in (home, laptop):
            assert await names(party.node, PAYMENTS) == ["ddddddd4"]
            # Each once, in the pages too.
            collections = party.node.vault.collections
            held = await party.read(lambda tx, of=collections: of.get(tx, PAYMENTS).records)
            assert held == 1
        await same(home, laptop)


async def test_two_devices_that_erase_different_records_of_one_page_keep_the_rest_once(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        day = [(f"{letter * 7}{n}", DAY, letter) for n, letter in enumerate("abcde")]
        await put(home, payments(*day))
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        await home.down()
        await laptop.down()
        await erase(home, "aaaaaaa0")
        await erase(laptop, "bbbbbbb1")
        await meet_again(home, laptop)
        for party in (home, laptop):
            assert await names(party.node, PAYMENTS) == ["ccccccc2", "ddddddd3", "eeeeeee4"]
            collections = party.node.vault.collections
            held = await party.read(lambda tx, of=collections: of.get(tx, PAYMENTS).records)
            assert held == 3
        await same(home, laptop)


async def test_another_telling_that_only_the_other_device_has_goes_with_the_fact(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home = await town.party("home")
        row = Import(
            b"1" * 16, "a.ofx", "ofx", PAYMENTS, State.DONE, b"p" * 16,
            1, 1, 1, 0, 0, DAY, DAY, 5, 6,
        )  # fmt: skip
        await home.write(lambda tx: home.node.imports.journal.put(tx, row))
        await put(home, payments(("one", DAY, "market square")), origin=row.id)
        laptop = await another(town, home, "laptop")
        await in_step(home, laptop)
        await laptop.down()
        await put(laptop, payments(("two", DAY + 1, "market square")), origin=DECLARED)
        await erase(home, "one")
        await meet_again(home, laptop)
        for party in (home, laptop):
            assert await names(party.node, PAYMENTS) == []
        await same(home, laptop)


async def test_a_collection_erased_while_the_other_was_away_is_gone_there_with_what_it_came_with(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        home, laptop = await two(town)
        row = Import(
            b"1" * 16, "a.ofx", "ofx", PAYMENTS, State.DONE, b"p" * 16,
            1, 1, 1, 0, 0, DAY, DAY, 5, 6,
        )  # fmt: skip
        await home.write(lambda tx: home.node.imports.journal.put(tx, row))
        await in_step(home, laptop)
        await laptop.down()
        await home.node.erasing.erase_collection(PAYMENTS)
        await meet_again(home, laptop)
        assert await pages(laptop) == []
        for party in (home, laptop):
            objects = party.node.store.objects
            assert await party.read(lambda tx, of=objects: of.all(tx, Kind.IMPORT)) == []
        await same(home, laptop)


@pytest.mark.parametrize("on", ["home", "laptop"])
async def test_what_the_person_adds_again_by_hand_comes_again_everywhere(
    autojump_clock: MockClock, on: str
) -> None:
    async with a_town() as town:
        home, laptop = await two(town)
        await erase(home, "aaaaaaa1")
        await in_step(home, laptop)
        there = home if on == "home" else laptop
        await there.node.declared.add(PAYMENTS, payments(("aaaaaaa1", DAY, "x")))
        await meet_again(home, laptop)
        for party in (home, laptop):
            assert "aaaaaaa1" in await names(party.node, PAYMENTS)
        await same(home, laptop)

"""Contacts: imported, lent where they are named, fetched, taken back; a changed card is told."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from pathlib import Path

import pytest
import trio.testing

from entrenous.apps.readers.vcard import PATH, reader
from entrenous.node.config import Role
from entrenous.node.errors import NodeError
from entrenous.node.vault.compaction import compact_day
from entrenous.protocol.day import UNDATED
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import a_town, lend, meet, revoke, settle

ALL = Window(PATH, UNDATED, UNDATED)


def book(*people: tuple[str, str]) -> bytes:
    return b"".join(
        f"BEGIN:VCARD\nVERSION:3.0\nUID:{name}\nFN:{name}\nTEL;TYPE=CELL:{phone}\nEND:VCARD\n".encode()
        for name, phone in people
    )


async def test_contacts_are_imported_lent_fetched_and_taken_back(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    first, later = tmp_path / "first.vcf", tmp_path / "later.vcf"
    first.write_bytes(book(("Ana", "1"), ("Bo", "2")))
    later.write_bytes(book(("Ana", "1"), ("Bo", "3"), ("Cy", "4")))
    async with a_town(b"contacts") as town:
        alice = await town.party("alice")
        (preview,) = await alice.node.imports.preview(first)
        (item,) = preview.items
        assert (item.new, item.sources[0].days, item.sources[0].first) == (2, 0, "")
        (one,) = (await alice.node.imports.commit(first)).imported
        (two,) = (await alice.node.imports.commit(later)).imported
        assert (two.new, two.duplicates, two.differing) == (1, 1, 1)

        async def phones() -> dict[object, object]:
            batch = (await alice.node.vault.read(PATH, 0, UNDATED)).batch
            return dict(zip(batch.columns["id"], batch.columns["phones"], strict=True))

        assert await phones() == {"Ana": "1\tcell", "Bo": "3\tcell", "Cy": "4\tcell"}
        vault = alice.node.vault
        await alice.node.store.database.write(lambda tx: compact_day(vault, tx, PATH, UNDATED))

        clerk = await town.party("clerk", Role.ORGANISATION)
        await meet(alice, clerk)
        given = await lend(alice, clerk, ALL)
        lent = await clerk.node.fetcher.fetch(await clerk.peer("alice"), ALL)
        assert lent.batch is not None
        assert dict(zip(lent.batch.columns["id"], lent.batch.columns["phones"], strict=True)) == (
            await phones()
        )
        await revoke(alice, given)
        await settle()
        with pytest.raises(NodeError):
            await clerk.node.fetcher.fetch(await clerk.peer("alice"), ALL)

        await alice.node.imports.undo(one.id)
        assert await phones() == {"Ana": "1\tcell", "Bo": "3\tcell", "Cy": "4\tcell"}
        await alice.node.imports.undo(two.id)
        assert await phones() == {}


async def test_contacts_are_delivered_under_a_statement(
    autojump_clock: trio.testing.MockClock,
) -> None:
    batch = reader.read(book(("Ana", "1"), ("Bo", "2")), "book.vcf").items[0].batch
    async with a_town(b"club") as town:
        alice, club = await town.party("alice"), await town.party("club", Role.ORGANISATION)
        await meet(alice, club)
        await club.node.deliveries.deliver("alice", PATH, batch, club.now_ms)
        club.node.outgoing.notify()
        await settle()
        assert (await alice.node.vault.read(PATH, 0, UNDATED)).batch == batch
        clerk = await town.party("clerk", Role.ORGANISATION)
        await meet(alice, clerk)
        await lend(alice, clerk, ALL)
        lent = await clerk.node.fetcher.fetch(await clerk.peer("alice"), ALL)
        assert lent.batch == batch
        assert [proof.reason for proof in lent.provenance] == [None]

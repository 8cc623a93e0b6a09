"""`fetch --by-file` and `--kept`, `outbox` and `take` around them: on nodes without a network."""

from __future__ import annotations

from pathlib import Path

from trio.testing import MockClock

from entrenous.protocol.command import Cmd
from entrenous.tests.node.test_cli_parcels import client_of
from entrenous.tests.node.test_parcel_reads import lent_apart
from entrenous.tests.node.two_nodes import CURVE, DAY, a_town


async def test_a_read_by_file_with_the_operations(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with a_town() as town:
        home, shop, _, _ = await lent_apart(town, tmp_path)
        there, back = tmp_path / "there", tmp_path / "back"
        async with client_of(shop, tmp_path) as client:
            assert (await client.fetch_by_file("home", CURVE, DAY, DAY + 9)).reads == 1
            assert (await client.fetch_by_file("home", CURVE, DAY, DAY + 9)).reads == 0
            assert [(one.peer, one.cmd) for one in await client.outbox()] == [("home", Cmd.READ)]
            await client.write_parcel("home", there)
        async with client_of(home, tmp_path) as client:
            assert [item.cmd for item in (await client.take(there)).items] == [Cmd.READ]
            assert [one.windows for one in await client.outbox()] == [1]
            assert (await client.write_parcel("shop", back)).windows == 1
        async with client_of(shop, tmp_path) as client:
            taken = await client.take(back)
            assert [one.window.pages for one in taken.items if one.window is not None] == [10]
            assert [one.signatures for one in await client.outbox()] == [1]
            kept = await client.kept("home", CURVE, DAY, DAY + 4)
            assert kept.batch is not None
            assert (len(kept.batch), kept.pages, kept.windows) == (5 * 24, 5, 0)

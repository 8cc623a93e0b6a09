"""A read by file cut at each of its steps, on either side, and done again: all happens once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from trio.testing import MockClock

from entrenous.node.steps import ParcelStep
from entrenous.tests.node.test_parcel_reads import lent_apart, reads, receipts, want
from entrenous.tests.node.two_nodes import Party, a_town, both_logs_hold


class CutError(Exception):
    """Here it ended."""


class Cut:
    """Ends what is done at one step, the first time it is reached."""

    def __init__(self, step: ParcelStep) -> None:
        self._step: str | None = step
        self.done = False

    def reached(self, step: str) -> None:
        if step == self._step:
            self._step, self.done = None, True
            raise CutError


def cut(party: Party, at: Cut) -> None:
    for part in (party.node.parcel_writing, party.node.parcel_taking):
        cast("Any", part)._checkpoint = at
    cast("Any", party.node.parcel_writing)._lending._checkpoint = at


@pytest.mark.parametrize("who", ["owner", "reader"])
@pytest.mark.parametrize("step", list(ParcelStep))
async def test_a_read_that_is_cut_and_done_again(
    autojump_clock: MockClock, tmp_path: Path, step: ParcelStep, who: str
) -> None:
    async with a_town() as town:
        home, shop, stick, _ = await lent_apart(town, tmp_path, pages=5)
        await want(shop)
        at = Cut(step)
        cut(home if who == "owner" else shop, at)
        for sender, to in ((shop, home), (home, shop)) * 2 + ((shop, home),):
            try:
                parcel = await stick.write(sender, to)
            except CutError:
                parcel = await stick.write(sender, to)
            with suppress(CutError):
                await to.node.parcel_taking.take(parcel)
            await to.node.parcel_taking.take(parcel)
        assert (await reads(shop, home)).asked == ()
        assert (await reads(home, shop)).served == ()
        for party in (home, shop):
            assert [one.two_sided for one in await receipts(party)] == [True, True]
        await both_logs_hold(home, shop)

"""What a peer may fill of the disk: refused before a byte is kept, shown, changed, taken back."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import pytest
import trio
import trio.testing

from entrenous.node.config import Config, Role
from entrenous.node.errors import UsageError
from entrenous.node.exchange.quotas import PAGE_BYTES
from entrenous.node.sizes import size_of, spelled_size
from entrenous.node.store.objects import Kind
from entrenous.protocol.day import start_ms
from entrenous.protocol.errors import Code
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, Town, a_town, meet, readings, settle


async def _met(town: Town) -> tuple[Party, Party]:
    """A home, and a supplier that delivers to it."""
    home, supplier = await town.party("home"), await town.party("volt", Role.ORGANISATION)
    await meet(home, supplier)
    return home, supplier


async def _deliver(supplier: Party, first: int, days: int) -> str:
    """Deliver, let it arrive; what became of it."""
    batch = readings(first, days)
    sent = await supplier.node.deliveries.deliver("home", CURVE, batch, supplier.now_ms)
    await settle(30)
    made = await supplier.read(lambda tx: supplier.node.deliveries.made_of(tx, sent.statement))
    return made.state if made.reason is None else f"{made.state}: {made.reason}"


async def test_what_passes_the_quota_is_refused_and_nothing_is_kept(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        home, supplier = await _met(town)
        pair = await home.peer("volt")
        assert await _deliver(supplier, DAY, 10) == "stored"
        used = (await home.read(lambda tx: home.node.quotas.of(tx, pair))).used
        assert used > 10 * PAGE_BYTES
        before = await home.read(lambda tx: home.node.vault.stored(tx, CURVE, DAY, DAY + 100))

        await home.write(lambda tx: home.node.quotas.allow(tx, pair, used + 100))
        said = await _deliver(supplier, DAY + 20, 10)
        assert said.startswith("refused: ")
        assert "are left of" in said
        after = await home.read(lambda tx: home.node.vault.stored(tx, CURVE, DAY, DAY + 100))
        assert after == before
        assert (await home.read(lambda tx: home.node.quotas.of(tx, pair))).used == used
        (nearly,) = await home.read(lambda tx: list(home.node.quotas.nearly_full(tx, [pair])))
        assert nearly[0].name == "volt"

        # given more, the next one is taken; taken back, what is there stays
        await home.write(lambda tx: home.node.quotas.allow(tx, pair, None))
        assert await _deliver(supplier, DAY + 20, 10) == "stored"
        await home.write(lambda tx: home.node.quotas.allow(tx, pair, 0))
        assert (await _deliver(supplier, DAY + 40, 1)).startswith("refused")
        assert (
            len(await home.read(lambda tx: home.node.vault.stored(tx, CURVE, DAY, DAY + 99))) == 20
        )


async def test_what_its_owner_erased_is_given_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Once nothing of a delivery is left: not for a record, and once for each delivery."""
    async with a_town() as town:
        home, supplier = await _met(town)
        pair = await home.peer("volt")

        async def used() -> int:
            return (await home.read(lambda tx: home.node.quotas.of(tx, pair))).used

        assert await _deliver(supplier, DAY, 10) == "stored"
        one = await used()
        assert await _deliver(supplier, DAY + 20, 10) == "stored"
        assert await used() > one
        asked = await used() - await _charged(home)
        await home.node.erasing.erase_record(CURVE, start_ms(DAY))
        assert await used() == asked + await _charged(home) > one, "its pages are here still"
        await home.node.erasing.erase_collection(CURVE)
        assert await used() == asked, "what was never a delivery stays charged"
        assert await _charged(home) == 0
        # It can be filled again, and erased again.
        assert await _deliver(supplier, DAY + 40, 10) == "stored"
        assert await used() > asked
        await home.node.erasing.erase_collection(CURVE)
        assert await used() == asked


async def test_record_by_record_it_is_given_back_page_by_page(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Of a page what a page is charged, and with the last record all of it."""
    async with a_town() as town:
        home, supplier = await _met(town)
        pair = await home.peer("volt")

        async def used() -> int:
            return (await home.read(lambda tx: home.node.quotas.of(tx, pair))).used

        assert await _deliver(supplier, DAY, 2) == "stored"
        assert await _deliver(supplier, DAY + 20, 1) == "stored"
        charged = await _charged(home)
        assert await used() == charged
        freed = (PAGE_BYTES, (await _charges(home))[0] - PAGE_BYTES)
        for day, free in zip((DAY, DAY + 1), freed, strict=True):
            for hour in range(24):
                assert await _charged(home) == charged, "something of its page is here still"
                await home.node.erasing.erase_record(CURVE, start_ms(day) + hour * 3_600_000)
            charged -= free
            assert await _charged(home) == charged
            assert await used() == charged
        # What is left is the charge of the other delivery.
        (_,) = await home.read(lambda tx: home.node.store.objects.all(tx, Kind.CHARGED))
        await home.node.erasing.erase_collection(CURVE)
        assert await used() == 0


async def test_an_erasure_gives_back_once(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        home, supplier = await _met(town)
        pair = await home.peer("volt")
        assert await _deliver(supplier, DAY, 3) == "stored"
        (statement,) = [one.statement for one in await home.read(home.node.deliveries.received)]
        freed = await home.write(lambda tx: home.node.quotas.give_back(tx, statement))
        assert freed > 3 * PAGE_BYTES
        assert await home.write(lambda tx: home.node.quotas.give_back(tx, statement)) == 0
        await home.node.erasing.erase_collection(CURVE)
        assert (await home.read(lambda tx: home.node.quotas.of(tx, pair))).used == 0


async def _charged(home: Party) -> int:
    """What the deliveries that are here were charged."""
    return sum(await _charges(home))


async def _charges(home: Party) -> list[int]:
    """What each of them was, the largest first."""
    rows = await home.read(lambda tx: home.node.store.objects.all(tx, Kind.CHARGED))
    sizes = (value[2] for _, value in rows if isinstance(value, list))
    return sorted((size for size in sizes if isinstance(size, int)), reverse=True)


async def test_another_peer_has_its_own(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        home, supplier = await _met(town)
        other = await town.party("bank", Role.ORGANISATION)
        await meet(home, other)
        pair = await home.peer("volt")
        await home.write(lambda tx: home.node.quotas.allow(tx, pair, 0))
        assert (await _deliver(supplier, DAY, 2)).startswith("refused")
        assert await _deliver(other, DAY, 2) == "stored"


async def test_the_code_on_the_wire(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        home, supplier = await _met(town)
        pair = await home.peer("volt")
        await home.write(lambda tx: home.node.quotas.allow(tx, pair, 0))
        await _deliver(supplier, DAY, 2)
        log = await supplier.read(lambda tx: list(supplier.node.receipts.all(tx)))
        codes = [getattr(kept.word, "code", None) for kept in log]
        assert Code.TOO_MUCH in codes


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500 MB", 500_000_000), ("1.5 GiB", 3 << 29), ("7", 7), ("2kib", 2048)],
)
def test_sizes(text: str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1e9", "many", "9" * 30, "1 zb", "1.2.3 MB", "٣ MB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError):
        size_of(text)


def test_a_size_that_is_shown_is_read_again() -> None:
    for size in (0, 512, 1 << 20, 5 << 30, 1 << 40):
        assert size_of(spelled_size(size).replace(" bytes", "")) == size


def test_the_setting_is_a_size(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "config.toml").write_text('peer_quota = "lots"\n')
    with pytest.raises(UsageError, match="peer_quota"):
        Config.read(home, {})
    assert Config.read(home, {"ENTRENOUS_PEER_QUOTA": "1 GB"}).peer_quota == "1 GB"

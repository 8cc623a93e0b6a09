"""Bank files into a vault: once, beside what they are about, with what a person said, and out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from entrenous.apps.account import PATH as ACCOUNTS
from entrenous.apps.readers import bank_csv, camt, ofx
from entrenous.node.imports.imports import Imports
from entrenous.protocol.day import UNDATED
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.reading import Settings
from entrenous.tests.node.vault_home import Home, open_home

PAYMENTS = "finance/accounts/transactions"
EVER = (0, UNDATED - 1)
FIXTURES = Path(__file__).parent.parent / "apps" / "fixtures"
# file -> (payments, facts about accounts)
FILES = {
    "statement.camt.xml": (4, 2),
    "bank_table.csv": (3, 1),
    "two_accounts_sgml.ofx": (4, 1),
}


@pytest.fixture(params=["aiosqlite", "inline"])
async def home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Home]:
    async with open_home(request.param, tmp_path / "store.db") as opened:
        yield opened


def imports_of(home: Home) -> Imports:
    return Imports(
        home.vault, home.clock, readers=lambda: (ofx.reader, camt.reader, bank_csv.reader)
    )


async def count(home: Home, path: str) -> int:
    return len((await home.vault.read(path, *EVER)).batch)


@pytest.mark.parametrize("name", FILES)
async def test_a_file_comes_in_once_and_goes_out_again(home: Home, name: str) -> None:
    imports = imports_of(home)
    payments, facts = FILES[name]
    (preview,) = await imports.preview(FIXTURES / name)
    assert {item.path: item.new for item in preview.items} == {PAYMENTS: payments, ACCOUNTS: facts}
    done = (await imports.commit(FIXTURES / name)).imported
    assert {one.path: one.new for one in done} == {PAYMENTS: payments, ACCOUNTS: facts}
    again = (await imports.commit(FIXTURES / name)).imported
    assert all(one.already and not one.new for one in again)
    assert (await count(home, PAYMENTS), await count(home, ACCOUNTS)) == (payments, facts)
    for one in done:
        undone = await imports.undo(one.id)
        assert undone.records == one.new
    assert (await count(home, PAYMENTS), await count(home, ACCOUNTS)) == (0, 0)


@pytest.mark.parametrize("name", FILES)
async def test_what_stands_beside_keeps_its_path(home: Home, name: str) -> None:
    payments, facts = FILES[name]
    other = "finance/joint/transactions"
    imports = imports_of(home)
    (preview,) = await imports.preview(FIXTURES / name, into=other)
    assert {item.path for item in preview.items} == {other, ACCOUNTS}
    await imports.commit(FIXTURES / name, into=other)
    assert (await count(home, other), await count(home, ACCOUNTS)) == (payments, facts)


async def test_downloads_that_overlap_bring_each_row_once(home: Home, tmp_path: Path) -> None:
    rows = [f"{day:02}/03/2026;coffee;-2,50\n" * (1 + day % 2) for day in range(10, 20)]
    imports = imports_of(home)
    brought: list[tuple[int, int]] = []
    for name, some in (("a.csv", rows[:6]), ("b.csv", rows[4:][::-1])):
        file = tmp_path / name
        file.write_text("Date;Libellé;Montant EUR\n" + "".join(some))
        (done,) = (await imports.commit(file)).imported
        brought.append((done.new, done.duplicates))
    assert brought == [(9, 0), (6, 3)]
    assert await count(home, PAYMENTS) == 15


async def test_what_is_asked_is_answered(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("Date,Description,Amount\n03/04/2026,x,1.50\n")
    imports = imports_of(home)
    with pytest.raises(ReaderError, match="--day-first or --month-first"):
        await imports.commit(file)
    said = Settings(day_first=True, currency="GBP")
    (preview,) = await imports.preview(file, settings=said)
    assert preview.items[0].sources[0].first == "2026-04-03"
    assert (await imports.commit(file, settings=said)).imported[0].new == 1
    assert (await imports.commit(file, settings=said)).imported[0].already


async def test_the_same_file_read_otherwise_is_refused_until_the_first_is_undone(
    home: Home, tmp_path: Path
) -> None:
    """Else each payment would stand there twice, on two days."""
    file = tmp_path / "mine.csv"
    file.write_text("Date,Description,Amount EUR\n03/04/2026,x,1.50\n")
    imports = imports_of(home)
    (done,) = (await imports.commit(file, settings=Settings(day_first=False))).imported
    other = Settings(day_first=True)
    with pytest.raises(ReaderError, match=f"imports undo {done.id[:8]}"):
        await imports.commit(file, settings=other)
    assert await count(home, PAYMENTS) == 1
    await imports.undo(done.id)
    assert (await imports.commit(file, settings=other)).imported[0].new == 1


async def test_a_setting_that_means_nothing_to_a_file_is_refused(home: Home) -> None:
    imports = imports_of(home)
    with pytest.raises(ReaderError, match=r"\(ofx\) takes no --day-first"):
        await imports.commit(FIXTURES / "two_accounts_sgml.ofx", settings=Settings(day_first=True))
    assert await imports.list() == ()

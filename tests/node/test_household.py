"""Several people in one vault: what is whose, and who is lent what, as a client sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.node.client import Client
from entrenous.node.config import Role
from entrenous.node.errors import NodeError, NotAllowed, NotFound, UsageError
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.store.home import Home
from entrenous.protocol.collection import (
    JOINT_MAX,
    PEOPLE_MAX,
    apart,
    belonging_to,
    check_path,
    is_kept_as,
)
from entrenous.protocol.errors import RecordError
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value
from entrenous.simulations.files import energy_file
from entrenous.tests.node.two_nodes import CURVE, DAY, DAY_S, Party, a_town, settle

TERMS: dict[str, Value] = {"retention_days": 30, "clauses": []}
PURPOSE = "dpv:ServiceProvision"


def client_of(party: Party) -> Client:
    return Client(DirectChannel(Host(party.node, Home(Path("/nowhere")), True, "test")))


# --- paths ----------------------------------------------------------------------------------------

PEOPLE = st.sets(st.integers(1, PEOPLE_MAX), max_size=JOINT_MAX)


@given(PEOPLE, PEOPLE)
@settings(max_examples=60)
def test_different_people_never_share_a_path(some: set[int], others: set[int]) -> None:
    one, other = belonging_to(CURVE, some), belonging_to(CURVE, others)
    assert (one == other) == (some == others)
    assert check_path(one) == one
    assert apart(one) == (CURVE, tuple(sorted(some)))
    assert is_kept_as(one, CURVE)
    assert is_kept_as(one, other) == (one == other or not others)


@pytest.mark.parametrize(
    "last", ["p0", "p100", "p2-p1", "p1-p1", "p01", "p", "p1-", "mina", "p1p2"]
)
def test_what_names_nobody_is_part_of_the_path(last: str) -> None:
    path = f"{CURVE}/{last}"
    assert apart(path) == (path, ())
    assert not is_kept_as(path, CURVE)


def test_a_path_that_has_no_room_for_people_is_refused() -> None:
    with pytest.raises(RecordError):
        belonging_to("energy/a/b/c/d/e", [1])
    with pytest.raises(RecordError):
        belonging_to(CURVE, range(1, JOINT_MAX + 2))
    with pytest.raises(RecordError):
        belonging_to(CURVE, [PEOPLE_MAX + 1])


# --- people ---------------------------------------------------------------------------------------


async def test_people_are_added_and_removed(autojump_clock: object, tmp_path: Path) -> None:
    async with a_town() as town:
        client = client_of(await town.party("home"))
        assert await client.people() == ()
        mina = await client.people_add("Mina", "2014-05-01")
        await client.people_add("Tom")
        assert (mina.number, mina.born) == (1, "2014-05-01")
        for name in ("mina", "home", "A,B", "\x00"):
            with pytest.raises(UsageError):
                await client.people_add(name)
        with pytest.raises(UsageError):
            await client.people_add("Ann", "1.5.2014")
        file = _file(tmp_path)
        await client.import_(file, people="Mina")
        with pytest.raises(UsageError, match="collections of Mina"):
            await client.people_remove("Mina")
        await client.people_remove("Tom")
        with pytest.raises(NotFound):
            await client.people_remove("Tom")
        # A number is not used again: what was Tom's would be hers.
        assert (await client.people_add("Ann")).number == 3


def _file(folder: Path, seed: int = 3) -> Path:
    file = energy_file(seed, days=10)
    path = folder / f"{seed}-{file.name}"
    path.write_bytes(file.data)
    return path


async def test_a_name_stands_nowhere_in_clear(autojump_clock: object, tmp_path: Path) -> None:
    async with a_town() as town:
        home = await town.party("home")
        client = client_of(home)
        await client.people_add("Wilhelmina", "2014-05-01")
        await client.import_(_file(tmp_path), people="Wilhelmina")
        tables = await home.read(
            lambda tx: tx.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        )
        cells: list[object] = []
        for (table,) in tables:
            rows = await home.read(lambda tx, table=table: tx.execute(f'SELECT * FROM "{table}"'))
            cells += [cell for row in rows for cell in row]
        assert len(cells) > 20
        shown = b"\n".join(
            cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells
        )
        for word in (b"Wilhelmina", b"wilhelmina", b"2014-05-01", CURVE.encode()):
            assert word not in shown


async def test_the_same_meter_file_for_two_people_is_two_collections(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with a_town() as town:
        client = client_of(await town.party("home"))
        for name in ("Mina", "Tom"):
            await client.people_add(name)
        file = _file(tmp_path)
        for people in ("Mina", "Tom", "Tom, Mina", "home", None):
            await client.import_(file, people=people)
        with pytest.raises(NotFound):
            await client.import_(file, people="Nobody")
        found = {one.path: one for one in await client.collections()}
        whose = {path: one.whose for path, one in found.items()}
        assert whose == {
            CURVE: (),
            f"{CURVE}/p1": ("Mina",),
            f"{CURVE}/p1-p2": ("Mina", "Tom"),
            f"{CURVE}/p2": ("Tom",),
        }
        assert len({one.records for one in found.values()}) == 1
        first, last = found[CURVE].first, found[CURVE].last
        assert first is not None
        assert last is not None
        records = await client.read(CURVE, first, last, people="Tom")
        assert len(records.batch) == found[f"{CURVE}/p2"].records
        # What was the home's becomes hers by a word, and then `--for Mina` means it.
        await client.people_assign(CURVE, "Mina")
        assert (await client.collections())[0].whose == ("Mina",)
        with pytest.raises(UsageError):
            await client.people_assign(f"{CURVE}/p1", "Tom")


# --- lending --------------------------------------------------------------------------------------


async def _asked(client: Client, peer: str, path: str, exp_s: int) -> bytes:
    window = Window(path, DAY, DAY + 3)
    return await client.ask(peer, [window], purpose=PURPOSE, terms=TERMS, exp_s=exp_s)


async def test_a_peer_is_lent_what_is_of_whom_it_knows(autojump_clock: object) -> None:
    async with a_town() as town:
        home, bank = await town.party("home"), await town.party("bank", Role.ORGANISATION)
        owner, reader = client_of(home), client_of(bank)
        for name in ("Mina", "Tom"):
            await owner.people_add(name)
        link = await reader.invite("mina")
        await owner.pair(link.link, "bank", people="Mina")
        (peer,) = await owner.peers()
        assert peer.people == ("Mina",)
        for whose in ("", "/p1", "/p2", "/p1-p2"):
            await home.fill(CURVE + whose, DAY, 4)
        exp_s = home.now_ms // 1000 + 60 * DAY_S

        # The category, and the path that says nothing of whose: hers, joint, and the home's.
        for path in ("energy", CURVE):
            request = await _asked(reader, "mina", path, exp_s)
            await settle()
            (waiting,) = [one for one in await owner.inbox() if one.id == request]
            assert waiting.people == ("Mina",)
            grant = await owner.grant(request)
            (given,) = [one for one in await owner.grants() if one.id == grant]
            paths = {window.collection for window in given.windows}
            assert paths == {CURVE, f"{CURVE}/p1", f"{CURVE}/p1-p2"}

        # Tom's, by its name: not without a word.
        request = await _asked(reader, "mina", f"{CURVE}/p2", exp_s)
        await settle()
        with pytest.raises(NotAllowed, match="is Tom's, and this peer knows Mina"):
            await owner.grant(request)
        windows = [Window(f"{CURVE}/p2", DAY, DAY + 1)]
        with pytest.raises(NotAllowed, match="Tom's"):
            await owner.grant(request, windows)
        await owner.grant(request, windows, others=True)
        await settle()
        lent = await reader.fetch("mina", f"{CURVE}/p2", DAY, DAY + 1)
        assert lent.batch is not None


async def test_a_peer_from_before_anyone_was_named_knows_the_home(autojump_clock: object) -> None:
    async with a_town() as town:
        home, bank = await town.party("home"), await town.party("bank", Role.ORGANISATION)
        owner, reader = client_of(home), client_of(bank)
        link = await owner.invite("bank")
        await reader.pair(link.link, "them")
        await owner.people_add("Mina")
        await home.fill(f"{CURVE}/p1", DAY, 4)
        request = await _asked(reader, "them", CURVE, home.now_ms // 1000 + 60 * DAY_S)
        await settle()
        with pytest.raises(NotAllowed, match="is Mina's, and this peer knows home"):
            await owner.grant(request, [Window(f"{CURVE}/p1", DAY, DAY + 3)])


# --- mandates -------------------------------------------------------------------------------------


async def test_mandates_as_a_client_sees_them(autojump_clock: object) -> None:
    async with a_town() as town:
        parties = [await town.party("mother"), await town.party("son")]
        parties.append(await town.party("bank", Role.ORGANISATION))
        mother, son, bank = map(client_of, parties)
        for client, name in ((mother, "mother"), (son, "son")):
            await client.pair((await bank.invite(name)).link, "bank")
        await son.pair((await mother.invite("son")).link, "mother")
        now_s = parties[0].now_ms // 1000
        with pytest.raises(NotFound, match="mandate ask"):
            await mother.mandate_give(
                "son", "bank", office="proxy", commands=["/grant/request"], exp_s=now_s + DAY_S
            )
        await son.mandate_ask("mother", "bank")
        await settle()
        (word,) = await mother.proxies()
        assert (word.peer, word.at) == ("son", "bank")
        wrong: list[dict[str, object]] = [
            {"commands": ["/grant/accept"], "exp_s": now_s + DAY_S},
            {"commands": [], "exp_s": now_s + DAY_S},
            {"office": "king", "exp_s": now_s + DAY_S},
            {"exp_s": now_s - 1},
            {"exp_s": now_s + 40 * 366 * DAY_S},
            {"age": 18},
            {},
        ]
        for changed in wrong:
            args = {"office": "proxy", "commands": ["/grant/request"], **changed}
            with pytest.raises(UsageError):
                await mother.mandate_give("son", "bank", **args)  # pyright: ignore[reportArgumentType]  # wrong on purpose
        made = await mother.mandate_give(
            "son", "bank", office="proxy", commands=["/grant/request"], exp_s=now_s + 90 * DAY_S
        )
        await settle()
        seen = {
            (one.side, one.principal, one.proxy, one.at, one.status)
            for client in (mother, son, bank)
            for one in await client.mandates()
        }
        assert seen == {
            ("given", "mother", "son", "bank", "live"),
            ("held", "mother", "son", "bank", "live"),
            ("lodged", "mother", "son", "bank", "live"),
        }
        window = Window("finance/accounts/transactions", DAY, DAY + 3)
        request = await son.ask(
            "bank",
            [window],
            purpose=PURPOSE,
            terms=TERMS,
            exp_s=now_s + 30 * DAY_S,
            acting_for="mother",
        )
        await settle()
        (at_bank,) = await bank.inbox()
        assert (at_bank.id, at_bank.peer) == (request, "mother")
        assert [one.principal for one in await son.asked()] == ["mother"]
        assert [one.id for one in await mother.asked()] == [request]
        for client in (mother, son, bank):
            both = {(one.principal, one.proxy) for one in await client.log()}
            assert ("mother", "son") in both
        with pytest.raises(NodeError):
            await bank.mandate_end(made.id)
        await son.mandate_end(made.short)
        await settle()
        for client in (mother, son, bank):
            assert [one.status for one in await client.mandates()] == ["revoked"]
        with pytest.raises(NotAllowed, match="revoked"):
            await son.ask(
                "bank",
                [window],
                purpose=PURPOSE,
                terms=TERMS,
                exp_s=now_s + 30 * DAY_S,
                acting_for="mother",
            )

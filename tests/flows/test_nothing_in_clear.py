"""No record, collection name or persona is stored or sent in clear.

Three real nodes live the story: deliveries, an import, a request, a grant, reads, a revocation, a
backup.  Every byte that they send and every byte that they write is recorded and searched for
every value that is known, in every likely encoding (`clear_text.py`).  The same search over what
the owner's keys open finds each of these values: so it can find.
"""

from __future__ import annotations

import base64
import random
import re
import shutil
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from entrenous.crypto.aead import decrypt
from entrenous.crypto.canonical import encode
from entrenous.crypto.digest import sha256
from entrenous.crypto.key_tree import collection_key, day_key, tree_root
from entrenous.crypto.keys import VaultSecret
from entrenous.crypto.page import page_key
from entrenous.crypto.unlock import open_with_passphrase
from entrenous.node.client import Client
from entrenous.node.errors import NodeError
from entrenous.protocol.day import day_of_date
from entrenous.protocol.window import Window
from entrenous.protocol.wire import decode
from entrenous.simulations.files import bank_file, energy_file
from entrenous.simulations.stolen import Files, entries_of, objects_of, store_key_of
from entrenous.tests.flows.clear_text import (
    Needle,
    Number,
    Searched,
    chance,
    needles_of,
    search,
    summary,
)
from entrenous.tests.flows.followed_files import Followed
from entrenous.tests.flows.recorded_world import PASSPHRASE, Stage

METER = "energy/electricity/load-curve"
BANK = "finance/accounts/transactions"
PURSE = "finance/purse-behind-the-mirror/transactions"
PURPOSE = "dpv:ServiceOptimisationQuince"
CLAUSE = "A tariff is proposed, and nothing else is done (persimmon)."
REFUSAL = "You keep your present tariff, mulberry."
NAMES = {"alice": "Household-Juniper", "bank": "Bank-Tamarisk", "volt": "Supplier-Sorrel"}
# What alice calls the others; nobody but her node ever learns it.
AS = {"bank": "keeper-of-coins", "volt": "maker-of-light"}
WAIT_S = 90.0
T = TypeVar("T")


# --- what is planted ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """Long values that stand in the files and nowhere else."""

    labels: tuple[str, ...]
    amounts: tuple[Number, ...]
    readings: tuple[Number, ...]

    @property
    def all(self) -> tuple[str | Number, ...]:
        return (*self.labels, *self.amounts, *self.readings)


def plant(folder: Path, dice: random.Random) -> tuple[Planted, dict[str, Path]]:
    """Files of a bank, of a supplier and of one's own, with sentinels in them."""

    def word() -> str:
        return "".join(dice.choice("abcdefghijkmnopqrstuvwxyz23456789") for _ in range(24))

    labels: list[str] = []
    amounts: list[Number] = []
    files: dict[str, Path] = {}
    for name, seed in (("delivered", 1), ("later", 2), ("own", 3)):
        made = bank_file(seed, months=1)
        rows = ""
        for number in range(6):
            labels += [word(), word()]
            # Debits and credits; at least 2^47, so that an integer of it has six bytes.
            sign = -1 if number % 2 else 1
            amounts.append(Number(sign * dice.randrange(2**47, 9 * 10**15), 2))
            rows += (
                f"<STMTTRN><TRNTYPE>POS<DTPOSTED>202501{10 + number}120000.000[+1:CET]"
                f"<TRNAMT>{amounts[-1]}<FITID>{seed}-sentinel-{number}<NAME>{labels[-2]}"
                f"<MEMO>{labels[-1]}</STMTTRN>\r\n"
            )
        data = made.data.replace(b"</BANKTRANLIST>", rows.encode() + b"</BANKTRANLIST>")
        files[name] = folder / f"{name}.ofx"
        files[name].write_bytes(data)
    readings: list[Number] = []

    def reading(found: re.Match[bytes]) -> bytes:
        if dice.random() > 0.05:
            return found[0]
        readings.append(Number(dice.randrange(2**47, 9 * 10**15), 1))
        return b"<value>%d</value>" % readings[-1].mantissa

    meter = energy_file(1, days=12, interval_s=3600)
    files["meter"] = folder / "meter.xml"
    files["meter"].write_bytes(re.sub(rb"<value>\d+</value>", reading, meter.data))
    return Planted(tuple(labels), tuple(amounts), tuple(readings)), files


# --- the story ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Played:
    """What was recorded, and the values that were in play, by what they are."""

    stage: Stage
    followed: Followed
    planted: Planted
    labels: frozenset[str]
    dids: dict[str, str]

    def values(self) -> list[str | Number]:
        """Everything that nobody outside may read."""
        paths = (METER, BANK, PURSE)
        return [
            *self.planted.all,
            *self.labels,
            *self.dids.values(),
            *paths,
            *(word for path in paths for word in path.split("/")),
            *NAMES.values(),
            *AS.values(),
            PURPOSE,
            CLAUSE,
            REFUSAL,
        ]


async def until(found: Callable[[], Awaitable[T | None]]) -> T:
    with trio.fail_after(WAIT_S):
        # What is waited for is in another process.
        while (value := await found()) is None:  # noqa: ASYNC110
            await trio.sleep(0.05)
    return value


async def play(stage: Stage, files: dict[str, Path]) -> tuple[frozenset[str], dict[str, str]]:
    """The whole story; every label in alice's vault, and every persona's DID by who has it."""
    for name in NAMES:
        stage.init(name, shown_as=NAMES[name], organisation=name != "alice")
    async with AsyncExitStack() as stack:
        alice, bank, volt = [await stack.enter_async_context(stage.up(name)) for name in NAMES]
        for name, client in (("bank", bank), ("volt", volt)):
            invitation = await alice.invite(AS[name])
            await client.pair(invitation.link, "customer-hawthorn")
        dids: dict[str, str] = {}
        for peer in await alice.peers():
            who = "bank" if peer.name == AS["bank"] else "volt"
            dids |= {f"alice for {who}": peer.own, who: peer.their}
        await bank.deliver(files["delivered"], "customer-hawthorn")
        await volt.deliver(files["meter"], "customer-hawthorn")
        await alice.import_(files["own"], PURSE)
        await lend(alice, volt)
        await bank.deliver(files["later"], "customer-hawthorn")
        await alice.backup(stage.home("alice") / "backup")
        labels: set[str] = set()
        for path in (BANK, PURSE):
            records = await alice.read(path, 0, 65_534)
            for column in ("label", "counterparty"):
                labels |= {str(text) for text in records.batch.columns[column] if text}
        await alice.log_verify()
    # Once more from the beginning: what a start writes.
    async with stage.up("alice") as alice:
        await alice.status()
    return frozenset(labels), dids


async def lend(alice: Client, volt: Client) -> None:
    """Ask, narrow, read, be refused, take back, be refused."""
    first = day_of_date("2025-01-01")
    await volt.ask(
        "customer-hawthorn",
        [Window(METER, first, first + 11)],
        purpose=PURPOSE,
        terms={"retention_days": 30, "recipients": [], "clauses": [CLAUSE]},
        exp_s=int(time.time()) + 86_400,
        refusal=REFUSAL,
    )

    async def asked() -> bytes | None:
        return next((one.id for one in await alice.inbox()), None)

    async def keys() -> bool | None:
        return any(one.acknowledged for one in await volt.grants()) or None

    grant = await alice.grant(await until(asked), [Window(METER, first + 2, first + 8)])
    await until(keys)
    lent = await volt.fetch("customer-hawthorn", METER, first + 2, first + 8)
    assert lent.batch is not None
    assert len(lent.batch) == 7 * 24
    with pytest.raises(NodeError):
        await volt.fetch("customer-hawthorn", METER, first + 2, first + 9)
    await alice.revoke(grant)
    with pytest.raises(NodeError):
        await volt.fetch("customer-hawthorn", METER, first + 2, first + 8)


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    """The story, played once."""
    # A short path: a socket's may have 108 bytes.
    root = Path(tempfile.mkdtemp(prefix="clear-"))
    try:
        stage = Stage(root)
        stage.set_up()
        (root / "given").mkdir()
        planted, files = plant(root / "given", random.Random(20250101))
        with Followed(stage.world) as followed:
            labels, dids = trio.run(play, stage, files)
        yield Played(stage, followed, planted, labels, dids)
    finally:
        shutil.rmtree(root)


def told(what: str, searched: Searched, needles: list[Needle]) -> None:
    expected = chance(needles, searched.size + searched.inflated)
    print(
        f"{what}: {searched.size} bytes, {searched.streams} streams inflated to "
        f"{searched.inflated}; {len(needles)} needles, {len(searched.hits)} found, "
        f"{expected:.1e} expected by chance"
    )


# --- nothing in clear -----------------------------------------------------------------------------


def test_nothing_is_sent_in_clear(played: Played) -> None:
    needles = needles_of(played.values())
    wire = played.stage.recorded("wire")
    # All of it is here: what two peers saw inside the encryption, and the encryption beside it.
    inside = played.stage.recorded("inside", "bank", "volt")
    assert sum(map(len, wire)) > sum(map(len, inside)) > 50_000
    assert search(needles_of(["/multistream/1.0.0"]), wire).hits
    searched = search(needles, wire)
    told("wire", searched, needles)
    assert summary(searched.hits) == {}
    assert chance(needles, searched.size + searched.inflated) < 1e-3


def test_nothing_is_written_in_clear(played: Played) -> None:
    """Databases, write-ahead logs, keystores, logs, a backup: all that ever stood in a file.

    In clear is the name that a node's owner gave it, in its settings and in what it says when it
    starts: a file of its own owner, and no word of it leaves the machine but to those it paired
    with.
    """
    stage, needles = played.stage, needles_of(played.values())
    seen = {path: bytes(data) for path, data in played.followed.seen.items()}
    shown: dict[Path, str] = {}
    for name, given in NAMES.items():
        home = stage.home(name)
        shown |= dict.fromkeys((home / "config.toml", home / ".config.toml.new"), given)
        shown[stage.log(name)] = given
    hidden = [data for path, data in seen.items() if path not in shown]
    searched = search(needles, hidden, raw=False)
    told("files", searched, needles)
    assert summary(searched.hits) == {}
    for path, given in shown.items():
        if path in seen:  # a file that is to replace another lives for a moment
            assert search(needles, [seen[path]]).values == {given}
    kinds = {path.name for path in seen}
    assert {"store.db", "store.db-wal", "keystore", "config.toml", "backup", "alice.log"} <= kinds


def test_raw_deflate_hides_nothing_in_what_stands_at_the_end(played: Played) -> None:
    needles = needles_of(played.values())
    files = [p for p in played.stage.world.rglob("*") if p.is_file() and p.name != "config.toml"]
    blobs = [p.read_bytes() for p in files if p.suffix != ".log"]
    searched = search(needles, blobs)
    told("files at the end, raw deflate too", searched, needles)
    assert summary(searched.hits) == {}


def test_every_file_that_was_opened_was_followed(played: Played) -> None:
    world = played.stage.world
    opened = played.stage.opened_for_writing()
    assert any(path.name == "store.db" for path in opened)
    ours = (world, played.stage.recordings, Path("/dev/null"))
    elsewhere = {p for p in opened if not any(p.is_relative_to(one) for one in ours)}
    assert elsewhere == set()
    unseen = {p for p in opened if p.is_relative_to(world) and p not in played.followed.seen}
    # Replaced as wholes by a rename, under which name they were seen; sockets' addresses.
    assert {path for path in unseen if not path.name.startswith(".")} == set()


def test_inside_the_channel_a_peer_sees_what_it_must_and_no_record(played: Played) -> None:
    """What a peer can read before any key of a page is used."""
    stage = played.stage
    inside = {name: stage.recorded("inside", name) for name in ("bank", "volt")}
    never = needles_of([*played.planted.all, *played.labels, *AS.values(), PURSE])
    for name, bytes_seen in inside.items():
        searched = search(never, bytes_seen)
        told(f"inside the channel of {name}", searched, never)
        assert summary(searched.hits) == {}
    # By design: the two personas, the path that is asked or delivered, terms, the name one gives.
    for_volt = [played.dids["alice for volt"], played.dids["volt"], METER, PURPOSE, CLAUSE]
    for_volt += [REFUSAL, NAMES["volt"]]
    seen = search(needles_of(for_volt), inside["volt"], raw=False).values
    assert seen == set(for_volt)
    for_bank = [played.dids["alice for bank"], played.dids["bank"]]
    assert search(needles_of(for_bank), inside["bank"], raw=False).values == set(for_bank)
    # No organisation sees the persona that another one knows, nor what the other does.
    for name, other in (("bank", "volt"), ("volt", "bank")):
        strange = [played.dids[f"alice for {other}"], played.dids[other], NAMES[other]]
        strange += [BANK] if name == "volt" else [METER, PURPOSE, CLAUSE, REFUSAL]
        assert search(needles_of(strange), inside[name], raw=False).values == set()


# --- the search can find --------------------------------------------------------------------------


def opened_with_the_owners_keys(home: Path) -> list[bytes]:
    """The plaintexts of every page, as they were encrypted, and of every row."""
    raw = open_with_passphrase(PASSPHRASE, (home / "keystore").read_bytes())
    keystore = decode(raw, bytes_max=1 << 20)
    assert isinstance(keystore, dict)
    store_key = store_key_of(keystore)
    epochs: dict[bytes, VaultSecret] = {}
    listed = keystore["epochs"]
    assert isinstance(listed, list)
    for epoch in listed:
        match epoch:
            case [bytes(name), bytes(secret)]:
                epochs[name] = VaultSecret(secret)
            case _:
                raise AssertionError("an epoch is a name and a secret")
    files = Files.of(home / "store.db")
    found = [encode(value) for _, _, value in objects_of(files, store_key)]
    found += [encode(name) for _, name, _ in objects_of(files, store_key)]
    pages = {sha256(page): page for page in files.pages}
    for entry in entries_of(files, store_key):
        root = tree_root(collection_key(epochs[entry.epoch], entry.path, entry.gen))
        key = page_key(day_key([root], entry.day), entry.page_id, entry.page_salt)
        page = pages[entry.digest]
        found.append(decrypt(key.secret_bytes(), page, entry.associated, "a page"))
    return found


def test_the_same_search_finds_every_value_in_what_the_owner_opens(played: Played) -> None:
    # The names that nodes give themselves are settings, and stand in no row of alice's.
    values = [v for v in played.values() if len(str(v)) >= 6 and v not in NAMES.values()]
    needles = needles_of(values)
    alice = search(needles, opened_with_the_owners_keys(played.stage.home("alice")), raw=False)
    told("opened", alice, needles)
    assert {str(value) for value in values} - alice.values == set()


def test_the_same_search_finds_every_value_on_the_control_socket(played: Played) -> None:
    """Where the owner's own programs read what the node has opened for them."""
    searched = search(
        needles_of(played.planted.all), played.stage.recorded("control", "alice"), raw=False
    )
    wanted = {str(v) for v in (*played.planted.amounts, *played.labels)}
    assert wanted & {str(v) for v in played.planted.all} <= searched.values


@pytest.mark.parametrize("wrapped", ["bare", "zlib", "gzip", "deflate", "zlib in gzip"])
def test_the_search_finds_each_needle(wrapped: str) -> None:
    dice = random.Random(7)
    values = ["a label é 12", Number(-745632189054177, 2), Number(8_000_000_000_000_001, 0)]
    needles = needles_of(values)
    assert len(needles) > 100
    for needle in needles:
        data = dice.randbytes(40) + needle.data + dice.randbytes(40)
        if "zlib" in wrapped:
            data = zlib.compress(data)
        if "gzip" in wrapped:
            data = deflated(data, 31)
        if wrapped == "deflate":
            data = deflated(data, -15)
        blob = dice.randbytes(200) + data + dice.randbytes(200)
        found = {hit.data for hit in search([needle], [blob]).hits}
        assert found == {needle.data}, needle


def deflated(data: bytes, bits: int) -> bytes:
    stream = zlib.compressobj(wbits=bits)
    # Fixed codes, so that it shrinks nothing: random bytes would be stored as they are.
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize("shift", range(3))
def test_needles_in_base64_are_found_at_every_alignment(shift: int) -> None:
    text = bytes(random.Random(shift).randbytes(shift)) + b"persona did:key:z6Mk" + b"more"
    (hit, *_) = search(needles_of(["persona did:key:z6Mk"]), [base64.b64encode(text)]).hits
    assert hit.how == f"UTF-8, base64 +{shift}"


def test_an_integer_is_found_in_the_forms_that_programs_write() -> None:
    value = -745632189054177
    needles = needles_of([Number(value, 2)])
    for data in (
        value.to_bytes(8, "little", signed=True),
        value.to_bytes(8, "big", signed=True),
        encode(value),
        encode([-value]),
        b"-7456321890541.77",
        b"-7456321890541,77",
        str(value).encode("utf-16"),
    ):
        assert search(needles, [b"...." + data + b"...."]).hits

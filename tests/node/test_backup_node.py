"""Backup and restore: the whole node through one file, and every way it can be refused."""

from __future__ import annotations

import errno
import stat
import struct
from pathlib import Path

import pytest
import trio

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadWords
from entrenous.crypto.keys import FileKey, RecoverySecret
from entrenous.crypto.recovery import backup_secret
from entrenous.crypto.seal import seal
from entrenous.crypto.shares import recovery_words
from entrenous.crypto.stream import encrypt_stream
from entrenous.node.backup import MAGIC, BackupError, open_backup, write_backup
from entrenous.node.client import Client
from entrenous.node.clock import SystemClock
from entrenous.node.config import Config, Role
from entrenous.node.errors import HomeError, Refused
from entrenous.node.keystore import Keystore
from entrenous.node.network.memory import MemoryNetwork
from entrenous.node.node import Ground, Node
from entrenous.node.offline import DirectChannel, open_offline
from entrenous.node.offload import InlineOffload
from entrenous.node.opening import Passphrase, init_home, open_home
from entrenous.node.operations import Host
from entrenous.node.restoring import restore_home
from entrenous.node.store.home import Home
from entrenous.node.store.inline import InlineDatabase
from entrenous.protocol.window import Window
from entrenous.protocol.wire import encode
from entrenous.simulations.files import energy_file
from entrenous.tests.node.two_nodes import Party, Town, a_town, settle

OPEN = Passphrase(b"open sesame")
NEW = Passphrase(b"another one")


async def home_with_data(tmp_path: Path, days: int = 5) -> tuple[Path, str, Path]:
    """A home with a week of readings: its folder, its words, and a backup of it."""
    entropy = SeededEntropy(b"backup")
    folder, target = tmp_path / "home", tmp_path / "node.backup"
    words = init_home(folder, Config(name="Alice"), OPEN, entropy)
    file = energy_file(5, days=days)
    source = tmp_path / file.name
    source.write_bytes(file.data)
    async with open_offline(folder, open_home(folder, OPEN), Config.read(folder, {})) as client:
        await client.import_(source)
        done = await client.backup(target)
    assert done.bytes == target.stat().st_size
    return folder, words, target


async def restored_at(folder: Path, backup: Path, words: str) -> None:
    await restore_home(
        folder,
        backup,
        words,
        NEW,
        entropy=SeededEntropy(b"restored" + backup.name.encode() + folder.name.encode()),
        clock=SystemClock(),
    )


async def test_what_was_backed_up_comes_back_on_a_new_device(tmp_path: Path) -> None:
    folder, words, backup = await home_with_data(tmp_path)
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    again = tmp_path / "again"
    await restored_at(again, backup, words.upper())
    old, new = open_home(folder, OPEN), open_home(again, NEW)
    assert new.device != old.device
    assert new.log != old.log
    assert new.log_signing != old.log_signing
    assert (new.log_number, new.past_logs) == (1, (old.log,))
    assert new.epochs[:-1] == old.epochs
    assert set(new.next_digests).isdisjoint(old.next_digests)
    assert (new.store, new.index) == (old.store, old.index)
    async with open_offline(again, new, Config.read(again, {})) as client:
        (collection,) = await client.collections()
        assert collection.first is not None
        assert collection.last is not None
        records = await client.read(collection.path, collection.first, collection.last)
        assert (len(records.batch), records.damaged) == (collection.records, ())
        status = await client.status()
        assert (status.name, status.log_number) == ("Alice", 1)
        assert (await client.imports())[0].state == "done"
    # The new device's backup opens with the same words.
    async with open_offline(again, new, Config.read(again, {})) as client:
        await client.backup(tmp_path / "second.backup")
    await restored_at(tmp_path / "third", tmp_path / "second.backup", words)
    assert open_home(tmp_path / "third", NEW).log_number == 2


async def test_no_secret_and_no_record_is_in_the_clear(tmp_path: Path) -> None:
    folder, _, backup = await home_with_data(tmp_path)
    data = backup.read_bytes()
    keystore = open_home(folder, OPEN)
    for secret in (keystore.device, keystore.store, keystore.index, keystore.log):
        assert secret.secret_bytes() not in data
    for text in (b"SQLite", b"Alice", b"energy", b"keystore"):
        assert text not in data


async def test_a_backup_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    folder, _, backup = await home_with_data(tmp_path)
    before = backup.read_bytes()
    keystore = open_home(folder, OPEN)
    async with open_offline(folder, keystore, Config()) as client:
        with pytest.raises(BackupError, match="there already"):
            await client.backup(backup)
        with pytest.raises(BackupError, match="could not be written"):
            await client.backup(tmp_path / "no" / "folder")
    assert backup.read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


async def test_a_backup_goes_onto_a_stick_that_knows_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, backup = await home_with_data(tmp_path)
    came = b"came meanwhile"

    def no_links(_source: Path, target: Path) -> None:
        if target.name == "taken":
            target.write_bytes(came)
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    async with open_offline(folder, open_home(folder, OPEN), Config()) as client:
        await client.backup(tmp_path / "stick")
        with pytest.raises(BackupError, match="File exists"):
            await client.backup(tmp_path / "taken")
    assert (tmp_path / "stick").read_bytes()[: len(MAGIC)] == backup.read_bytes()[: len(MAGIC)]
    assert (tmp_path / "taken").read_bytes() == came
    assert not list(backup.parent.glob(".*.new"))


async def test_damage_anywhere_is_noticed_and_nothing_is_restored(tmp_path: Path) -> None:
    _, words, backup = await home_with_data(tmp_path)
    data = backup.read_bytes()
    bad = tmp_path / "bad"
    cases = {
        "nothing": b"",
        "no magic": b"x" + data,
        "another key": data[: len(MAGIC)] + bytes(80) + data[len(MAGIC) + 80 :],
        "cut at once": data[: len(MAGIC) + 10],
        "cut in the head": data[: len(MAGIC) + 200],
        "cut in the database": data[: len(data) // 2],
        "the last byte": data[:-1],
        "more": data + b"x",
        **{
            f"bit {at}": data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            for at in (0, len(MAGIC) + 3, len(MAGIC) + 85, len(data) // 2, len(data) - 1)
        },
    }
    for what, altered in cases.items():
        bad.write_bytes(altered)
        with pytest.raises(BackupError) as refused:
            await restored_at(tmp_path / "again", bad, words)
        assert "\n" not in str(refused.value), what
        left = {
            path.name for path in await trio.to_thread.run_sync(lambda: list(tmp_path.iterdir()))
        }
        assert not {"again", ".again.restoring"} & left, what


async def test_other_words_do_not_open_it(tmp_path: Path) -> None:
    _, words, backup = await home_with_data(tmp_path)
    entropy = SeededEntropy(b"other")
    others = recovery_words(RecoverySecret.generate(entropy), entropy=entropy)
    with pytest.raises(BackupError, match="these words do not open"):
        await restored_at(tmp_path / "again", backup, others)
    with pytest.raises(BadWords, match="32"):
        await restored_at(tmp_path / "again", backup, " ".join(words.split()[:-1]))


async def test_a_restore_writes_over_nothing(tmp_path: Path) -> None:
    folder, words, backup = await home_with_data(tmp_path)
    with pytest.raises(HomeError, match="not empty"):
        await restored_at(folder, backup, words)
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (other / "letter").write_text("mine")
    with pytest.raises(HomeError, match="not empty"):
        await restored_at(other, backup, words)
    assert (other / "letter").read_text() == "mine"
    (other / "letter").unlink()
    await restored_at(other, backup, words)  # an empty folder is as good as none


@pytest.mark.parametrize("head", [b"", b"\xa0", b"\xff" * 9, encode({"v": 2})])
def test_a_head_that_is_not_one_is_refused(tmp_path: Path, head: bytes) -> None:
    """Sealed to the right key, so whoever wrote it knew the public half: still bounded."""
    entropy = SeededEntropy(b"head")
    secret = backup_secret(RecoverySecret.generate(entropy))
    key = FileKey.generate(entropy)
    sealed = MAGIC + seal(secret.public, MAGIC, key.secret_bytes(), entropy=entropy)
    for length in (len(head), 0xFFFFFFFF):
        content = [struct.pack(">I", length) + head]
        stream = b"".join(encrypt_stream(key, content, entropy=entropy))
        path = tmp_path / "forged"
        path.write_bytes(sealed + stream)
        with pytest.raises(BackupError, match="damaged"), open_backup(path, secret):
            pass


# --- with a peer ----------------------------------------------------------------------------------


async def restored_party(town: Town, old: Party, words: str, tmp_path: Path) -> Party:
    """`old` is gone; its home comes back from a backup, on a new device."""
    backup, again = tmp_path / "backup", tmp_path / "again"
    await write_backup(
        backup,
        database=old.node.store.database,
        home=Home(tmp_path),
        keystore=old.node.keystore,
        config=old.node.config,
        entropy=town.entropy.fork("backup"),
        offload=InlineOffload(),
        program="test",
        now_ms=town.clock.now_ms(),
    )
    await old.down()
    entropy = town.entropy.fork("restore")
    done = await restore_home(again, backup, words, NEW, entropy=entropy, clock=town.clock)
    assert (done.peers, done.suspended) == (1, 1)
    keystore = open_home(again, NEW)
    database = await town.stack.enter_async_context(InlineDatabase(Home(again).database))
    network = MemoryNetwork(keystore.device, town.world)
    ground = Ground(database, network, town.clock, entropy, InlineOffload())
    party = Party(old.name, Node(ground, keystore, Config.read(again, {})), town.nursery)
    await party.up()
    return party


def client_of(party: Party) -> Client:
    return Client(DirectChannel(Host(party.node, Home(Path("/nowhere")), True, "test")))


async def owner_party(town: Town) -> tuple[Party, str]:
    entropy = town.entropy.fork("owner")
    recovery = RecoverySecret.generate(entropy)
    keystore = Keystore.create(recovery, entropy, successions=32)
    database = await town.stack.enter_async_context(InlineDatabase(None))
    network = MemoryNetwork(keystore.device, town.world)
    ground = Ground(database, network, town.clock, entropy, InlineOffload())
    party = Party("alice", Node(ground, keystore, Config(name="alice")), town.nursery)
    await party.up()
    return party, recovery_words(recovery, entropy=entropy)


async def test_a_restored_owner_is_known_again_and_serves_what_it_keeps(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with a_town() as town:
        alice, words = await owner_party(town)
        volt = await town.party("volt", Role.ORGANISATION)
        reader, owner = client_of(volt), client_of(alice)
        await reader.pair((await owner.invite("supplier")).link, "alice")
        file = energy_file(4, days=10)
        path = tmp_path / file.name
        path.write_bytes(file.data)
        (made,) = await reader.deliver(path, "alice")
        window = Window(made.path, made.first, made.last)
        await reader.ask(
            "alice",
            [window],
            purpose="dpv:ServiceProvision",
            terms={"retention_days": 30},
            exp_s=alice.now_ms // 1000 + 86_400,
        )
        await settle()
        await owner.grant((await owner.inbox())[0].short)
        await settle()
        assert (await reader.fetch("alice", *_days(window))).pages == 10

        back = await restored_party(town, alice, words, tmp_path)
        owner = client_of(back)
        await settle(5)
        assert (await owner.status()).connected == 1
        (peer,) = await reader.peers()
        assert peer.connected
        with pytest.raises(Refused) as refused:
            await reader.fetch("alice", *_days(window))
        assert refused.value.code == "suspended"
        (grant,) = await owner.grants()
        assert grant.status == "suspended"
        await owner.keep(grant.short)
        await settle()
        fetched = await reader.fetch("alice", *_days(window))
        assert (fetched.pages, fetched.damaged) == (10, ())
        assert [one.verified for one in fetched.provenance] == [True]
        assert (await owner.log_verify()).number == 1
        await reader.log_verify()
        # What is written from now on is under the new epoch, and the reader has its keys.
        file = energy_file(4, days=12)
        path.write_bytes(file.data)
        await reader.deliver(path, "alice")
        assert len(back.node.keystore.epochs) == 2


def _days(window: Window) -> tuple[str, int, int]:
    return window.collection, window.first, window.last

"""The push socket: what an allowed program can do, and what every other one cannot."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import os
import stat
import struct
from functools import partial
from pathlib import Path

import pytest
import trio

from entrenous.node.client import connect
from entrenous.node.config import Config
from entrenous.node.control_frame import frame
from entrenous.node.errors import HomeError, NodeError, NotFound, UsageError
from entrenous.node.imports.declared import Declared
from entrenous.node.push import push
from entrenous.node.push.client import PushAway, PushClient, PushRefused, PushToken
from entrenous.node.push.socket import push_path
from entrenous.node.push.token import new_token_file
from entrenous.node.rate import Rate
from entrenous.node.store.errors import StoreError
from entrenous.protocol.errors import CapabilityError, RecordError
from entrenous.protocol.limits import PUSH_BYTES_MAX
from entrenous.protocol.push import Pushed, push_value
from entrenous.protocol.wire import Value
from entrenous.tests.node.push_node import (
    PATH,
    owner_is_served,
    raw,
    reading,
    served,
)


async def add(client: PushClient, *rows: dict[str, Value]) -> Pushed:
    return await trio.to_thread.run_sync(partial(client.add_rows, rows))


# --- what a program can do ------------------------------------------------------------------------


async def test_what_is_pushed_is_there_and_is_told_once(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        with node.line(await node.allow()) as line:
            first = await add(line, reading(1), reading(2))
            assert (first.new, first.there) == (2, ())
            again = await add(line, reading(3), reading(1))
            assert (again.new, again.there) == (1, (1,))
        assert await node.records() == 3
        async with connect(node.home.folder) as client:
            (info,) = await client.allowed()
        assert (info.name, info.status, info.records) == ("meter", "live", 3)
        assert info.last_ms is not None


async def test_a_program_spells_its_records(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        with node.line(await node.allow()) as line:
            told = [{"time": "2026-03-01T10:00+01:00", "value": "12.50", "unit": "kWh"}]
            assert (await trio.to_thread.run_sync(partial(line.add, told))).new == 1
            with pytest.raises(RecordError, match="unit: a text of 1"):
                await trio.to_thread.run_sync(partial(line.add, [{**told[0], "unit": ""}]))


async def test_more_than_a_push_holds_goes_in_parts(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        with node.line(await node.allow()) as line:
            await add(line, reading(1_500))
            pushed = await add(line, *(reading(number) for number in range(2_000)))
        assert (pushed.new, pushed.there) == (1_999, (1_500,))


async def test_a_program_comes_back_after_the_node_did(tmp_path: Path) -> None:
    token: PushToken
    async with served(tmp_path) as node:
        token = await node.allow()
    with PushClient(token, patience_s=0) as line, pytest.raises(PushAway, match="is it running"):
        await add(line, reading(1))


# --- what it cannot -------------------------------------------------------------------------------


async def test_a_token_of_another_node_pushes_nothing(tmp_path: Path) -> None:
    async with served(tmp_path / "a") as one, served(tmp_path / "b") as other:
        token = await one.allow()
        moved = PushToken(
            token.name, other.socket, token.uid, token.key, token.chain, token.per_minute
        )
        with other.line(moved) as line, pytest.raises(CapabilityError, match="another node"):
            await add(line, reading(1))
        # a program that does not look is refused by the node
        async with raw(one) as asked, raw(other) as line:
            await line.say(await asked.proven(token))
            await line.greeted()
            assert await line.refusal() == "audience"
            await line.ended()


async def test_a_captured_proof_and_a_forgotten_token_are_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        token = await node.allow()
        async with raw(node) as line:
            captured = await line.proven(token)
            assert "ok" in await line.hear()
        async with raw(node) as thief:
            await thief.greeted()
            await thief.say(captured)
            assert await thief.refusal() == "replay"
            await thief.ended()
        await node.disallow()
        with node.line(token) as gone, pytest.raises(PushRefused, match="not push any more"):
            await add(gone, reading(1))
        await node.allow()  # the name is free, and the old token stays refused
        with node.line(token) as gone, pytest.raises(PushRefused) as caught:
            await add(gone, reading(1))
        assert caught.value.reason == "unknown-grant"
        assert await node.records() == 0


async def test_time_runs_out_between_two_pushes(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        token = await node.allow(life_s=3_600)
        with node.line(token) as line:
            assert (await add(line, reading(1))).new == 1
            node.clock.ahead_ms = 3_700_000
            with pytest.raises(PushRefused, match="is over"):
                await add(line, reading(2))
            with pytest.raises(PushRefused) as caught:
                await add(line, reading(2))
            assert caught.value.reason == "expired"
        async with connect(node.home.folder) as client:
            assert [one.status for one in await client.allowed()] == ["expired"]
        assert await node.records() == 1


@pytest.mark.parametrize(
    "row",
    [
        reading(1, unit=""),
        reading(1, value=1),
        reading(1, more=1),
        {"id": "x", "time": 0},
        reading(1, duration_s=1_800),
    ],
    ids=["text", "type", "field", "schema", "interval"],
)
async def test_other_records_are_refused_and_the_line_goes_on(
    tmp_path: Path, row: dict[str, Value]
) -> None:
    async with served(tmp_path) as node:
        with node.line(await node.allow()) as line:
            assert (await add(line, reading(0, duration_s=60))).new == 1
            with pytest.raises(PushRefused) as caught:
                await add(line, row)
            assert caught.value.reason == "record"
            assert (await add(line, reading(2, duration_s=60))).new == 1
        assert await node.records() == 2


@pytest.mark.parametrize(
    "said",
    [
        {"op": "read", "args": {"path": PATH, "first": 0, "last": 65_535}},
        {"op": "status", "args": {}},
        {"n": 1, "records": [], "path": "energy/gas/index"},
        {"n": 1, "records": []},
        [],
    ],
    ids=str,
)
async def test_nothing_else_can_be_said(tmp_path: Path, said: Value) -> None:
    async with served(tmp_path) as node, raw(node) as line:
        await line.proven(await node.allow())
        assert "ok" in await line.hear()
        await line.say(said)
        assert await line.refusal() == "malformed"
        await line.ended()
        await owner_is_served(node)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", 0xFFFFFFFF),
        struct.pack(">I", PUSH_BYTES_MAX + 1),
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", 4) + b"\xff\xff\xff\xff",
        struct.pack(">I", 201) + b"\x81" * 200 + b"\x00",
        frame({"v": 1, "inv": b"", "proofs": [b""]}),
        frame({"v": 2, "inv": b"", "proofs": [b""]}),
        frame({"op": "status", "args": {}}),
    ],
    ids=lambda data: data[:6].hex(),
)
@pytest.mark.parametrize("proven", [False, True])
async def test_garbage_ends_its_own_line_only(tmp_path: Path, data: bytes, proven: bool) -> None:
    async with served(tmp_path) as node:
        token = await node.allow()
        async with raw(node) as line:
            if proven:
                await line.proven(token)
            await line.hear()
            await line.stream.send_all(data)
            assert await line.refusal() in ("malformed", "version")
            await line.ended()
        await owner_is_served(node)
        with node.line(token) as honest:
            assert (await add(honest, reading(1))).new == 1


# --- revoked, fast, silent, many ------------------------------------------------------------------


async def test_nothing_comes_after_disallow_returned(tmp_path: Path) -> None:
    """A program pushes as fast as it can while its allowance is ended."""
    async with served(tmp_path) as node:
        token = await node.allow()
        acknowledged, well_under_way = 0, trio.Event()

        async def pushing() -> None:
            nonlocal acknowledged
            async with raw(node) as line:
                await line.proven(token)
                await line.hear()
                for number in range(100_000):
                    await line.say(push_value(number, [reading(number)]))
                    if "error" in (answer := await line.hear()):
                        assert answer["error"]["code"] == "revoked"  # type: ignore[index,call-overload]  # a map, as `hear` found
                        await line.ended()
                        return
                    acknowledged += 1
                    if acknowledged == 20:
                        well_under_way.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pushing)
            await well_under_way.wait()
            await node.disallow()
            there = await node.records()
        await trio.sleep(0.05)
        assert await node.records() == there
        assert acknowledged <= there <= acknowledged + 1


async def test_who_pushes_too_fast_is_told_how_long_to_wait(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        # One more in 30 s: on no machine does so much time pass in this test.
        token = await node.allow(per_minute=2)
        async with raw(node) as line:
            await line.proven(token)
            await line.hear()
            await line.say(push_value(1, [reading(0), reading(1)]))
            assert "ok" in await line.hear()
            await line.say(push_value(2, [reading(100)]))
            match await line.hear():
                case {"error": {"code": "busy", "wait_ms": int(wait_ms), "n": 2}}:
                    assert 0 < wait_ms <= 31_000
                case other:
                    raise AssertionError(other)
            await line.say(push_value(3, [reading(0), reading(1), reading(2)]))
            assert await line.refusal() == "record"
        # another line of the same program does not have another rate
        with node.line(token) as second, pytest.raises(PushRefused, match="2 records a minute"):
            await add(second, reading(200), reading(201))
        assert await node.records() == 2


async def test_a_program_that_does_not_read_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "SEND_S", 0.2)
    async with served(tmp_path) as node:
        token = await node.allow()
        with trio.fail_after(60):
            async with raw(node) as line:
                await line.proven(token)
                message = frame(push_value(1, [reading(0)] * 2))
                try:
                    while True:  # never hears: the answers fill the line
                        await line.stream.send_all(message)
                except trio.BrokenResourceError:
                    pass
        await owner_is_served(node)
        assert await node.records() == 1


async def test_a_silent_stranger_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "PROOF_S", 0.1)
    async with served(tmp_path) as node, raw(node) as line:
        await line.greeted()
        await line.ended()


async def test_thousands_of_connections_do_not_disturb_the_owner(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        token = await node.allow()
        with node.line(token, patience_s=20) as line:
            assert (await add(line, reading(1))).new == 1
            slowest = 0.0
            held: list[trio.SocketStream] = []
            async with trio.open_nursery() as nursery:

                async def flood() -> None:
                    for _ in range(500):
                        with trio.move_on_after(0.5):
                            held.append(await trio.open_unix_socket(str(node.socket)))

                for _ in range(4):
                    nursery.start_soon(flood)
                for number in range(10):
                    began = trio.current_time()
                    await owner_is_served(node)
                    slowest = max(slowest, trio.current_time() - began)
                    # who has a line keeps it
                    assert (await add(line, reading(10 + number))).new == 1
                for stream in held:
                    await trio.aclose_forcefully(stream)
                nursery.cancel_scope.cancel()
            for stream in held:
                await trio.aclose_forcefully(stream)
        # Not a measure of speed: an owner that waits longer than this has been shut out.
        assert slowest < 20
        with node.line(token, patience_s=20) as again:
            assert (await add(again, reading(99))).new == 1


async def test_a_fault_of_ours_ends_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> object:
        raise RuntimeError("a fault")

    async with served(tmp_path) as node, raw(node) as line:
        await line.proven(await node.allow())
        await line.hear()
        monkeypatch.setattr(Declared, "add", fails)
        await line.say(push_value(1, [reading(1)]))
        await line.ended()
        await owner_is_served(node)


async def test_a_full_disk_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> object:
        raise StoreError("the disk is full")

    async with served(tmp_path) as node, raw(node) as line:
        await line.proven(await node.allow())
        await line.hear()
        with monkeypatch.context() as patch:
            patch.setattr(Declared, "add", full)
            await line.say(push_value(1, [reading(1)]))
            assert await line.refusal() == "store"
        await line.say(push_value(2, [reading(1)]))
        assert "ok" in await line.hear()


# --- the socket, the token, the owner's side ------------------------------------------------------


async def test_the_socket_is_the_owners_unless_a_group_is_named(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        assert stat.S_IMODE(node.socket.stat().st_mode) == 0o600
    assert not node.socket.exists()
    import grp

    group = grp.getgrgid(os.getegid()).gr_name
    folder = tmp_path / "run"
    folder.mkdir(mode=0o750)
    config = Config(push_socket=str(folder / "push.sock"), push_group=group)
    async with served(tmp_path / "second", config) as node:
        assert stat.S_IMODE(node.socket.stat().st_mode) == 0o660
        assert node.socket.stat().st_gid == os.getegid()
        with node.line(await node.allow()) as line:
            assert (await add(line, reading(1))).new == 1
        control = node.home.control.read_text().strip()
        assert stat.S_IMODE(os.stat(control).st_mode) == 0o600


def test_settings_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    control = tmp_path / "x.sock"
    with pytest.raises(UsageError, match="needs push_socket"):
        push_path(control, Config(push_group="users"))
    with pytest.raises(UsageError, match="absolute path"):
        push_path(control, Config(push_socket="push.sock"))
    with pytest.raises(HomeError, match="folder of the push socket"):
        push_path(control, Config(push_socket=str(tmp_path / "none" / "p")))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(HomeError, match="left as it is"):
        push_path(control, Config(push_socket=str(tmp_path / "file")))
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(HomeError, match="changed by others"):
        push_path(control, Config(push_socket=str(tmp_path / "open" / "p")))


async def test_a_token_is_a_secret_of_its_file(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        token = await node.allow()
    path = tmp_path / "t"
    with new_token_file(path) as file:
        file.write(token.text().encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PushToken.read(path) == token
    seed = token.key.secret_bytes()
    assert seed.hex() not in repr(token)
    assert token.text().split('"key": "')[1][:20] not in repr(token)
    with pytest.raises(HomeError, match="there already"), new_token_file(path):
        pass
    path.chmod(0o640)
    with pytest.raises(HomeError, match="read by others"):
        PushToken.read(path)
    with pytest.raises(NodeError), new_token_file(tmp_path / "u"):
        raise NodeError("refused")
    assert not (tmp_path / "u").exists()
    for bad in (b"", b"{}", b"[" * 100_000, token.text().encode().replace(b"push/1", b"push/2")):
        with pytest.raises(UsageError, match="no token"):
            PushToken.parse(bad)


async def test_allowing_is_bounded_and_said_plainly(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        await node.allow()
        with pytest.raises(NodeError, match="may push already"):
            await node.allow()
        with pytest.raises(UsageError, match="in the future"):
            await node.allow("late", life_s=-1)
        with pytest.raises(UsageError, match="in the future"):
            await node.allow("long", life_s=4_000 * 86_400)
        with pytest.raises(UsageError, match="a rate is"):
            await node.allow("fast", per_minute=60_001)
        with pytest.raises(NodeError, match="begins with one of"):
            await node.allow("odd", path="secrets/all")
        with pytest.raises(UsageError, match="does not know the schema"):
            await node.allow("odd", schema="nothing/1")
        with pytest.raises(NotFound):
            await node.disallow("nobody")


async def test_a_node_that_is_somebody_elses_gets_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        token = await node.allow()
        foreign = PushToken(
            token.name, token.socket, token.uid + 1, token.key, token.chain, token.per_minute
        )
        with node.line(foreign) as line, pytest.raises(CapabilityError, match="another user"):
            await add(line, reading(1))


def test_a_rate_saves_up_for_a_minute_at_most() -> None:
    rate = Rate(60)
    assert rate.take(60, 100.0) == 0
    assert rate.take(1, 100.0) == pytest.approx(1.0)
    assert rate.take(1, 101.0) == 0
    assert rate.take(61 - 1, 10_000.0) == 0
    assert rate.take(1, 10_000.0) > 0

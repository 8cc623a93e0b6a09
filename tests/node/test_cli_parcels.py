"""`outbox` and `take`: what they say, what they print as JSON, how they end; and without a node."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from entrenous.node.cli.shapes import SHAPES
from entrenous.node.client import Client
from entrenous.node.errors import NotAllowed, NotFound
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.parcels.opening import ParcelRefused
from entrenous.node.results.parcels import (
    Fate,
    ParcelItem,
    ParcelTaken,
    ParcelWritten,
    SaidAgain,
    Waiting,
)
from entrenous.node.store.home import Home
from entrenous.protocol.command import Cmd
from entrenous.tests.node.cli_node import CommandLine, FakeNode, install, standing
from entrenous.tests.node.test_parcels import apart, ask_by_file
from entrenous.tests.node.two_nodes import CURVE, DAY, Party, a_town, readings

WAITING = [
    Waiting("alice", Cmd.DELIVER, 0, 1_048_576, 3, 1_700_000_000_000),
    Waiting("alice", Cmd.MANDATE_ASK, 0, 0, 0, 1_700_000_000_000),
    Waiting("bob", None, 2, 0, 0, None),
]
WRITTEN = ParcelWritten("/media/stick/parcel", "alice", 3, 2, 1, 0, 1_800_000_000, 16_591)


def done(cmd: str) -> ParcelItem:
    return ParcelItem(cmd, answer=False, fate=Fate.DONE, reason=None)


TAKEN = ParcelTaken(
    "bank",
    7,
    1_700_000_000_000,
    before=False,
    items=(
        done(Cmd.DELIVER),
        done(Cmd.DELIVER),
        done(Cmd.REQUEST),
        done("/weather/tell"),
        ParcelItem(Cmd.REVOKE, answer=False, fate=Fate.REFUSED, reason="never lent"),
        ParcelItem(Cmd.REQUEST, answer=True, fate=Fate.REFUSED, reason="100 requests wait"),
        ParcelItem(Cmd.ACCEPT, answer=True, fate=Fate.DONE, reason=None),
        ParcelItem(None, answer=True, fate=Fate.BEFORE, reason=None),
    ),
)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    node = FakeNode(
        standing(
            outbox=WAITING, outbox_again=SaidAgain("alice", 2), write_parcel=WRITTEN, take=TAKEN
        )
    )
    install(monkeypatch, node)
    return CommandLine(node, tmp_path, capsys)


def test_what_waits_for_whom(run: CommandLine) -> None:
    shown = run("outbox")
    assert shown.code == 0
    lines = [line.split() for line in shown.out.splitlines()[1:]]
    assert lines[0] == ["alice", "a", "delivery", "1,048,576", "3", "times"]
    assert lines[1] == ["alice", "/mandate/ask"]
    assert lines[2] == ["bob", "2", "answers", "to", "a", "file", "of", "theirs"]
    run.node.answers["outbox"] = []
    assert run("outbox", "alice").out == "Nothing waits for alice.\n"
    assert run.node.asked("outbox") == {"peer": "alice"}


def test_a_file_is_for_one_peer(run: CommandLine) -> None:
    refused = run("outbox", "--to-file", "parcel")
    assert (refused.code, refused.out) == (2, "")
    assert "say for whom" in refused.err
    assert run.node.calls == []


def test_a_file_is_written(run: CommandLine) -> None:
    shown = run("outbox", "alice", "--to-file", "parcel")
    assert shown.code == 0
    assert "Written: /media/stick/parcel, 2 messages and 1 answer, 16,591 bytes." in shown.out
    assert "alice takes it with `entrenous take`" in shown.out
    asked = run.node.asked("write_parcel")
    assert asked == {"peer": "alice", "path": str(Path("parcel").absolute())}


def test_what_came_is_said_in_one_sentence(run: CommandLine) -> None:
    shown = run("take", "parcel")
    assert shown.code == 0
    first, *rest = shown.out.splitlines()
    assert first == (
        "From bank: 2 deliveries stored, 1 request waiting for you: `entrenous inbox`, "
        "1 message done (/weather/tell), 2 answers."
    )
    assert "/grant/revoke: refused: never lent" in rest
    assert "/grant/request: bank refuses: 100 requests wait" in rest
    assert rest[-1] == "`entrenous outbox bank --to-file FILE` takes the answers back."


def test_taken_before_is_no_failure(run: CommandLine) -> None:
    run.node.answers["take"] = ParcelTaken("bank", 7, 0, before=True, items=())
    shown = run("take", "parcel")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == "This file of bank was taken before: nothing was changed.\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ParcelRefused("it is damaged; nothing was changed"), 1),
        (NotFound("it cannot be read"), 3),
        (NotAllowed("this parcel is not for this home"), 4),
    ],
)
def test_exit_codes(run: CommandLine, error: Exception, code: int) -> None:
    run.node.answers["take"] = error
    refused = run("take", "parcel")
    assert (refused.code, refused.out) == (code, "")
    assert refused.err == f"entrenous: {error}\n"


def test_what_was_given_up_is_tried_again(run: CommandLine) -> None:
    assert run("outbox", "alice", "--again").out == "2 messages to alice tried again.\n"
    assert run.node.asked("outbox_again") == {"peer": "alice"}
    for tokens in (("--again",), ("alice", "--again", "--to-file", "parcel")):
        refused = run("outbox", *tokens)
        assert refused.code == 2
        assert "--again is for one peer" in refused.err


@pytest.mark.parametrize(
    ("shape", "tokens"),
    [
        ("outbox", ("outbox",)),
        ("outbox --again", ("outbox", "alice", "--again")),
        ("outbox --to-file", ("outbox", "alice", "--to-file", "parcel")),
        ("take", ("take", "parcel")),
    ],
)
def test_the_keys_of_json(run: CommandLine, shape: str, tokens: tuple[str, ...]) -> None:
    shown = run(*tokens, "--json")
    assert shown.code == 0, shown.err
    for line in shown.out.splitlines():
        assert json.loads(line).keys() == SHAPES[shape].keys.keys()


def test_asking_and_asking_nobody_exclude_each_other(run: CommandLine) -> None:
    refused = run("fetch", "alice", CURVE, "--by-file", "--kept")
    assert refused.code == 2
    assert "say one of them" in refused.err


# --- the operations, on nodes ---------------------------------------------------------------------


@asynccontextmanager
async def client_of(party: Party, tmp_path: Path) -> AsyncGenerator[Client]:
    """What a command does where no daemon runs."""
    await trio.lowlevel.checkpoint()
    yield Client(DirectChannel(Host(party.node, Home(tmp_path), running=False, version="0")))


async def test_the_operations(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with a_town() as town:
        home, shop, _ = await apart(town, tmp_path)
        await ask_by_file(shop, home)
        await shop.node.deliveries.deliver("home", CURVE, readings(DAY, 1), shop.now_ms)
        parcel = tmp_path / "stick"
        async with client_of(shop, tmp_path) as client:
            before = await client.outbox()
            assert [(one.peer, one.cmd) for one in before] == [
                ("home", Cmd.REQUEST),
                ("home", Cmd.DELIVER),
            ]
            assert [one.bytes > 0 for one in before] == [False, True]
            written = await client.write_parcel("home", parcel)
            assert (written.peer, written.number, written.calls) == ("home", 1, 2)
            assert written.bytes == parcel.stat().st_size
            assert await client.outbox("home") == before
            with pytest.raises(NotFound, match="no peer is called"):
                await client.outbox("nobody")
        async with client_of(home, tmp_path) as client:
            taken = await client.take(parcel)
            assert [(item.cmd, item.fate) for item in taken.items] == [
                (Cmd.REQUEST, Fate.DONE),
                (Cmd.DELIVER, Fate.DONE),
            ]
            assert (taken.peer, taken.number, taken.before) == ("shop", 1, False)
            assert (await client.take(parcel)).before
            assert [(one.peer, one.answers) for one in await client.outbox()] == [("shop", 2)]
            assert len(await client.inbox()) == 1

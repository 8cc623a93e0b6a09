"""A node that answers the command line from a table, and a way to run one command against it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from entrenous.node import cli
from entrenous.node.cli import options
from entrenous.node.client import Client, NotRunning
from entrenous.node.errors import NodeError, NotFound
from entrenous.node.results.grants import EncryptedAgain, GrantInfo, RequestInfo
from entrenous.node.results.node import Status
from entrenous.node.results.peers import Level, Peer, StandingInfo
from entrenous.node.results.records import CollectionInfo
from entrenous.node.shape import to_value
from entrenous.protocol.cid import cid_of
from entrenous.protocol.columns import write_columns
from entrenous.protocol.day import day_of_date, start_ms
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value

PATH = "energy/electricity/load-curve"
REQUEST, GRANT, OTHER_GRANT = cid_of(b"request"), cid_of(b"grant"), cid_of(b"other grant")
FIRST, LAST = day_of_date("2025-01-01"), day_of_date("2025-12-31")
TERMS = Terms("dpv:ServiceProvision", 30, (), None, (Clause("no resale", Force.PROMISED),))
STATUS = Status(
    "Home", "person", "did:key:z6Mk", ("/ip4/127.0.0.1/tcp/1",), 0, 1, 1, 1, 0, 0, 0, 3, 0,
    "cannot be noticed alone", "0", True,
)  # fmt: skip
UNKNOWN = StandingInfo(Level.UNKNOWN, None, (), "it has shown no card", ())
ASKED = RequestInfo(
    REQUEST, "", "volt", (Window(PATH, FIRST, LAST),), TERMS.purpose, TERMS,
    4_000_000_000, "waiting", 1_700_000_000_000, "nothing changes", None, None, UNKNOWN,
)  # fmt: skip
GIVEN = GrantInfo(
    GRANT, "", "given", "volt", (Window(PATH, FIRST, FIRST + 29),), TERMS.purpose, TERMS,
    4_000_000_000, "live", 1_700_000_000_000, None, 2, True, (b"token",),
)  # fmt: skip
PEER = Peer(
    "volt", "did:key:z6MkOwn", "did:key:z6MkTheir", ("/ip4/127.0.0.1/tcp/1",), 0, True, 0, UNKNOWN,
    5,
    4 << 30,
)  # fmt: skip
INFO = CollectionInfo(PATH, "meter-reading/1", 96, 2, FIRST, FIRST + 1)


def readings(date: str, count: int) -> Batch:
    """`count` half-hours from the beginning of a UTC day."""
    start = start_ms(day_of_date(date))
    return Batch.from_rows(
        METER_READING,
        [
            {
                "time": start + number * 1_800_000,
                "offset_min": 60,
                "duration_s": 1800,
                "value": [1250 + number, 2],
                "unit": "kWh",
                "quality": None,
            }
            for number in range(count)
        ],
    )


def columns_of(batch: Batch) -> Value:
    return {"schema": batch.schema.name, "columns": write_columns(batch), "count": len(batch)}


@dataclass(frozen=True)
class Items:
    """Items, and what is answered after them."""

    items: list[Value]
    done: Mapping[str, object]


@dataclass
class FakeNode:
    """Answers each operation from `answers`: a result, a list of items, or an error to raise.

    `calls` is what was asked, in order.
    """

    answers: dict[str, object] = field(default_factory=dict[str, object])
    calls: list[tuple[str, Mapping[str, Value]]] = field(
        default_factory=list[tuple[str, Mapping[str, Value]]]
    )

    async def call(
        self,
        op: str,
        args: Mapping[str, Value],
        on_item: Callable[[Value], None],
        on_progress: Callable[[Value], None],
    ) -> Value:
        self.calls.append((op, args))
        if op == "standing_told" and op not in self.answers:
            raise NotFound("nobody was asked for standing terms")
        # Nothing was asked by this node, can be chosen or is shared, nobody helps, unless a test
        # says so.
        answer = (
            self.answers.get(op, [])
            if op in ("asked", "choices", "shared", "helpers")
            else self.answers[op]
        )
        if isinstance(answer, NodeError):
            raise answer
        if isinstance(answer, Items):
            for item in answer.items:
                on_item(to_value(item))
            return to_value(answer.done)
        if isinstance(answer, list):
            for item in cast("list[object]", answer):
                on_item(to_value(item))
            return None
        return to_value(answer)

    def asked(self, op: str) -> Mapping[str, Value]:
        """The arguments of the last call of `op`."""
        return [args for name, args in self.calls if name == op][-1]


@dataclass
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class CommandLine:
    """Commands against a fake node."""

    def __init__(self, node: FakeNode, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.node = node
        self.home = home
        self._capsys = capsys

    def __call__(self, *tokens: str) -> Result:
        code = cli.main([*tokens, "--home", str(self.home)])
        captured = self._capsys.readouterr()
        return Result(code, captured.out, captured.err)


def standing(**changes: object) -> dict[str, object]:
    """The answers of a node with one peer, one request and one grant."""
    answers: dict[str, object] = {
        "status": STATUS,
        "peers": [PEER],
        "standing": UNKNOWN,
        "collections": [INFO],
        "inbox": [ASKED],
        "asked": [replace(ASKED, peer="alice")],
        "grants": [GIVEN],
        "decide": {"grant": GRANT},
        "encrypt_again": EncryptedAgain(0),
    }
    return {**answers, **changes}


def install(monkeypatch: pytest.MonkeyPatch, node: FakeNode, *, running: bool = True) -> None:
    """Have every command reach `node` (or find no node running)."""

    @asynccontextmanager
    async def connect(_: Path) -> AsyncGenerator[Client]:
        if not running:
            raise NotRunning("no node runs: start it with `entrenous up`")
        yield Client(node)

    monkeypatch.setattr(options, "connect", connect)

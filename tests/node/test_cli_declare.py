"""Declared data on the command line: words, exit codes, JSON, what is asked of the node."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from entrenous.node.cli.declare import USUAL_PATHS
from entrenous.node.push.token import PushToken
from entrenous.node.results.records import AllowanceInfo, RecordRemoved, RecordsAdded
from entrenous.protocol.cid import cid_of
from entrenous.protocol.collection import check_domain
from entrenous.protocol.columns import read_columns
from entrenous.protocol.day import start_ms
from entrenous.protocol.record import Batch
from entrenous.protocol.schema import SCHEMAS, schema_named
from entrenous.protocol.wire import Value
from entrenous.tests.node.cli_node import CommandLine, FakeNode, install, standing

BANK = "finance/accounts/transactions"
PAYMENT = ("--amount", "-12.50", "--currency", "EUR", "--label", "Market")
INFO = AllowanceInfo(
    "meter", cid_of(b"d"), "energy/electricity/index", "meter-reading/1", "did:key:zP",
    "did:key:zN", 4_000_000_000, 600, "live", 0, 0, None, None, 0, "/run/x.push", b"token",
)  # fmt: skip


class AddingNode(FakeNode):
    """A node that adds, and knows what it was told before."""

    async def call(
        self,
        op: str,
        args: Mapping[str, Value],
        on_item: Callable[[Value], None],
        on_progress: Callable[[Value], None],
    ) -> Value:
        if op == "add":
            batch = batch_of(args)
            names = list(batch.columns["id"]) if batch.schema.has_id else list(batch.times)
            there = tuple(at for at, name in enumerate(names) if name in self.names)
            self.names.update(names)
            self.answers["add"] = RecordsAdded(str(args["path"]), len(batch) - len(there), there)
        return await super().call(op, args, on_item, on_progress)

    names: set[object]


def batch_of(args: Mapping[str, Value]) -> Batch:
    columns, count = args["columns"], args["count"]
    assert isinstance(columns, bytes)
    assert isinstance(count, int)
    return read_columns(schema_named(str(args["schema"])), columns, 0, count)[0]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.setenv("TZ", "Europe/Paris")
    monkeypatch.chdir(tmp_path)
    time.tzset()
    node = AddingNode(standing())
    node.names = set()
    install(monkeypatch, node)
    return CommandLine(node, tmp_path, capsys)


@pytest.fixture(autouse=True)
def zone_again(monkeypatch: pytest.MonkeyPatch):
    yield
    monkeypatch.undo()
    time.tzset()


def added(run: CommandLine) -> dict[str, Value]:
    return batch_of(run.node.asked("add")).row(0)


def test_a_payment_is_added_as_it_was_told(run: CommandLine) -> None:
    done = run("add", "transaction", "--time", "2026-03-01", *PAYMENT)
    assert done.code == 0
    assert run.node.asked("add")["path"] == BANK
    record = added(run)
    assert record["amount"] == [-1250, 2]
    assert (record["time"], record["offset_min"]) == (start_ms(46_079) + 82_800_000, 60)
    assert f"entrenous remove {BANK} {record['id']}" in done.out


def test_the_same_again_is_said_and_once_more_is_another(run: CommandLine) -> None:
    told = ("add", "transaction", "--time", "2026-03-01", *PAYMENT)
    first = json.loads(run(*told, "--json").out)
    second = run(*told)
    assert (second.code, "was there already" in second.out) == (0, True)
    third = json.loads(run(*told, "--again", "--json").out)
    fourth = json.loads(run(*told, "--again", "--json").out)
    assert [first["state"], third["state"], fourth["state"]] == ["added"] * 3
    assert len({first["id"], third["id"], fourth["id"]}) == 3


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--time", "2026-03-29T02:30", *PAYMENT), "was put forward"),
        (("--time", "2026-10-25T02:30", *PAYMENT), "+02:00 or +01:00"),
        (("--amount", "-12,50", "--currency", "EUR"), "write -12.50"),
        (("--currency", "EUR"), "amount is missing"),
        ((*PAYMENT, "--into", "secrets/all"), "begins with one of"),
        ((*PAYMENT, "--from-json", "-"), "in the file and not in options"),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
def test_what_cannot_be_meant_is_wrong_usage(
    run: CommandLine, given: tuple[str, ...], sentence: str
) -> None:
    done = run("add", "transaction", *given)
    assert done.code == 2
    assert sentence in done.err
    assert not run.node.calls


def test_a_duration_is_told_as_people_do(run: CommandLine) -> None:
    run("add", "meter-reading", "--value", "1.5", "--unit", "kWh", "--duration", "30m")
    assert added(run)["duration_s"] == 1_800
    done = run("add", "meter-reading", "--value", "1", "--unit", "kWh", "--duration", "soon")
    assert done.code == 2


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda schema: schema.name)
def test_every_schema_has_a_command_with_its_fields(run: CommandLine, schema: object) -> None:
    for one in SCHEMAS.values():
        if one is not schema:
            continue
        shown = run("add", one.name.partition("/")[0], "--help").out
        for field in one.fields:
            name = {"offset_min": "time", "duration_s": "duration"}.get(field.name, field.name)
            assert f"--{name.replace('_', '-')} " in shown
        check_domain(USUAL_PATHS[one.name])


def lines(run: CommandLine, *more: str, text: str) -> tuple[int, list[dict[str, object]], str]:
    (run.home / "in.jsonl").write_text(text)
    done = run("add", "transaction", "--from-json", "in.jsonl", "--json", *more)
    return done.code, [json.loads(line) for line in done.out.splitlines()], done.err


GOOD = '{"time":"2026-03-01","amount":"-1.00","currency":"EUR","label":"a"}\n'


def test_many_lines_each_for_itself(run: CommandLine) -> None:
    text = GOOD + GOOD + "\n" + GOOD.replace("EUR", "") + "x\n" + GOOD.replace('"a"', '"b"')
    code, told, err = lines(run, text=text)
    assert code == 1
    states = {one["line"]: one["state"] for one in told}
    assert states == {1: "added", 2: "added", 4: "refused", 5: "refused", 6: "added"}
    assert "line 4 is left out: currency" in err
    code, told, _ = lines(run, text=GOOD + GOOD)
    assert (code, [one["state"] for one in told]) == (0, ["there", "there"])


def test_all_or_none(run: CommandLine) -> None:
    code, told, err = lines(run, "--all-or-none", text=GOOD + "x\n")
    assert (code, told) == (1, [])
    assert "nothing was added: line 2" in err
    assert not run.node.calls
    code, told, _ = lines(run, "--all-or-none", text=GOOD)
    assert (code, len(told)) == (0, 1)


def test_removing_names_a_record(run: CommandLine) -> None:
    run.node.answers["remove"] = RecordRemoved(BANK, "abcdef", 0)
    assert run("remove", BANK, "abcdef").code == 0
    assert run.node.asked("remove")["id"] == "abcdef"
    path = "energy/electricity/load-curve"  # holds readings: they go by their time
    run.node.answers["remove"] = RecordRemoved(path, None, 0)
    assert run("remove", path, "2026-03-01T10:00Z").code == 0
    assert run.node.asked("remove")["t_ms"] == start_ms(46_080) + 36_000_000


def test_allowing_writes_a_token_for_its_owner_only(run: CommandLine) -> None:
    from entrenous.crypto.entropy import SeededEntropy
    from entrenous.crypto.keys import DeviceKey
    from entrenous.protocol.did import did_of
    from entrenous.protocol.push import issue_allowance
    from entrenous.protocol.schema import METER_READING

    made = issue_allowance(
        DeviceKey.generate(SeededEntropy(b"d")), did_of(b"p" * 32),
        INFO.path, METER_READING, exp_s=INFO.exp_s, nonce=b"n" * 16,
    )  # fmt: skip
    from dataclasses import replace

    run.node.answers["allow"] = replace(INFO, delegation=made.delegation.raw)
    done = run("allow", "meter", "--add", INFO.path, "--schema", "meter-reading",
               "--rate", "60/min", "--until", "2027-01-31")  # fmt: skip
    assert done.code == 0, done.err
    asked = run.node.asked("allow")
    assert (asked["schema"], asked["per_minute"]) == ("meter-reading/1", 60)
    path = run.home / "meter.token"
    assert path.stat().st_mode & 0o777 == 0o600
    token = PushToken.read(path)
    assert token.program == asked["program"]
    assert "key" not in done.out
    assert token.text().split('"key": "')[1][:20] not in done.out + done.err
    again = run("allow", "meter", "--add", INFO.path)
    assert (again.code, "there already" in again.err) == (1, True)
    assert run("allow", "m", "--add", INFO.path, "--rate", "fast").code == 2


def test_a_refused_allowance_leaves_no_token(run: CommandLine) -> None:
    from entrenous.node.errors import NodeError

    run.node.answers["allow"] = NodeError("meter may push already")
    assert run("allow", "meter", "--add", INFO.path).code == 1
    assert not (run.home / "meter.token").exists()


def test_programs_are_listed_and_ended(run: CommandLine) -> None:
    run.node.answers["allowed"] = [INFO]
    assert json.loads(run("allowed", "--json").out)["name"] == "meter"
    assert "at most 600 a minute" in run("allowed").out
    run.node.answers["disallow"] = INFO
    assert run("disallow", "meter").code == 0


def test_pushing_needs_a_token(run: CommandLine) -> None:
    (run.home / "t").write_text("{}")
    (run.home / "t").chmod(0o600)
    assert run("push", "--token", "t").code == 2
    assert run("push", "--token", "none").code == 1

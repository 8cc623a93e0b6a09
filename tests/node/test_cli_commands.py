"""Commands against a node that answers from a table: words, exit codes, JSON, what is asked."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from entrenous.node.cli.commands import COMMANDS, command_names, overview
from entrenous.node.cli.names import short
from entrenous.node.cli.shapes import SHAPES, as_markdown
from entrenous.node.errors import Away, NodeError, Refused
from entrenous.node.results.deliveries import Delivered, DeliveryState
from entrenous.node.results.grants import EncryptedAgain, Revoked, RevokedBefore
from entrenous.node.results.history import HistoryEvent, Renewed
from entrenous.node.results.log import CheckpointInfo, ForkInfo, LogSummary, WitnessInfo
from entrenous.node.results.node import BackedUp, Invoked
from entrenous.node.results.peers import Invitation, Paired
from entrenous.node.results.reads import Source
from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.duty import Duty
from entrenous.protocol.terms import Clause, Force
from entrenous.protocol.window import Window
from entrenous.tests.node.cli_node import (
    ASKED,
    FIRST,
    GIVEN,
    GRANT,
    INFO,
    LAST,
    OTHER_GRANT,
    PATH,
    PEER,
    REQUEST,
    TERMS,
    CommandLine,
    FakeNode,
    Items,
    columns_of,
    install,
    readings,
    standing,
)

ID = short(REQUEST)
DELIVERED = Delivered(
    cid_of(b"s"), PATH, "alice", 3, FIRST, FIRST, 1, DeliveryState.STORED, None
)  # fmt: skip


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.setenv("TZ", "UTC")
    node = FakeNode(standing())
    install(monkeypatch, node)
    return CommandLine(node, tmp_path, capsys)


# --- deciding -------------------------------------------------------------------------------------


def test_a_grant_shows_what_is_asked_and_what_is_given(run: CommandLine) -> None:
    done = run("decide", ID, "grant", "--from", "2025-03-01", "--to", "2025-03-30", "--utc")
    assert done.code == 0
    assert "Providing a service (dpv:ServiceProvision)" in done.out
    assert "no resale (promised" in done.out
    assert "2025-03-01 to 2025-03-30 (30 days)" in done.out
    asked = run.node.asked("decide")
    first = Window(PATH, FIRST + 59, FIRST + 88)
    assert asked["windows"] == [first.value()]
    assert asked["request"] == REQUEST


def test_days_that_were_not_asked_for_are_not_given(run: CommandLine) -> None:
    run("decide", ID, "grant", "--from", "2024-06-01", "--to", "2025-01-02", "--utc")
    assert run.node.asked("decide")["windows"] == [[PATH, FIRST, FIRST + 1]]
    done = run("decide", ID, "grant", "--from", "2024-06-01", "--to", "2024-06-02", "--utc")
    assert done.code == 2
    assert "none of these days were asked for" in done.err


def test_local_days_leave_hours_out_and_say_so(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        options = ("--from", "2025-03-01", "--to", "2025-03-30", "--json")
        done = run("decide", ID, "grant", *options)
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
    out = json.loads(done.out)
    assert out["windows"] == [{"collection": PATH, "first": "2025-03-01", "last": "2025-03-29"}]
    # the clock is put forward on the 30th, so of that day 22 hours and not 23 are lost
    assert out["left_out"] == ["2025-03-01 00:00 to 01:00", "2025-03-30 01:00 to 24:00"]


def test_a_category_is_what_the_vault_has_in_it(run: CommandLine) -> None:
    run.node.answers["inbox"] = [replace(ASKED, items=(Window("energy", FIRST, LAST),))]
    run("decide", ID, "grant")
    assert run.node.asked("decide")["windows"] == [[PATH, FIRST, LAST]]


class _Terminal:
    """A terminal on which the person types `line`."""

    def __init__(self, line: str) -> None:
        self._line = line

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._line


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_on_a_terminal_the_person_is_asked(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal(typed))
    done = run("decide", ID, "grant")
    assert done.code == code
    assert "[y/N]" in done.err
    assert ("decide" in [op for op, _ in run.node.calls]) is (code == 0)


def test_yes_asks_nobody(run: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal("n\n"))
    assert run("decide", ID, "grant", "--yes").code == 0


def test_a_refusal_tells_its_reason(run: CommandLine) -> None:
    assert run("decide", ID, "refuse", "--reason", "not now").code == 0
    assert run.node.asked("decide")["reason"] == "not now"
    assert run.node.asked("decide")["grant"] is False


@pytest.mark.parametrize(
    ("tokens", "code"),
    [
        (("decide", ID, "refuse", "--from", "2025-01-01"), 2),
        (("decide", ID, "grant", "--reason", "x"), 2),
        (("decide", ID, "maybe"), 2),
        (("decide", ID[:4], "grant"), 2),
        (("decide", "zzzzzzzz", "grant"), 3),
        (("decide", ID, "grant", "--collection", "finance/accounts"), 2),
        (("grants", "nobody"), 3),
        (("revoke", "zzzzzzzz"), 3),
        (("read", PATH, "--from", "yesterday"), 2),
        (("read",), 2),
        (("invoke", "volt"), 2),
        (("ask", "volt", "--from", "2025-01-01", "--to", "2025-01-02", "--purpose", "dpv:X"), 2),
        (("nothing-like-this",), 2),
        (("status", "--colour"), 2),
    ],
)
def test_wrong_usage(run: CommandLine, tokens: tuple[str, ...], code: int) -> None:
    done = run(*tokens)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("entrenous: ")
    assert "Traceback" not in done.err


def test_a_request_that_was_decided_stays_so(run: CommandLine) -> None:
    run.node.answers["inbox"] = [replace(ASKED, state="granted", grant=GRANT)]
    assert "granted already" in run("decide", ID, "grant").err


# --- taking back ----------------------------------------------------------------------------------


def test_revoking_says_what_stays_readable(run: CommandLine) -> None:
    other = replace(GIVEN, id=OTHER_GRANT, windows=(Window(PATH, FIRST + 10, FIRST + 12),))
    run.node.answers["grants"] = [GIVEN, other]
    run.node.answers["revoke"] = Revoked((cid_of(b"r"),), 1, (OTHER_GRANT,), (), (GRANT,))
    done = run("revoke", short(GRANT))
    assert done.code == 0
    assert "Still readable by the same peer" in done.out
    assert "2025-01-11 to 2025-01-13 (3 days)" in done.out
    assert run.node.asked("revoke") == {"grant": GRANT, "peer": None}


def test_a_peer_is_revoked_by_name(run: CommandLine) -> None:
    run.node.answers["revoke"] = Revoked((cid_of(b"r"),), 0, (), (), (GRANT,))
    done = run("revoke", "volt")
    assert "Nothing of these days remains readable" in done.out
    assert run.node.asked("revoke") == {"grant": None, "peer": "volt"}


def test_of_what_was_taken_back_before_it_is_said_when_and_nothing_changes(
    run: CommandLine,
) -> None:
    before = RevokedBefore(GRANT, 1_767_225_600_000)
    run.node.answers["revoke"] = Revoked((), 0, (), before=(before,))
    done = run("revoke", short(GRANT))
    assert done.code == 0
    assert f"{short(GRANT)} was taken back from volt already, 2026-01-01 00:00" in done.out
    assert "Nothing was changed." in done.out
    assert "Taken back from" not in done.out
    told = json.loads(run("revoke", short(GRANT), "--json").out)
    assert (told["revocations"], told["grants"]) == ([], [])
    assert told["before"] == [{"grant": cid_text(GRANT), "ended_ms": 1_767_225_600_000}]
    run.node.answers["encrypt_again"] = EncryptedAgain(7)
    assert "7 pages encrypted again, which had been cut short." in run("revoke", short(GRANT)).out


def test_what_was_taken_back_before_may_have_gone_on_in_another(run: CommandLine) -> None:
    run.node.answers["grants"] = [GIVEN, replace(GIVEN, id=OTHER_GRANT)]
    run.node.answers["revoke"] = Revoked(
        (cid_of(b"r"),), 0, (), grants=(OTHER_GRANT,), before=(RevokedBefore(GRANT, None),)
    )
    done = run("revoke", short(GRANT))
    assert f"{short(GRANT)} was taken back from volt already (" in done.out
    assert f"Taken back from volt: {short(OTHER_GRANT)} (" in done.out
    assert "Nothing was changed." not in done.out


def test_what_terms_want_encrypted_again_is_said_however_fast_it_went(run: CommandLine) -> None:
    run.node.answers["revoke"] = Revoked((cid_of(b"r"),), 0, (), (), (GRANT,))
    assert "encrypted again" not in run("revoke", short(GRANT)).out
    again = replace(TERMS, clauses=(Clause(Duty.ENCRYPT_AGAIN.value, Force.ENFORCED),))
    run.node.answers["grants"] = [replace(GIVEN, terms=again)]
    for pages in (0, 7):  # the node may have done some, or all, before it is asked
        run.node.answers["encrypt_again"] = EncryptedAgain(pages)
        assert "encrypted again, as its terms say" in run("revoke", short(GRANT)).out


def test_who_stops_waiting_has_read_that_it_is_taken_back(run: CommandLine) -> None:
    run.node.answers["revoke"] = Revoked((cid_of(b"r"),), 0, (), (), (GRANT,))
    run.node.answers["encrypt_again"] = NodeError("the node was stopped")
    done = run("revoke", short(GRANT))
    assert done.code == 1
    assert "Taken back from volt" in done.out


# --- asking and reading ---------------------------------------------------------------------------


def test_asking_sends_the_terms_of_the_file(run: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "terms.yaml"
    file.write_text("retention_days: 7\nclauses:\n  - promised: no resale\n")
    run.node.answers["ask"] = {"request": REQUEST}
    done = run(
        "ask", "alice", PATH, "--from", "2025-01-01", "--to", "2025-01-31", "--utc",
        "--purpose", "dpv:Billing", "--terms", str(file), "--until", "2030-01-31", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    asked = run.node.asked("ask")
    assert asked["items"] == [[PATH, FIRST, FIRST + 30]]
    assert asked["terms"] == {
        "purpose": "dpv:Billing",
        "retention_days": 7,
        "recipients": [],
        "remuneration": None,
        "clauses": [["no resale", "promised"]],
    }
    assert asked["exp_s"] == 1_896_134_400
    assert json.loads(done.out)["request"] == cid_text(REQUEST)


FETCHED: dict[str, object] = {
    "schema": "meter-reading/1",
    "pages": 1,
    "bytes": 2048,
    "windows": 1,
    "provenance": [Source(cid_of(b"s"), "did:key:z6MkSource", FIRST, FIRST, True, None)],
    "damaged": [],
}


def test_fetching_without_days_reads_what_is_granted(run: CommandLine) -> None:
    run.node.answers["grants"] = [replace(GIVEN, side="held", peer="alice")]
    run.node.answers["fetch"] = Items([columns_of(readings("2025-01-01", 2))], FETCHED)
    done = run("fetch", "alice", PATH)
    assert done.code == 0
    assert run.node.asked("fetch")["first"] == FIRST
    assert run.node.asked("fetch")["last"] == FIRST + 29
    assert "verified: statement" in done.err
    assert len(done.out.splitlines()) == 3


def test_a_refused_fetch_says_what_may_be_read(run: CommandLine) -> None:
    run.node.answers["grants"] = [replace(GIVEN, side="held", peer="alice")]
    run.node.answers["fetch"] = Refused("alice refuses: more than granted", "days")
    days = ("--from", "2025-01-01", "--to", "2025-02-01", "--utc")
    done = run("fetch", "alice", PATH, *days, "--json")
    assert (done.code, done.out) == (4, "")
    error = json.loads(done.err)["error"]
    assert (error["exit"], error["code"]) == (4, "days")
    assert "2025-01-01 to 2025-01-30 (30 days)" in error["sentence"]


def test_nothing_is_fetched_without_a_grant(run: CommandLine) -> None:
    assert run("fetch", "alice", PATH).code == 4


READ: dict[str, object] = {
    "schema": "meter-reading/1",
    "pages": 2,
    "conflicts": 0,
    "damaged": [],
}


def test_reading_ones_own_is_cut_to_the_hour(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    run.node.answers["read"] = Items([columns_of(readings("2025-01-01", 96))], READ)
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        done = run("read", PATH, "--from", "2025-01-02", "--to", "2025-01-02", "--format", "json")
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
    asked = {"path": PATH, "first": FIRST, "last": FIRST + 1, "people": None}
    assert run.node.asked("read") == asked
    times = [json.loads(line)["time"] for line in done.out.splitlines()]
    assert (times[0], times[-1], len(times)) == (
        "2025-01-01T23:00:00Z",
        "2025-01-02T22:30:00Z",
        48,
    )


def test_a_damaged_page_is_named_and_the_rest_printed(run: CommandLine) -> None:
    damaged = {**READ, "damaged": ["the page of 2025-01-02 was altered"]}
    run.node.answers["read"] = Items([columns_of(readings("2025-01-01", 2))], damaged)
    done = run("read", PATH)
    assert done.code == 1
    assert len(done.out.splitlines()) == 3
    assert "was altered" in done.err


@pytest.mark.parametrize(
    ("state", "code"),
    [(DeliveryState.STORED, 0), (DeliveryState.QUEUED, 5), (DeliveryState.REFUSED, 1)],
)
def test_a_delivery_that_waits_has_its_own_exit_code(
    run: CommandLine, state: DeliveryState, code: int
) -> None:
    run.node.answers["deliver"] = [replace(DELIVERED, state=state)]
    assert run("deliver", "march.ofx", "--to", "alice").code == code


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [(NodeError("no"), 1), (Refused("no", "revoked"), 4), (Away("no"), 5)],
)
def test_each_error_has_its_exit_code(run: CommandLine, error: NodeError, code: int) -> None:
    run.node.answers["peers"] = error
    done = run("peers")
    assert (done.code, done.out, done.err) == (code, "", "entrenous: no\n")


@pytest.mark.parametrize("tokens", [("invite",), ("pair", "entrenous:x"), ("fetch", "a", PATH)])
def test_what_needs_the_network_says_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    tokens: tuple[str, ...],
) -> None:
    install(monkeypatch, FakeNode(), running=False)
    (tmp_path / "keystore").touch()
    done = CommandLine(FakeNode(), tmp_path, capsys)(*tokens)
    assert done.code == 1
    assert "entrenous up" in done.err


def test_without_a_home_init_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, FakeNode(), running=False)
    done = CommandLine(FakeNode(), tmp_path, capsys)("peers")
    assert (done.code, "entrenous init" in done.err) == (1, True)


def test_a_name_cannot_move_the_cursor(run: CommandLine) -> None:
    run.node.answers["peers"] = [replace(PEER, name="bank\x1b[2J\nroot")]
    run.node.answers["inbox"] = [replace(ASKED, peer="\x1b]0;x\x07", refusal="a\r\x1b[1A")]
    for tokens in (("peers",), ("inbox",), ("inbox", ID)):
        done = run(*tokens)
        assert done.code == 0
        assert "\x1b" not in done.out + done.err
        assert "\r" not in done.out + done.err


# --- the past, and how long a grant goes on -------------------------------------------------------


def test_who_says_in_words_what_shows_it(run: CommandLine) -> None:
    run.node.answers["who"] = [
        replace(READ_ONCE, what="may-read", pages=None, bytes=None),
        READ_ONCE,
    ]
    done = run("who", PATH)
    assert done.code == 0
    assert "May read it now" in done.out
    assert "log 7, 8" in done.out
    assert "30 pages" in done.out
    run.node.answers["who"] = []
    assert "Nobody may read it now." in run("who", PATH).out


def test_history_is_cut_to_the_times_asked_for(run: CommandLine) -> None:
    run.node.answers["history"] = [READ_ONCE, replace(READ_ONCE, within=False)]
    done = run("history", "volt", "--from", "2023-01-01")
    assert "1 read did not lie within a grant" in done.out
    assert "Nothing has happened" in run("history", "volt", "--from", "2024-01-01").out
    assert run("history", "volt", "--from", "someday").code == 2


@pytest.mark.parametrize(
    "tokens",
    [
        (),
        ("--never", "--until", "2030-01-01"),
        ("--until", "2030-01-01", "--each", "3"),
        ("--until", "2030-01-01", "--always", "--each", "0"),
    ],
)
def test_a_renewal_that_says_too_little_or_too_much(
    run: CommandLine, tokens: tuple[str, ...]
) -> None:
    assert run("renew", short(GRANT), *tokens).code == 2


def test_grants_as_of_asks_for_that_moment(run: CommandLine) -> None:
    assert run("grants", "--as-of", "2026-03-01T18:30Z").code == 0
    assert run.node.asked("grants")["at_ms"] == 1_772_389_800_000
    assert run("grants", "--as-of", "later").code == 2


# --- JSON and docs --------------------------------------------------------------------------------

READ_ONCE = HistoryEvent(
    1_700_000_000_000, "read", "given", "volt", GIVEN.windows, GIVEN.purpose, GRANT,
    pages=30, bytes=61_440, within=True, delete_by_ms=1_702_592_000_000, log=("7", "8"),
)  # fmt: skip
ANSWERS: dict[str, object] = {
    "revoke": Revoked((cid_of(b"r"),), 0, (), (), (GRANT,)),
    "ask": {"request": REQUEST},
    "invite": Invitation("entrenous:link", 4_000_000_000),
    "pair": Paired("alice", "did:key:z6Mk"),
    "log": [],
    "log_verify": LogSummary(0, 3, bytes(32), 1, 0, 2, 0),
    "log_checkpoint": CheckpointInfo("note\n", 64, "00", True, ("ann",)),
    "witnesses": [WitnessInfo("ann", "ours", "witness", 64, 1_700_000_000_000, None, 0, None)],
    "log_forks": [ForkInfo("ben", "fork", 1_700_000_000_000, "kept\n", "shown\n")],
    "backup": BackedUp("/tmp/x", 3),
    "invoke": Invoked(b"token", "ok", {"n": 1, "raw": b"\x00"}),
    "read": Items([columns_of(readings("2025-01-01", 2))], READ),
    "fetch": Items([columns_of(readings("2025-01-01", 2))], FETCHED),
    "deliver": [DELIVERED],
    "keep": None,
    "who": [READ_ONCE],
    "history": [READ_ONCE],
    "renew": Renewed(OTHER_GRANT, GRANT, None, GIVEN.windows, 4_000_000_000, None),
}
AS_JSON = {
    "status": (),
    "peers": (),
    "collections": (),
    "inbox": (),
    "asked": (),
    "grants": (),
    "invite": (),
    "pair": ("entrenous:link",),
    "decide": (ID, "grant"),
    "revoke": ("volt",),
    "keep": (short(GRANT),),
    "who": (PATH,),
    "history": ("volt",),
    "renew": (short(GRANT), "--until", "2030-01-01", "--yes"),
    "log verify": (),
    "log checkpoint": (),
    "log witnesses": (),
    "log forks": (),
    "backup": ("x",),
    "invoke": ("volt", "/grant/revoke"),
    "read": (PATH,),
    "fetch": ("volt", PATH, "--from", "2025-01-01", "--to", "2025-01-02"),
    "deliver": ("x.ofx", "--to", "alice"),
    "ask": ("volt", PATH, "--from", "2025-01-01", "--to", "2025-01-09", "--purpose", "dpv:Billing"),
}  # fmt: skip


@pytest.mark.parametrize("name", AS_JSON)
def test_json_has_exactly_the_documented_keys(run: CommandLine, name: str) -> None:
    run.node.answers |= ANSWERS
    done = run(*name.split(), *AS_JSON[name], "--json")
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert len(lines) == 1
    assert lines[0].keys() == SHAPES[name].keys.keys()


def test_the_docs_list_the_keys_that_are_printed(request: pytest.FixtureRequest) -> None:
    docs = (request.config.rootpath / "docs" / "cli.md").read_text()
    assert as_markdown() in docs, "run python -m entrenous.node.cli.shapes and paste it in"
    for name in command_names():
        assert f"entrenous {name}" in docs, f"docs/cli.md does not show `entrenous {name}`"


def test_every_command_has_help_with_an_example(
    run: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    from entrenous.node import cli

    for name in command_names():
        assert cli.main([name, "--help"]) == 0
        shown = capsys.readouterr().out
        assert "Example: entrenous" in shown, name
        assert "--json" in shown, name


def test_the_overview_fits_a_terminal_and_names_every_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from entrenous.node import cli

    assert cli.main([]) == cli.main(["--help"]) == 0
    assert capsys.readouterr().out == f"{overview()}\n" * 2
    lines = overview().splitlines()
    assert max(map(len, lines)) <= 80
    for commands in COMMANDS.values():
        for name, _, line in commands:
            assert any(name in shown and line in shown for shown in lines)


def test_the_collection_table(run: CommandLine) -> None:
    assert "96" in run("collections").out
    run.node.answers["collections"] = [replace(INFO, first=None, last=None, records=0)]
    assert run("collections").code == 0

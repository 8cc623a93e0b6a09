"""`card`, `vouch`, `peers --ask`, and how a peer is known where a person decides."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from entrenous.node.cli.shapes import SHAPES
from entrenous.node.cli.standing_words import standing_in_words
from entrenous.node.errors import NotAllowed
from entrenous.node.results.peers import (
    CardInfo,
    CardVersion,
    Level,
    Paired,
    StandingInfo,
    VouchAnswer,
    VouchInfo,
)
from entrenous.protocol.card import Change, card_from_mapping
from entrenous.tests.node.cli_node import (
    ASKED,
    PEER,
    UNKNOWN,
    CommandLine,
    FakeNode,
    install,
    standing,
)
from entrenous.tests.protocol.card_samples import DID, WRITTEN

CARD = card_from_mapping(WRITTEN, did=DID, n=3, t_ms=1_700_000_000_000, name="x")
CHANGED = CardVersion(3, 1_700_000_000_000, (Change("earns", "Fees.", "It sells data."),))
KNOWN = StandingInfo(Level.DOMAIN, "example.org", ("ann", "ben"), None, ())
INFO = CardInfo("bank", CARD, b"c" * 36, (CardVersion(1, 1, ()), CHANGED), KNOWN)
IMITATOR = StandingInfo(Level.UNKNOWN, None, (), "its card names no domain", ("My bank",))

YAML = """
name: Example Bank
domain: Example.ORG
who: {legal_name: Example Bank plc}
earns: Fees.
incidents:
  - {date: 2026-03-01, what: Letters went astray., people: 120, done: All told.}
"""
TOML = """
name = "Example Bank"
domain = "example.org"
earns = "Fees."
[who]
legal_name = "Example Bank plc"
[[incidents]]
date = 2026-03-01
what = "Letters went astray."
people = 120
done = "All told."
"""


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    node = FakeNode(
        standing(
            card=INFO,
            set_card=replace(INFO, peer=None, standing=None),
            well_known={"domain": "example.org", "document": '{"v": 1}\n'},
            vouch=VouchInfo("bank", DID, 1, ("ann",)),
            vouches=[VouchInfo("bank", DID, 1, ("ann",))],
            withdraw_vouch=None,
            acquaintances=["ann", "bank", "ben"],
            ask_vouches=[VouchAnswer("ann", True, None), VouchAnswer("ben", False, "away")],
            check_domains=None,
            pair=Paired("bank", DID),
        )
    )
    install(monkeypatch, node)
    return CommandLine(node, tmp_path, capsys)


def test_a_card_is_shown_whole(run: CommandLine) -> None:
    done = run("card", "bank")
    assert done.code == 0, done.err
    for words in (
        "known by domain example.org, vouched by 2 peers you know",
        "vouched by ann, ben",
        "Example Bank plc",
        "finance/accounts: Every transaction",
        "Fraud scores: Who knows them can get around them.",
        "Example Hosting (FR)",
        "2026-03-01: Letters went astray. (people: 120)",
        "1 thing changed then",
    ):
        assert words in done.out, words


def test_what_changed_is_shown(run: CommandLine) -> None:
    done = run("card", "bank", "--changes")
    assert "earns: Fees., now: It sells data." in done.out
    run.node.answers["card"] = replace(INFO, versions=(CardVersion(1, 1, ()),))
    assert "the same since" in run("card", "bank", "--changes").out


@pytest.mark.parametrize(
    ("tokens", "shape"),
    [
        (("card", "bank"), "card"),
        (("card", "show"), "card"),
        (("card", "show", "bank"), "card"),
        (("card", "well-known"), "card well-known"),
        (("vouch", "bank"), "vouch"),
        (("vouch",), "vouch (list)"),
        (("vouch", "bank", "--withdraw"), "vouch --withdraw"),
        (("peers", "--check"), "peers"),
        (("peers", "--ask", "bank"), "peers"),
        (("pair", "entrenous:x"), "pair"),
    ],
)
def test_json_has_exactly_the_documented_keys(
    run: CommandLine, tokens: tuple[str, ...], shape: str
) -> None:
    done = run(*tokens, "--json")
    assert done.code == 0, done.err
    (line,) = done.out.splitlines()
    assert json.loads(line).keys() == SHAPES[shape].keys.keys()


@pytest.mark.parametrize(("ending", "text"), [("yaml", YAML), ("toml", TOML)])
def test_a_card_is_written_in_a_file(run: CommandLine, ending: str, text: str) -> None:
    file = run.home / f"card.{ending}"
    file.write_text(text)
    done = run("card", "check", str(file))
    assert done.code == 0, done.err
    assert "2026-03-01: Letters went astray." in done.out
    assert not run.node.calls
    assert run("card", "set", str(file)).code == 0
    written = run.node.asked("set_card")["card"]
    assert isinstance(written, dict)
    assert written["domain"] == "example.org"
    checked = run("card", "check", str(file), "--json")
    assert json.loads(checked.out).keys() == SHAPES["card check"].keys.keys()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("earns: Fees.", "who is missing"),
        (YAML + "phone: 1", "'phone' is not known"),
        (YAML + "earns: Twice.", "given twice"),
        (YAML.replace("Example.ORG", "router.local"), "public internet"),
        (YAML.replace("Example.ORG", "http://x"), "not a domain|a domain is"),
        ("- a", "does not hold a card"),
        ("a: [", "cannot be understood"),
    ],
)
def test_a_slip_in_a_file_is_one_sentence(run: CommandLine, text: str, says: str) -> None:
    file = run.home / "card.yaml"
    file.write_text(text)
    done = run("card", "set", str(file))
    assert done.code == 2
    assert any(one in done.err for one in says.split("|")), done.err
    assert not run.node.calls


def test_the_document_is_printed_as_it_is_published(run: CommandLine) -> None:
    done = run("card", "well-known")
    assert done.out == '{"v": 1}\n'
    assert "https://example.org/.well-known/entrenous" in done.err
    run.node.answers["well_known"] = NotAllowed("only an organisation")
    assert run("card", "well-known").code == 4


def test_who_will_be_told_or_asked_is_said_first(run: CommandLine) -> None:
    done = run("vouch", "bank")
    assert "ann, ben will be told that you know bank" in done.out
    assert run.node.asked("vouch") == {"peer": "bank", "to": ["ann", "ben"]}
    run("vouch", "bank", "--to", "ann")
    assert run.node.asked("vouch")["to"] == ["ann"]
    done = run("peers", "--ask", "bank", "--of", "ann")
    assert "ann will be asked; who knows bank learns that you meet it" in done.out
    assert run.node.asked("ask_vouches") == {"peer": "bank", "of": ["ann"]}
    assert "ben: away" in done.err
    assert run("peers", "--of", "ann").code == run("vouch", "--withdraw").code == 2
    run.node.answers["acquaintances"] = ["bank"]
    assert run("vouch", "bank").code == run("peers", "--ask", "bank").code == 2


def test_how_a_peer_is_known_is_shown_before_anything_is_granted(run: CommandLine) -> None:
    run.node.answers["inbox"] = [replace(ASKED, standing=IMITATOR)]
    from entrenous.node.cli.names import short

    for tokens in (
        ("inbox", short(ASKED.id)),
        ("decide", short(ASKED.id), "grant"),
        ("decide", short(ASKED.id), "refuse"),
    ):
        if tokens[-1] == "refuse":
            run.node.answers["decide"] = {"grant": None}
        done = run(*tokens)
        assert "unknown" in done.out, done
        assert "its name may be taken for that of My bank" in done.out
    assert "unknown; looks like My bank" in run("inbox").out
    run.node.answers["peers"] = [replace(PEER, standing=KNOWN)]
    assert "known by domain example.org" in run("peers").out


def test_pairing_says_who_was_met(run: CommandLine) -> None:
    run.node.answers["standing"] = KNOWN
    done = run("pair", "entrenous:x")
    assert "known by domain example.org" in done.out
    assert isinstance(run.node.asked("standing")["wait_ms"], int)


def test_the_words_never_say_more_than_was_shown() -> None:
    assert standing_in_words(None) == standing_in_words(UNKNOWN) == "unknown"
    one = StandingInfo(Level.VOUCHED, None, ("ann",), "why", ())
    assert standing_in_words(one) == "vouched by 1 peer you know"
    mixed = replace(KNOWN, domain="xn--pypal-4ve.com", vouchers=())
    assert "mixes scripts" in standing_in_words(mixed)
    for words in map(standing_in_words, (KNOWN, one, mixed)):
        assert "verified" not in words

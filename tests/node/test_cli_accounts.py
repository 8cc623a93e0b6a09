"""`entrenous accounts` in words and as JSON; paid terms say what they are for, everywhere."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from entrenous.node.cli.names import short
from entrenous.node.cli.shapes import SHAPES
from entrenous.node.results.accounts import (
    AccountDifference,
    AccountInfo,
    AccountLine,
    CreditorInfo,
    GrantOwed,
    InvoiceInfo,
    PaidTermsInfo,
    PayeeInfo,
    PaymentInfo,
    TransferInfo,
)
from entrenous.protocol.remuneration import LICENCE, Per, Remuneration
from entrenous.tests.node.cli_node import (
    ASKED,
    GIVEN,
    GRANT,
    INFO,
    REQUEST,
    TERMS,
    CommandLine,
    FakeNode,
    install,
)

Run = Callable[..., tuple[int, str, str]]
IBAN = "FR7630006000011234567890189"
T_MS = 1_767_225_600_000
MONTHLY = Remuneration(250, "EUR", Per.MONTH, 3000)
PAYMENT = PaymentInfo(
    REQUEST, "", "volt", "to-me", "4.00", "EUR", "for March", "heard", "", T_MS
)  # fmt: skip  # one line a kind of thing
INVOICE = InvoiceInfo(
    GRANT, T_MS, "6.00", "Ann", IBAN, True, "4.00", "0.00",
    (AccountDifference(GRANT, 4, "10.00", 3, "7.50"),), PayeeInfo("Ann", IBAN, GRANT, T_MS, False),
)  # fmt: skip  # as above
ACCOUNT = AccountInfo(
    "volt", "to-me", "EUR", "10.00", "0.00", "4.00", "10.00",
    (GrantOwed(GRANT, MONTHLY, 4, "10.00", 2, T_MS),), (PAYMENT,), INVOICE,
)  # fmt: skip  # as above
LINE = AccountLine("volt", "to-me", GRANT, T_MS, 1, "2.50", "EUR", REQUEST)
TRANSFER = TransferInfo(
    "volt", "by-me", "Ann", IBAN, "10.00", "EUR", "entrenous 5hr7q2ka",
    f"BCD\n002\n1\nSCT\n\nAnn\n{IBAN}\nEUR10.00\n\n\nentrenous 5hr7q2ka",
)  # fmt: skip  # as above


class Terminal(io.StringIO):
    """Standard input of a person at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> FakeNode:
    node = FakeNode(
        {
            "accounts": [ACCOUNT],
            "account_lines": [LINE],
            "account_paid": PAYMENT,
            "account_answer": replace(PAYMENT, state="confirmed"),
            "invoice": INVOICE,
            "transfer": TRANSFER,
            "creditor": CreditorInfo("Ann", IBAN),
            "set_creditor": CreditorInfo("Ann", IBAN),
            "paid_terms": PaidTermsInfo(True, 0),
            "set_paid_terms": PaidTermsInfo(False, 2),
        }
    )
    install(monkeypatch, node)
    return node


@pytest.fixture
def run(node: FakeNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    line = CommandLine(node, tmp_path, capsys)

    def told(*words: str) -> tuple[int, str, str]:
        done = line(*words)
        return done.code, done.out, done.err

    return told


def test_what_is_owed_line_by_line(node: FakeNode, run: Run) -> None:
    code, out, _ = run("accounts", "volt")
    assert code == 0
    for said in (
        "volt owes you 10.00 EUR: 10.00 became owed, 0.00 is paid",
        "2.50 EUR for each month begun, at most 30.00 EUR in all",
        "nothing more becomes owed since 2026-01-01",
        "2 windows went out and were never signed for: not counted",
        "2.50, by receipt",
        "4.00 EUR, heard",
        "for March",
        "`entrenous accounts confirm",
        "creditor 10.00 (4), debtor 7.50 (3)",
        "paid: creditor 4.00, debtor 0.00",
        LICENCE,
    ):
        assert said in out, said
    code, out, _ = run("accounts")
    assert "4.00 EUR is said to be paid, and waits for a word" in out


def test_nothing_is_owed_and_the_switch_is_said(node: FakeNode, run: Run) -> None:
    node.answers["accounts"] = []
    node.answers["paid_terms"] = PaidTermsInfo(False, 0)
    _, out, _ = run("accounts")
    assert "there is nothing to owe" in out
    assert "Paid terms are switched off" in out


@pytest.mark.parametrize(
    ("words", "shape", "op"),
    [(("accounts",), "accounts", "accounts"),
     (("accounts", "paid", "volt", "4", "eur", "--note", "x"), "accounts paid", "account_paid"),
     (("accounts", "confirm", short(REQUEST)), "accounts confirm", "account_answer"),
     (("accounts", "dispute", "bafyreiabc", "--reason", "x"), "accounts dispute", "account_answer"),
     (("accounts", "invoice", "volt", "--iban"), "accounts invoice", "invoice"),
     (("accounts", "qr", "volt", "10.00"), "accounts qr", "transfer"),
     (("accounts", "iban"), "accounts iban", "creditor"),
     (("accounts", "off"), "accounts off", "set_paid_terms"),
     (("accounts", "on"), "accounts on", "set_paid_terms")],
)  # fmt: skip  # a table
def test_json_has_the_keys_that_it_says(
    node: FakeNode, run: Run, words: tuple[str, ...], shape: str, op: str
) -> None:
    code, out, _ = run(*words, "--json")
    assert code == 0
    assert json.loads(out).keys() == SHAPES[shape].keys.keys()
    assert op in [name for name, _ in node.calls]
    code, out, _ = run(*words)
    assert code == 0
    assert out.strip()


def test_what_is_confirmed_is_shown_before_it_is_asked(
    node: FakeNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is final: nobody is asked to confirm an amount that they do not see, or nothing at all."""
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = run("accounts", "confirm", short(REQUEST))
    assert code == 1
    assert "volt says: paid 4.00 EUR, 2026-01-01 00:00: for March" in out
    assert "Nothing was said." in err
    ours = replace(PAYMENT, owed="by-me")
    node.answers["accounts"] = [replace(ACCOUNT, owed="by-me", payments=(ours,))]
    for words in (("zzzzzz",), (short(REQUEST),)):
        code, _, err = run("accounts", "confirm", *words)
        assert code == 3
        assert "[y/N]" not in err
    assert not [name for name, _ in node.calls if name == "account_answer"]


SAID = PayeeInfo("Ann", IBAN, GRANT, T_MS, left=False)
OLD_IBAN = "DE89370400440532013000"
BEFORE = PayeeInfo("Ann Example", OLD_IBAN, REQUEST, T_MS - 86_400_000, left=False)
ASK_THEM = "before you pay, ask them in person or by a number that you had before"


def _told(run: Run, *words: str) -> str:
    code, out, err = run(*words)
    assert code == 0, err
    return " ".join(out.split())


def test_an_iban_that_an_older_invoice_gave_says_which(node: FakeNode, run: Run) -> None:
    """The newest gives none, and takes none away."""
    invoice = replace(INVOICE, id=REQUEST, name=None, iban=None, payee=SAID)
    node.answers["accounts"] = [replace(ACCOUNT, owed="by-me", invoice=invoice)]
    out = _told(run, "accounts", "volt")
    assert f"it gives no IBAN: still to Ann, {IBAN}, as the invoice of 2026-01-01 00:00 says" in out
    assert f"({short(GRANT)}); `entrenous accounts qr volt`" in out
    assert ASK_THEM not in out
    node.answers["accounts"] = [replace(ACCOUNT, invoice=invoice)]
    out = _told(run, "accounts", "volt")
    assert f"still to Ann, {IBAN}, as your invoice of 2026-01-01 00:00 says" in out
    node.answers["invoice"] = invoice
    out = _told(run, "accounts", "invoice", "volt")
    assert f"They have Ann, {IBAN} from your invoice of 2026-01-01 00:00" in out
    assert "They have" not in _told(run, "accounts", "invoice", "volt", "--iban")
    # One that no invoice gave is nobody's.
    node.answers["accounts"] = [replace(ACCOUNT, invoice=replace(invoice, payee=None))]
    assert "IBAN" not in _told(run, "accounts", "volt")


def test_a_changed_iban_is_shown_wherever_it_would_be_paid(node: FakeNode, run: Run) -> None:
    invoice = replace(INVOICE, payee=SAID, payee_before=BEFORE)
    node.answers["accounts"] = [replace(ACCOUNT, owed="by-me", invoice=invoice)]
    node.answers["transfer"] = replace(TRANSFER, payee=SAID, payee_before=BEFORE)
    changed = (
        f"CHANGED until 2026-01-01 00:00 it was {OLD_IBAN} (Ann Example), as their invoice of "
        "2025-12-31 00:00 says"
    )
    for words in (("accounts", "volt"), ("accounts", "qr", "volt")):
        out = _told(run, *words)
        assert changed in out
        assert ASK_THEM in out
        assert IBAN in out
    assert "the IBAN to pay it to has changed: see `entrenous accounts volt`" in _told(
        run, "accounts"
    )
    told = json.loads(run("accounts", "qr", "volt", "--json")[1])
    assert (told["payee"]["iban"], told["payee_before"]["iban"]) == (IBAN, OLD_IBAN)
    # The creditor has changed it itself.
    node.answers["accounts"] = [replace(ACCOUNT, invoice=invoice)]
    assert "CHANGED" not in _told(run, "accounts", "volt")
    assert "has changed" not in _told(run, "accounts")


def test_an_iban_of_before_a_theft_is_doubted(node: FakeNode, run: Run) -> None:
    said = replace(SAID, left=True)
    node.answers["transfer"] = replace(TRANSFER, payee=said)
    out = _told(run, "accounts", "qr", "volt")
    assert "BEFORE they lost a device they said this: it may be the thief's" in out
    assert ASK_THEM in out
    assert "CHANGED" not in out
    node.answers["transfer"] = replace(TRANSFER, payee=SAID)
    out = _told(run, "accounts", "qr", "volt")
    assert f"they said it with the invoice of 2026-01-01 00:00 ({short(GRANT)})" in out
    assert ASK_THEM not in out


OURS = replace(PAYMENT, id=GRANT, owed="by-me", note="for March", t_ms=T_MS)
OWED = replace(
    ACCOUNT, owed="by-me", accrued="10.00", paid="0.00", said="4.00", open="10.00", payments=(OURS,)
)
ONCE_MORE = "Say that you have paid 4.00 EUR once more?"


def test_the_same_said_twice_is_asked_about_while_the_first_waits(
    node: FakeNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be true twice: it is asked, and never refused."""
    node.answers["accounts"] = [ACCOUNT, OWED]
    before = "You said the same amount before: 4.00 EUR, 2026-01-01 00:00 (for March), payment "
    for state, stands in (
        ("said", "their node has not heard it yet"),
        ("heard", "it waits for their word"),
    ):
        node.calls.clear()
        node.answers["accounts"] = [ACCOUNT, replace(OWED, payments=(replace(OURS, state=state),))]
        monkeypatch.setattr("sys.stdin", Terminal("n\n"))
        code, out, err = run("accounts", "paid", "volt", "4", "eur")
        assert (code, before in out, f"{short(GRANT)}: {stands}." in out) == (1, True, True)
        assert ONCE_MORE in err
        assert "Nothing was said." in err
        assert "account_paid" not in [name for name, _ in node.calls]
        monkeypatch.setattr("sys.stdin", Terminal("y\n"))
        assert run("accounts", "paid", "volt", "4.00", "EUR")[0] == 0
        assert node.calls[-1][0] == "account_paid"
    # By a script it is said, and the hint with it.
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, out, err = run("accounts", "paid", "volt", "4", "eur")
    assert (code, before in out, ONCE_MORE in err) == (0, True, False)


def test_what_was_answered_is_a_hint_and_no_question(
    node: FakeNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each month the same amount is owed, and confirmed."""
    monkeypatch.setattr("sys.stdin", Terminal(""))
    told = {"confirmed": "they confirmed that it came", "disputed": "they say that it did not come"}
    for state, stands in told.items():
        some = tuple(replace(OURS, state=state, t_ms=T_MS + number) for number in range(5))
        node.answers["accounts"] = [replace(OWED, payments=some)]
        code, out, err = run("accounts", "paid", "volt", "4", "eur")
        assert (code, err) == (0, "")
        assert out.count("said the same amount before") == out.count(stands) == 3
        assert "… and 2 times before that." in out
    # Not what their node would not hear, another amount, or another currency.
    others = (
        replace(OURS, state="refused"),
        replace(OURS, amount="4.01"),
    )
    node.answers["accounts"] = [
        replace(OWED, payments=others),
        replace(OWED, currency="USD", payments=(replace(OURS, currency="USD"),)),
    ]
    assert "before" not in run("accounts", "paid", "volt", "4", "eur")[1]


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("6.00", None),
        ("6.01", "more than is left to pay: 10.00 EUR is open, and 4.00 EUR of it is said to be"),
    ],
)
def test_more_than_is_owed_is_said(
    node: FakeNode, run: Run, amount: str, words: str | None
) -> None:
    node.answers["accounts"] = [OWED]
    code, out, _ = run("accounts", "paid", "volt", amount, "eur")
    assert code == 0  # who pays ahead may say so
    assert ("more than is left to pay" in out) is (words is not None)
    assert words is None or words in out
    node.answers["accounts"] = [replace(OWED, said="0.00", open="-2.00", payments=())]
    _, out, _ = run("accounts", "paid", "volt", amount, "eur")
    assert "more than is left to pay: -2.00 EUR is open." in out


def test_a_program_is_told_what_was_said_before(node: FakeNode, run: Run) -> None:
    newer = replace(OURS, id=REQUEST, state="confirmed", t_ms=T_MS + 1)
    node.answers["accounts"] = [replace(OWED, payments=(OURS, newer))]
    code, out, err = run("accounts", "paid", "volt", "4", "eur", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert [one["state"] for one in told["same"]] == ["confirmed", "heard"]
    assert (told["open"], told["said"]) == ("10.00", "4.00")
    node.answers["accounts"] = []
    told = json.loads(run("accounts", "paid", "volt", "4", "eur", "--json")[1])
    assert (told["same"], told["open"], told["said"]) == ([], None, None)


def test_the_creditor_is_told_that_the_same_was_said_before_it_confirms(
    node: FakeNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is confirmed is final: twice the same money would be lost."""
    for state, stands in (
        ("confirmed", "you confirmed that it came"),
        ("heard", "it waits for your word"),
    ):
        other = replace(PAYMENT, id=GRANT, state=state)
        node.answers["accounts"] = [replace(ACCOUNT, payments=(other, PAYMENT))]
        monkeypatch.setattr("sys.stdin", Terminal("n\n"))
        _, out, _ = run("accounts", "confirm", short(REQUEST))
        assert "volt said the same amount before: 4.00 EUR" in out
        assert f"{short(GRANT)}: {stands}." in out
        assert out.count("said the same amount before") == 1


def test_only_who_owes_is_pointed_to_the_code(node: FakeNode, run: Run) -> None:
    assert "accounts qr" not in run("accounts", "volt")[1]
    node.answers["accounts"] = [replace(ACCOUNT, owed="by-me")]
    assert "`entrenous accounts qr volt`" in run("accounts", "volt")[1]


def test_a_code_is_drawn_and_says_what_to_compare(node: FakeNode, run: Run) -> None:
    _, out, _ = run("accounts", "qr", "volt")
    assert "█" in out or "▀" in out
    for said in ("Ann", IBAN, "10.00 EUR", "entrenous 5hr7q2ka", "Compare them"):
        assert said in out
    assert "`entrenous accounts paid volt 10.00 EUR`" in out


def test_an_iban_and_its_name_go_together(
    node: FakeNode, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("accounts", "iban", IBAN)[0] == 2
    assert run("accounts", "iban", "--name", "Ann")[0] == 2
    assert run("accounts", "iban", "--forget", "--name", "Ann")[0] == 2
    monkeypatch.setattr("sys.stdin", io.StringIO(IBAN + "\n"))
    assert run("accounts", "iban", "-", "--name", "Ann")[0] == 0
    assert node.calls[-1] == ("set_creditor", {"name": "Ann", "iban": IBAN})
    assert run("accounts", "iban", "--forget")[0] == 0
    assert node.calls[-1] == ("set_creditor", {"name": None, "iban": None})


def test_a_list_of_requests_says_what_is_given_in_return(node: FakeNode, run: Run) -> None:
    paid = replace(ASKED, terms=replace(TERMS, remuneration=MONTHLY))
    node.answers |= {"inbox": [paid, ASKED], "collections": [INFO]}
    code, out, err = run("inbox")
    assert code == 0, err
    told = " ".join(out.split())
    assert told.count("in return") == told.count("in return 2.50 EUR for each month begun") == 1
    assert told.count(LICENCE) == 1


@pytest.mark.parametrize("given", [MONTHLY, "a discount"])
@pytest.mark.parametrize(
    ("words", "op", "thing"),
    [(("inbox", "bafyrei"), "inbox", ASKED), (("grants",), "grants", GIVEN)],
)
def test_paid_terms_say_licence_never_transfer_wherever_they_are_shown(
    node: FakeNode,
    run: Run,
    given: Remuneration | str,
    words: tuple[str, ...],
    op: str,
    thing: object,
) -> None:
    paid = replace(thing, terms=replace(TERMS, remuneration=given))  # type: ignore[type-var]  # both are dataclasses
    node.answers[op] = [paid]
    node.answers["collections"] = [INFO]
    if op == "inbox":
        from entrenous.protocol.cid import cid_text

        words = ("inbox", cid_text(REQUEST))
    code, out, err = run(*words)
    assert code == 0, err
    assert LICENCE in " ".join(out.split()), out
    node.answers[op] = [thing]
    assert LICENCE not in " ".join(run(*words)[1].split())
    if isinstance(given, Remuneration):
        node.answers[op] = [paid]
        shown = json.loads(run(*words, "--json")[1])
        assert shown["terms"]["remuneration"] == {
            "amount": "2.50", "currency": "EUR", "per": "month", "cap": "30.00", "for": LICENCE,
        }  # fmt: skip  # one thing

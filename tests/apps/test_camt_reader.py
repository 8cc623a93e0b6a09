"""CAMT: what an account report says is what the records say, whatever its version."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.apps.account import PATH as ACCOUNTS
from entrenous.apps.iso20022 import moment_of
from entrenous.apps.readers.camt import PATH, reader
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.iban import iban_of
from entrenous.protocol.limits import FILE_BYTES_MAX, FILE_SERIES_MAX, RECORD_TEXT_BYTES_MAX
from entrenous.protocol.reading import Extract, summary
from entrenous.tests.apps.camt_files import (
    IBAN,
    balance,
    details,
    document,
    entry,
    party,
    statement,
)

OTHER = "GB82WEST12345698765432"  # the example of ISO 13616 for Great Britain
VERSIONS = range(2, 9)


def read(data: bytes) -> Extract:
    return reader.read(data, "bank.xml")


def paid(data: bytes) -> list[dict[str, Any]]:
    return [row for item in read(data).items if item.path == PATH for row in item.batch.rows()]


def told(data: bytes) -> list[dict[str, Any]]:
    return [row for item in read(data).items if item.path == ACCOUNTS for row in item.batch.rows()]


def one(*entries: str, **given: Any) -> dict[str, Any]:
    (row,) = paid(document(statement(*entries), **given))
    return row


# --- real files, by an oracle ---------------------------------------------------------------------


def test_the_entry_of_version_8_by_an_oracle(shared: Path) -> None:
    """python -c "import sys, xml.etree.ElementTree as E; n='{*}'
    for e in E.parse(sys.argv[1]).iter('{*}Ntry'): print(e.find(n+'Amt').attrib,
    e.findtext(n+'Amt'), e.findtext(n+'CdtDbtInd'), e.findtext(n+'BookgDt/'+n+'DtTm'))"
    camt053.v8.xml gives {'Ccy': 'EUR'} 8.85 CRDT 2014-12-31T13:15:00+01:00, of which
    date -u -d 2014-12-31T13:15:00+01:00 +%s gives 1420028100.  The amount in its TxDtls is SEK 0.
    """
    data = (shared / "samples/finance/camt053.v8.xml").read_bytes()
    (row,) = paid(data)
    assert (row["amount"], row["currency"]) == ([885, 2], "EUR")
    assert (row["time"], row["offset_min"]) == (1420028100000, 60)
    assert (row["counterparty"], row["label"]) == ("NAME NAME", "4654654654654654")
    assert summary(read(data)).items[0].sums == {"EUR": (885, 2)}


def test_the_entry_of_version_2_by_an_oracle(shared: Path) -> None:
    """The command above with BookgDt/Dt gives {'Ccy': 'EUR'} 8.85 CRDT 2014-12-31, of which
    date -u -d 2014-12-31 +%s gives 1419984000."""
    (row,) = paid((shared / "samples/finance/camt053.v2.minimal.xml").read_bytes())
    assert (row["amount"], row["currency"]) == ([885, 2], "EUR")
    assert (row["time"], row["offset_min"]) == (1419984000000, 0)
    assert row["counterparty"] == "NAME NAME"


@pytest.mark.parametrize(
    ("name", "closing_day"),
    [("camt053.v8.xml", "2014-12-30"), ("camt053.v2.minimal.xml", "2014-12-31")],
)
def test_balances_of_real_files_by_an_oracle(shared: Path, name: str, closing_day: str) -> None:
    """grep -A9 '<Bal>' FILE | grep -oP '(?<=<Cd>)[A-Z]+|Ccy="[A-Z]+">[0-9.]+|CRDT|DBIT|<Dt>[0-9-]+'
    gives OPBD EUR 18.15 CRDT 2014-12-30, CLBD SEK 27.00 DBIT (30 in one file, 31 in the other),
    OPAV CHF 35.00 CRDT 2014-12-30, CLAV JPY 2700 DBIT 2014-12-31 in each."""
    rows = told((shared / "samples/finance" / name).read_bytes())
    closing, later, earlier = (
        moment_of(closing_day),
        moment_of("2014-12-31"),
        moment_of("2014-12-30"),
    )
    assert closing
    assert later
    assert earlier
    assert {(r["balance_kind"], r["currency"], *r["balance"], r["time"]) for r in rows} == {
        ("opening", "EUR", 1815, 2, earlier[0]),
        ("closing", "SEK", -2700, 2, closing[0]),
        ("opening-available", "CHF", 3500, 2, earlier[0]),
        ("closing-available", "JPY", -2700, 0, later[0]),
    }
    assert {r["iban"] for r in rows} == {"NL26VAYB8060476890"}


def test_the_two_real_files_are_of_one_account(shared: Path) -> None:
    """One has the number as IBAN, the other as another identification that is an IBAN."""
    folder = shared / "samples/finance"
    sources = {
        item.source
        for name in ("camt053.v8.xml", "camt053.v2.minimal.xml")
        for item in read((folder / name).read_bytes()).items
    }
    assert len(sources) == 1


# --- messages and versions ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [52, 53, 54])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_message_and_version_says_the_same(kind: int, version: int) -> None:
    part = details(amount="12.50", text="Invoice 7", version=version)
    data = document(
        statement(entry("12.50", "DBIT", inside=part, version=version), balance(), kind=kind),
        kind=kind,
        version=version,
    )
    (row,) = paid(data)
    assert row["amount"] == [-1250, 2]
    assert (row["counterparty"], row["label"]) == ("Payee", "Invoice 7")
    assert [r["balance"] for r in told(data)] == [[10000, 2]]
    # the same fact under one id, whichever message tells it
    assert (
        row["id"]
        == paid(
            document(
                statement(entry("12.50", "DBIT", inside=details(amount="12.50", text="Invoice 7")))
            )
        )[0]["id"]
    )


@pytest.mark.parametrize("version", [1, 9, 13, 99])
def test_another_version_is_named_in_the_refusal(version: int) -> None:
    data = document(statement(entry()), version=version)
    assert reader.sniff(data, "x")
    with pytest.raises(ReaderError, match=f"version {version} of camt.053 is not read here"):
        read(data)


def test_a_prefix_for_the_namespace_changes_nothing() -> None:
    plain = document(statement(entry()))
    prefixed = re.sub(rb"<(/?)(?=[A-Z])", rb"<\1ns2:", plain).replace(b"xmlns=", b"xmlns:ns2=")
    assert reader.sniff(prefixed, "x")
    assert paid(prefixed) == paid(plain)


def test_another_namespace_inside_is_no_entry() -> None:
    foreign = '<SplmtryData><Envlp xmlns="urn:other">' + entry("999.00") + "</Envlp></SplmtryData>"
    assert len(paid(document(statement(entry(), foreign)))) == 1


# --- entries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "reversal", "mantissa", "who"),
    [
        ("CRDT", False, 1000, "Payer"),
        ("DBIT", False, -1000, "Payee"),
        # a credit that was taken back: money goes out, to the one who had paid
        ("DBIT", True, -1000, "Payer"),
        ("CRDT", True, 1000, "Payee"),
    ],
)
def test_sign_and_other_end(sign: str, reversal: bool, mantissa: int, who: str) -> None:
    row = one(entry(sign=sign, reversal=reversal, inside=details()))
    assert (row["amount"], row["counterparty"]) == ([mantissa, 2], who)
    assert (row["kind"] == "reversal") is reversal


@pytest.mark.parametrize(
    ("status", "word"), [("PDNG", "pending"), ("FUTR", "future"), ("INFO", "informative")]
)
@pytest.mark.parametrize("version", [2, 8])
def test_what_is_not_booked_is_left_out_and_said(status: str, word: str, version: int) -> None:
    data = document(
        statement(entry(version=version), entry("99.00", status=status, version=version)),
        version=version,
    )
    assert [row["amount"] for row in paid(data)] == [[1000, 2]]
    assert any(word in note and "(1)" in note for note in read(data).notes)


def test_a_status_of_the_banks_own_is_left_out_and_said() -> None:
    data = document(statement(entry().replace("<Cd>BOOK</Cd>", "<Prtry>HELD</Prtry>")))
    assert paid(data) == []
    assert any("HELD" in note for note in read(data).notes)


def test_a_value_date_stands_in_for_a_booking_date() -> None:
    row = one(entry(booked="", after="<ValDt><Dt>2026-03-05</Dt></ValDt>"))
    assert (row["time"], row["offset_min"]) == (1772668800000, 0)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02", (1772409600000, 0)),
        ("2026-03-02Z", (1772409600000, 0)),
        ("2026-03-02+01:00", (1772406000000, 60)),
        ("2026-03-02T10:20:30", (1772446830000, 0)),
        ("2026-03-02T10:20:30.123456-05:30", (1772466630123, -330)),
        ("2026-03-01T24:00:00Z", (1772409600000, 0)),
        ("2026-03-02T24:00:01Z", None),
        ("2026-02-30", None),
        ("2026-03-02+15:00", None),
        ("02.03.2026", None),
        ("", None),
    ],
)
def test_times(text: str, moment: tuple[int, int] | None) -> None:
    """date -u -d '2026-03-02' +%s gives 1772409600."""
    assert moment_of(text) == moment


def test_the_label_is_what_the_payer_wrote_then_what_the_bank_did() -> None:
    extra = "<AddtlNtryInf>Card payment</AddtlNtryInf>"
    structured = (
        "<RmtInf><Strd><CdtrRefInf><Ref>RF18</Ref></CdtrRefInf>"
        "<AddtlRmtInf>thanks</AddtlRmtInf></Strd></RmtInf>"
    )
    assert one(entry(inside=details(text="Rent  March"), after=extra))["label"] == "Rent March"
    assert one(entry(inside=details(more=structured), after=extra))["label"] == "RF18 thanks"
    assert one(entry(inside=details(), after=extra))["label"] == "Card payment"
    assert one(entry(inside=details()))["label"] == "Payer"
    assert one(entry())["label"] == ""


def test_a_nameless_other_end_is_known_by_its_iban() -> None:
    part = (
        f"<TxDtls><RltdPties><DbtrAcct><Id><IBAN>{OTHER}</IBAN></Id></DbtrAcct>"
        "</RltdPties></TxDtls>"
    )
    assert one(entry(inside=part))["counterparty"] == OTHER


def test_what_was_exchanged_stands_in_the_label() -> None:
    exchange = (
        '<AmtDtls><InstdAmt><Amt Ccy="USD">12.00</Amt></InstdAmt><TxAmt><Amt Ccy="EUR">11.08</Amt>'
        "<CcyXchg><SrcCcy>USD</SrcCcy><XchgRate>1.0832</XchgRate></CcyXchg></TxAmt></AmtDtls>"
    )
    row = one(entry("11.08", "DBIT", inside=details(text="Book", more=exchange)))
    assert (row["amount"], row["currency"]) == ([-1108, 2], "EUR")
    assert row["label"] == "Book (USD 12.00 at 1.0832)"


@pytest.mark.parametrize(
    ("family", "sub", "kind"),
    [
        ("CCRD", "POSD", "pos"),
        ("CCRD", "CWDL", "atm"),
        ("RDDT", "ESDD", "directdebit"),
        ("RCDT", "SALA", "directdep"),
        ("XXXX", "YYYY", "credit"),
    ],
)
def test_kinds(family: str, sub: str, kind: str) -> None:
    code = (
        f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>{family}</Cd><SubFmlyCd>{sub}</SubFmlyCd>"
        "</Fmly></Domn></BkTxCd>"
    )
    assert one(entry(after=code))["kind"] == kind


def test_a_long_text_is_shortened_and_said() -> None:
    lines = "<RmtInf>" + "".join(f"<Ustrd>{'é' * 140}</Ustrd>" for _ in range(9)) + "</RmtInf>"
    data = document(statement(entry(inside=details(more=lines))))
    label = paid(data)[0]["label"]
    assert len(label.encode()) <= RECORD_TEXT_BYTES_MAX
    assert label.endswith("é…")
    assert any("shortened: 1" in note for note in read(data).notes)


# --- batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_batch_that_adds_up_becomes_its_parts(version: int) -> None:
    parts = [
        details(amount="30.00", payer="A", text="one", reference="E1", version=version),
        details(amount="12.345", payer="B", text="two", reference="E2", version=version),
    ]
    data = document(
        statement(entry("42.345", inside="".join(parts), version=version)), version=version
    )
    rows = {row["label"]: row for row in paid(data)}
    assert rows["one"]["amount"] == [3000, 2]
    assert (rows["two"]["amount"], rows["two"]["counterparty"]) == ([12345, 3], "B")
    assert any("taken apart" in note for note in read(data).notes)


def test_parts_may_have_signs_of_their_own() -> None:
    parts = details(amount="30.00", sign="CRDT", text="sale") + details(
        amount="0.50", sign="DBIT", text="fee"
    )
    amounts = {
        r["label"]: r["amount"] for r in paid(document(statement(entry("29.50", inside=parts))))
    }
    assert amounts == {"sale": [3000, 2], "fee": [-50, 2]}


@pytest.mark.parametrize(
    "second",
    [
        details(amount="12.34"),
        details(amount="12.35", currency="USD"),
        details(),
        details(amount="-12.35"),
    ],
    ids=["a cent is missing", "another currency", "no amount", "a negative amount"],
)
def test_a_batch_that_does_not_add_up_stands_whole(second: str) -> None:
    data = document(statement(entry("42.35", inside=details(amount="30.00") + second)))
    assert [row["amount"] for row in paid(data)] == [[4235, 2]]
    assert any("kept whole" in note for note in read(data).notes)


def test_equal_parts_stay_apart() -> None:
    parts = details(amount="5.00", text="ticket") * 3
    assert len(paid(document(statement(entry("15.00", inside=parts))))) == 3


def test_details_do_not_leak_into_the_next_entry() -> None:
    pending = entry("1.00", status="PDNG", inside=details(text="secret"))
    assert one(pending, entry())["label"] == ""


# --- ids ------------------------------------------------------------------------------------------


def ids(data: bytes) -> set[str]:
    return {row["id"] for row in paid(data)}


def test_two_equal_entries_of_one_statement_stay_two() -> None:
    for reference in ("", "REF"):
        data = document(statement(entry(reference=reference) * 2))
        assert len(ids(data)) == 2
        assert ids(data) == ids(data)


def test_a_statement_told_twice_is_kept_once() -> None:
    data = document(statement(entry() * 2), statement(entry() * 2))
    assert len(ids(data)) == 2
    assert any("twice in the file and kept once: 2" in note for note in read(data).notes)


def test_equal_entries_of_two_statements_or_pages_stay_two() -> None:
    assert len(ids(document(statement(entry()), statement(entry(), id="S2")))) == 2
    page = "<StmtPgntn><PgNb>{}</PgNb><LastPgInd>true</LastPgInd></StmtPgntn>"
    pages = [statement(entry(), head=page.format(n)) for n in (1, 2)]
    assert len(ids(document(*pages))) == 2


def test_a_statement_that_goes_on_elsewhere_is_said() -> None:
    page = "<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"
    assert any(
        "go on in another file: 1" in n for n in read(document(statement(entry(), head=page))).notes
    )


def test_reports_of_a_day_repeat_what_was_said_before() -> None:
    morning = statement(entry(reference="A"), kind=52)
    evening = statement(entry(reference="A"), entry("2.00", reference="B"), kind=52, id="S2")
    assert len(ids(document(morning, evening, kind=52))) == 2


def test_a_reference_holds_the_moment_of_a_report_and_the_day_of_a_statement_together() -> None:
    report = entry(reference="A", booked="<DtTm>2026-03-02T10:20:30+01:00</DtTm>")
    final = entry(reference="A", booked="<Dt>2026-03-02</Dt>")
    assert ids(document(statement(report, kind=52), kind=52)) == ids(document(statement(final)))


def test_ids_depend_on_the_account_and_not_on_its_neighbours() -> None:
    alone = ids(document(statement(entry())))
    assert alone < ids(document(statement(entry("3.00"), entry(), entry("4.00"))))
    assert not alone & ids(document(statement(entry(), account=OTHER)))


def test_zeros_at_the_end_of_an_amount_are_kept_and_make_no_other_id() -> None:
    rows = [one(entry(amount)) for amount in ("8.5", "8.50")]
    assert [row["amount"] for row in rows] == [[85, 1], [850, 2]]
    assert rows[0]["id"] == rows[1]["id"]


def test_the_account_number_is_nowhere_in_what_is_said_of_payments() -> None:
    extract = read(document(statement(entry(reference=f"{IBAN}-1"), balance())))
    (payments,) = [item for item in extract.items if item.path == PATH]
    assert IBAN not in repr([list(payments.batch.rows()), payments.source, summary(extract)])


# --- accounts and balances ------------------------------------------------------------------------


def test_several_accounts_and_currencies() -> None:
    extract = read(
        document(
            statement(entry(), entry("7.00", currency="USD"), balance(), balance(currency="USD")),
            statement(entry(), balance(), account=OTHER),
        )
    )
    assert [(item.path == PATH, len(item.batch)) for item in extract.items] == [
        (True, 2),
        (False, 2),
        (True, 1),
        (False, 1),
    ]
    first, beside, other, _ = extract.items
    assert first.source == beside.source != other.source
    assert beside.beside
    assert not first.beside


def test_what_is_told_of_an_account() -> None:
    about = (
        f"<Tp><Cd>SVGS</Cd></Tp><Nm>Rainy days</Nm>{party('Ownr', 'A. Person', 8)}"
        "<Svcr><FinInstnId><BICFI>ABNANL2A</BICFI></FinInstnId></Svcr>"
    )
    (row,) = told(document(statement(balance("ITBD", "5.00", "DBIT"), about=about)))
    assert row == {
        "id": row["id"],
        "time": 1774915200000,
        "offset_min": 0,
        "kind": "savings",
        "currency": "EUR",
        "balance": [-500, 2],
        "balance_kind": "interim",
        "iban": IBAN,
        "number": None,
        "holder": "A. Person",
        "name": "Rainy days",
        "institution": "ABNANL2A",
    }


def test_a_number_that_is_no_iban_is_a_number() -> None:
    (row,) = told(document(statement(balance(), account="DE89370400440532013001")))
    assert (row["iban"], row["number"]) == (None, "DE89370400440532013001")


def test_balances_between_pages_are_interim_and_the_banks_own_kinds_are_left_out() -> None:
    own = balance().replace("<Cd>CLBD</Cd>", "<Prtry>SALDO</Prtry>")
    data = document(statement(balance(sub="INTM"), own))
    assert [row["balance_kind"] for row in told(data)] == ["interim"]
    assert any("no kind of balance" in note for note in read(data).notes)


def test_two_balances_of_one_day_are_both_kept_and_one_told_twice_once() -> None:
    data = document(statement(balance(), balance(amount="90.00"), balance()))
    assert len(told(data)) == 2


@pytest.mark.parametrize(
    ("text", "iban"),
    [
        ("GB82 WEST 1234 5698 7654 32", OTHER),
        ("gb82west12345698765432", OTHER),
        ("GB82WEST12345698765433", None),
        ("GB82WEST12345698765423", None),
        ("GB28WEST12345698765432", None),
        ("GB82", None),
        ("", None),
        ("GB82WEST1234569876543é", None),
    ],
)
def test_ibans(text: str, iban: str | None) -> None:
    assert iban_of(text) == iban


@given(st.integers(4, len(IBAN) - 1), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_no_iban(place: int, digit: str) -> None:
    wrong = IBAN[:place] + digit + IBAN[place + 1 :]
    assert (iban_of(wrong) is None) is (wrong != IBAN)


# --- refusals -------------------------------------------------------------------------------------

GOOD = document(statement(entry(), balance()))
REFUSED = {
    "no amount": (GOOD.replace(b">10.00<", b"><"), 5, "no amount with a currency"),
    "amount with a comma": (GOOD.replace(b"10.00", b"10,00"), 5, "no amount with a currency"),
    "negative amount": (GOOD.replace(b">10.00<", b">-10.00<"), 5, "no amount with a currency"),
    "amount with exponent": (GOOD.replace(b"10.00", b"1e1"), 5, "no amount with a currency"),
    "amount over 64 bits": (GOOD.replace(b"10.00", b"9" * 19), 5, "no amount with a currency"),
    "no currency": (GOOD.replace(b' Ccy="EUR"', b"", 1), 5, "no amount with a currency"),
    "no sign": (GOOD.replace(b"CRDT", b"", 1), 5, "neither CRDT nor DBIT"),
    "unknown sign": (GOOD.replace(b"CRDT", b"crdt", 1), 5, "neither CRDT nor DBIT"),
    "no status": (GOOD.replace(b"<Sts><Cd>BOOK</Cd></Sts>", b""), 5, "whether it is booked"),
    "no date": (GOOD.replace(b"<BookgDt><Dt>2026-03-02</Dt></BookgDt>", b""), 5, "date is missing"),
    "impossible date": (GOOD.replace(b"2026-03-02", b"2026-02-30"), 5, "not a date"),
    "before 1900": (GOOD.replace(b"2026-03-02", b"1899-12-31"), 5, "outside the years"),
    "after 2079": (GOOD.replace(b"2026-03-02", b"2079-06-07"), 5, "outside the years"),
    "no account": (GOOD.replace(IBAN.encode(), b""), 4, "which account"),
    "balance without a date": (GOOD.replace(b"2026-03-31", b""), 6, "date is missing"),
    "balance without a sign": (GOOD[::-1].replace(b"TDRC", b"", 1)[::-1], 6, "a balance has no"),
    "entry outside a statement": (document(entry()), None, "no report, statement or notification"),
    "entry after the statement": (
        document(statement(entry()), entry()),
        None,
        "in no account's statement",
    ),
    "too many accounts": (
        document(*(statement(entry(), account=f"{n}") for n in range(FILE_SERIES_MAX + 1))),
        None,
        "accounts",
    ),
    "no statement": (document(), None, "no report, statement"),
    "cut short": (GOOD[:-20], None, "not sound"),
    "empty": (b"", None, "empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(64), None, "no account report"),
    "another message": (GOOD.replace(b"camt.053", b"pain.001"), None, "no account report"),
    "another root": (GOOD.replace(b"Document", b"Envelope"), None, "no account report"),
    "too large": (GOOD + bytes(FILE_BYTES_MAX), None, "MiB"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_file_and_place(case: str) -> None:
    data, line, sentence = REFUSED[case]
    with pytest.raises(ReaderError, match=re.escape(sentence)) as refused:
        read(data)
    message = str(refused.value)
    assert message.startswith("bank.xml" if line is None else f"bank.xml, line {line}:")
    assert "\n" not in message


def test_an_empty_statement_is_no_error() -> None:
    extract = read(document(statement()))
    assert extract.items == ()
    assert extract.notes == ("The file holds no booked entries.",)


def test_sniff_claims_account_reports_only(shared: Path) -> None:
    claimed = [
        path.name
        for path in sorted((shared / "samples").glob("*/*"))
        if reader.sniff(path.read_bytes()[:8192], path.name)
    ]
    assert claimed == ["camt053.v2.minimal.xml", "camt053.v8.xml"]
    assert not reader.sniff(b"see urn:iso:std:iso:20022:tech:xsd:camt.053.001.02", "notes.txt")


# --- round trip -----------------------------------------------------------------------------------

ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 10**12),
        st.integers(0, 5),
        st.sampled_from(["CRDT", "DBIT"]),
        st.sampled_from(["EUR", "USD", "JPY"]),
        st.dates().filter(lambda day: 1900 <= day.year < 2079),
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30),
    ),
    max_size=8,
)


@given(ENTRIES, st.sampled_from([52, 53, 54]), st.sampled_from(list(VERSIONS)))
@settings(max_examples=60)
def test_what_is_written_is_read(
    entries: list[tuple[int, int, str, str, Any, str]], kind: int, version: int
) -> None:
    def text(mantissa: int, scale: int) -> str:
        digits = f"{mantissa:0{scale + 1}}"
        return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits

    data = document(
        statement(
            *(
                entry(
                    text(mantissa, scale),
                    sign,
                    currency=currency,
                    booked=f"<Dt>{day.isoformat()}</Dt>",
                    inside=details(text=label, version=version),
                    version=version,
                )
                for mantissa, scale, sign, currency, day, label in entries
            ),
            kind=kind,
        ),
        kind=kind,
        version=version,
    )
    wanted = [
        ([mantissa if sign == "CRDT" else -mantissa, scale], currency, f"{day.isoformat()}", label)
        for mantissa, scale, sign, currency, day, label in entries
    ]
    found = [(r["amount"], r["currency"], r["time"], r["label"]) for r in paid(data)]
    moments = [(a, c, (moment_of(d) or (0, 0))[0], t) for a, c, d, t in wanted]
    assert sorted(found) == sorted(moments)

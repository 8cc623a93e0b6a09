"""OFX: what a file says is what the records say, and what it does not say is refused."""

from __future__ import annotations

import datetime
import io
import re
from pathlib import Path
from typing import Any

import ofxparse  # pyright: ignore[reportMissingTypeStubs]  # the oracle ships no types
import pytest

from entrenous.apps.account import PATH as ACCOUNTS
from entrenous.apps.readers.ofx import PATH, reader, time_of
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.limits import FILE_BYTES_MAX, RECORD_TEXT_BYTES_MAX
from entrenous.protocol.reading import Extract, ExtractItem, summary
from entrenous.simulations.files import bank_file

FIXTURES = Path(__file__).parent / "fixtures"
TWO_ACCOUNTS = (FIXTURES / "two_accounts_sgml.ofx").read_bytes()
SAVINGS = (FIXTURES / "savings_xml.ofx").read_bytes()

HEADER = b"OFXHEADER:100\nDATA:OFXSGML\nENCODING:USASCII\nCHARSET:1252\n\n"
GOOD = {"DTPOSTED": "20250301", "TRNAMT": "-1.00", "FITID": "1", "NAME": "Market"}


def transaction(**fields: str) -> str:
    said = {"TRNTYPE": "POS", **GOOD, **fields}
    return "<STMTTRN>" + "".join(f"<{k}>{v}" for k, v in said.items() if v) + "</STMTTRN>\n"


def statement(*transactions: str, currency: str = "<CURDEF>EUR", account: str = "123") -> str:
    return (
        f"<STMTRS>{currency}<BANKACCTFROM><BANKID>1<ACCTID>{account}</BANKACCTFROM>"
        f"<BANKTRANLIST>\n{''.join(transactions)}</BANKTRANLIST></STMTRS>\n"
    )


def sgml(*statements: str) -> bytes:
    return HEADER + f"<OFX>\n{''.join(statements)}</OFX>\n".encode("cp1252")


def read(data: bytes) -> Extract:
    return reader.read(data, "bank.ofx")


def payments(data: bytes) -> list[ExtractItem]:
    """What the file is about, without what it tells beside."""
    return [item for item in read(data).items if item.path == PATH]


def one(data: bytes) -> dict[str, Any]:
    (item,) = payments(data)
    (row,) = item.batch.rows()
    return row


def test_sgml_with_two_accounts_and_three_currencies() -> None:
    bank, card = payments(TWO_ACCOUNTS)
    assert bank.path == card.path == PATH
    assert bank.source != card.source
    cafe, cash, salary = bank.batch.rows()
    assert cafe["amount"] == [-1250, 2]
    assert cafe["counterparty"] == "Café & Cie"
    assert cafe["label"] == "Café & Cie"
    assert (cafe["time"], cafe["offset_min"]) == (1740787200000, 0)
    assert (cash["currency"], cash["amount"]) == ("INR", [-150000, 2])
    assert (cash["time"], cash["offset_min"]) == (1743102000000, 330)
    assert (salary["amount"], salary["label"]) == ([123400, 2], "Salary <March>")
    assert (salary["time"], salary["offset_min"]) == (1743137999500, -300)
    (book,) = card.batch.rows()
    # ORIGCURRENCY: the amount was converted to the statement's currency
    assert (book["currency"], book["amount"], book["kind"]) == ("USD", [-710, 2], "debit")
    # the same FITID in another account is another transaction
    assert book["id"] not in bank.batch.columns["id"]


def test_xml() -> None:
    extract = read(SAVINGS)
    ((row),) = extract.items[0].batch.rows()
    assert row["amount"] == [3070, 3]
    assert row["counterparty"] == "Savings & loans — été"
    assert row["label"] == "Interest <first quarter>"
    assert (row["time"], row["offset_min"]) == (1743415200000, 120)
    assert any("pending" in note for note in extract.notes)


def test_the_real_bank_file_by_an_oracle(shared: Path) -> None:
    """grep -o '<TRNAMT>[^<]*' bank_medium.ofx: -6.60, -316.67, -22.00 (sum -345.27)
    grep -o '<DTPOSTED>[^<]*': 20090401122017.000[-5:EST] to 20090403122017.000[-5:EST], of which
    date -u -d '2009-04-01 12:20:17 -0500' +%s gives 1238606417, and the last 1238779217."""
    data = (shared / "samples/finance/bank_medium.ofx").read_bytes()
    amounts = [int(a + b) for a, b in re.findall(rb"<TRNAMT>(-?\d+)\.(\d\d)", data)]
    assert (len(amounts), sum(amounts)) == (3, -34527)
    (item,) = payments(data)
    assert [m for m, _ in map(tuple, item.batch.columns["amount"])] == amounts  # type: ignore[arg-type]  # decimal cells
    assert summary(read(data)).items[0].sums == {"CAD": (-34527, 2)}
    assert item.batch.times[0] == 1238606417000
    assert item.batch.times[-1] == 1238779217000
    assert set(item.batch.columns["offset_min"]) == {-300}
    # the account number (it stands in every FITID too) is nowhere in what is said of payments
    assert "12345678" not in repr([list(item.batch.rows()), item.source, summary(read(data))])


def test_balances_of_the_real_bank_file_by_an_oracle(shared: Path) -> None:
    """grep -o '<[A-Z]*BAL><BALAMT>[^<]*<DTASOF>[^<]*' bank_medium.ofx:
    LEDGERBAL 382.34 and AVAILBAL 682.34, both at 20090523122017 (no offset: UTC), of which
    date -u -d '2009-05-23 12:20:17' +%s gives 1243081217."""
    data = (shared / "samples/finance/bank_medium.ofx").read_bytes()
    paid, told = read(data).items
    assert (told.path, told.source, told.beside) == (ACCOUNTS, paid.source, True)
    rows = {str(row["balance_kind"]): row for row in told.batch.rows()}
    assert {kind: row["balance"] for kind, row in rows.items()} == {
        "booked": [38234, 2],
        "available": [68234, 2],
    }
    for row in rows.values():
        assert (row["time"], row["offset_min"], row["currency"]) == (1243081217000, 0, "CAD")
        assert (row["kind"], row["number"], row["iban"]) == (
            "current",
            "12300 000012345678",
            None,
        )


def ledger(amount: str = "10.00", asof: str = "20250301") -> str:
    return f"<LEDGERBAL><BALAMT>{amount}<DTASOF>{asof}</LEDGERBAL>"


def with_balance(balance: str, account: str = "123") -> bytes:
    end = "</STMTRS>"
    return sgml(statement(transaction(), account=account).replace(end, balance + end))


def test_a_balance_has_the_statements_currency_and_the_accounts_kind() -> None:
    paid, told = read(with_balance(ledger("-10,50"))).items
    (row,) = told.batch.rows()
    assert (row["balance"], row["currency"], row["number"]) == ([-1050, 2], "EUR", "123")
    assert paid.source == told.source


def test_an_iban_in_an_account_number_is_told_from_a_number() -> None:
    """The IBAN is the example of ISO 13616 for Great Britain."""
    (row,) = read(with_balance(ledger(), "GB82WEST12345698765432")).items[1].batch.rows()
    assert (row["iban"], row["number"]) == ("GB82WEST12345698765432", None)


@pytest.mark.parametrize("balance", [ledger("lots"), ledger(asof="2025-03-01"), ledger("", "")])
def test_a_balance_that_cannot_be_read_is_left_out_and_said(balance: str) -> None:
    extract = read(with_balance(balance))
    assert [item.path for item in extract.items] == [PATH]
    assert any("balances (1)" in note for note in extract.notes)


def test_balances_do_not_change_the_ids_of_transactions() -> None:
    assert one(with_balance(ledger()))["id"] == one(sgml(statement(transaction())))["id"]
    # as they were before balances were read
    assert one(sgml(statement(transaction())))["id"] == "lgazfoxvawtmxyletnqgl6imye"


# The oracle calls BeautifulSoup by names that it calls old.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("data", [TWO_ACCOUNTS, bank_file(5).data], ids=["fixture", "generated"])
def test_against_ofxparse(data: bytes) -> None:
    oracle: Any = ofxparse  # ships no types
    parsed = oracle.OfxParser.parse(io.BytesIO(data))
    theirs = sorted(
        (round(t.date.replace(tzinfo=datetime.UTC).timestamp() * 1000), t.amount, t.payee)
        for account in parsed.accounts
        for t in account.statement.transactions
    )
    ours: list[tuple[object, ...]] = []
    for item in payments(data):
        for row in item.batch.rows():
            mantissa, scale = row["amount"]  # type: ignore[misc]  # a decimal
            ours.append((row["time"], mantissa / 10**scale, row["counterparty"]))  # type: ignore[operator]  # ints
    assert sorted(ours, key=repr) == sorted(((t, float(a), p) for t, a, p in theirs), key=repr)


def test_ids_are_the_same_at_every_import() -> None:
    for data in (TWO_ACCOUNTS, SAVINGS, bank_file(3).data):
        assert read(data) == reader.read(data, "another name.ofx")


def test_ids_do_not_depend_on_what_else_is_in_the_file() -> None:
    alone = one(sgml(statement(transaction())))
    more = read(sgml(statement(transaction(FITID="0"), transaction(), transaction(FITID="2"))))
    assert alone["id"] in more.items[0].batch.columns["id"]


def test_ids_depend_on_the_account() -> None:
    ids = {str(one(sgml(statement(transaction(), account=a)))["id"]) for a in ("1", "2")}
    assert len(ids) == 2


def test_without_fitid_equal_transactions_stay_apart_and_stable() -> None:
    data = sgml(statement(transaction(FITID=""), transaction(FITID="")))
    extract = read(data)
    assert len(extract.items[0].batch) == 2
    assert extract == read(data)
    assert any("without a FITID" in note for note in extract.notes)


def test_a_transaction_said_twice_is_kept_once() -> None:
    extract = read(sgml(statement(transaction(), transaction()), statement(transaction())))
    assert len(extract.items[0].batch) == 1
    assert any("twice" in note for note in extract.notes)


@pytest.mark.parametrize(
    ("text", "mantissa", "scale"),
    [
        ("-6.60", -660, 2),
        ("+5", 5, 0),
        ("12,5", 125, 1),
        (".5", 5, 1),
        ("1,234.56", 123456, 2),
        ("1.234,56", 123456, 2),
        ("0,125", 125, 3),
        ("9223372036854.775807", 2**63 - 1, 6),
    ],
)
def test_amounts(text: str, mantissa: int, scale: int) -> None:
    assert one(sgml(statement(transaction(TRNAMT=text))))["amount"] == [mantissa, scale]


def test_a_comma_before_three_digits_is_a_fraction_where_the_currency_has_three() -> None:
    row = one(sgml(statement(transaction(TRNAMT="1,234"), currency="<CURDEF>KWD")))
    assert row["amount"] == [1234, 3]


@pytest.mark.parametrize(
    ("text", "iso", "offset_min"),
    [
        ("20250301", "2025-03-01T00:00:00.000", 0),
        ("202503011530", "2025-03-01T15:30:00.000", 0),
        ("20250301153045", "2025-03-01T15:30:45.000", 0),
        ("20250301153045.25", "2025-03-01T15:30:45.250", 0),
        ("20250301[-5:EST]", "2025-03-01T05:00:00.000", -300),
        ("20250301000000[+5.5:IST]", "2025-02-28T18:30:00.000", 330),
        ("20250301000000[+5.30:IST]", "2025-02-28T18:30:00.000", 330),
        ("20250301000000[5.75:NPT]", "2025-02-28T18:15:00.000", 345),
        ("20250301000000[-3.5]", "2025-03-01T03:30:00.000", -210),
        ("20250301000000[-0.5:X]", "2025-03-01T00:30:00.000", -30),
        ("20250301000000[0:GMT]", "2025-03-01T00:00:00.000", 0),
        ("20250301000000[GMT]", None, 0),
        ("20250301000000[:GMT]", "2025-03-01T00:00:00.000", 0),
        ("20250301000000[:EST]", None, 0),
        ("20250301000000[+5.33]", None, 0),
        ("20250301000000[+15:X]", None, 0),
        ("20250229", None, 0),
        ("20251301", None, 0),
        ("20250301250000", None, 0),
        ("2025-03-01", None, 0),
        ("", None, 0),
    ],
)
def test_times(text: str, iso: str | None, offset_min: int) -> None:
    moment = time_of(text)
    if iso is None:
        assert moment is None
    else:
        expected = datetime.datetime.fromisoformat(iso + "+00:00").timestamp() * 1000
        assert moment == (round(expected), offset_min)


REFUSED = {
    "unparsable amount": (sgml(statement(transaction(TRNAMT="1O.50"))), 8, "not an amount"),
    "amount with exponent": (sgml(statement(transaction(TRNAMT="1e5"))), 8, "not an amount"),
    "no amount": (sgml(statement(transaction(TRNAMT=""))), 8, "amount is missing"),
    "amount over 64 bits": (
        sgml(statement(transaction(TRNAMT="9223372036854775808"))), 8, "not an amount"),
    "amount that reads two ways": (
        sgml(statement(transaction(TRNAMT="1,234"))), 8, "two ways"),
    "no date": (sgml(statement(transaction(DTPOSTED=""))), 8, "date is missing"),
    "impossible date": (sgml(statement(transaction(DTPOSTED="20250230"))), 8, "not a date"),
    "before 1900": (sgml(statement(transaction(DTPOSTED="18991231"))), 8, "outside the years"),
    "after 2079": (sgml(statement(transaction(DTPOSTED="20790607"))), 8, "outside the years"),
    "no currency": (sgml(statement(transaction(), currency="")), 8, "no currency"),
    "currency of two letters": (
        sgml(statement(transaction(), currency="<CURDEF>EU")), 8, "no currency of three"),
    "no account": (sgml(statement(transaction(), account="")), 7, "which account"),
    "one FITID for two": (
        sgml(statement(transaction(), transaction(TRNAMT="2.00"))), 9, "same FITID"),
    "transaction outside a statement": (sgml(transaction()), 7, "no currency"),
    "long text": (
        sgml(statement(transaction(MEMO="m" * (RECORD_TEXT_BYTES_MAX + 1)))), 8, "over 1024"),
    "huge field": (sgml(statement(transaction(MEMO="m" * 5000))), 8, "characters"),
    "character that is none": (
        sgml(statement(transaction(MEMO="&#xD800;"))), 8, "no character"),
    "stray closing tag": (sgml("</STMTRS>"), 7, "closes nothing"),
    "entity declaration": (sgml('<!ENTITY a "b">'), 7, "declarations"),
    "transaction never closed": (
        sgml(statement(transaction().replace("</STMTTRN>", ""))), 8, "never closed"),
    "nested too deep": (sgml("<A>" * 100), 7, "nested"),
    "cut short": (TWO_ACCOUNTS[:-20], None, "cut short"),
    "NUL bytes": (TWO_ACCOUNTS.replace(b"Cie", b"C\0e"), 30, "NUL"),
    "byte that cp1252 does not have": (TWO_ACCOUNTS.replace(b"\xe9", b"\x81"), 30, "encoding"),
    "UTF-8 that is not": (
        SAVINGS.replace("é".encode(), b"\xe9", 1), 20, "does not fit the encoding"),
    "unknown encoding": (SAVINGS.replace(b"UTF-8", b"EBCDIC", 1), None, "not read here"),
    "no statement": (sgml(""), None, "no statement"),
    "empty": (b"", None, "empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(64), None, "not an OFX file"),
    "another XML": (b"<?xml version='1.0'?><feed/>", None, "not an OFX file"),
    "too large": (HEADER + b"<OFX>" + bytes(FILE_BYTES_MAX), None, "MiB"),
    "XML cut short": (SAVINGS[:-30], None, "not sound"),
}  # fmt: skip  # one case a line, as far as they go


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_file_and_place(case: str) -> None:
    data, line, sentence = REFUSED[case]
    with pytest.raises(ReaderError, match=re.escape(sentence)) as refused:
        read(data)
    message = str(refused.value)
    assert message.startswith("bank.ofx")
    assert "\n" not in message
    if line is not None:
        assert message.startswith(f"bank.ofx, line {line}:")


def test_fields_left_open_and_empty_do_not_swallow_the_next() -> None:
    data = sgml(statement("<STMTTRN><MEMO>\n<TRNTYPE>POS<CHECKNUM>\n" + transaction()[9:]))
    assert one(data)["counterparty"] == "Market"


def test_utf8_under_a_header_of_cp1252() -> None:
    data = HEADER + ("<OFX>" + statement(transaction(NAME="Épicerie")) + "</OFX>").encode()
    assert one(data)["counterparty"] == "Épicerie"
    assert any("UTF-8" in note for note in read(data).notes)


def test_a_less_than_sign_that_begins_no_tag_is_text() -> None:
    assert one(sgml(statement(transaction(MEMO="a < b & c"))))["label"] == "a < b & c"


def test_an_empty_statement_is_no_error() -> None:
    extract = read(sgml(statement()))
    assert extract.items == ()
    assert extract.notes


def test_sniff_claims_ofx_only(shared: Path) -> None:
    assert reader.sniff(TWO_ACCOUNTS[:512], "x")
    assert reader.sniff(SAVINGS[:512], "x")
    claimed = [
        path.name
        for path in sorted((shared / "samples").glob("*/*"))
        if reader.sniff(path.read_bytes()[:8192], path.name)
    ]
    assert claimed == ["bank_medium.ofx"]

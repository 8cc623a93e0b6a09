"""Bank CSV: profiles, and no silent guess about what reads two ways."""

from __future__ import annotations

import csv
import datetime
import io
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.apps.account import PATH as ACCOUNTS
from entrenous.apps.csv_guess import guess
from entrenous.apps.csv_profile import BadProfile, from_toml, plain
from entrenous.apps.csv_profiles import BY_NAME
from entrenous.apps.csv_values import Mark, Unclear, Unfit, amount_of, date_of, mark_of, order_of
from entrenous.apps.readers.bank_csv import PATH, reader
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.limits import FILE_BYTES_MAX, FILE_ROWS_MAX, FILE_SERIES_MAX
from entrenous.protocol.reading import Extract, Settings, read_by, reader_for

EUR = Settings(currency="EUR")
IBAN = "DE89370400440532013000"  # the example of ISO 13616 for Germany


def read(text: str, said: Settings = EUR, encoding: str = "utf-8") -> Extract:
    return reader.read_with(text.encode(encoding), "bank.csv", said)


def of(extract: Extract, path: str = PATH) -> list[dict[str, Any]]:
    return [row for item in extract.items if item.path == path for row in item.batch.rows()]


def ms(date: str) -> int:
    return int(datetime.datetime.fromisoformat(date + "+00:00").timestamp() * 1000)


def day(date: str) -> int:
    return ms(f"{date}T00:00:00")


# --- built-in profiles: headers as the banks write them, rows of our own --------------------------

# profile -> (text, encoding, [(day or moment, mantissa, scale, currency, label, other end)])
BUILT_IN: dict[str, tuple[str, str, list[tuple[str, int, int, str, str, str | None]]]] = {
    "boursobank": (
        "dateOp;dateVal;label;category;categoryParent;supplierFound;amount;comment;accountNum;"
        "accountLabel;accountbalance\n"
        '2026-03-02;2026-03-02;"CARTE MARKET";"Food";"Life";"market";-1 025,50;;00040;Mine;9.00'
        "\n",
        "utf-8-sig",
        [("2026-03-02", -102550, 2, "EUR", "CARTE MARKET", "market")],
    ),
    "credit-mutuel": (
        "Date;Date de valeur;Débit;Crédit;Libellé;Solde\n"
        "01/09/2026;01/09/2026;-1 234,56;;PRLV LOYER;8 765,44\n"
        "02/09/2026;02/09/2026;;2 500,00;VIR SALAIRE;11 265,44\n",
        "iso-8859-1",
        [
            ("2026-09-01", -123456, 2, "EUR", "PRLV LOYER", None),
            ("2026-09-02", 250000, 2, "EUR", "VIR SALAIRE", None),
        ],
    ),
    "dkb": (
        f'"Girokonto";"{IBAN}"\n"Kontostand vom 07.08.2026:";"3.482,91 €"\n""\n'
        '"Buchungsdatum";"Wertstellung";"Status";"Zahlungspflichtige*r";"Zahlungsempfänger*in";'
        '"Verwendungszweck";"Umsatztyp";"IBAN";"Betrag (€)"\n'
        '"04.10.26";"04.10.26";"Gebucht";"Me";"Bahn";"Ticket";"Ausgang";"DE1";"-29,9"\n'
        '"03.10.26";"03.10.26";"Gebucht";"Boss";"Me";"Wage";"Eingang";"DE2";"2.000"\n'
        '"05.10.26";"05.10.26";"Vorgemerkt";"Me";"Shop";"Later";"Ausgang";"DE3";"-1,00"\n',
        "utf-8-sig",
        [
            ("2026-10-03", 2000, 0, "EUR", "Wage", "Boss"),
            ("2026-10-04", -299, 1, "EUR", "Ticket", "Bahn"),
        ],
    ),
    "ing-de": (
        "Umsatzanzeige;Datei erstellt am: 01.05.2026\n\nIBAN;DE89 3704 0044 0532 0130 00\n"
        "Saldo;1.196,69;EUR\n\n"
        "Buchung;Valuta;Auftraggeber/Empfänger;Buchungstext;Verwendungszweck;Saldo;Währung;"
        "Betrag;Währung\n"
        "26.04.2026;26.04.2026;Acme;Gehalt;Lohn;12.604,42;EUR;3.784,22;EUR\n",
        "cp1252",
        [("2026-04-26", 378422, 2, "EUR", "Lohn Gehalt", "Acme")],
    ),
    "ing-nl": (
        '"Datum","Naam / Omschrijving","Rekening","Tegenrekening","Code","Af Bij","Bedrag (EUR)",'
        '"Mutatiesoort","Mededelingen"\n'
        '"20261205","Market","NL91ABNA0417164300","","BA","Af","23,45","Pay","Card 1"\n'
        '"20261204","Friend","NL91ABNA0417164300","","GT","Bij","500,00","Online","Lunch"\n',
        "utf-8",
        [
            ("2026-12-04", 50000, 2, "EUR", "Lunch", "Friend"),
            ("2026-12-05", -2345, 2, "EUR", "Card 1", "Market"),
        ],
    ),
    "ing-nl-en": (
        '"Date";"Name / Description";"Account";"Counterparty";"Code";"Debit/credit";'
        '"Amount (EUR)";"Transaction type";"Notifications";"Resulting balance";"Tag"\n'
        '"20261205";"Market";"NL91ABNA0417164300";"";"BA";"Debit";"23,45";"Pay";"Card 1";"76,55";'
        '""\n',
        "utf-8",
        [("2026-12-05", -2345, 2, "EUR", "Card 1", "Market")],
    ),
    "la-banque-postale": (
        "Numéro Compte   ;1234567A020\nType         ;CCP\nCompte tenu en  ;EUR\n"
        "Date            ;04/08/2026\nSolde (EUROS)   ;13,99\n\n"
        'Date;Libellé;Montant(EUROS)\n10/07/2026;"PRELEVEMENT EDF";-45,67\n'
        '09/07/2026;"VIREMENT";+123,45\n',
        "cp1252",
        [
            ("2026-07-09", 12345, 2, "EUR", "VIREMENT", None),
            ("2026-07-10", -4567, 2, "EUR", "PRELEVEMENT EDF", None),
        ],
    ),
    "n26": (
        '"Booking Date","Value Date","Partner Name","Partner Iban",Type,"Payment Reference",'
        '"Account Name","Amount (EUR)","Original Amount","Original Currency","Exchange Rate"\n'
        '2026-08-20,2026-08-20,"Books",DE1,Presentment,"Order 1","Main Account",-12.34,-13,USD,'
        "1.05\n",
        "utf-8",
        [("2026-08-20", -1234, 2, "EUR", "Order 1", "Books")],
    ),
    "n26-old": (
        '"Date","Payee","Account number","Transaction type","Payment reference","Amount (EUR)",'
        '"Amount (Foreign Currency)","Type Foreign Currency","Exchange Rate"\n'
        '"2019-07-01","Landlord","DE009","Outgoing Transfer","Rent","-800.0","","",""\n',
        "utf-8",
        [("2019-07-01", -8000, 1, "EUR", "Rent", "Landlord")],
    ),
    "revolut": (
        "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance\n"
        "CARD_PAYMENT,Current,2026-09-14 09:12:03,2026-09-15 10:22:31,Taxi,-34.90,1.10,EUR,"
        "COMPLETED,64.00\n"
        "CARD_PAYMENT,Current,2026-09-16 09:12:03,,Taxi,-9.00,0.00,EUR,PENDING,\n",
        "utf-8",
        [("2026-09-15T10:22:31", -3600, 2, "EUR", "Taxi", None)],
    ),
    "sparkasse": (
        '"Auftragskonto";"Buchungstag";"Valutadatum";"Buchungstext";"Verwendungszweck";'
        '"Glaeubiger ID";"Lastschrift Ursprungsbetrag";"Beguenstigter/Zahlungspflichtiger";'
        '"Kontonummer/IBAN";"Betrag";"Waehrung";"Info"\n'
        f'"{IBAN}";"26.09.26";"26.09.26";"LASTSCHRIFT";"Vertrag ""Mobil""";"";"";"Telecom";"DE3";'
        '"-1.049,99";"EUR";"Umsatz gebucht"\n'
        f'"{IBAN}";"27.09.26";"27.09.26";"KARTE";"Later";"";"";"Shop";"";"-1,00";"EUR";'
        '"Umsatz vorgemerkt"\n',
        "cp1252",
        [("2026-09-26", -104999, 2, "EUR", 'Vertrag "Mobil" LASTSCHRIFT', "Telecom")],
    ),
}


def test_every_built_in_profile_has_a_case() -> None:
    assert BUILT_IN.keys() == BY_NAME.keys()


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_profile(name: str) -> None:
    text, encoding, wanted = BUILT_IN[name]
    assert reader.sniff(text.encode(encoding), "x")
    extract = read(text, Settings(), encoding)
    assert extract.notes[0] == f"Columns by the profile: {name}."
    found = [
        (r["time"], *r["amount"], r["currency"], r["label"], r["counterparty"]) for r in of(extract)
    ]
    assert found == [(ms(w[0]) if "T" in w[0] else day(w[0]), *w[1:]) for w in wanted]
    # by name it is the same
    assert of(read(text, Settings(profile=name), encoding)) == of(extract)


def test_rows_that_are_not_booked_are_said() -> None:
    text, encoding, _ = BUILT_IN["revolut"]
    assert any(
        "'PENDING': 1 (the first on line 3)" in n for n in read(text, Settings(), encoding).notes
    )


def test_the_account_above_or_beside_the_table_becomes_the_source() -> None:
    sources = {
        name: {item.source for item in read(text, Settings(), encoding).items}
        for name, (text, encoding, _) in BUILT_IN.items()
    }
    # three files of one IBAN, in a column, above the table, and there with blanks
    assert sources["dkb"] == sources["ing-de"] == sources["sparkasse"]
    assert len(sources["ing-nl"]) == 1
    assert sources["ing-nl"] == sources["ing-nl-en"]
    assert sources["la-banque-postale"] != sources["credit-mutuel"]
    for name, (text, encoding, _) in BUILT_IN.items():
        assert IBAN not in repr(of(read(text, Settings(), encoding))), name


# --- amounts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mark", "amount"),
    [
        ("1 234,56", Mark.COMMA, (123456, 2)),
        ("1\u00a0234\u00a0567,5", Mark.COMMA, (12345675, 1)),
        ("1\u202f234,5", Mark.COMMA, (12345, 1)),
        ("1'234.50", Mark.POINT, (123450, 2)),
        ("1\u2019234.50", Mark.POINT, (123450, 2)),
        ("1,234,567.89", Mark.POINT, (123456789, 2)),
        ("-1.234,56 €", Mark.COMMA, (-123456, 2)),
        ("€-5,00", Mark.COMMA, (-500, 2)),
        ("-€5,00", Mark.COMMA, (-500, 2)),
        ("EUR 5,00", Mark.COMMA, (500, 2)),
        ("\u22125,00", Mark.COMMA, (-500, 2)),
        ("5,00-", Mark.COMMA, (-500, 2)),
        ("(5.00)", Mark.POINT, (-500, 2)),
        ("+5", Mark.POINT, (5, 0)),
        (",5", Mark.COMMA, (5, 1)),
        ("0,00", Mark.COMMA, (0, 2)),
        ("1234567", Mark.COMMA, (1234567, 0)),
        # digits not in threes, two marks, mixed groups, what is no number
        ("1,23,456", Mark.POINT, None),
        ("0.123,45", Mark.COMMA, None),
        ("1.2.3", Mark.POINT, None),
        ("1 234.567,8", Mark.COMMA, None),
        ("1e5", Mark.POINT, None),
        ("", Mark.POINT, None),
        ("-", Mark.POINT, None),
        (".", Mark.POINT, None),
        ("١٢", Mark.POINT, None),
        ("9223372036854775808", Mark.POINT, None),
    ],
)
def test_amounts(text: str, mark: Mark, amount: tuple[int, int] | None) -> None:
    assert amount_of(text, mark) == amount


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["1,234", "5,67"], Mark.COMMA),
        (["1,234", "5.67"], Mark.POINT),
        (["1.234", "1.234,5"], Mark.COMMA),
        (["0,125"], Mark.COMMA),
        (["5", "17"], Mark.POINT),
        (["1,234"], Unclear),
        (["1.234", "100"], Unclear),
        (["1,23", "1.23"], Unfit),
        (["1,23", "lots"], Unfit),
    ],
)
def test_a_mark_is_decided_by_the_whole_column(cells: list[str], mark: Any) -> None:
    numbered = list(enumerate(cells, start=2))
    if isinstance(mark, Mark):
        assert mark_of(numbered) is mark
    else:
        with pytest.raises(mark):
            mark_of(numbered)


# --- dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day_first", "iso"),
    [
        ("2026-03-04", None, "2026-03-04T00:00:00"),
        ("2026/3/4", None, "2026-03-04T00:00:00"),
        ("20260304", None, "2026-03-04T00:00:00"),
        ("04.03.2026", None, "2026-03-04T00:00:00"),
        ("4.3.26", None, "2026-03-04T00:00:00"),
        ("4.3.85", None, "1985-03-04T00:00:00"),
        ("04/03/2026", True, "2026-03-04T00:00:00"),
        ("04/03/2026", False, "2026-04-03T00:00:00"),
        ("04/03/2026", None, None),
        ("4 Mar 2026", None, "2026-03-04T00:00:00"),
        ("Mar 4, 2026", None, "2026-03-04T00:00:00"),
        ("04-Mar-26", None, "2026-03-04T00:00:00"),
        ("4 Mrz 2026", None, None),
        ("2026-03-04 10:20:30", None, "2026-03-04T10:20:30"),
        ("2026-03-04T10:20:30Z", None, "2026-03-04T10:20:30"),
        ("2026-03-04T10:20:30+02:00", None, "2026-03-04T08:20:30"),
        ("2026-03-04 24:00", None, None),
        ("2026-02-30", None, None),
        ("31/02/2026", True, None),
        ("2026-03/04", None, None),
        ("", None, None),
        ("٤/٣/2026", True, None),
    ],
)
def test_dates(text: str, day_first: bool | None, iso: str | None) -> None:
    moment = date_of(text, day_first)
    assert (moment and moment[0]) == (iso and ms(iso))


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["03/04/2026", "13/04/2026"], True),
        (["03/04/2026", "04/13/2026"], False),
        (["2026-03-04", "04.03.2026"], True),
        (["03/03/2026", "05/05/2026"], True),
        (["03/04/2026"], Unclear),
        (["05/05/2026", "12/11/2026"], Unclear),
        (["23-01-15"], Unclear),
        (["13/04/2026", "04/13/2026"], Unfit),
        (["soon"], Unfit),
    ],
)
def test_an_order_is_decided_by_the_whole_column(cells: list[str], order: Any) -> None:
    numbered = list(enumerate(cells, start=2))
    if isinstance(order, bool):
        assert order_of(numbered) is order
    else:
        with pytest.raises(order):
            order_of(numbered)


@pytest.mark.parametrize("first", [True, False])
def test_a_person_settles_the_order(first: bool) -> None:
    said = Settings(currency="EUR", day_first=first)
    (row,) = of(read("Date,Description,Amount\n03/04/2026,x,1.00\n", said))
    assert row["time"] == day("2026-04-03" if first else "2026-03-04")


def test_a_person_settles_the_mark() -> None:
    text = "Date,Description,Amount\n2026-03-04,x,1.234\n"
    for decimal, amount in (("comma", [1234, 0]), ("point", [1234, 3])):
        assert of(read(text, Settings(currency="EUR", decimal=decimal)))[0]["amount"] == amount


def test_a_header_that_is_not_english_puts_the_day_first_and_says_so() -> None:
    extract = read("Date;Libellé;Montant\n03/04/2026;x;1,00\n")
    assert of(extract)[0]["time"] == day("2026-04-03")
    assert any("'03/04/2026' are read with the day first" in note for note in extract.notes)
    # where the dates tell, nothing needs to be said
    assert not any(
        "day first" in n for n in read("Date;Libellé;Montant\n30/04/2026;x;1,00\n").notes
    )


# --- what is asked --------------------------------------------------------------------------------

HEAD = "Date,Description,Amount\n"
ROW = "2026-03-04,x,1.00\n"
ASKED = {
    "order of the date": (HEAD + "03/04/2026,x,1.00\n", 2, "'03/04/2026' in Date can be read"),
    "option for the order": (HEAD + "03/04/2026,x,1.00\n", 2, "--day-first or --month-first"),
    "mark of the amount": (HEAD + "2026-03-04,x,1.234\n", 2, "--decimal comma or --decimal point"),
    "which amount": (
        "Date,Description,Amount,Amount EUR\n", None, "amount, amount eur); say which"),
    "which currency": (HEAD + ROW, 2, "say it, as in --currency EUR"),
    "dollars of which country": (HEAD + "2026-03-04,x,$1.00\n", 2, "--currency"),
    "amount or debit and credit": (
        "Date,Description,Amount,Debit,Credit\n", None, "several columns (amount, debit, credit)"),
}  # fmt: skip  # one case a line, as far as they go


@pytest.mark.parametrize("case", ASKED)
def test_what_reads_two_ways_is_asked(case: str) -> None:
    text, line, sentence = ASKED[case]
    assert reader.sniff(text.encode(), "x")  # it is ours: this is why the question can be put
    with pytest.raises(ReaderError, match=re.escape(sentence)) as refused:
        read(text, Settings())
    assert str(refused.value).startswith("bank.csv" if line is None else f"bank.csv, line {line}:")


REFUSED = {
    "dates of two orders": (HEAD + "13/04/2026,x,1.00\n04/13/2026,x,1.00\n", 3, "no date like"),
    "impossible date": (HEAD + "2026-02-30,x,1.00\n", 2, "is no date like"),
    "words inside the table": (HEAD + ROW + "soon,x,1.00\n" + ROW, 3, "is no date like"),
    "before 1900": (HEAD + "1899-12-31,x,1.00\n", 2, "outside the years"),
    "amounts of two marks": (HEAD + ROW + '2026-03-04,x,"1,00"\n', 3, "no amount like"),
    "amount with letters": (HEAD + "2026-03-04,x,1O.00\n", 2, "no amount like"),
    "amount over 64 bits": (HEAD + f"2026-03-04,x,{10**19}.00\n", 2, "no amount like"),
    "a comma that is not quoted": (HEAD + "2026-03-04,x,y,1.00\n", 2, "more cells than the header"),
    "debit and credit at once": (
        "Date,Description,Debit,Credit\n2026-03-04,x,1.00,2.00\n", 2, "Debit and Credit both"),
    "debits of both signs": (
        "Date,Description,Debit,Credit\n2026-03-04,x,1.00,\n2026-03-04,x,-1.00,\n",
        3, "both signs"),
    "a negative credit": (
        "Date,Description,Debit,Credit\n2026-03-04,x,,-1.00\n", 2, "the wrong one"),
    "a sign beside a signed amount": (
        "Date,Description,Amount,Debit/credit\n2026-03-04,x,-1.00,Debit\n", 2, "contradict"),
    "a currency that is none": (
        "Date,Description,Amount,Currency\n2026-03-04,x,1.00,Euro\n", 2, "no currency of three"),
    "an open quote": (HEAD + '2026-03-04,"x,1.00\n', None, "no row of a CSV file"),
    "a quote that goes on": (HEAD + '2026-03-04,"x"y,1.00\n', 2, "no row of a CSV file"),
    "no header": (ROW, None, "no row names columns"),
    "empty": ("", None, "empty"),
    "NUL": (HEAD + "2026-03-04,\0,1.00\n", 2, "NUL"),
    "a huge cell": (HEAD + f"2026-03-04,{'x' * 5000},1.00\n", 2, "a cell holds over"),
    "a wide row": (HEAD + "," * 300, 2, "over 256 cells"),
    "too many rows": (HEAD + ROW * (FILE_ROWS_MAX + 61), None, "over 600,000 rows"),
    "too large": (HEAD + " " * FILE_BYTES_MAX, None, "MiB"),
    "too many accounts": (
        "Date,Description,Amount,Account\n"
        + "".join(f"2026-03-04,x,1.00,{n}\n" for n in range(FILE_SERIES_MAX + 1)),
        None, "may be that of the other end"),
}  # fmt: skip  # one case a line, as far as they go


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_file_and_place(case: str) -> None:
    text, line, sentence = REFUSED[case]
    with pytest.raises(ReaderError, match=re.escape(sentence)) as refused:
        read(text)
    message = str(refused.value)
    assert message.startswith("bank.csv" if line is None else f"bank.csv, line {line}:")
    assert "\n" not in message


# --- encodings and shapes -------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "iso-8859-1", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_encodings_and_delimiters(encoding: str, delimiter: str) -> None:
    rows = [["Date", "Libellé", "Montant"], ["2026-03-04", "Café; crème, 'été'|", "-1,50"]]
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows(rows)
    text = file.getvalue()
    assert reader.sniff(text.encode(encoding), "x")
    (row,) = of(read(text, EUR, encoding))
    assert (row["label"], row["amount"]) == ("Café; crème, 'été'|", [-150, 2])


def test_the_euro_sign_of_latin_9() -> None:
    text = "Date;Libellé;Montant\n2026-03-04;Café 5 €;-1,50 €\n"
    for encoding in ("iso-8859-15", "cp1252"):
        (row,) = of(read(text, Settings(), encoding))
        assert (row["label"], row["currency"]) == ("Café 5 €", "EUR")


def test_a_head_that_ends_inside_a_character_is_known_all_the_same() -> None:
    data = ("Date;Libellé;Montant\n" + "2026-03-04;é;1,00\n" * 600).encode()
    assert all(reader.sniff(data[:end], "x") for end in range(8180, 8192))


def test_sums_below_the_table_and_rows_that_say_nothing_are_left_out_and_said() -> None:
    text = HEAD + ROW + ",,\n\n,note,\n2026-03-05,only words,\nTotal of March,,1.00\n"
    extract = read(text)
    assert len(of(extract)) == 1
    said = " ".join(extract.notes)
    assert "they have no date: 1" in said
    assert "they have no amount: 1" in said
    assert "they stand below the table: 1" in said


def test_sniff_claims_bank_tables_only(shared: Path) -> None:
    claimed = [
        path.name
        for path in sorted((shared / "samples").glob("*/*"))
        if reader.sniff(path.read_bytes()[:8192], path.name)
    ]
    assert claimed == []
    for text in ("Horodate;Valeur\n", "Date;Note;Matière\n", "datetime,interaction,duration\n"):
        assert not reader.sniff(text.encode(), "x")


# --- ids ------------------------------------------------------------------------------------------


def ids(text: str, said: Settings = EUR) -> set[str]:
    return {row["id"] for row in of(read(text, said))}


def test_overlapping_downloads_share_their_ids() -> None:
    days = [f"2026-03-{d:02},coffee,-2.50\n" * (1 + d % 2) for d in range(1, 8)]
    first, second = ids(HEAD + "".join(days[:5])), ids(HEAD + "".join(days[3:]))
    assert len(first | second) == len(ids(HEAD + "".join(days))) == 11
    assert len(first & second) == 3
    # newest first is the same file
    assert ids(HEAD + "".join(reversed(days))) == first | second


def test_equal_rows_of_one_day_stay_apart() -> None:
    assert len(ids(HEAD + ROW * 3)) == 3


def test_accounts_keep_equal_rows_apart() -> None:
    text = HEAD + ROW
    named = [ids(text, Settings(currency="EUR", account=name)) for name in ("mine", "ours")]
    assert not named[0] & named[1]
    assert any("--account" in note for note in read(text).notes)
    assert not any(
        "--account" in n for n in read(text, Settings(currency="EUR", account="x")).notes
    )


# --- the running balance --------------------------------------------------------------------------

BALANCED = [
    "2026-03-01;a;10,00;110,00\n",
    "2026-03-02;b;-5,00;105,00\n",
    "2026-03-03;c;1,50;106,50\n",
]
WITH_BALANCE = "Date;Libellé;Montant;Solde\n"


@pytest.mark.parametrize("rows", [BALANCED, BALANCED[::-1]], ids=["oldest first", "newest first"])
def test_the_last_balance_is_told_of_the_account(rows: list[str]) -> None:
    (row,) = of(read(WITH_BALANCE + "".join(rows)), ACCOUNTS)
    assert (row["balance"], row["balance_kind"], row["time"]) == (
        [10650, 2],
        "booked",
        day("2026-03-03"),
    )


def test_a_balance_that_does_not_follow_is_not_kept_and_said() -> None:
    rows = [BALANCED[0], BALANCED[2]]
    extract = read(WITH_BALANCE + "".join(rows))
    assert of(extract, ACCOUNTS) == []
    assert any("does not follow" in note for note in extract.notes)


# --- profiles of a person -------------------------------------------------------------------------

OWN = """
name = "my bank"
currency = "CHF"
day_first = true
decimal = "point"
account = "mine"
booked = ["done"]

[columns]
date = "WHEN"
amount = "How much"
label = ["What", "more"]
status = "State"
"""
OWN_FILE = "x;when;how much;what;more;state\n;03/04/2026;1.234;a;b;Done\n;03/04/2026;9;a;b;open\n"


def test_a_profile_of_a_persons_own() -> None:
    data = OWN_FILE.encode()
    said = Settings(profile=OWN)
    assert not reader.sniff(data, "x")
    chosen = reader_for([reader], data, "bank.csv", said)
    (row,) = of(read_by(chosen, data, "bank.csv", said))
    assert (row["time"], row["amount"], row["currency"]) == (day("2026-04-03"), [1234, 3], "CHF")
    assert row["label"] == "a b"


def test_columns_by_number_where_there_is_no_header() -> None:
    own = 'header = false\ncurrency = "EUR"\n[columns]\ndate = 1\namount = 3\nlabel = 2\n'
    (row,) = of(read("20260304\tx\t-1,50\n", Settings(profile=own)))
    assert (row["time"], row["amount"], row["label"]) == (day("2026-03-04"), [-150, 2], "x")


BAD = {
    "no TOML": ("=", "is no TOML"),
    "an unknown word": ('colour = "red"', "'colour', which means nothing"),
    "no columns": ('name = "x"', "no table [columns]"),
    "an unknown role": ('[columns]\nday = "x"', "'day', which is none of"),
    "no date": ('[columns]\namount = "x"\nlabel = "y"', "no column for the date"),
    "no amount": ('[columns]\ndate = "x"\nlabel = "y"', "no column for the amount"),
    "half an amount": (
        '[columns]\ndate = "x"\nlabel = "y"\ndebit = "z"', "each for debit and credit"),
    "two amounts": (
        '[columns]\ndate = "x"\nlabel = "y"\ndebit = "z"\namount = "a"',
        "both an amount and debit"),
    "no label": ('[columns]\ndate = "x"\namount = "y"', "no column for the label"),
    "several dates": ('[columns]\ndate = ["x", "y"]', "several columns for date"),
    "a column 0": ("[columns]\ndate = 0", "count from 1"),
    "a column that is true": ("[columns]\ndate = true", "neither text nor number"),
    "a status without words": (
        '[columns]\ndate="x"\namount="y"\nlabel="z"\nstatus="s"', "words that mean booked"),
    "a sign without words": (
        '[columns]\ndate="x"\namount="y"\nlabel="z"\nsign="s"', "words in `debits`"),
    "a decimal of its own": ('decimal = "dot"\n[columns]\n', "comma and point only"),
    "a currency in words": ('currency = "euro"\n[columns]\n', "three capital letters"),
    "a delimiter of its own": ('delimiter = "xy"\n[columns]\n', "none of ; , | and tab"),
    "a day that is no flag": ('day_first = "yes"\n[columns]\n', "neither true nor false"),
    "too long": ("#" * 20_000 + "=", "over 16 KiB"),
    "names without a header": (
        'header=false\n[columns]\ndate="x"\namount=2\nlabel=3', "whose columns have numbers"),
    "deep": ("a = " + "[" * 5000, "is no TOML"),
}  # fmt: skip  # one case a line, as far as they go


@pytest.mark.parametrize("case", BAD)
def test_a_profile_that_is_none_is_refused_with_its_reason(case: str) -> None:
    text, sentence = BAD[case]
    with pytest.raises(BadProfile, match=re.escape(sentence)):
        from_toml(text)
    with pytest.raises(ReaderError, match=rf"^bank\.csv: the profile .*{re.escape(sentence)}"):
        read(OWN_FILE, Settings(profile=text))


def test_a_profile_for_another_file_names_what_is_missing() -> None:
    with pytest.raises(ReaderError, match=r"columns of the profile \(how much, more, state, what"):
        read("Date;Libellé;Montant\n", Settings(profile=OWN))
    with pytest.raises(ReaderError, match=r"no profile 'mybank' here, only boursobank, "):
        read(OWN_FILE, Settings(profile="mybank"))


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_any_text_is_a_profile_or_none(text: str) -> None:
    with suppress(BadProfile):
        from_toml(text)


# --- guessing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        ("Date,Description,Amount,Balance", {"date", "label", "amount", "balance"}),
        ("Datum;Betrag;Verwendungszweck;Empfänger", {"date", "amount", "label", "counterparty"}),
        ("Fecha;Concepto;Importe;Saldo", {"date", "label", "amount", "balance"}),
        ("Data;Descrizione;Addebiti;Accrediti", {"date", "label", "debit", "credit"}),
        ("Boekdatum;Omschrijving;Bedrag", {"date", "label", "amount"}),
        ("Date comptable;Libellé;Débit euros;Crédit euros", {"date", "label", "debit", "credit"}),
        ("Date;Number;Duration", None),
        ("Description;Amount", None),
        ("Date;Amount", None),
    ],
)
def test_guesses(header: str, roles: set[str] | None) -> None:
    profile = guess(re.split("[;,]", header))
    assert (profile and set(profile.columns)) == roles


def test_names_are_compared_without_case_accents_and_signs() -> None:
    assert plain("Libellé (détaillé)") == plain("LIBELLE-DETAILLE") == "libelle detaille"
    assert plain("Betrag (€)") == "betrag eur"


# --- round trip -----------------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(
        st.dates(datetime.date(1900, 1, 1), datetime.date(2079, 6, 5)),
        st.integers(-(10**12), 10**12),
        st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=30),
    ),
    min_size=1,
    max_size=12,
)


# the decimal mark, the sign between thousands, the form of dates
STYLES = [
    (",", ".", "%d.%m.%Y"),
    (",", " ", "%Y-%m-%d"),
    (".", ",", "%d %b %Y"),
    (".", "'", "%Y%m%d"),
]


def grouped(mantissa: int, mark: str, group: str) -> str:
    whole, cents = divmod(abs(mantissa), 100)
    return f"{'-' if mantissa < 0 else ''}{f'{whole:,}'.replace(',', group)}{mark}{cents:02}"


@given(
    rows=ROWS,
    style=st.sampled_from(STYLES),
    delimiter=st.sampled_from(";,\t|"),
    split=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)  # fmt: skip  # one argument a line
@settings(max_examples=80)
def test_what_is_written_is_read(
    rows: list[tuple[datetime.date, int, str]],
    style: tuple[str, str, str],
    delimiter: str,
    split: bool,
    encoding: str,
) -> None:
    mark, group, form = style
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(["Date", "Description", *(["Debit", "Credit"] if split else ["Amount"])])
    for date, mantissa, label in rows:
        # %Y does not fill with zeros on every platform; these years have four digits
        cells = [grouped(mantissa, mark, group)]
        if split:
            cells = [cells[0], ""] if mantissa < 0 else ["", cells[0]]
        writer.writerow([date.strftime(form), label, *cells])
    found = of(read(file.getvalue(), EUR, encoding))
    assert sorted((r["time"], r["amount"], r["label"]) for r in found) == sorted(
        (day(date.isoformat()), [mantissa, 2], label) for date, mantissa, label in rows
    )

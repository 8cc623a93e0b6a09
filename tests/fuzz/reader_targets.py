"""Targets: the readers of files that organisations hand out, and what people say about them."""

from __future__ import annotations

from collections.abc import Callable

from entrenous.apps.csv_profile import BadProfile, from_toml
from entrenous.apps.csv_profiles import BY_NAME
from entrenous.apps.readers import bank_csv, camt, espi, ofx, vcard
from entrenous.apps.services.budget.rules import BadRules, own_rules
from entrenous.apps.services.electricity.tariff import BadTariff, tariff_of
from entrenous.protocol.columns import read_columns, write_columns
from entrenous.protocol.contact import LISTS, read_values
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.reading import Extract, Reader, Settings, read_by, reader_for, summary
from entrenous.protocol.schema import CONTACT
from entrenous.tests.apps import camt_files

from .examples import files
from .target import Run, Tape, Target, require, same

_NAME = "hostile"
_ALL: tuple[Reader, ...] = (ofx.reader, espi.reader, camt.reader, bank_csv.reader, vcard.reader)
_FIXTURES = "tests/apps/fixtures"
_HEAD_BYTES = 8192


def _extracted(extract: Extract) -> object:
    """What every extract must keep: batches fit their schemas, and their bytes come back."""
    for item in extract.items:
        item.batch.check()
        raw = write_columns(item.batch)
        again, end = read_columns(item.batch.schema, raw, 0, len(item.batch))
        require(end == len(raw), "columns have bytes left over")
        same(list(again.rows()), list(item.batch.rows()), "records do not come back from columns")
        if item.batch.schema is CONTACT:
            for row in item.batch.rows():
                for name in LISTS:
                    text = row[name]
                    read_values(text if isinstance(text, str) else None)
    for note in extract.notes:
        require(note.isprintable() and len(note) < 600, f"a note that cannot be shown: {note!r}")
    summary(extract)
    return [(item.path, item.source, list(item.batch.rows())) for item in extract.items]


def _reads(reader: Reader) -> Run:
    def run(data: bytes) -> object:
        try:
            reader.sniff(data[:_HEAD_BYTES], _NAME)
            return _extracted(reader.read(data, _NAME))
        except ReaderError as refused:
            _sentence(refused)
            raise

    return run


def _sentence(refused: ReaderError) -> None:
    text = str(refused)
    require(text.startswith(_NAME), f"a refusal that does not name its file: {text!r}")
    require(text.isprintable() and len(text) < 500, f"a refusal that cannot be shown: {text!r}")


_PROFILES = ("", *sorted(BY_NAME))


def _csv(data: bytes) -> object:
    """Byte 0: the profile; 1: what a person says besides; then the file."""
    tape = Tape(data)
    profile = _PROFILES[tape.upto(len(_PROFILES) - 1)]
    said = tape.upto(15)
    settings = Settings(
        profile=profile,
        day_first=(None, True, False, None)[said & 3],
        decimal=("", "comma", "point", "")[said >> 2],
        currency="EUR" if said & 1 else "",
    )
    raw = tape.rest()
    bank_csv.reader.sniff(raw[:_HEAD_BYTES], _NAME)
    try:
        return _extracted(read_by(bank_csv.reader, raw, _NAME, settings))
    except ReaderError as refused:
        _sentence(refused)
        raise


def _csv_seeds() -> list[bytes]:
    """A line for each profile, in its columns."""
    found = [b"\0\1" + raw for raw in files(_FIXTURES, "*.csv")]
    for place, name in enumerate(_PROFILES):
        if not name:
            continue
        profile = BY_NAME[name]
        columns = dict.fromkeys(one for names in profile.columns.values() for one in names)
        columns = dict.fromkeys((*profile.needs, *columns))
        cells = {"date": "02.03.2026", "amount": "-12,50", "currency": "EUR", "label": "Market"}
        cells |= {"debit": "12,50", "credit": "", "balance": "100,00", "fee": "0,00"}
        by_column = {one: role for role, names in profile.columns.items() for one in names}
        row = [cells.get(by_column.get(one, ""), "x") for one in columns]
        text = ";".join(columns) + "\n" + (";".join(row) + "\n") * 2
        found += [bytes((place, 0)) + text.encode(), bytes((0, 1)) + text.encode()]
    return found


def _toml(data: bytes) -> object:
    """A profile that a person wrote, and a file read by it, after a NUL."""
    text, _, file = data.partition(b"\0")
    said = text.decode("utf-8", "replace")
    profile = from_toml(said)
    try:
        bank_csv.reader.read_with(file or b"A;B;C\n1;2;3\n", _NAME, Settings(profile=said))
    except ReaderError as refused:
        _sentence(refused)
    return profile.names()


_PROFILE_SEEDS = (
    b'name = "mine"\ncurrency = "EUR"\nday_first = true\ndecimal = "comma"\ndelimiter = ";"\n'
    b'encoding = "cp1252"\n[columns]\ndate = "A"\namount = "B"\nlabel = ["C", "D"]\n\0'
    b"A;B;C;D\n02.03.2026;-1,50;x;y\n",
    b'header = false\ncurrency = "EUR"\ndecimal = "point"\nday_first = false\n[columns]\ndate = 1\n'
    b"amount = 2\nlabel = 3\n\x0003/04/2026,1.50,x\n",
    b'booked = ["done"]\ndebits = ["out"]\n[columns]\ndate = "A"\namount = "B"\nlabel = "C"\n'
    b'status = "D"\nsign = "E"\n\0A,B,C,D,E\n2026-03-02,1.5,x,done,out\n',
)


def _rules(data: bytes) -> object:
    return own_rules(data.decode("utf-8", "replace"))


def _tariff(data: bytes) -> object:
    return tariff_of(data.decode("utf-8", "replace"), "tariff.toml")


_RULES = b'[[rule]]\nwords = "market"\ncategory = "groceries"\nfor = "any"\n'
_TARIFF = (
    b'name = "Two"\ncurrency = "EUR"\n[[price]]\nfrom = 2025-02-01\nstanding_month = "12.68"\n'
    b'peak = "0.2146"\noff_peak = "0.1696"\noff_peak_hours = ["22:00-06:00"]\n'
    b'off_peak_days = ["saturday"]\n[[price]]\nfrom = 2026-02-01\nkwh = 0.2\n'
)


def _any(data: bytes) -> object:
    """Which reader takes a file: one, or a sentence."""
    try:
        reader = reader_for(_ALL, data, _NAME)
    except ReaderError as refused:
        _sentence(refused)
        raise
    return reader.name


def _camt_seeds() -> list[bytes]:
    found: list[bytes] = []
    for kind in (52, 53, 54):
        for version in (2, 6, 8, 12):
            entry = camt_files.entry(
                inside=camt_files.details(
                    amount="4.00", text="Rent", reference="E1", version=version
                ),
                version=version,
            )
            statement = camt_files.statement(entry)
            found.append(camt_files.document(statement, kind=kind, version=version))
    return [*found, *files(_FIXTURES, "*.camt.xml")]


_XML = (
    *(b"<!DOCTYPE a [", b"<!ENTITY a 'b'>", b"&a;", b"<![CDATA[", b"]]>", b"&#0;", b"&#x110000;"),
    *(b'encoding="utf-16"', b'encoding="rot13"', b"xmlns:a=", b"\xef\xbb\xbf", b"\xff\xfe"),
)


def _row(
    name: str,
    run: Run,
    covers: tuple[str, ...],
    seeds: Callable[[], list[bytes]],
    words: tuple[bytes, ...],
    bytes_max: int = 8192,
) -> Target:
    return Target(name, run, covers, seeds, (ReaderError,), words, bytes_max=bytes_max, weight=5)


TARGETS = (
    _row(
        "ofx",
        _reads(ofx.reader),
        ("apps.readers.ofx", "apps.ofx_markup", "apps.markup"),
        lambda: files(_FIXTURES, "*.ofx"),
        (
            *(b"<STMTTRN>", b"</STMTTRN>", b"<TRNAMT>", b"<DTPOSTED>", b"<FITID>", b"<CURDEF>"),
            *(b"ENCODING:UTF-8\n", b"CHARSET:1252\n", b"OFXHEADER:100\n", b"<LEDGERBAL>", *_XML),
        ),
    ),
    _row(
        "espi",
        _reads(espi.reader),
        ("apps.readers.espi", "apps.atom", "apps.clock", "apps.markup"),
        lambda: files(_FIXTURES, "two_meters.xml"),
        (
            *(b"<e:IntervalReading>", b"<e:value>", b"<e:start>", b"<e:duration>", b"<e:uom>"),
            *(b"<e:powerOfTenMultiplier>", b"dstEndRule", b"FFFFFFFF", b'rel="self"', *_XML),
        ),
        16_384,
    ),
    _row(
        "camt",
        _reads(camt.reader),
        ("apps.readers.camt", "apps.iso20022", "apps.account", "protocol.iban", "apps.markup"),
        _camt_seeds,
        (
            *(
                b"<Ntry>",
                b"</Ntry>",
                b"<Amt Ccy=",
                b"<CdtDbtInd>",
                b"<BookgDt>",
                b"<DtTm>",
                b"DBIT",
            ),
            *(b"<TxDtls>", b"<Bal>", b"<RvslInd>true", b"camt.052.001.02", b"<IBAN>", *_XML),
        ),
    ),
    _row(
        "vcard",
        _reads(vcard.reader),
        ("apps.readers.vcard", "apps.vcard_values", "apps.content_lines"),
        lambda: files(_FIXTURES, "*.vcf"),
        (
            *(b"BEGIN:VCARD\n", b"END:VCARD\n", b"VERSION:2.1\n", b"VERSION:4.0\n", b"TEL;TYPE="),
            *(b"ENCODING=QUOTED-PRINTABLE", b"ENCODING=BASE64", b"CHARSET=utf-7", b"=\n", b"\n "),
            *(b"item1.X-ABLabel:", b"X-CUSTOM(", b"BDAY:--0229", b"REV:", b"^n", b"AGENT:"),
        ),
    ),
    Target(
        "bank-csv",
        _csv,
        (
            *("apps.readers.bank_csv", "apps.csv_columns", "apps.csv_guess"),
            *("apps.csv_table", "apps.csv_text", "apps.csv_values"),
        ),
        _csv_seeds,
        (ReaderError,),
        words=(
            *(b"2026-03-02", b"02/03/26", b"1.234,56", b"-1 234.56", b"EUR", b'""', b"\xa0"),
            *(b"\xef\xbb\xbf", b"\xff\xfe", b"sep=;\n", b"\xe2\x88\x92", b"(12.00)", b"5 Mar 2026"),
        ),
        weight=6,
    ),
    Target(
        "csv-profile",
        _toml,
        ("apps.csv_profile",),
        lambda: list(_PROFILE_SEEDS),
        (BadProfile,),
        bytes_max=8192,
        words=(b"[columns]", b"header = false", b"booked", b"debits", b"'''", b"[[", b"1e9"),
        weight=2,
    ),
    Target(
        "budget-rules",
        _rules,
        ("apps.services.budget.rules",),
        lambda: [_RULES],
        (BadRules,),
        words=(b"[[rule]]", b"words", b"category", b"1e9", b"[[["),
        bytes_max=8192,
    ),
    Target(
        "electricity-tariff",
        _tariff,
        ("apps.services.electricity.tariff", "protocol.toml_text"),
        lambda: [_TARIFF],
        (BadTariff,),
        words=(b"[[price]]", b"22:00-06:00", b"1e999", b"inf", b"nan", b"2026-02-30"),
        bytes_max=8192,
    ),
    Target(
        "any-file",
        _any,
        ("protocol.reading",),
        lambda: files(_FIXTURES, "*"),
        (ReaderError,),
        words=(b"<OFX>", b"BEGIN:VCARD", b"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"),
        weight=1,
    ),
)

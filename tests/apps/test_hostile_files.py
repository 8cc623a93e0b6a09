"""Whatever a file holds, a reader reads it or says why not: nothing else, soon, in little room."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.apps.readers import bank_csv, camt, espi, ofx, vcard
from entrenous.protocol.errors import ReaderError
from entrenous.protocol.limits import FILE_ELEMENTS_HELD_MAX
from entrenous.protocol.reading import Reader

FIXTURES = Path(__file__).parent / "fixtures"
VALID = {
    "two_accounts_sgml.ofx": ofx.reader,
    "savings_xml.ofx": ofx.reader,
    "two_meters.xml": espi.reader,
    "statement.camt.xml": camt.reader,
    "bank_table.csv": bank_csv.reader,
}
OFX_2 = b'<?xml version="1.0"?>%s<?OFX OFXHEADER="200"?><OFX>%s</OFX>'
ESPI = b'<?xml version="1.0"?>%s<feed xmlns="http://naesb.org/espi">%s</feed>'
CAMT = (
    b'<?xml version="1.0"?>%s'
    b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">%s</Document>'
)
LAUGHS = (
    b'<!DOCTYPE z [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (c, b"&%c;" % (c - 1) * 10) for c in b"bcdefghij")
    + b"]>"
)
BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "billion laughs": lambda form: form % (LAUGHS, b"&j;"),
    "external entity": lambda form: (
        form % (b'<!DOCTYPE z [<!ENTITY a SYSTEM "file:///etc/passwd">]>', b"&a;")
    ),
    "external DTD": lambda form: form % (b'<!DOCTYPE z SYSTEM "http://localhost/z.dtd">', b""),
    "parameter entity": lambda form: form % (b'<!DOCTYPE z [<!ENTITY % a "b">%a;]>', b""),
    "undefined entity": lambda form: form % (b"", b"<a>&nothing;</a>"),
    "a million nested": lambda form: form % (b"", b"<a>" * 1_000_000),
    "too many side by side": lambda form: form % (b"", b"<a/>" * (FILE_ELEMENTS_HELD_MAX + 1)),
    "huge attribute": lambda form: form % (b"", b'<a b="%s"/>' % (b"x" * 8_000_000)),
    "huge name": lambda form: form % (b"", b"<%s/>" % (b"x" * 8_000_000)),
    "huge text": lambda form: form % (b"", b"<a>%s</a>" % (b"x" * 8_000_000)),
    "many attributes": lambda form: (
        form % (b"", b"<a %s/>" % b" ".join(b'b%d=""' % n for n in range(100_000)))
    ),
    "wrong encoding": lambda form: form % (b"", b"\xff\xfe\xfd"),
    "encoding of another kind": lambda form: (form % (b"", b"")).replace(
        b'"1.0"', b'"1.0" encoding="rot13"'
    ),
    "UTF-7": lambda form: (form % (b"", b"")).replace(b'"1.0"', b'"1.0" encoding="utf-7"'),
    "NUL bytes": lambda form: form % (b"", b"<a>\0</a>"),
    "UTF-16 half": lambda form: (form % (b"", b"")).decode().encode("utf-16")[:-1],
    "two roots": lambda form: form % (b"", b"") + b"<again/>",
    "unclosed comment": lambda form: form % (b"", b"<!--" * 500_000),
    "unclosed CDATA": lambda form: form % (b"", b"<![CDATA[" * 500_000),
}
# What each is refused for: a bomb that is stopped by chance, elsewhere, is not stopped.
REASONS = {
    "billion laughs": "declares a DTD",
    "external entity": "declares a DTD",
    "external DTD": "declares a DTD",
    "parameter entity": "declares a DTD",
    "undefined entity": "undefined entity",
    "a million nested": "nested over",
    "too many side by side": "too many elements",
    "huge attribute": "characters",
    "huge name": "characters",
    "huge text": "characters",
    "wrong encoding": "does not fit the encoding",
    "encoding of another kind": "'rot13' is not read here",
    "UTF-7": "'utf-7' is not read here",
    "NUL bytes": "NUL",
    "two roots": "junk after document element",
    "unclosed comment": "not sound",
    "unclosed CDATA": "characters",
    "many attributes": "too many attributes",
    "UTF-16 half": "(does not fit the encoding|not an OFX file|no account report)",
}


def read_or_refuse(reader: Reader, data: bytes) -> None:
    """A reader that raises anything but ReaderError fails the test by raising it."""
    try:
        extract = reader.read(data, "hostile")
    except ReaderError as refused:
        sentence = str(refused)
        assert sentence.startswith("hostile")
        assert len(sentence) < 400
        assert sentence.isprintable()
    else:
        for item in extract.items:
            item.batch.check()


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize(
    ("form", "reader"),
    [(OFX_2, ofx.reader), (ESPI, espi.reader), (CAMT, camt.reader)],
    ids=["ofx", "espi", "camt"],
)
def test_bombs_are_refused_soon_and_small(bomb: str, form: bytes, reader: Reader) -> None:
    data = BOMBS[bomb](form)
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(ReaderError, match=f"^hostile.*{REASONS[bomb]}"):
            reader.read(data, "hostile")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # generous: shared machines, and tracing costs; what must not pass is a minute or a gigabyte
    assert time.process_time() - began < 30
    assert peak < 8 * len(data) + 128 * 1024 * 1024


@pytest.mark.parametrize(
    "middle",
    [
        b"<A>" * 1_000_000,
        b"<A>x" * 1_000_000,
        b"</A>" * 1_000_000,
        b"<" * 4_000_000,
        b"<![CDATA[" * 500_000,
        b"&#" * 2_000_000,
        b"<STMTTRN>" * 500_000,
        b"<STMTTRN></STMTTRN>" * 100_000,
        b"<STMTRS></STMTRS>" * 100_000,
        b"<CURDEF>EUR" * 300_000,
        b"x" * 8_000_000,
    ],
    ids=lambda middle: middle[:20].decode(),
)
def test_sgml_bombs_are_refused_soon(middle: bytes) -> None:
    began = time.process_time()
    with pytest.raises(ReaderError, match=r"^hostile"):
        ofx.reader.read(b"OFXHEADER:100\n\n<OFX>" + middle + b"</OFX>", "hostile")
    assert time.process_time() - began < 30


@pytest.mark.parametrize(
    "body",
    [
        b'"' * 4_000_000,
        b'"a";' * 1_000_000,
        b";" * 4_000_000,
        b"\n" * 4_000_000,
        b"\r" * 4_000_000,
        b'2026-03-04;"' + b"x" * 8_000_000,
        b"2026-03-04;x;" + b"1 234" * 800 + b"\n",
        b"2026-03-04;x;" + b"1" * 4_000 + b"\n",
        b"2026-03-04;x;" + b"-" * 4_000 + b"\n",
        b"2026-03-04;x;" + b" \xc2\xa0" * 1_300 + b"1,0 EUR\n",
        (b"2026-03-04;x;1" + b" " * 4_000 + b"-\n") * 100,
        b"2026-03-04 " + b" " * 4_000 + b"1;x;1,00\n",
    ],
    ids=lambda body: body[:14].decode(errors="replace"),
)
def test_csv_bombs_are_read_or_refused_soon(body: bytes) -> None:
    began = time.process_time()
    read_or_refuse(bank_csv.reader, b"Date;Libell\xc3\xa9;Montant EUR\n" + body)
    bank_csv.reader.sniff(body[:8192], "x")
    assert time.process_time() - began < 30


def test_notes_without_end_are_read_soon() -> None:
    """Each note of a card goes on where the one before it ended."""
    began = time.process_time()
    note = b"NOTE:" + b"x" * 60 + b"\r\n"
    card = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:A\r\n" + note * 120_000 + b"END:VCARD\r\n"
    (item,) = vcard.reader.read(card, "hostile").items
    assert str(item.batch.row(0)["note"]).endswith("…")
    assert time.process_time() - began < 30


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_rows_below_a_header_are_read_or_refused(body: bytes) -> None:
    read_or_refuse(bank_csv.reader, b"Date;Label;Amount EUR;Balance\n" + body)


CELL = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"\A[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}\Z"),
    st.from_regex(r"\A-?[0-9]{1,7}[.,' ][0-9]{1,4}\Z"),
)


@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), max_size=6))
@settings(max_examples=200)
def test_any_cells_below_a_header_are_read_or_refused(
    rows: list[tuple[str, str, str, str]],
) -> None:
    body = "\n".join(";".join(row) for row in rows)
    read_or_refuse(bank_csv.reader, f"Date;Label;Amount EUR;Balance\n{body}\n".encode())


def test_many_links_do_not_take_quadratic_time() -> None:
    entry = (
        '<entry><link rel="self" href="MR/{n}"/><link rel="up" href="MR/{n}/IntervalBlock"/>'
        '<content xmlns:e="http://naesb.org/espi">{content}</content></entry>'
    )
    reading = (
        "<e:IntervalBlock><e:IntervalReading><e:timePeriod><e:duration>60</e:duration>"
        "<e:start>{n}00</e:start></e:timePeriod><e:value>1</e:value></e:IntervalReading>"
        "</e:IntervalBlock>"
    )
    parts = [entry.format(n=n, content="<e:MeterReading/>") for n in range(20_000)]
    parts += [entry.format(n=n, content=reading.format(n=n)) for n in range(20_000)]
    data = f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join(parts)}</feed>'.encode()
    began = time.process_time()
    read_or_refuse(espi.reader, data)
    assert time.process_time() - began < 30


PIECES = [b"<", b">", b"</", b"&", b"\0", b"\xff", b"]]>", b"<!DOCTYPE a>", b"-", b"9" * 30, b"\n"]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Reader, bytes]:
    """A valid file after a few cuts, doublings, swaps and insertions."""
    name = draw(st.sampled_from(sorted(VALID)))
    data = (FIXTURES / name).read_bytes()
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, len(data)))
        end = min(len(data), first + draw(st.integers(0, 60)))
        how = draw(st.sampled_from(["drop", "double", "insert", "flip", "truncate"]))
        if how == "drop":
            data = data[:first] + data[end:]
        elif how == "double":
            data = data[:end] + data[first:]
        elif how == "insert":
            piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)))
            data = data[:first] + piece + data[first:]
        elif how == "flip" and first < len(data):
            data = data[:first] + bytes([draw(st.integers(0, 255))]) + data[first + 1 :]
        elif how == "truncate":
            data = data[:first]
    return VALID[name], data


@given(mutated())
@settings(max_examples=300, deadline=20_000)
def test_a_mutated_file_is_read_or_refused(case: tuple[Reader, bytes]) -> None:
    reader, data = case
    read_or_refuse(reader, data)


@given(mutated())
@settings(max_examples=100, deadline=20_000)
def test_no_field_of_a_mutated_file_breaks_the_other_reader(case: tuple[Reader, bytes]) -> None:
    _, data = case
    for reader in (ofx.reader, espi.reader, camt.reader, bank_csv.reader):
        reader.sniff(data[:8192], "x")
        read_or_refuse(reader, data)


@given(
    field=st.sampled_from([b"TRNAMT", b"DTPOSTED", b"FITID", b"CURDEF", b"ACCTID", b"NAME"]),
    text=st.text(max_size=40),
)
@settings(max_examples=200, deadline=20_000)
def test_any_text_in_a_field_of_ofx(field: bytes, text: str) -> None:
    data = (FIXTURES / "two_accounts_sgml.ofx").read_bytes()
    at = data.index(b"<%s>" % field) + len(field) + 2
    end = data.index(b"\n", at)
    encoded = text.encode("cp1252", "replace")
    read_or_refuse(ofx.reader, data[:at] + encoded + data[end:])


WORDS = st.characters(exclude_characters="<&", categories=["L", "N", "P", "Z"])


@given(
    field=st.sampled_from(
        [
            "start",
            "duration",
            "value",
            "uom",
            "powerOfTenMultiplier",
            "tzOffset",
            "dstOffset",
            "dstStartRule",
            "dstEndRule",
            "quality",
            "kind",
            "intervalLength",
        ]
    ),
    text=st.one_of(
        st.integers(-(10**20), 10**20).map(str),
        st.integers(0, 2**32).map("{:08X}".format),
        st.text(WORDS, max_size=9),
    ),
)
@settings(max_examples=200, deadline=20_000)
def test_any_text_in_a_field_of_espi(field: str, text: str) -> None:
    data = (FIXTURES / "two_meters.xml").read_text()
    head, tag, rest = data.partition(f"<e:{field}>")
    _, close, tail = rest.partition(f"</e:{field}>")
    read_or_refuse(espi.reader, f"{head}{tag}{text}{close}{tail}".encode())

"""vCard: who an address book names, in each version and with the quirks of those who write it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Reason: vobject, the oracle, ships no types.

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
import vobject
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.apps.content_lines import Line, content_lines
from entrenous.apps.readers import espi, ofx
from entrenous.apps.readers.vcard import PATH, reader
from entrenous.protocol.contact import Labelled, read_values, write_values
from entrenous.protocol.errors import ReaderError, RecordError
from entrenous.protocol.limits import CONTACT_TEXT_BYTES_MAX
from entrenous.protocol.reading import Extract, summary
from entrenous.protocol.schema import CONTACT

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = ("old_telephone_21.vcf", "two_books_30.vcf", "people_40.vcf")


def read(data: bytes) -> Extract:
    return reader.read(data, "book.vcf")


def contacts(data: bytes) -> dict[str, dict[str, Any]]:
    """The contacts of a file by name, each without what it lacks."""
    (item,) = read(data).items
    assert item.path == PATH
    return {
        cast("str", row["name"]): {key: cell for key, cell in row.items() if cell is not None}
        for row in item.batch.rows()
    }


def card(*lines: str, version: str = "3.0") -> bytes:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""]).encode()


def values(contact: dict[str, Any], field: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(one.parts, one.labels) for one in read_values(contact[field])]


def test_version_2_1_as_telephones_write_it() -> None:
    data = (FIXTURES / "old_telephone_21.vcf").read_bytes()
    found = contacts(data)
    amelie = found["Amélie Étienne"]
    assert (amelie["family"], amelie["given"]) == ("Étienne de la Fontaine", "Amélie-Joséphine")
    assert values(amelie, "phones") == [
        (("+33612345678",), ("cell", "pref")),
        (("+33450112233",), ("châlet",)),
    ]
    assert values(amelie, "emails") == [(("amelie@example.org",), ("home",))]
    ((street, _),) = values(amelie, "addresses")
    assert street == ("", "", "12 rue des Étuves\nbât. B", "Lyon", "", "69002", "France")
    assert amelie["note"] == "Two lines\nand a path C:\\new; done"
    assert values(amelie, "nickname") == [(("Lili",), ())]
    assert amelie["birthday"] == "--0322"
    joerg = found["Jörg Müller"]
    assert values(joerg, "organisation") == [(("Stadtwerke", "Netz"), ())]
    assert values(joerg, "phones") == [(("+49 89 123",), ("work", "voice"))]
    assert read(data).notes == ("Left out, because no field of a contact holds them: PHOTO (1).",)


def test_version_3_0_with_groups_folding_and_escapes() -> None:
    data = (FIXTURES / "two_books_30.vcf").read_bytes()
    found = contacts(data)
    anna = found["Dr. Anna Berg"]
    assert anna["id"] == "4f1c-anna"
    assert anna["additional"] == "Maria, Luise"
    assert values(anna, "nickname") == [(("Anni",), ()), (("Änni",), ())]
    assert values(anna, "organisation") == [(("Berg & Co; Söhne", "Einkauf"), ())]
    assert values(anna, "phones") == [(("+49 30 5550100",), ("main",))]
    assert values(anna, "urls") == [(("https://example.org/a;b",), ("Laden am Markt",))]
    assert values(anna, "emails") == [(("anna@example.org",), ("work", "pref"))]
    assert values(anna, "addresses")[0][0][2] == "Am Markt 1, Hof"
    assert anna["birthday"] == "--0229"
    assert anna["note"] == "A long note that is folded in the mid dle of a word\nand has two lines"
    assert values(anna, "messaging") == [
        (("matrix:u/anna",), ("matrix",)),
        (("anna@example.net",), ("jabber",)),
    ]
    assert anna["rev"] == "2024-01-31T10:15:00"[:19] + "Z"
    assert found["Stadtbücherei"]["kind"] == "org"
    assert "Left out: cards with nothing in them (1)." in read(data).notes
    assert any("KEY (1), X-ABDATE (1)" in note for note in read(data).notes)


def test_version_4_0() -> None:
    found = contacts((FIXTURES / "people_40.vcf").read_bytes())
    ines = found["Ines Soto"]
    assert ines["id"] == "urn:uuid:7a1e"
    assert values(ines, "phones") == [(("+34-91-555-0100",), ("voice", "home", "pref"))]
    assert (ines["birthday"], ines["anniversary"]) == ("around 1950", "2009-08")
    assert (ines["role"], ines["title"]) == ("Treasurer", "Dra.")
    assert found["Choir"]["kind"] == "group"


def test_published_samples(shared: Path) -> None:
    """Figures: `grep -c ^TEL FILE`, `grep ^BDAY FILE` and the like."""
    gmail = contacts((shared / "samples/identity/John_Doe_GMAIL.vcf").read_bytes())
    (john,) = gmail.values()
    assert john["name"] == "Mr. John Richter, James Doe Sr."
    assert len(values(john, "phones")) == 2
    assert (john["birthday"], john["anniversary"]) == ("1980-03-22", "1975-03-01")
    assert values(john, "urls") == [(("http://www.ibm.com",), ("work",))]
    assert john["note"].endswith("\nFavotire Color: Blue")
    rfc = contacts((shared / "samples/identity/rfc6350-example.vcf").read_bytes())
    (simon,) = rfc.values()
    assert (simon["birthday"], simon["anniversary"]) == ("--0203", "2009-08-08")
    assert values(simon, "phones")[0] == (
        ("+1-418-656-9254;ext=102",),
        ("work", "voice", "pref"),
    )
    assert simon["suffix"] == "ing. jr, M.Sc."


@pytest.mark.parametrize("name", ["two_books_30.vcf", "people_40.vcf"])
def test_vobject_reads_the_same(name: str) -> None:
    data = (FIXTURES / name).read_bytes()
    found = contacts(data)
    for one in cast("Any", vobject.readComponents(data.decode())):
        full = str(one.fn.value)
        if not full:
            continue
        here = found[full]
        for prop, field in (("tel", "phones"), ("email", "emails")):
            said = [str(line.value).removeprefix("tel:") for line in one.contents.get(prop, [])]
            assert (
                [parts[0] for parts, _ in values(here, field)] == said
                if said
                else field not in here
            )
        if hasattr(one, "n"):
            assert (here.get("family", ""), here.get("given", "")) == (
                one.n.value.family,
                one.n.value.given,
            )


def test_a_contact_without_a_uid_keeps_its_id_when_its_number_changes() -> None:
    before = contacts(card("FN:Ana Lima", "TEL:1"))["Ana Lima"]
    after = contacts(card("FN:Ana  Lima", "TEL:2", "EMAIL:a@example.org"))
    assert before["id"] == next(iter(after.values()))["id"]
    two = read(card("FN:Ana Lima", "TEL:1") + card("FN:Ana Lima", "TEL:2")).items[0].batch
    assert len(set(two.columns["id"])) == 2


def test_cards_said_twice_and_cards_under_one_uid() -> None:
    same = read(card("UID:1", "FN:A") * 2)
    assert len(same.items[0].batch) == 1
    assert same.notes == ("Cards said twice in the file and kept once: 1.",)
    other = read(card("UID:1", "FN:A") + card("UID:1", "FN:B"))
    assert len(other.items[0].batch) == 2
    assert other.notes == ("Different cards under one UID, each kept: 1.",)


DATES = {
    "19850412": "1985-04-12",
    "1985-04-12": "1985-04-12",
    "1985-04-12T10:00:00Z": "1985-04-12",
    "1985-04": "1985-04",
    "1985": "1985",
    "--0412": "--0412",
    "--04-12": "--0412",
    "--04": "--04",
    "---12": "---12",
    "1604-04-12": "--0412",
    "19851312": "19851312",
    "1985-02-30": "1985-02-30",
    "in spring": "in spring",
}


@pytest.mark.parametrize("text", DATES)
def test_a_day_keeps_what_is_known_of_it(text: str) -> None:
    assert contacts(card("FN:A", f"BDAY:{text}"))["A"]["birthday"] == DATES[text]


def test_a_card_in_a_card_is_counted_and_left_out() -> None:
    data = card("FN:Boss", "AGENT:", "BEGIN:VCARD", "FN:Clerk", "END:VCARD", "TEL:1", version="2.1")
    assert list(contacts(data)) == ["Boss"]
    assert read(data).notes == ("Left out: cards inside another card (1).",)


def test_what_is_too_long_is_cut_and_told() -> None:
    found = read(card("FN:A", "NOTE:" + "é" * CONTACT_TEXT_BYTES_MAX))
    note = cast("str", found.items[0].batch.columns["note"][0])
    assert len(note.encode()) <= CONTACT_TEXT_BYTES_MAX
    assert found.notes == ("Texts that were too long and are cut: 1.",)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"BEGIN:VCARD\nFN:A\n", "line 1: the card that begins here does not end"),
        (card("FN:A")[:-11] + card("FN:B"), "line 1: the card that begins here does not end"),
        (card("FN:A", version="9.0"), "line 2: vCard '9.0' is not read here"),
        (card("FN:"), "no card with anything in it"),
        (card("FN:A\0"), "line 3: the file holds NUL"),
    ],
)
def test_refusals_name_the_place(data: bytes, sentence: str) -> None:
    with pytest.raises(ReaderError, match=sentence):
        read(data)


def test_only_its_own_files_are_taken() -> None:
    for path in FIXTURES.iterdir():
        if path.is_file():
            head = path.read_bytes()[:8192]
            assert reader.sniff(head, path.name) is (path.suffix == ".vcf"), path.name
            if path.suffix == ".vcf":
                assert not ofx.reader.sniff(head, path.name)
                assert not espi.reader.sniff(head, path.name)
    marked = (FIXTURES / "people_40.vcf").read_text().encode("utf-16")
    assert reader.sniff(marked, "x")
    assert "Ines Soto" in contacts(marked)


def test_undated_records_have_no_days_in_a_preview() -> None:
    (item,) = summary(read(card("FN:A"))).items
    assert (item.count, item.days, item.first, item.last, dict(item.sums)) == (1, 0, "", "", {})


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
VALUES = st.lists(
    st.builds(
        Labelled,
        st.lists(TEXT, min_size=1, max_size=4).map(tuple),
        st.lists(TEXT, max_size=3).map(tuple),
    ),
    max_size=4,
)


@given(VALUES)
def test_values_with_labels_stand_in_one_text_exactly(drawn: list[Labelled]) -> None:
    text = write_values(drawn)
    assert list(read_values(text)) == drawn
    assert (text is None) is (not drawn)


@given(st.text("a;\\\n\tn", max_size=10))
def test_a_text_has_one_reading_or_none(text: str) -> None:
    try:
        assert write_values(read_values(text)) == text
    except RecordError:
        return


def test_a_parameter_without_a_value_says_nothing() -> None:
    card = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\r\nBDAY%b:2009-08-01\r\nEND:VCARD\r\n"
    assert read(card % b";VALUE=").items == read(card % b"").items


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_a_file_holds_it_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray((FIXTURES / data.draw(st.sampled_from(NAMES))).read_bytes())
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        end = at + data.draw(st.integers(0, 30))
        whole[at:end] = data.draw(
            st.one_of(st.binary(max_size=8), st.sampled_from([b"\r\n", b"=\r\n", b":", b";", b'"']))
        )
    try:
        found = read(bytes(whole))
    except ReaderError:
        return
    for item in found.items:
        assert item.batch.schema is CONTACT
        for row in item.batch.rows():
            read_values(cast("str | None", row["phones"]))
    assert read(bytes(whole)) == found


@pytest.mark.parametrize(
    "data",
    [
        b"BEGIN:VCARD\nFN:a\n" + b"X" * 4_000_000 + b"\nEND:VCARD\n",
        b"BEGIN:VCARD\nFN:a\nX" + b"\n a" * 250_000 + b"\nEND:VCARD\n",
        b"BEGIN:VCARD\nFN:a\nTEL" + b';"' * 250_000 + b":1\nEND:VCARD\n",
        b"BEGIN:VCARD\nFN:a\nTEL" + b";a=b" * 250_000 + b":1\nEND:VCARD\n",
        b"BEGIN:VCARD\nFN:a\nTEL;(" + b"(" * 250_000 + b":1\nEND:VCARD\n",
        b"BEGIN:VCARD\nFN:a\nN:" + b"\\;" * 250_000 + b"\nEND:VCARD\n",
        b"BEGIN:VCARD\nFN:a\nN:" + b";" * 250_000 + b"\nEND:VCARD\n",
        b"BEGIN:VCARD\nFN:a\nNICKNAME:" + b"a,b" * 100_000 + b"\nEND:VCARD\n",
        b"BEGIN:VCARD\nFN:a\nNOTE;QUOTED-PRINTABLE:" + b"=\n" * 250_000 + b"\nEND:VCARD\n",
        b"BEGIN:VCARD\nFN:a\n" + b"TEL:1\n" * 60_000 + b"END:VCARD\n",
        b"BEGIN:VCARD\n" * 500_000,
    ],
    ids=range(11),
)
def test_bombs_cost_little(data: bytes) -> None:
    began = time.process_time()
    with suppress(ReaderError):
        read(data)
    assert time.process_time() - began < 20


def test_lines_are_numbered_where_they_begin() -> None:
    found = list(content_lines(b"\r\nA:1\r\n 2\r\n\r\nB;X=y:3"))
    assert [(one.number, one.value) for one in found if isinstance(one, Line)] == [
        (2, "12"),
        (5, "3"),
    ]

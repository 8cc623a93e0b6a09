"""Domains in their one form; the document that a domain publishes; names that look alike."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.did import did_of
from entrenous.protocol.domain import (
    check_domain_name,
    domain_from_text,
    mixes_scripts,
    shown_domain,
)
from entrenous.protocol.errors import VersionError, WireError
from entrenous.protocol.limits import WELL_KNOWN_BYTES_MAX, WELL_KNOWN_PERSONAS_MAX
from entrenous.protocol.look_alike import look_alike, skeleton
from entrenous.protocol.well_known import parse_well_known, well_known_text

DIDS = [did_of(PersonaKey(bytes([i]) * 32).public) for i in range(1, 4)]


@pytest.mark.parametrize(
    "good", ["example.org", "a.b.c.example.co.uk", "x1-y.example", "1.example", "xn--mnchen-3ya.de"]
)
def test_a_domain_in_its_one_form(good: str) -> None:
    assert check_domain_name(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        "", "org", "localhost", "a.localhost", "router.local", "db.internal", "x.onion", "x.home",
        "8.8.8.8", "1.2.3", "example.0x7f", "[::1]", "::1", "example.org.", ".example.org",
        "example..org", "-a.example", "a-.example", "Example.org", "exämple.org", "a_b.example",
        "a b.example", "example.org/x", "user@example.org", "example.org:443", "example.org\n",
        "xn--.example", "xn--a.example", "xn--99999999999.example", "ab--c.example",
        f"{'a' * 64}.example", ".".join(["a" * 60] * 5), "169.254.169.254", "2130706433.",
    ],
)  # fmt: skip
def test_what_is_no_domain_of_the_internet(bad: str) -> None:
    with pytest.raises(WireError):
        check_domain_name(bad)


@given(st.text(max_size=40))
def test_whatever_is_written_is_one_domain_or_refused(text: str) -> None:
    try:
        found = domain_from_text(text)
    except WireError:
        return
    assert check_domain_name(found) == found == domain_from_text(found)
    assert found.isascii()


def test_a_domain_is_written_in_any_case_and_script() -> None:
    assert domain_from_text(" Example.ORG ") == "example.org"
    assert domain_from_text("münchen.de") == "xn--mnchen-3ya.de"


def test_a_name_that_mixes_scripts_is_not_spelled_out() -> None:
    imitated = domain_from_text("p\u0430ypal.example")  # a Cyrillic a
    assert imitated.startswith("xn--")
    shown = shown_domain(imitated)
    assert imitated in shown
    assert "mixes scripts" in shown
    assert "\u0430" not in shown
    assert shown_domain("example.org") == "example.org"
    assert "münchen.de" in shown_domain("xn--mnchen-3ya.de")
    assert not mixes_scripts("東京ラーメン")
    assert mixes_scripts("a\u03b1")


# --- the document ---------------------------------------------------------------------------------


def test_the_document_that_is_printed_is_the_one_that_is_read() -> None:
    text = well_known_text([DIDS[1], DIDS[0], DIDS[1]])
    assert set(parse_well_known(text.encode())) == {DIDS[0], DIDS[1]}
    assert json.loads(text)["v"] == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"null", b"[]", b'"did:key:z"', b"<html></html>", b"\xff\xfe{}",
        b'{"v": 1}', b'{"personas": []}', b'{"v": 1, "personas": [], "more": 1}',
        b'{"v": 1, "v": 1, "personas": []}', b'{"v": "1", "personas": []}',
        b'{"v": true, "personas": []}', b'{"v": 1.0, "personas": []}',
        b'{"v": 1, "personas": {}}', b'{"v": 1, "personas": [1]}',
        b'{"v": 1, "personas": ["did:web:example.org"]}', b'{"v": 1, "personas": [["x"]]}',
        b'{"v": NaN, "personas": []}', b"[" * 60_000, b'{"v":' + b"9" * 60_000 + b"}",
        b'{"v": 1, "personas": []}' + b" " * WELL_KNOWN_BYTES_MAX,
    ],
)  # fmt: skip
def test_another_document_is_refused(raw: bytes) -> None:
    with pytest.raises(WireError):
        parse_well_known(raw)


def test_a_later_document_and_one_too_long() -> None:
    with pytest.raises(VersionError):
        parse_well_known(b'{"v": 2, "people": []}')
    many = json.dumps({"v": 1, "personas": [DIDS[0]] * (WELL_KNOWN_PERSONAS_MAX + 1)})
    with pytest.raises(WireError, match="personas"):
        parse_well_known(many.encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.binary(max_size=120) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_document_does_anything_but_refuse(raw: bytes) -> None:
    with pytest.raises(WireError):
        parse_well_known(raw)


@given(JSON)
def test_personas_of_any_form(value: object) -> None:
    raw = json.dumps({"v": 1, "personas": value}).encode()
    try:
        found = parse_well_known(raw)
    except WireError:
        return
    assert found == ()


# --- look-alikes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bank One", "Bank 0ne"),
        ("Bank One", "BANKONE"),
        ("Bank One", "B\u0430nk One"),
        ("paypal", "paypaI"),
        ("Société Générale", "Societe Generale"),
        ("modern power", "modem power"),
        ("Example Bank", "Exemple Bank"),
        ("Example Bank", "Example Bnak"),
        ("example", "exampl"),
        ("volt", "VOLT"),
        ("straße", "STRASSE"),
    ],
)
def test_names_that_an_eye_takes_for_each_other(one: str, other: str) -> None:
    assert look_alike(one, other)
    assert look_alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("edf", "sdf"),
        ("volt", "bolt"),
        ("Bank One", "Bank Two"),
        ("", "-"),
        ("-", "!?"),
        ("ann", "ben"),
    ],
)
def test_names_that_are_two(one: str, other: str) -> None:
    assert not look_alike(one, other)


@given(st.text(max_size=20))
def test_a_name_looks_like_itself_in_any_case(name: str) -> None:
    assert skeleton(skeleton(name)) == skeleton(skeleton(skeleton(name)))
    assert look_alike(name, name)


LETTERS = st.text("bcdfghjkpqtxyz", min_size=7, max_size=12)


@given(LETTERS, st.data())
def test_one_slip_is_seen_and_two_are_not_one(name: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(name) - 1))
    assert look_alike(name, name[:place] + "w" + name[place + 1 :])
    assert look_alike(name, name[:place] + name[place + 1 :])
    assert look_alike(name, name[:place] + "w" + name[place:])
    assert not look_alike(name, "ww" + name[2:] + "w")

"""Cards: what is signed is what was written, and nothing else is read."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.errors import BadSignature, EntrenousError
from entrenous.crypto.keys import PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.card import (
    Card,
    card_from_mapping,
    card_from_value,
    changes,
    make_card,
    one_line,
    parse_card,
)
from entrenous.protocol.errors import LocalProtocolError, ProtocolError, VersionError, WireError
from entrenous.protocol.limits import CARD_BYTES_MAX, CARD_ITEMS_MAX
from entrenous.protocol.signed import sign
from entrenous.protocol.wire import Value, decode, encode
from entrenous.tests.protocol.card_samples import CARDS, DID, KEY, WRITTEN


def card(**changed: object) -> Card:
    written = {**WRITTEN, **changed}
    return card_from_mapping(written, did=DID, n=3, t_ms=1_000, name="Home")


def signed_body(**changed: Value) -> bytes:
    """A signed card whose body says what nobody should."""
    return sign(Signed.CARD, {**card().value(), **changed}, KEY).raw


def test_a_card_is_read_as_it_was_written() -> None:
    found = parse_card(make_card(KEY, card()).raw)
    assert found.card == card()
    assert found.card.who.registration == "RCS Paris 123 456 789"
    assert found.card.who.address is None
    assert found.card.incidents[0].people == 120


@given(CARDS)
def test_every_card_goes_there_and_back(one: Card) -> None:
    made = make_card(KEY, one)
    assert parse_card(made.raw) == made
    assert made.card == one
    assert changes(one, one) == ()


@given(CARDS, st.data())
def test_a_byte_that_changed_is_noticed(one: Card, data: st.DataObject) -> None:
    raw = bytearray(make_card(KEY, one).raw)
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EntrenousError):
        parse_card(bytes(raw))


@given(st.binary(max_size=200) | st.builds(encode, st.recursive(
    st.none() | st.text(max_size=5) | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)))  # fmt: skip
def test_no_bytes_do_anything_but_refuse(raw: bytes) -> None:
    with pytest.raises(EntrenousError):
        parse_card(raw)


def test_nobody_signs_for_another() -> None:
    other = PersonaKey(bytes([9]) * 32)
    with pytest.raises(LocalProtocolError):
        make_card(other, card())
    with pytest.raises(BadSignature):
        parse_card(sign(Signed.CARD, card().value(), other).raw)


def test_another_kind_of_signed_object_is_no_card() -> None:
    with pytest.raises(WireError, match="not a card"):
        parse_card(sign(Signed.TERMS, card().value(), KEY).raw)


OUT_OF_FORM: list[tuple[dict[str, Value], str]] = [
    ({"n": 0}, "n is not"),
    ({"n": True}, "n is not"),
    ({"t_ms": -1}, "t_ms is not"),
    ({"name": ""}, "name is not"),
    ({"name": "x" * 65}, "name is not"),
    ({"name": "two\nlines"}, "can be seen"),
    ({"name": "\u202egnp.exe"}, "can be seen"),
    ({"name": " padded "}, "can be seen"),
    ({"domain": "EXAMPLE.org"}, "a domain is"),
    ({"domain": "localhost"}, "a domain is"),
    ({"domain": "127.0.0.1"}, "not an address"),
    ({"earns": None}, "earns is not"),
    ({"who": None}, "not a map"),
    ({"who": {"legal_name": "x"}}, "lacks"),
    ({"holds": [{}]}, "holds, number 1 lacks"),
    ({"holds": "all"}, "holds is not"),
    ({"keeps_back": [["what", "why"]]}, "number 1 is not a map"),
    ({"processors": [{"name": "x", "country": "fr", "purpose": "y"}]}, "two capital"),
    ({"processors": [{"name": "x", "country": "FRA", "purpose": "y"}]}, "two capital"),
    ({"incidents": [{"date": "2026-02-30", "what": "x", "people": 1, "done": "y"}]}, "a day"),
    ({"incidents": [{"date": "20260301", "what": "x", "people": 1, "done": "y"}]}, "a day"),
    ({"incidents": [{"date": "2026-03-01", "what": "x", "people": -1, "done": "y"}]}, "people"),
    ({"more": 1}, "not known"),
]


@pytest.mark.parametrize(("changed", "says"), OUT_OF_FORM)
def test_a_field_out_of_form_is_refused_by_name(changed: dict[str, Value], says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        parse_card(signed_body(**changed))


def test_a_later_version_says_which_side_is_too_old() -> None:
    with pytest.raises(VersionError, match="newer than this program"):
        parse_card(signed_body(v=2))


def test_a_card_too_long_is_neither_signed_nor_read() -> None:
    holding = {**cast("list[dict[str, str]]", WRITTEN["holds"])[0], "what": "x" * 250}
    with pytest.raises(WireError, match="holds is not a list of 0 to 128"):
        card(holds=[holding] * (CARD_ITEMS_MAX + 1))
    kept_back = {"what": "x" * 250, "why": "y" * 4_000}
    long = card(keeps_back=[kept_back] * 20)
    with pytest.raises(WireError, match="limit"):
        make_card(KEY, long)
    raw = sign(Signed.CARD, long.value(), KEY).raw
    assert len(raw) > CARD_BYTES_MAX
    with pytest.raises(WireError, match="limit"):
        parse_card(raw)


# --- as it is written -----------------------------------------------------------------------------


def test_the_name_of_the_node_stands_in_for_one_that_is_left_out() -> None:
    written = {key: value for key, value in WRITTEN.items() if key != "name"}
    found = card_from_mapping(written, did=DID, n=1, t_ms=0, name="Home")
    assert found.name == "Home"


def test_what_may_be_left_out_is() -> None:
    little = {"who": {"legal_name": "X"}, "earns": "Nothing."}
    found = card_from_mapping(little, did=DID, n=1, t_ms=0, name="Home")
    assert (found.holds, found.domain, found.who.contact) == ((), None, None)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"who": None}, "who is missing"),
        ({"who": {"legal_name": "X", "phone": "1"}}, "'phone' is not known"),
        ({"earns": None}, "earns is not"),
        ({"hold": []}, "'hold' is not known"),
        ({"v": 1}, "'v' is not known"),
        ({"did": DID}, "'did' is not known"),
        ({"holds": {"a": 1}}, "holds is not a list"),
        ({"holds": ["everything"]}, "not a map of collection"),
        ({"incidents": [{"date": "2026-03-01", "what": "x", "done": "y", "who": 1}]}, "not known"),
    ],
)
def test_a_slip_in_a_file_is_named(changed: dict[str, object], says: str) -> None:
    with pytest.raises(WireError, match=says):
        card(**changed)


FUZZ = st.recursive(
    st.none() | st.integers(-3, 3) | st.text(max_size=4) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(WRITTEN)), FUZZ)
def test_whatever_is_written_makes_a_card_or_one_sentence(key: str, value: object) -> None:
    try:
        found = card(**{key: value})
    except ProtocolError:
        return
    assert card_from_value(decode(encode(found.value()))) == found


# --- what changed ---------------------------------------------------------------------------------


def test_what_changed_is_told_field_by_field() -> None:
    old = card()
    more = copy.deepcopy(cast("list[Mapping[str, object]]", WRITTEN["holds"]))
    more.append({**more[0], "collection": "finance/cards"})
    new = replace(
        card(domain=None, holds=more, incidents=[]),
        n=4,
        earns="Fees.",
        who=replace(old.who, contact="help@example.org"),
    )
    found = {(one.field, one.before, one.after) for one in changes(old, new)}
    assert found == {
        ("domain", "example.org", None),
        ("earns", old.earns, "Fees."),
        ("who: contact", None, "help@example.org"),
        ("holds", None, one_line(new.holds[1])),
        ("incidents", one_line(old.incidents[0]), None),
    }


@given(CARDS, CARDS)
def test_what_is_not_told_as_changed_is_the_same(old: Card, new: Card) -> None:
    told = {one.field for one in changes(old, new)}
    for key in ("name", "domain", "earns"):
        assert (key in told) == (getattr(old, key) != getattr(new, key))
    for key in ("holds", "keeps_back", "processors", "incidents"):
        assert (key in told) == (
            {one_line(one) for one in getattr(old, key)}
            != {one_line(one) for one in getattr(new, key)}
        )

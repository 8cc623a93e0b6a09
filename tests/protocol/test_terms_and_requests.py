"""Terms named by one CID, and the requests that carry them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.day import UNDATED
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import ProtocolError, VersionError, WireError
from entrenous.protocol.request import Request, parse_request, request_from_value
from entrenous.protocol.terms import (
    Clause,
    Force,
    Terms,
    parse_terms,
    terms_from_mapping,
    terms_from_value,
)
from entrenous.protocol.window import Window
from entrenous.protocol.wire import Value, encode

READER_DID = did_of(PersonaKey(bytes([1]) * 32).public)
TERMS = Terms(
    "dpv:ServiceProvision",
    30,
    ("the billing office",),
    "5 EUR a year",
    (Clause("no resale", Force.PROMISED), Clause("only these days", Force.ENFORCED)),
)
REQUEST = Request(
    READER_DID,
    (Window("energy/electricity/load-curve", 45_000, 45_364), Window("identity", UNDATED, UNDATED)),
    TERMS.purpose,
    TERMS,
    1_800_000_000,
    "The offer stays as it is.",
)

_line = st.text(min_size=1, max_size=20)
_terms = st.builds(
    Terms,
    _line,
    st.integers(0, 36_525),
    st.lists(_line, max_size=3).map(tuple),
    st.none() | st.text(max_size=20),
    st.lists(st.builds(Clause, _line, st.sampled_from(Force)), max_size=3).map(tuple),
)


@given(_terms, _terms)
def test_terms_go_there_and_back_and_their_cid_is_theirs(one: Terms, two: Terms) -> None:
    assert parse_terms(one.encode()) == one
    assert (one.cid == two.cid) is (one == two)


def _changed(**changed: Value) -> Value:
    value = TERMS.value()
    assert isinstance(value, dict)
    return {**value, **changed}


@pytest.mark.parametrize(
    "value",
    [
        _changed(purpose=""),
        _changed(purpose=None),
        _changed(retention_days=-1),
        _changed(retention_days=36_526),
        _changed(retention_days=True),
        _changed(recipients=[""]),
        _changed(recipients="me"),
        _changed(recipients=["x"] * 65),
        _changed(clauses=[["text"]]),
        _changed(clauses=[["text", "hoped"]]),
        _changed(clauses=[["", "promised"]]),
        _changed(clauses=[["x" * 4_097, "promised"]]),
        _changed(clauses=[["text", ["promised"]]]),
        _changed(more=1),
        [],
    ],
)
def test_malformed_terms_are_refused(value: Value) -> None:
    with pytest.raises(WireError):
        terms_from_value(value)


def test_terms_of_a_later_version_are_refused_with_the_right_sentence() -> None:
    with pytest.raises(VersionError, match="update this side"):
        terms_from_value(_changed(v=2))


def test_terms_as_a_person_writes_them() -> None:
    written = {
        "retention_days": 30,
        "clauses": ["no resale", {"enforced": "only these days"}, ["no profiling", "promised"]],
    }
    found = terms_from_mapping(written, purpose="dpv:ServiceProvision")
    assert found.purpose == "dpv:ServiceProvision"
    assert [(clause.text, clause.force.value) for clause in found.clauses] == [
        ("no resale", "promised"),
        ("only these days", "enforced"),
        ("no profiling", "promised"),
    ]


@pytest.mark.parametrize(
    "written",
    [
        {"retention": 30},
        {"purpose": "dpv:Marketing"},
        {"clauses": "no resale"},
        {"clauses": [{"enforced": "a", "promised": "b"}]},
        {"clauses": [3]},
        {"clauses": [{"hoped": "a"}]},
        {"retention_days": 1.5},
        {"retention_days": "30"},
        {"remuneration": 5},
        {"v": 3},
        {3: 4},
    ],
)
def test_terms_badly_written_are_refused_by_a_sentence(written: dict[str, object]) -> None:
    with pytest.raises(WireError) as refused:
        terms_from_mapping(written, purpose="dpv:ServiceProvision")
    assert "terms" in str(refused.value)


# --- requests -------------------------------------------------------------------------------------


def test_a_request_goes_there_and_back() -> None:
    assert parse_request(REQUEST.encode()) == REQUEST
    assert request_from_value(REQUEST.value()).cid == REQUEST.cid
    assert replace(REQUEST, refusal="").cid != REQUEST.cid


def _asked(**changed: Value) -> bytes:
    value = REQUEST.value()
    assert isinstance(value, dict)
    return encode({**value, **changed})


@pytest.mark.parametrize(
    "raw",
    [
        _asked(purpose="dpv:Marketing"),
        _asked(items=[]),
        _asked(items=[["energy", 2, 1]]),
        _asked(items=[["energy", 0, UNDATED]]),
        _asked(items=[["energy", True, 1]]),
        _asked(items=[["energy", 0]]),
        _asked(items=[["Energy", 0, 1]]),
        _asked(items=[["energy", 0, 1]] * 65),
        _asked(from_did="did:web:example.org"),
        _asked(terms=TERMS.value()),
        _asked(terms=b""),
        _asked(exp=-1),
        _asked(refusal=None),
        _asked(v=0),
        b"",
    ],
)
def test_a_malformed_request_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_request(raw)

"""Cards for tests: one that uses every field, and a strategy for all of them."""

from __future__ import annotations

from hypothesis import strategies as st

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.card import (
    Card,
    Holding,
    Incident,
    KeptBack,
    Processor,
    Who,
)
from entrenous.protocol.did import did_of

KEY = PersonaKey(bytes([7]) * 32)
DID = did_of(KEY.public)

WRITTEN: dict[str, object] = {
    "name": "Example Bank",
    "domain": "example.org",
    "who": {"legal_name": "Example Bank plc", "registration": "RCS Paris 123 456 789"},
    "earns": "Fees for accounts. It sells no data.",
    "holds": [
        {
            "collection": "finance/accounts",
            "what": "Every transaction",
            "purpose": "Keeping the account",
            "retention": "10 years",
            "legal_basis": "contract",
        }
    ],
    "keeps_back": [{"what": "Fraud scores", "why": "Who knows them can get around them."}],
    "processors": [{"name": "Example Hosting", "country": "FR", "purpose": "runs the computers"}],
    "incidents": [
        {"date": "2026-03-01", "what": "Letters went astray.", "people": 120, "done": "All told."}
    ],
}

_line = (
    st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40)
    .map(str.strip)
    .filter(lambda text: bool(text) and text.isprintable())
)
_maybe = st.none() | _line
_domain = st.sampled_from([None, "example.org", "a.b.example.net", "xn--mnchen-3ya.de"])
_path = st.sampled_from(["finance", "finance/accounts", "energy/electricity/load-curve"])

CARDS = st.builds(
    Card,
    did=st.just(DID),
    n=st.integers(1, 2**53),
    t_ms=st.integers(0, 2**53),
    name=_line,
    domain=_domain,
    who=st.builds(Who, _line, _maybe, _maybe, _maybe, _maybe),
    earns=_line,
    holds=st.lists(st.builds(Holding, _path, _line, _line, _line, _line), max_size=3).map(tuple),
    keeps_back=st.lists(st.builds(KeptBack, _line, _line), max_size=2).map(tuple),
    processors=st.lists(
        st.builds(Processor, _line, st.sampled_from(["FR", "DE", "US"]), _line), max_size=2
    ).map(tuple),
    incidents=st.lists(
        st.builds(
            Incident,
            st.dates().map(lambda date: date.isoformat()),
            _line,
            st.none() | st.integers(0, 10**9),
            _line,
        ),
        max_size=2,
    ).map(tuple),
)

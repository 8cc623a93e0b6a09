"""What is enforced is reckoned here, whatever mark a clause bears; and the policy says the same."""

from __future__ import annotations

import pytest

from entrenous.protocol.did import did_of
from entrenous.protocol.duty import Duty
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.terms_enforced import (
    LICENCE,
    SENTENCES,
    Held,
    always_held,
    held_by,
    shown_clause,
    shown_clauses,
)
from entrenous.protocol.terms_odrl import Agreed, Policy, odrl
from entrenous.protocol.window import Window

TERMS = Terms(
    "dpv:ServiceProvision",
    30,
    ("the printer",),
    "2 euros a month",
    (
        Clause("only the granted days CAN be  opened.", Force.PROMISED),
        Clause("nobody copies it", Force.ENFORCED),
        Clause("no resale", Force.PROMISED),
        Clause(Duty.DELETE_AT_END.value, Force.ENFORCED),
        Clause(Duty.ENCRYPT_AGAIN.value, Force.PROMISED),
    ),
)
WINDOWS = (
    Window("energy/electricity/load-curve", 45_000, 45_010),
    Window("communication/contacts", 65_535, 65_535),
)


def test_a_claim_of_enforcement_is_shown_as_a_claim() -> None:
    """A draft cannot make itself look safer than it is by a word."""
    shown = shown_clauses(TERMS)
    assert [one.in_words for one in shown] == [
        "enforced",
        "promised (they say enforced)",
        "promised",
        "promised (they say enforced)",
        "enforced",
    ]
    assert shown[3].text != Duty.DELETE_AT_END.value, "a duty is shown in words"


@pytest.mark.parametrize("held", Held)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_sentences_of_what_is_held_are_taken_in_each_language(
    held: Held, language: str
) -> None:
    for sentence in SENTENCES[held][language]:
        assert held_by(sentence + ".") is held
        assert shown_clause(Clause(sentence, Force.PROMISED)).force is Force.ENFORCED
        assert held_by(sentence + " to us alone") is None
        assert held_by("not " + sentence) is None
    assert SENTENCES[held][language][0] in always_held(language)


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_policy_says_that_it_is_a_licence(policy: Policy, language: str) -> None:
    made = odrl(_agreed(policy), language)
    assert made["entrenous:licence"] == LICENCE[language]
    assert made["@type"] == policy.value


def test_a_policy_says_what_was_agreed_and_what_stands_behind_each_part() -> None:
    made = odrl(_agreed(Policy.AGREEMENT))
    assert made["assigner"] != made["assignee"]
    match made["permission"]:
        case [dict(curve), dict(contacts)]:
            pass
        case other:
            raise AssertionError(other)
    match curve["target"], contacts["target"]:
        case {"refinement": [first, last]}, {"refinement": [undated]}:
            assert first == {
                "leftOperand": "entrenous:day",
                "operator": "gteq",
                "rightOperand": {"@value": "2023-03-17", "@type": "xsd:date"},
            }
            assert isinstance(last, dict)
            assert last["operator"] == "lteq"
            assert isinstance(undated, dict)
            assert undated["leftOperand"] == "entrenous:undated"
        case other:
            raise AssertionError(other)
    match curve["constraint"], curve["duty"]:
        case [dict(purpose), dict(end)], [dict(deletion), dict(pay)]:
            assert purpose["rightOperand"] == {"@id": "dpv:ServiceProvision"}
            assert end["entrenous:force"] == "enforced"
            assert end["rightOperand"] == {
                "@value": "2026-01-01T00:00:00Z",
                "@type": "xsd:dateTime",
            }
            # What is done with data that was read, no program can see.
            assert purpose["entrenous:force"] == deletion["entrenous:force"] == "promised"
            assert pay["action"] == "compensate"
        case other:
            raise AssertionError(other)
    match made["obligation"]:
        case list(duties):
            forces = [one["entrenous:force"] for one in duties if isinstance(one, dict)]
            assert forces == ["enforced", "promised", "promised", "promised", "enforced"]
        case other:
            raise AssertionError(other)


def test_a_purpose_in_ones_own_words_is_text_and_no_name() -> None:
    for purpose in ("to help", "dpv:", "dpv:a/../b", "https://evil.example/x"):
        agreed = _agreed(Policy.REQUEST, purpose)
        match odrl(agreed)["permission"]:
            case [{"constraint": [dict(first), _]}, _]:
                assert first["rightOperand"] == {"@value": purpose, "@type": "xsd:string"}
            case other:
                raise AssertionError(other)


def _agreed(policy: Policy, purpose: str = TERMS.purpose) -> Agreed:
    terms = Terms(
        purpose, TERMS.retention_days, TERMS.recipients, TERMS.remuneration, TERMS.clauses
    )
    owner, reader = did_of(bytes(31) + b"\1"), did_of(bytes(31) + b"\2")
    cid = terms.cid
    return Agreed(policy, cid, owner, reader, WINDOWS, terms, 1_767_225_600, {"terms": cid})

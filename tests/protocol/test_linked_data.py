"""Consent records and policies, as a JSON-LD processor reads them that is not ours.

`jsonld` (JavaScript) expands, flattens, compacts and canonizes each document in safe mode and
without a network: a key, type or name that is dropped on the way is an error there.  What comes out
is RDF; here each word of it is held against the vocabularies that the document names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from entrenous.protocol.cid import cid_of, cid_text
from entrenous.protocol.consent_record import (
    ConsentEvent,
    ConsentFacts,
    Event,
    consent_document,
)
from entrenous.protocol.did import did_of
from entrenous.protocol.duty import Duty
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.terms_odrl import Agreed, Policy, odrl
from entrenous.protocol.window import Window

INTEROP = Path(__file__).resolve().parents[1] / "interop"
OWNER, READER = did_of(bytes(31) + b"\1"), did_of(bytes(31) + b"\2")
CID, T_MS, EXP_S = cid_of(b"a grant"), 1_750_000_000_000, 1_767_225_600
CURVE = "energy/electricity/load-curve"
WINDOWS = (
    Window(CURVE, 45_000, 45_010),
    Window(CURVE, 45_100, 45_110),
    Window("communication/contacts", 65_535, 65_535),
)
PAID = Remuneration(250, "EUR", Per.MONTH)
TERMS = Terms(
    "dpv:ServiceProvision",
    90,
    ("Acme Hosting",),
    PAID,
    (Clause("no resale", Force.PROMISED), Clause(Duty.DELETE_AT_END.value, Force.ENFORCED)),
)
PLAIN = Terms("to help me choose", 1, (), None, ())
IN_WORDS = Terms("dpv:Marketing", 1, (), "a bag of sweets", ())
DPV, ODRL, DCT = (
    "https://w3id.org/dpv#",
    "http://www.w3.org/ns/odrl/2/",
    "http://purl.org/dc/terms/",
)
RDF, DCAT = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://www.w3.org/ns/dcat#"
OURS = ("urn:entrenous:odrl:1:", "urn:entrenous:consent-profile:1:")

# The terms that we use, as their vocabularies have them: DPV 2, ODRL 2.2, DCMI Terms, DCAT 3, RDF.
_DPV = """
    Access ConsentExpired ConsentGiven ConsentNotice ConsentReceipt ConsentRecord
    ConsentRequested ConsentWithdrawn DataController DataSubject ExpressedConsent Marketing
    PersonalData Process Purpose Recipient RenewedConsentGiven ServiceProvision StorageDuration
    TemporalDuration UntilTimeDuration Use WithdrawConsent hasConsentControl hasConsentStatus
    hasDataController hasDataSource hasDataSubject hasDuration hasLegalBasis hasNotice
    hasPersonalData hasProcess hasProcessing hasPurpose hasRecipient hasRecordOfActivity
    hasStorageCondition isIndicatedAtTime isIndicatedBy
"""
_ODRL = """
    Agreement AssetCollection Duty Request action assignee assigner compensate constraint
    dateTime delete distribute duty elapsedTime eq gteq isA isNoneOf leftOperand lteq
    obligation operator payAmount permission profile prohibition purpose read recipient
    refinement rightOperand target unit
"""
_DCT = """
    PeriodOfTime audience conformsTo created description identifier language publisher
    references rights temporal title type
"""
KNOWN: Mapping[str, frozenset[str]] = {
    DPV: frozenset(_DPV.split()),
    ODRL: frozenset(_ODRL.split()),
    DCT: frozenset(_DCT.split()),
    DCAT: frozenset(("endDate", "startDate")),
    RDF: frozenset(("type", "value")),
}
_QUAD = re.compile(
    r"(<[^>]*>|_:\w+) <([^>]*)> (?:<([^>]*)>|(_:\w+)|(\"(?:[^\"\\]|\\.)*\")(\S*)) \."
)

Json = object


def agreed(policy: Policy, terms: Terms) -> Agreed:
    evidence = {"delegation": CID, "request": cid_of(b"a request"), "bundle": cid_of(b"a bundle")}
    return Agreed(policy, CID, OWNER, READER, WINDOWS, terms, EXP_S, evidence)


def consent(terms: Terms, windows: Sequence[Window] = WINDOWS) -> dict[str, Json]:
    events = tuple(
        Event(T_MS + place, what, OWNER, None if what is ConsentEvent.EXPIRED else CID)
        for place, what in enumerate(ConsentEvent)
    )
    chain = (cid_of(b"a delegation"), CID)
    facts = ConsentFacts(CID, OWNER, READER, tuple(windows), terms, EXP_S, chain, events)
    return dict(consent_document(facts, T_MS))


@cache
def documents() -> Mapping[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = {}
    for name, terms in (("paid", TERMS), ("plain", PLAIN), ("in words", IN_WORDS)):
        found[f"consent, {name}"] = consent(terms)
        for policy in Policy:
            for language in ("en", "fr"):
                made = odrl(agreed(policy, terms), language)
                found[f"{policy.value}, {name}, {language}"] = dict(made)
    return found


NAMES = [
    *(f"consent, {name}" for name in ("paid", "plain", "in words")),
    *(
        f"{policy.value}, {name}, {language}"
        for policy in Policy
        for name in ("paid", "plain", "in words")
        for language in ("en", "fr")
    ),
]


def processed(given: Mapping[str, Json]) -> Mapping[str, Mapping[str, object]]:
    node = shutil.which("node")
    if node is None or not (INTEROP / "node_modules" / "jsonld").is_dir():
        if os.environ.get("CI"):
            pytest.fail("CI holds the documents against another processor: `make interop-deps`")
        pytest.skip("needs node and `make interop-deps`")
    done = subprocess.run(
        [node, str(INTEROP / "linked_data.mjs")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    return cast("Mapping[str, Mapping[str, object]]", json.loads(done.stdout))


@cache
def all_processed() -> Mapping[str, Mapping[str, object]]:
    return processed(documents())


def quads(name: str) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Subject, predicate, and the object: an IRI, or the text of a literal."""
    found = all_processed()[name]
    assert "quads" in found, found
    for line in str(found["quads"]).splitlines():
        match = _QUAD.fullmatch(line)
        assert match is not None, line
        subject, predicate, iri, _, literal, _ = match.groups()
        yield subject, predicate, iri, None if literal is None else str(json.loads(literal))


def is_term(iri: str) -> bool:
    base = next((one for one in KNOWN if iri.startswith(one)), None)
    if base is not None:
        return iri.removeprefix(base) in KNOWN[base]
    return any(iri.startswith(ours) and iri != ours for ours in OURS)


@pytest.mark.parametrize("name", NAMES)
def test_each_word_is_a_term_of_its_vocabulary_and_none_is_dropped(name: str) -> None:
    found = list(quads(name))
    assert all_processed()[name]["again"] is True
    for _, predicate, iri, literal in found:
        assert is_term(predicate), predicate
        if iri is not None and not iri.startswith(
            ("did:key:z", "urn:", "https://w3id.org/dpv/schema")
        ):
            assert is_term(iri), iri
        # What should be a name has not stayed a text.
        assert literal is None or not re.match(r"(dpv|odrl|dct|did|urn|xsd|https?):\S+$", literal)
    # Each pair of a key and a value that the document has is a statement.
    assert len(found) >= _pairs(documents()[name])


def _pairs(value: Json) -> int:
    """How many statements a document makes: each value of each key but names and contexts.

    A type beside a literal is no statement.  Two equal statements about one named thing are one,
    which is why what stands in the document several times counts once (`_once`).
    """
    return len(set(_once(value, "")))


def _once(value: Json, about: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, list):
        for place, item in enumerate(cast("list[Json]", value)):
            yield from _once(item, f"{about}/{place}")
    elif isinstance(value, dict):
        node = cast("dict[str, Json]", value)
        name = node.get("@id", node.get("uid", about))
        if "@value" in node:
            return
        for key, inner in node.items():
            if key in ("@context", "@id", "uid"):
                continue
            if key == "@graph":
                yield from _once(inner, about)
                continue
            items = cast("list[Json]", inner) if isinstance(inner, list) else [inner]
            for place, item in enumerate(items):
                yield (str(name), key, json.dumps(item, sort_keys=True))
                yield from _once(item, f"{name}/{key}/{place}")


def test_the_processor_notices_what_nobody_has_defined() -> None:
    """The test above can fail: a key, a type, a name of which the context says nothing."""
    sound = documents()["consent, paid"]
    policy = documents()["Agreement, paid, en"]
    found = processed(
        {
            "key": {**policy, "per": "month"},
            "type": {**policy, "@type": "Pact"},
            "name": {**policy, "assigner": "somebody"},
            "context": {**policy, "@context": "http://www.w3.org/ns/odrl.jsonld"},
            "sound": sound,
        }
    )
    assert {name for name, one in found.items() if "refused" not in one} == {"sound"}


def test_two_windows_of_one_collection_stay_two() -> None:
    """As RDF, what has one name is one thing: days that are given apart must not become those that
    are in both."""
    refined: dict[str, int] = {}
    for subject, predicate, _, _ in quads("Agreement, paid, en"):
        if predicate == f"{ODRL}refinement":
            refined[subject] = refined.get(subject, 0) + 1
    assert sorted(refined.values()) == [1, 2, 2]


# --- ISO/IEC TS 27560 -----------------------------------------------------------------------------

Place = tuple[str, ...]
RECORD: Place = ("@graph", "0")
PROCESS: Place = (*RECORD, "dpv:hasProcess")
STATUS: Place = (*RECORD, "dpv:hasConsentStatus", "1")
RECEIPT: Place = ("@graph", "1")

# The fields of a record and a receipt, by the names of the standard, and where each stands.
FIELDS: Mapping[str, Place] = {
    "schema_version": (*RECORD, "dct:conformsTo"),
    "record_identifier": (*RECORD, "dct:identifier"),
    "pii_principal_id": (*RECORD, "dpv:hasDataSubject", "@id"),
    "privacy_notice": (*RECORD, "dpv:hasNotice", "@id"),
    "language": (*RECORD, "dct:language"),
    "purpose": (*PROCESS, "dpv:hasPurpose"),
    "lawful_basis": (*RECORD, "dpv:hasLegalBasis"),
    "pii_type": (*PROCESS, "dpv:hasPersonalData", "0", "dct:identifier"),
    "pii_controllers": (*RECORD, "dpv:hasDataController", "@id"),
    "collection_method": (*PROCESS, "dpv:hasDataSource", "@id"),
    "processing_method": (*PROCESS, "dpv:hasProcessing"),
    "retention_period": (*PROCESS, "dpv:hasStorageCondition", "dpv:hasDuration", "rdf:value"),
    "recipient_third_parties": (*PROCESS, "dpv:hasRecipient"),
    "withdrawal_method": (*RECORD, "dpv:hasConsentControl", "dct:description"),
    "event_time": (*STATUS, "dpv:isIndicatedAtTime", "@value"),
    "event_type": (*STATUS, "@type"),
    "event_state": (*STATUS, "@type"),
    "entity_id": (*STATUS, "dpv:isIndicatedBy", "@id"),
    "validity_duration": (*STATUS, "dpv:hasDuration", "rdf:value", "@value"),
    "receipt_identifier": (*RECEIPT, "dct:identifier"),
    "receipt_schema_version": (*RECEIPT, "dct:conformsTo"),
    "receipt_record": (*RECEIPT, "dpv:hasRecordOfActivity", "@id"),
}
# What a grant does not know, as docs/terms.md says.
NOT_KNOWN = (
    "storage_locations",
    "processing_locations",
    "jurisdiction",
    "party_address",
    "party_contact",
)


def _at(document: Json, place: Place) -> Json:
    for step in place:
        if isinstance(document, list):
            document = cast("list[Json]", document)[int(step)]
        else:
            assert isinstance(document, dict)
            document = cast("dict[str, Json]", document)[step]
    return document


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("terms", [TERMS, PLAIN, IN_WORDS], ids=["paid", "plain", "in words"])
def test_each_field_of_the_standard_stands_where_it_is_said_to(name: str, terms: Terms) -> None:
    found = _at(consent(terms), FIELDS[name])
    assert found
    if name in ("pii_principal_id", "entity_id", "collection_method"):
        assert found == OWNER
    if name == "pii_controllers":
        assert found == READER
    if name == "privacy_notice":
        assert found == f"urn:entrenous:cid:{cid_text(terms.cid)}"


def test_the_docs_name_every_field_with_its_place_and_those_that_are_not_known() -> None:
    text = (INTEROP.parents[1] / "docs" / "terms.md").read_text("utf-8")
    section = text.split("## As a consent record", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, re.MULTILINE)
    said = {name: " ".join(re.findall(r"@type|@id|\w+:\w+", place)) for name, place in rows}
    words = {
        name: " ".join(one for one in place if re.fullmatch(r"@type|\w+:\w+", one))
        for name, place in FIELDS.items()
    }
    assert said == words
    for name in NOT_KNOWN:
        assert f"`{name}`" in section
    assert list(FIELDS) == list(said)


def test_events_stand_in_order_each_with_what_was_signed() -> None:
    statuses = cast("list[dict[str, Json]]", _at(consent(TERMS), (*RECORD, "dpv:hasConsentStatus")))
    assert [one["@type"] for one in statuses] == [what.value for what in ConsentEvent]
    times = [str(_at(one, ("dpv:isIndicatedAtTime", "@value"))) for one in statuses]
    assert all(before <= after for before, after in pairwise(times))
    unsigned = [one["@type"] for one in statuses if "dct:references" not in one]
    assert unsigned == [ConsentEvent.EXPIRED.value]

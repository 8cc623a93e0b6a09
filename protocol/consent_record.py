"""Consent records: a grant as ISO/IEC TS 27560 has it, in the words of DPV, as JSON-LD.

For offices and auditors who keep such records and know nothing of grants.  One document holds two:
the **record** (who, what for, which data, under which terms, given and withdrawn when), and the
**receipt** that hands this record to the other side.  Both name what was signed by its CID, so
whoever has the signed objects can hold the record against them; the record itself is not signed.

The context stands in the document and names no other: whoever reads it asks nobody, and each word
of it is a term of DPV, of Dublin Core, or of our own profile.  Which field of the standard stands
where, and which a grant does not know, says docs/terms.md.

The data subject is named by the persona under which this one peer knows them, so two records of one
person at two organisations do not show that they are of one person.

Source: ISO/IEC TS 27560:2023; W3C DPVCG, "Consent Records and Receipts".
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from .cid import cid_text
from .currency import amount_text
from .day import UNDATED, date_of
from .did import Did
from .remuneration import Remuneration
from .terms import Clause, Terms
from .terms_enforced import LICENCE
from .window import Window

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json]"

_IRI: Final[Json] = {"@type": "@id"}
_CONTEXT: Final[dict[str, Json]] = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "entrenous": "urn:entrenous:consent-profile:1:",
    # Of these the value is a name, not a text.
    "dct:conformsTo": _IRI,
    "dpv:hasLegalBasis": _IRI,
    "dpv:hasProcessing": _IRI,
}
_PROFILE: Final = "https://w3id.org/dpv/schema/dpv-27560#"


class ConsentEvent(StrEnum):
    """What can happen to a consent, in the words of DPV."""

    REQUESTED = "dpv:ConsentRequested"
    GIVEN = "dpv:ConsentGiven"
    RENEWED = "dpv:RenewedConsentGiven"
    WITHDRAWN = "dpv:ConsentWithdrawn"
    EXPIRED = "dpv:ConsentExpired"


@dataclass(frozen=True, slots=True)
class Event:
    """`what` happened at `t_ms`, said by `by`; `cid` is what was signed then, if anything was."""

    t_ms: int
    what: ConsentEvent
    by: Did
    cid: bytes | None


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """A grant, as a record is made of it: `subject` lends to `controller` until `exp_s`.

    `delegations` are the CIDs of its chain, root first; `events` are in order.
    """

    grant: bytes
    subject: Did
    controller: Did
    windows: tuple[Window, ...]
    terms: Terms
    exp_s: int
    delegations: tuple[bytes, ...]
    events: tuple[Event, ...]


def consent_document(facts: ConsentFacts, created_ms: int) -> dict[str, Json]:
    """Record and receipt as one JSON-LD document."""
    return {
        "@context": dict(_CONTEXT),
        "@graph": [consent_record(facts), consent_receipt(facts, created_ms)],
    }


def consent_record(facts: ConsentFacts) -> dict[str, Json]:
    """What was consented to, by whom, and what became of it."""
    signed: list[Json] = [_signed(cid, "delegation") for cid in facts.delegations]
    return {
        "@id": _record_id(facts),
        "@type": "dpv:ConsentRecord",
        "dct:identifier": cid_text(facts.grant),
        "dct:conformsTo": f"{_PROFILE}record",
        "dct:language": "en",
        "dpv:hasDataSubject": {"@id": facts.subject, "@type": "dpv:DataSubject"},
        "dpv:hasDataController": {"@id": facts.controller, "@type": "dpv:DataController"},
        "dpv:hasLegalBasis": "dpv:ExpressedConsent",
        "dpv:hasNotice": {**_signed(facts.terms.cid, "terms"), "@type": "dpv:ConsentNotice"},
        "dpv:hasConsentControl": _withdrawal(facts),
        "dpv:hasProcess": _process(facts),
        "dpv:hasConsentStatus": [_status(facts, event) for event in facts.events],
        "dct:references": signed,
    }


def consent_receipt(facts: ConsentFacts, created_ms: int) -> dict[str, Json]:
    """The record, handed over."""
    return {
        "@id": f"urn:entrenous:consent-receipt:{cid_text(facts.grant)}",
        "@type": "dpv:ConsentReceipt",
        "dct:identifier": f"receipt-{cid_text(facts.grant)}",
        "dct:conformsTo": f"{_PROFILE}receipt-record",
        "dct:created": _time(created_ms),
        "dct:publisher": {"@id": facts.subject},
        "dct:audience": [{"@id": facts.subject}, {"@id": facts.controller}],
        "dpv:hasRecordOfActivity": {"@id": _record_id(facts)},
    }


def _process(facts: ConsentFacts) -> dict[str, Json]:
    terms = facts.terms
    controller: dict[str, Json] = {"@id": facts.controller}
    recipients: list[Json] = [controller, *map(_called, terms.recipients)]
    data: list[Json] = [_data(window) for window in facts.windows]
    storage: dict[str, Json] = {
        "@type": "dpv:StorageDuration",
        "dpv:hasDuration": _duration(f"P{terms.retention_days}D"),
        "dct:description": "counted from each read",
    }
    process: dict[str, Json] = {
        "@type": "dpv:Process",
        "dpv:hasPurpose": _purpose(terms.purpose),
        "dpv:hasProcessing": ["dpv:Access", "dpv:Use"],
        "dpv:hasPersonalData": data,
        "dpv:hasDataSource": {"@id": facts.subject},
        "dpv:hasRecipient": recipients,
        "dpv:hasStorageCondition": storage,
        "dct:rights": LICENCE["en"],
    }
    clauses: list[Json] = [_clause(one) for one in terms.clauses]
    if clauses:
        process["entrenous:clause"] = clauses
    if terms.remuneration:
        process["entrenous:remuneration"] = _remuneration(terms.remuneration)
    return process


def _purpose(purpose: str) -> Json:
    """A term of DPV by its name; any other purpose in its own words."""
    prefix, colon, term = purpose.partition(":")
    if prefix == "dpv" and colon and term.isascii() and term.isalnum():
        return {"@id": purpose}
    return {"@type": "dpv:Purpose", "dct:description": purpose}


def _withdrawal(facts: ConsentFacts) -> Json:
    """How it is taken back: by whoever gave it, at their own node."""
    return {
        "@type": "dpv:WithdrawConsent",
        "dpv:isIndicatedBy": {"@id": facts.subject},
        "dct:description": (
            "the data subject's own node takes it back, at any time and without a reason, serves "
            "nothing more from then on, and tells the controller by a signed revocation"
        ),
    }


def _status(facts: ConsentFacts, event: Event) -> dict[str, Json]:
    status: dict[str, Json] = {
        "@type": event.what.value,
        "dpv:isIndicatedBy": {"@id": event.by},
        "dpv:isIndicatedAtTime": _time(event.t_ms),
    }
    if event.what in (ConsentEvent.GIVEN, ConsentEvent.RENEWED):
        status["dpv:hasDuration"] = {
            "@type": "dpv:UntilTimeDuration",
            "rdf:value": _time(facts.exp_s * 1000),
        }
    if event.cid is not None:
        status["dct:references"] = _signed(event.cid, "evidence")
    return status


def _data(window: Window) -> dict[str, Json]:
    data: dict[str, Json] = {
        "@type": "dpv:PersonalData",
        "dct:identifier": window.collection,
    }
    if window.first == UNDATED:
        data["dct:description"] = "records without a date"
    else:
        data["dct:temporal"] = {
            "@type": "dct:PeriodOfTime",
            "dcat:startDate": {"@type": "xsd:date", "@value": date_of(window.first)},
            "dcat:endDate": {"@type": "xsd:date", "@value": date_of(window.last)},
        }
    return data


def _clause(clause: Clause) -> Json:
    return {"dct:description": clause.text, "dct:type": clause.force.value}


def _called(name: str) -> Json:
    return {"@type": "dpv:Recipient", "dct:title": name}


def _remuneration(given: str | Remuneration) -> Json:
    if isinstance(given, str):
        return given
    amount = amount_text(given.amount_minor, given.currency)
    return {
        "entrenous:amount": {"@type": "xsd:decimal", "@value": amount},
        "entrenous:currency": given.currency,
        "entrenous:per": given.per.value,
    }


def _duration(value: str) -> dict[str, Json]:
    return {"@type": "dpv:TemporalDuration", "rdf:value": value}


def _signed(cid: bytes, what: str) -> dict[str, Json]:
    return {
        "@id": f"urn:entrenous:cid:{cid_text(cid)}",
        "dct:identifier": cid_text(cid),
        "dct:type": what,
    }


def _record_id(facts: ConsentFacts) -> str:
    return f"urn:entrenous:consent:{cid_text(facts.grant)}"


def _time(t_ms: int) -> dict[str, Json]:
    moment = datetime.datetime.fromtimestamp(t_ms // 1000, datetime.UTC)
    return {"@type": "xsd:dateTime", "@value": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}

"""FHIR R4 resources of health expenses: Patient, Organization, Coverage, Claim, EOB; a Bundle.

Resources are plain JSON values; the bundle is written one entry after the other.

Source: HL7 FHIR R4 (4.0.1).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
Resource: TypeAlias = Mapping[str, Json]
_TERMS: Final = "http://terminology.hl7.org/CodeSystem"


def bundle(resources: Iterable[Resource], when: str) -> Iterator[bytes]:
    """A collection; every entry is found by the `urn:uuid:` of its id."""
    yield (
        f'{{"resourceType":"Bundle","type":"collection","timestamp":"{when}","entry":[\n'.encode()
    )
    before = ""
    for one in resources:
        entry = {"fullUrl": f"urn:uuid:{one['id']}", "resource": one}
        yield f"{before}{json.dumps(entry, ensure_ascii=False)}".encode()
        before = ",\n"
    yield b"\n]}\n"


def money(cents: int) -> Json:
    """A number with the cents: the shortest text of the nearest double has no others."""
    return {"value": cents / 100, "currency": "EUR"}


def concept(system: str, code: str, text: str = "") -> Json:
    coding: dict[str, Json] = {"system": system, "code": code}
    if text:
        coding["display"] = text
    return {"coding": [coding]}


def reference(uid: str) -> Json:
    return {"reference": f"urn:uuid:{uid}"}


def patient(
    uid: str,
    given: str,
    family: str,
    *,
    woman: bool,
    born: datetime.date,
    phone: str,
    address: Json,
) -> Resource:
    return {
        "resourceType": "Patient",
        "id": uid,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [{"system": "phone", "value": phone}],
        "gender": "female" if woman else "male",
        "birthDate": born.isoformat(),
        "address": [address],
    }


def organization(uid: str, name: str) -> Resource:
    return {"resourceType": "Organization", "id": uid, "name": name}


def coverage(uid: str, patient_uid: str, payor_uid: str, order: int) -> Resource:
    return {
        "resourceType": "Coverage",
        "id": uid,
        "status": "active",
        "beneficiary": reference(patient_uid),
        "payor": [reference(payor_uid)],
        "order": order,
    }


def claim(
    uid: str,
    *,
    patient_uid: str,
    provider_uid: str,
    coverage_uids: Sequence[str],
    day: datetime.date,
    code: str,
    words: str,
    cents: int,
) -> Resource:
    return {
        "resourceType": "Claim",
        "id": uid,
        "status": "active",
        "type": concept(f"{_TERMS}/claim-type", "professional"),
        "use": "claim",
        "patient": reference(patient_uid),
        "billablePeriod": {"start": day.isoformat(), "end": day.isoformat()},
        "created": day.isoformat(),
        "provider": reference(provider_uid),
        "priority": concept(f"{_TERMS}/processpriority", "normal"),
        "insurance": [
            {"sequence": number, "focal": number == 1, "coverage": reference(coverage_uid)}
            for number, coverage_uid in enumerate(coverage_uids, start=1)
        ],
        "item": [
            {
                "sequence": 1,
                "productOrService": concept("http://snomed.info/sct", code, words),
                "servicedDate": day.isoformat(),
                "net": money(cents),
            }
        ],
        "total": money(cents),
    }


def explanation(
    uid: str,
    *,
    claim_uid: str,
    patient_uid: str,
    provider_uid: str,
    insurer_uid: str,
    coverage_uid: str,
    day: datetime.date,
    code: str,
    words: str,
    asked_cents: int,
    benefit_cents: int,
    paid_on: datetime.date | None,
) -> Resource:
    """What one insurer says of a claim; `paid_on` None while it has not paid (outcome `queued`)."""
    value: dict[str, Json] = {
        "resourceType": "ExplanationOfBenefit",
        "id": uid,
        "status": "active",
        "type": concept(f"{_TERMS}/claim-type", "professional"),
        "use": "claim",
        "patient": reference(patient_uid),
        "created": (paid_on or day).isoformat(),
        "insurer": reference(insurer_uid),
        "provider": reference(provider_uid),
        "claim": reference(claim_uid),
        "outcome": "queued" if paid_on is None else "complete",
        "insurance": [{"focal": True, "coverage": reference(coverage_uid)}],
        "item": [
            {
                "sequence": 1,
                "productOrService": concept("http://snomed.info/sct", code, words),
                "servicedDate": day.isoformat(),
                "net": money(asked_cents),
            }
        ],
        "total": [
            {
                "category": concept(f"{_TERMS}/adjudication", "submitted"),
                "amount": money(asked_cents),
            }
        ],
    }
    if paid_on is not None:
        value["total"] = [
            {
                "category": concept(f"{_TERMS}/adjudication", kind),
                "amount": money(cents),
            }
            for kind, cents in (("submitted", asked_cents), ("benefit", benefit_cents))
        ]
        value["payment"] = {"date": paid_on.isoformat(), "amount": money(benefit_cents)}
    return value

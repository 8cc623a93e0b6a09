"""Terms as an ODRL policy in JSON-LD: for programs that know policies and not this one.

A request is an ODRL `Request`, a grant an `Agreement` between an assigner (whose data it is) and an
assignee (who reads).  Each collection is one permission to read, refined to its days and bound to
the purpose and the end; how long it is kept is a duty, to whom it may be passed on a prohibition
with its exceptions, each clause an obligation.  What ODRL has no word for is in our profile: the
force behind each part, by our own reckoning, and the sentence that this is a licence.

It is a translation for reading.  What binds is the signed delegation with its terms, whose CIDs
stand in it.

Source: ODRL Information Model 2.2 and Vocabulary 2.2 (W3C); docs/terms.md.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from .cid import cid_text
from .currency import amount_text
from .day import date_of
from .did import Did
from .remuneration import Remuneration
from .terms import Force, Terms
from .terms_enforced import LICENCE, always_held, shown_clauses
from .window import Window

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json]"

PROFILE: Final = "urn:entrenous:odrl:1"
_WORDS: Final = (
    *("Request", "Agreement", "Duty", "AssetCollection"),
    *("read", "delete", "distribute", "compensate"),
    *("purpose", "dateTime", "payAmount", "elapsedTime", "recipient"),
    *("eq", "gteq", "isA", "isNoneOf", "lteq"),
)
_PARTS: Final = (
    *("permission", "prohibition", "obligation", "duty", "constraint", "refinement"),
    *("target", "rightOperand"),
)
_NAMED: Final = ("profile", "assigner", "assignee", "unit")
_CHOSEN: Final = ("action", "leftOperand", "operator")
CONTEXT: Final[dict[str, Json]] = {
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "entrenous": f"{PROFILE}:",
    "uid": "@id",
    **{word: f"odrl:{word}" for word in (*_WORDS, *_PARTS)},
    **{word: {"@id": f"odrl:{word}", "@type": "@id"} for word in _NAMED},
    **{word: {"@id": f"odrl:{word}", "@type": "@vocab"} for word in _CHOSEN},
}
"""The words that a policy uses.  It stands in each, so that who reads one asks nobody for it."""


class Policy(StrEnum):
    """What kind of ODRL policy it is: asked for, or given."""

    REQUEST = "Request"
    AGREEMENT = "Agreement"


@dataclass(frozen=True, slots=True)
class Agreed:
    """What is asked or given: `cid` names the request or the delegation, `exp_s` ends it.

    `evidence` are the signed things on which it stands, by what they are.
    """

    policy: Policy
    cid: bytes
    assigner: Did
    assignee: Did
    windows: Sequence[Window]
    terms: Terms
    exp_s: int
    evidence: Mapping[str, bytes]


def odrl(agreed: Agreed, language: str = "en") -> dict[str, Json]:
    """The policy, as JSON-LD."""
    terms = agreed.terms
    return {
        "@context": CONTEXT,
        "@type": agreed.policy.value,
        "uid": f"urn:entrenous:{cid_text(agreed.cid)}",
        "profile": PROFILE,
        "assigner": agreed.assigner,
        "assignee": agreed.assignee,
        "permission": [_permission(agreed, window) for window in agreed.windows],
        "prohibition": [_passing_on(terms)],
        "obligation": [
            {
                "@type": "Duty",
                "action": "entrenous:keepTo",
                "entrenous:clause": clause.text,
                "entrenous:force": clause.force.value,
                "entrenous:claimed": clause.claimed.value,
            }
            for clause in shown_clauses(terms, language)
        ],
        "entrenous:licence": LICENCE.get(language, LICENCE["en"]),
        "entrenous:held": list(always_held(language)),
        "entrenous:terms": cid_text(terms.cid),
        "entrenous:evidence": [_signed(cid, what) for what, cid in agreed.evidence.items()],
    }


def _permission(agreed: Agreed, window: Window) -> Json:
    terms = agreed.terms
    duties: list[Json] = [_deletion(terms)]
    if terms.paid:
        duties.append(_compensation(terms))
    return {
        "target": {
            "@type": "AssetCollection",
            # Its days are in its name: two windows of one collection are two things, not one that
            # is refined to the days that are in both.
            "uid": (
                f"urn:entrenous:collection:{agreed.assigner}:{window.collection}"
                f":{date_of(window.first)}:{date_of(window.last)}"
            ),
            "entrenous:collection": window.collection,
            "refinement": _days(window),
        },
        "action": "read",
        "constraint": [
            {
                "leftOperand": "purpose",
                "operator": "isA",
                "rightOperand": _purpose(terms.purpose),
                "entrenous:force": Force.PROMISED.value,
            },
            {
                "leftOperand": "dateTime",
                "operator": "lteq",
                "rightOperand": {"@value": _moment(agreed.exp_s), "@type": "xsd:dateTime"},
                "entrenous:force": Force.ENFORCED.value,
            },
        ],
        "duty": duties,
        "entrenous:force": Force.ENFORCED.value,
    }


def _compensation(terms: Terms) -> Json:
    """What is given for the licence: an amount for each event, or words."""
    given = terms.remuneration
    found: dict[str, Json] = {
        "@type": "Duty",
        "action": "compensate",
        "entrenous:force": Force.PROMISED.value,
    }
    if not isinstance(given, Remuneration):
        return {**found, "entrenous:remuneration": given or ""}
    amount = amount_text(given.amount_minor, given.currency)
    return {
        **found,
        "entrenous:remuneration": given.words(),
        "entrenous:per": given.per.value,
        "constraint": [
            {
                "leftOperand": "payAmount",
                "operator": "eq",
                "rightOperand": {"@value": amount, "@type": "xsd:decimal"},
                "unit": f"urn:iso:std:iso:4217:{given.currency}",
            }
        ],
    }


def _days(window: Window) -> Json:
    if window.undated:
        return [{"leftOperand": "entrenous:undated", "operator": "eq", "rightOperand": True}]
    return [
        {
            "leftOperand": "entrenous:day",
            "operator": operator,
            "rightOperand": {"@value": date_of(day), "@type": "xsd:date"},
        }
        for operator, day in (("gteq", window.first), ("lteq", window.last))
    ]


def _purpose(purpose: str) -> Json:
    """A DPV term by its IRI; any other purpose is text, which names nothing to a machine."""
    prefix, colon, term = purpose.partition(":")
    if prefix == "dpv" and colon and term.isascii() and term.isalnum():
        return {"@id": purpose}
    return {"@value": purpose, "@type": "xsd:string"}


def _deletion(terms: Terms) -> Json:
    return {
        "@type": "Duty",
        "action": "delete",
        "constraint": [
            {
                "leftOperand": "elapsedTime",
                "operator": "lteq",
                "rightOperand": {
                    "@value": f"P{terms.retention_days}D",
                    "@type": "xsd:duration",
                },
            }
        ],
        "entrenous:since": "each read",
        "entrenous:force": Force.PROMISED.value,
    }


def _passing_on(terms: Terms) -> Json:
    """Nobody, or nobody but the recipients."""
    found: dict[str, Json] = {"action": "distribute", "entrenous:force": Force.PROMISED.value}
    if terms.recipients:
        found["constraint"] = [
            {
                "leftOperand": "recipient",
                "operator": "isNoneOf",
                "rightOperand": list[Json](terms.recipients),
            }
        ]
    return found


def _signed(cid: bytes, what: str) -> Json:
    return {
        "@id": f"urn:entrenous:cid:{cid_text(cid)}",
        "dct:identifier": cid_text(cid),
        "dct:type": what,
    }


def _moment(time_s: int) -> str:
    """UTC; a time beyond what a calendar holds is its last second."""
    last_s = 253_402_300_799
    moment = datetime.datetime.fromtimestamp(min(time_s, last_s), datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

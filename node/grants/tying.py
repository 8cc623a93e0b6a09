"""Tying: a request that makes one thing depend on another, and one that is made again and again.

    "no contract without your calls"       the refusal text says that something is lost by a no
    contacts, for a purpose that needs     a collection that the purpose has no use for
      readings

Both are hints, from words and from a table; the words of the request stand beside them, and what
they mean is for the person to say.  A sentence that says that nothing is lost is not taken for its
opposite.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from ...protocol.request import Request, parse_request
from ...protocol.window import Window
from ..results.terms import FieldsAsked
from .inbox import Asked, RequestState

# What a no may cost, and words by which it does: English and French, by their stems.
_WHAT: Final = re.compile(
    r"contrac?t|agreement|account|compte|service|subscription|abonnement|tariff|tarif|price|prix|"
    r"discount|remise|deliver|livraison|access|acc[eè]s|insurance|assurance|loan|cr[eé]dit|job|"
    r"emploi|benefit|prestation|offer|offre|order|commande|supply|fourniture",
    re.IGNORECASE,
)
_LOST: Final = re.compile(
    r"\blos[et]|\bends?\b|\bended\b|terminat|cancel|clos(?:e|ed|ing)|refus|den(?:y|ied)|"
    r"no longer|\bno (?:contract|account|service|access|offer|discount)|cannot|can't|"
    r"(?:not|n't|never) be |unable|impossible|withdraw|withdrawn|suspend|higher|"
    r"more expensive|dearer|r[eé]sili|\bperd|ferm[eé]|supprim|plus cher|augment|annul|mettre fin|"
    r"met fin|prend fin|ne (?:peut|pourra|pouvons|pourrons)|sans (?:contrat|compte|service)|"
    r"pas de (?:contrat|compte|service)|plus d(?:e |')",
    re.IGNORECASE,
)
_NOTHING: Final = re.compile(
    r"\bnothing\b|no (?:effect|consequence|disadvantage)|unaffected|not affected|goes on|go on|"
    r"continues?\b|stays?\b|remains?\b|(?:not|never|n't) (?:lose|end|cancel|close|terminate)|"
    r"\brien\b|aucun|sans (?:effet|cons[eé]quence)|pas affect|se poursuit|continue|reste|"
    r"ne (?:perd|ferm|r[eé]sili|annul|supprim)\w* pas",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"[.!?;\n]+")


def ties(request: Request, lines: Iterable[FieldsAsked]) -> tuple[str, ...]:
    """A sentence for each way in which a request ties one thing to another.

    `lines` are what its collections hold and what of that its purpose needs.
    """
    found = [f"if you refuse, they say: {sentence}" for sentence in costs(request.refusal)]
    found += [
        f"it asks for {line.collection}, which this purpose has no use for"
        for line in lines
        if line.needed == () and line.asked
    ]
    return tuple(found)


def costs(refusal: str) -> tuple[str, ...]:
    """The sentences of a refusal text by which a no costs something."""
    sentences = (" ".join(part.split()) for part in _SENTENCE.split(refusal))
    return tuple(
        sentence
        for sentence in sentences
        if _WHAT.search(sentence) and _LOST.search(sentence) and not _NOTHING.search(sentence)
    )


def times(asked: Asked, others: Sequence[Asked]) -> tuple[int, int]:
    """How often the same was asked over this pair up to then, itself included, and how often
    refused before.  `others` are all requests of that side, with or without `asked`."""
    same = same_before(asked, others)
    refused = sum(one.state is RequestState.REFUSED for one in same)
    return len(same) + 1, refused


def same_before(asked: Asked, others: Iterable[Asked]) -> list[Asked]:
    """The requests of the same peer that asked the same before: for the same purpose, some of the
    same collections."""
    request = parse_request(asked.raw)
    return [
        one
        for one in others
        if (one.own, one.their) == (asked.own, asked.their)
        and one.raw != asked.raw
        and one.t_ms <= asked.t_ms
        and is_same(request, parse_request(one.raw))
    ]


def is_same(one: Request, other: Request) -> bool:
    """Whether two requests ask the same, in other days or words perhaps."""
    return one.purpose == other.purpose and any(
        _overlap(a, b) for a in one.items for b in other.items
    )


def _overlap(one: Window, other: Window) -> bool:
    a, b = one.collection, other.collection
    return a == b or a.startswith(b + "/") or b.startswith(a + "/")

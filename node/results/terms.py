"""What a node tells of terms: purposes, clauses by our reckoning, marks on a request, frugality."""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.terms import Terms
from ...protocol.window import Window
from ...protocol.wire import Value


@dataclass(frozen=True, slots=True)
class FieldsAsked:
    """One collection that was asked for: the fields of its records, and those that are needed.

    `schema` is None for a collection that is not known here, `needed` where nothing is reckoned;
    neither counts.
    """

    collection: str
    purpose: str
    schema: str | None
    asked: tuple[str, ...]
    needed: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Frugality:
    """Fields asked against fields needed: `percent` of what was asked is needed, None if nothing
    could be reckoned.  `lines` are what went into it, `left_out` how many could not be."""

    asked: int
    needed: int
    percent: int | None
    left_out: int
    lines: tuple[FieldsAsked, ...]


@dataclass(frozen=True, slots=True)
class RequestMarks:
    """What is worth knowing of a request beside what it says.

    `label` is its purpose in words (None: unknown); `tied` a sentence for each way in which it ties
    one thing to another; `asked` and `refused` how often this peer asked the same, this time
    included, and was refused.  `rule` is the standing rule that decided it, or made it wait, and
    `why` what it made of it.  `changes` are how an offered answer, or one given by a rule, is less
    than what was asked; `offered` the days of such an answer, empty if there is none.
    """

    label: str | None
    tied: tuple[str, ...]
    asked: int
    refused: int
    rule: str | None
    why: str | None
    changes: tuple[str, ...]
    frugality: Frugality
    offered: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class ClauseInfo:
    """One clause: `force` by our own reckoning, `claimed` as its writer marked it."""

    text: str
    force: str
    claimed: str
    in_words: str


@dataclass(frozen=True, slots=True)
class TermsInfo:
    """The terms of a request or grant, whole.

    `kind` is `request`, `offer` or `grant`; `side` is `given` or `held` of a grant, `in` or `out`
    of a request.  `held_to` are sentences of what this program enforces, `changes` how the terms
    are less than those asked for.  `odrl` is the policy in JSON-LD.
    """

    id: bytes
    kind: str
    side: str
    peer: str
    assigner: str
    assignee: str
    windows: tuple[Window, ...]
    terms: Terms
    label: str | None
    exp_s: int
    state: str
    clauses: tuple[ClauseInfo, ...]
    held_to: tuple[str, ...]
    licence: str
    changes: tuple[str, ...]
    odrl: dict[str, Value]


@dataclass(frozen=True, slots=True)
class JudgementInfo:
    """What the standing terms make of a request: with `grant`, what would be given."""

    does: str
    rule: str | None
    why: str
    windows: tuple[Window, ...]
    exp_s: int | None
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StandingTold:
    """What a peer told of its standing terms, and when; `rules` is as a file has them."""

    peer: str
    heard_ms: int
    rules: tuple[Value, ...]

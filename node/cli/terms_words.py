"""Terms in words: what is enforced and what is promised, what ties, how frugal somebody is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.terms import Terms
from .screen import Screen

if TYPE_CHECKING:
    from ...protocol.terms_enforced import ShownClause
    from ..results.grants import RequestInfo
    from ..results.terms import Frugality, RequestMarks

_FORCE = {
    "promised": "promised: their word, which no program can hold them to",
    # marked as enforced by its writer, which does not make it so
    "promised (they say enforced)": "promised: their word; they call it enforced",
    "enforced": "enforced: by this program",
}


def purpose_in_words(purpose: str, language: str = "en") -> str:
    """`Providing a service (dpv:ServiceProvision)`; one that is not known says so."""
    # Vocabulary and clauses are read by few of the commands that print a word of this module.
    from ..grants.vocabulary import purposes

    return purposes().shown(purpose, language)


def clause_in_words(clause: ShownClause) -> str:
    """A clause, and what stands behind it by our own reckoning."""
    return f"{clause.text} ({_FORCE.get(clause.in_words, clause.in_words)})"


def show_clauses(screen: Screen, terms: Terms) -> None:
    from ...protocol.terms_enforced import shown_clauses

    for clause in shown_clauses(terms):
        screen.fact("clause", clause_in_words(clause))


def show_marks(screen: Screen, one: RequestInfo) -> None:
    """What is worth knowing of a request beside what it says."""
    marks = one.marks
    if marks is None:
        return
    for sentence in marks.tied:
        screen.fact("tied", sentence)
    if marks.asked > 1:
        screen.fact("again", asked_in_words(marks))
    screen.fact("frugality", frugality_in_words(marks.frugality))
    if marks.why is not None:
        screen.fact("your rules", _ruled(marks.rule, marks.why))
    for change in marks.changes:
        screen.fact("narrowed", change)


def marks_in_lines(one: RequestInfo) -> list[str]:
    """The same in a list, as far as it is news."""
    marks = one.marks
    if marks is None:
        return []
    found = [f"tied: {sentence}" for sentence in marks.tied]
    if marks.asked > 1:
        found.append(asked_in_words(marks))
    if marks.rule is not None and marks.why is not None:
        found.append(f"your rules: {_ruled(marks.rule, marks.why)}")
    return found


def _ruled(rule: str | None, why: str) -> str:
    """Why the rules did what they did, and which of them it was."""
    return why if rule is None or rule in why else f"{why} ({rule})"


def asked_in_words(marks: RequestMarks) -> str:
    """`asked 3 times, refused twice`."""
    refused = f"refused {_times(marks.refused)}" if marks.refused else "not refused"
    return f"asked {_times(marks.asked)}, {refused}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def frugality_in_words(frugality: Frugality) -> str:
    """`asks for 8 fields, its purpose needs 4 of them (50 %)`."""
    if frugality.percent is None:
        return "not reckoned: no table says what this purpose needs of this"
    left_out = ""
    if frugality.left_out:
        left_out = f"; {frugality.left_out} collections could not be reckoned"
        if frugality.left_out == 1:
            left_out = "; one collection could not be reckoned"
    return (
        f"asks for {frugality.asked} fields, its purpose needs {frugality.needed} of them "
        f"({frugality.percent} %){left_out}"
    )

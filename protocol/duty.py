"""Duties: the clauses of terms that programs act on, beside those that only people read.

A clause is a sentence.  Two sentences are written in one fixed form, so that both nodes know what
they bind to:

    entrenous:delete-at-end      when the grant is taken back or has run out, its reader's node
                                 deletes what it read under it and says so, signed
    entrenous:encrypt-again      when the grant is taken back, the days that it opened are encrypted
                                 again at once under new keys

Encrypting again is the owner's doing, so it is *enforced* by the owner's node.  Deletion happens at
the reader's: its program does it, nothing forces it, and nobody can see that it was done.  It is a
promise whatever force is written beside it.

Source: formats.md, "Revocation"; ADR 25.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from .terms import Clause, Force, Terms


class Duty(StrEnum):
    """A clause that a program understands, as it stands in the text of the clause."""

    DELETE_AT_END = "entrenous:delete-at-end"
    ENCRYPT_AGAIN = "entrenous:encrypt-again"


# What each means, as a person reads it; French for those who decide in French.
WORDS: Final = {
    Duty.DELETE_AT_END: (
        "when this ends, what was read is deleted, and the reader says so",
        "à la fin, ce qui a été lu est effacé, et le lecteur le confirme",
    ),
    Duty.ENCRYPT_AGAIN: (
        "when this is taken back, these days are encrypted again at once",
        "en cas de retrait, ces jours sont aussitôt chiffrés à nouveau",
    ),
}


def has_duty(terms: Terms, duty: Duty) -> bool:
    return any(clause.text == duty.value for clause in terms.clauses)


def force_of(clause: Clause) -> Force:
    """What really stands behind a clause of ours: what is written beside it is only written."""
    return Force.ENFORCED if clause.text == Duty.ENCRYPT_AGAIN.value else Force.PROMISED


def clause_in_words(clause: Clause, lang: str = "en") -> str:
    """The sentence of a clause: its own, or of a duty the one that a person can read."""
    for duty, (english, french) in WORDS.items():
        if clause.text == duty.value:
            return french if lang == "fr" else english
    return clause.text

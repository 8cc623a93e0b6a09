"""What of a grant is enforced, by our own reckoning: never by the word of whoever asks.

A draft comes with clauses, each marked *enforced* or *promised* by the one who wrote it.  The mark
is a claim.  What software holds is known here: the collections, the days, the end, that every read
repeats purpose and terms, and that nothing is served after it was taken back.  A clause that says
just that (one of the sentences below, or a duty that this program carries out) is enforced whatever
mark it bears; any other is promised, and where its writer claims more, that is shown as a claim.

Sentences are compared, not understood: a clause that means the same in other words is shown as
promised, which is the error that harms nobody.

Source: docs/terms.md, ADR 18.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .duty import clause_in_words, force_of
from .remuneration import LICENCE as GIVEN_FOR_A_LICENCE
from .terms import Clause, Force, Terms

# Stands in every agreement, paid or not: what passes is leave to use, for a while.
LICENCE: Final = {
    "en": f"This is {GIVEN_FOR_A_LICENCE}.",
    "fr": "Ceci est une licence pour ce but et cette durée, jamais une cession ; elle peut être "
    "reprise à tout moment, payée ou non.",
}


class Held(StrEnum):
    """What this program holds a reader to, whatever is written."""

    COLLECTIONS = "collections"
    DAYS = "days"
    END = "end"
    PURPOSE = "purpose"
    TAKEN_BACK = "taken-back"


# The sentence for each; the first is how it is shown, all are taken in a clause.
SENTENCES: Final[Mapping[Held, Mapping[str, tuple[str, ...]]]] = {
    Held.COLLECTIONS: {
        "en": ("Only the collections that are named can be read",),
        "fr": ("Seules les collections nommées peuvent être lues",),
    },
    Held.DAYS: {
        "en": ("Only the granted days can be opened", "Only the days of this grant"),
        "fr": ("Seuls les jours accordés peuvent être ouverts",),
    },
    Held.END: {
        "en": ("Nothing is served after the end",),
        "fr": ("Rien n'est servi après la fin",),
    },
    Held.PURPOSE: {
        "en": ("Each read names this purpose and these terms, signed",),
        "fr": ("Chaque lecture nomme ce but et ces conditions, signée",),
    },
    Held.TAKEN_BACK: {
        "en": ("Nothing is served once it was taken back",),
        "fr": ("Rien n'est servi une fois la licence reprise",),
    },
}


@dataclass(frozen=True, slots=True)
class ShownClause:
    """A clause as it is shown: `force` by our reckoning, `claimed` as its writer marked it."""

    text: str
    force: Force
    claimed: Force

    @property
    def in_words(self) -> str:
        """`promised (they say enforced)`: what stands behind it, in a few words."""
        if self.claimed is Force.ENFORCED and self.force is Force.PROMISED:
            return "promised (they say enforced)"
        return self.force.value


def held_by(text: str) -> Held | None:
    """Which of the things that this program holds a clause says, or None for any other."""
    return _BY_TEXT.get(_plain(text))


def shown_clause(clause: Clause, language: str = "en") -> ShownClause:
    """One clause, with what really stands behind it."""
    enforced = held_by(clause.text) is not None or force_of(clause) is Force.ENFORCED
    return ShownClause(
        clause_in_words(clause, language),
        Force.ENFORCED if enforced else Force.PROMISED,
        clause.force,
    )


def shown_clauses(terms: Terms, language: str = "en") -> tuple[ShownClause, ...]:
    """The clauses of `terms`, in their order."""
    return tuple(shown_clause(clause, language) for clause in terms.clauses)


def always_held(language: str = "en") -> tuple[str, ...]:
    """What is enforced under every grant, as sentences, in a fixed order."""
    return tuple(sentences.get(language, sentences["en"])[0] for sentences in SENTENCES.values())


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip(".").casefold()


_BY_TEXT: Final = {
    _plain(text): held
    for held, sentences in SENTENCES.items()
    for texts in sentences.values()
    for text in texts
}

"""Processors: recipients that terms name by their persona, so that they may read for the reader.

`recipients` of terms are lines in words: who else will see the data.  A line of the form

    Acme Analytics <did:key:z6Mk…>

says more: the persona in it may be lent on what the grant opens, and may read it from the owner's
node itself, under the same terms, for the one to whom it was granted.  The owner's node holds to
it: nobody else to whom a reader lends on is let in (`showing.py`).  Since it is a recipient, a
person sees it before they decide, can leave it out, and standing terms speak of it like of any
other.  A line that only resembles this form is words.

Source: formats.md, "Grant"; ADR 28.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .did import Did, check_did
from .errors import WireError
from .limits import LINE_CHARS_MAX
from .terms import Terms

_LINE = re.compile(r"([^<>]*[^<> ]) <(did:key:[1-9A-HJ-NP-Za-km-z]+)>")


@dataclass(frozen=True, slots=True)
class Processor:
    """One who may read for the reader; `name` is what the reader calls it."""

    name: str
    did: Did

    def line(self) -> str:
        """The recipient that names it.  Raises WireError for a name that has no such line."""
        line = f"{self.name} <{self.did}>"
        if processor_of(line) != self:
            raise WireError("terms: a processor is called by a short line without < and >")
        return line


def processor_of(recipient: str) -> Processor | None:
    """The processor that a recipient names; None for one that is named in words only."""
    found = _LINE.fullmatch(recipient) if len(recipient) <= LINE_CHARS_MAX else None
    if found is None or not found[1].isprintable() or found[1] != found[1].strip():
        return None
    try:
        return Processor(found[1], check_did(found[2]))
    except WireError:
        return None


def processors(terms: Terms) -> tuple[Processor, ...]:
    """Who may read for the reader under these terms, in their order."""
    return tuple(one for one in map(processor_of, terms.recipients) if one is not None)


def may_process(terms: Terms, did: str) -> Processor | None:
    """The processor of `terms` that is the persona `did`, or None."""
    return next((one for one in processors(terms) if one.did == did), None)


def told_in_words(recipients: Iterable[str]) -> tuple[str, ...]:
    """Those recipients that are told something, in words: all that are no processors."""
    return tuple(one for one in recipients if processor_of(one) is None)

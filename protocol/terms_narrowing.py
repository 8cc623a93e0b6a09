"""Terms that were narrowed: what an owner may answer to a draft, and what its asker may take.

A decision may bind the reader harder than the draft did, in three ways and no other: it keeps the
data for fewer days, passes it to fewer recipients, or has clauses more.  Purpose and remuneration
stay as they were asked, and every clause of the draft stays, word for word and mark for mark: they
bind both, and neither can change them alone.

A bundle whose terms differ in any other way is not an answer to the request, and is refused.  One
that binds harder is an answer that nobody has agreed to yet: whether its reader takes it is for the
reader's operator to say.

Source: formats.md, "Grant"; ADR 18.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .errors import WireError
from .limits import CLAUSES_MAX, LINE_CHARS_MAX, TEXT_CHARS_MAX
from .terms import Clause, Terms


def binds_no_looser(asked: Terms, given: Terms) -> bool:
    """Whether `given` is `asked`, or differs from it only by binding the reader harder."""
    return (
        given.purpose == asked.purpose
        and given.remuneration == asked.remuneration
        and given.retention_days <= asked.retention_days
        and _is_within(given.recipients, asked.recipients)
        and given.clauses[: len(asked.clauses)] == asked.clauses
    )


def narrowed(
    asked: Terms,
    *,
    retention_days: int | None = None,
    recipients: Sequence[str] | None = None,
    clauses: Iterable[Clause] = (),
) -> Terms:
    """`asked`, kept for at most `retention_days`, for those of `recipients` only, with `clauses`.

    None leaves what was asked; a clause that is there already is not written twice.
    Raises WireError for what would bind the reader less, or is not a clause.
    """
    more: list[Clause] = []
    for clause in clauses:
        if not 1 <= len(clause.text) <= TEXT_CHARS_MAX:
            raise WireError(f"terms: a clause is not text of 1 to {TEXT_CHARS_MAX} characters")
        if all(clause.text != one.text for one in (*asked.clauses, *more)):
            more.append(clause)
    if len(asked.clauses) + len(more) > CLAUSES_MAX:
        raise WireError(f"terms: they would have more than {CLAUSES_MAX} clauses")
    if retention_days is not None and not 0 <= retention_days <= asked.retention_days:
        raise WireError(
            f"terms: {retention_days} days is longer than the {asked.retention_days} that were "
            "asked for"
        )
    if recipients is not None and not _is_within(recipients, asked.recipients):
        raise WireError("terms: a recipient is not among those that were asked for")
    return replace(
        asked,
        retention_days=asked.retention_days if retention_days is None else retention_days,
        recipients=asked.recipients if recipients is None else tuple(recipients),
        clauses=(*asked.clauses, *more),
    )


def differences(asked: Terms, given: Terms) -> tuple[str, ...]:
    """How `given` binds harder than `asked`, a sentence each; empty if they are the same.

    For terms that `binds_no_looser` allows.
    """
    found: list[str] = []
    if given.retention_days != asked.retention_days:
        found.append(f"kept {_days(given.retention_days)}, not {_days(asked.retention_days)}")
    gone = [one for one in asked.recipients if one not in given.recipients]
    if gone:
        found.append(f"not passed on to {', '.join(gone)}")
    elif given.recipients != asked.recipients:
        found.append("recipients that were named twice are named once")
    found += [f"also: {clause.text[:LINE_CHARS_MAX]}" for clause in _added(asked, given)]
    return tuple(found)


def _added(asked: Terms, given: Terms) -> tuple[Clause, ...]:
    return given.clauses[len(asked.clauses) :]


def _is_within(some: Sequence[str], of: Sequence[str]) -> bool:
    """Whether `some` are members of `of`, in its order, none said more often."""
    rest = iter(of)
    return all(any(one == other for other in rest) for one in some)


def _days(days: int) -> str:
    return f"for {days:,} days" if days else "for no longer than its use"

"""Refusals: the code that travels, and the sentence that a person can act on.

The checks (`trust`) have decided before anything here runs; this only finds the words.  A reader
that asked for one day too many is told which days it has: it holds the policy that says so, and
learns nothing new.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..crypto.errors import EntrenousError
from .capability import Delegation, Invocation, parse_delegation
from .day import date_of
from .errors import CapabilityError, Code, GrantRefused, RemoteProtocolError, VersionError
from .grant import parse_read_args, read_grant
from .window import Window


def code_of(error: EntrenousError) -> Code:
    """The code that travels for `error`; what has none of its own is malformed input."""
    if isinstance(error, (GrantRefused, CapabilityError, RemoteProtocolError)):
        return error.code
    if isinstance(error, VersionError):
        return Code.VERSION
    return Code.MALFORMED


# What `Policy.require` says when it is the arguments that a delegation does not allow.
ABOUT_ARGS = frozenset((Code.COLLECTION, Code.DAYS, Code.PURPOSE, Code.TERMS))


def explain_read(inv: Invocation, proofs: Sequence[bytes], error: CapabilityError) -> None:
    """Raise the sentence for `error`: which delegation does not allow these args, and why.

    `proofs` are the tokens that `inv` names, already verified.  Returns if there is no better
    sentence than `error` has.  Raises GrantRefused; WireError, RecordError for arguments that are
    not those of a read.
    """
    # Arguments that are no arguments of a read at all fail any policy: say that instead.
    args = parse_read_args(inv.args)
    by_cid = {found.cid: found for found in map(parse_delegation, proofs)}
    links = [by_cid[cid] for cid in inv.prf]
    for place, link in enumerate(links):
        try:
            link.policy.require(inv.args)
        except CapabilityError:
            policy = read_grant(link, place=place).policy
            break
    else:
        return
    if args.purpose != policy.purpose:
        raise GrantRefused(
            f"the grant is for {policy.purpose}, the read is for {args.purpose}", Code.PURPOSE
        ) from error
    if args.terms != policy.terms:
        raise GrantRefused("the read names other terms than its grant", Code.TERMS) from error
    if not any(args.window in window for window in policy.windows):
        raise _outside(args.window, policy.windows, place, links) from error
    raise GrantRefused(
        "the read does not name the terms of each sub-delegator", Code.TERMS
    ) from error


def _outside(
    asked: Window, windows: Collection[Window], place: int, links: Sequence[Delegation]
) -> GrantRefused:
    lent_on = place < len(links) - 1
    there = [window for window in windows if window.collection == asked.collection]
    whose = "the grant at the root of this sub-delegation" if lent_on else "the grant"
    if not there:
        return GrantRefused(f"{whose} does not open {asked.collection}", Code.COLLECTION)
    opened = ", ".join(_dates(window) for window in there[:3])
    more = " and more" if len(there) > 3 else ""
    sentence = f"{whose} opens {opened}{more} of {asked.collection}, not {_dates(asked)}"
    if lent_on:
        sentence += ": a sub-delegation cannot be wider than its root"
    return GrantRefused(sentence, Code.DAYS)


def _dates(window: Window) -> str:
    if window.undated:
        return "undated records"
    if window.first == window.last:
        return date_of(window.first)
    return f"{date_of(window.first)} to {date_of(window.last)}"

"""How a peer is known, in words: never more than was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.domain import shown_domain
from .. import results
from .screen import Screen

if TYPE_CHECKING:
    from ..results.peers import StandingInfo


def standing_in_words(standing: StandingInfo | None) -> str:
    """`known by domain example.org`, `vouched by 2 peers you know`, or `unknown`."""
    if standing is None or standing.level is results.peers.Level.UNKNOWN:
        return "unknown"
    parts: list[str] = []
    if standing.domain is not None:
        parts.append(f"known by domain {shown_domain(standing.domain)}")
    if standing.vouchers:
        count = len(standing.vouchers)
        parts.append(f"vouched by {count:,} peer{'s' if count > 1 else ''} you know")
    return ", ".join(parts)


def standing_in_a_cell(standing: StandingInfo) -> str:
    """The same for a table, with the mark of a name that resembles another."""
    words = standing_in_words(standing)
    return f"{words}; looks like {', '.join(standing.looks_like)}" if standing.looks_like else words


def standing_in_a_line(standing: StandingInfo) -> str:
    """The same where it stands alone, under the name of the peer."""
    words = standing_in_a_cell(standing)
    return (
        "unknown: no domain and no peer of yours shows who it is" if words == "unknown" else words
    )


def show_standing(screen: Screen, standing: StandingInfo | None) -> None:
    """How a peer is known, and what to beware of: shown before anything is granted."""
    screen.fact("known", standing_in_words(standing))
    if standing is None:
        return
    if standing.vouchers:
        screen.fact("", f"vouched by {', '.join(standing.vouchers)}")
    if standing.level is results.peers.Level.UNKNOWN and standing.why:
        screen.fact("", f"({standing.why})")
    if standing.looks_like:
        names = ", ".join(standing.looks_like)
        screen.fact("beware", f"its name may be taken for that of {names}")

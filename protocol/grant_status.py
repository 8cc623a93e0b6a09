"""How a grant stands: kept by a store, moved on by the clock, and whether that lets it be used.

Source: formats.md, "Grant".
"""

from __future__ import annotations

from enum import StrEnum

from .capability import Delegation
from .errors import Code, GrantRefused


class GrantStatus(StrEnum):
    """How a grant stands.  A store keeps only the first three; the clock gives the others."""

    LIVE = "live"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    NOT_YET = "not-yet"
    EXPIRED = "expired"


def status_at(delegation: Delegation, kept: GrantStatus, now_ms: int) -> GrantStatus:
    """How a grant stands at `now_ms`, given what the store keeps about it.

    What was taken back stays so, whatever the clock says.
    """
    if kept is GrantStatus.REVOKED:
        return kept
    if delegation.exp is not None and now_ms > delegation.exp * 1000:
        return GrantStatus.EXPIRED
    if kept is GrantStatus.SUSPENDED:
        return kept
    if delegation.nbf is not None and now_ms < delegation.nbf * 1000:
        return GrantStatus.NOT_YET
    return kept


def check_standing(status: GrantStatus) -> None:
    """Accept a grant that holds, or will.  Raises GrantRefused (revoked, expired, suspended)."""
    match status:
        case GrantStatus.REVOKED:
            raise GrantRefused("this grant has been taken back", Code.REVOKED)
        case GrantStatus.EXPIRED:
            raise GrantRefused("this grant has expired", Code.EXPIRED)
        case GrantStatus.SUSPENDED:
            raise GrantRefused(
                "this grant is suspended until its owner confirms it", Code.SUSPENDED
            )
        case GrantStatus.LIVE | GrantStatus.NOT_YET:
            return

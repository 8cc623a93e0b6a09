"""Calls about a peer that has lost its machine, as this node has."""

from __future__ import annotations

from .. import results
from ..channel import Caller


class MeetingAgainCalls(Caller):
    """Where one is, and going there."""

    async def meeting_place(self) -> results.peers.Invitation:
        """A link that says where this node is, for a day; it opens nothing."""
        return await self._one(results.peers.Invitation, "meeting_place")

    async def meet_again(self, link: str, peer: str) -> results.peers.Paired:
        """Find `peer` at the place that its link says; everything between the two goes on.

        Raises NotFound, UsageError for what is no such link, GrantRefused for one that is over,
        Away, Refused if who is there is not that peer.
        """
        return await self._one(results.peers.Paired, "meet_again", link=link, peer=peer)

"""The node itself, and the peers it has."""

from __future__ import annotations

from .. import results
from ..channel import (
    Caller,
)


class AboutCalls(Caller):
    """The node itself, and the peers it has."""

    async def status(self) -> results.node.Status:
        return await self._one(results.node.Status, "status")

    async def health(self) -> tuple[results.node.Finding, ...]:
        """What is wrong that only the node itself can see."""
        return await self._many(results.node.Finding, "health")

    async def stop(self) -> None:
        """Ask the node to end in order; it has stopped when the socket closes."""
        await self._call("stop", {})

    async def invite(
        self, label: str | None = None, people: str | None = None
    ) -> results.peers.Invitation:
        """A link for one use; `label` becomes the name of whoever uses it.

        Whoever uses it knows `people` of the house (names, comma-separated).
        Raises UsageError, NotFound.
        """
        return await self._one(results.peers.Invitation, "invite", label=label, people=people)

    async def pair(
        self, link: str, name: str | None = None, people: str | None = None
    ) -> results.peers.Paired:
        """Answer a link for `people` of the house, and know its maker as `name`.

        Raises UsageError, NotFound, Away, Refused.
        """
        return await self._one(results.peers.Paired, "pair", link=link, name=name, people=people)

    async def peers(self) -> tuple[results.peers.Peer, ...]:
        return await self._many(results.peers.Peer, "peers")

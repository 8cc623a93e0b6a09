"""Who peers are: cards, domains, vouches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...protocol.limits import WELL_KNOWN_BYTES_MAX
from ...protocol.wire import Body, Value
from .. import results
from ..channel import (
    Caller,
    understood,
)


class IdentityCalls(Caller):
    """Who peers are: cards, domains, vouches."""

    async def set_card(self, written: Mapping[str, Value]) -> results.peers.CardInfo:
        """Sign and show the card that is `written`, the mapping of a card's file.

        Raises NotAllowed for a person's node, UsageError.
        """
        return await self._one(results.peers.CardInfo, "set_card", card=written)

    async def card(self, peer: str | None = None) -> results.peers.CardInfo:
        """The card of a peer, or this organisation's own.  Raises NotFound."""
        return await self._one(results.peers.CardInfo, "card", peer=peer)

    async def well_known(self) -> tuple[str | None, str]:
        """The domain that the own card claims, and the document that it has to publish."""
        found = await self._call("well_known", {})
        with understood():
            body = Body.open(found, "a document", ("domain", "document"))
            return body.maybe_text("domain"), body.text("document", chars_max=WELL_KNOWN_BYTES_MAX)

    async def standing(self, peer: str, wait_ms: int = 0) -> results.peers.StandingInfo:
        """How a peer is known; of one just met, wait up to `wait_ms` to hear.  Raises NotFound."""
        return await self._one(results.peers.StandingInfo, "standing", peer=peer, wait_ms=wait_ms)

    async def check_domains(self, peer: str | None = None) -> None:
        """Ask the domains of all peers, or of one, now.  Raises NotFound, NotAllowed."""
        await self._call("check_domains", {"peer": peer})

    async def vouch(self, peer: str, to: Sequence[str] | None = None) -> results.peers.VouchInfo:
        """Vouch for a peer; told to `to` (all acquaintances) if they ask.  Raises NotFound,
        UsageError."""
        return await self._one(
            results.peers.VouchInfo, "vouch", peer=peer, to=None if to is None else list(to)
        )

    async def withdraw_vouch(self, peer: str) -> None:
        """Vouch no more.  Raises NotFound."""
        await self._call("withdraw_vouch", {"peer": peer})

    async def vouches(self) -> tuple[results.peers.VouchInfo, ...]:
        return await self._many(results.peers.VouchInfo, "vouches")

    async def acquaintances(self) -> tuple[str, ...]:
        """The peers that have shown no card: persons, as far as this node knows."""
        found: list[Value] = []
        await self._call("acquaintances", {}, found.append)
        return tuple(name for name in found if isinstance(name, str))

    async def ask_vouches(
        self, peer: str, of: Sequence[str] | None = None
    ) -> tuple[results.peers.VouchAnswer, ...]:
        """Ask peers (`of`, or all acquaintances) whether they vouch for `peer`.  It shows them
        whom this person meets.  Raises NotFound, UsageError."""
        return await self._many(
            results.peers.VouchAnswer, "ask_vouches", peer=peer, of=None if of is None else list(of)
        )

"""Terms: shown whole, standing rules, answers that wait for one's agreement."""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.wire import Value
from .. import results
from ..channel import Caller
from .answers import data_of


class TermsCalls(Caller):
    """Terms: shown whole, standing rules, answers that wait for one's agreement."""

    async def terms(self, id: bytes | str, language: str = "en") -> results.terms.TermsInfo:
        """The terms of a request or grant of either side.  Raises NotFound, UsageError."""
        return await self._one(results.terms.TermsInfo, "terms", id=id, language=language)

    async def frugality(self, peer: str) -> results.terms.Frugality:
        """Fields that a peer asked for, against those that its purposes need.  Raises NotFound."""
        return await self._one(results.terms.Frugality, "frugality", peer=peer)

    async def accept_offer(self, request: bytes | str) -> bytes:
        """Agree to an answer that binds this reader harder than it asked; the grant's CID.

        Raises NotFound, UsageError, NotAllowed if the offer has run out.
        """
        found = await self._call("accept_offer", {"request": request})
        return data_of(found, "an acceptance", "grant")

    async def decline_offer(self, request: bytes | str, reason: str | None = None) -> None:
        """Do not agree to it; its owner is told.  Raises NotFound, UsageError."""
        await self._call("decline_offer", {"request": request, "reason": reason})

    async def standing_terms(self) -> Value:
        """The rules in force, as a file has them."""
        return await self._call("standing_terms", {})

    async def set_standing_terms(self, written: Mapping[str, Value]) -> Value:
        """Put rules in force in place of all that were.  Raises UsageError."""
        return await self._call("set_standing_terms", {"terms": written})

    async def check_standing_terms(self, request: bytes | str) -> results.terms.JudgementInfo:
        """What the rules make of a request that is here; nothing is decided.  Raises NotFound."""
        return await self._one(results.terms.JudgementInfo, "check_standing_terms", request=request)

    async def ask_standing_terms(self, peer: str) -> results.terms.StandingTold:
        """Ask a peer which of its standing terms it shows.  Raises NotFound, Away, NotAllowed."""
        return await self._one(results.terms.StandingTold, "ask_standing_terms", peer=peer)

    async def standing_told(self, peer: str) -> results.terms.StandingTold:
        """What a peer told of them when it was last asked; nobody is asked.  Raises NotFound."""
        return await self._one(results.terms.StandingTold, "standing_told", peer=peer)

"""What happened: to a collection, with a peer."""

from __future__ import annotations

from .. import results
from ..channel import Caller


class HistoryCalls(Caller):
    """One method for each operation of `operations/history.py`."""

    async def who(self, path: str) -> tuple[results.history.HistoryEvent, ...]:
        """Who may read a collection now, then who read it when and what was taken back.

        Raises NotFound.
        """
        return await self._many(results.history.HistoryEvent, "who", path=path)

    async def history(self, peer: str) -> tuple[results.history.HistoryEvent, ...]:
        """Everything between this node and a peer, in order of time.  Raises NotFound."""
        return await self._many(results.history.HistoryEvent, "history", peer=peer)

    async def renew(
        self, grant: bytes | str, exp_s: int | None, *, each_s: int | None = None
    ) -> results.history.Renewed:
        """Go on with a grant until `exp_s`: one that was given is renewed, of one that is held the
        owner is asked.  With `each_s`, renew it by itself for so long at a time, until `exp_s` at
        most; with `exp_s` None, renew it by itself no more.

        Raises NotFound, UsageError, NotAllowed.
        """
        return await self._one(
            results.history.Renewed,
            "renew",
            grant=grant,
            exp_s=exp_s,
            each_s=each_s,
            never=exp_s is None,
        )

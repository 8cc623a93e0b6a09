"""Acting for another who has a node of their own: as a proxy, and letting one."""

from __future__ import annotations

from collections.abc import Sequence

from ...protocol.window import Window
from ...protocol.wire import Value
from .. import results
from ..channel import Caller
from .answers import data_of


class ActingForCalls(Caller):
    """One method for each operation of `operations/acting_for.py`."""

    async def mandate_give_home(
        self,
        peer: str,
        *,
        office: str,
        exp_s: int,
        peers: Sequence[str] = (),
        purposes: Sequence[str] = (),
        collections: Sequence[str] = (),
        until_s: int | None = None,
    ) -> results.household.MandateInfo:
        """Let `peer` decide what waits at this node, until `exp_s`: requests of `peers`, for
        `purposes`, on `collections` (nothing named: any), granted until `until_s` at most.

        Raises NotFound, UsageError.
        """
        return await self._one(
            results.household.MandateInfo,
            "mandate_give_home",
            peer=peer,
            office=office,
            exp_s=exp_s,
            peers=list(peers),
            purposes=list(purposes),
            collections=list(collections),
            until_s=until_s,
        )

    async def lend_on(self, peer: str, at: str, windows: Sequence[Window], exp_s: int) -> bytes:
        """Let `peer` read `windows` of what `at` granted to this node, for its owner, until
        `exp_s`; the CID of that grant.  Raises NotFound, NotAllowed, UsageError."""
        items: Value = [window.value() for window in windows]
        args: dict[str, Value] = {"peer": peer, "at": at, "windows": items, "exp_s": exp_s}
        return data_of(await self._call("lend_on", args), "a grant", "grant")

    async def waiting_for(
        self, principal: str, *, kept: bool = False
    ) -> tuple[results.grants.RequestInfo, ...]:
        """What waits at `principal` that this node may decide, asked of its node now, or as it was
        `kept` the last time; and what this node decided there.

        Raises NotFound, NotAllowed, Away, Refused.
        """
        return await self._many(
            results.grants.RequestInfo, "waiting_for", principal=principal, kept=kept
        )

    async def grant_for(
        self,
        principal: str,
        request: bytes | str,
        windows: Sequence[Window] | None = None,
        exp_s: int | None = None,
    ) -> None:
        """Grant for `principal` what was asked of it, or `windows` of it; said to its node as soon
        as it is there.  Raises NotFound, NotAllowed, UsageError."""
        items: Value = None if windows is None else [window.value() for window in windows]
        await self._call(
            "decide_for",
            {
                "principal": principal,
                "request": request,
                "grant": True,
                "windows": items,
                "exp_s": exp_s,
            },
        )

    async def refuse_for(
        self, principal: str, request: bytes | str, reason: str | None = None
    ) -> None:
        """Refuse for `principal`; as `grant_for`."""
        args: dict[str, Value] = {
            "principal": principal,
            "request": request,
            "grant": False,
            "reason": reason,
        }
        await self._call("decide_for", args)

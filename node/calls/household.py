"""The people of the house, and acting for another."""

from __future__ import annotations

from collections.abc import Sequence

from ...protocol.wire import Value
from .. import results
from ..channel import (
    Caller,
)
from .answers import data_of


class HouseholdCalls(Caller):
    """The people of the house, and acting for another."""

    async def people(self) -> tuple[results.household.PersonInfo, ...]:
        return await self._many(results.household.PersonInfo, "people")

    async def people_add(self, name: str, born: str | None = None) -> results.household.PersonInfo:
        """Add one of the house; `born` is YYYY-MM-DD.  Raises UsageError."""
        return await self._one(results.household.PersonInfo, "people_add", name=name, born=born)

    async def people_remove(self, name: str) -> None:
        """Raises NotFound, UsageError while something is theirs."""
        await self._call("people_remove", {"name": name})

    async def people_assign(self, path: str, people: str) -> None:
        """Say whose a collection is: names, comma-separated, or `home`.

        Raises NotFound, UsageError.
        """
        await self._call("people_assign", {"path": path, "people": people})

    async def mandates(self) -> tuple[results.household.MandateInfo, ...]:
        """Every mandate that this node gave, holds, or was handed."""
        return await self._many(results.household.MandateInfo, "mandates")

    async def proxies(self) -> tuple[results.household.ProxyInfo, ...]:
        """Who said that they would act for someone here."""
        return await self._many(results.household.ProxyInfo, "proxies")

    async def mandate_ask(self, peer: str, at: str) -> None:
        """Tell `peer` that one would act for them at `at`.  Raises NotFound, UsageError."""
        await self._call("mandate_ask", {"peer": peer, "at": at})

    async def mandate_give(
        self,
        peer: str,
        at: str,
        *,
        office: str,
        commands: Sequence[str],
        exp_s: int | None = None,
        age: int | None = None,
        onward: bool = False,
        under: bytes | str | None = None,
    ) -> results.household.MandateInfo:
        """Let `peer` say `commands` to `at` in one's name (or, `under` a mandate, in another's),
        until `exp_s`, or until the person of that relationship is `age` years old.

        Raises NotFound, UsageError, NotAllowed.
        """
        args: dict[str, Value] = {
            "peer": peer,
            "at": at,
            "office": office,
            "commands": list(commands),
            "exp_s": exp_s,
            "age": age,
            "onward": onward,
            "under": under,
        }
        return await self._one(results.household.MandateInfo, "mandate_give", **args)

    async def mandate_end(self, mandate: bytes | str) -> bytes:
        """Take a mandate back, or lay it down; its CID.  Raises NotFound, UsageError."""
        return data_of(await self._call("mandate_end", {"mandate": mandate}), "an end", "mandate")

    async def mandate_again(self, mandate: bytes | str) -> results.household.MandateInfo:
        """Give a mandate again that this node gave and that ended, between who they all are now.

        Raises NotFound, UsageError for one that holds or has run out, NotAllowed.
        """
        return await self._one(results.household.MandateInfo, "mandate_again", mandate=mandate)

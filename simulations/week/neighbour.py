"""A neighbour with a node: vouches for the town, and lets the house ask the supplier in her name.

And what else organisations and people say to one another in a week: cards that change, a second
pairing, requests that a supplier refuses.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from ...node.client import Client
from ...node.errors import NodeError, NotAllowed, NotFound, UsageError
from ...protocol.command import Cmd
from ...protocol.trust import GrantStatus
from ...protocol.window import Window
from .files import CURVE, FIRST
from .home import ROSE, Home
from .meetings import card_of, meet
from .people import DAY_S, HOUR_S, Actor, GaveUpError, NotYetError
from .sources import Source


class Neighbour(Actor):
    """Whoever lives next door."""

    def tasks(
        self, home: Home, energy: Source, until_s: float
    ) -> list[Callable[[], Awaitable[None]]]:
        """What she, and others towards her, do in a week."""
        return [
            lambda: self._vouch(home),
            lambda: self._lend_her_name(home),
            lambda: self._be_asked_for(home, until_s),
            lambda: self._refuse_all(energy, until_s),
            lambda: self._new_card(energy, home),
            lambda: self._meet_again(home, energy),
        ]

    async def _vouch(self, home: Home) -> None:
        """She vouches for the town; the house asks her, and knows the town by her word."""
        await trio.sleep(self.dice.span(0, 3 * DAY_S))
        self.told("vouch")
        await self.insist(lambda client: client.vouch("town"), patience_s=DAY_S)

        async def hear(client: Client) -> tuple[str, ...]:
            await client.ask_vouches("town", ["neighbour"])
            vouchers = (await client.standing("town")).vouchers
            if "neighbour" not in vouchers:
                raise NotYetError
            return vouchers

        home.told("ask for vouches")
        try:
            await home.insist(hear, patience_s=2 * DAY_S)
        except GaveUpError:
            self.world.complain("the house never heard that its neighbour vouches for the town")

    async def _lend_her_name(self, home: Home) -> None:
        """The house offers, she gives, and ends it on a later day."""
        dice = self.dice.fork("mandate")
        await trio.sleep(dice.span(0, DAY_S))
        await home.insist(lambda client: client.mandate_ask("neighbour", "energy"))

        async def give(client: Client) -> bytes:
            if not any(one.peer == "home" for one in await client.proxies()):
                raise NotYetError
            for one in await client.mandates():
                if one.side == "given" and one.status == GrantStatus.LIVE.value:
                    return one.id
            given = await client.mandate_give(
                "home",
                "energy",
                office="proxy",
                commands=[Cmd.REQUEST.value],
                exp_s=self.now_ms // 1000 + 20 * 86_400,
            )
            return given.id

        self.told("give a mandate")
        mandate = await self.insist(give, patience_s=2 * DAY_S)
        await trio.sleep(dice.span(0, 5 * DAY_S))
        self.told("end the mandate")
        try:
            await self.insist(lambda client: client.mandate_end(mandate))
        except UsageError:
            self.told("ended before")

    async def _be_asked_for(self, home: Home, until_s: float) -> None:
        """The house asks the supplier in her name, for as long as it may."""
        while trio.current_time() < until_s:
            await trio.sleep(self.dice.wait(16 * HOUR_S))
            home.told("ask for the neighbour")
            try:
                await home.insist(
                    lambda client: client.ask(
                        "energy",
                        [Window(CURVE, FIRST, FIRST + 6)],
                        purpose="dpv:ServiceProvision",
                        terms={"retention_days": 3, "recipients": [], "clauses": []},
                        exp_s=self.now_ms // 1000 + 86_400,
                        refusal="",
                        acting_for="neighbour",
                    )
                )
            except (NotAllowed, NotFound, GaveUpError):
                continue

    async def _refuse_all(self, energy: Source, until_s: float) -> None:
        """What the supplier is asked for, it does not have."""
        while trio.current_time() < until_s:
            await trio.sleep(self.dice.wait(10 * HOUR_S))
            try:
                for request in await energy.insist(lambda client: client.inbox()):
                    if request.state == "waiting":
                        energy.told("refuse")
                        await energy.insist(
                            partial(Client.refuse, request=request.id, reason="nothing is held")
                        )
            except (UsageError, GaveUpError):
                continue

    async def _new_card(self, energy: Source, home: Home) -> None:
        """The supplier says something new of itself, and the house hears it."""
        await trio.sleep(self.dice.span(1, 6) * DAY_S)
        energy.told("a new card")
        made = await energy.insist(lambda client: client.set_card(card_of("energy", 2)))

        async def heard(client: Client) -> None:
            if (await client.card("energy")).cid != made.cid:
                raise NotYetError

        await home.insist(heard, patience_s=3 * DAY_S)

    async def _meet_again(self, home: Home, energy: Source) -> None:
        """Rose gets a contract of her own: the same two nodes pair once more, for another."""
        await trio.sleep(self.dice.span(1, 6) * DAY_S)
        home.told("pair again")
        for _ in range(5):
            try:
                await meet(home, energy, "energy of rose", "rose", ROSE)
                return
            except NodeError as error:  # an invite that a restore has made void, or that ran out
                home.told("not paired", type(error).__name__)

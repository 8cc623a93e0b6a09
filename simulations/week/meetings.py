"""Before the week begins: who lives in the house, who knows whom, who may act for whom."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from ...node.client import Client
from ...node.exchange.meeting import INVITE_LIFE_S
from ...protocol.wire import Value
from .home import ROSE, Home
from .people import HOUR_S, Actor, NotYetError


async def meet(
    inviter: Actor, scanner: Actor, theirs: str, ours: str, people: str | None = None
) -> None:
    """Pair two; `theirs` is what the inviter calls the other, `ours` what it is called there.

    A link is tried for as long as it is good: an answer that was lost is had again by it, and given
    up half way the inviter would know somebody who does not know it.
    """

    async def paired(client: Client) -> bool:
        return any(peer.name == ours for peer in await client.peers())

    async def invite(client: Client) -> str:
        if not (await client.status()).addresses:
            raise NotYetError
        return (await client.invite(theirs, people)).link

    link = await inviter.insist(invite)

    async def pair(client: Client) -> None:
        if not await paired(client):
            await client.pair(link, ours)

    await scanner.insist(pair, patience_s=INVITE_LIFE_S - HOUR_S)


async def settle_in(home: Home, neighbour: Actor, sources: Sequence[Actor]) -> None:
    """A house, its organisations and a neighbour, in good weather."""
    for name, born in (("Ana", "1984-03-01"), ("Ben", "1982-11-30"), (ROSE, "1938-07-07")):
        await home.insist(partial(Client.people_add, name=name, born=born))
    for source in sources:
        await meet(home, source, source.name, "home", "Ana, Ben" if source.name == "bank" else None)
        await source.insist(partial(Client.set_card, written=card_of(source.name, 1)))
    bank, energy, _, town = sources
    await meet(home, bank, "bank of rose", "rose", ROSE)
    await meet(home, neighbour, "neighbour", "home")
    await meet(neighbour, energy, "energy", "neighbour")
    await meet(neighbour, town, "town", "neighbour")
    await home.mandate_for_rose()


def card_of(name: str, version: int) -> Mapping[str, Value]:
    """The card of an organisation, as it stands on a day."""
    return {
        "name": f"The {name}",
        "who": {"legal_name": f"The {name} plc"},
        "earns": f"Fees. It sells no data; this is what it says for the {version}. time.",
        "holds": [
            {
                "collection": "finance/accounts",
                "what": "What is needed",
                "purpose": "Serving its customers",
                "retention": "10 years",
                "legal_basis": "contract",
            }
        ],
        "keeps_back": [],
        "processors": [],
        "incidents": [],
    }

"""A person and a bank, with a contact that the bank has delivered; and what tests ask of them."""

from __future__ import annotations

from pathlib import Path

from entrenous.node.client import Client
from entrenous.node.config import Role
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.results.shared import SharedInfo
from entrenous.node.shared.kept import SharedKept
from entrenous.node.store.home import Home
from entrenous.protocol.did import Did
from entrenous.protocol.record import Batch
from entrenous.protocol.shared_record import SharedVersion
from entrenous.tests.node.two_nodes import Party, Town, meet, settle
from entrenous.tests.protocol.spec_shared import CONTACTS, NEW, OLD, contacts

__all__ = ["CONTACTS", "NEW", "OLD", "bank_and_ada", "client_of", "deliver", "one", "versions"]


def client_of(party: Party) -> Client:
    return Client(DirectChannel(Host(party.node, Home(Path("/nowhere")), True, "test")))


async def deliver(bank: Party, to: str, path: str, batch: Batch) -> None:
    await bank.node.deliveries.deliver(to, path, batch, bank.now_ms)
    bank.node.outgoing.notify()
    await settle(5)


async def bank_and_ada(town: Town, *, delivered: bool = True) -> tuple[Party, Party]:
    """The bank and Ada, who know each other as `bank` and `ada`."""
    ada, bank = await town.party("ada"), await town.party("bank", Role.ORGANISATION)
    await meet(ada, bank)
    if delivered:
        await deliver(bank, "ada", CONTACTS, contacts())
    return ada, bank


async def one(party: Party) -> SharedInfo:
    """The one record that a party shares."""
    (found,) = await client_of(party).shared()
    return found


async def kept(party: Party) -> SharedKept:
    (found,) = await party.read(party.node.shared.all)
    return found


async def versions(party: Party, by: Did) -> tuple[SharedVersion, ...]:
    return (await kept(party)).copies.of(by)

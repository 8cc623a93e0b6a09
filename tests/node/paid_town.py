"""Two nodes with a licence for money between them, and what tests ask of their accounts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from entrenous.node.client import Client
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.results.accounts import AccountInfo
from entrenous.node.store.home import Home
from entrenous.protocol.did import Did
from entrenous.protocol.remuneration import Per, Remuneration
from entrenous.protocol.request import Request
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    TERMS,
    Party,
    Town,
    decide,
    meet,
    settle,
)

DAY_MS = DAY_S * 1000
IBAN = "FR7630006000011234567890189"
WEEK = Window(CURVE, DAY, DAY + 6)


def client_of(party: Party) -> Client:
    return Client(DirectChannel(Host(party.node, Home(Path("/nowhere")), True, "test")))


async def ask_paid(
    reader: Party, owner: Party, given: Remuneration | str | None, *windows: Window, days: int = 300
) -> bytes:
    pair = await reader.peer(owner.name)
    terms = replace(TERMS, remuneration=given)
    exp_s = reader.now_ms // 1000 + days * DAY_S
    request = Request(Did(pair.own), windows or (WEEK,), terms.purpose, terms, exp_s, "nothing")
    cid = await reader.write(lambda tx: reader.node.borrowing.ask(tx, pair, request, reader.now_ms))
    await settle()
    return cid


async def lend_paid(
    owner: Party,
    reader: Party,
    given: Remuneration | str,
    *windows: Window,
    days: int = 200,
) -> GrantGiven:
    cid = await ask_paid(reader, owner, given, *windows)
    return await decide(owner, cid, *(windows or (WEEK,)), days=days)


async def two(town: Town) -> tuple[Party, Party]:
    owner, reader = await town.party("alice"), await town.party("volt")
    await meet(owner, reader)
    await owner.fill(CURVE, DAY, 10)
    return owner, reader


async def fetch(reader: Party, owner: Party, window: Window = WEEK) -> None:
    await reader.node.fetcher.fetch(await reader.peer(owner.name), window)
    await settle()


async def both(owner: Party, reader: Party) -> tuple[AccountInfo, AccountInfo]:
    """The one account that there is, as both see it; that they agree is checked here."""
    (mine,) = await client_of(owner).accounts()
    (theirs,) = await client_of(reader).accounts()
    assert (mine.owed, theirs.owed) == ("to-me", "by-me")
    same = ("currency", "accrued", "paid", "open")
    assert [getattr(mine, key) for key in same] == [getattr(theirs, key) for key in same]
    stands = [[(one.t_ms, one.count, one.amount, one.receipt) for one in side.lines]
              for side in (mine, theirs)]  # fmt: skip  # one expression
    assert stands[0] == stands[1]
    return mine, theirs


PER_READ = Remuneration(25, "EUR", Per.READ, 60)

"""What people in a town do with their nodes.

Ana and Ben are persons, Volt is a supplier: Ana lends to both, Ben to Volt, Volt to Ana; of what
Volt lends her, she lends on to Ben, who reads it for her.  An act that a power cut interrupted is
done again until it is done, once.
"""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import trio

from entrenous.node.errors import Away, NodeError, NotAllowed, NotFound, Refused, UsageError
from entrenous.node.grants.lent_on import LentOnSide
from entrenous.node.grants.renewal import Renewing
from entrenous.node.node import Node
from entrenous.node.store.database import Tx
from entrenous.node.vault.vault import pieces_of
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.duty import Duty
from entrenous.protocol.errors import Code
from entrenous.protocol.request import Request
from entrenous.protocol.schema import METER_READING
from entrenous.protocol.terms import Clause, Force, Terms
from entrenous.protocol.view import Every, View
from entrenous.protocol.view import Kind as ViewKind
from entrenous.protocol.window import Window
from entrenous.simulations.machine import DownError, Machine

from .devices import Devices
from .machines import Difference, Impatient, NotYet, pair_of
from .readings import readings, slots_of, start_of, whole_days

T = TypeVar("T")

OWNERS = ("ana", "ben", "volt")
MEET = (("ana", "ben"), ("volt", "ana"), ("volt", "ben"))
LENDS = (("ana", "ben"), ("ana", "volt"), ("ben", "volt"), ("volt", "ana"))
# Who lends on to whom what is whose: both know one persona of an organisation.
LENDS_ON = ("ana", "ben", "volt")
PATHS = ("energy/electricity/load-curve", "energy/gas/load-curve")
# Of what is kept there, only a view is lent.
VIEWED = "energy/heat/load-curve"
VIEW = View(VIEWED, METER_READING, ViewKind.ENERGY, Every.DAILY, "energy")
DAY_S = 86_400
# A busy node is asked again so often.
TRIES = 12
SERVED = "served"


@dataclass(frozen=True, slots=True)
class LentTo:
    """What is asked for and granted: `window`, until `exp_s`, under these duties."""

    owner: str
    reader: str
    window: Window
    exp_s: int
    duties: tuple[Duty, ...] = ()
    # The device of the owner that decides, if it hears of it.
    at: str = ""


class Town(Devices):
    """What people do.  Everything here is an order of a `LedWorld`."""

    # How many requests were made.
    _asks = 0

    async def begin(self) -> None:
        """Everybody is on and has met everybody."""
        await self.stand_up()
        for inviter, scanner in MEET:
            await self._meet(self.machines[inviter], self.machines[scanner])
        principal, proxy, at = LENDS_ON

        async def offer(node: Node) -> None:
            pairs = await pair_of(node, principal), await pair_of(node, at)
            now_ms = node.clock.now_ms()
            await node.store.database.write(lambda tx: node.proxies.ask(tx, *pairs, now_ms))
            node.outgoing.notify()

        await self.insist(proxy, offer)
        await self.until_quiet()

    async def _meet(self, inviter: Machine, scanner: Machine) -> None:
        async def invite(node: Node) -> object:
            if not node.addresses():
                raise NotYet
            return await node.store.database.write(
                lambda tx: node.meeting.invite(
                    tx, node.addresses(), scanner.name, node.clock.now_ms()
                )
            )

        link = await self.insist(inviter.name, invite)

        async def scan(node: Node) -> None:
            try:
                await pair_of(node, inviter.name)
            except NotFound:
                await node.exchange.pair(link, inviter.name)  # type: ignore[arg-type]  # an Invite

        await self.insist(scanner.name, scan)

    # writing and erasing

    async def write(self, device: str, path: str, days: range, slot: int) -> None:
        batch = readings(days, slot)

        async def write(node: Node) -> None:
            if not await _has(node, path, days[0], slot):
                await node.vault.write(
                    path, METER_READING, pieces_of(batch), origin=b"model", atomic=True
                )

        await self.insist(device, write)

    async def hand_back(self, source: str, owner: str, path: str, days: range, slot: int) -> str:
        """A delivery, until a device of the owner has it; which."""
        batch = readings(days, slot)

        async def made(node: Node) -> set[bytes]:
            return {one.statement for one in await node.store.database.read(node.deliveries.made)}

        before = await self.insist(source, made)

        async def send(node: Node) -> None:
            if await made(node) == before:  # else it was kept just before the machine went off
                await node.deliveries.deliver(owner, path, batch, node.clock.now_ms())

        await self.insist(source, send)

        async def came(node: Node) -> None:
            if not await _has(node, path, days[0], slot):
                await self.switch_on(source)
                raise NotYet

        return (await self.somewhere(self.of(owner), came))[0]

    async def write_whole(self, owner: str, days: range) -> None:
        """All hours of these days, where only a view is lent; and what the view tells of them."""
        batch = whole_days(days)

        async def write(node: Node) -> None:
            if not await _has(node, VIEWED, days[0], 0):
                await node.vault.write(
                    VIEWED, METER_READING, pieces_of(batch), origin=b"model", atomic=True
                )
            await node.views.add(VIEW)
            await node.views.catch_up()

        await self.insist(owner, write)

    async def erase(self, device: str, path: str, day: int, slot: int) -> None:
        """One record."""

        async def erase(node: Node) -> None:
            with suppress(NotFound):  # it was gone just before the machine went off
                await node.erasing.erase_record(path, start_of(day, slot))

        await self.insist(device, erase)

    async def erase_all(self, device: str, path: str) -> None:
        """A whole collection."""

        async def erase(node: Node) -> None:
            with suppress(NotFound):
                await node.erasing.erase_collection(path)

        await self.insist(device, erase)

    # lending

    async def lend(self, lent: LentTo) -> tuple[str, bytes]:
        """Ask, and grant it all; the device that did, and the CID once it is kept."""
        owner, reader, window, exp_s = lent.owner, lent.reader, lent.window, lent.exp_s
        pair = await self.insist(reader, partial(pair_of, name=owner))
        clauses = (
            Clause("not sold on", Force.PROMISED),
            *(Clause(duty.value, Force.PROMISED) for duty in lent.duties),
        )
        terms = Terms("dpv:ServiceProvision", 30, (reader,), None, clauses)
        # The same words until the same second would be the same request, decided already.
        self._asks += 1
        said = f"nothing changes, {self._asks}"
        request = Request(pair.own, (window,), terms.purpose, terms, exp_s, said)

        async def ask(node: Node) -> bytes:
            now_ms = node.clock.now_ms()
            cid = await node.store.database.write(
                lambda tx: node.borrowing.ask(tx, pair, request, now_ms)
            )
            node.outgoing.notify()
            return cid

        cid = await self.insist(reader, ask)

        async def decide(node: Node) -> bytes:
            now_ms = node.clock.now_ms()
            asked = await node.store.database.read(lambda tx: node.inbox.find(tx, cid))
            if asked is None:
                await self.switch_on(reader)
                raise NotYet
            if asked.grant is not None:
                return asked.grant
            given = await node.store.database.write(
                lambda tx: node.lending.grant(tx, cid, [window], exp_s, now_ms)
            )
            node.outgoing.notify()
            return given.cid

        return await self.somewhere((lent.at or owner, *self.of(owner)), decide)

    async def renew(self, device: str, cid: bytes, exp_s: int) -> bytes:
        """Go on with a grant until later; the CID of the new one."""

        async def renew(node: Node) -> bytes:
            now_ms = node.clock.now_ms()

            def unit(tx: Tx) -> bytes:
                kept = node.renewals.renewed_by(tx, cid)  # just before the machine went off
                return kept or node.renewals.renew(tx, cid, exp_s, now_ms).cid

            new = await node.store.database.write(unit)
            node.outgoing.notify()
            return new

        return await self.insist(device, renew)

    async def renew_always(self, device: str, cid: bytes, until_s: int) -> None:
        """Let a grant be renewed by itself, a day at a time."""

        async def always(node: Node) -> None:
            rule = Renewing(DAY_S, until_s)
            now_ms = node.clock.now_ms()
            await node.store.database.write(lambda tx: node.renewals.always(tx, cid, rule, now_ms))

        await self.insist(device, always)

    async def take_back(self, device: str, cid: bytes) -> None:
        async def revoke(node: Node) -> None:
            now_ms = node.clock.now_ms()
            with suppress(UsageError):  # it was kept just before the machine went off
                await node.store.database.write(lambda tx: node.lending.revoke(tx, cid, now_ms))
            node.outgoing.notify()

        await self.insist(device, revoke)

    async def keep(self, device: str, cid: bytes) -> None:
        """Go on with a grant that a restore has suspended."""

        async def keep(node: Node) -> None:
            now_ms = node.clock.now_ms()
            with suppress(UsageError):
                await node.store.database.write(lambda tx: node.lending.keep(tx, cid, now_ms))
            node.outgoing.notify()

        await self.insist(device, keep)

    async def lend_on(self, root: bytes, window: Window, exp_s: int) -> bytes:
        """Who holds `root` lets another read part of it; the CID once it is kept."""
        principal, proxy, at = LENDS_ON

        async def given(node: Node) -> list[bytes]:
            found = await node.store.database.read(node.lending_on.all)
            return [one.cid for one in found if one.side is LentOnSide.GIVEN]

        before = await self.insist(principal, given)

        async def lend(node: Node) -> bytes:
            for cid in await given(node):
                if cid not in before:
                    return cid
            to, owner = await pair_of(node, proxy), await pair_of(node, at)
            now_ms = node.clock.now_ms()

            def unit(tx: Tx) -> bytes:
                held = node.borrowing.find(tx, root)
                if held is None or not held.keysets:
                    raise NotYet
                made = node.lending_on.lend_on(
                    tx,
                    held,
                    node.borrowing.keys(tx, held),
                    to,
                    node.proxies.known_as(tx, to, owner, now_ms),
                    windows=[window],
                    exp_s=exp_s,
                    now_ms=now_ms,
                )
                return made.cid

            cid = await node.store.database.write(unit)
            node.outgoing.notify()
            return cid

        return await self.insist(principal, lend)

    async def take_back_lent_on(self, by: str, cid: bytes) -> None:
        """By who lent it on, or by the owner of the data, who was told of it."""

        async def revoke(node: Node) -> None:
            now_ms = node.clock.now_ms()
            with suppress(UsageError):
                await node.store.database.write(lambda tx: node.lending_on.revoke(tx, cid, now_ms))
            node.outgoing.notify()

        await self.insist(by, revoke)

    # reading

    async def probe(
        self, reader: str, owner: str, cid: bytes, window: Window, device: str
    ) -> tuple[str, str] | None:
        """What the owner's door says to a read under one grant, whatever the reader knows of it:
        a code, or `served`, and which device said it (`device`, if it can be reached).  None if
        the reader has not heard of the grant or nobody answers."""

        async def ask(node: Node) -> tuple[str, str] | None:
            pair = await pair_of(node, owner)
            wanted = did_of(self.machines[device].device)
            try:
                held = await node.store.database.read(lambda tx: node.borrowing.get(tx, cid))
                link = await node.links.link_to(pair, wanted)
            except (NotFound, Away, Refused):
                return None
            exp_s = node.clock.now_ms() // 1000 + 120
            invocation = await node.store.database.read(
                lambda tx: node.borrowing.sign_read(tx, held, window, link.server.device, exp_s)
            )
            proofs = [one.delegation.raw for one in held.bundle.links]
            at = self._called(owner, link.server.device)
            try:
                said = await node.exchange.invoke(pair, invocation, proofs)
            except Refused as refused:
                return SERVED if refused.code == Code.OK.value else refused.code, at
            except Away:
                return None
            return said.answer.code.value, at

        return await self._asked(reader, ask)

    def _called(self, owner: str, device: Did) -> str:
        for name in self.of(owner):
            if did_of(self.machines[name].device) == device:
                return name
        raise Difference(f"{device}, which is none of {owner}, serves for {owner}")

    async def read(
        self, reader: str, owner: str, window: Window, principal: str = ""
    ) -> frozenset[tuple[int, int]] | str | None:
        """What the reader's own node fetches, for itself or for `principal`: (day, slot) of each
        record, a code, or None."""

        async def fetch(node: Node) -> frozenset[tuple[int, int]] | str | None:
            try:
                of = await pair_of(node, principal) if principal else None
                lent = await node.fetcher.fetch(await pair_of(node, owner), window, principal=of)
            except Away:
                return None
            except Refused as refused:
                return refused.code
            except NotAllowed:
                return "not allowed"
            if lent.damaged:
                return f"{len(lent.damaged)} pages do not open"
            bad = [proof.reason for proof in lent.provenance if proof.reason is not None]
            if bad:
                return f"a statement does not hold: {bad[0]}"
            return frozenset(slots_of(lent.batch)) if lent.batch is not None else frozenset()

        return await self._asked(reader, fetch)

    async def _asked(self, reader: str, act: Callable[[Node], Awaitable[T]]) -> T | None:
        for _ in range(TRIES):
            try:
                said = await self.world.do(self.machines[reader], act)
            except (DownError, Impatient):
                return None
            if not _is_busy(said):
                return said
            await trio.sleep(5)
        raise Impatient("a node was busy without end")


async def _has(node: Node, path: str, day: int, slot: int) -> bool:
    try:
        reading = await node.vault.read(path, day, day)
    except NodeError:
        return False
    return (day, slot) in slots_of(reading.batch)


def _is_busy(said: object) -> bool:
    match said:
        case (str(code), str()) | str(code):
            return code == Code.BUSY.value
        case _:
            return False

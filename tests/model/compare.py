"""Real disks, keys and doors against the model.

After every step: what lies on the disks is what the model says was written; no reader's keys open
a page that the model says they do not open, and once everything has been said they open every page
of each grant that holds; how a grant is kept is how the model has it; and the door of each owner
lets in exactly who may read, with the code that says why not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from entrenous.node.grants.grant_held import GrantHeld
from entrenous.node.grants.grant_lines import Side
from entrenous.node.node import Node
from entrenous.node.store.database import Tx
from entrenous.node.vault.stored import Stored
from entrenous.protocol.day import day_of
from entrenous.protocol.errors import Code
from entrenous.protocol.keyset import GrantKeys
from entrenous.protocol.page import PageEntry, open_page, parse_entry
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.simulations.invariants import day_keys, opens

from .machines import Difference
from .readings import slots_of
from .town import OWNERS, PATHS, SERVED, Town
from .who_may import NEVER, Grant, Name, WhoMay

# A reader sees within so long that a grant has run out: clocks differ, and the house is kept once a
# minute.
DELETING_MS = 180_000


@dataclass
class Seen:
    """What was worked out before, so that a step costs what is new in it."""

    pages: dict[bytes, tuple[PageEntry, bytes, Name]] = field(
        default_factory=dict[bytes, tuple[PageEntry, bytes, Name]]
    )
    opened: dict[tuple[bytes, tuple[int, ...], bytes], bool] = field(
        default_factory=dict[tuple[bytes, tuple[int, ...], bytes], bool]
    )


class Comparison:
    """Holds a town against a model."""

    def __init__(self, town: Town, model: WhoMay, reached: Counter[str]) -> None:
        self._town = town
        self._model = model
        self._reached = reached
        self._seen = Seen()
        self._turn = 0
        # When this was last looked at: what ended since may have been renewed just before.
        self._looked = 0

    async def hold(self) -> None:
        """Everything that must be so after a step.  Raises Difference."""
        quiet = not await self._town.waiting()
        self._reached["compared, all said" if quiet else "compared, words on their way"] += 1
        if quiet and self._town.together:
            self._model.meet()
        pages = dict[str, list[bytes]]()
        for owner in OWNERS:
            at = {device: await self._pages(owner, device) for device in self._town.of(owner)}
            for device in at:
                self._model.clock(owner, self._town.now_ms(device))
                await self._renewed(owner, device)
                self._as_written(owner, device, at[device])
                await self._as_kept(owner, device)
            pages[owner] = list(dict.fromkeys(page for some in at.values() for page in some))
        for device in self._town.machines:
            await self._keys(device, pages, quiet=quiet)
            if quiet and not self._town.apart:
                await self._deleted(device)
        await self._doors()
        self._looked = self._model.tick

    def known(self) -> dict[bytes, Name]:
        """Every page seen, by the SHA-256 of its ciphertext."""
        return {entry.digest: name for entry, _, name in self._seen.pages.values()}

    # disks

    async def _pages(self, owner: str, device: str) -> list[bytes]:
        """The ids of an owner's own pages at a device; each is opened once, with its keys."""
        node = self._town.at_rest(device)

        def look(tx: Tx) -> list[bytes]:
            found: list[bytes] = []
            for collection in node.vault.collections.all(tx):
                stored = node.vault.stored(tx, collection.path, 0, 65_535)
                unknown: list[Stored] = []
                for one in stored:
                    entry = parse_entry(one.raw)
                    found.append(entry.page_id)
                    if entry.page_id not in self._seen.pages:
                        unknown.append(one)
                for one, ciphertext in node.vault.ciphertexts(tx, unknown):
                    entry = parse_entry(one.raw)
                    if ciphertext is None:
                        raise Difference(f"{device} has lost a page of day {entry.day}")
                    key = node.vault.keys_of(entry).key(entry.day)
                    # Of a page of many hours, its first.
                    day, slot = min(slots_of(open_page(entry, ciphertext, key).batch))
                    name = (owner, entry.path, day, slot)
                    self._seen.pages[entry.page_id] = entry, ciphertext, name
            return found

        return await self._town.machines[device].disk.read(look)

    def _as_written(self, owner: str, device: str, pages: list[bytes]) -> None:
        found = Counter(self._seen.pages[page][2] for page in pages)
        must, may = (Counter(page.name for page in some) for some in self._model.at(device, owner))
        if found - may or must - found:
            raise Difference(
                f"{device} holds {sorted((found - may).elements())} that nobody wrote, "
                f"and not {sorted((must - found).elements())} that was confirmed"
            )

    async def _as_kept(self, owner: str, device: str) -> None:
        node = self._town.at_rest(device)
        given = await self._town.machines[device].disk.read(node.lending.all)
        kept = {grant.cid: grant.kept for grant in given}
        for cid, grant in self._model.grants.items():
            if grant.owner != owner or grant.above is not None:
                continue
            forms = self._model.as_known(device, grant)
            wanted = {None if form.lost else status_in(form) for form in forms}
            found = kept.pop(cid, None)
            if found not in wanted:
                raise Difference(f"{device} keeps as {found}, not as {wanted}: {_words(grant)}")
        if kept:
            raise Difference(f"{device} lends what nobody granted: {_told(kept)}")

    async def _renewed(self, owner: str, device: str) -> None:
        """Take note of what was renewed by itself, if its owner said so, and no further."""
        node, model = self._town.at_rest(device), self._model
        disk = self._town.machines[device].disk
        unseen = [one for one in await disk.read(node.lending.all) if one.cid not in model.grants]
        # In a long night one is renewed more than once: what it goes on from is noted first.
        for given in sorted(unseen, key=lambda one: one.exp_s):
            cid = given.cid
            line = await disk.read(lambda tx, cid=cid: node.lending.lines.find(tx, Side.GIVEN, cid))
            old = None if line is None or line.renews is None else line.renews
            until_s = model.always.get(old or b"")
            if (
                old is None
                or until_s is None
                or old not in model.grants
                or not (model.grants[old].live or model.grants[old].ended > self._looked)
            ):
                known = None if old is None else model.grants.get(old)
                raise Difference(
                    f"{owner} lends what nobody granted: {cid.hex()[-6:]}, until {given.exp_s}, in "
                    f"place of {known}; by itself until {until_s}, {given.kept}"
                )
            if not model.grants[old].exp_ms < given.exp_s * 1000 <= until_s * 1000:
                raise Difference(f"{owner} renewed {cid.hex()[-6:]} for longer than it may")
            self._reached["renewed by itself"] += 1
            model.renew(old, cid, given.exp_s * 1000, device)
            fresh = model.grants[cid]
            if [(w.first, w.last) for w in given.windows] != [(fresh.first, fresh.last)]:
                raise Difference(f"{owner} renewed other days: {_words(fresh)}")

    # readers' copies

    async def _deleted(self, device: str) -> None:
        """What a device of a reader was to delete is gone."""
        node, reader = self._town.at_rest(device), self._town.person(device)
        machine = self._town.machines[device]

        def look(tx: Tx) -> set[bytes]:
            return {
                parse_entry(one.raw).page_id
                for owner in {held.their for held in node.borrowing.all(tx)}
                for path in PATHS
                for one in node.vault.stored(tx, path, 0, 65_535, owner)
            }

        kept = await machine.disk.read(look)
        now_ms = machine.clock.now_ms()
        names = {self._seen.pages[page][2] for page in kept if page in self._seen.pages}
        self._reached["copies kept"] += len(names)
        wrong = [
            name
            for name in sorted(names)
            if self._model.must_be_gone(reader, name, now_ms - DELETING_MS, device)
        ]
        if wrong:
            raise Difference(f"{device} keeps {wrong}, which it was to delete")

    # keys

    def _holds(self, grant: Grant, now_ms: int) -> bool:
        return self._model.may_read(grant, grant.first, grant.first, now_ms)

    async def _keys(self, device: str, pages: dict[str, list[bytes]], *, quiet: bool) -> None:
        node, reader = self._town.at_rest(device), self._town.person(device)
        held = await self._town.machines[device].disk.read(lambda tx: _held(node, tx))
        for grant in self._model.grants.values():
            if grant.reader != reader:
                continue
            opened = set[Name]()
            if grant.cid in held:
                opened = self._opened(*held[grant.cid], pages[grant.owner])
            model = self._model
            about = [page for page in (*model.pages, *model.going) if model.opens(grant, page)]
            may = {page.name for page in about}
            if opened - may:
                raise Difference(f"{device} opens {sorted(opened - may)} with {_words(grant)}")
            now_ms = self._town.now_ms(grant.owner)
            if quiet and self._heard(reader) and model.sure(grant) and self._holds(grant, now_ms):
                told = {page.name for page in about if model.knows(page.by, grant.by, grant.given)}
                missing = {page.name for page in model.pages if page.name in told - opened}
                if missing:
                    raise Difference(f"{device} does not open {sorted(missing)}: {_words(grant)}")
            self._reached["pages opened"] += len(opened)

    def _heard(self, reader: str) -> bool:
        """Whether what was said to a reader has come to each of its devices."""
        return len(self._town.of(reader)) == 1 or not self._town.apart

    def _opened(self, held: GrantHeld, keys: GrantKeys, pages: list[bytes]) -> set[Name]:
        names = set[Name]()
        for page in pages:
            entry, ciphertext, name = self._seen.pages[page]
            at = (held.cid, held.keysets, page)
            if at not in self._seen.opened:
                found = any(opens(entry, ciphertext, key) for key in day_keys(keys, entry.day))
                self._seen.opened[at] = found
            if self._seen.opened[at]:
                names.add(name)
        return names

    # doors

    async def _doors(self) -> None:
        """Ask at each door under each grant, for one day: its first, its last, or one beside it."""
        self._turn += 1
        for grant in list(self._model.grants.values()):
            readers, owners = self._town.of(grant.reader), self._town.of(grant.owner)
            # In eight turns each day at each device, and in sixteen from each device.
            reader = readers[(self._turn // 2 + self._turn // 8) % len(readers)]
            device = owners[(self._turn + self._turn // 4) % len(owners)]
            if self._town.is_on(reader) and self._town.is_on(device):
                beside = (grant.first, grant.last, grant.last + 1, grant.first - 1)
                await self.door(grant, beside[self._turn % 4], reader, device)

    async def every_door(self) -> None:
        """Ask at each door of each device, for every day and one beside.  Raises Difference."""
        for grant in list(self._model.grants.values()):
            for reader in self._town.of(grant.reader):
                for device in self._town.of(grant.owner):
                    for day in range(grant.first - 1, grant.last + 2):
                        await self.door(grant, day, reader, device)

    async def door(self, grant: Grant, day: int, reader: str, device: str) -> None:
        """Ask for one day under one grant.  Raises Difference."""
        window = Window(grant.path, day, day)
        if grant.followed:
            return
        answer = await self._town.probe(reader, grant.owner, grant.cid, window, device)
        if answer is None:
            return
        said, at = answer
        self._reached[f"door: {said}"] += 1
        if at != grant.owner:
            self._reached["door of another device"] += 1
        now_ms = self._town.now_ms(at)
        if said == SERVED and self._town.alone_too_long(at):
            raise Difference(f"{at} serves, which has not heard of the other device for too long")
        if self._model.twilight(grant.owner, now_ms) or self._town.silent(at):
            return
        forms = self._model.as_known(at, grant)
        wanted = {code_for(self._model, form, day, now_ms) for form in forms}
        if said not in wanted:
            told = " or ".join(sorted(wanted))
            raise Difference(f"{at} says {said} and not {told}: day {day} of {_words(grant)}")


def status_in(grant: Grant) -> GrantStatus:
    """How an owner keeps a grant (one that has run out stays as it was)."""
    if grant.revoked:
        return GrantStatus.REVOKED
    return GrantStatus.LIVE if grant.suspended == NEVER else GrantStatus.SUSPENDED


def code_for(model: WhoMay, grant: Grant, day: int, now_ms: int) -> str:
    """What a door should say to a read of one day."""
    above = model.above(grant)
    if now_ms > grant.exp_ms:
        return Code.EXPIRED
    if not grant.first <= day <= min(grant.last, day_of(grant.exp_ms)):
        return Code.DAYS
    if grant.lost:
        return Code.UNKNOWN_GRANT
    if above is not None:
        said = code_for(model, above, day, now_ms)
        if said in (SERVED, Code.SUSPENDED) and grant.revoked and not grant.forgiven:
            return Code.REVOKED
        return Code.EXPIRED if said == SERVED and grant.over != NEVER else said
    if grant.revoked:
        return Code.REVOKED
    if grant.over != NEVER:
        return Code.EXPIRED
    return SERVED if model.may_read(grant, day, day, now_ms) else Code.SUSPENDED


def _held(node: Node, tx: Tx) -> dict[bytes, tuple[GrantHeld, GrantKeys]]:
    return {
        held.cid: (held, node.borrowing.keys(tx, held))
        for held in node.borrowing.all(tx)
        if held.keysets
    }


def _told(kept: dict[bytes, GrantStatus]) -> str:
    return ", ".join(f"{cid.hex()[-6:]} {status.value}" for cid, status in sorted(kept.items()))


def _words(grant: Grant) -> str:
    return (
        f"grant {grant.cid.hex()[-6:]} of {grant.owner} to {grant.reader}, {grant.path}, "
        f"days {grant.first} to {grant.last}, given {grant.given}, ended {_tick(grant.ended)}, "
        f"suspended {_tick(grant.suspended)}{', lost' if grant.lost else ''}"
    )


def _tick(tick: int) -> str:
    return "never" if tick == NEVER else str(tick)

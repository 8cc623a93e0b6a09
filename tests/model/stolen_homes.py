"""The adversary program on the disks of a town: everybody's keys on everybody's pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from entrenous.node.store.database import Tx
from entrenous.protocol.page import parse_entry
from entrenous.protocol.wire import Value, decode
from entrenous.simulations.adversary import attack, attack_sealed
from entrenous.simulations.invariants import opens
from entrenous.simulations.machine import Machine
from entrenous.simulations.stolen import Files, Loot

from .devices import Stolen
from .machines import NAMES, Difference
from .town import OWNERS, Town
from .who_may import Name, WhoMay


async def attack_all(town: Town, model: WhoMay, known: Mapping[bytes, Name], folder: Path) -> int:
    """Have each device of each owner attacked by each reader, with all devices of that reader, and
    by all readers together; then by whoever stole a device; how many tries.

    `known` names pages by the SHA-256 of their ciphertexts.  Raises Difference if what opens is
    more than the model allows, or than was fetched where the owner's catalogue is sealed.
    """
    files = {name: await _files(machine, name, folder) for name, machine in town.machines.items()}
    loot = {
        person: [
            Loot.of(files[device], _keystore(town.machines[device])) for device in town.of(person)
        ]
        for person in NAMES
    }
    tries = 0
    for owner in OWNERS:
        others = tuple(name for name in NAMES if name != owner)
        for readers in (*((name,) for name in others), others):
            may = _may(model, readers)
            homes = [one for name in readers for one in loot[name]]
            for device in town.of(owner):
                keystore = _keystore(town.machines[device])
                found = attack(files[device], keystore, homes, every_role=False)
                opened = {known[digest] for digest in found.opened}
                if opened - may:
                    raise Difference(f"{readers} open {sorted(opened - may)} at {device}")
                tries += found.tries
        # Whose fetch it was does not matter here: all homes at once.
        for device in town.of(owner):
            homes = [one for name in others for one in loot[name]]
            sealed = attack_sealed(files[device], homes)
            if not sealed.kept:
                raise Difference(f"{others} open what they have not fetched of {device}")
            tries += sealed.tries
    for number, stolen in enumerate(town.stolen):
        homes = [
            Loot.of(
                await _files(stolen.machine, f"thief {number}", folder), _keystore(stolen.machine)
            )
        ]
        for owner in NAMES[1:]:
            keystore = _keystore(town.machines[owner])
            found = attack(files[owner], keystore, homes, every_role=False)
            may = _may(model, NAMES[:1], stolen.tick)
            opened = {known[digest] for digest in found.opened}
            if opened - may:
                raise Difference(f"a thief opens {sorted(opened - may)} of {owner}")
            tries += found.tries
        tries += await _attack_from_within(stolen, town, model, known)
    return tries


async def _attack_from_within(
    stolen: Stolen, town: Town, model: WhoMay, known: Mapping[bytes, Name]
) -> int:
    """Whoever has a stolen device tries its owner's pages with its owner's keys; how many open.

    Raises Difference for what came after it was left behind.
    """
    thief, own = stolen.machine.at_rest(), town.at_rest(NAMES[0])
    epochs = {epoch.name for epoch in thief.keystore.epochs}

    def look(tx: Tx) -> set[Name]:
        opened = set[Name]()
        for collection in own.vault.collections.all(tx):
            stored = own.vault.stored(tx, collection.path, 0, 65_535)
            for one, ciphertext in own.vault.ciphertexts(tx, stored):
                entry = parse_entry(one.raw)
                if ciphertext is None or entry.epoch not in epochs:
                    continue
                if opens(entry, ciphertext, thief.vault.keys_of(entry).key(entry.day)):
                    opened.add(known[entry.digest])
        return opened

    opened = await town.machines[NAMES[0]].disk.read(look)
    late = opened & {page.name for page in model.pages if page.tick > stolen.tick}
    if late:
        raise Difference(f"a thief opens {sorted(late)}, which came later")
    return len(opened)


def _may(model: WhoMay, readers: tuple[str, ...], until: int | None = None) -> set[Name]:
    """What the keys of these readers open; of what was given before `until`."""
    return {
        page.name
        for page in (*model.pages, *model.going)
        for grant in model.grants.values()
        if grant.reader in readers and model.opens(grant, page)
        if until is None or grant.given < until
    }


async def _files(machine: Machine, name: str, folder: Path) -> Files:
    copy = folder / f"{name}-stolen.db"
    copy.unlink(missing_ok=True)
    await machine.disk.copy_to(copy)
    return Files.of(copy)


def _keystore(machine: Machine) -> Mapping[str, Value]:
    value = decode(machine.keystore.to_bytes())
    assert isinstance(value, dict)
    return value

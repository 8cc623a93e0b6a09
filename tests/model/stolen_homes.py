"""The adversary program on the disks of a town: everybody's keys on everybody's pages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from entrenous.protocol.wire import Value, decode
from entrenous.simulations.adversary import attack, attack_sealed
from entrenous.simulations.stolen import Files, Loot

from .compare import Difference
from .machines import NAMES
from .town import OWNERS, Town
from .who_may import Name, WhoMay


async def attack_all(town: Town, model: WhoMay, known: Mapping[bytes, Name], folder: Path) -> int:
    """Have each owner attacked by each reader and by all readers together; how many tries.

    `known` names pages by the SHA-256 of their ciphertexts.  Raises Difference if what opens is
    more than the model allows, or than was fetched where the owner's catalogue is sealed.
    """
    files: dict[str, Files] = {}
    for name in NAMES:
        copy = folder / f"{name}-stolen.db"
        copy.unlink(missing_ok=True)
        await town.machines[name].disk.copy_to(copy)
        files[name] = Files.of(copy)
    loot = {name: Loot.of(files[name], _keystore(town, name)) for name in NAMES}
    tries = 0
    for owner in OWNERS:
        others = tuple(name for name in NAMES if name != owner)
        for readers in (*((name,) for name in others), others):
            may = {
                page.name
                for page in model.pages
                for grant in model.grants.values()
                if grant.reader in readers and model.opens(grant, page)
            }
            homes = [loot[name] for name in readers]
            found = attack(files[owner], _keystore(town, owner), homes, every_role=False)
            opened = {known[digest] for digest in found.opened}
            if opened - may:
                raise Difference(f"{readers} open {sorted(opened - may)} of {owner}")
            tries += found.tries
        # Whose fetch it was does not matter here: all homes at once.
        sealed = attack_sealed(files[owner], [loot[name] for name in others])
        if not sealed.kept:
            raise Difference(f"{others} open what they have not fetched of {owner}")
        tries += sealed.tries
    return tries


def _keystore(town: Town, name: str) -> Mapping[str, Value]:
    value = decode(town.machines[name].keystore.to_bytes())
    assert isinstance(value, dict)
    return value

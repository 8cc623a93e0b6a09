"""Homes as people have them: the keystore sealed in the home, the recovery words on paper.

What is done to a home without its daemon seals another keystore in its place, so these, and not the
keystores that other kills hand to their nodes, are the homes of devices that join and are lost.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from entrenous.crypto.entropy import SystemEntropy
from entrenous.node.config import Config, Role
from entrenous.node.opening import init_home, make_key_file, open_home
from entrenous.tests.flows.deaths import ForkServer, Mortal
from entrenous.tests.flows.ports import address_of_its_own


def make_sealed(server: ForkServer, folder: Path, name: str, role: Role) -> Mortal:
    """A new home; its words stand in a file beside it."""
    entropy = SystemEntropy()
    key = folder / f"{name}.key"
    unlock = make_key_file(key, entropy)
    words = init_home(folder / name, Config(name=name, role=role), unlock, entropy)
    words_of(folder / name).write_text(words)
    return Mortal(server, folder / name, name, role, open_home(folder / name, unlock), key=key)


def words_of(home: Path) -> Path:
    """Where the words of a home stand."""
    return home.with_suffix(".words")


def no_home_yet(beside: Mortal, name: str, *, listen: str | None = None) -> Mortal:
    """A machine on which there is no home yet: one joins there, or is restored, and then is to be
    found where it was, at `listen`."""
    folder, at = beside.folder.with_name(name), listen or address_of_its_own()
    return replace(beside, folder=folder, name=name, listen=at, lives=0, _line=None, _heard=b"")

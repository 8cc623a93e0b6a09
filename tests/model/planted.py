"""Faults put into the nodes on purpose: a comparison that finds none of them shows nothing.

Each is one thing that a node could get wrong in good faith.  `tests/model/test_model.py` runs the
machine against each that is not `RARE`, and the machine must find it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

from entrenous.crypto.keys import VaultSecret
from entrenous.node.grants import keys_sent
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.lending import Lending, TakenBack
from entrenous.node.node import Node
from entrenous.node.store.database import Tx
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.vault.collection import Collections
from entrenous.protocol.keyset import PathKeys, path_keys
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.simulations.machine import DiskInUse, Life, Machine


@contextmanager
def forgets_to_rotate() -> Generator[None]:
    """What comes after a taking back is under the keys that were lent."""

    def same(_self: Collections, _tx: Tx, _path: str, _cid: bytes) -> bool:
        return False

    with patch.object(Collections, "take_back", same):
        yield


@contextmanager
def serves_after_revocation() -> Generator[None]:
    """The door asks whether a grant was given, and not whether it was taken back."""
    looked_up = Lending.statuses

    def kind(
        self: Lending, tx: Tx, cids: Iterable[bytes], now_ms: int
    ) -> Mapping[bytes, GrantStatus]:
        found = looked_up(self, tx, cids, now_ms)
        return {
            cid: GrantStatus.LIVE if status is GrantStatus.REVOKED else status
            for cid, status in found.items()
        }

    with patch.object(Lending, "statuses", kind):
        yield


@contextmanager
def gives_a_wider_cover() -> Generator[None]:
    """One day too many in every set of keys."""

    def wider(vault: VaultSecret, *, windows: Iterable[Window], **rest: Any) -> PathKeys | None:
        wide = [Window(w.collection, w.first, w.last + 1) for w in windows]
        return path_keys(vault, windows=wide, **rest)

    with patch.object(keys_sent, "path_keys", wider):
        yield


@contextmanager
def forgets_suspension_at_restore() -> Generator[None]:
    """A restored node goes on as if nothing had been taken back since its backup."""

    def none(_self: Lending, _tx: Tx, _now_ms: int) -> int:
        return 0

    with patch.object(Lending, "suspend_all", none):
        yield


@contextmanager
def loses_a_revocation_in_a_crash() -> Generator[None]:
    """A taking back is told to be kept before it is: a power cut undoes it, and what came after."""
    revoked, written, switched_on = Lending.revoke, DiskInUse.write, Machine.power_on
    before: dict[InlineDatabase, bytes] = {}
    count = 0

    def revoke(self: Lending, tx: Tx, cid: bytes, now_ms: int) -> TakenBack:
        nonlocal count
        count += 1
        return revoked(self, tx, cid, now_ms)

    async def write(self: DiskInUse, unit: Callable[[Tx], Any]) -> Any:
        disk: InlineDatabase = self._disk  # pyright: ignore[reportPrivateUsage]  # what fails is inside
        image, counted = _connection(disk).serialize(), count
        value = await written(self, unit)
        if count > counted:
            before.setdefault(disk, image)
        return value

    def power_on(self: Machine) -> tuple[Life, Node]:
        if self.disk in before:
            _connection(self.disk).deserialize(before.pop(self.disk))
        return switched_on(self)

    with (
        patch.object(Lending, "revoke", revoke),
        patch.object(DiskInUse, "write", write),
        patch.object(Machine, "power_on", power_on),
    ):
        yield


def _connection(disk: InlineDatabase) -> Any:
    return disk._live()  # pyright: ignore[reportPrivateUsage]  # the fault is one of the disk's own


@contextmanager
def keeps_keys_of_what_ran_out() -> Generator[None]:
    """A grant that has run out is refused, and its keys go on to open what comes."""

    def none(_self: Lending, _tx: Tx, _grants: Iterable[GrantGiven], _now_ms: int) -> int:
        return 0

    with patch.object(Lending, "_expire", none):
        yield


@contextmanager
def forgets_the_survivors() -> Generator[None]:
    """After a taking back the other readers get no new keys."""

    def nothing(_self: Lending, _tx: Tx, _grant: GrantGiven, _now_ms: int) -> None:
        return None

    with patch.object(Lending, "_send_keys", nothing):
        yield


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault, and the kinds of things among which it shows."""

    fault: Callable[[], AbstractContextManager[None]]
    kinds: frozenset[str]


PLANTED: Final[Mapping[str, Planted]] = {
    fault.__name__.replace("_", " "): Planted(fault, frozenset(kinds))
    for fault, kinds in (
        (forgets_to_rotate, ("take back", "write", "read")),
        (serves_after_revocation, ("take back", "write", "read")),
        (gives_a_wider_cover, ("lend", "write", "read")),
        (forgets_suspension_at_restore, ("restore",)),
        (loses_a_revocation_in_a_crash, ("take back", "trouble")),
        (keeps_keys_of_what_ran_out, ("time", "write")),
        (forgets_the_survivors, ("take back", "write")),
    )
}

# Those that need rarer histories: found, if at all, in longer runs than a test has time for.
RARE: Final = frozenset(
    {"loses a revocation in a crash", "keeps keys of what ran out", "forgets the survivors"}
)

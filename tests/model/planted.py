"""Faults put into the nodes on purpose: a comparison that finds none of them shows nothing.

Each is one thing that a node could get wrong in good faith.  `tests/model/test_model.py` lets the
machine play its opening against each, and the machine must find it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

from entrenous.crypto.keys import VaultSecret
from entrenous.node.grants import keys_sent, lending_on
from entrenous.node.grants.borrowing import Borrowing
from entrenous.node.grants.deletion_duty import DeletionDuty
from entrenous.node.grants.grant_given import GrantGiven
from entrenous.node.grants.lending import Lending, TakenBack
from entrenous.node.grants.lending_on import LendingOn
from entrenous.node.grants.renewal import Renewals
from entrenous.node.node import Node
from entrenous.node.store.database import Tx
from entrenous.node.store.inline import InlineDatabase
from entrenous.node.vault.collection import Collections
from entrenous.protocol.keyset import PathKeys, path_keys
from entrenous.protocol.trust import GrantStatus, status_at
from entrenous.protocol.window import Window
from entrenous.simulations.machine import DiskInUse, Life, Machine

from .planted_devices import PLANTED_DEVICES


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


@contextmanager
def brings_back_what_ran_out() -> Generator[None]:
    """A grant stands as the clock says now, whatever it said before."""

    def by_the_clock(self: GrantGiven, now_ms: int) -> GrantStatus:
        return status_at(self.bundle.grant.delegation, self.kept, now_ms)

    with patch.object(GrantGiven, "status", by_the_clock):
        yield


@contextmanager
def renews_for_more_days() -> Generator[None]:
    """A renewal has all days until its end, whoever narrowed them."""
    own = Renewals.windows

    def wider(self: Renewals, tx: Tx, old: GrantGiven, exp_s: int) -> tuple[Window, ...]:
        return tuple(replace(one, first=one.first - 1) for one in own(self, tx, old, exp_s))

    with patch.object(Renewals, "windows", wider):
        yield


@contextmanager
def lends_on_all_it_holds() -> Generator[None]:
    """The keys of what is lent on are those of the whole grant."""

    def everything(
        held: Iterable[PathKeys], _windows: Sequence[Window], _exp_s: int
    ) -> tuple[PathKeys, ...]:
        return tuple(held)

    with patch.object(lending_on, "keys_lent_on", everything):
        yield


@contextmanager
def forgets_the_end_of_what_was_lent_on() -> Generator[None]:
    """What was lent on for a shorter time is refused after it, and its keys open what comes."""

    def none(_self: LendingOn, _tx: Tx, _now_ms: int) -> int:
        return 0

    with patch.object(LendingOn, "expire", none):
        yield


@contextmanager
def leaves_the_middle_of_a_chain() -> Generator[None]:
    """What was lent on is looked up by itself: that the grant above it ended, nobody asks."""
    looked_up = Lending.statuses

    def last(
        self: Lending, tx: Tx, cids: Iterable[bytes], now_ms: int
    ) -> Mapping[bytes, GrantStatus]:
        chain = list(cids)
        return looked_up(self, tx, chain[-1:] if len(chain) > 1 else chain, now_ms)

    with patch.object(Lending, "statuses", last):
        yield


@contextmanager
def says_deleted_and_keeps() -> Generator[None]:
    """What was read under a duty is said to be gone, and is not."""

    def nothing(_self: DeletionDuty, _name: object, _tx: Tx) -> bool:
        return False

    with patch.object(DeletionDuty, "_remove", nothing):
        yield


@contextmanager
def asks_for_no_keys_after_a_restore() -> Generator[None]:
    """A restored reader goes on with the keys that stood in its backup."""

    def none(_self: Borrowing, _tx: Tx, _now_ms: int) -> int:
        return 0

    with patch.object(Borrowing, "accept_again", none):
        yield


@contextmanager
def lends_on_after_a_restore() -> Generator[None]:
    """Who lent on, and took it back after its backup, sends new keys once it is restored."""

    def none(_self: LendingOn, _tx: Tx, _now_ms: int) -> int:
        return 0

    with patch.object(LendingOn, "suspend_all", none):
        yield


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault, and the opening in which it shows."""

    fault: Callable[[], AbstractContextManager[None]]
    opening: str


PLANTED: Final[Mapping[str, Planted]] = {
    fault.__name__.replace("_", " "): Planted(fault, opening)
    for fault, opening in (
        (forgets_to_rotate, "a survivor reads on"),
        (serves_after_revocation, "a survivor reads on"),
        (gives_a_wider_cover, "a survivor reads on"),
        (forgets_the_survivors, "a survivor reads on"),
        (forgets_suspension_at_restore, "an owner is restored"),
        (loses_a_revocation_in_a_crash, "power goes after a taking back"),
        (keeps_keys_of_what_ran_out, "what ran out is written to"),
        (brings_back_what_ran_out, "a clock goes back over an end"),
        (renews_for_more_days, "a renewed grant outlives the first"),
        (lends_on_all_it_holds, "lent on and keys turned"),
        (forgets_the_end_of_what_was_lent_on, "what was lent on runs out"),
        (leaves_the_middle_of_a_chain, "the middle of a chain is taken back"),
        (says_deleted_and_keeps, "what was read is deleted"),
        (asks_for_no_keys_after_a_restore, "a reader is restored"),
        (lends_on_after_a_restore, "who lent on is restored"),
        *PLANTED_DEVICES,
    )
}

# Those that chance finds soon, without an opening; and from which seed.
BY_CHANCE: Final = {"gives a wider cover": 1, "forgets suspension at restore": 6}

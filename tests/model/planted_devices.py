"""Faults of two devices, put into the nodes on purpose: see `planted.py`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from unittest.mock import patch

from entrenous.node.devices import joins
from entrenous.node.devices.keeping import Keeping
from entrenous.node.devices.page_spaces import PagesGone
from entrenous.node.erasure.sweeping import Sweeping
from entrenous.node.exchange.links import Links
from entrenous.node.grants.borrowing import Borrowing
from entrenous.node.grants.given_again import GivenAgain
from entrenous.node.keystore import Keystore
from entrenous.node.log.head import LogHead
from entrenous.node.store.database import Tx
from entrenous.protocol.session_event import HelloReceived
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.wire import Value


def _nothing(*_: object) -> None:
    """What a faulty device does."""


@contextmanager
def goes_by_its_own_revocations() -> Generator[None]:
    """Each device's generations follow from what was taken back on it alone."""

    def mine(one: Value, _other: Value) -> Value:
        return one

    with patch.object(joins, "union", mine):
        yield


@contextmanager
def forgets_that_the_other_took_back() -> Generator[None]:
    """Of two tellings of a grant, the one that serves holds."""

    def live(one: GrantStatus, other: GrantStatus) -> GrantStatus:
        return min(one, other, key=lambda status: status is not GrantStatus.LIVE)

    with patch.object(joins, "_kept", live):
        yield


@contextmanager
def forgets_that_the_other_kept() -> Generator[None]:
    """Of two tellings of a grant after a restore, the one that waits holds."""

    def waits(one: GrantStatus, other: GrantStatus) -> GrantStatus:
        places = [GrantStatus.LIVE, GrantStatus.SUSPENDED, GrantStatus.REVOKED]
        return max(one, other, key=places.index)

    with patch.object(joins, "_kept", waits):
        yield


@contextmanager
def gives_nobody_new_keys_after_a_meeting() -> Generator[None]:
    """Devices that met have another generation, and readers hear nothing of it."""

    def nobody(_self: GivenAgain, _tx: Tx, _paths: object, _now_ms: int) -> int:
        return 0

    with patch.object(GivenAgain, "rekey", nobody):
        yield


@contextmanager
def keeps_what_it_wrote_meanwhile_as_it_was() -> Generator[None]:
    """What a laggard wrote under keys that had been taken back stays under them, and is served."""

    def as_it_was(_self: Keeping, _tx: Tx, _paths: Sequence[str]) -> None:
        return None

    async def none_lags(_self: Keeping, *_: object) -> frozenset[str]:
        return frozenset()

    with patch.object(Keeping, "_again", as_it_was), patch.object(Keeping, "_lagging", none_lags):
        yield


@contextmanager
def serves_however_long_it_was_alone() -> Generator[None]:
    """A device that may serve for a day without the other serves on."""
    with patch.object(LogHead, "lapsed", property(lambda _self: False)):
        yield


@contextmanager
def keeps_what_the_other_erased() -> Generator[None]:
    """A device hears what the other erased, and goes on with its own copy."""

    def nothing(*_: object) -> int:
        return 0

    with (
        patch.object(PagesGone, "add", nothing),
        patch.object(Sweeping, "facts", nothing),
        patch.object(Sweeping, "pages", nothing),
    ):
        yield


@contextmanager
def lets_the_other_device_keep_what_it_read() -> Generator[None]:
    """The end of a grant is told from device to device, and what its terms want is not done."""
    adopted = Borrowing.adopt

    def adopt(self: Borrowing, tx: Tx, held: Any, before: Any, now_ms: int) -> None:
        with patch.object(self, "ended", _nothing):
            adopted(self, tx, held, before, now_ms)

    with patch.object(Borrowing, "adopt", adopt):
        yield


@contextmanager
def lets_in_a_device_that_was_left_behind() -> Generator[None]:
    """Whoever was a persona's device is let in, whoever that persona is now."""

    def known(self: Links, tx: Tx, hello: HelloReceived) -> Any:
        if hello.cert is None or hello.peer is None:
            return None
        pair = self._peers.find(tx, hello.peer, hello.cert.persona)  # pyright: ignore[reportPrivateUsage]  # what fails is inside
        if pair is None:
            return None
        last = self._peers.last_taken(tx, pair, hello.cert.device)  # pyright: ignore[reportPrivateUsage]  # as above
        return pair, self._peers.persona_in(tx, pair), last, None  # pyright: ignore[reportPrivateUsage]  # as above

    with patch.object(Links, "_recognise", known):
        yield


@contextmanager
def goes_on_under_keys_that_were_stolen() -> Generator[None]:
    """A device is left behind, and pages are written under the epoch that it knows."""
    with patch.object(Keystore, "epoch", property(lambda self: self.epochs[0])):
        yield


APART: Final = "two devices take back apart"

# Each fault, and the opening in which it shows.
PLANTED_DEVICES: Final[Sequence[tuple[Callable[[], AbstractContextManager[None]], str]]] = (
    (goes_by_its_own_revocations, APART),
    (forgets_that_the_other_took_back, APART),
    (gives_nobody_new_keys_after_a_meeting, APART),
    (keeps_what_it_wrote_meanwhile_as_it_was, "a device lags"),
    (serves_however_long_it_was_alone, "a device is alone for too long"),
    (keeps_what_the_other_erased, "a device erases what the other has"),
    (lets_the_other_device_keep_what_it_read, "both devices read"),
    (forgets_that_the_other_kept, "what waits is kept on one device"),
    (lets_in_a_device_that_was_left_behind, "a device is stolen"),
    (goes_on_under_keys_that_were_stolen, "a device is stolen"),
)

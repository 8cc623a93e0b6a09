"""Openings of two devices: what is done apart, and found when they meet; a theft; a restore."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .history import REST
from .lending_rules import Loan
from .machines import OTHER
from .opened import DELETE, PATH, SPAN, lent, read, written

if TYPE_CHECKING:
    from .lending_machine import LendingMachine


def two_devices_take_back_apart(machine: LendingMachine) -> None:
    """Different readers; whoever is left reads on, and neither of the two opens what comes."""
    machine.join(REST)
    one, other, stays = (
        lent(machine, "ana", "ben"),
        lent(machine, "ana", "volt"),
        lent(machine, "ana", "volt"),
    )
    machine.part(REST)
    machine.take_back_one(one(), REST)
    machine.take_back_one(other(), REST, at=OTHER)
    written(machine)
    written(machine, at=OTHER)
    machine.meet(REST)
    written(machine)
    written(machine, at=OTHER)
    read(machine, stays())


def a_device_lags(machine: LendingMachine) -> None:
    """It writes, and serves, and has not heard what was taken back."""
    gone, stays = lent(machine, "ana", "ben"), lent(machine, "ana", "volt")
    machine.join(REST)
    machine.part(REST)
    machine.take_back_one(gone(), REST)
    written(machine, at=OTHER)
    read(machine, stays())
    machine.meet(0.0)
    machine.power("ana", 3.0)
    machine.power("ana", REST)
    read(machine, stays())


def a_device_is_alone_for_too_long(machine: LendingMachine) -> None:
    lent(machine, "ana", "ben")
    machine.join(REST)
    written(machine)
    machine.part(REST)
    for _ in range(5):
        machine.pass_time(25, 3.0)
    machine.meet(REST)


def what_a_device_lent_the_other_takes_back(machine: LendingMachine) -> None:
    machine.join(REST)
    machine.part(REST)
    machine.lend(Loan("ana", "ben", PATH, *SPAN, 200, at=OTHER), 3.0)
    written(machine, wait=3.0)
    machine.meet(REST)
    machine.take_back_one(list(machine.model.grants.values())[-1], REST)
    written(machine, at=OTHER)


def a_device_erases_what_the_other_has(machine: LendingMachine) -> None:
    grant = lent(machine, "ana", "ben")
    written(machine)
    machine.join(REST)
    machine.part(REST)
    machine.erase_one(machine.model.pages[2], REST)
    written(machine, at=OTHER)
    machine.meet(REST)
    read(machine, grant())


def both_devices_read(machine: LendingMachine) -> None:
    """And delete what they read, whichever of them heard that the grant had ended."""
    grant, other = lent(machine, "volt", "ana", duties=DELETE), lent(machine, "volt", "ben")
    written(machine, "volt")
    machine.join(REST)
    read(machine, grant())
    read(machine, grant(), at=OTHER)
    machine.take_back_one(other(), REST)
    written(machine, "volt")
    read(machine, grant(), at=OTHER)
    machine.take_back_one(grant(), REST)


def keys_come_to_the_other_device(machine: LendingMachine) -> None:
    """What is lent on has the keys of what comes, although another device heard of them."""
    other, root = lent(machine, "volt", "ana"), lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 40, REST)
    machine.join(REST)
    machine.power("ana", 3.0)
    machine.take_back_one(other(), 3.0)
    written(machine, "volt")
    read(machine, list(machine.model.grants.values())[-1])


def a_device_is_stolen(machine: LendingMachine) -> None:
    """What is lent and borrowed goes on; whoever has the device opens nothing that comes."""
    given, held = lent(machine, "ana", "ben"), lent(machine, "volt", "ana")
    machine.join(REST)
    written(machine)
    written(machine, "volt")
    read(machine, held(), at=OTHER)
    read(machine, given())
    machine.steal("ana", REST)
    written(machine)
    written(machine, "volt")
    for grant in list(machine.model.grants.values()):
        if grant.live:
            read(machine, grant)


def a_home_is_restored_and_another_joins_it(machine: LendingMachine) -> None:
    gone, stays = lent(machine, "ana", "ben"), lent(machine, "ana", "volt")
    machine.join(REST)
    machine.back_up("ana")
    written(machine, at=OTHER)
    machine.take_back_one(gone(), REST, at=OTHER)
    machine.restore_one("ana", REST)
    machine.join(REST)
    machine.keep_one(stays(), REST)
    written(machine, at=OTHER)
    read(machine, stays())


def what_waits_is_kept_on_one_device(machine: LendingMachine) -> None:
    """One grant that the other then takes back, and one that both have taken for waiting."""
    stays, gone = lent(machine, "ana", "ben"), lent(machine, "ana", "volt")
    machine.back_up("ana")
    machine.restore_one("ana", REST)
    machine.join(REST)
    machine.part(REST)
    machine.keep_one(stays(), REST)
    machine.keep_one(gone(), REST, at=OTHER)
    written(machine)
    written(machine, at=OTHER)
    read(machine, stays())
    machine.take_back_one(gone(), REST)
    written(machine)
    machine.meet(REST)
    written(machine, at=OTHER)
    read(machine, stays())
    read(machine, gone())


DEVICE_OPENINGS: Final[tuple[Callable[[LendingMachine], None], ...]] = (
    two_devices_take_back_apart,
    a_device_lags,
    a_device_is_alone_for_too_long,
    what_a_device_lent_the_other_takes_back,
    a_device_erases_what_the_other_has,
    both_devices_read,
    keys_come_to_the_other_device,
    a_device_is_stolen,
    a_home_is_restored_and_another_joins_it,
    what_waits_is_kept_on_one_device,
)

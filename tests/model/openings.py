"""Openings: the first steps of a history, where chance alone would rarely lead.

Each is told by the rules of the machine, with nothing left to draw; whatever comes after is chance.
A fault that needs three things in one order is so found in the first history, and not in the
hundredth (`planted.py` names an opening for each).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from entrenous.node.steps import DeleteStep
from entrenous.protocol.duty import Duty
from entrenous.protocol.window import Window

from .device_openings import DEVICE_OPENINGS
from .history import REST, TODAY
from .lending_rules import Loan
from .opened import DELETE, lent, read, written
from .town import VIEW

if TYPE_CHECKING:
    from .lending_machine import LendingMachine


def a_survivor_reads_on(machine: LendingMachine) -> None:
    gone, stays = lent(machine, "ana", "ben"), lent(machine, "ana", "volt")
    written(machine)
    machine.take_back_one(gone(), REST)
    written(machine)
    read(machine, stays())


def what_ran_out_is_written_to(machine: LendingMachine) -> None:
    lent(machine, "ana", "ben", hours=1)
    machine.pass_time(7, REST)
    written(machine)


def power_goes_after_a_taking_back(machine: LendingMachine) -> None:
    gone = lent(machine, "ana", "ben")
    machine.take_back_one(gone(), 0.0)
    machine.power("ana", REST)


def a_clock_goes_back_over_an_end(machine: LendingMachine) -> None:
    lent(machine, "ana", "ben", hours=1)
    machine.set_clock("ana", 25, 0.0)
    machine.pass_time(1, 0.0)
    machine.set_clock("ana", -25, 0.0)
    written(machine)


def a_renewed_grant_outlives_the_first(machine: LendingMachine) -> None:
    first = lent(machine, "ana", "volt", hours=5)
    machine.renew_one(first(), 40, REST)
    machine.pass_time(7, REST)
    written(machine)
    read(machine, first())


def a_grant_is_renewed_by_itself(machine: LendingMachine) -> None:
    first = lent(machine, "ana", "volt", hours=40)
    machine.renew_always_one(first(), REST)
    machine.pass_time(25, REST)
    machine.pass_time(25, REST)
    written(machine)


def lent_on_and_keys_turned(machine: LendingMachine) -> None:
    other, root = lent(machine, "volt", "ana"), lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 40, REST)
    machine.take_back_one(other(), REST)
    written(machine, "volt")
    read(machine, list(machine.model.grants.values())[-1])


def the_middle_of_a_chain_is_taken_back(machine: LendingMachine) -> None:
    root = lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 40, REST)
    machine.take_back_one(root(), REST)
    written(machine, "volt")
    read(machine, list(machine.model.grants.values())[-1])


def the_end_of_a_chain_is_taken_back(machine: LendingMachine) -> None:
    root = lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 40, REST)
    machine.take_back_one(list(machine.model.grants.values())[-1], REST, by_owner=False)
    written(machine, "volt")
    read(machine, root())


def what_was_lent_on_runs_out(machine: LendingMachine) -> None:
    root = lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 1, REST)
    machine.pass_time(7, REST)
    written(machine, "volt")
    read(machine, root())


def what_was_read_is_deleted(machine: LendingMachine) -> None:
    ended, runs_out = (
        lent(machine, "ana", "ben", duties=DELETE),
        lent(machine, "ana", "volt", hours=5, duties=DELETE),
    )
    written(machine)
    read(machine, ended())
    read(machine, runs_out())
    machine.doom("ben", DeleteStep.REMOVED.value, 0, 0.0)
    machine.take_back_one(ended(), REST)
    machine.pass_time(7, REST)


def what_was_read_is_erased(machine: LendingMachine) -> None:
    grant = lent(machine, "ana", "ben", duties=DELETE)
    written(machine, source="volt")
    read(machine, grant())
    machine.erase_one(machine.model.pages[1], REST)
    read(machine, grant())


def an_owner_is_restored(machine: LendingMachine) -> None:
    gone = lent(machine, "ana", "ben")
    lent(machine, "ana", "volt")
    machine.back_up("ana")
    machine.take_back_one(gone(), REST)
    machine.restore_one("ana", REST)
    written(machine)


def a_reader_is_restored(machine: LendingMachine) -> None:
    lent(machine, "ana", "ben")
    other = lent(machine, "ana", "volt")
    machine.back_up("ben")
    machine.take_back_one(other(), REST)
    written(machine)
    machine.restore_one("ben", REST)
    written(machine)


def who_lent_on_is_restored(machine: LendingMachine) -> None:
    other, root = lent(machine, "volt", "ana"), lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 40, REST)
    machine.back_up("ana")
    machine.take_back_one(list(machine.model.grants.values())[-1], REST, by_owner=False)
    machine.restore_one("ana", REST)
    machine.take_back_one(other(), REST)
    written(machine, "volt")


def days_are_encrypted_again(machine: LendingMachine) -> None:
    gone, stays = (
        lent(machine, "ana", "ben", duties=(Duty.ENCRYPT_AGAIN,)),
        lent(machine, "ana", "volt"),
    )
    written(machine)
    machine.take_back_one(gone(), REST)
    read(machine, stays())


def a_view_is_lent(machine: LendingMachine) -> None:
    """Its reader opens what the view tells, and nothing of what it is made of."""
    first = TODAY - 12
    # The last two days are not told: nothing has come that is surely from after them.
    machine.write_whole("ana", range(first, first + 6), range(first, first + 4), REST)
    known = set(machine.model.grants)
    machine.lend(Loan("ana", "volt", VIEW.path, first + 1, 5, 200), REST)
    ((cid),) = set(machine.model.grants) - known
    machine.read_one(machine.model.grants[cid], Window(VIEW.path, first + 1, first + 5), REST)
    machine.take_back_one(machine.model.grants[cid], REST)
    machine.write_whole("ana", range(first + 6, first + 7), range(first + 4, first + 5), REST)


OPENINGS: Final[Mapping[str, Callable[[LendingMachine], None]]] = {
    opening.__name__.replace("_", " "): opening
    for opening in (
        a_survivor_reads_on,
        what_ran_out_is_written_to,
        power_goes_after_a_taking_back,
        a_clock_goes_back_over_an_end,
        a_renewed_grant_outlives_the_first,
        a_grant_is_renewed_by_itself,
        lent_on_and_keys_turned,
        the_middle_of_a_chain_is_taken_back,
        the_end_of_a_chain_is_taken_back,
        what_was_lent_on_runs_out,
        what_was_read_is_deleted,
        what_was_read_is_erased,
        an_owner_is_restored,
        a_reader_is_restored,
        who_lent_on_is_restored,
        days_are_encrypted_again,
        a_view_is_lent,
        *DEVICE_OPENINGS,
    )
}

# Those in which somebody has two devices.
TWO_DEVICES: Final = frozenset([*OPENINGS][-len(DEVICE_OPENINGS) :])

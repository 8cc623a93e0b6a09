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

from .history import REST, TODAY
from .lending_rules import Loan
from .town import PATHS, VIEW
from .who_may import Grant

if TYPE_CHECKING:
    from .lending_machine import LendingMachine

PATH = PATHS[0]
SPAN = (TODAY - 1, 3)
# What is written: a day more at both ends than what is lent.
WRITTEN = (TODAY - 2, 5)
DELETE = (Duty.DELETE_AT_END,)


def _lent(
    machine: LendingMachine,
    owner: str,
    reader: str,
    hours: int = 200,
    duties: tuple[Duty, ...] = (),
) -> Callable[[], Grant]:
    """Lend the same three days to somebody; how to find the grant, as it is then."""
    before = set(machine.model.grants)
    machine.lend(Loan(owner, reader, PATH, *SPAN, hours, duties), REST)
    ((cid),) = set(machine.model.grants) - before
    return lambda: machine.model.grants[cid]


def _written(machine: LendingMachine, owner: str = "ana", source: str = "") -> None:
    machine.write(owner, source, PATH, WRITTEN, REST)


def _read(machine: LendingMachine, grant: Grant) -> None:
    machine.read_one(grant, Window(PATH, grant.first, grant.last), REST)


def a_survivor_reads_on(machine: LendingMachine) -> None:
    gone, stays = _lent(machine, "ana", "ben"), _lent(machine, "ana", "volt")
    _written(machine)
    machine.take_back_one(gone(), REST)
    _written(machine)
    _read(machine, stays())


def what_ran_out_is_written_to(machine: LendingMachine) -> None:
    _lent(machine, "ana", "ben", hours=1)
    machine.pass_time(7, REST)
    _written(machine)


def power_goes_after_a_taking_back(machine: LendingMachine) -> None:
    gone = _lent(machine, "ana", "ben")
    machine.take_back_one(gone(), 0.0)
    machine.power("ana", REST)


def a_clock_goes_back_over_an_end(machine: LendingMachine) -> None:
    _lent(machine, "ana", "ben", hours=1)
    machine.set_clock("ana", 25, 0.0)
    machine.pass_time(1, 0.0)
    machine.set_clock("ana", -25, 0.0)
    _written(machine)


def a_renewed_grant_outlives_the_first(machine: LendingMachine) -> None:
    first = _lent(machine, "ana", "volt", hours=5)
    machine.renew_one(first(), 40, REST)
    machine.pass_time(7, REST)
    _written(machine)
    _read(machine, first())


def a_grant_is_renewed_by_itself(machine: LendingMachine) -> None:
    first = _lent(machine, "ana", "volt", hours=40)
    machine.renew_always_one(first(), REST)
    machine.pass_time(25, REST)
    machine.pass_time(25, REST)
    _written(machine)


def lent_on_and_keys_turned(machine: LendingMachine) -> None:
    other, root = _lent(machine, "volt", "ana"), _lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 40, REST)
    machine.take_back_one(other(), REST)
    _written(machine, "volt")
    _read(machine, list(machine.model.grants.values())[-1])


def the_middle_of_a_chain_is_taken_back(machine: LendingMachine) -> None:
    root = _lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 40, REST)
    machine.take_back_one(root(), REST)
    _written(machine, "volt")
    _read(machine, list(machine.model.grants.values())[-1])


def the_end_of_a_chain_is_taken_back(machine: LendingMachine) -> None:
    root = _lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 40, REST)
    machine.take_back_one(list(machine.model.grants.values())[-1], REST, by_owner=False)
    _written(machine, "volt")
    _read(machine, root())


def what_was_lent_on_runs_out(machine: LendingMachine) -> None:
    root = _lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 1, REST)
    machine.pass_time(7, REST)
    _written(machine, "volt")
    _read(machine, root())


def what_was_read_is_deleted(machine: LendingMachine) -> None:
    ended, runs_out = (
        _lent(machine, "ana", "ben", duties=DELETE),
        _lent(machine, "ana", "volt", hours=5, duties=DELETE),
    )
    _written(machine)
    _read(machine, ended())
    _read(machine, runs_out())
    machine.doom("ben", DeleteStep.REMOVED.value, 0, 0.0)
    machine.take_back_one(ended(), REST)
    machine.pass_time(7, REST)


def what_was_read_is_erased(machine: LendingMachine) -> None:
    lent = _lent(machine, "ana", "ben", duties=DELETE)
    _written(machine, source="volt")
    _read(machine, lent())
    machine.erase_one(machine.model.pages[1], REST)
    _read(machine, lent())


def an_owner_is_restored(machine: LendingMachine) -> None:
    gone = _lent(machine, "ana", "ben")
    _lent(machine, "ana", "volt")
    machine.back_up("ana")
    machine.take_back_one(gone(), REST)
    machine.restore_one("ana", REST)
    _written(machine)


def a_reader_is_restored(machine: LendingMachine) -> None:
    _lent(machine, "ana", "ben")
    other = _lent(machine, "ana", "volt")
    machine.back_up("ben")
    machine.take_back_one(other(), REST)
    _written(machine)
    machine.restore_one("ben", REST)
    _written(machine)


def who_lent_on_is_restored(machine: LendingMachine) -> None:
    other, root = _lent(machine, "volt", "ana"), _lent(machine, "volt", "ana")
    machine.lend_on_one(root(), 0, 2, 40, REST)
    machine.back_up("ana")
    machine.take_back_one(list(machine.model.grants.values())[-1], REST, by_owner=False)
    machine.restore_one("ana", REST)
    machine.take_back_one(other(), REST)
    _written(machine, "volt")


def days_are_encrypted_again(machine: LendingMachine) -> None:
    gone, stays = (
        _lent(machine, "ana", "ben", duties=(Duty.ENCRYPT_AGAIN,)),
        _lent(machine, "ana", "volt"),
    )
    _written(machine)
    machine.take_back_one(gone(), REST)
    _read(machine, stays())


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
    )
}

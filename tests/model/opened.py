"""What openings are told in: days lent, days written, days read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from entrenous.protocol.duty import Duty
from entrenous.protocol.window import Window

from .history import REST, TODAY
from .lending_rules import Loan
from .town import PATHS
from .who_may import Grant

if TYPE_CHECKING:
    from .lending_machine import LendingMachine

PATH = PATHS[0]
SPAN = (TODAY - 1, 3)
# What is written: a day more at both ends than what is lent.
WRITTEN = (TODAY - 2, 5)
DELETE = (Duty.DELETE_AT_END,)


def lent(
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


def written(
    machine: LendingMachine, owner: str = "ana", source: str = "", wait: float = REST, at: str = ""
) -> None:
    machine.write(owner, source, PATH, WRITTEN, wait, at=at)


def read(machine: LendingMachine, grant: Grant, at: str = "") -> None:
    machine.read_one(grant, Window(PATH, grant.first, grant.last), REST, at=at)

"""The head of this node's log, at a start: whether it may serve before somebody has confirmed it.

An old copy of a whole home looks whole from inside.  A witness knows better, so where one is known
a start serves nothing until a witness has said that what it last saw of the log is in it.

    begins            no witness                                   ALONE       serves
                      a witness is known                           WAITING     serves nothing
                      it was shown before to be an old copy        BEHIND      serves nothing
    WAITING           a witness has cosigned, or keeps what is
                      in this log                                  CONFIRMED   serves
    any               a witness keeps a head that this log's key
                      signed and its leaves do not lead to         BEHIND      serves nothing
    WAITING           the last witness has refused, or was let go  ALONE       serves

BEHIND is proof, and stands in the store: this home is stopped, and the newest copy is run, or a
backup restored.

While it waits, a node hears two questions only (`HEARD_WHILE_WAITING`).  A checkpoint that
another shows it as *its* witness: two nodes that witness each other and lost power together would
wait for ever.  What it says then is no worse for it: the checkpoint that it shows is signed by the
other's own key.  And a device that joins and was given what it asks for, of which the answer was
lost: it is a witness from then on, and can be none before it has heard; it gets the same bytes.

Source: formats.md, "Revocation"; design.md, 10; docs/adr/0021-witnessed-log.md.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from ...protocol.command import OWN_DEVICES, Cmd


class HeadState(StrEnum):
    """What is known of the log's head since the node started."""

    ALONE = "alone"
    WAITING = "waiting"
    CONFIRMED = "confirmed"
    BEHIND = "behind"


HEARD_WHILE_WAITING: Final = frozenset((Cmd.LOG_WITNESS, Cmd.DEVICE_JOIN))
# What a device hears that has not spoken with the others for too long: them, and in the same way
# whoever becomes one of them.
_HEARD_WHEN_LAPSED: Final = OWN_DEVICES | {Cmd.DEVICE_JOIN}

_SENTENCES: Final = {
    HeadState.WAITING: "this node serves nothing until its log is confirmed: try again later",
    HeadState.BEHIND: "this node was set back to an older state, and serves nothing",
}


LAPSED: Final = (
    "this device has not spoken with the other devices of its person for too long, and serves "
    "nothing until it has"
)


class LogHead:
    """The state of the head.  `by` names who has confirmed or contradicted it.

    One of several devices of a person may also be told to serve only for so long after it has
    spoken with another (`serves_until_ms`): what was taken back there it does not know.
    """

    def __init__(self, now_ms: Callable[[], int] | None = None) -> None:
        self.state = HeadState.ALONE
        self.by: str | None = None
        self.serves_until_ms: int | None = None
        self._now_ms = now_ms

    @property
    def lapsed(self) -> bool:
        """Whether this device has not spoken with the others of its person for too long."""
        if self.serves_until_ms is None or self._now_ms is None:
            return False
        return self._now_ms() >= self.serves_until_ms

    @property
    def serves(self) -> bool:
        """Whether this node serves its peers, and says to them what waits."""
        return self.state in (HeadState.ALONE, HeadState.CONFIRMED) and not self.lapsed

    def refusal(self, cmd: str) -> str | None:
        """Why a command is not served now, in a sentence; None if it is."""
        if self.state is HeadState.WAITING and cmd in HEARD_WHILE_WAITING:
            return None
        if self.state not in _SENTENCES and self.lapsed and cmd not in _HEARD_WHEN_LAPSED:
            return LAPSED
        return _SENTENCES.get(self.state)

    def begin(self, *, witnesses: bool, behind: str | None) -> None:
        """A start: are there witnesses, and has one shown before that this home is an old copy?"""
        if behind is not None:
            self.contradicted(behind)
        else:
            self.state = HeadState.WAITING if witnesses else HeadState.ALONE
            self.by = None

    def confirmed(self, by: str) -> None:
        """A witness knows nothing of the log that is not in it."""
        if self.state is not HeadState.BEHIND:
            self.state, self.by = HeadState.CONFIRMED, by

    def contradicted(self, by: str) -> None:
        """A witness keeps a head that this log's key has signed and that is not in it."""
        self.state, self.by = HeadState.BEHIND, by

    def left_alone(self) -> None:
        """No witness is left to wait for."""
        if self.state is not HeadState.BEHIND:
            self.state, self.by = HeadState.ALONE, None

"""Deletion down a chain: what was lent on is deleted too, and the owner hears of it.

    owner ─ /grant/delete ─> reader ─ /grant/delete ─> those to whom it lends on
          <─ /grant/deleted ─       <─ /grant/deleted ─        passed on as it was signed

Whoever reads under what was lent on signs for the delegation that it reads under.  The one who
lent it on keeps that word and passes it to the owner of the data, who knows from the chain whose
word it is.  Who was granted the data answers for itself besides, by its own word.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...protocol.command import Cmd, DeleteArgs, DeletedArgs
from ...protocol.deletion import Deletion
from ...protocol.errors import Code, GrantRefused
from ...protocol.window import Window, shared_days
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from .borrowing import Borrowing
from .grant_held import GrantHeld
from .lending_on import LendingOn
from .lent_on import LentOn, LentOnSide


class DeletionDown:
    """The part that the reader of a grant, and its owner, have in what was lent on of it."""

    def __init__(
        self, peers: Peers, lending_on: LendingOn, borrowing: Borrowing, outgoing: Outgoing
    ) -> None:
        self._peers = peers
        self._lending_on = lending_on
        self._borrowing = borrowing
        self._outgoing = outgoing

    def ask(
        self, tx: Tx, held: GrantHeld, windows: Sequence[Window], now_ms: int, *, erased: bool
    ) -> int:
        """Ask everybody to whom this node lends on of `held`; how many."""
        asked = 0
        for one in self._lending_on.of_root(tx, LentOnSide.GIVEN, held.cid):
            days = shared_days(windows, one.windows)
            pair = self._peers.find(tx, one.own, one.their)
            again = one.asked_ms is not None and not erased
            if not days or pair is None or not one.accepted or again:
                continue
            args = DeleteArgs(pair.their, one.cid, days, erased=erased)
            self._outgoing.put(tx, pair, Cmd.DELETE, args.value(), now_ms)
            self._lending_on.save(tx, replace(one, asked_ms=now_ms))
            asked += 1
        return asked

    def asked_of(self, tx: Tx, root: bytes, now_ms: int) -> None:
        """At the owner: the reader of `root` was asked, and is to ask those below it."""
        for one in self._lending_on.of_root(tx, LentOnSide.HERE, root):
            if one.asked_ms is None:
                self._lending_on.save(tx, replace(one, asked_ms=now_ms))

    def heard(self, tx: Tx, pair: Pair, deletion: Deletion, now_ms: int) -> bool:
        """Somebody below says that it has deleted; False if `deletion` is of no such delegation.

        Raises GrantRefused for a word that is not its reader's, or comes from elsewhere.
        """
        here = self._lending_on.find(tx, LentOnSide.HERE, deletion.dlg)
        given = self._lending_on.given(tx, deletion.dlg)
        one = here or given
        if one is None:
            return False
        if (one.own, one.their) != (pair.own, pair.their):
            raise GrantRefused("this was not lent on by the one who says it", Code.UNKNOWN_GRANT)
        if deletion.by != one.reader:
            raise GrantRefused("a deletion is signed by another persona", Code.AUDIENCE)
        if one.deleted is not None and one.deleted.t_ms >= deletion.t_ms:
            return True
        self._lending_on.save(tx, replace(one, deleted=deletion))
        if here is None:
            self._pass_up(tx, one, deletion, now_ms)
        return True

    def _pass_up(self, tx: Tx, one: LentOn, deletion: Deletion, now_ms: int) -> None:
        held = self._borrowing.find(tx, one.root)
        owner = None if held is None else self._peers.find(tx, held.own, held.their)
        if owner is not None:
            args = DeletedArgs(owner.their, deletion)
            self._outgoing.put(tx, owner, Cmd.DELETED, args.value(), now_ms)

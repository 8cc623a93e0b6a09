"""Grants given, in the store: each whole, found by its CID, by its pair and by its collections.

A grant is linked (`store/links.py`) with each collection that it names and with the pair over which
it was given, and stands there until it has ended.  So a write, a read or a taking back looks at the
grants of one collection alone, and of those at what ends by today, however many there are.  What
happened to a grant is told to its line (`grant_lines.py`) in the same unit of work.

Homes of older versions kept a list of grants beside each collection.  It is replaced by links with
the first grant that is given or ends; until then they are looked for among all.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..errors import NotFound, UsageError
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .grant_given import GrantGiven
from .grant_lines import GrantLines, Happened, Side, line_of_given

# Grants on one path; each is one more reader that a revocation must give new keys.
GRANTS_ON_PATH_MAX = 100_000

DAY_S = 86_400
_ALL: Value = "given"
# The rows of older homes, which nobody reads any more: each of all grants, and of one path.
_OLD_ENDS: Value = "grants-end"
_OLD_OF_PATH = ("grants-on", "grants-end-on")


class GrantsGiven:
    """What this node lends, as its owner keeps it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.lines = GrantLines(objects)

    def get(self, tx: Tx, cid: bytes) -> GrantGiven:
        """Raises NotFound."""
        if (grant := self.find(tx, cid)) is None:
            raise NotFound("this node gave no such grant: see `entrenous grants`")
        return grant

    def find(self, tx: Tx, cid: bytes) -> GrantGiven | None:
        return self._objects.read(tx, Kind.GRANT_GIVEN, cid, GrantGiven.from_value)

    def all(self, tx: Tx) -> list[GrantGiven]:
        found = self._objects.read_all(tx, Kind.GRANT_GIVEN, GrantGiven.from_value)
        return [grant for _, grant in found]

    def statuses(self, tx: Tx, cids: Iterable[bytes], now_ms: int) -> Mapping[bytes, GrantStatus]:
        """How each delegation of a chain stands here: the root if we gave it, others if they ended
        or were lodged."""
        found: dict[bytes, GrantStatus] = {}
        for cid in cids:
            if (grant := self.find(tx, cid)) is not None:
                found[cid] = grant.status(now_ms)
            elif self._objects.has(tx, Kind.REVOCATION, cid):
                found[cid] = GrantStatus.REVOKED
            elif self._objects.has(tx, Kind.SETTING, lent_on_over(cid)):
                found[cid] = GrantStatus.EXPIRED
            elif self._objects.has(tx, Kind.LENT_ON, lodged_here(cid)):
                found[cid] = GrantStatus.LIVE  # so far as the store says; its time is the chain's
        return found

    def live_on(self, tx: Tx, path: str, now_ms: int) -> list[GrantGiven]:
        """The grants that hold now and have days of `path`."""
        holding = (GrantStatus.LIVE, GrantStatus.NOT_YET, GrantStatus.SUSPENDED)
        return [grant for grant in self.not_ended_on(tx, path) if grant.status(now_ms) in holding]

    def not_ended_on(self, tx: Tx, path: str) -> list[GrantGiven]:
        """The grants that name `path` and have not ended, or not been seen to end."""
        if not self._objects.are_linked(tx, Kind.GRANT_GIVEN):
            return [one for one in self.all(tx) if one.ended_ms is None and _names(one, path)]
        return self._about(tx, _on(path), ended=False)

    def ever_on(self, tx: Tx, path: str) -> list[GrantGiven]:
        """Every grant that names `path`, also those that have ended; the oldest first."""
        if not self._objects.are_linked(tx, Kind.GRANT_GIVEN):
            return [one for one in self.all(tx) if _names(one, path)]
        return self._about(tx, _on(path), ended=True)

    def ever_of(self, tx: Tx, own: str, their: str) -> list[GrantGiven]:
        """Every grant of a pair, also those that have ended; the oldest first."""
        if not self._objects.are_linked(tx, Kind.GRANT_GIVEN):
            return [one for one in self.all(tx) if (one.own, one.their) == (own, their)]
        return self._about(tx, _of(own, their), ended=True)

    def _about(self, tx: Tx, thing: Value, *, ended: bool) -> list[GrantGiven]:
        return self._objects.read_about(
            tx, Kind.GRANT_GIVEN, thing, GrantGiven.from_value, ended=ended
        )

    def _over(self, tx: Tx, path: str | None, now_ms: int) -> list[GrantGiven]:
        """The grants that have run out and were not seen to end: on `path`, or any."""
        if not self._objects.are_linked(tx, Kind.GRANT_GIVEN):
            grants = self.all(tx) if path is None else self.not_ended_on(tx, path)
        else:
            grants = self._objects.read_ending(
                tx,
                Kind.GRANT_GIVEN,
                _ALL if path is None else _on(path),
                GrantGiven.from_value,
                now_ms // 1000 // DAY_S,
            )
        return [
            one
            for one in grants
            if one.ended_ms is None and one.status(now_ms) is GrantStatus.EXPIRED
        ]

    # keeping

    def _add(self, tx: Tx, given: GrantGiven, renews: bytes | None = None) -> None:
        """Keep a grant that is new.  Raises UsageError if one of its paths has too many."""
        self._link_older(tx)
        for path in given.bundle.grant.paths:
            if self._objects.standing(tx, Kind.GRANT_GIVEN, _on(path)) >= GRANTS_ON_PATH_MAX:
                raise UsageError(f"{path} has {GRANTS_ON_PATH_MAX} grants: take some back first")
        self._objects.write_new(tx, Kind.GRANT_GIVEN, given.cid, given, GrantGiven.from_value)
        self._link(tx, given)
        self.lines.begin(tx, line_of_given(given, renews))

    def _save(self, tx: Tx, grant: GrantGiven) -> None:
        self._objects.write(tx, Kind.GRANT_GIVEN, grant.cid, grant, GrantGiven.from_value)

    def _end(self, tx: Tx, ended: GrantGiven, what: Happened, signed: bytes) -> None:
        """Keep a grant that has ended, and what ended it; it is not looked at any more."""
        self._link_older(tx)
        self._save(tx, ended)
        self._unlink(tx, ended)
        assert ended.ended_ms is not None
        self.lines.happened(tx, Side.GIVEN, ended.cid, what, ended.ended_ms, signed)

    def adopt(self, tx: Tx, grant: GrantGiven, before: GrantGiven | None) -> None:
        """Keep a grant as the devices of this person know it together, in place of `before`; what
        became of it is told otherwise."""
        self._link_older(tx)
        if before is None:
            self._objects.write_new(tx, Kind.GRANT_GIVEN, grant.cid, grant, GrantGiven.from_value)
            self._link(tx, grant)
        else:
            self._save(tx, grant)
        if grant.ended_ms is not None and (before is None or before.ended_ms is None):
            self._unlink(tx, grant)

    def _link(self, tx: Tx, grant: GrantGiven) -> None:
        last_day = grant.exp_s // DAY_S
        self._objects.link(tx, Kind.GRANT_GIVEN, grant.cid, _things(grant), last_day)
        for path in grant.bundle.grant.paths:
            self._objects.count_about(tx, Kind.GRANT_GIVEN, _on(path), 1)

    def _unlink(self, tx: Tx, grant: GrantGiven) -> None:
        last_day = grant.exp_s // DAY_S
        if self._objects.unlink(tx, Kind.GRANT_GIVEN, grant.cid, _things(grant), last_day):
            for path in grant.bundle.grant.paths:
                self._objects.count_about(tx, Kind.GRANT_GIVEN, _on(path), -1)

    def _link_older(self, tx: Tx) -> None:
        """Link the grants of a home that an older version wrote, in place of its lists."""
        if self._objects.are_linked(tx, Kind.GRANT_GIVEN):
            return
        for grant in self.all(tx):
            self._link(tx, grant)
            if grant.ended_ms is not None:
                self._unlink(tx, grant)
            for path in grant.bundle.grant.paths:
                for name in _OLD_OF_PATH:
                    self._objects.delete(tx, Kind.SETTING, [name, path])
        self._objects.delete(tx, Kind.SETTING, _OLD_ENDS)
        self._objects.now_linked(tx, Kind.GRANT_GIVEN)


def _names(grant: GrantGiven, path: str) -> bool:
    return path in grant.bundle.grant.paths


def _on(path: str) -> Value:
    return ["on", path]


def _of(own: str, their: str) -> Value:
    return ["of", own, their]


def _things(grant: GrantGiven) -> list[Value]:
    """What a grant is about: all of them, its pair, and each collection that it names."""
    return [_ALL, _of(grant.own, grant.their), *map(_on, grant.bundle.grant.paths)]


def lodged_here(cid: bytes) -> Value:
    """The name under which stands what a reader of ours lends on."""
    return ["here", cid]


def lent_on_over(cid: bytes) -> Value:
    """Where it stands that what was lent on has run out, and its keys were turned."""
    return ["lent-on-over", cid]

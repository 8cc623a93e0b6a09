"""Grants given, in the store: each whole, found by its CID and by the collections it names.

Beside each collection stands which grants name it and have not ended, so that a write, a read or a
taking back looks at those alone, and when the first of them ends.  What happened to a grant is told
to its line (`grant_lines.py`) in the same unit of work.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...protocol.limits import TIME_S_MAX
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..errors import NotFound, UsageError
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .grant_given import GrantGiven
from .grant_lines import GrantLines, Happened, Side, line_of_given

# Grants on one path; each is one more reader that a revocation must give new keys.
GRANTS_ON_PATH_MAX = 100_000

# When the next grant ends, over all paths.
ENDS: Value = "grants-end"


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
        """How each delegation of a chain stands here: the root if we gave it, others if revoked."""
        found: dict[bytes, GrantStatus] = {}
        for cid in cids:
            if (grant := self.find(tx, cid)) is not None:
                found[cid] = grant.status(now_ms)
            elif self._objects.has(tx, Kind.REVOCATION, cid):
                found[cid] = GrantStatus.REVOKED
        return found

    def live_on(self, tx: Tx, path: str, now_ms: int) -> list[GrantGiven]:
        """The grants that hold now and have days of `path`."""
        holding = (GrantStatus.LIVE, GrantStatus.NOT_YET, GrantStatus.SUSPENDED)
        return [grant for grant in self.not_ended_on(tx, path) if grant.status(now_ms) in holding]

    def not_ended_on(self, tx: Tx, path: str) -> list[GrantGiven]:
        """The grants that name `path` and have not ended, or not been seen to end."""
        grants = (self.find(tx, cid) for cid in self._cids_on(tx, path))
        return [grant for grant in grants if grant is not None]

    def next_expiry_ms(self, tx: Tx) -> int | None:
        """When the next grant runs out, or None."""
        end_s = self._ends(tx, ENDS)
        return None if end_s == TIME_S_MAX else end_s * 1000

    # keeping

    def _add(self, tx: Tx, given: GrantGiven, renews: bytes | None = None) -> None:
        """Keep a grant that is new.  Raises UsageError if one of its paths has too many."""
        self._objects.add(tx, Kind.GRANT_GIVEN, given.cid, given.value())
        paths = given.bundle.grant.paths
        for path in paths:
            cids = self._cids_on(tx, path)
            if len(cids) >= GRANTS_ON_PATH_MAX:
                raise UsageError(f"{path} has {GRANTS_ON_PATH_MAX} grants: take some back first")
            self._objects.put(tx, Kind.SETTING, _on_path(path), [*cids, given.cid])
        for name in (ENDS, *map(ends_on, paths)):
            self._objects.put(tx, Kind.SETTING, name, min(given.exp_s, self._ends(tx, name)))
        self.lines.begin(tx, line_of_given(given, renews))

    def _save(self, tx: Tx, grant: GrantGiven) -> None:
        self._objects.put(tx, Kind.GRANT_GIVEN, grant.cid, grant.value())

    def _end(self, tx: Tx, ended: GrantGiven, what: Happened, signed: bytes) -> None:
        """Keep a grant that has ended, and what ended it; its paths do not lead to it any more."""
        self._save(tx, ended)
        for path in ended.bundle.grant.paths:
            left: list[Value] = [cid for cid in self._cids_on(tx, path) if cid != ended.cid]
            self._objects.put(tx, Kind.SETTING, _on_path(path), left)
        assert ended.ended_ms is not None
        self.lines.happened(tx, Side.GIVEN, ended.cid, what, ended.ended_ms, signed)

    def _cids_on(self, tx: Tx, path: str) -> list[bytes]:
        value = self._objects.get(tx, Kind.SETTING, _on_path(path))
        return [cid for cid in value if isinstance(cid, bytes)] if isinstance(value, list) else []

    def _ends(self, tx: Tx, name: Value) -> int:
        """Until when (seconds) no grant of `name` ends that has not been seen to."""
        value = self._objects.get(tx, Kind.SETTING, name)
        return value if isinstance(value, int) else TIME_S_MAX


def ends_on(path: str) -> Value:
    return ["grants-end-on", path]


def first_end(grants: Iterable[GrantGiven], now_ms: int) -> int:
    """When (seconds) the first of `grants` ends after `now_ms`."""
    ends = (
        grant.exp_s for grant in grants if grant.ended_ms is None and now_ms <= grant.exp_s * 1000
    )
    return min(ends, default=TIME_S_MAX)


def _on_path(path: str) -> Value:
    return ["grants-on", path]

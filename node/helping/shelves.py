"""Shelves: for whom this node helps, what each reader may read here, and until when.

    /helper/ask ─▸ this node's owner decides ─▸ /helper/decide ─▸ /helper/keep, again and again

A **shelf** is what one reader may read of one owner here: the lease by which the owner's persona
lets this device serve, and the grants.  It serves while the lease holds by this node's clock, and
what is on it is of grants that were not said to be over.  A shelf belongs to the peer that brought
it first: what another says of it is refused.

Nothing is served, or shown, to anybody but a reader with a shelf.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from ...protocol.command import (
    Cmd,
    HelperAskArgs,
    HelperDecideArgs,
    HelperHaveArgs,
    HelperOverArgs,
)
from ...protocol.command_help import join_ids
from ...protocol.delegation import parse_delegation
from ...protocol.did import Did, did_of
from ...protocol.errors import Code, GrantRefused
from ...protocol.grant import ReadGrant, read_grant
from ...protocol.helped import Kept, KeptPages, Served, Shelf, check_lease
from ...protocol.limits import HELP_SHELVES_MAX
from ...protocol.persona import Certificate, parse_certificate
from ...protocol.trust import GrantStatus, status_at
from ...protocol.window import Window
from ...protocol.wire import Body, Value
from ..errors import NotFound
from ..peers.outgoing import Outgoing
from ..peers.peers import Pair, Peers
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from ..vault.stored import Stored
from .shelf_pages import ShelfPages

# What a shelf takes beside its lease, its grants and their keys.
SHELF_BYTES = 512
# Ended grants of one owner that are remembered: of as many readers as it may have here, for as long
# as a shelf that still names them may be on its way.
OVERS_MAX = HELP_SHELVES_MAX
# Pages of an owner that does not come back are kept for so long after its last lease.
KEPT_AFTER_MS = 30 * 86_400_000


# What this node itself stored was verified when it came.
_certificate = lru_cache(maxsize=4096)(parse_certificate)


@lru_cache(maxsize=4096)
def _grant(raw: bytes) -> ReadGrant:
    return read_grant(parse_delegation(raw))


class Consent(StrEnum):
    """Whether this node's owner lets it help a peer."""

    ASKED = "asked"
    ALLOWED = "allowed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Helping:
    """A peer that asked this node to help."""

    own: Did
    their: Did
    consent: Consent
    asked_ms: int
    # With which device it was told that this node serves, and where that listens.
    device: Did | None = None
    addresses: tuple[str, ...] = ()

    def value(self) -> Value:
        return {
            "consent": self.consent.value,
            "asked_ms": self.asked_ms,
            "device": self.device,
            "addresses": list(self.addresses),
        }

    @classmethod
    def from_row(cls, name: Value, value: Value) -> Helping:
        body = Body.open(
            value,
            "a peer that is helped, in the store",
            ("consent", "asked_ms", "device", "addresses"),
        )
        device = body.maybe_text("device")
        match name, body.value("addresses"):
            case [str(own), str(their)], list(told):
                consent = Consent(body.text("consent"))
                addresses = tuple(one for one in told if isinstance(one, str))
                return cls(
                    Did(own),
                    Did(their),
                    consent,
                    body.integer("asked_ms"),
                    None if device is None else Did(device),
                    addresses,
                )
            case _:
                raise StoreDamaged("a peer that is helped stands in the store in another form")


@dataclass(frozen=True, slots=True)
class KeptShelf:
    """A shelf, the pair that brought it, and the grants on it that are `over`."""

    own: Did
    their: Did
    reader: Did
    lease: Certificate
    grants: tuple[Served, ...]
    over: frozenset[bytes] = frozenset()

    @property
    def owner(self) -> Did:
        """The persona that the reader knows."""
        return self.lease.persona

    @property
    def standing(self) -> tuple[Served, ...]:
        """Those of its grants that were not said to be over."""
        return tuple(one for one in self.grants if one.grant.cid not in self.over)

    @property
    def size(self) -> int:
        """What is charged for it, in bytes."""
        grants = sum(len(one.grant.delegation.raw) + len(one.keyset or b"") for one in self.grants)
        return SHELF_BYTES + len(self.lease.signed.raw) + grants

    def value(self) -> Value:
        return {
            "by": [self.own, self.their],
            "lease": self.lease.signed.raw,
            "grants": [one.value() for one in self.grants],
        }

    @classmethod
    def from_row(cls, name: Value, value: Value) -> KeptShelf:
        body = Body.open(value, "a shelf in the store", ("by", "lease", "grants"))
        match name, body.value("by"), body.value("grants"):
            case [str(), str(reader)], [str(own), str(their)], list(grants):
                return cls(
                    Did(own),
                    Did(their),
                    Did(reader),
                    _certificate(body.data("lease")),
                    tuple(map(_served, grants)),
                )
            case _:
                raise StoreDamaged("a shelf stands in the store in another form")


class Shelves:
    """Those whom this node helps, and what it serves for them."""

    def __init__(
        self,
        objects: Objects,
        peers: Peers,
        outgoing: Outgoing,
        pages: ShelfPages,
        device: bytes,
    ) -> None:
        self._objects = objects
        self._peers = peers
        self._outgoing = outgoing
        self.pages = pages
        self._device = device
        # How often what is kept was changed: what was read of it before is read again.
        self.changes = 0

    # consent

    def all(self, tx: Tx) -> list[Helping]:
        """Every peer that asked, in that order."""
        return [Helping.from_row(*one) for one in self._objects.all(tx, Kind.HELPING)]

    def find(self, tx: Tx, pair: Pair) -> Helping | None:
        name: Value = [pair.own, pair.their]
        value = self._objects.get(tx, Kind.HELPING, name)
        return None if value is None else Helping.from_row(name, value)

    def asked(self, tx: Tx, pair: Pair, args: HelperAskArgs, now_ms: int) -> Value:
        """A peer asks this node to help, or not to any more."""
        found = self.find(tx, pair)
        if not args.helps:
            if found is not None:
                self._save(tx, replace(found, consent=Consent.ENDED))
                self._clear_all(tx, pair)
            return "ended"
        if found is None or found.consent is Consent.ENDED:
            self._save(tx, Helping(pair.own, pair.their, Consent.ASKED, now_ms))
        return "queued"

    def allow(self, tx: Tx, pair: Pair, addresses: tuple[str, ...], now_ms: int) -> None:
        """This node's owner lets it help a peer that asked.  Raises NotFound."""
        found = self._asked(tx, pair)
        self._say_where(tx, replace(found, consent=Consent.ALLOWED), addresses, now_ms)

    def moved(self, tx: Tx, addresses: tuple[str, ...], now_ms: int) -> None:
        """This node listens at `addresses` now: those whom it helps are told, if they were told
        otherwise, or know it as another device (a restore)."""
        now = (did_of(self._device), addresses)
        for one in self.all(tx):
            allowed = one.consent is Consent.ALLOWED
            if allowed and addresses and (one.device, one.addresses) != now:
                self._say_where(tx, one, addresses, now_ms)

    def _say_where(self, tx: Tx, helping: Helping, addresses: tuple[str, ...], now_ms: int) -> None:
        device = did_of(self._device)
        self._save(tx, replace(helping, device=device, addresses=addresses))
        pair = self._peers.pair(tx, helping.own, helping.their)
        args = HelperDecideArgs(pair.their, did_of(self._device), addresses, None)
        self._outgoing.put(tx, pair, Cmd.HELPER_DECIDE, args.value(), now_ms)

    def refuse(self, tx: Tx, pair: Pair, reason: str | None, now_ms: int) -> None:
        """It does not, or not any more: what was kept goes.  Raises NotFound."""
        found = self._asked(tx, pair)
        self._save(tx, replace(found, consent=Consent.ENDED))
        self._clear_all(tx, pair)
        args = HelperDecideArgs(pair.their, None, (), reason)
        self._outgoing.put(tx, pair, Cmd.HELPER_DECIDE, args.value(), now_ms)

    def _asked(self, tx: Tx, pair: Pair) -> Helping:
        found = self.find(tx, pair)
        if found is None or found.consent is Consent.ENDED:
            raise NotFound(f"{pair.name} did not ask this node to help")
        return found

    def _save(self, tx: Tx, helping: Helping) -> None:
        name: Value = [helping.own, helping.their]
        self._objects.put(tx, Kind.HELPING, name, helping.value())

    # what is kept

    def check_allowed(self, tx: Tx, pair: Pair) -> None:
        """Raises GrantRefused for a peer that this node does not help."""
        found = self.find(tx, pair)
        if found is None or found.consent is not Consent.ALLOWED:
            raise GrantRefused("this node does not help you", Code.UNKNOWN_GRANT)

    def keep(self, tx: Tx, pair: Pair, kept: Kept, now_ms: int) -> Value:
        """Keep what a peer gives; a digest over the pages that are kept for it.

        Raises GrantRefused, CapabilityError for a lease that is none, or not for this device.
        """
        self.check_allowed(tx, pair)
        self.changes += 1
        if isinstance(kept, Shelf):
            self._shelve(tx, pair, kept, now_ms)
        elif isinstance(kept, KeptPages):
            self._put(tx, pair, kept)
        else:
            standing = set(kept.shelves)
            for one in self.of(tx, pair):
                if (one.owner, one.reader) not in standing:
                    self._unshelve(tx, pair, one)
            self._clear(tx, pair)
        return self.pages.state(tx, pair.their)

    def _shelve(self, tx: Tx, pair: Pair, shelf: Shelf, now_ms: int) -> None:
        check_lease(shelf.lease, now_ms, self._device)
        name: Value = [shelf.owner, shelf.reader]
        before = self.shelf(tx, shelf.owner, shelf.reader)
        if before is not None and (before.own, before.their) != (pair.own, pair.their):
            raise GrantRefused("another peer has brought this shelf", Code.AUDIENCE)
        kept = KeptShelf(pair.own, pair.their, shelf.reader, shelf.lease, shelf.grants)
        if before is None and len(self.of(tx, pair)) >= HELP_SHELVES_MAX:
            raise GrantRefused("this node keeps no more shelves for you", Code.TOO_MUCH)
        self.pages.resize(tx, pair, 0 if before is None else before.size, kept.size)
        self._objects.put(tx, Kind.SHELF, name, kept.value())
        if before is not None and _windows(before) != _windows(kept):
            self._clear(tx, pair)

    def _unshelve(self, tx: Tx, pair: Pair, shelf: KeptShelf) -> None:
        self._objects.delete(tx, Kind.SHELF, [shelf.owner, shelf.reader])
        self.pages.resize(tx, pair, shelf.size, 0)

    def _put(self, tx: Tx, pair: Pair, kept: KeptPages) -> None:
        windows = {window for shelf in self.of(tx, pair) for window in _windows(shelf)}
        for one in kept.pages:
            day = Window(kept.path, one.entry.day, one.entry.day)
            if not any(day in window for window in windows):
                raise GrantRefused("no grant on a shelf opens this page", Code.DAYS)
        self.pages.put(tx, pair, kept)
        for given in kept.statements:
            self.pages.gone(tx, pair.their, given.statement, given.gone)

    def have(self, tx: Tx, pair: Pair, args: HelperHaveArgs, now_ms: int) -> Value:
        """The owner says which pages there are of some days: others go; which are lacking."""
        del now_ms
        self.check_allowed(tx, pair)
        self.changes += 1
        days = (args.first, args.last)
        return join_ids(self.pages.only(tx, pair, args.path, days, args.ids))

    def over(self, tx: Tx, pair: Pair, args: HelperOverArgs, now_ms: int) -> Value:
        """A grant has ended: nothing more is served under it, and what it alone opened goes.

        It stays so, also if it was on its way here when that was said.
        """
        del now_ms
        self.check_allowed(tx, pair)
        # One that names more than it ever lent forgets its own.
        over: list[Value] = [one for one in self._over(tx, pair.their) if one != args.grant]
        over = [*over, args.grant][-OVERS_MAX:]
        self._objects.put(tx, Kind.HELPED_OVER, pair.their, over)
        self.changes += 1
        self._clear(tx, pair)
        return "known"

    def expire(self, tx: Tx, now_ms: int) -> None:
        """Clear what owners have left here who do not come back."""
        gone: set[tuple[Did, Did]] = set()
        for shelf in self._shelves(tx):
            if shelf.lease.exp_s * 1000 + KEPT_AFTER_MS < now_ms:
                self._unshelve(tx, self._peers.pair(tx, shelf.own, shelf.their), shelf)
                gone.add((shelf.own, shelf.their))
        for own, their in gone:
            self.changes += 1
            self._clear(tx, self._peers.pair(tx, own, their))

    def _clear_all(self, tx: Tx, pair: Pair) -> None:
        for shelf in self.of(tx, pair):
            self._unshelve(tx, pair, shelf)
        self.changes += 1
        self._clear(tx, pair)

    def _clear(self, tx: Tx, pair: Pair) -> None:
        """Remove the pages that no shelf of a peer has any more."""
        windows = {window for shelf in self.of(tx, pair) for window in _windows(shelf)}

        def opened(stored: Stored) -> bool:
            day = Window(stored.path, stored.day, stored.day)
            return any(day in window for window in windows)

        self.pages.clear(tx, pair, opened)

    # what is served

    def of(self, tx: Tx, pair: Pair) -> list[KeptShelf]:
        """The shelves that a peer has brought."""
        return [one for one in self._shelves(tx) if (one.own, one.their) == (pair.own, pair.their)]

    def shelf(self, tx: Tx, owner: str, reader: str) -> KeptShelf | None:
        name: Value = [owner, reader]
        value = self._objects.get(tx, Kind.SHELF, name)
        return None if value is None else self._shelf(tx, name, value)

    def serving(self, tx: Tx, owner: str, reader: str, now_ms: int) -> KeptShelf:
        """The shelf of a reader, if this device may serve it now.

        Raises GrantRefused without one, CapabilityError once its lease has ended.
        """
        shelf = self.shelf(tx, owner, reader)
        if shelf is None:
            raise GrantRefused("nothing is kept here for you", Code.UNPAIRED)
        self.check_allowed(tx, self._peers.pair(tx, shelf.own, shelf.their))
        check_lease(shelf.lease, now_ms, self._device)
        return shelf

    def name_of(self, tx: Tx, owner: str, reader: str) -> str:
        """What the peer is called for whom a reader is served; its persona, if that is past."""
        shelf = self.shelf(tx, owner, reader)
        pair = None if shelf is None else self._peers.find(tx, shelf.own, shelf.their)
        return owner if pair is None else pair.name

    def statuses(
        self, shelf: KeptShelf, cids: Iterable[bytes], now_ms: int
    ) -> Mapping[bytes, GrantStatus]:
        """How the grants of a call stand on a shelf; those that are not on it are not named."""
        found: dict[bytes, GrantStatus] = {}
        grants = {one.grant.cid: one.grant for one in shelf.grants}
        for cid in cids:
            if cid in shelf.over:
                found[cid] = GrantStatus.REVOKED
            elif (grant := grants.get(cid)) is not None:
                found[cid] = status_at(grant.delegation, GrantStatus.LIVE, now_ms)
        return found

    def _shelves(self, tx: Tx) -> list[KeptShelf]:
        return [self._shelf(tx, *one) for one in self._objects.all(tx, Kind.SHELF)]

    def _shelf(self, tx: Tx, name: Value, value: Value) -> KeptShelf:
        shelf = KeptShelf.from_row(name, value)
        over = frozenset(self._over(tx, shelf.their))
        return replace(shelf, over=frozenset(one.grant.cid for one in shelf.grants) & over)

    def _over(self, tx: Tx, their: str) -> Sequence[bytes]:
        """The grants of an owner that were said to be over, the newest last."""
        return self._objects.read(tx, Kind.HELPED_OVER, their, _cids) or ()


def _cids(value: Value) -> Sequence[bytes]:
    return tuple(one for one in value if isinstance(one, bytes)) if isinstance(value, list) else ()


def _windows(shelf: KeptShelf) -> set[Window]:
    """The days that the grants on a shelf open which stand."""
    return {window for served in shelf.standing for window in served.grant.windows}


def _served(value: Value) -> Served:
    match value:
        case [bytes(raw), bytes() | None as keyset]:
            return Served(_grant(raw), keyset)
        case _:
            raise StoreDamaged("a grant on a shelf stands in the store in another form")

"""Standing: how much of who a peer says it is has been shown to this node.

    domain    the domain that its card claims has named its key, within the last month
    vouched   peers of this node, asked, said that they know it
    unknown   neither

None of them says that a peer is honest, that its name is true, or that what its card says is so.
A name that an eye may take for another peer's is marked on the one of the two that is less known,
or was met later: see `protocol/look_alike.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...protocol.card import Card
from ...protocol.did import Did
from ...protocol.look_alike import look_alike
from ..results.peers import Level, StandingInfo
from ..store.database import Tx
from .cards import Cards
from .domain_looks import Claim, DomainLooks
from .peers import Pair, Peers
from .vouches import Vouches

_RANK = {Level.DOMAIN: 2, Level.VOUCHED: 1, Level.UNKNOWN: 0}


@dataclass(frozen=True, slots=True)
class _Known:
    """A peer, its card, and what has been shown of it but for whom it looks like.

    `place` counts in the order of meeting.
    """

    place: int
    pair: Pair
    card: Card | None
    level: Level
    domain: str | None
    vouchers: tuple[str, ...]
    why: str | None

    def names(self) -> set[str]:
        """What its owner, its card and its domain call it."""
        return {self.pair.name, *self.claimed()}

    def claimed(self) -> set[str]:
        """What it calls itself: what it could choose so as to be taken for another."""
        if self.card is None:
            return {self.pair.name}
        found = {self.card.name, self.card.who.legal_name}
        if self.card.domain is not None:
            found |= {self.card.domain, self.card.domain.rsplit(".", 2)[-2]}
        return found


class Standings:
    """The standing of every peer."""

    def __init__(self, peers: Peers, cards: Cards, looks: DomainLooks, vouches: Vouches) -> None:
        self._peers = peers
        self._cards = cards
        self._looks = looks
        self._vouches = vouches

    def all(self, tx: Tx, now_ms: int) -> dict[tuple[str, str], StandingInfo]:
        """For each pair (own, their), how the peer stands."""
        vouchers = self._vouches.vouchers(tx, now_ms)
        known = [
            self._known(tx, place, pair, vouchers.get(pair.their, ()), now_ms)
            for place, pair in enumerate(self._peers.all(tx))
        ]
        return {
            (one.pair.own, one.pair.their): StandingInfo(
                one.level, one.domain, one.vouchers, one.why, _imitated(one, known)
            )
            for one in known
        }

    def of(self, tx: Tx, pair: Pair, now_ms: int) -> StandingInfo:
        """How one peer stands."""
        return self.all(tx, now_ms)[pair.own, pair.their]

    def _known(
        self, tx: Tx, place: int, pair: Pair, vouchers: tuple[str, ...], now_ms: int
    ) -> _Known:
        signed = self._cards.of(tx, pair)
        card = None if signed is None else signed.card
        why = self._why_not(tx, pair.their, card, now_ms)
        level = Level.VOUCHED if vouchers else Level.UNKNOWN
        if why is not None or card is None:
            return _Known(place, pair, card, level, None, vouchers, why)
        return _Known(place, pair, card, Level.DOMAIN, card.domain, vouchers, None)

    def _why_not(self, tx: Tx, did: Did, card: Card | None, now_ms: int) -> str | None:
        """Why a peer is not known by its domain, in one sentence; None if it is."""
        if card is None:
            return "it has shown no card"
        if card.domain is None:
            return "its card names no domain"
        look = self._looks.look(tx, Claim(did, card.domain))
        if look.proves(now_ms):
            return None
        if self._looks.switched_off:
            return "this node asks no domains (check_domains is false)"
        return look.why or f"{card.domain} was last asked more than a month ago"


def _imitated(one: _Known, known: list[_Known]) -> tuple[str, ...]:
    """The names of the peers that `one` may be taken for."""
    return tuple(
        sorted(other.pair.name for other in known if _gives_way(one, other) and _alike(one, other))
    )


def _gives_way(one: _Known, other: _Known) -> bool:
    """Whether, of two that look alike, it is `one` that is marked."""
    if one.pair.their == other.pair.their or (one.domain and one.domain == other.domain):
        return False
    if one.card is None and other.card is None:
        return False  # two persons may be called alike, and their names are their owner's doing
    mine, theirs = _RANK[one.level], _RANK[other.level]
    return mine < theirs or (mine == theirs and one.place > other.place)


def _alike(one: _Known, other: _Known) -> bool:
    return any(look_alike(a, b) for a in one.claimed() for b in other.names())

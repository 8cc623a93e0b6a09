"""Vouches in the store: those that the person gives, and what peers said when they were asked.

A vouch is a person's own word about an organisation they deal with, so it shows that they do.  It
is told to nobody but the peers that were named, or were there, when it was given, and only if one
of them asks about that very organisation; a peer who pairs later is not told.  Nobody is asked
unless the person says so: the question shows whom they are meeting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...crypto.digest import equal
from ...protocol.command import VouchAskArgs
from ...protocol.did import Did, check_did
from ...protocol.vouch import Vouch, blinded, check_vouch, make_vouch, parse_vouch
from ...protocol.wire import Body, Value
from ..errors import NotFound, UsageError
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .cards import Cards
from .peers import Pair, Peers

# A word about an organisation is asked for again after a year, or counts no more.
HEARD_KEPT_MS = 365 * 86_400_000
# Each question is held against each of them.
GIVEN_MAX = 256
TOLD_MAX = 1_024


@dataclass(frozen=True, slots=True)
class GivenVouch:
    """A vouch of this person's for `about`, given at `t_ms`; `told`: (own, their) of each peer.

    One that is told to nobody was withdrawn, at `t_ms`: this person's other devices hear of that.
    """

    about: Did
    t_ms: int
    told: frozenset[tuple[str, str]]

    @property
    def withdrawn(self) -> bool:
        return not self.told

    def value(self) -> Value:
        return {"t_ms": self.t_ms, "told": [[own, their] for own, their in sorted(self.told)]}

    @classmethod
    def from_value(cls, about: Value, value: Value) -> GivenVouch:
        body = Body.open(value, "a vouch in the store", ("t_ms", "told"))
        told: set[tuple[str, str]] = set()
        for item in body.items("told", items_max=TOLD_MAX):
            match item:
                case [str(own), str(their)]:
                    told.add((own, their))
                case _:
                    continue
        return cls(check_did(str(about)), body.integer("t_ms"), frozenset(told))


class Vouches:
    """Both sides of vouching.  `answering`: whether questions are answered at all."""

    def __init__(self, objects: Objects, peers: Peers, cards: Cards, *, answering: bool) -> None:
        self._objects = objects
        self._peers = peers
        self._cards = cards
        self._answering = answering

    # what this person says

    def acquaintances(self, tx: Tx) -> list[Pair]:
        """The peers that have shown no card: persons, as far as this node knows."""
        return [pair for pair in self._peers.all(tx) if not self._cards.shown(tx, pair)]

    def give(self, tx: Tx, pair: Pair, to: Sequence[Pair], now_ms: int) -> GivenVouch:
        """Vouch for the organisation of `pair`, to be told to `to` if they ask.

        Given again, it is told to these and no others.  Raises UsageError.
        """
        if self._cards.of(tx, pair) is None:
            raise UsageError(
                f"{pair.name} has shown no card; only an organisation, which is known to all by "
                "one key, can be vouched for"
            )
        if len(self.given(tx)) >= GIVEN_MAX:
            raise UsageError(f"{GIVEN_MAX} organisations are vouched for already: withdraw one")
        told = frozenset((one.own, one.their) for one in to if one.their != pair.their)
        if not told:
            raise UsageError("there is nobody to tell: no peer of yours is a person")
        if len(told) > TOLD_MAX:
            raise UsageError(f"a vouch is told to {TOLD_MAX} peers at most: name them with --to")
        return self._say(tx, pair.their, told, now_ms)

    def withdraw(self, tx: Tx, pair: Pair, now_ms: int) -> None:
        """Vouch no more: whoever asks from now on hears nothing.  Raises NotFound."""
        if all(one.about != pair.their for one in self.given(tx)):
            raise NotFound(f"you do not vouch for {pair.name}")
        self._say(tx, pair.their, frozenset(), now_ms)

    def _say(self, tx: Tx, about: Did, told: frozenset[tuple[str, str]], now_ms: int) -> GivenVouch:
        before = self._objects.get(tx, Kind.VOUCH_GIVEN, about)
        # Never before what it takes the place of, whatever the clock says.
        at_ms = 0 if before is None else GivenVouch.from_value(about, before).t_ms + 1
        given = GivenVouch(about, max(now_ms, at_ms), told)
        self._objects.put(tx, Kind.VOUCH_GIVEN, about, given.value())
        return given

    def given(self, tx: Tx) -> list[GivenVouch]:
        """The vouches that stand."""
        found = self._objects.all(tx, Kind.VOUCH_GIVEN)
        every = (GivenVouch.from_value(about, value) for about, value in found)
        return [one for one in every if not one.withdrawn]

    def answer(self, tx: Tx, pair: Pair, args: VouchAskArgs, now_ms: int) -> Value:
        """What is said to a peer that asks: a signed vouch, or nothing."""
        if not self._answering:
            return b""
        told = {one.about for one in self.given(tx) if (pair.own, pair.their) in one.told}
        for known in self._peers.all(tx) if told else ():
            # Who asks may have met it before or after another persona followed.
            for about in known.theirs if known.their in told else ():
                if equal(blinded(args.nonce, about), args.about):
                    persona = self._peers.persona(tx, pair.own)
                    vouch = make_vouch(persona.key, about=about, to=pair.their_now, t_ms=now_ms)
                    return vouch.signed.raw
        return b""

    # what peers say

    def heard(self, tx: Tx, about: Pair, of: Pair, raw: bytes, now_ms: int) -> Vouch | None:
        """Keep what the peer `of` answered about the peer `about`, as who it is or was: its vouch,
        or that it gives none (any more).  Raises CapabilityError, WireError, BadSignature."""
        name: Value = [about.their, of.own, of.their]
        if not raw:
            if self._objects.has(tx, Kind.VOUCH_HEARD, name):
                self._objects.put(tx, Kind.VOUCH_HEARD, name, [now_ms, b""])
            return None
        vouch = parse_vouch(raw)
        meant = vouch.about if vouch.about in about.theirs else about.their_now
        check_vouch(vouch, by=of.their_now, about=meant, to=of.own_now)
        self._objects.put(tx, Kind.VOUCH_HEARD, name, [now_ms, raw])
        return vouch

    def vouchers(self, tx: Tx, now_ms: int) -> dict[str, tuple[str, ...]]:
        """For each persona that peers vouch for, the names of those peers, each once."""
        names: dict[tuple[str, str], str] = {
            (pair.own, pair.their): pair.name for pair in self._peers.all(tx)
        }
        found: dict[str, set[str]] = {}
        for name, value in self._objects.all(tx, Kind.VOUCH_HEARD):
            match name, value:
                case [str(about), str(own), str(their)], [int(heard_ms), bytes(raw)] if (
                    raw and now_ms - heard_ms < HEARD_KEPT_MS and (own, their) in names
                ):
                    found.setdefault(about, set()).add(names[own, their])
                case _:
                    continue
        return {about: tuple(sorted(some)) for about, some in found.items()}

"""Lines of personas: who each side of a pair has been, and whether the peer has heard who we are.

    ours     STEPS_SAID   [own, their]   every step of our line since the two met, with the key of
                                         the pair before it; and as whom the peer knows us
    theirs   STEPS_HEARD  [own, their]   every step of the peer's line that was taken here, and when
             INCEPTION_LEFT  a DID       the inception of a persona of a peer that was followed

A step of ours is said as the persona that the peer knows, with the key of that one, since it knows
no other yet (`post.py`); until it has answered, nothing else is said to it and nothing that it asks
is answered.  A peer that was restored from a backup may have forgotten: it greets an earlier
persona, or refuses the present one, and is told again, from there on.

Everything here is a function of a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...crypto.keys import PairKey
from ...protocol.command import Cmd, SucceedArgs
from ...protocol.did import Did, check_did
from ...protocol.limits import SUCCESSIONS_MAX
from ...protocol.persona import Inception, parse_inception
from ...protocol.persona_line import PersonaLine, line_from_value
from ...protocol.succession import Step, next_pair_key, step_from_value
from ...protocol.wire import Body, Value
from ..store.database import Tx
from ..store.errors import StoreDamaged
from ..store.objects import Kind, Objects
from ..store.outbox import Outbox
from .outgoing import Outgoing, message_of
from .pair import LINE_MAX, Pair
from .peers import Peers


@dataclass(frozen=True, slots=True)
class Taken:
    """A step as it is kept.  `before` is the key of the pair until then."""

    step: Step
    before: PairKey
    t_ms: int

    def value(self) -> Value:
        return [self.step.value(), self.before.secret_bytes(), self.t_ms]


@dataclass(frozen=True, slots=True)
class Said:
    """Our line towards one peer.  `known`: as whom it knows us, as far as this node can tell."""

    steps: tuple[Taken, ...]
    known: Did

    def value(self) -> Value:
        return {"steps": [one.value() for one in self.steps], "known": self.known}

    @classmethod
    def from_value(cls, value: Value) -> Said:
        body = Body.open(value, "a line of personas in the store", ("steps", "known"))
        steps = tuple(taken_from_value(one) for one in body.items("steps", items_max=LINE_MAX))
        return cls(steps, check_did(body.text("known")))


class PersonaLines:
    """What was said to each peer, and heard of it, of who is who now."""

    def __init__(self, objects: Objects, peers: Peers, outbox: Outbox, outgoing: Outgoing) -> None:
        self._objects = objects
        self._peers = peers
        self._outbox = outbox
        self._outgoing = outgoing

    # ours

    def stepped(self, tx: Tx, pair: Pair, step: Step, key: PairKey, now_ms: int) -> Pair:
        """Our persona in `pair` is followed: the pair with its new key, kept; the peer is owed
        to hear of it."""
        said = self.said(tx, pair) or Said((), pair.own_now)
        fresh = replace(pair, own_after=(*pair.own_after, step.new), key=key)
        self._peers.save(tx, fresh)
        self._save(tx, fresh, replace(said, steps=(*said.steps, Taken(step, pair.key, now_ms))))
        self.owe(tx, fresh, now_ms)
        return fresh

    def said(self, tx: Tx, pair: Pair) -> Said | None:
        """Our line towards this peer; None if it has never been followed."""
        return self._objects.read(tx, Kind.STEPS_SAID, [pair.own, pair.their], Said.from_value)

    def owed(self, tx: Tx, pair: Pair) -> bool:
        """Whether the peer has not heard yet who we are now."""
        if not pair.own_after:
            return False
        said = self.said(tx, pair)
        return said is not None and said.known != pair.own_now

    def owe(self, tx: Tx, pair: Pair, now_ms: int, known: Did | None = None) -> None:
        """The peer is to hear who we are now; it knows us as `known`, if that was seen."""
        said = self.said(tx, pair)
        if said is None:
            return
        if known is not None and known != said.known:
            self._save(tx, pair, replace(said, known=known))
        for item in self._outbox.waiting_for(tx, pair.their):
            message = message_of(item)
            if (message.own, message.cmd) == (pair.own, Cmd.SUCCEED):
                return
        args: Mapping[str, Value] = {"to": pair.their}
        self._outgoing.put(tx, pair, Cmd.SUCCEED, args, now_ms)

    def told(self, tx: Tx, pair: Pair) -> None:
        """The peer has heard, or shows that it knows."""
        said = self.said(tx, pair)
        if said is not None:
            self._save(tx, pair, replace(said, known=pair.own_now))

    def key_known_as(self, tx: Tx, pair: Pair, known: Did) -> PairKey:
        """The key of the pair as a peer has it that knows us as `known`."""
        unheard = _since(self.said(tx, pair), known)
        return unheard[0].before if unheard else pair.key

    def after(self, tx: Tx, pair: Pair, known: Did, key: PairKey) -> PairKey:
        """The peer, which knows us as `known`, has taken steps of its own, and `key` is what they
        led to: what it has not heard of ours comes after them.  The key after all."""
        said = self.said(tx, pair)
        unheard = _since(said, known)
        if said is None or not unheard:
            return key
        moved: list[Taken] = []
        for one in unheard:
            moved.append(replace(one, before=key))
            key = next_pair_key(key, one.step)
        before = said.steps[: len(said.steps) - len(moved)]
        self._save(tx, pair, replace(said, steps=(*before, *moved)))
        return key

    def args(self, tx: Tx, pair: Pair) -> SucceedArgs:
        """What is said: the line up to the present, as the peer can follow it."""
        said = self.said(tx, pair)
        assert said is not None
        certificate = self._peers.persona(tx, pair.own).certificate
        steps = tuple(one.step for one in said.steps[-SUCCESSIONS_MAX:])
        return SucceedArgs(pair.their_now, steps, certificate)

    def as_known(self, tx: Tx, pair: Pair, did: str) -> Pair:
        """The pair as it was while we were `did`, to speak with a peer that knows no later one.

        The present pair for a DID that we have never been to it.
        """
        said = self.said(tx, pair)
        for place, taken in enumerate(said.steps if said is not None else ()):
            if taken.step.old == did:
                earlier = len(said.steps if said is not None else ()) - place
                return replace(pair, own_after=pair.own_after[:-earlier], key=taken.before)
        return pair

    def known_as(self, tx: Tx, pair: Pair) -> list[Pair]:
        """As whom the peer may know us, the likeliest first: what was last seen, the present, and
        then every earlier one."""
        said = self.said(tx, pair)
        if said is None:
            return [pair]
        earlier = [one.step.old for one in reversed(said.steps)]
        dids = dict.fromkeys([said.known, pair.own_now, *earlier])
        return [self.as_known(tx, pair, did) for did in dids]

    def _save(self, tx: Tx, pair: Pair, said: Said) -> None:
        self._objects.put(tx, Kind.STEPS_SAID, [pair.own, pair.their], said.value())

    # theirs

    def heard(self, tx: Tx, pair: Pair) -> list[Taken]:
        """The steps of the peer's line that were taken here, the oldest first."""
        value = self._objects.get(tx, Kind.STEPS_HEARD, [pair.own, pair.their])
        return [] if value is None else [taken_from_value(one) for one in _list(value)]

    def keep_heard(self, tx: Tx, pair: Pair, taken: Taken) -> None:
        """Keep a step of the peer's line, beside those before; `pair` is as it was until then."""
        before = pair.inception
        self._objects.add_if_new(tx, Kind.INCEPTION_LEFT, before.did, before.signed.raw)
        value: Value = [one.value() for one in (*self.heard(tx, pair), taken)]
        self._objects.put(tx, Kind.STEPS_HEARD, [pair.own, pair.their], value)

    # both, as a stranger may see them

    def shown(self, tx: Tx, pair: Pair) -> tuple[PersonaLine, ...]:
        """The lines of the two since they met, for a proof: who followed whom, and no half key.

        Without one that an older version of this program heard of and did not keep the beginning
        of.  Raises StoreDamaged.
        """
        said = self.said(tx, pair)
        found: list[PersonaLine] = []
        if said is not None:
            first = self._peers.persona_as(tx, pair.own).inception
            found.append(_line(first, [one.step for one in said.steps]))
        heard = [one.step for one in self.heard(tx, pair)]
        raw = self._objects.get(tx, Kind.INCEPTION_LEFT, heard[0].old) if heard else None
        if isinstance(raw, bytes):
            found.append(_line(parse_inception(raw), heard))
        return tuple(found)


def _line(first: Inception, steps: list[Step]) -> PersonaLine:
    value: Value = [
        first.signed.raw,
        [[step.succession.signed.raw, step.inception.signed.raw] for step in steps],
    ]
    return line_from_value(value)


def _since(said: Said | None, known: Did) -> tuple[Taken, ...]:
    """Our steps of which a peer has not heard that knows us as `known`."""
    steps = () if said is None else said.steps
    places = [place for place, one in enumerate(steps) if one.step.old == known]
    return tuple(steps[places[0] :]) if places else ()


def taken_from_value(value: Value) -> Taken:
    """Read a step as it is kept.  Raises StoreDamaged, WireError."""
    match value:
        case [step, bytes(before), int(t_ms)] if type(t_ms) is int:
            return Taken(step_from_value(step), PairKey(before), t_ms)
        case _:
            raise StoreDamaged("a step of a line in the store has not the form of one")


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise StoreDamaged("a line of personas in the store has not the form of one")
    return value

"""Cards in the store: one's own, and those that peers have shown.

An organisation's own card is put in the outbox for every peer in the unit of work that signs it,
and for a new peer in the unit that keeps the pair.  What a peer shows is kept with what it showed
before, so that a person can see what changed: at most one version a day, so that a flurry of new
cards cannot push an old one out of sight within the hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...protocol.card import SignedCard, card_from_mapping, make_card, parse_card
from ...protocol.command import CardPutArgs, Cmd, parse_args
from ...protocol.errors import Code, GrantRefused, ProtocolError, WireError
from ...protocol.limits import INTEGER_MAX
from ...protocol.wire import Body, Value
from ..config import Role
from ..errors import NotAllowed, UsageError
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .outgoing import Message, Outgoing
from .peers import Pair, Peers

# Earlier versions of one peer's card, the one in force included: each is at most 64 KiB.
VERSIONS_MAX = 16
VERSION_EVERY_MS = 86_400_000
_OWN = "own"
_COUNT = "cards-shown"


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card that a peer has shown, and when it came."""

    signed: SignedCard
    heard_ms: int


class Cards:
    """One's own card, and the cards of peers."""

    def __init__(self, objects: Objects, peers: Peers, outgoing: Outgoing, role: Role) -> None:
        self._objects = objects
        self._peers = peers
        self._outgoing = outgoing
        self._role = role

    # one's own

    def own(self, tx: Tx) -> SignedCard | None:
        raw = self._objects.get(tx, Kind.CARD, _OWN)
        return parse_card(raw) if isinstance(raw, bytes) else None

    def write(self, tx: Tx, written: Mapping[str, object], name: str, now_ms: int) -> SignedCard:
        """Sign what is `written` as the card of this organisation and say it to every peer.

        The same words again change nothing.  Raises NotAllowed for a person's node, UsageError.
        """
        if self._role is not Role.ORGANISATION:
            raise NotAllowed("a card is an organisation's; this node is a person's")
        persona = self._peers.public_persona(tx, now_ms)
        before = self.own(tx)
        n = max(1 if before is None else before.card.n + 1, now_ms)
        try:
            card = card_from_mapping(written, did=persona.did, n=n, t_ms=now_ms, name=name)
            if before is not None and replace(card, n=before.card.n, t_ms=before.card.t_ms) == (
                before.card
            ):
                return before
            signed = make_card(persona.key, card)
        except ProtocolError as error:
            raise UsageError(str(error)) from error
        self._objects.put(tx, Kind.CARD, _OWN, signed.raw)
        for pair in self._peers.all(tx):
            self.introduce(tx, pair, now_ms)
        return signed

    def sign_again(self, tx: Tx, now_ms: int) -> None:
        """The organisation's persona was followed: the same card is signed by the present one."""
        before = self.own(tx)
        if before is None:
            return
        persona = self._peers.public_persona(tx, now_ms)
        card = replace(before.card, did=persona.did, n=max(before.card.n + 1, now_ms))
        self._objects.put(tx, Kind.CARD, _OWN, make_card(persona.key, card).raw)
        for pair in self._peers.all(tx):
            self.introduce(tx, pair, now_ms)

    def introduce(self, tx: Tx, pair: Pair, now_ms: int) -> None:
        """Say our card, if there is one, to `pair`."""
        own = self.own(tx)
        if own is not None and own.card.did == pair.own_now:
            args = CardPutArgs(pair.their, own.raw)
            self._outgoing.put(tx, pair, Cmd.CARD_PUT, args.value(), now_ms)

    def stale(self, tx: Tx, message: Message) -> bool:
        """Whether a card that waits to be said has been replaced by a newer one."""
        args = parse_args(message.cmd, message.args)
        own = self.own(tx)
        return isinstance(args, CardPutArgs) and (own is None or own.raw != args.card)

    # those of peers

    def shown(self, tx: Tx, pair: Pair) -> tuple[ShownCard, ...]:
        """What the peer has shown, the oldest first and the one in force last; empty for none."""
        name: Value = [pair.own, pair.their]
        return self._objects.read(tx, Kind.CARD_SHOWN, name, shown_from_value) or ()

    def of(self, tx: Tx, pair: Pair) -> SignedCard | None:
        """The card of this peer that is in force."""
        shown = self.shown(tx, pair)
        return shown[-1].signed if shown else None

    def put(self, tx: Tx, pair: Pair, args: CardPutArgs, now_ms: int) -> Value:
        """Keep the card that a peer shows; the number of the card that is in force then.

        Raises GrantRefused (audience: another's card; replay: older than the one that is kept),
        WireError, BadSignature.
        """
        card = parse_card(args.card)
        if card.card.did != pair.their_now:
            raise GrantRefused("a card is of another persona than its sender", Code.AUDIENCE)
        shown = self.shown(tx, pair)
        if shown:
            kept = shown[-1].signed
            if kept.cid == card.cid:
                return kept.card.n
            if card.card.n <= kept.card.n:
                raise GrantRefused(
                    f"a card numbered {card.card.n} came after the one numbered {kept.card.n}",
                    Code.REPLAY,
                )
        versions = _added(shown, ShownCard(card, now_ms))
        self._objects.put(tx, Kind.CARD_SHOWN, [pair.own, pair.their], shown_value(versions))
        self.counted(tx)
        return card.card.n

    def counted(self, tx: Tx) -> None:
        """One more card has come."""
        self._objects.put(tx, Kind.SETTING, _COUNT, self.count_shown(tx) + 1)

    def count_shown(self, tx: Tx) -> int:
        """How many cards have come: whoever follows them sees here that there is another."""
        count = self._objects.get(tx, Kind.SETTING, _COUNT)
        return count if isinstance(count, int) else 0


def _added(shown: tuple[ShownCard, ...], new: ShownCard) -> tuple[ShownCard, ...]:
    """The versions to keep once `new` has come."""
    # A version that was not in force for a day, and is not the first, leaves no trace.
    if len(shown) > 1 and new.heard_ms - shown[-2].heard_ms < VERSION_EVERY_MS:
        shown = shown[:-1]
    return (*shown, new)[-VERSIONS_MAX:]


def shown_value(shown: tuple[ShownCard, ...]) -> Value:
    """Cards of a peer as they are kept."""
    return [[one.heard_ms, one.signed.raw] for one in shown]


def shown_from_value(value: Value, *, strict: bool = False) -> tuple[ShownCard, ...]:
    """Cards of a peer, the oldest first; `strict`: from outside, where each must be one.

    Raises WireError, BadSignature.
    """
    body = Body("cards of a peer in the store", {"cards": value})
    found: list[ShownCard] = []
    for item in body.items("cards", items_max=VERSIONS_MAX):
        match item:
            case [int(heard_ms), bytes(raw)] if not strict or _is_moment(heard_ms):
                found.append(ShownCard(parse_card(raw), heard_ms))
            case _ if strict:
                raise WireError("a card that was shown has not the form of a time and a card")
            case _:
                continue
    return tuple(found)


def _is_moment(value: int) -> bool:
    return not isinstance(value, bool) and 0 <= value <= INTEGER_MAX

"""What was heard of peers, and said of oneself, as two devices compare it.

    public-persona   by which persona the world knows an organisation: one, wherever it was made
    card             an organisation's own: the higher number
    cards-shown      a peer's: every version that any device was shown, the newest sixteen
    domain-looks     of a claim the latest look
    vouches-given    of an organisation the word that was given, or withdrawn, last
    vouches-heard    of a peer about an organisation what it answered last

A vouch that was withdrawn stands as one that is told to nobody, and one that a peer gives no more
as an empty one: what is only missing would come back from a device that had not heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...crypto.canonical import encode
from ...protocol.card import parse_card
from ...protocol.did import check_did
from ...protocol.errors import WireError
from ...protocol.limits import SIGNED_BYTES_MAX
from ...protocol.vouch import parse_vouch
from ...protocol.wire import Body, Value
from ..peers.cards import VERSIONS_MAX, Cards, ShownCard, shown_from_value, shown_value
from ..peers.domain_looks import Look
from ..peers.vouches import GivenVouch
from ..store.database import Tx
from ..store.objects import Kind, Objects
from .row_spaces import Rows, RowSpace, as_kept, plain
from .space import Space, Taking, WholeSpace, row_id

_PUBLIC: Final = "public-persona"
Shown = tuple[ShownCard, ...]


def acquaintance_spaces(objects: Objects, cards: Cards) -> Iterable[Space]:
    """In the order in which they are fetched."""
    yield PublicPersona(objects)
    yield RowSpace("card", Kind.CARD, objects, plain(_card, card))
    yield RowSpace("cards-shown", Kind.CARD_SHOWN, objects, _shown(objects, cards))
    yield RowSpace("domain-looks", Kind.DOMAIN_LOOK, objects, Rows(_look, as_kept, look))
    yield RowSpace(
        "vouches-given", Kind.VOUCH_GIVEN, objects, Rows(GivenVouch.from_value, as_kept, given)
    )
    yield RowSpace("vouches-heard", Kind.VOUCH_HEARD, objects, plain(_heard, heard))


@dataclass(frozen=True, slots=True)
class PublicPersona(WholeSpace):
    """The persona of an organisation.  Of two that were made apart, the lesser goes on."""

    objects: Objects
    name: str = _PUBLIC
    sets: tuple[Value, ...] = (Kind.SETTING.value,)

    def rows(self, tx: Tx) -> Mapping[bytes, Value]:
        did = self.objects.get(tx, Kind.SETTING, _PUBLIC)
        return {} if did is None else {row_id(self.name, _PUBLIC, did): did}

    def take(self, tx: Tx, rows: Sequence[Value], taking: Taking) -> int:
        del taking
        changed = 0
        for row in rows:
            if not isinstance(row, str):
                raise WireError("a public persona is named by its DID")
            theirs, mine = check_did(row), self.objects.get(tx, Kind.SETTING, _PUBLIC)
            if not isinstance(mine, str) or theirs < mine:
                self.objects.put(tx, Kind.SETTING, _PUBLIC, theirs)
                changed += 1
        return changed


def card(one: Value, other: Value) -> Value:
    """The card with the higher number."""
    return max(one, other, key=lambda raw: (parse_card(_bytes(raw)).card.n, _bytes(raw)))


def shown(one: Shown, other: Shown) -> Shown:
    """Every version that any device was shown, when the first was; the newest stay."""
    heard: dict[bytes, ShownCard] = {}
    for version in (*one, *other):
        known = heard.get(version.signed.cid)
        if known is None or version.heard_ms < known.heard_ms:
            heard[version.signed.cid] = version
    ordered = sorted(heard.values(), key=lambda it: (it.signed.card.n, it.signed.cid))
    return tuple(ordered[-VERSIONS_MAX:])


def look(one: Look, other: Look) -> Look:
    """The latest look, whole: what it did not find is not known from an earlier one of another
    device, so a standing is never kept by two devices that each missed its end."""
    return max(one, other, key=lambda it: (it.tried_ms or 0, encode(it.value())))


def given(one: GivenVouch, other: GivenVouch) -> GivenVouch:
    """What was said of an organisation last; of one moment, that it is vouched for no more."""
    return max(one, other, key=lambda it: (it.t_ms, it.withdrawn, encode(it.value())))


def heard(one: Value, other: Value) -> Value:
    """What a peer answered last."""
    return max(one, other, key=lambda it: (_answer(it).integer("heard_ms"), encode(it)))


def _shown(objects: Objects, cards: Cards) -> Rows[Shown]:
    def keep(tx: Tx, name: Value, _before: Shown | None, row: Shown, _taking: Taking) -> None:
        objects.put(tx, Kind.CARD_SHOWN, name, shown_value(row))
        cards.counted(tx)

    return Rows(_cards_shown, shown_value, shown, keep=keep)


def _cards_shown(_name: Value, value: Value) -> Shown:
    row = shown_from_value(value, strict=True)
    # `shown` gives each version once, in one order: a row of another form would differ from what
    # it was joined to, at every exchange.
    if row != shown(row, ()):
        raise WireError("cards of a peer stand in another order than theirs, or twice")
    return row


def _card(value: Value) -> Value:
    parse_card(_bytes(value))
    return value


def _look(name: Value, value: Value) -> Look:
    match name:
        case [str(did), str()]:
            check_did(did)
            return Look.from_value(value)
        case _:
            raise WireError("a look is at a claim of a persona to a domain")


def _heard(value: Value) -> Value:
    if raw := _answer(value).data("vouch"):
        parse_vouch(raw)
    return value


def _answer(value: Value) -> Body:
    body = Body.of_list(value, "what a peer answered", ("heard_ms", "vouch"))
    body.integer("heard_ms")
    return body


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) > SIGNED_BYTES_MAX:
        raise WireError("a signed word is bytes, and not too many")
    return value

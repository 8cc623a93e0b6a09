"""Operations on who a peer is: cards, domains, vouches."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from ...crypto.errors import CryptoError
from ...protocol.card import SignedCard, changes
from ...protocol.command import Cmd, VouchAskArgs, parse_out
from ...protocol.errors import Code, ProtocolError
from ...protocol.vouch import ASK_NONCE_BYTES, blinded
from ...protocol.well_known import well_known_text
from ...protocol.wire import Value
from ..config import Role
from ..errors import NodeError, NotAllowed, NotFound, UsageError
from ..node import Node
from ..peers.cards import ShownCard
from ..peers.domain_looks import Claim
from ..peers.peers import Pair
from ..results.peers import CardInfo, CardVersion, StandingInfo, VouchAnswer, VouchInfo
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host

# A question to one peer waits no longer than this: it is asked with a person in front of it.
ASK_S = 20.0
# How long a command may wait to hear who it has just met.
WAIT_MS_MAX = 60_000
NAMES_MAX = 1_024


# --- cards ----------------------------------------------------------------------------------------


async def set_card(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    written = args.mapping("card")
    now_ms = node.clock.now_ms()
    card = await node.store.database.write(
        lambda tx: node.cards.write(tx, written, node.config.name, now_ms)
    )
    node.outgoing.notify()
    return to_value(_own_info(card))


async def card(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer = args.maybe_text("peer")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> CardInfo:
        if peer is None:
            own = node.cards.own(tx)
            if own is None:
                raise NotFound("this node has no card of its own; `entrenous card set` makes one")
            return _own_info(own)
        pair = node.peers.named(tx, peer)
        shown = node.cards.shown(tx, pair)
        if not shown:
            raise NotFound(f"{pair.name} has shown no card")
        newest = shown[-1].signed
        standing = node.standings.of(tx, pair, now_ms)
        frugality = node.frugalities.of_peer(tx, pair)
        return CardInfo(pair.name, newest.card, newest.cid, _versions(shown), standing, frugality)

    return to_value(await node.store.database.read(unit))


def _own_info(card: SignedCard) -> CardInfo:
    only = CardVersion(card.card.n, card.card.t_ms, ())
    return CardInfo(None, card.card, card.cid, (only,), None)


def _versions(shown: Sequence[ShownCard]) -> tuple[CardVersion, ...]:
    found: list[CardVersion] = []
    for place, one in enumerate(shown):
        new = one.signed.card
        said = changes(shown[place - 1].signed.card, new) if place else ()
        found.append(CardVersion(new.n, one.heard_ms, said))
    return tuple(found)


async def well_known(host: Host, args: Args, emit: Emit) -> Value:
    """The document that this organisation's domain has to publish."""
    node = host.node
    if node.config.role is not Role.ORGANISATION:
        raise NotAllowed("only an organisation is known by a domain; this node is a person's")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> dict[str, Value]:
        own = node.cards.own(tx)
        persona = node.peers.public_persona(tx, now_ms)
        return {
            "domain": None if own is None else own.card.domain,
            "document": well_known_text([persona.did]),
        }

    return await node.store.database.write(unit)


# --- standing -------------------------------------------------------------------------------------


async def standing(host: Host, args: Args, emit: Emit) -> Value:
    """How a peer stands; for one just met, once its card has come and its domain was asked, or
    `wait_ms` is over."""
    node = host.node
    peer = args.text("peer")
    wait_ms = min(args.maybe_integer("wait_ms") or 0, WAIT_MS_MAX)

    def unit(tx: Tx) -> tuple[StandingInfo, bool]:
        pair = node.peers.named(tx, peer)
        card = node.cards.of(tx, pair)
        settled = card is not None
        if card is not None and card.card.domain is not None and not node.domains.switched_off:
            look = node.domains.look(tx, Claim(card.card.did, card.card.domain))
            settled = look.tried_ms is not None
        return node.standings.of(tx, pair, node.clock.now_ms()), settled

    with trio.move_on_after(wait_ms / 1000):
        while True:
            # Taken before the look: what comes in between is not missed.
            changed, looked = node.outgoing.changed, node.domains.looked
            _, settled = await node.store.database.read(unit)
            if settled or not host.running:
                break
            await _either(changed, looked)
    found, _ = await node.store.database.read(unit)
    return to_value(found)


async def _either(*events: trio.Event) -> None:
    async with trio.open_nursery() as nursery:

        async def one(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        for event in events:
            nursery.start_soon(one, event)


async def check_domains(host: Host, args: Args, emit: Emit) -> Value:
    """Ask the domain of one peer, or of all, now."""
    node = host.node
    peer = args.maybe_text("peer")
    if node.domains.switched_off:
        raise NotAllowed("this node asks no domains: check_domains is false in its config.toml")

    def unit(tx: Tx) -> list[Claim]:
        if peer is None:
            return list(node.domains.claims(tx))
        pair = node.peers.named(tx, peer)
        card = node.cards.of(tx, pair)
        if card is None or card.card.domain is None:
            raise NotFound(f"{pair.name} claims no domain")
        return [Claim(pair.their, card.card.domain)]

    for claim in await node.store.database.read(unit):
        await node.domains.look_now(claim)
    return None


# --- vouches --------------------------------------------------------------------------------------


async def vouch(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer, to = args.text("peer"), _names(args, "to")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> VouchInfo:
        pair = node.peers.named(tx, peer)
        told = _chosen(node, tx, to)
        given = node.vouches.give(tx, pair, told, now_ms)
        names = tuple(sorted(one.name for one in told if (one.own, one.their) in given.told))
        return VouchInfo(pair.name, given.about, given.t_ms, names)

    return to_value(await node.store.database.write(unit))


async def withdraw_vouch(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer = args.text("peer")
    await node.store.database.write(
        lambda tx: node.vouches.withdraw(tx, node.peers.named(tx, peer), node.clock.now_ms())
    )
    return None


async def vouches(host: Host, args: Args, emit: Emit) -> Value:
    """Every vouch that this person gives."""
    node = host.node

    def unit(tx: Tx) -> list[VouchInfo]:
        pairs = node.peers.all(tx)
        names: dict[tuple[str, str], str] = {(one.own, one.their): one.name for one in pairs}
        called: dict[str, str] = {one.their: one.name for one in pairs}
        return [
            VouchInfo(
                called.get(given.about, given.about),
                given.about,
                given.t_ms,
                tuple(sorted(names[one] for one in given.told if one in names)),
            )
            for given in node.vouches.given(tx)
        ]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


async def acquaintances(host: Host, args: Args, emit: Emit) -> Value:
    """The names of the peers that would be asked, or told."""
    node = host.node
    for one in await node.store.database.read(node.vouches.acquaintances):
        await emit.item(one.name)
    return None


async def ask_vouches(host: Host, args: Args, emit: Emit) -> Value:
    """Ask peers whether they vouch for one; what each said, as it comes."""
    node = host.node
    peer, of = args.text("peer"), _names(args, "of")

    def unit(tx: Tx) -> tuple[Pair, list[Pair]]:
        pair = node.peers.named(tx, peer)
        if node.cards.of(tx, pair) is None:
            raise UsageError(f"{pair.name} has shown no card: nobody else knows it by its key")
        return pair, [one for one in _chosen(node, tx, of) if one.their != pair.their]

    about, asked = await node.store.database.read(unit)
    answers: list[VouchAnswer] = []

    async def one(pair: Pair) -> None:
        answers.append(await _ask_one(node, about, pair))

    async with trio.open_nursery() as nursery:
        for pair in asked:
            nursery.start_soon(one, pair)
    for answer in sorted(answers, key=lambda answer: answer.peer):
        await emit.item(to_value(answer))
    return None


async def _ask_one(node: Node, about: Pair, pair: Pair) -> VouchAnswer:
    nonce = node.entropy.random_bytes(ASK_NONCE_BYTES)
    args = VouchAskArgs(pair.their, nonce, blinded(nonce, about.their_now))
    try:
        with trio.fail_after(ASK_S):
            said = await node.exchange.say(pair, Cmd.VOUCH_ASK, args.value())
        if said.answer.code is not Code.OK:
            return VouchAnswer(pair.name, False, f"refused: {said.answer.code.value}")
        out = parse_out(Cmd.VOUCH_ASK, said.answer.out)
        assert isinstance(out, bytes)
        vouch = await node.store.database.write(
            lambda tx: node.vouches.heard(tx, about, pair, out, node.clock.now_ms())
        )
    except trio.TooSlowError:
        return VouchAnswer(pair.name, False, f"{pair.name} did not answer")
    except (NodeError, ProtocolError, CryptoError) as error:
        return VouchAnswer(pair.name, False, str(error))
    return VouchAnswer(pair.name, vouch is not None, None)


def _names(args: Args, key: str) -> tuple[str, ...] | None:
    """Names of peers; None if none are given."""
    if args.body.value(key) is None:
        return None
    found = args.items(key, NAMES_MAX)
    names = tuple(name for name in found if isinstance(name, str))
    if len(names) != len(found):
        raise UsageError(f"{args.body.what}: {key} holds something that is not a name")
    return names


def _chosen(node: Node, tx: Tx, names: Sequence[str] | None) -> list[Pair]:
    """The peers that are named; without names all who are persons, as far as is known."""
    if names is None:
        return node.vouches.acquaintances(tx)
    return [node.peers.named(tx, name) for name in dict.fromkeys(names)]

"""Operations on the people of the house, and on acting for another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...protocol.command import Cmd
from ...protocol.did import did_of
from ...protocol.errors import ProtocolError
from ...protocol.limits import MANDATE_LIMITS_MAX, MANDATE_S_MAX
from ...protocol.mandate import ACTABLE, Office
from ...protocol.mandate_limits import Limits
from ...protocol.processor import may_process
from ...protocol.trust import GrantStatus
from ...protocol.wire import Value
from ..errors import NotAllowed, NotFound, UsageError
from ..grants.lent_on import LentOnSide
from ..household.household import HOME, People
from ..household.mandate_kept import MandateKept, Side
from ..node import Node
from ..peers.peers import Pair
from ..results.household import MandateInfo, PersonInfo, ProxyInfo
from ..shape import to_value
from ..store.database import Tx
from .operation import Args, Emit, Host, shorts

NAMES_CHARS_MAX = 1_024


# --- people ---------------------------------------------------------------------------------------


async def people(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node

    def unit(tx: Tx) -> list[PersonInfo]:
        collections = [
            (one.path, node.household.whose(tx, one.path)) for one in node.vault.collections.all(tx)
        ]
        pairs = [(pair.name, node.household.of_persona(tx, pair.own)) for pair in _pairs(node, tx)]
        return [
            PersonInfo(
                name=person.name,
                number=person.number,
                born=person.born,
                collections=tuple(path for path, whose in collections if person.number in whose),
                peers=tuple(name for name, whose in pairs if person.number in whose),
            )
            for person in node.household.all(tx)
        ]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


async def people_add(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    name, born = args.text("name"), args.maybe_text("born")
    person = await node.store.database.write(lambda tx: node.household.add(tx, name, born))
    return to_value(PersonInfo(person.name, person.number, person.born, (), ()))


async def people_remove(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    name = args.text("name")

    def unit(tx: Tx) -> str:
        held = [one.path for one in node.vault.collections.all(tx) if one.pages]
        return node.household.remove(tx, name, held).name

    return {"name": await node.store.database.write(unit)}


async def people_assign(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    path, names = args.collection("path"), args.text("people", NAMES_CHARS_MAX)

    def unit(tx: Tx) -> None:
        node.vault.collections.get(tx, path)
        people = node.household.people(tx, names)
        node.household.assign(tx, path, people, node.clock.now_ms())

    await node.store.database.write(unit)
    return None


def people_named(node: Node, tx: Tx, names: str | None) -> People:
    """The people whom an argument names; nobody where there is none.  Raises NotFound."""
    return () if names is None else node.household.people(tx, names)


def whose_names(node: Node, tx: Tx, path: str) -> tuple[str, ...]:
    return node.household.names(tx, node.household.whose(tx, path))


# --- mandates -------------------------------------------------------------------------------------


async def mandates(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> list[MandateInfo]:
        names = names_of(node, tx)
        kept = node.mandates.all(tx)
        short = shorts(one.cid for one in kept)
        return [_info(one, names, short[one.cid], now_ms) for one in kept]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


async def proxies(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node

    def unit(tx: Tx) -> list[ProxyInfo]:
        names = names_of(node, tx)
        return [
            ProxyInfo(
                names.get(one.their, one.their),
                names.get(one.proxy.at, one.proxy.at),
                one.proxy.exp_s,
                one.t_ms,
            )
            for one in node.proxies.all(tx)
        ]

    for info in await node.store.database.read(unit):
        await emit.item(to_value(info))
    return None


async def mandate_ask(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer, at = args.text("peer"), args.text("at")
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> None:
        node.proxies.ask(tx, node.peers.named(tx, peer), node.peers.named(tx, at), now_ms)

    await node.store.database.write(unit)
    node.outgoing.notify()
    return None


async def mandate_give(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    peer, at = args.text("peer"), args.text("at")
    office, commands = _office(args.text("office")), _commands(args)
    exp_s, age = args.maybe_integer("exp_s"), args.maybe_integer("age")
    onward = args.flag("onward")
    if (exp_s is None) == (age is None):
        raise UsageError("a mandate ends on a day, or when its principal is of an age")
    now_ms = node.clock.now_ms()

    def give(tx: Tx) -> MandateKept:
        to, place = node.peers.named(tx, peer), node.peers.named(tx, at)
        until_s = _of_age_s(node, tx, place, age) if exp_s is None else exp_s
        _check_end(until_s, now_ms)
        under = None
        if args.body.value("under") is not None:
            held = (one.cid for one in node.mandates.all(tx) if one.side is Side.HELD)
            under = node.mandates.held(tx, args.id("under", held, "mandate"))
        try:
            return node.mandates.give(
                tx,
                to,
                place,
                office=office,
                commands=commands,
                exp_s=until_s,
                now_ms=now_ms,
                onward=onward,
                under=under,
            )
        except ProtocolError as error:
            raise NotAllowed(str(error)) from error

    return await told(node, give, now_ms)


async def mandate_give_home(host: Host, args: Args, emit: Emit) -> Value:
    """Let a peer decide what waits at this node."""
    node = host.node
    peer, office, exp_s = args.text("peer"), _office(args.text("office")), args.integer("exp_s")
    peers, purposes = _texts(args, "peers"), _texts(args, "purposes")
    collections, until_s = _texts(args, "collections"), args.maybe_integer("until_s")
    now_ms = node.clock.now_ms()
    _check_end(exp_s, now_ms)

    def give(tx: Tx) -> MandateKept:
        asking = tuple(dict.fromkeys(node.peers.named(tx, name).their for name in peers))
        limits = Limits(asking, purposes, collections, until_s)
        try:
            return node.mandates.give_home(
                tx,
                node.peers.named(tx, peer),
                office=office,
                limits=limits,
                exp_s=exp_s,
                now_ms=now_ms,
            )
        except ProtocolError as error:
            raise UsageError(str(error)) from error

    return await told(node, give, now_ms)


def _check_end(exp_s: int, now_ms: int) -> None:
    if not now_ms < exp_s * 1000 <= now_ms + MANDATE_S_MAX * 1000:
        raise UsageError("a mandate ends in the future, and within twenty years")


async def told(node: Node, give: Callable[[Tx], MandateKept], now_ms: int) -> Value:
    """Give a mandate in one unit of work, and let it go out."""

    def unit(tx: Tx) -> MandateInfo:
        given = give(tx)
        short = shorts(one.cid for one in node.mandates.all(tx))
        return _info(given, names_of(node, tx), short[given.cid], now_ms)

    made = await node.store.database.write(unit)
    node.outgoing.notify()
    return to_value(made)


def _texts(args: Args, key: str) -> tuple[str, ...]:
    if args.body.value(key) is None:
        return ()
    return tuple(one for one in args.items(key, MANDATE_LIMITS_MAX) if isinstance(one, str))


async def mandate_end(host: Host, args: Args, emit: Emit) -> Value:
    node = host.node
    now_ms = node.clock.now_ms()

    def unit(tx: Tx) -> bytes:
        cid = args.id("mandate", (one.cid for one in node.mandates.all(tx)), "mandate")
        node.mandates.end(tx, cid, now_ms)
        return cid

    ended = await node.store.database.write(unit)
    node.outgoing.notify()
    return {"mandate": ended}


def _office(text: str) -> Office:
    try:
        return Office(text)
    except ValueError:
        offices = ", ".join(Office)
        raise UsageError(f"a proxy acts as one of {offices}") from None


def _commands(args: Args) -> list[str]:
    found = args.items("commands", len(Cmd))
    commands = [str(one) for one in found if isinstance(one, str) and one in ACTABLE]
    if len(commands) != len(found) or not found:
        raise UsageError(f"a mandate is for some of {', '.join(sorted(ACTABLE))}")
    return commands


def _of_age_s(node: Node, tx: Tx, at: Pair, age: int | None) -> int:
    """When the one person for whom the relationship `at` stands is `age` years old."""
    people = node.household.of_persona(tx, at.own)
    if len(people) != 1 or age is None or not 1 <= age <= 150:
        raise UsageError("an age is that of one person of the house, in whose name you are paired")
    (person,) = (one for one in node.household.all(tx) if one.number == people[0])
    return person.of_age_s(age)


def _info(one: MandateKept, names: Mapping[str, str], short: str, now_ms: int) -> MandateInfo:
    mandate = one.mandate
    return MandateInfo(
        id=one.cid,
        short=short,
        side=one.side.value,
        principal=names.get(mandate.principal, mandate.principal),
        proxy=names.get(mandate.proxy, mandate.proxy),
        at=names.get(mandate.to, mandate.to),
        office=mandate.office.value,
        commands=mandate.commands,
        onward=mandate.onward,
        passed_on=len(one.chain) - 1,
        exp_s=mandate.exp_s,
        status=one.status(now_ms).value,
        t_ms=one.t_ms,
        ended_ms=one.ended_ms,
        peers=tuple(names.get(peer, peer) for peer in mandate.limits.peers),
        purposes=mandate.limits.purposes,
        collections=mandate.limits.collections,
        until_s=mandate.limits.until_s,
    )


def names_of(node: Node, tx: Tx) -> dict[str, str]:
    """What each persona is called here: peers by their names, our own by whom they stand for.

    A principal or proxy whom only the organisation knows by that persona goes by the name of the
    peer who told us of it.
    """
    names: dict[str, str] = {}
    for pair in _pairs(node, tx):
        people = node.household.names(tx, node.household.of_persona(tx, pair.own))
        names[pair.own] = ", ".join(people) or node.config.name
        names.setdefault(pair.their, pair.name)
    for pair in node.peers.reading(tx):
        names.setdefault(pair.their, pair.name)
    # Devices of helpers, by which what they served is known.
    for helper in node.helpers.all(tx):
        if helper.device is not None:
            names[helper.device] = node.peers.pair(tx, helper.own, helper.their).name
    for pair in node.peers.all(tx):
        for told in node.served_by.of(tx, pair):
            names.setdefault(did_of(told.device), told.name)
    for held in node.borrowing.all(tx):
        if held.via is not None and (principal := names.get(held.via[1])) is not None:
            names.setdefault(held.giver, principal)
    for lent in node.lending_on.all(tx):
        if (reader := names.get(lent.their)) is not None and lent.side is LentOnSide.GIVEN:
            names.setdefault(lent.reader, reader)
        if (named := may_process(lent.bundle.terms, lent.reader)) is not None:
            names.setdefault(lent.reader, named.name)
    for one in node.mandates.all(tx):
        teller = None if one.their is None else names.get(one.their)
        if teller is not None and one.side is Side.GIVEN:
            names.setdefault(one.mandate.proxy, teller)
        elif teller is not None and one.side is Side.HELD:
            names.setdefault(one.mandate.principal, teller)
    return names


def acting_for(node: Node, tx: Tx, name: str, at: Pair, cmd: Cmd, now_ms: int) -> MandateKept:
    """The mandate under which `at.own` says `cmd` to that organisation for the one called `name`:
    a person of the house, or a peer.  Raises NotFound, NotAllowed."""
    held = [
        one
        for one in node.mandates.all(tx)
        if one.side is Side.HELD and (one.mandate.proxy, one.mandate.to) == (at.own, at.their)
    ]
    try:
        number = node.household.named(tx, name).number
    except NotFound:
        pair = node.peers.named(tx, name)
        principals = {
            one.mandate.principal for one in held if (one.own, one.their) == (pair.own, pair.their)
        }
    else:
        principals = {
            one.mandate.principal
            for one in held
            if number in node.household.of_persona(tx, one.mandate.principal)
        }
    return node.mandates.acting(tx, at.own, at.their, cmd, now_ms, principals)


def through(node: Node, tx: Tx, name: str, request: bytes, now_ms: int) -> MandateKept:
    """The mandate of this vault under which a request to the one called `name` is decided."""
    asked = node.inbox.get(tx, request)
    number = node.household.named(tx, name).number
    if number not in node.household.of_persona(tx, asked.own):
        raise NotAllowed(f"this request was not made to {name}")
    proxies = [
        one.mandate.proxy
        for one in node.mandates.all(tx)
        if one.side is Side.HELD
        and (one.mandate.principal, one.mandate.to) == (asked.own, asked.their)
        and one.own is None
        and one.status(now_ms) is GrantStatus.LIVE
    ]
    if not proxies:
        raise NotAllowed(f"no mandate of {name} holds there: see `entrenous mandates`")
    return node.mandates.acting(tx, proxies[-1], asked.their, Cmd.DECIDE, now_ms, {asked.own})


def check_whose(node: Node, tx: Tx, own: str, paths: list[str]) -> None:
    """Refuse to lend what belongs to people for whom the relationship does not stand.

    Raises NotAllowed, naming whose it is.
    """
    for path in paths:
        if node.household.is_others(tx, own, path):
            whose = " and ".join(whose_names(node, tx, path))
            known = node.household.names(tx, node.household.of_persona(tx, own))
            raise NotAllowed(
                f"{path} is {whose}'s, and this peer knows {' and '.join(known) or HOME}: say so "
                "expressly (--others) if it shall have it all the same"
            )


def _pairs(node: Node, tx: Tx) -> list[Pair]:
    return node.peers.all(tx)

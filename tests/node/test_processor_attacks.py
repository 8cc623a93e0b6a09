"""Processors that play by no rules, and strangers with chains: what a node lets them do."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import trio

from entrenous.crypto.keys import PersonaKey
from entrenous.node.config import Role
from entrenous.node.exchange.links import GREETINGS_MOST
from entrenous.node.network.transport import TransportError
from entrenous.protocol import showing as module
from entrenous.protocol.command import Cmd, MandateLendArgs, PairReadArgs, RevokeArgs
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.grant import Bundle, issue_sub_grant, make_bundle, parse_bundle
from entrenous.protocol.invocation import Invocation
from entrenous.protocol.receipt import Answer
from entrenous.protocol.revocation import make_revocation
from entrenous.protocol.session_event import Closed, Opened, RefuseReceived
from entrenous.protocol.terms import Terms
from entrenous.protocol.window import Window
from entrenous.tests.node.test_processors import (
    ALL,
    PART,
    PURPOSE,
    Trade,
    granted,
    lend_on,
    lent,
    meet,
    named,
    reads,
    settle,
    trade,
)
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    RawLink,
    Rogue,
    a_town,
    public,
    refused_hello,
    revoke,
)


async def rogue_of(one: Trade) -> Rogue:
    """Another device with the processor's own keys, that says what a test makes it say."""
    rogue = await one.town.rogue("processor by no rules")
    at = await one.processor.peer("utility")
    persona = await one.processor.read(lambda tx: one.processor.node.peers.persona(tx, at.own_now))
    rogue.persona, rogue.inception = persona.key, persona.inception
    return rogue


def showing(rogue: Rogue, party: Party, bundle: bytes) -> Invocation:
    args = PairReadArgs(
        bundle, rogue.inception.signed.raw, rogue.certificate().signed.raw, b"k" * 32
    )
    return rogue.invocation(party.node.keystore.device.public, Cmd.PAIR_READ, args.value())


async def stranger(rogue: Rogue, party: Party) -> RawLink:
    link = await rogue.dial(party)
    link.session.hello(None, None, None)
    await link.until(Opened)
    return link


async def shows(rogue: Rogue, party: Party, bundle: bytes) -> Code:
    """What a node says to a chain."""
    link = await stranger(rogue, party)
    said = await link.say(showing(rogue, party, bundle))
    await link.stream.aclose()
    return said.code


async def greets(rogue: Rogue, party: Party, persona: Did) -> RawLink:
    link = await rogue.dial(party)
    link.session.hello(rogue.certificate(), persona, None)
    await link.until(Opened)
    return link


def reading(
    rogue: Rogue, party: Party, bundle: Bundle, window: Window = PART
) -> tuple[Invocation, list[bytes]]:
    """A read under a chain, signed by the rogue, and its proofs."""
    invocation = rogue.invocation(
        party.node.keystore.device.public,
        Cmd.READ,
        bundle.args(window).value(),
        sub=bundle.root.delegation.iss,
        prf=[link.cid for link in bundle.links],
    )
    return invocation, [link.delegation.raw for link in bundle.links]


async def words(party: Party) -> int:
    """How many words the log has."""
    return len(await party.read(party.node.receipts.all))


async def persona_key(party: Party, own: Did) -> PersonaKey:
    return (await party.read(lambda tx: party.node.peers.persona(tx, own))).key


async def chain(
    one: Trade,
    root: bytes,
    *,
    windows: Sequence[Window] = (PART,),
    aud: Did | None = None,
    late_s: int = -DAY_S,
    terms: Terms | None = None,
    key: PersonaKey | None = None,
) -> bytes:
    """What the utility could sign, whatever its node would; `late_s` after the end of the grant."""
    utility, to = one.utility, await one.utility.peer("processor")
    held = await utility.read(lambda tx: utility.node.borrowing.get(tx, root))
    key = key or await persona_key(utility, held.own)
    issued = issue_sub_grant(
        key,
        held.bundle.links,
        aud=aud or to.their_now,
        windows=windows,
        terms=terms or held.bundle.terms,
        exp_s=held.bundle.grant.exp_s + late_s,
        nonce=b"n" * 16,
    )
    return make_bundle(
        key,
        issued,
        terms=terms or held.bundle.terms,
        reader_key=to.inception.reader_key,
        chain=held.bundle.links,
    ).signed.raw


async def test_a_chain_that_is_wider_than_its_grant(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        narrow = Window(CURVE, DAY, DAY + 5)
        given = await granted(one, await named(one), narrow)
        rogue, root = await rogue_of(one), given.cid
        looser = replace(await named(one), retention_days=31)
        mallory = PersonaKey.generate(town.entropy)
        cases = (
            (await chain(one, root, windows=[ALL]), Code.DAYS),
            (await chain(one, root, windows=[narrow], late_s=1), Code.EXPIRED),
            (await chain(one, root, windows=[narrow], terms=looser), Code.TERMS),
            (await chain(one, root, windows=[narrow], aud=did_of(mallory.public)), Code.AUDIENCE),
            # By somebody to whom nothing was granted.
            (await chain(one, root, windows=[narrow], key=mallory), Code.AUDIENCE),
        )
        before = await words(one.ada)
        for raw, code in cases:
            assert await shows(rogue, one.ada, raw) is code
        assert await one.ada.read(one.ada.node.peers.reading) == []
        assert await one.ada.read(one.ada.node.lending_on.all) == []
        assert await words(one.ada) == before
        # Held against the same, when it comes by the one who lends on.
        pair = await one.utility.peer("ada")
        for raw, code in cases[:3]:
            args = MandateLendArgs(pair.their, raw)
            said = await one.utility.node.exchange.say(pair, Cmd.MANDATE_LEND, args.value())
            assert said.answer.code is code
        assert await shows(rogue, one.ada, await chain(one, root, windows=[narrow])) is Code.OK


async def test_a_chain_in_other_hands(autojump_clock: trio.testing.MockClock) -> None:
    """Whoever copies a chain cannot show it: it names another persona, or another device."""
    async with a_town() as town:
        one = await trade(town)
        _, made = await lent(one)
        raw = made.bundle.signed.raw
        mallory = await town.rogue("mallory")
        assert await shows(mallory, one.ada, raw) is Code.AUDIENCE
        # With everything that the processor once said to her node, from another device.
        rogue = await rogue_of(one)
        overheard = showing(rogue, one.ada, raw)
        link = await stranger(mallory, one.ada)
        said = await link.say(overheard)
        assert isinstance(said, RefuseReceived)
        assert said.code is Code.AUDIENCE
        assert await one.ada.read(one.ada.node.peers.reading) == []


async def test_a_processor_with_a_chain_of_another_persona(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Two utilities have the same processor.  A stream to the one persona reads nothing of the
    other, and neither is told which belong together."""
    async with a_town() as town:
        one = await trade(town)
        _, made = await lent(one)
        shop = await town.party("shop", Role.ORGANISATION)
        await meet(one.ada, shop)
        await meet(shop, one.processor)
        customer = await one.processor.peer("shop")
        await one.processor.write(
            lambda tx: one.processor.node.processors.process_for(tx, customer, one.processor.now_ms)
        )
        other = replace(one, utility=shop)
        _, second = await lent(other)
        assert second.owner != made.owner
        rogue = await rogue_of(one)
        assert await shows(rogue, one.ada, made.bundle.signed.raw) is Code.OK
        assert await shows(rogue, one.ada, second.bundle.signed.raw) is Code.OK
        link = await greets(rogue, one.ada, made.owner)
        said = await link.say(*reading(rogue, one.ada, second.bundle))
        assert said.code is Code.UNPAIRED
        # And with the one persona as subject of the other's chain.
        link = await greets(rogue, one.ada, made.owner)
        invocation, proofs = reading(rogue, one.ada, second.bundle)
        forged = rogue.invocation(
            public(invocation.aud or made.owner),
            Cmd.READ,
            invocation.args,
            sub=made.owner,
            prf=invocation.prf,
        )
        said = await link.say(forged, proofs)
        assert said.code is Code.UNKNOWN_GRANT


async def test_a_chain_under_a_grant_that_does_not_name_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Let in by one chain, it tries another that the utility signed and the person never saw."""
    async with a_town() as town:
        one = await trade(town)
        _, made = await lent(one)
        quiet = await granted(one, Terms(PURPOSE, 30, ("nobody else",), None, ()))
        hidden = await chain(one, quiet.cid)
        rogue = await rogue_of(one)
        assert await shows(rogue, one.ada, made.bundle.signed.raw) is Code.OK
        assert await shows(rogue, one.ada, hidden) is Code.TERMS
        held = await one.utility.read(lambda tx: one.utility.node.borrowing.get(tx, quiet.cid))
        link = await greets(rogue, one.ada, made.owner)
        said = await link.say(*reading(rogue, one.ada, parse_bundle(hidden)))
        assert said.code is Code.UNKNOWN_GRANT
        # With the grant of the utility alone: it was given to another.
        link = await greets(rogue, one.ada, made.owner)
        said = await link.say(*reading(rogue, one.ada, held.bundle))
        assert said.code is Code.AUDIENCE


async def test_a_processor_says_something_else_than_a_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await trade(town)
        _, made = await lent(one)
        rogue = await rogue_of(one)
        assert await shows(rogue, one.ada, made.bundle.signed.raw) is Code.OK
        before = await words(one.ada)
        own = make_revocation(
            rogue.persona, dlg=made.cid, paths=[CURVE], t_ms=rogue.now_ms
        ).signed.raw
        for cmd, args in (
            (Cmd.REVOKE, RevokeArgs(made.owner, own).value()),
            (Cmd.DEVICE_HAVE, {"v": 1, "to": made.owner, "after": "", "same": b""}),
            (Cmd.PAIR_READ, showing(rogue, one.ada, made.bundle.signed.raw).args),
            ("/made/up", {"v": 1}),
        ):
            link = await greets(rogue, one.ada, made.owner)
            device = one.ada.node.keystore.device.public
            said = await link.say(rogue.invocation(device, cmd, args))
            # Unsigned, not logged, and the stream ends.
            assert isinstance(said, RefuseReceived)
            assert said.code is Code.COMMAND
            assert isinstance(await link.until(Closed), Closed)
        assert await words(one.ada) == before
        assert await reads(one) == 7


async def test_reads_and_chains_said_again(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await trade(town)
        given, made = await lent(one)
        rogue = await rogue_of(one)
        raw = made.bundle.signed.raw
        for _ in range(3):
            assert await shows(rogue, one.ada, raw) is Code.OK
        assert len(await one.ada.read(one.ada.node.peers.reading)) == 1
        assert len(await one.ada.read(one.ada.node.lending_on.all)) == 1
        # One invocation reads once.
        link = await greets(rogue, one.ada, made.owner)
        invocation, proofs = reading(rogue, one.ada, made.bundle)
        link.session.call(invocation.raw, proofs)
        await link.until_quiet()
        said = await link.say(invocation, proofs)
        assert isinstance(said, Answer)
        assert said.code is Code.REPLAY
        # Taken back, the same chain lets nobody in.
        await revoke(one.ada, given)
        assert await shows(rogue, one.ada, raw) is Code.REVOKED
        link = await rogue.dial(one.ada)
        link.session.hello(rogue.certificate(), made.owner, None)
        assert (await refused_hello(link)).code is Code.UNPAIRED


async def test_strangers_flood_a_node_with_chains(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain whose root is not ours costs one look; four on a stream, and the stream ends."""
    async with a_town() as town:
        one = await trade(town)
        given = await granted(one, await named(one))
        theirs = await town.party("bob")
        await meet(theirs, one.utility)
        foreign = await chain(one, given.cid)
        mallory = await town.rogue("mallory")
        looked: list[bytes] = []
        parse = module.parse_bundle

        def counted(raw: bytes) -> Bundle:
            looked.append(raw)
            return parse(raw)

        monkeypatch.setattr(module, "parse_bundle", counted)
        before = await words(theirs)
        link = await stranger(mallory, theirs)
        for _ in range(4):
            assert (await link.say(showing(mallory, theirs, foreign))).code is Code.UNKNOWN_GRANT
        link.session.call(showing(mallory, theirs, foreign).raw, ())
        assert isinstance(await link.until(Closed), Closed)
        assert looked == []
        assert await theirs.read(theirs.node.peers.reading) == []
        assert await words(theirs) == before
        # As many streams as a device may open at once, and then no more of them.

        async def more_than_it_may() -> None:
            for _ in range(int(GREETINGS_MOST) + 1):
                await stranger(mallory, theirs)

        with pytest.raises(TransportError):
            await more_than_it_may()
        await settle()
        assert await lend_on(one, given.cid)
        assert await reads(one) == 7

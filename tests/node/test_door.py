"""What a paired peer with keys of its own can make a node do: what it may, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from entrenous.crypto.canonical import encode
from entrenous.crypto.keys import DeviceKey, GrantKey, PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.crypto.seal import seal
from entrenous.node.exchange.visit import LEAVE_MAX, PART_S
from entrenous.protocol.cid import cid_of
from entrenous.protocol.command import (
    AcceptArgs,
    Cmd,
    DecideArgs,
    DeliverArgs,
    KeysArgs,
    RequestArgs,
    RevokeArgs,
)
from entrenous.protocol.errors import Code
from entrenous.protocol.grant import Bundle
from entrenous.protocol.invocation import Invocation
from entrenous.protocol.keyset import open_keyset, parse_keyset
from entrenous.protocol.receipt import Answer, countersign, offered
from entrenous.protocol.request import Request
from entrenous.protocol.revocation import make_revocation
from entrenous.protocol.session_event import (
    AnswerReceived,
    Closed,
    Ending,
    RefuseReceived,
    WindowReceived,
)
from entrenous.protocol.signed import sign
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    TERMS,
    Party,
    RawLink,
    Rogue,
    Town,
    a_town,
    both_logs_hold,
    lend,
    meet,
    refused_hello,
    settle,
)

TEN = Window(CURVE, DAY, DAY + 9)


def make_keyset_of(rogue: Rogue, bundle: Bundle, k_grant: GrantKey) -> bytes:
    """A keyset for another's grant, sealed exactly as its owner would, signed by the rogue."""
    sealing = bundle.sealing()
    plaintext = encode({"k_grant": k_grant.secret_bytes(), "sets": []})
    sealed = seal(sealing.reader_key, sealing.info(7), plaintext, entropy=rogue.entropy)
    body = {"v": 1, "dlg": sealing.grant, "n": 7, "sealed": sealed}
    return sign(Signed.KEYSET, body, rogue.persona).raw


async def a_lender_and_a_rogue(town: Town) -> tuple[Party, Rogue]:
    owner, rogue = await town.party("home"), await town.rogue("rogue")
    await rogue.meet(owner)
    await owner.fill(CURVE, DAY, 40)
    return owner, rogue


def request(rogue: Rogue, *windows: Window, days: int = 30) -> Request:
    exp_s = rogue.now_ms // 1000 + days * DAY_S
    return Request(rogue.did, windows, TERMS.purpose, TERMS, exp_s, "")


async def granted(town: Town, owner: Party, rogue: Rogue, link: RawLink) -> Bundle:
    """A grant on TEN that the rogue has asked for and accepted."""
    wanted = request(rogue, TEN)
    to = rogue.persona_of(owner)
    said = await link.say(rogue.own(owner, Cmd.REQUEST, RequestArgs(to, wanted).value()))
    assert isinstance(said, Answer)
    assert said.code is Code.OK
    exp_s = owner.now_ms // 1000 + 20 * DAY_S
    given = await owner.node.store.database.write(
        lambda tx: owner.node.lending.grant(tx, wanted.cid, (TEN,), exp_s, owner.now_ms)
    )
    args = AcceptArgs(to, given.cid, TERMS.cid).value()
    said = await link.say(rogue.own(owner, Cmd.ACCEPT, args))
    assert isinstance(said, Answer)
    assert isinstance(said.out, bytes)
    open_keyset(parse_keyset(said.out, to), given.bundle.sealing(), rogue.reader)
    return given.bundle


def read_of(rogue: Rogue, owner: Party, bundle: Bundle, window: Window = TEN) -> Invocation:
    return rogue.invocation(
        owner.node.keystore.device.public,
        Cmd.READ,
        bundle.args(window).value(),
        sub=rogue.persona_of(owner),
        prf=[bundle.grant.cid],
    )


# --- who is let in --------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["device", "expired", "persona", "stranger", "other-peer"])
async def test_who_is_not_who_it_says_is_shown_nothing(
    autojump_clock: MockClock, wrong: str
) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        peer = rogue.persona_of(owner)
        certificate = rogue.certificate()
        match wrong:
            case "device":
                certificate = rogue.certificate(device=DeviceKey.generate(rogue.entropy))
            case "expired":
                certificate = rogue.certificate(life_s=1)
                await settle(120)
            case "persona":  # certified by a persona that the owner never met
                certificate = rogue.certificate(persona=PersonaKey.generate(rogue.entropy))
            case "stranger":
                peer = rogue.did
            case _:
                other = await town.rogue("other")
                await other.meet(owner)
                peer = other.persona_of(owner)
        link = await rogue.dial(owner)
        link.session.hello(certificate, peer, None)
        ended = await refused_hello(link)
        assert ended.ending is Ending.REFUSED
        assert not owner.node.links.connected


async def test_a_word_never_signed_is_a_rollback_and_nothing_is_served(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.dial(owner)
        link.session.hello(rogue.certificate(), rogue.persona_of(owner), cid_of(b"never"))
        ended = await refused_hello(link)
        assert ended.code is Code.SUSPENDED
        assert "set back" in ended.sentence
        assert len(owner.node.links.contradicted) == 1


async def test_a_word_said_to_another_is_not_one_said_here(autojump_clock: MockClock) -> None:
    """Else a peer could bend the chain of our log so that it does not verify any more."""
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        other = await town.party("other")
        await meet(owner, other)
        await lend(owner, other, TEN)
        words = await owner.read(owner.node.receipts.all)
        assert words
        link = await rogue.dial(owner)
        link.session.hello(rogue.certificate(), rogue.persona_of(owner), words[0].word.cid)
        assert (await refused_hello(link)).code is Code.SUSPENDED
        await both_logs_hold(owner)


# --- commands in one's own name -------------------------------------------------------------------


def _of_another_sender(rogue: Rogue, owner: Party) -> Invocation:
    other = PersonaKey.generate(rogue.entropy)
    args = RequestArgs(rogue.persona_of(owner), request(rogue, TEN)).value()
    return rogue.own(owner, Cmd.REQUEST, args, key=other)


def _naming_another(rogue: Rogue, owner: Party) -> Invocation:
    wanted = request(rogue, TEN)
    args = RequestArgs(
        rogue.persona_of(owner),
        Request(rogue.persona_of(owner), wanted.items, wanted.purpose, TERMS, wanted.exp_s, ""),
    )
    return rogue.own(owner, Cmd.REQUEST, args.value())


def _over(rogue: Rogue, owner: Party) -> Invocation:
    args = RequestArgs(rogue.persona_of(owner), request(rogue, TEN, days=-1)).value()
    return rogue.own(owner, Cmd.REQUEST, args)


def _never_asked(rogue: Rogue, owner: Party) -> Invocation:
    args = DecideArgs(rogue.persona_of(owner), cid_of(b"none"), None, "no").value()
    return rogue.own(owner, Cmd.DECIDE, args)


def _accept_nothing(rogue: Rogue, owner: Party) -> Invocation:
    args = AcceptArgs(rogue.persona_of(owner), cid_of(b"none"), TERMS.cid).value()
    return rogue.own(owner, Cmd.ACCEPT, args)


def _take_back_nothing(rogue: Rogue, owner: Party) -> Invocation:
    revocation = make_revocation(
        rogue.persona, dlg=cid_of(b"none"), paths=[CURVE], t_ms=rogue.now_ms
    )
    args = RevokeArgs(rogue.persona_of(owner), revocation.signed.raw).value()
    return rogue.own(owner, Cmd.REVOKE, args)


def _late(rogue: Rogue, owner: Party) -> Invocation:
    args = RequestArgs(rogue.persona_of(owner), request(rogue, TEN)).value()
    return rogue.own(owner, Cmd.REQUEST, args, exp_s=rogue.now_ms // 1000 - 1)


def _too_early(rogue: Rogue, owner: Party) -> Invocation:
    args = RequestArgs(rogue.persona_of(owner), request(rogue, TEN)).value()
    return rogue.own(owner, Cmd.REQUEST, args, exp_s=rogue.now_ms // 1000 + 3600)


def _for_another_device(rogue: Rogue, owner: Party) -> Invocation:
    args = RequestArgs(rogue.persona_of(owner), request(rogue, TEN)).value()
    return rogue.invocation(rogue.device.public, Cmd.REQUEST, args)


def _unknown(rogue: Rogue, owner: Party) -> Invocation:
    return rogue.own(owner, Cmd.REQUEST, {"v": 1, "to": rogue.persona_of(owner), "more": 1})


def _huge(rogue: Rogue, owner: Party) -> Invocation:
    parts = tuple((bytes(32), 1024 * 1024) for _ in range(100))
    args = DeliverArgs(rogue.persona_of(owner), b"n" * 16, cid_of(b"s"), parts)
    return rogue.own(owner, Cmd.DELIVER, args.value())


WRONG: list[tuple[Callable[[Rogue, Party], Invocation], Code]] = [
    (_of_another_sender, Code.UNPAIRED),
    (_naming_another, Code.AUDIENCE),
    (_over, Code.EXPIRED),
    (_never_asked, Code.UNKNOWN_GRANT),
    (_accept_nothing, Code.UNKNOWN_GRANT),
    (_take_back_nothing, Code.UNKNOWN_GRANT),
    (_late, Code.EXPIRED),
    (_too_early, Code.NOT_YET),
    (_for_another_device, Code.AUDIENCE),
    (_unknown, Code.MALFORMED),
    (_huge, Code.TOO_MUCH),
]


@pytest.mark.parametrize(("make", "code"), WRONG, ids=[make.__name__ for make, _ in WRONG])
async def test_a_refusal_is_signed_logged_and_changes_nothing(
    autojump_clock: MockClock, make: Callable[[Rogue, Party], Invocation], code: Code
) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        said = await link.say(make(rogue, owner))
        assert isinstance(said, Answer), said
        assert said.code is code
        assert await owner.read(owner.node.inbox.all) == []
        assert await owner.read(owner.node.lending.all) == []
        report = await owner.read(owner.node.receipts.verify)
        assert report.answers == 1


async def test_an_invocation_is_used_once_and_a_request_asked_twice_is_one(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        args = RequestArgs(rogue.persona_of(owner), request(rogue, TEN)).value()
        once = rogue.own(owner, Cmd.REQUEST, args)
        codes: list[Code] = []
        for invocation in (once, once, rogue.own(owner, Cmd.REQUEST, args)):
            said = await link.say(invocation)
            assert isinstance(said, Answer)
            codes.append(said.code)
        assert codes == [Code.OK, Code.REPLAY, Code.OK]
        assert len(await owner.read(owner.node.inbox.all)) == 1


async def test_pestering_ends(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        to = rogue.persona_of(owner)
        codes: list[Code] = []
        for number in range(105):
            wanted = request(rogue, Window(CURVE, DAY + number, DAY + number))
            said = await link.say(rogue.own(owner, Cmd.REQUEST, RequestArgs(to, wanted).value()))
            assert isinstance(said, Answer)
            codes.append(said.code)
        assert codes == [Code.OK] * 100 + [Code.TOO_MUCH] * 5


async def test_a_log_cannot_be_flooded(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        said = None
        calls = 0
        while not isinstance(said, RefuseReceived):
            said = await link.say(_never_asked(rogue, owner))
            calls += 1
        assert said.code is Code.BUSY
        assert calls == LEAVE_MAX + 1
        size = (await owner.read(owner.node.receipts.verify)).size
        assert size == LEAVE_MAX
        await settle(10)  # leave grows back with time
        assert isinstance(await link.say(_never_asked(rogue, owner)), Answer)


# --- reads ----------------------------------------------------------------------------------------


async def test_wrong_terms_are_not_accepted(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        bundle = await granted(town, owner, rogue, link)
        args = AcceptArgs(rogue.persona_of(owner), bundle.grant.cid, cid_of(b"other terms"))
        said = await link.say(rogue.own(owner, Cmd.ACCEPT, args.value()))
        assert isinstance(said, Answer)
        assert said.code is Code.TERMS


async def test_another_peer_cannot_use_a_grant(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        bundle = await granted(town, owner, rogue, await rogue.greet(owner))
        thief = await town.rogue("thief")
        await thief.meet(owner)
        link = await thief.greet(owner)
        invocation = thief.invocation(
            owner.node.keystore.device.public,
            Cmd.READ,
            bundle.args(TEN).value(),
            sub=rogue.persona_of(owner),
            prf=[bundle.grant.cid],
        )
        said = await link.say(invocation, [bundle.grant.delegation.raw])
        assert isinstance(said, Answer)
        assert said.code in (Code.AUDIENCE, Code.UNKNOWN_GRANT, Code.UNPAIRED)
        args = AcceptArgs(thief.persona_of(owner), bundle.grant.cid, TERMS.cid)
        said = await link.say(thief.own(owner, Cmd.ACCEPT, args.value()))
        assert isinstance(said, Answer)
        assert said.code is Code.UNKNOWN_GRANT


async def test_who_signs_no_window_gets_no_second_and_no_memory(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        bundle = await granted(town, owner, rogue, link)
        door = owner.node.links._door  # pyright: ignore[reportPrivateUsage]  # what it holds
        for _ in range(3):
            for _ in range(20):
                link.session.call(read_of(rogue, owner, bundle).raw, [bundle.grant.delegation.raw])
            windows = 0
            while windows < 8:
                windows += isinstance(await link.until(WindowReceived), WindowReceived)
            await wait_all_tasks_blocked()
            (visit,) = door._visits.values()  # pyright: ignore[reportPrivateUsage]  # likewise
            assert len(visit.readings) == 8
            ended = 0
            while ended < 20:
                event = await link.event()
                # Those that waited for a slot were too old when they got one.
                ended += isinstance(event, RefuseReceived | AnswerReceived)
                assert not isinstance(event, Closed), event
            assert len(visit.readings) == 0
        report = await owner.read(owner.node.receipts.verify)
        assert report.receipts == 0
        assert report.one_sided == 3 * 8


async def test_a_forged_countersignature_ends_the_link(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        bundle = await granted(town, owner, rogue, link)
        number = link.session.call(read_of(rogue, owner, bundle).raw, [bundle.grant.delegation.raw])
        await link.until(WindowReceived)
        link.session.countersign(number, bytes(64), 1)
        ended = await refused_hello(link)
        assert "countersignature" in ended.sentence
        assert (await owner.read(owner.node.receipts.verify)).one_sided == 1
        again = await rogue.greet(owner, last=None)  # and the node goes on
        assert isinstance(await again.say(_never_asked(rogue, owner)), Answer)


async def test_withdrawn_in_the_middle_holds_nothing(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        bundle = await granted(town, owner, rogue, link)
        door = owner.node.links._door  # pyright: ignore[reportPrivateUsage]  # what it holds
        last = None
        for _ in range(4):
            number = link.session.call(
                read_of(rogue, owner, bundle).raw, [bundle.grant.delegation.raw]
            )
            event = await link.until(WindowReceived)
            assert isinstance(event, WindowReceived)
            link.session.refuse(number, Code.BUSY, "changed my mind")
            await link.until_quiet()
            last = event.offer.receipt.cid
        (visit,) = door._visits.values()  # pyright: ignore[reportPrivateUsage]  # likewise
        assert (visit.readings, visit.parts) == ({}, {})
        await link.stream.aclose()
        await settle()
        assert door._visits == {}  # pyright: ignore[reportPrivateUsage]  # likewise
        again = await rogue.greet(owner, last=last)
        assert isinstance(await again.say(_never_asked(rogue, owner)), Answer)
        await both_logs_hold(owner)


@pytest.mark.parametrize("n", [1, 2**40, 2**50])
async def test_an_acknowledgement_of_keys_never_sent_changes_nothing(
    autojump_clock: MockClock, n: int
) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        bundle = await granted(town, owner, rogue, link)
        number = link.session.call(read_of(rogue, owner, bundle).raw, [bundle.grant.delegation.raw])
        event = await link.until(WindowReceived)
        assert isinstance(event, WindowReceived)
        certificate = (
            await owner.read(lambda tx: owner.node.peers.persona(tx, rogue.persona_of(owner)))
        ).certificate
        receipt = offered(event.offer.receipt.value(), event.offer.sig, certificate)
        link.session.countersign(number, countersign(receipt, rogue.persona), n)
        await link.flush()
        await settle()
        given = await owner.read(lambda tx: owner.node.lending.get(tx, bundle.grant.cid))
        assert given.acknowledged == 0
        assert (await owner.read(owner.node.receipts.verify)).receipts == 1


# --- deliveries -----------------------------------------------------------------------------------


def announcing(rogue: Rogue, owner: Party, parts: int, length: int) -> Invocation:
    announced = tuple((bytes(32), length) for _ in range(parts))
    args = DeliverArgs(rogue.persona_of(owner), b"n" * 16, cid_of(b"s"), announced)
    return rogue.own(owner, Cmd.DELIVER, args.value())


async def test_parts_that_never_come_are_not_waited_for(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        began_ms = rogue.now_ms
        said = await link.say(announcing(rogue, owner, 60, 1024 * 1024))
        assert isinstance(said, RefuseReceived)
        assert said.code is Code.BUSY
        assert PART_S * 1000 <= rogue.now_ms - began_ms < 2 * PART_S * 1000


@pytest.mark.parametrize("cmd", ["deliver", "request"])
async def test_parts_without_end_take_no_memory(autojump_clock: MockClock, cmd: str) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        invocation = (
            announcing(rogue, owner, 2, 64 * 1024)
            if cmd == "deliver"
            else _never_asked(rogue, owner)
        )
        said = await link.say(invocation, parts=[bytes(64 * 1024)] * 500)
        if cmd == "deliver":
            assert isinstance(said, Answer)
            assert said.code is Code.MALFORMED
        door = owner.node.links._door  # pyright: ignore[reportPrivateUsage]  # what it holds
        await settle()
        assert door._cellar.held == 0  # pyright: ignore[reportPrivateUsage]  # likewise


async def test_many_deliveries_at_once_share_one_room(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        owner, rogue = await a_lender_and_a_rogue(town)
        link = await rogue.greet(owner)
        for _ in range(4):
            link.session.call(
                announcing(rogue, owner, 40, 1024 * 1024).raw,
                parts=[bytes(1024 * 1024)] * 30,
            )
        codes: list[Code] = []
        while len(codes) < 4:
            event = await link.until(RefuseReceived, AnswerReceived)
            assert isinstance(event, RefuseReceived)
            codes.append(event.code)
        assert codes == [Code.BUSY] * 4
        door = owner.node.links._door  # pyright: ignore[reportPrivateUsage]  # what it holds
        await settle()
        assert door._cellar.held == 0  # pyright: ignore[reportPrivateUsage]  # likewise


# --- keys and revocations of another's grant ------------------------------------------------------


async def test_keys_and_revocations_count_only_from_the_owner(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        owner, reader = await town.party("home"), await town.party("shop")
        await meet(owner, reader)
        await owner.fill(CURVE, DAY, 10)
        given = await lend(owner, reader, TEN)
        held = await reader.read(lambda tx: reader.node.borrowing.get(tx, given.cid))
        rogue = await town.rogue("rogue")
        await rogue.meet(reader)
        link = await rogue.greet(reader)
        forged = make_keyset_of(rogue, held.bundle, GrantKey.generate(rogue.entropy))
        args = KeysArgs(rogue.persona_of(reader), forged).value()
        said = await link.say(rogue.own(reader, Cmd.KEYS, args))
        assert isinstance(said, Answer)
        assert said.code is Code.UNKNOWN_GRANT
        real = await owner.read(lambda tx: owner.node.lending.get(tx, given.cid))
        assert real.keyset is not None
        replayed = KeysArgs(rogue.persona_of(reader), real.keyset).value()
        said = await link.say(rogue.own(reader, Cmd.KEYS, replayed))
        assert isinstance(said, Answer)
        assert said.code is Code.UNKNOWN_GRANT  # whoever brings it must be who lends
        revocation = make_revocation(rogue.persona, dlg=given.cid, paths=[CURVE], t_ms=rogue.now_ms)
        args = RevokeArgs(rogue.persona_of(reader), revocation.signed.raw).value()
        said = await link.say(rogue.own(reader, Cmd.REVOKE, args))
        assert isinstance(said, Answer)
        assert said.code is Code.UNKNOWN_GRANT
        after = await reader.read(lambda tx: reader.node.borrowing.get(tx, given.cid))
        assert after == held

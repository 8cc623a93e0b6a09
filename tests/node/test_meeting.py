"""Two nodes meet by a link: once, in one unit of work, whatever is lost or forged on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from entrenous.crypto.keys import DeviceKey
from entrenous.node.config import Role
from entrenous.node.errors import Away, Refused, UsageError
from entrenous.protocol.command import Cmd, PairAnswer, parse_out
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.pairing import Invite
from entrenous.protocol.receipt import Answer
from entrenous.protocol.session_event import Opened, RefuseReceived
from entrenous.tests.node.two_nodes import (
    DAY_S,
    Party,
    RawLink,
    Rogue,
    a_town,
    meet,
    settle,
)


async def invite_of(party: Party, label: str | None = None) -> Invite:
    return await party.write(
        lambda tx: party.node.meeting.invite(tx, party.node.addresses(), label, party.now_ms)
    )


async def strange(rogue: Rogue, party: Party) -> RawLink:
    link = await rogue.dial(party)
    link.session.hello(None, None, None)
    await link.until(Opened)
    return link


async def pairs_of(party: Party) -> int:
    return len(await party.read(party.node.peers.all))


async def test_both_hold_the_same_pair(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        one, two = await town.party("one"), await town.party("two")
        await meet(one, two)
        there, back = await one.peer("two"), await two.peer("one")
        assert (there.own, there.their) == (back.their, back.own)
        assert there.key == back.key
        assert there.device == two.node.keystore.device.public


async def test_a_person_shows_each_peer_another_persona_an_organisation_one(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        person, firm = await town.party("person"), await town.party("firm", Role.ORGANISATION)
        other = await town.party("other")
        await meet(person, firm)
        await meet(other, firm)
        await meet(person, other)
        assert len({pair.own for pair in await person.read(person.node.peers.all)}) == 2
        assert len({pair.own for pair in await firm.read(firm.node.peers.all)}) == 1


@pytest.mark.parametrize("wrong", ["secret", "expired", "certificate", "inception", "device"])
async def test_a_wrong_scan_pairs_nobody(autojump_clock: MockClock, wrong: str) -> None:
    async with a_town() as town:
        party, rogue = await town.party("home"), await town.rogue("rogue")
        invite = await invite_of(party)
        match wrong:
            case "secret":
                said = rogue.pair_open(replace(invite, secret=b"x" * 16))
            case "expired":
                town.clock.ahead_ms += (DAY_S + 1) * 1000
                said = rogue.pair_open(invite)
            case "certificate":
                other = rogue.certificate(device=DeviceKey.generate(rogue.entropy))
                said = rogue.pair_open(invite, cert=other.signed.raw)
            case "inception":
                other_rogue = await town.rogue("other")
                said = rogue.pair_open(invite, inception=other_rogue.inception.signed.raw)
            case _:
                said = rogue.pair_open(replace(invite, device=rogue.device.public))
        answer = await (await strange(rogue, party)).say(said)
        assert isinstance(answer, RefuseReceived)
        assert await pairs_of(party) == 0
        report = await party.read(party.node.receipts.verify)
        assert report.size == 0  # nothing is logged for a stranger


async def test_a_stranger_may_say_nothing_else(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        party, rogue = await town.party("home"), await town.rogue("rogue")
        link = await strange(rogue, party)
        device = party.node.keystore.device.public
        said = await link.say(rogue.invocation(device, Cmd.REQUEST, {"v": 1}))
        assert isinstance(said, RefuseReceived)
        assert said.code is Code.UNPAIRED
        assert (await party.read(party.node.receipts.verify)).size == 0


async def test_two_scanners_at_once_make_one_pair(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        party = await town.party("home")
        rogues = [await town.rogue(f"rogue-{number}") for number in range(3)]
        invite = await invite_of(party)
        links = [await strange(rogue, party) for rogue in rogues]
        answers: list[Answer | RefuseReceived] = []

        async def scan(rogue: Rogue, link: RawLink) -> None:
            answers.append(await link.say(rogue.pair_open(invite)))

        async with trio.open_nursery() as nursery:
            for rogue, link in zip(rogues, links, strict=True):
                nursery.start_soon(scan, rogue, link)
        assert sum(isinstance(answer, Answer) for answer in answers) == 1
        assert {a.code for a in answers if isinstance(a, RefuseReceived)} == {Code.REPLAY}
        assert await pairs_of(party) == 1


async def test_a_lost_answer_is_had_again_by_the_same_scanner_only(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        party, rogue = await town.party("home"), await town.rogue("rogue")
        invite = await invite_of(party)
        outs: list[PairAnswer] = []
        for _ in range(2):
            answer = await (await strange(rogue, party)).say(rogue.pair_open(invite))
            assert isinstance(answer, Answer)
            out = parse_out(Cmd.PAIR_OPEN, answer.out)
            assert isinstance(out, PairAnswer)
            outs.append(out)
        assert outs[0] == outs[1]
        assert await pairs_of(party) == 1
        other = await town.rogue("other")
        refused = await (await strange(other, party)).say(other.pair_open(invite))
        assert isinstance(refused, RefuseReceived)
        assert refused.code is Code.REPLAY


async def test_a_scan_that_failed_is_repeated_as_the_same_persona(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        one, two = await town.party("one"), await town.party("two")
        invite = await invite_of(one)
        await one.down()
        with pytest.raises(Away):
            await two.node.exchange.pair(invite, "one")
        await one.up()
        await two.node.exchange.pair(invite, "one")
        assert await two.read(lambda tx: two.node.peers.named(tx, "one"))
        assert await pairs_of(one) == await pairs_of(two) == 1


async def test_what_a_scanner_may_not_do_to_itself(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        party, other = await town.party("home"), await town.party("other")
        invite = await invite_of(party)
        with pytest.raises(UsageError, match="own"):
            await party.node.exchange.pair(invite, None)
        with pytest.raises(UsageError, match="can be seen"):
            await other.node.exchange.pair(invite, "\u200b")
        town.clock.ahead_ms += (DAY_S + 1) * 1000
        with pytest.raises(GrantRefused, match="expired"):
            await other.node.exchange.pair(invite, None)
        assert await pairs_of(party) == await pairs_of(other) == 0


async def test_a_name_that_cannot_be_seen_is_no_obstacle(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        party, rogue = await town.party("home"), await town.rogue("\u200b\u202e")
        invite = await invite_of(party)
        answer = await (await strange(rogue, party)).say(rogue.pair_open(invite))
        assert isinstance(answer, Answer)
        assert (await party.peer("peer")).their == rogue.did


async def test_two_of_one_name_are_told_apart(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        party = await town.party("home")
        for seed in ("a", "b", "c"):
            rogue = await town.rogue(seed)
            rogue.name = "shop"
            await rogue.meet(party)
        names = sorted(pair.name for pair in await party.read(party.node.peers.all))
        assert names == ["shop", "shop-2", "shop-3"]


async def test_a_used_link_says_so(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        one, two, three = [await town.party(name) for name in ("one", "two", "three")]
        invite = await invite_of(one)
        await two.node.exchange.pair(invite, None)
        with pytest.raises(Refused, match="already used"):
            await three.node.exchange.pair(invite, None)


async def test_strangers_do_not_stay(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        party, rogue = await town.party("home"), await town.rogue("rogue")
        await strange(rogue, party)
        await settle(120)
        inbound = party.node.links._inbound_open  # pyright: ignore[reportPrivateUsage]  # what it holds
        assert not inbound


async def test_both_dial_at_once_and_one_stream_stays(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        one, two = await town.party("one"), await town.party("two")
        await meet(one, two)
        there, back = await one.peer("two"), await two.peer("one")
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one.node.links.link_to, there)
                nursery.start_soon(two.node.links.link_to, back)
            await settle(30)
            assert len(one.node.links.connected) == len(two.node.links.connected) == 1
            ours, theirs = (
                await one.node.links.link_to(there),
                await two.node.links.link_to(back),
            )
            assert ours.dialled is not theirs.dialled
            lower = one if there.device > back.device else two
            assert (ours if lower is one else theirs).dialled
            await one.down()
            await one.up()


async def test_a_link_ends_with_its_certificates(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        one, two = await town.party("one"), await town.party("two")
        await meet(one, two)
        pair = await one.peer("two")
        first = await one.node.links.link_to(pair)
        assert await one.node.links.link_to(pair) is first
        town.clock.ahead_ms += 16 * DAY_S * 1000
        await settle(120)  # both renew theirs
        assert await one.node.links.link_to(pair) is first
        town.clock.ahead_ms += 15 * DAY_S * 1000
        second = await one.node.links.link_to(await one.peer("two"))
        assert second is not first
        assert second.holds(one.now_ms)

"""Acting for another: a grandmother, her son and a bank; a child and a parent in one vault."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest
import trio

from entrenous.crypto.entropy import SystemEntropy
from entrenous.crypto.keys import PersonaKey
from entrenous.node.config import Role
from entrenous.node.errors import NotAllowed, UsageError
from entrenous.node.grants.inbox import RequestState
from entrenous.node.household.mandate_kept import MandateKept, Side
from entrenous.node.log.receipts import Logged, Way
from entrenous.node.store.database import Tx
from entrenous.protocol.command import (
    Cmd,
    MandateEndArgs,
    MandateNoticeArgs,
    MandatePutArgs,
    RequestArgs,
)
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import Code, GrantRefused
from entrenous.protocol.invocation import issue_invocation
from entrenous.protocol.mandate import Acted, Office, make_end
from entrenous.protocol.receipt import Answer, make_answer
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    Town,
    a_town,
    ask,
    both_logs_hold,
    meet,
    readings,
    request_of,
    settle,
)

WINDOW = Window(CURVE, DAY, DAY + 6)


@dataclass
class Family:
    """Everybody is paired with everybody."""

    town: Town
    mother: Party
    son: Party
    bank: Party

    async def mandate(
        self, *, commands: tuple[Cmd, ...] = (Cmd.REQUEST,), days: int = 365, onward: bool = False
    ) -> MandateKept:
        """The son asks for it, his mother gives it; everybody has heard."""
        son, mother = self.son, self.mother
        principal, at = await son.peer("mother"), await son.peer("bank")
        await son.write(lambda tx: son.node.proxies.ask(tx, principal, at, son.now_ms))
        await settle()
        to, her_bank = await mother.peer("son"), await mother.peer("bank")
        given = await mother.write(
            lambda tx: mother.node.mandates.give(
                tx,
                to,
                her_bank,
                office=Office.PROXY,
                commands=commands,
                exp_s=mother.now_ms // 1000 + days * DAY_S,
                now_ms=mother.now_ms,
                onward=onward,
            )
        )
        await settle()
        return given

    async def her_persona(self) -> str:
        return (await self.mother.peer("bank")).own


async def family(town: Town) -> Family:
    mother, son = await town.party("mother"), await town.party("son")
    bank = await town.party("bank", Role.ORGANISATION)
    await meet(bank, mother)
    await meet(bank, son)
    await meet(mother, son)
    return Family(town, mother, son, bank)


async def ask_for_her(one: Family, mandate: MandateKept) -> bytes:
    """The son asks the bank, in his mother's name, for days of the bank's data."""
    son = one.son
    at = await son.peer("bank")
    request = replace(request_of(at, [WINDOW], son.now_ms), from_did=mandate.mandate.principal)
    cid = await son.write(
        lambda tx: son.node.borrowing.ask(tx, at, request, son.now_ms, mandate.cid)
    )
    await settle()
    return cid


async def answers(party: Party) -> list[tuple[Logged, Answer]]:
    found = await party.read(party.node.receipts.all)
    return [(one, one.word) for one in found if isinstance(one.word, Answer)]


async def test_a_son_asks_the_bank_for_his_mother(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate()
        held = await one.son.read(lambda tx: one.son.node.mandates.held(tx, given.cid))
        assert held.mandate == given.mandate
        lodged = await one.bank.read(one.bank.node.mandates.all)
        assert [(kept.side, kept.cid) for kept in lodged] == [(Side.LODGED, given.cid)]

        cid = await ask_for_her(one, given)
        # At the bank it is her request.
        asked = await one.bank.read(lambda tx: one.bank.node.inbox.get(tx, cid))
        assert asked.their == given.mandate.principal == await one.her_persona()
        # Her own node was told, and counts it as hers.
        hers = await one.mother.read(lambda tx: one.mother.node.asked.get(tx, cid))
        assert hers.state is RequestState.WAITING

        names = Acted(given.mandate.principal, given.mandate.proxy, given.cid)
        for party, way in ((one.bank, Way.GIVEN), (one.son, Way.TAKEN), (one.mother, Way.GIVEN)):
            acted = [answer for logged, answer in await answers(party) if logged.way is way]
            assert names in [answer.acted for answer in acted], party.name

        # What the bank decides goes to her, and she reads it.
        await one.bank.fill(CURVE, DAY, 7)
        await one.bank.write(
            lambda tx: one.bank.node.lending.grant(
                tx, cid, [WINDOW], one.bank.now_ms // 1000 + 20 * DAY_S, one.bank.now_ms
            )
        )
        await settle()
        lent = await one.mother.node.fetcher.fetch(await one.mother.peer("bank"), WINDOW)
        assert lent.batch is not None
        assert len(lent.batch) == 7 * 24
        await both_logs_hold(one.mother, one.son, one.bank)


async def test_a_mandate_that_is_taken_back_is_refused_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate()
        mother, son, bank = one.mother, one.son, one.bank
        await mother.write(lambda tx: mother.node.mandates.end(tx, given.cid, mother.now_ms))
        await settle()
        for party, side in ((mother, Side.GIVEN), (son, Side.HELD), (bank, Side.LODGED)):
            kept = await party.read(
                lambda tx, party=party, side=side: party.node.mandates.find(tx, side, given.cid)
            )
            assert kept is not None
            assert kept.status(bank.now_ms) is GrantStatus.REVOKED
        # A son who says it all the same is refused, with both names, and she is not troubled.
        before = len(await answers(mother))
        cid = await ask_for_her(one, given)
        assert await bank.read(lambda tx: bank.node.inbox.find(tx, cid)) is None
        (_, last) = (await answers(bank))[-1]
        assert last.code is Code.REVOKED
        assert last.acted == Acted(given.mandate.principal, given.mandate.proxy, given.cid)
        asked = await son.read(lambda tx: son.node.asked.get(tx, cid))
        assert asked.state is RequestState.REFUSED
        assert len(await answers(mother)) == before
        # And handing it in again does not bring it back.
        pair = await son.peer("bank")
        again = MandatePutArgs(pair.their, (given.mandate.signed.raw,))
        said = await son.node.exchange.say(pair, Cmd.MANDATE_PUT, again.value())
        assert said.answer.code is Code.REVOKED
        kept = await bank.read(lambda tx: bank.node.mandates.find(tx, Side.LODGED, given.cid))
        assert kept is not None
        assert kept.ended_ms is not None
        await both_logs_hold(mother, son, bank)


async def test_an_end_that_comes_before_its_mandate_holds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, bank = one.mother, one.bank
        await bank.down()
        given = await one.mandate()
        # Hers is lost with her machine; his hands it in, after she has ended it by other means.
        end = make_end(
            (await mother.read(lambda tx: mother.node.peers.persona(tx, given.mandate.giver))).key,
            mandate=given.cid,
            t_ms=mother.now_ms,
        )
        pair = await bank.peer("mother")
        args = MandateEndArgs(pair.own, end.signed.raw)
        assert (
            await bank.write(lambda tx: bank.node.mandates.ended(tx, pair, args, bank.now_ms))
            == "known"
        )
        his = await bank.peer("son")
        put = MandatePutArgs(his.own, (given.mandate.signed.raw,))
        with pytest.raises(GrantRefused) as refused:
            await bank.write(lambda tx: bank.node.mandates.put(tx, his, put, bank.now_ms))
        assert refused.value.code is Code.REVOKED


async def test_nobody_elses_end_stands_in_the_way_of_hers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The son knows his mandate before the bank does, and is paired there as somebody else too."""
    async with a_town() as town:
        one = await family(town)
        bank, mother = one.bank, one.mother
        friend = await town.party("friend")
        await meet(bank, friend)
        await bank.down()
        given = await one.mandate()
        for party, name in ((friend, "friend"), (mother, "mother")):
            own = (await party.peer("bank")).own
            persona = await party.read(partial(party.node.peers.persona, did=own))
            end = make_end(persona.key, mandate=given.cid, t_ms=party.now_ms)
            pair = await bank.peer(name)
            args = MandateEndArgs(pair.own, end.signed.raw)
            ended = partial(bank.node.mandates.ended, pair=pair, args=args, now_ms=bank.now_ms)
            assert await bank.write(ended) == "known"
        his = await bank.peer("son")
        put = MandatePutArgs(his.own, (given.mandate.signed.raw,))
        with pytest.raises(GrantRefused) as refused:
            await bank.write(lambda tx: bank.node.mandates.put(tx, his, put, bank.now_ms))
        assert refused.value.code is Code.REVOKED


async def test_no_mandate_outlives_a_restore_of_where_it_was_handed_in(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate()
        bank, his = one.bank, await one.bank.peer("son")
        await bank.write(lambda tx: bank.node.mandates.forget_lodged(tx, bank.now_ms))
        put = MandatePutArgs(his.own, (given.mandate.signed.raw,))
        with pytest.raises(GrantRefused) as refused:
            await bank.write(lambda tx: bank.node.mandates.put(tx, his, put, bank.now_ms))
        assert refused.value.code is Code.REVOKED
        await ask_for_her(one, given)
        assert (await answers(bank))[-1][1].code is Code.REVOKED


async def test_a_mandate_runs_out(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate(days=2)
        town.clock.ahead_ms += 3 * DAY_S * 1000
        cid = await ask_for_her(one, given)
        assert await one.bank.read(lambda tx: one.bank.node.inbox.find(tx, cid)) is None
        assert (await answers(one.bank))[-1][1].code is Code.EXPIRED
        at = await one.son.peer("bank")
        with pytest.raises(NotAllowed, match="expired"):
            await one.son.read(
                lambda tx: one.son.node.mandates.acting(
                    tx,
                    at.own,
                    at.their,
                    Cmd.REQUEST,
                    one.son.now_ms,
                    {given.mandate.principal},
                )
            )


async def test_nobody_hands_in_or_holds_what_does_not_name_them(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate()
        stranger = await town.party("stranger")
        await meet(one.bank, stranger)
        await meet(stranger, one.son)
        raw = (given.mandate.signed.raw,)
        at_bank, at_son = await stranger.peer("bank"), await stranger.peer("son")
        cases = (
            (at_bank, Cmd.MANDATE_PUT, MandatePutArgs(at_bank.their, raw), Code.AUDIENCE),
            # He asked his mother, not her.
            (at_son, Cmd.MANDATE_PUT, MandatePutArgs(at_son.their, raw), Code.UNKNOWN_GRANT),
        )
        for pair, cmd, args, code in cases:
            said = await stranger.node.exchange.say(pair, cmd, args.value())
            assert said.answer.code is code
        # Nor can she end it.
        key = (await stranger.read(lambda tx: stranger.node.peers.persona(tx, at_bank.own))).key
        end = make_end(key, mandate=given.cid, t_ms=stranger.now_ms)
        args = MandateEndArgs(at_bank.their, end.signed.raw)
        said = await stranger.node.exchange.say(at_bank, Cmd.MANDATE_END, args.value())
        assert said.answer.code is Code.AUDIENCE
        kept = await one.bank.read(
            lambda tx: one.bank.node.mandates.find(tx, Side.LODGED, given.cid)
        )
        assert kept is not None
        assert kept.ended_ms is None


async def test_a_notice_of_what_nobody_mandated_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """An organisation cannot put words into a principal's books."""
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate()
        await ask_for_her(one, given)
        bank, mother = one.bank, one.mother
        hers = await bank.peer("mother")
        (said,) = [answer for _, answer in await answers(bank) if answer.out == "queued"]
        # His own request, shown to her as if it were hers.
        pair = await one.son.peer("bank")
        own = request_of(pair, [WINDOW], one.son.now_ms)
        await one.son.write(lambda tx: one.son.node.borrowing.ask(tx, pair, own, one.son.now_ms))
        await settle()
        (_, to_him) = (await answers(bank))[-1]
        assert to_him.acted is None
        for inv, answer in ((b"", said.signed.raw), (said.signed.raw, to_him.signed.raw)):
            args = MandateNoticeArgs(hers.their, inv, answer)
            told = await bank.node.exchange.say(hers, Cmd.MANDATE_NOTICE, args.value())
            assert told.answer.code is Code.MALFORMED
        asked = await mother.read(mother.node.asked.all)
        assert len(asked) == 1


async def test_a_notice_of_somebody_who_has_no_mandate_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """An organisation signs, with a key of its own, what it says that her proxy said."""
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate()
        bank, mother = one.bank, one.mother
        hers = await bank.peer("mother")
        asked = replace(
            request_of(await one.son.peer("bank"), [WINDOW], bank.now_ms), from_did=hers.their
        )
        nobody = PersonaKey.generate(SystemEntropy())
        inv = issue_invocation(
            nobody,
            sub=hers.their,
            cmd=Cmd.REQUEST,
            args=RequestArgs(hers.own, asked).value(),
            prf=[given.mandate.link(Cmd.REQUEST).cid],
            exp=bank.now_ms // 1000 + 60,
            nonce=b"nonce of sixteen",
        )
        for claimed in (did_of(nobody.public), given.mandate.proxy):
            answer = make_answer(
                bank.node.keystore.device,
                inv=inv.cid,
                code=Code.OK,
                out="queued",
                t_ms=bank.now_ms,
                prev=None,
                acted=Acted(hers.their, claimed, given.cid),
            )
            args = MandateNoticeArgs(hers.their, inv.raw, answer.signed.raw)
            told = await bank.node.exchange.say(hers, Cmd.MANDATE_NOTICE, args.value())
            assert told.answer.code in (Code.UNKNOWN_GRANT, Code.AUDIENCE)
        assert not await mother.read(mother.node.asked.all)


async def test_what_is_passed_on(autojump_clock: trio.testing.MockClock) -> None:
    """The son passes it on to his own daughter; his mother takes it back from both."""
    async with a_town() as town:
        one = await family(town)
        given = await one.mandate(onward=True)
        girl = await town.party("girl")
        await meet(one.bank, girl)
        await meet(one.son, girl)
        to_son, at = await girl.peer("son"), await girl.peer("bank")
        await girl.write(lambda tx: girl.node.proxies.ask(tx, to_son, at, girl.now_ms))
        await settle()
        son, his_bank, his_girl = one.son, await one.son.peer("bank"), await one.son.peer("girl")
        held = await son.read(lambda tx: son.node.mandates.held(tx, given.cid))
        passed = await son.write(
            lambda tx: son.node.mandates.give(
                tx,
                his_girl,
                his_bank,
                office=Office.PROXY,
                commands=(Cmd.REQUEST,),
                exp_s=son.now_ms // 1000 + DAY_S,
                now_ms=son.now_ms,
                under=held,
            )
        )
        await settle()
        request = replace(request_of(at, [WINDOW], girl.now_ms), from_did=given.mandate.principal)
        cid = await girl.write(
            lambda tx: girl.node.borrowing.ask(tx, at, request, girl.now_ms, passed.cid)
        )
        await settle()
        assert await one.bank.read(lambda tx: one.bank.node.inbox.find(tx, cid)) is not None
        # His mother gave none to the girl, and is told all the same.
        assert await one.mother.read(lambda tx: one.mother.node.asked.find(tx, cid)) is not None
        names = Acted(given.mandate.principal, passed.mandate.proxy, passed.cid)
        assert names in [answer.acted for _, answer in await answers(one.mother)]

        mother = one.mother
        await mother.write(lambda tx: mother.node.mandates.end(tx, given.cid, mother.now_ms))
        await settle()
        again = replace(request, refusal="once more")
        await girl.write(lambda tx: girl.node.borrowing.ask(tx, at, again, girl.now_ms, passed.cid))
        await settle()
        assert (await answers(one.bank))[-1][1].code is Code.REVOKED


async def test_a_grandmother_is_not_asked_for_her_vault_by_a_proxy_elsewhere(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        with pytest.raises(UsageError, match="one household"):
            await one.mandate(commands=(Cmd.REQUEST, Cmd.DECIDE))


# --- in one vault ---------------------------------------------------------------------------------

MARKS = "career/school/marks"


async def test_a_parent_decides_for_a_child_of_the_same_vault(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        home, school = await town.party("home"), await town.party("school", Role.ORGANISATION)
        mina = await home.write(lambda tx: home.node.household.add(tx, "Mina", "2014-05-01"))
        ann = await home.write(lambda tx: home.node.household.add(tx, "Ann"))
        for person, name in ((mina, "school of mina"), (ann, "school of ann")):
            await meet_for(school, home, name, (person.number,))
        hers, anns = await home.peer("school of mina"), await home.peer("school of ann")
        assert hers.own != anns.own
        given = await home.write(
            lambda tx: home.node.mandates.give(
                tx,
                anns,
                hers,
                office=Office.PARENT,
                commands=(Cmd.DECIDE,),
                exp_s=mina.of_age_s(18),
                now_ms=home.now_ms,
            )
        )
        await settle()
        assert given.mandate.exp_s == 1_966_982_400  # date -u -d 2032-05-01 +%s
        # The school asks for what Mina has, by a path that says nothing of whose.
        await home.fill(f"{CURVE}/p1", DAY, 7)
        pair = await school.read(lambda tx: school.node.peers.pair(tx, hers.their, hers.own))
        request = request_of(pair, [WINDOW], school.now_ms)
        cid = await school.write(
            lambda tx: school.node.borrowing.ask(tx, pair, request, school.now_ms)
        )
        await settle()
        window = replace(WINDOW, collection=f"{CURVE}/p1")
        granted = await home.write(
            lambda tx: home.node.lending.grant(
                tx, cid, [window], home.now_ms // 1000 + 20 * DAY_S, home.now_ms, given_of(home)(tx)
            )
        )
        await settle()
        names = Acted(hers.own, anns.own, given.cid)
        decided = [answer for _, answer in await answers(home) if answer.out == "kept"]
        assert names in [answer.acted for answer in decided]
        held = await school.read(school.node.borrowing.all)
        assert [one.cid for one in held] == [granted.cid]
        lent = await school.node.fetcher.fetch(pair, window)
        assert lent.batch is not None
        assert len(lent.batch) == 7 * 24
        await both_logs_hold(home, school)


def given_of(home: Party) -> Callable[[Tx], MandateKept]:
    """The one mandate that this vault holds."""

    def find(tx: Tx) -> MandateKept:
        (held,) = (one for one in home.node.mandates.all(tx) if one.side is Side.HELD)
        return held

    return find


async def meet_for(inviter: Party, scanner: Party, name: str, people: tuple[int, ...]) -> None:
    invite = await inviter.write(
        lambda tx: inviter.node.meeting.invite(tx, inviter.node.addresses(), None, inviter.now_ms)
    )
    await scanner.node.exchange.pair(invite, name, people)


async def test_what_a_peer_hands_over_is_kept_as_whom_it_knows(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Two people of one house at one bank: two personas, two collections, one signed path."""
    async with a_town() as town:
        home, bank = await town.party("home"), await town.party("bank", Role.ORGANISATION)
        people = [
            await home.write(lambda tx, name=name: home.node.household.add(tx, name))
            for name in ("Mina", "Tom")
        ]
        for person in people:
            await meet_for(bank, home, f"bank of {person.name}", (person.number,))
        await meet_for(bank, home, "bank of both", (1, 2))
        for name, value in (("Mina", 1), ("Tom", 2), ("both", 3)):
            pair = await home.peer(f"bank of {name}")
            theirs = await bank.read(
                lambda tx, pair=pair: bank.node.peers.pair(tx, pair.their, pair.own)
            )
            batch = readings(DAY, 2, value=value)
            await bank.node.deliveries.deliver(theirs.name, CURVE, batch, bank.now_ms)
            await settle()
        held = await home.read(home.node.vault.collections.all)
        assert [one.path for one in held] == [f"{CURVE}/p1", f"{CURVE}/p1-p2", f"{CURVE}/p2"]
        whose = await home.read(
            lambda tx: [home.node.household.whose(tx, one.path) for one in held]
        )
        assert whose == [(1,), (1, 2), (2,)]
        # Lent on, it is still what the bank signed.
        reader = await town.party("reader")
        await meet(home, reader)
        window = Window(f"{CURVE}/p2", DAY, DAY + 1)
        asked = Window(CURVE, DAY, DAY + 1)
        cid = await ask(reader, home, asked)
        await home.write(
            lambda tx: home.node.lending.grant(
                tx, cid, [window], home.now_ms // 1000 + 20 * DAY_S, home.now_ms
            )
        )
        await settle()
        lent = await reader.node.fetcher.fetch(await reader.peer("home"), window)
        assert [one.reason for one in lent.provenance] == [None]

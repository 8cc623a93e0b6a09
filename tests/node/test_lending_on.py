"""Reading for another: what a bank lends a grandmother, her son reads for her, as she lets him."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from entrenous.node.errors import NodeError, NotAllowed, NotFound, UsageError
from entrenous.node.grants.lent_on import LentOn, LentOnSide
from entrenous.node.store.database import Tx
from entrenous.protocol.command import Cmd, MandateLendArgs, RevokeArgs
from entrenous.protocol.did import Did
from entrenous.protocol.errors import Code
from entrenous.protocol.grant import issue_sub_grant, make_bundle
from entrenous.protocol.limits import LENT_ON_MAX
from entrenous.protocol.receipt import Receipt
from entrenous.protocol.revocation import make_revocation
from entrenous.protocol.trust import GrantStatus
from entrenous.protocol.window import Window
from entrenous.tests.node.test_mandates import Family, family
from entrenous.tests.node.two_nodes import (
    CURVE,
    DAY,
    DAY_S,
    Party,
    a_town,
    ask,
    both_logs_hold,
    meet,
    settle,
)

ALL = Window(CURVE, DAY, DAY + 13)
PART = Window(CURVE, DAY + 2, DAY + 8)


async def granted(
    one: Family, window: Window = ALL, days: int = 25, *, filled: bool = False
) -> bytes:
    """The bank lends her days, and he has said that he would act for her there."""
    son, mother, bank = one.son, one.mother, one.bank
    if not filled:
        await bank.fill(CURVE, DAY, 14)
    request = await ask(mother, bank, window)
    exp_s = bank.now_ms // 1000 + days * DAY_S
    given = await bank.write(
        lambda tx: bank.node.lending.grant(tx, request, [window], exp_s, bank.now_ms)
    )
    principal, at = await son.peer("mother"), await son.peer("bank")
    await son.write(lambda tx: son.node.proxies.ask(tx, principal, at, son.now_ms))
    await settle()
    return given.cid


async def lend_on(one: Family, root: bytes, *windows: Window, days: int = 20) -> LentOn:
    """She lets him read, and everybody has heard."""
    mother = one.mother
    to, owner = await mother.peer("son"), await mother.peer("bank")
    now_ms = mother.now_ms

    def unit(tx: Tx) -> LentOn:
        node = mother.node
        held = node.borrowing.get(tx, root)
        return node.lending_on.lend_on(
            tx,
            held,
            node.borrowing.keys(tx, held),
            to,
            node.proxies.known_as(tx, to, owner, now_ms),
            windows=windows or (PART,),
            exp_s=now_ms // 1000 + days * DAY_S,
            now_ms=now_ms,
        )

    made = await mother.write(unit)
    await settle()
    return made


async def reads(one: Family, window: Window = PART) -> int:
    """How many days he reads for her.  Raises what a fetch raises."""
    son = one.son
    lent = await son.node.fetcher.fetch(
        await son.peer("bank"), window, principal=await son.peer("mother")
    )
    assert lent.damaged == ()
    return 0 if lent.batch is None else len(lent.batch) // 24


async def kept(party: Party, side: LentOnSide, cid: bytes) -> LentOn:
    found = await party.read(lambda tx: party.node.lending_on.find(tx, side, cid))
    assert found is not None
    return found


async def days_opened(party: Party, cid: bytes) -> set[int]:
    """The days that the keys of a grant open, in any generation."""
    held = await party.read(lambda tx: party.node.borrowing.get(tx, cid))
    keys = await party.read(lambda tx: party.node.borrowing.keys(tx, held))
    return {
        day for one in keys.sets for node in one.nodes for day in range(node.first, node.last + 1)
    }


async def test_a_son_reads_for_his_mother(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        root = await granted(one)
        made = await lend_on(one, root)
        assert await reads(one) == 7
        # Exactly these days, not one more.
        assert await days_opened(son, made.cid) == set(range(PART.first, PART.last + 1))
        assert await days_opened(mother, root) == set(range(ALL.first, ALL.last + 1))
        # The receipts of both name him as reader, and by the grant her.
        at = await son.peer("bank")
        for party in (son, bank):
            words = await party.read(party.node.receipts.all)
            receipts = [word.word.body for word in words if isinstance(word.word, Receipt)]
            assert [(body.reader, body.dlg) for body in receipts] == [(at.own, root)]
        # The bank knows who reads for whom; she knows what she lent on, and that he has the keys.
        here = await kept(bank, LentOnSide.HERE, made.cid)
        assert (here.giver, here.reader) == ((await mother.peer("bank")).own, at.own)
        given = await kept(mother, LentOnSide.GIVEN, made.cid)
        assert given.accepted
        # Not for himself, and not beyond what she gave.
        with pytest.raises(NotAllowed, match="granted nothing"):
            await son.node.fetcher.fetch(at, PART)
        with pytest.raises(NodeError, match="not 2"):
            await reads(one, replace(PART, last=PART.last + 1))
        await both_logs_hold(mother, son, bank)


@pytest.mark.parametrize("who", ["mother", "bank", "bank, all of it"])
async def test_what_is_taken_back_ends_at_once(
    who: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        root = await granted(one)
        made = await lend_on(one, root)
        assert await reads(one) == 7
        if who == "mother":
            await mother.write(
                lambda tx: mother.node.lending_on.revoke(tx, made.cid, mother.now_ms)
            )
        elif who == "bank":
            await bank.write(lambda tx: bank.node.lending_on.revoke(tx, made.cid, bank.now_ms))
            # At the bank it holds before anybody is told.
            with pytest.raises(NodeError, match="taken back"):
                await reads(one)
        else:
            await bank.write(lambda tx: bank.node.lending.revoke(tx, root, bank.now_ms))
        await settle()
        with pytest.raises(NodeError, match="taken back"):
            await reads(one)
        held = await son.read(lambda tx: son.node.borrowing.get(tx, made.cid))
        assert held.status(son.now_ms) is GrantStatus.REVOKED
        for party, side in ((mother, LentOnSide.GIVEN), (bank, LentOnSide.HERE)):
            found = await kept(party, side, made.cid)
            status = await party.read(
                lambda tx, party=party, found=found: party.node.lending_on.status(
                    tx, found, party.now_ms
                )
            )
            assert status is GrantStatus.REVOKED
        # She herself goes on, with the new keys; what comes now, he could not open.
        await bank.fill(CURVE, DAY + 3, 1)
        if who != "bank, all of it":
            hers = await mother.node.fetcher.fetch(await mother.peer("bank"), ALL)
            assert hers.damaged == ()
            gen = await bank.read(lambda tx: bank.node.vault.collections.generation(tx, CURVE))
            lost = await son.read(lambda tx: son.node.borrowing.keys(tx, held))
            assert gen not in {one.gen for one in lost.sets}
        await both_logs_hold(mother, son, bank)


async def test_after_a_rotation_he_gets_his_part_of_the_new_keys(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        root = await granted(one)
        made = await lend_on(one, root)
        other = await granted(one, Window(CURVE, DAY, DAY + 1), filled=True)
        await bank.write(lambda tx: bank.node.lending.revoke(tx, other, bank.now_ms))
        await settle()
        await bank.fill(CURVE, DAY + 4, 1)
        gen = await bank.read(lambda tx: bank.node.vault.collections.generation(tx, CURVE))
        held = await son.read(lambda tx: son.node.borrowing.get(tx, made.cid))
        keys = await son.read(lambda tx: son.node.borrowing.keys(tx, held))
        assert gen in {one.gen for one in keys.sets}
        assert await days_opened(son, made.cid) == set(range(PART.first, PART.last + 1))
        assert await reads(one) == 7
        given = await kept(mother, LentOnSide.GIVEN, made.cid)
        assert 0 < given.acknowledged == given.n
        await both_logs_hold(mother, son, bank)


async def test_what_cannot_be_lent_on(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, son = one.mother, one.son
        narrow = Window(CURVE, DAY + 1, DAY + 10)
        root = await granted(one, narrow)
        with pytest.raises(NotAllowed, match="more days"):
            await lend_on(one, root, replace(narrow, last=narrow.last + 1))
        with pytest.raises(NotAllowed, match="for longer"):
            await lend_on(one, root, days=50)
        with pytest.raises(UsageError, match="future"):
            await lend_on(one, root, days=-1)
        # What he reads for her, he does not lend on.
        made = await lend_on(one, root)
        held = await son.read(lambda tx: son.node.borrowing.get(tx, made.cid))
        keys = await son.read(lambda tx: son.node.borrowing.keys(tx, held))
        to = await son.peer("mother")
        with pytest.raises(NotAllowed, match="for another"):
            await son.write(
                lambda tx: son.node.lending_on.lend_on(
                    tx,
                    held,
                    keys,
                    to,
                    to.their,
                    windows=(PART,),
                    exp_s=son.now_ms // 1000 + DAY_S,
                    now_ms=son.now_ms,
                )
            )
        # Somebody who has not said as whom the bank knows them, or whom it does not know.
        stranger = await town.party("stranger")
        await meet(mother, stranger)
        to, at = await mother.peer("stranger"), await mother.peer("bank")
        with pytest.raises(NotFound, match="mandate ask"):
            await mother.read(lambda tx: mother.node.proxies.known_as(tx, to, at, mother.now_ms))
        # Again and again: each would make the bank turn its keys once.
        for _ in range(LENT_ON_MAX - 1):
            await lend_on(one, root)
        with pytest.raises(UsageError, match="already"):
            await lend_on(one, root)


async def test_it_ends_with_its_day(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        root = await granted(one)
        first = Window(CURVE, DAY, DAY + 1)
        await lend_on(one, root, PART, first, days=2)
        assert await reads(one, first) == 2
        # No key passes the day on which it ends, though the grant above does.
        with pytest.raises(NodeError, match="not 2"):
            await reads(one)
        town.clock.ahead_ms += 3 * DAY_S * 1000
        with pytest.raises(NodeError, match="expired"):
            await reads(one, first)


async def test_a_bundle_that_is_wider_or_not_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Whoever holds a key signs what it likes: neither the bank nor he takes it."""
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        narrow = Window(CURVE, DAY, DAY + 5)
        root = await granted(one, narrow)
        held = await mother.read(lambda tx: mother.node.borrowing.get(tx, root))
        key = (await mother.read(lambda tx: mother.node.peers.persona(tx, held.own))).key
        to_son, to_bank = await mother.peer("son"), await mother.peer("bank")
        his = (await son.peer("bank")).own

        def raw(windows: list[Window], exp_s: int, aud: Did = his) -> bytes:
            issued = issue_sub_grant(
                key,
                held.bundle.links,
                aud=aud,
                windows=windows,
                terms=held.bundle.terms,
                exp_s=exp_s,
                nonce=b"n" * 16,
            )
            return make_bundle(
                key,
                issued,
                terms=held.bundle.terms,
                reader_key=to_son.inception.reader_key,
                chain=held.bundle.links,
            ).signed.raw

        soon = mother.now_ms // 1000 + DAY_S
        late = held.bundle.grant.exp_s + 1
        stranger = await town.party("stranger")
        await meet(stranger, son)
        theirs = (await stranger.peer("son")).own
        cases = (
            (raw([ALL], soon), Code.DAYS, Code.DAYS),
            (raw([narrow], late), Code.EXPIRED, Code.EXPIRED),
            (raw([narrow], soon, theirs), Code.UNPAIRED, Code.UNKNOWN_GRANT),
            (held.bundle.signed.raw, Code.AUDIENCE, Code.UNKNOWN_GRANT),
        )
        for bundle, at_bank, at_son in cases:
            for pair, code in ((to_bank, at_bank), (to_son, at_son)):
                args = MandateLendArgs(pair.their, bundle)
                said = await mother.node.exchange.say(pair, Cmd.MANDATE_LEND, args.value())
                assert said.answer.code is code, (said.answer.out, code)
        # Right in itself, but from somebody for whom he does not act.
        pair = await stranger.peer("son")
        args = MandateLendArgs(pair.their, raw([narrow], soon))
        said = await stranger.node.exchange.say(pair, Cmd.MANDATE_LEND, args.value())
        assert said.answer.code is Code.UNKNOWN_GRANT
        assert await son.read(son.node.borrowing.all) == []
        assert await bank.read(bank.node.lending_on.all) == []


async def test_only_who_gave_it_takes_it_back(autojump_clock: trio.testing.MockClock) -> None:
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        root = await granted(one)
        made = await lend_on(one, root, PART)
        at = await son.peer("bank")
        key = (await son.read(lambda tx: son.node.peers.persona(tx, at.own))).key
        own = make_revocation(key, dlg=made.cid, paths=[CURVE], t_ms=son.now_ms)
        said = await son.node.exchange.say(
            at, Cmd.REVOKE, RevokeArgs(at.their, own.signed.raw).value()
        )
        assert said.answer.code is not Code.OK
        # She cannot turn the keys of collections that she did not lend on.
        hers = await mother.peer("bank")
        key = (await mother.read(lambda tx: mother.node.peers.persona(tx, hers.own))).key
        wide = make_revocation(
            key, dlg=made.cid, paths=["finance/accounts/transactions"], t_ms=mother.now_ms
        )
        said = await mother.node.exchange.say(
            hers, Cmd.REVOKE, RevokeArgs(hers.their, wide.signed.raw).value()
        )
        assert said.answer.code is Code.COLLECTION
        # Taken back, it is not brought back by showing it again.
        await mother.write(lambda tx: mother.node.lending_on.revoke(tx, made.cid, mother.now_ms))
        await settle()
        args = MandateLendArgs(hers.their, made.bundle.signed.raw)
        said = await mother.node.exchange.say(hers, Cmd.MANDATE_LEND, args.value())
        assert said.answer.code is Code.REVOKED
        with pytest.raises(UsageError, match="already"):
            await bank.write(lambda tx: bank.node.lending_on.revoke(tx, made.cid, bank.now_ms))


async def test_what_was_lent_on_and_ran_out_opens_nothing_that_comes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It ends before the grant above it: the owner turns the keys, and hers are the new ones."""
    async with a_town() as town:
        one = await family(town)
        mother, son, bank = one.mother, one.son, one.bank
        root = await granted(one)
        made = await lend_on(one, root, days=2)
        assert await reads(one, Window(CURVE, DAY + 2, DAY + 2)) == 1
        town.clock.ahead_ms += 2 * DAY_S * 1000 + 1
        await bank.fill(CURVE, DAY + 2, 1, value=9)
        await settle(90)  # until the house is kept
        present = await bank.read(lambda tx: bank.node.vault.collections.generation(tx, CURVE))
        for reader, cid, opens in ((mother, root, True), (son, made.cid, False)):
            held = await reader.read(lambda tx, r=reader, c=cid: r.node.borrowing.get(tx, c))
            keys = await reader.read(lambda tx, r=reader, h=held: r.node.borrowing.keys(tx, h))
            assert (present in {found.gen for found in keys.sets}) is opens
        # Once, and whatever the clock says later.
        assert await bank.write(lambda tx: bank.node.lending_on.expire(tx, bank.now_ms)) == 0
        town.clock.ahead_ms -= 30_000
        with pytest.raises(NodeError, match="expired"):
            await reads(one, Window(CURVE, DAY + 2, DAY + 2))

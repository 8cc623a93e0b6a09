"""Who a peer is: whole nodes, an organisation with a card, domains that answer or not, vouches."""

# pyright: reportUnknownMemberType=false
# Reason: libp2p installs trio-typing, whose stale stubs hide trio's own types from pyright.

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest
import trio
import trustme
from trio.testing import MockClock

from entrenous.crypto.keys import PersonaKey
from entrenous.node.client import Client
from entrenous.node.config import IdentitySettings, Role
from entrenous.node.errors import NotAllowed, NotFound, UsageError
from entrenous.node.network.well_known import DomainSilent, DomainWithout
from entrenous.node.offline import DirectChannel
from entrenous.node.operations import Host
from entrenous.node.peers.cards import VERSIONS_MAX
from entrenous.node.peers.domain_looks import PROOF_KEPT_MS
from entrenous.node.results.peers import CardInfo, Level, StandingInfo, VouchAnswer, VouchInfo
from entrenous.node.shape import from_value, to_value
from entrenous.node.store.home import Home
from entrenous.protocol.card import Card, Change, SignedCard, make_card
from entrenous.protocol.command import CardPutArgs, Cmd, VouchAskArgs
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import Code
from entrenous.protocol.receipt import Answer
from entrenous.protocol.vouch import blinded, make_vouch
from entrenous.protocol.well_known import well_known_text
from entrenous.protocol.wire import Value
from entrenous.tests.node.hostile_https import a_site, answer, asker
from entrenous.tests.node.two_nodes import (
    Party,
    RawLink,
    Rogue,
    Town,
    TrioClock,
    a_town,
    meet,
    settle,
)
from entrenous.tests.protocol.card_samples import WRITTEN

T = TypeVar("T")
DOMAIN = "example.org"
DAY_MS = 86_400_000
LESS = {"who": {"legal_name": "X"}, "earns": "Nothing.", "domain": DOMAIN}


@dataclass
class FakeInternet:
    """Domains and what each publishes: a document, or what is raised."""

    says: dict[str, str | Exception] = field(default_factory=dict[str, "str | Exception"])
    asked: list[str] = field(default_factory=list[str])
    slow_s: float = 0.01

    async def fetch(self, domain: str) -> bytes:
        self.asked.append(domain)
        await trio.sleep(self.slow_s)
        found = self.says.get(domain, DomainSilent(f"{domain} cannot be reached"))
        if isinstance(found, Exception):
            raise found
        return found.encode()


def client_of(party: Party) -> Client:
    return Client(DirectChannel(Host(party.node, Home(Path("/nowhere")), True, "test")))


async def show(party: Party, written: Mapping[str, object] = WRITTEN) -> CardInfo:
    made = await client_of(party).set_card(written)  # type: ignore[arg-type]  # a mapping as it is written
    await settle()
    return made


async def standing(party: Party, peer: str) -> StandingInfo:
    return await client_of(party).standing(peer)


async def bank_of(town: Town) -> Party:
    return await town.party("bank", Role.ORGANISATION)


async def did_of_bank(bank: Party) -> Did:
    return await bank.write(lambda tx: bank.node.peers.public_persona(tx, bank.now_ms).did)


# --- cards ----------------------------------------------------------------------------------------


async def test_a_card_is_shown_to_everyone_and_again_when_it_changes(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        bank, ann, ben = await bank_of(town), await town.party("ann"), await town.party("ben")
        await meet(bank, ann)  # ann scans; ann was there before the card
        made = await show(bank)
        await meet(ben, bank)  # the bank scans; the card was there before ben
        await settle()
        for person in (ann, ben):
            found = await client_of(person).card("bank")
            assert (found.card, found.cid) == (made.card, made.cid)
            assert found.card.name == "Example Bank"
            assert [one.changes for one in found.versions] == [()]
            with pytest.raises(NotFound, match="no card of its own"):
                await client_of(person).card()
        with pytest.raises(NotFound, match="ann has shown no card"):
            await client_of(bank).card("ann")

        town.clock.ahead_ms += DAY_MS
        changed = await show(bank, {**WRITTEN, "earns": "It sells data now."})
        assert changed.card.n > made.card.n
        for person in (ann, ben):
            found = await client_of(person).card("bank")
            assert found.card.earns == "It sells data now."
            assert [one.changes for one in found.versions] == [
                (),
                (Change("earns", str(WRITTEN["earns"]), "It sells data now."),),
            ]


async def test_the_same_words_again_change_nothing(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        bank, ann = await bank_of(town), await town.party("ann")
        await meet(bank, ann)
        made = await show(bank)
        assert (await show(bank)).cid == made.cid
        assert len((await client_of(ann).card("bank")).versions) == 1


async def test_a_person_has_no_card(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ann = await town.party("ann")
        with pytest.raises(NotAllowed, match="an organisation's"):
            await client_of(ann).set_card({})
        with pytest.raises(NotAllowed, match="only an organisation"):
            await client_of(ann).well_known()


async def test_a_card_that_is_wrong_is_one_sentence_and_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        bank, ann = await bank_of(town), await town.party("ann")
        await meet(bank, ann)
        made = await show(bank)
        slips: list[dict[str, object]] = [{"domain": "localhost"}, {"who": {}}, {"x": 1}]
        for wrong in ({**WRITTEN, **slip} for slip in slips):
            with pytest.raises(UsageError):
                await client_of(bank).set_card(wrong)  # type: ignore[arg-type]  # as above
        assert (await client_of(bank).card()).cid == made.cid


async def test_to_a_peer_that_was_away_only_the_newest_card_is_said(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        bank, ann = await bank_of(town), await town.party("ann")
        await meet(bank, ann)
        await ann.down()
        for earns in ("One.", "Two.", "Three."):
            await show(bank, {**WRITTEN, "earns": earns})
        await ann.up()
        await settle(1200)
        found = await client_of(ann).card("bank")
        assert found.card.earns == "Three."
        assert len(found.versions) == 1
        assert await bank.read(bank.node.store.outbox.count) == 0


async def test_a_flurry_of_cards_leaves_the_one_before_it_in_sight(
    autojump_clock: MockClock,
) -> None:
    async with a_town() as town:
        bank, ann = await bank_of(town), await town.party("ann")
        await meet(bank, ann)
        await show(bank)
        for number in range(VERSIONS_MAX + 4):
            await show(bank, {**WRITTEN, "earns": f"Today {number}."})
        found = await client_of(ann).card("bank")
        assert len(found.versions) == 2
        assert found.versions[-1].changes[0].before == WRITTEN["earns"]
        for number in range(VERSIONS_MAX + 4):
            town.clock.ahead_ms += DAY_MS
            await show(bank, {**WRITTEN, "earns": f"Day {number}."})
        found = await client_of(ann).card("bank")
        assert len(found.versions) == VERSIONS_MAX


# --- peers that lie about themselves --------------------------------------------------------------


def card_of(rogue: Rogue, n: int, key: PersonaKey | None = None, **changed: object) -> SignedCard:
    from entrenous.protocol.card import card_from_mapping

    signer = key or rogue.persona
    written = {**LESS, **changed}
    card = card_from_mapping(written, did=did_of(signer.public), n=n, t_ms=1, name=rogue.name)
    return make_card(signer, card)


async def put(link: RawLink, rogue: Rogue, party: Party, raw: bytes) -> tuple[Code, Value]:
    args = CardPutArgs(rogue.persona_of(party), raw)
    said = await link.say(rogue.own(party, Cmd.CARD_PUT, args.value()))
    assert isinstance(said, Answer)
    return said.code, said.out


async def test_a_card_does_not_go_back_and_is_nobody_elses(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        ann, rogue = await town.party("ann"), await town.rogue("rogue")
        await rogue.meet(ann)
        link = await rogue.greet(ann)
        five = card_of(rogue, 5)
        assert await put(link, rogue, ann, five.raw) == (Code.OK, 5)
        assert await put(link, rogue, ann, five.raw) == (Code.OK, 5)
        for older in (card_of(rogue, 4), card_of(rogue, 5, earns="Another five.")):
            code, sentence = await put(link, rogue, ann, older.raw)
            assert code is Code.REPLAY
            assert "came after" in str(sentence)
        other = PersonaKey(bytes([9]) * 32)
        code, _ = await put(link, rogue, ann, card_of(rogue, 6, other).raw)
        assert code is Code.AUDIENCE
        forged = bytearray(card_of(rogue, 7).raw)
        forged[-1] ^= 1
        for raw in (bytes(forged), b"", b"\xa0", five.raw + b"\x00"):
            code, _ = await put(link, rogue, ann, raw)
            assert code is Code.MALFORMED
        found = await client_of(ann).card("rogue")
        assert (found.cid, len(found.versions)) == (five.cid, 1)


async def test_a_name_that_looks_like_another_peers_is_marked(autojump_clock: MockClock) -> None:
    internet = FakeInternet()
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=internet)
        rogue = await town.rogue("bank-support")
        await rogue.meet(ann)  # the imitator is there first
        link = await rogue.greet(ann)
        await put(link, rogue, ann, card_of(rogue, 1, name="Examp1e B\u0430nk").raw)
        await meet(bank, ann)
        await show(bank)
        # Both unknown: whoever came later is looked at twice.
        assert (await standing(ann, "bank")).looks_like == ("bank-support",)
        assert (await standing(ann, "bank-support")).looks_like == ()
        # Once one is known by its domain, it is the other.
        internet.says[DOMAIN] = well_known_text([await did_of_bank(bank)])
        await client_of(ann).check_domains()
        assert (await standing(ann, "bank")).looks_like == ()
        found = await standing(ann, "bank-support")
        assert (found.level, found.looks_like) == (Level.UNKNOWN, ("bank",))


# --- domains --------------------------------------------------------------------------------------


async def test_known_by_domain_is_said_by_both(autojump_clock: MockClock) -> None:
    internet = FakeInternet()
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=internet)
        _, document = await client_of(bank).well_known()
        internet.says[DOMAIN] = document
        await meet(bank, ann)
        assert (await standing(ann, "bank")).why == "it has shown no card"
        await show(bank, {**WRITTEN, "domain": None})
        assert (await standing(ann, "bank")).why == "its card names no domain"
        assert internet.asked == []
        await show(bank)
        found = await standing(ann, "bank")
        assert (found.level, found.domain, found.why) == (Level.DOMAIN, DOMAIN, None)
        assert internet.asked == [DOMAIN]
        # What the command prints is what the domain has to publish.
        assert (await client_of(bank).well_known())[0] == DOMAIN


async def test_a_claim_that_the_domain_does_not_make_is_unknown(
    autojump_clock: MockClock,
) -> None:
    internet = FakeInternet()
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=internet)
        rogue = await town.rogue("rogue")
        internet.says[DOMAIN] = well_known_text([await did_of_bank(bank)])
        await rogue.meet(ann)
        link = await rogue.greet(ann)
        assert (await put(link, rogue, ann, card_of(rogue, 1).raw))[0] is Code.OK
        await settle()
        found = await standing(ann, "rogue")
        assert found.level is Level.UNKNOWN
        assert found.why == f"{DOMAIN} does not name the key of this peer"


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (DomainSilent("example.org cannot be reached"), "cannot be reached"),
        (DomainWithout("example.org publishes no /.well-known/entrenous"), "publishes no"),
        ("<html>", "cannot be used"),
        ('{"v": 2}', "cannot be used"),
    ],
)
async def test_every_failure_is_quiet(
    autojump_clock: MockClock, says: str | Exception, why: str
) -> None:
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=FakeInternet({DOMAIN: says}))
        await show(bank)
        await meet(bank, ann)
        await settle()
        found = await standing(ann, "bank")
        assert found.level is Level.UNKNOWN
        assert why in str(found.why)


async def test_meeting_does_not_wait_for_a_domain(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=FakeInternet(slow_s=4_000))
        await show(bank)
        began = trio.current_time()
        await meet(bank, ann)
        assert trio.current_time() - began < 1
        found = await client_of(ann).standing("bank", wait_ms=1_500)
        assert trio.current_time() - began < 3
        assert found.level is Level.UNKNOWN
        assert found.why == "the domain has not been asked yet"


async def test_who_was_just_met_is_waited_for_no_longer_than_needed(
    autojump_clock: MockClock,
) -> None:
    internet = FakeInternet(slow_s=0.2)
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=internet)
        internet.says[DOMAIN] = well_known_text([await did_of_bank(bank)])
        await show(bank)
        await meet(bank, ann)
        began = trio.current_time()
        found = await client_of(ann).standing("bank", wait_ms=50_000)
        assert found.level is Level.DOMAIN
        assert trio.current_time() - began < 5


async def test_a_domain_is_asked_weekly_and_what_it_says_then_counts(
    autojump_clock: MockClock,
) -> None:
    internet = FakeInternet()
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=internet)
        document = well_known_text([await did_of_bank(bank)])
        internet.says[DOMAIN] = document
        await show(bank)
        await meet(bank, ann)
        await settle()
        assert len(internet.asked) == 1
        await sleep_days(ann, 6)
        assert len(internet.asked) == 1
        await sleep_days(ann, 2)
        assert len(internet.asked) == 2
        # Silent: nothing changes for a month, and a domain that is down is not pestered.
        del internet.says[DOMAIN]
        for _ in range(20):
            await sleep_days(ann, 1)
        assert (await standing(ann, "bank")).level is Level.DOMAIN
        assert len(internet.asked) < 30
        await sleep_days(ann, 15)
        found = await standing(ann, "bank")
        assert (found.level, found.domain) == (Level.UNKNOWN, None)
        assert found.why == f"{DOMAIN} cannot be reached"
        # Back again.
        internet.says[DOMAIN] = document
        await sleep_days(ann, 2)
        assert (await standing(ann, "bank")).level is Level.DOMAIN
        # The file is taken away: at the next look it is over, at once.
        internet.says[DOMAIN] = DomainWithout(f"{DOMAIN} publishes no document")
        await client_of(ann).check_domains("bank")
        assert (await standing(ann, "bank")).level is Level.UNKNOWN


async def sleep_days(party: Party, days: int) -> None:
    """The node is off for so long: a month of its idle minutes is not simulated one by one."""
    await party.down()
    clock = party.node.clock
    assert isinstance(clock, TrioClock)
    clock.ahead_ms += days * DAY_MS
    await party.up()
    await settle()


async def test_a_silent_domain_is_tried_again_in_an_hour(autojump_clock: MockClock) -> None:
    internet = FakeInternet()
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=internet)
        await show(bank)
        await meet(bank, ann)
        await settle()
        internet.says[DOMAIN] = well_known_text([await did_of_bank(bank)])
        await settle(3_000)
        assert len(internet.asked) == 1
        await settle(1_000)
        assert len(internet.asked) == 2
        assert (await standing(ann, "bank")).level is Level.DOMAIN


async def test_a_clock_that_went_back_does_not_keep_a_proof_for_ever(
    autojump_clock: MockClock,
) -> None:
    internet = FakeInternet()
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=internet)
        internet.says[DOMAIN] = well_known_text([await did_of_bank(bank)])
        await show(bank)
        await meet(bank, ann)
        await settle()
        town.clock.ahead_ms -= PROOF_KEPT_MS + DAY_MS
        assert (await standing(ann, "bank")).level is Level.UNKNOWN
        # At the next start it is asked again, not only once that time has come again.
        await sleep_days(ann, 0)
        assert len(internet.asked) == 2
        assert (await standing(ann, "bank")).level is Level.DOMAIN


async def test_another_domain_in_a_new_card_starts_from_nothing(
    autojump_clock: MockClock,
) -> None:
    internet = FakeInternet()
    async with a_town() as town:
        bank = await bank_of(town)
        ann = await town.party("ann", well_known=internet)
        internet.says[DOMAIN] = well_known_text([await did_of_bank(bank)])
        await show(bank)
        await meet(bank, ann)
        await settle()
        await show(bank, {**WRITTEN, "domain": "elsewhere.example"})
        found = await standing(ann, "bank")
        assert (found.level, found.domain) == (Level.UNKNOWN, None)
        assert internet.asked == [DOMAIN, "elsewhere.example"]


async def test_a_node_may_be_told_to_ask_no_domain(autojump_clock: MockClock) -> None:
    internet = FakeInternet()
    async with a_town() as town:
        bank = await bank_of(town)
        off = IdentitySettings(check_domains=False)
        ann = await town.party("ann", well_known=internet, identity=off)
        await show(bank)
        await meet(bank, ann)
        await settle()
        await sleep_days(ann, 20)
        assert internet.asked == []
        assert "asks no domains" in str((await standing(ann, "bank")).why)
        with pytest.raises(NotAllowed, match="check_domains is false"):
            await client_of(ann).check_domains()


async def test_over_real_tls_from_card_to_standing() -> None:
    """The whole way, with nothing put in its place but where names lead and who is trusted."""
    authority = trustme.CA()
    async with a_town() as town:
        bank = await bank_of(town)
        _, document = await client_of(bank).well_known()
        async with a_site(authority, answer(document.encode()), names=(DOMAIN,)) as site:
            ann = await town.party("ann", well_known=asker(site, authority))
            await client_of(bank).set_card(WRITTEN)  # type: ignore[arg-type]  # as above
            await meet(bank, ann)
            found = await client_of(ann).standing("bank", wait_ms=20_000)
            assert (found.level, found.domain) == (Level.DOMAIN, DOMAIN)
            assert len(site.requests) == 1


# --- vouches --------------------------------------------------------------------------------------


async def three_and_a_bank(town: Town, **ben_is: IdentitySettings) -> tuple[Party, ...]:
    """ann knows ben, cat and the bank; ben and the bank know each other; cat knows ann only."""
    bank, ann = await bank_of(town), await town.party("ann")
    ben = await town.party("ben", **ben_is)  # type: ignore[arg-type]  # `identity` only
    cat = await town.party("cat")
    for one, other in ((bank, ann), (bank, ben), (ann, ben), (ann, cat)):
        await meet(one, other)
    await show(bank)
    return bank, ann, ben, cat


async def test_a_vouch_is_told_to_who_asks(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        _, ann, ben, _ = await three_and_a_bank(town)
        given = await client_of(ben).vouch("bank")
        assert (given.peer, given.told) == ("bank", ("ann",))
        assert await client_of(ben).vouches() == (given,)
        # Nothing is pushed.
        await settle(600)
        assert (await standing(ann, "bank")).level is Level.UNKNOWN
        assert await client_of(ann).acquaintances() == ("ben", "cat")
        found = await client_of(ann).ask_vouches("bank")
        assert found == (VouchAnswer("ben", True, None), VouchAnswer("cat", False, None))
        known = await standing(ann, "bank")
        assert (known.level, known.vouchers) == (Level.VOUCHED, ("ben",))
        # Asked again it is still one.
        await client_of(ann).ask_vouches("bank", ["ben"])
        assert (await standing(ann, "bank")).vouchers == ("ben",)
        # Withdrawn: whoever asks again hears it.
        await client_of(ben).withdraw_vouch("bank")
        assert await client_of(ann).ask_vouches("bank", ["ben"]) == (
            VouchAnswer("ben", False, None),
        )
        assert (await standing(ann, "bank")).level is Level.UNKNOWN
        with pytest.raises(NotFound, match="do not vouch"):
            await client_of(ben).withdraw_vouch("bank")


async def test_a_vouch_counts_for_a_year(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        _, ann, ben, _ = await three_and_a_bank(town)
        await client_of(ben).vouch("bank")
        await client_of(ann).ask_vouches("bank")
        town.clock.ahead_ms += 364 * DAY_MS
        assert (await standing(ann, "bank")).level is Level.VOUCHED
        town.clock.ahead_ms += 2 * DAY_MS
        assert (await standing(ann, "bank")).level is Level.UNKNOWN


async def test_who_was_not_named_or_came_later_hears_nothing(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        bank, ann, ben, cat = await three_and_a_bank(town)
        await client_of(ben).vouch("bank")
        dan = await town.party("dan")
        await meet(bank, dan)
        await meet(ben, dan)
        await settle()
        assert await client_of(dan).ask_vouches("bank") == (VouchAnswer("ben", False, None),)
        # The organisation itself is no acquaintance: it is not told, and cannot ask.
        assert (await client_of(bank).acquaintances())[0] == "ann"
        # Named for others only.
        await meet(ben, cat)
        await client_of(ben).vouch("bank", ["cat"])
        assert await client_of(ann).ask_vouches("bank", ["ben"]) == (
            VouchAnswer("ben", False, None),
        )


async def test_answering_may_be_switched_off(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        off = IdentitySettings(answer_vouches=False)
        _, ann, ben, _ = await three_and_a_bank(town, identity=off)
        await client_of(ben).vouch("bank")
        assert await client_of(ann).ask_vouches("bank", ["ben"]) == (
            VouchAnswer("ben", False, None),
        )


async def test_only_what_has_a_card_is_vouched_for(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        _, ann, ben, _ = await three_and_a_bank(town)
        with pytest.raises(UsageError, match="ann has shown no card"):
            await client_of(ben).vouch("ann")
        with pytest.raises(UsageError, match="ben has shown no card"):
            await client_of(ann).ask_vouches("ben")
        with pytest.raises(NotFound):
            await client_of(ben).vouch("nobody")
        with pytest.raises(UsageError, match="nobody to tell"):
            await client_of(ben).vouch("bank", ["bank"])


async def test_a_peer_that_is_away_is_said_to_be(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        _, ann, ben, _ = await three_and_a_bank(town)
        await ben.down()
        (found,) = await client_of(ann).ask_vouches("bank", ["ben"])
        assert not found.vouches
        assert found.failed is not None


async def test_a_question_shows_the_organisation_only_to_who_knows_it(
    autojump_clock: MockClock,
) -> None:
    """What is sent is a digest under a nonce of its own: another each time, no DID in it."""
    heard: list[VouchAskArgs] = []
    async with a_town() as town:
        bank, ann, ben, _ = await three_and_a_bank(town)
        inner = ben.node.vouches.answer

        def listen(tx: object, pair: object, args: VouchAskArgs, now_ms: int) -> Value:
            heard.append(args)
            return inner(tx, pair, args, now_ms)  # type: ignore[arg-type]  # passed through

        listening(ben, listen)
        await client_of(ann).ask_vouches("bank", ["ben"])
        await client_of(ann).ask_vouches("bank", ["ben"])
        did = await did_of_bank(bank)
        first, second = heard
        assert first.nonce != second.nonce
        assert first.about == blinded(first.nonce, did)
        assert did not in str(first.value())


def listening(party: Party, answer: Callable[..., Value]) -> None:
    """Have the handler of questions be another."""
    acting = party.node.links._door._acting  # pyright: ignore[reportPrivateUsage]  # nothing public leads there
    table = dict(acting._table)  # pyright: ignore[reportPrivateUsage]  # as above
    table[VouchAskArgs] = answer
    acting._table = table  # pyright: ignore[reportPrivateUsage]  # as above


@pytest.mark.parametrize("lie", ["another's", "about another", "to another", "garbage", "its own"])
async def test_a_vouch_that_is_not_an_answer_is_not_counted(
    autojump_clock: MockClock, lie: str
) -> None:
    async with a_town() as town:
        bank, ann, ben, _ = await three_and_a_bank(town)
        about = await did_of_bank(bank)
        pair = await ben.peer("ann")
        persona = await ben.read(lambda tx: ben.node.peers.persona(tx, pair.own))
        stranger = PersonaKey(bytes([9]) * 32)
        nobody = did_of(stranger.public)
        raw = {
            "another's": make_vouch(stranger, about=about, to=pair.their, t_ms=1).signed.raw,
            "about another": make_vouch(
                persona.key, about=nobody, to=pair.their, t_ms=1
            ).signed.raw,
            "to another": make_vouch(persona.key, about=about, to=nobody, t_ms=1).signed.raw,
            "garbage": b"\x80",
            "its own": make_vouch(persona.key, about=persona.did, to=pair.their, t_ms=1).signed.raw,
        }[lie]
        listening(ben, lambda *_: raw)
        (found,) = await client_of(ann).ask_vouches("bank", ["ben"])
        assert not found.vouches
        assert found.failed is not None
        assert (await standing(ann, "bank")).level is Level.UNKNOWN


# --- what crosses the control socket --------------------------------------------------------------


async def test_results_cross_as_they_are(autojump_clock: MockClock) -> None:
    async with a_town() as town:
        bank, ann = await bank_of(town), await town.party("ann")
        await meet(bank, ann)
        await show(bank)
        await show(bank, {**WRITTEN, "earns": "More."})
        card = await client_of(ann).card("bank")
        given = VouchInfo("bank", card.card.did, 1, ("ben",))
        for thing in (card, given, VouchAnswer("ben", False, "away")):
            assert from_value(type(thing), to_value(thing)) == thing
        assert isinstance(card.card, Card)
        assert replace(card.card, n=1) != card.card

"""Shared records: the states of a copy, what may follow what, and two sides whose words cross."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.errors import BadSignature
from entrenous.crypto.keys import PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import (
    CapabilityError,
    Code,
    GrantRefused,
    RecordError,
    StatementError,
    WireError,
)
from entrenous.protocol.limits import SHARED_RECORD_BYTES_MAX, SHARED_VERSIONS_MAX
from entrenous.protocol.schema import METER_READING, TRANSACTION, projection
from entrenous.protocol.shared_copy import (
    ANSWER_OF,
    EVENT_OF,
    TABLE,
    Copies,
    CopyEvent,
    CopyState,
    check_next,
)
from entrenous.protocol.shared_proof import SharedProof, make_proof, parse_proof
from entrenous.protocol.shared_record import (
    Record,
    SharedVersion,
    SharedWord,
    Told,
    check_between,
    check_name,
    check_told,
    make_version,
    parse_told,
    parse_version,
    same_record,
)
from entrenous.protocol.signed import sign
from entrenous.tests.protocol import spec_shared
from entrenous.tests.protocol.spec_shared import (
    accepted,
    answered,
    copies,
    corrected,
    disputed,
    proposed,
    told,
)
from entrenous.tests.protocol.spec_world import T_MS, cast

WHO = cast()
PERSON, BANK = did_of(WHO.person.public), did_of(WHO.supplier.public)
NAME = spec_shared.name()
BEGUN = Copies(NAME, PERSON, BANK, told())


def version(
    key: PersonaKey,
    word: SharedWord,
    record: Record | None,
    *,
    n: int = 0,
    prev: bytes | None = None,
    seen: bytes | None = None,
    reason: str = "",
    to: Did | None = None,
) -> SharedVersion:
    return make_version(
        key,
        to=to or (BANK if key is WHO.person else PERSON),
        name=NAME,
        n=n,
        prev=prev,
        seen=seen,
        word=word,
        record=record,
        reason=reason,
        t_ms=T_MS,
    )


def saying(text: str) -> Record:
    return {**told().record, "note": text}


# --- the table ------------------------------------------------------------------------------------


def test_every_state_and_event_is_reached_and_what_is_not_in_the_table_is_impossible() -> None:
    assert {state for state, _ in TABLE} == set(CopyState) == set(TABLE.values())
    assert {event for _, event in TABLE} == set(CopyEvent)
    assert set(EVENT_OF) == set(SharedWord)
    # Nothing was asked: nothing to take back, nothing to contest; what was accepted stays accepted.
    missing = {(s, e) for s in CopyState for e in CopyEvent} - set(TABLE)
    assert missing == {
        (CopyState.HELD, CopyEvent.WITHDRAW),
        (CopyState.HELD, CopyEvent.CONTESTED),
        (CopyState.SETTLED, CopyEvent.WITHDRAW),
        (CopyState.SETTLED, CopyEvent.CONTESTED),
    }
    assert set(ANSWER_OF.values()) == {CopyEvent.TAKEN, CopyEvent.CONTESTED}


def test_an_address_at_the_bank_step_by_step() -> None:
    assert BEGUN.copy(BANK).record == told().record
    assert not BEGUN.copy(PERSON).said
    assert not BEGUN.agree
    one = BEGUN.with_version(proposed())
    assert (one.copy(PERSON).state, one.copy(BANK).state) == (CopyState.PROPOSED, CopyState.HELD)
    two = one.with_version(disputed())
    assert two.copy(PERSON).state is CopyState.DISPUTED
    assert (two.copy(BANK).record, two.copy(PERSON).record) == (told().record, corrected())
    assert not two.agree
    three = two.with_version(accepted())
    assert three == copies()
    assert [three.copy(who).state for who in (PERSON, BANK)] == [CopyState.SETTLED] * 2
    assert three.agree
    assert [one.word for one in three.of(BANK)] == [SharedWord.DISPUTED, SharedWord.ACCEPTED]


# --- what a version is ----------------------------------------------------------------------------


def test_a_version_comes_back_as_it_was_signed() -> None:
    for one in copies().versions:
        assert parse_version(one.raw) == one
        assert one.raw not in repr(one).encode()
        assert "New Street" not in repr(one)
    assert parse_told(told().raw) == told()


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "c2"},
        {"id": 7},
        {"schema": "transaction/1"},
        {"schema": "contact/1:name"},
        {"schema": "contact/2"},
        {"path": "Identity"},
        {"path": "identity/contacts/view-monthly-energy"},
        {"record": {}},
        {"record": []},
        {"record": {**told().record, "name": 7}},
        {"record": {**told().record, "also": None}},
        {"record": {**told().record, "note": "x" * SHARED_RECORD_BYTES_MAX}},
        {"word": "agreed"},
        {"n": -1},
        {"n": SHARED_VERSIONS_MAX},
        {"prev": bytes(36)},
        {"seen": b"short"},
        {"reason": "x" * 1_001},
        {"to": PERSON},
        {"v": 2},
        {"also": 1},
    ],
    ids=str,
)
def test_what_is_no_version_is_refused(changed: Mapping[str, Value]) -> None:
    body = {**proposed().signed.body, **changed}
    with pytest.raises((WireError, RecordError)):
        parse_version(sign(Signed.SHARED_VERSION, body, WHO.person).raw)


def test_a_version_of_another_hand_is_refused() -> None:
    body = proposed().signed.body
    with pytest.raises(BadSignature):
        parse_version(sign(Signed.SHARED_VERSION, body, WHO.supplier).raw)
    with pytest.raises(WireError):
        parse_version(sign(Signed.WAIVER, body, WHO.person).raw)
    check_between(proposed(), by=[PERSON], to=[BANK])
    for by, to in (((BANK,), (PERSON,)), ((PERSON,), (PERSON,)), ((), (BANK,))):
        with pytest.raises(CapabilityError) as refused:
            check_between(proposed(), by=by, to=to)
        assert refused.value.code is Code.AUDIENCE


def test_what_cannot_be_shared() -> None:
    for path, schema, id in (
        ("views/x", projection(TRANSACTION, ["amount"]), "c1"),
        ("finance/x", TRANSACTION, 7),
        ("energy/x", METER_READING, "c1"),
    ):
        with pytest.raises(RecordError):
            check_name(path, schema, id)
    assert check_name("energy/x", METER_READING, T_MS).id == T_MS


def test_what_was_delivered_is_shown_by_its_proof_and_by_nothing_else() -> None:
    check_told(told(), NAME, src=[BANK], sub=[PERSON])
    with pytest.raises(CapabilityError):
        check_told(told(), NAME, src=[PERSON], sub=[PERSON])
    with pytest.raises(CapabilityError):
        check_told(told(), NAME, src=[BANK], sub=[BANK])
    with pytest.raises(StatementError):
        check_told(told(), replace(NAME, id="c2"), src=[BANK], sub=[PERSON])
    forged = Told(told().statement, corrected(), told().proof)
    with pytest.raises(StatementError):
        parse_told(forged.raw)
    other = replace(told().proof, record_salt=bytes(32))
    with pytest.raises(StatementError):
        parse_told(Told(told().statement, told().record, other).raw)
    for raw in (b"", b"\x80", encode([b"", {}]), encode([bytes(5_000), {}, []])):
        with pytest.raises(WireError):
            parse_told(raw)


# --- what may follow ------------------------------------------------------------------------------


def refused(copies: Copies, version: SharedVersion) -> Code:
    with pytest.raises(GrantRefused) as found:
        check_next(copies, version)
    return found.value.code


def test_what_an_honest_side_says_next_is_taken() -> None:
    found = BEGUN
    for one in copies().versions:
        check_next(found, one)
        found = found.with_version(one)


def test_an_acceptance_of_another_record_than_was_proposed() -> None:
    asked = BEGUN.with_version(proposed())
    for record in (told().record, saying("and more"), None):
        lie = answered(SharedWord.ACCEPTED, record, "")
        assert refused(asked, lie) is Code.MALFORMED


def test_a_dispute_that_changes_the_copy_it_claims_to_keep() -> None:
    asked = BEGUN.with_version(proposed())
    for record in (corrected(), saying("smuggled in"), None):
        lie = answered(SharedWord.DISPUTED, record, "no")
        assert refused(asked, lie) is Code.MALFORMED
    check_next(asked, disputed())


def test_one_proposal_answered_twice_in_two_ways() -> None:
    one, cid = WHO.supplier, proposed().cid
    asked = BEGUN.with_version(proposed())
    yes = version(one, SharedWord.ACCEPTED, corrected(), seen=cid)
    no = version(one, SharedWord.DISPUTED, told().record, seen=cid)
    # At one place of the chain, and one after the other.
    assert refused(asked.with_version(yes), no) is Code.REPLAY
    assert refused(asked.with_version(no), yes) is Code.REPLAY
    later = version(one, SharedWord.DISPUTED, corrected(), n=1, prev=yes.cid, seen=cid)
    assert refused(asked.with_version(yes), later) is Code.REPLAY
    again = version(one, SharedWord.ACCEPTED, corrected(), n=1, prev=yes.cid, seen=cid)
    assert refused(asked.with_version(yes), again) is Code.REPLAY


def test_a_chain_whose_beginning_is_not_known_or_that_has_two_ends() -> None:
    key = WHO.person
    two = version(key, SharedWord.PROPOSED, saying("two"), n=1, prev=proposed().cid)
    three = version(key, SharedWord.PROPOSED, saying("three"), n=2, prev=two.cid)
    assert refused(BEGUN, two) is Code.NOT_YET
    begun = BEGUN.with_version(proposed())
    assert refused(begun, three) is Code.NOT_YET
    check_next(begun.with_version(two), three)
    fork = version(key, SharedWord.PROPOSED, saying("another two"), n=2, prev=proposed().cid)
    assert refused(begun.with_version(two), fork) is Code.REPLAY
    anew = version(key, SharedWord.PROPOSED, saying("from the beginning"), n=2)
    assert refused(begun, anew) is Code.REPLAY


def test_numbers_that_do_not_rise() -> None:
    begun = BEGUN.with_version(first := version(WHO.person, SharedWord.PROPOSED, saying("x"), n=4))
    for n, taken in ((3, False), (4, False), (5, True), (9, True)):
        two = version(WHO.person, SharedWord.PROPOSED, saying("y"), n=n, prev=first.cid)
        if taken:
            check_next(begun, two)
        else:
            assert refused(begun, two) is Code.REPLAY


def test_an_answer_to_nothing_and_to_ones_own() -> None:
    begun = BEGUN.with_version(proposed())
    nothing = version(WHO.supplier, SharedWord.ACCEPTED, corrected())
    assert refused(begun, nothing) is Code.MALFORMED
    statement = version(WHO.supplier, SharedWord.ACCEPTED, told().record, seen=told().statement.cid)
    assert refused(begun, statement) is Code.MALFORMED
    unknown = version(WHO.supplier, SharedWord.ACCEPTED, corrected(), seen=cid_of(b"x"))
    assert refused(begun, unknown) is Code.NOT_YET
    own = version(
        WHO.person, SharedWord.ACCEPTED, corrected(), n=1, prev=proposed().cid, seen=proposed().cid
    )
    assert refused(begun, own) is Code.NOT_YET
    late = begun.with_version(disputed())
    contest = version(
        WHO.person, SharedWord.DISPUTED, corrected(), n=1, prev=proposed().cid, seen=disputed().cid
    )
    assert refused(late, contest) is Code.REPLAY


def test_a_withdrawal_of_nothing_and_one_that_proposes_instead() -> None:
    key = WHO.person
    assert refused(BEGUN, version(key, SharedWord.WITHDRAWN, None)) is Code.REPLAY
    begun = BEGUN.with_version(proposed())
    lie = version(key, SharedWord.WITHDRAWN, saying("this then"), n=1, prev=proposed().cid)
    assert refused(begun, lie) is Code.MALFORMED
    back = version(key, SharedWord.WITHDRAWN, None, n=1, prev=proposed().cid)
    check_next(begun, back)
    crossed = begun.with_version(accepted_at_once())
    assert refused(crossed, back) is Code.REPLAY
    # Whichever came first, both sides end with what was accepted.
    assert crossed.with_version(back).copy(PERSON).state is CopyState.SETTLED


def accepted_at_once() -> SharedVersion:
    return answered(SharedWord.ACCEPTED, corrected(), "")


def test_another_record_and_more_versions_than_there_may_be() -> None:
    assert refused(replace(BEGUN, name=replace(NAME, id="c2")), proposed()) is Code.COLLECTION
    found, prev = BEGUN, None
    for n in range(SHARED_VERSIONS_MAX):
        one = version(WHO.person, SharedWord.PROPOSED, saying(str(n)), n=n, prev=prev)
        check_next(found, one)
        found, prev = found.with_version(one), one.cid
    with pytest.raises(WireError):
        version(WHO.person, SharedWord.PROPOSED, None, n=SHARED_VERSIONS_MAX, prev=prev)
    assert len(parse_proof(make_proof(found, whole=True).raw).copies.versions) == len(
        found.versions
    )


def test_a_side_is_one_side_under_whichever_of_its_personas_it_signed() -> None:
    later = PersonaKey(bytes([9]) * 32)
    begun = replace(BEGUN, followed={did_of(later.public): PERSON}).with_version(proposed())
    two = make_version(
        later,
        to=BANK,
        name=NAME,
        n=1,
        prev=proposed().cid,
        seen=None,
        word=SharedWord.WITHDRAWN,
        record=None,
        reason="",
        t_ms=T_MS,
    )
    check_next(begun, two)
    assert begun.with_version(two).copy(PERSON).state is CopyState.HELD
    with pytest.raises(WireError):
        make_proof(begun.with_version(two), whole=True)


# --- proofs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_a_proof_shows_what_both_signed(whole: bool) -> None:
    proof = make_proof(copies(), whole=whole)
    again = parse_proof(proof.raw)
    assert again == proof
    assert again.copies.agree
    assert again.accepted == accepted()
    assert len(again.copies.versions) == (3 if whole else 2)
    differ = make_proof(BEGUN.with_version(proposed()).with_version(disputed()), whole=whole)
    assert not differ.copies.agree
    assert differ.accepted is None


def test_a_proof_that_is_put_together_otherwise_is_refused() -> None:
    other = PersonaKey(bytes([8]) * 32)
    stranger = make_version(
        other, to=BANK, name=NAME, n=0, prev=None, seen=None, word=SharedWord.PROPOSED,
        record=corrected(), reason="", t_ms=T_MS,
    )  # fmt: skip  # one thing
    lie = answered(SharedWord.ACCEPTED, told().record, "")
    for versions, whole in (
        ([], False),
        ([disputed(), accepted()], False),  # two of one side, and not the history between
        ([accepted(), proposed()], True),  # a history without its beginning
        ([proposed(), accepted()], True),
        ([proposed(), stranger], False),
        ([proposed(), lie], False),
        ([proposed(), lie], True),
    ):
        forged = SharedProof(Copies(NAME, PERSON, BANK, told(), tuple(versions)), whole)
        with pytest.raises((WireError, GrantRefused)):
            parse_proof(forged.raw)
    forged_told = replace(copies(), told=Told(told().statement, corrected(), told().proof))
    with pytest.raises(StatementError):
        parse_proof(SharedProof(forged_told, False).raw)


# --- two sides whose words cross ------------------------------------------------------------------


@dataclass
class Side:
    """One node: what it has, what it signed, what is on its way from it."""

    key: PersonaKey
    copies: Copies = BEGUN
    signed: int = 0
    out: deque[SharedVersion] = field(default_factory=lambda: deque[SharedVersion]())
    dropped: set[bytes] = field(default_factory=lambda: set[bytes]())

    @property
    def did(self) -> Did:
        return did_of(self.key.public)

    def say(self, word: SharedWord, record: Record | None) -> None:
        """Sign what this side may say now; what it may not say it does not."""
        other = PERSON if self.did == BANK else BANK
        own, theirs = self.copies.head(self.did), self.copies.head(other)
        if word in ANSWER_OF and theirs is None:
            return
        copy = self.copies.copy(self.did)
        if word is SharedWord.ACCEPTED and theirs is not None:
            record = theirs.record
        elif word is SharedWord.DISPUTED:
            record = copy.record
        elif word is SharedWord.WITHDRAWN:
            record = copy.ground
        made = version(
            self.key,
            word,
            record,
            n=self.signed,
            prev=None if own is None else own.cid,
            seen=None if theirs is None else theirs.cid,
        )
        try:
            check_next(self.copies, made)
        except GrantRefused:
            return
        self.signed += 1
        self.copies = self.copies.with_version(made)
        self.out.append(made)

    def deliver(self, other: Side) -> None:
        """The oldest word on its way arrives; a refusal takes it out, with what followed it."""
        made = self.out.popleft()
        if made.cid in self.dropped:
            return
        code = None
        try:
            check_next(other.copies, made)
        except GrantRefused as error:
            code = error.code
        # The only thing that can cross: an acceptance, and what its other side said meanwhile.
        assert code in (None, Code.REPLAY)
        if code is not None:
            after = self.copies.of(self.did)
            gone = {one.cid for one in after[after.index(made) :]}
            self.dropped |= gone
            kept = tuple(one for one in self.copies.versions if one.cid not in gone)
            self.copies = replace(self.copies, versions=kept)
        else:
            other.copies = other.copies.with_version(made)


WORDS = st.sampled_from(list(SharedWord))
RECORDS = st.sampled_from([None, corrected(), saying("a"), saying("b"), told().record])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.booleans(), st.just("say"), WORDS, RECORDS),
        st.tuples(st.booleans(), st.just("deliver"), WORDS, RECORDS),
    ),
    max_size=24,
)


# Withdrawn, while the first of what was asked is being accepted.
CROSSED = [
    *((False, "say", word, None) for word in (SharedWord.PROPOSED,) * 2 + (SharedWord.WITHDRAWN,)),
    (False, "deliver", SharedWord.PROPOSED, None),
    (True, "say", SharedWord.ACCEPTED, None),
]


@given(STEPS)
@example(CROSSED)
@settings(max_examples=150, deadline=None)
def test_two_honest_sides_find_the_same_whatever_crossed(
    steps: list[tuple[bool, str, SharedWord, Record | None]],
) -> None:
    sides = (Side(WHO.person), Side(WHO.supplier))
    for which, what, word, record in steps:
        one, other = sides if which else sides[::-1]
        if what == "say":
            one.say(word, record)
        elif one.out:
            one.deliver(other)
    while any(side.out for side in sides):
        for one, other in (sides, sides[::-1]):
            if one.out:
                one.deliver(other)
    person, bank = (side.copies for side in sides)
    assert {one.cid for one in person.versions} == {one.cid for one in bank.versions}
    for who in (PERSON, BANK):
        assert person.of(who) == bank.of(who)
        assert person.copy(who) == bank.copy(who)
    assert person.agree == bank.agree
    # Nothing is lost: each history starts where it began, and each version follows the one before.
    for who in (PERSON, BANK):
        chain = person.of(who)
        assert [one.prev for one in chain] == [None, *(one.cid for one in chain)][: len(chain)]
    if person.versions:
        for whole in (True, False):
            if all(person.head(who) for who in (PERSON, BANK)):
                assert make_proof(person, whole=whole).copies.agree == person.agree


@given(st.binary(max_size=200), st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_bytes_from_outside_are_read_or_refused_in_a_sentence(raw: bytes, which: int) -> None:
    readers: tuple[Callable[[bytes], object], ...] = (parse_version, parse_told, parse_proof)
    with pytest.raises(WireError):
        readers[which](raw)


def test_records_are_the_same_to_the_byte() -> None:
    assert same_record(None, None)
    assert not same_record(None, told().record)
    assert not same_record({"a": [100, 1]}, {"a": [10, 0]})

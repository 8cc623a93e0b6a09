"""Proofs of shared records that span a succession: who signed, as whom, and who promised whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from entrenous.crypto.canonical import Value, encode
from entrenous.crypto.errors import BadSignature, EntrenousError
from entrenous.crypto.keys import PersonaKey
from entrenous.protocol.did import Did
from entrenous.protocol.errors import CapabilityError, WireError
from entrenous.protocol.limits import SUCCESSIONS_MAX
from entrenous.protocol.persona import make_inception, make_succession
from entrenous.protocol.persona_line import PersonaLine, line_from_value
from entrenous.protocol.shared_copy import Copies, CopyState
from entrenous.protocol.shared_proof import SharedProof, make_proof, parse_proof
from entrenous.protocol.shared_record import (
    SharedName,
    SharedVersion,
    SharedWord,
    Told,
    make_version,
)
from entrenous.protocol.statement import make_statement, prove_record
from entrenous.protocol.wire import decode
from entrenous.tests.protocol.persona_lines import dids_of, inceptions_of, keys_of, line_of
from entrenous.tests.protocol.spec_shared import CONTACTS, NEW, UNDATED, contacts
from entrenous.tests.protocol.spec_world import T_MS

ADA, BANK = keys_of(1, 4), keys_of(2, 2)
ADAS, BANKS = dids_of(ADA), dids_of(BANK)
STRANGER = keys_of(9, 2)
OLD = contacts().row(0)
CORRECTED = {**OLD, "addresses": NEW}
NAME = SharedName(CONTACTS, contacts().schema, "c1")


def told() -> Told:
    """What the bank had delivered, when both were who they were first."""
    statement, days = make_statement(
        contacts(), {UNDATED: bytes(32)}, key=BANK[0], sub=ADAS[0], path=CONTACTS,
        first=UNDATED, last=UNDATED, nonce=bytes(16),
    )  # fmt: skip  # one thing
    return Told(statement, OLD, prove_record(statement, [days[0].leaf], days[0], 0))


def said(
    key: PersonaKey, to: Did, word: SharedWord, before: SharedVersion | None, seen: bytes | None
) -> SharedVersion:
    record = OLD if word is SharedWord.DISPUTED else CORRECTED
    return make_version(
        key, to=to, name=NAME, n=0 if before is None else before.n + 1,
        prev=None if before is None else before.cid, seen=seen, word=word, record=record,
        reason="", t_ms=T_MS,
    )  # fmt: skip  # one thing


FOLLOWED = {**dict.fromkeys(ADAS[1:], ADAS[0]), BANKS[1]: BANKS[0]}
# Ada asks, is followed, and asks again; the bank disputes, is followed, and accepts.
FIRST = said(ADA[0], BANKS[0], SharedWord.PROPOSED, None, told().statement.cid)
NO = said(BANK[0], ADAS[0], SharedWord.DISPUTED, None, FIRST.cid)
AGAIN = said(ADA[1], BANKS[0], SharedWord.PROPOSED, FIRST, NO.cid)
YES = said(BANK[1], ADAS[2], SharedWord.ACCEPTED, NO, AGAIN.cid)
COPIES = Copies(NAME, ADAS[0], BANKS[0], told(), (FIRST, NO, AGAIN, YES), FOLLOWED)
LINES = (line_of(ADA), line_of(BANK))


@pytest.mark.parametrize("whole", [True, False])
def test_a_proof_spans_the_successions_of_both_sides(whole: bool) -> None:
    proof = make_proof(COPIES, whole=whole, lines=LINES)
    again = parse_proof(proof.raw)
    assert again == proof
    assert (again.copies.one, again.copies.other) == (ADAS[0], BANKS[0])
    assert again.copies.agree
    assert again.accepted == YES
    assert again.copies.copy(ADAS[2]).state is CopyState.SETTLED
    # Nothing of Ada's line after the persona that the bank named last.
    assert [line.dids for line in again.lines] == [tuple(ADAS[:3]), tuple(BANKS)]


def test_a_proof_within_one_persona_of_each_is_as_it_was() -> None:
    copies = replace(COPIES, versions=(FIRST, NO))
    proof = make_proof(copies, whole=True, lines=LINES)
    assert proof.lines == ()
    value = decode(proof.raw)
    assert isinstance(value, list)
    assert isinstance(value[1], dict)
    assert sorted(value[1]) == ["told", "v", "versions", "whole"]


def test_without_a_line_nobody_is_somebody_else() -> None:
    for lines in ((), LINES[:1], LINES[1:]):
        with pytest.raises(EntrenousError):
            make_proof(COPIES, whole=True, lines=lines)


def _told_apart() -> SharedProof:
    """What was delivered to somebody of neither line."""
    statement, days = make_statement(
        contacts(), {UNDATED: bytes(32)}, key=BANK[0], sub=dids_of(STRANGER)[0],
        path=CONTACTS, first=UNDATED, last=UNDATED, nonce=bytes(16),
    )  # fmt: skip  # one thing
    other = Told(statement, OLD, prove_record(statement, [days[0].leaf], days[0], 0))
    return SharedProof(replace(COPIES, told=other), True, _needed())


def _needed() -> tuple[PersonaLine, ...]:
    return make_proof(COPIES, whole=True, lines=LINES).lines


def _back_on_the_old_one() -> SharedProof:
    """Ada's key that was left behind signs after the one that follows it."""
    later = said(ADA[1], BANKS[0], SharedWord.PROPOSED, FIRST, NO.cid)
    thief = said(ADA[0], BANKS[0], SharedWord.PROPOSED, later, NO.cid)
    copies = replace(COPIES, versions=(FIRST, NO, later, thief))
    line = LINES[0].between(ADAS[:2])
    assert line is not None
    return SharedProof(copies, True, (line,))


def _two_heads() -> SharedProof:
    """One side's newest twice, as two personas."""
    return SharedProof(replace(COPIES, versions=(FIRST, AGAIN)), False, _needed()[:1])


FORGED: Mapping[str, Callable[[], SharedProof]] = {
    "more of a line than is needed": lambda: SharedProof(COPIES, True, LINES),
    "a line of nobody here": lambda: SharedProof(COPIES, True, (_needed()[0], line_of(STRANGER))),
    "one line twice": lambda: SharedProof(COPIES, True, (_needed()[0], _needed()[0])),
    "delivered to somebody else": _told_apart,
    "a key that was left behind signs later": _back_on_the_old_one,
    "one side under two names": _two_heads,
}  # fmt: skip  # one row each


@pytest.mark.parametrize("name", FORGED)
def test_a_proof_whose_lines_do_not_fit_is_refused(name: str) -> None:
    with pytest.raises((WireError, CapabilityError)):
        parse_proof(FORGED[name]().raw)


def _value(steps: Callable[[list[Value]], Value]) -> Value:
    value = line_of(ADA).value()
    assert isinstance(value, list)
    items = value[1]
    assert isinstance(items, list)
    return [value[0], steps(items)]


def _thief() -> Value:
    """Somebody says to follow Ada, and was never promised."""
    key = keys_of(8, 1)[0]
    new = make_inception(key, reader_key=bytes(32), next_digest=bytes(32))
    return [
        inceptions_of(ADA)[0].signed.raw,
        [[make_succession(ADAS[0], key).signed.raw, new.signed.raw]],
    ]


def _flipped() -> Value:
    def last(items: list[Value]) -> Value:
        match items[-1]:
            case [bytes(one), bytes(two)]:
                return [*items[:-1], [one[:-1] + bytes([one[-1] ^ 1]), two]]
            case _:
                raise AssertionError

    return _value(last)


BAD_LINES: Mapping[str, Callable[[], Value]] = {
    "no steps": lambda: _value(lambda _: []),
    "a step is left out": lambda: _value(lambda items: items[1:]),
    "a step is there twice": lambda: _value(lambda items: [items[0], *items]),
    "too many steps": lambda: _value(lambda items: items * (SUCCESSIONS_MAX // len(items) + 1)),
    "a step is no pair": lambda: _value(lambda items: [b"step", *items]),
    "not a list": lambda: b"line",
    "a key that was never promised": _thief,
    "another signature": _flipped,
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_what_is_no_line_is_refused(name: str) -> None:
    with pytest.raises((WireError, CapabilityError, BadSignature)):
        line_from_value(BAD_LINES[name]())


def test_the_part_of_a_line_that_is_needed() -> None:
    line = line_of(ADA)
    assert line.dids == tuple(ADAS)
    for low in range(len(ADAS)):
        assert line.between([ADAS[low], *BANKS]) is None
        for high in range(low + 1, len(ADAS)):
            part = line.between([ADAS[high], ADAS[low]])
            assert part is not None
            assert part.dids == tuple(ADAS[low : high + 1])
            assert line_from_value(part.value()) == part
            assert set(part.followed.values()) == {ADAS[low]}


def test_the_keys_of_a_proof_with_lines_are_exact() -> None:
    value = decode(make_proof(COPIES, whole=True, lines=LINES).raw)
    match value:
        case [kind, dict(body)]:
            added: list[dict[str, Value]] = [{"lines": []}, {"lines": None}, {"more": []}]
            for more in added:
                with pytest.raises(WireError):
                    parse_proof(encode([kind, {**body, **more}]))
        case _:
            raise AssertionError

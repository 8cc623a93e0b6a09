"""Vouches: a word between two, about a third, and nothing to anybody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.errors import BadSignature, EntrenousError
from entrenous.crypto.keys import PersonaKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import CapabilityError
from entrenous.protocol.signed import sign
from entrenous.protocol.vouch import blinded, check_vouch, make_vouch, parse_vouch

KEY, OTHER = PersonaKey(bytes([1]) * 32), PersonaKey(bytes([2]) * 32)
BY, TO = did_of(KEY.public), did_of(OTHER.public)
ABOUT = did_of(PersonaKey(bytes([3]) * 32).public)
MADE = make_vouch(KEY, about=ABOUT, to=TO, t_ms=5)


def test_a_vouch_is_read_as_it_was_made() -> None:
    found = parse_vouch(MADE.signed.raw)
    assert (found.by, found.about, found.to, found.t_ms) == (BY, ABOUT, TO, 5)
    check_vouch(found, by=BY, about=ABOUT, to=TO)


@pytest.mark.parametrize("changed", [{"by": TO}, {"about": TO}, {"to": ABOUT}])
def test_a_vouch_for_another_or_to_another_is_not_an_answer(changed: dict[str, str]) -> None:
    with pytest.raises(CapabilityError):
        check_vouch(MADE, **{"by": BY, "about": ABOUT, "to": TO, **changed})  # type: ignore[arg-type]  # DIDs all


def test_nobody_vouches_for_themselves() -> None:
    own = make_vouch(KEY, about=BY, to=TO, t_ms=5)
    with pytest.raises(CapabilityError, match="themselves"):
        check_vouch(own, by=BY, about=BY, to=TO)


def test_a_vouch_in_anothers_name_is_refused() -> None:
    with pytest.raises(BadSignature):
        parse_vouch(sign(Signed.VOUCH, MADE.signed.body, OTHER).raw)


@given(st.integers(0, len(MADE.signed.raw) - 1), st.integers(0, 7))
def test_a_bit_that_changed_is_noticed(place: int, bit: int) -> None:
    raw = bytearray(MADE.signed.raw)
    raw[place] ^= 1 << bit
    with pytest.raises(EntrenousError):
        parse_vouch(bytes(raw))


def test_a_question_is_another_each_time_and_names_nobody() -> None:
    first, second = blinded(b"n" * 32, ABOUT), blinded(b"m" * 32, ABOUT)
    assert first != second
    assert first == blinded(b"n" * 32, ABOUT)
    assert first != blinded(b"n" * 32, TO)

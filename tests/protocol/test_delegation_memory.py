"""Delegations that were verified are remembered: never another outcome, and a bounded memory."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from entrenous.crypto.keys import PersonaKey
from entrenous.protocol import delegation as module
from entrenous.protocol import limits
from entrenous.protocol.delegation import (
    Delegation,
    forget_delegations,
    issue_delegation,
    parse_delegation,
)
from entrenous.protocol.did import Did, did_of
from entrenous.protocol.errors import CapabilityError, Code

ALICE, BOB = (PersonaKey(bytes([n]) * 32) for n in (1, 2))


@pytest.fixture(autouse=True)
def nothing_remembered() -> Generator[None]:
    forget_delegations()
    yield
    forget_delegations()


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The tokens whose signature was checked."""
    found: list[bytes] = []
    check = module.check_signature

    def counted(raw: bytes, iss: Did) -> None:
        found.append(raw)
        check(raw, iss)

    monkeypatch.setattr(module, "check_signature", counted)
    return found


def issued(number: int, *, filled: int = 0) -> Delegation:
    """A delegation, of any size: `filled` bytes are in what it tells beside its claims."""
    return issue_delegation(
        ALICE, aud=did_of(BOB.public), sub=None, cmd="/record/read", pol=[], exp=None,
        nonce=number.to_bytes(12, "big"), meta={"fill": bytes(filled)},
    )  # fmt: skip


def test_a_signature_is_checked_once(checked: list[bytes]) -> None:
    raw = issued(1).raw
    parse_delegation(raw)
    assert checked == []  # we signed it ourselves
    forget_delegations()
    assert parse_delegation(raw) == parse_delegation(bytes(bytearray(raw)))
    assert checked == [raw]


def test_another_version_is_asked_for_anew(checked: list[bytes]) -> None:
    raw = issued(1).raw
    for _ in range(2):
        with pytest.raises(CapabilityError) as refused:
            parse_delegation(raw, version="2.0.0")
        assert refused.value.code is Code.VERSION


def test_what_does_not_verify_is_never_remembered(checked: list[bytes]) -> None:
    raw = bytearray(issued(1).raw)
    raw[10] ^= 1
    for count in (1, 2):
        with pytest.raises(CapabilityError):
            parse_delegation(bytes(raw))
        assert len(checked) == count


def test_the_memory_has_two_halves_and_an_end(
    monkeypatch: pytest.MonkeyPatch, checked: list[bytes]
) -> None:
    """Each half holds so many bytes to the byte; what is used again stays."""
    tokens = [issued(number, filled=100) for number in range(9)]
    size = len(tokens[0].raw)
    memory = type(module._remembered)(2 * 3 * size)  # pyright: ignore[reportPrivateUsage]  # a size of our own
    monkeypatch.setattr(module, "_remembered", memory)

    def anew(*numbers: int) -> list[int]:
        """Which of these must be checked."""
        checked.clear()
        for number in numbers:
            parse_delegation(tokens[number].raw)
        return [number for number in numbers if tokens[number].raw in checked]

    assert anew(0, 1, 2) == [0, 1, 2]  # three fill a half
    assert anew(0, 1, 2) == []
    assert anew(3) == [3]  # the half is old now
    assert anew(0) == []  # and what is used of it is young again
    assert anew(4, 5) == [4, 5]  # 3, 0, 4 fill a half: 1 and 2 are forgotten
    assert anew(0, 3, 4) == []
    assert anew(1, 2) == [1, 2]


def test_what_is_larger_than_a_half_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, checked: list[bytes]
) -> None:
    small, fits, large = issued(1), issued(2, filled=300), issued(3, filled=301)
    memory = type(module._remembered)(2 * len(fits.raw))  # pyright: ignore[reportPrivateUsage]  # a size of our own
    monkeypatch.setattr(module, "_remembered", memory)
    for token in (fits, fits, large, large, small, small):
        parse_delegation(token.raw)
    assert checked == [fits.raw, large.raw, large.raw, small.raw]
    assert limits.DELEGATIONS_REMEMBERED_BYTES_MAX == 1024 * 1024


def test_a_repr_does_not_print_the_token() -> None:
    token = issued(1)
    for part in ("raw=", "cid=", "policy=", "version="):
        assert part not in repr(token)

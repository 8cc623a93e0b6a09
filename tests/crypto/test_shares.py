"""Recovery words: SLIP-39's published vectors, and errors that repeat no word."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NoReturn, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

# The library has annotations but no stubs and no py.typed marker.
from shamir_mnemonic import generate_mnemonics  # pyright: ignore[reportMissingTypeStubs]  # it ships no stubs
from shamir_mnemonic import shamir as library  # pyright: ignore[reportMissingTypeStubs]  # it ships no stubs

from entrenous.crypto import shares
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadWords
from entrenous.crypto.keys import RecoverySecret
from entrenous.crypto.shares import combine, recovery_secret, recovery_words

SECRET = RecoverySecret(bytes(range(32)))
WORDS = recovery_words(SECRET, entropy=SeededEntropy(b"words"))


def test_the_vectors_of_slip_39(shared: Path) -> None:
    text = (shared / "vectors" / "slip39" / "vectors.json").read_text()
    vectors = cast("list[tuple[str, list[str], str, str]]", json.loads(text))
    assert len(vectors) == 45
    accepted = 0
    for name, mnemonics, secret, _ in vectors:
        if secret:
            assert combine(mnemonics, passphrase=b"TREZOR").hex() == secret, name
            accepted += 1
        else:
            with pytest.raises(BadWords):
                combine(mnemonics, passphrase=b"TREZOR")
    assert accepted == 15


@settings(max_examples=10)
@given(st.binary(min_size=32, max_size=32).map(RecoverySecret), st.binary(max_size=4))
def test_words_come_back(secret: RecoverySecret, seed: bytes) -> None:
    words = recovery_words(secret, entropy=SeededEntropy(seed))
    assert len(words.split(" ")) == 33
    assert recovery_secret(words) == secret


def test_paper_does_not_keep_capitals_or_spaces() -> None:
    assert recovery_secret("\n " + WORDS.title().replace(" ", "\n\t  ") + " ") == SECRET


def test_a_seed_gives_the_same_words_and_draws_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: int) -> NoReturn:
        raise AssertionError("the library drew its own randomness")

    monkeypatch.setattr(library, "RANDOM_BYTES", refuse)
    assert recovery_words(SECRET, entropy=SeededEntropy(b"words")) == WORDS
    assert recovery_words(SECRET, entropy=SeededEntropy(b"other")) != WORDS


def test_a_misspelt_word_is_named_by_its_place_and_not_repeated() -> None:
    words = WORDS.split()
    words[6] = "zzyzx"
    with pytest.raises(BadWords, match=r"^word 7 is not in the list of recovery words$"):
        recovery_secret(" ".join(words))


@pytest.mark.parametrize("place", range(33))
def test_a_wrong_word_is_noticed_and_not_repeated(place: int) -> None:
    words = WORDS.split()
    words[place] = "academic" if words[place] != "academic" else "acid"
    with pytest.raises(BadWords) as refused:
        recovery_secret(" ".join(words))
    assert str(refused.value) == "a word is wrong, missing or out of order: the check fails"
    # Nor by the error underneath, which quotes the first words.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_words_out_of_order_are_noticed() -> None:
    words = WORDS.split()
    words[10], words[20] = words[20], words[10]
    assert words != WORDS.split()
    with pytest.raises(BadWords, match="out of order"):
        recovery_secret(" ".join(words))


@pytest.mark.parametrize("count", [0, 1, 32])
def test_missing_words_are_counted(count: int) -> None:
    with pytest.raises(BadWords, match=f"are 33; these are {count}"):
        recovery_secret(" ".join(WORDS.split()[:count]))


@pytest.mark.parametrize("text", [WORDS + " academic", "academic " * 60, "a" * 2_000])
def test_too_many_words_are_refused(text: str) -> None:
    with pytest.raises(BadWords, match=r"too many|these are 34"):
        recovery_secret(text)


def test_one_share_of_several_is_not_recovery_words() -> None:
    [group] = generate_mnemonics(1, [(2, 3)], SECRET.secret_bytes())
    with pytest.raises(BadWords, match="one share of several"):
        recovery_secret(group[0])
    assert combine(group[1:]) == SECRET.secret_bytes()
    with pytest.raises(BadWords, match="not as many as needed"):
        combine(group[:1])
    with pytest.raises(BadWords, match="not as many as needed"):
        combine(group)


def test_shares_that_do_not_belong_together_are_refused() -> None:
    [[other]] = generate_mnemonics(1, [(1, 1)], bytes(32), iteration_exponent=0)
    for mnemonics in ([], [WORDS, other]):
        with pytest.raises(BadWords, match="not of one set"):
            combine(mnemonics)
    with pytest.raises(BadWords, match="at most 256"):
        combine([WORDS] * 257)


def test_rounds_are_bounded_before_any_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    [group] = generate_mnemonics(1, [(1, 1)], SECRET.secret_bytes(), iteration_exponent=6)

    def refuse(*_: object, dklen: int) -> NoReturn:
        raise AssertionError("PBKDF2 was run")

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", refuse)
    with pytest.raises(BadWords, match="more rounds"):
        recovery_secret(group[0])
    with pytest.raises(BadWords, match="more rounds"):
        combine(group)
    with pytest.raises(AssertionError, match="PBKDF2 was run"):
        recovery_secret(WORDS)


def test_a_secret_of_another_length_is_not_a_recovery_secret() -> None:
    [[short]] = generate_mnemonics(1, [(1, 1)], bytes(16))
    with pytest.raises(BadWords, match="are 33; these are 20"):
        recovery_secret(short)
    assert shares.WORDS == 33

"""The recovery secret as words on paper: SLIP-39, one share of one.

33 words hold 32 bytes and a checksum that finds three wrong words.  The words are the secret: no
error repeats one, a misspelt one is named by its place.

Words come from outside, and a share says by itself how many rounds of PBKDF2 it wants, up to 327
million; `_EXPONENT_MAX` bounds that before any is done.

Guardians (several shares) use the same words and come with backups on peers; `combine` reads any
set of shares already.

Source: SLIP-0039, by `shamir-mnemonic`, the authors' implementation.
"""

from __future__ import annotations

from collections.abc import Sequence

# The library has annotations but no py.typed marker, so mypy does not look at them.
from shamir_mnemonic.shamir import (  # type: ignore[import-untyped]  # as above
    EncryptedMasterSecret,
    ShareGroup,
    recover_ems,
    split_ems,
)
from shamir_mnemonic.share import Share  # type: ignore[import-untyped]  # as above
from shamir_mnemonic.utils import MnemonicError  # type: ignore[import-untyped]  # as above
from shamir_mnemonic.wordlist import WORDLIST  # type: ignore[import-untyped]  # as above

from .entropy import Entropy
from .errors import BadWords
from .keys import RecoverySecret

WORDS = 33
_IDENTIFIER_BITS = 15
# The secret is 256 random bits: stretching adds nothing, so the standard's usual exponent, 1.
_EXPONENT = 1
# A fifth of a second of PBKDF2 (measured), for shares that other programs made.
_EXPONENT_MAX = 5
# 16 groups of 16 shares is the standard's largest set; a share of 512 bits has 59 words.
_SHARES_MAX = 256
_WORDS_MAX = 59
_CHARACTERS_MAX = 1024
_KNOWN = frozenset(WORDLIST)


def recovery_words(secret: RecoverySecret, *, entropy: Entropy) -> str:
    """33 lower-case words with one space between them.  To show once, on paper."""
    identifier = int.from_bytes(entropy.random_bytes(2), "big") >> (16 - _IDENTIFIER_BITS)
    sealed = EncryptedMasterSecret.from_master_secret(
        secret.secret_bytes(),
        passphrase=b"",
        identifier=identifier,
        extendable=True,
        iteration_exponent=_EXPONENT,
    )
    # With a threshold of one there is no polynomial, so the library draws no randomness of its own.
    [[share]] = split_ems(1, [(1, 1)], sealed)
    words: str = share.mnemonic()
    return words


def recovery_secret(words: str) -> RecoverySecret:
    """The secret behind 33 words; capitals and extra spaces do not matter.

    Raises BadWords, naming the place of a wrong word and never the word.
    """
    split = _split(words)
    if len(split) != WORDS:
        raise BadWords(f"recovery words are {WORDS}; these are {len(split)}")
    share = _share(split)
    if share.group_threshold != 1 or share.member_threshold != 1:
        raise BadWords("these words are one share of several, not recovery words by themselves")
    return RecoverySecret(_recover([share], b""))


def combine(shares: Sequence[str], *, passphrase: bytes = b"") -> bytes:
    """The secret behind a set of shares, each one string of words.

    Exactly as many shares as their thresholds ask.  Raises BadWords.
    """
    if len(shares) > _SHARES_MAX:
        raise BadWords(f"a set has at most {_SHARES_MAX} shares")
    return _recover([_share(_split(words)) for words in shares], passphrase)


def _split(words: str) -> list[str]:
    if len(words) > _CHARACTERS_MAX:
        raise BadWords("these are too many words")
    split = words.lower().split()
    if len(split) > _WORDS_MAX:
        raise BadWords("these are too many words")
    for place, word in enumerate(split, start=1):
        if word not in _KNOWN:
            raise BadWords(f"word {place} is not in the list of recovery words")
    return split


def _share(split: list[str]) -> Share:
    try:
        share = Share.from_mnemonic(" ".join(split))
    except MnemonicError:
        # The library's own sentence quotes words.
        raise BadWords("a word is wrong, missing or out of order: the check fails") from None
    if share.iteration_exponent > _EXPONENT_MAX:
        raise BadWords("these words ask for more rounds than this program does")
    return share


def _recover(shares: list[Share], passphrase: bytes) -> bytes:
    groups: dict[int, ShareGroup] = {}
    if len({share.common_parameters() for share in shares}) != 1:
        raise BadWords("these shares are not of one set")
    try:
        for share in shares:
            groups.setdefault(share.group_index, ShareGroup()).add(share)
        secret: bytes = recover_ems(groups).decrypt(passphrase)
    except (MnemonicError, ValueError):
        raise BadWords("these shares do not fit together, or are not as many as needed") from None
    return secret

"""Files under a passphrase or a key file: what they ask for is bounded before it is spent."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from entrenous.crypto import unlock
from entrenous.crypto.aead import decrypt
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadCiphertext, CryptoError, WrongPassphrase
from entrenous.crypto.unlock import (
    COST,
    MEMORY_KIB_MAX,
    PASSES_MAX,
    Cost,
    KeyFileSecret,
    needs_key_file,
    open_with_key_file,
    open_with_passphrase,
    seal_with_key_file,
    seal_with_passphrase,
)

CHEAP = Cost(passes=1, memory_kib=8)
MAGIC = b"entrenous/1/keystore\n"
HEADER_BYTES = len(MAGIC) + 1 + 4 + 4 + 1 + 16
KEYS = b"the keys of a node"
KEY_FILE = KeyFileSecret(bytes(range(32)))
BY_PASSPHRASE = seal_with_passphrase(b"horse", KEYS, entropy=SeededEntropy(b"u"), cost=CHEAP)
BY_KEY_FILE = seal_with_key_file(KEY_FILE, KEYS, entropy=SeededEntropy(b"u"))


def with_cost(passes: int, memory_kib: int, lanes: int = 1, kind: int = 1) -> bytes:
    fields = struct.pack(">BIIB", kind, passes, memory_kib, lanes)
    return MAGIC + fields + BY_PASSPHRASE[len(MAGIC) + len(fields) :]


@pytest.fixture
def no_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise AssertionError("Argon2 was run")

    monkeypatch.setattr(unlock, "crypto_pwhash_alg", refuse)


def test_a_passphrase_opens_its_file() -> None:
    assert open_with_passphrase(b"horse", BY_PASSPHRASE) == KEYS
    assert not needs_key_file(BY_PASSPHRASE)


def test_the_usual_cost_is_that_of_the_formats() -> None:
    assert Cost(passes=3, memory_kib=64 * 1024) == COST
    blob = seal_with_passphrase(b"horse", KEYS, entropy=SeededEntropy(b"u"))
    assert blob.startswith(MAGIC + struct.pack(">BIIB", 1, 3, 64 * 1024, 1))
    assert open_with_passphrase(b"horse", blob) == KEYS


def test_another_argon2id_finds_the_same_key() -> None:
    header, sealed = BY_PASSPHRASE[:HEADER_BYTES], BY_PASSPHRASE[HEADER_BYTES:]
    theirs = Argon2id(salt=header[-16:], length=32, iterations=1, lanes=1, memory_cost=8)
    assert decrypt(theirs.derive(b"horse"), sealed, header, "the file") == KEYS


@pytest.mark.parametrize("passphrase", [b"", b"Horse", b"horse ", b"horse\x00", b"x" * 100_000])
def test_a_wrong_passphrase_is_refused(passphrase: bytes) -> None:
    with pytest.raises(WrongPassphrase, match="does not open this file, or the file was altered"):
        open_with_passphrase(passphrase, BY_PASSPHRASE)


@pytest.mark.parametrize(
    ("passes", "memory_kib"),
    [
        (1, 64 * 1024 * 1024),
        (3, 2**32 - 1),
        (1, MEMORY_KIB_MAX + 1),
        (PASSES_MAX + 1, 8),
        (2**32 - 1, 8),
        (0, 8),
        (1, 7),
        (1, 0),
    ],
)
@pytest.mark.usefixtures("no_argon2")
def test_a_cost_out_of_bounds_is_refused_before_it_is_paid(passes: int, memory_kib: int) -> None:
    with pytest.raises(BadCiphertext, match=f"asks for {passes} passes over {memory_kib} KiB"):
        open_with_passphrase(b"horse", with_cost(passes, memory_kib))


@pytest.mark.usefixtures("no_argon2")
def test_what_is_no_such_file_is_refused_before_anything() -> None:
    for blob, trouble in (
        (b"", "not a keystore"),
        (b"SQLite format 3\x00" + bytes(200), "not a keystore"),
        (BY_PASSPHRASE.replace(b"/1/", b"/2/", 1), "not a keystore"),
        (BY_PASSPHRASE[: HEADER_BYTES + 39], "not a keystore"),
        (BY_PASSPHRASE + bytes(5 * 1024 * 1024), "at most"),
        (with_cost(1, 8, lanes=2), "2 lanes"),
        (with_cost(1, 8, lanes=0), "0 lanes"),
        (with_cost(1, 8, kind=3), "kind 3"),
        (BY_KEY_FILE, "opens with a key file"),
    ):
        with pytest.raises(BadCiphertext, match=trouble):
            open_with_passphrase(b"horse", blob)


@pytest.mark.parametrize("place", range(len(BY_PASSPHRASE)))
def test_an_altered_file_is_refused(place: int) -> None:
    altered = bytearray(BY_PASSPHRASE)
    altered[place] ^= 1
    with pytest.raises((WrongPassphrase, BadCiphertext)):
        open_with_passphrase(b"horse", bytes(altered))


@pytest.mark.parametrize("length", range(0, len(BY_PASSPHRASE), 7))
def test_a_shortened_file_is_refused(length: int) -> None:
    with pytest.raises((WrongPassphrase, BadCiphertext)):
        open_with_passphrase(b"horse", BY_PASSPHRASE[:length])


def test_a_machine_without_the_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import nacl.exceptions

    def fail(*_: object) -> bytes:
        raise nacl.exceptions.RuntimeError("Key derivation failed.")

    monkeypatch.setattr(unlock, "crypto_pwhash_alg", fail)
    with pytest.raises(CryptoError, match="not enough memory"):
        open_with_passphrase(b"horse", BY_PASSPHRASE)


def test_a_key_file_opens_its_file() -> None:
    assert open_with_key_file(KEY_FILE, BY_KEY_FILE) == KEYS
    assert needs_key_file(BY_KEY_FILE)
    with pytest.raises(WrongPassphrase, match="key file does not open"):
        open_with_key_file(KeyFileSecret(bytes(32)), BY_KEY_FILE)
    with pytest.raises(BadCiphertext, match="opens with a passphrase"):
        open_with_key_file(KEY_FILE, BY_PASSPHRASE)


@pytest.mark.parametrize("place", range(len(BY_KEY_FILE)))
def test_an_altered_key_file_file_is_refused(place: int) -> None:
    altered = bytearray(BY_KEY_FILE)
    altered[place] ^= 1
    with pytest.raises((WrongPassphrase, BadCiphertext)):
        open_with_key_file(KEY_FILE, bytes(altered))


@pytest.mark.parametrize("sealing", [seal_with_passphrase, seal_with_key_file])
def test_two_files_never_share_salt_or_nonce(sealing: Callable[..., bytes]) -> None:
    entropy = SeededEntropy(b"twice")
    secret = b"horse" if sealing is seal_with_passphrase else KEY_FILE
    cost = {"cost": CHEAP} if sealing is seal_with_passphrase else {}
    one, two = (sealing(secret, KEYS, entropy=entropy, **cost) for _ in range(2))
    salt, nonce = slice(HEADER_BYTES - 16, HEADER_BYTES), slice(HEADER_BYTES, HEADER_BYTES + 24)
    assert one[salt] != two[salt]
    assert one[nonce] != two[nonce]

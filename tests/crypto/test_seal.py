"""HPKE: RFC 9180's published vector, and `cryptography` as an oracle in both directions."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadCiphertext, BadKey
from entrenous.crypto.keys import BackupSecret, ReaderSecret
from entrenous.crypto.seal import OVERHEAD_BYTES, open_sealed, seal

ORACLE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
SECRETS = st.binary(min_size=32, max_size=32).map(ReaderSecret)
ENTROPY = st.binary(max_size=8).map(SeededEntropy)
READER = ReaderSecret(bytes(range(32)))
SEALED = seal(READER.public, b"info", b"keys", entropy=SeededEntropy(b"seal"), aad=b"aad")


class Given:
    """Entropy that hands out the ephemeral key of a published vector."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def random_bytes(self, n: int) -> bytes:
        assert n == len(self.raw)
        return self.raw


def test_the_vector_of_rfc_9180() -> None:
    # Appendix A.2.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base; sequence 0.
    info = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
    aad = bytes.fromhex("436f756e742d30")
    plaintext = bytes.fromhex("4265617574792069732074727574682c20747275746820626561757479")
    ephemeral = "f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600"
    reader = ReaderSecret(
        bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
    )
    public = "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"
    enc = "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
    ciphertext = (
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    )
    assert reader.public.hex() == public
    sealed = seal(reader.public, info, plaintext, entropy=Given(bytes.fromhex(ephemeral)), aad=aad)
    assert sealed.hex() == enc + ciphertext
    assert open_sealed(reader, info, sealed, aad=aad) == plaintext


@settings(max_examples=30)
@given(SECRETS, ENTROPY, st.binary(max_size=80), st.binary(max_size=300))
def test_cryptography_opens_what_we_seal(
    reader: ReaderSecret, entropy: SeededEntropy, info: bytes, plaintext: bytes
) -> None:
    sealed = seal(reader.public, info, plaintext, entropy=entropy)
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    theirs = X25519PrivateKey.from_private_bytes(reader.secret_bytes())
    assert ORACLE.decrypt(sealed, theirs, info) == plaintext


@settings(max_examples=30)
@given(SECRETS, st.binary(max_size=80), st.binary(max_size=300))
def test_we_open_what_cryptography_seals(
    reader: ReaderSecret, info: bytes, plaintext: bytes
) -> None:
    sealed = ORACLE.encrypt(plaintext, X25519PublicKey.from_public_bytes(reader.public), info)
    assert open_sealed(reader, info, sealed) == plaintext


def test_a_seed_seals_to_the_same_bytes() -> None:
    again = seal(READER.public, b"info", b"keys", entropy=SeededEntropy(b"seal"), aad=b"aad")
    other = seal(READER.public, b"info", b"keys", entropy=SeededEntropy(b"other"), aad=b"aad")
    assert again == SEALED != other


def test_a_backup_is_sealed_in_the_same_way() -> None:
    backup = BackupSecret(bytes(32))
    sealed = seal(backup.public, b"", b"file key", entropy=SeededEntropy(b""))
    assert open_sealed(backup, b"", sealed) == b"file key"


@given(st.integers(0, len(SEALED) - 1), st.integers(0, 7))
def test_an_altered_message_is_refused(place: int, bit: int) -> None:
    altered = bytearray(SEALED)
    altered[place] ^= 1 << bit
    if (place, bit) == (31, 7):
        # X25519 ignores the top bit of a point (RFC 7748); `enc` itself is hashed, so it counts.
        assert altered[31] != SEALED[31]
    with pytest.raises(BadCiphertext, match="altered"):
        open_sealed(READER, b"info", bytes(altered), aad=b"aad")


def test_another_reader_info_or_aad_is_refused() -> None:
    assert open_sealed(READER, b"info", SEALED, aad=b"aad") == b"keys"
    for reader, info, aad in (
        (ReaderSecret(bytes(32)), b"info", b"aad"),
        (READER, b"inf", b"aad"),
        (READER, b"info", b""),
        (READER, b"infoa", b"ad"),
    ):
        with pytest.raises(BadCiphertext, match="another key"):
            open_sealed(reader, info, SEALED, aad=aad)


@pytest.mark.parametrize("length", [0, 31, 32, 47, len(SEALED) - 1])
def test_a_shortened_message_is_refused(length: int) -> None:
    with pytest.raises(BadCiphertext):
        open_sealed(READER, b"info", SEALED[:length], aad=b"aad")


# The points of small order of RFC 7748's curve that are their own canonical form.
SMALL_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_point_of_small_order_is_refused(point: bytes) -> None:
    with pytest.raises(BadKey, match="nothing can be sealed"):
        seal(point, b"", b"keys", entropy=SeededEntropy(b""))
    with pytest.raises(BadCiphertext):
        open_sealed(READER, b"info", point + SEALED[32:], aad=b"aad")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_reader_key_of_the_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(BadKey, match=f"32 bytes, not {length}"):
        seal(bytes(length), b"", b"", entropy=SeededEntropy(b""))

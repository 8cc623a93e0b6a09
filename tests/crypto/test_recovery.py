"""What the words make again, against a second derivation written from the formats."""

from __future__ import annotations

import hashlib

import dag_cbor
import nacl.public
import nacl.signing

from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import RecoverySecret
from entrenous.crypto.recovery import backup_secret, next_digest, next_key
from entrenous.crypto.shares import recovery_secret, recovery_words

SECRET = RecoverySecret(bytes(range(32)))


def kdf(*parts: str | int) -> bytes:
    message = dag_cbor.encode(list(parts))
    return hashlib.blake2b(message, key=SECRET.secret_bytes(), digest_size=32).digest()


def test_the_backup_key_is_that_of_the_formats() -> None:
    theirs = nacl.public.PrivateKey(kdf("entrenous/1/backup"))
    assert backup_secret(SECRET).public == bytes(theirs.public_key)


def test_a_next_key_is_that_of_the_formats() -> None:
    for list_no, i in ((0, 0), (0, 1_023), (3, 24)):
        theirs = nacl.signing.SigningKey(kdf("entrenous/1/next", list_no, i)).verify_key.encode()
        assert next_key(SECRET, list_no, i).public == theirs
        assert next_digest(SECRET, list_no, i) == hashlib.sha256(theirs).digest()


def test_no_two_places_share_a_digest() -> None:
    places = [(list_no, i) for list_no in range(4) for i in range(64)]
    assert len({next_digest(SECRET, *place) for place in places}) == len(places)


def test_the_words_lead_to_the_same_keys() -> None:
    again = recovery_secret(recovery_words(SECRET, entropy=SeededEntropy(b"paper")))
    assert backup_secret(again) == backup_secret(SECRET)
    assert next_digest(again, 0, 5) == next_digest(SECRET, 0, 5)

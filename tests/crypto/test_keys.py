"""Secrets do not show themselves; roles do not mix; signatures are RFC 8032's."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator

import pytest

from entrenous.crypto import keys
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadKey, BadSignature
from entrenous.crypto.key_tree import TreeNode
from entrenous.crypto.keys import DeviceKey, NodeKey, PersonaKey, Secret, verify_signature
from entrenous.crypto.unlock import KeyFileSecret
from entrenous.tests.protocol.forge import (
    HONEST_BARE,
    IDENTITY,
    IDENTITY_UNREDUCED,
    MIXED_BARE,
    ORDER_EIGHT,
    ORDER_FOUR,
    ORDER_TWO,
    POINT_UNREDUCED,
    BareKey,
    malleable,
)

RAW = bytes(range(32))
REPRS = {
    "VaultSecret": "<vault key 0843ef34>",
    "CollectionKey": "<collection key 0843ef34>",
    "NodeKey": "<node key 0843ef34>",
    "DayKey": "<day key 0843ef34>",
    "PageKey": "<page key 0843ef34>",
    "RecoverySecret": "<recovery key 0843ef34>",
    "StoreKey": "<store key 0843ef34>",
    "IndexKey": "<index key 0843ef34>",
    "LogKey": "<log key 0843ef34>",
    "GrantKey": "<grant key 0843ef34>",
    "PairKey": "<pair key 0843ef34>",
    "FileKey": "<file key 0843ef34>",
    "SigningKey": "<signing key 0843ef34>",
    "PersonaKey": "<persona key 0843ef34>",
    "DeviceKey": "<device key 0843ef34>",
    "LogSigningKey": "<log-signing key 0843ef34>",
    "ProgramKey": "<program key 0843ef34>",
    "ReaderSecret": "<reader key 0843ef34>",
    "BackupSecret": "<backup key 0843ef34>",
    "KeyFileSecret": "<key-file key 0843ef34>",
}


def roles_below(role: type[Secret]) -> Iterator[type[Secret]]:
    for below in role.__subclasses__():
        yield below
        yield from roles_below(below)


ROLES = sorted(
    (role for role in roles_below(Secret) if role.__module__.startswith("entrenous.crypto.")),
    key=lambda role: role.__name__,
)


def test_every_role_of_the_crypto_floor_is_pinned() -> None:
    assert {role.__name__ for role in ROLES} == set(REPRS)
    assert issubclass(KeyFileSecret, Secret)
    assert keys.Secret(RAW).role == "secret"


@pytest.mark.parametrize("role", ROLES)
def test_a_secret_shows_its_role_and_fingerprint_only(role: type[Secret]) -> None:
    secret = role(RAW)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>99}", f"{secret!a}"):
        assert shown == REPRS[role.__name__]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_pickled_or_copied(
    role: type[Secret], leave: Callable[[Secret], object]
) -> None:
    with pytest.raises(TypeError, match="is not pickled"):
        leave(role(RAW))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_secret_of_the_wrong_length_is_refused(role: type[Secret], length: int) -> None:
    with pytest.raises(BadKey, match=f"has 32 bytes, not {length}"):
        role(bytes(length))


def test_a_tree_node_does_not_show_its_key() -> None:
    shown = repr(TreeNode(3, 5, NodeKey(RAW)))
    assert shown == "TreeNode(depth=3, prefix=5, key=<node key 0843ef34>)"


def test_two_roles_of_the_same_bytes_are_not_equal() -> None:
    assert PersonaKey(RAW) == PersonaKey(RAW)
    assert PersonaKey(RAW) != DeviceKey(RAW)
    assert len({PersonaKey(RAW), PersonaKey(RAW), DeviceKey(RAW)}) == 2


def test_signatures_are_those_of_rfc_8032() -> None:
    # Section 7.1, test 1: the empty message.
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555f"
        "b8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    key = PersonaKey(bytes.fromhex(seed))
    assert key.public.hex() == public
    assert key.sign(b"").hex() == signature
    verify_signature(key.public, b"", bytes.fromhex(signature))


def test_a_signature_by_another_or_over_another_message_is_refused() -> None:
    key, other = (DeviceKey.generate(SeededEntropy(seed)) for seed in (b"1", b"2"))
    signature = key.sign(b"message")
    verify_signature(key.public, b"message", signature)
    for public, message, claimed in (
        (other.public, b"message", signature),
        (key.public, b"massage", signature),
        (key.public, b"message", signature[:-1]),
        (key.public, b"message", b"\x01" + signature[1:]),
        (key.public[:-1], b"message", signature),
        # A key of small order signs anything: libsodium refuses it.
        (bytes(32), b"message", bytes(64)),
    ):
        with pytest.raises(BadSignature):
            verify_signature(public, message, claimed)


# Libraries of Ed25519 differ in these, and versions of libsodium may; the specification decides.
MESSAGE = b"message"


def test_a_signature_made_by_its_scalar_verifies() -> None:
    assert HONEST_BARE.public != MIXED_BARE.public
    verify_signature(HONEST_BARE.public, MESSAGE, HONEST_BARE.sign(MESSAGE))


def test_a_key_of_mixed_order_verifies_what_holds_without_the_cofactor() -> None:
    holds, eightfold = (MIXED_BARE.drawn(MESSAGE, cancels=it) for it in (True, False))
    verify_signature(MIXED_BARE.public, MESSAGE, holds)
    # The same equation holds for this one times eight: what a check with the cofactor takes.
    with pytest.raises(BadSignature):
        verify_signature(MIXED_BARE.public, MESSAGE, eightfold)


@pytest.mark.parametrize("point", [ORDER_TWO, ORDER_FOUR, ORDER_EIGHT])
def test_r_with_a_point_of_small_order_added_is_refused(point: bytes) -> None:
    with pytest.raises(BadSignature):
        verify_signature(HONEST_BARE.public, MESSAGE, HONEST_BARE.sign_added(point, MESSAGE))


@pytest.mark.parametrize("point", [IDENTITY, IDENTITY_UNREDUCED])
def test_r_of_small_order_is_refused_though_the_equation_holds(point: bytes) -> None:
    signature = HONEST_BARE.sign_with(point, MESSAGE)
    with pytest.raises(BadSignature):
        verify_signature(HONEST_BARE.public, MESSAGE, signature)


def test_s_that_is_not_below_the_order_is_refused() -> None:
    signature = HONEST_BARE.sign(MESSAGE)
    for _ in range(15):
        signature = malleable(signature)
        with pytest.raises(BadSignature):
            verify_signature(HONEST_BARE.public, MESSAGE, signature)


@pytest.mark.parametrize(
    "point", [IDENTITY, IDENTITY_UNREDUCED, ORDER_TWO, ORDER_FOUR, ORDER_EIGHT, POINT_UNREDUCED]
)
def test_a_key_of_small_order_or_in_another_spelling_verifies_nothing(point: bytes) -> None:
    for n in range(32):
        message, r = bytes([n]), BareKey(bytes([n + 1]) + bytes(31))
        # S = r and R = rB hold wherever the order of the key divides k.
        with pytest.raises(BadSignature):
            verify_signature(point, message, r.public + r.secret)

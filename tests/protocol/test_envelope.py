"""The claims of tokens at their limits, commands by whole words, and what others sign with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from entrenous.crypto.canonical import Link, Value, encode
from entrenous.crypto.keys import SIGNATURE_BYTES
from entrenous.protocol import limits
from entrenous.protocol.envelope import VARSIG, Payload, check_command, covers, open_envelope
from entrenous.protocol.errors import CapabilityError, Code, WireError

CID = b"\x01\x71\x12\x20" + bytes(32)


def of(value: Value) -> Payload:
    return Payload("a token", {"claim": value, "nonce": value, "cmd": value})


CLAIMS: list[tuple[Callable[[Payload], object], list[Value], list[Value]]] = [
    (lambda p: p.text("claim", 5), ["", "12345"], ["123456", b"x", None]),
    (
        lambda p: p.time("claim"),
        [0, 1, limits.TIME_S_MAX],
        [-1, limits.TIME_S_MAX + 1, True, False, None, "1"],
    ),
    (lambda p: p.maybe_time("claim"), [None, 0], [-1, True]),
    (lambda p: p.maybe_time("absent"), [1], []),
    (lambda p: p.optional_time("claim"), [0], [None, -1]),
    (
        lambda p: p.nonce(),
        [b"", bytes(limits.TOKEN_NONCE_BYTES_MAX)],
        [bytes(limits.TOKEN_NONCE_BYTES_MAX + 1), "x", None],
    ),
    (lambda p: p.mapping("claim"), [{}, {"a": 1}], [[], None]),
    (
        lambda p: p.command(),
        ["/", "/" + "a" * (limits.COMMAND_CHARS_MAX - 1)],
        ["/" + "a" * limits.COMMAND_CHARS_MAX, "", None],
    ),
]


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    CLAIMS,
    ids=["text", "time", "maybe", "absent", "optional", "nonce", "map", "command"],
)
def test_a_claim_at_its_limits(
    read: Callable[[Payload], object], good: list[Value], bad: list[Value]
) -> None:
    for value in good:
        read(of(value))
    for value in bad:
        with pytest.raises(WireError):
            read(of(value))


def test_a_claim_comes_back_as_it_is() -> None:
    assert of("text").text("claim", 4) == "text"
    assert of(7).time("claim") == of(7).maybe_time("claim") == of(7).optional_time("claim") == 7
    assert of(None).maybe_time("claim") is of(1).maybe_time("absent") is None
    assert of(1).optional_time("absent") is None
    assert of({"a": 1}).mapping("claim") == {"a": 1}
    assert of(b"n").nonce() == b"n"
    assert of("/a/b").command() == "/a/b"
    assert of(None).link(Link(CID)) == CID
    assert of(None).maybe_did("claim") is None
    with pytest.raises(WireError, match="where a link belongs"):
        of(None).link(CID)


@pytest.mark.parametrize("command", ["/", "/a", "/a/b-c/d1", "/é"])
def test_a_command(command: str) -> None:
    check_command(command)


@pytest.mark.parametrize("command", ["", "a", "a/", "/a/", "//", "/a//b", "/A", "/a b", "/a\n"])
def test_not_a_command(command: str) -> None:
    with pytest.raises(WireError, match="a command is"):
        check_command(command)


def test_a_command_covers_by_whole_words() -> None:
    assert covers("/", "/a")
    assert covers("/a", "/a")
    assert covers("/a", "/a/b")
    for wider, narrower in (("/a/b", "/a"), ("/a", "/ab"), ("/a", "/"), ("/b", "/a")):
        assert not covers(wider, narrower)


# --- the envelope ---------------------------------------------------------------------------------


def opened(signed: Value, *, signature: Value = bytes(SIGNATURE_BYTES)) -> Payload:
    return open_envelope(encode([signature, signed]), "dlg", ("iss",), ("nbf",), "1.0.0")


def test_the_claims_are_those_required_and_some_of_the_others() -> None:
    claims: Mapping[str, Value]
    for claims in ({"iss": 1}, {"iss": 1, "nbf": 2}):
        assert opened({"h": VARSIG, "ucan/dlg@1.0.0": claims}).claims == claims
    for claims, why in (
        ({}, "lacks iss"),
        ({"nbf": 2}, "lacks iss"),
        ({"iss": 1, "new": 2}, "not known"),
        ({"iss": 1, "nbf": 2, "new": 3}, "not known"),
    ):
        with pytest.raises(WireError, match=why):
            opened({"h": VARSIG, "ucan/dlg@1.0.0": claims})


@pytest.mark.parametrize("size", [0, SIGNATURE_BYTES - 1, SIGNATURE_BYTES + 1])
def test_a_signature_has_its_length(size: int) -> None:
    with pytest.raises(WireError, match="no Ed25519 signature"):
        opened({"h": VARSIG, "ucan/dlg@1.0.0": {"iss": 1}}, signature=bytes(size))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("3401ec0180241271", "ES256"),
        ("3401ec0181242071", "ES384"),
        ("3401ec0182241371", "ES512"),
        ("3401ec01e7011271", "ES256K"),
        ("3401ec01e7011b91c30371", "EIP-191"),
        ("3401852412800271", "RS256"),
    ],
)
def test_what_others_sign_with_is_named(header: str, name: str) -> None:
    with pytest.raises(WireError, match=f"but with {name}, which is not spoken here"):
        opened({"h": bytes.fromhex(header), "ucan/dlg@1.0.0": {"iss": 1}})


@pytest.mark.parametrize("header", [b"", b"\x34\x01", None, "text"])
def test_another_header_is_not_named(header: Value) -> None:
    with pytest.raises(WireError, match=r"Ed25519 over DAG-CBOR$"):
        opened({"h": header, "ucan/dlg@1.0.0": {"iss": 1}})


@pytest.mark.parametrize("tag", ["ucan/inv@1.0.0", "ucan/dlg", "ucan/dlg@", "other@2.0.0"])
def test_a_token_of_another_kind_is_not_this_one(tag: str) -> None:
    with pytest.raises(WireError, match="this token is not"):
        opened({"h": VARSIG, tag: {"iss": 1}})


def test_a_token_of_another_version_says_so() -> None:
    with pytest.raises(CapabilityError, match="another version of UCAN") as refused:
        opened({"h": VARSIG, "ucan/dlg@2.0.0": {"iss": 1}})
    assert refused.value.code is Code.VERSION

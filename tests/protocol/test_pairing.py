"""Links that are read strictly, used once, and give both sides one key."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.digest import kdf
from entrenous.crypto.errors import EntrenousError
from entrenous.crypto.keys import DeviceKey
from entrenous.crypto.labels import Derive
from entrenous.protocol.cid import cid_of
from entrenous.protocol.errors import Code, GrantRefused, VersionError, WireError
from entrenous.protocol.pairing import SCHEME, Invite, check_invite, pair_key, parse_link
from entrenous.protocol.wire import Value, encode

NOW_MS = 1_790_000_000_000
NOW_S = NOW_MS // 1000
DEVICE = DeviceKey(bytes([1]) * 32)
SECRET = bytes(range(16))
INVITE = Invite(DEVICE.public, ("/ip4/192.0.2.7/tcp/4001",), SECRET, NOW_S + 86_400)

_address = st.text("/abcip4dns.tcp0123456789", max_size=60).map("/ip4".__add__)


@given(
    st.lists(_address, min_size=1, max_size=16).map(tuple),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**40),
)
def test_a_link_goes_there_and_back(addresses: tuple[str, ...], secret: bytes, exp: int) -> None:
    invite = Invite(DEVICE.public, addresses, secret, exp)
    assert parse_link(f"  {invite.link()}\n") == invite


def _link(value: Value) -> str:
    return SCHEME + base64.urlsafe_b64encode(encode(value)).decode().rstrip("=")


GOOD: list[Value] = [1, DEVICE.public, ["/ip4/192.0.2.7/tcp/1"], SECRET, NOW_S]


def _with(place: int, value: Value) -> str:
    return _link([*GOOD[:place], value, *GOOD[place + 1 :]])


def test_the_good_one_is_good() -> None:
    assert parse_link(_link(GOOD)).secret == SECRET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "entrenous",
        SCHEME,
        "https://example.org/" + _link(GOOD),
        _link(GOOD)[:-1],
        _link(GOOD) + "=",
        _link(GOOD) + "A",
        _link(GOOD).replace("entrenous", "Entrenous"),
        SCHEME + "é" * 10,
        SCHEME + "A" * 4_000,
        _link([]),
        _link({"v": 1}),
        _link(GOOD[:4]),
        _link([*GOOD, 1]),
        _with(0, True),
        _with(1, DEVICE.public[:-1]),
        _with(1, "x" * 32),
        _with(2, []),
        _with(2, ["/a"] * 17),
        _with(2, ["ip4"]),
        _with(2, ["/"]),
        _with(2, ["/ip4\n"]),
        _with(2, ["/é"]),
        _with(2, ["/" + "a" * 256]),
        _with(2, [3]),
        _with(3, SECRET + b"\x00"),
        _with(4, -1),
        _with(4, True),
        _with(4, None),
    ],
)
def test_a_damaged_link_is_refused_by_a_sentence(text: str) -> None:
    with pytest.raises(WireError) as refused:
        parse_link(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_link_of_a_later_version_is_refused() -> None:
    with pytest.raises(VersionError):
        parse_link(_with(0, 2))


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: SCHEME + raw.hex()))
def test_anything_pasted_is_a_link_or_a_wire_error(text: str) -> None:
    try:
        found = parse_link(text)
    except WireError:
        return
    assert found.link() == text.strip()


@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_one_character_changed_is_another_link_or_none(place: int, character: str) -> None:
    link = INVITE.link()
    place %= len(link)
    changed = link[:place] + character + link[place + 1 :]
    try:
        found = parse_link(changed)
    except EntrenousError:
        return
    assert (found == INVITE) is (changed.strip() == link)


@given(st.binary(max_size=200))
def test_any_bytes_in_a_link_are_refused_or_canonical(raw: bytes) -> None:
    text = SCHEME + base64.urlsafe_b64encode(raw).decode().rstrip("=")
    try:
        found = parse_link(text)
    except WireError:
        return
    assert found.link() == text


def test_an_invite_is_worth_dialling_for_a_while() -> None:
    check_invite(INVITE, NOW_MS)
    for now_ms, code in (
        (INVITE.exp_s * 1000, Code.EXPIRED),
        (NOW_MS - 7 * 86_400_000, Code.NOT_YET),
    ):
        with pytest.raises(GrantRefused) as refused:
            check_invite(INVITE, now_ms)
        assert refused.value.code is code


def test_the_pair_key_is_what_the_formats_say_and_depends_on_everything() -> None:
    parts = {
        "k_scanner": bytes([1]) * 32,
        "k_inviter": bytes([2]) * 32,
        "inception_scanner": cid_of(b"scanner"),
        "inception_inviter": cid_of(b"inviter"),
    }
    key = pair_key(SECRET, **parts)
    assert key.secret_bytes() == kdf(SECRET, Derive.PAIR, *parts.values())
    others = {pair_key(bytes(16), **parts).secret_bytes()}
    others |= {
        pair_key(SECRET, **{**parts, name: value[:-1] + b"\xff"}).secret_bytes()
        for name, value in parts.items()
    }
    others.add(
        pair_key(
            SECRET,
            k_scanner=parts["k_inviter"],
            k_inviter=parts["k_scanner"],
            inception_scanner=parts["inception_scanner"],
            inception_inviter=parts["inception_inviter"],
        ).secret_bytes()
    )
    assert len(others) == 6
    assert key.secret_bytes() not in others


def test_the_secret_is_not_shown() -> None:
    shown = repr(INVITE) + repr(replace(INVITE, exp_s=0))
    assert SECRET.hex() not in shown
    assert repr(SECRET) not in shown

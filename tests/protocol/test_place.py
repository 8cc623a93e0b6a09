"""A place says where a device is and opens nothing: its link, as it was written, or refused."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrenous.crypto.canonical import encode
from entrenous.protocol.errors import ProtocolError, WireError
from entrenous.protocol.joining import join_link
from entrenous.protocol.limits import ADDRESSES_MAX
from entrenous.protocol.pairing import SCHEME, check_invite, parse_link
from entrenous.protocol.place import PLACE_LIFE_S, PLACE_SCHEME, make_place, parse_place, place_link

NOW_MS = 1_767_225_600_000
PLACE = make_place(b"d" * 32, ("/ip4/192.0.2.7/tcp/4001",), NOW_MS)


def test_a_place_is_read_as_it_was_written() -> None:
    assert parse_place(f"  {place_link(PLACE)}\n") == PLACE
    assert PLACE.exp_s == NOW_MS // 1000 + PLACE_LIFE_S
    check_invite(PLACE, NOW_MS)
    with pytest.raises(ProtocolError, match="expired"):
        check_invite(PLACE, (PLACE.exp_s + 1) * 1000)


def test_it_names_no_more_addresses_than_a_link_may() -> None:
    many = [f"/ip4/192.0.2.7/tcp/{port}" for port in range(4000, 4000 + ADDRESSES_MAX + 3)]
    assert len(make_place(b"d" * 32, many, NOW_MS).addresses) == ADDRESSES_MAX


def _as(scheme: str, link: str) -> str:
    return scheme + link.partition(":")[2]


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        (replace(PLACE, secret=b"s" * 16).link(), "somebody new"),
        (join_link(PLACE), "begins with"),
        (_as(PLACE_SCHEME, replace(PLACE, secret=b"s" * 16).link()), "no secret"),
        (place_link(PLACE)[:-1], "damaged"),
        (place_link(PLACE) + "A", "damaged"),
        (PLACE_SCHEME, "damaged"),
        ("", "begins with"),
        (
            PLACE_SCHEME
            + base64.urlsafe_b64encode(
                encode([2, b"d" * 32, ["/memory/1"], bytes(16), 1])
            ).decode(),
            "version 2",
        ),
    ],
)
def test_what_is_no_place_is_refused(link: str, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        parse_place(link)


def test_a_place_is_no_invite() -> None:
    with pytest.raises(WireError, match="not an invite"):
        parse_link(place_link(PLACE))


@given(st.text(max_size=80))
def test_any_text_is_a_place_or_is_refused(text: str) -> None:
    for link in (text, PLACE_SCHEME + text):
        try:
            found = parse_place(link)
        except ProtocolError:
            continue
        assert place_link(found) == link.strip()
        assert found.link().startswith(SCHEME)

"""The strict codec: its limits to the very value, and the typed fields of a body."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from entrenous.crypto.canonical import Link, Value, encode, encode_in_order
from entrenous.protocol import limits
from entrenous.protocol.errors import VersionError, WireError
from entrenous.protocol.wire import Body, decode

CID = b"\x01\x71\x12\x20" + bytes(32)


def nested(depth: int) -> Value:
    value: Value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        -(2**63), 2**63 - 1, 0, -1, True, None, "", b"", [], {}, Link(CID),
        {"b": 1, "aa": 2, "ab": 3}, nested(limits.DEPTH_MAX),
    ],
)  # fmt: skip
def test_what_fits_comes_back(value: Value) -> None:
    raw = encode(value)
    assert decode(raw) == value
    assert type(decode(raw)) is type(value)
    assert encode_in_order(decode(raw)) == raw


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (2**63, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ([{"a": [2**63]}], "64 bits"),
        (nested(limits.DEPTH_MAX + 1), "strict DAG-CBOR"),
        ([0] * limits.ITEMS_MAX, "elements passes the limit"),
    ],
    ids=["above", "below", "inside", "deep", "many"],
)
def test_what_does_not_fit_is_refused(value: Value, why: str) -> None:
    with pytest.raises(WireError, match=why):
        decode(encode(value))


def test_a_limit_is_the_last_that_is_allowed() -> None:
    raw = encode([0] * 9)
    assert decode(raw, items_max=10) == [0] * 9
    assert decode(raw, bytes_max=len(raw)) == [0] * 9
    assert decode(encode({"a": 1, "b": [2]}), items_max=4) == {"a": 1, "b": [2]}
    for kwargs in ({"items_max": 9}, {"bytes_max": len(raw) - 1}):
        with pytest.raises(WireError, match="limit"):
            decode(raw, **kwargs)
    with pytest.raises(WireError, match="elements"):
        decode(encode({"a": 1, "b": [2]}), items_max=3)


@pytest.mark.parametrize("raw", ["c11a00000000", "d81c01", "d818410a", "d82a4101", "d82a01"])
def test_a_tag_is_refused_by_its_own_sentence(raw: str) -> None:
    with pytest.raises(WireError, match="the only tag allowed is 42, a link"):
        decode(bytes.fromhex(raw))


def test_a_link_has_at_most_a_hundred_bytes() -> None:
    longest = Link(b"\x01\x71\x00\x60" + bytes(96))
    assert decode(encode(longest)) == longest
    for cid in (b"\x01\x71\x00\x61" + bytes(97), b""):
        with pytest.raises(WireError):
            decode(encode(Link(cid)))
    with pytest.raises(WireError):
        decode(b"\xd8\x2a\x44" + CID[:4])


@pytest.mark.parametrize(
    "raw",
    ["a2616201616101", "a2616101616101", "a262616101616202", "a1016161", "a1416101", "ff",
     "c11a00000000", "c2410a", "d81c01", "d901001a", "d9d9f701", "d818410a", "f7", "f818", "e0"],
)  # fmt: skip
def test_what_is_not_canonical_is_refused(raw: str) -> None:
    with pytest.raises(WireError):
        decode(bytes.fromhex(raw))


# --- bodies ---------------------------------------------------------------------------------------

FIELDS: dict[str, Value] = {
    "v": 1, "text": "abc", "number": 5, "flag": True, "data": b"abc", "items": [1, 2], "none": None,
    "body": {"a": 1},
}  # fmt: skip
BODY = Body.open(FIELDS, "a thing", tuple(FIELDS))


def test_fields_come_as_what_they_are() -> None:
    assert BODY.value("number") == 5
    assert BODY.text("text", chars_min=3, chars_max=3) == "abc"
    assert BODY.integer("number", low=5, high=5) == 5
    assert BODY.flag("flag") is True
    assert BODY.data("data", length=3, bytes_max=3) == BODY.data("data") == b"abc"
    assert BODY.items("items", items_min=2, items_max=2) == [1, 2]
    assert BODY.body("body", ("a",)).fields == {"a": 1}
    assert BODY.maybe_text("text") == "abc"
    assert BODY.maybe_integer("number") == 5
    assert BODY.maybe_data("data", length=3) == b"abc"
    for maybe in (BODY.maybe_text, BODY.maybe_integer, BODY.maybe_data):
        assert maybe("none") is None


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "text that is a number": (lambda: BODY.text("number"), "number is not text"),
    "text that is too long": (lambda: BODY.text("text", chars_max=2), "text of 0 to 2"),
    "text that is too short": (lambda: BODY.text("text", chars_min=4), "text of 4 to"),
    "a number that is text": (lambda: BODY.integer("text"), "text is not an integer"),
    "a number that is true": (lambda: BODY.integer("flag"), "an integer"),
    "a number that is small": (lambda: BODY.integer("number", low=6), "from 6"),
    "a number that is large": (lambda: BODY.integer("number", high=4), "to 4"),
    "a flag that is a number": (lambda: BODY.flag("number"), "true or false"),
    "a flag that is null": (lambda: BODY.flag("none"), "true or false"),
    "data that is text": (lambda: BODY.data("text"), "is not bytes"),
    "data of another length": (lambda: BODY.data("data", length=4), "4 bytes"),
    "data that is too long": (lambda: BODY.data("data", bytes_max=2), "at most 2"),
    "items that are text": (lambda: BODY.items("text", items_max=9), "a list"),
    "items that are too many": (lambda: BODY.items("items", items_max=1), "0 to 1"),
    "items that are too few": (lambda: BODY.items("items", items_max=9, items_min=3), "3 to 9"),
    "a body that is a list": (lambda: BODY.body("items", ("a",)), "a thing: items is not a map"),
    "a body with another key": (lambda: BODY.body("body", ("b",)), "lacks b"),
    "maybe text": (lambda: BODY.maybe_text("text", chars_max=2), "text of 0 to 2"),
    "maybe a number": (lambda: BODY.maybe_integer("number", low=6), "from 6"),
    "maybe a number, large": (lambda: BODY.maybe_integer("number", high=4), "to 4"),
    "maybe data": (lambda: BODY.maybe_data("data", length=4), "4 bytes"),
    "maybe data, long": (lambda: BODY.maybe_data("data", bytes_max=2), "at most 2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_of_another_kind_is_refused_by_its_name(name: str) -> None:
    act, why = WRONG[name]
    with pytest.raises(WireError, match=why):
        act()


def test_a_number_is_not_negative_unless_said() -> None:
    body = Body.open({"n": -1}, "a thing", ("n",))
    assert body.integer("n", low=-1) == -1
    for read in (body.integer, body.maybe_integer):
        with pytest.raises(WireError):
            read("n")


@pytest.mark.parametrize(
    ("value", "error", "why"),
    [
        ([], WireError, "is not a map"),
        ({"v": 1}, WireError, "lacks a, b"),
        ({"v": 1, "a": 1}, WireError, "lacks b"),
        ({"v": 1, "a": 1, "b": 1, "c": 1}, WireError, "not known"),
        ({"a": 1, "b": 1}, WireError, "lacks v"),
        ({"v": 2}, VersionError, "newer than this program"),
        ({"v": 0, "a": 1, "b": 1}, VersionError, "no longer spoken"),
        ({"v": "1", "a": 1, "b": 1}, VersionError, "no longer spoken"),
        ({"v": True, "a": 1, "b": 1}, WireError, "v is not an integer"),
    ],
)
def test_a_body_has_exactly_its_keys(value: Value, error: type[WireError], why: str) -> None:
    with pytest.raises(error, match=why) as refused:
        Body.open(value, "a thing", ("v", "a", "b"))
    assert type(refused.value) is error


def test_a_body_without_a_version_may_use_that_letter_for_nothing() -> None:
    assert Body.open({"a": 1}, "a thing", ("a",)).fields == {"a": 1}


def test_a_list_has_one_element_for_each_of_its_names() -> None:
    body = Body.of_list(["x", 2], "a thing", ("a", "b"))
    assert body.fields == {"a": "x", "b": 2}
    others: list[Value] = [["x"], ["x", 2, 3], [], {"a": "x", "b": 2}, "xy", None]
    for other in others:
        with pytest.raises(WireError, match="a thing is not a list of a, b"):
            Body.of_list(other, "a thing", ("a", "b"))

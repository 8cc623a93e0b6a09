"""Leave, and what is built on it: connections by address and key, lines of the log."""

from __future__ import annotations

import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from entrenous.node.leave import Leave, Leaves
from entrenous.node.log.space import LINES_MOST, Sparing, SparingFilter
from entrenous.node.network.admission import (
    ADDRESS_MOST,
    ADDRESS_PER_S,
    HELD_MAX,
    KEY_MOST,
    UNPROVED_MAX,
    Admission,
    Place,
    network_of,
)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.01, 3)), max_size=50))
def test_never_more_than_the_store_and_what_grew_back(asked: list[tuple[float, float]]) -> None:
    leave, now_s, taken = Leave(5.0, 0.5, 0.0), 0.0, 0.0
    for wait_s, cost in asked:
        now_s += wait_s
        if leave.take(now_s, cost):
            taken += cost
    assert taken <= 5.0 + 0.5 * now_s + 1e-6


def test_a_clock_that_goes_back_gives_no_leave() -> None:
    leave = Leave(1.0, 1.0, 100.0)
    assert leave.take(100.0)
    assert not leave.take(50.0)


def test_who_is_at_rest_is_forgotten_first_and_many_are_never_held() -> None:
    leaves = Leaves(2.0, 1.0, names_max=100)
    for name in range(10_000):
        leaves.take(name, 0.0)
        assert len(leaves) <= 100
    leaves.take("later", 1_000.0)
    assert len(leaves) == 1


# --- admission ------------------------------------------------------------------------------------


def _nothing() -> None:
    """Nobody gives way."""


def test_an_address_has_leave_for_so_many_handshakes() -> None:
    admission = Admission(0.0)
    given = [admission.arrives("192.0.2.1", _nothing, 0.0) for _ in range(100)]
    assert sum(place is not None for place in given) == ADDRESS_MOST
    assert admission.arrives("192.0.2.2", _nothing, 0.0) is not None
    assert admission.arrives("192.0.2.1", _nothing, 1 / ADDRESS_PER_S) is not None


def test_a_newcomer_finds_a_place_though_others_say_nothing() -> None:
    admission = Admission(0.0)
    gone: list[int] = []
    now_s = 0.0
    for number in range(200):
        now_s += 1
        admission.arrives("192.0.2.1", lambda number=number: gone.append(number), now_s)
    assert gone == list(range(200 - UNPROVED_MAX))
    gone.clear()
    newcomer: list[str] = []
    assert admission.arrives("198.51.100.7", lambda: newcomer.append("me"), now_s) is not None
    for _ in range(20):
        now_s += 1
        admission.arrives("192.0.2.1", _nothing, now_s)
    assert not newcomer
    assert len(gone) == 21


def test_a_key_and_an_address_hold_so_many_connections() -> None:
    admission = Admission(0.0)
    now_s, kept = 0.0, list[Place]()
    for number in range(200):
        now_s += 60
        place = admission.arrives("192.0.2.1", _nothing, now_s)
        assert place is not None
        if admission.proved(place, number.to_bytes(32, "big"), now_s):
            kept.append(place)
        admission.leaves(place)
    assert len(kept) == HELD_MAX
    admission.ended(kept.pop())
    place = admission.arrives("192.0.2.1", _nothing, now_s)
    assert place is not None
    assert admission.proved(place, b"k" * 32, now_s)
    # ten seconds and not sixty apart: one key comes back too often
    often = 0
    for _ in range(50):
        other = admission.arrives("198.51.100.7", _nothing, now_s)
        if other is not None and admission.proved(other, b"k" * 32, now_s):
            often += 1
    assert often <= KEY_MOST


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_whom_an_address_stands_for(host: str, network: str) -> None:
    assert network_of(host) == network


# --- the log --------------------------------------------------------------------------------------


def test_a_flood_of_lines_is_counted_and_not_written() -> None:
    now_s = [0.0]
    sparing = Sparing(lambda: now_s[0])
    written: list[dict[str, object]] = []
    for _ in range(10_000):
        try:
            written.append(dict(sparing(None, "warning", {"event": "link_fault"})))
        except structlog.DropEvent:
            continue
    assert len(written) == LINES_MOST
    # another kind is not left out, and errors never are
    assert sparing(None, "info", {"event": "listening"}) == {"event": "listening"}
    assert all(sparing(None, "error", {"event": "link_fault"}) for _ in range(1_000))
    now_s[0] = 60.0
    line = dict(sparing(None, "warning", {"event": "link_fault"}))
    assert line["unsaid"] == 10_000 - LINES_MOST


def test_lines_of_other_modules_too() -> None:
    sparing = SparingFilter(Sparing(lambda: 0.0))
    kept = 0
    for number in range(1_000):
        record = logging.LogRecord("x", logging.WARNING, "", 0, "ended: %s", (number,), None)
        kept += sparing.filter(record)
    assert kept == LINES_MOST

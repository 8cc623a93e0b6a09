"""Segments: just the entries granted, known to be the device's."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.canonical import Value
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.errors import BadSignature
from entrenous.crypto.keys import DeviceKey
from entrenous.crypto.labels import Signed
from entrenous.protocol.cid import cid_of
from entrenous.protocol.did import did_of
from entrenous.protocol.errors import (
    LocalProtocolError,
    ProtocolError,
    StatementError,
    WireError,
)
from entrenous.protocol.page import PageEntry, entry_leaf
from entrenous.protocol.segment import (
    RunProof,
    Segment,
    make_segment,
    parse_segment_head,
    runs,
    verify_run,
)
from entrenous.protocol.signed import sign

DEVICE = DeviceKey(b"w" * 32)
OTHER = DeviceKey(b"o" * 32)


def entry(number: int, *, writer: DeviceKey = DEVICE) -> PageEntry:
    return PageEntry(
        page_id=bytes([255 - number]) * 16,
        page_salt=bytes([number]) * 32,
        path="energy/gas" if number % 2 else "energy/electricity",
        day=46_000 + number // 3,
        epoch=bytes(16),
        gen=bytes(16),
        count=0,
        length=2048 + 40,
        digest=bytes(32),
        statement=None,
        schema="meter-reading/1",
        writer=did_of(writer.public),
        codec=0,
        plain_len=300,
    )


def segment(count: int, seed: bytes = b"segment") -> Segment:
    return make_segment(
        [entry(i) for i in range(count)],
        device=DEVICE,
        seq=7,
        prev=cid_of(b"before"),
        supersedes=[cid_of(b"old")],
        entropy=SeededEntropy(seed),
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9])
def test_every_run_is_proven(count: int) -> None:
    made = segment(count)
    encoded = [e.encoded() for e in made.entries]
    assert made.head.size.bit_count() == 1
    assert count <= made.head.size < 2 * count
    for first in range(count):
        for end in range(first + 1, count + 1):
            (run,) = runs(made, range(first, end))
            assert RunProof.from_value(run.value()) == run
            shown = encoded[first:end]
            assert verify_run(made.head, run, shown) == made.entries[first:end]
            for lie in (
                replace(run, first=run.first + 1),
                replace(run, segment=cid_of(b"another")),
                replace(run, size=run.size + 1),
                replace(run, hashes=(*run.hashes, bytes(32))),
            ):
                with pytest.raises(StatementError):
                    verify_run(made.head, lie, shown)
            with pytest.raises(StatementError):
                verify_run(made.head, run, shown[:-1])
            with pytest.raises(StatementError):
                verify_run(made.head, run, [*shown[:-1], entry(77).encoded()])


@settings(max_examples=50)
@given(st.sets(st.integers(0, 12)))
def test_runs_are_the_contiguous_stretches_of_what_is_wanted(wanted: set[int]) -> None:
    made = segment(13)
    found = runs(made, wanted)
    covered = [place for run in found for place in range(run.first, run.first + run.size)]
    assert covered == sorted(wanted)
    gaps = groupby(enumerate(sorted(wanted)), key=lambda pair: pair[1] - pair[0])
    assert len(found) == len(list(gaps))
    for run in found:
        shown = [e.encoded() for e in made.entries[run.first : run.first + run.size]]
        verify_run(made.head, run, shown)


def test_entries_stand_in_order_and_the_padding_is_random() -> None:
    one, two = segment(5), segment(5, b"another seed")
    keys = [(e.path, e.day, e.page_id) for e in one.entries]
    assert keys == sorted(keys)
    assert one.entries == two.entries
    assert len(one.padding) == 3
    assert len({*one.padding, *two.padding}) == 6
    assert one.head.root != two.head.root


def test_a_reader_of_one_entry_learns_of_no_other() -> None:
    made = segment(5)
    (run,) = runs(made, [2])
    others = {e.leaf() for i, e in enumerate(made.entries) if i not in (2, 3)}
    assert not others & set(run.hashes)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([], "1 to 65536"),
        ([entry(1), entry(1)], "each page once"),
        ([entry(1), entry(2, writer=OTHER)], "pages that it wrote"),
    ],
)
def test_what_is_not_vouched_for(entries: list[PageEntry], sentence: str) -> None:
    with pytest.raises(LocalProtocolError, match=sentence):
        make_segment(entries, device=DEVICE, seq=0, prev=None, entropy=SeededEntropy(b""))


@pytest.mark.parametrize("place", [-1, 5, 7])
def test_padding_has_no_entry(place: int) -> None:
    with pytest.raises(LocalProtocolError, match="no entry"):
        runs(segment(5), [0, place])


def test_a_device_that_signs_for_another_or_out_of_order_is_refused() -> None:
    """A hostile device can sign any root; what it signs must still be a segment."""
    for entries, sentence in (
        ([entry(1, writer=OTHER)], "another device wrote"),
        ([entry(3), entry(1)], "not in their order"),
        ([entry(1), entry(1)], "not in their order"),
    ):
        encoded = [e.encoded() for e in entries]
        made = make_segment(
            [entry(i) for i in range(len(entries))],
            device=DEVICE,
            seq=0,
            prev=None,
            entropy=SeededEntropy(b""),
        )
        leaves = tuple(map(entry_leaf, encoded))
        root = leaves[0] if len(leaves) == 1 else _node(*leaves)
        forged = parse_segment_head(
            sign(Signed.SEGMENT, {**made.head.signed.body, "root": root}, DEVICE).raw
        )
        run = RunProof(forged.cid, 0, len(encoded), ())
        with pytest.raises(StatementError, match=sentence):
            verify_run(forged, run, encoded)


def _node(left: bytes, right: bytes) -> bytes:
    return cid_of(b"\x01" + left + right)[4:]


@pytest.mark.parametrize(
    ("field", "value", "failure"),
    [
        ("dev", did_of(OTHER.public), BadSignature),
        ("dev", "me", WireError),
        ("seq", -1, WireError),
        ("prev", b"x" * 36, WireError),
        ("prev", "x", WireError),
        ("n", 0, WireError),
        ("n", 3, WireError),
        ("n", 1 << 40, WireError),
        ("root", bytes(31), WireError),
        ("supersedes", None, WireError),
        ("supersedes", [b"x"], WireError),
        ("supersedes", ["x"], WireError),
        ("v", 2, WireError),
    ],
)
def test_a_head_has_one_form(
    field: str, value: Value, failure: type[ProtocolError] | type[BadSignature]
) -> None:
    body = {**segment(3).head.signed.body, field: value}
    with pytest.raises(failure):
        parse_segment_head(sign(Signed.SEGMENT, body, DEVICE).raw)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [cid_of(b"a"), 0, 0, []],
        [cid_of(b"a"), -1, 1, []],
        [cid_of(b"a"), True, 1, []],
        [cid_of(b"a"), 0, 1 << 40, []],
        [b"a", 0, 1, []],
        [cid_of(b"a"), 0, 1, [b"short"]],
        [cid_of(b"a"), 0, 1, [bytes(32)] * 65],
        [cid_of(b"a"), 0, 1, [], 0],
    ],
)
def test_a_run_has_one_form(value: Value) -> None:
    with pytest.raises(WireError):
        RunProof.from_value(value)

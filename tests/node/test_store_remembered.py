"""Rows remembered: never out of date, never for another place, forgotten when erased."""

from __future__ import annotations

import pytest

from entrenous.crypto.canonical import Value
from entrenous.crypto.entropy import SeededEntropy
from entrenous.crypto.keys import IndexKey, StoreKey
from entrenous.node.store.errors import StoreDamaged
from entrenous.node.store.remembered import ROW_BYTES_MAX, Remembered
from entrenous.node.store.sealer import Sealer


class Counted:
    """A form that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, value: Value) -> str:
        self.asked += 1
        return repr(value)


def make_sealer() -> Sealer:
    return Sealer(StoreKey(b"s" * 32), IndexKey(b"i" * 32), SeededEntropy(b"rows"))


def test_a_row_is_read_once() -> None:
    sealer, form = make_sealer(), Counted()
    row = sealer.seal("place", b"tag", [1, "two"])
    assert [sealer.read("place", b"tag", row, form) for _ in range(3)] == ["[1, 'two']"] * 3
    assert form.asked == 1


def test_a_row_written_again_is_another_row() -> None:
    sealer, form = make_sealer(), Counted()
    first, second = (sealer.seal("place", b"tag", n) for n in (1, 2))
    assert sealer.read("place", b"tag", first, form) == "1"
    assert sealer.read("place", b"tag", second, form) == "2"


@pytest.mark.parametrize(("place", "tag"), [("elsewhere", b"tag"), ("place", b"other")])
def test_a_row_remembered_does_not_open_in_another_place(place: str, tag: bytes) -> None:
    sealer, form = make_sealer(), Counted()
    row = sealer.seal("place", b"tag", 1)
    sealer.read("place", b"tag", row, form)
    with pytest.raises(StoreDamaged):
        sealer.read(place, tag, row, form)


def test_a_row_altered_on_disk_is_not_found() -> None:
    sealer, form = make_sealer(), Counted()
    row = sealer.seal("place", b"tag", 1)
    sealer.read("place", b"tag", row, form)
    with pytest.raises(StoreDamaged):
        sealer.read("place", b"tag", row[:-1] + bytes([row[-1] ^ 1]), form)


def test_forgotten_is_read_again() -> None:
    sealer, form = make_sealer(), Counted()
    row = sealer.seal("place", b"tag", 1)
    sealer.read("place", b"tag", row, form)
    sealer.forget()
    sealer.read("place", b"tag", row, form)
    assert form.asked == 2


def test_memory_is_bounded_and_keeps_what_is_used() -> None:
    made: list[int] = []

    def make(n: int) -> int:
        made.append(n)
        return n

    memory = Remembered(bytes_max=1000)
    for n in range(100):
        memory.get("kept", 10, lambda: make(-1))
        memory.get(n, 10, lambda n=n: make(n))
    assert made.count(-1) == 1
    made.clear()
    memory.get(0, 10, lambda: make(0))
    assert made == [0]


def test_a_large_row_is_not_kept() -> None:
    made: list[bool] = []
    memory = Remembered()
    for _ in range(2):
        memory.get("large", ROW_BYTES_MAX + 1, lambda: made.append(True))
    assert len(made) == 2

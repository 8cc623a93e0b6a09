"""The table of labels: nothing in it means two things."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from itertools import chain

import pytest

from entrenous.crypto.labels import PREFIX, Derive, Signed, Tag, label

TABLES: tuple[type[StrEnum], ...] = (Derive, Tag, Signed)

# The formats use these words in two tables: a KDF's keyed BLAKE2b on one side, associated data or
# a signature on the other, which no key of ours ever does both of.
SHARED_BY_FORMAT = {"page", "receipt"}


@pytest.mark.parametrize("table", TABLES)
def test_no_label_stands_twice_in_a_table(table: type[StrEnum]) -> None:
    # A repeated value would be an alias, which iteration hides and __members__ shows.
    assert list(table.__members__) == [name.name for name in table]


def test_no_label_stands_in_two_tables_but_those_of_the_formats() -> None:
    counts = Counter(name.value for name in chain.from_iterable(TABLES))
    assert {text for text, times in counts.items() if times > 1} <= SHARED_BY_FORMAT


def test_a_label_carries_project_and_version() -> None:
    assert PREFIX == "entrenous/1/"
    assert label(Derive.COLLECTION) == "entrenous/1/collection"
    assert all(
        name.value == name.value.lower() and "/" not in name.value
        for name in chain.from_iterable(TABLES)
    )

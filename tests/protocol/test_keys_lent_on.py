"""Keys lent on: of what a reader holds, the days that it passes on, and no other day."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from entrenous.crypto.key_tree import NoKey
from entrenous.crypto.keys import GrantKey, VaultSecret
from entrenous.protocol.day import UNDATED, start_ms
from entrenous.protocol.keys_lent_on import keys_lent_on
from entrenous.protocol.keyset import GrantKeys, PathKeys, path_keys
from entrenous.protocol.window import Window

VAULT = VaultSecret(bytes([6]) * 32)
K_GRANT = GrantKey(bytes([7]) * 32)
EPOCH = bytes([8]) * 16
GENS = bytes(16), bytes([9]) * 16
LOAD, GAS = "energy/electricity/load-curve", "energy/gas/load-curve"
FIRST, DAYS = 46_000, 24
# Long after all of these days.
FAR_S = start_ms(FIRST + 400) // 1000


def _held(path: str, gen: bytes, *windows: tuple[int, int]) -> PathKeys:
    found = path_keys(
        VAULT,
        epoch=EPOCH,
        path=path,
        gen=gen,
        windows=[Window(path, first, last) for first, last in windows],
        exp_s=FAR_S,
    )
    assert found is not None
    return found


def _opened(sets: tuple[PathKeys, ...]) -> dict[tuple[str, bytes, int], object]:
    """Every day that these open, with the key that opens it."""
    keys = GrantKeys(K_GRANT, sets)
    found: dict[tuple[str, bytes, int], object] = {}
    for path in (LOAD, GAS):
        for gen in GENS:
            for day in (*range(FIRST - 1, FIRST + DAYS + 1), UNDATED):
                try:
                    found[path, gen, day] = keys.day_key(path, EPOCH, gen, day)
                except NoKey:
                    continue
    return found


def _days(first: int, more: int) -> tuple[int, int]:
    return first, min(first + more, FIRST + DAYS - 1)


def _window(path: str, days: tuple[int, int]) -> Window:
    return Window(path, *days)


_ranges = st.builds(_days, st.integers(FIRST, FIRST + DAYS - 1), st.integers(0, 9))
_windows = st.builds(_window, st.sampled_from((LOAD, GAS)), _ranges)


@settings(max_examples=60)
@given(
    st.lists(_ranges, min_size=1, max_size=3),
    st.lists(_ranges, min_size=1, max_size=3),
    st.lists(_windows, max_size=3),
    st.integers(FIRST - 2, FIRST + DAYS),
)
def test_exactly_the_days_that_are_both_held_and_lent_are_opened(
    old: list[tuple[int, int]],
    new: list[tuple[int, int]],
    windows: list[Window],
    end: int,
) -> None:
    """In each generation, and not past the day on which the sub-grant ends."""
    held = (_held(LOAD, GENS[0], *old), _held(LOAD, GENS[1], *new), _held(GAS, GENS[0], *new))
    lent = keys_lent_on(held, windows, start_ms(end) // 1000)
    wanted = {
        place: key
        for place, key in _opened(held).items()
        if place[2] <= end and any(Window(place[0], place[2], place[2]) in one for one in windows)
    }
    assert _opened(lent) == wanted
    assert all(one.nodes for one in lent), "a set that opens nothing is left out"


def test_what_is_lent_on_is_the_fewest_nodes() -> None:
    """Neither a day twice, nor days one by one: a keyset has room for so many nodes."""
    held = _held(LOAD, GENS[0], (FIRST, FIRST + 15))
    twice = [Window(LOAD, FIRST, FIRST + 8), Window(LOAD, FIRST + 5, FIRST + 15)]
    assert keys_lent_on([held], twice, FAR_S) == (held,)


def test_undated_records_are_lent_on_when_they_are_named() -> None:
    held = _held(LOAD, GENS[0], (FIRST, FIRST), (UNDATED, UNDATED))
    dated = keys_lent_on([held], [Window(LOAD, 0, UNDATED - 1)], FAR_S)
    assert list(_opened(dated)) == [(LOAD, GENS[0], FIRST)]
    named = keys_lent_on([held], [Window(LOAD, UNDATED, UNDATED)], FAR_S)
    assert list(_opened(named)) == [(LOAD, GENS[0], UNDATED)]

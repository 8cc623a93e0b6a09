"""A small file does not keep its reader for long."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from entrenous.protocol.toml_text import DOTS_MAX, toml_table


def test_what_people_write_is_read() -> None:
    text = 'name = "S.N.C.F. Voyageurs"\n[price.high]\nkwh = 0.2068\n'
    assert toml_table(text, Decimal) == {
        "name": "S.N.C.F. Voyageurs",
        "price": {"high": {"kwh": Decimal("0.2068")}},
    }


@pytest.mark.parametrize("key", ["a." * 60_000 + "a = 1", "[" + "a." * 60_000 + "a]"])
def test_a_key_of_many_parts_is_refused_at_once(key: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=f"line 2 has more than {DOTS_MAX} points"):
        toml_table(f"x = 1\n{key}\n")
    assert time.process_time() - began < 1  # it took minutes


def test_what_is_wrong_is_said_shortly_however_long_a_key_is() -> None:
    with pytest.raises(ValueError, match="twice") as refused:
        toml_table(f"[{'a' * 60_000}]\n" * 2)
    assert len(str(refused.value)) < 250
    assert "line 2" in str(refused.value)

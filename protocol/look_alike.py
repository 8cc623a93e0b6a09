"""Look-alikes: names that an eye takes for each other.

`Bank 0ne`, `BANK ONE` and the same with a Cyrillic letter in it have one **skeleton**: what is left
of a name without accents, spaces and case, each character replaced by the Latin one that it looks
like.  Two names are alike if their skeletons are the same or, for names long enough to be read at
a glance, one slip apart.  It is a hint and never a verdict: the table is short, and a determined
imitator finds a character that is not in it.

Source: the idea is Unicode TR39's; the table here is for what names of organisations are made of.
"""

# ruff: noqa: RUF001  # letters that look like others are what this module is about

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Below this, one letter makes another word: `edf` and `sdf` are two names.
_SLIP_CHARS_MIN = 6

_LIKE = {
    "0": "o", "1": "l", "3": "e", "4": "a", "5": "s", "6": "b", "8": "b", "9": "g",
    "i": "l", "|": "l", "!": "l", "$": "s", "@": "a", "ı": "l", "ł": "l", "ø": "o", "đ": "d",
    "ħ": "h", "ŧ": "t", "ß": "ss", "æ": "ae", "œ": "oe", "þ": "p", "ð": "d",
    # Cyrillic
    "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "ѕ": "s", "һ": "h", "і": "l", "ј": "j",
    "к": "k", "ӏ": "l", "м": "m", "н": "h", "о": "o", "р": "p", "ԛ": "q", "г": "r", "т": "t",
    "у": "y", "ѵ": "v", "ԝ": "w", "х": "x", "з": "e", "б": "b", "п": "n", "ь": "b",
    # Greek
    "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "l", "κ": "k", "ν": "v", "ο": "o", "ρ": "p",
    "σ": "o", "τ": "t", "υ": "u", "χ": "x", "ω": "w", "γ": "y", "μ": "u", "ϲ": "c", "ϳ": "j",
    # Armenian
    "ո": "n", "օ": "o", "ս": "u", "հ": "h", "ց": "g", "զ": "q", "ա": "w",
}  # fmt: skip
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


@lru_cache(maxsize=4096)
def skeleton(name: str) -> str:
    """What an eye keeps of `name`; empty if nothing of it is a letter or a digit."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    # Some letters come apart only once they are small (İ).
    plain = unicodedata.normalize("NFKD", plain)
    letters = "".join(_LIKE.get(c, c) for c in plain if not unicodedata.combining(c))
    letters = "".join(c for c in letters if c.isalnum())
    for pair, one in _PAIRS:
        letters = letters.replace(pair, one)
    return letters


def look_alike(one: str, other: str) -> bool:
    """Whether an eye may take one name for the other.  The same name is alike."""
    a, b = skeleton(one), skeleton(other)
    if not a or not b:
        return one == other
    return a == b or (min(len(a), len(b)) >= _SLIP_CHARS_MIN and _one_slip(a, b))


def _one_slip(a: str, b: str) -> bool:
    """Whether one letter was changed, added, left out, or two neighbours swapped."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    rest_a, rest_b = a[start:], b[start:]
    return (
        rest_a[1:] == rest_b[1:]
        or rest_a[1:] == rest_b
        or rest_a == rest_b[1:]
        or (rest_a[:2] == rest_b[1::-1] and rest_a[2:] == rest_b[2:])
    )

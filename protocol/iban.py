"""IBAN: an account number that can be told from a slip of the pen.

A check of form and of the two check digits: letters become numbers from 10, the first four
characters go to the end, and the whole leaves 1 when divided by 97.  A digit for another, or a
letter for another, never passes, and two swapped digits never do.  Lengths by country are not held:
the registry changes more often than programs do, and the digits already refuse what is cut short,
but for one in 97.

Source: ISO 13616-1; ISO/IEC 7064, MOD 97-10.
"""

from __future__ import annotations

import re

_FORM = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BLANKS = re.compile(r"[ \u00a0\u202f]")
# 00, 01 and 99 are congruent to 97, 98 and 02: a number has one pair of check digits, not two.
_NEVER = frozenset({"00", "01", "99"})


def iban_of(text: str) -> str | None:
    """`text` as an IBAN without blanks, in capitals; None if it is none."""
    iban = _BLANKS.sub("", text).upper()
    if _FORM.fullmatch(iban) is None or iban[2:4] in _NEVER:
        return None
    digits = "".join(str(int(character, 36)) for character in iban[4:] + iban[:4])
    return iban if int(digits) % 97 == 1 else None

"""Text from outside, made safe to show.

A label, a peer's name or a reason was written by somebody else.  On a terminal it must stay what
it is, a few characters on one line: an escape sequence in it would move the cursor, rewrite what
stands above, or answer a question in the person's place; a change of writing direction would show
an amount backwards.  So whatever is not a mark that can be seen, or a plain space, is shown by its
number, and so is the sign that such a number begins with.
"""

from __future__ import annotations

import unicodedata

# Control, format (direction marks, zero-width), surrogate, private, unassigned; line separators.
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
# A letter may carry accents; a pile of them reaches into the lines above and below.
_MARKS_MAX = 4


def visible(text: str) -> str:
    """`text` on one line, with everything that cannot be seen shown as `\\u{number}`."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category in _HIDDEN or marks > _MARKS_MAX:
            shown.append(f"\\u{{{ord(character):x}}}")
        elif category == "Zs":
            shown.append(" ")
        else:
            shown.append("\\\\" if character == "\\" else character)
    return "".join(shown)

"""Options that had another name: whoever types the old one is told the new one.

One word for one thing: days of a view say that they are days, a collection is chosen by
`--collection` everywhere, and seconds to wait are `--wait`.  Nothing is taken under two names, so
that help, scripts and docs do not drift apart.
"""

from __future__ import annotations

from typing import Final

# (command, old name) -> new name
RENAMED: Final = {
    ("decide", "--only"): "--collection",
    ("push", "--patience"): "--wait",
    ("view add", "--again"): "--again-days",
    ("view add", "--late"): "--late-days",
}


def renamed(command: str, option: str) -> str | None:
    """A sentence for an option of `command` (`view add`) that has another name now."""
    now = RENAMED.get((command, option.partition("=")[0]))
    return None if now is None else f"{option.partition('=')[0]} is called {now} now"

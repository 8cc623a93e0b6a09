"""What `--json` prints: the table of all commands; the keys of each stand by subject beside it.

A program may rely on these: keys are added, never renamed or taken away.  What is printed is held
to this table when it is printed, and `docs/cli.md` to it by a test.

Ids are CIDs in full (base32 text), days are UTC days as `YYYY-MM-DD`, `…_ms` are milliseconds and
`…_s` seconds since 1970, what is not known is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .json_form import Shape
from .shapes_accounts import ACCOUNTS
from .shapes_data import DATA
from .shapes_devices import DEVICES
from .shapes_exchange import EXCHANGE
from .shapes_helpers import HELPERS
from .shapes_history import HISTORY
from .shapes_house import HOUSE
from .shapes_log import LOG
from .shapes_node import KEEPING, RUNNING
from .shapes_out import OUT
from .shapes_peers import PEERS
from .shapes_shared import SHARED
from .shapes_terms import TERMS
from .shapes_views import VIEWS
from .shapes_words import WORDS

# In the order of docs/cli.md.
SHAPES: Final[Mapping[str, Shape]] = {
    **RUNNING,
    **DEVICES,
    **PEERS,
    **HOUSE,
    **DATA,
    **OUT,
    **EXCHANGE,
    **TERMS,
    **HISTORY,
    **ACCOUNTS,
    **SHARED,
    **WORDS,
    **LOG,
    **HELPERS,
    **VIEWS,
    **KEEPING,
}

ERROR_KEYS: Final[Mapping[str, str]] = {
    "exit": "the exit code",
    "code": "the code of a refusal on the wire, or null",
    "sentence": "what went wrong, and what can be done",
}


def as_markdown() -> str:
    """The tables of docs/cli.md."""
    parts: list[str] = []
    for name, shape in SHAPES.items():
        form = "JSON Lines, one object each" if shape.lines else "one object"
        rows = "\n".join(f"| `{key}` | {meaning} |" for key, meaning in shape.keys.items())
        parts.append(f"#### `{name}`\n\n{form}\n\n| key | |\n|---|---|\n{rows}\n")
    rows = "\n".join(f"| `{key}` | {meaning} |" for key, meaning in ERROR_KEYS.items())
    parts.append(f"#### errors\n\none object, on stderr\n\n| key | |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(as_markdown())

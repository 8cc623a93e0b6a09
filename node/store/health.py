"""Whether the file of a store is whole, looked at from outside: nothing is opened for writing.

No keys are needed, so this also works on a home that will not open.  It sees what SQLite sees;
whether rows are authentic is seen when they are opened (`sealer.py`).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from .errors import StoreDamaged
from .migrations import check_version

# SQLite's own limit of what it lists; one is enough to say that something is wrong.
_PROBLEMS_MAX = 1


def check_file(path: Path) -> int:
    """The version of the tables.  A node may run meanwhile.

    Raises StoreTooNew, StoreDamaged with what is wrong in one sentence.
    """
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            version = check_version(connection)
            problems = connection.execute(f"PRAGMA quick_check({_PROBLEMS_MAX})").fetchall()
    except sqlite3.Error as error:
        raise StoreDamaged(f"{path.name} cannot be read: {error}") from error
    if problems != [("ok",)]:
        raise StoreDamaged(f"{path.name} is damaged: restore a backup into another home")
    return version

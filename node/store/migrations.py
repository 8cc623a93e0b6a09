"""From each version of the tables to the next, numbered, one transaction a step.

The number stands in SQLite's `user_version`, which a transaction changes together with the tables,
so a crash leaves one version or the next.  A file that a newer program wrote is refused before
anything in it is touched.  A migration is never edited once it was released: a change is a new one.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from .errors import StoreDamaged, StoreTooNew
from .schema import APPLICATION_ID, VERSION_1, VERSION_2, VERSION_3, VERSION_4


@dataclass(frozen=True, slots=True)
class Migration:
    """Statements that lead from version `to - 1` to version `to`."""

    to: int
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, VERSION_1),
    Migration(2, VERSION_2),
    Migration(3, VERSION_3),
    Migration(4, VERSION_4),
)


def newest(migrations: tuple[Migration, ...] = MIGRATIONS) -> int:
    """The version that this program writes."""
    return migrations[-1].to


def check_version(
    connection: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS
) -> int:
    """The version of the file; 0 for a new one.  Reads only.

    Raises StoreTooNew, and StoreDamaged for another program's database.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if (application, version, tables) == (0, 0, 0):
        return 0
    if application != APPLICATION_ID:
        raise StoreDamaged("this database is not a store of entrenous; nothing in it was changed")
    if version > newest(migrations):
        raise StoreTooNew(
            f"this home was written by a newer entrenous (store version {version}, this program "
            f"knows up to {newest(migrations)}); update this program"
        )
    return version


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Bring the file to the newest version.  Raises as `check_version`, and sqlite3.Error."""
    version = check_version(connection, migrations)
    for migration in migrations:
        if migration.to <= version:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in migration.statements:
                connection.execute(statement)
            # PRAGMA takes no parameters; both are integers of ours.
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {migration.to}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

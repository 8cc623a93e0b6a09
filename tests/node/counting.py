"""What a unit of work asks of the store: statements, rows that come back, steps of SQLite.

A timing says nothing on a busy machine.  These are counted, and the same on every one: a scan that
finds nothing has no rows, and a step for each row that it looks at.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from entrenous.node.store.database import Params, Row
from entrenous.node.store.transaction import SqliteTx


@dataclass
class Cost:
    """What was asked so far.  `steps` are instructions of SQLite's virtual machine."""

    statements: int = 0
    rows: int = 0
    steps: int = 0


@contextmanager
def counted() -> Generator[Cost]:
    """Count what every unit of work asks, of whichever store, until the context ends."""
    cost = Cost()
    execute, one = SqliteTx.execute, SqliteTx.one

    def step() -> int:
        cost.steps += 1
        return 0

    def watched(tx: SqliteTx) -> Any:
        connection = tx._live()  # pyright: ignore[reportPrivateUsage]  # to count its steps
        connection.set_progress_handler(step, 1)
        cost.statements += 1
        return connection

    def counting_execute(tx: SqliteTx, sql: str, params: Params = ()) -> list[Row]:
        connection = watched(tx)
        try:
            rows = execute(tx, sql, params)
        finally:
            connection.set_progress_handler(None, 0)
        cost.rows += len(rows)
        return rows

    def counting_one(tx: SqliteTx, sql: str, params: Params = ()) -> Row | None:
        connection = watched(tx)
        try:
            row = one(tx, sql, params)
        finally:
            connection.set_progress_handler(None, 0)
        cost.rows += row is not None
        return row

    def counting_many(tx: SqliteTx, sql: str, rows: Iterable[Params]) -> int:
        return sum(len(counting_execute(tx, sql + " RETURNING 1", row)) for row in rows)

    with mock.patch.multiple(
        SqliteTx, execute=counting_execute, one=counting_one, executemany=counting_many
    ):
        yield cost

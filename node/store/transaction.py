"""How a group of units becomes one transaction: plain functions over one sqlite3 connection.

    BEGIN IMMEDIATE
      SAVEPOINT unit · first unit · RELEASE unit
      SAVEPOINT unit · second unit, which raises · ROLLBACK TO unit · RELEASE unit
      …
    COMMIT                                  one fsync for all of them

SQLite may undo the whole transaction by itself inside a statement (disk full, I/O error, out of
memory).  That is noticed after every unit: the group is then lost as a whole, because statements
that followed would each commit alone.

Source: https://www.sqlite.org/lang_transaction.html ("Response To Errors Within A Transaction")
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import outcome

from .database import Params, Row, Tx
from .errors import StoreClosed, StoreConflict, StoreDamaged, StoreError

T = TypeVar("T")

# `Value(result)` or `Error(exception)`, as trio hands them to a waiting task.
Answer = outcome.Value[Any] | outcome.Error


class SqliteTx:
    """A `Tx` over a sqlite3 connection.  It ends with its unit."""

    __slots__ = ("_connection", "_open")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._open = True

    def execute(self, sql: str, params: Params = ()) -> list[Row]:
        try:
            return self._live().execute(sql, params).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def executemany(self, sql: str, rows: Iterable[Params]) -> int:
        try:
            return self._live().executemany(sql, rows).rowcount
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def one(self, sql: str, params: Params = ()) -> Row | None:
        try:
            row: Row | None = self._live().execute(sql, params).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return row

    def end(self) -> None:
        self._open = False

    def _live(self) -> sqlite3.Connection:
        if not self._open:
            raise StoreClosed("this transaction has ended")
        return self._connection

    def _failed(self, error: sqlite3.Error) -> StoreError:
        if not self._connection.in_transaction:
            self._open = False  # a unit that goes on regardless must not write outside
        return store_error(error)


class _GroupLostError(Exception):
    """SQLite has undone the whole transaction."""


def commit_group(
    connection: sqlite3.Connection, units: Sequence[Callable[[Tx], Any]]
) -> list[Answer]:
    """Run `units` in one durable transaction; one answer for each, in order."""
    answers: list[Answer] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for unit in units:
            answers.append(_in_savepoint(connection, unit))
        connection.execute("COMMIT")
    except (sqlite3.Error, _GroupLostError) as error:
        _roll_back(connection)
        cause = error.__cause__ if isinstance(error, _GroupLostError) else error
        # An own exception for each caller: raising adds to its traceback.
        return [outcome.Error(_not_stored(cause)) for _ in units]
    except BaseException:
        _roll_back(connection)
        raise
    return answers


def read_group(
    connection: sqlite3.Connection, units: Sequence[Callable[[Tx], Any]]
) -> list[Answer]:
    """Run `units`, none of which can write, on one state of the database."""
    answers: list[Answer] = []
    try:
        connection.execute("BEGIN")
        for unit in units:
            tx = SqliteTx(connection)
            try:
                answers.append(outcome.Value(unit(tx)))
            except Exception as error:
                answers.append(outcome.Error(error))
            finally:
                tx.end()
        _roll_back(connection)
    except sqlite3.Error as error:
        _roll_back(connection)
        return [outcome.Error(store_error(error)) for _ in units]
    except BaseException:
        _roll_back(connection)
        raise
    return answers


def empty_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Move every committed page into the database file and cut the log to nothing.

    With `secure_delete=ON` no deleted byte is left in either.  Raises StoreError.
    """
    try:
        row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise store_error(error) from error
    if row[0] != 0:
        raise StoreError(
            "the rows are deleted, but their last traces could not be overwritten yet because "
            "another program reads the store; ask again"
        )


def store_error(error: BaseException | None) -> StoreError:
    """A sentence for what SQLite reports.  Its texts name no values, so they may be shown."""
    if isinstance(error, sqlite3.IntegrityError):
        return StoreConflict(f"the store refuses a row: {error}")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreDamaged(f"the store is damaged ({error}); restore it from a backup")
    if code == sqlite3.SQLITE_FULL:
        return StoreError("the disk is full; free some space and try again")
    if code == sqlite3.SQLITE_BUSY:
        return StoreError("another program holds the store; close it and try again")
    return StoreError(f"the store cannot be used: {error}")


def _not_stored(cause: BaseException | None) -> StoreError:
    told = store_error(cause)
    return type(told)(f"nothing was stored: {told}")


def _in_savepoint(connection: sqlite3.Connection, unit: Callable[[Tx], Any]) -> Answer:
    connection.execute("SAVEPOINT unit")
    tx = SqliteTx(connection)
    try:
        value = unit(tx)
    except Exception as error:
        if not connection.in_transaction:
            raise _GroupLostError from (error.__cause__ or error)
        connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")
        return outcome.Error(error)
    finally:
        tx.end()
    if not connection.in_transaction:
        raise _GroupLostError from StoreError("a unit of work ended the transaction")
    connection.execute("RELEASE unit")
    return outcome.Value(value)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")

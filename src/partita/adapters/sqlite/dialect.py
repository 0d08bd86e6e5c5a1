"""SQLAlchemy's dialect for the standard library's ``sqlite3``, called synchronously inside the event loop."""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util.concurrency import await_, in_greenlet

from partita.adapters.sqlite.turns import Turns
from partita.ports.engine import SAVEPOINT

__all__ = ["DRIVER", "LoopConnection"]

DRIVER = "sqlite+partita"


class _LoopCursor(sqlite3.Cursor):
    """Waits asynchronously where the database is locked, and holds the rows that a statement gave.

    Fetching row by row would leave the statement open: a COMMIT would then keep its snapshot for the next unit of work.
    """

    connection: LoopConnection

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._rows: deque[Any] = deque()

    def execute(self, sql: str, parameters: Any = (), /) -> _LoopCursor:
        """Run one statement."""
        try:
            super().execute(sql, parameters)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not in_greenlet():
                raise
            await_(self.connection.patiently(lambda: super(_LoopCursor, self).execute(sql, parameters)))
        self._rows = deque(super().fetchall()) if self.description else deque()
        return self

    def executemany(self, sql: str, parameters: Any, /) -> _LoopCursor:
        """Run one statement for each of a sequence of parameters."""
        try:
            super().executemany(sql, parameters)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not in_greenlet():
                raise
            await_(self.connection.patiently(lambda: super(_LoopCursor, self).executemany(sql, parameters)))
        return self

    def fetchone(self) -> Any:
        """The next row, or ``None``."""
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next rows."""
        count = min(self.arraysize if size is None else size, len(self._rows))
        return [self._rows.popleft() for _ in range(count)]

    def fetchall(self) -> list[Any]:
        """The rest of the rows."""
        rows, self._rows = list(self._rows), deque()
        return rows

    async def _async_soft_close(self) -> None:
        """What SQLAlchemy asks of the cursors of asynchronous drivers. The statement is over already."""


class LoopConnection(sqlite3.Connection):
    """A connection that knows whom to wait for, and until when."""

    turns: Turns
    deadline: float = float("inf")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.control = sqlite3.Cursor(self)

    def cursor(self, factory: Any = None, /) -> Any:
        """A cursor."""
        return super().cursor(_LoopCursor if factory is None else factory)

    async def patiently(self, attempt: Any) -> Any:
        """Call ``attempt`` until the database is not locked. Raises ``Contended`` at the deadline."""
        limit = self.turns.limit(self.deadline)
        woken = False
        while True:
            await self.turns.wait(limit, again=woken)
            try:
                return attempt()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    self.turns.next()
                    raise
            woken = True


class _LoopDialect(SQLiteDialect_pysqlite):
    """The unit of work begins and ends transactions; for SQLAlchemy, one is what follows the unit's savepoint."""

    driver = "partita"
    is_async = True
    has_terminate = True
    supports_statement_cache = True

    def connect(self, *args: Any, **options: Any) -> Any:
        """Open the file."""
        return sqlite3.connect(*args, **{**options, "factory": LoopConnection, "isolation_level": None, "timeout": 0})

    def do_begin(self, dbapi_connection: Any) -> None:
        """Nothing: the unit of work did."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Nothing: the unit of work will."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Back to the unit's savepoint."""
        driver: LoopConnection = dbapi_connection.driver_connection
        if driver.in_transaction:
            driver.control.execute(f"ROLLBACK TO {SAVEPOINT}")

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Close."""
        dbapi_connection.close()

    def get_driver_connection(self, connection: Any) -> Any:
        """The connection itself."""
        return connection


registry.register("sqlite.partita", __name__, "_LoopDialect")

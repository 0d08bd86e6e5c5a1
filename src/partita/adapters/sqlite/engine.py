"""One SQLite file as the database of one service."""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.pool import NullPool
from sqlalchemy.util.concurrency import greenlet_spawn

from partita.adapters.json import json_dumps, json_loads
from partita.adapters.sqlite.dialect import DRIVER, LoopConnection
from partita.adapters.sqlite.disk import Disk
from partita.adapters.sqlite.schema import STEPS, framework_version, upgrade_framework
from partita.adapters.sqlite.turns import Turns
from partita.core.errors import DatabaseUnavailable, SerializationFailure, StartFailed
from partita.data.pool import Pool
from partita.ports.engine import SAVEPOINT, Mode, OutboxRow, Verdict, Versions

__all__ = ["SqliteEngine", "SqliteTransaction", "open_sqlite"]

T = TypeVar("T")

MIGRATION_WAIT_S_MAX = 30.0

_log = logging.getLogger("partita.data")

_INSERT = """
    INSERT INTO partita_outbox (event_id, type, key, version, body, traceparent, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_SELECT = "SELECT id, event_id, type, key, version, body, traceparent, created_at FROM partita_outbox ORDER BY id"


class SqliteTransaction:
    """A transaction on one of the engine's connections. See ``partita.ports.engine.Transaction``."""

    __slots__ = ("_changes", "_driver", "_engine", "_mode", "connection")

    def __init__(self, engine: SqliteEngine, connection: sqlalchemy.Connection, driver: LoopConnection) -> None:
        self._engine = engine
        self._driver = driver
        self._mode = Mode.WRITE
        self._changes = 0
        self.connection = connection

    @property
    def is_alive(self) -> bool:
        """Whether SQLite is inside the transaction."""
        return self._driver.in_transaction

    @property
    def is_lost(self) -> bool:
        """Never: there is no server that could go away."""
        return False

    async def begin(self, mode: Mode, deadline: float) -> None:
        """BEGIN. A run after one that lost waits for the write lock first, so that it cannot lose again."""
        driver = self._driver
        driver.deadline = deadline
        self._changes = driver.total_changes
        self._mode = mode
        control = driver.control
        if mode is Mode.AGAIN:
            await self._begin_immediate()
        else:
            if mode is Mode.READ:
                control.execute("PRAGMA query_only=1")
            control.execute("BEGIN")
        control.execute(f"SAVEPOINT {SAVEPOINT}")

    async def append(self, rows: Sequence[OutboxRow]) -> None:
        """Write to the outbox."""
        values = [
            (
                str(row.event_id),
                row.type,
                row.key,
                row.version,
                row.body.decode(),
                row.traceparent,
                row.created_at.isoformat(),
            )
            for row in rows
        ]
        try:
            await self._write(lambda: self._driver.control.executemany(_INSERT, values))
        except sqlite3.OperationalError as error:
            if self._engine.judge(error) is Verdict.AGAIN:
                raise SerializationFailure(
                    "The snapshot was no longer the newest when the outbox was written."
                ) from error
            raise

    async def commit(self) -> None:
        """COMMIT, and wait for the disk with the others."""
        wrote = self._driver.total_changes != self._changes
        self._driver.control.execute("COMMIT")
        self._engine.turns.next()
        disk = self._engine.disk
        if disk is not None:
            await (disk.written() if wrote else disk.seen())

    async def rollback(self) -> None:
        """ROLLBACK."""
        if self._driver.in_transaction:
            self._driver.control.execute("ROLLBACK")

    async def release(self) -> None:
        """Give the connection back."""
        if self._mode is Mode.READ:
            self._driver.control.execute("PRAGMA query_only=0")
        if self._driver.in_transaction:
            _log.error("%s: a transaction was still open when its connection was given back.", self._engine.name)
            self._give_up()
        elif self.connection.in_transaction():  # a savepoint that a handler left open
            self._give_up()
        else:
            self._engine.pool.give(self)
        self._engine.turns.next()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _give_up(self) -> None:
        self.connection.invalidate()
        self.connection.close()
        self._engine.pool.drop()

    async def _begin_immediate(self) -> None:
        await self._write(lambda: self._driver.control.execute("BEGIN IMMEDIATE"))

    async def _write(self, attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            await self._driver.patiently(attempt)


class SqliteEngine:
    """``partita.ports.engine.Engine`` on a file. ``path`` may be ``:memory:``: then the file is a temporary one.

    (SQLite's own shared memory has table locks in place of snapshots, and would behave otherwise than a file.)
    ``durable=False`` commits without waiting for the disk: a crash of the machine, not of the process, loses the last
    commits, and the file stays sound.
    """

    dialect = "sqlite"

    def __init__(self, path: str | Path, *, name: str, durable: bool = True, size: int = 10) -> None:
        self.name = name
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._synchronous = "NORMAL"
        if str(path) == ":memory:":
            shared_memory = "/dev/shm"
            self._temporary = tempfile.TemporaryDirectory(
                prefix="partita-", dir=shared_memory if os.access(shared_memory, os.W_OK) else None
            )
            path = Path(self._temporary.name) / f"{name}.sqlite"
            self._synchronous = "OFF"
            durable = False
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise StartFailed(f"{name}: there is no folder {self.path.parent} for the database. Create it.")
        self.turns = Turns(str(self.path))
        self.disk = Disk(self.path, name=name) if durable else None
        # Without a disk to wait for, COMMIT gives way to nobody.
        self.suspends = durable
        self.pool = Pool(self._connect, name=f"{name} ({self.path})", size=size)
        self._engine = sqlalchemy.create_engine(
            sqlalchemy.URL.create(DRIVER, database=str(self.path)),
            poolclass=NullPool,
            json_serializer=json_dumps,
            json_deserializer=json_loads,
        )
        event.listen(self._engine, "connect", self._set_up)

    @property
    def sqlalchemy_engine(self) -> sqlalchemy.Engine:
        """The engine that events are listened to on."""
        return self._engine

    async def begin(self, mode: Mode, deadline: float) -> SqliteTransaction:
        """Take a connection and begin."""
        transaction = await self.pool.take(deadline)
        try:
            await transaction.begin(mode, deadline)
        except BaseException:
            await transaction.rollback()
            await transaction.release()
            raise
        return transaction

    def judge(self, error: BaseException) -> Verdict:
        """By SQLite's result code."""
        original = getattr(error, "orig", None) or error
        code = getattr(original, "sqlite_errorcode", None)
        if code in (sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY):
            return Verdict.AGAIN
        if code is not None and code & 0xFF == sqlite3.SQLITE_READONLY:
            return Verdict.READ_ONLY
        return Verdict.FULL if code == sqlite3.SQLITE_FULL else Verdict.FAILED

    async def read_outbox(self) -> list[OutboxRow]:
        """What stands in the outbox, in order."""
        with closing(self._plain()) as connection:
            return [
                OutboxRow(
                    id=number,
                    event_id=UUID(event_id),
                    type=type_,
                    key=key,
                    version=version,
                    body=body.encode(),
                    traceparent=traceparent,
                    created_at=datetime.fromisoformat(created_at),
                )
                for number, event_id, type_, key, version, body, traceparent, created_at in connection.execute(_SELECT)
            ]

    async def versions(self) -> Versions:
        """How far the database has been upgraded."""
        with closing(self._plain()) as connection:
            found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'").fetchone()
            row = found and connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return Versions(framework_version(connection) >= len(STEPS), row[0] if row else None)

    async def prepare(self) -> None:
        """Create or upgrade the framework's own tables."""
        with closing(self._plain()) as connection:
            upgrade_framework(connection)

    async def migrate(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """Run ``work`` in one exclusive transaction. Other processes wait at their BEGIN."""
        engine = sqlalchemy.create_engine("sqlite://", creator=self._plain, poolclass=NullPool)
        event.listen(engine, "begin", _begin_immediate)
        try:
            with engine.connect() as connection:
                # Not possible inside a transaction, and batch operations replace tables that others refer to.
                connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
                connection.rollback()
                with connection.begin():
                    result = work(connection)
                    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                    if broken:
                        raise StartFailed(
                            f"{self.name}: the migration leaves {len(broken)} rows whose foreign key points nowhere, "
                            f"first in table {broken[0][0]}. It was rolled back."
                        )
                return result
        finally:
            engine.dispose()

    async def close(self) -> None:
        """Close every connection, and delete a temporary file."""
        if self.disk is not None:
            await self.disk.close()
        for transaction in self.pool.drain():
            transaction.close()
        self._engine.dispose()
        if self._temporary is not None:
            self._temporary.cleanup()

    async def _connect(self) -> SqliteTransaction:
        try:
            connection = await greenlet_spawn(self._engine.connect)
        except sqlalchemy.exc.OperationalError as error:
            raise DatabaseUnavailable(
                f"{self.name}: the database {self.path} cannot be opened: {error.orig}."
            ) from None
        driver = connection.connection.driver_connection
        assert isinstance(driver, LoopConnection)
        return SqliteTransaction(self, connection, driver)

    def _set_up(self, driver: LoopConnection, _: object) -> None:
        driver.turns = self.turns
        self._pragmas(driver)

    def _plain(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=MIGRATION_WAIT_S_MAX)
        self._pragmas(connection)
        return connection

    def _pragmas(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediate(connection: sqlalchemy.Connection) -> None:
    if connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def open_sqlite(url: str, *, name: str) -> SqliteEngine:
    """The engine for ``sqlite:///path`` or ``sqlite:///:memory:``.

    ``?durable=false`` commits without waiting for the disk. Raises ``StartFailed`` where there is no such folder.
    """
    parsed = sqlalchemy.make_url(url)
    return SqliteEngine(parsed.database or ":memory:", name=name, durable=parsed.query.get("durable") != "false")

"""One PostgreSQL database as the database of one service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import sqlalchemy
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util.concurrency import greenlet_spawn

from partita.adapters.json import json_dumps, json_loads
from partita.adapters.postgresql.dialect import DRIVER
from partita.adapters.postgresql.schema import STEPS, framework_version, upgrade_framework
from partita.adapters.postgresql.transaction import AGAIN, LOST, PostgresTransaction, original, sqlstate
from partita.core.errors import DatabaseUnavailable, StartFailed
from partita.data.pool import Pool
from partita.ports.engine import Mode, OutboxRow, Verdict, Versions

__all__ = ["PostgresEngine", "open_postgresql"]

T = TypeVar("T")

MEANINGS = {"25006": Verdict.READ_ONLY, "53100": Verdict.FULL, "55P03": Verdict.LOCKED}
CONNECT_S_MAX = 10.0
MIGRATION_LOCK = 0x706172746974  # "partit": the key of the advisory lock
MIGRATION_WAIT_S_MAX = 60.0
MIGRATION_POLL_S = 0.05
LOCK_TRIES = 10
"""How often a migration is tried that does not get its lock on a table within ``lock_timeout``."""

# For sessions of the service. `transaction_timeout` (PostgreSQL 17) is a setting of the role: see provision.
_SESSION = {
    "idle_in_transaction_session_timeout": "60s",
    "client_connection_check_interval": "5s",
    "lock_timeout": "10s",
    "jit": "off",  # compiling costs more than the short statements of a service
}
# For migrations: wait for a lock on a table shortly, since everybody behind waits too; then work as long as it takes.
_MIGRATION_SETTINGS = "SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0"

_SELECT = "SELECT id, event_id, type, key, version, body, traceparent, created_at FROM partita_outbox ORDER BY id"


class PostgresEngine:
    """``partita.ports.engine.Engine`` on a PostgreSQL database, with at most ``size`` connections."""

    dialect = "postgresql"
    suspends = True

    def __init__(self, url: str | URL, *, name: str, size: int = 10) -> None:
        self.name = name
        self._url = make_url(url).set(drivername="postgresql+asyncpg")
        self.pool: Pool[PostgresTransaction] = Pool(self._connect, name=f"{name} ({self._place})", size=size)
        self._engine = create_async_engine(
            self._url.set(drivername=DRIVER),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            json_serializer=json_dumps,
            json_deserializer=json_loads,
            connect_args={
                "server_settings": {"application_name": f"partita {name}", **_SESSION},
                "timeout": CONNECT_S_MAX,
                "prepared_statement_cache_size": 500,
            },
        )

    @property
    def sqlalchemy_engine(self) -> sqlalchemy.Engine:
        """The engine that events are listened to on."""
        return self._engine.sync_engine

    async def begin(self, mode: Mode, deadline: float) -> PostgresTransaction:
        """Take a connection and begin. A connection that the server has closed meanwhile is replaced."""
        while True:
            transaction = await self.pool.take(deadline)
            fresh = not transaction.was_used
            try:
                await transaction.begin(mode)
            except BaseException as error:
                # BEGIN has no effect that could be lost, so another connection may be tried.
                await transaction.give_up()
                if not isinstance(error, Exception):
                    raise
                if fresh:
                    raise DatabaseUnavailable(self._unreachable(error)) from error
            else:
                return transaction

    def judge(self, error: BaseException) -> Verdict:
        """By SQLSTATE."""
        state = sqlstate(error)
        if state is None:
            lost = isinstance(original(error), asyncpg.InterfaceError | OSError)
            return Verdict.LOST if lost else Verdict.FAILED
        if state in AGAIN:
            return Verdict.AGAIN
        if state.startswith(LOST):
            return Verdict.LOST
        return MEANINGS.get(state, Verdict.FAILED)

    async def read_outbox(self) -> list[OutboxRow]:
        """What stands in the outbox, in order."""
        async with self._direct() as connection:
            return [
                OutboxRow(**{**row, "body": row["body"].encode()}) for row in map(dict, await connection.fetch(_SELECT))
            ]

    async def versions(self) -> Versions:
        """How far the database has been upgraded."""
        async with self._direct() as connection:
            service = None
            if await connection.fetchval("SELECT to_regclass('alembic_version')") is not None:
                service = await connection.fetchval("SELECT version_num FROM alembic_version")
            return Versions(await framework_version(connection) >= len(STEPS), service)

    async def prepare(self) -> None:
        """Create or upgrade the framework's own tables."""
        async with self._direct() as connection:
            if await framework_version(connection) >= len(STEPS):
                return
            async with self._migration_lock(connection):
                await upgrade_framework(connection)

    async def migrate(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """Run ``work`` under the advisory lock, and again where it did not get a lock on a table in time."""
        engine = create_async_engine(self._url, poolclass=NullPool, connect_args={"timeout": CONNECT_S_MAX})
        try:
            async with self._direct() as holder, self._migration_lock(holder):
                for tried in range(1, LOCK_TRIES + 1):
                    try:
                        async with engine.connect() as connection:
                            raw = await connection.get_raw_connection()
                            await raw.driver_connection.execute(_MIGRATION_SETTINGS)  # type: ignore[union-attr]
                            if raw.driver_connection.get_server_version() >= (17,):  # type: ignore[union-attr]
                                await raw.driver_connection.execute("SET transaction_timeout = 0")  # type: ignore[union-attr]
                            result = await connection.run_sync(work)
                            await connection.commit()
                            return result
                    except DBAPIError as error:
                        if sqlstate(error) != "55P03" or tried == LOCK_TRIES:
                            raise
                    await asyncio.sleep(0.1 * tried)
                raise AssertionError("the last try returns or raises")
        finally:
            await engine.dispose()

    async def close(self) -> None:
        """Close every connection."""
        for transaction in self.pool.drain():
            await transaction.close()
        await self._engine.dispose()

    @property
    def _place(self) -> str:
        return f"{self._url.host}:{self._url.port or 5432}/{self._url.database}"

    async def _connect(self) -> PostgresTransaction:
        try:
            connection = await greenlet_spawn(self._engine.sync_engine.connect)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError) as error:
            raise DatabaseUnavailable(self._unreachable(error)) from error
        driver: Any = connection.connection.driver_connection
        return PostgresTransaction(self.pool, connection, driver, self.name)

    @asynccontextmanager
    async def _direct(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its own, past SQLAlchemy."""
        url = self._url
        try:
            connection = await asyncpg.connect(
                **{"host": url.host, "port": url.port, **url.query},
                user=url.username,
                password=url.password,
                database=url.database,
                timeout=CONNECT_S_MAX,
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StartFailed(self._unreachable(error)) from error
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_S_MAX)

    @asynccontextmanager
    async def _migration_lock(self, connection: asyncpg.Connection) -> AsyncIterator[None]:
        # Tried again and again rather than waited for: a statement that waits has a snapshot, and CREATE INDEX
        # CONCURRENTLY in the replica that holds the lock would wait for that.
        limit = time.monotonic() + MIGRATION_WAIT_S_MAX
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", MIGRATION_LOCK):
            if time.monotonic() > limit:
                raise StartFailed(
                    f"{self.name}: another replica has been migrating {self._place} for {MIGRATION_WAIT_S_MAX:.0f} s. "
                    "Look at its log, and start this one again when it is done."
                )
            await asyncio.sleep(MIGRATION_POLL_S)
        try:
            yield
        finally:
            if not connection.is_closed():
                await connection.fetchval("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)

    def _unreachable(self, error: BaseException) -> str:
        return (
            f"{self.name}: the database at {self._place} cannot be used: {error}. Is the server running, and do "
            "user and password fit?"
        )


async def open_postgresql(url: str, *, name: str) -> PostgresEngine:
    """The engine for ``postgresql://user:password@host:port/database``. Nothing is connected yet."""
    return PostgresEngine(url, name=name)

"""A transaction on a PostgreSQL connection: BEGIN, the outbox and COMMIT go through the driver, one round trip each."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import asyncpg
import sqlalchemy
from sqlalchemy.util.concurrency import greenlet_spawn

from partita.core.errors import CommitUnknown, SerializationFailure, TransactionAborted
from partita.data.pool import Pool
from partita.ports.engine import SAVEPOINT, Mode, OutboxRow

__all__ = ["AGAIN", "LOST", "PostgresTransaction", "original", "sqlstate"]

AGAIN = frozenset({"40001", "40P01"})
"""serialization_failure and deadlock_detected."""

LOST = ("08", "57P", "25P03", "25P04")
"""Connection exceptions, shutdowns, and the timeouts that end a session."""

COMMIT_S_MAX = 30.0
"""After so long without an answer to COMMIT the outcome counts as unknown."""

ROLLBACK_S_MAX = 5.0

_log = logging.getLogger("partita.data")

_BEGIN = {
    Mode.WRITE: f"BEGIN ISOLATION LEVEL SERIALIZABLE; SAVEPOINT {SAVEPOINT}",
    Mode.AGAIN: f"BEGIN ISOLATION LEVEL SERIALIZABLE; SAVEPOINT {SAVEPOINT}",
    # Why not SERIALIZABLE: see docs/decisions/0010-units-of-work.md.
    Mode.READ: f"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SAVEPOINT {SAVEPOINT}",
}

_INSERT = """
    INSERT INTO partita_outbox (event_id, type, key, version, body, traceparent, created_at)
    SELECT event_id, type, key, version, body, traceparent, created_at
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::timestamptz[])
        WITH ORDINALITY AS row (event_id, type, key, version, body, traceparent, created_at, position)
    ORDER BY position
"""


def sqlstate(error: BaseException) -> str | None:
    """The five characters of the SQL standard, of the driver's error or of SQLAlchemy's wrapping of it."""
    return getattr(original(error), "sqlstate", None)


def original(error: BaseException) -> BaseException:
    """The driver's own error, of SQLAlchemy's wrapping of its adapter's wrapping."""
    found: BaseException = getattr(error, "orig", None) or error
    cause = found.__cause__
    return cause if isinstance(cause, asyncpg.PostgresError | asyncpg.InterfaceError | OSError) else found


class PostgresTransaction:
    """See ``partita.ports.engine.Transaction``. It lives as long as its connection: one transaction after another."""

    __slots__ = ("_driver", "_name", "_pool", "connection", "was_used")

    def __init__(
        self,
        pool: Pool[PostgresTransaction],
        connection: sqlalchemy.Connection,
        driver: asyncpg.Connection,
        name: str,
    ) -> None:
        self._pool = pool
        self._driver = driver
        self._name = name
        self.connection = connection
        self.was_used = False

    @property
    def is_alive(self) -> bool:
        """Whether the server is inside the transaction, as far as it told."""
        return bool(self._driver.is_in_transaction()) and not self._driver.is_closed()

    @property
    def is_lost(self) -> bool:
        """Whether there is no connection any more."""
        return bool(self._driver.is_closed()) or self.connection.invalidated

    async def begin(self, mode: Mode) -> None:
        """BEGIN and the savepoint, in one round trip."""
        await self._driver.execute(_BEGIN[mode])
        self.was_used = True

    async def append(self, rows: Sequence[OutboxRow]) -> None:
        """Write to the outbox."""
        columns = zip(
            *(
                (row.event_id, row.type, row.key, row.version, row.body.decode(), row.traceparent, row.created_at)
                for row in rows
            ),
            strict=True,
        )
        try:
            await self._driver.execute(_INSERT, *columns)
        except asyncpg.PostgresError as error:
            if error.sqlstate in AGAIN:
                raise SerializationFailure(f"{self._name}: {error}") from error
            raise

    async def commit(self) -> None:
        """COMMIT, and a look at what the server made of it."""
        try:
            tag = await self._driver.execute("COMMIT", timeout=COMMIT_S_MAX)
        except asyncpg.PostgresError as error:
            state = error.sqlstate or ""
            if state in AGAIN:
                raise SerializationFailure(f"{self._name}: {error}") from error
            if state.startswith(LOST):
                raise self._unknown(error) from error
            raise
        except (asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise self._unknown(error) from error
        if tag != "COMMIT":
            raise TransactionAborted(
                f"{self._name}: a statement had failed, so PostgreSQL answered COMMIT with {tag}. Nothing was written. "
                "A statement that may fail goes into `async with session.begin_nested()`."
            )

    async def rollback(self) -> None:
        """ROLLBACK."""
        if self._driver.is_closed() or not self._driver.is_in_transaction():
            return
        try:
            await self._driver.execute("ROLLBACK", timeout=ROLLBACK_S_MAX)
        except Exception as error:
            _log.warning("%s: ROLLBACK failed (%s); the connection is closed.", self._name, error)
            self._driver.terminate()

    async def release(self) -> None:
        """Give the connection back."""
        if self.is_lost:
            await self.give_up()
        elif self._driver.is_in_transaction():
            _log.error("%s: a transaction was still open when its connection was given back.", self._name)
            await self.give_up()
        elif self.connection.in_transaction():  # a savepoint that a handler left open
            await self.give_up()
        else:
            self._pool.give(self)

    async def give_up(self) -> None:
        """Close the connection at once, whatever is under way on it, and free its place in the pool."""
        self._driver.terminate()
        self._pool.drop()
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        try:
            if self._driver.is_closed():
                await greenlet_spawn(self.connection.invalidate)
            await greenlet_spawn(self.connection.close)
        except Exception as error:
            _log.debug("%s: closing a connection failed: %s", self._name, error)
            self._driver.terminate()

    def _unknown(self, error: BaseException) -> CommitUnknown:
        self._driver.terminate()
        return CommitUnknown(
            f"{self._name}: the connection was lost during COMMIT ({type(error).__name__}: {error}). The work may be "
            "durable, or not; ask again with the same idempotency key, or read what is there."
        )

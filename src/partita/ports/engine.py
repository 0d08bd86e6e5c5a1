"""The seam between the unit of work and a database: what SQLite and PostgreSQL do for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["SAVEPOINT", "Engine", "Mode", "OutboxRow", "Transaction", "Verdict", "Versions"]

T = TypeVar("T")

SAVEPOINT = "partita_unit"
"""The savepoint that every transaction starts with, and to which a declared Problem rolls back."""


class Mode(Enum):
    """How a transaction begins."""

    WRITE = "write"
    """Serialisable."""

    AGAIN = "again"
    """Serialisable, after a run that lost: where the engine can, it takes its place in the queue of writers first."""

    READ = "read"
    """One snapshot, and no writes."""


class Verdict(Enum):
    """What an error of the driver means for the unit of work."""

    FAILED = "failed"
    """The statement failed; the transaction is of no more use, save to roll back."""

    AGAIN = "again"
    """The database asks for another run."""

    READ_ONLY = "read-only"
    """A write in a transaction that reads."""

    LOCKED = "locked"
    """A lock was not had in the time that the database allows."""

    FULL = "full"
    """There is no room on the database's disk."""

    LOST = "lost"
    """The connection is gone, and the transaction with it. Before COMMIT that means: nothing was executed."""


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it stands in ``partita_outbox``. ``id`` is given by the database; 0 before."""

    id: int = 0
    event_id: UUID
    type: str
    key: str | None
    version: int
    body: bytes
    traceparent: str | None
    created_at: datetime


class Versions(msgspec.Struct, frozen=True):
    """Whether the framework's tables are up to date, and the service's last migration (``None``: none)."""

    framework_is_current: bool
    service: str | None


class Transaction(Protocol):
    """One transaction on one connection of the pool, from BEGIN on. Used by one task at a time."""

    @property
    def connection(self) -> sqlalchemy.Connection:
        """SQLAlchemy's view of the connection, for sessions to bind to."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether the driver still is inside the transaction. Costs no round trip."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        ...

    async def append(self, rows: Sequence[OutboxRow]) -> None:
        """Write to the outbox, in order, through the driver, in one round trip."""
        ...

    async def commit(self) -> None:
        """COMMIT. Raises ``SerializationFailure``, ``TransactionAborted``, ``CommitUnknown`` or the driver's error."""
        ...

    async def rollback(self) -> None:
        """ROLLBACK; a connection that cannot is closed. Does not raise."""
        ...

    async def release(self) -> None:
        """Give the connection back. Where a transaction is still open on it, close it and log that."""
        ...


class Engine(Protocol):
    """One database of one service: a bounded pool of connections, and what differs between databases."""

    name: str
    dialect: str
    suspends: bool
    """Whether statements give way to other tasks: true over a socket, false for SQLite in the loop."""

    @property
    def sqlalchemy_engine(self) -> sqlalchemy.Engine:
        """The engine that events are listened to on."""
        ...

    async def begin(self, mode: Mode, deadline: float) -> Transaction:
        """Take a connection and begin, with the savepoint ``SAVEPOINT``.

        Waits for a connection until ``deadline`` (``time.monotonic()``) or the pool's own bound, whichever is first.
        Raises ``DatabaseUnavailable`` and ``Contended``: nothing was executed then.
        """
        ...

    def judge(self, error: BaseException) -> Verdict:
        """What an error of the driver, or SQLAlchemy's wrapping of it, means."""
        ...

    async def read_outbox(self) -> list[OutboxRow]:
        """What stands in the outbox, in order. For tests."""
        ...

    async def versions(self) -> Versions:
        """How far the database has been upgraded."""
        ...

    async def prepare(self) -> None:
        """Create or upgrade the framework's own tables. Safe when several replicas do it at once."""
        ...

    async def migrate(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """Run ``work`` with a connection whose transactions are SQLAlchemy's own, and commit what is left open.

        One replica at a time, under the database's lock; the others wait. ``work`` is run again where a lock on a table
        was not had in time.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...

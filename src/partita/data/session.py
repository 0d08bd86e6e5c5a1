"""The session of a unit of work: SQLAlchemy's ``AsyncSession``, which refuses what would break the unit.

It is guarded twice: at its methods, so that a mistake is named before SQLAlchemy stumbles over it, and at every cursor
(``partita.data.guards``), for what reaches the database by another way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util.concurrency import await_, greenlet_spawn

from partita.core.errors import CommitForbidden, TransactionAborted
from partita.ports.engine import Transaction

__all__ = ["Owner", "UnitSession"]

_log = logging.getLogger("partita.data")


class Owner(Protocol):
    """What a session asks of its unit of work."""

    transaction: Transaction | None

    def check(self) -> None:
        """Refuse another task, and a use after the end, by raising."""
        ...

    async def open(self) -> Transaction:
        """Begin the transaction."""
        ...

    def aborted_error(self) -> TransactionAborted:
        """The error for a transaction of which only the savepoint is left."""
        ...


class _BoundSession(Session):
    """Binds to the unit's connection when the first statement asks for it."""

    def __init__(self, *, work: Owner, **options: Any) -> None:
        super().__init__(**options)
        self._work = work

    def get_bind(self, mapper: Any = None, **options: Any) -> Engine | Connection:
        """The unit's connection; opens its transaction at the first call."""
        transaction = self._work.transaction
        if transaction is None:
            transaction = await_(self._work.open())
        return transaction.connection


class UnitSession(AsyncSession):
    """An ``AsyncSession`` whose transaction belongs to a unit of work."""

    sync_session_class = _BoundSession

    def __init__(self, work: Owner) -> None:
        super().__init__(work=work, expire_on_commit=False, autoflush=True)
        self._work = work

    async def flush(self, objects: Any = None) -> None:
        """Write what was added, changed and deleted."""
        self._work.check()
        try:
            await super().flush(objects)
        except PendingRollbackError:
            raise self._work.aborted_error() from None

    @property
    def has_changes(self) -> bool:
        """Whether objects wait to be written."""
        session = self.sync_session
        return bool(session.new or session.dirty or session.deleted)

    async def write_pending(self) -> None:
        """What ``flush`` does, for the unit of work itself. Savepoints that were left open are released."""
        session = self.sync_session
        if not session.is_active:  # a flush failed, and SQLAlchemy went back to the savepoint of the unit
            raise self._work.aborted_error()
        if self.has_changes:
            await super().flush()
        while (nested := session.get_nested_transaction()) is not None:
            await greenlet_spawn(nested.commit)

    async def undo(self) -> None:
        """Roll back to the savepoint that the unit began with, and forget every object."""
        await greenlet_spawn(self.sync_session.rollback)
        self.sync_session.expunge_all()

    def end(self, *, committed: bool) -> None:
        """Let SQLAlchemy know how it ended. Sends nothing: the transaction is over."""
        session = self.sync_session
        try:
            if committed and session.in_transaction():
                session.commit()
            session.close()
        except Exception:
            # A savepoint that a handler left open cannot be ended any more. The connection still counts as taken, and
            # is closed when it is given back.
            _log.debug("SQLAlchemy's session did not close", exc_info=True)

    def begin(self) -> Any:
        """Refused."""
        raise CommitForbidden(_forbidden("begin"))

    async def commit(self) -> None:
        """Refused."""
        raise CommitForbidden(_forbidden("commit"))

    async def rollback(self) -> None:
        """Refused."""
        raise CommitForbidden(_forbidden("rollback"))

    async def close(self) -> None:
        """Refused."""
        raise CommitForbidden(_forbidden("close"))

    async def aclose(self) -> None:
        """Refused."""
        raise CommitForbidden(_forbidden("aclose"))

    async def reset(self) -> None:
        """Refused."""
        raise CommitForbidden(_forbidden("reset"))

    async def invalidate(self) -> None:
        """Refused."""
        raise CommitForbidden(_forbidden("invalidate"))

    async def __aenter__(self) -> Any:
        raise CommitForbidden(
            "async with db.session would close the session of the unit of work. Use db.session as it is, or "
            "`async with db.unit() as session`."
        )


def _forbidden(method: str) -> str:
    return (
        f"session.{method}() was called in a unit of work, which begins, commits and closes by itself: it commits when "
        "the handler returns, and rolls back when it raises. Leave the call out; for a part that may fail use "
        "`async with session.begin_nested()`, and for a transaction of its own `async with db.unit() as session`."
    )


def _guarded(inner: Callable[..., Any]) -> Callable[..., Any]:
    async def method(self: UnitSession, *args: Any, **options: Any) -> Any:
        self._work.check()
        try:
            return await inner(self, *args, **options)
        except PendingRollbackError:  # SQLAlchemy's text tells to call session.rollback()
            raise self._work.aborted_error() from None

    return _named_like(inner, method)


def _guarded_at_once(inner: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: UnitSession, *args: Any, **options: Any) -> Any:
        self._work.check()
        return inner(self, *args, **options)

    return _named_like(inner, method)


def _named_like(inner: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    method.__name__ = inner.__name__
    method.__qualname__ = f"UnitSession.{inner.__name__}"
    method.__doc__ = inner.__doc__
    return method


# Written as a list, since every one of them does the same before it does what its base does.
_AWAITED = [
    "connection",
    "delete",
    "delete_all",
    "execute",
    "get",
    "get_one",
    "merge",
    "merge_all",
    "refresh",
    "run_sync",
    "scalar",
    "scalars",
    "stream",
    "stream_scalars",
]
_IMMEDIATE = ["add", "add_all", "begin_nested", "expire", "expire_all", "expunge", "expunge_all"]

for _name in _AWAITED:
    setattr(UnitSession, _name, _guarded(getattr(AsyncSession, _name)))
for _name in _IMMEDIATE:
    setattr(UnitSession, _name, _guarded_at_once(getattr(AsyncSession, _name)))

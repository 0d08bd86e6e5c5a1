"""One unit of work: a transaction that opens at its first use, the session on it, and what it publishes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

from partita.contract.message import Event
from partita.core.call import NO_DEADLINE, Invocation
from partita.core.errors import (
    Contended,
    DatabaseUnavailable,
    DeadlineExceeded,
    Misuse,
    PartitaError,
    SerializationFailure,
    TransactionAborted,
    UnitEnded,
    UnitShared,
)
from partita.data.guards import WORK
from partita.data.session import UnitSession
from partita.data.settling import settled
from partita.ports.engine import Engine, Mode, OutboxRow, Transaction, Verdict

__all__ = ["AfterCommit", "State", "Work"]

AfterCommit = Callable[[], Awaitable[object] | object]


class State(Enum):
    """How far a unit of work has come."""

    UNUSED = "unused"
    OPEN = "open"
    COMMITTING = "committing"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    UNKNOWN = "unknown"


class Work:
    """One run of one unit of work. ``what`` names it in messages: ``db.session``, ``db.read()`` or ``db.unit()``."""

    __slots__ = (
        "_aborted",
        "_engine",
        "_invocation",
        "_on_published",
        "_session",
        "_task",
        "after",
        "events",
        "has_ended",
        "is_stale",
        "mode",
        "outbox",
        "state",
        "transaction",
        "what",
    )

    def __init__(
        self,
        engine: Engine,
        invocation: Invocation | None,
        *,
        what: str,
        mode: Mode = Mode.WRITE,
        on_published: Callable[[Sequence[Event]], object] | None = None,
    ) -> None:
        self.what = what
        self.mode = mode
        self.state = State.UNUSED
        self.has_ended = False
        self.is_stale = False
        self.transaction: Transaction | None = None
        self.outbox: list[OutboxRow] = []
        self.events: list[Event] = []
        self.after: list[AfterCommit] = []
        self._on_published = on_published
        self._aborted = False
        self._engine = engine
        self._invocation = invocation
        self._session: UnitSession | None = None
        self._task = asyncio.current_task()

    @property
    def is_open(self) -> bool:
        """Whether its transaction has begun and not ended."""
        return self.state is State.OPEN or self.state is State.COMMITTING

    @property
    def name(self) -> str:
        """Who works, for messages."""
        return self._invocation.name if self._invocation is not None else self.what

    @property
    def session(self) -> UnitSession:
        """The session. Raises ``UnitEnded`` and ``UnitShared``."""
        self.check()
        if self._session is None:
            self._session = UnitSession(self)
        return self._session

    def belongs_to(self, engine: Engine) -> bool:
        """Whether it works on this engine."""
        return self._engine is engine

    # --- guards -----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse another task, and a use after the end."""
        if self.has_ended:
            raise UnitEnded(
                f"{self.name} used {self.what} after its transaction had ended. A task that goes on after its handler "
                "needs a transaction of its own: `async with db.unit() as session` or `async with db.read() as "
                "session` in that task; for something short after the commit use db.after_commit()."
            )
        if asyncio.current_task() is not self._task:
            raise UnitShared(
                f"{self.name} used {self.what} from another task than the one it belongs to; asyncio.gather(), "
                "create_task() and wait_for() each make one. A transaction does one thing at a time. Await one "
                "statement after the other, use asyncio.timeout() in place of wait_for(), or open db.read() or "
                "db.unit() in the task."
            )

    def guard(self) -> None:
        """Before every statement."""
        self.check()
        if self._aborted or (self.transaction is not None and not self.transaction.is_alive):
            raise self._broken()

    def has_refused(self, error: BaseException) -> bool:
        """Whether the error comes from here, and no statement has reached the database."""
        return isinstance(error, Misuse)

    def statement_failed(self, error: BaseException) -> BaseException | None:
        """A statement failed. Returns the error to raise in its place, if any."""
        self._aborted = True
        match self._engine.judge(error):
            case Verdict.AGAIN:
                self.is_stale = True
                return SerializationFailure(
                    f"{self.name}: the database could not serialise this transaction with others ({error}). "
                    "The unit of work is run again."
                )
            case Verdict.READ_ONLY:
                return Misuse(
                    f"{self.name}: a write in db.read(), which only reads. Use db.session in a handler, or "
                    "`async with db.unit() as session`."
                )
            case Verdict.LOCKED:
                return Contended(
                    f"{self.name}: a lock did not come free in time ({error}). Nothing was executed. Look for a "
                    "transaction that stays open long."
                )
            case Verdict.FULL:
                return self._full()
            case Verdict.LOST:
                return self._lost()
            case Verdict.FAILED:
                return None

    def recovered(self) -> None:
        """Rolled back to a savepoint. A transaction that lost stays lost: its snapshot is what was wrong."""
        self._aborted = False

    def aborted_error(self) -> TransactionAborted:
        """The error for a transaction of which only the savepoint is left."""
        return TransactionAborted(
            f"{self.name}: a statement failed earlier, and what this transaction did is undone. A statement that may "
            "fail goes into `async with session.begin_nested()`; COMMIT and ROLLBACK are not for handlers."
        )

    def _broken(self) -> PartitaError:
        return self._lost() if self.transaction is not None and self.transaction.is_lost else self.aborted_error()

    def _lost(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"{self.name}: the connection to the database was lost. Nothing was executed.")

    def _full(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(
            f"{self.name}: the disk of the database {self._engine.name} is full. Nothing was executed. Make room on "
            "it; reading goes on meanwhile."
        )

    # --- its course -------------------------------------------------------------------------------------------------

    async def open(self) -> Transaction:
        """Begin the transaction."""
        self.check()
        deadline = self._invocation.deadline if self._invocation is not None else NO_DEADLINE
        transaction = await self._engine.begin(self.mode, deadline)
        transaction.connection.execution_options(**{WORK: self})
        self.transaction = transaction
        self.state = State.OPEN
        return transaction

    async def finish(self) -> asyncio.CancelledError | None:
        """Write what is pending, then the outbox, and commit.

        Returns a cancellation that came while COMMIT was under way and waited for its outcome. Whatever is raised, the
        transaction is over.
        """
        try:
            await self._write_pending()
        except BaseException as error:
            # The outbox is written past SQLAlchemy, whose statements mark themselves stale.
            self.is_stale = self.is_stale or isinstance(error, SerializationFailure)
            await self.abandon()
            raise
        self.has_ended = True
        if self.transaction is None:
            self._close(committed=True)
            return None
        self.state = State.COMMITTING
        if not self._engine.suspends:
            await self._commit(self.transaction)
            return None
        return await settled(self._commit(self.transaction))

    async def discard(self) -> asyncio.CancelledError | None:
        """Undo what was written, and commit the rest, which is nothing but what the framework records."""
        self.outbox.clear()
        self.events.clear()
        self.after.clear()
        session = self._session
        if session is not None and self.transaction is not None and self.transaction.is_alive:
            await session.undo()
        elif session is not None:
            session.sync_session.expunge_all()
        return await self.finish()

    async def abandon(self) -> None:
        """Roll back."""
        self.has_ended = True
        transaction = self.transaction
        if transaction is None:
            self.state = State.ROLLED_BACK
            self._close(committed=False)
        elif self._engine.suspends:
            await settled(self._roll_back(transaction))
        else:
            await self._roll_back(transaction)

    async def _write_pending(self) -> None:
        if self._session is not None:
            if self.mode is Mode.READ and self._session.has_changes:
                raise Misuse(f"{self.name}: objects were changed in db.read(), which only reads. Use db.unit().")
            await self._session.write_pending()
        if self.outbox and not (self._aborted or self.is_stale):
            await self._append()
        if self.is_stale:
            raise SerializationFailure(f"{self.name}: the database asks for another run.")
        if self.transaction is None:
            return
        if self._aborted or not self.transaction.is_alive:
            raise self._broken()
        if self._invocation is not None and self._invocation.deadline <= time.monotonic():
            raise DeadlineExceeded(
                f"{self.name}: the deadline passed before COMMIT. Nothing was executed.",
                service=self._invocation.service,
                operation=self._invocation.operation,
                may_have_executed=False,
            )

    async def _append(self) -> None:
        transaction = self.transaction or await self.open()
        try:
            await transaction.append(self.outbox)
        except Exception as error:
            if self._engine.judge(error) is Verdict.FULL:
                raise self._full() from error
            raise

    async def _commit(self, transaction: Transaction) -> None:
        try:
            await transaction.commit()
        except BaseException as error:
            self.is_stale = self.is_stale or isinstance(error, SerializationFailure)
            self.state = State.UNKNOWN if getattr(error, "may_have_executed", False) else State.ROLLED_BACK
            self._close(committed=False)
            await transaction.rollback()
            await transaction.release()
            if self._engine.judge(error) is Verdict.FULL:
                raise self._full() from error
            raise
        self.state = State.COMMITTED
        self._close(committed=True)
        if self.events and self._on_published is not None:
            self._on_published(self.events)
        await transaction.release()

    async def _roll_back(self, transaction: Transaction) -> None:
        await transaction.rollback()
        self.state = State.ROLLED_BACK
        self._close(committed=False)
        await transaction.release()

    def _close(self, *, committed: bool) -> None:
        if self._session is not None:
            self._session.end(committed=committed)

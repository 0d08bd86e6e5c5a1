"""``db: Database``, the field of a service that keeps data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from partita.contract.message import Event
from partita.core.call import NO_DEADLINE, Invocation, current_invocation, open_transaction, transaction
from partita.core.clock import Clock
from partita.core.errors import Misuse, NoUnit, SerializationFailure
from partita.core.ids import Ids
from partita.data.after_commit import run_after_commit
from partita.data.guards import watch
from partita.data.outbox import EVENTS_MAX, outbox_row
from partita.data.reruns import Reruns
from partita.data.work import AfterCommit, Work
from partita.ports.engine import Engine, Mode, OutboxRow

__all__ = ["AFTER_COMMIT_MAX", "Database"]

T = TypeVar("T")

AFTER_COMMIT_MAX = 100
"""How many functions one unit of work may hand to ``db.after_commit()``."""

_explicit: ContextVar[Work | None] = ContextVar("partita_explicit_work", default=None)


class Database:
    """A service's own database. The runtime attaches an engine to it before the service starts.

    In a handler ``db.session`` is the session of the unit of work: its transaction begins at the first statement and
    commits after the response is encoded. ``db.read()`` and ``db.unit()`` are transactions of their own, anywhere.

    ``url`` names a database for a test; a system's own comes from the runtime. ``on_published`` is called, where it is
    set, with the events of each transaction that committed.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url
        self.on_published: Callable[[Sequence[Event]], object] | None = None
        self._engine: Engine | None = None
        self._clock = Clock()
        self._ids = Ids()
        self._reruns = Reruns()

    def attach(
        self,
        engine: Engine,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        reruns: Reruns | None = None,
    ) -> None:
        """Work on ``engine`` from now on. For the runtime, before the service starts."""
        watch(engine)
        self._engine = engine
        self._clock = clock if clock is not None else self._clock
        self._ids = ids if ids is not None else self._ids
        self._reruns = reruns if reruns is not None else self._reruns

    @property
    def engine(self) -> Engine:
        """The engine. Raises ``Misuse`` before one is attached."""
        if self._engine is None:
            raise Misuse(
                "This Database has no engine yet. The runtime attaches one before a service starts: in a test use "
                "`async with running(YourService, db=Database())`; elsewhere `database.attach(engine)`."
            )
        return self._engine

    @property
    def reruns(self) -> Reruns:
        """How often, and how fast, a unit of work is run again."""
        return self._reruns

    def ambient(self, invocation: Invocation, *, again: bool = False) -> Work:
        """A unit of work for ``invocation``. For ``UnitsOfWork``."""
        mode = Mode.AGAIN if again else Mode.WRITE
        return Work(self.engine, invocation, what="db.session", mode=mode, on_published=self.on_published)

    # --- the unit of work of the handler ----------------------------------------------------------------------------

    @property
    def session(self) -> AsyncSession:
        """The session of the unit of work. Its transaction begins at the first statement.

        Raises ``NoUnit`` outside of a handler and in a stream, ``UnitEnded`` after the handler's end, and
        ``UnitShared`` in another task than the handler's.
        """
        return self._ambient("db.session").session

    async def publish(self, *events: Event) -> None:
        """Publish, if and when the transaction commits. Rows go to the outbox as its last statement, in this order.

        In ``db.unit()`` that transaction, else the handler's unit of work. Raises ``Misuse`` beyond
        ``EVENTS_MAX`` events.
        """
        work = self._writable("db.publish()")
        if len(work.outbox) + len(events) > EVENTS_MAX:
            raise Misuse(
                f"{work.name} published over {EVENTS_MAX} events in one unit of work. Publish them in several."
            )
        invocation = current_invocation()
        rows = [outbox_row(event, clock=self._clock, ids=self._ids, invocation=invocation) for event in events]
        work.outbox.extend(rows)
        work.events.extend(events)

    def after_commit(self, function: AfterCommit) -> None:
        """Run ``function``, which may be a coroutine function, after the transaction has committed.

        For what may be lost: a process that dies in between does not run it. A failure is logged, not raised. It is
        not run after a rollback, and a unit of work that is run again starts without any.
        """
        work = self._writable("db.after_commit()")
        if len(work.after) >= AFTER_COMMIT_MAX:
            raise Misuse(f"{work.name} gave over {AFTER_COMMIT_MAX} functions to db.after_commit().")
        work.after.append(function)

    # --- transactions of their own ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A short transaction that reads: one snapshot, no writes, never in need of another run."""
        work = self._begin("db.read()", Mode.READ)
        with transaction("db.read()"):
            try:
                yield work.session
            except BaseException:
                await work.abandon()
                raise
            cancellation = await work.finish()
        if cancellation is not None:
            raise cancellation

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[AsyncSession]:
        """A short serialisable transaction that commits at the end of the block.

        Raises ``SerializationFailure`` where the database asks for another run, and nothing was executed: ``db.run()``
        does that run. Raises ``CommitUnknown`` where the answer to COMMIT was lost.
        """
        async with self._unit(Mode.WRITE) as session:
            yield session

    async def run(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Run ``work`` in a ``db.unit()``, and again where the database asks for it. Raises ``Contended``."""
        invocation = current_invocation()
        deadline = invocation.deadline if invocation is not None else NO_DEADLINE
        run = 0
        while True:
            try:
                async with self._unit(Mode.AGAIN if run else Mode.WRITE) as session:
                    return await work(session)
            except SerializationFailure:
                await self._reruns.pause(run, "db.run()", deadline)
            run += 1

    # --- for tests --------------------------------------------------------------------------------------------------

    async def published(self) -> list[OutboxRow]:
        """What is in the outbox, in order."""
        return await self.engine.read_outbox()

    # ----------------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _unit(self, mode: Mode) -> AsyncIterator[AsyncSession]:
        work = self._begin("db.unit()", mode)
        before = _explicit.set(work)
        try:
            with transaction("db.unit()"):
                try:
                    yield work.session
                except BaseException as error:
                    await work.abandon()
                    if work.is_stale and isinstance(error, Exception) and not isinstance(error, SerializationFailure):
                        raise SerializationFailure(f"{work.name}: the database asks for another run.") from error
                    raise
                cancellation = await work.finish()
        finally:
            _explicit.reset(before)
        if work.after:
            await run_after_commit(work)
        if cancellation is not None:
            raise cancellation

    def _begin(self, what: str, mode: Mode) -> Work:
        invocation = current_invocation()
        opened = open_transaction()
        holder = opened.what if opened is not None else None
        if holder is None and invocation is not None and invocation.unit is not None and invocation.unit.is_open:
            holder = "db.session"
        if holder is not None:
            raise Misuse(
                f"{what} was opened while the transaction of {holder} was open. Each holds a connection: when every "
                "caller holds one and waits for a second, all wait for ever. Use the session that is open, or end it "
                f"before {what}."
            )
        return Work(self.engine, invocation, what=what, mode=mode, on_published=self.on_published)

    def _writable(self, what: str) -> Work:
        work = _explicit.get()
        if work is None or work.has_ended:
            work = self._ambient(what)
        work.check()
        return work

    def _ambient(self, what: str) -> Work:
        invocation = current_invocation()
        work = None if invocation is None else invocation.unit
        if isinstance(work, Work) and work.belongs_to(self.engine):
            return work
        where = "outside of a handler" if invocation is None else f"in {invocation.name}, which has no unit of work"
        raise NoUnit(
            f"{what} was used {where}. Streams and code that no call started have none: use "
            "`async with db.read() as session` or `async with db.unit() as session`."
        )

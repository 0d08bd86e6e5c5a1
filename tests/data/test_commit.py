"""COMMIT: what a cancellation or a lost connection in the middle of it means, and what is done after it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from partita.core.call import Invocation
from partita.core.errors import CommitUnknown, Contended, DatabaseUnavailable, SerializationFailure, TransactionAborted
from partita.data.work import State
from partita.ports.engine import Mode

GATE = 42
# COMMIT waits in a deferred trigger for a lock that the test holds: in the middle of it for as long as the test wants.
SLOW_COMMIT = f"""
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait();
"""


class Gate:
    """Holds COMMIT open on PostgreSQL."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def reached(self) -> int:
        """Wait until a COMMIT is under way. Returns the process of its server side."""
        async with asyncio.timeout(10):
            while True:
                pid = await self._connection.fetchval(
                    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted", GATE
                )
                if pid is not None:
                    return int(pid)

    async def open(self) -> None:
        """Let it go on."""
        await self._connection.execute("SELECT pg_advisory_unlock($1)", GATE)

    async def kill(self, pid: int) -> None:
        """End the server side."""
        await self._connection.execute("SELECT pg_terminate_backend($1)", pid)


@pytest.fixture
async def gate(postgres_bench: Any) -> AsyncIterator[Gate]:
    """A gate in every COMMIT that inserted an item."""
    connection = await asyncpg.connect(postgres_bench.url)
    await connection.execute(SLOW_COMMIT)
    await connection.execute("SELECT pg_advisory_lock($1)", GATE)
    yield Gate(connection)
    await connection.close()


def adding(bench: Any) -> Callable[[], Awaitable[str]]:
    """A handler that adds a nail."""

    async def handler() -> str:
        bench.db.session.add(bench.Item(name="nail", amount=1))
        return "done"

    return handler


async def test_a_cancelled_commit_is_settled(postgres_bench: Any, gate: Gate) -> None:
    """A caller that goes away in the middle of COMMIT does not undo it: the outcome is waited for."""
    seen: list[Invocation] = []
    task = asyncio.create_task(postgres_bench.handle(adding(postgres_bench), seen=seen))
    await gate.reached()
    task.cancel()
    await asyncio.sleep(0)
    assert seen[0].unit.state == State.COMMITTING
    assert not task.done()
    await gate.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen[0].unit.state == State.COMMITTED
    assert await postgres_bench.amounts() == {"nail": 1}


async def test_a_commit_that_outlasts_the_deadline_is_reported(postgres_bench: Any, gate: Gate) -> None:
    """Where the deadline cancels in the middle of COMMIT, the caller still gets the result: the work is done."""
    deadline = time.monotonic() + 0.05

    async def call() -> Any:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await postgres_bench.handle(adding(postgres_bench), deadline=deadline)

    async def let_go() -> None:
        while time.monotonic() < deadline + 0.02:
            await gate.reached()
        await gate.open()

    result, _ = await asyncio.gather(call(), let_go())
    assert result == "done"
    assert await postgres_bench.amounts() == {"nail": 1}


async def test_a_connection_lost_during_commit_is_unknown(postgres_bench: Any, gate: Gate) -> None:
    """Without an answer to COMMIT nobody knows whether it was done: the error says so, and the pool goes on."""
    seen: list[Invocation] = []
    task = asyncio.create_task(postgres_bench.handle(adding(postgres_bench), seen=seen))
    await gate.kill(await gate.reached())
    with pytest.raises(CommitUnknown) as caught:
        await task
    assert caught.value.may_have_executed is True
    assert seen[0].unit.state is State.UNKNOWN
    await gate.open()
    assert await postgres_bench.amounts() == {}


async def test_idle_connections_that_the_server_closed_are_replaced(postgres_bench: Any) -> None:
    """After a restart of the server the next unit of work takes a new connection, and its caller notices nothing."""
    await postgres_bench.insert(nail=1)
    other = await asyncpg.connect(postgres_bench.url)
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'partita stock'"
    )
    await other.close()
    assert await postgres_bench.amounts() == {"nail": 1}


async def test_a_connection_lost_before_the_commit(postgres_bench: Any) -> None:
    """A connection that is lost while a handler works: nothing was executed, and the caller may try again."""

    async def handler() -> None:
        session = postgres_bench.db.session
        session.add(postgres_bench.Item(name="nail"))
        await session.flush()
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
        other = await asyncpg.connect(postgres_bench.url)
        await other.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        await other.close()
        await session.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable, match="connection to the database was lost") as caught:
        await postgres_bench.handle(handler)
    assert caught.value.may_have_executed is False
    assert await postgres_bench.amounts() == {}


async def test_a_lock_that_does_not_come_free_is_contention(postgres_bench: Any) -> None:
    """PostgreSQL gives up waiting for a row after ``lock_timeout``; the caller is told as on SQLite."""
    await postgres_bench.insert(nail=0)
    other = await asyncpg.connect(postgres_bench.url)
    async with other.transaction():
        await other.execute("UPDATE item SET amount = 1")

        async def handler() -> None:
            await postgres_bench.db.session.execute(text("SET LOCAL lock_timeout = '20ms'"))
            await postgres_bench.db.session.execute(text("UPDATE item SET amount = 2"))

        with pytest.raises(Contended, match="a lock did not come free"):
            await postgres_bench.handle(handler)
    await other.close()


async def test_the_answer_to_commit_is_read(postgres_bench: Any) -> None:
    """PostgreSQL answers COMMIT with ROLLBACK where a statement failed; past every other check, that is an error."""
    transaction = await postgres_bench.engine.begin(Mode.WRITE, float("inf"))
    driver = transaction.connection.connection.driver_connection
    with pytest.raises(asyncpg.PostgresError):
        await driver.execute("SELECT nothing")
    with pytest.raises(TransactionAborted, match="answered COMMIT with ROLLBACK"):
        await transaction.commit()
    await transaction.release()


async def test_a_cancelled_statement_leaves_a_connection_that_works(postgres_bench: Any) -> None:
    """A cancellation in a statement rolls back, and the connection serves the next unit of work."""
    started = asyncio.Event()
    server_sides: list[int] = []

    async def handler() -> None:
        postgres_bench.db.session.add(postgres_bench.Item(name="nail"))
        await postgres_bench.db.session.flush()
        server_sides.append(await postgres_bench.db.session.scalar(text("SELECT pg_backend_pid()")))
        started.set()
        await postgres_bench.db.session.execute(text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(postgres_bench.handle(handler))
    await started.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def next_one() -> None:
        server_sides.append(await postgres_bench.db.session.scalar(text("SELECT pg_backend_pid()")))

    assert await postgres_bench.amounts() == {}
    await postgres_bench.handle(next_one)
    assert server_sides[0] == server_sides[1]


async def test_a_cancellation_before_the_commit_rolls_back(bench: Any) -> None:
    """A handler that is cancelled while it works leaves nothing behind."""
    started = asyncio.Event()

    async def handler() -> None:
        bench.db.session.add(bench.Item(name="nail"))
        await bench.db.session.flush()
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(bench.handle(handler))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.amounts() == {}


async def test_a_cancellation_at_the_commit_is_no_rollback(bench: Any) -> None:
    """Cancelled as the handler returns: whatever is raised, the state says what is durable, and it is."""
    seen: list[Invocation] = []

    async def handler() -> str:
        bench.db.session.add(bench.Item(name="nail", amount=1))
        await bench.db.session.flush()
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        return "done"

    try:
        outcome = await asyncio.create_task(bench.handle(handler, seen=seen))
    except asyncio.CancelledError:
        outcome = "cancelled"
    assert outcome in ("done", "cancelled")
    assert seen[0].unit.state is State.COMMITTED
    assert await bench.amounts() == {"nail": 1}


async def test_after_commit_runs_after_the_commit(bench: Any) -> None:
    """What is handed to ``after_commit`` finds the work durable; it may be a coroutine function; order is kept."""
    found: list[Any] = []

    async def look() -> None:
        found.append(await bench.amounts())

    async def handler() -> None:
        bench.db.after_commit(look)
        bench.db.after_commit(lambda: found.append("second"))
        bench.db.session.add(bench.Item(name="nail", amount=1))
        assert found == []

    await bench.handle(handler)
    assert found == [{"nail": 1}, "second"]


async def test_after_commit_does_not_run_after_a_rollback(bench: Any) -> None:
    """Neither an error nor a Problem runs it; a Problem that commits does."""
    found: list[str] = []

    def raising(error: Any) -> Callable[[], Awaitable[None]]:
        async def handler() -> None:
            bench.db.after_commit(lambda: found.append(error.__name__))
            bench.db.session.add(bench.Item(name="nail"))
            raise error

        return handler

    for error in (LookupError, bench.Refused, bench.Declined):
        with pytest.raises(error):
            await bench.handle(raising(error))
    assert found == ["Declined"]


async def test_after_commit_runs_once_for_a_unit_that_ran_twice(bench: Any) -> None:
    """Each run starts anew: what the run that lost had handed over is forgotten, its events too."""
    found: list[int] = []
    seen: list[Invocation] = []
    runs = 0

    async def handler() -> None:
        nonlocal runs
        runs += 1
        bench.db.after_commit(lambda run=runs: found.append(run))
        await bench.db.publish(bench.Added(id="00000000-0000-7000-8000-000000000001", amount=runs))
        bench.db.session.add(bench.Item(name=f"nail {runs}"))
        await bench.db.session.flush()
        seen[0].unit.is_stale = runs == 1  # as if the database had refused a statement

    await bench.handle(handler, seen=seen)
    assert found == [2]
    assert [row.body for row in await bench.db.published()] == [
        b'{"id":"00000000-0000-7000-8000-000000000001","amount":2}'
    ]


async def test_failures_after_the_commit_are_logged(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The result is returned although what may be lost was lost."""

    def fails() -> None:
        raise LookupError("lost")

    async def handler() -> str:
        bench.db.after_commit(fails)
        return "done"

    with caplog.at_level(logging.ERROR, "partita.data"):
        assert await bench.handle(handler) == "done"
    assert "stock.change: a function given to db.after_commit() failed" in caplog.text


async def test_a_unit_of_its_own_commits_at_the_end_of_the_block(bench: Any) -> None:
    """``db.unit()`` needs no handler, and undoes everything when its block raises."""
    async with bench.db.unit() as session:
        session.add(bench.Item(name="nail", amount=1))
    with pytest.raises(LookupError):
        async with bench.db.unit() as session:
            session.add(bench.Item(name="screw"))
            await session.flush()
            raise LookupError
    assert await bench.amounts() == {"nail": 1}


async def test_run_repeats_a_unit_that_lost(bench: Any) -> None:
    """``db.run(work)`` runs the work again after a serialisation failure, where ``db.unit()`` raises it."""
    await bench.insert(nail=0)
    runs = 0

    async def add_one(session: Any) -> int:
        nonlocal runs
        runs += 1
        amount = await session.scalar(text("SELECT amount FROM item"))
        if runs == 1:
            await _elsewhere(bench, "UPDATE item SET amount = 10")
        await session.execute(text("UPDATE item SET amount = :amount"), {"amount": amount + 1})
        return int(amount) + 1

    assert await bench.db.run(add_one) == 11
    assert runs == 2
    runs = 0
    with pytest.raises(SerializationFailure):
        async with bench.db.unit() as session:
            await add_one(session)
    assert await bench.amounts() == {"nail": 10}


async def _elsewhere(bench: Any, statement: str) -> None:
    async def change() -> None:
        async with bench.db.unit() as session:
            await session.execute(text(statement))

    await asyncio.get_running_loop().create_task(change(), context=contextvars.Context())

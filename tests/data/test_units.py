"""The unit of work: when it opens, what it commits, what it undoes, and when it is run again."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from partita.core.call import Invocation, refuse_call_in_transaction
from partita.core.errors import (
    CallInsideTransaction,
    Contended,
    DatabaseUnavailable,
    DeadlineExceeded,
    Misuse,
    SerializationFailure,
    TransactionAborted,
)
from partita.data import Database, Reruns, UnitsOfWork


async def test_a_handler_that_returns_has_committed(bench: Any) -> None:
    """What a handler adds, without a flush of its own, is durable when the unit of work returns its result."""

    async def handler() -> str:
        bench.db.session.add(bench.Item(name="nail", amount=3))
        return "done"

    assert await bench.handle(handler) == "done"
    assert await bench.amounts() == {"nail": 3}


async def test_a_handler_without_data_takes_no_connection(bench: Any) -> None:
    """A handler that never touches the database opens no transaction, and neither does naming the session."""
    seen: list[Invocation] = []

    async def handler() -> bool:
        assert bench.db.session is not None
        return bool(seen[0].unit.is_open)

    assert await bench.handle(handler, seen=seen) is False
    assert seen[0].unit.transaction is None


async def test_an_undeclared_error_rolls_back(bench: Any) -> None:
    """An exception that is no Problem undoes everything, and comes out as it is."""

    async def handler() -> None:
        bench.db.session.add(bench.Item(name="nail"))
        await bench.db.session.flush()
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await bench.handle(handler)
    assert await bench.amounts() == {}


async def test_a_problem_rolls_back(bench: Any) -> None:
    """A declared Problem undoes what the handler wrote and published, and is raised again."""

    async def handler() -> None:
        bench.db.session.add(bench.Item(name="nail"))
        await bench.db.session.flush()
        bench.db.session.add(bench.Item(name="screw"))
        await bench.db.publish(bench.Added(id="00000000-0000-7000-8000-000000000001", amount=1))
        raise bench.Refused

    with pytest.raises(bench.Refused):
        await bench.handle(handler)
    assert await bench.amounts() == {}
    assert await bench.db.published() == []


async def test_a_problem_that_commits_keeps_the_writes(bench: Any) -> None:
    """With ``commits=True`` what the handler wrote before the Problem is kept: a failed login's counter."""

    async def handler() -> None:
        bench.db.session.add(bench.Item(name="failures", amount=1))
        raise bench.Declined

    with pytest.raises(bench.Declined):
        await bench.handle(handler)
    assert await bench.amounts() == {"failures": 1}


async def _write_then_fail(bench: Any, *, by_orm: bool) -> None:
    """A statement that works, and one that breaks a constraint."""
    session = bench.db.session
    await session.execute(update(bench.Item).values(amount=7))
    if by_orm:
        session.add(bench.Item(name="nail"))
        await session.flush()
    else:
        await session.execute(text("INSERT INTO item (name, amount) VALUES ('nail', 2)"))


@pytest.mark.parametrize("by_orm", [True, False])
async def test_a_problem_after_a_failed_statement(bench: Any, by_orm: bool) -> None:
    """A handler that turns an IntegrityError into a Problem works, though the transaction is aborted."""
    await bench.insert(nail=1)

    async def handler() -> None:
        try:
            await _write_then_fail(bench, by_orm=by_orm)
        except IntegrityError:
            raise bench.Refused from None

    with pytest.raises(bench.Refused):
        await bench.handle(handler)
    assert await bench.amounts() == {"nail": 1}


@pytest.mark.parametrize("by_orm", [True, False])
async def test_a_problem_that_commits_after_a_failed_statement(bench: Any, by_orm: bool) -> None:
    """Writes that a failed statement has undone cannot be kept: that is said, and nothing is written."""
    await bench.insert(nail=1)

    async def handler() -> None:
        try:
            await _write_then_fail(bench, by_orm=by_orm)
        except IntegrityError:
            raise bench.Declined from None

    with pytest.raises(TransactionAborted, match="begin_nested"):
        await bench.handle(handler)
    assert await bench.amounts() == {"nail": 1}


async def test_a_savepoint_keeps_the_writes_before_a_failed_statement(bench: Any) -> None:
    """What may fail inside ``begin_nested()`` leaves the rest of the transaction whole."""
    await bench.insert(nail=1)

    async def handler() -> None:
        session = bench.db.session
        await session.execute(update(bench.Item).values(amount=7))
        try:
            async with session.begin_nested():
                session.add(bench.Item(name="nail"))
        except IntegrityError:
            session.add(bench.Item(name="screw", amount=2))
        raise bench.Declined

    with pytest.raises(bench.Declined):
        await bench.handle(handler)
    assert await bench.amounts() == {"nail": 7, "screw": 2}


async def test_a_swallowed_error_is_not_a_commit(bench: Any) -> None:
    """After a failed statement PostgreSQL answers COMMIT with ROLLBACK: on both engines an error, and no success."""
    await bench.insert(nail=1)

    async def handler() -> str:
        session = bench.db.session
        await session.execute(update(bench.Item).values(amount=7))
        try:
            await session.execute(text("INSERT INTO item (name, amount) VALUES ('nail', 2)"))
        except IntegrityError:
            pass
        return "fine"

    with pytest.raises(TransactionAborted, match="a statement failed earlier"):
        await bench.handle(handler)
    assert await bench.amounts() == {"nail": 1}


async def test_statements_after_a_failed_one_are_refused(bench: Any) -> None:
    """SQLite would go on where PostgreSQL does not; both refuse, with the same words."""
    await bench.insert(nail=1)

    async def handler() -> None:
        session = bench.db.session
        with pytest.raises(IntegrityError):
            await session.execute(text("INSERT INTO item (name, amount) VALUES ('nail', 2)"))
        await session.execute(select(bench.Item))

    with pytest.raises(TransactionAborted, match="begin_nested"):
        await bench.handle(handler)


async def test_a_statement_that_ends_the_transaction_is_found(bench: Any) -> None:
    """``COMMIT`` by hand is no way around the unit of work: it is an error at the next statement or at the end."""

    async def handler() -> None:
        await bench.db.session.execute(select(bench.Item))
        await bench.db.session.execute(text("ROLLBACK"))

    with pytest.raises(TransactionAborted):
        await bench.handle(handler)


async def test_a_savepoint_that_was_left_open_is_kept(bench: Any) -> None:
    """A savepoint that a handler began and never ended is released with the commit, and undone with the rollback."""

    async def keeps() -> None:
        await bench.db.session.begin_nested()
        bench.db.session.add(bench.Item(name="nail", amount=1))

    async def breaks() -> None:
        await bench.db.session.begin_nested()
        bench.db.session.add(bench.Item(name="screw", amount=1))
        await bench.db.session.flush()
        raise LookupError

    await bench.handle(keeps)
    with pytest.raises(LookupError):
        await bench.handle(breaks)
    assert await bench.amounts() == {"nail": 1}


async def test_no_increment_is_lost_on_hot_keys(bench: Any) -> None:
    """Read, add one, write, by many at once on few rows: READ COMMITTED loses a tenth of them, a unit of work none."""
    clients, increments = 16, 25
    names = ["a", "b", "c", "d", "e"]
    await bench.insert(**dict.fromkeys(names, 0))
    bench.db.attach(bench.engine, reruns=Reruns(runs_max=1000))
    runs = 0

    async def client(number: int) -> None:
        for turn in range(increments):

            async def handler(name: str = names[(number + turn) % len(names)]) -> None:
                nonlocal runs
                runs += 1
                item = await bench.db.session.scalar(select(bench.Item).where(bench.Item.name == name))
                await asyncio.sleep(0)
                item.amount += 1

            await bench.handle(handler)

    await asyncio.gather(*(client(number) for number in range(clients)))
    assert sum((await bench.amounts()).values()) == clients * increments
    assert runs > clients * increments, "nothing collided, so nothing was shown"


async def test_a_swallowed_serialization_failure_is_run_again(bench: Any) -> None:
    """A handler that catches the database's refusal, and returns, is run again all the same; the reply starts anew."""
    await bench.insert(nail=0)
    seen: list[Invocation] = []
    outcomes: list[str] = []

    async def handler() -> int:
        session = bench.db.session
        seen[0].reply.headers[f"run-{len(outcomes)}"] = "1"
        item = await session.scalar(select(bench.Item))
        before: int = item.amount
        if not outcomes:
            await asyncio.create_task(_set_amount(bench, 10))
        item.amount = before + 1
        try:
            await session.flush()
            outcomes.append("wrote")
        except Exception as error:
            outcomes.append(type(error).__name__)
        return before

    assert await bench.handle(handler, seen=seen) == 10
    assert outcomes == ["SerializationFailure", "wrote"]
    assert list(seen[0].reply.headers) == ["run-1"]
    assert await bench.amounts() == {"nail": 11}


async def test_a_failure_swallowed_inside_a_savepoint_is_run_again(bench: Any) -> None:
    """Going back to a savepoint mends the transaction, not the snapshot that was too old."""
    await bench.insert(nail=0)
    runs = 0

    async def handler() -> None:
        nonlocal runs
        runs += 1
        session = bench.db.session
        item = await session.scalar(select(bench.Item))
        if runs == 1:
            await asyncio.create_task(_set_amount(bench, 10))
        try:
            async with session.begin_nested():
                await session.execute(update(bench.Item).values(amount=item.amount + 1))
        except SerializationFailure:
            assert runs == 1

    await bench.handle(handler)
    assert runs == 2
    assert await bench.amounts() == {"nail": 11}


async def _set_amount(bench: Any, amount: int) -> None:
    # A context without the handler's transaction, as another caller has.
    async def handler() -> None:
        await bench.db.session.execute(update(bench.Item).values(amount=amount))

    await bench.handle(handler)


async def test_a_problem_from_a_stale_snapshot_is_run_again(bench: Any) -> None:
    """A Problem that a run raised after losing is no answer: it was drawn from a state that never was."""
    await bench.insert(nail=0)
    runs = 0

    async def handler() -> str:
        nonlocal runs
        runs += 1
        await bench.db.session.scalar(select(bench.Item))
        if runs > 1:
            return "sold"
        await asyncio.create_task(_set_amount(bench, 1))
        try:
            await bench.db.session.execute(update(bench.Item).values(amount=5))
        except SerializationFailure:
            raise bench.Refused from None
        return "not reached"

    assert await bench.handle(handler) == "sold"
    assert runs == 2


async def test_runs_are_bounded(bench: Any) -> None:
    """A unit of work that always loses is given up with ``Contended`` after its bound, and nothing is executed."""
    await bench.insert(nail=0)
    runs = 0

    class Losing(Database):
        def ambient(self, invocation: Invocation, *, again: bool = False) -> Any:
            return super().ambient(invocation)  # without the queue of writers that SQLite gives a second run

    db = Losing()
    db.attach(bench.engine, reruns=Reruns(runs_max=3))
    bench.units = UnitsOfWork(db)
    writers = UnitsOfWork(bench.db)

    async def other() -> None:
        bench.units = writers
        await _set_amount(bench, 100 + runs)

    async def handler() -> None:
        nonlocal runs
        runs += 1
        await db.session.scalar(select(bench.Item))
        await asyncio.create_task(other())
        await db.session.execute(update(bench.Item).values(amount=5))

    with pytest.raises(Contended, match="3 times"):
        await bench.handle(handler)
    assert runs == 3
    assert await bench.amounts() == {"nail": 103}


async def test_the_deadline_bounds_the_runs(bench: Any) -> None:
    """Where the deadline leaves no time for another run there is none."""
    reruns = Reruns(wait_s=10, wait_s_max=10)
    with pytest.raises(Contended, match="deadline"):
        while True:  # the wait is drawn; one near zero would fit
            await reruns.pause(0, "stock.change", time.monotonic() + 0.001)


async def test_a_deadline_that_passed_is_not_committed(bench: Any) -> None:
    """Work that is done after its deadline is rolled back, and says that nothing was executed."""

    async def handler() -> None:
        bench.db.session.add(bench.Item(name="nail"))

    with pytest.raises(DeadlineExceeded) as caught:
        await bench.handle(handler, deadline=time.monotonic() - 1)
    assert caught.value.may_have_executed is False
    assert await bench.amounts() == {}


async def test_a_call_inside_the_unit_of_work_is_refused(bench: Any) -> None:
    """Before the first statement another service may be called, after it not, and again in the next handler."""

    async def handler() -> None:
        refuse_call_in_transaction("payments.charge")
        await bench.db.session.execute(select(bench.Item))
        refuse_call_in_transaction("payments.charge")

    for _ in range(2):
        with pytest.raises(CallInsideTransaction, match=r"stock.change called payments.charge while the unit of work"):
            await bench.handle(handler)


async def test_a_call_inside_an_explicit_transaction_is_refused(bench: Any) -> None:
    """``db.read()`` and ``db.unit()`` hold a connection too."""
    async with bench.db.read():
        with pytest.raises(CallInsideTransaction, match=r"db\.read\(\)"):
            refuse_call_in_transaction("payments.charge")
    async with bench.db.unit():
        with pytest.raises(CallInsideTransaction, match=r"db\.unit\(\)"):
            refuse_call_in_transaction("payments.charge")
    refuse_call_in_transaction("payments.charge")


async def test_a_full_pool_is_a_clear_error(bench: Any, until: Any) -> None:
    """When every connection is taken, the next one waits until its deadline and is told what to look for."""
    release = asyncio.Event()
    size = 10
    started = 0

    async def holder() -> None:
        nonlocal started
        await bench.db.session.execute(select(bench.Item))
        started += 1
        await release.wait()

    async def late() -> None:
        await bench.db.session.execute(select(bench.Item))

    holders = [asyncio.create_task(bench.handle(holder)) for _ in range(size)]
    await until(lambda: started == size)
    with pytest.raises(DatabaseUnavailable, match="All 10 connections of stock"):
        await bench.handle(late, deadline=time.monotonic() + 0.02)
    waiting = asyncio.create_task(bench.handle(late))
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*holders, waiting)


async def test_a_second_connection_for_one_caller_is_refused(bench: Any) -> None:
    """``db.read()`` or ``db.unit()`` inside an open transaction would let callers wait for each other for ever."""

    async def handler() -> None:
        async with bench.db.read() as session:  # before the unit of work opens: fine
            await session.execute(select(bench.Item))
        await bench.db.session.execute(select(bench.Item))
        async with bench.db.unit():
            pass

    with pytest.raises(Misuse, match=r"db\.unit\(\) was opened while the transaction of db\.session was open"):
        await bench.handle(handler)
    with pytest.raises(Misuse, match=r"db\.read\(\) was opened while the transaction of db\.unit\(\)"):
        async with bench.db.unit(), bench.db.read():
            pass

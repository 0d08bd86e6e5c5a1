"""What a handler may not do with its session, and how it is told."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from partita.core.call import Invocation, handling
from partita.core.errors import CommitForbidden, Misuse, NoUnit, UnitEnded, UnitShared
from partita.data import Database


async def test_the_session_is_an_async_session(bench: Any) -> None:
    """What a service gets is SQLAlchemy's own type, the same one for the whole unit of work."""

    async def handler() -> None:
        assert isinstance(bench.db.session, AsyncSession)
        assert bench.db.session is bench.db.session

    await bench.handle(handler)


async def test_gather_on_one_session_is_refused(bench: Any) -> None:
    """Two statements at once on one connection: named as that, with what to do instead; nothing is committed."""

    async def handler() -> None:
        session = bench.db.session
        session.add(bench.Item(name="nail"))
        await asyncio.gather(session.execute(select(bench.Item)), session.execute(text("SELECT 1")))

    with pytest.raises(UnitShared, match=r"stock\.change .*gather.* Await one statement after the other"):
        await bench.handle(handler)
    assert await bench.amounts() == {}


@pytest.mark.parametrize("captured", [True, False])
async def test_another_task_may_not_use_the_unit(bench: Any, captured: bool) -> None:
    """A task that the handler made is refused, whether it holds the session already or asks for it."""

    async def handler() -> None:
        session = bench.db.session

        async def task() -> None:
            (session if captured else bench.db.session).add(bench.Item(name="nail"))

        await asyncio.create_task(task())

    with pytest.raises(UnitShared, match=r"db\.read\(\)"):
        await bench.handle(handler)


async def test_publish_belongs_to_the_handlers_task(bench: Any) -> None:
    """Publishing from another task would put events into a transaction that may be over."""

    async def handler() -> None:
        await asyncio.create_task(bench.db.publish())

    with pytest.raises(UnitShared):
        await bench.handle(handler)


async def test_a_timeout_in_the_same_task_is_fine(bench: Any) -> None:
    """``asyncio.timeout()`` makes no task, and is the remedy for ``wait_for()``."""

    async def handler() -> int:
        async with asyncio.timeout(5):
            found = await bench.db.session.scalar(text("SELECT 1"))
        return int(found)

    assert await bench.handle(handler) == 1


async def test_tasks_may_read_on_their_own(bench: Any) -> None:
    """``db.read()`` in each task is how to read at the same time."""
    await bench.insert(nail=1)

    async def handler() -> tuple[int, ...]:
        async def read() -> int:
            async with bench.db.read() as session:
                return int(await session.scalar(select(bench.Item.amount)))

        return await asyncio.gather(read(), read(), read())

    assert await bench.handle(handler) == [1, 1, 1]


@pytest.mark.parametrize("captured", [True, False])
async def test_a_task_that_outlives_its_unit_is_refused(bench: Any, captured: bool) -> None:
    """A task that goes on after the handler's end is told so, whatever it held on to."""
    ended = asyncio.Event()
    tasks = []

    async def handler() -> None:
        session = bench.db.session
        await session.execute(select(bench.Item))

        async def task() -> None:
            await ended.wait()
            await (session if captured else bench.db.session).execute(select(bench.Item))

        tasks.append(asyncio.create_task(task()))

    await bench.handle(handler)
    ended.set()
    with pytest.raises(UnitEnded, match=r"async with db\.unit\(\)"):
        await tasks[0]


async def test_a_session_that_was_kept_is_refused(bench: Any) -> None:
    """A session kept in a field is over with its unit, in the next handler too."""
    kept: list[AsyncSession] = []

    async def keeps() -> None:
        kept.append(bench.db.session)
        await kept[0].execute(select(bench.Item))

    async def uses() -> None:
        await kept[0].execute(select(bench.Item))

    await bench.handle(keeps)
    with pytest.raises(UnitEnded):
        await bench.handle(uses)


async def test_a_connection_that_was_kept_is_refused(bench: Any) -> None:
    """The guard at the cursor catches what goes past the session's methods."""
    kept: list[Any] = []

    async def keeps() -> None:
        kept.append(await bench.db.session.connection())

    await bench.handle(keeps)
    with pytest.raises(UnitEnded):
        await kept[0].execute(text("SELECT 1"))


@pytest.mark.parametrize("method", ["commit", "rollback", "close", "aclose", "reset", "invalidate"])
async def test_the_session_is_not_for_ending(bench: Any, method: str) -> None:
    """``session.commit()`` and its like are refused, and the unit goes on."""

    async def handler() -> None:
        session = bench.db.session
        session.add(bench.Item(name="nail", amount=1))
        with pytest.raises(CommitForbidden, match=rf"session\.{method}\(\) .*db\.unit\(\)"):
            await getattr(session, method)()

    await bench.handle(handler)
    assert await bench.amounts() == {"nail": 1}


async def test_begin_and_with_are_refused(bench: Any) -> None:
    """``session.begin()`` and ``async with session`` would end the unit's transaction too."""

    async def handler() -> None:
        session = bench.db.session
        with pytest.raises(CommitForbidden):
            session.begin()
        with pytest.raises(CommitForbidden, match=r"async with db\.session"):
            async with session:
                pass
        connection: Any = await session.connection()
        with pytest.raises(CommitForbidden, match=r"connection\.commit\(\)"):
            await connection.commit()

    async with bench.db.unit() as session:
        with pytest.raises(CommitForbidden):
            await session.commit()
    await bench.handle(handler)


async def test_there_is_no_unit_outside_of_a_handler(bench: Any) -> None:
    """Outside of handlers, and in streams, ``db.session`` names what to use instead."""
    with pytest.raises(NoUnit, match=r"db\.session was used outside of a handler.*db\.read\(\)"):
        assert bench.db.session
    with pytest.raises(NoUnit, match=r"db\.after_commit\(\) was used outside of a handler"):
        bench.db.after_commit(list)
    with pytest.raises(NoUnit):
        await bench.db.publish()
    with (
        handling(Invocation("stock", "watch")),
        pytest.raises(NoUnit, match=r"stock\.watch, which has no unit of work"),
    ):
        assert bench.db.session


async def test_a_database_without_an_engine_says_so() -> None:
    """A ``Database()`` of which nobody took care names how to."""
    with pytest.raises(Misuse, match=r"running\(YourService, db=Database\(\)\)"):
        async with Database().read():
            pass


async def test_reading_does_not_write(bench: Any) -> None:
    """A write in ``db.read()`` is refused by the database, and an object that was changed there at its end."""
    await bench.insert(nail=1)
    with pytest.raises(Misuse, match=r"a write in db\.read\(\)"):
        async with bench.db.read() as session:
            await session.execute(text("UPDATE item SET amount = 2"))
    with pytest.raises(Misuse, match=r"changed in db\.read\(\)"):
        async with bench.db.read() as session:
            (await session.scalars(select(bench.Item))).one().amount = 3
    assert await bench.amounts() == {"nail": 1}
    await bench.insert(screw=2)  # the same connection writes again


async def test_a_read_sees_one_snapshot(bench: Any) -> None:
    """What others commit between two statements of a ``db.read()`` is not seen by the second."""
    await bench.insert(nail=1)

    async def other() -> None:
        async with bench.db.unit() as session:
            session.add(bench.Item(name="screw", amount=1))

    async with bench.db.read() as session:
        before = (await session.scalars(select(bench.Item.name))).all()
        # A task without this block's context: another caller.
        await asyncio.get_running_loop().create_task(other(), context=contextvars.Context())
        assert (await session.scalars(select(bench.Item.name))).all() == before == ["nail"]
    assert await bench.amounts() == {"nail": 1, "screw": 1}


async def test_an_error_of_the_database_is_sqlalchemys(bench: Any) -> None:
    """A mistake in SQL comes out as SQLAlchemy's error, as everywhere."""

    async def handler() -> None:
        await bench.db.session.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(DBAPIError, match="nowhere"):
        await bench.handle(handler)


async def test_objects_can_be_used_after_the_commit(bench: Any) -> None:
    """What was loaded stays readable when the unit is over; nothing is expired."""

    async def handler() -> Any:
        item = bench.Item(name="nail", amount=4)
        bench.db.session.add(item)
        await bench.db.session.flush()
        return item

    item = await bench.handle(handler)
    assert (item.name, item.amount) == ("nail", 4)

"""SQLite in the loop: one writer at a time, and nobody blocks the loop while he waits."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from partita.adapters.sqlite import SqliteEngine
from partita.core.errors import Contended, StartFailed
from partita.data import Database
from partita.data.migrations import create_tables

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE item SET amount = amount + 10")
print("holding", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
print("done", flush=True)
"""


async def test_a_writer_waits_for_the_writer(sqlite_bench: Any, until: Any) -> None:
    """Two units that write at once, without reading first, take turns; the loop goes on meanwhile."""
    bench = sqlite_bench
    await bench.insert(nail=0)
    wrote, release = asyncio.Event(), asyncio.Event()
    runs = 0

    async def first() -> None:
        await bench.db.session.execute(update(bench.Item).values(amount=bench.Item.amount + 1))
        wrote.set()
        await release.wait()

    async def second() -> None:
        nonlocal runs
        runs += 1
        await bench.db.session.execute(update(bench.Item).values(amount=bench.Item.amount + 1))

    tasks = [asyncio.create_task(bench.handle(first))]
    await wrote.wait()
    tasks.append(asyncio.create_task(bench.handle(second)))
    await until(lambda: bench.engine.turns.waiting == 1)
    assert (await bench.amounts()) == {"nail": 0}, "readers do not wait"
    release.set()
    await asyncio.gather(*tasks)
    assert await bench.amounts() == {"nail": 2}
    assert runs == 1, "waiting is no conflict"


async def test_a_writer_with_a_stale_snapshot_is_run_again_in_turn(sqlite_bench: Any) -> None:
    """Readers that all want to write collide once each; the second run takes the lock first and cannot lose."""
    bench = sqlite_bench
    await bench.insert(nail=0)
    runs: list[int] = []
    everybody = asyncio.Barrier(8)

    async def client(number: int) -> None:
        async def handler() -> None:
            runs.append(number)
            item = (await bench.db.session.scalars(select(bench.Item))).one()
            if runs.count(number) == 1:
                await everybody.wait()
            item.amount += 1

        await bench.handle(handler)

    await asyncio.gather(*(client(number) for number in range(8)))
    assert await bench.amounts() == {"nail": 8}
    assert max(runs.count(number) for number in range(8)) == 2


async def test_a_second_run_has_the_lock_before_it_reads(sqlite_bench: Any, until: Any) -> None:
    """While the run after a lost one works, from its first read on, other writers wait: it cannot lose again."""
    bench = sqlite_bench
    await bench.insert(nail=0)
    runs = 0
    writers: list[asyncio.Task[None]] = []

    async def write() -> None:
        async def handler() -> None:
            await bench.db.session.execute(update(bench.Item).values(amount=bench.Item.amount + 10))

        await bench.handle(handler)

    async def handler() -> None:
        nonlocal runs
        runs += 1
        item = (await bench.db.session.scalars(select(bench.Item))).one()
        writers.append(asyncio.create_task(write()))
        if runs == 1:
            await writers[0]
        else:
            await until(lambda: bench.engine.turns.waiting == 1)
        item.amount += 1

    await bench.handle(handler)
    await writers[1]
    assert runs == 2
    assert await bench.amounts() == {"nail": 21}


async def test_another_process_holds_the_lock(sqlite_bench: Any, until: Any) -> None:
    """A writer waits for another process without blocking the loop, and goes on when that one commits."""
    bench = sqlite_bench
    await bench.insert(nail=0)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(bench.engine.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"

        async def handler() -> None:
            await bench.db.session.execute(update(bench.Item).values(amount=bench.Item.amount + 1))

        task = asyncio.create_task(bench.handle(handler))
        turns = 0
        await until(lambda: bench.engine.turns.waiting == 1)
        for _ in range(100):
            await asyncio.sleep(0)
            turns += 1
        assert not task.done()
        process.stdin.write("\n")
        process.stdin.flush()
        await task
        assert process.wait(10) == 0
    assert turns == 100
    assert await bench.amounts() == {"nail": 11}


async def test_waiting_for_the_lock_is_bounded(sqlite_bench: Any) -> None:
    """A lock that does not come free until the deadline is an error that names the file."""
    bench = sqlite_bench
    await bench.insert(nail=0)
    with contextlib.closing(sqlite3.connect(bench.engine.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        async def handler() -> None:
            await bench.db.session.execute(update(bench.Item).values(amount=1))

        with pytest.raises(Contended, match=r"test\.sqlite is locked by another transaction"):
            await bench.handle(handler, deadline=time.monotonic() + 0.03)
        other.execute("ROLLBACK")
        await bench.handle(handler)
    assert await bench.amounts() == {"nail": 1}


async def test_a_writer_that_is_cancelled_while_it_waits(sqlite_bench: Any, until: Any) -> None:
    """Its place in the queue goes to the next."""
    bench = sqlite_bench
    await bench.insert(nail=0)
    wrote, release = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        await bench.db.session.execute(update(bench.Item).values(amount=1))
        wrote.set()
        await release.wait()

    async def other() -> None:
        await bench.db.session.execute(update(bench.Item).values(amount=bench.Item.amount + 1))

    holder = asyncio.create_task(bench.handle(first))
    await wrote.wait()
    waiting = [asyncio.create_task(bench.handle(other)) for _ in range(3)]
    await until(lambda: bench.engine.turns.waiting == 3)
    waiting[0].cancel()
    release.set()
    await asyncio.gather(holder, *waiting[1:])
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    assert await bench.amounts() == {"nail": 3}


async def test_the_file_is_set_up_for_services(tmp_path: Path) -> None:
    """WAL and foreign keys are on."""
    engine = SqliteEngine(tmp_path / "test.sqlite", name="stock")
    db = Database()
    db.attach(engine)
    async with db.read() as session:
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await session.scalar(text("PRAGMA foreign_keys")) == 1
    await engine.close()


async def test_memory_keeps_transactions_apart(sqlite_bench: Any) -> None:
    """``:memory:`` behaves as a file does: what is not committed is not seen; and it is gone after closing."""
    engine = SqliteEngine(":memory:", name="stock")
    await create_tables(engine, sqlite_bench.tables)
    db = Database()
    db.attach(engine)

    async def look() -> int:
        async with db.read() as session:
            return len((await session.scalars(select(sqlite_bench.Item))).all())

    async with db.unit() as session:
        session.add(sqlite_bench.Item(name="nail"))
        await session.flush()
        assert await asyncio.to_thread(_count, engine.path) == 0
    assert await look() == 1
    await engine.close()
    assert not engine.path.exists()


def _count(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM item").fetchone()[0])


async def test_foreign_keys_hold(sqlite_bench: Any) -> None:
    """SQLite checks foreign keys only when asked; it is."""
    with pytest.raises(Exception, match="FOREIGN KEY"):
        async with sqlite_bench.db.unit() as session:
            session.add(sqlite_bench.Part(id=1, item=99))


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """Not SQLite's "unable to open database file", but which folder."""
    with pytest.raises(StartFailed, match=r"no folder .*nowhere.* Create it"):
        SqliteEngine(tmp_path / "nowhere" / "x.sqlite", name="stock")

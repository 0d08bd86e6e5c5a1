"""Group commit on SQLite: nobody is told of a commit before it is on the disk, and many share one wait for it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from partita.adapters.sqlite import SqliteEngine, disk
from partita.core.call import Invocation
from partita.core.errors import CommitUnknown
from partita.data import Database, UnitsOfWork
from partita.data.migrations import create_tables
from partita.data.work import State


class SlowDisk:
    """A disk that is as slow as the test wants, and counts."""

    def __init__(self) -> None:
        self.syncs = 0
        self.error: OSError | None = None
        self.busy = threading.Event()
        self.go_on = threading.Event()

    def sync(self, file: int) -> None:
        self.busy.set()
        self.go_on.wait(10)
        self.syncs += 1
        if self.error is not None:
            raise self.error
        os.fsync(file)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    """The disk under every engine of the test."""
    found = SlowDisk()
    monkeypatch.setattr(disk, "_sync_data", found.sync)
    return found


@pytest.fixture
async def durable(sqlite_bench: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """The bench on a file that waits for the disk."""
    engine = SqliteEngine(tmp_path / "durable.sqlite", name="stock")
    await create_tables(engine, sqlite_bench.tables)
    sqlite_bench.db = Database()
    sqlite_bench.db.attach(engine)
    sqlite_bench.units = UnitsOfWork(sqlite_bench.db)
    yield sqlite_bench
    await engine.close()


def adding(bench: Any, name: str) -> Callable[[], Any]:
    """A handler that adds an item."""

    async def handler() -> str:
        bench.db.session.add(bench.Item(name=name, amount=1))
        return name

    return handler


async def test_commits_share_a_wait(durable: Any, slow: SlowDisk, until: Any) -> None:
    """What commits while the disk is busy waits for its next turn, all together; nobody is told before."""
    first = asyncio.create_task(durable.handle(adding(durable, "first")))
    await until(slow.busy.is_set)
    seen: list[Invocation] = []
    others = [asyncio.create_task(durable.handle(adding(durable, f"{number}"), seen=seen)) for number in range(9)]
    await until(lambda: len(seen) == 9 and all(each.unit.state is State.COMMITTING for each in seen))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not first.done()
    assert not any(task.done() for task in others)
    slow.go_on.set()
    assert await first == "first"
    assert sorted(await asyncio.gather(*others)) == [f"{number}" for number in range(9)]
    assert slow.syncs in (2, 3)  # the tasks of nine commits do not all run in one turn of the loop


async def test_a_reader_does_not_tell_what_is_not_on_the_disk(durable: Any, slow: SlowDisk, until: Any) -> None:
    """What a reader saw of a commit that is on its way to the disk is told when it has arrived."""
    writer = asyncio.create_task(durable.handle(adding(durable, "nail")))
    await until(slow.busy.is_set)

    async def read() -> int:
        return len((await durable.db.session.scalars(select(durable.Item))).all())

    reader = asyncio.create_task(durable.handle(read))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not reader.done()
    slow.go_on.set()
    assert (await reader, await writer) == (1, "nail")
    assert await durable.handle(read) == 1
    assert slow.syncs == 1, "reading alone needs no disk"


async def test_a_cancellation_waits_for_the_disk(durable: Any, slow: SlowDisk, until: Any) -> None:
    """A caller that goes away while the disk works does not undo the commit."""
    seen: list[Invocation] = []
    task = asyncio.create_task(durable.handle(adding(durable, "nail"), seen=seen))
    await until(slow.busy.is_set)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    slow.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen[0].unit.state is State.COMMITTED
    assert await durable.amounts() == {"nail": 1}


async def test_a_disk_that_fails_makes_the_outcome_unknown(durable: Any, slow: SlowDisk) -> None:
    """Nobody can say whether a commit that the disk refused is durable: that is what the caller is told."""
    slow.error = OSError(5, "Input/output error")
    slow.go_on.set()
    with pytest.raises(CommitUnknown, match=r"durable\.sqlite-wal could not be written to the disk"):
        await durable.handle(adding(durable, "nail"))
    slow.error = None
    assert await durable.handle(adding(durable, "screw")) == "screw"


async def test_each_commit_alone_waits_for_the_disk(durable: Any, slow: SlowDisk) -> None:
    """One caller after the other: each result comes after a wait for the disk of its own."""
    slow.go_on.set()
    for number in range(3):
        await durable.handle(adding(durable, f"{number}"))
        assert slow.syncs == number + 1

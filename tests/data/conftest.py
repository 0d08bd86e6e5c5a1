"""A database with one table, on each engine, and a way to run a handler in a unit of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita.contract.message import Event
from partita.contract.problem import Problem
from partita.core.call import Invocation, handling
from partita.data import Database, UnitsOfWork
from partita.data.migrations import create_tables
from partita.ports.engine import Engine
from partita.runtime.engines import open_engine


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    amount: Mapped[int] = mapped_column(default=0)


class Part(Base):
    __tablename__ = "part"

    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[int] = mapped_column(ForeignKey("item.id"))


class Added(Event, name="stock.added", key="id", version=2):
    id: UUID
    amount: int


class Noted(Event, name="stock.noted", key="id"):
    id: UUID
    text: str


class Refused(Problem, status=409):
    """Not now."""


class Declined(Problem, status=402, commits=True):
    """Not that."""


class Bench:
    """A service's database under test."""

    Item = Item
    Part = Part
    Added = Added
    Noted = Noted
    Refused = Refused
    Declined = Declined
    tables = Base.metadata

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.url = url
        self.db = Database(url)
        self.db.attach(engine)
        self.units = UnitsOfWork(self.db)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect == "sqlite"

    async def handle(
        self,
        body: Callable[[], Awaitable[Any]],
        *,
        deadline: float = float("inf"),
        seen: list[Invocation] | None = None,
    ) -> Any:
        """Run ``body`` as the handler of ``stock.change``."""
        with handling(Invocation("stock", "change", deadline=deadline)) as invocation:
            if seen is not None:
                seen.append(invocation)
            return await self.units.run(invocation, body)

    async def amounts(self) -> dict[str, int]:
        """What is durable."""
        async with self.db.read() as session:
            return {row.name: row.amount for row in await session.execute(select(Item.name, Item.amount))}

    async def insert(self, **amounts: int) -> None:
        """Rows to begin with."""
        async with self.db.unit() as session:
            session.add_all([Item(name=name, amount=amount) for name, amount in amounts.items()])


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, on SQLite and on PostgreSQL in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/test.sqlite?durable=false"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    """A database with tables ``item`` and ``part``."""
    engine = await open_engine(database_url, name="stock")
    await create_tables(engine, Base.metadata)
    yield Bench(engine, database_url)
    await engine.close()


@pytest.fixture
async def postgres_bench(postgres_database: str) -> AsyncIterator[Bench]:
    """The same on PostgreSQL alone."""
    engine = await open_engine(postgres_database, name="stock")
    await create_tables(engine, Base.metadata)
    yield Bench(engine, postgres_database)
    await engine.close()


@pytest.fixture
async def sqlite_bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """The same on SQLite alone."""
    url = f"sqlite:///{tmp_path}/test.sqlite?durable=false"
    engine = await open_engine(url, name="stock")
    await create_tables(engine, Base.metadata)
    yield Bench(engine, url)
    await engine.close()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait, a turn of the loop at a time, until something is so; ten seconds at most."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - anything may make it so
                await asyncio.sleep(0)

    return wait

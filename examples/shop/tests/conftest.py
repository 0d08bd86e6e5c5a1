"""Where the shop's services keep their data in a test: SQLite, and PostgreSQL, in turn."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import asyncpg
import pytest

from examples.shop.system import system

_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Callable[[str], str] | None:
    """The URL of each service's database by its name; ``None`` for SQLite databases that the test makes itself."""
    if request.param == "sqlite":
        return None
    server = str(request.getfixturevalue("postgres_url"))
    prefix = f"shop_{next(_numbers)}_"
    asyncio.run(make_databases(server, [prefix + name for name in system.members]))
    return lambda name: f"{server.rpartition('/')[0]}/{prefix}{name}"


async def make_databases(server: str, names: list[str]) -> None:
    """Empty databases; the server is thrown away with them."""
    connection = await asyncpg.connect(server)
    for name in names:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    await connection.close()

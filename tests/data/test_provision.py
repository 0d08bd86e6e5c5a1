"""One database and one role a service, and nobody else's connection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from partita.adapters.postgresql import provision
from partita.core.errors import StartFailed
from partita.data.migrations import upgrade
from partita.runtime.engines import open_engine

_numbers = itertools.count(1)


@pytest.fixture
async def prefix(postgres_url: str) -> AsyncIterator[str]:
    """A prefix for names on the server, and an end to what was made under it."""
    mine = f"p{next(_numbers)}_"
    yield mine
    connection = await asyncpg.connect(postgres_url)
    for row in await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", mine):
        await connection.execute(f'DROP DATABASE "{row[0]}" WITH (FORCE)')
    for row in await connection.fetch("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", mine):
        await connection.execute(f'DROP ROLE "{row[0]}"')
    await connection.close()


async def test_a_service_works_in_its_database(postgres_url: str, prefix: str) -> None:
    """The role owns its database: it makes its tables, and its sessions have the settings of the house."""
    urls = await provision(postgres_url, {"orders": "s3cret'", "user-auth": "other"}, prefix=prefix)
    assert make_url(urls["orders"]).database == f"{prefix}orders"
    for name, url in urls.items():
        engine = await open_engine(url, name=name)
        await upgrade(engine, None)
        await engine.close()
    connection = await asyncpg.connect(urls["orders"])
    for setting, value in {
        "idle_in_transaction_session_timeout": "1min",
        "transaction_timeout": "2min",
        "client_connection_check_interval": "5s",
        "lock_timeout": "10s",
    }.items():
        assert await connection.fetchval(f"SHOW {setting}") == value
    await connection.close()


async def test_another_services_database_is_closed(postgres_url: str, prefix: str) -> None:
    """Nobody else can connect: not another service's role, with any database of the system."""
    urls = await provision(postgres_url, {"orders": "a", "payments": "b"}, prefix=prefix)
    foreign = make_url(urls["orders"]).set(database=f"{prefix}payments").render_as_string(hide_password=False)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
        await asyncpg.connect(foreign)
    engine = await open_engine(foreign, name="orders")
    with pytest.raises(StartFailed, match="permission denied for database"):
        await upgrade(engine, None)
    await engine.close()


async def test_provisioning_again_keeps_the_data(postgres_url: str, prefix: str) -> None:
    """A second time makes what is missing, keeps what is there, and sets the passwords anew."""
    urls = await provision(postgres_url, {"orders": "a"}, prefix=prefix)
    connection = await asyncpg.connect(urls["orders"])
    await connection.execute("CREATE TABLE kept (id int)")
    await connection.close()
    urls = await provision(postgres_url, {"orders": "b", "payments": "c"}, prefix=prefix)
    connection = await asyncpg.connect(urls["orders"])
    assert await connection.fetchval("SELECT to_regclass('kept')") is not None
    await connection.close()
    assert make_url(urls["orders"]).password == "b"


async def test_two_provisioners_at_once(postgres_url: str, prefix: str) -> None:
    """Two starts at the same time both end well."""
    services = {"orders": "a", "payments": "b", "carts": "c"}
    first, second = await asyncio.gather(*(provision(postgres_url, services, prefix=prefix) for _ in range(2)))
    assert first == second


async def test_what_cannot_work_is_said(postgres_url: str) -> None:
    """A server that is not there, and a name that cannot be a database's, are one sentence each."""
    with pytest.raises(StartFailed, match=r"could not be made on 127\.0\.0\.1:1"):
        await provision("postgresql://postgres@127.0.0.1:1/postgres", {"orders": "a"})
    with pytest.raises(StartFailed, match="cannot be the name of a database"):
        await provision(postgres_url, {'orders"; DROP': "a"})

"""One database and one role for each service, and nobody else's connection."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.engine import URL, make_url

from partita.core.errors import StartFailed

__all__ = ["provision"]

CONNECT_S_MAX = 10.0
PARALLEL_MAX = 4
LOCK = 0x706172746970

# What holds for a role's every session, also one that a person opens with its password.
ROLE_SETTINGS = {
    "idle_in_transaction_session_timeout": "60s",
    "client_connection_check_interval": "5s",
    "lock_timeout": "10s",
}
TRANSACTION_TIMEOUT = "120s"  # PostgreSQL 17 and later

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,50}")


async def provision(admin_url: str, passwords: Mapping[str, str], *, prefix: str = "") -> dict[str, str]:
    """A database and a role for each service in ``passwords``. Returns each service's URL.

    ``admin_url`` is of a role that may create databases and roles. ``prefix`` goes before the names on the server.
    What is there is kept; passwords are set anew. Raises ``StartFailed`` where the server is not reached or refuses.
    """
    admin = make_url(admin_url)
    for name in passwords:
        if not _NAME.fullmatch(f"{prefix}{name}"):
            raise StartFailed(f"{prefix}{name!r} cannot be the name of a database. Use a to z, 0 to 9, - and _.")
    names = {service: f"{prefix}{service}" for service in passwords}
    try:
        async with _connect(admin) as connection:
            # Two starts at once would make the same roles. The lock ends with the connection.
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            databases = {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
            roles = {row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
            for service, name in names.items():
                await _role(connection, name, passwords[service], exists=name in roles)
            places = asyncio.Semaphore(PARALLEL_MAX)
            missing = [name for name in names.values() if name not in databases]
            await asyncio.gather(*(_database(admin, name, places) for name in missing))
            await connection.execute(
                "".join(f"REVOKE ALL ON DATABASE {_quoted(name)} FROM PUBLIC;" for name in names.values())
            )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartFailed(
            f"The databases could not be made on {admin.host}:{admin.port or 5432}: {error}. The role "
            f"{admin.username!r} must be there, and must be allowed to create databases and roles."
        ) from error
    return {
        service: admin.set(
            drivername="postgresql", username=name, password=passwords[service], database=name
        ).render_as_string(hide_password=False)
        for service, name in names.items()
    }


async def _role(connection: asyncpg.Connection, name: str, password: str, *, exists: bool) -> None:
    settings = dict(ROLE_SETTINGS)
    if connection.get_server_version() >= (17,):
        settings["transaction_timeout"] = TRANSACTION_TIMEOUT
    verb = "ALTER" if exists else "CREATE"
    quoted_password = "'" + password.replace("'", "''") + "'"
    if "\\" in password or "\0" in password:
        raise StartFailed(f"The password of {name} has a backslash or a NUL in it. Use another one.")
    role = _quoted(name)
    await connection.execute(
        f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {quoted_password};"
        + "".join(f"ALTER ROLE {role} SET {key} = '{value}';" for key, value in settings.items())
    )
    if not exists and not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await connection.execute(f"GRANT {role} TO CURRENT_USER")  # without it the database cannot be given to the role


async def _database(admin: URL, name: str, places: asyncio.Semaphore) -> None:
    async with places, _connect(admin) as connection:
        await connection.execute(f"CREATE DATABASE {_quoted(name)} OWNER {_quoted(name)} TEMPLATE template0")


@asynccontextmanager
async def _connect(admin: URL) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        **{"host": admin.host, "port": admin.port, **admin.query},
        user=admin.username,
        password=admin.password,
        database=admin.database or "postgres",
        timeout=CONNECT_S_MAX,
    )
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_S_MAX)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

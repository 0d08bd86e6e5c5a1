"""The framework's own tables on PostgreSQL. A list of steps: what was released is never changed, only added to."""

from __future__ import annotations

import asyncpg

__all__ = ["STEPS", "framework_version", "upgrade_framework"]

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE partita_outbox (
        id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
        event_id uuid NOT NULL,
        type text NOT NULL,
        key text,
        version integer NOT NULL,
        body text NOT NULL,
        traceparent text,
        created_at timestamptz NOT NULL
    )
    """,
)


async def framework_version(connection: asyncpg.Connection) -> int:
    """The number of steps that were taken."""
    if await connection.fetchval("SELECT to_regclass('partita_schema')") is None:
        return 0
    return int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM partita_schema"))


async def upgrade_framework(connection: asyncpg.Connection) -> None:
    """Take the steps that are missing, in one transaction. The caller holds the migration lock."""
    async with connection.transaction():
        await connection.execute("CREATE TABLE IF NOT EXISTS partita_schema (version integer PRIMARY KEY)")
        taken = await framework_version(connection)
        for version, statement in enumerate(STEPS[taken:], taken + 1):
            await connection.execute(statement)
            await connection.execute("INSERT INTO partita_schema (version) VALUES ($1)", version)

"""PostgreSQL through asyncpg: one database and one role for each service."""

from partita.adapters.postgresql.engine import PostgresEngine
from partita.adapters.postgresql.provision import provision

__all__ = ["PostgresEngine", "provision"]

"""SQLAlchemy's asyncpg dialect, with transactions that the unit of work begins and ends."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.util.concurrency import await_

from partita.ports.engine import SAVEPOINT

__all__ = ["DRIVER", "UnitDialect"]

DRIVER = "postgresql+partita"


class UnitDialect(PGDialect_asyncpg):
    """For SQLAlchemy, a transaction is what follows the unit's savepoint. Make its engine with AUTOCOMMIT."""

    driver = "partita"
    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        """Nothing: the unit of work did."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Nothing: the unit of work will."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Back to the unit's savepoint."""
        driver = getattr(dbapi_connection, "driver_connection", None)
        if driver is not None and driver.is_in_transaction() and not driver.is_closed():
            await_(driver.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}"))


registry.register("postgresql.partita", __name__, "UnitDialect")

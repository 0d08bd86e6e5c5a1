"""From a database's URL to its engine."""

from __future__ import annotations

from partita.core.errors import StartFailed
from partita.ports.engine import Engine

__all__ = ["open_engine"]


async def open_engine(url: str, *, name: str) -> Engine:
    """Open ``sqlite:///path`` or ``postgresql://user:password@host:port/database``. Raises ``StartFailed``."""
    scheme = url.partition(":")[0]
    # Imported here because each brings its driver, and a process uses one of the two.
    if scheme == "sqlite":
        from partita.adapters.sqlite.engine import open_sqlite

        return await open_sqlite(url, name=name)
    if scheme in ("postgresql", "postgres"):
        from partita.adapters.postgresql.engine import open_postgresql

        return await open_postgresql(url, name=name)
    raise StartFailed(f"{name}: {scheme}:// is no database that Partita knows. Use sqlite:///path or postgresql://...")

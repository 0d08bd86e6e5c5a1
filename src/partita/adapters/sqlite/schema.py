"""The framework's own tables on SQLite. A list of steps: what was released is never changed, only added to."""

from __future__ import annotations

import sqlite3

__all__ = ["STEPS", "framework_version", "upgrade_framework"]

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE partita_outbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            event_id TEXT NOT NULL,
            type TEXT NOT NULL,
            key TEXT,
            version INTEGER NOT NULL,
            body TEXT NOT NULL,
            traceparent TEXT,
            created_at TEXT NOT NULL
        )
        """,
    ),
)


def framework_version(connection: sqlite3.Connection) -> int:
    """The number of steps that were taken."""
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'partita_schema'").fetchone()
    return 0 if found is None else int(connection.execute("SELECT max(version) FROM partita_schema").fetchone()[0] or 0)


def upgrade_framework(connection: sqlite3.Connection) -> None:
    """Take the steps that are missing, in one transaction. ``connection`` waits for the lock by itself."""
    if framework_version(connection) >= len(STEPS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS partita_schema (version INTEGER PRIMARY KEY)")
        for version, statements in enumerate(STEPS[framework_version(connection) :], framework_version(connection) + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO partita_schema (version) VALUES (?)", (version,))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise

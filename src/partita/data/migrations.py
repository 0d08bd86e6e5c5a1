"""Migrations: one history a service, applied before traffic.

A history is a folder with ``versions/0001_first_tables.py`` and so on: Alembic's files, numbered, each following on
the one before it. They only go forward: first expand (add what the new code needs, so that the old code still runs
beside it), and a release later contract. The framework's own tables have a history of their own, in the engine.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError

from partita.core.errors import StartFailed
from partita.ports.engine import Engine

__all__ = ["create_tables", "head_of", "pending_changes", "revision", "revision_on", "upgrade"]

_NUMBERED = re.compile(r"(\d{4})_\w+\.py")


async def upgrade(engine: Engine, directory: Path | None) -> None:
    """Bring the framework's tables, then the service's, up to date.

    Replicas that start together wait for the one that does it. A database that is ahead of the history is left
    alone: code that is rolled back runs on the newer tables. Raises ``StartFailed``.
    """
    found = await engine.versions()
    if not found.framework_is_current:
        await engine.prepare()
    head = None if directory is None else head_of(directory)
    if directory is None or head is None or (found.service is not None and found.service >= head):
        return
    # Alembic takes 0.1 s to import, and most starts find nothing to do.
    from partita.data.revisions import run_upgrade

    try:
        await engine.migrate(partial(run_upgrade, directory=directory))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        again = ""
        if found.service is None and "already exists" in reason:
            again = (
                " The tables were made without a migration; delete this database, or bring it to the first one by hand."
            )
        raise StartFailed(
            f"{engine.name}: the migrations in {directory} failed, and what failed was rolled back: {reason}.{again}"
        ) from error


async def create_tables(engine: Engine, tables: MetaData | None) -> None:
    """Create the framework's tables, and ``tables`` as they are declared: for tests, and before a first migration."""
    await engine.prepare()
    if tables is not None:
        await engine.migrate(tables.create_all)


def revision(directory: Path, tables: MetaData, message: str) -> Path | None:
    """Write the next migration: what lies between the history and ``tables``. ``None`` where that is nothing.

    Compared on a scratch database that the history is applied to.
    """
    from partita.data.revisions import write_revision

    return write_revision(directory, tables, message, previous=head_of(directory))


async def revision_on(engine: Engine, directory: Path, tables: MetaData, message: str) -> Path | None:
    """The same, compared on the database of ``engine``, which is brought up to date first.

    For a service whose tables only PostgreSQL knows. Use a database that holds nothing else.
    """
    await upgrade(engine, directory)
    from partita.data.revisions import write_next

    previous = head_of(directory)
    return await engine.migrate(
        lambda connection: write_next(connection, directory, tables, message, previous=previous)
    )


def pending_changes(directory: Path, tables: MetaData, scratch: Path) -> list[str]:
    """What lies between the history and ``tables``, a phrase each. ``scratch`` is a file to make a database in."""
    from partita.data.revisions import describe_changes

    return describe_changes(directory, tables, scratch)


def head_of(directory: Path) -> str | None:
    """The number of the last migration. Raises ``StartFailed`` for a file without one, and for a number given twice."""
    numbers: dict[str, str] = {}
    for file in sorted((directory / "versions").glob("*.py")):
        if file.name.startswith("_"):
            continue
        match = _NUMBERED.fullmatch(file.name)
        if match is None:
            raise StartFailed(
                f"{file}: a migration is named by number and subject, as in 0001_first_tables.py. Rename it."
            )
        other = numbers.setdefault(match[1], file.name)
        if other != file.name:
            raise StartFailed(
                f"{directory}: {other} and {file.name} have the same number. Give the one that was made later the next "
                "number, in its name and in `revision`, and let its `down_revision` name the other."
            )
    return max(numbers, default=None)

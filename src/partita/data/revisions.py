"""What Alembic does here: apply a history, and write its next file. Imported only where there is something to do."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator

from partita.core.errors import StartFailed

__all__ = ["describe_changes", "run_upgrade", "write_next", "write_revision"]

_TEMPLATE = Path(__file__).parent / "template"


def run_upgrade(connection: Connection, *, directory: Path) -> None:
    """Apply what is missing. Each migration is a transaction, unless ``connection`` is inside one already."""
    script = _script(directory)
    context = MigrationContext.configure(
        connection,
        opts={
            "fn": lambda current, _: script._upgrade_revs("head", current),
            "script": script,
            "transaction_per_migration": True,
            "transactional_ddl": True,
        },
    )
    with Operations.context(context), context.begin_transaction():
        context.run_migrations()


def write_revision(directory: Path, tables: MetaData, message: str, *, previous: str | None) -> Path | None:
    """The next file of the history, compared on a scratch database. ``None`` where nothing has changed."""
    with tempfile.TemporaryDirectory(prefix="partita-migrate-") as folder:
        with _scratch(directory, Path(folder) / "scratch.sqlite") as connection:
            return write_next(connection, directory, tables, message, previous=previous)


def write_next(
    connection: Connection, directory: Path, tables: MetaData, message: str, *, previous: str | None
) -> Path | None:
    """The next file of the history: what lies between the database of ``connection`` and ``tables``."""
    subject = " ".join(message.split()).rstrip(".")
    if not re.search(r"\w", subject):
        raise StartFailed("A migration needs a message that says what changes, in a few words.")
    context = _comparison(connection, tables)
    operations = produce_migrations(context, tables).upgrade_ops
    if operations is None or operations.is_empty():
        return None
    code = render_python_code(operations, render_as_batch=True, render_item=_render_item, migration_context=context)
    code = re.sub(r"^\s*# ### .*### *\n?", "", code, flags=re.MULTILINE).strip()
    imports = "from sqlalchemy.dialects import postgresql\n" if "postgresql." in code else ""
    (directory / "versions").mkdir(parents=True, exist_ok=True)
    written = _script(directory).generate_revision(
        f"{int(previous or 0) + 1:04d}", subject, head=previous or "base", upgrades=code, imports=imports
    )
    assert written is not None
    return Path(written.path)


def describe_changes(directory: Path, tables: MetaData, scratch: Path) -> list[str]:
    """What has changed since the last migration."""
    with _scratch(directory, scratch) as connection:
        found = compare_metadata(_comparison(connection, tables), tables)
    changes: list[Any] = []
    for change in found:
        changes.extend(change if isinstance(change, list) else [change])
    return [_described(change) for change in changes]


def _described(change: tuple[Any, ...]) -> str:
    kind = str(change[0]).replace("_", " ")
    match change:
        case ("add_column" | "remove_column", _, table, column):
            return f"{kind} {table}.{column.name}"
        case (str(), _, str() as table, str() as column, *_):
            return f"{kind} {table}.{column}"
        case (_, thing, *_):
            table = getattr(thing, "table", None)
            name = getattr(thing, "name", None)
            return f"{kind} {table.name + '.' if table is not None and table is not thing else ''}{name or '(unnamed)'}"
        case _:
            return kind


def _script(directory: Path) -> ScriptDirectory:
    return ScriptDirectory(
        str(_TEMPLATE),
        file_template="%%(rev)s_%%(slug)s".replace("%%", "%"),
        version_locations=[str(directory / "versions")],
        messaging_opts={"quiet": True},
    )


def _comparison(connection: Connection, tables: MetaData) -> MigrationContext:
    return MigrationContext.configure(
        connection,
        opts={
            "target_metadata": tables,
            "compare_type": True,
            "render_as_batch": True,
            "render_item": _render_item,
            "include_name": lambda name, kind, _: kind != "table" or not str(name).startswith("partita_"),
        },
    )


@contextmanager
def _scratch(directory: Path, file: Path) -> Iterator[Connection]:
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", poolclass=NullPool)
    try:
        with engine.begin() as connection:
            if (directory / "versions").is_dir():
                try:
                    run_upgrade(connection, directory=directory)
                except SQLAlchemyError as error:
                    raise StartFailed(
                        f"The migrations in {directory} cannot be applied to a scratch database on SQLite: "
                        f"{str(error).splitlines()[0]}. A service for PostgreSQL alone is compared on a scratch "
                        "database there."
                    ) from error
            yield connection
    finally:
        engine.dispose()


def _render_item(kind: str, item: Any, context: Any) -> str | Literal[False]:
    # A migration must run for ever, so it names the database's type and not the code that wraps it.
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}" if hasattr(sqlalchemy, type(item.impl_instance).__name__) else False
    return False

"""Migrations: one history a service, written by comparison, applied once whoever comes first."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    inspect,
)

from partita.core.errors import StartFailed
from partita.data import UtcDateTime
from partita.data.migrations import create_tables, head_of, pending_changes, revision, revision_on, upgrade
from partita.runtime.engines import open_engine


def first_tables() -> MetaData:
    """Tables with one column of each portable type."""
    tables = MetaData()
    Table(
        "orders",
        tables,
        Column("id", Uuid, primary_key=True),
        Column("placed", UtcDateTime, nullable=False, index=True),
        Column("total", BigInteger, nullable=False),
        Column("state", Enum("open", "paid", name="state", native_enum=False), nullable=False),
        Column("lines", JSON, nullable=False),
        Column("email", String(200), unique=True),
    )
    return tables


def next_tables() -> MetaData:
    """A table more, and a column more."""
    tables = first_tables()
    tables.tables["orders"].append_column(Column("note", String(50)))
    Table("parcel", tables, Column("id", Integer, primary_key=True), Column("order", ForeignKey("orders.id")))
    return tables


async def names(engine: Any) -> set[str]:
    """The tables that are there."""
    return set(await engine.migrate(lambda connection: inspect(connection).get_table_names()))


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A history of one migration."""
    directory = tmp_path / "migrations"
    assert revision(directory, first_tables(), "First tables") is not None
    return directory


async def test_a_history_is_written_and_applied(database_url: str, history: Path) -> None:
    """Two revisions are written from the tables alone, and applied in order on both engines."""
    written = revision(history, next_tables(), "A note, and parcels")
    assert written == history / "versions" / "0002_a_note_and_parcels.py"
    engine = await open_engine(database_url, name="orders")
    await upgrade(engine, history)
    found = await engine.versions()
    assert (found.framework_is_current, found.service) == (True, "0002")
    assert await names(engine) >= {"orders", "parcel", "partita_outbox", "partita_schema"}
    await upgrade(engine, history)
    await engine.close()


def test_nothing_changed_writes_nothing(history: Path, tmp_path: Path) -> None:
    """With every portable type in the tables, a comparison right after a migration finds nothing."""
    assert revision(history, first_tables(), "Nothing") is None
    assert [file.name for file in (history / "versions").glob("*.py")] == ["0001_first_tables.py"]
    assert pending_changes(history, first_tables(), tmp_path / "scratch") == []


def test_changes_are_described(history: Path, tmp_path: Path) -> None:
    """What has changed since the last migration is said in words that name table and column."""
    changes = pending_changes(history, next_tables(), tmp_path / "scratch")
    assert sorted(changes) == ["add column orders.note", "add table parcel"]


def test_a_migration_is_tidy(history: Path) -> None:
    """The file is typed, imports what it uses, names no code of the service, and passes the linter of the house."""
    file = history / "versions" / "0001_first_tables.py"
    text = file.read_text()
    assert text.startswith('"""First tables."""\n')
    assert "def upgrade() -> None:" in text
    assert "UtcDateTime" not in text
    assert "sa.DateTime(timezone=True)" in text
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "E,F,I", "--line-length", "200", "--isolated", file],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout


def test_writing_says_nothing(history: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Alembic's chatter stays away from standard output."""
    revision(history, next_tables(), "Parcels")
    assert capfd.readouterr() == ("", "")


async def test_replicas_that_start_together(database_url: str, history: Path) -> None:
    """Four replicas that migrate at once all start, and each migration ran once."""
    engines = [await open_engine(database_url, name="orders") for _ in range(4)]
    await asyncio.gather(*(upgrade(engine, history) for engine in engines))
    assert [(await engine.versions()).service for engine in engines] == ["0001"] * 4
    for engine in engines:
        await engine.close()


async def test_processes_that_start_together(database_url: str, history: Path) -> None:
    """The same from several processes."""
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from partita.data.migrations import upgrade\nfrom partita.runtime.engines import open_engine\n"
        "async def main():\n    engine = await open_engine(sys.argv[1], name='orders')\n"
        "    await upgrade(engine, Path(sys.argv[2]))\n    await engine.close()\nasyncio.run(main())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, database_url, str(history)], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors


async def test_a_failing_migration_is_undone(database_url: str, history: Path) -> None:
    """A migration that fails in its middle leaves nothing of it behind, and the error names the folder."""
    (history / "versions" / "0002_bad.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = '0002'\ndown_revision = '0001'\n\n\n"
        "def upgrade() -> None:\n    op.create_table('half', sa.Column('id', sa.Integer))\n"
        "    op.execute('INSERT INTO nowhere VALUES (1)')\n"
    )
    engine = await open_engine(database_url, name="orders")
    with pytest.raises(StartFailed, match=r"orders: the migrations in .* failed.*nowhere"):
        await upgrade(engine, history)
    assert "half" not in await names(engine)
    assert (await engine.versions()).service in ("0001", None)
    await engine.close()


async def test_a_database_ahead_of_the_code_is_left_alone(database_url: str, history: Path) -> None:
    """Code that is rolled back starts on the tables of its successor."""
    second = revision(history, next_tables(), "Parcels")
    assert second is not None
    engine = await open_engine(database_url, name="orders")
    await upgrade(engine, history)
    second.unlink()
    await upgrade(engine, history)
    assert (await engine.versions()).service == "0002"
    await engine.close()


async def test_tables_made_without_migrations(database_url: str, history: Path) -> None:
    """A database from before the first migration is named as that."""
    engine = await open_engine(database_url, name="orders")
    await create_tables(engine, first_tables())
    with pytest.raises(StartFailed, match="made without a migration"):
        await upgrade(engine, history)
    await engine.close()


async def test_a_service_without_tables_has_the_frameworks(database_url: str) -> None:
    """Without a history there still are the outbox and what else the framework keeps."""
    engine = await open_engine(database_url, name="orders")
    await upgrade(engine, None)
    assert await names(engine) == {"partita_outbox", "partita_schema"}
    await engine.close()


def test_two_migrations_with_one_number_are_refused(history: Path) -> None:
    """Two people who wrote the next migration at once are told what to do."""
    (history / "versions" / "0001_other.py").write_text("")
    with pytest.raises(StartFailed, match=r"0001_first_tables\.py and 0001_other\.py have the same number"):
        head_of(history)
    (history / "versions" / "0001_other.py").rename(history / "versions" / "other.py")
    with pytest.raises(StartFailed, match=r"other\.py: a migration is named by number"):
        head_of(history)


async def test_tables_for_postgresql_alone(postgres_database: str, tmp_path: Path) -> None:
    """Types that only PostgreSQL has are compared there; on SQLite's scratch database their history is refused."""
    tables = MetaData()
    Table("basket", tables, Column("id", Integer, primary_key=True), Column("tags", ARRAY(String)))
    directory = tmp_path / "migrations"
    engine = await open_engine(postgres_database, name="carts")
    written = await revision_on(engine, directory, tables, "Baskets")
    assert written is not None
    assert "postgresql.ARRAY" in written.read_text() or "sa.ARRAY" in written.read_text()
    assert await revision_on(engine, directory, tables, "Nothing") is None
    assert (await engine.versions()).service == "0001"
    await engine.close()
    with pytest.raises(StartFailed, match="scratch database on SQLite"):
        revision(directory, tables, "More")


def test_a_message_is_asked_for(tmp_path: Path) -> None:
    """A migration without a subject is refused before a file is written."""
    with pytest.raises(StartFailed, match="needs a message"):
        revision(tmp_path / "migrations", first_tables(), " . ")
    assert not (tmp_path / "migrations").exists()


async def test_an_up_to_date_database_needs_no_alembic(sqlite_bench: Any, history: Path) -> None:
    """A start that finds nothing to do does not import Alembic."""
    engine = sqlite_bench.engine
    await create_tables(engine, None)
    await engine.migrate(
        lambda connection: connection.execute(sa.text("CREATE TABLE alembic_version AS SELECT '0001' AS version_num"))
    )
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from partita.data.migrations import upgrade\nfrom partita.runtime.engines import open_engine\n"
        "async def main():\n    engine = await open_engine(sys.argv[1], name='stock')\n"
        "    await upgrade(engine, Path(sys.argv[2]))\nasyncio.run(main())\nassert 'alembic' not in sys.modules"
    )
    command = [sys.executable, "-c", program, sqlite_bench.url, str(history)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


async def test_a_busy_table_is_waited_for(postgres_bench: Any, tmp_path: Path) -> None:
    """A migration that does not get its lock in time gives way to those who wait behind it, and tries again."""
    engine = postgres_bench.engine
    tries: list[int] = []
    locked = asyncio.Event()

    def work(connection: sa.Connection) -> None:
        tries.append(1)
        connection.execute(sa.text("SET LOCAL lock_timeout = '20ms'"))
        locked.set()
        connection.execute(sa.text("ALTER TABLE item ADD COLUMN more integer"))

    async with postgres_bench.db.unit() as session:
        await session.execute(sa.select(postgres_bench.Item))
        task = asyncio.create_task(engine.migrate(work))
        while len(tries) < 2:
            locked.clear()
            await locked.wait()
        assert not task.done()
    await task
    assert len(tries) >= 2


def test_the_template_is_in_the_package() -> None:
    """The wheel needs it: nobody else has one."""
    spec = importlib.util.find_spec("partita.data")
    assert spec is not None
    assert spec.origin is not None
    assert (Path(spec.origin).parent / "template" / "script.py.mako").is_file()

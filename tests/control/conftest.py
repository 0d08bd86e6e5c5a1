"""Real processes for the tests of control: a supervisor in the test's own loop, or one to be killed."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from partita.control.logs import Logs
from partita.control.spec import Replica, Spec
from partita.control.supervisor import Supervisor

PROGRAMS = Path(__file__).with_name("programs")

Ask = Callable[[int, str], Awaitable[str]]
Gone = Callable[[int, float], bool]


class Stage:
    """A supervisor with what it was seen to do, and what its processes wrote."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.seen: list[tuple[str, str]] = []
        self.supervisor: Supervisor
        self._fd = os.open(output, os.O_RDWR | os.O_CREAT)
        self.logs = Logs(fd=self._fd, colour=False)
        self._changes = asyncio.Event()

    def spec(self, name: str, *, entry: str = "echoing:main", **fields: Any) -> Spec:
        """A service of the test program."""
        return Spec(name=name, entry=entry, path=[str(PROGRAMS)], listen=("127.0.0.1", 0), **fields)

    def hold(self, *specs: Spec, **options: Any) -> Supervisor:
        """The supervisor for these."""
        options = dict[str, Any](preload=["msgspec"], changed=self._changed) | options
        self.supervisor = Supervisor(specs, logs=self.logs, **options)
        return self.supervisor

    def _changed(self, replica: Replica) -> None:
        self.seen.append((replica.name, str(replica.state)))
        self._changes.set()

    async def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        """Wait for a change after which the condition holds."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._changes.clear()
                await self._changes.wait()

    def written(self) -> str:
        """All lines so far."""
        assert self.logs.flush()
        return self.output.read_text()

    async def close(self) -> None:
        """Stop what runs."""
        if hasattr(self, "supervisor"):
            await self.supervisor.stop()
        self.logs.close()
        os.close(self._fd)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A place for a supervisor."""
    made = Stage(tmp_path / "output")
    yield made
    await made.close()


@pytest.fixture
def ask() -> Ask:
    """Send a line to a port, on a connection of its own, and return the answer."""

    async def asked(port: int, line: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(line.encode() + b"\n")
        answer = (await reader.readline()).decode().strip()
        writer.close()
        await writer.wait_closed()
        return answer

    return asked


def wait_until_gone(pid: int, within_s: float) -> bool:
    """Whether a process, a child of ours or not, has ended in time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], within_s)[0])
    finally:
        os.close(handle)


@pytest.fixture
def gone() -> Gone:
    """Wait, in seconds at most, for the end of a process by its id; False when it still runs."""
    return wait_until_gone


class Parent:
    """A supervising process of its own, with the ids of all processes that belong to it."""

    def __init__(self, wanted: dict[str, Any], errors: Path) -> None:
        self._errors = errors
        with errors.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAMS / "parent.py"), json.dumps(wanted)], stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, errors.read_text()
        self.said: dict[str, Any] = json.loads(line)
        self.pids = {name: pid for name, pid in self.said.items() if isinstance(pid, int)}

    def survivors(self, within_s: float) -> list[str]:
        """Who of them still runs after so many seconds."""
        deadline = time.monotonic() + within_s
        return [
            name for name, pid in self.pids.items() if not wait_until_gone(pid, max(0.0, deadline - time.monotonic()))
        ]

    def written(self) -> str:
        """What it and its processes wrote."""
        return self._errors.read_text()

    def close(self) -> None:
        """End it, whatever the test did."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def parents(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Parent]]:
    """Start supervising processes."""
    made: list[Parent] = []

    def start(wanted: dict[str, Any]) -> Parent:
        made.append(Parent(wanted, tmp_path / f"parent-{len(made)}"))
        return made[-1]

    yield start
    for parent in made:
        parent.close()

"""The command as a person runs it: real processes, in folders of their own."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from partita.control.ports import free_port

SYSTEMS = Path(__file__).with_name("systems")
ROOT = Path(__file__).parents[2]
MARK = "PARTITA_TEST_RUN"
START_S_MAX = 40.0
POLL_S = 0.02

ENDING = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Has the operating system end a program when the tests that started it are killed (prctl(2), PR_SET_PDEATHSIG)."""


def wait_until(condition: Callable[[], Any], within_s: float = 10.0) -> Any:
    """Ask at short intervals until the answer is true, and return it; the last answer when time is over."""
    deadline = time.monotonic() + within_s
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return found


@dataclass
class Answer:
    """What HTTP brought back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


def request(port: int, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None) -> Answer:
    """One request on a connection of its own; ``body`` is sent as JSON unless it is bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    told = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        told.setdefault("content-type", "application/json")
    try:
        connection.request(method, path, body=body, headers=told)
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): text for name, text in response.getheaders()}, response.read())
    finally:
        connection.close()


class Dev:
    """``partita dev`` in a folder."""

    def __init__(self, folder: Path, *words: str, port: int, environment: Mapping[str, str] | None = None) -> None:
        self.folder, self.port = folder, port
        self.mark = secrets.token_hex(8)
        self.output = folder / f"output-{self.mark}"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", ENDING, sys.executable, *"-m partita.cli dev --port".split(), str(port), *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {}), MARK: self.mark},
                start_new_session=True,
            )

    def written(self) -> str:
        """What it said so far."""
        return self.output.read_text()

    def ready(self) -> Dev:
        """Wait until everything runs."""
        wait_until(lambda: "Ready in" in self.written() or self.process.poll() is not None, START_S_MAX)
        assert "Ready in" in self.written(), self.written()
        return self

    def ended(self, within_s: float = START_S_MAX) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(within_s)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask for the end, and wait for it."""
        self.process.send_signal(number)
        return self.ended()

    @property
    def state(self) -> dict[str, Any]:
        """What it says of itself to other commands."""
        (path,) = (self.folder / ".partita").glob("*/state.json")
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found

    def relatives(self) -> dict[int, str]:
        """Every process that came from it and still runs, itself among them, by what its environment says."""
        found = {}
        wanted = f"{MARK}={self.mark}".encode()
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and wanted in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "comm").read_text().strip()
            except OSError:
                continue
        return found

    def left(self, within_s: float) -> dict[int, str]:
        """Who of them still runs after so many seconds."""
        wait_until(lambda: not self.relatives(), within_s)
        return self.relatives()

    def request(self, method: str, path: str, **options: Any) -> Answer:
        """Ask the gateway."""
        return request(self.port, method, path, **options)

    def close(self) -> None:
        """End it, whatever the test did."""
        for pid in (self.process.pid, *self.relatives()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


Start = Callable[..., Dev]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def is_listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_pair(folder: Path) -> Path:
    """A folder with the system ``pair`` in it, its first migration written."""
    shutil.copy(SYSTEMS / "pair.py", folder / "system.py")
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    shutil.copy(SYSTEMS / "0001_first_tables.txt", versions / "0001_first_tables.py")
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A folder of its own with the system ``pair``."""
    return make_pair(tmp_path)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start ``partita dev`` in a folder; whatever runs at the end of the test is killed."""
    with ExitStack() as stack:

        def started(folder: Path, *words: str, port: int | None = None, **environment: str) -> Dev:
            dev = Dev(folder, *words, port=port or free_port(), environment=environment)
            stack.callback(dev.close)
            return dev

        yield started


@pytest.fixture(scope="session")
def run() -> Run:
    """Run another command to its end in a folder."""

    def ran(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "partita.cli", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=30,
            env={**os.environ, **environment},
        )

    return ran


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Dev]]:
    """The system ``pair``, running as an ensemble and solo, for tests that do not break it."""
    made = {}
    try:
        for name, words in (("ensemble", ()), ("solo", ("--solo",))):
            made[name] = Dev(make_pair(tmp_path_factory.mktemp(name)), *words, port=free_port())
        yield {name: dev.ready() for name, dev in made.items()}
    finally:
        for dev in made.values():
            if dev.process.poll() is None:
                dev.process.send_signal(signal.SIGINT)
        for dev in made.values():
            dev.close()


@pytest.fixture(params=["ensemble", "solo"])
def placed(request: pytest.FixtureRequest, pairs: dict[str, Dev]) -> Dev:
    """The system in one placement, then in the other."""
    return pairs[request.param]


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Ask until the answer is true."""
    return wait_until


@pytest.fixture(scope="session")
def pair_in() -> Callable[[Path], Path]:
    """Put the system ``pair`` into a folder."""
    return make_pair


@pytest.fixture(scope="session")
def dev_class() -> type[Dev]:
    """For fixtures that keep one running for several tests."""
    return Dev

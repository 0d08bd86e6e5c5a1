"""How a system ends, and what it survives: signals, kills, a closed terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partita.control.ports import free_port

BACK_S_MAX = 2.0
GONE_S_MAX = 2.0


class Waiting:
    """A request that is under way in a thread."""

    def __init__(self, dev: Any, seconds: float) -> None:
        self.answer: Any = None
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._ask, args=(dev, seconds))
        self._thread.start()

    def _ask(self, dev: Any, seconds: float) -> None:
        try:
            self.answer = dev.request("POST", f"/wait?seconds={seconds}")
        except (OSError, Exception) as error:
            self.error = error

    def result(self) -> Any:
        """The answer, once it is there; None where the connection was lost."""
        self._thread.join(20)
        return self.answer


@pytest.fixture(params=[(), ("--solo",)], ids=["ensemble", "solo"])
def started(request: pytest.FixtureRequest, pair: Path, start: Any) -> Any:
    """The system of this test alone, in one placement, then in the other."""
    return start(pair, *request.param).ready()


def write(dev: Any, text: str) -> str:
    """Keep a note; its number."""
    answer = dev.request("POST", "/notes", body={"text": text})
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


def read(dev: Any, note: str) -> Any:
    return dev.request("GET", f"/notes/{note}")


def test_one_signal_lets_a_running_request_finish(started: Any, until: Callable[..., Any]) -> None:
    """After Ctrl-C no new connection is taken, what runs is answered, and everything ends with exit code 0."""
    waiting = Waiting(started, 1.0)
    assert until(lambda: "waiting begins" in started.written())
    started.process.send_signal(signal.SIGINT)
    assert until(lambda: "Stopping" in started.written())
    assert waiting.result().status == 200
    assert started.ended() == 0
    assert started.left(GONE_S_MAX) == {}
    assert started.written().rstrip().endswith("Stopped.")


def test_a_second_signal_stops_at_once(started: Any, until: Callable[..., Any]) -> None:
    """What runs is given up at the second Ctrl-C."""
    waiting = Waiting(started, 15.0)
    assert until(lambda: "waiting begins" in started.written())
    started.process.send_signal(signal.SIGINT)
    assert until(lambda: "Stopping" in started.written())
    before = time.monotonic()
    started.process.send_signal(signal.SIGINT)
    assert started.ended() == 0
    assert time.monotonic() - before < 5.0
    answer = waiting.result()
    assert answer is None or answer.status >= 500
    assert started.left(GONE_S_MAX) == {}


def test_sigterm_stops_in_order_too(started: Any) -> None:
    """SIGTERM is as good as Ctrl-C, and nothing says afterwards that the system runs."""
    assert started.stop(signal.SIGTERM) == 0
    assert started.left(GONE_S_MAX) == {}
    assert not list((started.folder / ".partita").glob("*/state.json"))


@pytest.mark.parametrize("said", ["", "lock"])
def test_a_signal_during_the_start_stops_it(pair: Path, start: Any, until: Callable[..., Any], said: str) -> None:
    """Ctrl-C while code is imported, and while services start, ends everything with exit code 130."""
    dev = start(pair, NOTES_FAIL="hang")
    if said:
        assert until(lambda: any(name == "notes" for name in dev.relatives().values()), 20)
    else:
        assert until(lambda: len(dev.relatives()) > 1, 20)  # the zygote is under way
    assert dev.stop() == 130
    assert dev.left(GONE_S_MAX) == {}
    assert dev.written().strip().endswith("Stopped before everything had started.")


CONTROLLED = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal the controlling one, which sends SIGHUP when it is closed."""


@pytest.mark.parametrize("words", [(), ("--solo",)], ids=["ensemble", "solo"])
def test_a_closed_terminal_stops_in_order(pair: Path, until: Callable[..., Any], words: tuple[str, ...]) -> None:
    """When its terminal is closed the command drains and ends, though it can say nothing any more."""
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CONTROLLED,
            sys.executable,
            *"-m partita.cli dev --port".split(),
            str(free_port()),
            *words,
        ],
        cwd=pair,
        stdin=side,
        stdout=side,
        stderr=side,
        start_new_session=True,
    )
    os.close(side)
    seen = b""
    while b"Ready in" not in seen:
        seen += os.read(terminal, 65536)
    assert b"\x1b[" in seen  # colours, on a terminal
    os.close(terminal)
    assert process.wait(20) == 0
    assert not list((pair / ".partita").glob("*/state.json"))


def test_nothing_outlives_a_killed_parent(started: Any, start: Any) -> None:
    """After kill -9 of the command nothing is left within two seconds, and the next start has the data."""
    note = write(started, "kept")
    solo = started.state["placement"] == "solo"
    started.process.kill()
    began = time.monotonic()
    again = start(started.folder, *(["--solo"] if solo else []), port=started.port)
    assert started.left(GONE_S_MAX) == {}
    assert time.monotonic() - began < GONE_S_MAX + 0.5
    again.ready()
    assert read(again, note).json()["text"] == "kept"


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory, pair_in: Callable[[Path], Path], dev_class: Any) -> Any:
    """An ensemble whose processes are killed one after the other."""
    dev = dev_class(pair_in(tmp_path_factory.mktemp("killed")), port=free_port())
    yield dev.ready()
    dev.process.send_signal(signal.SIGINT)
    dev.close()


def pid_of(dev: Any, name: str) -> int:
    state = dev.state
    return int(state["services"][name]["pid"] if name in state["services"] else state["parts"][name])


@pytest.mark.parametrize(("killed", "others"), [("notes", "/numbers/1"), ("words", None)])
def test_a_killed_service_is_back(ensemble: Any, until: Callable[..., Any], killed: str, others: str | None) -> None:
    """After kill -9 the others serve, the service answers again within two seconds, and no committed row is lost."""
    note = write(ensemble, f"before the end of {killed}")
    pid = pid_of(ensemble, killed)
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    answer = ensemble.request("GET", others or f"/notes/{note}")
    assert answer.status == 200
    own = f"/notes/{note}" if killed == "notes" else "/numbers/1"
    assert until(lambda: ensemble.request("GET", own).status == 200, BACK_S_MAX)
    assert time.monotonic() - began < BACK_S_MAX
    assert until(lambda: pid_of(ensemble, killed) != pid)
    assert read(ensemble, note).json()["text"] == f"before the end of {killed}"


@pytest.mark.parametrize("killed", ["gateway", "postgresql", "zygote"])
def test_a_killed_part_is_back(ensemble: Any, until: Callable[..., Any], killed: str) -> None:
    """The gateway, PostgreSQL and the zygote come back after kill -9, with what was committed."""
    note = write(ensemble, f"before the end of {killed}")
    os.kill(pid_of(ensemble, killed), signal.SIGKILL)

    def is_back() -> bool:
        try:
            return bool(read(ensemble, note).status == 200 and write(ensemble, "after"))
        except (OSError, AssertionError):
            return False

    assert until(is_back, 10.0), ensemble.written()
    assert ensemble.process.poll() is None

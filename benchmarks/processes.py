"""Starts the processes of a row, asks them for their CPU time, and ends them."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.services import credentials
from benchmarks.shapes import QUESTION, SOLO, TARGET, Config, Measured, Order, answer_is_right

__all__ = ["Generator", "Row", "started"]

ROOT = Path(__file__).resolve().parents[1]
START_S = 30.0
END_S = 5.0


class Process:
    """A child of this process. Its end of the pipe is its lifeline."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )

    def ask(self, line: bytes) -> bytes:
        """Write a line, read a line. Raises ``RuntimeError`` if the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            raise RuntimeError(
                f"a process of the benchmark ended with {self._process.wait(END_S)}; see its error above"
            )
        return answer

    def end(self) -> None:
        """End it, by force if it takes longer than ``END_S`` seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Generator(Process):
    """The load generator's process."""

    def __init__(self) -> None:
        super().__init__("benchmarks.load")

    def run(self, order: Order) -> Measured:
        """Make one run."""
        return msgspec.json.decode(self.ask(msgspec.json.encode(order)), type=Measured)


@dataclass
class Row:
    """The processes of one row of the table. ``port`` is where the load goes."""

    name: str
    port: int = 0
    processes: list[Process] = field(default_factory=list)

    def cpu_s(self) -> float:
        """CPU seconds that its processes have used since they began."""
        return sum(float(process.ask(b"cpu")) for process in self.processes)

    def start(self, token: str, trusted: str) -> None:
        """Start callee and caller, and wait until the right answer comes."""
        peer = 0
        for role in ("callee", "caller") if self.name != SOLO else ("caller",):
            process = Process("benchmarks.child")
            self.processes.append(process)
            config = Config(row=self.name, role=role, peer=peer, token=token, trusted=trusted)
            peer = int(process.ask(msgspec.json.encode(config)))
        self.port = peer
        self._wait()

    def _wait(self) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{TARGET}", QUESTION, {"content-type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        until = time.monotonic() + START_S
        while True:
            try:
                with opener.open(request, timeout=START_S) as response:
                    body = response.read()
                break
            except urllib.error.HTTPError as error:
                body = error.read()
                with error:
                    if time.monotonic() > until:
                        raise RuntimeError(f"{self.name} answers {error.code}: {body[:300]!r}") from None
                time.sleep(0.05)
        if not answer_is_right(body):
            raise RuntimeError(f"{self.name} answers wrongly: {body[:300]!r}")


@contextmanager
def started(names: Sequence[str]) -> Iterator[list[Row]]:
    """The rows of these names, all running."""
    token, trusted = credentials()
    rows = [Row(name) for name in names]
    try:
        for row in rows:
            row.start(token, trusted)
        yield rows
    finally:
        for row in rows:
            for process in reversed(row.processes):
                process.end()

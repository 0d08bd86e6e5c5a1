"""Reading the documents: their blocks of code, and a shell that runs what they tell a reader to type."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 40.0
STOP_S = 20.0


@dataclass
class Block:
    """A fenced block. ``given`` and ``then`` stand in comments around it, which a reader does not see."""

    document: str
    line: int
    language: str
    options: dict[str, str]
    text: str
    given: str = ""
    then: str = ""

    @property
    def place(self) -> str:
        """Where it stands, as an editor opens it."""
        return f"{self.document}:{self.line}"


_BLOCK = re.compile(
    r"(?:^<!-- given\n(?P<given>.*?)^-->\n+)?"
    r"^```(?P<language>\w+)(?P<options>[^\n]*)\n(?P<text>.*?)^```$"
    r"(?:\n+<!-- then\n(?P<then>.*?)^-->$)?",
    re.MULTILINE | re.DOTALL,
)


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a document, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(
            document=str(path.relative_to(ROOT)),
            line=text.count("\n", 0, match.start("language")) + 1,
            language=match["language"],
            options=dict(re.findall(r'([\w-]+)="([^"]*)"', match["options"])),
            text=match["text"],
            given=match["given"] or "",
            then=match["then"] or "",
        )
        for match in _BLOCK.finditer(text)
    ]


@dataclass
class Running:
    """A command that goes on: ``partita dev``."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        """Collect what it prints; in a thread."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip())
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait_for(self, expected: list[str], place: str) -> None:
        """Wait until it has printed these lines, in this order."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended or matches(expected, self.lines, whole=False), PATIENCE_S)
            assert matches(expected, self.lines, whole=False), (
                f"{place}: expected\n{_text(expected)}\nand got\n{_text(self.lines)}"
            )
            self.lines.clear()


class Shell:
    """Types what a document shows, in a folder of its own. The port 8080 of the document is another one here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.running: list[Running] = []
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "FORCE_COLOR")}
        programs = str(Path(sys.executable).parent)
        self.environment = {**environment, "PATH": f"{programs}{os.pathsep}{environment['PATH']}", "NO_COLOR": "1"}

    def type(self, block: Block) -> None:
        """Run each line of a ``console`` block that starts with ``$``, and compare what it prints."""
        command, expected = "", list[str]()
        for line in [*block.text.replace("8080", str(self.port)).splitlines(), "$ "]:
            if not line.startswith(("$ ", "^C")):
                expected.append(line.rstrip())
                continue
            if command:
                self._run(command, expected, block.place)
            command, expected = line, []

    def _run(self, command: str, expected: list[str], place: str) -> None:
        if command == "^C":
            self._interrupt(expected, place)
        elif command.startswith("$ partita dev"):
            self._start(f"{command[2:]} --port {self.port}", expected, place)
        else:
            done = subprocess.run(
                ["sh", "-c", command[2:]],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            lines = [line.rstrip() for line in done.stdout.splitlines()]
            assert matches(expected, lines, whole=True), (
                f"{place}: {command}\nexpected\n{_text(expected)}\nand got\n{_text(lines)}"
            )

    def _start(self, command: str, expected: list[str], place: str) -> None:
        process = subprocess.Popen(
            command.split(),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        running = Running(process)
        self.running.append(running)
        threading.Thread(target=running.read, daemon=True).start()
        running.wait_for(expected, place)

    def _interrupt(self, expected: list[str], place: str) -> None:
        running = self.running.pop()
        running.process.send_signal(signal.SIGINT)
        running.wait_for(expected, place)
        running.process.wait(STOP_S)
        assert running.process.stdout is not None
        running.process.stdout.close()

    def end(self) -> None:
        """End what a failed test has left."""
        for running in self.running:
            running.process.send_signal(signal.SIGINT)
            try:
                running.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
            assert running.process.stdout is not None
            running.process.stdout.close()


def matches(expected: list[str], lines: list[str], *, whole: bool) -> bool:
    """Whether the lines are as expected: ``...`` stands for any text in a line, and alone for any lines.

    Empty lines at both ends do not count. Without ``whole`` the expected lines may stand anywhere.
    """
    parts = []
    for line in _trimmed(expected):
        parts.append("(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n")
    pattern, text = "".join(parts), "".join(f"{line}\n" for line in _trimmed(lines))
    found = re.fullmatch(pattern, text) if whole else re.search(f"^{pattern}", text, re.MULTILINE)
    return found is not None


def _trimmed(lines: list[str]) -> list[str]:
    text = "\n".join(lines).strip("\n")
    return text.split("\n") if text else []


def _text(lines: list[str]) -> str:
    return "\n".join(f"  | {line}" for line in lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def read_blocks() -> Callable[[str], list[Block]]:
    """The blocks of a document, named from the checkout's root."""
    return lambda name: blocks_of(ROOT / name)


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A shell in an empty folder that every user of the machine can enter, as PostgreSQL's own must."""
    folder = Path(tempfile.mkdtemp(prefix="partita-docs-"))
    folder.chmod(0o755)
    found = Shell(folder)
    try:
        yield found
    finally:
        found.end()
        deadline = time.monotonic() + STOP_S
        while folder.exists() and time.monotonic() < deadline:
            shutil.rmtree(folder, ignore_errors=True)

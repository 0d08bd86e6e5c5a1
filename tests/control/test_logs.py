"""The output of many processes as one stream of whole, prefixed, bounded lines."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from partita.control.logs import LINE_BYTES_MAX, Logs, Source
from partita.control.terminal import Terminal


class Written:
    """A file that logs go to."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        self._path = path

    def after(self, logs: Logs) -> bytes:
        """What it holds once everything is written."""
        assert logs.flush()
        return self._path.read_bytes()


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """A place for lines."""
    made = Written(tmp_path / "lines")
    yield made
    os.close(made.fd)


async def write(source: Source, data: bytes, *, to_stderr: bool = False) -> None:
    """Write as a process does, from another thread, and close its pipes."""
    await asyncio.to_thread(_write_all, source.stderr if to_stderr else source.stdout, data)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


async def test_lines_are_whole_and_named(written: Written) -> None:
    """Lines of two processes never mix, however they are cut; names are padded to one width."""
    logs = Logs(["users", "orders"], fd=written.fd)
    users, orders = logs.source("users"), logs.source("orders")
    await write(users, b"half a ")
    await write(orders, b"one\ntwo\r\n")
    await write(users, "line é\nlast without end".encode())
    for source in (users, orders):
        source.handed_on()
        await source.drained(5)
    lines = written.after(logs).decode().splitlines()
    assert sorted(lines) == [
        "orders | one",
        "orders | two",
        "users  | half a line é",
        "users  | last without end",
    ]
    logs.close()


async def test_long_lines_are_cut(written: Written) -> None:
    """A line keeps its first 16 KiB, and tells how much it had beyond; memory does not grow with it."""
    logs = Logs(["users"], fd=written.fd)
    source = logs.source("users")
    await write(source, b"x" * (LINE_BYTES_MAX + 1_000_000) + b"\nnext\n")
    source.handed_on()
    await source.drained(5)
    assert written.after(logs) == b"users | " + b"x" * LINE_BYTES_MAX + b" (1000000 bytes more)\nusers | next\n"
    logs.close()


async def test_the_tail_keeps_the_last_lines_of_stderr(written: Written) -> None:
    """The last 20 lines of stderr are kept to explain a failed start; those of stdout are not."""
    logs = Logs(["users"], fd=written.fd)
    source = logs.source("users")
    await write(source, b"hello\n")
    await write(source, b"".join(b"line %d\n" % number for number in range(30)), to_stderr=True)
    source.handed_on()
    await source.drained(5)
    assert list(source.tail) == [f"line {number}" for number in range(10, 30)]
    logs.close()


async def test_an_inherited_pipe_does_not_hold_up_the_end(written: Written) -> None:
    """When a stray process keeps a pipe open, draining ends at its bound with the lines that came."""
    logs = Logs(["users"], fd=written.fd)
    source = logs.source("users")
    stray = os.dup(source.stdout)
    await write(source, b"said\nhalf")
    source.handed_on()
    await source.drained(0.05)
    assert written.after(logs) == b"users | said\nusers | half\n"
    os.close(stray)
    logs.close()


@pytest.mark.parametrize(("no_color", "expected"), [("", True), ("1", False)])
def test_colours_are_for_terminals(no_color: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal each name has a colour, unless NO_COLOR is set."""
    monkeypatch.setenv("NO_COLOR", no_color)
    main, terminal = os.openpty()
    logs = Logs(["users"], fd=terminal)
    logs.say("users", "hello")
    assert logs.flush()
    shown = os.read(main, 1000)
    assert shown == (b"\x1b[36musers |\x1b[0m hello\r\n" if expected else b"users | hello\r\n")
    logs.close()
    os.close(main)
    os.close(terminal)


def test_a_file_gets_no_colours(written: Written) -> None:
    """Output that is not a terminal is plain."""
    logs = Logs(["users"], fd=written.fd)
    logs.say("users", "two\nlines")
    assert written.after(logs) == b"users | two\nusers | lines\n"
    logs.close()


def test_a_terminal_that_stands_still_holds_nobody_up() -> None:
    """While nobody reads, putting lines does not wait; what does not fit is counted, and told once reading goes on."""
    reader, writer = os.pipe()
    terminal = Terminal(writer, queue_bytes_max=100_000)
    began = time.monotonic()
    for _ in range(5_000):
        terminal.put(b"x" * 99 + b"\n")
    assert time.monotonic() - began < 2
    assert not terminal.flush(0.01)
    shown = bytearray()
    thread = threading.Thread(target=_read_all, args=(reader, shown))
    thread.start()
    assert terminal.flush(5)
    terminal.put(b"after\n")
    terminal.close(5)
    os.close(writer)
    thread.join(5)
    os.close(reader)
    lines = bytes(shown).splitlines()
    left_out = 5_000 - lines.count(b"x" * 99)
    assert lines[-2:] == [b"(%d lines left out: the terminal was too slow)" % left_out, b"after"]
    assert left_out > 3_000


def _read_all(fd: int, into: bytearray) -> None:
    while data := os.read(fd, 65536):
        into += data


def test_a_terminal_that_is_gone_is_no_error() -> None:
    """When the window was closed, lines are dropped and nothing fails."""
    reader, writer = os.pipe()
    terminal = Terminal(writer)
    os.close(reader)
    terminal.put(b"unheard\n")
    assert terminal.flush(5)
    terminal.close()
    os.close(writer)

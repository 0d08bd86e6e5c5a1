"""The output of every process, line by line, with the name of its service before it."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterable

from partita.control.terminal import Terminal

__all__ = ["LINE_BYTES_MAX", "TAIL_LINES_MAX", "Logs", "Source"]

LINE_BYTES_MAX = 16 * 1024
TAIL_LINES_MAX = 20

_READ_BYTES = 64 * 1024
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class Logs:
    """Where the lines of all processes come together. Lines are whole; two processes never share one.

    ``names`` sets the width of the prefix and the order of the colours. Colours show on a terminal, unless NO_COLOR
    is set (no-color.org); ``colour`` overrides both.
    """

    def __init__(self, names: Iterable[str] = (), *, fd: int = 1, colour: bool | None = None) -> None:
        self._terminal = Terminal(fd)
        self._colour = os.isatty(fd) and not os.environ.get("NO_COLOR") if colour is None else colour
        self._colours: dict[str, int] = {}
        self._width = 0
        self.expect(names)

    def expect(self, names: Iterable[str]) -> None:
        """Make room for more names."""
        for name in names:
            self._meet(name)

    def _meet(self, name: str) -> None:
        if name not in self._colours:
            self._colours[name] = _COLOURS[len(self._colours) % len(_COLOURS)]
            self._width = max(self._width, len(name))

    def source(self, name: str) -> Source:
        """Pipes for the output of a process that is to be started under ``name``."""
        self._meet(name)
        return Source(self, name)

    def say(self, name: str, text: str) -> None:
        """Write ``text`` as lines of ``name``."""
        self._meet(name)
        for line in text.splitlines():
            self.put(name, line.encode(errors="replace"))

    def put(self, name: str, line: bytes) -> None:
        """Write one line of ``name``, given without its newline."""
        prefix = f"{name:<{self._width}} |"
        if self._colour:
            prefix = f"\x1b[{self._colours[name]}m{prefix}\x1b[0m"
        self._terminal.put(b"%s %s\n" % (prefix.encode(), line))

    def flush(self, within_s: float = 1.0) -> bool:
        """Wait, in seconds at most, until everything is written. False when it is not."""
        return self._terminal.flush(within_s)

    def close(self) -> None:
        """Write what is queued, for one second at most, and end."""
        self._terminal.close()


class Source:
    """The two pipes of one process. ``stdout`` and ``stderr`` are the ends to hand to it; then ``handed_on()``.

    ``tail`` holds the last lines of stderr. Needs a running event loop.
    """

    def __init__(self, logs: Logs, name: str) -> None:
        self.name = name
        self.tail: deque[str] = deque(maxlen=TAIL_LINES_MAX)
        self.ended = asyncio.Event()
        self._logs = logs
        self._loop = asyncio.get_running_loop()
        self._pipes: dict[int, _Lines] = {}
        out, self.stdout = self._pipe(keep=False)
        err, self.stderr = self._pipe(keep=True)
        for fd in (out, err):
            self._loop.add_reader(fd, self._read, fd)

    def _pipe(self, *, keep: bool) -> tuple[int, int]:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._pipes[reader] = _Lines(keep)
        return reader, writer

    def handed_on(self) -> None:
        """Close our copies of the writing ends: the process has its own."""
        os.close(self.stdout)
        os.close(self.stderr)

    async def drained(self, within_s: float) -> None:
        """Wait until the process, and whoever inherited its pipes, closed them; then, or at the bound, close ours."""
        try:
            await asyncio.wait_for(self.ended.wait(), within_s)
        except TimeoutError:
            for fd in tuple(self._pipes):
                self._read(fd)
                self._close(fd)

    def _read(self, fd: int) -> None:
        if fd not in self._pipes:
            return
        lines = self._pipes[fd]
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        for line in lines.feed(data):
            self._put(lines, line)
        if not data:
            self._close(fd)

    def _put(self, lines: _Lines, line: bytes) -> None:
        if lines.keep:
            self.tail.append(line.decode(errors="replace"))
        self._logs.put(self.name, line)

    def _close(self, fd: int) -> None:
        lines = self._pipes.pop(fd, None)
        if lines is None:
            return
        for line in lines.feed(b"\n" if lines.pending else b""):
            self._put(lines, line)
        self._loop.remove_reader(fd)
        os.close(fd)
        if not self._pipes:
            self.ended.set()


class _Lines:
    """Cuts a stream of bytes into lines of at most LINE_BYTES_MAX; what a line has beyond is counted, not kept."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self._part = bytearray()
        self._over = 0

    @property
    def pending(self) -> bool:
        return bool(self._part or self._over)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their newlines."""
        *whole, rest = data.split(b"\n")
        found: list[bytes] = []
        for piece in whole:
            self._add(piece)
            note = b" (%d bytes more)" % self._over if self._over else b""
            found.append(bytes(self._part).rstrip(b"\r") + note)
            self._part.clear()
            self._over = 0
        self._add(rest)
        return found

    def _add(self, piece: bytes) -> None:
        room = LINE_BYTES_MAX - len(self._part)
        self._part += piece[:room]
        self._over += max(0, len(piece) - room)

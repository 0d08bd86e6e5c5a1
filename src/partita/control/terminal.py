"""Writes lines to a terminal or a file that may be slow, without ever waiting for it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque

__all__ = ["QUEUE_BYTES_MAX", "Terminal"]

QUEUE_BYTES_MAX = 4 * 1024 * 1024


class Terminal:
    """A bounded queue of lines before a file descriptor, written by a thread of its own.

    While the reader at the other end stands still (a paused terminal), lines beyond ``queue_bytes_max`` are dropped,
    and their number is told once it goes on: a service never waits because somebody marked text in a window.
    """

    def __init__(self, fd: int, *, queue_bytes_max: int = QUEUE_BYTES_MAX) -> None:
        self._fd = fd
        self._queue_bytes_max = queue_bytes_max
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write_all, name="terminal", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue a whole line, with its newline; drop it at the bound."""
        with self._changed:
            if self._closing or self._bytes + len(line) > self._queue_bytes_max:
                self._dropped += 1
                return
            if self._dropped:
                line = b"(%d lines left out: the terminal was too slow)\n" % self._dropped + line
                self._dropped = 0
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify()

    def close(self, within_s: float = 1.0) -> None:
        """Write what is queued, for ``within_s`` seconds at most. The descriptor stays open."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(within_s)

    def flush(self, within_s: float = 1.0) -> bool:
        """Wait until the queue is empty, so that other output can follow. False when it is not by then."""
        deadline = time.monotonic() + within_s
        with self._changed:
            return self._changed.wait_for(lambda: not self._bytes, max(0.0, deadline - time.monotonic()))

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closing)
                if not self._lines:
                    return
                batch = b"".join(self._lines)
                self._lines.clear()
            self._write(batch)
            with self._changed:
                self._bytes -= len(batch)
                self._changed.notify_all()

    def _write(self, batch: bytes) -> None:
        view = memoryview(batch)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                time.sleep(0.01)  # somebody made the descriptor non-blocking
            except OSError:
                return  # the terminal is gone; services go on

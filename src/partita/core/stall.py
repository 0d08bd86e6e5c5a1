"""Reports what holds the event loop: which operation, for how long, and on which line.

While a handler computes, or waits in a blocking call, nothing else in its process runs: no other handler, no health
check, no timer. A small thread of the framework's looks at the loop's heart-beat and, when it fails to come, at what
the loop does just then: the loop knows its current task, and ``partita.core.call`` which call that task handles.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

from partita.core.call import handled_by

__all__ = ["ANONYMOUS_S", "NOBODY", "STALL_S", "Stall", "StallWatch", "log_stall"]

STALL_S = 0.05
"""A loop that is held for longer is reported."""

ANONYMOUS_S = 0.5
"""Where nobody was seen to hold it, only from here on: a busy machine lets every process wait for a while."""

NOBODY = "the event loop"

_log = logging.getLogger("partita.stall")


class Stall(NamedTuple):
    """A time during which the loop was held."""

    what: str
    """The operation; for other tasks their function; or ``the event loop``."""

    seconds: float
    place: str
    """File and line that ran in the middle of it; empty where nothing was seen, as under a call that holds the GIL."""


class StallWatch:
    """Watches the loop that it is started in. ``report`` is called in the loop, when the stall is over.

    Costs two wake-ups of the process every ``stall_s / 2.5`` seconds. A stall shorter than ``stall_s`` is never
    reported, and one of ``1.4 * stall_s`` always is; its operation is named unless the whole of it was spent in C code
    that keeps the GIL.
    """

    def __init__(self, report: Callable[[Stall], object] | None = None, *, stall_s: float = STALL_S) -> None:
        self._report = report if report is not None else log_stall
        self._stall_s = stall_s
        self._tick_s = stall_s / 2.5
        self._stop = threading.Event()
        self._seen: tuple[str, str] | None = None
        self._beat = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._loop_thread = 0

    def start(self) -> None:
        """Begin. Call it in the loop."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._beat = time.monotonic()
        self._timer = self._loop.call_later(self._tick_s, self._on_beat)
        self._thread = threading.Thread(target=self._look, name="partita-stall-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End. Call it in the loop."""
        self._stop.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join()

    def _on_beat(self) -> None:
        now = time.monotonic()
        late_s = now - self._beat - self._tick_s
        seen, self._seen = self._seen, None
        self._beat = now
        assert self._loop is not None
        self._timer = self._loop.call_later(self._tick_s, self._on_beat)
        if late_s >= self._stall_s:
            what, place = seen if seen is not None else (NOBODY, "")
            self._report(Stall(what, late_s, place))

    def _look(self) -> None:
        while not self._stop.wait(self._tick_s):
            # The first look of a stall is kept: it is the nearest to its cause.
            if self._seen is None and time.monotonic() - self._beat > 1.5 * self._tick_s:
                self._seen = self._look_once()

    def _look_once(self) -> tuple[str, str] | None:
        loop = self._loop
        assert loop is not None
        try:
            task = asyncio.current_task(loop)
            name = NOBODY if task is None else _name(task)
        except RuntimeError:  # the loop moved on while it was looked at
            return None
        if task is None:
            return name, ""
        frame = sys._current_frames().get(self._loop_thread)
        return name, "" if frame is None else _place(frame)


def log_stall(stall: Stall) -> None:
    """Write the stall to the log ``partita.stall``. A short one in which nothing was seen is not worth a line."""
    if stall.what == NOBODY and not stall.place:
        if stall.seconds >= ANONYMOUS_S:
            _log.warning(
                "the event loop stood still for %d ms, and no task was seen in it: the machine was busy, or a call "
                "into C kept the interpreter for itself.",
                round(stall.seconds * 1000),
            )
        return
    where = f" at {stall.place}" if stall.place else ""
    _log.warning(
        "%s held the event loop for %d ms%s; nothing else in this process ran meanwhile. Use self.blocking.run(...) "
        "for calls that block or compute for long.",
        stall.what,
        round(stall.seconds * 1000),
        where,
    )


def _name(task: asyncio.Task[Any]) -> str:
    invocation = handled_by(task)
    if invocation is not None:
        return invocation.name
    return str(getattr(task.get_coro(), "__qualname__", task.get_name()))


def _place(frame: FrameType) -> str:
    """The innermost line that is no library's: the one that its author can change."""
    found: FrameType | None = frame
    while found is not None:
        file = found.f_code.co_filename
        if "site-packages" not in file and not file.startswith(("<", sys.base_prefix)):
            return f"{file}:{found.f_lineno}"
        found = found.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"

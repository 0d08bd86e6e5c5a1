"""Whose turn it is to write. SQLite has one writer at a time, and its own way of waiting would block the loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from partita.core.errors import Contended

__all__ = ["Turns"]

POLL_S = 0.02
"""How often the lock is tried while another process may hold it, which tells nobody when it lets go."""


class Turns:
    """Those of this process who wait for the write lock of one file, in order."""

    def __init__(self, name: str, *, wait_s_max: float = 5.0) -> None:
        self._name = name
        self._wait_s_max = wait_s_max
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def limit(self, deadline: float) -> float:
        """Until when to wait, in ``time.monotonic()``: the deadline, or the bound on waiting, whichever is first."""
        return min(deadline, time.monotonic() + self._wait_s_max)

    async def wait(self, limit: float, *, again: bool) -> None:
        """Wait until a transaction of this process ended, or for ``POLL_S``. Raises ``Contended`` after ``limit``.

        ``again`` says that the caller was woken, and that somebody was quicker: it keeps its place.
        """
        now = time.monotonic()
        if now >= limit:
            raise Contended(
                f"{self._name} is locked by another transaction, and the lock did not come free in time. Nothing was "
                "executed. Look for a transaction that stays open long, or another program that has the file open."
            )
        future = asyncio.get_running_loop().create_future()
        if again:
            self._waiting.appendleft(future)
        else:
            self._waiting.append(future)
        timer = asyncio.get_running_loop().call_later(min(POLL_S, limit - now), _wake, future)
        try:
            await future
        except BaseException:
            if future.done() and not future.cancelled():  # woken and cancelled at once: the turn goes to the next
                self.next()
            raise
        finally:
            timer.cancel()
            if future in self._waiting:
                self._waiting.remove(future)

    def next(self) -> None:
        """A transaction ended: let the first one try."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

"""A bounded pool. SQLAlchemy's own makes a task for every checkout once it is full, and knows no deadline."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from partita.core.errors import DatabaseUnavailable

__all__ = ["Pool"]

C = TypeVar("C")


class Pool(Generic[C]):
    """At most ``size`` of something that is made on demand. The last one given back is the first one taken.

    Those who wait are served in order, up to ``wait_s_max`` seconds or their deadline. How many wait is bounded by the
    calls in flight, which the pipeline bounds.
    """

    def __init__(self, make: Callable[[], Awaitable[C]], *, name: str, size: int = 10, wait_s_max: float = 5.0) -> None:
        self._make = make
        self._name = name
        self._size = size
        self._wait_s_max = wait_s_max
        self._idle: list[C] = []
        self._made = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def taken(self) -> int:
        """How many are in use."""
        return self._made - len(self._idle)

    async def take(self, deadline: float = float("inf")) -> C:
        """One that is idle, or a new one. Raises ``DatabaseUnavailable``, or what making one raises."""
        if self._idle:
            return self._idle.pop()
        if self._made >= self._size:
            await self._wait(deadline)
            if self._idle:
                return self._idle.pop()
        self._made += 1
        try:
            return await self._make()
        except BaseException:
            self.drop()
            raise

    def give(self, one: C) -> None:
        """Give back one that is fit to be used again."""
        self._idle.append(one)
        self._wake()

    def drop(self) -> None:
        """One that was taken is gone for good."""
        self._made -= 1
        self._wake()

    def drain(self) -> list[C]:
        """Take all that are idle out of the pool."""
        idle, self._idle = self._idle, []
        self._made -= len(idle)
        return idle

    async def _wait(self, deadline: float) -> None:
        limit = min(time.monotonic() + self._wait_s_max, deadline)
        first = True
        while not self._idle and self._made >= self._size:
            future = asyncio.get_running_loop().create_future()
            if first:
                self._waiting.append(future)
            else:  # somebody was quicker; do not lose the place in the queue for it
                self._waiting.appendleft(future)
            first = False
            try:
                async with asyncio.timeout(limit - time.monotonic()):
                    await future
            except BaseException as error:
                if future in self._waiting:
                    self._waiting.remove(future)
                else:  # woken and cancelled in the same moment: the place goes to the next
                    self._wake()
                if isinstance(error, TimeoutError):
                    raise self._exhausted() from None
                raise

    def _exhausted(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(
            f"All {self._size} connections of {self._name} are taken, and none came free in time. Nothing was "
            "executed. Look for transactions that stay open: one that waits for anything but its database holds a "
            "connection for nothing."
        )

    def _wake(self) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return

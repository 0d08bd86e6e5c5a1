"""A clock that a test moves."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

from partita.core.clock import Clock

__all__ = ["ManualClock"]


class ManualClock(Clock):
    """Stands still until ``advance`` is called. Begins at the present second unless told."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start if start is not None else datetime.now(UTC).replace(microsecond=0)
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0
        self._asleep = asyncio.Event()

    def now(self) -> datetime:
        """The time that the test has reached."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that the test has let pass."""
        return self._elapsed_s

    async def somebody_sleeps(self) -> None:
        """Wait until somebody waits for time to pass, so that ``advance`` does not come before them."""
        await self._asleep.wait()

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has let this much time pass."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._elapsed_s + seconds, self._count, future))
        self._asleep.set()
        await future

    async def advance(self, duration: timedelta) -> None:
        """Let time pass. Whoever slept until then has run up to its next await when this returns."""
        self._now += duration
        self._elapsed_s += duration.total_seconds()
        while self._sleepers and self._sleepers[0][0] <= self._elapsed_s:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
        if not self._sleepers:
            self._asleep.clear()
        await asyncio.sleep(0)

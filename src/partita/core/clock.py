"""Time, injected: a service never asks the operating system."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

__all__ = ["Clock"]


class Clock:
    """The time of day and the passing of time. Tests and simulations put their own in its place."""

    def now(self) -> datetime:
        """The time of day, in UTC, with its zone."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only ever grow, for measuring spans of time."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

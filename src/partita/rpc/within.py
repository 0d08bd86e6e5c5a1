"""A bound on time for a block: ``asyncio.timeout`` for less, since each call would pay for it twice."""

from __future__ import annotations

import asyncio
from types import TracebackType

__all__ = ["Within"]


class Within:
    """``with Within(seconds):`` around awaits of one task. Raises ``TimeoutError`` for a block that it cut off.

    The block is cut off by a cancellation, as with ``asyncio.timeout`` (whose rules about cancellations from elsewhere
    hold here too); a block that catches it and ends by itself is not an error.
    """

    __slots__ = ("_cancelling", "_expired", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a block within a time runs in a task"
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        # uncancel() in any case: the cancellation was ours, and must not be counted by whoever is around us.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

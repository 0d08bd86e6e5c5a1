"""Waiting for an outcome that a cancellation must not cut short."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

__all__ = ["SETTLING_S_MAX", "settled"]

SETTLING_S_MAX = 10.0
"""For how long a cancelled task waits for the outcome of COMMIT or ROLLBACK."""

_log = logging.getLogger("partita.data")
_unsettled: set[asyncio.Task[Any]] = set()  # the loop keeps weak references only


async def settled(work: Coroutine[Any, Any, object]) -> asyncio.CancelledError | None:
    """Run ``work`` to its end, whatever happens to the task that waits for it.

    Returns the cancellation that came meanwhile, if one did and the work succeeded. If the work failed, its error is
    raised. Where it has no outcome ``SETTLING_S_MAX`` seconds after the cancellation, that is
    raised, and the work goes on.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError as cancellation:
        if task.done() and task.cancelled():
            raise
        return await _outcome(task, cancellation)
    return None


async def _outcome(task: asyncio.Task[object], cancellation: asyncio.CancelledError) -> asyncio.CancelledError:
    loop = asyncio.get_running_loop()
    limit = loop.time() + SETTLING_S_MAX
    while not task.done():
        remaining_s = limit - loop.time()
        if remaining_s <= 0:
            _unsettled.add(task)
            task.add_done_callback(_log_end)
            raise cancellation
        try:
            await asyncio.wait({task}, timeout=remaining_s)
        except asyncio.CancelledError as another:
            cancellation = another
    task.result()
    return cancellation


def _log_end(task: asyncio.Task[object]) -> None:
    _unsettled.discard(task)
    if not task.cancelled() and task.exception() is not None:
        _log.error("A COMMIT or ROLLBACK failed after its caller had gone: %s", task.exception())

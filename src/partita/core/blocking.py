"""Blocking calls, in a bounded pool of threads: argon2, boto3, Pillow. Nothing else in a service has a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from partita.core.errors import BlockingFull

__all__ = ["Blocking"]

P = ParamSpec("P")
T = TypeVar("T")


class Blocking:
    """Runs blocking functions beside the event loop: ``await self.blocking.run(hasher.hash, password)``.

    At most ``threads_max`` run at once, and at most ``waiting_max`` wait; beyond that ``BlockingFull`` is raised.
    Threads start at the first use. ``inline=True`` runs the function in the loop itself, where a simulation or a test
    wants one order of events.
    """

    def __init__(self, *, threads_max: int = 8, waiting_max: int = 64, inline: bool = False) -> None:
        self._threads_max = threads_max
        self._bound = threads_max + waiting_max
        self._inline = inline
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._accepted = 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a thread, and wait for its result. Context variables are as they are here.

        A cancellation ends the waiting. A function that has not begun is then never called; one that has goes on to
        its end in its thread, and what it returns is dropped: Python cannot stop it.
        """
        if self._inline:
            return function(*args, **kwargs)
        with self._lock:
            if self._accepted >= self._bound:
                raise BlockingFull(
                    f"All {self._threads_max} threads for blocking calls are busy, and "
                    f"{self._bound - self._threads_max} calls wait already; {_name(function)} was not called. Make the "
                    "calls shorter, or ask for fewer at once."
                )
            self._accepted += 1
        try:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._threads_max, thread_name_prefix="partita-blocking")
            future = self._executor.submit(copy_context().run, _call, function, args, kwargs)
        except BaseException:
            self._done()
            raise
        future.add_done_callback(lambda _: self._done())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Drop the calls that wait, and let the threads end with what they do now. May be used again."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _done(self) -> None:
        with self._lock:
            self._accepted -= 1


def _call(function: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:  # a future cannot hold one
        raise RuntimeError(f"{_name(function)} raised StopIteration") from error


def _name(function: Callable[..., object]) -> str:
    return str(getattr(function, "__qualname__", function))

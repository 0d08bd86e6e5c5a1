"""Blocking calls: beside the loop, bounded, and with the context of their caller."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from partita.core.blocking import Blocking
from partita.core.errors import BlockingFull

who: ContextVar[str] = ContextVar("who", default="nobody")


async def test_a_function_runs_beside_the_loop() -> None:
    """It runs in another thread, with arguments and context variables, and its result and its error come back."""
    blocking = Blocking()
    who.set("ada")

    def work(first: int, *, second: int) -> tuple[int, str, bool]:
        return first + second, who.get(), threading.current_thread() is threading.main_thread()

    assert await blocking.run(work, 1, second=2) == (3, "ada", False)
    with pytest.raises(ZeroDivisionError):
        await blocking.run(divmod, 1, 0)
    blocking.close()


async def test_threads_start_at_the_first_use() -> None:
    """A service that declares ``Blocking`` and never uses it has no thread."""
    before = threading.active_count()
    blocking = Blocking()
    assert threading.active_count() == before
    blocking.close()


async def test_the_bound_is_an_error_at_once() -> None:
    """Beyond the threads and the queue a call is refused; when there is room again it is taken."""
    release = threading.Event()
    blocking = Blocking(threads_max=2, waiting_max=3)
    running = [asyncio.create_task(blocking.run(release.wait, 10)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(BlockingFull, match=r"All 2 threads .* 3 calls wait already; len was not called"):
        await blocking.run(len, "abc")
    release.set()
    assert await asyncio.gather(*running) == [True] * 5
    assert await blocking.run(len, "abc") == 3
    blocking.close()


async def test_a_cancelled_call_that_waits_is_never_made() -> None:
    """The cancellation ends the waiting; a call that has begun goes on in its thread; both give their place back."""
    began, release = threading.Event(), threading.Event()
    called: list[str] = []

    def first() -> None:
        began.set()
        release.wait(10)
        called.append("first")

    blocking = Blocking(threads_max=1, waiting_max=1)
    tasks = [asyncio.create_task(blocking.run(first)), asyncio.create_task(blocking.run(called.append, "second"))]
    await asyncio.sleep(0)
    began.wait(10)
    for task in tasks:
        task.cancel()
    assert [type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [asyncio.CancelledError] * 2
    release.set()
    await blocking.run(called.append, "third")
    assert called == ["first", "third"]
    blocking.close()


async def test_inline_runs_in_the_loop() -> None:
    """A simulation has no thread: the function runs at once, where it is called."""
    blocking = Blocking(inline=True)
    assert await blocking.run(threading.current_thread) is threading.main_thread()


async def test_a_stop_iteration_is_an_error() -> None:
    """A future cannot hold ``StopIteration``; the caller gets an error in its place, and does not wait for ever."""
    blocking = Blocking()
    with pytest.raises(RuntimeError, match="next raised StopIteration"):
        await blocking.run(next, iter(()))
    blocking.close()


async def test_close_leaves_no_thread_behind() -> None:
    """Threads end with what they do; a later use starts new ones."""
    blocking = Blocking(threads_max=1)
    thread = await blocking.run(threading.current_thread)
    blocking.close()
    thread.join(10)
    assert not thread.is_alive()
    assert await blocking.run(len, "ab") == 2
    blocking.close()

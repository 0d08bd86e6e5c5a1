"""A loop that is held is reported, with the name of the operation that held it."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator

import pytest

from partita.core.call import Invocation, handled_by, handling
from partita.core.stall import Stall, StallWatch, log_stall

HELD_S = 0.15


def hold(seconds: float = HELD_S) -> None:
    """What a handler must not do: wait, and let nobody else run."""
    threading.Event().wait(seconds)


@pytest.fixture
async def stalls() -> AsyncIterator[asyncio.Queue[Stall]]:
    """What a watch of this test's loop reports."""
    found: asyncio.Queue[Stall] = asyncio.Queue()
    watch = StallWatch(found.put_nowait)
    watch.start()
    yield found
    watch.stop()


async def next_stall(stalls: asyncio.Queue[Stall]) -> Stall:
    """The next report; five seconds at most."""
    async with asyncio.timeout(5):
        return await stalls.get()


async def test_the_operation_is_named(stalls: asyncio.Queue[Stall]) -> None:
    """A handler that blocks is named, with the time and its line."""
    with handling(Invocation("orders", "place")):
        hold()
        found = await next_stall(stalls)
    assert found.what == "orders.place"
    assert HELD_S - 0.05 < found.seconds < HELD_S + 1
    assert re.search(r"test_stall\.py:\d+$", found.place)


async def test_among_several_the_one_that_holds_is_named(stalls: asyncio.Queue[Stall]) -> None:
    """With many handlers under way, interleaved, the one that blocked is named and none of the others."""
    release = asyncio.Event()

    async def handler(name: str) -> None:
        with handling(Invocation("orders", name)):
            await asyncio.sleep(0)
            if name == "slow":
                hold()
            await release.wait()

    tasks = [asyncio.create_task(handler(name)) for name in ("one", "slow", "two", "three")]
    found = await next_stall(stalls)
    release.set()
    await asyncio.gather(*tasks)
    assert found.what == "orders.slow"
    assert stalls.empty()


async def test_a_task_of_no_operation_is_named_by_its_function(stalls: asyncio.Queue[Stall]) -> None:
    """A background task that blocks is named after what it runs, and a callback as the loop."""

    async def background() -> None:
        hold()

    await asyncio.create_task(background())
    assert (await next_stall(stalls)).what.endswith("background")
    asyncio.get_running_loop().call_soon(hold)
    assert (await next_stall(stalls)).what == "the event loop"


async def test_an_operation_inside_another_is_named(stalls: asyncio.Queue[Stall]) -> None:
    """In one process a call runs in its caller's task: the inner one is named while it runs, the outer one after."""
    task = asyncio.current_task()
    assert task is not None
    with handling(Invocation("orders", "place")) as outer:
        with handling(Invocation("payments", "charge")):
            hold()
            assert (await next_stall(stalls)).what == "payments.charge"
        assert handled_by(task) is outer
    assert handled_by(task) is None


async def test_short_work_is_not_reported(stalls: asyncio.Queue[Stall]) -> None:
    """What takes less than the bound is no stall, and waiting without blocking is none either."""
    for _ in range(5):
        hold(0.01)
        await asyncio.sleep(0)
    await asyncio.get_running_loop().run_in_executor(None, hold)
    assert stalls.empty()


def test_the_log_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    """The line names operation, time, place and remedy."""
    with caplog.at_level(logging.WARNING, "partita.stall"):
        log_stall(Stall("orders.place", 0.18, "orders/service.py:33"))
    assert caplog.messages[0].startswith("orders.place held the event loop for 180 ms at orders/service.py:33; ")
    assert "self.blocking.run(...)" in caplog.messages[0]


async def test_the_thread_ends_with_the_watch() -> None:
    """After ``stop()`` nothing of it is left."""
    watch = StallWatch()
    watch.start()
    assert any(thread.name == "partita-stall-watch" for thread in threading.enumerate())
    watch.stop()
    assert not any(thread.name == "partita-stall-watch" for thread in threading.enumerate())

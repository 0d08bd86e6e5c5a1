"""The pool: bounded, in order, and no place is ever lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from partita.core.errors import DatabaseUnavailable
from partita.data.pool import Pool


def numbers(bound: int = 1000) -> Callable[[], Awaitable[int]]:
    """Makes 1, 2, 3, and fails beyond ``bound``."""
    made = 0

    async def make() -> int:
        nonlocal made
        made += 1
        if made > bound:
            raise ConnectionError("no more")
        return made

    return make


async def test_the_last_one_given_is_the_first_one_taken() -> None:
    """Connections are made on demand, and as few as will do."""
    pool = Pool(numbers(), name="stock", size=3)
    first, second = await pool.take(), await pool.take()
    assert (first, second, pool.taken) == (1, 2, 2)
    pool.give(first)
    pool.give(second)
    assert await pool.take() == 2
    assert pool.taken == 1


async def test_those_who_wait_are_served_in_order() -> None:
    """A full pool serves its queue first come, first served."""
    pool = Pool(numbers(), name="stock", size=1)
    one = await pool.take()
    served: list[int] = []

    async def wait(number: int) -> None:
        taken = await pool.take()
        served.append(number)
        pool.give(taken)

    tasks = [asyncio.create_task(wait(number)) for number in range(5)]
    await asyncio.sleep(0)
    pool.give(one)
    await asyncio.gather(*tasks)
    assert served == [0, 1, 2, 3, 4]


async def test_the_wait_is_bounded() -> None:
    """By the deadline, or by the pool's own bound, whichever comes first; the queue forgets who left."""
    pool = Pool(numbers(), name="stock", size=1, wait_s_max=0.02)
    one = await pool.take()
    for deadline in (float("inf"), time.monotonic() + 0.01, time.monotonic() - 1):
        with pytest.raises(DatabaseUnavailable, match="All 1 connections of stock"):
            await pool.take(deadline)
    pool.give(one)
    assert await pool.take() == one


async def test_a_place_is_not_lost_with_a_cancelled_waiter() -> None:
    """Somebody who is cancelled in the moment of being served hands his place on."""
    pool = Pool(numbers(), name="stock", size=1)
    one = await pool.take()
    tasks = [asyncio.create_task(pool.take()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    pool.give(one)
    tasks[0].cancel()
    assert await asyncio.wait_for(tasks[2], 5) == one


async def test_one_that_cannot_be_made_frees_its_place() -> None:
    """A failure to connect is the caller's error, and the next one may try."""
    pool = Pool(numbers(bound=0), name="stock", size=1)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await pool.take()
    assert pool.taken == 0


async def test_one_that_was_dropped_is_replaced() -> None:
    """A lost connection makes room for a new one, for somebody who waits too."""
    pool = Pool(numbers(), name="stock", size=1)
    assert await pool.take() == 1
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    pool.drop()
    assert await waiting == 2

"""A block that may take so long and no longer."""

from __future__ import annotations

import asyncio

import pytest

from partita.rpc.within import Within


async def for_ever() -> None:
    """Waits for what never comes."""
    await asyncio.get_running_loop().create_future()


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    """Nothing is raised, and nothing is left to fire later."""
    with Within(60):
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("seconds", [0.0, 0.01])
async def test_a_block_that_takes_too_long_is_cut_off(seconds: float) -> None:
    """``TimeoutError`` is raised, and the task's count of cancellations is as it was before."""
    with pytest.raises(TimeoutError):
        with Within(seconds):
            await for_ever()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    """Whoever cancels the task sees it cancelled, and no ``TimeoutError``."""
    entered = asyncio.Event()

    async def block() -> None:
        with Within(60):
            entered.set()
            await for_ever()

    task = asyncio.create_task(block())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_cancellation_that_comes_with_the_bound_wins() -> None:
    """Cut off and cancelled at once, the task ends as cancelled: somebody waits for that."""
    entered = asyncio.Event()

    async def block() -> None:
        with Within(0):
            entered.set()
            try:
                await for_ever()
            finally:
                task.cancel()
                await asyncio.sleep(0)

    task = asyncio.create_task(block())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_block_is_its_own() -> None:
    """What the block raises after it was cut off comes out unchanged."""
    with pytest.raises(LookupError):
        with Within(0):
            try:
                await for_ever()
            except asyncio.CancelledError:
                raise LookupError from None


async def test_the_inner_bound_fires_alone() -> None:
    """Of two blocks within each other, the one whose time is up raises; the outer one goes on."""
    with Within(60):
        with pytest.raises(TimeoutError):
            with Within(0):
                await for_ever()
        await asyncio.sleep(0)

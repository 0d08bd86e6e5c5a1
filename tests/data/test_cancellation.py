"""Cancellations anywhere: what the unit says is what is durable, and no connection is lost."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

import pytest
from sqlalchemy import select

from partita.core.call import Invocation
from partita.core.errors import PartitaError
from partita.data import Reruns
from partita.data.work import State

CALLS = 150


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_cancellations_at_random(bench: Any, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Units that are cancelled at any step: each one that says committed is durable, each other one is not."""
    chance = random.Random(seed)
    bench.db.attach(bench.engine, reruns=Reruns(runs_max=50, chance=chance))
    seen: dict[int, list[Invocation]] = {number: [] for number in range(CALLS)}
    await bench.insert(hot=0)

    async def call(number: int) -> None:
        async def handler() -> None:
            session = bench.db.session
            hot = await session.scalar(select(bench.Item).where(bench.Item.name == "hot"))
            if chance.random() < 0.3:
                async with session.begin_nested():
                    session.add(bench.Item(name=f"part {number}"))
            session.add(bench.Item(name=f"item {number}"))
            hot.amount += 1
            await session.flush()
            await asyncio.sleep(0)

        await bench.handle(handler, seen=seen[number])

    async def client(numbers: range) -> None:
        for number in numbers:
            task = asyncio.create_task(call(number))
            # A count of turns rather than a time: on a loop this fast every step of a unit is hit.
            for _ in range(chance.choice([1, 2, 3, 5, 8, 13, 21, 34, 55, 1000])):
                if task.done():
                    break
                await asyncio.sleep(0)
            if chance.random() < 0.7:
                task.cancel()
            try:
                await task
            except (asyncio.CancelledError, PartitaError):
                pass

    with caplog.at_level(logging.WARNING):
        await asyncio.gather(*(client(range(start, CALLS, 12)) for start in range(12)))
    durable = await bench.amounts()
    committed = {
        number for number, found in seen.items() if found and found[0].unit and found[0].unit.state is State.COMMITTED
    }
    assert {name for name in durable if name.startswith("item")} == {f"item {number}" for number in committed}
    assert durable["hot"] == len(committed)
    assert 0 < len(committed) < CALLS
    assert bench.engine.pool.taken == 0
    assert "still open" not in caplog.text

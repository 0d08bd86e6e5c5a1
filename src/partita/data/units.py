"""Runs handlers in units of work: run, write the outbox, COMMIT, and again where the database asks for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from partita.contract.problem import Problem
from partita.core.call import Invocation
from partita.data.after_commit import run_after_commit
from partita.data.database import Database
from partita.data.reruns import Reruns
from partita.data.work import Work

__all__ = ["UnitsOfWork"]

T = TypeVar("T")


class UnitsOfWork:
    """``partita.ports.units.Units`` for a service with a database."""

    def __init__(self, database: Database, *, reruns: Reruns | None = None) -> None:
        self._database = database
        self._reruns = reruns

    async def run(self, invocation: Invocation, body: Callable[[], Awaitable[T]]) -> T:
        """Run ``body`` in one unit of work. See ``partita.ports.units.Units``."""
        run = 0
        while True:
            work = self._database.ambient(invocation, again=run > 0)
            invocation.unit = work
            try:
                return await self._once(work, invocation, body)
            except Exception:
                # Whatever the handler made of the database's error: what it did was not serialisable, and is undone.
                if not work.is_stale:
                    raise
            await (self._reruns or self._database.reruns).pause(run, invocation.name, invocation.deadline)
            invocation.rerun()
            run += 1

    async def _once(self, work: Work, invocation: Invocation, body: Callable[[], Awaitable[T]]) -> T:
        try:
            result = await body()
        except Problem as problem:
            cancellation = await (work.finish() if problem.commits else work.discard())
            await self._end(work, invocation, cancellation)
            raise
        except BaseException:
            await work.abandon()
            raise
        await self._end(work, invocation, await work.finish())
        return result

    async def _end(self, work: Work, invocation: Invocation, cancellation: asyncio.CancelledError | None) -> None:
        if work.after:
            try:
                await run_after_commit(work)
            except asyncio.CancelledError as another:
                cancellation = another
        # The work is durable. Where the deadline cancelled, the caller may still be told; anybody else has gone.
        if cancellation is not None and invocation.deadline > time.monotonic():
            raise cancellation

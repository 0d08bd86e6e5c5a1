"""What a unit of work does after COMMIT, and may lose."""

from __future__ import annotations

import asyncio
import inspect
import logging

from partita.data.work import AfterCommit, State, Work

__all__ = ["AFTER_COMMIT_S_MAX", "run_after_commit"]

AFTER_COMMIT_S_MAX = 1.0
"""How long everything handed to ``db.after_commit()`` may take together; what is not done by then is lost."""

_log = logging.getLogger("partita.data")


async def run_after_commit(work: Work) -> None:
    """Run what was handed to ``db.after_commit()``, in order. Failures are logged."""
    if work.state is State.ROLLED_BACK:
        return
    try:
        async with asyncio.timeout(AFTER_COMMIT_S_MAX):
            for function in work.after:
                await _run_one(work.name, function)
    except TimeoutError:
        _log.warning("%s: db.after_commit() took over %g s; the rest is lost.", work.name, AFTER_COMMIT_S_MAX)


async def _run_one(name: str, function: AfterCommit) -> None:
    try:
        outcome = function()
        if inspect.isawaitable(outcome):
            await outcome
    except Exception:
        _log.exception("%s: a function given to db.after_commit() failed.", name)

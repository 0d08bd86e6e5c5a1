"""The seam between the path of a call and the unit of work around its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from partita.core.call import Invocation

__all__ = ["NoUnits", "Units"]

T = TypeVar("T")


class Units(Protocol):
    """Runs handlers in units of work."""

    async def run(self, invocation: Invocation, body: Callable[[], Awaitable[T]]) -> T:
        """Run ``body`` (the handler, and the encoding of its result) in one unit of work, and commit.

        ``body`` may be run several times. A ``Problem`` that it raises is final: its writes are rolled back, or kept
        where the problem's class says ``commits=True``, and it is raised again. Raises ``Contended`` where the
        database refused every run, and ``CommitUnknown`` where the answer to COMMIT was lost.
        """
        ...


class NoUnits:
    """For a service without a database."""

    async def run(self, invocation: Invocation, body: Callable[[], Awaitable[T]]) -> T:
        """Run ``body`` once."""
        return await body()

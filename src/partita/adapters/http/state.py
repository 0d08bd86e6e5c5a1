"""What the connections of one server share."""

from __future__ import annotations

import asyncio
from contextvars import Context

from uvicorn.server import ServerState

from partita.adapters.http.limits import ServerLimits

__all__ = ["HostState"]


class HostState(ServerState):
    """Uvicorn's state (connections, tasks), with the limits, the date, and what a drain waits for.

    ``context`` is the one in which the server was started: each request runs in a copy of it.
    """

    def __init__(self, limits: ServerLimits, context: Context) -> None:
        super().__init__()
        self.limits = limits
        self.context = context
        self.date_line = b""
        self.in_flight = 0
        self.draining = False
        self.quiet = asyncio.Event()  # set when a drain has come to its end

    def note_end(self) -> None:
        """A connection or a request has ended."""
        if self.draining and not self.connections and not self.tasks:
            self.quiet.set()

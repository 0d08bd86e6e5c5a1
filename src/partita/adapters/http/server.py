"""The server: hosts an ASGI application over HTTP/1.1, within bounds.

    server = HttpServer(app)
    port = await server.start(port=8000)
    ...
    await server.drain(10)
    await server.stop()

The connections are uvicorn's (``Config(http=ServerProtocol)``); its ``Server`` is not used, since signals, lifespan and
the order of stopping belong to the process that hosts the service.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from contextvars import copy_context
from email.utils import formatdate
from typing import Any, cast

from uvicorn.config import Config

from partita.adapters.http.limits import ServerLimits
from partita.adapters.http.protocol import ServerProtocol
from partita.adapters.http.state import HostState
from partita.core.errors import Misuse, StartFailed
from partita.rpc.http import ASGIApp

__all__ = ["HttpServer"]

_TICK_S_MAX = 1.0
_TICK_S_MIN = 0.005


class HttpServer:
    """One listening socket and its connections. Each request runs the application in a task of its own.

    The application is cancelled when its client is gone. Access is not logged; failures are, under ``partita.http``.
    """

    def __init__(self, app: ASGIApp, *, limits: ServerLimits | None = None) -> None:
        self._limits = limits if limits is not None else ServerLimits()
        self._app = app
        self._host: HostState | None = None
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._tick_s = _tick_s(self._limits)

    @property
    def in_flight(self) -> int:
        """Requests that the application works on now."""
        return self._host.in_flight if self._host is not None else 0

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._host.connections) if self._host is not None else 0

    async def start(self, *, host: str = "127.0.0.1", port: int = 0, sock: socket.socket | None = None) -> int:
        """Listen on ``host`` and ``port`` (0: any that is free) or on ``sock``, and return the port.

        Raises ``StartFailed`` where the address cannot be had. Each request runs in a copy of this call's context.
        """
        if self._server is not None:
            raise Misuse("This server was started already; make another one for another socket.")
        config = Config(
            cast(Any, self._app),
            http=ServerProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        config.load()
        state = HostState(self._limits, copy_context())
        make = cast(Any, config.http_protocol_class)
        loop = asyncio.get_running_loop()

        def connect() -> asyncio.Protocol:
            return cast(asyncio.Protocol, make(config=config, server_state=state, app_state={}))

        try:
            if sock is None:
                self._server = await loop.create_server(connect, host, port, backlog=self._limits.backlog)
            elif sock.family == socket.AF_UNIX:
                self._server = await loop.create_unix_server(connect, sock=sock, backlog=self._limits.backlog)
            else:
                self._server = await loop.create_server(connect, sock=sock, backlog=self._limits.backlog)
        except OSError as error:
            place = f"{host} port {port}" if sock is None else "the socket that was given"
            why = error.strerror or error
            raise StartFailed(
                f"The HTTP server cannot listen on {place}: {why}. Stop what uses it, or choose another."
            ) from error
        self._host = state
        self._tick()
        name = self._server.sockets[0].getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0

    async def drain(self, timeout_s: float) -> None:
        """Take no more connections, answer what is in flight with ``Connection: close``, and wait for its end.

        Idle connections close at once. After ``timeout_s`` seconds this returns with whatever is still open.
        """
        if self._server is None or self._host is None:
            return
        self._host.draining = True
        self._server.close()
        for connection in list(self._host.connections):
            cast(ServerProtocol, connection).shutdown()
        self._host.note_end()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._host.quiet.wait()

    async def stop(self) -> None:
        """Close everything now. What the application still works on is cancelled, and waited for."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        server, self._server = self._server, None
        host, self._host = self._host, None
        if server is None or host is None:
            return
        host.draining = True
        server.close()
        tasks = list(host.tasks)
        for connection in list(host.connections):
            cast(ServerProtocol, connection).transport.abort()
        await asyncio.sleep(0)  # in which the transports tell that they are closed
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tick(self) -> None:
        """Once in a while: the date, and the bounds on time of each connection."""
        host = self._host
        if host is None:
            return
        loop = asyncio.get_running_loop()
        self._ticker = loop.call_later(self._tick_s, self._tick)
        host.date_line = b"date: %b\r\n" % formatdate(usegmt=True).encode("ascii")
        now = loop.time()
        for connection in list(host.connections):
            cast(ServerProtocol, connection).tick(now)


def _tick_s(limits: ServerLimits) -> float:
    """How often the bounds on time are looked at: a quarter of the shortest, in seconds."""
    times = (limits.head_s, limits.body_s, limits.keep_alive_s, limits.write_s, limits.half_closed_s, limits.linger_s)
    return min(_TICK_S_MAX, max(_TICK_S_MIN, min(times) / 4))

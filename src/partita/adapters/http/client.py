"""The client: a ``Transport`` that carries calls over HTTP/1.1.

    transport = HttpTransport("http://127.0.0.1:7001")
    response = await transport.send(Request(service="orders", operation="place", method="POST", target="/orders"))

Proxies named in the environment are not used: services call each other directly.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from partita.adapters.http.address import parse_address
from partita.adapters.http.connection import Connection
from partita.adapters.http.encoding import encode_head
from partita.adapters.http.failures import failure
from partita.adapters.http.limits import ClientLimits
from partita.adapters.http.pool import Pool
from partita.adapters.http.streamed import Streamed
from partita.core.errors import ConnectionLost, DeadlineExceeded
from partita.ports.transport import Request, Response

__all__ = ["HttpTransport"]

_NEVER = float("inf")


class HttpTransport:
    """Carries requests to one server, over connections that are kept open between them.

    ``address`` is a URL (``http://host:port``, ``https://host``, with a path before all targets, or ``unix:/path``)
    or a pair of host and port. Belongs to the event loop in which it is first used.
    """

    def __init__(
        self,
        address: str | tuple[str, int],
        *,
        limits: ClientLimits | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        place = parse_address(address)
        self._limits = limits if limits is not None else ClientLimits()
        self._address = str(place)
        self._host = place.host_header
        self._prefix = place.prefix
        tls = None
        if place.secure:
            tls = ssl_context if ssl_context is not None else ssl.create_default_context()
        self._pool = Pool(place, self._limits, tls)

    async def send(self, request: Request) -> Response:
        """Send, and wait for the whole answer.

        A safe request is sent once more, on a new connection, if the server closed a kept connection without a byte of
        an answer. Raises ``Unavailable``, ``TooManyCalls``, ``ConnectionLost``, ``DeadlineExceeded``, ``BadResponse``,
        and ``ValueError`` for a request that cannot be written. A call that is cancelled resets its connection.
        """
        body = request.body
        if not isinstance(body, bytes):
            return await self._upload(request, body, None)
        return await self._exchange(request, body, None)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Streamed]:
        """Send, and hand on the answer when its head has come. The deadline is that of the whole body."""
        streamed = Streamed(request, self._address, self._limits)
        body = request.body
        try:
            if isinstance(body, bytes):
                await self._exchange(request, body, streamed)
            else:
                await self._upload(request, body, streamed)
            yield streamed
        finally:
            streamed.leave()

    async def close(self) -> None:
        """Close all connections. Calls in flight fail as ``ConnectionLost``, later ones as ``Unavailable``."""
        self._pool.close()

    # --- one exchange --------------------------------------------------------------------------------------------

    async def _exchange(self, request: Request, body: bytes, streamed: Streamed | None) -> Response:
        head = encode_head(request.method, self._prefix + request.target, self._host, request.headers, len(body))
        self._check_deadline(request)
        connection = self._pool.idle()
        if connection is None:
            connection = await self._pool.acquire(request)
        waiter = connection.begin(request, head, body, streamed=streamed)
        if streamed is not None:
            streamed.attach(connection)
        try:
            return await waiter
        except ConnectionLost:
            if not (connection.stale and request.safe):
                raise
        except asyncio.CancelledError:
            connection.abandon(waiter)
            raise
        return await self._again(request, head, body, streamed)

    async def _again(self, request: Request, head: bytes, body: bytes, streamed: Streamed | None) -> Response:
        self._check_deadline(request)
        connection = await self._pool.acquire(request, fresh=True)
        waiter = connection.begin(request, head, body, streamed=streamed)
        if streamed is not None:
            streamed.attach(connection)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.abandon(waiter)
            raise

    async def _upload(self, request: Request, body: AsyncIterator[bytes], streamed: Streamed | None) -> Response:
        """Send a body in chunks. The answer may come before its end, which ends it."""
        head = encode_head(request.method, self._prefix + request.target, self._host, request.headers, None)
        self._check_deadline(request)
        connection = self._pool.idle() or await self._pool.acquire(request)
        waiter = connection.begin(request, head, streamed=streamed, upload=True)
        if streamed is not None:
            streamed.attach(connection)
        limit = asyncio.timeout(_remaining(request))
        try:
            async with limit:
                await _send_chunks(connection, waiter, body)
            return await waiter
        except BaseException as error:
            connection.abandon(waiter)
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # seen: what is raised here tells more
            if isinstance(error, TimeoutError) and limit.expired():
                text = "the deadline passed while the body was sent"
                raise failure(DeadlineExceeded, request, self._address, text, sent=True) from None
            raise

    def _check_deadline(self, request: Request) -> None:
        if request.deadline != _NEVER and request.deadline <= time.monotonic():
            text = "the deadline had passed before the call was sent"
            raise failure(DeadlineExceeded, request, self._address, text, sent=False)


def _remaining(request: Request) -> float | None:
    return None if request.deadline == _NEVER else request.deadline - time.monotonic()


async def _send_chunks(connection: Connection, waiter: asyncio.Future[Response], body: AsyncIterator[bytes]) -> None:
    async for chunk in body:
        if waiter.done():
            return
        if chunk and not await connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk)):
            return
    if await connection.write(b"0\r\n\r\n"):
        connection.uploaded()

"""One connection of the client: an exchange after the other, each a request and its answer."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import Protocol, cast

from partita.adapters.http.answer import Answer
from partita.adapters.http.failures import failure
from partita.adapters.http.limits import ClientLimits
from partita.adapters.http.streamed import Streamed
from partita.core.errors import BadResponse, CallFailed, ConnectionLost, DeadlineExceeded
from partita.ports.transport import Request, Response

__all__ = ["Connection", "ConnectionOwner"]

_NEVER = float("inf")
_TIMER_SLACK_S = 0.002  # uvloop's clock has milliseconds
_JOIN_BYTES_MAX = 64 * 1024  # a larger body is not copied behind its head
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ConnectionOwner(Protocol):
    """Who is told what becomes of a connection: the pool."""

    def release(self, connection: Connection) -> None:
        """It is idle and can carry another exchange."""
        ...

    def forget(self, connection: Connection) -> None:
        """It is closed. Called once."""
        ...


class Connection(asyncio.Protocol):
    """Writes requests and hands over answers. Used by one call at a time, which the pool sees to.

    ``closed`` says that it is of no more use, ``exchanges`` how many it has carried.
    """

    __slots__ = (
        "_address",
        "_answer",
        "_answered",
        "_can_write",
        "_expires",
        "_limits",
        "_loop",
        "_owner",
        "_request",
        "_streamed",
        "_timer",
        "_timer_at",
        "_transport",
        "_uploading",
        "_waiter",
        "closed",
        "exchanges",
    )

    def __init__(self, owner: ConnectionOwner, address: str, limits: ClientLimits) -> None:
        self._owner = owner
        self._address = address
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer = Answer(limits)
        self.closed = False
        self.exchanges = 0
        # The exchange that is on: none, if there is no request.
        self._request: Request | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._streamed: Streamed | None = None
        self._uploading = False
        self._answered = False
        self._can_write: asyncio.Future[None] | None = None
        # One timer for deadlines and idleness. It is moved to earlier times only; when it fires too early, it is set
        # anew. So a call with a deadline ten seconds from now costs no timer of its own.
        self._expires = _NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER

    # --- the caller's side ---------------------------------------------------------------------------------------

    @property
    def stale(self) -> bool:
        """It had served before, stood idle, and was closed by the peer without a byte of an answer."""
        return self.exchanges > 1 and not self._answered

    def begin(
        self,
        request: Request,
        head: bytes,
        body: bytes = b"",
        *,
        streamed: Streamed | None = None,
        upload: bool = False,
    ) -> asyncio.Future[Response]:
        """Send a request. The future has the answer; where it is streamed, its head.

        With ``upload`` the body follows by ``write`` and ends with ``uploaded``.
        """
        transport = self._transport
        assert transport is not None, "a connection is handed out when it is made"
        self._waiter = waiter = self._loop.create_future()
        self._request = request
        self._streamed = streamed
        self._uploading = upload
        self._answered = False
        self.exchanges += 1
        self._answer.expect(streamed, head_only=request.method == "HEAD")
        if request.deadline == _NEVER:
            self._expires = _NEVER
        else:
            self._expire_at(self._loop.time() + request.deadline - time.monotonic())
        if len(body) > _JOIN_BYTES_MAX:
            transport.write(head)
            transport.write(body)
        else:
            transport.write(head + body)
        return waiter

    async def write(self, data: bytes) -> bool:
        """Send a piece of the body, when the peer can take it. False if the answer has come, or the end."""
        if self._can_write is not None:
            await self._can_write
        if self.closed or self._waiter is None or self._transport is None:
            return False
        self._transport.write(data)
        return True

    def uploaded(self) -> None:
        """The body of the request is whole: the connection can be used again after the answer."""
        self._uploading = False

    def abandon(self, exchange: object) -> None:
        """Break off the exchange, named by its future or its streamed answer, unless it has ended.

        A call that was cancelled may learn of it when the connection serves another already.
        """
        if exchange is self._waiter or exchange is self._streamed:
            self._fail(ConnectionLost, "the call was broken off on this side")

    def close(self) -> None:
        """Close at once. An exchange that is on fails as ``ConnectionLost``."""
        self._fail(ConnectionLost, "the client was closed")

    def pause(self) -> None:
        """Read no more for now."""
        if self._transport is not None and not self.closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    # --- the peer's side: asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._request is None:
            self._close()  # nobody asked: taken for an answer, it would go to the wrong call
            return
        answer = self._answer
        self._answered = True
        wrong = answer.feed(data)
        if wrong is not None:
            self._fail(BadResponse, wrong)
        elif answer.complete:
            self._finish()
        elif answer.head_done and self._streamed is not None and self._waiter is not None:
            self._settle()
            self.resume_writing()  # an upload ends with the answer

    def eof_received(self) -> None:
        """Called by the loop, which closes the connection then: there is no half-closed answer."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._close()
        if self._request is None:
            return
        if exc is None and self._answer.ends_with_connection:
            self._finish()
        elif self._answer.head_done:
            self._fail(ConnectionLost, "the connection ended in the middle of the answer")
        else:
            self._fail(ConnectionLost, "the connection ended before the answer came")

    def pause_writing(self) -> None:
        """Called by the transport when the peer does not take what is sent."""
        if self._can_write is None:
            self._can_write = self._loop.create_future()

    def resume_writing(self) -> None:
        """Called by the transport when it does again."""
        can_write, self._can_write = self._can_write, None
        if can_write is not None and not can_write.done():
            can_write.set_result(None)

    # --- ends ----------------------------------------------------------------------------------------------------

    def _settle(self, body: bytes = b"") -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(Response(status=self._answer.status, headers=self._answer.headers, body=body))

    def _finish(self) -> None:
        """The answer is whole."""
        answer = self._answer
        body = answer.body
        streamed, self._streamed = self._streamed, None
        self._request = None
        self._settle(body[0] if len(body) == 1 else b"".join(body))
        if streamed is not None:
            streamed.end()
        if not answer.keep or answer.extra or self._uploading or self.closed:
            self._uploading = False
            self._close()
            self.resume_writing()
            return
        self._expire_at(self._loop.time() + self._limits.idle_s)
        self._owner.release(self)

    def _fail(self, kind: type[CallFailed], text: str) -> None:
        """The connection ends, and the exchange that is on with an error.

        With one that is on it is reset, by which the server knows at once that the work is not wanted any more: an
        orderly close looks to it as if this side had nothing more to send.
        """
        request, self._request = self._request, None
        waiter, self._waiter = self._waiter, None
        streamed, self._streamed = self._streamed, None
        if request is not None:
            self._reset()
        self._close()
        self.resume_writing()
        if request is None:
            return
        error = failure(kind, request, self._address, text, sent=True)
        if waiter is not None:
            if not waiter.done():
                waiter.set_exception(error)
        elif streamed is not None:
            streamed.fail(error)

    def _reset(self) -> None:
        transport = self._transport
        if transport is None or self.closed or transport.get_extra_info("sslcontext") is not None:
            return
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def _close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        self._owner.forget(self)

    # --- time ----------------------------------------------------------------------------------------------------

    def _expire_at(self, at: float) -> None:
        self._expires = at
        if at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = _NEVER
        if self._expires > self._loop.time() + _TIMER_SLACK_S:
            self._expire_at(self._expires)
        elif self._request is not None:
            self._fail(DeadlineExceeded, "the deadline passed before the answer was whole")
        else:
            self._close()

"""An answer whose body is taken piece by piece, with backpressure to the server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from partita.adapters.http.failures import failure
from partita.adapters.http.limits import ClientLimits
from partita.core.errors import BadResponse
from partita.ports.transport import Request

__all__ = ["Streamed"]


class _Source(Protocol):
    """The connection, as far as a body sees it."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abandon(self, exchange: object) -> None: ...


class Streamed:
    """A ``StreamedResponse``. What came and was not asked for yet is kept, up to the client's bound."""

    def __init__(self, request: Request, address: str, limits: ClientLimits) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._request = request
        self._address = address
        self._limits = limits
        self._source: _Source | None = None
        self._paused = False
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._error: Exception | None = None
        self._wake: asyncio.Future[None] | None = None

    # --- the caller's side ---------------------------------------------------------------------------------------

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body's pieces as they come. Raises ``ConnectionLost`` and ``DeadlineExceeded``."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                if self._paused and 2 * self._size < self._limits.buffer_bytes_max:
                    self._read_on()
                yield chunk
            if self._error is not None:
                raise self._error
            if self._ended:
                return
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake

    async def read(self) -> bytes:
        """The whole body. Raises ``BadResponse`` where it is larger than the client's bound."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            parts.append(chunk)
            if size > self._limits.body_bytes_max:
                self.leave()
                text = f"the body of the answer is larger than {self._limits.body_bytes_max} bytes"
                raise failure(BadResponse, self._request, self._address, text, sent=True)
        return b"".join(parts)

    def leave(self) -> None:
        """Nobody wants the rest: the call is broken off if it has not ended."""
        self._chunks.clear()
        if self._source is not None:
            self._source.abandon(self)

    # --- the connection's side -----------------------------------------------------------------------------------

    def attach(self, source: _Source) -> None:
        """The connection that it comes on."""
        self._source = source

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head has come."""
        self.status = status
        self.headers = headers

    def feed(self, data: bytes) -> None:
        """A piece of the body has come."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size > self._limits.buffer_bytes_max and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause()
        self._notify()

    def end(self) -> None:
        """The body is whole."""
        self._ended = True
        if self._paused:
            self._read_on()
        self._source = None
        self._notify()

    def fail(self, error: Exception) -> None:
        """The body ends before its end. What came of it can still be read."""
        self._error = error
        self._source = None
        self._notify()

    def _read_on(self) -> None:
        self._paused = False
        if self._source is not None:
            self._source.resume()

    def _notify(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)

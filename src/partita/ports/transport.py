"""The seam between a typed client and whatever carries its calls: HTTP, or this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

__all__ = ["Request", "Response", "StreamedResponse", "Transport"]


class Request(msgspec.Struct, kw_only=True, gc=False):
    """A call as it goes over the wire. Header names are in lower case; ``deadline`` is in ``time.monotonic()``.

    ``target`` is the path with its query, percent-encoded, and starts with a slash. ``safe`` says that it may be sent
    again (GET) on another connection when this one was closed by the peer before a byte of the answer came.
    """

    service: str
    operation: str
    method: str
    target: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | AsyncIterator[bytes] = b""
    deadline: float = float("inf")
    safe: bool = False


class Response(msgspec.Struct, kw_only=True, gc=False):
    """A whole answer. Header names are in lower case; of a repeated header the values are joined by a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamedResponse(Protocol):
    """An answer whose body comes piece by piece."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """The body. Raises ``ConnectionLost`` if it ends before its end."""
        ...

    async def read(self) -> bytes:
        """The whole body, up to the transport's bound."""
        ...


class Transport(Protocol):
    """Carries requests to one service."""

    async def send(self, request: Request) -> Response:
        """Send, and wait for the whole answer. Raises the subclasses of ``CallFailed``."""
        ...

    def stream(self, request: Request) -> AbstractAsyncContextManager[StreamedResponse]:
        """Send, and hand on the answer when its head has come. Leaving the block early cancels the call."""
        ...

    async def close(self) -> None:
        """Close what is open. Calls in flight fail."""
        ...

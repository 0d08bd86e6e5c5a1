"""A typed client for programs outside of a system."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from partita.adapters.http.client import HttpTransport
from partita.rpc.client import client
from partita.rpc.wire import WireChannel

__all__ = ["connect"]

C = TypeVar("C")


@asynccontextmanager
async def connect(contract: Callable[..., C], url: str, *, token: str | None = None) -> AsyncIterator[C]:
    """``async with connect(Orders, "http://localhost:8080", token=...) as orders``: a client of a running service.

    ``token`` is a user's, sent with each call. Connections are kept and closed at the end of the block.
    """
    transport = HttpTransport(url)
    try:
        yield client(contract, WireChannel(transport, user_token=token))
    finally:
        await transport.close()

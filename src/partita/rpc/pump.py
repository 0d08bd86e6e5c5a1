"""Runs a stream's handler in a task of its own, one item ahead of its reader.

An async generator runs in the context of whoever asks for the next item. In one process that is another service's
handler, which must not find itself in this one's call or transaction between two items.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["END", "pumped"]

END = object()
"""What comes after the last item."""


@asynccontextmanager
async def pumped(stream: AsyncIterator[bytes]) -> AsyncIterator[asyncio.Queue[Any]]:
    """A queue of the stream's items; after the last comes ``END``, or the exception that ended it.

    Leaving the block cancels the handler, and waits until it has cleaned up.
    """
    queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)
    pump = asyncio.create_task(_pump(stream, queue))
    try:
        yield queue
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pump


async def _pump(stream: AsyncIterator[bytes], queue: asyncio.Queue[Any]) -> None:
    try:
        async for item in stream:
            await queue.put(item)
    except Exception as error:
        await queue.put(error)
    else:
        await queue.put(END)
    finally:
        await stream.aclose()  # type: ignore[attr-defined]

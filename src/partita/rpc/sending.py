"""Sending an answer over ASGI: whole, as an event stream, or as a download."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from partita.core.call import Invocation
from partita.rpc.answer import JSON, PROBLEM, Answer
from partita.rpc.endpoint import Endpoint
from partita.rpc.http import Send
from partita.rpc.pump import END, pumped

__all__ = ["send_answer"]

log = logging.getLogger("partita.rpc")

HEARTBEAT_S = 15.0
FIRST_ITEM_S = 0.05


async def send_answer(
    send: Send, answer: Answer, endpoint: Endpoint | None, invocation: Invocation | None, *, head: bool
) -> None:
    """Send ``answer``; only its head for a HEAD request."""
    if answer.stream is not None and endpoint is not None and invocation is not None:
        if head:
            await _send_head(send, answer, None)
            await send({"type": "http.response.body", "body": b""})
            await answer.stream.aclose()  # type: ignore[attr-defined]
        else:
            await _send_stream(send, answer, endpoint, invocation)
    elif answer.download is not None:
        await _send_download(send, answer, head=head)
    else:
        await _send_head(send, answer, None if answer.status == 204 else len(answer.body))
        await send({"type": "http.response.body", "body": b"" if head else answer.body})


async def _send_head(send: Send, answer: Answer, size: int | None) -> None:
    headers = [_encoded.get(header) or _encode(header) for header in answer.headers]
    if size is not None:
        headers.append((b"content-length", str(size).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


# Nearly every answer has the one header that says JSON.
_encoded: dict[tuple[str, str], tuple[bytes, bytes]] = {
    header: (header[0].encode(), header[1].encode()) for header in (JSON, PROBLEM)
}


def _encode(header: tuple[str, str]) -> tuple[bytes, bytes]:
    return header[0].encode("latin-1"), header[1].encode("latin-1", "replace")


async def _send_download(send: Send, answer: Answer, *, head: bool) -> None:
    assert answer.download is not None
    await _send_head(send, answer, None)
    if not head:
        async for chunk in answer.download.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _send_stream(send: Send, answer: Answer, endpoint: Endpoint, invocation: Invocation) -> None:
    """Server-sent events. What fails at once is answered with its status; what fails later, by an event."""
    assert answer.stream is not None
    async with pumped(answer.stream) as queue:
        item = await _next(queue, FIRST_ITEM_S)
        if isinstance(item, Exception):
            await send_answer(send, endpoint.failure(item, invocation), None, None, head=False)
            return
        await _send_head(send, answer, None)
        while item is not END:
            if isinstance(item, Exception):
                problem = endpoint.failure(item, invocation).body
                await _send_chunk(send, b"event: problem\ndata: " + problem + b"\n\n")
                break
            await _send_chunk(send, b": still here\n\n" if item is None else b"data: " + item + b"\n\n")
            item = await _next(queue, HEARTBEAT_S)
        await send({"type": "http.response.body", "body": b""})


async def _next(queue: asyncio.Queue[Any], seconds: float) -> Any:
    """The next item, or ``None`` when none came in time."""
    try:
        async with asyncio.timeout(seconds):
            return await queue.get()
    except TimeoutError:
        return None


async def _send_chunk(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})

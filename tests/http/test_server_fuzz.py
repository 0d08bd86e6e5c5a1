"""Bytes of every kind, sent to the server: it answers or closes, and goes on serving."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partita.adapters.http.limits import ServerLimits
from partita.adapters.http.server import HttpServer

GOOD = b"POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"

PIECES = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /x HTTP/1.1\r\n",
        b"HEAD /x HTTP/1.0\r\n",
        b"GET / HTTP/9.9\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"Host: a\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: 4\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Connection: upgrade\r\n",
        b"Upgrade: h2c\r\n",
        b"X: \xff\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"abc",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff1\r\n",
        b"3;x=y\r\nabc\r\n",
        b"%zz",
        GOOD,
    ]
)
REQUESTS = st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=12)


async def _conversation(pieces: list[bytes]) -> tuple[bytes, bytes]:
    """Send the pieces, then a good request on another connection. Returns what came back on each."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    server = HttpServer(app, limits=ServerLimits(head_s=0.02, body_s=0.02, linger_s=0.02, half_closed_s=0.02))
    port = await server.start()
    try:
        async with asyncio.timeout(10):
            first = await _talk(port, pieces)
            second = await _talk(port, [GOOD])
    finally:
        await server.stop()
    assert (server.in_flight, server.connections) == (0, 0)
    return first, second


async def _talk(port: int, pieces: list[bytes]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


@pytest.mark.asyncio(loop_factories=["asyncio"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=REQUESTS)
async def test_no_bytes_break_the_server(pieces: list[bytes], caplog: pytest.LogCaptureFixture) -> None:
    """Whatever comes, each answer is HTTP, each refusal a problem, nothing is logged, and the next client is served."""
    caplog.clear()
    first, second = await _conversation(pieces)
    assert second.endswith(b"3\r\nabc\r\n0\r\n\r\n")
    assert first == b"" or first.startswith((b"HTTP/1.1 ",))
    if b"problem+json" in first:
        problem = json.loads(first[first.rindex(b'{"type"') :])
        assert problem["status"] >= 400
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
